/* SPDX-License-Identifier: MIT
 *
 * What the files of author share; nobody else includes it.
 *
 * A shard is one partition's share of an author and belongs to that partition's thread. A run is
 * one orchestration in memory: the pd_orchestration that user code holds, its stack, its arena, its
 * steps. A task is something a run waits for.
 *
 *   A1  User code of a run is on its stack exactly while run_current is that run. So a context
 *       used from another thread, or from another orchestration, is recognised without looking
 *       into it (it may be gone).
 *   A2  Between turns nothing in a run points outside of the run's arena and the program's table:
 *       what a turn's events lent is copied at the end of the turn.
 *   A3  A run that has ended is dropped before its last turn returns.
 *
 * Which file does what: author.c keeps runs; run.c begins, switches and ends one; replay.c feeds it
 * events and compares it with history (R1 to R4); ask.c has the durable requests, wait.c the waits,
 * inside.c the rest of section 5; activity.c runs activities; mem.c, value.c and read.c are what
 * both kinds of functions use; failure.c copies failures; overflow.c reports a stack overflow. */
#ifndef AUTHOR_AUTHOR_PRIV_H
#define AUTHOR_AUTHOR_PRIV_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include "author/author.h"
#include "base/base.h"
#include "co/co.h"
#include "core/event.h"
#include "core/turn.h"
#include "json/json.h"

enum { AUTHOR_MAGIC = 0x61757468, RUN_MAGIC = 0x72756e21, TASK_MAGIC = 0x7461736b };

/* ---- memory behind a run or an activity ------------------------------------------------------ */

/* What pd_ok or pd_fail made. Kept in a list, so that a pd_result is believed only when it is one
 * of this context's own. */
struct outcome {
    struct outcome *next;
    struct text payload;
    const pd_failure *failure; /* NULL: succeeded */
};

struct pd_mem {
    struct arena *arena;
    struct buffer *scratch; /* JSON is written here first */
    pd_orchestration *run;  /* NULL: an activity */
    void *user;
    struct outcome *outcomes;
    const pd_failure *recorded; /* for PD_FAILED */
    const pd_failure *broken;   /* a call that cannot answer was refused: pd_ok will not do */
};

/* What to do when a call cannot be done: leaves the orchestrator; in an activity records it. */
__attribute__((format(printf, 3, 4))) void mem_refuse(pd_mem *m, const char *type,
                                                      const char *format, ...);

/* The value as JSON of at most LIMIT_PAYLOAD_BYTES, in the arena; false with err. */
bool mem_payload(pd_mem *m, struct arena *arena, pd_value v, struct text *ret, pd_error *err);

/* What a function returned. Never NULL: what is not acceptable becomes a failure. */
const struct outcome *mem_outcome(pd_mem *m, pd_result result);

/* A copy that lives in the arena; false with err: no value, or too deep. */
bool value_keep(struct arena *arena, pd_value v, pd_value *ret, pd_error *err);

const char *value_kind_name(pd_value v); /* "a text", "null" */

/* ---- failures -------------------------------------------------------------------------------- */

__attribute__((format(printf, 5, 6))) pd_failure *failure_new(struct arena *arena, const char *type,
                                                              bool is_final,
                                                              const pd_failure *cause,
                                                              const char *format, ...);
__attribute__((format(printf, 5, 0))) pd_failure *failure_vnew(struct arena *arena,
                                                               const char *type, bool is_final,
                                                               const pd_failure *cause,
                                                               const char *format, va_list args);
const pd_failure *failure_keep(struct arena *arena, const pd_failure *failure);
const pd_failure *failure_of_core(struct arena *arena, const struct failure *failure);
const struct failure *failure_to_core(struct arena *arena, const pd_failure *failure);

/* ---- tasks ----------------------------------------------------------------------------------- */

enum task_kind { TASK_ACTIVITY, TASK_TIMER, TASK_EVENT };
enum task_state { TASK_OPEN, TASK_SUCCEEDED, TASK_FAILED };

struct pd_task {
    uint32_t magic;
    int32_t step; /* EVENT_NO_ID for an expected event */
    enum task_kind kind;
    uint8_t state;
    bool is_waited; /* the run's present wait counts it */
    bool is_parsed;
    pd_orchestration *run;
    pd_task *self; /* looking at a const task parses its payload, once */
    pd_task *next; /* open: in an event queue; ended: in the run's list of lent payloads */
    const char *name;
    struct text payload;
    pd_value value;
    const pd_failure *failure;
};

struct kept_event {
    struct kept_event *next;
    struct text payload;
};

/* Waiters or events of one name, oldest first; never both. */
struct event_queue {
    pd_task *waiters, **last_waiter;
    struct kept_event *events, **last_event;
};

/* ---- runs ------------------------------------------------------------------------------------ */

struct shard;
struct known;

struct pd_orchestration {
    uint32_t magic;
    bool is_begun, is_replaying, is_ended;
    bool is_asleep;    /* in the shard's list of that name */
    bool is_divergent; /* ended because code and history differ */
    struct list_node node;
    struct shard *shard;
    uint64_t row, position; /* position: number of the last turn done */
    struct co *co;
    pd_orchestrator_fn *function;
    const char *name, *instance_id;
    pd_value input;
    time_us now;
    struct pd_mem mem;
    struct arena arena;

    pd_task **steps;
    size_t step_count, step_room;
    size_t open_activities;
    size_t waits_for; /* tasks still to end before the code goes on; 0: it is not waiting */
    pd_task *lent;    /* tasks whose payload is still the event's */
    struct map queues;

    size_t known_count, due_count; /* replay.c */
    struct arena *turn_arena;      /* during a turn */
    const struct outcome *outcome; /* ended: how */
};

/* The run whose user code is on this thread's stack now (A1). */
extern _Thread_local pd_orchestration *run_current __attribute__((tls_model("initial-exec")));

pd_orchestration *run_new(struct shard *shard, const struct turn *turn);
void run_drop(pd_orchestration *run); /* runs the defers; leaves the shard's map and list first */
void run_free(pd_orchestration *run); /* a spare one */
void run_begin(pd_orchestration *run, const struct event *event);
void run_resume(pd_orchestration *run);
void run_end(pd_orchestration *run, const pd_failure *failure); /* not from user code */
void run_task_ended(pd_orchestration *run, pd_task *task, enum task_state state);
void run_keep_lent(pd_orchestration *run);

/* From user code: these do not come back. */
_Noreturn void run_leave(pd_orchestration *run, const pd_failure *failure);
_Noreturn __attribute__((format(printf, 4, 5))) void
run_raise(pd_orchestration *run, const char *type, bool is_final, const char *format, ...);

/* A context or task that is not the running orchestration's own: it leaves; no orchestration runs
 * on this thread: the process stops with a report, as nothing can be left. */
_Noreturn void run_misused(const char *what);

static inline void run_check(const pd_orchestration *run)
{
    if (__builtin_expect(run == NULL || run != run_current, 0)) {
        run_misused(run == NULL ? "the context is NULL"
                                : "a context was used outside of its own orchestrator");
    }
}

/* ---- replay ---------------------------------------------------------------------------------- */

/* A step as history has it, and the number of its event as people see it. */
struct known {
    const struct event *event;
    uint64_t number;
};

void replay_past(pd_orchestration *run, const struct past *past);
void replay_turn(pd_orchestration *run, const struct turn *turn);

/* From user code, about the step it asks for next: true when history has it already. */
bool replay_knows(pd_orchestration *run, enum task_kind kind, const char *name);

/* The queue of this name, ASCII case-insensitive; made when it is not there yet. */
struct event_queue *run_queue(pd_orchestration *run, struct text name);

/* ---- shards and the author ------------------------------------------------------------------- */

struct shard {
    struct author *author;
    struct co_pool *pool; /* NULL: no turn was run since the last forget_all */
    pthread_t thread;     /* whose turns these are; pool not NULL */
    struct map64 runs;
    struct list recent; /* runs that wait for an activity, least recently used first */
    struct list asleep; /* runs that wait only for time or events: likewise, and fewer are kept */
    size_t asleep_count;
    struct list spare; /* empty runs, to be used again */
    size_t spare_count;
    struct buffer scratch;
    struct action *actions; /* of the turn being run */
    size_t action_count, action_room;
    struct known *known; /* by step, of the replay being run */
    size_t known_room;
    atomic_uint_fast64_t replays, evictions, resident;
};

struct author {
    uint32_t magic;
    struct runner base;
    struct map names;     /* name to row */
    struct map64 by_code; /* function to its first row */
    void *user;
    size_t stack_size, runs_max, asleep_max; /* the last two of one shard */
    bool is_drop_mode, reports_overflow;
    unsigned shard_count;
    struct shard *shards;
};

struct action *shard_add_action(struct shard *shard);
bool shard_evict_one(struct shard *shard, const pd_orchestration *but);
const pd_function *author_find(const struct author *author, struct text name,
                               pd_function_kind kind);

void activity_run(const struct author *author, const struct activity *activity, struct arena *arena,
                  struct activity_result *ret);

/* One line "[instance name] text" on stderr, whatever the text holds. */
__attribute__((format(printf, 3, 0))) void log_line(struct text instance, const char *name,
                                                    const char *format, va_list args);

/* ---- stack overflow -------------------------------------------------------------------------- */

void overflow_install(void); /* counted; the last remove puts back what was there */
void overflow_remove(void);
void overflow_thread_begin(void); /* an alternate signal stack for this thread, if it has none */
void overflow_thread_end(void);

#endif
