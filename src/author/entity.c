/* SPDX-License-Identifier: MIT
 *
 * Entities: batches of operations, one operation after the other.
 *
 * Nothing is kept of an entity between two batches: core has its state. Nothing is replayed
 * either: an operation is run once for each batch that takes effect, so it may do what
 * orchestrators must not, as long as it does nothing to the world outside.
 *
 *   E1  Operations run on a coroutine, so that a call can leave one, and that an overrun of the
 *       stack is noticed. A batch takes one; each operation that was left costs another.
 *   E2  What an operation changes of the state is a copy in the one of two arenas that the state
 *       before it is not in. So undoing is forgetting, what pd_state has shown holds until the
 *       operation's end, and a long batch takes the memory of two states.
 *   E3  The state is parsed when an operation first looks at it, and written for the store once, at
 *       the end. But what JSON might not hold, or is too large for a payload, is found by writing
 *       it: so an array, object, text or real is written when it is set.
 *   E4  A failed operation leaves its failure, and nothing else: not the state, not its actions.
 *   E5  A batch stops behind the operation with which it sends, answers and says of its failures
 *       LIMIT_TURN_INTAKE_BYTES or more. The others are offered again.
 *   E6  What one operation may send, it may send: if it is too much together with what those before
 *       it have sent, it is undone, and offered again as the first of the next batch. */
#include "author/entity.h"

_Thread_local pd_entity *entity_current __attribute__((tls_model("initial-exec")));

enum { JSON_KEPT_MAX = 1024 * 1024 };

/* ---- making ---------------------------------------------------------------------------------- */

static pd_entity *entity_of(struct shard *shard)
{
    if (shard->entity == NULL) {
        pd_entity *e = OBJECT_NEW(pd_entity, ENTITY_MAGIC);
        e->shard = shard;
        arena_init(&e->arena);
        arena_init(&e->states[0]);
        arena_init(&e->states[1]);
        buffer_init(&e->json);
        e->mem.arena = &e->arena;
        e->mem.scratch = &shard->scratch;
        e->mem.entity = e;
        e->mem.user = shard->author->user;
        e->mem.payload_max = shard->author->payload_max;
        shard->entity = e;
    }
    return shard->entity;
}

void entity_free(pd_entity *entity)
{
    if (entity == NULL) {
        return;
    }
    arena_done(&entity->arena);
    arena_done(&entity->states[0]);
    arena_done(&entity->states[1]);
    buffer_done(&entity->json);
    OBJECT_FREE(entity, ENTITY_MAGIC);
}

/* ---- one operation --------------------------------------------------------------------------- */

static const struct outcome *failed(pd_entity *e, const pd_failure *failure)
{
    struct outcome *outcome = mem_outcome_new(&e->mem, OUTCOME_FAILED);
    outcome->failure = failure;
    return outcome;
}

_Noreturn void entity_leave(pd_entity *e, const pd_failure *failure)
{
    e->outcome = failed(e, failure);
    co_leave(e->co);
}

/* The function for the operation; NULL: there is none. */
static pd_entity_fn *find_code(const pd_entity *e)
{
    union {
        pd_any_fn *any;
        pd_entity_fn *entity;
    } code = { e->function->run };
    const pd_entity_rules *rules = e->function->rules;
    if (code.any != NULL) {
        return code.entity;
    }
    for (size_t i = 0; i < rules->operation_count; i++) {
        if (text_is_like(e->event->name, text_of(rules->operations[i].name))) {
            return rules->operations[i].run;
        }
    }
    return NULL;
}

static const struct outcome *answer(pd_entity *e)
{
    pd_error err;
    pd_value input = PD_NULL;
    pd_entity_fn *code = find_code(e);
    if (code == NULL && text_is_like(e->event->name, TEXT("delete"))) {
        pd_delete_state(e);
        return pd_ok_(&e->mem, PD_NULL).detail_;
    }
    if (code == NULL) {
        return failed(e, failure_new(&e->arena, "OperationNotFound", true, NULL,
                                     "entity '%s' has no operation '%.*s'", e->function->name,
                                     TEXT_ARGS(e->event->name)));
    }
    if (text_is_present(e->event->payload) &&
        json_parse(&e->arena, e->event->payload, &input, &err) != PD_OK) {
        return failed(e, failure_new(&e->arena, "BadPayload", true, NULL,
                                     "the input of operation '%.*s' of %.*s: %s",
                                     TEXT_ARGS(e->event->name), TEXT_ARGS(e->turn->instance_id),
                                     err.text));
    }
    return mem_outcome(&e->mem, code(e, input));
}

/* Bytes of what the operation has sent and answers. */
static size_t bytes_of(const pd_entity *e)
{
    const struct shard *shard = e->shard;
    size_t bytes = e->event->kind == EVENT_ENTITY_CALLED ? e->outcome->payload.size : 0;
    for (size_t i = e->actions_before; i < shard->action_count; i++) {
        bytes += shard->actions[i].payload.size;
    }
    return bytes;
}

static size_t bytes_of_failure(const struct failure *failure)
{
    size_t bytes = 0;
    for (; failure != NULL; failure = failure->next) {
        bytes += failure->type.size + failure->message.size + bytes_of_failure(failure->cause);
    }
    return bytes;
}

static bool begin(pd_entity *e)
{
    const struct turn *turn = e->turn;
    if (e->next == turn->event_count || e->bytes >= LIMIT_TURN_INTAKE_BYTES) {
        return false;
    }
    e->event = &turn->events[e->next++];
    assert_that(e->event->kind == EVENT_ENTITY_SIGNALED || e->event->kind == EVENT_ENTITY_CALLED);
    e->outcome = NULL;
    e->before = e->state;
    e->actions_before = e->shard->action_count;
    entity_current = e;
    return true;
}

static void undo(pd_entity *e) /* E4 */
{
    e->shard->action_count = e->actions_before;
    e->is_written &= e->state.arena == e->before.arena;
    e->state = e->before;
}

/* E6 */
static bool is_for_the_next_batch(const pd_entity *e, size_t bytes)
{
    return e->outcome->kind == OUTCOME_OK && e->result_count > 0 &&
           e->bytes + bytes > LIMIT_TURN_ACTION_BYTES - e->mem.payload_max; /* and the state */
}

static void note_result(pd_entity *e, size_t bytes)
{
    struct operation_result *result = &e->results[e->result_count++];
    if (e->outcome->kind == OUTCOME_OK && bytes > LIMIT_TURN_ACTION_BYTES) {
        e->outcome =
            failed(e, failure_new(&e->arena, "Misuse", true, NULL,
                                  "operation '%.*s' of %.*s sends more than 512 MiB",
                                  TEXT_ARGS(e->event->name), TEXT_ARGS(e->turn->instance_id)));
    }
    if (e->outcome->kind == OUTCOME_OK) {
        e->bytes += bytes;
        if (e->event->kind == EVENT_ENTITY_CALLED) {
            result->payload = text_copy(e->turn_arena, e->outcome->payload);
        }
    } else {
        undo(e);
        result->failure = failure_to_core(e->turn_arena, e->outcome->failure);
        e->bytes += bytes_of_failure(result->failure);
    }
}

/* What was deferred is run here, and can call nothing of ours: the operation is over. */
static void end(pd_entity *e)
{
    size_t bytes = bytes_of(e);
    entity_current = NULL;
    if (is_for_the_next_batch(e, bytes)) {
        undo(e);
        e->next--;
        e->bytes = LIMIT_TURN_INTAKE_BYTES; /* this one is over */
    } else {
        note_result(e, bytes);
    }
    e->event = NULL;
    e->op = NULL;
    e->mem.outcomes = NULL;
    e->mem.recorded = e->mem.broken = NULL;
    run_release(&e->arena);
}

static void batch_main(struct co *co, void *argument)
{
    pd_entity *e = argument;
    (void)co;
    while (begin(e)) {
        e->outcome = answer(e);
        end(e);
    }
}

/* ---- the batch ------------------------------------------------------------------------------- */

/* "@name@key" */
static struct text name_of(struct text id)
{
    const char *end = id.size > 1 ? memchr(id.at + 1, '@', id.size - 1) : NULL;
    assert_that(end != NULL && id.at[0] == '@');
    return text_make(id.at + 1, (size_t)(end - id.at - 1));
}

static void refuse_all(pd_entity *e)
{
    struct text name = name_of(e->turn->instance_id);
    const struct failure *failure = failure_to_core(
        e->turn_arena,
        failure_new(e->turn_arena, "EntityNotFound", true, NULL,
                    "this worker has no entity '%.*s'; add it to the program", TEXT_ARGS(name)));
    for (; e->next < e->turn->event_count; e->next++) {
        e->results[e->result_count++].failure = failure;
    }
}

static void give_state(pd_entity *e, struct entity_result *ret)
{
    pd_error err;
    struct text before = e->turn->state;
    ret->keeps_state = !e->state.is_changed || (!e->state.is_present && before.size == 0);
    if (ret->keeps_state || !e->state.is_present) {
        return;
    }
    if (!e->is_written) {
        buffer_reset(&e->json);
        pd_status status = json_write(&e->json, e->state.value, &err);
        assert_that(status == PD_OK); /* it was set */
    }
    struct text state = buffer_text(&e->json);
    ret->keeps_state = text_equal(state, before);
    if (!ret->keeps_state) {
        ret->state = text_copy(e->turn_arena, state);
    }
}

static void batch_begin(pd_entity *e, const struct turn *turn, struct arena *arena)
{
    assert_that(turn->event_count > 0 && turn->events[0].kind == EVENT_ORCHESTRATOR_STARTED);
    e->turn = turn;
    e->turn_arena = arena;
    e->now = turn->events[0].at;
    e->next = 1;
    e->results = arena_alloc(arena, (turn->event_count - 1) * sizeof *e->results);
    e->result_count = e->bytes = 0;
    e->state = (struct entity_state){ .is_present = turn->state.size > 0 };
    e->is_written = false;
    e->name = e->key = NULL;
    e->function = author_find(e->shard->author, name_of(turn->instance_id), PD_ENTITY_FUNCTION);
}

static void batch_end(pd_entity *e)
{
    e->turn = NULL;
    e->turn_arena = NULL;
    arena_reset(&e->states[0]);
    arena_reset(&e->states[1]);
    if (e->json.room > JSON_KEPT_MAX) {
        buffer_done(&e->json);
        buffer_init(&e->json);
    }
}

void entity_batch(struct shard *shard, const struct turn *turn, struct arena *arena,
                  struct entity_result *ret)
{
    pd_entity *e = entity_of(shard);
    assert_that(run_inside() == NULL && entity_current == NULL);
    batch_begin(e, turn, arena);
    if (e->function == NULL) {
        refuse_all(e);
    }
    while (e->next < turn->event_count && e->bytes < LIMIT_TURN_INTAKE_BYTES) {
        e->co = shard_stack(shard, NULL, batch_main, e);
        bool is_paused = co_resume(e->co);
        assert_that(!is_paused); /* nothing that waits can be called */
        co_drop(e->co);
        if (e->event != NULL) { /* it was left */
            end(e);
        }
    }
    e->co = NULL;
    *ret = (struct entity_result){ .results = e->results, .result_count = e->result_count };
    give_state(e, ret);
    batch_end(e);
}
