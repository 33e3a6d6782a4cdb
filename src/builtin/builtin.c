/* SPDX-License-Identifier: MIT
 *
 * Functions that every program has, under names that begin with "perdure." (one is named as SDKs
 * name it): written like anybody else's, with the public header.
 *
 * perdure.call  calls an operation of an entity for somebody who is no orchestration, and ends as
 *               that did: pd_hub_call_entity. Its input: {"entity": "@name@key", "op": "add",
 *               "input": ...}
 *
 * perdure.activity  calls an activity, once, for a schedule: {"activity": name, "input": ...} */
#include <perdure.h>
#include <string.h>

#include "builtin/builtin.h"

static pd_result call_entity(pd_orchestration *o, pd_value request)
{
    const char *id, *op;
    pd_value input = PD_NULL;
    pd_read(o, request, "entity", &id, "op", &op, "input?", &input);
    const char *key = id[0] == '@' ? strchr(id + 1, '@') : NULL;
    if (key == NULL) {
        return pd_fail_final(o, "BadInput", "'%s' is no ID of an entity, \"@name@key\"", id);
    }
    pd_entity_id entity = PD_ENTITY(pd_format(o, "%.*s", (int)(key - id - 1), id + 1), key + 1);
    pd_task *call = pd_start_entity(o, entity, op, input);
    return pd_wait(o, call) ? pd_ok(o, pd_task_value(call))
                            : pd_fail_with(o, pd_task_failure(call));
}

static pd_result call_activity(pd_orchestration *o, pd_value request)
{
    const char *activity;
    pd_read(o, request, "activity", &activity);
    /* Anybody may start this one: it does not speak to others in the server's name. */
    if (builtin_is_for_us(activity)) {
        return pd_fail_final(o, "Misuse", "'%s' is Perdure's own", activity);
    }
    pd_task *call = pd_start_activity(o, activity, pd_get(request, "input"));
    return pd_wait(o, call) ? pd_ok(o, pd_task_value(call))
                            : pd_fail_with(o, pd_task_failure(call));
}

const struct text builtin_passing[BUILTIN_PASSING] = { TEXT_INIT(BUILTIN_CALL),
                                                       TEXT_INIT(BUILTIN_RUN),
                                                       TEXT_INIT(BUILTIN_HTTP_STEP) };
const struct text builtin_passing_completed[1] = { TEXT_INIT(BUILTIN_NOTIFY) };

static const pd_function functions[] = {
    PD_FUNCTION(BUILTIN_CALL, call_entity),
    PD_FUNCTION(BUILTIN_RUN, schedule_run),
    PD_FUNCTION(BUILTIN_HTTP, http_call),
    PD_FUNCTION(BUILTIN_HTTP_POLL, http_poll),
    PD_FUNCTION(BUILTIN_HTTP_STEP, http_step),
    PD_FUNCTION(BUILTIN_ACTIVITY, call_activity),
    PD_FUNCTION(BUILTIN_NOTIFY, notify_run),
    { PD_SCHEDULE, PD_ENTITY_FUNCTION, NULL, &schedule_rules },
};

const pd_function *builtin_functions(size_t *ret_count)
{
    *ret_count = sizeof functions / sizeof functions[0];
    return functions;
}
