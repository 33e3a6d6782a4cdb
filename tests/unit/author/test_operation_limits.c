/* SPDX-License-Identifier: MIT
 *
 * Operations of entities at their limits: of a payload, of what one sends, of what a batch sends;
 * and the memory that they take. */
#include "author/entity.h"
#include "batch.h"

#include <string.h>

static pd_result sets(pd_entity *e, pd_value input)
{
    pd_set_state(e, input);
    return pd_ok(e, PD_NULL);
}

static size_t largest;

static pd_result grows(pd_entity *e, pd_value input)
{
    size_t held = arena_size(&e->arena) + arena_size(&e->states[0]) + arena_size(&e->states[1]);
    largest = held > largest ? held : largest;
    if (pd_kind_of(pd_state(e)) != PD_IS_TEXT || pd_bool(input)) {
        char *text = pd_alloc(e, 100001);
        memset(text, 'x', 100000);
        pd_set_state(e, text);
    } else {
        pd_set_state(e, pd_state(e)); /* a copy of what it is */
    }
    return strlen(pd_text(pd_state(e))) == 100000 ? pd_ok(e, 0) : pd_fail(e, "Wrong", "size");
}

static void a_thousand_operations_on_a_large_state_take_the_memory_of_two(void **state)
{
    struct stand s;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Grows", grows) };
    stand_begin(&s, PD_PROGRAM(rows), "@grows@");
    for (int i = 0; i < 1000; i++) {
        stand_signal(&s, "x", i % 3 == 0 ? "true" : "false");
    }
    assert_null(strstr(stand_run(&s), "failed"));
    assert_int_equal(s.state.size, 100002);
    assert_in_range(largest, 200000, 400000);
    stand_end(&s);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static char *long_text(size_t size)
{
    char *text = mem_alloc(size + 3);
    memset(text, 'x', size + 2);
    text[0] = text[size + 1] = '"';
    text[size + 2] = '\0';
    return text;
}

static void a_state_and_an_answer_at_the_limit_of_a_payload_and_one_past_it(void **state)
{
    struct stand s;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Sets", sets) };
    play_options.payload_max = 1000;
    char *fits = long_text(998), *over = long_text(999);
    stand_begin(&s, PD_PROGRAM(rows), "@sets@x");
    stand_call(&s, "set", fits);
    stand_call(&s, "set", over);
    const char *told = stand_run(&s);
    assert_non_null(strstr(told, "call set -> null\ncall set failed BadPayload: pd_set_state: 1001 "
                                 "bytes of JSON are over the limit of 1000\nstate \"xxx"));
    assert_int_equal(s.state.size, 1000);
    stand_end(&s);
    mem_free(fits);
    mem_free(over);
    play_options.payload_max = 0;
}

static pd_result floods(pd_entity *e, pd_value input)
{
    char *text = (char *)(uintptr_t)pd_user(e);
    for (int64_t i = 0; i < pd_int(input); i++) {
        pd_signal_entity(e, PD_ENTITY("f", ""), "x", text);
    }
    return pd_ok(e, PD_NULL);
}

/* A batch that has sent 64 MiB leaves the rest for the next. */
static void a_batch_stops_behind_the_operation_that_sends_very_much(void **state)
{
    enum { MIB = 1024 * 1024 };
    struct stand s;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("F", floods) };
    char *text = mem_alloc(16 * MIB - 1);
    memset(text, 'x', 16 * MIB - 2);
    text[16 * MIB - 2] = '\0';
    play_options.user = text;
    stand_begin(&s, PD_PROGRAM(rows), "@f@");
    stand_signal(&s, "a", "3");
    stand_signal(&s, "b", "1"); /* at the bound: the batch is over */
    stand_signal(&s, "c", "0");
    (void)stand_run(&s);
    assert_int_equal(s.batches, 2);
    stand_signal(&s, "a", "3");
    stand_signal(&s, "b", "0");
    stand_signal(&s, "c", "0");
    (void)stand_run(&s);
    assert_int_equal(s.batches, 3);
    stand_end(&s);
    mem_free(text);
    play_options.user = NULL;
}

static pd_result fails_at_length(pd_entity *e, pd_value input)
{
    (void)input;
    return pd_fail(e, "Long", "%s", (const char *)pd_user(e));
}

static void a_batch_stops_behind_failures_that_are_very_long(void **state)
{
    enum { MIB = 1024 * 1024 };
    struct stand s;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("F", fails_at_length) };
    char *text = mem_alloc(16 * MIB - 3);
    memset(text, 'x', 16 * MIB - 4);
    text[16 * MIB - 4] = '\0';
    play_options.user = text;
    stand_begin(&s, PD_PROGRAM(rows), "@f@");
    for (int i = 0; i < 5; i++) {
        stand_signal(&s, "a", "0");
    }
    (void)stand_run(&s);
    assert_int_equal(s.batches, 2);
    assert_int_equal(s.failure->message.size, 16 * MIB - 4);
    stand_end(&s);
    mem_free(text);
    play_options.user = NULL;
}

/* The engine would fail both. */
static void what_is_too_much_together_is_sent_one_after_the_other(void **state)
{
    enum { MIB = 1024 * 1024 };
    static const int times[] = { 1, 31 };
    pd_error err;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("F", floods) };
    char *text = mem_alloc(16 * MIB - 1);
    memset(text, 'x', 16 * MIB - 2);
    text[16 * MIB - 2] = '\0';
    struct author_options options = { .user = text, .partition_count = 1 };
    struct runner *runner = author_new(PD_PROGRAM(rows), &options, &err);
    struct event events[3] = { { .kind = EVENT_ORCHESTRATOR_STARTED } };
    for (int i = 0; i < 2; i++) {
        events[i + 1] = (struct event){ .kind = EVENT_ENTITY_SIGNALED, .name = TEXT("x") };
        events[i + 1].payload = i == 0 ? TEXT("1") : TEXT("31");
    }
    for (int first = 0; first < 2; first++) { /* 512 MiB in all; a state comes on top */
        struct turn turn = { .row = 1, .events = events, .event_count = (size_t)(3 - first) };
        struct entity_result result;
        struct arena arena;
        arena_init(&arena);
        turn.instance_id = TEXT("@f@");
        assert_int_equal(runner->ops->entity(runner, &turn, &arena, &result), RUNNER_DONE);
        assert_int_equal(result.result_count, 1);
        assert_null(result.results[0].failure);
        assert_int_equal(result.action_count, times[first]);
        arena_done(&arena);
        events[1] = events[2];
    }
    author_free(runner);
    mem_free(text);
}

static void one_operation_may_send_512_mib_and_no_more(void **state)
{
    enum { MIB = 1024 * 1024 };
    pd_error err;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("F", floods) };
    char *text = mem_alloc(16 * MIB - 1);
    memset(text, 'x', 16 * MIB - 2);
    text[16 * MIB - 2] = '\0';
    struct author_options options = { .user = text, .partition_count = 1 };
    struct runner *runner = author_new(PD_PROGRAM(rows), &options, &err);
    for (int n = 32; n <= 33; n++) {
        struct event events[2] = { { .kind = EVENT_ORCHESTRATOR_STARTED },
                                   { .kind = EVENT_ENTITY_SIGNALED, .name = TEXT("x") } };
        struct turn turn = { .row = 1, .events = events, .event_count = 2 };
        struct entity_result result;
        struct arena arena;
        arena_init(&arena);
        turn.instance_id = TEXT("@f@");
        events[1].payload = n == 32 ? TEXT("32") : TEXT("33");
        assert_int_equal(runner->ops->entity(runner, &turn, &arena, &result), RUNNER_DONE);
        assert_int_equal(result.result_count, 1);
        if (n == 32) {
            assert_null(result.results[0].failure);
            assert_int_equal(result.action_count, 32);
        } else {
            assert_int_equal(result.action_count, 0);
            assert_memory_equal(result.results[0].failure->message.at,
                                "operation 'x' of @f@ sends more than 512 MiB", 44);
        }
        arena_done(&arena);
    }
    author_free(runner);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_operations_on_a_large_state_take_the_memory_of_two),
        cmocka_unit_test(a_state_and_an_answer_at_the_limit_of_a_payload_and_one_past_it),
        cmocka_unit_test(a_batch_stops_behind_the_operation_that_sends_very_much),
        cmocka_unit_test(a_batch_stops_behind_failures_that_are_very_long),
        cmocka_unit_test(what_is_too_much_together_is_sent_one_after_the_other),
        cmocka_unit_test(one_operation_may_send_512_mib_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
