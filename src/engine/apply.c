/* SPDX-License-Identifier: MIT
 *
 * Commands of threads, applied.
 *
 * Calls of clients come in portions, each item with a fate of its own. Results and heartbeats of
 * activities have nobody who waits, and are kept while the store fails.
 *
 * Claims are what makes a transactional activity happen exactly once (P7). Its result comes through
 * the mailbox, in the transaction of its own writes; so between that transaction and the receipt of
 * its result the step is open here although it is done. Whoever is about to begin such a
 * transaction asks first. He is refused
 *
 *   - when he was dispatched by an earlier life of the partition: the step was dispatched anew;
 *   - when the step is not open: it was cancelled, has timed out, or its result has come;
 *   - when somebody else has claimed it.
 *
 * Results of earlier lives are in the mailbox when a life begins, as their epoch is stale from then
 * on: so a claim waits until all that lay there then has been received. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/partition_priv.h"

/* ---- calls of clients ------------------------------------------------------------------------ */

static void note_fate(struct command *command, pd_status *fate, pd_status status,
                      const pd_error *err)
{
    *fate = status;
    if (status != PD_OK && command->status == PD_OK) {
        command->status = status;
        *command->error = *err;
    }
}

/* True: something was started, and the answer waits for the commit. */
static bool apply_start(struct partition *partition, time_us now, struct command *command)
{
    size_t started = 0;
    for (size_t i = 0; i < command->as.start.count; i++) {
        pd_error err;
        pd_status status = deliver_start(partition, now, &command->as.start.items[i], &err);
        note_fate(command, &command->as.start.statuses[i], status, &err);
        started += status == PD_OK;
    }
    return started > 0;
}

/* False: a letter waits for what is not durable yet; the rest waits with it. */
static bool apply_tell(struct partition *partition, time_us now, struct command *command)
{
    size_t *next = &command->as.tell.next;
    for (; *next < command->as.tell.count; (*next)++) {
        const struct letter *letter = &command->as.tell.items[*next];
        bool waits = false;
        pd_error err;
        pd_status status = deliver(partition, now, letter, &waits, &err);
        if (waits) {
            return false;
        }
        note_fate(command, &command->as.tell.statuses[*next], status, &err);
    }
    return true;
}

static bool has_success(const struct command *command)
{
    for (size_t i = 0; i < command->as.tell.count; i++) {
        if (command->as.tell.statuses[i] == PD_OK) {
            return true;
        }
    }
    return false;
}

static void apply_call(struct partition *partition, time_us now, struct command *command)
{
    bool waits = false;
    if (command->kind == COMMAND_START) {
        waits = apply_start(partition, now, command);
    } else if (apply_tell(partition, now, command)) {
        waits = has_success(command);
    } else {
        command_list_add(&partition->delayed, command);
        return;
    }
    /* P2: a refusal too tells of what is perhaps not durable, say of an instance that exists. */
    if (waits || partition->is_work_out || core_has_changes(partition->core)) {
        command_list_add(&partition->answers, command);
    } else {
        command_answer(command, PD_OK, NULL); /* the refusal is in the command */
    }
}

/* ---- claims ---------------------------------------------------------------------------------- */

static struct claim **find_claim(struct partition *partition, struct text execution_id, int32_t id)
{
    struct claim **at = &partition->claims;
    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->id == id &&
            text_equal(text_make((*at)->execution_id, (*at)->size), execution_id)) {
            return at;
        }
    }
    return NULL;
}

static void add_claim(struct partition *partition, struct text execution_id, int32_t id)
{
    struct claim *claim = mem_alloc(sizeof *claim + execution_id.size);
    claim->id = id;
    claim->size = execution_id.size;
    memcpy(claim->execution_id, execution_id.at, execution_id.size);
    claim->next = partition->claims;
    partition->claims = claim;
}

void apply_unclaim(struct partition *partition, struct text execution_id, int32_t id)
{
    struct claim **at = find_claim(partition, execution_id, id);
    if (at != NULL) {
        struct claim *claim = *at;
        *at = claim->next;
        mem_free(claim);
    }
}

static pd_status refuse_claim(pd_error *err)
{
    return error_set(err, PD_E_LEASE_LOST, false, "engine: transaction",
                     "this run of the activity is not wanted any more");
}

void apply_forget_claims(struct partition *partition)
{
    while (partition->claims != NULL) {
        struct claim *next = partition->claims->next;
        mem_free(partition->claims);
        partition->claims = next;
    }
    pd_error err;
    pd_status status = refuse_claim(&err);
    command_list_answer(&partition->claiming, status, &err);
}

/* False: the store is in trouble. */
static bool apply_claim(struct partition *partition, time_us now, struct command *command)
{
    const struct activity *activity = command->as.claim.activity;
    struct instance *instance = NULL;
    pd_error err;
    if (activity->epoch == partition->epoch) {
        pd_status status = residency_find_row(partition, activity->row, &instance, &err);
        if (status != PD_OK && status != PD_E_CORRUPT) {
            partition_back_off(partition, now, &err);
            return false;
        }
    }
    /* To note no progress changes nothing, and tells whether the step is open. */
    if (instance == NULL || find_claim(partition, activity->execution_id, activity->id) != NULL ||
        !core_note_progress(partition->core, instance, activity->execution_id, activity->id,
                            TEXT_ABSENT)) {
        pd_status status = refuse_claim(&err);
        command_answer(command, status, &err);
        return true;
    }
    add_claim(partition, activity->execution_id, activity->id);
    command_answer(command, PD_OK, NULL);
    return true;
}

void apply_claims(struct partition *partition, time_us now)
{
    if (!partition->is_drained) {
        return;
    }
    struct command *command = command_list_take(&partition->claiming);
    while (command != NULL) {
        struct command *next = command->next;
        bool is_claim = command->kind == COMMAND_CLAIM;
        if (partition->retry_at != 0 || (is_claim && !apply_claim(partition, now, command))) {
            command_list_add(&partition->claiming, command);
        } else if (!is_claim) {
            partition_apply(partition, now, command);
        }
        command = next;
    }
}

/* ---- activities ------------------------------------------------------------------------------ */

/* The step of a transaction that may be under way does not end for another reason (P7). Lifts the
 * claim of one that is over, also when its instance has ended: it may go on, rewound. */
static bool is_late(struct partition *partition, const struct command *command)
{
    const struct activity *activity = command->as.done.activity;
    if (partition->claims == NULL) {
        return false;
    }
    if (command->as.done.is_timeout) {
        return find_claim(partition, activity->execution_id, activity->id) != NULL;
    }
    apply_unclaim(partition, activity->execution_id, activity->id); /* it was rolled back */
    return false;
}

static void complete(struct partition *partition, time_us now, struct instance *instance,
                     const struct command *command)
{
    const struct activity *activity = command->as.done.activity;
    if (text_is_present(command->as.done.progress)) {
        (void)core_note_progress(partition->core, instance, activity->execution_id, activity->id,
                                 command->as.done.progress);
    }
    (void)core_complete_activity(partition->core, now, instance, activity->execution_id,
                                 activity->id, &command->as.done.result);
}

/* A result that has been applied. Whoever asked hears of it when it is durable. */
static void put_away(struct partition *partition, struct command *command)
{
    if (!command_owns_itself(command)) {
        core_reuse_activity(partition->core, command->as.done.activity);
        command->as.done.activity = NULL;
        command_list_add(&partition->answers, command);
    } else if (command->as.done.is_timeout) {
        command_answer(command, PD_OK, NULL); /* its block is none of core's */
    } else {
        core_reuse_activity(partition->core, command_end_done(command));
    }
}

/* False: the store is in trouble, keep the result. */
static bool apply_done(struct partition *partition, time_us now, struct command *command)
{
    const struct activity *activity = command->as.done.activity;
    struct instance *instance = NULL;
    pd_error err;
    if (command->as.done.is_unknown) {
        /* Whether the step is done only the store knows. If we began anew since, we asked it. */
        partition->is_doubtful |= activity->epoch == partition->epoch;
        command_answer(command, PD_OK, NULL);
        return true;
    }
    pd_status status = residency_find_row(partition, activity->row, &instance, &err);
    if (status == PD_E_CORRUPT) {
        partition->counters.corrupt++;
    } else if (status != PD_OK) {
        partition_back_off(partition, now, &err);
        return false;
    } else if (!is_late(partition, command) && instance != NULL) {
        complete(partition, now, instance, command);
    }
    put_away(partition, command);
    return true;
}

/* ---- turns that were elsewhere --------------------------------------------------------------- */

static void apply_turn(struct partition *partition, time_us now, struct command *command)
{
    struct core *core = partition->core;
    const struct turn *turn = core != NULL ? core_find_turn(core, command->as.turn.ticket) : NULL;
    if (turn == NULL) {
        command_answer(command, PD_OK, NULL); /* T8: it is over, or of a life that is */
        return;
    }
    arena_reset(&partition->turn);
    if (turn_is_of_entity(turn) && command->as.turn.entity != NULL) {
        turns_end_batch(partition, now, turn, command->as.turn.entity);
    } else if (command->as.turn.result != NULL) {
        turns_end(partition, now, turn, command->as.turn.result);
    } else if (command->as.turn.failure != NULL && !turn_is_of_entity(turn)) {
        suspect_suspend(partition, turn, command->as.turn.failure);
    } else if (command->as.turn.is_left) {
        core_leave_turn(core, turn);
    } else {
        core_postpone_turn(core, turn);
    }
    command_list_add(&partition->answers, command);
}

/* *ret_count: those of the call that are of the same row. */
static pd_status call_activities(struct partition *partition, const struct command *command,
                                 size_t *ret_count, pd_error *err)
{
    size_t first = command->as.call.next;
    const uint64_t *rows = command->as.call.rows;
    size_t end = first + 1;
    while (end < command->as.call.count && rows[end] == rows[first]) {
        end++;
    }
    *ret_count = end - first;
    return residency_call_activities(partition, rows[first], command->as.call.ids + first,
                                     end - first, err);
}

static pd_status call_turn(struct partition *partition, uint64_t row, pd_error *err)
{
    struct instance *instance = NULL;
    pd_status status = residency_find_row(partition, row, &instance, err);
    if (status == PD_OK && instance != NULL) {
        core_call_turn(partition->core, instance);
    }
    return status;
}

/* False: the store is in trouble, call again. */
static bool apply_wanted(struct partition *partition, time_us now, struct command *command)
{
    bool is_of_turns = command->as.call.ids == NULL;
    if (!is_of_turns && command->as.call.epoch != partition->epoch) {
        command->as.call.next = command->as.call.count; /* this life has dispatched them itself */
    }
    while (command->as.call.next < command->as.call.count) {
        pd_error err;
        size_t count = 1;
        uint64_t row = command->as.call.rows[command->as.call.next];
        pd_status status = is_of_turns ? call_turn(partition, row, &err)
                                       : call_activities(partition, command, &count, &err);
        if (status == PD_E_CORRUPT) {
            partition->counters.corrupt++;
        } else if (status != PD_OK) {
            partition_back_off(partition, now, &err);
            return false;
        }
        command->as.call.next += count;
    }
    command_list_add(&partition->answers, command);
    return true;
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

/* Its host says the next when this is durable: so there is one for each commit at most. */
static void apply_beat(struct partition *partition, time_us now, struct command *command)
{
    struct instance *instance = NULL;
    pd_error err;
    pd_status status = PD_E_UNAVAILABLE;
    if (partition->core != NULL && partition->retry_at == 0) {
        status = residency_find_row(partition, command->as.beat.row, &instance, &err);
        if (status != PD_OK && status != PD_E_CORRUPT) {
            partition_back_off(partition, now, &err);
        }
    }
    if (status != PD_OK) {
        command_answer(command, status, &partition->down_error);
        return;
    }
    command->as.beat.is_wanted =
        instance != NULL &&
        core_note_progress(partition->core, instance, command->as.beat.execution_id,
                           command->as.beat.id, command->as.beat.progress);
    command_list_add(&partition->answers, command);
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
    partition->now = now;
    bool is_down = partition->core == NULL;
    switch (command->kind) {
    case COMMAND_ACTIVITY_DONE:
        if (!is_down && !partition->is_drained && command->as.done.is_timeout) {
            command_list_add(&partition->claiming, command); /* it may have paid (P7) */
            break;
        }
        if (is_down || partition->retry_at != 0 || !apply_done(partition, now, command)) {
            command_list_add(&partition->held, command);
        }
        break;
    case COMMAND_ACTIVITY_BEAT: apply_beat(partition, now, command); break;
    case COMMAND_TURN:
        apply_turn(partition, now, command);
        (void)(!is_down && partition->retry_at == 0 && post_letters(partition, now)); /* P6 */
        break;
    case COMMAND_CALL:
        if (is_down || partition->retry_at != 0 || !apply_wanted(partition, now, command)) {
            command_list_add(&partition->held, command);
        }
        break;
    case COMMAND_CLAIM:
        command_list_add(&partition->claiming, command);
        if (is_down) {
            apply_forget_claims(partition); /* it is of a life that is over */
        } else {
            apply_claims(partition, now);
        }
        break;
    case COMMAND_START:
    case COMMAND_TELL:
        if (is_down) {
            command_answer(command, partition->down_error.status, &partition->down_error);
            break;
        }
        apply_call(partition, now, command);
        /* P6. In trouble they wait for partition_run. */
        (void)(partition->retry_at == 0 && post_letters(partition, now));
        break;
    }
}
