/* SPDX-License-Identifier: MIT
 *
 * Reading messages, work items and results from any bytes: the checks that the fuzzer
 * (fuzz_history.c has its entry, and says how to run it) and test_work_damage.c share.
 *
 * What must hold for every input: nothing outside of it is touched (the sanitizers see to that);
 * either an error, or a message that, written, reads the same; results that core may judge, and
 * items that a worker may run.
 */
#include "fuzz_work.h"

#include <stdlib.h>

#include "core/core.h"
#include "core/lock_set.h"
#include "random_message.h"
#include "wire/work.h"

const struct message_type *const fuzz_work_types[] = {
#define X(name, table) &hub_##name##_type,
    MESSAGE_MAP(X)
#undef X
};
const size_t fuzz_work_type_count = sizeof fuzz_work_types / sizeof *fuzz_work_types;

/* Not assert: a finding must stop the fuzzer in every build. */
static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static const struct work_context context = {
    TEXT_INIT("i"), TEXT_INIT("x"), { NULL, 0 }, WORK_PLAIN
};

static void check_kept(const struct action *action)
{
    for (size_t i = 0; i < action->kept_count; i++) {
        must(action->kept[i].kind == EVENT_EVENT_RAISED);
        must(!text_is_present(action->kept[i].raw));
        must(i == 0 || action->kept[i - 1].at <= action->kept[i].at);
    }
}

static void check_turn(const struct turn_result *result)
{
    for (size_t i = 0; i < result->action_count; i++) {
        const struct action *action = &result->actions[i];
        bool is_end = action->kind == ACTION_COMPLETE || action->kind == ACTION_CONTINUE_AS_NEW;
        must(!is_end || i + 1 == result->action_count);
        must(action->kind != ACTION_START);
        must(action->kind != ACTION_COMPLETE || run_state_is_final(action->outcome));
        must(action->kind != ACTION_COMPLETE ||
             (action->outcome == RUN_FAILED) == (action->failure != NULL));
        must(action->kind != ACTION_START_CHILD || action->instance_id.size != 0);
        must(action->kind != ACTION_LOCK || action->extra != NULL);
        check_kept(action);
    }
}

static void check_entity(const struct entity_result *result)
{
    for (size_t i = 0; i < result->action_count; i++) {
        const struct action *action = &result->actions[i];
        pd_error err;
        must(action->kind == ACTION_SIGNAL_ENTITY || action->kind == ACTION_CANCEL_SIGNAL ||
             action->kind == ACTION_START);
        must(action->kind == ACTION_START || entity_id_check(action->instance_id, &err) == PD_OK);
    }
}

/* What a message of these types is read into. */
static void as_result(const struct message_type *type, const void *message, struct arena *arena)
{
    pd_error err;
    pd_status status = PD_OK;
    struct turn_result turn;
    struct entity_result entity;
    struct activity_result activity;
    if (type == &hub_orchestrator_response_type) {
        const struct hub_orchestrator_response *parts[] = { message, message };
        status = work_read_turn_result(parts, 2, &context, arena, &turn, &err);
        if (status == PD_OK) {
            check_turn(&turn);
        }
    } else if (type == &hub_entity_batch_result_type) {
        status = work_read_entity_result(message, WORK_PLAIN, arena, &entity, &err);
        if (status == PD_OK) {
            check_entity(&entity);
        }
    } else if (type == &hub_activity_response_type) {
        status = work_read_activity_result(message, arena, &activity, &err);
    }
    must(status == PD_OK || status == PD_E_INVALID);
}

static bool as_message(const struct message_type *type, struct text bytes, struct arena *arena)
{
    void *message = arena_alloc(arena, type->size);
    pd_error err;
    pd_status status = message_read(type, bytes, arena, message, &err);
    must(status == PD_OK || status == PD_E_INVALID);
    if (status != PD_OK) {
        return false;
    }
    struct buffer buffer;
    buffer_init(&buffer);
    message_write(type, &buffer, message);
    void *again = arena_alloc(arena, type->size);
    must(message_read(type, buffer_text(&buffer), arena, again, &err) == PD_OK);
    must(message_is_same(type, message, again));
    as_result(type, message, arena);
    buffer_done(&buffer);
    return true;
}

/* Handed on, it is the same item. */
static void as_item(struct text bytes, struct arena *arena)
{
    struct work_item item, again;
    pd_error err;
    pd_status status = work_read_item(bytes, arena, &item, &err);
    must(status == PD_OK || status == PD_E_INVALID);
    if (status != PD_OK) {
        return;
    }
    struct buffer buffer;
    buffer_init(&buffer);
    if (item.turn != NULL) {
        work_write_turn(&buffer, WORK_OURS, item.turn,
                        item.is_past_known ? PAST_KNOWN : PAST_INLINE, item.chunks,
                        item.chunk_count, TEXT_ABSENT);
    } else if (item.entity_turn != NULL) {
        (void)work_write_entity_turn(&buffer, WORK_OURS, item.entity_turn);
    } else {
        work_write_activity(&buffer, WORK_OURS, item.activity);
    }
    must(work_read_item(buffer_text(&buffer), arena, &again, &err) == PD_OK);
    must((item.turn != NULL) == (again.turn != NULL));
    must((item.activity != NULL) == (again.activity != NULL));
    buffer_done(&buffer);
}

static void as_past(struct text bytes)
{
    struct buffer buffer;
    buffer_init(&buffer);
    size_t plain = work_splice_events(&buffer, 3, WORK_PLAIN, bytes);
    size_t all = work_splice_events(&buffer, 3, WORK_OURS, bytes);
    must(plain <= all);
    (void)work_find_trace(&bytes, 1);
    buffer_done(&buffer);
}

bool fuzz_work_once(const uint8_t *bytes, size_t size)
{
    if (size == 0) {
        return false;
    }
    struct arena arena;
    arena_init(&arena);
    struct text rest = text_make((const char *)bytes + 1, size - 1);
    bool is_message = as_message(fuzz_work_types[bytes[0] % fuzz_work_type_count], rest, &arena);
    as_item(rest, &arena);
    as_past(rest);
    arena_done(&arena);
    return is_message;
}
