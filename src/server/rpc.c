/* SPDX-License-Identifier: MIT
 *
 * A call on its way: made when its message is there, answered once. See server_priv.h, Z1 and Z2.
 * */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "server/server_priv.h"
#include "server/web.h"

struct grpc_call *rpc_call(const struct rpc *rpc)
{
    return grpc_call_find(rpc->server->grpc, rpc->call);
}

/* ---- asking the engine ---------------------------------------------------------------------- */

static void go_on(struct loop_job *base)
{
    struct rpc *rpc = CONTAINER_OF(base, struct rpc, job.job);
    rpc->next(rpc);
}

/* On a thread of the engine. */
static void answered(struct request *request, pd_status status, const pd_error *err)
{
    struct rpc *rpc = request->argument;
    rpc->status = status;
    if (status != PD_OK) {
        rpc->err = *err;
    }
    rpc->job.job.run = go_on;
    loop_post(rpc->server->loop, &rpc->job.job);
}

/* False: the hub is closing, and the answer is that. */
static bool may_ask(struct rpc *rpc, void (*next)(struct rpc *))
{
    rpc->next = next;
    if (!hub_is_open(rpc->hub)) {
        rpc->status = error_set(&rpc->err, PD_E_UNAVAILABLE, true, "server",
                                "hub '%s' is being closed", rpc->hub->name);
        next(rpc);
        return false;
    }
    if (rpc->request == NULL) {
        rpc->request = request_new(answered, rpc);
    }
    return true;
}

void rpc_ask_start(struct rpc *rpc, const struct start_command *command, void (*next)(struct rpc *))
{
    if (!may_be_started(command->name, command->id, &rpc->err)) {
        rpc->status = rpc->err.status;
        rpc->next = next;
        next(rpc);
    } else if (may_ask(rpc, next)) {
        engine_ask_start(rpc->hub->engine, rpc->request, command);
    }
}

void rpc_ask_tell(struct rpc *rpc, const struct letter *letter, void (*next)(struct rpc *))
{
    if (may_ask(rpc, next)) {
        engine_ask_tell(rpc->hub->engine, rpc->request, letter);
    }
}

/* ---- readers -------------------------------------------------------------------------------- */

static void work(struct reader_job *job)
{
    struct rpc *rpc = CONTAINER_OF(job, struct rpc, job);
    rpc->work(rpc);
}

static void have_read(struct reader_job *job)
{
    struct rpc *rpc = CONTAINER_OF(job, struct rpc, job);
    struct hub *hub = rpc->hub;
    hub->reading--;
    rpc->next(rpc);
    server_look_on(hub->server); /* a hub that closes waits for its readers */
}

void rpc_read(struct rpc *rpc, void (*work_of)(struct rpc *), void (*next)(struct rpc *))
{
    rpc->next = next;
    if (!hub_is_open(rpc->hub)) {
        rpc->status = error_set(&rpc->err, PD_E_UNAVAILABLE, true, "server",
                                "hub '%s' is being closed", rpc->hub->name);
        next(rpc);
        return;
    }
    rpc->work = work_of;
    rpc->job.work = work;
    rpc->job.done = have_read;
    rpc->hub->reading++;
    readers_give(rpc->server->readers, &rpc->job);
}

/* ---- answers in pieces ---------------------------------------------------------------------- */

static void gone(struct grpc_call *call)
{
    struct rpc *rpc = grpc_call_get(call);
    rpc->next(rpc);
}

void rpc_stream(struct rpc *rpc, struct grpc_call *call, void (*drained)(struct grpc_call *),
                void (*gone_of)(struct rpc *))
{
    rpc->next = gone_of;
    list_push_back(&rpc->hub->sending, &rpc->node);
    grpc_call_set(call, rpc, gone);
    grpc_call_on_drained(call, drained);
}

void rpc_stream_pause(struct rpc *rpc, struct grpc_call *call)
{
    list_remove(&rpc->node);
    grpc_call_set(call, NULL, NULL);
    grpc_call_on_drained(call, NULL);
}

void rpc_stream_end(struct rpc *rpc, struct grpc_call *call)
{
    rpc_stream_pause(rpc, call);
    grpc_call_end(call, GRPC_OK, NULL);
}

void rpc_end_streams(struct hub *hub, enum grpc_status status, const char *text)
{
    for (struct list_node *node; (node = list_pop_front(&hub->sending)) != NULL;) {
        struct rpc *rpc = CONTAINER_OF(node, struct rpc, node);
        struct grpc_call *call = rpc_call(rpc);
        if (call != NULL) {
            grpc_call_set(call, NULL, NULL);
            grpc_call_on_drained(call, NULL);
            grpc_call_end(call, status, text);
        }
        rpc->next(rpc);
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

void rpc_end(struct rpc *rpc)
{
    if (list_is_linked(&rpc->node)) {
        list_remove(&rpc->node);
    }
    if (rpc->is_user) {
        hub_leave(rpc->hub);
    }
    request_free(rpc->request);
    arena_done(&rpc->arena);
    mem_free(rpc);
}

void rpc_reply_bytes(struct rpc *rpc, struct text message)
{
    struct grpc_call *call = rpc_call(rpc);
    if (call != NULL) {
        grpc_call_reply(call, message);
    }
    rpc_end(rpc);
}

void rpc_reply(struct rpc *rpc, const struct message_type *type, const void *message)
{
    struct buffer bytes;
    buffer_init(&bytes);
    message_write(type, &bytes, message);
    rpc_reply_bytes(rpc, buffer_text(&bytes));
    buffer_done(&bytes);
}

void rpc_reply_empty(struct rpc *rpc)
{
    rpc_reply_bytes(rpc, TEXT(""));
}

void rpc_fail(struct rpc *rpc, enum grpc_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (rpc->web != NULL) {
        web_fail(rpc, status, text);
        return;
    }
    struct grpc_call *call = rpc_call(rpc);
    if (call != NULL) {
        grpc_call_end(call, status, text);
    }
    rpc_end(rpc);
}

enum grpc_status rpc_status_of(const pd_error *err)
{
    /* An engine that stops: whoever asks again, asks another one. */
    return err->status == PD_E_CANCELLED ? GRPC_UNAVAILABLE : grpc_status_of(err->status);
}

void rpc_fail_as_told(struct rpc *rpc)
{
    if (rpc->status == PD_E_UNAVAILABLE || rpc->status == PD_E_CORRUPT) {
        log_error("a call failed", &rpc->err, "rpc", rpc->method->path, "hub", rpc->hub->name);
    }
    rpc_fail(rpc, rpc_status_of(&rpc->err), "%s", rpc->err.text);
}

bool rpc_may_use_hub(struct rpc *rpc, struct text hub, unsigned scopes)
{
    struct server *server = rpc->server;
    const struct grpc_call *call = rpc_call(rpc); /* NULL: it has gone, and who it was with it */
    if (server->tokens == NULL || rpc->web != NULL) {
        return true; /* who asks over HTTP is judged there */
    }
    if (call != NULL && tokens_check(server->tokens, grpc_call_metadata(call, "authorization"),
                                     grpc_call_subject(call), hub, scopes) == TOKEN_GOOD) {
        return true;
    }
    security_tell_of_refused(grpc_call_peer(call), rpc->method, TOKEN_DENIED, hub);
    rpc_fail(rpc, GRPC_PERMISSION_DENIED, "the token does not allow '%s' in task hub '%.*s'",
             scopes_name(scopes), TEXT_ARGS(hub));
    return false;
}
