/* SPDX-License-Identifier: MIT */
#include "broker_workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "author/author.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "wire/wire.h"

struct played_counts played;

/* ---- completions ----------------------------------------------------------------------------- */

static void answered(struct broker_answer *answer, pd_status status, const pd_error *err)
{
    (void)err;
    played.answers++;
    played.refusals += status != PD_OK;
    free(answer);
}

static struct broker_answer *answer_new(void)
{
    struct broker_answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    answer->answered = answered;
    return answer;
}

/* ---- a worker of ours ------------------------------------------------------------------------ */

static bool is_cancelled(struct activity_host *host)
{
    (void)host;
    return false;
}

static void beat(struct activity_host *host, struct text progress)
{
    (void)host, (void)progress;
}

static pd_status transact(struct activity_host *host,
                          bool (*body)(void *, void *, struct activity_result *), void *argument,
                          struct activity_result *ret, pd_error *err)
{
    (void)host, (void)body, (void)argument, (void)ret;
    return error_set(err, PD_E_STATE, false, "test", "no transactions here");
}

static void work_turn(struct played_worker *worker, const struct work_item *item,
                      struct arena *arena, struct buffer *buffer)
{
    struct turn_result result = { 0 };
    struct runner *author = worker->author;
    enum runner_answer answer = author->ops->turn(author, item->turn, NULL, arena, &result);
    if (answer == RUNNER_NEEDS_HISTORY && item->is_past_known) {
        work_write_needs_history(buffer, item->token, item->turn);
        broker_complete_turn(worker->broker, buffer_text(buffer), answer_new());
        return;
    }
    if (answer == RUNNER_NEEDS_HISTORY) {
        struct wire_past past;
        assert_int_equal(item->chunk_count, item->turn->number - 1);
        wire_past_init(&past, item->chunks, item->chunk_count);
        answer = author->ops->turn(author, item->turn, &past.base, arena, &result);
        wire_past_done(&past);
    }
    assert_int_equal(answer, RUNNER_DONE);
    work_write_turn_result(buffer, item->token, item->turn, &result);
    broker_complete_turn(worker->broker, buffer_text(buffer), answer_new());
}

static void work_ours(struct played_worker *worker, struct text bytes, struct arena *arena,
                      struct buffer *buffer)
{
    static const struct activity_host_ops ops = { is_cancelled, beat, transact };
    struct activity_host host = { &ops };
    struct work_item item;
    pd_error err;
    assert_int_equal(work_read_item(bytes, arena, &item, &err), PD_OK);
    if (item.turn != NULL) {
        work_turn(worker, &item, arena, buffer);
    } else if (item.entity_turn != NULL) {
        struct entity_result result = { 0 };
        assert_int_equal(
            worker->author->ops->entity(worker->author, item.entity_turn, arena, &result),
            RUNNER_DONE);
        work_write_entity_result(buffer, item.token, item.entity_turn, &result);
        broker_complete_entity(worker->broker, buffer_text(buffer), answer_new());
    } else {
        struct activity_result result = { 0 };
        worker->author->ops->activity(worker->author, item.activity, &host, arena, &result);
        work_write_activity_result(buffer, item.token, item.activity, &result);
        broker_complete_activity(worker->broker, buffer_text(buffer), answer_new());
    }
}

/* ---- a worker as SDKs are -------------------------------------------------------------------- */

/* Events of a work item, as a chunk of history. */
static void add_chunk(struct buffer *chunk, const struct text_list *events)
{
    for (size_t i = 0; i < events->count; i++) {
        size_t size = events->items[i].size;
        buffer_add_byte(chunk, 0x0a);
        for (; size >= 0x80; size >>= 7) {
            buffer_add_byte(chunk, (uint8_t)(size | 0x80));
        }
        buffer_add_byte(chunk, (uint8_t)size);
        buffer_add_text(chunk, events->items[i]);
    }
}

static void schedule(struct hub_orchestrator_action *action, struct arena *arena, int64_t id)
{
    struct hub_schedule_task_action *task = arena_alloc(arena, sizeof *task);
    message_init(&hub_schedule_task_action_type, task);
    message_init(&hub_orchestrator_action_type, action);
    task->name = TEXT("sdk_say");
    action->id = id;
    action->schedule_task = task;
}

static void finish(struct hub_orchestrator_action *action, struct arena *arena, size_t result)
{
    struct hub_complete_orchestration_action *end = arena_alloc(arena, sizeof *end);
    message_init(&hub_complete_orchestration_action_type, end);
    message_init(&hub_orchestrator_action_type, action);
    end->orchestration_status = 1;
    end->result = text_of(arena_printf(arena, "%zu", result));
    action->id = 1000;
    action->complete_orchestration = end;
}

/* "sdk_chain": five tasks, one after the other; "sdk_fan": twenty at once. */
static void work_sdk_turn(struct played_worker *worker, const struct hub_work_item *item,
                          struct arena *arena, struct buffer *buffer)
{
    const struct hub_orchestrator_request *request = item->orchestrator_request;
    struct hub_orchestrator_response response;
    struct wire_events events = { 0 };
    struct buffer chunk;
    size_t asked = 0, done = 0, total = 0;
    pd_error err;
    buffer_init(&chunk);
    add_chunk(&chunk, &request->past_events);
    add_chunk(&chunk, &request->new_events);
    assert_int_equal(wire_read_events(buffer_text(&chunk), arena, &events, &err), PD_OK);
    for (size_t i = 0; i < events.count; i++) {
        const struct event *event = &events.at[i];
        asked += event->kind == EVENT_TASK_SCHEDULED;
        done += event->kind == EVENT_TASK_COMPLETED;
        if (event->kind == EVENT_EXECUTION_STARTED) {
            total = text_equal(event->name, TEXT("sdk_chain")) ? 5 : 20;
        }
    }
    assert_true(total != 0); /* the past is whole */
    size_t want = total == 20 ? 20 : done < 5 ? done + 1 : 5;
    struct hub_orchestrator_action *actions = arena_alloc(arena, (total + 1) * sizeof *actions);
    message_init(&hub_orchestrator_response_type, &response);
    response.actions.items = actions;
    for (; asked < want; asked++) {
        schedule(&actions[response.actions.count++], arena, (int64_t)asked);
    }
    if (done == total) {
        finish(&actions[response.actions.count++], arena, done);
    }
    response.instance_id = request->instance_id;
    response.completion_token = item->completion_token;
    message_write(&hub_orchestrator_response_type, buffer, &response);
    broker_complete_turn(worker->broker, buffer_text(buffer), answer_new());
    buffer_done(&chunk);
}

static void work_sdk(struct played_worker *worker, struct text bytes, struct arena *arena,
                     struct buffer *buffer)
{
    struct hub_work_item item;
    pd_error err;
    assert_int_equal(message_read(&hub_work_item_type, bytes, arena, &item, &err), PD_OK);
    if (item.orchestrator_request != NULL) {
        work_sdk_turn(worker, &item, arena, buffer);
        return;
    }
    struct hub_activity_response response;
    assert_non_null(item.activity_request);
    message_init(&hub_activity_response_type, &response);
    response.instance_id = item.activity_request->orchestration_instance->instance_id;
    response.task_id = item.activity_request->task_id;
    response.completion_token = item.completion_token;
    response.result = TEXT("1");
    message_write(&hub_activity_response_type, buffer, &response);
    broker_complete_activity(worker->broker, buffer_text(buffer), answer_new());
}

/* ---- streams and the loop -------------------------------------------------------------------- */

static void send(void *argument, const struct text *pieces, size_t count)
{
    struct played_worker *worker = argument;
    struct buffer buffer;
    size_t size;
    assert_true(worker->count < PLAYED_ITEMS);
    buffer_init(&buffer);
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&buffer, pieces[i]);
    }
    const char *at = (const char *)buffer_take(&buffer, &size);
    worker->items[worker->count++] = text_make(at, size);
}

static size_t backlog(void *argument)
{
    (void)argument;
    return 0;
}

static void drop_item(struct played_worker *worker)
{
    mem_free((void *)(uintptr_t)worker->items[worker->first++].at);
    if (worker->first == worker->count) {
        worker->first = worker->count = 0;
    }
}

void played_connect(struct played_worker *worker, struct broker *broker,
                    const struct broker_stream_options *options, const pd_function *program,
                    size_t count)
{
    pd_error err;
    struct broker_stream_options all = *options;
    all.send = send;
    all.backlog = backlog;
    all.argument = worker;
    worker->broker = broker;
    if (all.dialect == WORK_OURS) {
        const struct author_options author = { .partition_count = LIMIT_PARTITIONS,
                                               .orchestrations_max = 100 };
        worker->author = author_new(program, count, &author, &err);
        assert_non_null(worker->author);
    }
    worker->stream = broker_connect(broker, &all);
}

void played_hang_up(struct played_worker *worker)
{
    if (worker->stream == NULL) {
        return;
    }
    broker_disconnect(worker->stream);
    worker->stream = NULL;
    while (worker->count != 0) {
        drop_item(worker);
    }
    author_free(worker->author);
    worker->author = NULL;
}

void played_work(struct played_worker *worker, size_t most)
{
    struct arena arena;
    struct buffer buffer;
    arena_init(&arena);
    buffer_init(&buffer);
    for (size_t i = 0; i < most && worker->count != 0; i++) {
        struct text bytes = worker->items[worker->first];
        if (worker->author != NULL) {
            work_ours(worker, bytes, &arena, &buffer);
        } else {
            work_sdk(worker, bytes, &arena, &buffer);
        }
        drop_item(worker);
        arena_reset(&arena);
        buffer_reset(&buffer);
        played.done++;
    }
    arena_done(&arena);
    buffer_done(&buffer);
}
