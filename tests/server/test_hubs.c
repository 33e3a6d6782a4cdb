/* SPDX-License-Identifier: MIT
 *
 * Several hubs in one server, workers and what they may do wrong, entities, and the end of it all.
 * */
#include "served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/server_priv.h"
#include "unit/grpc/attacker.h"

static struct served served;

static int set_up(void **state)
{
    (void)state;
    served_start(&served, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    served_stop(&served);
    return 0;
}

/* ---- hubs ------------------------------------------------------------------------------------ */

static struct grpc_channel *channel_of(const char *hub)
{
    const char *metadata[] = { "taskhub", hub, NULL };
    return served_connect(&served, metadata);
}

static pd_status start_in(struct grpc_channel *channel, const char *id)
{
    struct hub_create_instance_request request;
    message_init(&hub_create_instance_request_type, &request);
    request.instance_id = text_of(id);
    request.name = TEXT("flow");
    return served_call_on(&served, channel, "StartInstance", &hub_create_instance_request_type,
                          &request, NULL, NULL, PATIENCE_MS);
}

static bool is_in(struct grpc_channel *channel, const char *id)
{
    const struct hub_get_instance_request request = { text_of(id), false };
    struct hub_get_instance_response response;
    pd_status status =
        served_call_on(&served, channel, "GetInstance", &hub_get_instance_request_type, &request,
                       &hub_get_instance_response_type, &response, PATIENCE_MS);
    if (status != PD_OK) {
        fail_msg("%s", served.err.text);
    }
    return response.exists;
}

static pd_status tell_hub(struct grpc_channel *channel, const char *method, bool recreates)
{
    const struct hub_create_task_hub_request request = { recreates };
    return served_call_on(&served, channel, method, &hub_create_task_hub_request_type, &request,
                          NULL, NULL, PATIENCE_MS);
}

static void a_hub_knows_nothing_of_another(void **state)
{
    (void)state;
    struct grpc_channel *one = channel_of("one");
    struct grpc_channel *other = channel_of("the other/hub");
    struct desk desk;
    desk_open(&desk, &served, other, NULL);
    assert_int_equal(start_in(one, "a"), PD_OK);
    assert_true(is_in(one, "a"));
    assert_false(is_in(other, "a"));
    assert_false(is_in(served.channel, "a"));
    assert_true(desk_has_none(&desk, 200));
    assert_int_equal(start_in(other, "a"), PD_OK); /* the same id, another instance */
    assert_text(desk_take(&desk).orchestrator_request->instance_id, "a");
    desk_close(&desk);
    grpc_channel_free(one);
    grpc_channel_free(other);
}

static void the_default_hub_has_a_name(void **state)
{
    (void)state;
    struct grpc_channel *named = channel_of("default");
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    assert_true(is_in(named, "a"));
    grpc_channel_free(named);
}

static void a_hubs_name_has_at_most_100_characters(void **state)
{
    (void)state;
    char name[102];
    memset(name, 'h', sizeof name);
    name[100] = '\0';
    struct grpc_channel *channel = channel_of(name);
    assert_false(is_in(channel, "a"));
    grpc_channel_free(channel);
    name[100] = 'h';
    name[101] = '\0';
    channel = channel_of(name);
    assert_int_equal(start_in(channel, "a"), PD_E_INVALID);
    grpc_channel_free(channel);
}

static void there_are_at_most_100_hubs(void **state)
{
    (void)state;
    for (int i = 0; i <= 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "hub-%d", i);
        struct grpc_channel *channel = channel_of(name);
        pd_status status = start_in(channel, "a");
        assert_int_equal(status, i < 99 ? PD_OK : PD_E_LIMIT); /* with the default one */
        grpc_channel_free(channel);
    }
}

static void deleting_takes_all_and_what_comes_after_begins_anew(void **state)
{
    (void)state;
    struct grpc_channel *channel = channel_of("one");
    struct desk desk;
    assert_int_equal(tell_hub(channel, "DeleteTaskHub", false), PD_OK); /* absent: also fine */
    assert_int_equal(start_in(channel, "a"), PD_OK);
    desk_open(&desk, &served, channel, NULL);
    (void)desk_take(&desk);
    assert_int_equal(tell_hub(channel, "DeleteTaskHub", false), PD_OK);
    desk_wait_end(&desk);
    assert_int_equal(desk.status, PD_E_UNAVAILABLE);
    assert_false(is_in(channel, "a"));
    desk_close(&desk);
    grpc_channel_free(channel);
}

static void creating_again_wipes_only_when_told_to(void **state)
{
    (void)state;
    struct grpc_channel *channel = channel_of("one");
    assert_int_equal(tell_hub(channel, "CreateTaskHub", false), PD_OK);
    assert_int_equal(start_in(channel, "a"), PD_OK);
    assert_int_equal(tell_hub(channel, "CreateTaskHub", false), PD_OK);
    assert_true(is_in(channel, "a"));
    assert_int_equal(tell_hub(channel, "CreateTaskHub", true), PD_OK);
    assert_false(is_in(channel, "a"));
    grpc_channel_free(channel);
}

static int set_up_fixed(void **state)
{
    static const char *const options[] = { "--dynamic-hubs=no", "--hubs=known,also", NULL };
    (void)state;
    served_start(&served, options);
    return 0;
}

static void without_dynamic_hubs_only_known_ones_are_found(void **state)
{
    (void)state;
    struct grpc_channel *known = channel_of("also");
    struct grpc_channel *unknown = channel_of("unknown");
    assert_int_equal(start_in(known, "a"), PD_OK);
    assert_int_equal(start_in(served.channel, "a"), PD_OK);
    assert_int_equal(start_in(unknown, "a"), PD_E_NOT_FOUND);
    assert_non_null(strstr(served.err.text, "no task hub 'unknown'"));
    struct desk desk;
    desk_open(&desk, &served, unknown, NULL);
    desk_wait_end(&desk);
    assert_int_equal(desk.status, PD_E_NOT_FOUND);
    desk_close(&desk);
    assert_int_equal(tell_hub(unknown, "CreateTaskHub", false), PD_OK); /* said in so many words */
    assert_int_equal(start_in(unknown, "a"), PD_OK);
    grpc_channel_free(known);
    grpc_channel_free(unknown);
}

/* ---- what is kept in files ------------------------------------------------------------------- */

static char folder[64];

static int set_up_files(void **state)
{
    static char store[128];
    static const char *const options[] = { store, NULL };
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/perdure-served-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(store, sizeof store, "--store=sqlite:%s/hub.db", folder);
    served_start(&served, options);
    return 0;
}

static int tear_down_files(void **state)
{
    char command[128];
    served_stop(&served);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)state;
    return system(command);
}

static bool has_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void a_hub_is_a_file_beside_the_default_one(void **state)
{
    (void)state;
    struct grpc_channel *channel = channel_of("../a b%");
    assert_int_equal(start_in(channel, "a"), PD_OK);
    assert_true(has_file("hub.db"));
    assert_true(has_file("hub.db.%2E%2E%2Fa%20b%25.db"));
    assert_int_equal(tell_hub(channel, "DeleteTaskHub", false), PD_OK);
    assert_false(has_file("hub.db.%2E%2E%2Fa%20b%25.db"));
    assert_false(has_file("hub.db.%2E%2E%2Fa%20b%25.db-wal"));
    grpc_channel_free(channel);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void a_stream_has_a_ping_at_once_and_then_again(void **state)
{
    static const char *const options[] = { "--health-ping=100ms", NULL };
    (void)state;
    struct desk desk;
    served_start(&served, options);
    desk_open(&desk, &served, NULL, NULL);
    desk_wait_pings(&desk, 4);
    desk_close(&desk);
    served_stop(&served);
}

static void a_stream_gets_no_more_than_it_can_do_at_once(void **state)
{
    (void)state;
    struct hub_get_work_items_request request = { .max_concurrent_orchestration_work_items = 1 };
    struct desk desk;
    desk_open(&desk, &served, NULL, &request);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    assert_int_equal(served_start_instance(&served, "b", "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    assert_true(desk_has_none(&desk, 200));
    desk_complete(&desk, &item, NULL, 0);
    assert_text(desk_take(&desk).orchestrator_request->instance_id, "b");
    desk_close(&desk);
}

static void an_item_of_a_stream_that_is_gone_goes_to_another(void **state)
{
    (void)state;
    struct desk first, second;
    desk_open(&first, &served, NULL, NULL);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct hub_work_item old = desk_take(&first);
    desk_close(&first);
    desk_open(&second, &served, NULL, NULL);
    struct hub_work_item item = desk_take(&second);
    assert_text(item.orchestrator_request->instance_id, "a");
    assert_false(text_equal(old.completion_token, item.completion_token));
    desk_complete(&second, &old, NULL, 0); /* stale: all is well, and nothing happens */
    assert_int_equal(served_status(&served, "a"), PENDING);
    desk_complete(&second, &item, NULL, 0);
    assert_int_equal(served_status(&served, "a"), RUNNING);
    desk_close(&second);
}

static void a_result_of_a_stream_that_is_gone_still_counts(void **state)
{
    (void)state;
    struct desk desk, other;
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    desk_close(&desk);
    desk_complete(&desk, &item, NULL, 0);
    assert_int_equal(served_status(&served, "a"), RUNNING);
    desk_open(&other, &served, NULL, NULL);
    assert_true(desk_has_none(&other, 900));
    desk_close(&other);
}

static void what_nobody_knows_is_completed_and_abandoned_without_a_word(void **state)
{
    (void)state;
    static const char *const tokens[] = { "", "nonsense", "00000000000000000000000000000000" };
    for (size_t i = 0; i < 3; i++) {
        struct hub_orchestrator_response turn;
        struct hub_activity_response activity;
        struct hub_entity_batch_result entity;
        message_init(&hub_orchestrator_response_type, &turn);
        message_init(&hub_activity_response_type, &activity);
        message_init(&hub_entity_batch_result_type, &entity);
        turn.completion_token = activity.completion_token = entity.completion_token =
            text_of(tokens[i]);
        turn.instance_id = activity.instance_id = TEXT("nobody");
        const struct hub_abandon_activity_task_request token = { text_of(tokens[i]) };
        const struct message_type *type = &hub_abandon_activity_task_request_type;
        assert_int_equal(served_tell(&served, "CompleteOrchestratorTask",
                                     &hub_orchestrator_response_type, &turn),
                         PD_OK);
        assert_int_equal(
            served_tell(&served, "CompleteActivityTask", &hub_activity_response_type, &activity),
            PD_OK);
        assert_int_equal(
            served_tell(&served, "CompleteEntityTask", &hub_entity_batch_result_type, &entity),
            PD_OK);
        assert_int_equal(served_tell(&served, "AbandonTaskOrchestratorWorkItem", type, &token), 0);
        assert_int_equal(served_tell(&served, "AbandonTaskActivityWorkItem", type, &token), 0);
        assert_int_equal(served_tell(&served, "AbandonTaskEntityWorkItem", type, &token), 0);
    }
    struct text unwanted;
    assert_int_equal(
        grpc_channel_call(served.channel, "/TaskHubSidecarService/CompleteOrchestratorTask",
                          TEXT("\x0a\x7f"), PATIENCE_MS, &served.arena, &unwanted, &served.err),
        PD_E_INVALID);
}

static void what_is_abandoned_comes_again_after_a_while(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    const struct hub_abandon_orchestration_task_request token = { item.completion_token };
    assert_int_equal(served_tell(&served, "AbandonTaskOrchestratorWorkItem",
                                 &hub_abandon_orchestration_task_request_type, &token),
                     PD_OK);
    assert_true(desk_has_none(&desk, 50));
    assert_text(desk_take(&desk).orchestrator_request->instance_id, "a");
    desk_close(&desk);
}

static void an_activity_goes_out_and_its_result_comes_back(void **state)
{
    (void)state;
    struct desk desk;
    const struct hub_schedule_task_action task = {
        .name = TEXT_INIT("say"),
        .input = TEXT_INIT("\"x\""),
    };
    const struct hub_orchestrator_action action = { .id = 0, .schedule_task = &task };
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    (void)desk_answer(&desk, &action, 1);
    struct hub_work_item item = desk_take(&desk);
    assert_non_null(item.activity_request);
    assert_text(item.activity_request->name, "say");
    assert_text(item.activity_request->input, "\"x\"");
    assert_int_equal(item.activity_request->task_id, 0);
    struct hub_activity_response response;
    message_init(&hub_activity_response_type, &response);
    response.instance_id = TEXT("a");
    response.completion_token = item.completion_token;
    response.result = TEXT("\"y\"");
    assert_int_equal(
        served_tell(&served, "CompleteActivityTask", &hub_activity_response_type, &response),
        PD_OK);
    item = desk_end(&desk, COMPLETED, "\"y\"");
    assert_int_equal(item.orchestrator_request->past_events.count, 3);
    assert_int_equal(item.orchestrator_request->new_events.count, 2);
    assert_text(served_wait(&served, "a").orchestration_state->output, "\"y\"");
    desk_close(&desk);
}

/* ---- entities -------------------------------------------------------------------------------- */

static pd_status signal_entity(const char *id, const char *name)
{
    struct hub_signal_entity_request request;
    message_init(&hub_signal_entity_request_type, &request);
    request.instance_id = text_of(id);
    request.name = text_of(name);
    request.request_id = TEXT("0190b0a4-0000-7000-8000-000000000001");
    request.input = TEXT("1");
    return served_tell(&served, "SignalEntity", &hub_signal_entity_request_type, &request);
}

static struct hub_get_entity_response get_entity(const char *id)
{
    const struct hub_get_entity_request request = { text_of(id), true };
    struct hub_get_entity_response response;
    assert_int_equal(served_call(&served, "GetEntity", get_entity_request, &request,
                                 get_entity_response, &response),
                     PD_OK);
    return response;
}

static void run_entity(struct desk *desk, const char *state)
{
    struct hub_work_item item = desk_take(desk);
    struct hub_operation_result_success success;
    struct hub_entity_batch_result result;
    assert_non_null(item.entity_request_v2);
    message_init(&hub_operation_result_success_type, &success);
    struct hub_operation_result one = { .success = &success };
    message_init(&hub_entity_batch_result_type, &result);
    result.completion_token = item.completion_token;
    result.results = (struct hub_operation_result_list){ &one, 1 };
    result.entity_state = text_of(state);
    assert_int_equal(
        served_tell(&served, "CompleteEntityTask", &hub_entity_batch_result_type, &result), PD_OK);
}

static void a_signal_makes_an_entity_whose_name_is_folded(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(signal_entity("@Counter@Key", "add"), PD_OK);
    run_entity(&desk, "7");
    struct hub_get_entity_response got = get_entity("@COUNTER@Key");
    assert_true(got.exists);
    assert_text(got.entity->instance_id, "@counter@Key");
    assert_text(got.entity->serialized_state, "7");
    assert_true(got.entity->last_modified_time > 0);
    assert_false(get_entity("@counter@key").exists); /* keys keep their case */
    assert_int_equal(signal_entity("@counter@Key", "drop"), PD_OK);
    run_entity(&desk, "");
    assert_false(get_entity("@counter@Key").exists);
    desk_close(&desk);
}

static void an_entity_id_has_at_most_100_characters(void **state)
{
    (void)state;
    char id[102] = "@e@";
    memset(id + 3, 'k', sizeof id - 3);
    id[100] = '\0';
    assert_int_equal(signal_entity(id, "add"), PD_OK);
    id[100] = 'k';
    id[101] = '\0';
    assert_int_equal(signal_entity(id, "add"), PD_E_INVALID);
    assert_non_null(strstr(served.err.text, "length"));
    assert_int_equal(signal_entity("no entity", "add"), PD_E_INVALID);
    assert_int_equal(signal_entity("@@key", "add"), PD_E_INVALID);
    assert_int_equal(signal_entity("@e@k", ""), PD_E_INVALID);
}

static void entities_are_listed_by_id_in_pages(void **state)
{
    (void)state;
    struct desk desk;
    struct hub_entity_query query;
    struct hub_query_entities_response page;
    desk_open(&desk, &served, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        char id[24];
        snprintf(id, sizeof id, "@Bin@%d", 2 - i);
        assert_int_equal(signal_entity(id, "add"), PD_OK);
        run_entity(&desk, "1");
    }
    message_init(&hub_entity_query_type, &query);
    query.instance_id_starts_with = TEXT("BIN@");
    query.page_size = (struct optional_number){ true, 2 };
    const struct hub_query_entities_request request = { &query };
    assert_int_equal(served_call(&served, "QueryEntities", query_entities_request, &request,
                                 query_entities_response, &page),
                     PD_OK);
    assert_int_equal(page.entities.count, 2);
    assert_text(page.entities.items[0].instance_id, "@bin@0");
    assert_false(text_is_present(page.entities.items[0].serialized_state));
    query.continuation_token = page.continuation_token;
    query.include_state = true;
    assert_int_equal(served_call(&served, "QueryEntities", query_entities_request, &request,
                                 query_entities_response, &page),
                     PD_OK);
    assert_int_equal(page.entities.count, 1);
    assert_text(page.entities.items[0].serialized_state, "1");
    assert_false(text_is_present(page.continuation_token));
    query.continuation_token = TEXT("nonsense");
    assert_int_equal(
        served_tell(&served, "QueryEntities", &hub_query_entities_request_type, &request),
        PD_E_INVALID);
    assert_false(served_get(&served, "@bin@0").exists); /* it is no orchestration */
    desk_close(&desk);
}

/* How many there are of those that this asks for, which fit on a page. */
static size_t count_entities(time_us from, time_us to, bool with_transient)
{
    struct hub_entity_query query;
    struct hub_query_entities_response page;
    message_init(&hub_entity_query_type, &query);
    query.instance_id_starts_with = TEXT("@when@");
    query.last_modified_from = from;
    query.last_modified_to = to;
    query.include_transient = with_transient;
    const struct hub_query_entities_request request = { &query };
    assert_int_equal(served_call(&served, "QueryEntities", query_entities_request, &request,
                                 query_entities_response, &page),
                     PD_OK);
    return page.entities.count;
}

static void bounds_of_the_last_change_of_an_entity_are_inclusive(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(signal_entity("@when@a", "add"), PD_OK);
    run_entity(&desk, "1");
    time_us at = get_entity("@when@a").entity->last_modified_time;
    assert_int_equal(count_entities(WIRE_NO_TIME, WIRE_NO_TIME, false), 1);
    assert_int_equal(count_entities(at, WIRE_NO_TIME, false), 1);
    assert_int_equal(count_entities(at + 1, WIRE_NO_TIME, false), 0);
    assert_int_equal(count_entities(WIRE_NO_TIME, at, false), 1);
    assert_int_equal(count_entities(WIRE_NO_TIME, at - 1, false), 0);
    assert_int_equal(signal_entity("@when@a", "drop"), PD_OK);
    run_entity(&desk, "");
    desk_close(&desk);
}

static void an_entity_without_state_is_listed_only_when_such_are_asked_for(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(signal_entity("@when@b", "add"), PD_OK); /* it waits: nobody has run it */
    assert_int_equal(count_entities(WIRE_NO_TIME, WIRE_NO_TIME, false), 0);
    assert_int_equal(count_entities(WIRE_NO_TIME, WIRE_NO_TIME, true), 1);
    assert_false(get_entity("@when@b").exists);
    run_entity(&desk, "");
    assert_int_equal(count_entities(WIRE_NO_TIME, WIRE_NO_TIME, true), 0);
    desk_close(&desk);
}

static void cleaning_finds_nothing_and_says_so(void **state)
{
    (void)state;
    const struct hub_clean_entity_storage_request request = { .remove_empty_entities = true,
                                                              .release_orphaned_locks = true };
    struct hub_clean_entity_storage_response response;
    assert_int_equal(served_call(&served, "CleanEntityStorage", clean_entity_storage_request,
                                 &request, clean_entity_storage_response, &response),
                     PD_OK);
    assert_int_equal(response.empty_entities_removed, 0);
    assert_int_equal(response.orphaned_locks_released, 0);
    assert_false(text_is_present(response.continuation_token));
}

/* ---- the end --------------------------------------------------------------------------------- */

static void draining_waits_for_what_is_out(void **state)
{
    (void)state;
    struct desk desk;
    static const char *const options[] = { "--lost-delay=1ms", NULL };
    served_start(&served, options);
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    server_drain(served.server);
    /* For the next server; and its answer comes when draining has begun. */
    assert_int_equal(served_start_instance(&served, "b", "flow"), PD_OK);
    struct desk late;
    desk_open(&late, &served, NULL, NULL);
    desk_wait_end(&late);
    assert_int_equal(late.status, PD_E_UNAVAILABLE);
    assert_true(desk_has_none(&desk, 200)); /* longer than work of a stream that is gone waits */
    pthread_mutex_lock(&desk.mutex);
    bool has_ended = desk.has_ended;
    pthread_mutex_unlock(&desk.mutex);
    assert_false(has_ended);
    desk_complete(&desk, &item, NULL, 0); /* it counts, and was all that it waited for */
    desk_wait_end(&desk);
    assert_int_equal(desk.status, PD_E_UNAVAILABLE);
    desk_close(&late);
    desk_close(&desk);
    served_join(&served);
}

static void draining_twice_does_not_wait(void **state)
{
    (void)state;
    struct desk desk;
    static const char *const options[] = { "--lost-delay=100s", "--drain=100s", NULL };
    served_start(&served, options);
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    (void)desk_take(&desk);
    server_drain(served.server);
    server_drain(served.server);
    desk_wait_end(&desk);
    desk_close(&desk);
    served_join(&served); /* or the test's own time is over */
}

static void after_its_time_draining_is_over(void **state)
{
    (void)state;
    struct desk desk;
    static const char *const options[] = { "--lost-delay=100s", "--drain=200ms", NULL };
    served_start(&served, options);
    desk_open(&desk, &served, NULL, NULL);
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    (void)desk_take(&desk);
    server_drain(served.server);
    desk_wait_end(&desk);
    desk_close(&desk);
    served_join(&served);
}

/* ---- a client that does not read ------------------------------------------------------------- */

struct slow_reader {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t came;
    bool may_go_on, has_ended;
    pd_status status;
};

/* Its channel's thread stands still here: nothing more is read from the connection. */
static void slowly_came(void *argument, struct grpc_stream *stream, struct text message)
{
    struct slow_reader *reader = argument;
    (void)stream;
    (void)message;
    pthread_mutex_lock(&reader->mutex);
    reader->came++;
    pthread_cond_broadcast(&reader->changed);
    while (!reader->may_go_on) {
        pthread_cond_wait(&reader->changed, &reader->mutex);
    }
    pthread_mutex_unlock(&reader->mutex);
}

static void slowly_ended(void *argument, struct grpc_stream *stream, pd_status status,
                         const pd_error *err)
{
    struct slow_reader *reader = argument;
    (void)stream;
    (void)err;
    pthread_mutex_lock(&reader->mutex);
    reader->has_ended = true;
    reader->status = status;
    pthread_cond_broadcast(&reader->changed);
    pthread_mutex_unlock(&reader->mutex);
}

static void who_does_not_read_a_history_keeps_no_hub_from_being_deleted(void **state)
{
    static const struct grpc_stream_handler handler = { .message = slowly_came,
                                                        .ended = slowly_ended };
    enum { OUTPUT_BYTES = 3 << 20 };
    (void)state;
    struct slow_reader reader = { .status = PD_OK };
    const struct hub_stream_instance_history_request request = { .instance_id = TEXT("a") };
    const char *none[] = { NULL };
    struct grpc_channel *channel = served_connect(&served, none);
    struct desk desk;
    struct buffer bytes;
    char *output = mem_alloc(OUTPUT_BYTES + 1);
    memset(output, 'x', OUTPUT_BYTES);
    pthread_mutex_init(&reader.mutex, NULL);
    pthread_cond_init(&reader.changed, NULL);
    desk_open(&desk, &served, NULL, NULL);
    desk_run(&desk, "a", COMPLETED, output);
    mem_free(output);
    buffer_init(&bytes);
    message_write(&hub_stream_instance_history_request_type, &bytes, &request);
    struct grpc_stream *stream =
        grpc_stream_open(channel, "/TaskHubSidecarService/StreamInstanceHistory",
                         buffer_text(&bytes), &handler, &reader);
    buffer_done(&bytes);
    pthread_mutex_lock(&reader.mutex);
    while (reader.came == 0 && !reader.has_ended) {
        pthread_cond_wait(&reader.changed, &reader.mutex);
    }
    assert_false(reader.has_ended);
    pthread_mutex_unlock(&reader.mutex);

    assert_int_equal(tell_hub(served.channel, "DeleteTaskHub", false), PD_OK);

    pthread_mutex_lock(&reader.mutex);
    reader.may_go_on = true;
    pthread_cond_broadcast(&reader.changed);
    while (!reader.has_ended) {
        pthread_cond_wait(&reader.changed, &reader.mutex);
    }
    pthread_mutex_unlock(&reader.mutex);
    assert_int_equal(reader.status, PD_E_UNAVAILABLE);
    grpc_stream_free(stream);
    grpc_channel_free(channel);
    desk_close(&desk);
    pthread_mutex_destroy(&reader.mutex);
    pthread_cond_destroy(&reader.changed);
}

#define ROW(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* The server has said that a stream is over. */
static bool has_ended(const struct attacker *client)
{
    for (size_t at = 0; at + 9 <= client->heard_size;) {
        const uint8_t *frame = client->heard + at;
        if (frame[3] == HEADERS && (frame[4] & END_STREAM) != 0) {
            return true;
        }
        at += 9 + ((size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2]);
    }
    return false;
}

/* Before there is a hub that could know of the stream. */
static void a_stream_that_is_half_closed_while_its_hub_opens_is_ended(void **state)
{
    (void)state;
    static struct attacker client;
    uint8_t block[1024];
    if (served_has_tls(&served)) {
        skip(); /* it speaks in the clear */
    }
    const char *colon = strrchr(server_grpc_address(served.server, 0), ':');
    attack_hello(&client, (unsigned)strtoul(colon + 1, NULL, 10));
    size_t head = block_of(block, "/perdure.v1.Hub/WaitEnd", 0);
    head += block_add(block + head, "taskhub", "opens now", 9);
    assert_true(say_frame(&client, HEADERS, END_HEADERS | END_STREAM, 1, block, head));
    for (int i = 0; i < 400 && !has_ended(&client); i++) {
        hear(&client, 50);
    }
    assert_true(has_ended(&client));
    attack_end(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_hub_knows_nothing_of_another),
        ROW(the_default_hub_has_a_name),
        ROW(a_hubs_name_has_at_most_100_characters),
        ROW(there_are_at_most_100_hubs),
        ROW(deleting_takes_all_and_what_comes_after_begins_anew),
        ROW(creating_again_wipes_only_when_told_to),
        ROW(a_stream_that_is_half_closed_while_its_hub_opens_is_ended),
        ROW(who_does_not_read_a_history_keeps_no_hub_from_being_deleted),
        cmocka_unit_test_setup_teardown(without_dynamic_hubs_only_known_ones_are_found,
                                        set_up_fixed, tear_down),
        cmocka_unit_test_setup_teardown(a_hub_is_a_file_beside_the_default_one, set_up_files,
                                        tear_down_files),
        cmocka_unit_test(a_stream_has_a_ping_at_once_and_then_again),
        ROW(a_stream_gets_no_more_than_it_can_do_at_once),
        ROW(an_item_of_a_stream_that_is_gone_goes_to_another),
        ROW(a_result_of_a_stream_that_is_gone_still_counts),
        ROW(what_nobody_knows_is_completed_and_abandoned_without_a_word),
        ROW(what_is_abandoned_comes_again_after_a_while),
        ROW(an_activity_goes_out_and_its_result_comes_back),
        ROW(a_signal_makes_an_entity_whose_name_is_folded),
        ROW(an_entity_id_has_at_most_100_characters),
        ROW(entities_are_listed_by_id_in_pages),
        ROW(bounds_of_the_last_change_of_an_entity_are_inclusive),
        ROW(an_entity_without_state_is_listed_only_when_such_are_asked_for),
        ROW(cleaning_finds_nothing_and_says_so),
        cmocka_unit_test(draining_waits_for_what_is_out),
        cmocka_unit_test(draining_twice_does_not_wait),
        cmocka_unit_test(after_its_time_draining_is_over),
    };
    return cmocka_run_group_tests_name("server: hubs and work", tests, NULL, NULL);
}
