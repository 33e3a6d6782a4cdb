/* SPDX-License-Identifier: MIT
 *
 * Inside an operation: what the function of an entity may ask, and do.
 *
 * What it sends are actions of the turn, whose text lives in the turn's arena; a failure takes them
 * back (E4). Ids of what it sends need not be reproducible, as nothing here is ever run again for
 * its history: they are random, from the time of the first batch and the partition. */
#include <stdio.h>

#include "author/entity.h"
#include "core/core.h"

_Noreturn static void misused(const pd_entity *e)
{
    run_misused(e == NULL ? "the context is NULL"
                          : "the context of an entity was used outside of its own operation");
}

static inline void check(const pd_entity *e)
{
    if (__builtin_expect(e == NULL || e != entity_current, 0)) {
        misused(e);
    }
}

/* ---- what it is about ------------------------------------------------------------------------ */

pd_mem *pd_mem_of_entity(pd_entity *e)
{
    check(e);
    return &e->mem;
}

const char *pd_op(pd_entity *e)
{
    check(e);
    if (e->op == NULL) {
        e->op = text_copy(&e->arena, e->event->name).at;
    }
    return e->op;
}

bool pd_op_is(pd_entity *e, const char *op)
{
    check(e);
    if (op == NULL) {
        mem_raise(&e->mem, "Misuse", "pd_op_is: the name of the operation is NULL");
    }
    return text_is_like(e->event->name, text_of(op));
}

/* Both are there for the whole batch. */
static void take_names(pd_entity *e)
{
    struct text id = e->turn->instance_id;
    if (e->name == NULL) {
        char *copy = arena_copy(e->turn_arena, id.at, id.size);
        char *end = strchr(copy + 1, '@');
        *end = '\0';
        e->name = copy + 1;
        e->key = end + 1;
    }
}

const char *pd_entity_name(pd_entity *e)
{
    check(e);
    take_names(e);
    return e->name;
}

const char *pd_entity_key(pd_entity *e)
{
    check(e);
    take_names(e);
    return e->key;
}

pd_time pd_entity_now(pd_entity *e)
{
    check(e);
    return time_to_public(e->now);
}

void pd_entity_log(pd_entity *e, const char *format, ...)
{
    va_list args;
    check(e);
    va_start(args, format);
    log_line(e->turn->instance_id, pd_op(e), format, args);
    va_end(args);
}

/* ---- its state ------------------------------------------------------------------------------- */

bool pd_has_state(pd_entity *e)
{
    check(e);
    return e->state.is_present;
}

pd_value pd_state(pd_entity *e)
{
    pd_error err;
    check(e);
    if (!e->state.is_present) {
        return PD_NULL;
    }
    if (!e->state.is_parsed) {
        pd_value value;
        if (json_parse(&e->states[0], e->turn->state, &value, &err) != PD_OK) {
            mem_raise(&e->mem, "BadPayload", "the state of %.*s: %s",
                      TEXT_ARGS(e->turn->instance_id), err.text);
        }
        e->state.value = value;
        e->state.is_parsed = true;
        e->before = e->state; /* nothing has changed it yet */
    }
    return e->state.value;
}

/* Can JSON hold it, in a payload? Of these kinds there is nothing that it could not. */
static bool is_plain(pd_value v)
{
    return v.kind_ == PD_IS_BOOL || v.kind_ == PD_IS_INT;
}

void pd_set_state_(pd_entity *e, pd_value v)
{
    pd_error err;
    struct text written;
    check(e);
    if (v.kind_ == PD_IS_NULL) {
        pd_delete_state(e);
        return;
    }
    uint8_t to = !e->before.arena; /* E2 */
    if (e->state.arena == e->before.arena) {
        arena_reset(&e->states[to]);
    }
    pd_value kept = v;
    e->is_written = false;
    if (!is_plain(v)) {
        struct buffer *scratch = e->mem.scratch;
        e->mem.scratch = &e->json;
        bool is_json =
            mem_write(&e->mem, v, &written, &err) && value_keep(&e->states[to], v, &kept, &err);
        e->mem.scratch = scratch;
        if (!is_json) {
            mem_raise(&e->mem, "BadPayload", "pd_set_state: %s", err.text);
        }
        e->is_written = true;
    }
    e->state = (struct entity_state){
        .is_present = true, .is_parsed = true, .is_changed = true, .arena = to, .value = kept
    };
}

void pd_delete_state(pd_entity *e)
{
    check(e);
    e->state.is_present = false;
    e->state.is_changed = true;
}

/* ---- what it sends --------------------------------------------------------------------------- */

static struct random *random_of(pd_entity *e)
{
    struct shard *shard = e->shard;
    if (!shard->is_seeded) {
        random_seed(&shard->random, (uint64_t)e->now << 6 ^ e->turn->partition);
        shard->is_seeded = true;
    }
    return &shard->random;
}

static struct text new_request_id(pd_entity *e)
{
    char id[REQUEST_ID_SIZE];
    uint64_t high = random_next(random_of(e));
    request_id_format(high, random_next(random_of(e)), id);
    return text_copy(e->turn_arena, text_of(id));
}

/* As engine_new_id makes them: they sort by time. */
static struct text new_instance_id(pd_entity *e)
{
    char tail[33];
    random_hex32(random_of(e), tail);
    return text_of(arena_printf(e->turn_arena, "%012llx%.20s",
                                (unsigned long long)(e->now / TIME_MS) & 0xffffffffffff, tail));
}

/* What was sent is told to the function by a copy that lives as long as the operation. */
static const char *told(pd_entity *e, struct text id)
{
    return text_copy(&e->arena, id).at;
}

static time_us not_before(const pd_entity *e, pd_time at)
{
    time_us fire_at = at.ms > 0 ? time_of_public(at) : 0;
    return fire_at > e->now ? fire_at : 0;
}

const char *pd_signal_from_entity_(pd_entity *e, pd_entity_id id, const char *op,
                                   const pd_signal_call *call)
{
    static const char name[] = "pd_signal_entity";
    static const pd_signal_call plain;
    pd_error err;
    struct text payload;
    check(e);
    call = call != NULL ? call : &plain;
    struct text entity = ask_entity_id(&e->mem, e->turn_arena, name, id);
    struct text checked = ask_checked_name(&e->mem, name, "name of the operation", op);
    if (!mem_payload(&e->mem, e->turn_arena, call->input, &payload, &err)) {
        mem_raise(&e->mem, "BadPayload", "%s: the input of operation '%s' of %s: %s", name, op,
                  entity.at, err.text);
    }
    struct action *action = shard_add_action(e->shard);
    action->kind = ACTION_SIGNAL_ENTITY;
    action->instance_id = entity;
    action->request_id = new_request_id(e);
    action->name = text_copy(e->turn_arena, checked);
    action->payload = payload;
    action->fire_at = not_before(e, call->at);
    return told(e, action->request_id);
}

void pd_cancel_signal_from_entity_(pd_entity *e, pd_entity_id id, const char *signal)
{
    static const char name[] = "pd_cancel_signal";
    check(e);
    struct text entity = ask_entity_id(&e->mem, e->turn_arena, name, id);
    struct text checked = ask_checked_name(&e->mem, name, "ID of the signal", signal);
    struct action *action = shard_add_action(e->shard);
    action->kind = ACTION_CANCEL_SIGNAL;
    action->instance_id = entity;
    action->request_id = text_copy(e->turn_arena, checked);
}

static struct text started_id(pd_entity *e, const char *call, const char *id)
{
    pd_error err;
    if (id == NULL) {
        return new_instance_id(e);
    }
    if (instance_id_check(text_of(id), &err) != PD_OK) {
        mem_raise(&e->mem, "Misuse", "%s: %s", call, err.text);
    }
    return text_copy(e->turn_arena, text_of(id));
}

const char *pd_start_from_entity_(pd_entity *e, pd_ref orchestrator, const pd_start_call *call)
{
    static const char name[] = "pd_start_from_entity";
    static const pd_start_call plain;
    pd_error err;
    bool is_known;
    struct text payload, tags, version = TEXT_ABSENT;
    check(e);
    call = call != NULL ? call : &plain;
    const char *function = ask_function_name(&e->mem, e->shard->author, name, orchestrator,
                                             PD_ORCHESTRATOR, &is_known);
    struct text id = started_id(e, name, call->id);
    if (call->version != NULL && call->version[0] != '\0') {
        version =
            text_copy(e->turn_arena, ask_checked_name(&e->mem, name, "version", call->version));
    }
    if (json_pack_tags(e->turn_arena, call->tags, &tags, &err) != PD_OK) {
        mem_raise(&e->mem, "Misuse", "%s: %s", name, err.text);
    }
    if (!mem_payload(&e->mem, e->turn_arena, call->input, &payload, &err)) {
        mem_raise(&e->mem, "BadPayload", "%s: the input of '%s': %s", name, function, err.text);
    }
    struct action *action = shard_add_action(e->shard);
    action->kind = ACTION_START;
    action->name = is_known ? text_of(function) : text_copy(e->turn_arena, text_of(function));
    action->version = version;
    action->payload = payload;
    action->instance_id = id;
    action->fire_at = not_before(e, call->at);
    if (text_is_present(tags)) {
        struct event_extra *extra = arena_alloc(e->turn_arena, sizeof *extra);
        extra->tags = tags;
        action->extra = extra;
    }
    return told(e, id);
}
