/* SPDX-License-Identifier: MIT
 *
 * The hub: a store that is open, and the door through which every call enters and leaves.
 *
 * Closing is the only call that others may not overlap; it ends waits and then waits for all calls
 * to leave (A1), so that nothing below is taken away under them.
 */
#include <time.h>

#include "api/api_priv.h"
#include "author/author.h"
#include "remote/remote.h"

time_us api_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

time_us api_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

static bool open_remote(pd_hub *hub, const char *url, pd_error *err)
{
    hub->remote = api_remote_module(err);
    hub->store = hub->remote != NULL ? hub->remote->open(url, err) : NULL;
    hub->payload_max = LIMIT_PAYLOAD_BYTES;
    return hub->store != NULL;
}

static bool open_store(pd_hub *hub, const char *url, pd_error *err)
{
    struct hub_url parts;
    if (api_read_url(url, &parts, err) == PD_OK) {
        hub->store = store_open(replay_is_wanted() ? "memory:" : (const char *)parts.store.at, err);
    }
    buffer_done(&parts.store);
    hub->payload_max = parts.payload_max;
    return hub->store != NULL;
}

pd_hub *pd_hub_open(const char *url, pd_error *err)
{
    pd_error unwanted;
    err = error_or(err, &unwanted);
    pd_hub *hub = OBJECT_NEW(pd_hub, HUB_MAGIC);
    bool is_remote = api_is_remote(url) && !replay_is_wanted();
    if (!(is_remote ? open_remote(hub, url, err)
                    : open_store(hub, api_is_remote(url) ? "memory:" : url, err))) {
        OBJECT_FREE(hub, HUB_MAGIC);
        return NULL;
    }
    pthread_mutex_init(&hub->mutex, NULL);
    pthread_cond_init(&hub->changed, NULL);
    return hub;
}

void pd_hub_close(pd_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    OBJECT_CHECK(hub, HUB_MAGIC);
    pthread_mutex_lock(&hub->mutex);
    atomic_store(&hub->is_closing, true);
    pd_worker *worker = hub->worker;
    if (worker != NULL && worker->engine != NULL) {
        engine_end_watches(worker->engine);
    }
    hub->store->ops->wake(hub->store);
    while (hub->calls > 0) {
        pthread_cond_wait(&hub->changed, &hub->mutex);
    }
    worker = hub->worker; /* perhaps one of the calls was its start */
    pthread_mutex_unlock(&hub->mutex);

    pd_worker_stop(worker);
    store_close(hub->store);
    pthread_cond_destroy(&hub->changed);
    pthread_mutex_destroy(&hub->mutex);
    OBJECT_FREE(hub, HUB_MAGIC);
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* How many calls this thread is in: written by it alone, read by whoever watches it. */
static _Thread_local atomic_int calls_here;

static void count_here(int more)
{
    int now = atomic_load_explicit(&calls_here, memory_order_relaxed);
    atomic_store_explicit(&calls_here, now + more, memory_order_relaxed);
}

const void *pd_thread_(void)
{
    return &calls_here;
}

bool pd_thread_is_in_call_(const void *thread)
{
    const atomic_int *calls = thread;
    return atomic_load_explicit(calls, memory_order_relaxed) > 0;
}

/* Under hub->mutex. */
static void hold(struct call *call)
{
    pd_worker *worker = call->hub->worker;
    if (worker != NULL && !atomic_load(&worker->is_stopping)) {
        worker->users++;
        call->worker = worker;
    }
}

/* Under hub->mutex. */
static void release(struct call *call)
{
    pd_worker *worker = call->worker;
    call->worker = NULL;
    if (worker != NULL && --worker->users == 0 && atomic_load(&worker->is_stopping)) {
        pthread_cond_broadcast(&call->hub->changed);
    }
}

pd_status call_begin(struct call *call, pd_hub *hub, const char *where, pd_error *err)
{
    *call = (struct call){ NULL, NULL };
    if (hub == NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the hub is NULL; was it opened without a look at the error?");
    }
    OBJECT_CHECK(hub, HUB_MAGIC);
    if (author_is_inside()) {
        /* It would wait for its own partition, for ever. */
        return error_set(err, PD_E_STATE, false, where,
                         "orchestrators and entities cannot use a hub; do it in an activity");
    }
    call->hub = hub;
    count_here(1);
    pthread_mutex_lock(&hub->mutex);
    hub->calls++;
    hold(call);
    pthread_mutex_unlock(&hub->mutex);
    return PD_OK;
}

void call_end(struct call *call)
{
    pd_hub *hub = call->hub;
    if (hub == NULL) {
        return;
    }
    count_here(-1);
    pthread_mutex_lock(&hub->mutex);
    release(call);
    if (--hub->calls == 0 && atomic_load(&hub->is_closing)) {
        pthread_cond_broadcast(&hub->changed);
    }
    pthread_mutex_unlock(&hub->mutex);
}

void call_let_worker_go(struct call *call)
{
    pthread_mutex_lock(&call->hub->mutex);
    release(call);
    pthread_mutex_unlock(&call->hub->mutex);
}

void call_hold_worker(struct call *call)
{
    pthread_mutex_lock(&call->hub->mutex);
    release(call);
    hold(call);
    pthread_mutex_unlock(&call->hub->mutex);
}
