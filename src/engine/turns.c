/* SPDX-License-Identifier: MIT
 *
 * Turns: from core to the runner, and back.
 *
 * The runner keeps what it likes of an instance between its turns, and drops it when one of them
 * ends it. What ends in another way, or begins anew, it cannot see: then it is told (P8). Of an
 * entity it keeps nothing: each batch of operations is given the state. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "engine/partition_priv.h"

enum { LARGE_TURN = 4096 }; /* actions */

void turns_forget(struct partition *partition, uint64_t row)
{
    struct runner *runner = partition->options.runner;
    runner->ops->forget(runner, partition->options.number, row);
}

/* The engine ends the instance itself: it could never go on, and people must see why. */
static void fail_turn(struct partition *partition, const struct turn *turn, struct text type,
                      const char *message, struct turn_result *ret)
{
    struct arena *arena = &partition->turn;
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    struct action *action = arena_alloc(arena, sizeof *action);
    *failure = (struct failure){
        .type = type,
        .message = text_of(arena_printf(arena, "%s", message)),
        .is_final = true,
    };
    *action = (struct action){
        .kind = ACTION_COMPLETE, .id = EVENT_NO_ID, .outcome = RUN_FAILED, .failure = failure
    };
    *ret = (struct turn_result){ .actions = action, .action_count = 1 };
    turns_forget(partition, turn->row);
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

static bool is_last(const struct turn_result *result, enum action_kind kind)
{
    size_t count = result->action_count;
    return count > 0 && result->actions[count - 1].kind == kind;
}

/* The runner, while the board says so (D1). */
static enum runner_answer ask(struct partition *partition, const struct turn *turn,
                              struct past *past, struct turn_result *ret)
{
    struct runner *runner = partition->options.runner;
    board_begin(partition->slot, turn->row, EVENT_NO_ID);
    enum runner_answer answer = runner->ops->turn(runner, turn, past, &partition->turn, ret);
    board_end(partition->slot);
    return answer;
}

/* Again, with what the store has of the turns before. PD_E_CORRUPT, also for what turns out while
 * the past is read. */
static pd_status ask_again(struct partition *partition, const struct turn *turn,
                           struct turn_result *ret, enum runner_answer *ret_answer, pd_error *err)
{
    struct wire_past past;
    pd_status status = residency_load_past(partition, turn->row, turn->number, &past, err);
    if (status != PD_OK) {
        return status;
    }
    *ret_answer = ask(partition, turn, &past.base, ret);
    if (*ret_answer == RUNNER_NEEDS_HISTORY) {
        *err = past.err;
        status = err->status;
        assert_that(status != PD_OK);
    }
    wire_past_done(&past);
    return status;
}

/* ---- entities -------------------------------------------------------------------------------- */

void turns_fail_operations(struct partition *partition, const struct turn *turn, size_t count,
                           const struct failure *failure)
{
    struct arena *arena = &partition->turn;
    struct operation_result *results = arena_alloc(arena, count * sizeof *results);
    for (size_t i = 0; i < count; i++) {
        results[i].failure = failure;
    }
    struct entity_result result = { .results = results,
                                    .result_count = count,
                                    .keeps_state = true };
    core_end_entity_turn(partition->core, partition->now, turn, &result);
}

/* LIMIT_TURN_ACTION_BYTES */
static bool is_batch_too_large(const struct entity_result *result)
{
    size_t bytes = result->keeps_state ? 0 : result->state.size;
    for (size_t i = 0; i < result->action_count; i++) {
        bytes += result->actions[i].payload.size;
    }
    for (size_t i = 0; i < result->result_count; i++) {
        bytes += result->results[i].payload.size;
    }
    return bytes > LIMIT_TURN_ACTION_BYTES;
}

/* A runner of before there were entities has none. */
static enum runner_answer ask_entity(struct partition *partition, const struct turn *turn,
                                     struct entity_result *ret)
{
    struct runner *runner = partition->options.runner;
    if (runner->ops->version < 3) {
        return RUNNER_LEAVES;
    }
    board_begin(partition->slot, turn->row, EVENT_NO_ID);
    enum runner_answer answer = runner->ops->entity(runner, turn, &partition->turn, ret);
    board_end(partition->slot);
    return answer;
}

/* What its operations ask for beyond what can be kept fails them: else it is tried for ever. */
void turns_end_batch(struct partition *partition, time_us now, const struct turn *turn,
                     const struct entity_result *result)
{
    static const struct failure too_large = {
        .type = TEXT_INIT("Misuse"),
        .message = TEXT_INIT("the operations of one batch answer, and ask for, more than 512 MiB"),
        .is_final = true,
    };
    static const struct failure senseless = {
        .type = TEXT_INIT("Misuse"),
        .message = TEXT_INIT("the worker's answer is none to these operations"),
        .is_final = true,
    };
    uint64_t row = turn->row;
    if (!core_takes_entity_result(partition->core, turn, result)) {
        partition->counters.corrupt++;
        turns_fail_operations(partition, turn, turn->event_count - 1, &senseless);
    } else if (is_batch_too_large(result)) {
        turns_fail_operations(partition, turn, result->result_count, &too_large);
    } else {
        core_end_entity_turn(partition->core, now, turn, result);
    }
    if (is_suspicious(partition)) {
        suspect_absolve(partition, row);
    }
}

/* T5 */
static void run_batch(struct partition *partition, time_us now, const struct turn *turn)
{
    struct entity_result result = { 0 };
    arena_reset(&partition->turn);
    enum runner_answer answer = ask_entity(partition, turn, &result);
    assert_that(answer != RUNNER_NEEDS_HISTORY);
    if (answer == RUNNER_LEAVES) {
        core_leave_turn(partition->core, turn);
    } else if (answer == RUNNER_LATER) {
        core_hold_turn(partition->core, turn);
    } else {
        turns_end_batch(partition, now, turn, &result);
    }
}

/* ---- orchestrations -------------------------------------------------------------------------- */

/* Of one that another of the same execution may follow. */
static void record(struct partition *partition, uint64_t row, uint64_t number, struct text bytes)
{
    struct runner *runner = partition->options.runner;
    if (runner->ops->version >= 4 && runner->ops->record != NULL && text_is_present(bytes)) {
        runner->ops->record(runner, partition->options.number, row, number, bytes);
    }
}

void turns_end(struct partition *partition, time_us now, const struct turn *turn,
               const struct turn_result *given)
{
    struct turn_result result = *given;
    if (is_too_large(&result)) {
        fail_turn(partition, turn, TEXT("Misuse"),
                  "one turn asks for more than 512 MiB at once: start fewer activities before an "
                  "await, or hand them smaller inputs",
                  &result);
    }
    if (!core_takes_result(partition->core, turn, &result)) {
        partition->counters.corrupt++;
        fail_turn(
            partition, turn, TEXT("CorruptHistory"),
            "the code asks for a step that its history has open already, or for what cannot be",
            &result);
    }
    uint64_t row = turn->row; /* the turn goes with its end */
    uint64_t number = turn->number;
    struct text bytes = core_end_turn(partition->core, now, turn, &result);
    if (is_last(&result, ACTION_CONTINUE_AS_NEW)) {
        turns_forget(partition, row);
    } else if (!is_last(&result, ACTION_COMPLETE)) {
        record(partition, row, number, bytes);
    }
    if (result.action_count > LARGE_TURN) {
        arena_reset(&partition->turn); /* before its commit takes memory */
    }
    if (is_suspicious(partition)) {
        suspect_absolve(partition, row);
    }
}

/* False: the store is in trouble. */
static bool run_turn(struct partition *partition, time_us now, const struct turn *turn)
{
    struct turn_result result = { 0 };
    arena_reset(&partition->turn);
    enum runner_answer answer = ask(partition, turn, NULL, &result);
    if (answer == RUNNER_NEEDS_HISTORY) {
        if (!turn->is_past_durable) {
            partition->counters.postponed++;
            core_postpone_turn(partition->core, turn);
            return true;
        }
        pd_error err;
        pd_status status = ask_again(partition, turn, &result, &answer, &err);
        if (status == PD_E_CORRUPT) {
            partition->counters.corrupt++;
            fail_turn(partition, turn, TEXT("CorruptHistory"), err.text, &result);
            answer = RUNNER_DONE;
        } else if (status != PD_OK) {
            core_postpone_turn(partition->core, turn);
            partition_back_off(partition, now, &err);
            return false;
        }
    }
    if (answer == RUNNER_LEAVES) {
        core_leave_turn(partition->core, turn);
    } else if (answer == RUNNER_LATER) {
        core_hold_turn(partition->core, turn);
    } else {
        turns_end(partition, now, turn, &result);
    }
    return true;
}

bool turns_run(struct partition *partition, time_us now)
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
        if (is_suspicious(partition) && suspect_turn(partition, turn)) {
            continue;
        }
        if (turn_is_of_entity(turn)) {
            run_batch(partition, now, turn);
        } else if (!run_turn(partition, now, turn)) {
            return false;
        }
    }
    return true;
}
