/* SPDX-License-Identifier: MIT
 *
 * The functions that every program has: perdure.call, which calls an entity for a client. */
#include "play.h"

#include <stdio.h>

static pd_result nothing(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

static const pd_function program[] = { PD_FUNCTION("A", nothing) };

static const char *asked; /* the input of the script */

static void script_succeeds(struct play *p)
{
    play_start(p, "perdure.call", asked);
    play_answer(p, 0, "{\"n\":[5]}");
    play_turn(p);
}

static void script_fails(struct play *p)
{
    struct failure *cause;
    play_start(p, "perdure.call", asked);
    struct failure *failure = play_answer_fail(p, 0, "NotEnough", "there is too little");
    cause = arena_alloc(&p->arena, sizeof *cause);
    *cause = (struct failure){ .type = TEXT("Why"), .message = TEXT("so") };
    failure->cause = cause;
    failure->is_final = true;
    play_turn(p);
}

static void script_starts(struct play *p)
{
    play_start(p, "perdure.call", asked);
}

static void a_call_ends_as_its_operation_did(void **state)
{
    (void)state;
    asked = "{\"entity\":\"@Counter@K@2\",\"op\":\"Add\",\"input\":[1]}";
    play_all(PD_PROGRAM(program), script_succeeds,
             "turn 1\n  0 calls Add [1] of @counter@K@2\nturn 2\n  1 completed {\"n\":[5]}\n");
    asked = "{\"entity\":\"@counter@\",\"op\":\"get\"}";
    play_all(PD_PROGRAM(program), script_fails,
             "turn 1\n  0 calls get null of @counter@\n"
             "turn 2\n  1 failed NotEnough: there is too little (final) <- Why: so\n");
}

static void what_is_no_call_fails(void **state)
{
    static const char *const cases[][2] = {
        { "null", "BadInput: expected an object with the key 'entity', got null" },
        { "{\"entity\":\"@a@b\"}", "BadInput: key 'op': expected a text, but it is absent" },
        { "{\"entity\":\"a@b\",\"op\":\"x\"}",
          "BadInput: 'a@b' is no ID of an entity, \"@name@key\"" },
        { "{\"entity\":\"@ab\",\"op\":\"x\"}",
          "BadInput: '@ab' is no ID of an entity, \"@name@key\"" },
        { "{\"entity\":\"\",\"op\":\"x\"}", "BadInput: '' is no ID of an entity, \"@name@key\"" },
        { "{\"entity\":\"@@b\",\"op\":\"x\"}",
          "Misuse: pd_call_entity: '@@b' is not the id of an entity, which is \"@name@key\"" },
        { "{\"entity\":\"@a@b\",\"op\":\"\"}",
          "Misuse: pd_call_entity: the name of the operation must be 1 to 256 bytes of UTF-8" },
    };
    char expected[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        asked = cases[i][0];
        (void)snprintf(expected, sizeof expected, "turn 1\n  0 failed %s (final)\n", cases[i][1]);
        play_all(PD_PROGRAM(program), script_starts, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_ends_as_its_operation_did),
        cmocka_unit_test(what_is_no_call_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
