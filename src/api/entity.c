/* SPDX-License-Identifier: MIT
 *
 * Saying something to an entity: signals, one or many, and taking them back; forgetting it.
 *
 *   E1  All arguments are checked before anything is sent.
 *   E2  A signal goes behind those of this process that still lie in the mailbox, promised there
 *       before the engine ran here: so the order of the calls is that of the operations. The engine
 *       gives way to its mailbox only between instances.
 *   E3  Ids of signals are UUIDs that sort by time (version 7).
 *   E4  Of many the cost is that of writing them down: what they are made of lies in a few pieces
 *       of memory for all.
 */
#include "api/api_priv.h"
#include "base/memory.h"

enum { GUID_SIZE = 36 };

pd_status api_operate(const struct call *call, const struct letter *letters, size_t count,
                      pd_status *statuses, pd_error *err)
{
    pd_hub *hub = call->hub;
    bool waits = false;
    if (call_engine(call) != NULL && mail_may_hold_ours(&hub->operations)) {
        pd_status status = mail_holds(hub, &hub->operations, mail_is_operation, &waits, err);
        if (status != PD_OK) {
            for (size_t i = 0; i < count; i++) {
                statuses[i] = status;
            }
            return status;
        }
    }
    return waits ? mail_letters(hub, letters, count, statuses, err)
                 : api_tell(call, letters, count, statuses, err);
}

/* E3 */
static void write_guid(char ret[GUID_SIZE])
{
    static const unsigned char ends[] = { 8, 12, 16, 20, 32 };
    char hex[33];
    engine_new_id(hex);
    hex[12] = '7';
    hex[16] = "89ab"[(unsigned char)hex[16] & 3];
    size_t from = 0;
    for (size_t i = 0; i < sizeof ends; i++) {
        memcpy(ret, hex + from, ends[i] - from);
        ret += ends[i] - from;
        from = ends[i];
        if (from < 32) {
            *ret++ = '-';
        }
    }
}

/* But for its payload. */
static void make_signal(struct event *event, struct text op, pd_time at, struct text request_id,
                        time_us now)
{
    *event = (struct event){
        .kind = EVENT_ENTITY_SIGNALED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = now,
        .fire_at = at.ms > 0 ? time_of_public(at) : 0,
        .name = op,
        .request_id = request_id,
    };
}

/* ---- one ------------------------------------------------------------------------------------ */

static const char where_signal[] = "hub: signal entity";

static pd_status signal_one(const struct call *call, const pd_signal *signal, struct arena *arena,
                            pd_id *id, pd_error *err)
{
    struct letter letter = { .kind = MESSAGE_OPERATION };
    struct text op = text_of(signal->op);
    struct buffer payload;
    char guid[GUID_SIZE];
    buffer_init(&payload);
    pd_status status =
        api_check_entity(signal->entity, arena, where_signal, &letter.instance_id, err);
    if (status == PD_OK) {
        status = api_check_name(op, where_signal, "name of the operation", err);
    }
    if (status == PD_OK) {
        status = api_check_payload(call->hub, &payload, signal->input, where_signal, err);
    }
    if (status == PD_OK) {
        struct event event;
        pd_status fate;
        write_guid(guid);
        make_signal(&event, op, signal->at, text_make(guid, GUID_SIZE), api_now());
        event.payload = buffer_text(&payload);
        letter.event = &event;
        status = api_operate(call, &letter, 1, &fate, err);
    }
    if (status == PD_OK && id != NULL) {
        api_write_id(id, text_make(guid, GUID_SIZE));
    }
    buffer_done(&payload);
    return status;
}

pd_status pd_hub_signal_entity_(pd_hub *hub, pd_entity_id entity, const char *op, pd_value input,
                                const pd_signal_options *options, pd_id *id, pd_error *err)
{
    static const pd_signal_options defaults;
    pd_error unwanted;
    struct call call;
    struct arena arena;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where_signal, err);
    if (status == PD_OK) {
        options = options != NULL ? options : &defaults;
        const pd_signal signal = { entity, op, input, options->at };
        status = signal_one(&call, &signal, &arena, id, err);
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}

/* ---- many ----------------------------------------------------------------------------------- */

static const char where_many[] = "hub: signal many";

/* A call's worth (E4). Payloads lie one after another in a buffer, which moves while it grows: so
 * until it is complete an event knows the size of its own only. */
struct chorus {
    size_t count;
    struct letter *letters;
    struct event *events;
    char *guids;
    pd_status *statuses;
    struct buffer payloads;
    struct arena ids;
};

static bool chorus_init(struct chorus *chorus, size_t count)
{
    *chorus = (struct chorus){ .count = count };
    buffer_init(&chorus->payloads);
    arena_init(&chorus->ids);
    if (count > SIZE_MAX / sizeof *chorus->events) {
        return false;
    }
    chorus->letters = mem_try_alloc(count * sizeof *chorus->letters);
    chorus->events = mem_try_alloc(count * sizeof *chorus->events);
    chorus->guids = mem_try_alloc(count * GUID_SIZE);
    chorus->statuses = mem_try_alloc(count * sizeof *chorus->statuses);
    return chorus->letters != NULL && chorus->events != NULL && chorus->guids != NULL &&
           chorus->statuses != NULL;
}

static void chorus_done(struct chorus *chorus)
{
    arena_done(&chorus->ids);
    buffer_done(&chorus->payloads);
    mem_free(chorus->statuses);
    mem_free(chorus->guids);
    mem_free(chorus->events);
    mem_free(chorus->letters);
}

/* Most often the next is to the same entity as the one before, or says the same. */
static bool is_same_entity(const pd_signal *signals, size_t i)
{
    return i > 0 && signals[i].entity.name == signals[i - 1].entity.name &&
           signals[i].entity.key == signals[i - 1].entity.key;
}

static pd_status chorus_add(struct chorus *chorus, const pd_hub *hub, const pd_signal *signals,
                            size_t i, time_us now, pd_error *err)
{
    struct letter *letter = &chorus->letters[i];
    struct event *event = &chorus->events[i];
    *letter = (struct letter){ .kind = MESSAGE_OPERATION, .event = event };
    struct text op = i > 0 && signals[i].op == signals[i - 1].op ? chorus->events[i - 1].name
                                                                 : text_of(signals[i].op);
    pd_status status = PD_OK;
    if (is_same_entity(signals, i)) {
        letter->instance_id = chorus->letters[i - 1].instance_id;
    } else {
        status = api_check_entity(signals[i].entity, &chorus->ids, where_many, &letter->instance_id,
                                  err);
    }
    if (status == PD_OK) {
        status = api_check_name(op, where_many, "name of the operation", err);
    }
    size_t before = chorus->payloads.size;
    if (status == PD_OK) {
        status = api_check_payload(hub, &chorus->payloads, signals[i].input, where_many, err);
    }
    char *guid = chorus->guids + i * GUID_SIZE;
    write_guid(guid);
    make_signal(event, op, signals[i].at, text_make(guid, GUID_SIZE), now);
    event->payload.size = chorus->payloads.size - before;
    return status;
}

static pd_status sing(const struct call *call, struct chorus *chorus, const pd_signal *signals,
                      pd_error *err)
{
    time_us now = api_now();
    for (size_t i = 0; i < chorus->count; i++) {
        pd_status status = chorus_add(chorus, call->hub, signals, i, now, err);
        if (status != PD_OK) {
            return status;
        }
    }
    const char *at = (const char *)chorus->payloads.at;
    for (size_t i = 0; i < chorus->count; i++) {
        chorus->events[i].payload.at = at;
        at += chorus->events[i].payload.size;
    }
    return api_operate(call, chorus->letters, chorus->count, chorus->statuses, err);
}

pd_status pd_hub_signal_many(pd_hub *hub, const pd_signal *signals, size_t n, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    err = error_or(err, &unwanted);
    pd_status status = call_begin(&call, hub, where_many, err);
    if (status == PD_OK && n > 0) {
        struct chorus chorus;
        status = chorus_init(&chorus, n) ? sing(&call, &chorus, signals, err)
                                         : error_set(err, PD_E_NOMEM, true, where_many,
                                                     "no memory to send %zu signals at once", n);
        chorus_done(&chorus);
    }
    call_end(&call);
    return status;
}

/* ---- taking one back ------------------------------------------------------------------------ */

/* With the engine here, a signal may still lie in the mailbox: then the letter goes behind it. One
 * that left the mailbox before it was looked into is at the entity now. */
static pd_status cancel(const struct call *call, const struct letter *letter, pd_error *err)
{
    pd_status fate;
    bool waits = false;
    pd_status status = api_tell(call, letter, 1, &fate, err);
    if (call_engine(call) == NULL || status != PD_E_NOT_FOUND) {
        return status;
    }
    status = mail_holds_for(call->hub, MESSAGE_OPERATION, letter->instance_id,
                            letter->event->request_id, &waits, err);
    if (status != PD_OK) {
        return status;
    }
    return waits ? mail_letters(call->hub, letter, 1, &fate, err)
                 : api_tell(call, letter, 1, &fate, err);
}

pd_status pd_hub_cancel_signal(pd_hub *hub, pd_entity_id entity, const char *id, pd_error *err)
{
    static const char where[] = "hub: cancel signal";
    pd_error unwanted;
    struct call call;
    struct arena arena;
    struct letter letter = { .kind = MESSAGE_CANCEL_SIGNAL };
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = api_check_entity(entity, &arena, where, &letter.instance_id, err);
    }
    if (status == PD_OK) {
        status = api_check_name(text_of(id), where, "id of the signal", err);
    }
    if (status == PD_OK) {
        struct event event = api_event(EVENT_SIGNAL_CANCELLED, TEXT_ABSENT);
        event.request_id = text_of(id);
        letter.event = &event;
        status = cancel(&call, &letter, err);
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}

/* ---- forgetting ----------------------------------------------------------------------------- */

/* By what it is called, or by its id where `entity` is NULL. */
static pd_status forget(pd_hub *hub, const pd_entity_id *entity, struct text id, const char *where,
                        pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct arena arena;
    struct letter letter = { .kind = MESSAGE_PURGE };
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = entity != NULL ? api_check_entity(*entity, &arena, where, &letter.instance_id, err)
                                : api_check_entity_id(id, &arena, &letter.instance_id, err);
    }
    if (status == PD_OK) {
        status = api_tell_one(&call, &letter, err);
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}

pd_status pd_hub_purge_entity(pd_hub *hub, pd_entity_id entity, pd_error *err)
{
    return forget(hub, &entity, TEXT_ABSENT, "hub: purge entity", err);
}

pd_status api_purge_entity_id(pd_hub *hub, const char *id, pd_error *err)
{
    return forget(hub, NULL, text_of(id), "hub: purge", err);
}
