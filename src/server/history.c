/* SPDX-License-Identifier: MIT
 *
 * StreamInstanceHistory: the history of an instance, in chunks that any client takes.
 *
 *   H1  A chunk has at most CHUNK_EVENTS events and CHUNK_BYTES bytes, or one event.
 *   H2  No more is written than the client reads: the next chunks are made when it has taken those
 *       before.
 *   H3  The history is the one that the store had when it was asked: it is loaded once.
 *   H4  Who may only work gets what workers get, for their work; the whole is for who may read. */
#include <string.h>

#include "server/server_priv.h"
#include "wire/proto.h"

enum { CHUNK_BYTES = 256 << 10, CHUNK_EVENTS = 100, AHEAD_BYTES = 512 << 10 };

struct history {
    struct history_rows rows;
    bool is_found, is_for_work;
    size_t turn;          /* the next one to be spliced */
    struct buffer events; /* of turns that were, and have not been sent from `at` on */
    size_t at;
};

static void load(struct rpc *rpc)
{
    const struct hub_stream_instance_history_request *request = rpc->message;
    struct history *history = rpc->state;
    struct store *store = rpc->hub->store;
    struct instance_record record;
    uint64_t row = 0;
    /* It may be replaced between the two questions, and then has no rows any more. */
    for (;;) {
        rpc->status = hub_load(rpc->hub, request->instance_id, &rpc->arena, &record,
                               &history->is_found, &rpc->err);
        if (rpc->status != PD_OK || !history->is_found || record.row == row) {
            return;
        }
        if (request->execution_id.size != 0 &&
            !text_equal(request->execution_id, record.execution_id)) {
            history->is_found = false;
            return;
        }
        row = record.row;
        history->rows = (struct history_rows){ NULL, 0, 1 };
        rpc->status =
            store->ops->load_history(store, row, 0, &rpc->arena, &history->rows, &rpc->err);
        if (rpc->status != PD_OK || history->rows.count > 0) {
            return;
        }
    }
}

/* The end of the first events that make a chunk (H1); 0: there are none. */
static size_t find_chunk(const struct history *history)
{
    const char *first = (const char *)history->events.at + history->at;
    size_t left = history->events.size - history->at;
    struct proto_reader reader = proto_reader_of(text_make(first, left));
    struct proto_field field;
    size_t size = 0;
    for (unsigned count = 0; count < CHUNK_EVENTS && proto_next(&reader, &field) == PROTO_FIELD;
         count++) {
        size_t end = (size_t)((const char *)reader.at - first);
        if (count > 0 && end > CHUNK_BYTES) {
            break;
        }
        size = end;
    }
    return size;
}

/* As many turns as fill a chunk, if there are so many. */
static void splice(struct history *history)
{
    struct buffer *events = &history->events;
    if (history->at > 0) {
        memmove(events->at, events->at + history->at, events->size - history->at);
        events->size -= history->at;
        history->at = 0;
    }
    while (history->turn < history->rows.count && events->size < CHUNK_BYTES) {
        (void)work_splice_events(events, 1, history->is_for_work ? WORK_PLAIN : WORK_SHOWN,
                                 history->rows.turns[history->turn++]);
    }
}

static void end(struct rpc *rpc)
{
    struct history *history = rpc->state;
    buffer_done(&history->events);
    rpc_end(rpc);
}

static void pump(struct grpc_call *call)
{
    struct rpc *rpc = grpc_call_get(call);
    struct history *history = rpc->state;
    while (grpc_call_backlog(call) < AHEAD_BYTES) { /* H2 */
        size_t size = find_chunk(history);
        if (history->events.size - history->at < CHUNK_BYTES &&
            history->turn < history->rows.count) {
            splice(history);
            size = find_chunk(history);
        }
        if (size == 0) {
            rpc_stream_end(rpc, call);
            end(rpc);
            return;
        }
        const struct text chunk = { (const char *)history->events.at + history->at, size };
        grpc_call_send(call, &chunk, 1);
        history->at += size;
    }
}

static void loaded(struct rpc *rpc)
{
    const struct hub_stream_instance_history_request *request = rpc->message;
    const struct history *history = rpc->state;
    struct grpc_call *call = rpc_call(rpc);
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
    } else if (!history->is_found) {
        rpc_fail(rpc, GRPC_NOT_FOUND, "no instance '%.*s'%s was found",
                 TEXT_ARGS(request->instance_id),
                 request->execution_id.size != 0 ? " of this execution" : "");
    } else if (call == NULL) {
        rpc_end(rpc);
    } else {
        rpc_stream(rpc, call, pump, end);
        grpc_call_open(call);
        pump(call);
    }
}

static void stream_history(struct rpc *rpc)
{
    const struct hub_stream_instance_history_request *request = rpc->message;
    struct history *history = arena_alloc(&rpc->arena, sizeof *history);
    rpc->state = history;
    history->is_for_work = request->for_work_item_processing;
    if (request->instance_id.size == 0) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "an instance id is needed");
        return;
    }
    if (history->is_for_work ||
        rpc_may_use_hub(rpc, text_of(rpc->hub->name), SCOPE_READ)) { /* H4 */
        rpc_read(rpc, load, loaded);
    }
}

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("StreamInstanceHistory"),
      .shape = GRPC_SERVER_STREAM,
      .scopes = SCOPE_READ | SCOPE_WORK,
      .type = &hub_stream_instance_history_request_type,
      .run = stream_history },
};
const struct rpc_service history_service = { methods, sizeof methods / sizeof methods[0] };
