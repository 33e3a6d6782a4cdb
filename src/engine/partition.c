/* SPDX-License-Identifier: MIT
 *
 * A partition at work: beginning, going on, cutting, and beginning again. See partition.h. */
#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/partition_priv.h"
#include "wire/wire.h"

/* ---- beginning and ending
 * ---------------------------------------------------------------------- */

static pd_status begin(struct partition *partition, time_us now, pd_error *err)
{
    struct ownership owned;
    struct store *store = partition->options.store;
    pd_status status = store->ops->own(store, partition->options.number, now, &owned, err);
    if (status != PD_OK) {
        return status;
    }
    struct core_options options = {
        .partition = partition->options.number,
        .partition_count = store->partition_count,
        .epoch = owned.epoch,
        .row_next = owned.row_next,
        /* Another one for each life: the ids made of it must be new. */
        .seed = partition->options.seed ^ owned.epoch * UINT64_C(0x9e3779b97f4a7c15),
        .codec = &wire_codec,
        .announcer = partition->options.announcer,
        .activity_room = command_done_size,
        .keeps_empty = partition->options.keeps_empty,
    };
    partition->core = core_new(&options);
    partition->recovered_row = 0;
    partition->recover_end = owned.row_next;
    partition->is_recovering = true;
    partition->epoch = owned.epoch;
    partition->received = 0;
    partition->has_mail = true;
    partition->retry_at = 0;
    window_open(partition);
    return PD_OK;
}

struct partition *partition_new(const struct partition_options *options, time_us now, pd_error *err)
{
    struct partition *partition = OBJECT_NEW(struct partition, PARTITION_MAGIC);
    partition->options = *options;
    partition->now = now;
    partition->retry_delay = RETRY_FIRST;
    arena_init(&partition->turn);
    arena_init(&partition->scratch);
    map64_init(&partition->dispatched);
    if (begin(partition, now, err) != PD_OK) {
        partition_free(partition);
        return NULL;
    }
    return partition;
}

void partition_watch(struct partition *partition)
{
    partition->slot = board_partition_slot(partition->options.board, partition->options.number);
}

static void throw_away(struct partition *partition)
{
    struct runner *runner = partition->options.runner;
    if (partition->core != NULL) {
        core_free(partition->core);
        partition->core = NULL;
        runner->ops->forget_all(runner, partition->options.number);
    }
    partition->letter = NULL;
    partition->homeward = 0;
    partition->is_drained = partition->is_doubtful = false;
    map64_reset(&partition->dispatched);
    apply_forget_claims(partition);
}

void partition_free(struct partition *partition)
{
    if (partition == NULL) {
        return;
    }
    OBJECT_CHECK(partition, PARTITION_MAGIC);
    assert_that(!partition->is_work_out);
    struct store *store = partition->options.store;
    bool owned = partition->core != NULL || partition->retry_at != 0;
    throw_away(partition);
    pd_error stopped;
    error_set(&stopped, PD_E_CANCELLED, true, "engine", "the engine was stopped");
    command_list_answer(&partition->answers, PD_E_CANCELLED, &stopped);
    command_list_answer(&partition->delayed, PD_E_CANCELLED, &stopped);
    command_list_answer(&partition->held, PD_E_CANCELLED, &stopped);
    if (owned) {
        store->ops->disown(store, partition->options.number);
    }
    arena_done(&partition->turn);
    arena_done(&partition->scratch);
    map64_done(&partition->dispatched);
    OBJECT_FREE(partition, PARTITION_MAGIC);
}

void partition_back_off(struct partition *partition, time_us now, const pd_error *err)
{
    partition->down_error = *err;
    partition->retry_at = time_add(now, partition->retry_delay);
    partition->retry_delay =
        partition->retry_delay * 2 < RETRY_MAX ? partition->retry_delay * 2 : RETRY_MAX;
}

/* P3. The commands that wait depend on what is thrown away with core. */
static void reset(struct partition *partition, time_us now, const pd_error *why)
{
    partition->counters.resets++;
    throw_away(partition);
    command_list_answer(&partition->answers, why->status, why);
    command_list_answer(&partition->delayed, why->status, why);
    partition_back_off(partition, now, why);
}

void partition_notice_mail(struct partition *partition)
{
    partition->has_mail = true;
}

/* ---- driving --------------------------------------------------------------------------------- */

/* Far ahead when the clock was set back since: then it is time as well. */
static bool is_time_to_retry(const struct partition *partition, time_us now)
{
    return now >= partition->retry_at || partition->retry_at - now > RETRY_MAX;
}

bool partition_is_to_own(const struct partition *partition, time_us now)
{
    return partition->core == NULL && !partition->is_work_out && is_time_to_retry(partition, now);
}

const pd_error *partition_trouble(const struct partition *partition)
{
    return partition->retry_at != 0 ? &partition->down_error : NULL;
}

uint64_t partition_epoch(const struct partition *partition)
{
    return partition->core != NULL ? partition->epoch : 0;
}

/* After trouble: up again if the store lets us. False: not yet. */
static bool come_back(struct partition *partition, time_us now)
{
    if (partition->retry_at == 0) {
        return true;
    }
    if (!is_time_to_retry(partition, now) || partition->is_work_out) {
        return false;
    }
    if (partition->core == NULL) {
        pd_error err;
        if (begin(partition, now, &err) != PD_OK) {
            partition_back_off(partition, now, &err);
            return false;
        }
    }
    partition->retry_at = 0;
    if (!post_letters(partition, now)) {
        return false;
    }
    struct command *held = command_list_take(&partition->held);
    while (held != NULL) {
        struct command *next = held->next;
        partition_apply(partition, now, held);
        held = next;
    }
    return partition->retry_at == 0;
}

/* Of what was asked to wait until something is durable. */
static void apply_delayed(struct partition *partition, time_us now)
{
    struct command *command = command_list_take(&partition->delayed);
    while (command != NULL) {
        struct command *next = command->next;
        partition_apply(partition, now, command);
        command = next;
    }
}

/* Whether a transaction of an activity has been made is not known (P3). */
static bool end_doubt(struct partition *partition, time_us now)
{
    if (partition->is_doubtful && !partition->is_work_out) {
        pd_error why;
        error_set(&why, PD_E_UNAVAILABLE, true, "engine: transaction",
                  "the store failed in the transaction of an activity");
        reset(partition, now, &why);
    }
    return !partition->is_doubtful;
}

/* True: letters were delivered, of which turns may have come. */
static bool run_letters(struct partition *partition, time_us now)
{
    uint64_t row;
    return post_letters(partition, now) && core_peek_ready(partition->core, &row, 1) > 0;
}

bool partition_run(struct partition *partition, time_us now)
{
    OBJECT_CHECK(partition, PARTITION_MAGIC);
    partition->now = now;
    if (!end_doubt(partition, now) || !come_back(partition, now)) {
        return false;
    }
    bool more = post_receive(partition, now);
    apply_claims(partition, now);
    more = (partition->retry_at == 0 && window_run(partition, now)) || more;
    more = (partition->retry_at == 0 && turns_run(partition, now)) || more;
    more = (partition->retry_at == 0 && residency_recover(partition, now)) || more;
    more = (partition->retry_at == 0 && run_letters(partition, now)) || more;
    size_t most = partition->options.residents_max;
    if (core_is_crowded(partition->core, most, most / ASLEEP_SHARE)) {
        /* An eighth at a time, so that a full house does not evict at every step. */
        partition_evict(partition, most - most / 8);
    }
    return more && partition->retry_at == 0;
}

void partition_hold_recovery(struct partition *partition, bool hold)
{
    partition->is_recovery_held = hold;
}

time_us partition_wake_at(const struct partition *partition)
{
    if (partition->retry_at != 0) {
        return partition->is_work_out ? TIME_NEVER : partition->retry_at;
    }
    return window_wake_at(partition);
}

/* P6 */
static bool has_letters(struct partition *partition)
{
    if (partition->letter == NULL) {
        partition->letter = core_next_letter(partition->core);
    }
    return partition->letter != NULL;
}

struct work *partition_cut(struct partition *partition)
{
    assert_that(!partition->is_work_out);
    if (partition->core == NULL || has_letters(partition)) {
        return NULL;
    }
    struct batch *batch = core_cut(partition->core);
    if (batch == NULL) {
        command_list_answer(&partition->answers, PD_OK, NULL);
        return NULL;
    }
    struct work *work = mem_alloc(sizeof *work);
    work->partition = partition;
    work->batch = batch;
    work->answers = command_list_take(&partition->answers);
    partition->is_work_out = true;
    return work;
}

void work_answer(struct work *work)
{
    struct command_list answers = { .first = work->answers };
    work->answers = NULL;
    command_list_answer(&answers, work->status, &work->error);
}

void partition_committed(struct partition *partition, time_us now, struct work *work)
{
    OBJECT_CHECK(partition, PARTITION_MAGIC);
    assert_that(partition->is_work_out && work->answers == NULL);
    partition->is_work_out = false;
    if (work->status == PD_OK) {
        /* What we posted to ourselves: nobody else needs to say so. */
        partition->has_mail |= (work->batch->mailed >> partition->options.number & 1) != 0;
        core_committed(partition->core, work->batch);
        core_reuse(partition->core, work->batch);
        partition->retry_delay = RETRY_FIRST;
        if (partition->delayed.first != NULL) {
            apply_delayed(partition, now);
        }
    } else {
        batch_free(work->batch);
        reset(partition, now, &work->error);
    }
    mem_free(work);
}

void partition_trim(struct partition *partition)
{
    struct runner *runner = partition->options.runner;
    if (partition->core != NULL) {
        core_trim(partition->core);
    }
    if (runner->ops->trim != NULL) {
        runner->ops->trim(runner, partition->options.number);
    }
    arena_done(&partition->turn);
    arena_done(&partition->scratch);
}

void partition_evict(struct partition *partition, size_t keep)
{
    (void)core_evict(partition->core, keep, keep / ASLEEP_SHARE);
}

struct partition_counters partition_counters(const struct partition *partition)
{
    struct partition_counters counters = partition->counters;
    for (const struct claim *claim = partition->claims; claim != NULL; claim = claim->next) {
        counters.claims++;
    }
    counters.is_down = partition->core == NULL;
    counters.is_recovering = partition->is_recovering;
    if (partition->core != NULL) {
        counters.core = core_counters(partition->core);
        counters.residents = core_resident_count(partition->core);
    }
    return counters;
}
