/* SPDX-License-Identifier: MIT
 *
 * The worker: the user's program (author) and what runs it (engine), as one thing that is started
 * and stopped.
 *
 *   K1  A hub has one worker at most, from the beginning of pd_worker_start to the end of
 *       pd_worker_stop.
 *   K2  While it is being stopped, new commands go through the mailbox: they are durable, and take
 *       effect when an engine runs again. Waits go on by looking at the store.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "author/author.h"

enum { DRAIN_MAX_MS = 30000 };

static const char where[] = "worker: start";

static pd_status check_options(const pd_worker_options *options, pd_error *err)
{
    if (options->threads < 0) {
        return error_set(err, PD_E_INVALID, false, where, "%d threads cannot be had",
                         options->threads);
    }
    if (options->drain_max.ms < 0) {
        return error_set(err, PD_E_INVALID, false, where, "drain_max is negative");
    }
    return PD_OK;
}

/* PD_REPLAY=always: every stack is dropped at every wait, so that code that cannot be replayed is
 * found in tests. A mistyped word must not let them pass. */
static pd_status read_environment(bool *ret_is_drop_mode, pd_error *err)
{
    const char *mode = getenv("PD_REPLAY");
    *ret_is_drop_mode = mode != NULL && strcmp(mode, "always") == 0;
    if (mode != NULL && mode[0] != '\0' && !*ret_is_drop_mode) {
        return error_set(err, PD_E_INVALID, false, where,
                         "PD_REPLAY is '%s' in the environment; it can only be 'always'", mode);
    }
    return PD_OK;
}

static bool worker_init(pd_worker *worker, const pd_function *program, size_t n,
                        const pd_worker_options *options, pd_error *err)
{
    struct store *store = worker->hub->store;
    bool is_drop_mode;
    if (read_environment(&is_drop_mode, err) != PD_OK) {
        return false;
    }
    struct author_options authors = {
        .user = options->user,
        .stack_size = options->stack_size,
        .orchestrations_max = options->orchestrations_max,
        .partition_count = store->partition_count,
        .is_drop_mode = is_drop_mode,
    };
    struct engine_options engines = { .activity_threads = (unsigned)options->threads };
    worker->drain_ms = options->drain_max.ms != 0 ? options->drain_max.ms : DRAIN_MAX_MS;
    worker->author = author_new(program, n, &authors, err);
    if (worker->author == NULL) {
        return false;
    }
    worker->engine = engine_start(store, worker->author, &engines, err);
    if (worker->engine == NULL) {
        author_free(worker->author);
        return false;
    }
    return true;
}

/* K1 */
static pd_status reserve(pd_hub *hub, pd_error *err)
{
    pd_status status = PD_OK;
    pthread_mutex_lock(&hub->mutex);
    if (hub->worker != NULL || hub->is_worker_starting) {
        status = error_set(err, PD_E_STATE, false, where,
                           "this hub has a worker already; stop it first");
    } else {
        hub->is_worker_starting = true;
    }
    pthread_mutex_unlock(&hub->mutex);
    return status;
}

static void publish(pd_hub *hub, pd_worker *worker)
{
    pthread_mutex_lock(&hub->mutex);
    hub->worker = worker;
    hub->is_worker_starting = false;
    pthread_mutex_unlock(&hub->mutex);
    /* Waits that look at the store every now and then may use the engine from here on. */
    hub->store->ops->wake(hub->store);
}

pd_worker *pd_worker_start(pd_hub *hub, const pd_function *program, size_t n,
                           const pd_worker_options *options, pd_error *err)
{
    static const pd_worker_options defaults;
    pd_error unwanted;
    err = error_or(err, &unwanted);
    options = options != NULL ? options : &defaults;

    struct call call;
    pd_worker *worker = NULL;
    if (call_begin(&call, hub, where, err) != PD_OK || check_options(options, err) != PD_OK ||
        reserve(hub, err) != PD_OK) {
        call_end(&call);
        return NULL;
    }
    worker = OBJECT_NEW(pd_worker, WORKER_MAGIC);
    worker->hub = hub;
    if (!worker_init(worker, program, n, options, err)) {
        OBJECT_FREE(worker, WORKER_MAGIC);
        worker = NULL;
    }
    publish(hub, worker);
    call_end(&call);
    return worker;
}

void pd_worker_stop(pd_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    OBJECT_CHECK(worker, WORKER_MAGIC);
    pd_hub *hub = worker->hub;
    pthread_mutex_lock(&hub->mutex);
    atomic_store(&worker->is_stopping, true);
    engine_end_watches(worker->engine);
    while (worker->users > 0) {
        pthread_cond_wait(&hub->changed, &hub->mutex);
    }
    pthread_mutex_unlock(&hub->mutex);

    engine_stop(worker->engine, worker->drain_ms);
    author_free(worker->author);

    pthread_mutex_lock(&hub->mutex);
    hub->worker = NULL;
    pthread_mutex_unlock(&hub->mutex);
    OBJECT_FREE(worker, WORKER_MAGIC);
}
