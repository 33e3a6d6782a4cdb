/* SPDX-License-Identifier: MIT
 *
 * The threads of an engine, and what they share.
 *
 *     client --command--> pump (one a partition) --work--> committer (one) --> disk
 *       ^                  ^   ^                              |
 *       |                  |   +--------- work, done ---------+
 *       +----- answer -----|----------------------------------+
 *                          |                                  v
 *                          +----------- result ----------- pool (activities)
 *
 *   E1  A partition is touched by its pump's thread only.
 *   E2  At most one work of a partition is under way; while it is, changes gather in core. So
 *       batches grow with load, without a timer (group commit).
 *   E3  store->commit, own (while the engine runs), transact, tend and trim are called by one
 *       thread at a time: whoever holds committer.is_busy.
 *   E4  What a work releases (letters to other partitions, cancellations, activities, answers,
 *       endings) is released by the thread that committed it, before the pump hears of it: the pump
 *       is not on the way to the user. Cancellations go before activities: one of the same step may
 *       be among these.
 *   E5  Locks are leaves: no thread takes a second lock while it holds one, but for a seat's, which
 *       may be taken under the pool's.
 *   E6  A thread of the pool writes its own seat; what others may ask of it is under a mutex, or
 *       atomic. An activity is its thread's from the queue to the push of its result. */
#ifndef ENGINE_ENGINE_PRIV_H
#define ENGINE_ENGINE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "base/object.h"
#include "base/histogram.h"
#include "engine/board.h"
#include "engine/engine.h"
#include "engine/partition.h"

#define ENGINE_MAGIC 0x656e6769U

/* Above this many activities waiting for a thread, recovery brings in no more. */
#define BACKLOG_MAX 20000

/* Idle for so long, threads give back memory that is only kept for speed, once. */
#define TRIM_AFTER (1 * TIME_SECOND)

/* ---- clock.c --------------------------------------------------------------------------------- */

time_us clock_now(void);    /* since 1970 */
time_us clock_steady(void); /* since some time or other: for lengths of time */

/* A condition whose timed waits are not disturbed by someone setting the clock. */
void clock_cond_init(pthread_cond_t *cond);
/* At most `us` microseconds; negative: no limit. False: the time has passed. The mutex is held. */
bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t us);

/* ---- thread.c -------------------------------------------------------------------------------- */

/* A thread that handles no signals of the application. False: the system gives no more. */
bool thread_start(pthread_t *ret, void *(*body)(void *), void *argument);

/* Names the calling thread, as `top -H` and debuggers show it: 15 characters at most. */
void thread_name(const char *name);

/* ---- pool.c: threads that run activities; host.c and limits.c: meanwhile --------------------- */

/* Where one thread sits: what it runs, as others may know it. */
struct seat {
    struct activity_host host;
    struct pool *pool;
    pthread_t thread;
    struct board_slot *slot;

    /* under the pool's mutex */
    uint64_t row; /* of what is run; 0: nothing */
    int32_t id;
    const struct activity
        *limited; /* likewise, while it must end or be heard of in time, or NULL */
    time_us run_by;
    bool is_over; /* it was not: its step has been completed */

    /* the thread's own */
    const struct activity *activity;
    bool is_void;    /* the result goes nowhere: somebody else's is the step's */
    bool has_claim;  /* the step cannot end in another way before it is heard of */
    bool is_unknown; /* only the store knows whether there is a result */

    _Atomic bool is_unwanted;    /* nobody waits for the result any more */
    _Atomic time_us beat_by;     /* a heartbeat is due; TIME_NEVER */
    _Atomic(struct beat *) beat; /* what was said; NULL: nothing */
    pthread_mutex_t mutex;       /* of every beat that was ever this seat's */
};

struct pool {
    struct engine *engine;
    struct runner *runner;
    pthread_mutex_t mutex;
    pthread_cond_t work, idle;
    struct list queue; /* of struct activity */
    unsigned seat_count, waiting, running;
    unsigned transacting;
    bool is_draining, is_stopping;
    _Atomic bool is_abandoned; /* what runs still is not waited for: nothing of it counts */
    _Atomic size_t backlog;
    struct seat *seats;

    /* limits.c */
    pthread_cond_t late;
    pthread_t keeper;
    bool has_keeper, has_start_limits; /* in the queue */
    time_us look_at;                   /* monotonic; TIME_NEVER: nothing has limits */
};

bool pool_start(struct pool *pool, struct engine *engine, struct runner *runner, unsigned threads);
/* Empties the list, which holds so many. */
void pool_give(struct pool *pool, struct list *activities, size_t count, bool has_start_limits);
/* Those that wait are dropped, those that run are told. */
void pool_cancel(struct pool *pool, const struct cancellation *cancellations);
void pool_forget(struct pool *pool, unsigned partition); /* frees those of it that wait */
/* Begins no more; waits for those running. From then on no transaction begins. */
void pool_drain(struct pool *pool, int64_t max_ms);
/* Is one under way still? Waits so long for its end. */
bool pool_is_transacting(struct pool *pool, int64_t max_us);
void pool_stop(struct pool *pool); /* joins */
void pool_done(struct pool *pool); /* when no heartbeat is under way any more */

/* Before the seat's activity is run, with the pool's mutex; and after, without. */
void host_begin(struct seat *seat, struct activity *activity);
void host_end(struct seat *seat, struct command *done);
void host_init(struct seat *seat, struct pool *pool);
void host_done(struct seat *seat);
/* What was said last and is not on its way, into the result's arena. */
void host_take_progress(struct seat *seat, struct command *done);

/* These hold the pool's mutex. */
void limits_note(struct pool *pool, time_us by); /* something is to be looked at then */
void limits_give(struct pool *pool, struct list *activities);
void limits_stop(struct pool *pool); /* lets it go, and joins */

/* ---- committer.c
 * --------------------------------------------------------------------------------- */

struct committer {
    struct engine *engine;
    struct store *store;
    pthread_mutex_t mutex;
    pthread_cond_t work, free;
    struct work *first, **last;
    bool is_busy, is_stopping;
    unsigned holders; /* threads that wait to hold it */
    bool is_trim_due; /* there was a commit since the last */
    uint64_t commits, commits_seen;
    int64_t took_us; /* the last commit; -1: there was nothing to write. Of who is busy */
    pd_status said;
    struct histogram took; /* these two with the mutex */
    uint64_t failed;
    pthread_t thread;
    bool has_thread;
};

bool committer_start(struct committer *committer, struct engine *engine, struct store *store);

/* Commits the work, on the calling thread when it may and nobody else is committing, or on the
 * committer's. Afterwards engine_release has been called for it. */
void committer_submit(struct committer *committer, struct work *work, bool may_commit_here);
/* Between the two nothing is committed (E3). */
void committer_hold(struct committer *committer);
void committer_let_go(struct committer *committer);
void committer_count(struct committer *committer, struct histogram *ret, uint64_t *ret_failed);
void committer_stop(struct committer *committer); /* nothing is under way any more */

/* ---- watch.c
 * ------------------------------------------------------------------------------------- */

struct watches {
    pthread_mutex_t mutex;
    struct map by_id; /* id -> the first struct watch; the others hang on it */
    bool is_stopped;
};

void watches_init(struct watches *watches);
void watches_done(struct watches *watches);
void watches_signal(struct watches *watches, const struct ending *endings);
void watches_stop(struct watches *watches); /* signals all, now and later */

/* ---- pump.c: a partition's thread
 * ------------------------------------------------------------------ */

struct pump {
    struct engine *engine;
    struct partition *partition;
    struct command_queue queue;
    _Atomic(struct work *) done; /* committed, to be heard of */
    _Atomic bool has_mail, is_stopping;
    bool is_work_out;
    uint64_t epoch;   /* of the partition's life: when it changes, it has begun again */
    bool is_trim_due; /* something was done since the last */
    time_us worked_at;
    pthread_mutex_t mutex;
    pthread_cond_t awake;
    bool is_in_trouble; /* with the mutex, or on its thread */
    pd_error trouble;   /* with the mutex */
    _Atomic bool is_asleep;
    pthread_t thread;
    bool has_thread;
};

bool pump_start(struct pump *pump, struct engine *engine); /* its partition is set */
void pump_push(struct pump *pump, struct command *command);
void pump_notice_mail(struct pump *pump);
void pump_committed(struct pump *pump, struct work *work); /* from the committer */
void pump_stop(struct pump *pump); /* makes everything durable, joins, frees the partition */

/* ---- call.c: who is in the engine ------------------------------------------------------------ */

struct calls {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    size_t count;
    bool is_closing;
};

void calls_init(struct calls *calls);
void calls_close(struct calls *calls); /* lets none in any more, and waits for those inside */
/* PD_E_CANCELLED: not let in. */
pd_status calls_enter(struct engine *engine, pd_error *err);
void calls_leave(struct engine *engine);
void calls_done(struct calls *calls);

/* ---- janitor.c: forgets what is not wanted any more ------------------------------------------ */

struct errand;

struct janitor {
    struct engine *engine;
    struct arena arena;
    struct errand *errands; /* in the arena */
    pthread_mutex_t mutex;
    pthread_cond_t stop;
    bool is_stopping;
    pthread_t thread;
    bool has_thread;
};

/* False: there is something to forget, and no thread to do it. */
bool janitor_start(struct janitor *janitor, struct engine *engine,
                   const struct engine_options *options);
void janitor_stop(struct janitor *janitor);

/* ---- engine.c -------------------------------------------------------------------------------- */

struct engine {
    uint32_t magic;
    struct store *store;
    unsigned pump_count;
    struct pump *pumps;
    struct pool pool;
    struct committer committer;
    struct watches watches;
    struct calls calls;
    struct engine_board board;
    struct janitor janitor;
    void (*ended)(void *argument, const struct ending *endings); /* engine_options */
    void *ended_argument;

    pthread_t mailbox;
    bool has_mailbox;
    _Atomic bool is_mailbox_stopping;
};

/* E4. work->status is set. */
void engine_release(struct engine *engine, struct work *work);

#endif
