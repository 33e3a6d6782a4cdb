/* SPDX-License-Identifier: MIT
 *
 * One instance over the wire: starts with every policy, what is said to it, and what is told of
 * it. */
#include "one_server.h"

#include <stdio.h>
#include <string.h>

static struct hub_create_instance_request request_of(const char *id)
{
    struct hub_create_instance_request request;
    message_init(&hub_create_instance_request_type, &request);
    request.instance_id = text_of(id);
    request.name = TEXT("flow");
    return request;
}

static pd_status start(const struct hub_create_instance_request *request, struct text *ret)
{
    struct hub_create_instance_response response = { .instance_id = TEXT_ABSENT };
    pd_status status = served_call(&served, "StartInstance", create_instance_request, request,
                                   create_instance_response, &response);
    if (ret != NULL) {
        *ret = response.instance_id;
    }
    return status;
}

/* ---- starts ---------------------------------------------------------------------------------- */

static void a_start_without_an_id_gets_32_digits(void **state)
{
    (void)state;
    struct hub_create_instance_request request = request_of("");
    struct text id;
    assert_int_equal(start(&request, &id), PD_OK);
    assert_int_equal(id.size, 32);
    assert_int_equal(strspn(id.at, "0123456789abcdef"), 32);
    struct hub_get_instance_response got = served_get(&served, id.at);
    assert_true(got.exists);
    assert_int_equal(got.orchestration_state->execution_id.size, 32);
}

static void an_id_has_at_most_100_characters(void **state)
{
    (void)state;
    char id[102];
    memset(id, 'x', sizeof id);
    id[100] = '\0';
    struct hub_create_instance_request request = request_of(id);
    assert_int_equal(start(&request, NULL), PD_OK);
    id[100] = 'x';
    id[101] = '\0';
    request = request_of(id);
    assert_int_equal(start(&request, NULL), PD_E_INVALID);
    assert_non_null(strstr(served.err.text, "length is 101"));
}

static void ids_of_entities_and_what_cannot_be_printed_are_refused(void **state)
{
    (void)state;
    static const char *const ids[] = { "@counter@a", "a\037b", "caf\xc3\xa9" };
    for (size_t i = 0; i < 3; i++) {
        struct hub_create_instance_request request = request_of(ids[i]);
        assert_int_equal(start(&request, NULL), PD_E_INVALID);
    }
    struct hub_create_instance_request nameless = request_of("n");
    nameless.name = TEXT("");
    assert_int_equal(start(&nameless, NULL), PD_E_INVALID);
}

static void what_is_absent_stays_so_and_what_is_empty_too(void **state)
{
    (void)state;
    struct hub_create_instance_request request = request_of("empty");
    request.version = TEXT("");
    request.input = TEXT("");
    assert_int_equal(start(&request, NULL), PD_OK);
    const struct hub_orchestration_state *got = served_get(&served, "empty").orchestration_state;
    assert_text(got->version, "");
    assert_text(got->input, "");
    assert_false(text_is_present(got->output));
    assert_false(text_is_present(got->custom_status));
    request = request_of("absent");
    assert_int_equal(start(&request, NULL), PD_OK);
    got = served_get(&served, "absent").orchestration_state;
    assert_false(text_is_present(got->version));
    assert_false(text_is_present(got->input));
}

static void payloads_come_only_when_they_are_asked_for(void **state)
{
    (void)state;
    struct hub_create_instance_request request = request_of("quiet");
    request.input = TEXT("1");
    request.version = TEXT("v1");
    assert_int_equal(start(&request, NULL), PD_OK);
    const struct hub_get_instance_request ask = { TEXT("quiet"), false };
    struct hub_get_instance_response got;
    assert_int_equal(served_call(&served, "GetInstance", get_instance_request, &ask,
                                 get_instance_response, &got),
                     PD_OK);
    assert_false(text_is_present(got.orchestration_state->input));
    assert_text(got.orchestration_state->version, "v1");
}

/* 1795000000 s is in 2026 and past; epoch 0 is what JavaScript sends for "at once". */
static void a_start_in_the_future_is_pending_and_the_past_is_now(void **state)
{
    (void)state;
    struct hub_create_instance_request request = request_of("past");
    request.scheduled_start_timestamp = 0;
    assert_int_equal(start(&request, NULL), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    assert_text(item.orchestrator_request->instance_id, "past");
    assert_int_equal(served_get(&served, "past").orchestration_state->scheduled_start_timestamp,
                     WIRE_NO_TIME);
    request = request_of("future");
    request.scheduled_start_timestamp = INT64_C(4000000000) * TIME_SECOND;
    assert_int_equal(start(&request, NULL), PD_OK);
    assert_int_equal(served_status(&served, "future"), PENDING);
    assert_true(desk_has_none(&desk, 300));
    assert_true(served_get(&served, "future").orchestration_state->scheduled_start_timestamp ==
                INT64_C(4000000000) * TIME_SECOND);
}

static void an_execution_id_is_taken_when_it_is_one(void **state)
{
    (void)state;
    struct hub_create_instance_request request = request_of("mine");
    request.execution_id = TEXT("my-execution");
    assert_int_equal(start(&request, NULL), PD_OK);
    assert_text(served_get(&served, "mine").orchestration_state->execution_id, "my-execution");
    request = request_of("none");
    request.execution_id = TEXT("");
    assert_int_equal(start(&request, NULL), PD_OK);
    assert_int_equal(served_get(&served, "none").orchestration_state->execution_id.size, 32);
}

/* ---- policies for ids that are in use -------------------------------------------------------- */

/* R as numbers of statuses, -1 ends; field 2 of old clients: 0 leaves it out. */
static pd_status start_with(const char *id, const int64_t *reusable, int action)
{
    struct hub_create_instance_request request = request_of(id);
    struct buffer bytes;
    struct text unwanted;
    char policy[32];
    char *at = policy;
    for (; *reusable >= 0; reusable++) {
        *at++ = 0x08;
        *at++ = (char)*reusable;
    }
    if (action != 0) {
        *at++ = 0x10;
        *at++ = (char)action;
    }
    buffer_init(&bytes);
    message_write(&hub_create_instance_request_type, &bytes, &request);
    buffer_add_byte(&bytes, 0x32);
    buffer_add_byte(&bytes, (uint8_t)(at - policy));
    buffer_add(&bytes, policy, (size_t)(at - policy));
    pd_status status =
        grpc_channel_call(served.channel, "/TaskHubSidecarService/StartInstance",
                          buffer_text(&bytes), PATIENCE_MS, &served.arena, &unwanted, &served.err);
    buffer_done(&bytes);
    return status;
}

static struct text execution_of(const char *id)
{
    return served_get(&served, id).orchestration_state->execution_id;
}

static const int64_t nothing[] = { -1 };
static const int64_t completed_only[] = { COMPLETED, -1 };
static const int64_t running_only[] = { RUNNING, PENDING, -1 };
static const int64_t live_and_terminated[] = { RUNNING, PENDING, SUSPENDED, TERMINATED, -1 };

static void without_a_policy_what_has_ended_is_replaced_and_what_lives_is_not(void **state)
{
    (void)state;
    struct hub_create_instance_request request = request_of("a");
    desk_run(&desk, "a", COMPLETED, "1");
    struct text before = execution_of("a");
    assert_int_equal(start(&request, NULL), PD_OK);
    assert_false(text_equal(before, execution_of("a")));
    assert_int_equal(served_status(&served, "a"), PENDING);
    assert_false(text_is_present(served_get(&served, "a").orchestration_state->output));
    assert_int_equal(start(&request, NULL), PD_E_EXISTS);
    assert_string_equal(served.err.text, "orchestration instance already exists: 'a' is Pending");
}

static void an_empty_policy_replaces_nothing(void **state)
{
    (void)state;
    desk_run(&desk, "a", COMPLETED, "1");
    assert_int_equal(start_with("a", nothing, 0), PD_E_EXISTS);
    assert_string_equal(served.err.text, "orchestration instance already exists: 'a' is Completed");
}

static void only_states_of_the_policy_are_replaced(void **state)
{
    (void)state;
    desk_run(&desk, "done", COMPLETED, "1");
    desk_run(&desk, "failed", FAILED, NULL);
    assert_int_equal(start_with("done", completed_only, 0), PD_OK);
    assert_int_equal(start_with("failed", completed_only, 0), PD_E_EXISTS);
}

static void a_live_one_is_replaced_only_by_who_may_replace_terminated_ones(void **state)
{
    (void)state;
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct text before = execution_of("a");
    assert_int_equal(start_with("a", running_only, 0), PD_E_INVALID);
    assert_non_null(strstr(served.err.text,
                           "Invalid reusable statuses: cannot exclude 'Terminated' "
                           "while also allowing reuse of running instances"));
    assert_int_equal(start_with("a", live_and_terminated, 0), PD_OK);
    assert_false(text_equal(before, execution_of("a")));
}

/* Not S in R alone: dedupe of {Failed, Terminated} over a completed one is fine. */
static void such_a_policy_does_not_matter_to_one_that_has_ended(void **state)
{
    (void)state;
    static const int64_t all_but[] = { COMPLETED, RUNNING, PENDING, SUSPENDED, -1 };
    desk_run(&desk, "a", COMPLETED, "1");
    assert_int_equal(start_with("a", all_but, 0), PD_OK);
}

static void old_clients_may_ignore_or_terminate(void **state)
{
    (void)state;
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct text before = execution_of("a");
    assert_int_equal(start_with("a", running_only, 1), PD_OK); /* IGNORE */
    assert_true(text_equal(before, execution_of("a")));
    assert_int_equal(start_with("a", completed_only, 1), PD_E_EXISTS);
    assert_int_equal(start_with("a", running_only, 2), PD_OK); /* TERMINATE */
    assert_false(text_equal(before, execution_of("a")));
    assert_int_equal(start_with("a", completed_only, 2), PD_E_EXISTS);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static pd_status raise_event(const char *id, const char *name)
{
    const struct hub_raise_event_request request = { text_of(id), text_of(name), TEXT("1") };
    return served_tell(&served, "RaiseEvent", &hub_raise_event_request_type, &request);
}

static pd_status terminate(const char *id, const char *output)
{
    const struct hub_terminate_request request = { text_of(id), text_of(output), false };
    return served_tell(&served, "TerminateInstance", &hub_terminate_request_type, &request);
}

static pd_status suspend(const char *id)
{
    const struct hub_suspend_request request = { text_of(id), TEXT("why") };
    return served_tell(&served, "SuspendInstance", &hub_suspend_request_type, &request);
}

static pd_status resume(const char *id)
{
    const struct hub_resume_request request = { text_of(id), TEXT_ABSENT };
    return served_tell(&served, "ResumeInstance", &hub_resume_request_type, &request);
}

static pd_status rewind_one(const char *id)
{
    const struct hub_rewind_instance_request request = { text_of(id), TEXT("again") };
    return served_tell(&served, "RewindInstance", &hub_rewind_instance_request_type, &request);
}

static pd_status restart(const char *id, bool with_new_id, struct text *ret)
{
    const struct hub_restart_instance_request request = { text_of(id), with_new_id };
    struct hub_restart_instance_response response = { .instance_id = TEXT_ABSENT };
    pd_status status = served_call(&served, "RestartInstance", restart_instance_request, &request,
                                   restart_instance_response, &response);
    if (ret != NULL) {
        *ret = response.instance_id;
    }
    return status;
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(raise_event("nobody", "e"), PD_E_NOT_FOUND);
    assert_int_equal(terminate("nobody", NULL), PD_E_NOT_FOUND);
    assert_int_equal(suspend("nobody"), PD_E_NOT_FOUND);
    assert_int_equal(resume("nobody"), PD_E_NOT_FOUND);
    assert_int_equal(rewind_one("nobody"), PD_E_NOT_FOUND);
    assert_int_equal(restart("nobody", false, NULL), PD_E_NOT_FOUND);
    assert_int_equal(restart("nobody", true, NULL), PD_E_NOT_FOUND);
    assert_int_equal(raise_event("@entity@key", "e"), PD_E_NOT_FOUND);
    assert_false(served_get(&served, "nobody").exists);
    assert_false(served_get(&served, "@entity@key").exists);
}

static void without_an_id_every_call_is_refused(void **state)
{
    (void)state;
    const struct hub_get_instance_request get = { TEXT(""), true };
    assert_int_equal(raise_event("", "e"), PD_E_INVALID);
    assert_int_equal(terminate("", NULL), PD_E_INVALID);
    assert_int_equal(suspend(""), PD_E_INVALID);
    assert_int_equal(resume(""), PD_E_INVALID);
    assert_int_equal(rewind_one(""), PD_E_INVALID);
    assert_int_equal(restart("", false, NULL), PD_E_INVALID);
    assert_int_equal(served_tell(&served, "GetInstance", &hub_get_instance_request_type, &get),
                     PD_E_INVALID);
    assert_int_equal(
        served_tell(&served, "WaitForInstanceStart", &hub_get_instance_request_type, &get),
        PD_E_INVALID);
}

static void to_one_that_has_ended_nothing_happens_and_all_is_well(void **state)
{
    (void)state;
    desk_run(&desk, "a", COMPLETED, "\"out\"");
    assert_int_equal(raise_event("a", "e"), PD_OK);
    assert_int_equal(terminate("a", "\"late\""), PD_OK);
    assert_int_equal(suspend("a"), PD_OK);
    assert_int_equal(resume("a"), PD_OK);
    const struct hub_orchestration_state *got = served_get(&served, "a").orchestration_state;
    assert_int_equal(got->orchestration_status, COMPLETED);
    assert_text(got->output, "\"out\"");
}

static void terminating_gives_the_output_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    assert_int_equal(terminate("a", "{ \"raw\" :1}"), PD_OK);
    const struct hub_orchestration_state *got = served_get(&served, "a").orchestration_state;
    assert_int_equal(got->orchestration_status, TERMINATED);
    assert_text(got->output, "{ \"raw\" :1}");
    desk_complete(&desk, &item, NULL, 0); /* its turn is nobody's any more, which is fine */
    assert_int_equal(served_status(&served, "a"), TERMINATED);
}

static void suspended_at_once_twice_and_pending_again(void **state)
{
    (void)state;
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    assert_int_equal(suspend("a"), PD_OK);
    assert_int_equal(served_status(&served, "a"), SUSPENDED);
    assert_int_equal(suspend("a"), PD_OK);
    assert_int_equal(resume("a"), PD_OK);
    assert_int_equal(served_status(&served, "a"), PENDING);
    assert_int_equal(resume("a"), PD_OK);
}

static void only_what_has_failed_is_rewound(void **state)
{
    (void)state;
    desk_run(&desk, "good", COMPLETED, NULL);
    assert_int_equal(rewind_one("good"), PD_E_STATE);
    assert_string_equal(served.err.text,
                        "Instance 'good' is in the Completed state, which does not "
                        "allow rewinding.");
    desk_run(&desk, "bad", FAILED, NULL);
    assert_non_null(served_get(&served, "bad").orchestration_state->failure_details.at);
    assert_int_equal(rewind_one("bad"), PD_OK);
    assert_int_equal(served_status(&served, "bad"), RUNNING);
    assert_false(text_is_present(served_get(&served, "bad").orchestration_state->failure_details));
    (void)desk_end(&desk, COMPLETED, "2");
    assert_text(served_wait(&served, "bad").orchestration_state->output, "2");
}

static void one_that_failed_inside_a_critical_section_is_told_so(void **state)
{
    (void)state;
    struct text locks[] = { TEXT("@c@1") };
    const struct hub_entity_lock_requested_event lock = {
        .critical_section_id = TEXT("0af76519-16cd-43dd-8448-eb211c80319c"),
        .lock_set = { locks, 1 },
    };
    const struct hub_send_entity_message_action message = { .entity_lock_requested = &lock };
    const struct hub_orchestrator_action action = { .id = 1, .send_entity_message = &message };
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    (void)desk_answer(&desk, &action, 1);
    (void)desk_end(&desk, FAILED, NULL);
    assert_int_equal(rewind_one("a"), PD_E_STATE);
    assert_non_null(strstr(served.err.text, "critical section"));
}

static void a_restart_takes_what_was_put_in(void **state)
{
    (void)state;
    struct hub_create_instance_request request = request_of("a");
    struct text id;
    request.input = TEXT("[1,2]");
    request.version = TEXT("");
    assert_int_equal(start(&request, NULL), PD_OK);
    assert_int_equal(restart("a", false, NULL), PD_E_STATE);
    assert_int_equal(restart("a", true, &id), PD_OK);
    assert_int_equal(id.size, 32);
    const struct hub_orchestration_state *got = served_get(&served, id.at).orchestration_state;
    assert_text(got->input, "[1,2]");
    assert_text(got->version, "");
    assert_text(got->name, "flow");
    (void)desk_end(&desk, COMPLETED, "1");
    (void)served_wait(&served, "a");
    struct text before = execution_of("a");
    assert_int_equal(restart("a", false, &id), PD_OK);
    assert_text(id, "a");
    got = served_get(&served, "a").orchestration_state;
    assert_int_equal(got->orchestration_status, PENDING);
    assert_false(text_is_present(got->output));
    assert_false(text_equal(before, got->execution_id));
}

static void bytes_that_are_no_message_are_refused(void **state)
{
    (void)state;
    struct text unwanted;
    assert_int_equal(grpc_channel_call(served.channel, "/TaskHubSidecarService/StartInstance",
                                       TEXT("\x0a\x7f"
                                            "short"),
                                       PATIENCE_MS, &served.arena, &unwanted, &served.err),
                     PD_E_INVALID);
    assert_int_equal(grpc_channel_call(served.channel, "/TaskHubSidecarService/Nothing", TEXT(""),
                                       PATIENCE_MS, &served.arena, &unwanted, &served.err) == PD_OK,
                     false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_start_without_an_id_gets_32_digits),
        ROW(an_id_has_at_most_100_characters),
        ROW(ids_of_entities_and_what_cannot_be_printed_are_refused),
        ROW(what_is_absent_stays_so_and_what_is_empty_too),
        ROW(payloads_come_only_when_they_are_asked_for),
        ROW(a_start_in_the_future_is_pending_and_the_past_is_now),
        ROW(an_execution_id_is_taken_when_it_is_one),
        ROW(without_a_policy_what_has_ended_is_replaced_and_what_lives_is_not),
        ROW(an_empty_policy_replaces_nothing),
        ROW(only_states_of_the_policy_are_replaced),
        ROW(a_live_one_is_replaced_only_by_who_may_replace_terminated_ones),
        ROW(such_a_policy_does_not_matter_to_one_that_has_ended),
        ROW(old_clients_may_ignore_or_terminate),
        ROW(what_is_not_there_is_not_found),
        ROW(without_an_id_every_call_is_refused),
        ROW(to_one_that_has_ended_nothing_happens_and_all_is_well),
        ROW(terminating_gives_the_output_as_it_is),
        ROW(suspended_at_once_twice_and_pending_again),
        ROW(only_what_has_failed_is_rewound),
        ROW(one_that_failed_inside_a_critical_section_is_told_so),
        ROW(a_restart_takes_what_was_put_in),
        ROW(bytes_that_are_no_message_are_refused),
    };
    return cmocka_run_group_tests_name("server: instances", tests, NULL, NULL);
}
