/* SPDX-License-Identifier: MIT
 *
 * The views for people, read as plain sqlite3 reads them: every kind of event, written by the wire
 * room, comes back with its name, time and payload. */
#include "rig.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "wire/wire.h"

/* All rows of the answer: columns by '|', rows by lines, NULL as "-". */
static char *ask(const struct world *world, const char *sql)
{
    char path[400];
    sqlite3 *db;
    sqlite3_stmt *statement;
    struct buffer answer;
    (void)snprintf(path, sizeof path, "%s/hub0.db", world->folder);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        fail_msg("%s", sqlite3_errmsg(db));
    }
    buffer_init(&answer);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const void *text = sqlite3_column_text(statement, i);
            buffer_printf(&answer, "%s%s", i != 0 ? "|" : "",
                          text != NULL ? (const char *)text : "-");
        }
        buffer_add_byte(&answer, '\n');
    }
    buffer_add_byte(&answer, '\0');
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    size_t size;
    return (char *)buffer_take(&answer, &size);
}

static void assert_answer(const struct world *world, const char *sql, const char *expected)
{
    char *answer = ask(world, sql);
    assert_string_equal(answer, expected);
    free(answer);
}

/* One instance whose history is these turns. */
static void keep_turns(struct world *world, const char *id, size_t count,
                       const struct event *events, const size_t *sizes)
{
    struct buffer buffers[4];
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, id, RUN_RUNNING);
    for (size_t turn = 0, at = 0; turn < count; turn++) {
        buffer_init(&buffers[turn]);
        for (size_t i = 0; i < sizes[turn]; i++) {
            wire_write_event(&buffers[turn], &events[at++]);
        }
        append(batch, row, turn + 1, buffer_text(&buffers[turn]));
    }
    commit_ok(world, batch);
    for (size_t turn = 0; turn < count; turn++) {
        buffer_done(&buffers[turn]);
    }
}

static struct event event_of(enum event_kind kind, time_us at)
{
    return (struct event){ .kind = kind, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = at };
}

#define T0 INT64_C(1772368496000001) /* 2026-03-01T12:34:56.000001Z */

static void every_kind_of_event_is_shown(void **state)
{
    struct world *world = *state;
    const struct failure cause = { .type = TEXT("Inner"), .message = TEXT("deep") };
    const struct failure failure = { .type = TEXT("Boom"),
                                     .message = TEXT("it went | wrong"),
                                     .cause = &cause };
    struct event events[11];
    enum event_kind kinds[] = { EVENT_ORCHESTRATOR_STARTED, EVENT_EXECUTION_STARTED,
                                EVENT_TASK_SCHEDULED,       EVENT_TIMER_CREATED,
                                EVENT_ORCHESTRATOR_STARTED, EVENT_TASK_COMPLETED,
                                EVENT_TASK_FAILED,          EVENT_TIMER_FIRED,
                                EVENT_EVENT_RAISED,         EVENT_EXECUTION_TERMINATED,
                                EVENT_EXECUTION_COMPLETED };
    for (size_t i = 0; i < 11; i++) {
        events[i] = event_of(kinds[i], T0 + (time_us)i);
    }
    events[1].name = TEXT("Greet");
    events[1].version = TEXT("2.1");
    events[1].payload = TEXT("{\"city\":\"Zürich\"}");
    events[1].instance_id = TEXT("all");
    events[1].execution_id = TEXT("0123456789abcdef0123456789abcdef");
    events[2].id = 0;
    events[2].name = TEXT("SayHello");
    events[2].payload = TEXT("\"Tokyo\"");
    events[3].id = 300;
    events[3].fire_at = T0 + 1500000;
    events[5].ref = 0;
    events[5].payload = TEXT("\"Hello\"");
    events[6].ref = 70000;
    events[6].failure = &failure;
    events[7].ref = 300;
    events[7].fire_at = T0 + 1500000;
    events[8].name = TEXT("Approved");
    events[8].payload = TEXT("true");
    events[9].payload = TEXT("\"enough\"");
    events[10].id = 2;
    events[10].outcome = RUN_FAILED;
    events[10].failure = &failure;
    keep_turns(world, "all", 2, events, (size_t[]){ 4, 7 });
    assert_answer(
        world,
        "SELECT number,turn,event_type,substr(timestamp,18),event_id,name,version,input,result,"
        "status,task_id,fire_at FROM perdure_history WHERE instance_id='all' ORDER BY number",
        "1|1|OrchestratorStarted|56.000001Z|-1|-|-|-|-|-|-|-\n"
        "2|1|ExecutionStarted|56.000002Z|-1|Greet|2.1|{\"city\":\"Zürich\"}|-|-|-|-\n"
        "3|1|TaskScheduled|56.000003Z|0|SayHello|-|\"Tokyo\"|-|-|-|-\n"
        "4|1|TimerCreated|56.000004Z|300|-|-|-|-|-|-|2026-03-01T12:34:57.500001Z\n"
        "5|1|OrchestratorCompleted|56.000004Z|-1|-|-|-|-|-|-|-\n"
        "6|2|OrchestratorStarted|56.000005Z|-1|-|-|-|-|-|-|-\n"
        "7|2|TaskCompleted|56.000006Z|-1|-|-|-|\"Hello\"|-|0|-\n"
        "8|2|TaskFailed|56.000007Z|-1|-|-|-|Boom: it went | wrong|-|70000|-\n"
        "9|2|TimerFired|56.000008Z|-1|-|-|-|-|-|300|2026-03-01T12:34:57.500001Z\n"
        "10|2|EventRaised|56.000009Z|-1|Approved|-|true|-|-|-|-\n"
        "11|2|ExecutionTerminated|56.000010Z|-1|-|-|\"enough\"|-|-|-|-\n"
        "12|2|ExecutionCompleted|56.000011Z|2|-|-|-|Boom: it went | wrong|Failed|-|-\n"
        "13|2|OrchestratorCompleted|56.000011Z|-1|-|-|-|-|-|-|-\n");
    assert_answer(world, "SELECT DISTINCT substr(timestamp,1,17) FROM perdure_history",
                  "2026-03-01T12:34:\n");
}

/* With every field that there is, so that none is taken for another. */
static void events_of_children_and_of_what_is_done_to_an_instance_are_shown(void **state)
{
    struct world *world = *state;
    const struct failure failure = { .type = TEXT("Boom"), .message = TEXT("loud") };
    const struct event_extra of_start = { .tags = TEXT("\x1ek\x1fv\x1e"),
                                          .recurses = true,
                                          .has_parent = true,
                                          .parent_step = 9,
                                          .parent_id = TEXT("the parent"),
                                          .parent_execution_id = TEXT("its execution"),
                                          .parent_name = TEXT("Parent"),
                                          .parent_version = TEXT("3.0") };
    const struct event_extra of_task = { .tags = TEXT("\x1ek\x1fv\x1e"),
                                         .progress = TEXT("\"so far\""),
                                         .limits = { 70000, 80000, 90000 } };
    static const enum event_kind kinds[] = { EVENT_ORCHESTRATOR_STARTED, EVENT_EXECUTION_STARTED,
                                             EVENT_CHILD_CREATED,        EVENT_TASK_SCHEDULED,
                                             EVENT_EVENT_SENT,           EVENT_CHANGE_MARKED,
                                             EVENT_ORCHESTRATOR_STARTED, EVENT_CHILD_COMPLETED,
                                             EVENT_CHILD_FAILED,         EVENT_STEP_CANCELLED,
                                             EVENT_EXECUTION_SUSPENDED,  EVENT_EXECUTION_RESUMED,
                                             EVENT_EXECUTION_REWOUND,    EVENT_TASK_FAILED };
    enum { COUNT = sizeof kinds / sizeof kinds[0] };
    struct event events[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        events[i] = event_of(kinds[i], T0 + (time_us)i);
        events[i].payload = i == 9 || i == 5 ? TEXT_ABSENT : TEXT("\"said\"");
    }
    events[1].name = TEXT("Greet");
    events[1].instance_id = TEXT("child");
    events[1].execution_id = TEXT("execution");
    events[1].fire_at = T0 + 3000000;
    events[1].extra = &of_start;
    events[2].id = 4;
    events[2].name = TEXT("Pay");
    events[2].version = TEXT("2.0");
    events[2].instance_id = TEXT("pay-1");
    events[2].extra = &of_start;
    events[3].id = 5;
    events[3].name = TEXT("Charge");
    events[3].extra = &of_task;
    events[4].id = 6;
    events[4].name = TEXT("Paid");
    events[4].instance_id = TEXT("order-1");
    events[5].name = TEXT("fix-42");
    events[7].ref = 4;
    events[8].ref = 200;
    events[8].failure = &failure;
    events[9].ref = 300;
    events[13].ref = 5;
    events[13].failure = &failure;
    events[13].extra = &of_task;
    keep_turns(world, "new", 2, events, (size_t[]){ 6, COUNT - 6 });
    assert_answer(world,
                  "SELECT event_type,event_id,name,version,input,result,status,task_id,"
                  "substr(fire_at,18),target_id FROM perdure_history WHERE instance_id='new'"
                  " AND event_type NOT LIKE 'Orchestrator%' ORDER BY number",
                  "ExecutionStarted|-1|Greet|-|\"said\"|-|-|-|59.000001Z|-\n"
                  "SubOrchestrationInstanceCreated|4|Pay|2.0|\"said\"|-|-|-|-|pay-1\n"
                  "TaskScheduled|5|Charge|-|\"said\"|-|-|-|-|-\n"
                  "EventSent|6|Paid|-|\"said\"|-|-|-|-|order-1\n"
                  "ChangeMarked|-1|fix-42|-|-|-|-|-|-|-\n"
                  "SubOrchestrationInstanceCompleted|-1|-|-|-|\"said\"|-|4|-|-\n"
                  "SubOrchestrationInstanceFailed|-1|-|-|-|Boom: loud|-|200|-|-\n"
                  "StepCancelled|-1|-|-|-|-|-|300|-|-\n"
                  "ExecutionSuspended|-1|-|-|\"said\"|-|-|-|-|-\n"
                  "ExecutionResumed|-1|-|-|\"said\"|-|-|-|-|-\n"
                  "ExecutionRewound|-1|-|-|\"said\"|-|-|-|-|-\n"
                  "TaskFailed|-1|-|-|-|Boom: loud|-|5|-|-\n");
}

static void events_of_entities_are_shown(void **state)
{
    struct world *world = *state;
    const struct failure failure = { .type = TEXT("Boom"), .message = TEXT("loud") };
    const struct event_extra sender = { .has_parent = true,
                                        .parent_id = TEXT("the sender"),
                                        .parent_execution_id = TEXT("its execution"),
                                        .lock_set = TEXT("@a@1\n@b@say \"x\"\n"),
                                        .position = 1 };
    static const enum event_kind kinds[] = { EVENT_ORCHESTRATOR_STARTED, EVENT_ENTITY_SIGNALED,
                                             EVENT_ENTITY_SIGNALED,      EVENT_ENTITY_CALLED,
                                             EVENT_LOCK_REQUESTED,       EVENT_UNLOCK_SENT,
                                             EVENT_SIGNAL_CANCELLED,     EVENT_ENTITY_COMPLETED,
                                             EVENT_ENTITY_COMPLETED,     EVENT_ENTITY_FAILED,
                                             EVENT_LOCK_GRANTED };
    enum { COUNT = sizeof kinds / sizeof kinds[0] };
    struct event events[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        events[i] = event_of(kinds[i], T0 + (time_us)i);
        events[i].request_id = TEXT("6ba7b810-9dad-51d1-80b4-00c04fd430c8");
        events[i].name = TEXT("add");
        events[i].payload = TEXT("\"said\"");
        events[i].instance_id = TEXT("@counter@x");
        events[i].extra = &sender;
        events[i].failure = &failure;
        events[i].id = i < 6 ? (int32_t)i : EVENT_NO_ID;
    }
    events[2].fire_at = T0 + 3000000;
    events[7].ref = 0;
    events[9].ref = 200;
    events[10].ref = 4;
    keep_turns(world, "caller", 1, events, (size_t[]){ COUNT });
    assert_answer(world,
                  "SELECT event_type,event_id,name,version,input,result,status,task_id,"
                  "substr(fire_at,18),target_id FROM perdure_history WHERE instance_id='caller'"
                  " AND event_type NOT LIKE 'Orchestrator%' ORDER BY number",
                  "EntityOperationSignaled|1|add|-|\"said\"|-|-|-|-|@counter@x\n"
                  "EntityOperationSignaled|2|add|-|\"said\"|-|-|-|59.000001Z|@counter@x\n"
                  "EntityOperationCalled|3|add|-|\"said\"|-|-|-|-|@counter@x\n"
                  "EntityLockRequested|4|-|-|[\"@a@1\",\"@b@say \\\"x\\\"\"]|-|-|-|-|-\n"
                  "EntityUnlockSent|5|-|-|-|-|-|-|-|@counter@x\n"
                  "EntitySignalCancelled|-1|-|-|-|-|-|-|-|@counter@x\n"
                  "EntityOperationCompleted|-1|-|-|-|\"said\"|-|0|-|-\n"
                  "EntityOperationCompleted|-1|-|-|-|\"said\"|-|-|-|-\n"
                  "EntityOperationFailed|-1|-|-|-|Boom: loud|-|200|-|-\n"
                  "EntityLockGranted|-1|-|-|-|-|-|4|-|-\n");
}

static void tags_are_shown_as_an_object_whatever_is_in_them(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *id, *tags, *shown;
    } all[] = {
        { "none", NULL, "-" },
        { "one",
          "\x1e"
          "colour\x1f"
          "red\x1e",
          "{\"colour\":\"red\"}" },
        { "odd",
          "\x1e"
          "\"k\\\x1f"
          "\\u001e, \":\"\x1e"
          "k\x1f\x1e"
          "\xc3\xbc \x7f\x1f"
          "a=b\x1e",
          "{\"\\\"k\\\\\":\"\\\\u001e, \\\":\\\"\",\"k\":\"\",\"\xc3\xbc \x7f\":\"a=b\"}" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char sql[200], expected[300];
        struct batch *batch = batch_for(world, 1);
        struct instance_record *record = record_of(batch, next_row(world, 1), all[i].id);
        record->tags = text_of(all[i].tags);
        record->starts_at = i == 1 ? T0 : 0;
        record->parent_id = i == 2 ? TEXT("parent") : TEXT_ABSENT;
        put_record(batch, MUTATION_INSTANCE_INSERT, record);
        commit_ok(world, batch);
        (void)snprintf(sql, sizeof sql,
                       "SELECT tags,tags IS NULL OR json_valid(tags),starts_at,parent_id"
                       " FROM perdure_instances WHERE instance_id='%s'",
                       all[i].id);
        (void)snprintf(expected, sizeof expected, "%s|1|%s|%s\n", all[i].shown,
                       i == 1 ? "2026-03-01T12:34:56.000001Z" : "-", i == 2 ? "parent" : "-");
        assert_answer(world, sql, expected);
    }
    assert_answer(world,
                  "SELECT json_extract(tags,'$.colour') FROM perdure_instances"
                  " WHERE instance_id='one'",
                  "red\n");
}

static void an_empty_payload_is_shown_otherwise_than_none(void **state)
{
    struct world *world = *state;
    struct event events[] = { event_of(EVENT_EVENT_RAISED, T0),
                              event_of(EVENT_EVENT_RAISED, T0 + 1),
                              event_of(EVENT_ORCHESTRATOR_COMPLETED, T0 + 2) };
    events[0].name = TEXT("");
    events[0].payload = TEXT("");
    events[1].name = TEXT("x");
    keep_turns(world, "empty", 1, events, (size_t[]){ 3 });
    assert_answer(world,
                  "SELECT event_type,quote(input),typeof(input) FROM perdure_history"
                  " ORDER BY number",
                  "EventRaised|''|text\nEventRaised|NULL|null\nOrchestratorCompleted|NULL|null\n");
}

static void payloads_of_every_length_of_length_are_shown_whole(void **state)
{
    struct world *world = *state;
    static const size_t sizes[] = { 1,     126,   127,   128,   129,     130,
                                    16382, 16383, 16384, 16387, 2097151, 2097152 };
    char *bytes = malloc(2097152);
    memset(bytes, 'p', 2097152);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct event event = event_of(EVENT_TASK_COMPLETED, T0);
        char id[32], sql[200], expected[64];
        event.ref = 1;
        event.payload = text_make(bytes, sizes[i]);
        (void)snprintf(id, sizeof id, "size-%zu", sizes[i]);
        keep_turns(world, id, 1, &event, (size_t[]){ 1 });
        (void)snprintf(sql, sizeof sql,
                       "SELECT length(result),replace(result,'p','') FROM perdure_history"
                       " WHERE instance_id='%s' AND event_type='TaskCompleted'",
                       id);
        (void)snprintf(expected, sizeof expected, "%zu|\n", sizes[i]);
        assert_answer(world, sql, expected);
    }
    free(bytes);
}

static void numbers_at_their_limits_are_shown(void **state)
{
    struct world *world = *state;
    struct event events[] = { event_of(EVENT_TASK_SCHEDULED, -1),
                              event_of(EVENT_TASK_SCHEDULED, INT64_C(253402300799999999)) };
    events[0].id = INT32_MAX;
    events[0].name = TEXT("a");
    events[1].id = INT32_MIN;
    events[1].name = TEXT("b");
    keep_turns(world, "limits", 1, events, (size_t[]){ 2 });
    assert_answer(world,
                  "SELECT event_id,timestamp,name FROM perdure_history WHERE name IS NOT NULL"
                  " ORDER BY number",
                  "2147483647|1969-12-31T23:59:59.999999Z|a\n"
                  "-2147483648|9999-12-31T23:59:59.999999Z|b\n");
}

static void instances_are_shown_with_names_of_states_and_times(void **state)
{
    struct world *world = *state;
    static const char *const names[] = { "Pending",   "Running", "Suspended",
                                         "Completed", "Failed",  "Terminated" };
    for (int i = 0; i < 6; i++) {
        char sql[200], expected[200];
        struct batch *batch = batch_for(world, 1);
        struct instance_record *record = record_of(batch, next_row(world, 1), names[i]);
        record->state = (enum run_state)i;
        record->is_busy = i == 1;
        record->created_at = T0;
        record->updated_at = T0 + 1000000;
        record->ended_at = i >= RUN_COMPLETED ? T0 + 2000000 : 0;
        record->output = i == RUN_COMPLETED ? TEXT("42") : TEXT_ABSENT;
        put_record(batch, MUTATION_INSTANCE_INSERT, record);
        commit_ok(world, batch);
        (void)snprintf(sql, sizeof sql,
                       "SELECT state,is_busy,created_at,substr(updated_at,18),substr(ended_at,18),"
                       "output,name FROM perdure_instances WHERE instance_id='%s'",
                       names[i]);
        (void)snprintf(expected, sizeof expected,
                       "%s|%d|2026-03-01T12:34:56.000001Z|57.000001Z|%s|%s|Greet\n", names[i],
                       i == 1, i >= RUN_COMPLETED ? "58.000001Z" : "-",
                       i == RUN_COMPLETED ? "42" : "-");
        assert_answer(world, sql, expected);
    }
}

static void entities_are_shown_with_their_names_keys_locks_and_what_waits(void **state)
{
    struct world *world = *state;
    static const char *const ids[] = { "@counter@", "@counter@A@b@", "@\xc3\xa4@1" };
    struct batch *batch = batch_for(world, 1);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t row = next_row(world, 1);
        struct entity_record *entity =
            i == 1 ? locked(batch, row, ids[i]) : entity_of(batch, row, ids[i]);
        entity->updated_at = T0 + (time_us)i;
        entity->state = i == 2 ? TEXT_ABSENT : entity->state;
        entity->is_busy = i == 2;
        put_entity(batch, entity);
        for (unsigned k = 0; k < i; k++) {
            numbered(batch, MUTATION_INBOX_PUT, row, k + 1, TEXT("event"));
        }
    }
    commit_ok(world, batch);
    assert_answer(world,
                  "SELECT entity_id,name,key,changed_at,is_busy,backlog,locked_by,state"
                  " FROM perdure_entities ORDER BY row",
                  "@counter@|counter||2026-03-01T12:34:56.000001Z|0|0|-|{\"n\":1}\n"
                  "@counter@A@b@|counter|A@b@|2026-03-01T12:34:56.000002Z|0|1|transfer-1|"
                  "{\"n\":1}\n"
                  "@\xc3\xa4@1|\xc3\xa4|1|2026-03-01T12:34:56.000003Z|1|2|-|-\n");
    char *plan = ask(world, "EXPLAIN QUERY PLAN SELECT * FROM perdure_entities"
                            " WHERE entity_id='@counter@'");
    assert_non_null(strstr(plan, "SEARCH e USING INDEX perdure_entity_id"));
    free(plan);
}

static void one_instance_is_shown_without_decoding_the_others(void **state)
{
    struct world *world = *state;
    struct event event = event_of(EVENT_EVENT_RAISED, T0);
    keep_turns(world, "mine", 1, &event, (size_t[]){ 1 });
    struct batch *batch = batch_for(world, 0);
    append(batch, insert(world, batch, "broken", RUN_RUNNING), 1, TEXT("\xff\xff\xff\xff"));
    commit_ok(world, batch);
    char *plan = ask(world, "EXPLAIN QUERY PLAN SELECT * FROM perdure_history"
                            " WHERE instance_id='mine'");
    assert_non_null(strstr(plan, "SEARCH i USING"));
    assert_non_null(strstr(plan, "SEARCH h USING INDEX history_instance"));
    free(plan);
    assert_answer(world, "SELECT count(*) FROM perdure_history WHERE instance_id='mine'", "2\n");
    /* What cannot be understood is shown as a turn without events, and is no error. */
    assert_answer(world, "SELECT count(*) FROM perdure_history WHERE instance_id='broken'", "1\n");
}

int main(void)
{
    union {
        const struct provider *given;
        void *state;
    } initial = { .given = &provider_sqlite };
#define VIEW(name) \
    cmocka_unit_test_prestate_setup_teardown(name, world_set_up, world_tear_down, initial.state)
    const struct CMUnitTest tests[] = {
        VIEW(every_kind_of_event_is_shown),
        VIEW(events_of_children_and_of_what_is_done_to_an_instance_are_shown),
        VIEW(events_of_entities_are_shown),
        VIEW(tags_are_shown_as_an_object_whatever_is_in_them),
        VIEW(an_empty_payload_is_shown_otherwise_than_none),
        VIEW(payloads_of_every_length_of_length_are_shown_whole),
        VIEW(numbers_at_their_limits_are_shown),
        VIEW(instances_are_shown_with_names_of_states_and_times),
        VIEW(entities_are_shown_with_their_names_keys_locks_and_what_waits),
        VIEW(one_instance_is_shown_without_decoding_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
