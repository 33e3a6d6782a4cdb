/* SPDX-License-Identifier: MIT
 *
 * Fetching an instance, and waiting for its end.
 *
 * With the engine in this process a wait registers a watch, looks, and sleeps until the commit of
 * an ending wakes it. Without it a wait sleeps in the store, which tells of commits by others, but
 * never longer than a slice: what it may miss costs a slice, not the whole wait. Either way only
 * what is in the store decides. A worker that starts or stops meanwhile changes which of the two
 * ways a wait goes on. With a server, that has the engine, and answers.
 */
#include "api/api_priv.h"
#include "remote/remote.h"

enum { SLICE_MS = 100, ASKED_AT_ONCE = 1000 /* of a server: what has ended comes in one piece */ };

static const char where_fetch[] = "hub: fetch";
static const char where_wait[] = "hub: wait";

struct wait {
    struct call *call;
    struct text id;
    struct sighting sighting;
    time_us until; /* monotonic */
    struct arena arena;
    struct instance_record record;
};

/* PD_OK: it has ended. PD_E_TIMEOUT: not yet, and no time is left. `left` is what is left, in ms,
 * rounded up, and 0 only then. */
static pd_status look_once(struct wait *wait, int64_t *ret_left, bool *ret_ended, pd_error *err)
{
    arena_reset(&wait->arena);
    pd_status status = api_look(wait->call, wait->id, &wait->sighting, &wait->arena, &wait->record,
                                where_wait, err);
    if (status != PD_OK) {
        return status;
    }
    *ret_ended = run_state_is_final(wait->record.state);
    if (*ret_ended) {
        return PD_OK;
    }
    if (atomic_load(&wait->call->hub->is_closing)) {
        return error_set(err, PD_E_CANCELLED, false, where_wait, "the hub is being closed");
    }
    time_us left = wait->until - api_monotonic();
    if (left <= 0) {
        return error_set(err, PD_E_TIMEOUT, true, where_wait,
                         "instance '%.*s' has not ended in the time allowed", TEXT_ARGS(wait->id));
    }
    *ret_left = left / TIME_MS + 1;
    return PD_OK;
}

/* Until it has ended, or the worker is being stopped (then *ret_ended is false). */
static pd_status wait_with_engine(struct wait *wait, bool *ret_ended, pd_error *err)
{
    pd_worker *worker = wait->call->worker;
    int64_t left = 0;
    pd_status status = look_once(wait, &left, ret_ended, err);
    if (status != PD_OK || *ret_ended) {
        return status; /* most often: who waits for many finds the others ended */
    }
    /* Watched first, then looked at again: an ending in between is not missed. */
    struct watch *watch = engine_watch(worker->engine, wait->id);
    status = look_once(wait, &left, ret_ended, err);
    while (status == PD_OK && !*ret_ended && !atomic_load(&worker->is_stopping)) {
        (void)engine_watch_wait(watch, left);
        status = look_once(wait, &left, ret_ended, err);
    }
    engine_unwatch(worker->engine, watch);
    return status;
}

/* The server answers when it has ended, with what there is then. What comes of it is looked at here
 * when there is no answer in time, or the hub is being closed. */
static pd_status wait_with_server(struct wait *wait, bool *ret_ended, pd_error *err)
{
    pd_hub *hub = wait->call->hub;
    int64_t left = wait->until - api_monotonic();
    pd_error unwanted;
    struct remote_wait asked = { .id = wait->id };
    if (left > 0 && !atomic_load(&hub->is_closing) &&
        instance_id_check(wait->id, &unwanted) == PD_OK) {
        arena_reset(&wait->arena);
        pd_status status =
            hub->remote->wait_ends(hub->store, &asked, 1, left / TIME_MS + 1, &wait->arena, err);
        if (status != PD_OK) {
            return status;
        }
    }
    *ret_ended = asked.is_found && run_state_is_final(asked.record.state);
    if (*ret_ended) {
        wait->record = asked.record;
        return PD_OK;
    }
    return look_once(wait, &left, ret_ended, err);
}

/* One look and, when it has not ended, one slice of sleep. */
static pd_status wait_without_engine(struct wait *wait, bool *ret_ended, pd_error *err)
{
    struct store *store = wait->call->hub->store;
    int64_t left = 0;
    pd_status status = look_once(wait, &left, ret_ended, err);
    if (status != PD_OK || *ret_ended) {
        return status;
    }
    return store->ops->wait(store, left < SLICE_MS ? left : SLICE_MS, err);
}

pd_instance *api_wait(struct call *call, struct text id, pd_duration timeout, pd_error *err)
{
    struct wait wait = {
        .call = call,
        .id = id,
        .until = time_add(api_monotonic(), timeout.ms > 0 ? time_of_duration(timeout) : 0),
    };
    arena_init(&wait.arena);
    if (call->hub->remote != NULL) { /* it may be stopped meanwhile */
        call_let_worker_go(call);
    }
    bool has_ended = false;
    pd_status status = PD_OK;
    while (status == PD_OK && !has_ended) {
        if (call->hub->remote != NULL) {
            status = wait_with_server(&wait, &has_ended, err);
        } else if (call->worker != NULL) {
            status = wait_with_engine(&wait, &has_ended, err);
        } else {
            status = wait_without_engine(&wait, &has_ended, err);
        }
        if (status == PD_OK && !has_ended && call->hub->remote == NULL) {
            call_hold_worker(call);
        }
    }
    pd_instance *instance = has_ended ? api_instance_new(&wait.record, err) : NULL;
    arena_done(&wait.arena);
    return instance;
}

static pd_status begin(struct call *call, pd_hub *hub, const char *id, const char *where,
                       pd_error *err)
{
    pd_status status = call_begin(call, hub, where, err);
    if (status == PD_OK && id == NULL) {
        status = error_set(err, PD_E_INVALID, false, where, "no instance id was given");
    }
    return status;
}

pd_instance *pd_hub_wait(pd_hub *hub, const char *id, pd_duration timeout, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    pd_instance *instance = NULL;
    err = error_or(err, &unwanted);
    if (begin(&call, hub, id, where_wait, err) == PD_OK) {
        instance = api_wait(&call, text_of(id), timeout, err);
    }
    call_end(&call);
    return instance;
}

/* Asks the server for up to ASKED_AT_ONCE together. What it answers is in `instances`; what it does
 * not, api_wait finds out about, one after the other. */
static pd_status ask_together(struct call *call, const pd_id *ids, size_t count, time_us until,
                              pd_instance **instances, pd_error *err)
{
    pd_hub *hub = call->hub;
    int64_t left = until - api_monotonic();
    struct arena arena;
    pd_error unwanted;
    size_t asked = 0;
    arena_init(&arena);
    struct remote_wait *waits = arena_alloc(&arena, count * sizeof *waits);
    while (asked < count && instance_id_check(text_of(ids[asked].text), &unwanted) == PD_OK) {
        waits[asked].id = text_of(ids[asked].text);
        asked++;
    }
    pd_status status = PD_OK;
    if (asked != 0 && left > 0 && !atomic_load(&hub->is_closing)) {
        status = hub->remote->wait_ends(hub->store, waits, asked, left / TIME_MS + 1, &arena, err);
    }
    for (size_t i = 0; i < asked && status == PD_OK; i++) {
        if (waits[i].is_found && run_state_is_final(waits[i].record.state)) {
            instances[i] = api_instance_new(&waits[i].record, err);
            status = instances[i] != NULL ? PD_OK : err->status;
        }
    }
    arena_done(&arena);
    return status;
}

/* It says something of one instance, and nothing of the others. */
static bool is_of_one(pd_status status)
{
    return status == PD_OK || status == PD_E_TIMEOUT || status == PD_E_NOT_FOUND;
}

/* Each in its turn, until one cannot be waited for. With no time left they are still looked at. */
static pd_status wait_in_turn(struct call *call, const pd_id *ids, size_t count, time_us until,
                              pd_instance **instances, pd_error *err)
{
    pd_status status = PD_OK;
    for (size_t i = 0; i < count && is_of_one(status); i++) {
        if (call->hub->remote != NULL && i % ASKED_AT_ONCE == 0) {
            size_t most = count - i < ASKED_AT_ONCE ? count - i : ASKED_AT_ONCE;
            pd_status asked = ask_together(call, ids + i, most, until, instances + i, err);
            if (asked != PD_OK) {
                return asked;
            }
        }
        pd_error own;
        time_us left = until - api_monotonic();
        if (instances[i] == NULL) {
            instances[i] = api_wait(call, text_of(ids[i].text),
                                    (pd_duration){ left > 0 ? left / TIME_MS + 1 : 0 }, &own);
        }
        if (instances[i] == NULL && status == PD_OK) {
            *err = own;
            status = own.status;
        }
    }
    return status;
}

pd_status pd_hub_wait_many(pd_hub *hub, size_t n, const pd_id *ids, pd_duration timeout,
                           pd_instance **instances, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    err = error_or(err, &unwanted);
    pd_status status = call_begin(&call, hub, where_wait, err);
    if (status == PD_OK && n != 0 && (ids == NULL || instances == NULL)) {
        status = error_set(err, PD_E_INVALID, false, where_wait,
                           "pd_hub_wait_many needs the ids, and a place for the instances");
    }
    if (status == PD_OK && n != 0) {
        memset(instances, 0, n * sizeof *instances);
        time_us until = time_add(api_monotonic(), timeout.ms > 0 ? time_of_duration(timeout) : 0);
        if (hub->remote != NULL) { /* it may be stopped meanwhile */
            call_let_worker_go(&call);
        }
        status = wait_in_turn(&call, ids, n, until, instances, err);
    }
    call_end(&call);
    return status;
}

pd_instance *pd_hub_fetch(pd_hub *hub, const char *id, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct sighting sighting = { false, 0 };
    struct instance_record record;
    struct arena arena;
    pd_instance *instance = NULL;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    if (begin(&call, hub, id, where_fetch, err) == PD_OK &&
        api_look(&call, text_of(id), &sighting, &arena, &record, where_fetch, err) == PD_OK) {
        instance = api_instance_new(&record, err);
    }
    arena_done(&arena);
    call_end(&call);
    return instance;
}
