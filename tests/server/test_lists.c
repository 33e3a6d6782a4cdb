/* SPDX-License-Identifier: MIT
 *
 * Lists in pages, histories in chunks, and purging. */
#include "one_server.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "wire/wire.h"

/* ---- QueryInstances -------------------------------------------------------------------------- */

static struct hub_instance_query any(void)
{
    struct hub_instance_query query;
    message_init(&hub_instance_query_type, &query);
    return query;
}

static pd_status ask(const struct hub_instance_query *query,
                     struct hub_query_instances_response *ret)
{
    const struct hub_query_instances_request request = { query };
    return served_call(&served, "QueryInstances", query_instances_request, &request,
                       query_instances_response, ret);
}

static struct hub_query_instances_response page_of(const struct hub_instance_query *query)
{
    struct hub_query_instances_response page;
    if (ask(query, &page) != PD_OK) {
        fail_msg("%s", served.err.text);
    }
    return page;
}

static void start_many(const char *prefix, int count)
{
    for (int i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s%02d", prefix, i);
        assert_int_equal(served_start_instance(&served, id, "flow"), PD_OK);
    }
}

static void pages_follow_each_other_in_the_order_of_creation(void **state)
{
    (void)state;
    start_many("i", 21);
    struct hub_instance_query query = any();
    query.max_instance_count = 5;
    size_t pages = 0;
    int seen = 0;
    for (bool more = true; more; pages++) {
        struct hub_query_instances_response page = page_of(&query);
        for (size_t i = 0; i < page.orchestration_state.count; i++, seen++) {
            char id[32];
            snprintf(id, sizeof id, "i%02d", seen);
            assert_text(page.orchestration_state.items[i].instance_id, id);
        }
        more = text_is_present(page.continuation_token);
        query.continuation_token = page.continuation_token;
    }
    assert_int_equal(pages, 5);
    assert_int_equal(seen, 21);
}

static void a_token_is_good_for_another_size_of_page(void **state)
{
    (void)state;
    start_many("i", 9);
    struct hub_instance_query query = any();
    query.max_instance_count = 5;
    query.continuation_token = page_of(&query).continuation_token;
    query.max_instance_count = 4;
    struct hub_query_instances_response page = page_of(&query);
    assert_int_equal(page.orchestration_state.count, 4);
    assert_text(page.orchestration_state.items[0].instance_id, "i05");
    assert_false(text_is_present(page.continuation_token)); /* exactly all: absent */
}

static void an_empty_token_is_the_beginning_and_a_wrong_one_is_refused(void **state)
{
    (void)state;
    start_many("i", 2);
    struct hub_instance_query query = any();
    struct hub_query_instances_response page;
    query.continuation_token = TEXT("");
    assert_int_equal(page_of(&query).orchestration_state.count, 2);
    static const char *const wrong[] = { "r", "x1", "r1x", "r12345678901234567", "i01" };
    for (size_t i = 0; i < 5; i++) {
        query.continuation_token = text_of(wrong[i]);
        assert_int_equal(ask(&query, &page), PD_E_INVALID);
    }
}

static void sizes_of_pages_at_and_past_their_bounds(void **state)
{
    (void)state;
    start_many("i", 102);
    struct hub_instance_query query = any();
    static const struct {
        int64_t asked;
        size_t got;
    } rows[] = {
        { 0, 100 }, { -1, 100 }, { 1, 1 }, { 1000, 102 }, { 1001, 100 }, { INT32_MAX, 100 }
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        query.max_instance_count = rows[i].asked;
        assert_int_equal(page_of(&query).orchestration_state.count, rows[i].got);
    }
}

static void filters_are_all_true_at_once(void **state)
{
    (void)state;
    desk_run(&desk, "a1", COMPLETED, "1");
    desk_run(&desk, "a2", FAILED, NULL);
    desk_run(&desk, "b1", COMPLETED, "1");
    int64_t completed[] = { COMPLETED };
    int64_t cancelled[] = { 4 };
    struct hub_instance_query query = any();
    query.runtime_status = (struct number_list){ completed, 1 };
    assert_int_equal(page_of(&query).orchestration_state.count, 2);
    query.instance_id_prefix = TEXT("a");
    assert_int_equal(page_of(&query).orchestration_state.count, 1);
    query.runtime_status = (struct number_list){ cancelled, 1 };
    assert_int_equal(page_of(&query).orchestration_state.count, 0);
    query = any();
    time_us at = served_get(&served, "a2").orchestration_state->created_timestamp;
    query.created_time_from = at; /* both inclusive */
    assert_int_equal(page_of(&query).orchestration_state.count, 2);
    query.created_time_to = at;
    assert_int_equal(page_of(&query).orchestration_state.count, 1);
    query.created_time_to = at - 1;
    query.created_time_from = WIRE_NO_TIME;
    assert_text(page_of(&query).orchestration_state.items[0].instance_id, "a1");
    /* 1970 is a bound like any other, and the year 1 too */
    for (time_us to = 0; to >= -62135596800 * TIME_SECOND; to -= 62135596800 * TIME_SECOND) {
        query.created_time_from = WIRE_NO_TIME;
        query.created_time_to = to;
        assert_int_equal(page_of(&query).orchestration_state.count, 0);
        query.created_time_from = to;
        query.created_time_to = WIRE_NO_TIME;
        assert_int_equal(page_of(&query).orchestration_state.count, 3);
    }
}

static void payloads_are_told_only_when_asked_for_and_bound_a_page(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, COUNT = 5 };
    char *input = mem_alloc(SIZE + 1);
    memset(input, '7', SIZE);
    for (int i = 0; i < COUNT; i++) {
        char id[16];
        struct hub_create_instance_request request;
        snprintf(id, sizeof id, "p%d", i);
        message_init(&hub_create_instance_request_type, &request);
        request.instance_id = text_of(id);
        request.name = TEXT("flow");
        request.input = text_make(input, SIZE);
        assert_int_equal(
            served_tell(&served, "StartInstance", &hub_create_instance_request_type, &request),
            PD_OK);
    }
    mem_free(input);
    struct hub_instance_query query = any();
    struct hub_query_instances_response page = page_of(&query);
    assert_int_equal(page.orchestration_state.count, COUNT);
    assert_false(text_is_present(page.orchestration_state.items[0].input));
    query.fetch_inputs_and_outputs = true;
    size_t seen = 0;
    for (bool more = true; more;) {
        page = page_of(&query);
        assert_in_range(page.orchestration_state.count, 1, 3); /* of 4 MiB that clients take */
        assert_int_equal(page.orchestration_state.items[0].input.size, SIZE);
        seen += page.orchestration_state.count;
        more = text_is_present(page.continuation_token);
        query.continuation_token = page.continuation_token;
    }
    assert_int_equal(seen, COUNT);
}

static void start_one(const char *id, const char *name)
{
    struct hub_create_instance_request request;
    message_init(&hub_create_instance_request_type, &request);
    request.instance_id = text_of(id);
    request.name = text_of(name);
    assert_int_equal(
        served_tell(&served, "StartInstance", &hub_create_instance_request_type, &request), PD_OK);
}

static void what_perdure_itself_runs_is_in_no_list(void **state)
{
    (void)state;
    start_one("mine", "flow");
    start_one("its", "perdure.call");
    struct hub_instance_query query = any();
    struct hub_query_instances_response page = page_of(&query);
    assert_int_equal(page.orchestration_state.count, 1);
    assert_text(page.orchestration_state.items[0].instance_id, "mine");
    query.instance_id_prefix = TEXT("its");
    assert_int_equal(page_of(&query).orchestration_state.count, 0);
}

/* ---- ListInstanceIds ------------------------------------------------------------------------- */

static struct hub_list_instance_ids_response list(int64_t size, struct text key)
{
    struct hub_list_instance_ids_request request;
    struct hub_list_instance_ids_response response;
    message_init(&hub_list_instance_ids_request_type, &request);
    request.page_size = size;
    request.last_instance_key = key;
    assert_int_equal(served_call(&served, "ListInstanceIds", list_instance_ids_request, &request,
                                 list_instance_ids_response, &response),
                     PD_OK);
    return response;
}

static void ids_of_what_has_ended_come_in_the_order_of_ending(void **state)
{
    (void)state;
    struct hub_work_item items[3];
    const struct hub_complete_orchestration_action end = { .orchestration_status = COMPLETED };
    const struct hub_orchestrator_action action = { .complete_orchestration = &end };
    start_many("x", 3);
    for (int i = 0; i < 3; i++) {
        items[i] = desk_take(&desk);
    }
    assert_int_equal(served_start_instance(&served, "live", "flow"), PD_OK);
    desk_complete(&desk, &items[2], &action, 1);
    desk_complete(&desk, &items[0], &action, 1);
    desk_complete(&desk, &items[1], &action, 1);
    struct hub_list_instance_ids_response page = list(0, TEXT(""));
    assert_int_equal(page.instance_ids.count, 3);
    assert_text(page.instance_ids.items[0], "x02");
    assert_text(page.instance_ids.items[1], "x00");
    assert_text(page.instance_ids.items[2], "x01");
    assert_false(text_is_present(page.last_instance_key));
    page = list(2, TEXT_ABSENT);
    assert_int_equal(page.instance_ids.count, 2);
    assert_non_null(strstr(page.last_instance_key.at, "|x00"));
    page = list(2, page.last_instance_key);
    assert_int_equal(page.instance_ids.count, 1);
    assert_text(page.instance_ids.items[0], "x01");
    assert_false(text_is_present(page.last_instance_key));
}

/* More than are read at a time, the last one first: each is the first so far. */
static void ids_of_very_many_that_end_backwards_come_in_the_order_of_ending(void **state)
{
    (void)state;
    enum { COUNT = 1100 };
    struct hub_work_item *items = mem_alloc(COUNT * sizeof *items);
    const struct hub_complete_orchestration_action end = { .orchestration_status = COMPLETED };
    const struct hub_orchestrator_action action = { .complete_orchestration = &end };
    start_many("x", COUNT);
    for (int i = 0; i < COUNT; i++) {
        items[i] = desk_take(&desk);
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        desk_complete(&desk, &items[i], &action, 1);
    }
    mem_free(items);
    struct text key = TEXT_ABSENT;
    int left = COUNT;
    do {
        struct hub_list_instance_ids_response page = list(400, key);
        for (size_t i = 0; i < page.instance_ids.count; i++) {
            char id[32];
            snprintf(id, sizeof id, "x%02d", --left);
            assert_text(page.instance_ids.items[i], id);
        }
        key = page.last_instance_key;
    } while (text_is_present(key));
    assert_int_equal(left, 0);
}

static void bounds_of_ending_are_inclusive_and_a_wrong_key_is_refused(void **state)
{
    (void)state;
    desk_run(&desk, "a", COMPLETED, NULL);
    desk_run(&desk, "b", TERMINATED, NULL);
    struct hub_list_instance_ids_request request;
    struct hub_list_instance_ids_response page;
    int64_t terminated[] = { TERMINATED };
    message_init(&hub_list_instance_ids_request_type, &request);
    request.completed_time_from = served_get(&served, "b").orchestration_state->completed_timestamp;
    assert_int_equal(served_call(&served, "ListInstanceIds", list_instance_ids_request, &request,
                                 list_instance_ids_response, &page),
                     PD_OK);
    assert_int_equal(page.instance_ids.count, 1);
    assert_text(page.instance_ids.items[0], "b");
    request.completed_time_to = request.completed_time_from - 1;
    request.completed_time_from = WIRE_NO_TIME;
    request.runtime_status = (struct number_list){ terminated, 1 };
    assert_int_equal(served_call(&served, "ListInstanceIds", list_instance_ids_request, &request,
                                 list_instance_ids_response, &page),
                     PD_OK);
    assert_int_equal(page.instance_ids.count, 0);
    request.completed_time_to = 0;
    request.runtime_status = (struct number_list){ NULL, 0 };
    assert_int_equal(served_call(&served, "ListInstanceIds", list_instance_ids_request, &request,
                                 list_instance_ids_response, &page),
                     PD_OK);
    assert_int_equal(page.instance_ids.count, 0);
    request.last_instance_key = TEXT("yesterday");
    assert_int_equal(
        served_tell(&served, "ListInstanceIds", &hub_list_instance_ids_request_type, &request),
        PD_E_INVALID);
}

/* ---- StreamInstanceHistory ------------------------------------------------------------------- */

struct chunks {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t count, events, most, largest, steps;
    bool has_ended;
    pd_status status;
};

static void got_chunk(void *argument, struct grpc_stream *stream, struct text message)
{
    struct chunks *chunks = argument;
    struct arena arena;
    struct hub_history_chunk chunk;
    pd_error err;
    (void)stream;
    arena_init(&arena);
    pthread_mutex_lock(&chunks->mutex);
    if (message_read(&hub_history_chunk_type, message, &arena, &chunk, &err) == PD_OK) {
        chunks->count++;
        chunks->events += chunk.events.count;
        chunks->most = chunk.events.count > chunks->most ? chunk.events.count : chunks->most;
        chunks->largest = message.size > chunks->largest ? message.size : chunks->largest;
    }
    struct wire_events events = { NULL, 0, 0 };
    (void)wire_read_events(message, &arena, &events, &err);
    for (size_t i = 0; i < events.count; i++) { /* steps count from 0 */
        chunks->steps +=
            events.at[i].kind == EVENT_TASK_SCHEDULED && events.at[i].id == (int32_t)chunks->steps;
    }
    pthread_mutex_unlock(&chunks->mutex);
    arena_done(&arena);
}

static void got_end(void *argument, struct grpc_stream *stream, pd_status status,
                    const pd_error *err)
{
    struct chunks *chunks = argument;
    (void)stream;
    (void)err;
    pthread_mutex_lock(&chunks->mutex);
    chunks->has_ended = true;
    chunks->status = status;
    pthread_cond_broadcast(&chunks->changed);
    pthread_mutex_unlock(&chunks->mutex);
}

static struct chunks history_of(const char *id, const char *execution, bool for_work)
{
    static const struct grpc_stream_handler handler = { .message = got_chunk, .ended = got_end };
    const struct hub_stream_instance_history_request request = {
        text_of(id),
        text_of(execution),
        for_work,
    };
    struct chunks chunks = { .mutex = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER };
    struct buffer bytes;
    buffer_init(&bytes);
    message_write(&hub_stream_instance_history_request_type, &bytes, &request);
    struct grpc_stream *stream =
        grpc_stream_open(served.channel, "/TaskHubSidecarService/StreamInstanceHistory",
                         buffer_text(&bytes), &handler, &chunks);
    buffer_done(&bytes);
    pthread_mutex_lock(&chunks.mutex);
    while (!chunks.has_ended) {
        pthread_cond_wait(&chunks.changed, &chunks.mutex);
    }
    pthread_mutex_unlock(&chunks.mutex);
    grpc_stream_free(stream);
    return chunks;
}

static void a_history_for_people_has_its_end_and_one_for_work_has_not(void **state)
{
    (void)state;
    desk_run(&desk, "a", COMPLETED, "1");
    struct chunks all = history_of("a", NULL, false);
    assert_int_equal(all.status, PD_OK);
    assert_int_equal(all.events, 3); /* OrchestratorStarted, ExecutionStarted, ExecutionCompleted */
    assert_int_equal(history_of("a", NULL, true).events, 2);
}

static void a_history_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    desk_run(&desk, "a", COMPLETED, "1");
    assert_int_equal(history_of("nobody", NULL, false).status, PD_E_NOT_FOUND);
    assert_int_equal(history_of("a", "another-execution", false).status, PD_E_NOT_FOUND);
    assert_int_equal(history_of("", NULL, false).status, PD_E_INVALID);
    char execution[40];
    snprintf(execution, sizeof execution, "%.*s",
             TEXT_ARGS(served_get(&served, "a").orchestration_state->execution_id));
    assert_int_equal(history_of("a", execution, false).events, 3);
}

static void a_pending_instance_has_an_empty_history(void **state)
{
    (void)state;
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct chunks chunks = history_of("a", NULL, false);
    assert_int_equal(chunks.status, PD_OK);
    assert_int_equal(chunks.count, 0);
}

static void a_long_history_comes_in_chunks_of_100_events(void **state)
{
    (void)state;
    enum { TIMERS = 250 };
    struct hub_orchestrator_action *actions = mem_alloc(TIMERS * sizeof *actions);
    const struct hub_create_timer_action timer = { .fire_at = INT64_C(4000000000) * TIME_SECOND };
    for (int i = 0; i < TIMERS; i++) {
        actions[i] = (struct hub_orchestrator_action){ .id = i, .create_timer = &timer };
    }
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    (void)desk_answer(&desk, actions, TIMERS);
    mem_free(actions);
    struct chunks chunks = history_of("a", NULL, false);
    assert_int_equal(chunks.events, TIMERS + 2);
    assert_int_equal(chunks.most, 100);
    assert_int_equal(chunks.count, 3);
}

static void a_heavy_history_comes_in_chunks_of_256_kilobytes(void **state)
{
    (void)state;
    enum { TASKS = 20, SIZE = 100 << 10 };
    struct hub_orchestrator_action *actions = mem_alloc(TASKS * sizeof *actions);
    char *input = mem_alloc(SIZE + 1);
    memset(input, '1', SIZE);
    const struct hub_schedule_task_action task = {
        .name = TEXT_INIT("work"),
        .input = { input, SIZE },
    };
    for (int i = 0; i < TASKS; i++) {
        actions[i] = (struct hub_orchestrator_action){ .id = i, .schedule_task = &task };
    }
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    (void)desk_answer(&desk, actions, TASKS);
    mem_free(input);
    mem_free(actions);
    struct chunks chunks = history_of("a", NULL, true);
    assert_int_equal(chunks.events, TASKS + 2);
    assert_true(chunks.largest <= 256 << 10);
    assert_true(chunks.count >= TASKS / 2);
}

/* More than the server has of it in memory at once. */
static void a_history_of_many_portions_is_whole(void **state)
{
    (void)state;
    enum { TURNS = 14, SIZE = 1 << 20 };
    char *input = mem_alloc(SIZE + 1);
    memset(input, '1', SIZE);
    const struct hub_schedule_task_action task = {
        .name = TEXT_INIT("work"),
        .input = { input, SIZE },
    };
    const struct hub_raise_event_request again = { TEXT("a"), TEXT("e"), TEXT_ABSENT };
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    desk_close(&desk); /* activities are of no interest */
    struct hub_orchestration_filter flow = { .name = TEXT("flow") };
    const struct hub_work_item_filters filters = { .orchestrations = { &flow, 1 } };
    int64_t streams[] = { 1 }; /* its past is streamed, too */
    const struct hub_get_work_items_request turns_only = {
        .capabilities = { streams, 1 },
        .work_item_filters = &filters,
    };
    desk_open(&desk, &served, NULL, &turns_only);
    for (int i = 0; i < TURNS; i++) {
        const struct hub_orchestrator_action action = { .id = i, .schedule_task = &task };
        (void)desk_answer(&desk, &action, 1);
        assert_int_equal(served_tell(&served, "RaiseEvent", &hub_raise_event_request_type, &again),
                         PD_OK);
        if (i == 2) {
            assert_int_equal(history_of("a", NULL, true).events, 3 * 3);
        }
    }
    mem_free(input);
    struct chunks chunks = history_of("a", NULL, true);
    assert_int_equal(chunks.status, PD_OK);
    assert_int_equal(chunks.events, TURNS * 3);
    assert_int_equal(chunks.steps, TURNS);
}

/* ---- PurgeInstances -------------------------------------------------------------------------- */

static struct hub_purge_instances_response purge(const struct hub_purge_instances_request *request)
{
    struct hub_purge_instances_response response;
    if (served_call(&served, "PurgeInstances", purge_instances_request, request,
                    purge_instances_response, &response) != PD_OK) {
        fail_msg("%s", served.err.text);
    }
    return response;
}

static void one_that_has_ended_is_purged_and_others_are_not_counted(void **state)
{
    (void)state;
    desk_run(&desk, "a", COMPLETED, NULL);
    assert_int_equal(served_start_instance(&served, "live", "flow"), PD_OK);
    struct hub_purge_instances_request request = { .instance_id = TEXT("live") };
    assert_int_equal(purge(&request).deleted_instance_count, 0);
    request.instance_id = TEXT("nobody");
    assert_int_equal(purge(&request).deleted_instance_count, 0);
    request.instance_id = TEXT("a");
    struct hub_purge_instances_response response = purge(&request);
    assert_int_equal(response.deleted_instance_count, 1);
    assert_true(response.is_complete.is_set && response.is_complete.value);
    assert_int_equal(served_status(&served, "a"), -1);
    assert_int_equal(purge(&request).deleted_instance_count, 0);
}

static void a_filter_purges_what_has_ended_and_nothing_else(void **state)
{
    (void)state;
    desk_run(&desk, "a", COMPLETED, NULL);
    desk_run(&desk, "b", FAILED, NULL);
    desk_run(&desk, "c", TERMINATED, NULL);
    assert_int_equal(served_start_instance(&served, "live", "flow"), PD_OK);
    struct hub_purge_instance_filter filter;
    int64_t running[] = { RUNNING };
    int64_t failed[] = { FAILED };
    message_init(&hub_purge_instance_filter_type, &filter);
    const struct hub_purge_instances_request request = { .purge_instance_filter = &filter };
    filter.runtime_status = (struct number_list){ running, 1 };
    assert_int_equal(purge(&request).deleted_instance_count, 0);
    filter.runtime_status = (struct number_list){ failed, 1 };
    assert_int_equal(purge(&request).deleted_instance_count, 1);
    filter.runtime_status = (struct number_list){ NULL, 0 };
    filter.created_time_to = 0; /* nothing was created so early */
    assert_int_equal(purge(&request).deleted_instance_count, 0);
    filter.created_time_to = WIRE_NO_TIME;
    filter.created_time_from = served_get(&served, "c").orchestration_state->created_timestamp;
    assert_int_equal(purge(&request).deleted_instance_count, 1);
    filter.created_time_from = WIRE_NO_TIME;
    assert_int_equal(purge(&request).deleted_instance_count, 1);
    assert_int_equal(served_status(&served, "live"), PENDING);
}

static void a_purge_with_little_time_says_that_it_is_not_complete(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    start_many("i", COUNT);
    for (int i = 0; i < COUNT; i++) {
        (void)desk_end(&desk, COMPLETED, NULL);
    }
    struct hub_purge_instance_filter filter;
    message_init(&hub_purge_instance_filter_type, &filter);
    const struct hub_purge_instances_request request = { .purge_instance_filter = &filter };
    filter.timeout = 1;
    struct hub_purge_instances_response first = purge(&request);
    assert_true(first.is_complete.is_set);
    assert_false(first.is_complete.value);
    filter.timeout = PATIENCE_MS * TIME_MS;
    struct hub_purge_instances_response rest = purge(&request);
    assert_true(rest.is_complete.is_set && rest.is_complete.value);
    assert_int_equal(first.deleted_instance_count + rest.deleted_instance_count, COUNT);
}

static void a_batch_has_at_most_500_ids(void **state)
{
    (void)state;
    struct text ids[501];
    desk_run(&desk, "a", COMPLETED, NULL);
    desk_run(&desk, "b", COMPLETED, NULL);
    for (size_t i = 0; i < 501; i++) {
        ids[i] = i == 7 ? TEXT("a") : i == 499 ? TEXT("b") : TEXT("nobody");
    }
    struct hub_instance_batch batch = { { ids, 501 } };
    const struct hub_purge_instances_request request = { .instance_batch = &batch };
    assert_int_equal(
        served_tell(&served, "PurgeInstances", &hub_purge_instances_request_type, &request),
        PD_E_INVALID);
    batch.instance_ids.count = 500;
    assert_int_equal(purge(&request).deleted_instance_count, 2);
    const struct hub_purge_instances_request nothing = { .recursive = true };
    assert_int_equal(
        served_tell(&served, "PurgeInstances", &hub_purge_instances_request_type, &nothing),
        PD_E_INVALID);
}

static void recursively_descendants_that_have_ended_go_too(void **state)
{
    (void)state;
    const struct hub_create_sub_orchestration_action child = {
        .instance_id = TEXT_INIT("child"),
        .name = TEXT_INIT("flow"),
    };
    const struct hub_orchestrator_action action = { .id = 1, .create_sub_orchestration = &child };
    assert_int_equal(served_start_instance(&served, "parent", "flow"), PD_OK);
    (void)desk_answer(&desk, &action, 1);
    struct hub_work_item item = desk_end(&desk, COMPLETED, "1");
    assert_text(item.orchestrator_request->instance_id, "child");
    item = desk_end(&desk, COMPLETED, "2");
    assert_text(item.orchestrator_request->instance_id, "parent");
    (void)served_wait(&served, "parent");
    assert_text(served_get(&served, "child").orchestration_state->parent_instance_id, "parent");
    const struct hub_purge_instances_request request = {
        .instance_id = TEXT("parent"),
        .recursive = true,
    };
    assert_int_equal(purge(&request).deleted_instance_count, 2);
    assert_int_equal(served_status(&served, "child"), -1);
}

static bool has_entity(const char *id)
{
    const struct hub_get_entity_request request = { .instance_id = text_of(id) };
    struct hub_get_entity_response response;
    assert_int_equal(served_call(&served, "GetEntity", get_entity_request, &request,
                                 get_entity_response, &response),
                     PD_OK);
    return response.exists;
}

/* "@counter@a", with the state 1. */
static void make_entity(void)
{
    struct hub_signal_entity_request signal;
    message_init(&hub_signal_entity_request_type, &signal);
    signal.instance_id = TEXT("@counter@a");
    signal.name = TEXT("add");
    assert_int_equal(served_tell(&served, "SignalEntity", &hub_signal_entity_request_type, &signal),
                     PD_OK);
    const struct hub_work_item item = desk_take(&desk);
    const struct hub_operation_result_success good = { .result = TEXT("1") };
    struct hub_operation_result result = { .success = &good };
    struct hub_entity_batch_result batch;
    message_init(&hub_entity_batch_result_type, &batch);
    batch.completion_token = item.completion_token;
    batch.entity_state = TEXT("1");
    batch.results.items = &result;
    batch.results.count = 1;
    assert_int_equal(
        served_tell(&served, "CompleteEntityTask", &hub_entity_batch_result_type, &batch), PD_OK);
}

/* Only one SDK says that it means an orchestration; the others mean whatever the id is of. */
static void an_entity_is_purged_unless_only_orchestrations_are_meant(void **state)
{
    (void)state;
    make_entity();
    struct hub_purge_instances_request request = {
        .instance_id = TEXT("@counter@a"),
        .is_orchestration = true,
    };
    assert_int_equal(purge(&request).deleted_instance_count, 0);
    assert_true(has_entity("@counter@a"));
    request.is_orchestration = false;
    request.instance_id = TEXT("@Counter@a");
    assert_int_equal(purge(&request).deleted_instance_count, 1);
    assert_false(has_entity("@counter@a"));
    desk_run(&desk, "a", COMPLETED, NULL);
    request = (struct hub_purge_instances_request){ .instance_id = TEXT("a") };
    assert_int_equal(purge(&request).deleted_instance_count, 1);
}

/* An entity is in no query of instances, and its id is none. */
static void entities_are_no_instances(void **state)
{
    (void)state;
    make_entity();
    struct hub_instance_query query = any();
    assert_int_equal(page_of(&query).orchestration_state.count, 0);
    assert_int_equal(list(0, TEXT_ABSENT).instance_ids.count, 0);
    assert_int_equal(served_status(&served, "@counter@a"), -1);
    struct hub_purge_instance_filter filter;
    message_init(&hub_purge_instance_filter_type, &filter);
    const struct hub_purge_instances_request request = { .purge_instance_filter = &filter };
    assert_int_equal(purge(&request).deleted_instance_count, 0);
    assert_true(has_entity("@counter@a"));
}

/* ---- SkipGracefulOrchestrationTerminations --------------------------------------------------- */

static void what_cannot_be_terminated_is_listed(void **state)
{
    (void)state;
    desk_run(&desk, "done", COMPLETED, NULL);
    assert_int_equal(served_start_instance(&served, "live", "flow"), PD_OK);
    struct text ids[501] = { TEXT_INIT("live"), TEXT_INIT("done"), TEXT_INIT("nobody"),
                             TEXT_INIT("@counter@a") };
    struct hub_instance_batch batch = { { ids, 4 } };
    const struct hub_skip_graceful_orchestration_terminations_request request = {
        &batch,
        TEXT("\"stop\""),
    };
    struct hub_skip_graceful_orchestration_terminations_response response;
    assert_int_equal(served_call(&served, "SkipGracefulOrchestrationTerminations",
                                 skip_graceful_orchestration_terminations_request, &request,
                                 skip_graceful_orchestration_terminations_response, &response),
                     PD_OK);
    assert_int_equal(response.unterminated_instance_ids.count, 3);
    assert_text(response.unterminated_instance_ids.items[0], "done");
    struct hub_get_instance_response live = served_get(&served, "live");
    assert_int_equal(live.orchestration_state->orchestration_status, TERMINATED);
    assert_text(live.orchestration_state->output, "\"stop\"");
    batch.instance_ids.count = 501;
    for (size_t i = 4; i < 501; i++) {
        ids[i] = TEXT("nobody");
    }
    assert_int_equal(served_tell(&served, "SkipGracefulOrchestrationTerminations",
                                 &hub_skip_graceful_orchestration_terminations_request_type,
                                 &request),
                     PD_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(pages_follow_each_other_in_the_order_of_creation),
        ROW(a_token_is_good_for_another_size_of_page),
        ROW(an_empty_token_is_the_beginning_and_a_wrong_one_is_refused),
        ROW(sizes_of_pages_at_and_past_their_bounds),
        ROW(filters_are_all_true_at_once),
        ROW(payloads_are_told_only_when_asked_for_and_bound_a_page),
        ROW(what_perdure_itself_runs_is_in_no_list),
        ROW(ids_of_what_has_ended_come_in_the_order_of_ending),
        ROW(ids_of_very_many_that_end_backwards_come_in_the_order_of_ending),
        ROW(bounds_of_ending_are_inclusive_and_a_wrong_key_is_refused),
        ROW(a_history_for_people_has_its_end_and_one_for_work_has_not),
        ROW(a_history_that_is_not_there_is_not_found),
        ROW(a_pending_instance_has_an_empty_history),
        ROW(a_long_history_comes_in_chunks_of_100_events),
        ROW(a_heavy_history_comes_in_chunks_of_256_kilobytes),
        ROW(a_history_of_many_portions_is_whole),
        ROW(one_that_has_ended_is_purged_and_others_are_not_counted),
        ROW(a_filter_purges_what_has_ended_and_nothing_else),
        ROW(an_entity_is_purged_unless_only_orchestrations_are_meant),
        ROW(entities_are_no_instances),
        ROW(a_purge_with_little_time_says_that_it_is_not_complete),
        ROW(a_batch_has_at_most_500_ids),
        ROW(recursively_descendants_that_have_ended_go_too),
        ROW(what_cannot_be_terminated_is_listed),
    };
    return cmocka_run_group_tests_name("server: lists", tests, NULL, NULL);
}
