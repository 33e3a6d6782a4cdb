/* SPDX-License-Identifier: MIT
 *
 * Entities as functions: operations in batches, what they see of the state, what they send, and
 * that a failing one leaves nothing behind. */
#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the entities ---------------------------------------------------------------------------- */

static pd_result counter(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e)); /* 0 when new */
    if (pd_op_is(e, "add"))
        n += pd_int(input);
    else if (pd_op_is(e, "reset"))
        n = 0;
    else if (!pd_op_is(e, "get"))
        return pd_fail(e, "UnknownOperation", "a counter cannot '%s'", pd_op(e));
    pd_set_state(e, n);
    return pd_ok(e, n);
}

static pd_result deposit(pd_entity *e, pd_value input)
{
    int amount;
    pd_read(e, input, &amount);
    pd_set_state(e, pd_int(pd_state(e)) + amount);
    return pd_ok(e, pd_state(e));
}

static pd_result withdraw(pd_entity *e, pd_value input)
{
    int64_t left = pd_int(pd_state(e)) - pd_int(input);
    pd_set_state(e, left); /* undone when it fails */
    if (left < 0)
        return pd_fail_final(e, "NotEnough", "there is %lld too little", (long long)-left);
    return pd_ok(e, left);
}

static pd_result keeps_a_list(pd_entity *e, pd_value input)
{
    pd_list *list = pd_list_new(e);
    PD_EACH(item, pd_state(e)) {
        pd_list_add(list, item);
    }
    pd_value before = pd_state(e);
    pd_list_add(list, input);
    pd_set_state(e, list);
    pd_list_add(list, "not seen");
    if (pd_count(pd_state(e)) != pd_count(before) + 1)
        return pd_fail(e, "Wrong", "the state is not what was set");
    if (pd_bool(input))
        return pd_fail(e, "Refused", "no");
    return pd_ok(e, pd_count(before)); /* what it had shown still holds */
}

static pd_result looks(pd_entity *e, pd_value input)
{
    (void)input;
    return pd_ok(e, PD_OBJ("op", pd_op(e), "name", pd_entity_name(e), "key", pd_entity_key(e),
                           "has", pd_has_state(e), "state", pd_state(e), "now", pd_entity_now(e).ms,
                           "user", (const char *)pd_user(e)));
}

static pd_result deletes(pd_entity *e, pd_value input)
{
    bool had = pd_has_state(e);
    pd_delete_state(e);
    if (pd_has_state(e) || pd_kind_of(pd_state(e)) != PD_IS_NULL)
        return pd_fail(e, "Wrong", "it is still there");
    if (pd_text(input)[0] != '\0')
        return pd_fail(e, pd_text(input), "after deleting");
    return pd_ok(e, pd_of_bool(had));
}

static pd_result sets(pd_entity *e, pd_value input)
{
    pd_set_state(e, input);
    return pd_ok(e, PD_NULL);
}

static pd_result sets_nan(pd_entity *e, pd_value input)
{
    pd_set_state(e, "an intermediate one");
    pd_set_state(e, PD_ARR(input, __builtin_nan("")));
    return pd_ok(e, "not reached");
}

static pd_result sends(pd_entity *e, pd_value input)
{
    const char *first = pd_signal_entity(e, PD_ENTITY("Counter", "b@C"), "Add", input);
    const char *second =
        pd_signal_entity(e, PD_ENTITY("counter", ""), "add", PD_NULL, .at = { 5000000 });
    pd_signal_entity(e, PD_ENTITY("counter", "past"), "add", PD_NULL, .at = { 1 });
    pd_cancel_signal(e, PD_ENTITY("counter", ""), second);
    if (strlen(first) != 36 || strcmp(first, second) == 0)
        return pd_fail(e, "Wrong", "ids are UUIDs, and differ");
    return pd_ok(e, PD_NULL);
}

static pd_result child(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static pd_result starts(pd_entity *e, pd_value input)
{
    const char *id = pd_start_from_entity(e, child, input, .id = "7", .version = "2",
                                          .at = pd_after(pd_entity_now(e), pd_seconds(1)),
                                          .tags = PD_VAL(PD_OBJ("who", "me")));
    const char *made = pd_start_from_entity(e, "Elsewhere", PD_NULL);
    if (strcmp(id, "7") != 0 || strlen(made) != 32)
        return pd_fail(e, "Wrong", "the ids are %s and %s", id, made);
    return pd_ok(e, made);
}

static int released;

static void release(void *thing)
{
    *(int *)thing = ++released;
}

static int released_as[4];

static pd_result holds(pd_entity *e, pd_value input)
{
    int64_t i = pd_int(input);
    pd_defer(e, release, &released_as[i]);
    pd_set_state(e, pd_text(pd_state(e)));
    if (released != i)
        return pd_fail(e, "Wrong", "%d were released", released);
    if (i == 1)
        return pd_fail(e, "Fails", "but what it held goes");
    if (i == 2) {
        mem_fail_at(1);
        (void)pd_alloc(e, 1024 * 1024); /* leaves */
    }
    return pd_ok(e, pd_format(e, "%d", (int)i));
}

static const pd_operation account_operations[] = { { "deposit", deposit },
                                                   { "Withdraw", withdraw },
                                                   { "look", looks } };
static const pd_operation own_delete[] = { { "Delete", deletes }, { "set", sets } };
static const pd_operation notes_operations[] = {
    { "add", keeps_a_list }, { "set", sets },     { "setNan", sets_nan }, { "forget", deletes },
    { "send", sends },       { "start", starts }, { "hold", holds },
};

static const pd_function program[] = {
    PD_FUNCTION("Counter", counter),
    PD_FUNCTION("Child", child),
    PD_ENTITY_TABLE("Account", account_operations),
    PD_ENTITY_TABLE("Deleter", own_delete),
    PD_ENTITY_TABLE("Notes", notes_operations),
    PD_ENTITY_RULES("Ruled", looks, .keep = { 1000 }),
};

static void with(struct stand *stand, const char *id)
{
    stand_begin(stand, PD_PROGRAM(program), id);
}

/* ---- what they do ---------------------------------------------------------------------------- */

static void operations_of_a_batch_see_what_the_one_before_left(void **state)
{
    struct stand s;
    (void)state;
    with(&s, "@counter@a");
    stand_call(&s, "add", "5");
    stand_signal(&s, "ADD", "2");
    stand_call(&s, "get", NULL);
    assert_string_equal(stand_run(&s), "call add -> 5\nsignal ADD\ncall get -> 7\nstate 7\n");
    stand_call(&s, "add", "1");
    stand_call(&s, "reset", "null");
    stand_call(&s, "Fly", "null");
    assert_string_equal(stand_run(&s), "call add -> 8\ncall reset -> 0\n"
                                       "call Fly failed UnknownOperation: a counter cannot 'Fly'\n"
                                       "state 0\n");
    assert_int_equal(s.batches, 2);
    stand_end(&s);
}

static void a_state_that_did_not_change_is_not_given_back(void **state)
{
    struct stand s;
    (void)state;
    with(&s, "@counter@a");
    s.state = TEXT("7");
    stand_call(&s, "get", NULL); /* which sets it */
    assert_string_equal(stand_run(&s), "call get -> 7\n");
    stand_call(&s, "add", "1");
    stand_call(&s, "add", "-1");
    assert_string_equal(stand_run(&s), "call add -> 8\ncall add -> 7\n");
    stand_end(&s);
}

static void a_table_has_a_function_for_each_operation_whatever_its_case(void **state)
{
    struct stand s;
    (void)state;
    with(&s, "@account@x");
    stand_call(&s, "DEPOSIT", "10");
    stand_call(&s, "withdraw", "3");
    stand_call(&s, "transfer", "3");
    assert_string_equal(stand_run(&s), "call DEPOSIT -> 10\ncall withdraw -> 7\n"
                                       "call transfer failed OperationNotFound: entity 'Account' "
                                       "has no operation 'transfer'\n"
                                       "state 7\n");
    assert_true(s.failure->is_final);
    stand_end(&s);
}

static void a_table_without_a_delete_deletes_the_state(void **state)
{
    struct stand s;
    (void)state;
    with(&s, "@account@x");
    stand_call(&s, "deposit", "10");
    stand_call(&s, "Delete", "null");
    assert_string_equal(stand_run(&s), "call deposit -> 10\ncall Delete -> null\n");
    s.state = TEXT("3");
    stand_signal(&s, "delete", NULL);
    stand_call(&s, "look", NULL);
    assert_string_equal(stand_run(&s),
                        "signal delete\n"
                        "call look -> {\"op\":\"look\",\"name\":\"account\",\"key\":\"x\","
                        "\"has\":false,\"state\":null,\"now\":1001,\"user\":null}\n"
                        "state deleted\n");
    stand_end(&s);
    with(&s, "@deleter@x"); /* one that has its own, has its own */
    s.state = TEXT("[]");
    stand_call(&s, "delete", "\"No\"");
    stand_call(&s, "delete", NULL);
    stand_call(&s, "DELETE", NULL);
    stand_call(&s, "set", "null");
    assert_string_equal(stand_run(&s),
                        "call delete failed No: after deleting\ncall delete -> true\n"
                        "call DELETE -> false\ncall set -> null\nstate deleted\n");
    stand_end(&s);
    with(&s, "@counter@x"); /* one function is asked for everything */
    s.state = TEXT("1");
    stand_call(&s, "delete", NULL);
    assert_string_equal(stand_run(&s),
                        "call delete failed UnknownOperation: a counter cannot 'delete'\n");
    stand_end(&s);
}

static void a_failing_operation_leaves_the_state_as_it_found_it(void **state)
{
    struct stand s;
    (void)state;
    with(&s, "@account@x");
    stand_call(&s, "deposit", "10");
    stand_call(&s, "withdraw", "11");
    stand_call(&s, "withdraw", "10");
    stand_call(&s, "deposit", "\"much\""); /* leaves */
    assert_string_equal(stand_run(&s),
                        "call deposit -> 10\n"
                        "call withdraw failed NotEnough: there is 1 too little\n"
                        "call withdraw -> 0\n"
                        "call deposit failed BadInput: expected a whole number that fits an int, "
                        "got a text\n"
                        "state 0\n");
    stand_call(&s, "withdraw", "1");
    assert_string_equal(stand_run(&s), "call withdraw failed NotEnough: there is 1 too little\n");
    stand_end(&s);
}

/* Also one that was parsed, and one that was written, before the failing operation. */
static void lists_and_deletions_are_undone_as_well(void **state)
{
    struct stand s;
    (void)state;
    with(&s, "@notes@x");
    s.state = TEXT("[ 1 ]");
    stand_call(&s, "add", "true");
    stand_call(&s, "add", "2");
    stand_call(&s, "add", "true");
    stand_call(&s, "forget", "\"No\"");
    stand_call(&s, "add", "[{\"k\":null}]");
    stand_call(&s, "setNan", "1");
    assert_string_equal(stand_run(&s),
                        "call add failed Refused: no\ncall add -> 1\ncall add failed Refused: no\n"
                        "call forget failed No: after deleting\ncall add -> 2\n"
                        "call setNan failed BadPayload: pd_set_state: JSON has no NaN\n"
                        "state [1,2,[{\"k\":null}]]\n");
    stand_call(&s, "add", "4");
    stand_call(&s, "add", "true"); /* the last thing that is written is not the state */
    assert_string_equal(stand_run(&s), "call add -> 3\ncall add failed Refused: no\n"
                                       "state [1,2,[{\"k\":null}],4]\n");
    stand_call(&s, "setNan", "1");
    stand_call(&s, "forget", "\"No\"");
    assert_string_equal(stand_run(&s),
                        "call setNan failed BadPayload: pd_set_state: JSON has no NaN\n"
                        "call forget failed No: after deleting\n");
    stand_call(&s, "forget", "null");
    stand_call(&s, "add", "3");
    stand_call(&s, "forget", "null");
    assert_string_equal(stand_run(&s),
                        "call forget -> true\ncall add -> 0\ncall forget -> true\nstate deleted\n");
    stand_end(&s);
}

static void every_kind_of_state_comes_back_as_it_was(void **state)
{
    static const char *const kinds[] = {
        "true",  "-9223372036854775808", "1.5", "\"t\\u00e9\"", "\"\"", "[]", "{}",
        "false", "[[],{\"a\":[0]}]"
    };
    struct stand s;
    char expected[200];
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        with(&s, "@deleter@x");
        stand_signal(&s, "set", kinds[i]);
        const char *given = kinds[i][0] == '"' && kinds[i][1] == 't' ? "\"t\xc3\xa9\"" : kinds[i];
        (void)snprintf(expected, sizeof expected, "signal set\nstate %s\n", given);
        assert_string_equal(stand_run(&s), expected);
        stand_end(&s);
    }
}

static void an_operation_knows_who_it_is_and_when(void **state)
{
    struct stand s;
    static char user[] = "u";
    (void)state;
    play_options.user = user;
    with(&s, "@ruled@Key@2");
    s.state = TEXT(" {\"a\" : 1} ");
    stand_call(&s, "lOOk", NULL);
    stand_call(&s, "other", NULL);
    assert_string_equal(stand_run(&s),
                        "call lOOk -> {\"op\":\"lOOk\",\"name\":\"ruled\",\"key\":\"Key@2\","
                        "\"has\":true,\"state\":{\"a\":1},\"now\":1000,\"user\":\"u\"}\n"
                        "call other -> {\"op\":\"other\",\"name\":\"ruled\",\"key\":\"Key@2\","
                        "\"has\":true,\"state\":{\"a\":1},\"now\":1000,\"user\":\"u\"}\n");
    stand_end(&s);
    play_options.user = NULL;
    with(&s, "@ruled@");
    stand_call(&s, "", NULL);
    assert_string_equal(stand_run(&s),
                        "call  -> {\"op\":\"\",\"name\":\"ruled\",\"key\":\"\",\"has\":false,"
                        "\"state\":null,\"now\":1000,\"user\":null}\n");
    stand_end(&s);
}

/* ---- what they send -------------------------------------------------------------------------- */

static void signals_and_starts_go_out_with_the_batch(void **state)
{
    struct stand s;
    char expected[1024];
    (void)state;
    with(&s, "@notes@x");
    stand_signal(&s, "send", "[1]");
    const char *told = stand_run(&s);
    const char *first = "signal send\n"
                        "  signals Add [1] to @counter@b@C\n"
                        "  signals add null to @counter@ at 5000000000\n"
                        "  signals add null to @counter@past\n"
                        "  cancels a signal to @counter@\n";
    assert_string_equal(told, first);
    stand_call(&s, "start", "{\"n\":1}");
    told = stand_run(&s);
    const char *made = strstr(told, "-> \"") + 4;
    (void)snprintf(expected, sizeof expected,
                   "call start -> \"%.32s\"\n"
                   "  starts Child {\"n\":1} as 7 version 2 at 2001000 #who=me\n"
                   "  starts Elsewhere null as %.32s\n",
                   made, made);
    assert_string_equal(told, expected);
    stand_end(&s);
}

static void a_failing_operation_sends_nothing(void **state)
{
    struct stand s;
    (void)state;
    const pd_operation operations[] = { { "send", sends }, { "add", keeps_a_list } };
    const pd_function rows[] = { PD_ENTITY_TABLE("notes", operations) };
    stand_begin(&s, PD_PROGRAM(rows), "@notes@x");
    stand_call(&s, "send", "1");
    assert_non_null(strstr(stand_run(&s), "signals Add 1"));
    stand_call(&s, "send", "2");
    struct event *bad = stand_call(&s, "send", "[");
    stand_call(&s, "send", "3");
    const char *told = stand_run(&s);
    assert_non_null(strstr(told, "call send failed BadPayload: the input of operation 'send' of "
                                 "@notes@x: "));
    assert_non_null(strstr(told, "signals Add 2"));
    assert_non_null(strstr(told, "signals Add 3"));
    (void)bad;
    stand_end(&s);
}

static pd_result sends_and_fails(pd_entity *e, pd_value input)
{
    pd_signal_entity(e, PD_ENTITY("counter", "b"), "add", input);
    pd_start_from_entity(e, "Child", PD_NULL);
    if (pd_bool(input))
        return pd_fail(e, "No", "nothing of it");
    pd_read(e, input, "key", &(const char *){ NULL });
    return pd_ok(e, 0);
}

static void what_a_failing_operation_sent_is_taken_back(void **state)
{
    struct stand s;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("S", sends_and_fails) };
    stand_begin(&s, PD_PROGRAM(rows), "@s@");
    stand_call(&s, "a", "true");
    stand_call(&s, "b", "7");
    stand_call(&s, "c", "{\"key\":\"k\"}");
    stand_call(&s, "d", "true");
    const char *told = stand_run(&s);
    const char *actions = strstr(told, "  signals");
    assert_non_null(strstr(told, "call a failed No: nothing of it\n"
                                 "call b failed BadInput: expected an object with the key 'key', "
                                 "got a whole number\n"
                                 "call c -> 0\ncall d failed No: nothing of it\n"
                                 "  signals add {\"key\":\"k\"} to @counter@b\n"));
    assert_null(strstr(actions + 2, "  signals"));
    stand_end(&s);
}

/* UUIDs of entities: nobody has another one's. */
static void ids_of_what_is_sent_differ_for_ever(void **state)
{
    enum { BATCHES = 200, SIGNALS = 50 };
    struct map seen;
    struct arena kept;
    pd_error err;
    (void)state;
    map_init(&seen);
    arena_init(&kept);
    const pd_operation operations[] = { { "send", sends } };
    const pd_function rows[] = { PD_ENTITY_TABLE("notes", operations) };
    for (int life = 0; life < 2; life++) {
        struct author_options options = { .partition_count = 2 };
        struct runner *runner = author_new(PD_PROGRAM(rows), &options, &err);
        for (int i = 0; i < BATCHES; i++) {
            struct event events[1 + SIGNALS] = { { .kind = EVENT_ORCHESTRATOR_STARTED,
                                                   .at = 1000 * life + i / 2 } };
            for (int j = 0; j < SIGNALS; j++) {
                events[1 + j] =
                    (struct event){ .kind = EVENT_ENTITY_SIGNALED, .name = TEXT("send") };
            }
            struct turn turn = { .row = 1, .events = events, .event_count = 1 + SIGNALS };
            struct entity_result result;
            struct arena arena;
            turn.partition = (unsigned)i % 2;
            turn.instance_id = TEXT("@notes@x");
            arena_init(&arena);
            assert_int_equal(runner->ops->entity(runner, &turn, &arena, &result), RUNNER_DONE);
            for (size_t j = 0; j < result.action_count; j++) {
                const struct action *action = &result.actions[j];
                if (action->kind == ACTION_SIGNAL_ENTITY) {
                    struct text id = action->request_id;
                    assert_int_equal(id.size, 36);
                    assert_int_equal(id.at[14], '8');
                    assert_true(strspn(id.at, "0123456789abcdef-") == 36 && id.at[8] == '-');
                    assert_null(map_find(&seen, id));
                    map_put(&seen, text_copy(&kept, id), &seen);
                }
            }
            if (i % 20 == 19) {
                runner->ops->forget_all(runner, turn.partition); /* as after a failed commit */
            }
            arena_done(&arena);
        }
        author_free(runner);
    }
    assert_int_equal(map_count(&seen), 2 * BATCHES * SIGNALS * 3);
    map_done(&seen);
    arena_done(&kept);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void what_an_operation_holds_goes_when_it_ends_however_it_does(void **state)
{
    struct stand s;
    (void)state;
    released = 0;
    with(&s, "@notes@x");
    for (int i = 0; i < 4; i++) {
        char json[16];
        (void)snprintf(json, sizeof json, "%d", i);
        stand_call(&s, "hold", json);
    }
    const char *told = stand_run(&s);
    assert_non_null(strstr(told, "call hold -> \"0\"\ncall hold failed Fails: but what it held "
                                 "goes\ncall hold failed OutOfMemory: pd_alloc: no memory for "));
    assert_non_null(strstr(told, "call hold -> \"3\"\n"));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(released_as[i], i + 1);
    }
    stand_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_of_a_batch_see_what_the_one_before_left),
        cmocka_unit_test(a_state_that_did_not_change_is_not_given_back),
        cmocka_unit_test(a_table_has_a_function_for_each_operation_whatever_its_case),
        cmocka_unit_test(a_table_without_a_delete_deletes_the_state),
        cmocka_unit_test(a_failing_operation_leaves_the_state_as_it_found_it),
        cmocka_unit_test(lists_and_deletions_are_undone_as_well),
        cmocka_unit_test(every_kind_of_state_comes_back_as_it_was),
        cmocka_unit_test(an_operation_knows_who_it_is_and_when),
        cmocka_unit_test(signals_and_starts_go_out_with_the_batch),
        cmocka_unit_test(a_failing_operation_sends_nothing),
        cmocka_unit_test(what_a_failing_operation_sent_is_taken_back),
        cmocka_unit_test(ids_of_what_is_sent_differ_for_ever),
        cmocka_unit_test(what_an_operation_holds_goes_when_it_ends_however_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
