/* SPDX-License-Identifier: MIT
 *
 * Work between our server and our workers: whatever core says of a turn, a batch or an activity
 * reaches the worker, and whatever an author asks for reaches core. Random ones of each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/tags.h"
#include "core/lock_set.h"
#include "random_message.h"
#include "samples.h"
#include "wire/work.h"

enum { ROUNDS = 3000 };

static struct arena arena;
static struct buffer buffer;
static struct random rnd;
static pd_error err;

static const char token[] = "0123456789abcdef0123456789abcdef";

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    buffer_init(&buffer);
    random_seed(&rnd, 77);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    buffer_done(&buffer);
    return 0;
}

/* ---- random parts ---------------------------------------------------------------------------- */

static bool chance(void)
{
    return random_chance(&rnd, 1, 2);
}

static struct text text(void)
{
    return random_text(&arena, &rnd);
}

static struct text maybe(void)
{
    return chance() ? text() : TEXT_ABSENT;
}

static int32_t step(void)
{
    return (int32_t)(uint32_t)(random_next(&rnd) >> (32 + random_below(&rnd, 32)));
}

/* A TraceContext. */
static struct text trace(void)
{
    return chance() ? sample_bytes(&arena, "0a0174 1a030a0161") : TEXT_ABSENT;
}

static int64_t number(void)
{
    return (int64_t)(random_next(&rnd) >> (1 + random_below(&rnd, 62)));
}

static struct text tags(void)
{
    struct tag tag = { TEXT("k"), text_of(arena_printf(&arena, "%d", step())) };
    return chance() ? tags_pack(&arena, &tag, 1) : TEXT_ABSENT;
}

static const struct event *events(size_t count)
{
    struct event *made = arena_alloc(&arena, count * sizeof *made);
    for (size_t i = 0; i < count; i++) {
        made[i] = samples[random_below(&rnd, sample_count)].event;
    }
    return made;
}

static const struct failure *failure(void)
{
    struct failure *made = arena_alloc(&arena, sizeof *made);
    made->type = text();
    made->message = text();
    made->is_final = chance();
    made->cause = chance() ? failure() : NULL;
    return made;
}

static struct text read_back(void)
{
    return text_copy(&arena, buffer_text(&buffer));
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same_string(struct text a, struct text b)
{
    return text_compare(a, b) == 0;
}

static bool same_failure(const struct failure *a, const struct failure *b)
{
    return a == NULL || b == NULL
               ? a == b
               : same_string(a->type, b->type) && same_string(a->message, b->message) &&
                     a->is_final == b->is_final && same_failure(a->cause, b->cause);
}

static bool same_events(const struct event *a, size_t a_count, const struct event *b,
                        size_t b_count)
{
    bool is_same = a_count == b_count;
    for (size_t i = 0; is_same && i < a_count; i++) {
        is_same = sample_is_same(&a[i], &b[i]);
    }
    return is_same;
}

static bool same_extra(const struct event_extra *a, const struct event_extra *b)
{
    struct event x = { .kind = EVENT_TASK_SCHEDULED, .extra = a };
    struct event y = { .kind = EVENT_TASK_SCHEDULED, .extra = b };
    return sample_is_same(&x, &y);
}

static bool same_action(const struct action *a, const struct action *b)
{
    bool keeps = a->kind == ACTION_CONTINUE_AS_NEW;
    return a->kind == b->kind && a->id == b->id && same_string(a->name, b->name) &&
           text_equal(a->version, b->version) && text_equal(a->payload, b->payload) &&
           same_string(a->instance_id, b->instance_id) &&
           same_string(a->request_id, b->request_id) && a->fire_at == b->fire_at &&
           (a->kind != ACTION_COMPLETE || a->outcome == b->outcome) &&
           same_failure(a->failure, b->failure) && same_extra(a->extra, b->extra) &&
           (!keeps || same_events(a->kept, a->kept_count, b->kept, b->kept_count));
}

/* ---- work items ------------------------------------------------------------------------------ */

static struct turn random_turn(void)
{
    struct turn turn = {
        .row = random_next(&rnd),
        .number = 1 + random_below(&rnd, 1000),
        .serial = random_next(&rnd),
        .partition = (unsigned)random_below(&rnd, 64),
        .instance_id = text(),
        .execution_id = maybe(),
        .name = text(),
        .version = maybe(),
        .event_count = 1 + (size_t)random_below(&rnd, 6),
        .is_past_durable = chance(),
    };
    turn.events = events(turn.event_count);
    return turn;
}

static void read_item(struct work_item *item)
{
    char field[WORK_TOKEN_FIELD_SIZE];
    work_put_token(field, token);
    buffer_add(&buffer, field, sizeof field);
    assert_int_equal(work_read_item(read_back(), &arena, item, &err), PD_OK);
    assert_true(text_equal(item->token, text_of(token)));
}

static void a_turn_reaches_a_worker_whole(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++, arena_reset(&arena), buffer_reset(&buffer)) {
        struct turn turn = random_turn();
        struct text chunks[3] = { text(), text(), text() };
        size_t chunk_count = (size_t)random_below(&rnd, 4);
        enum work_past past = chance() ? PAST_KNOWN : PAST_INLINE;
        work_write_turn(&buffer, WORK_OURS, &turn, past, chunks, chunk_count, TEXT_ABSENT);
        struct work_item item;
        read_item(&item);
        const struct turn *got = item.turn;
        assert_true(got != NULL && item.entity_turn == NULL && item.activity == NULL);
        assert_true(got->row == turn.row && got->number == turn.number);
        assert_true(got->serial == turn.serial && got->partition == turn.partition);
        assert_true(got->is_past_durable == turn.is_past_durable);
        assert_true(text_equal(got->instance_id, turn.instance_id));
        assert_true(text_equal(got->execution_id, turn.execution_id));
        assert_true(text_equal(got->name, turn.name));
        assert_true(text_equal(got->version, turn.version));
        assert_true(same_events(got->events, got->event_count, turn.events, turn.event_count));
        assert_int_equal(item.is_past_known, past == PAST_KNOWN);
        assert_int_equal(item.chunk_count, past == PAST_INLINE ? chunk_count : 0);
        for (size_t i = 0; i < item.chunk_count; i++) {
            assert_true(text_equal(item.chunks[i], chunks[i]));
        }
    }
}

static void a_batch_of_operations_reaches_a_worker_whole(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++, arena_reset(&arena), buffer_reset(&buffer)) {
        struct turn turn = random_turn();
        turn.state = maybe();
        (void)work_write_entity_turn(&buffer, WORK_OURS, &turn);
        struct work_item item;
        read_item(&item);
        const struct turn *got = item.entity_turn;
        assert_true(got != NULL && item.turn == NULL && item.activity == NULL);
        assert_true(turn_is_of_entity(got));
        assert_true(got->row == turn.row && got->serial == turn.serial);
        assert_true(got->partition == turn.partition);
        assert_true(text_equal(got->instance_id, turn.instance_id));
        assert_true(text_equal(got->state, turn.state));
        assert_true(same_events(got->events, got->event_count, turn.events, turn.event_count));
    }
}

static void an_activity_reaches_a_worker_whole(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++, arena_reset(&arena), buffer_reset(&buffer)) {
        struct event_extra extra = { .tags = tags(), .progress = maybe(), .trace = trace() };
        if (chance()) {
            extra.limits = (struct task_limits){ number(), number(), number() };
        }
        struct activity activity = {
            .row = random_next(&rnd),
            .id = step(),
            .first = step(),
            .instance_id = text(),
            .execution_id = maybe(),
            .name = text(),
            .version = maybe(),
            .input = maybe(),
            .extra = chance() ? &extra : NULL,
            .epoch = random_next(&rnd),
            .partition = (unsigned)random_below(&rnd, 64),
        };
        work_write_activity(&buffer, WORK_OURS, &activity);
        struct work_item item;
        read_item(&item);
        const struct activity *got = item.activity;
        assert_true(got != NULL && item.turn == NULL && item.entity_turn == NULL);
        assert_true(got->row == activity.row && got->id == activity.id);
        assert_true(got->first == activity.first && got->epoch == activity.epoch);
        assert_true(got->partition == activity.partition);
        assert_true(text_equal(got->instance_id, activity.instance_id));
        assert_true(text_equal(got->execution_id, activity.execution_id));
        assert_true(text_equal(got->name, activity.name));
        assert_true(text_equal(got->version, activity.version));
        assert_true(text_equal(got->input, activity.input));
        assert_true(same_extra(got->extra, activity.extra));
    }
}

/* ---- results --------------------------------------------------------------------------------- */

static const struct event_extra *random_extra(enum action_kind kind)
{
    struct event_extra *extra = arena_alloc(&arena, sizeof *extra);
    extra->tags = kind == ACTION_CREATE_TIMER ? TEXT_ABSENT : tags();
    extra->trace = kind == ACTION_CREATE_TIMER ? TEXT_ABSENT : trace();
    if (kind != ACTION_START) {
        extra->retry_of = step() & INT32_MAX;
    }
    if (kind == ACTION_SCHEDULE_TASK && chance()) {
        extra->limits = (struct task_limits){ number(), number(), number() };
        extra->first = step() & INT32_MAX;
        extra->progress = maybe();
    }
    return chance() ? extra : NULL;
}

static const struct event *random_kept(size_t *ret_count)
{
    struct event *kept = arena_alloc(&arena, 4 * sizeof *kept);
    for (*ret_count = (size_t)random_below(&rnd, 5); *ret_count > 4;) {
        --*ret_count;
    }
    for (size_t i = 0; i < *ret_count; i++) {
        kept[i] = (struct event){
            .kind = EVENT_EVENT_RAISED,
            .id = EVENT_NO_ID,
            .ref = EVENT_NO_ID,
            .at = 1000 + (time_us)(i / 2),
            .name = text(),
            .payload = maybe(),
        };
    }
    return kept;
}

static const struct event_extra *random_locks(void)
{
    struct event_extra *extra = arena_alloc(&arena, sizeof *extra);
    struct text ids[3] = { TEXT("@b@1"), TEXT("@a@2"), TEXT("@a@1") };
    extra->lock_set = lock_set_make(&arena, ids, 1 + (size_t)random_below(&rnd, 3));
    return extra;
}

/* One of a kind that an orchestration of ours may ask for. */
static struct action random_action(enum action_kind kind)
{
    struct action action = { .kind = kind, .id = step() };
    switch (kind) {
    case ACTION_START_CHILD:
        action.instance_id = text_of(arena_printf(&arena, "child-%d", action.id));
        __attribute__((fallthrough));
    case ACTION_SCHEDULE_TASK:
        action.name = text();
        action.version = maybe();
        action.payload = maybe();
        action.extra = random_extra(kind);
        break;
    case ACTION_CREATE_TIMER:
        action.fire_at = number() >> 8;
        action.extra = random_extra(kind);
        break;
    case ACTION_SEND_EVENT:
        action.instance_id = text();
        action.name = text();
        action.payload = maybe();
        break;
    case ACTION_SIGNAL_ENTITY:
        action.fire_at = chance() ? number() >> 8 : 0;
        __attribute__((fallthrough));
    case ACTION_CALL_ENTITY:
        action.name = text();
        action.payload = maybe();
        __attribute__((fallthrough));
    case ACTION_UNLOCK:
    case ACTION_CANCEL_SIGNAL: action.instance_id = TEXT("@e@k"); __attribute__((fallthrough));
    case ACTION_LOCK:
        action.request_id = TEXT("5f8f5d29-0a3f-4a5c-9b1a-000000000001");
        action.extra = kind == ACTION_LOCK ? random_locks() : NULL;
        break;
    case ACTION_CANCEL: break;
    case ACTION_MARK_CHANGE: action.name = text(); break;
    case ACTION_TERMINATE: {
        static const struct event_extra recursive = { .recurses = true };
        action.instance_id = text();
        action.payload = maybe();
        action.extra = chance() ? &recursive : NULL;
        break;
    }
    case ACTION_COMPLETE:
        action.outcome = chance() ? RUN_COMPLETED : RUN_FAILED;
        action.payload = action.outcome == RUN_COMPLETED ? maybe() : TEXT_ABSENT;
        action.failure = action.outcome == RUN_FAILED ? failure() : NULL;
        break;
    case ACTION_CONTINUE_AS_NEW:
        action.payload = maybe();
        action.version = maybe();
        action.kept = random_kept(&action.kept_count);
        break;
    case ACTION_START:
    case ACTION_NOTE_TRACE: fail_msg("not of ours"); break;
    }
    return action;
}

static struct turn_result random_result(void)
{
    static const enum action_kind kinds[] = {
        ACTION_SCHEDULE_TASK, ACTION_CREATE_TIMER,  ACTION_START_CHILD,   ACTION_SEND_EVENT,
        ACTION_CALL_ENTITY,   ACTION_SIGNAL_ENTITY, ACTION_CANCEL_SIGNAL, ACTION_LOCK,
        ACTION_UNLOCK,        ACTION_CANCEL,        ACTION_MARK_CHANGE,   ACTION_TERMINATE,
    };
    struct action *actions = arena_alloc(&arena, 8 * sizeof *actions);
    size_t count = (size_t)random_below(&rnd, 7);
    for (size_t i = 0; i < count; i++) {
        actions[i] = random_action(kinds[random_below(&rnd, sizeof kinds / sizeof *kinds)]);
    }
    if (chance()) {
        actions[count++] = random_action(chance() ? ACTION_COMPLETE : ACTION_CONTINUE_AS_NEW);
    }
    return (struct turn_result){ actions, count, maybe() };
}

static void what_an_orchestration_asks_for_reaches_core_whole(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++, arena_reset(&arena), buffer_reset(&buffer)) {
        struct turn turn = random_turn();
        struct turn_result result = random_result();
        work_write_turn_result(&buffer, text_of(token), &turn, &result);
        struct hub_orchestrator_response response;
        assert_int_equal(
            message_read(&hub_orchestrator_response_type, read_back(), &arena, &response, &err),
            PD_OK);
        assert_true(text_equal(response.completion_token, text_of(token)));
        assert_true(text_equal(response.instance_id, turn.instance_id));
        assert_false(response.requires_history);
        const struct hub_orchestrator_response *parts[] = { &response };
        struct work_context context = { turn.instance_id, turn.execution_id, TEXT_ABSENT,
                                        WORK_OURS };
        struct turn_result got;
        assert_int_equal(work_read_turn_result(parts, 1, &context, &arena, &got, &err), PD_OK);
        assert_true(text_equal(got.custom_status, result.custom_status));
        assert_int_equal(got.action_count, result.action_count);
        for (size_t i = 0; i < got.action_count; i++) {
            if (!same_action(&got.actions[i], &result.actions[i])) {
                fail_msg("round %d: action %zu of kind %d differs", round, i,
                         result.actions[i].kind);
            }
        }
    }
}

static void a_worker_asks_for_history(void **state)
{
    (void)state;
    struct turn turn = random_turn();
    work_write_needs_history(&buffer, text_of(token), &turn);
    struct hub_orchestrator_response response;
    assert_int_equal(
        message_read(&hub_orchestrator_response_type, read_back(), &arena, &response, &err), PD_OK);
    assert_true(response.requires_history);
    assert_true(text_equal(response.completion_token, text_of(token)));
}

static struct action random_request(void)
{
    struct action action = { .kind = chance()   ? ACTION_SIGNAL_ENTITY
                                     : chance() ? ACTION_CANCEL_SIGNAL
                                                : ACTION_START };
    action.id = EVENT_NO_ID;
    if (action.kind == ACTION_START) {
        action.instance_id = chance() ? TEXT("new") : TEXT_ABSENT;
        action.version = maybe();
        action.extra = random_extra(ACTION_START);
    } else {
        action.instance_id = TEXT("@e@k");
        action.request_id = action.kind == ACTION_CANCEL_SIGNAL ? TEXT("request") : maybe();
    }
    if (action.kind != ACTION_CANCEL_SIGNAL) {
        action.name = text();
        action.payload = maybe();
        action.fire_at = chance() ? number() >> 8 : 0;
    }
    return action;
}

static void what_an_entity_answers_reaches_core_whole(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++, arena_reset(&arena), buffer_reset(&buffer)) {
        struct operation_result results[4] = { { TEXT_ABSENT, NULL } };
        struct action actions[4] = { { .id = 0 } };
        struct entity_result result = { results,     1 + (size_t)random_below(&rnd, 4),
                                        actions,     (size_t)random_below(&rnd, 5),
                                        TEXT_ABSENT, chance() };
        for (size_t i = 0; i < result.result_count; i++) {
            results[i].failure = chance() ? failure() : NULL;
            results[i].payload = results[i].failure == NULL ? maybe() : TEXT_ABSENT;
        }
        for (size_t i = 0; i < result.action_count; i++) {
            actions[i] = random_request();
        }
        if (!result.keeps_state && chance()) {
            result.state = TEXT("{\"n\":1}");
        }
        struct turn turn = { .row = 0 };
        work_write_entity_result(&buffer, text_of(token), &turn, &result);
        struct hub_entity_batch_result batch;
        assert_int_equal(
            message_read(&hub_entity_batch_result_type, read_back(), &arena, &batch, &err), PD_OK);
        assert_true(text_equal(batch.completion_token, text_of(token)));
        struct entity_result got;
        assert_int_equal(work_read_entity_result(&batch, WORK_OURS, &arena, &got, &err), PD_OK);
        assert_int_equal(got.keeps_state, result.keeps_state);
        assert_true(text_equal(got.state, result.state));
        assert_int_equal(got.result_count, result.result_count);
        for (size_t i = 0; i < got.result_count; i++) {
            assert_true(text_equal(got.results[i].payload, results[i].payload));
            assert_true(same_failure(got.results[i].failure, results[i].failure));
        }
        assert_int_equal(got.action_count, result.action_count);
        for (size_t i = 0; i < got.action_count; i++) {
            assert_true(same_action(&got.actions[i], &actions[i]));
            assert_true(text_equal(got.actions[i].instance_id, actions[i].instance_id));
            assert_true(text_equal(got.actions[i].request_id, actions[i].request_id));
        }
    }
}

static void what_an_activity_answers_reaches_core_whole(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++, arena_reset(&arena), buffer_reset(&buffer)) {
        struct activity activity = { .instance_id = text(), .id = step() };
        struct activity_result result = { .failure = chance() ? failure() : NULL,
                                          .is_recorded = chance() };
        result.payload = result.failure == NULL ? maybe() : TEXT_ABSENT;
        work_write_activity_result(&buffer, text_of(token), &activity, &result);
        struct hub_activity_response response;
        assert_int_equal(
            message_read(&hub_activity_response_type, read_back(), &arena, &response, &err), PD_OK);
        assert_true(text_equal(response.completion_token, text_of(token)));
        assert_true(text_equal(response.instance_id, activity.instance_id));
        assert_int_equal(response.task_id, activity.id);
        struct activity_result got;
        assert_int_equal(work_read_activity_result(&response, &arena, &got, &err), PD_OK);
        assert_true(text_equal(got.payload, result.payload));
        assert_true(same_failure(got.failure, result.failure));
        assert_int_equal(got.is_recorded, result.is_recorded);
    }
}

static void an_item_without_work_or_of_half_an_event_is_refused(void **state)
{
    (void)state;
    static const char *const hexes[] = {
        "",                        /* nothing */
        "2200",                    /* a health ping */
        "0a00",                    /* a turn without a number */
        "0a03 b00601",             /* ... without events */
        "0a08 2203 1a0541 b00601", /* an event that is cut off */
        "2a00",                    /* a batch without operations */
        "2a05 2203 ba0105",        /* an operation that is cut off */
    };
    struct work_item item;
    for (size_t i = 0; i < sizeof hexes / sizeof *hexes; i++) {
        assert_int_equal(work_read_item(sample_bytes(&arena, hexes[i]), &arena, &item, &err),
                         PD_E_INVALID);
    }
    assert_int_equal(
        work_read_item(sample_bytes(&arena, "0a07 2202 1200 b00601"), &arena, &item, &err), PD_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_turn_reaches_a_worker_whole),
        TEST(a_batch_of_operations_reaches_a_worker_whole),
        TEST(an_activity_reaches_a_worker_whole),
        TEST(what_an_orchestration_asks_for_reaches_core_whole),
        TEST(a_worker_asks_for_history),
        TEST(what_an_entity_answers_reaches_core_whole),
        TEST(what_an_activity_answers_reaches_core_whole),
        TEST(an_item_without_work_or_of_half_an_event_is_refused),
    };
    return cmocka_run_group_tests_name("wire/work_ours", tests, NULL, NULL);
}
