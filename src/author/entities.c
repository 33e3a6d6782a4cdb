/* SPDX-License-Identifier: MIT
 *
 * What an orchestrator says to entities: calls and signals.
 *
 * Each is a step, compared with history by its kind, the name of the operation and the entity
 * (replay.c). A call is a task; of a signal nothing is heard. The id of a request is made of the
 * execution and the step, unless history has one: a fork is told what its source was.
 *
 * A signal that is cancelled leaves a mark in history, which is no step.
 *
 * What holds inside a critical section is asked of critical.c. */
#include "author/author_priv.h"
#include "core/core.h"

struct text ask_entity_id(pd_mem *m, struct arena *arena, const char *call, pd_entity_id id)
{
    pd_error err;
    if (id.name == NULL || id.key == NULL) {
        mem_raise(m, "Misuse", "%s: the %s of the entity is NULL", call,
                  id.name == NULL ? "name" : "key");
    }
    size_t name_size = strlen(id.name), key_size = strlen(id.key);
    char *at = arena_try_alloc(arena, name_size + key_size + 3);
    if (at == NULL) {
        mem_raise(m, "OutOfMemory", "%s: the ID of the entity is too long", call);
    }
    at[0] = at[name_size + 1] = '@';
    memcpy(at + 1, id.name, name_size);
    memcpy(at + name_size + 2, id.key, key_size);
    struct text text = text_make(at, name_size + key_size + 2);
    if (memchr(id.name, '@', name_size) != NULL) {
        mem_raise(m, "Misuse", "%s: the name of an entity may not hold '@', as '%s' does", call,
                  id.name);
    }
    if (entity_id_check(text, &err) != PD_OK) {
        mem_raise(m, "Misuse", "%s: %s", call, err.text);
    }
    entity_id_fold(at, text.size);
    return text;
}

/* Of the step that is asked for now. */
struct text ask_request_id(pd_orchestration *run, enum step_answer answer)
{
    char id[REQUEST_ID_SIZE];
    struct text known = answer == STEP_KNOWN ? replay_request_id(run) : TEXT_ABSENT;
    if (text_is_present(known)) {
        return text_copy(&run->arena, known);
    }
    request_id_of_step(run->shard->turn->execution_id, (int32_t)run->step_count, id);
    return text_copy(&run->arena, text_of(id));
}

/* An operation that is called or signaled. */
struct operation {
    const char *call; /* of perdure.h */
    struct text entity, name;
};

static struct operation operation_of(pd_orchestration *run, const char *call, pd_entity_id id,
                                     const char *op)
{
    struct operation ret = { .call = call };
    ret.entity = ask_entity_id(&run->mem, &run->arena, call, id);
    ret.name =
        text_copy(&run->arena, ask_checked_name(&run->mem, call, "name of the operation", op));
    return ret;
}

static struct action *add_operation(pd_orchestration *run, const struct operation *operation,
                                    enum action_kind kind, pd_value input, struct text request_id)
{
    pd_error err;
    struct text payload;
    struct arena *arena = run->turn_arena;
    if (!mem_payload(&run->mem, arena, input, &payload, &err)) {
        run_raise(run, "BadPayload", true, "%s: the input of operation '%s' of %s (step %zu): %s",
                  operation->call, operation->name.at, operation->entity.at, run->step_count,
                  err.text);
    }
    struct action *action = shard_add_action(run->shard);
    action->kind = kind;
    action->id = (int32_t)run->step_count;
    action->name = text_copy(arena, operation->name);
    action->instance_id = text_copy(arena, operation->entity);
    action->request_id = text_copy(arena, request_id);
    action->payload = payload;
    return action;
}

pd_task *pd_start_entity_(pd_orchestration *o, pd_entity_id id, const char *op, pd_value v)
{
    run_check(o);
    struct operation operation = operation_of(o, "pd_call_entity", id, op);
    pd_task **place = critical_call(o, operation.entity);
    enum step_answer answer =
        replay_step_to(o, EVENT_ENTITY_CALLED, operation.name, operation.entity);
    if (answer == STEP_NEW) {
        (void)add_operation(o, &operation, ACTION_CALL_ENTITY, v, ask_request_id(o, answer));
    }
    pd_task *task = task_new(o, TASK_CALL, operation.name.at);
    task->entity = operation.entity.at;
    task_take_step(o, task);
    o->open_work++;
    if (place != NULL) {
        *place = task;
    }
    return task;
}

pd_value pd_call_entity_(pd_orchestration *o, pd_entity_id id, const char *op, pd_value v)
{
    pd_task *task = pd_start_entity_(o, id, op, v);
    return pd_await(o, task);
}

const char *pd_signal_entity_(pd_orchestration *o, pd_entity_id id, const char *op,
                              const pd_signal_call *call)
{
    static const pd_signal_call plain;
    run_check(o);
    call = call != NULL ? call : &plain;
    struct operation operation = operation_of(o, "pd_signal_entity", id, op);
    critical_signal(o, operation.entity);
    enum step_answer answer =
        replay_step_to(o, EVENT_ENTITY_SIGNALED, operation.name, operation.entity);
    struct text request_id = ask_request_id(o, answer);
    if (answer == STEP_NEW) {
        struct action *action =
            add_operation(o, &operation, ACTION_SIGNAL_ENTITY, call->input, request_id);
        time_us at = call->at.ms > 0 ? time_of_public(call->at) : 0;
        action->fire_at = at > o->now ? at : 0;
    }
    task_take_step(o, NULL);
    return request_id.at;
}

void pd_cancel_signal_(pd_orchestration *o, pd_entity_id id, const char *signal)
{
    static const char name[] = "pd_cancel_signal";
    run_check(o);
    struct text entity = ask_entity_id(&o->mem, &o->arena, name, id);
    struct text checked = ask_checked_name(&o->mem, name, "ID of the signal", signal);
    if (!replay_knows_cancelled_signal(o, entity, checked)) {
        struct action *action = shard_add_action(o->shard);
        action->kind = ACTION_CANCEL_SIGNAL;
        action->instance_id = text_copy(o->turn_arena, entity);
        action->request_id = text_copy(o->turn_arena, checked);
    }
}
