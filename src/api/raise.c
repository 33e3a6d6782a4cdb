/* SPDX-License-Identifier: MIT
 *
 * Raising events.
 *
 * The engine of this process knows rows, not the mailbox. Where it finds no living instance, a
 * start that waits in the mailbox may be meant (README): then the event goes into the mailbox too,
 * behind that start, and the store, which knows both, has the last word.
 */
#include "api/api_priv.h"
#include "base/buffer.h"

static const char where[] = "hub: raise event";

static bool mailbox_may_know_more(const struct call *call, pd_status status)
{
    return status == PD_E_NOT_FOUND ||
           (status == PD_E_STATE && atomic_load(&call->hub->has_mailed_start));
}

static pd_status raise_checked(struct call *call, struct text id, struct text name,
                               struct text payload, pd_error *err)
{
    if (call->worker != NULL) {
        pd_status status = engine_raise(call->worker->engine, id, name, payload, err);
        if (!mailbox_may_know_more(call, status)) {
            return status;
        }
    }
    return mail_raise(call->hub, id, name, payload, err);
}

static pd_status check(const char *id, const char *name, pd_error *err)
{
    if (id == NULL || name == NULL) {
        return error_set(err, PD_E_INVALID, false, where, "no %s was given",
                         id == NULL ? "instance id" : "name of the event");
    }
    pd_status status = instance_id_check(text_of(id), err);
    return status != PD_OK ? status
                           : api_check_name(text_of(name), where, "name of the event", err);
}

pd_status pd_hub_raise_event_(pd_hub *hub, const char *id, const char *name, pd_value v,
                              pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct buffer payload;
    err = error_or(err, &unwanted);
    buffer_init(&payload);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = check(id, name, err);
    }
    if (status == PD_OK) {
        status = api_check_payload(&payload, v, where, err);
    }
    if (status == PD_OK) {
        status = raise_checked(&call, text_of(id), text_of(name), buffer_text(&payload), err);
    }
    buffer_done(&payload);
    call_end(&call);
    return status;
}
