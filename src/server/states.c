/* SPDX-License-Identifier: MIT
 *
 * Ids, states, and an instance as clients see it: what several methods share. */
#include <string.h>

#include "base/limits.h"
#include "builtin/builtin.h"
#include "server/server_priv.h"

/* ---- ids ------------------------------------------------------------------------------------ */

static bool is_printable(struct text id)
{
    for (size_t i = 0; i < id.size; i++) {
        if (id.at[i] < 0x20 || id.at[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

bool may_be_started(struct text name, struct text id, pd_error *err)
{
    if (text_has_prefix(id, TEXT("perdure."))) {
        (void)error_set(err, PD_E_INVALID, false, "start",
                        "ids that begin with 'perdure.' are the server's own");
        return false;
    }
    if (!text_equal(name, TEXT(BUILTIN_HTTP_STEP)) && !text_equal(name, TEXT(BUILTIN_NOTIFY))) {
        return true;
    }
    (void)error_set(err, PD_E_INVALID, false, "start",
                    "'%.*s' is the server's own and cannot be started", TEXT_ARGS(name));
    return false;
}

pd_status id_check_chosen(struct text id, pd_error *err)
{
    static const char where[] = "instance id";
    if (id.size == 0) {
        return error_set(err, PD_E_INVALID, false, where, "an instance id is needed");
    }
    if (id.size > LIMIT_PLAIN_ID) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the instance id is too long: its length is %zu, and at most %d", id.size,
                         LIMIT_PLAIN_ID);
    }
    if (id.at[0] == '@') {
        return error_set(err, PD_E_INVALID, false, where,
                         "the id of an orchestration does not begin with '@': entities do");
    }
    return is_printable(id) ? PD_OK
                            : error_set(err, PD_E_INVALID, false, where,
                                        "an instance id is of printable ASCII characters");
}

bool id_may_exist(struct text id)
{
    pd_error unwanted;
    return id.size != 0 && instance_id_check(id, &unwanted) == PD_OK;
}

pd_status id_fold_entity(struct text id, struct arena *arena, struct text *ret, pd_error *err)
{
    static const char where[] = "entity id";
    if (id.size > LIMIT_PLAIN_ID) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the entity id is too long: its length is %zu, and at most %d", id.size,
                         LIMIT_PLAIN_ID);
    }
    pd_status status = entity_id_check(id, err);
    if (status == PD_OK) {
        char *folded = arena_copy(arena, id.at, id.size);
        entity_id_fold(folded, id.size);
        *ret = text_make(folded, id.size);
    }
    return status;
}

/* ---- states --------------------------------------------------------------------------------- */

/*    state       number  name */
#define STATUS_MAP(X)            \
    X(PENDING, 6, "Pending")     \
    X(RUNNING, 0, "Running")     \
    X(SUSPENDED, 7, "Suspended") \
    X(COMPLETED, 1, "Completed") \
    X(FAILED, 3, "Failed")       \
    X(TERMINATED, 5, "Terminated")

int64_t status_of_state(enum run_state state)
{
    switch (state) {
#define X(name, number, text) \
    case RUN_##name: return number;
        STATUS_MAP(X)
#undef X
    }
    return 0;
}

const char *status_name_of_state(enum run_state state)
{
    switch (state) {
#define X(name, number, text) \
    case RUN_##name: return text;
        STATUS_MAP(X)
#undef X
    }
    return "Unknown";
}

unsigned states_of_statuses(const struct number_list *statuses)
{
    unsigned states = 0;
    for (size_t i = 0; i < statuses->count; i++) {
        switch (statuses->items[i]) {
#define X(name, number, text) \
    case number: states |= 1u << RUN_##name; break;
            STATUS_MAP(X)
#undef X
        default: break; /* CANCELED and CONTINUED_AS_NEW, which no instance ever is */
        }
    }
    return states;
}

struct hub_orchestration_state state_of_record(const struct instance_record *record,
                                               bool with_payloads)
{
    struct hub_orchestration_state state;
    message_init(&hub_orchestration_state_type, &state);
    state.instance_id = record->id;
    state.name = record->name;
    state.version = record->version;
    state.orchestration_status = status_of_state(record->state);
    state.scheduled_start_timestamp = record->starts_at != 0 ? record->starts_at : WIRE_NO_TIME;
    state.created_timestamp = record->created_at;
    state.last_updated_timestamp = record->updated_at;
    state.completed_timestamp = record->ended_at != 0 ? record->ended_at : WIRE_NO_TIME;
    state.execution_id = record->execution_id;
    state.parent_instance_id = record->parent_id;
    state.tags = record->tags;
    if (with_payloads) {
        state.input = record->input;
        state.output = record->output;
        state.custom_status = record->custom_status;
        state.failure_details = record->failure;
    }
    return state;
}

pd_status hub_load(struct hub *hub, struct text id, struct arena *arena,
                   struct instance_record *ret, bool *ret_found, pd_error *err)
{
    *ret_found = false;
    return id_may_exist(id)
               ? hub->store->ops->load_instance(hub->store, id, 0, arena, ret, ret_found, err)
               : PD_OK;
}
