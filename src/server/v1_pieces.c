/* SPDX-License-Identifier: MIT
 *
 * Histories and inboxes of instances, as clients' stores load them: in pieces, no faster than the
 * client takes them.
 *
 *   L1  Of a history a portion is in memory; the next is read when the client has taken it. One
 *       that becomes another meanwhile (its instance begins anew, is replaced or rewound) ends the
 *       call with an error, after which the client asks again; what is added is told. */
#include "server/v1_priv.h"
#include "store/store.h"

enum { PIECE_BYTES = 256 << 10, BACKLOG_BYTES = 1 << 20, PORTION_BYTES = 4 << 20 };

struct pieces {
    const struct text *chunks;
    const uint64_t *arrivals; /* NULL: it is a history */
    size_t count, at;
    uint64_t first;

    /* of a history */
    struct arena portion;
    uint64_t next; /* turn that the next portion begins with */
    bool has_more, has_begun;
    struct text execution_id; /* absent: there was no such instance */
    time_us ended_at;
};

static void end(struct rpc *rpc)
{
    struct pieces *pieces = rpc->state;
    arena_done(&pieces->portion);
    rpc_end(rpc);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send_piece(struct grpc_call *call, struct pieces *pieces)
{
    struct hub_load_piece piece;
    struct buffer bytes;
    size_t size = 0;
    size_t from = pieces->at;
    message_init(&hub_load_piece_type, &piece);
    while (pieces->at < pieces->count && (pieces->at == from || size < PIECE_BYTES)) {
        size += pieces->chunks[pieces->at++].size;
    }
    piece.first = (int64_t)pieces->first;
    piece.chunks = (struct text_list){ mem_alloc_raw((pieces->at - from) * sizeof(struct text)),
                                       pieces->at - from };
    if (piece.chunks.count != 0) {
        memcpy(piece.chunks.items, pieces->chunks + from, piece.chunks.count * sizeof(struct text));
    }
    if (pieces->arrivals != NULL) {
        piece.arrivals.count = piece.chunks.count;
        piece.arrivals.items = mem_alloc_raw(piece.arrivals.count * sizeof(int64_t));
        for (size_t i = 0; i < piece.arrivals.count; i++) {
            piece.arrivals.items[i] = (int64_t)pieces->arrivals[from + i];
        }
    }
    buffer_init(&bytes);
    message_write(&hub_load_piece_type, &bytes, &piece);
    struct text sent = buffer_text(&bytes);
    grpc_call_send(call, &sent, 1);
    buffer_done(&bytes);
    mem_free(piece.chunks.items);
    mem_free(piece.arrivals.items);
}

static void load_portion(struct rpc *rpc);
static void loaded(struct rpc *rpc);

static void go_on(struct grpc_call *call)
{
    struct rpc *rpc = grpc_call_get(call);
    struct pieces *pieces = rpc->state;
    while (pieces->at < pieces->count && grpc_call_backlog(call) < BACKLOG_BYTES) {
        send_piece(call, pieces);
    }
    if (pieces->at < pieces->count) {
        return;
    }
    if (pieces->has_more) {
        rpc_stream_pause(rpc, call);
        rpc_read(rpc, load_portion, loaded);
    } else {
        rpc_stream_end(rpc, call);
        end(rpc);
    }
}

static void loaded(struct rpc *rpc)
{
    struct pieces *pieces = rpc->state;
    struct grpc_call *call = rpc_call(rpc);
    if (rpc->status != PD_OK) {
        arena_done(&pieces->portion);
        rpc_fail_as_told(rpc);
        return;
    }
    if (call == NULL) {
        end(rpc);
        return;
    }
    if (!pieces->has_begun && pieces->count == 0) { /* where it begins is an answer too */
        send_piece(call, pieces);
    }
    pieces->has_begun = true;
    rpc_stream(rpc, call, go_on, end);
    go_on(call);
}

/* ---- histories ------------------------------------------------------------------------------- */

static pd_status read_turns(struct rpc *rpc, struct pieces *pieces)
{
    const struct hub_load_request *request = rpc->message;
    struct store *store = rpc->hub->store;
    struct history_rows rows = { NULL, 0, 1 };
    size_t size = 0;
    arena_reset(&pieces->portion);
    pd_status status = store->ops->load_turns(store, (uint64_t)request->row, pieces->next,
                                              PORTION_BYTES, &pieces->portion, &rows, &rpc->err);
    for (size_t i = 0; status == PD_OK && i < rows.count; i++) {
        size += rows.turns[i].size;
    }
    pieces->chunks = rows.turns;
    pieces->count = rows.count;
    pieces->at = 0;
    pieces->first = rows.first;
    pieces->next = rows.first + rows.count;
    pieces->has_more = status == PD_OK && size >= PORTION_BYTES;
    return status;
}

/* Whose history it is; the last turns of one that ended are others when it goes on. */
static pd_status read_owner(struct rpc *rpc, struct arena *arena, struct text *ret_execution_id,
                            time_us *ret_ended_at)
{
    const struct hub_load_request *request = rpc->message;
    struct store *store = rpc->hub->store;
    struct instance_record record;
    bool is_found = false;
    pd_status status = store->ops->load_instance(store, TEXT_ABSENT, (uint64_t)request->row, arena,
                                                 &record, &is_found, &rpc->err);
    is_found = is_found && status == PD_OK;
    *ret_execution_id = is_found ? record.execution_id : TEXT_ABSENT;
    *ret_ended_at = is_found ? record.ended_at : 0;
    return status;
}

static pd_status look_again(struct rpc *rpc, const struct pieces *pieces)
{
    struct arena arena;
    struct text execution_id;
    time_us ended_at;
    arena_init(&arena);
    pd_status status = read_owner(rpc, &arena, &execution_id, &ended_at);
    if (status == PD_OK && (!text_equal(execution_id, pieces->execution_id) ||
                            (pieces->ended_at != 0 && pieces->ended_at != ended_at))) {
        status = error_set(&rpc->err, PD_E_UNAVAILABLE, true, "history",
                           "the history became another one while it was read; ask again");
    }
    arena_done(&arena);
    return status;
}

/* L1. The first portion is of one moment, and may be all there is. */
static void load_portion(struct rpc *rpc)
{
    struct pieces *pieces = rpc->state;
    if (!pieces->has_begun) {
        rpc->status = read_owner(rpc, &rpc->arena, &pieces->execution_id, &pieces->ended_at);
    }
    if (rpc->status == PD_OK) {
        rpc->status = read_turns(rpc, pieces);
    }
    if (rpc->status == PD_OK && (pieces->has_begun || pieces->has_more)) {
        rpc->status = look_again(rpc, pieces);
    }
}

static void load_history(struct rpc *rpc)
{
    const struct hub_load_request *request = rpc->message;
    struct pieces *pieces = arena_alloc(&rpc->arena, sizeof *pieces);
    pieces->next = (uint64_t)request->from;
    rpc->state = pieces;
    rpc_read(rpc, load_portion, loaded);
}

/* ---- inboxes --------------------------------------------------------------------------------- */

static void inbox_work(struct rpc *rpc)
{
    const struct hub_load_request *request = rpc->message;
    struct store *store = rpc->hub->store;
    struct pieces *pieces = rpc->state;
    struct inbox_rows rows = { NULL, NULL, 0 };
    rpc->status =
        store->ops->load_inbox(store, (uint64_t)request->row, &rpc->arena, &rows, &rpc->err);
    *pieces =
        (struct pieces){ .chunks = rows.events, .arrivals = rows.arrivals, .count = rows.count };
}

static void load_inbox(struct rpc *rpc)
{
    rpc->state = arena_alloc(&rpc->arena, sizeof(struct pieces));
    rpc_read(rpc, inbox_work, loaded);
}

static const struct rpc_method methods[] = {
    { .path = V1_PATH("LoadHistory"),
      .shape = GRPC_SERVER_STREAM,
      .scopes = SCOPE_READ,
      .type = &hub_load_request_type,
      .run = load_history },
    { .path = V1_PATH("LoadInbox"),
      .shape = GRPC_SERVER_STREAM,
      .scopes = SCOPE_READ,
      .type = &hub_load_request_type,
      .run = load_inbox },
};
const struct rpc_service v1_pieces_service = { methods, sizeof methods / sizeof methods[0] };
