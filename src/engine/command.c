/* SPDX-License-Identifier: MIT
 *
 * Commands: see command.h. The queue is a stack that producers push with one compare-and-swap and
 * the consumer empties with one exchange, so that a thousand activity results cost no lock. */
#include "engine/command.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/batch.h"

void latch_init(struct latch *latch, size_t pending)
{
    pthread_mutex_init(&latch->mutex, NULL);
    pthread_cond_init(&latch->opened, NULL);
    latch->pending = pending;
}

void latch_count_down(struct latch *latch)
{
    pthread_mutex_lock(&latch->mutex);
    assert_that(latch->pending > 0);
    if (--latch->pending == 0) {
        /* Under the lock: the waiter may destroy the latch as soon as it can take the lock. */
        pthread_cond_signal(&latch->opened);
    }
    pthread_mutex_unlock(&latch->mutex);
}

void latch_wait(struct latch *latch)
{
    pthread_mutex_lock(&latch->mutex);
    while (latch->pending > 0) {
        pthread_cond_wait(&latch->opened, &latch->mutex);
    }
    pthread_mutex_unlock(&latch->mutex);
}

void latch_done(struct latch *latch)
{
    pthread_cond_destroy(&latch->opened);
    pthread_mutex_destroy(&latch->mutex);
}

/* What the engine keeps in an activity's room. Most results are short, and lie there too. */
struct done {
    struct command command;
    _Alignas(ARENA_ALIGN) uint8_t bytes[96];
};

const size_t command_done_size = sizeof(struct done);

struct command *command_new_done(struct activity *activity)
{
    struct done *done = activity->room;
    done->command = (struct command){ .kind = COMMAND_ACTIVITY_DONE };
    done->command.as.done.activity = activity;
    arena_init(&done->command.as.done.arena);
    arena_lend(&done->command.as.done.arena, done->bytes, sizeof done->bytes);
    return &done->command;
}

struct activity *command_end_done(struct command *command)
{
    assert_that(command->kind == COMMAND_ACTIVITY_DONE && command->latch == NULL);
    arena_done(&command->as.done.arena);
    return command->as.done.activity; /* in whose room the command lies */
}

void command_answer(struct command *command, pd_status status, const pd_error *error)
{
    struct latch *latch = command->latch;
    if (latch == NULL) {
        activity_free(command_end_done(command));
        return;
    }
    if (status != PD_OK) {
        command->status = status;
        *command->error = *error;
        if (command->kind == COMMAND_START) {
            /* Refusals as well: what they rested on may be gone with the batch. */
            for (size_t i = 0; i < command->as.start.count; i++) {
                command->as.start.statuses[i] = status;
            }
        }
    }
    latch_count_down(latch);
}

void command_queue_push(struct command_queue *queue, struct command *command)
{
    struct command *head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    do {
        command->next = head;
    } while (!atomic_compare_exchange_weak(&queue->head, &head, command));
}

struct command *command_queue_take(struct command_queue *queue)
{
    struct command *newest = atomic_exchange(&queue->head, NULL);
    struct command *oldest = NULL;
    while (newest != NULL) {
        struct command *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool command_queue_is_empty(struct command_queue *queue)
{
    return atomic_load(&queue->head) == NULL;
}
