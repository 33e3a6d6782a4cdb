/* SPDX-License-Identifier: MIT
 *
 * What is not allowed with entities fails with a sentence that says which entity: the rules of
 * critical sections, names and keys, what operations do wrong. */
#include "batch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define A PD_ENTITY("Account", "a")
#define B PD_ENTITY("Account", "b")
#define C PD_ENTITY("Account", "c")

static const char *name_for_test, *key_for_test = "k";
static size_t count_for_test;
static pd_entity *kept_entity;
static pd_orchestration *kept_orchestration;

/* Each of these does one thing wrong; it is in a section when it does it there. */
#define WRONG(id, ...)                                       \
    static pd_result id(pd_orchestration *o, pd_value input) \
    {                                                        \
        kept_orchestration = o;                              \
        (void)input;                                         \
        __VA_ARGS__ return pd_ok(o, "not noticed");          \
    }

/* Likewise inside of a section. */
#define WRONG_INSIDE(id, ...)                                \
    static pd_result id(pd_orchestration *o, pd_value input) \
    {                                                        \
        (void)input;                                         \
        PD_LOCKED(o, A, B) {                                 \
            __VA_ARGS__                                      \
        }                                                    \
        return pd_ok(o, "not noticed");                      \
    }

static void locks_b_and_c(pd_orchestration *o)
{
    PD_LOCKED(o, C, B) {}
}

static void locks_a(pd_orchestration *o)
{
    PD_LOCKED(o, A) {}
}

WRONG_INSIDE(nested, locks_b_and_c(o);)
WRONG_INSIDE(nested_same, locks_a(o);)
WRONG_INSIDE(child_inside, pd_start_child(o, "Child", 1);)
WRONG_INSIDE(calls_unlocked, pd_call_entity(o, C, "get", 1);)
WRONG_INSIDE(signals_locked, pd_signal_entity(o, B, "add", 1);)

static pd_result two_calls(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, A, B) {
        pd_start_entity(o, B, "get", input);
        pd_start_entity(o, A, "get", input);
        pd_start_entity(o, B, "set", input);
    }
    return pd_ok(o, "not noticed");
}

static pd_result many(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, PD_ENTITY("a", "1"), PD_ENTITY("a", "2"), PD_ENTITY("a", "3"), PD_ENTITY("a", "4"),
              PD_ENTITY("a", "5")) {
        locks_a(o);
    }
    return pd_ok(o, input);
}

static pd_result too_many(pd_orchestration *o, pd_value input)
{
    pd_entity_id *ids = pd_alloc(o, (count_for_test + 1) * sizeof *ids);
    for (size_t i = 0; i < count_for_test; i++) {
        ids[i] = PD_ENTITY("a", pd_format(o, "%d", (int)i));
    }
    ids[count_for_test] = PD_ENTITY("A", "0");
    (void)pd_lock_(o, ids, count_for_test + 1);
    return pd_ok(o, input);
}

WRONG(none, pd_lock_(o, &(pd_entity_id){ "a", "b" }, 0);)
WRONG(null_ids, pd_lock_(o, NULL, 3);)
WRONG(entity_name, pd_call_entity(o, PD_ENTITY(name_for_test, key_for_test), "get", 1);)
WRONG(locked_name, PD_LOCKED(o, A, PD_ENTITY(name_for_test, key_for_test)){})
WRONG(signal_name, pd_signal_entity(o, PD_ENTITY(name_for_test, key_for_test), "get", 1);)
WRONG(operation_name, pd_call_entity(o, A, name_for_test, 1);)
WRONG(cancelled_id, pd_cancel_signal(o, A, name_for_test);)
WRONG(input_not_a_number, pd_call_entity(o, A, "get", __builtin_nan(""));)
WRONG(signal_not_a_number, pd_signal_entity(o, A, "get", __builtin_nan(""));)
WRONG(lock_of_null, pd_lock_(NULL, &(pd_entity_id){ "a", "b" }, 1);)
WRONG(entity_outside, pd_state(kept_entity);)

static pd_result fine(pd_orchestration *o, pd_value input)
{
    pd_task *before = pd_start_child(o, "Child", 0);
    pd_task *early = pd_start_entity(o, A, "get", 0);
    PD_LOCKED(o, A) {
        pd_start_timer(o, pd_seconds(1));
        pd_send_event(o, "other", "E", 1);
        pd_signal_entity(o, B, "add", 1);
        pd_call_activity(o, "X", 1);
        pd_task *first = pd_start_entity(o, A, "get", 1); /* `early` is not one of this section */
        pd_cancel(o, first);
        pd_call_entity(o, A, "get", 2);
        pd_wait_event(o, "Go");
    }
    pd_await_all(o, PD_TASKS(before, early));
    pd_signal_entity(o, A, "add", 1);
    pd_call_child(o, "Child", input);
    return pd_ok(o, PD_NULL);
}

static void script_fine(struct play *p)
{
    play_start(p, "fine", "1");
    play_grant(p, 2);
    play_turn(p);
    play_complete(p, 6, "1");
    play_turn(p);
    play_answer(p, 8, "1");
    play_turn(p);
    play_raise(p, "Go", "1");
    play_turn(p);
    play_answer(p, 1, "1");
    play_child_complete(p, 0, "1");
    play_turn(p);
    play_child_complete(p, 11, "1");
    play_turn(p);
}

#define ROW(code) PD_FUNCTION(#code, code)
static const pd_function program[] = {
    ROW(nested),
    ROW(nested_same),
    ROW(child_inside),
    ROW(calls_unlocked),
    ROW(signals_locked),
    ROW(two_calls),
    ROW(many),
    ROW(none),
    ROW(null_ids),
    ROW(too_many),
    ROW(entity_name),
    ROW(locked_name),
    ROW(signal_name),
    ROW(operation_name),
    ROW(cancelled_id),
    ROW(input_not_a_number),
    ROW(signal_not_a_number),
    ROW(lock_of_null),
    ROW(entity_outside),
    ROW(fine),
};

static struct play begun(enum play_mode mode, const char *name)
{
    struct play p;
    play_begin(&p, PD_PROGRAM(program), mode);
    play_start(&p, name, NULL);
    if (play_kind(&p, 0) == EVENT_LOCK_REQUESTED) {
        play_grant(&p, 0);
        play_turn(&p);
    }
    return p;
}

/* All of them end the same way, whether the stack was kept or not. */
static void fails(const char *name, const char *failure)
{
    for (int mode = 0; mode < PLAY_MODES; mode++) {
        struct play p = begun((enum play_mode)mode, name);
        const char *at = strstr(play_transcript(&p), " failed ");
        assert_non_null(at);
        at += strlen(" failed ");
        assert_memory_equal(at, failure, strlen(failure));
        assert_string_equal(at + strlen(failure), " (final)\n");
        play_end(&p);
    }
}

static void a_section_is_never_inside_another(void **state)
{
    (void)state;
    fails("nested", "Misuse: PD_LOCKED: @account@b, @account@c cannot be locked inside the "
                    "critical section of @account@a, @account@b; lock all of them in one "
                    "PD_LOCKED");
    fails("nested_same", "Misuse: PD_LOCKED: @account@a cannot be locked inside the critical "
                         "section of @account@a, @account@b; lock all of them in one PD_LOCKED");
    fails("many", "Misuse: PD_LOCKED: @account@a cannot be locked inside the critical section of "
                  "@a@1, @a@2, @a@3 and 2 more; lock all of them in one PD_LOCKED");
}

static void a_child_is_not_started_inside(void **state)
{
    (void)state;
    fails("child_inside", "Misuse: pd_call_child: child 'Child' is not started inside the critical "
                          "section of @account@a, @account@b: it might wait for what is locked");
}

static void only_what_is_locked_is_called_inside(void **state)
{
    (void)state;
    fails("calls_unlocked", "Misuse: pd_call_entity: @account@c is not locked; inside the critical "
                            "section of @account@a, @account@b only what is locked can be called");
}

static void what_is_locked_is_not_signaled_inside(void **state)
{
    (void)state;
    fails("signals_locked", "Misuse: pd_signal_entity: @account@b is locked by this orchestration; "
                            "inside the critical section call it, or signal it behind the block");
}

static void a_locked_entity_has_one_call_at_a_time(void **state)
{
    (void)state;
    fails("two_calls", "Misuse: pd_call_entity: @account@b has not answered 'get' (step 1) yet; "
                       "inside a critical section, await one call to an entity before the next");
}

static void all_else_is_fine_inside(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(program), script_fine,
             "turn 1\n  0 child Child 0 as e1:0000\n  1 calls get 0 of @account@a\n"
             "  2 locks @account@a\n"
             "turn 2\n  3 timer 3000006\n  4 sends E 1 to other\n"
             "  5 signals add 1 to @account@b\n  6 X 1\n"
             "turn 3\n  7 calls get 1 of @account@a\n  cancels 7\n"
             "  8 calls get 2 of @account@a\n"
             "turn 4\n"
             "turn 5\n  9 unlocks @account@a of step 2\n"
             "turn 6\n  10 signals add 1 to @account@a\n"
             "  11 child Child 1 as e1:000b\n"
             "turn 7\n  12 completed null\n");
}

static void one_to_256_entities_are_locked(void **state)
{
    (void)state;
    fails("none", "Misuse: PD_LOCKED: there is no entity to lock");
    fails("null_ids", "Misuse: PD_LOCKED: there is no entity to lock");
    count_for_test = LIMIT_LOCK_SET + 1;
    fails("too_many",
          "Misuse: PD_LOCKED: 257 entities are over the limit of 256, from @a@0 to @a@0");
    count_for_test = LIMIT_LOCK_SET; /* and the first one again, which does not count */
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, "too_many", NULL);
    assert_int_equal(play_kind(&p, 0), EVENT_LOCK_REQUESTED);
    assert_null(strstr(play_transcript(&p), "failed"));
    play_end(&p);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void an_entity_is_named_as_an_id_can_be(void **state)
{
    static const char *const calls[][2] = { { "entity_name", "pd_call_entity" },
                                            { "signal_name", "pd_signal_entity" },
                                            { "locked_name", "PD_LOCKED" } };
    char long_name[LIMIT_INSTANCE_ID + 1], expected[512];
    (void)state;
    memset(long_name, 'n', sizeof long_name);
    for (int i = 0; i < 3; i++) {
        const char *call = calls[i][1];
        name_for_test = NULL;
        (void)snprintf(expected, sizeof expected, "Misuse: %s: the name of the entity is NULL",
                       call);
        fails(calls[i][0], expected);
        name_for_test = "a@b";
        (void)snprintf(expected, sizeof expected,
                       "Misuse: %s: the name of an entity may not hold '@', as 'a@b' does", call);
        fails(calls[i][0], expected);
        name_for_test = "";
        (void)snprintf(expected, sizeof expected,
                       "Misuse: %s: '@@k' is not the id of an entity, which is \"@name@key\"",
                       call);
        fails(calls[i][0], expected);
        name_for_test = "n";
        key_for_test = NULL;
        (void)snprintf(expected, sizeof expected, "Misuse: %s: the key of the entity is NULL",
                       call);
        fails(calls[i][0], expected);
        key_for_test = "a\x7f";
        (void)snprintf(expected, sizeof expected,
                       "Misuse: %s: '@n@a ' has a control character at byte 4", call);
        fails(calls[i][0], expected);
        key_for_test = long_name; /* with "@n@" */
        long_name[LIMIT_INSTANCE_ID - 2] = '\0';
        (void)snprintf(expected, sizeof expected,
                       "Misuse: %s: the id of an entity of 257 characters is over the limit of 256",
                       call);
        fails(calls[i][0], expected);
        long_name[LIMIT_INSTANCE_ID - 3] = '\0';
        struct play p;
        play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
        play_start(&p, calls[i][0], NULL);
        assert_null(strstr(play_transcript(&p), "Misuse"));
        play_end(&p);
        long_name[LIMIT_INSTANCE_ID - 3] = 'n';
        key_for_test = "k";
    }
}

static void operations_and_signals_are_named(void **state)
{
    char long_name[LIMIT_NAME + 2];
    (void)state;
    memset(long_name, 'n', sizeof long_name);
    name_for_test = NULL;
    fails("operation_name", "Misuse: pd_call_entity: the name of the operation is NULL");
    fails("cancelled_id", "Misuse: pd_cancel_signal: the ID of the signal is NULL");
    long_name[LIMIT_NAME + 1] = '\0';
    name_for_test = long_name;
    fails("operation_name", "Misuse: pd_call_entity: the name of the operation must be 1 to 256 "
                            "bytes of UTF-8");
    fails("cancelled_id",
          "Misuse: pd_cancel_signal: the ID of the signal must be 1 to 256 bytes of UTF-8");
    long_name[LIMIT_NAME] = '\0';
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, "operation_name", NULL);
    assert_null(strstr(play_transcript(&p), "Misuse"));
    play_end(&p);
}

static void what_json_cannot_hold_is_not_sent(void **state)
{
    (void)state;
    fails("input_not_a_number", "BadPayload: pd_call_entity: the input of operation 'get' of "
                                "@account@a (step 0): JSON has no NaN");
    fails("signal_not_a_number", "BadPayload: pd_signal_entity: the input of operation 'get' of "
                                 "@account@a (step 0): JSON has no NaN");
}

/* ---- operations ------------------------------------------------------------------------------ */

static pd_result keeps(pd_entity *e, pd_value input)
{
    kept_entity = e;
    return pd_ok(e, input);
}

/* One mistake for each name of an operation. */
static pd_result wrong(pd_entity *e, pd_value input)
{
    pd_set_state(e, "must be undone");
    if (pd_op_is(e, "waits"))
        pd_call_activity(kept_orchestration, "A", 1);
    if (pd_op_is(e, "null"))
        pd_state(NULL);
    if (pd_op_is(e, "op null"))
        pd_op_is(e, NULL);
    if (pd_op_is(e, "no result"))
        return (pd_result){ 0, NULL };
    if (pd_op_is(e, "nothing failed"))
        return PD_FAILED;
    if (pd_op_is(e, "nan"))
        return pd_ok(e, __builtin_nan(""));
    if (pd_op_is(e, "no type"))
        return pd_fail(e, NULL, "why");
    if (pd_op_is(e, "start"))
        pd_start_from_entity(e, pd_text(input), 1, .id = "@a@b");
    if (pd_op_is(e, "start unknown"))
        pd_start_from_entity(e, fine, 1);
    if (pd_op_is(e, "start nan"))
        pd_start_from_entity(e, "X", __builtin_nan(""));
    if (pd_op_is(e, "start tags"))
        pd_start_from_entity(e, "X", 1, .tags = { .kind_ = PD_IS_BOOL });
    if (pd_op_is(e, "signal"))
        pd_signal_entity(e, PD_ENTITY("a@b", ""), "x", 1);
    if (pd_op_is(e, "signal nan"))
        pd_signal_entity(e, A, "x", __builtin_nan(""));
    if (pd_op_is(e, "cancel"))
        pd_cancel_signal(e, A, NULL);
    if (pd_op_is(e, "kind"))
        pd_set_state(e, ((pd_value){ .kind_ = 99 }));
    if (pd_op_is(e, "utf"))
        pd_set_state(e, "\xff");
    if (pd_op_is(e, "release"))
        pd_defer(e, NULL, NULL);
    return pd_ok(e, "not noticed");
}

static const pd_function wrong_program[] = { PD_FUNCTION("Keeps", keeps),
                                             PD_FUNCTION("Wrong", wrong) };

static void a_mistake_in_an_operation_fails_it_and_the_batch_goes_on(void **state)
{
    static const char *const cases[][2] = {
        { "waits", "Misuse: a context was used outside of its own orchestrator" },
        { "null", "Misuse: the context is NULL" },
        { "op null", "Misuse: pd_op_is: the name of the operation is NULL" },
        { "no result", "Misuse: the function returned something that pd_ok, pd_fail or "
                       "pd_fail_with of its own context did not make" },
        { "nothing failed", "Misuse: the function returned PD_FAILED, but no call had failed" },
        { "nan", "BadPayload: the result: JSON has no NaN" },
        { "no type", "Misuse: pd_fail: the type is missing" },
        { "start", "Misuse: pd_start_from_entity: '@a@b' begins with '@', which is kept for "
                   "entities" },
        { "start unknown",
          "OrchestratorNotFound: pd_start_from_entity: a function that is not in the program; add "
          "PD_FUNCTION(\"Name\", function) to the table that pd_worker_start is given" },
        { "start nan", "BadPayload: pd_start_from_entity: the input of 'X': JSON has no NaN" },
        { "start tags", "Misuse: pd_start_from_entity: tags are an object of texts" },
        { "signal",
          "Misuse: pd_signal_entity: the name of an entity may not hold '@', as 'a@b' does" },
        { "signal nan", "BadPayload: pd_signal_entity: the input of operation 'x' of @account@a: "
                        "JSON has no NaN" },
        { "cancel", "Misuse: pd_cancel_signal: the ID of the signal is NULL" },
        { "kind", "BadPayload: pd_set_state: a value was never made, or was overwritten" },
        { "utf", "BadPayload: pd_set_state: a text is not UTF-8; encode binary data, as base64 "
                 "for example" },
        { "release", "Misuse: pd_defer: the function to call is NULL" },
    };
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct stand s;
    struct buffer expected = { 0 };
    (void)state;
    struct play p; /* lends a context */
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, "nested", NULL);
    stand_begin(&s, PD_PROGRAM(wrong_program), "@wrong@x");
    for (int i = 0; i < COUNT; i++) {
        stand_call(&s, cases[i][0], "\"X\"");
        buffer_printf(&expected, "call %s failed %s\n", cases[i][0], cases[i][1]);
    }
    buffer_add_byte(&expected, 0);
    assert_string_equal(stand_run(&s), expected.at); /* and no state */
    buffer_done(&expected);
    stand_end(&s);
    play_end(&p);
}

static void an_entity_that_the_program_does_not_have_answers_with_that(void **state)
{
    struct stand s;
    (void)state;
    stand_begin(&s, PD_PROGRAM(wrong_program), "@other@x");
    s.state = TEXT("7");
    stand_call(&s, "get", NULL);
    stand_signal(&s, "delete", NULL);
    assert_string_equal(stand_run(&s),
                        "call get failed EntityNotFound: this worker has no entity 'other'; add "
                        "it to the program\n"
                        "signal delete failed EntityNotFound: this worker has no entity 'other'; "
                        "add it to the program\n");
    assert_true(s.failure->is_final);
    stand_end(&s);
    /* Activities and orchestrators of that name are something else. */
    stand_begin(&s, PD_PROGRAM(program), "@fine@x");
    stand_call(&s, "get", NULL);
    assert_non_null(strstr(stand_run(&s), "EntityNotFound"));
    stand_end(&s);
    struct play p;
    play_begin(&p, PD_PROGRAM(wrong_program), PLAY_KEPT);
    play_start(&p, "Wrong", NULL);
    assert_non_null(strstr(play_transcript(&p), "OrchestratorNotFound"));
    play_end(&p);
}

static pd_result looks(pd_entity *e, pd_value input)
{
    return pd_bool(input) ? pd_ok(e, pd_state(e)) : pd_ok(e, pd_of_bool(pd_has_state(e)));
}

static void a_state_that_is_no_json_fails_who_looks_at_it(void **state)
{
    static const char refused[] =
        "call a -> true\ncall b failed BadPayload: the state of @looks@x: ";
    struct stand s;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Looks", looks) };
    stand_begin(&s, PD_PROGRAM(rows), "@looks@x");
    s.state = TEXT("{");
    stand_call(&s, "a", "false");
    stand_call(&s, "b", "true");
    assert_memory_equal(stand_run(&s), refused, sizeof refused - 1);
    stand_end(&s);
}

/* ---- outside --------------------------------------------------------------------------------- */

static void uses_outside(int what)
{
    struct stand s;
    struct play p;
    stand_begin(&s, PD_PROGRAM(wrong_program), "@keeps@x");
    stand_call(&s, "keep", "1");
    (void)stand_run(&s);
    switch (what) {
    case 0: pd_state(kept_entity); break;
    case 1: pd_set_state(kept_entity, 1); break;
    case 2: pd_op(kept_entity); break;
    case 3: pd_alloc(kept_entity, 1); break;
    case 4:
        play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
        play_start(&p, "entity_outside", NULL);
        (void)printf("%s", play_transcript(&p));
        (void)fflush(stdout);
        _exit(0);
    default: break;
    }
}

static int outcome(int what, char said[512])
{
    int pipe_ends[2], status;
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        dup2(pipe_ends[1], STDOUT_FILENO);
        signal(SIGABRT, SIG_DFL);
        uses_outside(what);
        _exit(0);
    }
    close(pipe_ends[1]);
    memset(said, 0, 512);
    ssize_t n = read(pipe_ends[0], said, 511);
    assert_true(n >= 0);
    close(pipe_ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void an_entity_used_outside_of_its_operation_stops_the_process(void **state)
{
    char said[512];
    (void)state;
    for (int what = 0; what < 4; what++) {
        int status = outcome(what, said);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_non_null(strstr(said, "perdure: the context of an entity was used outside of its "
                                     "own operation, on a thread that runs no orchestration"));
    }
    int status = outcome(4, said); /* an orchestration can be left */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(said, "0 failed Misuse: the context of an entity was used outside"));
}

static bool was_inside, was_inside_when_released;

static void note_release(void *nothing)
{
    (void)nothing;
    was_inside_when_released = author_is_inside();
}

static pd_result asks(pd_entity *e, pd_value input)
{
    was_inside = author_is_inside();
    pd_defer(e, note_release, NULL);
    return pd_ok(e, input);
}

static void an_operation_is_inside(void **state)
{
    struct stand s;
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Asks", asks) };
    stand_begin(&s, PD_PROGRAM(rows), "@asks@x");
    stand_call(&s, "x", NULL);
    (void)stand_run(&s);
    assert_true(was_inside);
    assert_true(was_inside_when_released);
    assert_false(author_is_inside());
    stand_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_is_never_inside_another),
        cmocka_unit_test(a_child_is_not_started_inside),
        cmocka_unit_test(only_what_is_locked_is_called_inside),
        cmocka_unit_test(what_is_locked_is_not_signaled_inside),
        cmocka_unit_test(a_locked_entity_has_one_call_at_a_time),
        cmocka_unit_test(all_else_is_fine_inside),
        cmocka_unit_test(one_to_256_entities_are_locked),
        cmocka_unit_test(an_entity_is_named_as_an_id_can_be),
        cmocka_unit_test(operations_and_signals_are_named),
        cmocka_unit_test(what_json_cannot_hold_is_not_sent),
        cmocka_unit_test(a_mistake_in_an_operation_fails_it_and_the_batch_goes_on),
        cmocka_unit_test(an_entity_that_the_program_does_not_have_answers_with_that),
        cmocka_unit_test(a_state_that_is_no_json_fails_who_looks_at_it),
        cmocka_unit_test(an_entity_used_outside_of_its_operation_stops_the_process),
        cmocka_unit_test(an_operation_is_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
