/* SPDX-License-Identifier: MIT
 *
 * What an activity asks of whoever runs it: heartbeats, cancelling, transactions; and how much JSON
 * is allowed. The host here is a script that writes down what it is told. */
#include "play.h"

#include <stdio.h>
#include <string.h>

struct script {
    struct activity_host host;
    int asked, cancelled_from; /* cancelled when it is asked so often; 0: never */
    int beats;
    char said[64];           /* with the last heartbeat; "-": nothing new */
    pd_status before, after; /* of transact: before the body, and instead of the commit */
    bool is_committed, is_body_true;
    int database;
    struct activity_result recorded;
};

static bool is_cancelled(struct activity_host *host)
{
    struct script *s = CONTAINER_OF(host, struct script, host);
    s->asked++;
    return s->cancelled_from > 0 && s->asked >= s->cancelled_from;
}

static void beat(struct activity_host *host, struct text progress)
{
    struct script *s = CONTAINER_OF(host, struct script, host);
    s->beats++;
    (void)snprintf(s->said, sizeof s->said, "%.*s", TEXT_ARGS(progress));
    if (!text_is_present(progress)) {
        (void)snprintf(s->said, sizeof s->said, "-");
    }
}

static pd_status transact(struct activity_host *host,
                          bool (*body)(void *argument, void *database, struct activity_result *ret),
                          void *argument, struct activity_result *ret, pd_error *err)
{
    struct script *s = CONTAINER_OF(host, struct script, host);
    if (s->before != PD_OK) {
        return error_set(err, s->before, false, "script", "not today");
    }
    s->is_body_true = body(argument, &s->database, ret);
    if (!s->is_body_true) {
        return PD_OK;
    }
    if (s->after != PD_OK) {
        return error_set(err, s->after, true, "script", "the disk is full");
    }
    s->recorded = *ret;
    s->is_committed = true;
    return PD_OK;
}

static const struct activity_host_ops script_ops = { is_cancelled, beat, transact };

/* ---- the program ----------------------------------------------------------------------------- */

static pd_result works(pd_activity *a, pd_value input)
{
    int64_t done = pd_int(pd_get(pd_activity_progress(a), "done"));
    for (; done < pd_int(input); done++) {
        if (!pd_activity_heartbeat(a, PD_OBJ("done", done))) {
            return pd_fail(a, "GaveUp", "at %lld", (long long)done);
        }
    }
    pd_activity_heartbeat(a, PD_NULL);
    bool has_database = pd_activity_database(a) != NULL;
    return pd_ok(a, PD_ARR(done, pd_activity_is_cancelled(a), has_database));
}

static pd_result beats_with(pd_activity *a, pd_value input)
{
    bool goes_on = pd_kind_of(input) == PD_IS_INT ? pd_activity_heartbeat(a, __builtin_nan(""))
                                                  : pd_activity_heartbeat(a, input);
    return pd_ok(a, goes_on);
}

static pd_result pays(pd_activity *a, pd_value input)
{
    int *database = pd_activity_database(a);
    if (database == NULL) {
        return pd_fail_final(a, "NoDatabase", "none");
    }
    *database += 1;
    if (pd_int(input) < 0) {
        return pd_fail(a, "Overdrawn", "%lld", (long long)pd_int(input));
    }
    return pd_ok(a, PD_OBJ("paid", input));
}

static pd_result echo(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

static pd_result asks(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, pays, input);
    return pd_ok(o, pd_call_activity(o, "Pay", input));
}

static pd_result returns(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static const pd_function program[] = {
    PD_FUNCTION("Work", works),      PD_FUNCTION("Beat", beats_with), PD_TRANSACTION("Pay", pays),
    PD_FUNCTION("PayOutside", pays), PD_FUNCTION("Echo", echo),       PD_FUNCTION("Asks", asks),
    PD_FUNCTION("Returns", returns),
};

/* What it gives, as one text. */
static const char *run(struct script *s, const char *name, const char *input, const char *progress)
{
    static char said[300];
    pd_error err;
    struct arena arena;
    struct activity_result result;
    struct author_options options = { .payload_max = 64 };
    const struct event_extra extra = { .progress = text_of(progress) };
    struct activity activity = { .id = 1,
                                 .first = 1,
                                 .instance_id = TEXT("order-7"),
                                 .execution_id = TEXT("e1"),
                                 .name = text_of(name),
                                 .input = text_of(input),
                                 .extra = &extra };
    arena_init(&arena);
    struct runner *runner = author_new(PD_PROGRAM(program), &options, &err);
    if (s != NULL) {
        s->host.ops = &script_ops;
    }
    runner->ops->activity(runner, &activity, s != NULL ? &s->host : NULL, &arena, &result);
    const struct failure *f = result.failure;
    if (f != NULL) {
        assert_false(text_is_present(result.payload));
        assert_false(result.is_recorded);
        (void)snprintf(said, sizeof said, "%.*s: %.*s%s", TEXT_ARGS(f->type), TEXT_ARGS(f->message),
                       f->is_final ? " (final)" : "");
    } else {
        (void)snprintf(said, sizeof said, "%.*s%s", TEXT_ARGS(result.payload),
                       result.is_recorded ? " recorded" : "");
    }
    author_free(runner);
    arena_done(&arena);
    return said;
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void a_heartbeat_carries_progress_and_says_whether_to_go_on(void **state)
{
    (void)state;
    struct script s = { .cancelled_from = 0 };
    assert_string_equal(run(&s, "Work", "3", NULL), "[3,false,false]");
    assert_int_equal(s.beats, 4);
    assert_string_equal(s.said, "-"); /* null: as before */
    s = (struct script){ .cancelled_from = 2 };
    assert_string_equal(run(&s, "Work", "3", NULL), "GaveUp: at 1");
    assert_int_equal(s.beats, 2);
    assert_string_equal(s.said, "{\"done\":1}");
}

static void an_attempt_goes_on_where_the_one_before_was(void **state)
{
    (void)state;
    struct script s = { .cancelled_from = 0 };
    assert_string_equal(run(&s, "Work", "3", "{\"done\":2}"), "[3,false,false]");
    assert_int_equal(s.beats, 2);
    assert_string_equal(run(&s, "Work", "3", "{\"done\":"),
                        "BadPayload: pd_activity_progress: line 1, column 8: unexpected token near "
                        "end of file (final)");
}

static void without_a_host_nothing_is_cancelled_and_nobody_listens(void **state)
{
    (void)state;
    assert_string_equal(run(NULL, "Work", "2", NULL), "[2,false,false]");
}

static void progress_that_is_no_json_or_too_large_spoils_the_result(void **state)
{
    char text[80];
    struct script s = { .cancelled_from = 0 };
    (void)state;
    const char *said = run(&s, "Beat", "0", NULL);
    assert_non_null(strstr(said, "BadPayload: pd_activity_heartbeat: "));
    assert_int_equal(s.beats, 0);
    memset(text, 'x', sizeof text);
    text[0] = '"';
    text[63] = '"';
    text[64] = '\0';
    assert_string_equal(run(&s, "Beat", text, NULL), "true");
    assert_int_equal(s.beats, 1);
    text[63] = 'x';
    text[64] = '"';
    text[65] = '\0';
    assert_string_equal(run(&s, "Beat", text, NULL),
                        "BadPayload: pd_activity_heartbeat: 65 bytes of JSON are over the limit of "
                        "64 (final)");
    assert_int_equal(s.beats, 1);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void a_transaction_records_the_result_with_what_was_written(void **state)
{
    (void)state;
    struct script s = { .before = PD_OK };
    assert_string_equal(run(&s, "Pay", "5", NULL), "{\"paid\":5} recorded");
    assert_true(s.is_committed);
    assert_int_equal(s.database, 1);
    assert_null(s.recorded.failure);
}

static void a_failure_in_a_transaction_is_rolled_back_and_delivered_as_usual(void **state)
{
    (void)state;
    struct script s = { .before = PD_OK };
    assert_string_equal(run(&s, "Pay", "-5", NULL), "Overdrawn: -5");
    assert_int_equal(s.database, 1);
    assert_false(s.is_body_true);
    assert_false(s.is_committed);
}

static void a_transaction_that_cannot_be_is_a_failure_that_says_why(void **state)
{
    (void)state;
    struct script s = { .before = PD_E_STATE };
    assert_string_equal(run(&s, "Pay", "5", NULL),
                        "Misuse: activity 'Pay' is transactional, which this hub is not: not today "
                        "(final)");
    assert_int_equal(s.database, 0);
    s = (struct script){ .before = PD_E_UNAVAILABLE };
    assert_string_equal(run(&s, "Pay", "5", NULL),
                        "Unavailable: the transaction of activity 'Pay' was not committed: not "
                        "today");
    s = (struct script){ .after = PD_E_UNAVAILABLE };
    assert_string_equal(run(&s, "Pay", "5", NULL),
                        "Unavailable: the transaction of activity 'Pay' was not committed: the "
                        "disk is full");
    assert_int_equal(s.database, 1);
    assert_string_equal(run(NULL, "Pay", "5", NULL),
                        "Misuse: activity 'Pay' is transactional, which this hub is not: nobody "
                        "hosts it (final)");
}

static void an_ordinary_activity_has_no_database(void **state)
{
    (void)state;
    struct script s = { .before = PD_OK };
    assert_string_equal(run(&s, "PayOutside", "5", NULL), "NoDatabase: none (final)");
}

static void script_asks(struct play *p)
{
    play_start(p, "Asks", "5");
    play_complete(p, 0, NULL);
    play_turn(p);
}

static void a_transactional_activity_is_called_like_any_other(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(program), script_asks, "turn 1\n  0 Pay 5\nturn 2\n  1 Pay 5\n");
}

/* ---- the limit of a payload ------------------------------------------------------------------ */

static void a_payload_is_as_large_as_the_hub_allows_and_no_larger(void **state)
{
    char text[80], expected[200];
    struct play p;
    (void)state;
    memset(text, 'x', sizeof text);
    text[0] = text[63] = '"';
    text[64] = '\0';
    play_options.payload_max = 64;
    for (int is_over = 0; is_over < 2; is_over++) {
        play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
        play_start(&p, "Returns", text);
        (void)snprintf(expected, sizeof expected, "turn 1\n  0 completed %s\n", text);
        assert_string_equal(play_transcript(&p),
                            is_over == 0 ? expected
                                         : "turn 1\n  0 failed BadPayload: the result: 65 bytes of "
                                           "JSON are over the limit of 64 (final)\n");
        play_end(&p);
        assert_string_equal(run(NULL, "Echo", text, NULL),
                            is_over == 0 ? text
                                         : "BadPayload: the result: 65 bytes of JSON are over the "
                                           "limit of 64 (final)");
        text[63] = 'x';
        text[64] = '"';
        text[65] = '\0';
    }
    play_options.payload_max = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_carries_progress_and_says_whether_to_go_on),
        cmocka_unit_test(an_attempt_goes_on_where_the_one_before_was),
        cmocka_unit_test(without_a_host_nothing_is_cancelled_and_nobody_listens),
        cmocka_unit_test(progress_that_is_no_json_or_too_large_spoils_the_result),
        cmocka_unit_test(a_transaction_records_the_result_with_what_was_written),
        cmocka_unit_test(a_failure_in_a_transaction_is_rolled_back_and_delivered_as_usual),
        cmocka_unit_test(a_transaction_that_cannot_be_is_a_failure_that_says_why),
        cmocka_unit_test(an_ordinary_activity_has_no_database),
        cmocka_unit_test(a_transactional_activity_is_called_like_any_other),
        cmocka_unit_test(a_payload_is_as_large_as_the_hub_allows_and_no_larger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
