/* SPDX-License-Identifier: MIT
 *
 * A partition at work: commands, turns, commits, and beginning again. See partition.h. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "engine/partition_priv.h"
#include "wire/wire.h"

/* ---- lists of commands
 * ------------------------------------------------------------------------- */

static void commands_append(struct command ***last, struct command *command)
{
    command->next = NULL;
    **last = command;
    *last = &command->next;
}

static struct command *commands_take(struct command **first, struct command ***last)
{
    struct command *all = *first;
    *first = NULL;
    *last = first;
    return all;
}

static void answer_all(struct command *command, pd_status status, const pd_error *error)
{
    while (command != NULL) {
        struct command *next = command->next; /* Q1: gone once answered */
        command_answer(command, status, error);
        command = next;
    }
}

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
        .codec = &wire_codec,
        .activity_room = command_done_size,
    };
    partition->core = core_new(&options);
    partition->recovered_row = 0;
    partition->recover_end = owned.row_next;
    partition->is_recovering = true;
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
    partition->answers_last = &partition->answers;
    partition->held_last = &partition->held;
    partition->retry_delay = RETRY_FIRST;
    arena_init(&partition->turn);
    arena_init(&partition->scratch);
    if (begin(partition, now, err) != PD_OK) {
        partition_free(partition);
        return NULL;
    }
    return partition;
}

static void throw_away(struct partition *partition)
{
    struct runner *runner = partition->options.runner;
    if (partition->core != NULL) {
        core_free(partition->core);
        partition->core = NULL;
        runner->ops->forget_all(runner, partition->options.number);
    }
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
    answer_all(commands_take(&partition->answers, &partition->answers_last), PD_E_CANCELLED,
               &stopped);
    answer_all(commands_take(&partition->held, &partition->held_last), PD_E_CANCELLED, &stopped);
    if (owned) {
        store->ops->disown(store, partition->options.number);
    }
    arena_done(&partition->turn);
    arena_done(&partition->scratch);
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
    answer_all(commands_take(&partition->answers, &partition->answers_last), why->status, why);
    partition_back_off(partition, now, why);
}

/* ---- commands
 * ---------------------------------------------------------------------------------- */

static pd_status start_one(struct partition *partition, time_us now,
                           const struct start_command *item, pd_error *err)
{
    struct start_command start = *item;
    start.replaces = STATES_ENDED;
    start.replaces_state = RUN_COMPLETED; /* or another of these */
    if (!start.is_fresh) {
        struct instance *instance = NULL;
        pd_status status = residency_find(partition, start.id, &instance, &start.replaces_row, err);
        if (status != PD_OK) {
            return status;
        }
    }
    return core_start(partition->core, now, &start, err);
}

/* True: something was started, and the answer waits for the commit. */
static bool apply_start(struct partition *partition, time_us now, struct command *command)
{
    size_t started = 0;
    for (size_t i = 0; i < command->as.start.count; i++) {
        pd_error err;
        pd_status status = start_one(partition, now, &command->as.start.items[i], &err);
        command->as.start.statuses[i] = status;
        if (status == PD_OK) {
            started++;
        } else if (command->status == PD_OK) {
            command->status = status;
            *command->error = err;
        }
    }
    return started > 0;
}

static pd_status raise_one(struct partition *partition, time_us now, struct text id,
                           struct text name, struct text payload, pd_error *err)
{
    struct instance *instance = NULL;
    uint64_t ended_row = 0;
    pd_status status = residency_find(partition, id, &instance, &ended_row, err);
    if (status != PD_OK) {
        return status;
    }
    if (instance != NULL) {
        return core_raise(partition->core, now, instance, name, payload, err);
    }
    if (ended_row != 0) {
        return error_set(err, PD_E_STATE, false, "engine: raise event", "instance '%.*s' has ended",
                         (int)id.size, id.at);
    }
    return error_set(err, PD_E_NOT_FOUND, false, "engine: raise event",
                     "there is no instance '%.*s'", (int)id.size, id.at);
}

/* False: the store is in trouble, keep the result. */
static bool apply_done(struct partition *partition, time_us now, struct command *command)
{
    const struct activity *activity = command->as.done.activity;
    struct instance *instance = NULL;
    pd_error err;
    pd_status status = residency_find_row(partition, activity->row, &instance, &err);
    if (status == PD_E_CORRUPT) {
        partition->counters.corrupt++;
    } else if (status != PD_OK) {
        partition_back_off(partition, now, &err);
        return false;
    } else if (instance != NULL) {
        (void)core_complete_activity(partition->core, now, instance, activity->execution_id,
                                     activity->id, &command->as.done.result);
    }
    core_reuse_activity(partition->core, command_end_done(command));
    return true;
}

static void hold(struct partition *partition, struct command *command)
{
    commands_append(&partition->held_last, command);
}

void partition_expect(struct partition *partition, const struct command *command, size_t count)
{
    for (size_t i = 0; i < count && command != NULL && partition->core != NULL; i++) {
        if (command->kind == COMMAND_ACTIVITY_DONE) {
            core_expect_row(partition->core, command->as.done.activity->row);
        }
        command = command->next;
    }
}

void partition_apply(struct partition *partition, time_us now, struct command *command)
{
    OBJECT_CHECK(partition, PARTITION_MAGIC);
    if (command->kind == COMMAND_ACTIVITY_DONE) {
        if (partition->core == NULL || partition->retry_at != 0 ||
            !apply_done(partition, now, command)) {
            hold(partition, command);
        }
        return;
    }
    if (partition->core == NULL) {
        command_answer(command, partition->down_error.status, &partition->down_error);
        return;
    }
    bool waits = false;
    if (command->kind == COMMAND_START) {
        waits = apply_start(partition, now, command);
    } else {
        command->status = raise_one(partition, now, command->as.raise.id, command->as.raise.name,
                                    command->as.raise.payload, command->error);
        waits = command->status == PD_OK;
    }
    /* P2: a refusal too tells of what is perhaps not durable, say of an instance that exists. */
    if (waits || partition->is_work_out || core_has_changes(partition->core)) {
        commands_append(&partition->answers_last, command);
    } else {
        command_answer(command, PD_OK, NULL); /* the refusal is in the command */
    }
}

/* ---- mailbox
 * ----------------------------------------------------------------------------------- */

void partition_notice_mail(struct partition *partition)
{
    partition->has_mail = true;
}

/* S6: what cannot take effect any more (the instance lives, or has ended) is consumed all the
 * same. */
static pd_status receive_one(struct partition *partition, time_us now,
                             const struct message *message, pd_error *err)
{
    struct wire_events events = { 0 };
    pd_status status = wire_read_events(message->bytes, &partition->scratch, &events, err);
    if (status != PD_OK || events.count != 1) {
        partition->counters.corrupt++;
        return PD_OK;
    }
    const struct event *event = &events.at[0];
    if (message->kind == MESSAGE_START) {
        struct start_command start = {
            .id = message->instance_id,
            .execution_id = event->execution_id,
            .name = event->name,
            .version = event->version,
            .input = event->payload,
        };
        status = start_one(partition, now, &start, err);
    } else {
        status = raise_one(partition, now, message->instance_id, event->name, event->payload, err);
    }
    if (status == PD_E_CORRUPT) {
        partition->counters.corrupt++;
    }
    return status == PD_E_UNAVAILABLE ? status : PD_OK;
}

static bool receive(struct partition *partition, time_us now)
{
    if (!partition->has_mail) {
        return false;
    }
    struct store *store = partition->options.store;
    struct message_page page = { 0 };
    pd_error err;
    arena_reset(&partition->scratch);
    size_t most = slice_of(&partition->options, SLICE_MESSAGES);
    if (store->ops->receive(store, partition->options.number, partition->received, most,
                            &partition->scratch, &page, &err) != PD_OK) {
        partition_back_off(partition, now, &err);
        return false;
    }
    partition->has_mail = page.count == most;
    for (size_t i = 0; i < page.count; i++) {
        if (receive_one(partition, now, &page.items[i], &err) != PD_OK) {
            partition->has_mail = true;
            partition_back_off(partition, now, &err);
            return false;
        }
        partition->received = page.items[i].number;
        core_received(partition->core, partition->received);
    }
    return partition->has_mail;
}

/* ---- turns
 * ------------------------------------------------------------------------------------- */

/* The engine ends the instance itself: it could never go on, and people must see why. */
static void fail_turn(struct partition *partition, const struct turn *turn, struct text type,
                      const char *message, struct turn_result *ret)
{
    struct runner *runner = partition->options.runner;
    struct arena *arena = &partition->turn;
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    struct action *action = arena_alloc(arena, sizeof *action);
    *failure = (struct failure){
        .type = type,
        .message = text_of(arena_printf(arena, "%s", message)),
        .is_final = true,
    };
    *action = (struct action){
        .kind = ACTION_COMPLETE, .id = INT32_MAX, .outcome = RUN_FAILED, .failure = failure
    };
    *ret = (struct turn_result){ .actions = action, .action_count = 1 };
    runner->ops->forget(runner, partition->options.number, turn->row);
}

/* LIMIT_TURN_ACTION_BYTES */
static bool is_too_large(const struct turn_result *result)
{
    size_t bytes = 0;
    for (size_t i = 0; i < result->action_count; i++) {
        bytes += result->actions[i].payload.size;
    }
    return bytes > LIMIT_TURN_ACTION_BYTES;
}

/* False: the store is in trouble. */
static bool run_turn(struct partition *partition, time_us now, const struct turn *turn)
{
    struct runner *runner = partition->options.runner;
    struct turn_result result = { 0 };
    arena_reset(&partition->turn);
    enum runner_answer answer = runner->ops->turn(runner, turn, NULL, &partition->turn, &result);
    if (answer == RUNNER_NEEDS_HISTORY) {
        if (!turn->is_past_durable) {
            partition->counters.postponed++;
            core_postpone_turn(partition->core, turn);
            return true;
        }
        struct past past = { 0 };
        pd_error err;
        pd_status status = residency_load_past(partition, turn->row, turn->number, &past, &err);
        if (status == PD_E_CORRUPT) {
            partition->counters.corrupt++;
            fail_turn(partition, turn, TEXT("CorruptHistory"), err.text, &result);
        } else if (status != PD_OK) {
            core_postpone_turn(partition->core, turn);
            partition_back_off(partition, now, &err);
            return false;
        } else {
            answer = runner->ops->turn(runner, turn, &past, &partition->turn, &result);
            assert_that(answer == RUNNER_DONE);
        }
    }
    if (is_too_large(&result)) {
        fail_turn(partition, turn, TEXT("Misuse"),
                  "one turn asks for more than 512 MiB at once: start fewer activities before an "
                  "await, or hand them smaller inputs",
                  &result);
    }
    core_end_turn(partition->core, now, turn, &result);
    return true;
}

static bool run_turns(struct partition *partition, time_us now)
{
    const struct turn *turn;
    struct runner *runner = partition->options.runner;
    uint64_t rows[SLICE_TURNS];
    size_t most = slice_of(&partition->options, SLICE_TURNS);
    if (runner->ops->expect != NULL) {
        size_t ready = core_peek_ready(partition->core, rows, most);
        if (ready > 1) {
            runner->ops->expect(runner, partition->options.number, rows, ready);
        }
    }
    for (size_t i = 0; i < most; i++) {
        if (!core_next_turn(partition->core, now, &turn)) {
            return false;
        }
        if (!run_turn(partition, now, turn)) {
            return false;
        }
    }
    return true;
}

/* ---- driving
 * ----------------------------------------------------------------------------------- */

/* Far ahead when the clock was set back since: then it is time as well. */
static bool is_time_to_retry(const struct partition *partition, time_us now)
{
    return now >= partition->retry_at || partition->retry_at - now > RETRY_MAX;
}

bool partition_is_to_own(const struct partition *partition, time_us now)
{
    return partition->core == NULL && !partition->is_work_out && is_time_to_retry(partition, now);
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
    struct command *held = commands_take(&partition->held, &partition->held_last);
    while (held != NULL) {
        struct command *next = held->next;
        partition_apply(partition, now, held);
        held = next;
    }
    return partition->retry_at == 0;
}

bool partition_run(struct partition *partition, time_us now)
{
    OBJECT_CHECK(partition, PARTITION_MAGIC);
    if (!come_back(partition, now)) {
        return false;
    }
    bool more = receive(partition, now);
    more = (partition->retry_at == 0 && window_run(partition, now)) || more;
    more = (partition->retry_at == 0 && run_turns(partition, now)) || more;
    more = (partition->retry_at == 0 && residency_recover(partition, now)) || more;
    size_t most = partition->options.residents_max;
    if (core_resident_count(partition->core) > most ||
        core_asleep_count(partition->core) > most / ASLEEP_SHARE) {
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

struct work *partition_cut(struct partition *partition)
{
    assert_that(!partition->is_work_out);
    if (partition->core == NULL) {
        return NULL;
    }
    struct batch *batch = core_cut(partition->core);
    if (batch == NULL) {
        answer_all(commands_take(&partition->answers, &partition->answers_last), PD_OK, NULL);
        return NULL;
    }
    struct work *work = mem_alloc(sizeof *work);
    work->partition = partition;
    work->batch = batch;
    work->answers = commands_take(&partition->answers, &partition->answers_last);
    partition->is_work_out = true;
    return work;
}

void work_answer(struct work *work)
{
    answer_all(work->answers, work->status, &work->error);
    work->answers = NULL;
}

void partition_committed(struct partition *partition, time_us now, struct work *work)
{
    OBJECT_CHECK(partition, PARTITION_MAGIC);
    assert_that(partition->is_work_out && work->answers == NULL);
    partition->is_work_out = false;
    if (work->status == PD_OK) {
        core_committed(partition->core, work->batch);
        core_reuse(partition->core, work->batch);
        partition->retry_delay = RETRY_FIRST;
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
    counters.is_down = partition->core == NULL;
    counters.is_recovering = partition->is_recovering;
    if (partition->core != NULL) {
        counters.core = core_counters(partition->core);
        counters.residents = core_resident_count(partition->core);
    }
    return counters;
}
