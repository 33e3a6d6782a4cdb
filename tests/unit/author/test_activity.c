/* SPDX-License-Identifier: MIT
 *
 * Activities: what they are given, what becomes of what they return, and pd_read. */
#include "play.h"

#include <pthread.h>
#include <string.h>

static pd_result echo(pd_activity *a, pd_value input)
{
    return pd_ok(a, PD_OBJ("input", input, "key", pd_activity_key(a), "id",
                           pd_activity_instance_id(a), "user", (const char *)pd_user(a)));
}

static pd_result fails(pd_activity *a, pd_value input)
{
    return pd_fail(a, "CardDeclined", "%s: no money", pd_text(input));
}

static pd_result bad_result(pd_activity *a, pd_value input)
{
    (void)input;
    return pd_ok(a, __builtin_nan(""));
}

static pd_result stolen;
static pd_result wrong_result(pd_activity *a, pd_value input)
{
    pd_result own = pd_ok(a, 1);
    if (pd_bool(input)) {
        stolen = own;
        return own;
    }
    return stolen;
}

/* Goes on after calls that failed: what is not complete must not pass for a result. */
static pd_result careless(pd_activity *a, pd_value input)
{
    pd_list *list = pd_list_new(a);
    pd_dict *dict = pd_dict_new(a);
    pd_value bad = { .kind_ = 99 };
    switch (pd_int(input)) {
    case 0: pd_list_add(list, bad); break;
    case 1: pd_dict_set(dict, "k", bad); break;
    case 2: pd_dict_set(dict, NULL, 1); break;
    case 3: pd_keep(a, bad); break;
    case 4: pd_defer(a, NULL, NULL); break;
    case 5: return pd_json(a, bad) == NULL ? PD_FAILED : pd_ok(a, 0);
    case 6: mem_fail_at(1); return pd_alloc(a, 1024 * 1024) == NULL ? PD_FAILED : pd_ok(a, 0);
    case 7: return PD_FAILED; /* nothing had failed */
    default: break;
    }
    return pd_ok(a, PD_ARR(list, dict));
}

static int deferred;
static void note_deferred(void *thing)
{
    deferred += *(int *)thing;
}

static pd_result defers(pd_activity *a, pd_value input)
{
    int *n = pd_alloc(a, sizeof *n);
    *n = 5;
    pd_defer(a, note_deferred, n);
    return pd_ok(a, input);
}

static pd_result reads(pd_activity *a, pd_value v);

static const pd_function program[] = {
    PD_FUNCTION("Echo", echo),         PD_FUNCTION("Fails", fails),
    PD_FUNCTION("Bad", bad_result),    PD_FUNCTION("Wrong", wrong_result),
    PD_FUNCTION("Careless", careless), PD_FUNCTION("Defers", defers),
    PD_FUNCTION("Reads", reads),
};

static struct runner *runner;

static int set_up(void **state)
{
    static char user[] = "me";
    pd_error err;
    struct author_options options = { .user = user, .partition_count = 1 };
    (void)state;
    runner = author_new(PD_PROGRAM(program), &options, &err);
    return runner != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    author_free(runner);
    return 0;
}

/* What the activity gives: JSON, or "type: message" of the failure and its causes. */
static const char *run(struct arena *arena, const char *name, const char *input)
{
    struct activity activity = { .id = 10,
                                 .first = 10,
                                 .instance_id = TEXT("order-7"),
                                 .execution_id = TEXT("e1"),
                                 .name = text_of(name),
                                 .input = text_of(input) };
    struct activity_result result;
    runner->ops->activity(runner, &activity, NULL, arena, &result);
    if (result.failure == NULL) {
        return text_copy(arena, result.payload).at;
    }
    assert_false(text_is_present(result.payload));
    return arena_printf(arena, "%.*s: %.*s%s", TEXT_ARGS(result.failure->type),
                        TEXT_ARGS(result.failure->message),
                        result.failure->is_final ? " (final)" : "");
}

static void gives(const char *name, const char *input, const char *expected)
{
    struct arena arena;
    arena_init(&arena);
    assert_string_equal(run(&arena, name, input), expected);
    arena_done(&arena);
}

static void begins(const char *name, const char *input, const char *expected)
{
    struct arena arena;
    arena_init(&arena);
    const char *got = run(&arena, name, input);
    if (strncmp(got, expected, strlen(expected)) != 0) {
        assert_string_equal(got, expected);
    }
    arena_done(&arena);
}

static void an_activity_knows_its_input_key_instance_and_user(void **state)
{
    (void)state;
    gives("Echo", "[1]", "{\"input\":[1],\"key\":\"e1:000a\",\"id\":\"order-7\",\"user\":\"me\"}");
    gives("Echo", NULL, "{\"input\":null,\"key\":\"e1:000a\",\"id\":\"order-7\",\"user\":\"me\"}");
}

static void a_failed_activity_gives_its_failure(void **state)
{
    (void)state;
    gives("Fails", "\"visa\"", "CardDeclined: visa: no money");
    gives("Nobody", NULL,
          "ActivityNotFound: this worker has no activity 'Nobody'; add it to the program (final)");
    begins("Echo", "{", "BadPayload: the input of activity 'Echo' (step 10): ");
    begins("Bad", NULL, "BadPayload: the result: ");
}

static void a_result_of_another_run_is_not_taken(void **state)
{
    struct arena first;
    (void)state;
    arena_init(&first);
    assert_string_equal(run(&first, "Wrong", "true"), "1");
    begins("Wrong", "false", "Misuse: the function returned something");
    arena_done(&first);
}

static void what_failed_unnoticed_spoils_the_result(void **state)
{
    (void)state;
    begins("Careless", "0", "BadPayload: pd_list_add: kind 99 is no kind of value");
    begins("Careless", "1", "BadPayload: pd_dict_set: kind 99");
    begins("Careless", "2", "BadPayload: pd_dict_set: the key is NULL");
    begins("Careless", "3", "BadPayload: pd_keep: kind 99");
    begins("Careless", "4", "Misuse: pd_defer");
    begins("Careless", "5", "BadPayload: pd_json: ");
    begins("Careless", "6", "OutOfMemory: pd_alloc: no memory for 1048576 bytes");
    begins("Careless", "7", "Misuse: the function returned PD_FAILED, but no call had failed");
    gives("Careless", "8", "[[],{}]");
}

static void what_was_deferred_goes_with_the_arena(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena);
    assert_string_equal(run(&arena, "Defers", "3"), "3");
    assert_int_equal(deferred, 0);
    arena_done(&arena);
    assert_int_equal(deferred, 5);
}

static void *run_many(void *arg)
{
    struct arena arena;
    (void)arg;
    arena_init(&arena);
    for (int i = 0; i < 200; i++) {
        if (strcmp(run(&arena, "Echo", "1"), "{\"input\":1,\"key\":\"e1:000a\",\"id\":\"order-7\","
                                             "\"user\":\"me\"}") != 0) {
            return &runner;
        }
        arena_reset(&arena);
    }
    arena_done(&arena);
    return NULL;
}

static void activities_run_on_many_threads_at_once(void **state)
{
    pthread_t threads[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

/* ---- pd_read --------------------------------------------------------------------------------- */

static pd_result reads(pd_activity *a, pd_value v)
{
    const char *what = pd_text(pd_get(v, "what"));
    pd_value from = pd_get(v, "from");
    const char *s = "kept";
    int i = -1;
    long l = -1;
    long long L = -1;
    double f = -1;
    bool b = false;
    pd_value any = PD_NULL;
    bool is_read = true;
    if (strcmp(what, "s") == 0) {
        is_read = pd_read(a, from, &s);
    } else if (strcmp(what, "i") == 0) {
        is_read = pd_read(a, from, &i);
    } else if (strcmp(what, "l") == 0) {
        is_read = pd_read(a, from, &l);
    } else if (strcmp(what, "L") == 0) {
        is_read = pd_read(a, from, &L);
    } else if (strcmp(what, "f") == 0) {
        is_read = pd_read(a, from, &f);
    } else if (strcmp(what, "b") == 0) {
        is_read = pd_read(a, from, &b);
    } else if (strcmp(what, "v") == 0) {
        is_read = pd_read(a, from, &any);
    } else if (strcmp(what, "keys") == 0) {
        is_read = pd_read(a, from, "s", &s, "i?", &i, "f?", &f, "any?", &any);
    } else if (strcmp(what, "odd") == 0) {
        is_read = pd_read(a, from, &s, "i", &i);
    } else if (strcmp(what, "key alone") == 0) {
        is_read = pd_read(a, from, "i");
    } else if (strcmp(what, "null target") == 0) {
        int *nowhere = NULL;
        is_read = pd_read(a, from, "s", &s, "i", nowhere);
    }
    if (!is_read) {
        /* A read that fails has changed nothing. */
        bool is_same = strcmp(s, "kept") == 0 && i == -1 && f < 0 && any.kind_ == PD_IS_NULL;
        return is_same ? PD_FAILED : pd_fail(a, "Changed", "something");
    }
    return pd_ok(a, PD_ARR(s, i, l, L, f, b, any));
}

static void reading_takes_what_fits(void **state)
{
    (void)state;
    gives("Reads", "{\"what\":\"s\",\"from\":\"x\"}", "[\"x\",-1,-1,-1,-1.0,false,null]");
    gives("Reads", "{\"what\":\"i\",\"from\":2147483647}",
          "[\"kept\",2147483647,-1,-1,-1.0,false,null]");
    gives("Reads", "{\"what\":\"i\",\"from\":-2147483648}",
          "[\"kept\",-2147483648,-1,-1,-1.0,false,null]");
    gives("Reads", "{\"what\":\"L\",\"from\":9223372036854775807}",
          "[\"kept\",-1,-1,9223372036854775807,-1.0,false,null]");
    gives("Reads", "{\"what\":\"l\",\"from\":5}", "[\"kept\",-1,5,-1,-1.0,false,null]");
    gives("Reads", "{\"what\":\"f\",\"from\":2.5}", "[\"kept\",-1,-1,-1,2.5,false,null]");
    gives("Reads", "{\"what\":\"f\",\"from\":2}", "[\"kept\",-1,-1,-1,2.0,false,null]");
    gives("Reads", "{\"what\":\"b\",\"from\":true}", "[\"kept\",-1,-1,-1,-1.0,true,null]");
    gives("Reads", "{\"what\":\"v\",\"from\":{\"a\":[]}}",
          "[\"kept\",-1,-1,-1,-1.0,false,{\"a\":[]}]");
    gives("Reads", "{\"what\":\"keys\",\"from\":{\"i\":4,\"s\":\"x\"}}",
          "[\"x\",4,-1,-1,-1.0,false,null]");
    gives("Reads", "{\"what\":\"keys\",\"from\":{\"s\":\"\",\"f\":1,\"any\":null}}",
          "[\"\",-1,-1,-1,1.0,false,null]");
}

static void reading_refuses_what_does_not_fit_and_says_why(void **state)
{
    (void)state;
    gives("Reads", "{\"what\":\"s\",\"from\":1}",
          "BadInput: expected a text, got a whole number (final)");
    gives("Reads", "{\"what\":\"i\",\"from\":2147483648}",
          "BadInput: expected a whole number that fits an int, got 2147483648 (final)");
    gives("Reads", "{\"what\":\"i\",\"from\":1.0}",
          "BadInput: expected a whole number that fits an int, got a real (final)");
    gives("Reads", "{\"what\":\"l\"}",
          "BadInput: expected a whole number that fits a long, got null (final)");
    gives("Reads", "{\"what\":\"L\",\"from\":{}}",
          "BadInput: expected a whole number, got an object (final)");
    gives("Reads", "{\"what\":\"f\",\"from\":\"1\"}",
          "BadInput: expected a number, got a text (final)");
    gives("Reads", "{\"what\":\"b\",\"from\":1}",
          "BadInput: expected a truth value, got a whole number (final)");
    gives("Reads", "{\"what\":\"keys\",\"from\":[]}",
          "BadInput: expected an object with the key 's', got an array (final)");
    gives("Reads", "{\"what\":\"keys\",\"from\":{\"i\":4}}",
          "BadInput: key 's': expected a text, but it is absent (final)");
    gives("Reads", "{\"what\":\"keys\",\"from\":{\"s\":\"x\",\"i\":null}}",
          "BadInput: key 'i': expected a whole number that fits an int, got null (final)");
    gives("Reads", "{\"what\":\"keys\",\"from\":{\"s\":\"x\",\"f\":\"4\"}}",
          "BadInput: key 'f': expected a number, got a text (final)");
}

static void reading_with_arguments_that_do_not_pair_up_is_misuse(void **state)
{
    (void)state;
    begins("Reads", "{\"what\":\"odd\",\"from\":{}}",
           "Misuse: pd_read: keys and targets must come in pairs");
    begins("Reads", "{\"what\":\"key alone\",\"from\":1}", "Misuse: pd_read: a target is missing");
    begins("Reads", "{\"what\":\"null target\",\"from\":{\"s\":\"x\",\"i\":1}}",
           "Misuse: pd_read: keys and targets must come in pairs, and none may be NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activity_knows_its_input_key_instance_and_user),
        cmocka_unit_test(a_failed_activity_gives_its_failure),
        cmocka_unit_test(a_result_of_another_run_is_not_taken),
        cmocka_unit_test(what_failed_unnoticed_spoils_the_result),
        cmocka_unit_test(what_was_deferred_goes_with_the_arena),
        cmocka_unit_test(activities_run_on_many_threads_at_once),
        cmocka_unit_test(reading_takes_what_fits),
        cmocka_unit_test(reading_refuses_what_does_not_fit_and_says_why),
        cmocka_unit_test(reading_with_arguments_that_do_not_pair_up_is_misuse),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
