/* SPDX-License-Identifier: MIT
 *
 * Work: the stream of a worker of ours. Items, cancellations and acknowledgements go out, results
 * and heartbeats come in, as many as there are in each message.
 *
 *   O1  What is to go out during one wake of the loop goes out at its end, as one message.
 *   O2  A result is acknowledged when it is durable, or does not count. One that the hub's end left
 *       open is not: its worker sends it again to whoever has the hub next.
 *   O4  While the server drains the stream stays, for the results of what its worker has begun.
 *   O3  The stream's memory stays until the last of its results has been answered. */
#include "server/v1_priv.h"
#include "wire/proto.h"

enum {
    FIELD_ITEMS = 1,
    FIELD_CANCELLED = 2,
    FIELD_ACKNOWLEDGED = 3,
    FIELD_MAY_BEGIN = 4,
    FIELD_DRAINING = 5,
    DOWN_BYTES = 1 << 20, /* then it goes out at once */
    SPARES_MAX = 4096,
};

struct ack {
    struct broker_answer answer;
    struct v1_work *work;
    uint64_t number;
    struct ack *next; /* spare */
};

struct v1_work {
    struct v1_stream stream;      /* first */
    struct broker_stream *broker; /* NULL: no hello yet, or ended */
    struct loop *loop;
    struct buffer down;  /* fields of a work_down */
    struct buffer acked; /* varints */
    struct loop_job flush_job;
    bool is_flush_due, is_draining, has_ended;
    uint64_t results; /* that came */
    size_t open;      /* of these, not answered */
    struct ack *spare;
    size_t spare_count;
    struct arena arena; /* of a message */
};

static struct v1_work *work_of(struct v1_stream *stream)
{
    return CONTAINER_OF(stream, struct v1_work, stream);
}

/* ---- going out ------------------------------------------------------------------------------- */

static void put_head(struct buffer *buffer, unsigned field, size_t size)
{
    uint8_t head[2 * 10];
    uint8_t *end = proto_put_varint(proto_put_tag(head, field, PROTO_BYTES), size);
    buffer_add(buffer, head, (size_t)(end - head));
}

static void flush(struct v1_work *work)
{
    struct grpc_call *call = work->has_ended ? NULL : v1_stream_call(&work->stream);
    if (work->acked.size != 0) {
        put_head(&work->down, FIELD_ACKNOWLEDGED, work->acked.size);
        buffer_add_text(&work->down, buffer_text(&work->acked));
        buffer_reset(&work->acked);
    }
    if (call != NULL && work->down.size != 0) {
        struct text piece = buffer_text(&work->down);
        grpc_call_send(call, &piece, 1);
    }
    buffer_reset(&work->down);
}

/* O1 */
static void flush_soon(struct v1_work *work)
{
    if (work->down.size >= DOWN_BYTES) {
        flush(work);
    } else if (!work->is_flush_due) {
        work->is_flush_due = true;
        loop_late(work->loop, &work->flush_job);
    }
}

static void send_item(void *argument, const struct text *pieces, size_t count)
{
    struct v1_work *work = argument;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += pieces[i].size;
    }
    put_head(&work->down, FIELD_ITEMS, size);
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&work->down, pieces[i]);
    }
    flush_soon(work);
}

static void put_token(struct v1_work *work, unsigned field, struct text token)
{
    put_head(&work->down, field, token.size);
    buffer_add_text(&work->down, token);
    flush_soon(work);
}

static void cancel(void *argument, struct text token)
{
    put_token(argument, FIELD_CANCELLED, token);
}

static void let_begin(void *argument, struct text token)
{
    put_token(argument, FIELD_MAY_BEGIN, token);
}

/* One that drains takes nothing, as one that does not read; nor does anybody of a server that does.
 */
static size_t backlog(void *argument)
{
    const struct v1_work *work = argument;
    struct grpc_call *call = v1_stream_call(&work->stream);
    bool takes = !work->is_draining && !server_is_draining(work->stream.hub->server);
    return call == NULL || !takes ? SIZE_MAX : grpc_call_backlog(call) + work->down.size;
}

static void drained(struct grpc_call *call)
{
    struct v1_work *work = work_of(grpc_call_get(call));
    if (work->broker != NULL && !work->is_draining) {
        broker_drained(work->broker);
    }
}

/* What was collected here was a backlog, too. Who asks for that of the call is told when it is
 * gone; nobody may have asked since there was one. */
static void flush_late(struct loop_job *job)
{
    struct v1_work *work = CONTAINER_OF(job, struct v1_work, flush_job);
    work->is_flush_due = false;
    flush(work);
    struct grpc_call *call = work->has_ended ? NULL : v1_stream_call(&work->stream);
    if (call != NULL && grpc_call_backlog(call) == 0) {
        drained(call);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void free_when_over(struct v1_work *work)
{
    if (!work->has_ended || work->open != 0) { /* O3 */
        return;
    }
    while (work->spare != NULL) {
        struct ack *ack = work->spare;
        work->spare = ack->next;
        mem_free(ack);
    }
    buffer_done(&work->down);
    buffer_done(&work->acked);
    arena_done(&work->arena);
    mem_free(work);
}

static void put_away(struct v1_work *work, struct ack *ack)
{
    if (work->spare_count < SPARES_MAX) {
        ack->next = work->spare;
        work->spare = ack;
        work->spare_count++;
    } else {
        mem_free(ack);
    }
}

static void answered(struct broker_answer *answer, pd_status status, const pd_error *err)
{
    struct ack *ack = CONTAINER_OF(answer, struct ack, answer);
    struct v1_work *work = ack->work;
    uint64_t number = ack->number;
    put_away(work, ack);
    work->open--;
    if (work->has_ended) {
        free_when_over(work);
        return;
    }
    if (status == PD_E_INVALID) {
        log_error("a worker's result cannot be read", err, "hub", work->stream.hub->name);
    }
    if (status != PD_E_CANCELLED) { /* O2 */
        uint8_t bytes[10];
        buffer_add(&work->acked, bytes, (size_t)(proto_put_varint(bytes, number) - bytes));
        flush_soon(work);
    }
}

static struct broker_answer *ack_new(struct v1_work *work)
{
    struct ack *ack = work->spare;
    if (ack != NULL) {
        work->spare = ack->next;
        work->spare_count--;
    } else {
        ack = mem_alloc_raw(sizeof *ack);
    }
    ack->answer.answered = answered;
    ack->answer.peer = 0;
    ack->work = work;
    ack->number = ++work->results;
    work->open++;
    return &ack->answer;
}

/* ---- coming in ------------------------------------------------------------------------------- */

static void take_result(struct v1_work *work, const struct hub_work_result *result)
{
    struct broker *broker = work->stream.hub->broker;
    struct broker_answer *answer = ack_new(work);
    if (text_is_present(result->turn)) {
        broker_complete_turn(broker, result->turn, answer);
    } else if (text_is_present(result->entity)) {
        broker_complete_entity(broker, result->entity, answer);
    } else {
        broker_complete_activity(broker, result->activity, answer);
    }
}

static void take_beat(struct v1_work *work, const struct hub_work_beat *beat)
{
    bool is_wanted = true;
    broker_beat(work->stream.hub->broker, beat->token, beat->progress, &is_wanted);
    if (!is_wanted) {
        cancel(work, beat->token);
    }
}

static void take(struct v1_work *work, const struct hub_work_up *up)
{
    for (size_t i = 0; i < up->beats.count; i++) {
        take_beat(work, &up->beats.items[i]);
    }
    for (size_t i = 0; i < up->results.count; i++) {
        take_result(work, &up->results.items[i]);
    }
    for (size_t i = 0; i < up->abandoned.count; i++) {
        broker_abandon(work->stream.hub->broker, up->abandoned.items[i]);
    }
    for (size_t i = 0; i < up->begins.count; i++) { /* after the results of what was before */
        if (broker_begins(work->stream.hub->broker, up->begins.items[i])) {
            let_begin(work, up->begins.items[i]);
        }
    }
    if (up->is_draining) {
        work->is_draining = true;
        broker_leaves(work->broker);
    }
}

/* ---- hello ----------------------------------------------------------------------------------- */

static void greet(struct v1_work *work, const struct hub_work_hello *hello)
{
    const struct broker_stream_options options = {
        .dialect = WORK_OURS,
        .takes_large = true,
        .turns_max = hello->turns_max,
        .activities_max = hello->activities_max,
        .entities_max = hello->entities_max,
        .filters = hello->filters,
        .worker_id = hello->worker_id,
        .send = send_item,
        .backlog = backlog,
        .cancel = cancel,
        .let_begin = let_begin,
        .argument = work,
    };
    struct grpc_call *call = v1_stream_call(&work->stream);
    static const struct text welcome = TEXT_INIT("");
    grpc_call_send(call, &welcome, 1);
    grpc_call_on_drained(call, drained);
    log_say(LOG_INFO, "worker connected", "hub", work->stream.hub->name, "peer",
            grpc_call_peer(call));
    work->broker = broker_connect(work->stream.hub->broker, &options);
}

static void message(void *server, struct grpc_call *call, struct text bytes)
{
    (void)server;
    struct v1_stream *stream = v1_stream_of(call);
    struct hub_work_up up;
    pd_error err;
    if (stream == NULL) {
        return;
    }
    struct v1_work *work = work_of(stream);
    arena_rewind(&work->arena);
    if (message_read(&hub_work_up_type, bytes, &work->arena, &up, &err) != PD_OK) {
        v1_stream_fail(stream, GRPC_INVALID_ARGUMENT, err.text);
        return;
    }
    if ((up.hello != NULL) != (work->broker == NULL)) {
        v1_stream_fail(stream, GRPC_INVALID_ARGUMENT,
                       "the first message, and no other, says hello");
        return;
    }
    if (up.hello != NULL && up.hello->protocol != HUB_PROTOCOL) {
        v1_stream_fail(stream, GRPC_FAILED_PRECONDITION,
                       "worker and server speak different versions of their protocol; update the "
                       "older one");
        return;
    }
    if (up.hello != NULL) {
        greet(work, up.hello);
    }
    take(work, &up);
}

/* ---- coming and going ------------------------------------------------------------------------ */

/* O4 */
static void drain(struct v1_stream *stream)
{
    struct v1_work *work = work_of(stream);
    buffer_add_byte(&work->down, FIELD_DRAINING << 3);
    buffer_add_byte(&work->down, 1);
    flush_soon(work);
}

static void end(struct v1_stream *stream)
{
    struct v1_work *work = work_of(stream);
    if (work->broker != NULL) {
        log_say(LOG_INFO, "worker disconnected", "hub", stream->hub->name);
        broker_disconnect(work->broker);
    }
    loop_late_not(work->loop, &work->flush_job);
    work->broker = NULL;
    work->has_ended = true;
    free_when_over(work);
}

static void begin(struct rpc *rpc)
{
    struct grpc_call *call = rpc_call(rpc);
    if (server_is_draining(rpc->server)) {
        rpc_fail(rpc, GRPC_UNAVAILABLE, "the server is ending");
        return;
    }
    if (call != NULL) {
        struct v1_work *work = mem_alloc(sizeof *work);
        work->loop = rpc->server->loop;
        work->flush_job.run = flush_late;
        work->stream.end = end;
        work->stream.drain = drain;
        arena_init(&work->arena);
        v1_stream_begin(&work->stream, rpc, call);
    }
    rpc_end(rpc);
}

static const struct rpc_method methods[] = {
    { .path = V1_PATH("Work"),
      .shape = GRPC_BOTH_STREAM,
      .scopes = SCOPE_WORK,
      .run = begin,
      .message = message,
      .half_closed = v1_half_closed },
};
const struct rpc_service v1_work_service = { methods, sizeof methods / sizeof methods[0] };
