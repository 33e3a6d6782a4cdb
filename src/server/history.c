/* SPDX-License-Identifier: MIT
 *
 * StreamInstanceHistory: the history of an instance, in chunks that any client takes.
 *
 *   H1  A chunk has at most CHUNK_EVENTS events and CHUNK_BYTES bytes, or one event.
 *   H2  No more is written than the client reads: the next chunks are made when it has taken those
 *       before.
 *   H3  A portion of it is in memory. One that becomes another while it is read (its instance is
 *       replaced, begins anew, is rewound) ends the call with an error; what is added is told.
 *   H4  Who may only work gets what workers get, for their work; the whole is for who may read. */
#include <string.h>

#include "server/server_priv.h"
#include "wire/proto.h"

enum {
    CHUNK_BYTES = 256 << 10,
    CHUNK_EVENTS = 100,
    AHEAD_BYTES = 512 << 10,
    PORTION_BYTES = 4 << 20,
};

struct history {
    struct history_rows rows; /* a portion */
    struct arena portion;
    bool is_found, is_for_work, is_open, has_more;
    uint64_t row, next; /* turn that the next portion begins with */
    struct text execution_id;
    time_us ended_at;
    size_t turn;          /* of the portion, the next one to be spliced */
    struct buffer events; /* of turns that were, and have not been sent from `at` on */
    size_t at;
};

static pd_status load_portion(struct rpc *rpc, struct history *history)
{
    struct store *store = rpc->hub->store;
    arena_reset(&history->portion);
    history->turn = 0;
    history->rows = (struct history_rows){ NULL, 0, history->next };
    pd_status status = store->ops->load_turns(store, history->row, history->next, PORTION_BYTES,
                                              &history->portion, &history->rows, &rpc->err);
    size_t size = 0;
    for (size_t i = 0; status == PD_OK && i < history->rows.count; i++) {
        size += history->rows.turns[i].size;
    }
    history->next = history->rows.first + history->rows.count;
    history->has_more = size >= PORTION_BYTES;
    return status;
}

static pd_status find(struct rpc *rpc, struct arena *arena, struct instance_record *ret,
                      bool *ret_found)
{
    const struct hub_stream_instance_history_request *request = rpc->message;
    pd_status status = hub_load(rpc->hub, request->instance_id, arena, ret, ret_found, &rpc->err);
    if (status == PD_OK && *ret_found && request->execution_id.size != 0) {
        *ret_found = text_equal(request->execution_id, ret->execution_id);
    }
    return status;
}

/* Is it still that? An execution does not come again, and one that ended goes on only when it is
 * rewound: its last turns are others then. */
static pd_status look_again(struct rpc *rpc, const struct history *history, bool *ret_same)
{
    struct arena arena;
    struct instance_record record;
    arena_init(&arena);
    pd_status status = find(rpc, &arena, &record, ret_same);
    if (status == PD_OK && *ret_same) {
        *ret_same = record.row == history->row &&
                    text_equal(record.execution_id, history->execution_id) &&
                    (history->ended_at == 0 || history->ended_at == record.ended_at);
    }
    arena_done(&arena);
    return status;
}

static void became_another(struct rpc *rpc)
{
    rpc->status = error_set(&rpc->err, PD_E_UNAVAILABLE, true, "history",
                            "the history became another one while it was read; ask again");
}

/* Of the execution that there is now: so of the next one when it has just been replaced. */
static void load_first(struct rpc *rpc)
{
    enum { TRIES = 5 };
    struct history *history = rpc->state;
    struct instance_record record;
    bool is_same = false;
    for (int tried = 0; tried < TRIES && !is_same; tried++) {
        rpc->status = find(rpc, &rpc->arena, &record, &history->is_found);
        if (rpc->status != PD_OK || !history->is_found) {
            return;
        }
        history->row = record.row;
        history->execution_id = record.execution_id;
        history->ended_at = record.ended_at;
        history->next = 1;
        rpc->status = load_portion(rpc, history);
        if (rpc->status == PD_OK) {
            rpc->status = look_again(rpc, history, &is_same);
        }
        if (rpc->status != PD_OK) {
            return;
        }
    }
    if (!is_same) {
        became_another(rpc);
    }
}

/* H3 */
static void load(struct rpc *rpc)
{
    struct history *history = rpc->state;
    bool is_same = true;
    rpc->status = PD_OK;
    if (history->row == 0) {
        load_first(rpc);
        return;
    }
    rpc->status = load_portion(rpc, history);
    if (rpc->status == PD_OK) {
        rpc->status = look_again(rpc, history, &is_same);
    }
    if (!is_same) {
        became_another(rpc);
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

static void forget(struct history *history)
{
    buffer_done(&history->events);
    arena_done(&history->portion);
}

static void end(struct rpc *rpc)
{
    forget(rpc->state);
    rpc_end(rpc);
}

static void loaded(struct rpc *rpc);

static void pump(struct grpc_call *call)
{
    struct rpc *rpc = grpc_call_get(call);
    struct history *history = rpc->state;
    while (grpc_call_backlog(call) < AHEAD_BYTES) { /* H2 */
        if (history->events.size - history->at < CHUNK_BYTES &&
            history->turn < history->rows.count) {
            splice(history);
        }
        size_t left = history->events.size - history->at;
        if (left < CHUNK_BYTES && history->has_more && history->turn == history->rows.count) {
            rpc_stream_pause(rpc, call);
            rpc_read(rpc, load, loaded);
            return;
        }
        size_t size = find_chunk(history);
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
    struct history *history = rpc->state;
    struct grpc_call *call = rpc_call(rpc);
    if (rpc->status != PD_OK) {
        forget(history);
        rpc_fail_as_told(rpc);
    } else if (!history->is_found) {
        forget(history);
        rpc_fail(rpc, GRPC_NOT_FOUND, "no instance '%.*s'%s was found",
                 TEXT_ARGS(request->instance_id),
                 request->execution_id.size != 0 ? " of this execution" : "");
    } else if (call == NULL) {
        end(rpc);
    } else {
        rpc_stream(rpc, call, pump, end);
        if (!history->is_open) {
            history->is_open = true;
            grpc_call_open(call);
        }
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
