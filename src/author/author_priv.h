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
 *   A2  Between turns nothing in a run points outside of the run's arena and the program's table,
 *       but for what a retry policy was given to call: what a turn's events lent is copied at the
 *       end of the turn.
 *   A3  A run that has ended is dropped before its last turn returns.
 *   A4  An operation of an entity is on a stack exactly while entity_current is its context; what
 *       was deferred in it is run afterwards.
 *
 * Which file does what: author.c keeps runs, program.c the table of functions;
 * run.c begins, switches and ends a run; replay.c and deliver.c feed it events and compare it with
 * history (R1 to R5), describe.c says what differs; ask.c has the durable requests, attempt.c those
 * with options, children and retries, events.c external events; entities.c and critical.c are what
 * it says to entities; wait.c the waits, inside.c what an orchestrator may know of itself, chance.c
 * its random numbers; version.c says whether a worker may run it. entity.c and operation.c run
 * entities, activity.c activities; mem.c, value.c and read.c are what all kinds of functions use;
 * failure.c copies failures; overflow.c reports a stack overflow. */
#ifndef AUTHOR_AUTHOR_PRIV_H
#define AUTHOR_AUTHOR_PRIV_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include "author/author.h"
#include "base/base.h"
#include "base/tags.h"
#include "co/co.h"
#include "core/event.h"
#include "core/turn.h"
#include "json/json.h"

enum { AUTHOR_MAGIC = 0x61757468, RUN_MAGIC = 0x72756e21, TASK_MAGIC = 0x7461736b };

/* ---- memory behind a run or an activity ------------------------------------------------------ */

enum outcome_kind { OUTCOME_OK = 1, OUTCOME_FAILED, OUTCOME_NEW }; /* pd_result.outcome_ */

/* What pd_ok, pd_fail or pd_continue_as_new made. Kept in a list, so that a pd_result is believed
 * only when it is one of this context's own. */
struct outcome {
    struct outcome *next;
    enum outcome_kind kind;
    bool drops_events;         /* OUTCOME_NEW */
    struct text payload;       /* the result, or the next input */
    struct text version;       /* OUTCOME_NEW: absent: as it is */
    const pd_failure *failure; /* OUTCOME_FAILED */
};

struct pd_mem {
    struct arena *arena;
    struct buffer *scratch; /* JSON is written here first */
    pd_orchestration *run;  /* whose it is; */
    pd_entity *entity;      /* both NULL: an activity's */
    void *user;
    size_t payload_max; /* bytes of JSON */
    struct outcome *outcomes;
    const pd_failure *recorded; /* for PD_FAILED */
    const pd_failure *broken;   /* a call that cannot answer was refused: pd_ok will not do */
};

/* What to do when a call cannot be done: leaves the orchestrator or operation; in an activity
 * records it. */
__attribute__((format(printf, 3, 4))) void mem_refuse(pd_mem *m, const char *type,
                                                      const char *format, ...);
/* Likewise, and not an activity's; the failure is final. */
_Noreturn __attribute__((format(printf, 3, 4))) void mem_raise(pd_mem *m, const char *type,
                                                               const char *format, ...);

/* The value as JSON of at most payload_max bytes: in scratch, until something else is written; or
 * in the arena. False with err. */
bool mem_write(pd_mem *m, pd_value v, struct text *ret, pd_error *err);
bool mem_payload(pd_mem *m, struct arena *arena, pd_value v, struct text *ret, pd_error *err);

struct outcome *mem_outcome_new(pd_mem *m, enum outcome_kind kind);

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

enum task_kind { TASK_ACTIVITY, TASK_CHILD, TASK_CALL, TASK_LOCK, TASK_TIMER, TASK_EVENT };
enum task_state { TASK_OPEN, TASK_SUCCEEDED, TASK_FAILED };

struct request;

struct pd_task {
    uint32_t magic;
    int32_t step; /* the present one, when it has several; EVENT_NO_ID for an expected event */
    uint8_t kind;
    uint8_t
        awaits; /* kind of the present step: of one that is tried again after a while, a timer */
    uint8_t state;
    bool is_waited; /* the run's present wait counts it */
    bool is_parsed;
    bool is_counted; /* wait.c */
    pd_orchestration *run;
    pd_task *next; /* open: in an event queue; ended: in the run's list of lent payloads */
    const char *name;
    union {
        struct text payload; /* until is_parsed */
        pd_value value;
    };
    const pd_failure *failure;
    struct request *request; /* attempt.c; NULL: a plain one, which is not tried again */
    const char *entity;      /* TASK_CALL: its id */
};

/* Somebody works on it: the run is in use again soon. */
static inline bool task_awaits_work(const pd_task *task)
{
    return task->awaits <= TASK_LOCK;
}

/* An event that came and that nobody has taken yet. */
struct kept_event {
    struct kept_event *next; /* of its name */
    struct list_node node;   /* of the run's, in the order they came */
    struct text name, payload;
};

/* Waiters or events of one name, oldest first; never both, cancelled waiters aside. */
struct event_queue {
    pd_task *waiters, **last_waiter;
    struct kept_event *events, **last_event;
};

/* ---- runs ------------------------------------------------------------------------------------ */

struct shard;
struct author;
struct known;
struct chance;
struct section;

/* What its EXECUTION_STARTED says beyond the usual. */
struct about {
    struct text version, tags;             /* absent: none; end in NUL */
    const char *parent_id;                 /* NULL: no child */
    struct text instance_id, execution_id; /* under which its history began */
};

/* What pd_changed has answered, or will, as history knows it. */
struct mark {
    struct mark *next;
    struct text name;
    bool answer;
};

/* What each turn touches comes first. */
struct pd_orchestration {
    uint32_t magic;
    bool is_begun, is_replaying, is_ended;
    bool is_asleep;    /* in the shard's list of that name */
    bool is_divergent; /* ended because code and history differ, or its version is not ours */
    struct shard *shard;
    struct list_node node;
    uint64_t row, position; /* position: number of the last turn done */
    struct co *co;
    time_us now;
    pd_task **steps; /* NULL: a step that nothing is heard of, such as an event that was sent */
    size_t step_count, step_room;
    size_t open_work;         /* tasks that somebody works on, and that have not ended */
    size_t waits_for;         /* tasks still to end before the code goes on; 0: it is not waiting */
    pd_task *lent;            /* tasks whose payload is still the event's */
    uint64_t length;          /* number of the event that was delivered last */
    struct arena *turn_arena; /* during a turn: what goes out with it */
    size_t known_count;       /* during a replay: steps that history has had */
    struct arena arena;
    struct pd_mem mem;

    struct map queues; /* events.c */
    struct list kept;  /* of kept_event */
    pd_orchestrator_fn *function;
    const char *name, *instance_id;
    pd_value input;
    const struct outcome *outcome; /* ended: how */
    const struct about *about;     /* NULL: nothing that the turn does not say */
    const char *execution_id;      /* NULL until asked for */
    struct mark *marks;
    struct chance *chance;   /* chance.c */
    struct section *section; /* critical.c; NULL: the code is in none */
};

/* The run whose user code is on this thread's stack now (A1). */
extern _Thread_local pd_orchestration *run_current __attribute__((tls_model("initial-exec")));
/* The run whose retry policy is asked on this thread (attempt.c): a pure function, on a stack of
 * its own, which is in run->co meanwhile, so that leaving it is leaving the orchestration. */
extern _Thread_local pd_orchestration *run_judged __attribute__((tls_model("initial-exec")));

/* The entity whose operation is on this thread's stack now; run_current is NULL then. */
extern _Thread_local pd_entity *entity_current __attribute__((tls_model("initial-exec")));

/* It belongs to the function that this thread runs, of whichever kind. */
static inline bool mem_is_ours(const pd_mem *m)
{
    return m->run == run_current && m->entity == entity_current;
}

/* Whose code, of whichever kind of orchestrator's, this thread runs; NULL: none. */
static inline pd_orchestration *run_inside(void)
{
    return run_current != NULL ? run_current : run_judged;
}

pd_orchestration *run_new(struct shard *shard, const struct turn *turn);
void run_drop(pd_orchestration *run); /* runs the defers; leaves the shard's map and list first */
void run_free(pd_orchestration *run); /* a spare one */
/* Resets the arena of a run, or of an operation, that is over. What was deferred is run on this
 * thread, which all others of the partition wait for: so it is inside. */
void run_release(struct arena *arena);
void run_begin(pd_orchestration *run, const struct event *event);
void run_resume(pd_orchestration *run);
void run_end(pd_orchestration *run, const pd_failure *failure);     /* not from user code */
void run_deliver(pd_orchestration *run, const struct event *event); /* deliver.c */
void run_task_ended(pd_orchestration *run, pd_task *task, enum task_state state);
void run_keep_lent(pd_orchestration *run);

/* From user code: these do not come back. */
_Noreturn void run_leave(pd_orchestration *run, const pd_failure *failure);
_Noreturn __attribute__((format(printf, 4, 5))) void
run_raise(pd_orchestration *run, const char *type, bool is_final, const char *format, ...);

/* A context or task that is not the running function's own: that is left; no orchestration and no
 * operation runs on this thread: the process stops with a report, as nothing can be left. */
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

/* A step or signal that history has cancelled. */
struct cancel {
    const struct event *event;
    uint64_t number; /* of the event; 0: the code has cancelled it too */
};

enum { ACTION_TAKEN = -2 }; /* an action's id: history has it, nothing is left to do */

/* False: the past cannot be read; the run is to be dropped. */
bool replay_past(pd_orchestration *run, struct past *past);
void replay_turn(pd_orchestration *run, const struct turn *turn);

/* check.c, which replays a whole history and looks on. A turn comes next, and its first event has
 * the number; an event comes next; the code has ended in the turn (true: as history did); a turn
 * is over. */
struct check;
void check_begins(struct check *check, const struct turn_events *turn, uint64_t number,
                  bool is_last);
void check_event(struct check *check, const struct event *event, uint64_t number);
bool check_is_end(struct check *check, pd_orchestration *run);
void check_asked(struct check *check, pd_orchestration *run);

/* About the step that the run asks for next. STEP_DIFFERS: the run has ended; user code does not
 * come back then. */
enum step_answer { STEP_NEW, STEP_KNOWN, STEP_DIFFERS };
enum step_answer replay_step(pd_orchestration *run, enum event_kind kind, const char *name);
/* Likewise of what entities are told, which is compared too. name absent: the kind has none. */
enum step_answer replay_step_to(pd_orchestration *run, enum event_kind kind, struct text name,
                                struct text target);
/* Of the step that was STEP_KNOWN, before it is taken. */
struct text replay_request_id(const pd_orchestration *run);

/* From user code, which cancels this step, or this signal: true when history has that already. */
bool replay_knows_cancel(pd_orchestration *run, int32_t step);
bool replay_knows_cancelled_signal(pd_orchestration *run, struct text entity,
                                   struct text request_id);
/* What history cancels in the turn, and the code has not cancelled; NULL: nothing. */
const struct cancel *replay_open_cancel(const struct shard *shard);

/* ---- describing differences ------------------------------------------------------------------ */

/* EVENT_UNKNOWN: of the end. */
enum event_kind action_event_kind(const struct action *action);
/* The entity, the lock set, or whom else it is for. */
struct text action_target(const struct action *action);
struct text event_target(const struct event *event);
/* "TaskScheduled 'A' (event 3)"; NULL: of an unknown kind. */
const char *describe_event(struct arena *arena, const struct event *event, uint64_t number);
/* "activity 'B'" */
const char *describe_asked(struct arena *arena, enum event_kind kind, struct text name,
                           struct text target);
const char *describe_lock_set(struct arena *arena, struct text set); /* "@a@1, @b@2 and 7 more" */

/* ---- asking ---------------------------------------------------------------------------------- */

pd_task *task_new(pd_orchestration *run, enum task_kind kind, const char *name);
/* Gives the next step to the task; NULL: nothing will be heard of it. */
void task_take_step(pd_orchestration *run, pd_task *task);

/* A name or version that came from user code, checked. */
struct text ask_checked_name(pd_mem *m, const char *call, const char *what, const char *name);
/* The name of an activity or orchestrator. A name of the program lives as long as the author;
 * others (is_known false) live as long as the memory. */
const char *ask_function_name(pd_mem *m, struct author *author, const char *call, pd_ref ref,
                              pd_function_kind kind, bool *is_known);
/* The next step of the task is a timer. */
void ask_timer(pd_orchestration *run, pd_task *task, time_us fire_at);

/* ---- entities, critical sections ------------------------------------------------------------- */

/* The id of an entity that user code names, checked, in lower case, and in the arena. */
struct text ask_entity_id(pd_mem *m, struct arena *arena, const char *call, pd_entity_id id);
/* Of the step that is asked for now: history's, or a new one. */
struct text ask_request_id(pd_orchestration *run, enum step_answer answer);

/* The rules inside a critical section; what breaks them is left with "Misuse". */
void critical_child(pd_orchestration *run, const char *name);
void critical_signal(pd_orchestration *run, struct text entity);
/* Where to note the task of the call; NULL: outside of a section. */
pd_task **critical_call(pd_orchestration *run, struct text entity);

/* ---- attempts -------------------------------------------------------------------------------- */

/* An activity that has options beside its version. */
void attempt_check_policy(pd_orchestration *run, const char *call, const pd_retry *policy);
pd_task *attempt_start_activity(pd_orchestration *run, const char *name,
                                const pd_activity_call *call);
/* The next attempt's time has come. Not from user code. */
void attempt_ask(pd_orchestration *run, pd_task *task);
/* An attempt has failed. False: no other follows, the task has failed. Not from user code. */
bool attempt_follows(pd_orchestration *run, pd_task *task, const pd_failure *failure,
                     struct text progress);

/* ---- external events ------------------------------------------------------------------------- */

void events_deliver(pd_orchestration *run, struct text name, struct text payload);
/* What the next execution gets: what nobody took, and what comes after the run has ended, in the
 * order it came; in the turn's arena. */
const struct event *events_kept(pd_orchestration *run, size_t *ret_count);

/* ---- versions, chance ------------------------------------------------------------------------ */

/* Negative: a is older than b. */
int version_compare(struct text a, struct text b);
/* May this worker run an instance of the version? */
bool version_fits(const struct author *author, struct text version);

/* At least 0, below 1: the same for a step of an execution at every replay. */
double chance_of_step(pd_orchestration *run, int32_t step);

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
    pd_entity *entity;    /* runs the operations of all entities; NULL: there were none */
    struct random random; /* for ids of what entities send */
    bool is_seeded;

    /* Of the turn being run. */
    const struct turn *turn;
    size_t delivered;          /* of its events */
    struct text custom_status; /* absent: as it was */
    struct action *actions;
    size_t action_count, action_room;

    /* Of the replay being run. */
    struct past *past;
    size_t past_at;         /* the turn of it that is read next */
    uint64_t next_number;   /* of the first event of that turn */
    struct known *known;    /* of the turn being replayed, by step, from known_base on */
    struct cancel *cancels; /* likewise */
    size_t known_base, known_room, cancel_count, cancel_room, cancel_at, cancels_open;
    size_t ahead_at; /* action behind the one that history caught up with last */
    size_t
        ahead_signals;   /* actions that cancel a signal, and that history has not caught up with */
    bool has_taken;      /* it did with any */
    uint64_t differs_at; /* the run is divergent: number of the first event that does not fit */
    struct check *check; /* looks on; NULL: nobody does */

    atomic_uint_fast64_t replays, evictions, resident;
};

/* The table of functions, and those of our own; program.c. */
struct program {
    struct map names;     /* name to row */
    struct map entities;  /* name in lower case to row */
    struct map64 by_code; /* function to its first row */
    struct arena folded;  /* names in lower case */
};

struct author {
    uint32_t magic;
    struct runner base;
    struct program program;
    void *user;
    size_t stack_size, runs_max, asleep_max; /* the last two of one shard */
    size_t payload_max;
    struct text version; /* of this worker; absent: none */
    pd_version_match version_match;
    bool leaves_mismatch;
    bool is_drop_mode, reports_overflow;
    enum author_guard guard;
    const struct author_elsewhere *elsewhere; /* NULL: none */
    unsigned shard_count;
    struct shard *shards;
};

void shard_open(struct shard *shard); /* its pool is NULL */
struct action *shard_add_action(struct shard *shard);
bool shard_evict_one(struct shard *shard, const pd_orchestration *but);
/* A stack, if need be that of the run longest unused, but not of this one. */
struct co *shard_stack(struct shard *shard, const pd_orchestration *but,
                       void (*main)(struct co *, void *), void *argument);

struct author *author_of(const struct runner *runner);
/* Of kind PD_ACTIVITY also a transactional one; of an entity the name is in lower case. NULL: there
 * is none of that name. */
const pd_function *author_find(const struct author *author, struct text name,
                               pd_function_kind kind);

/* Equal but for the case of ASCII letters. */
bool text_is_like(struct text a, struct text b);

void program_init(struct program *program);
pd_status program_add(struct program *program, const pd_function *table, size_t n, pd_error *err);
void program_done(struct program *program);

void activity_run(const struct author *author, const struct activity *activity,
                  struct activity_host *host, struct arena *arena, struct activity_result *ret);

/* Runs the operations of the turn; entity.c. */
void entity_batch(struct shard *shard, const struct turn *turn, struct arena *arena,
                  struct entity_result *ret);
void entity_free(pd_entity *entity); /* NULL is fine */
_Noreturn void entity_leave(pd_entity *entity, const pd_failure *failure);

/* One line "[instance name] text" on stderr, whatever the text holds. */
__attribute__((format(printf, 3, 0))) void log_line(struct text instance, const char *name,
                                                    const char *format, va_list args);

/* ---- stack overflow -------------------------------------------------------------------------- */

void overflow_install(void); /* counted; the last remove puts back what was there */
void overflow_remove(void);
void overflow_thread_begin(void); /* an alternate signal stack for this thread, if it has none */
void overflow_thread_end(void);

#endif
