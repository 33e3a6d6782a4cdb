/* SPDX-License-Identifier: MIT
 *
 * Quarantine: what ended the process again and again is not run once more (P9).
 *
 * Who it is says the board. What becomes of it is said here: an activity's step fails, for good,
 * and the code that waits for it can go on; an orchestration is suspended, with the reason as its
 * failure, until somebody resumes it; the operations that an entity's turn holds fail, all of them,
 * as nobody knows which it was. All lose their count, as they are not run any more. */
#include <stdio.h>

#include "engine/partition_priv.h"

enum { MESSAGE_SIZE = 128 };

static struct failure quarantined(const struct partition *partition, const char *what,
                                  char message[MESSAGE_SIZE])
{
    (void)snprintf(message, MESSAGE_SIZE, "%s was running %u times when the process died", what,
                   partition->options.board->crashes_max);
    return (struct failure){ .type = TEXT("Quarantined"),
                             .message = text_of(message),
                             .is_final = true };
}

bool suspect_suspend(struct partition *partition, const struct turn *turn,
                     const struct failure *failure)
{
    char reason[MESSAGE_SIZE + 2];
    uint64_t row = turn->row;
    (void)snprintf(reason, sizeof reason, "\"%.*s\"", TEXT_ARGS(failure->message));
    core_postpone_turn(partition->core, turn);
    pd_error err;
    struct instance *instance = core_find_row(partition->core, row);
    return core_suspend(partition->core, partition->now, instance, text_of(reason), failure,
                        &err) == PD_OK;
}

bool suspect_turn(struct partition *partition, const struct turn *turn)
{
    struct engine_board *board = partition->options.board;
    uint64_t row = turn->row;
    if (!board_is_condemned(board, row, EVENT_NO_ID)) {
        return false;
    }
    char message[MESSAGE_SIZE];
    bool is_entity = turn_is_of_entity(turn);
    struct failure failure =
        quarantined(partition, is_entity ? "the entity" : "the orchestrator", message);
    if (is_entity) {
        arena_reset(&partition->turn);
        turns_fail_operations(partition, turn, turn->event_count - 1, &failure);
        board_absolve(board, row, EVENT_NO_ID);
        return true;
    }
    if (suspect_suspend(partition, turn, &failure)) {
        board_absolve(board, row, EVENT_NO_ID);
    }
    return true;
}

void suspect_steps(struct partition *partition, struct instance *instance, uint64_t row,
                   struct text execution_id)
{
    struct engine_board *board = partition->options.board;
    char message[MESSAGE_SIZE];
    struct failure failure = quarantined(partition, "the activity", message);
    struct activity_result result = { .failure = &failure };
    int32_t step = EVENT_NO_ID;
    while (board_next_step(board, row, step, &step)) {
        (void)core_complete_activity(partition->core, partition->now, instance, execution_id, step,
                                     &result);
        board_absolve(board, row, step);
    }
}

void suspect_absolve(struct partition *partition, uint64_t row)
{
    board_absolve(partition->options.board, row, EVENT_NO_ID);
}
