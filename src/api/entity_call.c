/* SPDX-License-Identifier: MIT
 *
 * Calling an entity from outside: an orchestration that makes the call, waited for and forgotten.
 *
 * Entities answer to instances only, exactly once, and whatever dies in between. A client has no
 * such place of its own, so it gets one: an instance of "perdure.call", which the author room runs
 * (author.h) and which ends as the operation did. Whoever makes it forgets it when it has ended;
 * when he dies before, the engine does an hour later (engine_options.passing_names).
 */
#include "api/api_priv.h"
#include "builtin/builtin.h"
#include "json/json.h"

static const char where[] = "hub: call entity";

/* {"entity":"@name@key","op":"add","input":...} The limit of a payload is that of the operation's
 * input; that of depth is the whole's, which is one deeper. */
static pd_status write_input(const pd_hub *hub, struct buffer *buffer, const char *id,
                             const char *op, pd_value input, pd_error *err)
{
    pd_literal rest = PD_OBJ("entity", id, "op", op, "input", PD_NULL);
    pd_literal all = PD_OBJ("entity", id, "op", op, "input", input);
    pd_status status = json_write(buffer, PD_VAL(rest), err);
    size_t around = buffer->size - strlen("null");
    buffer_reset(buffer);
    if (status == PD_OK) {
        status = json_write(buffer, PD_VAL(all), err);
    }
    if (status == PD_OK && buffer->size - around > hub->payload_max) {
        status = error_set(err, PD_E_LIMIT, false, where,
                           "a payload of %zu bytes of JSON is over the limit of %zu",
                           buffer->size - around, hub->payload_max);
    }
    return status;
}

/* That it remains is no failure of the call. */
static void forget(const struct call *call, const pd_instance *instance)
{
    pd_error unwanted;
    const struct letter letter = {
        .kind = MESSAGE_PURGE,
        .instance_id = text_of(pd_instance_id_of(instance)),
        .execution_id = text_of(pd_instance_execution_id(instance)),
    };
    (void)api_tell_one(call, &letter, &unwanted);
}

static pd_instance *wait_for_answer(struct call *call, struct text id, struct text entity,
                                    pd_duration timeout, pd_error *err)
{
    pd_instance *instance = api_wait(call, id, timeout, err);
    if (instance != NULL) {
        forget(call, instance);
    } else if (err->status == PD_E_TIMEOUT) {
        (void)error_set(err, PD_E_TIMEOUT, false, where,
                        "no answer in the time allowed; the call goes on as instance '%.*s', of "
                        "entity '%.*s'", /* which may be longer than the text has room for */
                        TEXT_ARGS(id), TEXT_ARGS(entity));
    }
    return instance;
}

static pd_instance *call_checked(struct call *call, struct text entity, struct text input,
                                 pd_duration timeout, pd_error *err)
{
    struct chosen_id chosen;
    pd_status fate;
    if (api_choose_id(NULL, &chosen, err) != PD_OK) {
        return NULL;
    }
    const struct start_command command = {
        .id = chosen.text,
        .is_fresh = true,
        .name = TEXT(BUILTIN_CALL),
        .input = input,
    };
    if (api_start(call, &command, 1, &fate, err) != PD_OK) {
        return NULL;
    }
    return wait_for_answer(call, chosen.text, entity, timeout, err);
}

pd_instance *pd_hub_call_entity_(pd_hub *hub, pd_entity_id entity, const char *op, pd_value input,
                                 pd_duration timeout, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct arena arena;
    struct buffer payload;
    struct text id;
    pd_instance *instance = NULL;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    buffer_init(&payload);
    if (call_begin(&call, hub, where, err) == PD_OK &&
        api_check_entity(entity, &arena, where, &id, err) == PD_OK &&
        api_check_name(text_of(op), where, "name of the operation", err) == PD_OK &&
        write_input(hub, &payload, text_copy(&arena, id).at, op, input, err) == PD_OK) {
        instance = call_checked(&call, id, buffer_text(&payload), timeout, err);
    }
    buffer_done(&payload);
    arena_done(&arena);
    call_end(&call);
    return instance;
}
