/* SPDX-License-Identifier: MIT
 *
 * Commands: what threads ask of a partition, and how they hear back.
 *
 * A command is made by a client's thread, an activity thread or the simulator, pushed into the
 * partition's queue, applied by the partition's thread, and answered when the batch that holds
 * its effects is durable, or at once when it is refused.
 *
 *   Q1  A command belongs to whoever asks, with all it points to, until it is answered: until its
 *       latch opens, on which he blocks, or `answered` is called. After that nobody here touches
 *       it.
 *   Q2  A result with neither owns itself and is freed by whoever answers it. */
#ifndef ENGINE_COMMAND_H
#define ENGINE_COMMAND_H

#include <perdure.h>
#include <pthread.h>

#include "base/arena.h"
#include "core/core.h"
#include "engine/engine.h"

/* Opens when as many commands as it was made for have been answered. */
struct latch {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    size_t pending;
};

void latch_init(struct latch *latch, size_t pending);
void latch_count_down(struct latch *latch);
void latch_wait(struct latch *latch);
void latch_done(struct latch *latch);

enum command_kind {
    COMMAND_START,         /* some instances */
    COMMAND_TELL,          /* some letters */
    COMMAND_CLAIM,         /* a transactional activity is about to begin its transaction (P7) */
    COMMAND_ACTIVITY_DONE, /* a result */
    COMMAND_ACTIVITY_BEAT, /* a heartbeat */
    COMMAND_TURN,          /* what became of a turn that was elsewhere (T8) */
    COMMAND_CALL,          /* turns, or activities, that were left are wanted (T9) */
};

struct command {
    struct command *next;
    enum command_kind kind;
    struct latch *latch;                /* NULL: nobody blocks; then */
    void (*answered)(struct command *); /* NULL: nobody wants to know */
    pd_status status;                   /* set by the answer: the first thing that failed */
    pd_error *error;                    /* of whoever asks; NULL: he wants no words */
    union {
        struct {
            const struct start_command *items;
            size_t count;
            pd_status *statuses; /* one an item */
        } start;
        struct {
            const struct letter *items;
            size_t count;
            pd_status *statuses; /* one an item */
            size_t next;         /* those before it have been delivered; begins as 0 */
        } tell;
        struct {
            const struct activity *activity;
        } claim;
        struct {
            struct activity *activity; /* owned; NULL: the result has been applied */
            struct activity_result result;
            struct text progress; /* of the last heartbeat, when it was not said yet */
            struct arena arena;   /* holds the result, when the command owns itself */
            bool is_timeout;      /* said by its watch: the activity itself may still run */
            bool is_unknown;      /* its transaction failed: the store may have the result */
        } done;
        struct {
            uint64_t row;
            int32_t id;
            struct text execution_id, progress;
            bool is_wanted; /* set: false when the step is not open any more */
        } beat;
        struct {
            struct turn_ticket ticket;
            const struct turn_result *result; /* NULL: it is given back; or of an entity: */
            const struct entity_result *entity;
            const struct failure *failure; /* of one that is given back: it is quarantined */
            bool is_left;                  /* likewise: T9 */
        } turn;
        struct {
            const uint64_t *rows;
            const int32_t *ids; /* of activities; NULL: their turns */
            uint64_t epoch;     /* likewise */
            size_t count, next; /* those before next have been called */
        } call;
    } as;
};

/* Room that core must leave beside each activity. */
extern const size_t command_done_size;

/* In that room, until the activity is begun: when it must have been. */
time_us *command_start_by(struct activity *activity);

/* A command for a result, in the activity's room if it has any; its arena is ready to hold it.
 * Takes the activity. */
struct command *command_new_done(struct activity *activity);

/* One that says that a running activity is over its time. */
struct command *command_new_timeout(const struct activity *activity, enum time_limit limit);

/* The result is that it was over its time. */
void command_time_out(struct command *done, const struct activity *activity, enum time_limit limit);

/* Releases a result that owns itself, and gives its activity to the caller. */
struct activity *command_end_done(struct command *command);

/* Q1, Q2. status PD_OK leaves a failure that the command recorded before; with another one there is
 * an error, but for a heartbeat. */
void command_answer(struct command *command, pd_status status, const pd_error *error);

/* Q2 */
static inline bool command_owns_itself(const struct command *command)
{
    return command->latch == NULL && command->answered == NULL;
}

/* Many producers, one consumer; the consumer takes everything in the order it was pushed. */
struct command_queue {
    _Atomic(struct command *) head; /* newest first */
};

void command_queue_push(struct command_queue *queue, struct command *command);
struct command *command_queue_take(struct command_queue *queue); /* oldest first; NULL: empty */
bool command_queue_is_empty(struct command_queue *queue);

/* Those that wait, in order; for one thread. */
struct command_list {
    struct command *first, *last; /* NULL: empty */
};

void command_list_add(struct command_list *list, struct command *command);
struct command *command_list_take(struct command_list *list); /* all; the list is empty then */
void command_list_answer(struct command_list *list, pd_status status, const pd_error *error);

#endif
