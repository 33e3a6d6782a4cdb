/* SPDX-License-Identifier: MIT
 *
 * Activities: ordinary functions, run to their end on the caller's thread.
 *
 * Unlike an orchestrator an activity is never left behind its back: it holds files and locks, on a
 * stack that is not ours. What it may not do is refused by the call, recorded, and returned by
 * PD_FAILED. Its memory is the arena it is given; nothing here is shared between threads but the
 * author, which is not written to.
 *
 * Whoever runs activities for us is the host (core/turn.h). Without one (host NULL) nothing is
 * ever cancelled, heartbeats are not heard, and there are no transactions. */
#include "author/author_priv.h"

enum { ACTIVITY_MAGIC = 0x61637469 };

struct pd_activity {
    uint32_t magic;
    const struct activity *activity;
    struct activity_host *host;           /* NULL: none */
    void *database;                       /* NULL: not transactional */
    const char *name, *instance_id, *key; /* the last two: NULL until asked for */
    struct pd_mem mem;
    struct buffer scratch;
};

pd_mem *pd_mem_of_activity(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    return &a->mem;
}

const char *pd_activity_key(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    if (a->key == NULL) {
        a->key = arena_printf(a->mem.arena, "%.*s:%04x", TEXT_ARGS(a->activity->execution_id),
                              (unsigned)a->activity->first);
    }
    return a->key;
}

const char *pd_activity_instance_id(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    if (a->instance_id == NULL) {
        struct text id = a->activity->instance_id;
        a->instance_id = arena_copy(a->mem.arena, id.at, id.size);
    }
    return a->instance_id;
}

void pd_activity_log(pd_activity *a, const char *format, ...)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    va_list args;
    va_start(args, format);
    log_line(a->activity->instance_id, a->name, format, args);
    va_end(args);
}

/* ---- while it runs --------------------------------------------------------------------------- */

bool pd_activity_is_cancelled(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    return a->host != NULL && a->host->ops->is_cancelled(a->host);
}

bool pd_activity_heartbeat_(pd_activity *a, pd_value progress)
{
    pd_error err;
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    struct text said = TEXT_ABSENT; /* as before */
    if (progress.kind_ != PD_IS_NULL && !mem_write(&a->mem, progress, &said, &err)) {
        mem_refuse(&a->mem, "BadPayload", "pd_activity_heartbeat: %s", err.text);
        a->mem.broken = a->mem.recorded;
    } else if (a->host != NULL) {
        a->host->ops->beat(a->host, said);
    }
    return !pd_activity_is_cancelled(a);
}

pd_value pd_activity_progress(pd_activity *a)
{
    pd_error err;
    pd_value progress = PD_NULL;
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    struct text before = activity_progress(a->activity);
    if (text_is_present(before) && json_parse(a->mem.arena, before, &progress, &err) != PD_OK) {
        mem_refuse(&a->mem, "BadPayload", "pd_activity_progress: %s", err.text);
        a->mem.broken = a->mem.recorded;
    }
    return progress;
}

void *pd_activity_database(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    return a->database;
}

/* ---- running --------------------------------------------------------------------------------- */

struct running {
    pd_activity *activity;
    const pd_function *function;
    bool has_run; /* transactions: the function was called */
    const pd_failure *failure;
};

static const pd_failure *run(pd_activity *a, const pd_function *function,
                             struct activity_result *ret)
{
    pd_error err;
    pd_value input = PD_NULL;
    struct text payload = a->activity->input;
    if (text_is_present(payload) && json_parse(a->mem.arena, payload, &input, &err) != PD_OK) {
        return failure_new(a->mem.arena, "BadPayload", true, NULL,
                           "the input of activity '%s' (step %d): %s", function->name,
                           a->activity->id, err.text);
    }
    union {
        pd_any_fn *any;
        pd_activity_fn *activity;
    } code = { function->run };
    const struct outcome *outcome = mem_outcome(&a->mem, code.activity(a, input));
    ret->payload = outcome->payload;
    return outcome->failure;
}

/* The body of a transaction: a failure rolls back what the function has written. */
static bool run_in_transaction(void *argument, void *database, struct activity_result *ret)
{
    struct running *running = argument;
    running->activity->database = database;
    running->has_run = true;
    running->failure = run(running->activity, running->function, ret);
    running->activity->database = NULL;
    return running->failure == NULL;
}

static const pd_failure *transact(pd_activity *a, const pd_function *function,
                                  struct activity_result *ret)
{
    pd_error err = { .status = PD_OK };
    struct running running = { .activity = a, .function = function };
    pd_status status = PD_E_STATE;
    if (a->host != NULL) {
        status = a->host->ops->transact(a->host, run_in_transaction, &running, ret, &err);
    }
    if (running.failure != NULL) {
        return running.failure;
    }
    if (status == PD_OK) {
        ret->is_recorded = true;
        return NULL;
    }
    if (status == PD_E_STATE && !running.has_run) {
        return failure_new(a->mem.arena, "Misuse", true, NULL,
                           "activity '%s' is transactional, which this hub is not: %s",
                           function->name, a->host != NULL ? err.text : "nobody hosts it");
    }
    return failure_new(a->mem.arena, "Unavailable", false, NULL,
                       "the transaction of activity '%s' was not committed: %s", function->name,
                       err.text);
}

/* False: it is nobody's. */
static bool run_elsewhere(const struct author *author, const struct activity *activity,
                          struct activity_host *host, struct arena *arena,
                          struct activity_result *ret)
{
    const struct author_elsewhere *elsewhere = author->elsewhere;
    if (elsewhere == NULL || !elsewhere->takes(elsewhere->argument, activity->name)) {
        return false;
    }
    struct task_limits limits = activity_limits(activity);
    if (limits.run_ms != 0 || limits.beat_ms != 0) {
        elsewhere->run(elsewhere->argument, activity, host, arena, ret);
    } else {
        ret->is_taken = true;
    }
    return true;
}

void activity_run(const struct author *author, const struct activity *activity,
                  struct activity_host *host, struct arena *arena, struct activity_result *ret)
{
    const pd_failure *failure;
    const pd_function *function = author_find(author, activity->name, PD_ACTIVITY);
    *ret = (struct activity_result){ .payload = TEXT_ABSENT };
    if (function == NULL && run_elsewhere(author, activity, host, arena, ret)) {
        return;
    }
    if (function == NULL) {
        failure = failure_new(arena, "ActivityNotFound", true, NULL,
                              "this worker has no activity '%.*s'; add it to the program",
                              TEXT_ARGS(activity->name));
    } else {
        pd_activity a = {
            .magic = ACTIVITY_MAGIC, .activity = activity, .host = host, .name = function->name
        };
        a.mem.arena = arena;
        a.mem.scratch = &a.scratch;
        a.mem.user = author->user;
        a.mem.payload_max = author->payload_max;
        failure = function->kind == PD_TRANSACTION_ ? transact(&a, function, ret)
                                                    : run(&a, function, ret);
        a.magic = 0;
        buffer_done(&a.scratch);
    }
    if (failure != NULL) {
        ret->payload = TEXT_ABSENT;
        ret->failure = failure_to_core(arena, failure);
    }
}
