/* SPDX-License-Identifier: MIT
 *
 * WaitEnd: all waits of a client for ends of instances, on one stream.
 *
 * Each is a wait of the hub (waits.c), with the number that the client gave it. Answers of one wake
 * of the loop are one message, and have the instance with them: so a client need not ask again.
 * An id of which there is no instance is answered at once: who waits for that has made a mistake.
 *
 *   WE1  A message may ask for very many, and many messages may come at once. All are waits of the
 *        hub when they have been taken, so no ending is missed; the store is asked about
 *        LOOKS_AT_ONCE of them each time the loop comes round, with others' work in between.
 *   WE2  What waits here counts for its connection as all does that peers make us keep. */
#include <stdio.h>

#include "server/v1_priv.h"
#include "wire/proto.h"

enum {
    FIELD_WAITED = 1,
    ANSWERS_BYTES = 1 << 20,
    LOOKS_AT_ONCE = 500,
    WAIT_BYTES = 256, /* with its places in tables, and an id */
    WAITS_MAX = 200000,
    ASKED_MAX = 2 * WAITS_MAX, /* of one message: what is asked for, and what is given up */
};

struct v1_waits {
    struct v1_stream stream; /* first */
    struct loop *loop;
    struct map64 by_number; /* of struct v1_wait */
    struct list unseen;     /* of struct v1_wait: the store has not been asked yet (WE1) */
    struct loop_job round_job;
    struct buffer answers; /* fields of a wait_response */
    struct loop_job flush_job;
    bool is_flush_due, is_round_due;
    enum grpc_status status; /* not OK: a wait could not be, and the stream ends with that */
    char text[256];
    struct arena arena;  /* of a message */
    struct arena looked; /* of a look: an instance may be large */
};

struct v1_wait {
    struct wait wait; /* first */
    struct list_node unseen;
    bool is_unseen;
    struct v1_waits *all;
    uint64_t number;
};

static struct v1_waits *waits_of(struct v1_stream *stream)
{
    return CONTAINER_OF(stream, struct v1_waits, stream);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* WE2 */
static void weigh(const struct v1_waits *waits)
{
    struct grpc_call *call = v1_stream_call(&waits->stream);
    if (call != NULL) {
        grpc_call_weigh(call, map64_count(&waits->by_number) * WAIT_BYTES);
    }
}

static void flush(struct v1_waits *waits)
{
    struct grpc_call *call = v1_stream_call(&waits->stream);
    if (call != NULL && waits->answers.size != 0) {
        struct text piece = buffer_text(&waits->answers);
        grpc_call_send(call, &piece, 1);
    }
    buffer_reset(&waits->answers);
}

static void flush_late(struct loop_job *job)
{
    struct v1_waits *waits = CONTAINER_OF(job, struct v1_waits, flush_job);
    waits->is_flush_due = false;
    flush(waits);
    weigh(waits);
    if (waits->status != GRPC_OK) {
        v1_stream_fail(&waits->stream, waits->status, waits->text);
    }
}

static void flush_soon(struct v1_waits *waits)
{
    if (waits->answers.size >= ANSWERS_BYTES) {
        flush(waits);
    }
    if (!waits->is_flush_due) {
        waits->is_flush_due = true;
        loop_late(waits->loop, &waits->flush_job);
    }
}

/* record NULL: there is none. */
static void answer(struct v1_waits *waits, uint64_t number, const struct instance_record *record)
{
    struct hub_waited waited = { .number = (int64_t)number, .instance = TEXT_ABSENT };
    struct buffer instance;
    uint8_t head[2 * 10];
    buffer_init(&instance);
    if (record != NULL) {
        const struct hub_kept_instance kept = hub_kept_instance_of(record);
        message_write(&hub_kept_instance_type, &instance, &kept);
        waited.instance = buffer_text(&instance);
    }
    uint8_t *end = proto_put_tag(head, FIELD_WAITED, PROTO_BYTES);
    end = proto_put_varint(end, message_size(&hub_waited_type, &waited));
    buffer_add(&waits->answers, head, (size_t)(end - head));
    message_write(&hub_waited_type, &waits->answers, &waited);
    buffer_done(&instance);
    flush_soon(waits);
}

/* It is not the hub's any more. */
static void forget(struct v1_wait *wait)
{
    if (wait->is_unseen) {
        list_remove(&wait->unseen);
    }
    map64_remove(&wait->all->by_number, wait->number);
    mem_free(wait);
}

static void told(struct wait *base, const struct instance_record *record, enum grpc_status status,
                 const char *text)
{
    struct v1_wait *wait = CONTAINER_OF(base, struct v1_wait, wait);
    struct v1_waits *all = wait->all;
    uint64_t number = wait->number;
    forget(wait);
    if (record != NULL) {
        answer(all, number, record);
        return;
    }
    all->status = status;
    snprintf(all->text, sizeof all->text, "%s", text);
    flush_soon(all); /* the client asks again on another stream */
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void add(struct v1_waits *waits, const struct hub_wait *asked)
{
    struct v1_wait *wait = mem_alloc(sizeof *wait);
    wait->all = waits;
    wait->number = (uint64_t)asked->number;
    wait->wait.told = told;
    wait->is_unseen = true;
    list_push_back(&waits->unseen, &wait->unseen);
    map64_put(&waits->by_number, wait->number, wait);
    waits_add(&wait->wait, waits->stream.hub, asked->instance_id);
}

static void give_up(struct v1_waits *waits, uint64_t number)
{
    struct v1_wait *wait = map64_find(&waits->by_number, number);
    if (wait != NULL) {
        waits_remove(&wait->wait);
        forget(wait);
    }
}

/* What has ended, or is not there, is answered; the rest waits. */
static pd_status look(struct v1_waits *waits, struct v1_wait *wait, pd_error *err)
{
    struct instance_record record;
    bool is_found;
    list_remove(&wait->unseen);
    wait->is_unseen = false;
    arena_rewind(&waits->looked);
    pd_status status =
        hub_load(waits->stream.hub, waits_id(&wait->wait), &waits->looked, &record, &is_found, err);
    if (status == PD_OK && (!is_found || run_state_is_final(record.state))) {
        answer(waits, wait->number, is_found ? &record : NULL);
        give_up(waits, wait->number);
    }
    return status;
}

static void look_soon(struct v1_waits *waits)
{
    if (!waits->is_round_due && !list_is_empty(&waits->unseen)) {
        waits->is_round_due = true;
        loop_late(waits->loop, &waits->round_job);
    }
}

/* WE1. */
static void look_round(struct loop_job *job)
{
    struct v1_waits *waits = CONTAINER_OF(job, struct v1_waits, round_job);
    struct list_node *node;
    waits->is_round_due = false;
    pd_error err;
    pd_status status = PD_OK;
    for (int i = 0;
         i < LOOKS_AT_ONCE && status == PD_OK && (node = list_front(&waits->unseen)) != NULL; i++) {
        status = look(waits, CONTAINER_OF(node, struct v1_wait, unseen), &err);
    }
    if (status != PD_OK) {
        v1_stream_fail(&waits->stream, rpc_status_of(&err), err.text);
    } else {
        flush(waits);
        look_soon(waits);
    }
}

static pd_status take(struct v1_waits *waits, const struct hub_wait *asked, pd_error *err)
{
    if (asked->is_given_up) {
        give_up(waits, (uint64_t)asked->number);
        return PD_OK;
    }
    if (asked->instance_id.size == 0 ||
        map64_find(&waits->by_number, (uint64_t)asked->number) != NULL) {
        return error_set(err, PD_E_INVALID, false, "wait",
                         "a wait has an id, and a number of its own");
    }
    if (map64_count(&waits->by_number) >= WAITS_MAX) {
        return error_set(err, PD_E_LIMIT, false, "wait", "one client waits for %d at most",
                         WAITS_MAX);
    }
    add(waits, asked);
    return PD_OK;
}

static void message(void *server, struct grpc_call *call, struct text bytes)
{
    (void)server;
    struct v1_stream *stream = v1_stream_of(call);
    struct hub_wait_request request;
    pd_error err;
    if (stream == NULL) {
        return;
    }
    struct v1_waits *waits = waits_of(stream);
    arena_rewind(&waits->arena);
    pd_status status = message_read(&hub_wait_request_type, bytes, &waits->arena, &request, &err);
    if (status == PD_OK && request.waits.count > ASKED_MAX) {
        status = error_set(&err, PD_E_LIMIT, false, "wait", "one message asks for %d waits at most",
                           ASKED_MAX);
    }
    for (size_t i = 0; status == PD_OK && i < request.waits.count; i++) {
        status = take(waits, &request.waits.items[i], &err);
    }
    if (status != PD_OK) {
        v1_stream_fail(stream, rpc_status_of(&err), err.text);
    } else {
        weigh(waits);
        look_soon(waits);
    }
}

/* ---- coming and going ------------------------------------------------------------------------ */

static void end(struct v1_stream *stream)
{
    struct v1_waits *waits = waits_of(stream);
    size_t cursor = 0;
    struct v1_wait *wait;
    while ((wait = map64_next(&waits->by_number, &cursor)) != NULL) {
        waits_remove(&wait->wait);
        mem_free(wait);
    }
    loop_late_not(waits->loop, &waits->flush_job);
    loop_late_not(waits->loop, &waits->round_job);
    map64_done(&waits->by_number);
    buffer_done(&waits->answers);
    arena_done(&waits->arena);
    arena_done(&waits->looked);
    mem_free(waits);
}

static void begin(struct rpc *rpc)
{
    struct grpc_call *call = rpc_call(rpc);
    if (call != NULL) {
        struct v1_waits *waits = mem_alloc(sizeof *waits);
        waits->loop = rpc->server->loop;
        waits->flush_job.run = flush_late;
        waits->stream.end = end;
        map64_init(&waits->by_number);
        list_init(&waits->unseen);
        waits->round_job.run = look_round;
        arena_init(&waits->arena);
        arena_init(&waits->looked);
        v1_stream_begin(&waits->stream, rpc, call);
    }
    rpc_end(rpc);
}

static const struct rpc_method methods[] = {
    { .path = V1_PATH("WaitEnd"),
      .shape = GRPC_BOTH_STREAM,
      .scopes = SCOPE_READ,
      .run = begin,
      .message = message,
      .half_closed = v1_half_closed },
};
const struct rpc_service v1_waits_service = { methods, sizeof methods / sizeof methods[0] };
