/* SPDX-License-Identifier: MIT
 *
 * What is said to and asked about one instance: start, get, raise, terminate, suspend, resume,
 * rewind, restart.
 *
 *   I1  An answer that is good means that it is durable. Who waits for the instance is woken before
 *       the answer goes out, so that he sees what it says.
 *   I2  Whether an id may be taken is the engine's to decide, in one step with taking it. What is
 *       looked up afterwards only finds the words for a refusal. */
#include <string.h>

#include "server/server_priv.h"

static time_us now(const struct rpc *rpc)
{
    return loop_now(rpc->server->loop);
}

/* ---- GetInstance ---------------------------------------------------------------------------- */

static void get_instance(struct rpc *rpc)
{
    const struct hub_get_instance_request *request = rpc->message;
    struct hub_get_instance_response response = { false, NULL };
    struct instance_record record;
    struct hub_orchestration_state state;
    bool is_found;
    if (request->instance_id.size == 0) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "an instance id is needed");
        return;
    }
    rpc->status =
        hub_load(rpc->hub, request->instance_id, &rpc->arena, &record, &is_found, &rpc->err);
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    if (is_found) {
        state = state_of_record(&record, request->get_inputs_and_outputs);
        response = (struct hub_get_instance_response){ true, &state };
    }
    rpc_reply(rpc, &hub_get_instance_response_type, &response);
}

/* ---- StartInstance -------------------------------------------------------------------------- */

/* What the policy of field 6 says, with the `action` that old clients (Go's) put beside it. */
enum reuse_action { REUSE_REPLACE = 0, REUSE_IGNORE = 1, REUSE_TERMINATE = 2 };

struct starting {
    struct start_command command;
    struct event_extra extra;
    bool has_policy;
    unsigned reusable; /* set of states */
    enum reuse_action action;
    char minted[33];
};

static enum reuse_action action_of(const struct hub_orchestration_id_reuse_policy *policy)
{
    return policy->action == 1   ? REUSE_IGNORE
           : policy->action == 2 ? REUSE_TERMINATE
                                 : REUSE_REPLACE;
}

static bool is_execution_id(struct text id)
{
    pd_error unwanted;
    return id_check_chosen(id, &unwanted) == PD_OK;
}

static pd_status check_name(struct text name, const char *what, bool may_be_empty, pd_error *err)
{
    return (name.size != 0 || may_be_empty) && name.size <= LIMIT_NAME
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, "start", "%s has 1 to %d bytes, not %zu", what,
                           LIMIT_NAME, name.size);
}

static void read_policy(const struct hub_create_instance_request *request,
                        struct starting *starting)
{
    unsigned live = STATES_ALL & ~STATES_ENDED;
    starting->has_policy = request->orchestration_id_reuse_policy != NULL;
    starting->command.replaces = STATES_ENDED;
    if (!starting->has_policy) {
        return;
    }
    starting->reusable =
        states_of_statuses(&request->orchestration_id_reuse_policy->replaceable_status);
    starting->action = action_of(request->orchestration_id_reuse_policy);
    /* A live one may only be replaced by who may also replace what is terminated by that. */
    bool may_replace_live = (starting->reusable & 1u << RUN_TERMINATED) != 0;
    starting->command.replaces = starting->action == REUSE_IGNORE ? 0
                                 : starting->action == REUSE_TERMINATE || may_replace_live
                                     ? starting->reusable
                                     : starting->reusable & ~live;
}

static pd_status read_start(struct rpc *rpc, struct starting *starting, pd_error *err)
{
    const struct hub_create_instance_request *request = rpc->message;
    struct start_command *command = &starting->command;
    *command = (struct start_command){
        .id = request->instance_id,
        .name = request->name,
        .version = request->version,
        .input = request->input,
    };
    if (command->id.size == 0) {
        engine_new_id(starting->minted);
        command->id = text_make(starting->minted, 32);
        command->is_fresh = true;
    }
    pd_status status = id_check_chosen(command->id, err);
    if (status == PD_OK) {
        status = check_name(command->name, "the name of an orchestrator", false, err);
    }
    if (status == PD_OK) {
        status = check_name(command->version, "a version", true, err);
    }
    if (is_execution_id(request->execution_id)) {
        command->execution_id = request->execution_id;
    }
    time_us at = request->scheduled_start_timestamp;
    command->starts_at = at != WIRE_NO_TIME && at > now(rpc) ? at : 0;
    starting->extra.tags = request->tags;
    starting->extra.trace = request->parent_trace_context;
    if (text_is_present(request->tags) || text_is_present(request->parent_trace_context)) {
        command->extra = &starting->extra;
    }
    read_policy(request, starting);
    return status;
}

static void refuse_start(struct rpc *rpc)
{
    struct starting *starting = rpc->state;
    struct text id = starting->command.id;
    struct instance_record record;
    bool is_found;
    pd_error err;
    /* One that is not durable yet has just been started. */
    bool is_known = hub_load(rpc->hub, id, &rpc->arena, &record, &is_found, &err) == PD_OK;
    enum run_state state = is_known && is_found ? record.state : RUN_PENDING;
    bool is_reusable = starting->has_policy && (starting->reusable >> state & 1) != 0;
    if (is_reusable && starting->action == REUSE_IGNORE) {
        const struct hub_create_instance_response response = { .instance_id = id };
        rpc_reply(rpc, &hub_create_instance_response_type, &response);
    } else if (is_reusable && starting->action == REUSE_REPLACE && !run_state_is_final(state)) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT,
                 "Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse "
                 "of running instances");
    } else {
        rpc_fail(rpc, GRPC_ALREADY_EXISTS, "orchestration instance already exists: '%.*s' is %s",
                 TEXT_ARGS(id), status_name_of_state(state));
    }
}

static void started(struct rpc *rpc)
{
    const struct starting *starting = rpc->state;
    if (rpc->status == PD_E_EXISTS) {
        refuse_start(rpc);
        return;
    }
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    const struct hub_create_instance_response response = { .instance_id = starting->command.id };
    rpc_reply(rpc, &hub_create_instance_response_type, &response);
}

static void start_instance(struct rpc *rpc)
{
    struct starting *starting = arena_alloc(&rpc->arena, sizeof *starting);
    rpc->state = starting;
    rpc->status = read_start(rpc, starting, &rpc->err);
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    rpc_ask_start(rpc, &starting->command, started);
}

/* ---- saying something ----------------------------------------------------------------------- */

struct saying {
    struct letter letter;
    struct event event;
    struct event_extra extra;
};

static struct saying *say(struct rpc *rpc, struct text id, enum message_kind kind,
                          enum event_kind event, struct text payload)
{
    struct saying *saying = arena_alloc(&rpc->arena, sizeof *saying);
    saying->event = (struct event){
        .kind = event,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = now(rpc),
        .payload = payload,
        .extra = &saying->extra,
    };
    saying->letter = (struct letter){ .kind = kind, .instance_id = id, .event = &saying->event };
    rpc->state = saying;
    return saying;
}

static struct text told_id(const struct rpc *rpc)
{
    const struct saying *saying = rpc->state;
    return saying->letter.instance_id;
}

static void fail_not_found(struct rpc *rpc, struct text id)
{
    rpc_fail(rpc, GRPC_NOT_FOUND, "no instance '%.*s' was found", TEXT_ARGS(id));
}

/* Of what has ended nothing is said: the effect is the one that was asked for, or none. */
static void told(struct rpc *rpc)
{
    struct text id = told_id(rpc);
    if (rpc->status == PD_E_NOT_FOUND) {
        fail_not_found(rpc, id);
    } else if (rpc->status != PD_OK && rpc->status != PD_E_STATE) {
        rpc_fail_as_told(rpc);
    } else {
        waits_wake(rpc->hub, id); /* I1 */
        rpc_reply_empty(rpc);
    }
}

static void tell(struct rpc *rpc, void (*next)(struct rpc *))
{
    const struct saying *saying = rpc->state;
    struct text id = saying->letter.instance_id;
    if (id.size == 0) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "an instance id is needed");
    } else if (!id_may_exist(id)) {
        fail_not_found(rpc, id);
    } else {
        rpc_ask_tell(rpc, &saying->letter, next);
    }
}

static void raise_event(struct rpc *rpc)
{
    const struct hub_raise_event_request *request = rpc->message;
    struct saying *saying =
        say(rpc, request->instance_id, MESSAGE_RAISE, EVENT_EVENT_RAISED, request->input);
    saying->event.name = request->name;
    if (check_name(request->name, "the name of an event", false, &rpc->err) != PD_OK) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "%s", rpc->err.text);
        return;
    }
    tell(rpc, told);
}

static void terminate_instance(struct rpc *rpc)
{
    const struct hub_terminate_request *request = rpc->message;
    struct saying *saying = say(rpc, request->instance_id, MESSAGE_TERMINATE,
                                EVENT_EXECUTION_TERMINATED, request->output);
    saying->extra.recurses = request->recursive;
    tell(rpc, told);
}

static void suspend_instance(struct rpc *rpc)
{
    const struct hub_suspend_request *request = rpc->message;
    (void)say(rpc, request->instance_id, MESSAGE_SUSPEND, EVENT_EXECUTION_SUSPENDED,
              request->reason);
    tell(rpc, told);
}

static void resume_instance(struct rpc *rpc)
{
    const struct hub_resume_request *request = rpc->message;
    (void)say(rpc, request->instance_id, MESSAGE_RESUME, EVENT_EXECUTION_RESUMED, request->reason);
    tell(rpc, told);
}

static void rewound(struct rpc *rpc)
{
    struct text id = told_id(rpc);
    struct instance_record record;
    bool is_found = false;
    pd_error err;
    if (rpc->status != PD_E_STATE ||
        hub_load(rpc->hub, id, &rpc->arena, &record, &is_found, &err) != PD_OK || !is_found) {
        told(rpc);
        return;
    }
    if (record.state == RUN_FAILED) { /* but cannot be: the engine knows why */
        rpc_fail_as_told(rpc);
        return;
    }
    rpc_fail(rpc, GRPC_FAILED_PRECONDITION,
             "Instance '%.*s' is in the %s state, which does not allow rewinding.", TEXT_ARGS(id),
             status_name_of_state(record.state));
}

static void rewind_instance(struct rpc *rpc)
{
    const struct hub_rewind_instance_request *request = rpc->message;
    (void)say(rpc, request->instance_id, MESSAGE_REWIND, EVENT_EXECUTION_REWOUND, request->reason);
    tell(rpc, rewound);
}

/* ---- RestartInstance ------------------------------------------------------------------------ */

static void fail_not_ended(struct rpc *rpc, struct text id)
{
    rpc_fail(rpc, GRPC_FAILED_PRECONDITION,
             "Instance '%.*s' has not ended: it can only be restarted under a new id.",
             TEXT_ARGS(id));
}

static void restarted(struct rpc *rpc)
{
    const struct starting *starting = rpc->state;
    struct text id = starting->command.id;
    if (rpc->status == PD_E_EXISTS) { /* it was overtaken */
        fail_not_ended(rpc, id);
    } else if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
    } else {
        const struct hub_restart_instance_response response = { .instance_id = id };
        waits_wake(rpc->hub, id);
        rpc_reply(rpc, &hub_restart_instance_response_type, &response);
    }
}

static void restart_instance(struct rpc *rpc)
{
    const struct hub_restart_instance_request *request = rpc->message;
    struct starting *starting = arena_alloc(&rpc->arena, sizeof *starting);
    struct text id = request->instance_id;
    struct instance_record record;
    bool is_found;
    rpc->state = starting;
    if (id.size == 0) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "an instance id is needed");
        return;
    }
    rpc->status = hub_load(rpc->hub, id, &rpc->arena, &record, &is_found, &rpc->err);
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
    } else if (!is_found) {
        fail_not_found(rpc, id);
    } else if (!request->restart_with_new_instance_id && !run_state_is_final(record.state)) {
        fail_not_ended(rpc, id);
    } else {
        engine_new_id(starting->minted);
        starting->extra.tags = record.tags;
        starting->command = (struct start_command){
            .id = request->restart_with_new_instance_id ? text_make(starting->minted, 32) : id,
            .is_fresh = request->restart_with_new_instance_id,
            .name = record.name,
            .version = record.version,
            .input = record.input,
            .extra = text_is_present(record.tags) ? &starting->extra : NULL,
            .replaces = request->restart_with_new_instance_id ? 0 : STATES_ENDED,
        };
        rpc_ask_start(rpc, &starting->command, restarted);
    }
}

/* ---- methods -------------------------------------------------------------------------------- */

#define OPERATION(name, request, function)                                              \
    {                                                                                   \
        .path = HUB_PATH(name), .scopes = SCOPE_OPERATE, .type = &hub_##request##_type, \
        .run = function                                                                 \
    }

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("GetInstance"),
      .scopes = SCOPE_READ,
      .flags = METHOD_BRIEF,
      .type = &hub_get_instance_request_type,
      .run = get_instance },
    OPERATION("StartInstance", create_instance_request, start_instance),
    OPERATION("RaiseEvent", raise_event_request, raise_event),
    OPERATION("TerminateInstance", terminate_request, terminate_instance),
    OPERATION("SuspendInstance", suspend_request, suspend_instance),
    OPERATION("ResumeInstance", resume_request, resume_instance),
    OPERATION("RewindInstance", rewind_instance_request, rewind_instance),
    OPERATION("RestartInstance", restart_instance_request, restart_instance),
};
const struct rpc_service instances_service = { methods, sizeof methods / sizeof methods[0] };
