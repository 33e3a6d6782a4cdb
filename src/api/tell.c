/* SPDX-License-Identifier: MIT
 *
 * Saying something to an instance: raise, terminate, suspend, resume, rewind, purge.
 *
 * Each is a letter: to the engine of this process, or through the mailbox. The engine knows rows,
 * not the mailbox. Where it finds no living instance, a start that waits in the mailbox may be
 * meant (README): then the letter goes there too, behind that start, and the store, which knows
 * both, has the last word.
 */
#include "api/api_priv.h"

pd_status api_tell(const struct call *call, const struct letter *letters, size_t count,
                   pd_status *statuses, pd_error *err)
{
    struct engine *engine = call_engine(call);
    if (engine != NULL) {
        return engine_tell(engine, letters, count, statuses, err);
    }
    return mail_letters(call->hub, letters, count, statuses, err);
}

static bool mailbox_may_know_more(const struct call *call, enum message_kind kind, pd_status status)
{
    bool needs_ended = kind == MESSAGE_PURGE || kind == MESSAGE_REWIND;
    return status == PD_E_NOT_FOUND ||
           (status == PD_E_STATE && !needs_ended && mail_may_hold_ours(&call->hub->starts));
}

pd_status api_tell_one(const struct call *call, const struct letter *letter, pd_error *err)
{
    pd_status fate;
    pd_status status = api_tell(call, letter, 1, &fate, err);
    if (call_engine(call) != NULL && mailbox_may_know_more(call, letter->kind, status)) {
        status = mail_letters(call->hub, letter, 1, &fate, err);
    }
    return status;
}

struct event api_event(enum event_kind kind, struct text payload)
{
    return (struct event){
        .kind = kind,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = api_now(),
        .payload = payload,
    };
}

/* ---- raise ---------------------------------------------------------------------------------- */

pd_status pd_hub_raise_event_(pd_hub *hub, const char *id, const char *name, pd_value v,
                              pd_error *err)
{
    static const char where[] = "hub: raise event";
    pd_error unwanted;
    struct call call;
    struct buffer payload;
    struct letter letter = { .kind = MESSAGE_RAISE };
    err = error_or(err, &unwanted);
    buffer_init(&payload);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = api_check_id(id, where, &letter.instance_id, err);
    }
    if (status == PD_OK) {
        status = api_check_name(text_of(name), where, "name of the event", err);
    }
    if (status == PD_OK) {
        status = api_check_payload(hub, &payload, v, where, err);
    }
    if (status == PD_OK) {
        struct event event = api_event(EVENT_EVENT_RAISED, buffer_text(&payload));
        event.name = text_of(name);
        letter.event = &event;
        status = api_tell_one(&call, &letter, err);
    }
    buffer_done(&payload);
    call_end(&call);
    return status;
}

/* ---- manage --------------------------------------------------------------------------------- */

struct order {
    const char *where;
    enum message_kind kind;
    enum event_kind event; /* EVENT_UNKNOWN: it has none */
    bool recurses;
};

static pd_status manage(pd_hub *hub, const struct order *order, const char *id, const char *reason,
                        pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct buffer payload;
    struct letter letter = { .kind = order->kind };
    err = error_or(err, &unwanted);
    buffer_init(&payload);
    pd_status status = call_begin(&call, hub, order->where, err);
    if (status == PD_OK) {
        status = api_check_id(id, order->where, &letter.instance_id, err);
    }
    if (status == PD_OK && reason != NULL) {
        status = api_check_payload(hub, &payload, pd_of_text(reason), order->where, err);
    }
    if (status == PD_OK) {
        const struct event_extra extra = { .recurses = order->recurses };
        struct event event =
            api_event(order->event, reason != NULL ? buffer_text(&payload) : TEXT_ABSENT);
        event.extra = &extra;
        letter.event = order->event != EVENT_UNKNOWN ? &event : NULL;
        status = api_tell_one(&call, &letter, err);
    }
    buffer_done(&payload);
    call_end(&call);
    return status;
}

pd_status pd_hub_terminate(pd_hub *hub, const char *id, const char *reason, bool recursive,
                           pd_error *err)
{
    const struct order order = {
        "hub: terminate",
        MESSAGE_TERMINATE,
        EVENT_EXECUTION_TERMINATED,
        recursive,
    };
    return manage(hub, &order, id, reason, err);
}

pd_status pd_hub_suspend(pd_hub *hub, const char *id, const char *reason, pd_error *err)
{
    static const struct order order = {
        "hub: suspend",
        MESSAGE_SUSPEND,
        EVENT_EXECUTION_SUSPENDED,
        false,
    };
    return manage(hub, &order, id, reason, err);
}

pd_status pd_hub_resume(pd_hub *hub, const char *id, const char *reason, pd_error *err)
{
    static const struct order order = {
        "hub: resume",
        MESSAGE_RESUME,
        EVENT_EXECUTION_RESUMED,
        false,
    };
    return manage(hub, &order, id, reason, err);
}

pd_status pd_hub_rewind(pd_hub *hub, const char *id, const char *reason, pd_error *err)
{
    static const struct order order = {
        "hub: rewind",
        MESSAGE_REWIND,
        EVENT_EXECUTION_REWOUND,
        false,
    };
    return manage(hub, &order, id, reason, err);
}

pd_status pd_hub_purge(pd_hub *hub, const char *id, pd_error *err)
{
    static const struct order order = { "hub: purge", MESSAGE_PURGE, EVENT_UNKNOWN, false };
    if (entity_id_is(text_of(id))) {
        return api_purge_entity_id(hub, id, err);
    }
    return manage(hub, &order, id, NULL, err);
}
