/* SPDX-License-Identifier: MIT
 *
 * The desk's work: turns, batches, activities, and what is answered to them. */
#include <stdio.h>

#include "base/memory.h"
#include "desk.h"
#include "wire/wire.h"

/* ---- what the engine has --------------------------------------------------------------------- */

struct turn desk_turn(struct desk *desk, uint64_t row, uint64_t number, const char *id)
{
    size_t count = 2;
    struct event *events = arena_alloc(&desk->arena, count * sizeof *events);
    events[0] = (struct event){
        .kind = EVENT_ORCHESTRATOR_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = desk->now
    };
    events[1] = (struct event){ .kind = number == 1 ? EVENT_EXECUTION_STARTED : EVENT_EVENT_RAISED,
                                .id = EVENT_NO_ID,
                                .ref = EVENT_NO_ID,
                                .at = desk->now,
                                .name = TEXT("hello"),
                                .payload = TEXT("1"),
                                .instance_id = text_of(id),
                                .execution_id = TEXT("0123456789abcdef0123456789abcdef") };
    return (struct turn){ .row = row,
                          .number = number,
                          .serial = ++desk->serial,
                          .partition = (unsigned)(row % PARTITIONS),
                          .instance_id = text_of(id),
                          .execution_id = TEXT("0123456789abcdef0123456789abcdef"),
                          .name = TEXT("hello"),
                          .events = events,
                          .event_count = count,
                          .is_past_durable = true };
}

/* One turn of history: a task that was asked for, so many bytes of it. */
static struct text chunk_of(struct desk *desk, size_t bytes)
{
    struct buffer buffer;
    char *input = arena_alloc(&desk->arena, bytes + 1);
    memset(input, '7', bytes);
    struct event event = { .kind = EVENT_TASK_SCHEDULED,
                           .id = 1,
                           .ref = EVENT_NO_ID,
                           .at = desk->now,
                           .name = TEXT("say"),
                           .payload = text_make(input, bytes) };
    buffer_init(&buffer);
    wire_write_event(&buffer, &event);
    struct text chunk = text_copy(&desk->arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return chunk;
}

static void give(struct desk *desk, const struct turn *turn, size_t chunk_bytes)
{
    struct turn_result result;
    struct entity_result entity;
    struct runner *runner = desk->runner;
    struct arena arena;
    arena_init(&arena);
    enum runner_answer answer = turn_is_of_entity(turn)
                                    ? runner->ops->entity(runner, turn, &arena, &entity)
                                    : runner->ops->turn(runner, turn, NULL, &arena, &result);
    if (answer == RUNNER_NEEDS_HISTORY) {
        struct text *chunks = arena_alloc(&desk->arena, turn->number * sizeof *chunks);
        for (size_t i = 0; i + 1 < turn->number; i++) {
            chunks[i] = chunk_of(desk, chunk_bytes);
        }
        struct past past = { .turn_count = turn->number - 1, .chunks = chunks };
        desk->past_reads++;
        answer = runner->ops->turn(runner, turn, &past, &arena, &result);
    }
    assert_int_equal(answer, RUNNER_LATER);
    arena_done(&arena);
}

void desk_offer_with(struct desk *desk, const struct turn *turn, size_t chunk_bytes)
{
    assert_true(desk->offered_count < GOT_MAX);
    desk->offered[desk->offered_count++] =
        (struct offered){ .turn = *turn, .chunk_bytes = chunk_bytes };
    give(desk, turn, chunk_bytes);
    desk_run(desk);
}

void desk_offer_returned(struct desk *desk)
{
    for (size_t i = 0; i < desk->offered_count; i++) {
        struct offered *offered = &desk->offered[i];
        if (offered->is_returned) {
            offered->is_returned = false;
            offered->turn.serial = ++desk->serial;
            give(desk, &offered->turn, offered->chunk_bytes);
            offered->turn.is_called = false;
        }
    }
}

void desk_offer(struct desk *desk, const struct turn *turn)
{
    desk_offer_with(desk, turn, 10);
}

struct turn desk_offer_turn(struct desk *desk, uint64_t row, uint64_t number)
{
    struct turn turn =
        desk_turn(desk, row, number, arena_printf(&desk->arena, "i%llu", (unsigned long long)row));
    desk_offer(desk, &turn);
    return turn;
}

struct turn desk_offer_entity(struct desk *desk, uint64_t row, size_t calls, size_t signals)
{
    size_t count = calls + signals + 1;
    struct event *events = arena_alloc(&desk->arena, count * sizeof *events);
    for (size_t i = 0; i < count; i++) {
        events[i] = (struct event){ .kind = i == 0       ? EVENT_ORCHESTRATOR_STARTED
                                            : i <= calls ? EVENT_ENTITY_CALLED
                                                         : EVENT_ENTITY_SIGNALED,
                                    .id = EVENT_NO_ID,
                                    .ref = EVENT_NO_ID,
                                    .at = desk->now };
        if (i != 0) {
            events[i].name = TEXT("add");
            events[i].request_id = TEXT("00000000-0000-0000-0000-000000000001");
        }
    }
    struct turn turn = {
        .row = row,
        .serial = ++desk->serial,
        .partition = (unsigned)(row % PARTITIONS),
        .instance_id =
            text_of(arena_printf(&desk->arena, "@counter@%llu", (unsigned long long)row)),
        .events = events,
        .event_count = count,
        .state = TEXT("5"),
    };
    desk_offer(desk, &turn);
    return turn;
}

static struct text put(char **at, const char *string)
{
    if (string == NULL) {
        return TEXT_ABSENT;
    }
    struct text text = { *at, strlen(string) };
    memcpy(*at, string, text.size);
    *at += text.size;
    return text;
}

struct activity *desk_activity(const struct activity_wish *wish)
{
    enum { TEXTS = 1024 };
    char id[32];
    size_t size = sizeof(struct activity) + sizeof(struct event_extra) + TEXTS + wish->input_bytes;
    struct activity *activity = mem_alloc(size);
    struct event_extra *extra = (void *)(activity + 1);
    char *at = (char *)(extra + 1);
    (void)snprintf(id, sizeof id, "i%llu", (unsigned long long)wish->row);
    extra->limits = wish->limits;
    activity->row = wish->row;
    activity->id = activity->first = wish->id;
    activity->partition = wish->partition;
    activity->instance_id = put(&at, wish->instance_id != NULL ? wish->instance_id : id);
    activity->execution_id = put(&at, "0123456789abcdef0123456789abcdef");
    activity->name = put(&at, wish->name != NULL ? wish->name : "say");
    activity->version = put(&at, wish->version);
    activity->owner_version = put(&at, wish->owner_version);
    activity->input = text_make(at, wish->input_bytes);
    memset(at, '7', wish->input_bytes);
    activity->extra = extra;
    activity->size = size;
    activity->epoch = wish->epoch;
    activity->is_called = wish->is_called;
    return activity;
}

struct dispatched *desk_dispatched(struct desk *desk, uint64_t row, int32_t id)
{
    for (size_t i = 0; i < desk->dispatched_count; i++) {
        struct dispatched *dispatched = &desk->dispatched[i];
        if (dispatched->is_open && dispatched->wish.row == row && dispatched->wish.id == id) {
            return dispatched;
        }
    }
    return NULL;
}

void desk_dispatch(struct desk *desk, const struct activity_wish *wish)
{
    struct dispatched *dispatched = desk_dispatched(desk, wish->row, wish->id);
    for (size_t i = 0; dispatched == NULL && i < desk->dispatched_count; i++) {
        dispatched = desk->dispatched[i].is_open ? NULL : &desk->dispatched[i];
    }
    if (dispatched == NULL) {
        assert_true(desk->dispatched_count < DISPATCHED_MAX);
        dispatched = &desk->dispatched[desk->dispatched_count++];
    } /* else, if it is open, once more, as after a rewind, or in another life */
    *dispatched = (struct dispatched){ .wish = *wish, .is_open = true };
    assert_true(desk->runner->ops->dispatch(desk->runner, desk_activity(wish)));
    desk_run(desk);
}

void desk_cancel(struct desk *desk, uint64_t row, int32_t id)
{
    for (size_t i = 0; i < desk->dispatched_count; i++) {
        struct dispatched *dispatched = &desk->dispatched[i];
        if (dispatched->wish.row == row && (id == EVENT_NO_ID || dispatched->wish.id == id)) {
            dispatched->is_open = false;
        }
    }
    desk->runner->ops->cancel(desk->runner, 0, row, id);
    desk_run(desk);
}

void desk_record(struct desk *desk, const struct turn *turn, size_t bytes)
{
    desk->runner->ops->record(desk->runner, turn->partition, turn->row, turn->number,
                              chunk_of(desk, bytes));
}

/* ---- what workers answer --------------------------------------------------------------------- */

static void answered(struct broker_answer *answer, pd_status status, const pd_error *err)
{
    assert_ptr_equal(answer, &heard.answer);
    assert_true(status == PD_OK || err != NULL);
    heard.status = (int)status;
    heard.times++;
}

static struct broker_answer *expect_answer(void)
{
    heard = (struct heard){ .answer = { .answered = answered }, .status = -1 };
    return &heard.answer;
}

static struct text text_or_empty(const char *string)
{
    return string != NULL ? text_of(string) : TEXT("");
}

static struct text written(struct desk *desk, const struct message_type *type, const void *message)
{
    struct buffer buffer;
    buffer_init(&buffer);
    message_write(type, &buffer, message);
    struct text bytes = text_copy(&desk->arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return bytes;
}

static void set_actions(struct desk *desk, struct hub_orchestrator_response *response,
                        const struct completion *completion)
{
    size_t count = completion->actions + completion->completes;
    struct hub_orchestrator_action *actions =
        arena_alloc(&desk->arena, (count + 1) * sizeof *actions);
    for (size_t i = 0; i < count; i++) {
        message_init(&hub_orchestrator_action_type, &actions[i]);
        actions[i].id = (int64_t)i;
        if (i < completion->actions) {
            struct hub_schedule_task_action *task = arena_alloc(&desk->arena, sizeof *task);
            message_init(&hub_schedule_task_action_type, task);
            task->name = TEXT("say");
            actions[i].schedule_task = task;
        } else {
            struct hub_complete_orchestration_action *end = arena_alloc(&desk->arena, sizeof *end);
            message_init(&hub_complete_orchestration_action_type, end);
            end->orchestration_status = 1; /* COMPLETED */
            end->result = TEXT("1");
            actions[i].complete_orchestration = end;
        }
    }
    response->actions.items = actions;
    response->actions.count = count;
}

void desk_complete_turn(struct desk *desk, const struct completion *completion)
{
    struct hub_orchestrator_response response;
    message_init(&hub_orchestrator_response_type, &response);
    response.instance_id = text_or_empty(completion->instance_id);
    response.completion_token = text_or_empty(completion->token);
    response.requires_history = completion->requires_history;
    response.is_partial = completion->is_partial;
    response.custom_status = text_of(completion->custom_status);
    set_actions(desk, &response, completion);
    struct broker_answer *answer = expect_answer();
    answer->peer = completion->peer;
    broker_complete_turn(desk->broker, written(desk, &hub_orchestrator_response_type, &response),
                         answer);
    desk_run(desk);
}

void desk_complete_activity(struct desk *desk, const struct completion *completion)
{
    struct hub_activity_response response;
    message_init(&hub_activity_response_type, &response);
    response.instance_id = text_or_empty(completion->instance_id);
    response.completion_token = text_or_empty(completion->token);
    response.task_id = completion->task_id;
    response.result = text_of(completion->result);
    broker_complete_activity(desk->broker, written(desk, &hub_activity_response_type, &response),
                             expect_answer());
    desk_run(desk);
}

void desk_complete_entity(struct desk *desk, const struct batch_completion *completion)
{
    struct hub_entity_batch_result result;
    message_init(&hub_entity_batch_result_type, &result);
    result.completion_token = text_or_empty(completion->token);
    result.entity_state = text_of(completion->state);
    result.requires_state = completion->requires_state;
    struct hub_operation_result *results =
        arena_alloc(&desk->arena, (completion->results + 1) * sizeof *results);
    struct hub_operation_result_success *success = arena_alloc(&desk->arena, sizeof *success);
    message_init(&hub_operation_result_success_type, success);
    for (size_t i = 0; i < completion->results; i++) {
        results[i].success = success;
    }
    result.results.items = results;
    result.results.count = completion->results;
    if (completion->failure != NULL) {
        struct buffer buffer;
        struct failure failure = { .type = text_of(completion->failure),
                                   .message = TEXT("it is so") };
        buffer_init(&buffer);
        wire_write_failure(&buffer, &failure);
        result.failure_details = text_copy(&desk->arena, buffer_text(&buffer));
        buffer_done(&buffer);
    }
    broker_complete_entity(desk->broker, written(desk, &hub_entity_batch_result_type, &result),
                           expect_answer());
    desk_run(desk);
}
