/* SPDX-License-Identifier: MIT
 *
 * From opening to closing. Both take as long as a disk, so the readers do them:
 *
 *     CLOSED -> OPENING (reader: store, engine) -> OPEN
 *     OPEN -> CLOSING (its readers end; reader: engine_stop; its rpcs end; reader: files) -> CLOSED
 *
 *   U1  While a hub is opening, calls for it are parked, and go on when it is open. When it cannot
 *       be opened they are told so, and the next one tries again.
 *   U2  While its engine is being stopped the broker is not run: it would ask the engine. What it
 *       heard meanwhile it hears afterwards, without an engine. */
#include "api/over.h"
#include "base/assert.h"
#include "server/hubs_priv.h"

enum { LAST_REQUESTS_MS = 2000 }; /* what is cut off is made again by the next server */

/* ---- opening -------------------------------------------------------------------------------- */

static void run_parked(struct hub *hub)
{
    struct list parked;
    list_init(&parked);
    list_append(&parked, &hub->parked);
    for (struct list_node *node; (node = list_pop_front(&parked)) != NULL;) {
        struct rpc *rpc = CONTAINER_OF(node, struct rpc, node);
        hub_enter(hub, rpc);
    }
}

static void fail_parked(struct hub *hub)
{
    for (struct list_node *node; (node = list_pop_front(&hub->parked)) != NULL;) {
        struct rpc *rpc = CONTAINER_OF(node, struct rpc, node);
        rpc_fail(rpc, rpc_status_of(&hub->err), "hub '%s': %s", hub->name, hub->err.text);
    }
}

/* Loop's thread. */
static void opened(struct hub *hub)
{
    broker_set_engine(hub->broker, hub->engine);
    hub->state = HUB_OPEN;
    log_say(LOG_INFO, "hub opened", "hub", hub->name);
    http_steps_opened(hub);
    http_orphans_look(hub);
    if (hub->is_broker_due) {
        hub_run_broker(hub);
    }
    if (hub->is_close_wanted) {
        hub_close(hub, false, NULL);
    } else {
        run_parked(hub);
    }
}

static void open_work(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    hub->err.status = PD_OK;
    (void)hub_open_parts(hub);
}

static void open_done(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    if (hub->engine != NULL) {
        opened(hub);
    } else {
        hub->state = HUB_CLOSED;
        log_error("a hub cannot be opened", &hub->err, "hub", hub->name);
        fail_parked(hub);
        if (hub->is_close_wanted) {
            hub_close(hub, false, NULL);
        }
    }
    server_look_on(hub->server);
}

pd_status hub_open_now(struct hub *hub, pd_error *err)
{
    pd_status status = hub_open_parts(hub);
    if (status == PD_OK) {
        opened(hub);
    } else {
        *err = hub->err;
    }
    return status;
}

void hub_begin_opening(struct hub *hub)
{
    assert_that(hub->state == HUB_CLOSED);
    hub->state = HUB_OPENING;
    hub->opening.work = open_work;
    hub->opening.done = open_done;
    readers_give(hub->server->readers, &hub->opening);
}

/* ---- closing -------------------------------------------------------------------------------- */

static void run_waiting_for_end(struct hub *hub)
{
    struct list ended;
    list_init(&ended);
    list_append(&ended, &hub->to_close);
    for (struct list_node *node; (node = list_pop_front(&ended)) != NULL;) {
        struct rpc *rpc = CONTAINER_OF(node, struct rpc, node);
        rpc->next(rpc);
    }
}

static void files_work(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    hub_close_parts(hub);
    if (hub->is_wiping) {
        hub_remove_files(hub);
    }
}

static void files_done(struct reader_job *job);

static void begin_files(struct hub *hub)
{
    hub->is_stopping = true;
    hub->is_wiping = hub->is_wipe_wanted;
    hub->is_wipe_wanted = false;
    hub->opening.work = files_work;
    hub->opening.done = files_done;
    readers_give(hub->server->readers, &hub->opening);
}

static void files_done(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    if (hub->is_wipe_wanted) { /* meanwhile */
        begin_files(hub);
        return;
    }
    hub->state = HUB_CLOSED;
    hub->is_stopping = false;
    hub->is_broker_due = false;
    log_say(LOG_INFO, hub->is_wiping ? "hub deleted" : "hub closed", "hub", hub->name);
    run_waiting_for_end(hub);
    if (hub->is_kept_closed) {
        (void)error_set(&hub->err, PD_E_UNAVAILABLE, true, "server", "the server is ending");
        fail_parked(hub);
    } else if (!list_is_empty(&hub->parked) && hub->state == HUB_CLOSED) {
        hub_begin_opening(hub);
    }
    server_look_on(hub->server);
}

static void stop_work(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    api_hub_over_end(hub->api);
    api_http_end(hub->http, hub->is_kept_closed ? LAST_REQUESTS_MS : 0);
    engine_stop(hub->engine, 0);
}

static void stop_done(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    hub->engine = NULL;
    hub->api = NULL;
    http_steps_end(hub);
    broker_set_engine(hub->broker, NULL);
    broker_run(hub->broker, loop_steady(hub->server->loop)); /* U2 */
    hub->is_stopping = false; /* only now: both may end the last rpc, which steps too */
    hub_step(hub);
}

/* As far as it can go now. */
void hub_step(struct hub *hub)
{
    if (hub->state != HUB_CLOSING || hub->is_stopping) {
        return;
    }
    /* Also those whose reader was still at it when the closing began. Who reads slowly, or not at
     * all, must not keep a hub from being deleted or a server from ending. */
    rpc_end_streams(hub, GRPC_UNAVAILABLE, "the hub is being closed");
    if (hub->is_stopping) { /* the last of them has stepped */
        return;
    }
    if (hub->engine != NULL && hub->reading == 0) {
        hub->is_stopping = true;
        hub->opening.work = stop_work;
        hub->opening.done = stop_done;
        readers_give(hub->server->readers, &hub->opening);
    } else if (hub->engine == NULL && hub->users == 0) {
        broker_free(hub->broker);
        hub->broker = NULL;
        loop_timer_unset(hub->broker_timer);
        begin_files(hub);
    }
}

void hub_close(struct hub *hub, bool wipes, struct rpc *rpc)
{
    hub->is_wipe_wanted |= wipes;
    hub->is_close_wanted = hub->state == HUB_OPENING;
    if (rpc != NULL) {
        list_push_back(&hub->to_close, &rpc->node);
    }
    if (hub->state == HUB_OPEN) {
        hub->state = HUB_CLOSING;
        hub->is_stopping = false;
        api_hub_over_close(hub->api);
        work_end_streams(hub, GRPC_UNAVAILABLE, "the hub is being closed");
        waits_end(hub, GRPC_UNAVAILABLE, "the hub is being closed");
        hub_step(hub);
    } else if (hub->state == HUB_CLOSED) {
        hub->state = HUB_CLOSING; /* its files may be there */
        begin_files(hub);
    }
}
