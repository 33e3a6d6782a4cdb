/* SPDX-License-Identifier: MIT
 *
 * Commands: see command.h. The queue is a stack that producers push with one compare-and-swap and
 * the consumer empties with one exchange, so that a thousand activity results cost no lock. */
#include "engine/command.h"

#include <stdatomic.h>
#include <string.h>

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

/* What the engine keeps in an activity's room. Most results are short, and lie there too: the
 * author needs 128 bytes for one of 20. Core's shelf for activities has to hold the whole. */
struct done {
    union {
        struct command command;
        time_us start_by; /* until it is begun */
    };
    _Alignas(ARENA_ALIGN) uint8_t bytes[160];
};

const size_t command_done_size = sizeof(struct done);

time_us *command_start_by(struct activity *activity)
{
    struct done *done = activity->room;
    assert_that(done != NULL);
    return &done->start_by;
}

struct command *command_new_done(struct activity *activity)
{
    struct done *done = activity->room != NULL ? activity->room : mem_alloc_raw(sizeof *done);
    done->command = (struct command){ .kind = COMMAND_ACTIVITY_DONE };
    done->command.as.done.activity = activity;
    arena_init(&done->command.as.done.arena);
    arena_lend(&done->command.as.done.arena, done->bytes, sizeof done->bytes);
    return &done->command;
}

static void *put(char **at, struct text text)
{
    void *to = *at;
    if (text.size > 0) {
        memcpy(to, text.at, text.size);
    }
    *at += text.size;
    return to;
}

struct command *command_new_timeout(const struct activity *activity, enum time_limit limit)
{
    enum { ALIGN = 16 };
    size_t room_at = sizeof *activity + activity->execution_id.size;
    room_at = (room_at + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct activity *named = mem_alloc(room_at + command_done_size);
    char *at = (char *)(named + 1);
    named->row = activity->row;
    named->id = activity->id;
    named->partition = activity->partition;
    named->epoch = activity->epoch;
    named->execution_id = text_make(put(&at, activity->execution_id), activity->execution_id.size);
    named->room = (char *)named + room_at;
    struct command *command = command_new_done(named);
    command_time_out(command, activity, limit);
    return command;
}

const struct failure *engine_word_timeout(struct arena *arena, const struct activity *activity,
                                          enum time_limit limit)
{
    struct task_limits limits = activity_limits(activity);
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    const char *message = NULL;
    switch (limit) {
    case TIME_TO_START:
        message =
            arena_printf(arena, "it did not begin within %lld ms", (long long)limits.start_ms);
        break;
    case TIME_TO_RUN:
        message = arena_printf(arena, "it did not end within %lld ms", (long long)limits.run_ms);
        break;
    case TIME_TO_BEAT:
        message =
            arena_printf(arena, "nothing was heard of it for %lld ms", (long long)limits.beat_ms);
        break;
    }
    failure->type = TEXT("Timeout");
    failure->message = text_of(message);
    return failure;
}

void command_time_out(struct command *done, const struct activity *activity, enum time_limit limit)
{
    done->as.done.result.failure = engine_word_timeout(&done->as.done.arena, activity, limit);
    done->as.done.is_timeout = true;
}

struct activity *command_end_done(struct command *command)
{
    assert_that(command->kind == COMMAND_ACTIVITY_DONE && command_owns_itself(command));
    struct activity *activity = command->as.done.activity;
    arena_done(&command->as.done.arena);
    if (activity->room == NULL) { /* else the command lies there */
        mem_free(CONTAINER_OF(command, struct done, command));
    }
    return activity;
}

/* What a call of several parts was told of each. */
static void refuse_all(struct command *command, pd_status status)
{
    bool is_start = command->kind == COMMAND_START;
    pd_status *statuses = is_start ? command->as.start.statuses : command->as.tell.statuses;
    size_t count = is_start ? command->as.start.count : command->as.tell.count;
    for (size_t i = 0; i < count; i++) {
        statuses[i] = status;
    }
}

void command_answer(struct command *command, pd_status status, const pd_error *error)
{
    if (command->kind == COMMAND_ACTIVITY_DONE) {
        if (command_owns_itself(command)) {
            activity_free(command_end_done(command));
            return;
        }
        activity_free(command->as.done.activity);
    }
    if (status != PD_OK) {
        if (command->kind == COMMAND_START || command->kind == COMMAND_TELL) {
            /* Refusals as well: what they rested on may be gone with the batch. */
            refuse_all(command, status);
        }
        command->status = status;
        if (command->error != NULL && error != NULL) {
            *command->error = *error;
        }
    }
    if (command->latch != NULL) {
        latch_count_down(command->latch);
    } else if (command->answered != NULL) {
        command->answered(command);
    }
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

void command_list_add(struct command_list *list, struct command *command)
{
    command->next = NULL;
    if (list->first == NULL) {
        list->first = command;
    } else {
        list->last->next = command;
    }
    list->last = command;
}

struct command *command_list_take(struct command_list *list)
{
    struct command *first = list->first;
    list->first = list->last = NULL;
    return first;
}

void command_list_answer(struct command_list *list, pd_status status, const pd_error *error)
{
    struct command *command = command_list_take(list);
    while (command != NULL) {
        struct command *next = command->next; /* Q1: gone once answered */
        command_answer(command, status, error);
        command = next;
    }
}
