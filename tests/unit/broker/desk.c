/* SPDX-License-Identifier: MIT */
#include "desk.h"

#include <stdio.h>

#include "base/memory.h"
#include "wire/wire.h"

struct heard heard;

/* ---- the engine, as played ------------------------------------------------------------------- */

static struct desk *the_desk;

struct request *request_new(void (*answered)(struct request *, pd_status, const pd_error *),
                            void *argument)
{
    struct request *request = mem_alloc(sizeof *request);
    request->answered = answered;
    request->argument = argument;
    arena_init(&request->arena);
    return request;
}

void request_free(struct request *request)
{
    if (request != NULL) {
        arena_done(&request->arena);
        mem_free(request);
    }
}

void desk_answer(struct desk *desk, size_t at)
{
    static const pd_error err = { .status = PD_E_UNAVAILABLE, .text = "as the test wants it" };
    struct request *request = desk->asked[at].request;
    assert_non_null(request);
    desk->asked[at].request = NULL;
    request->answered(request, desk->status, desk->status != PD_OK ? &err : NULL);
    desk_run(desk);
}

void desk_answer_all(struct desk *desk)
{
    for (size_t i = 0; i < desk->asked_count; i++) {
        if (desk->asked[i].request != NULL) {
            desk_answer(desk, i);
        }
    }
}

static struct asked *ask(struct request *request, enum asked_kind kind)
{
    struct desk *desk = the_desk;
    assert_true(desk->asked_count < GOT_MAX);
    struct asked *asked = &desk->asked[desk->asked_count++];
    *asked = (struct asked){ .kind = kind, .request = request };
    return asked;
}

/* After the call that asks has returned, as the engine does it. */
static void settle(void)
{
    struct desk *desk = the_desk;
    if (!desk->answers_late) {
        struct request *request = desk->asked[desk->asked_count - 1].request;
        desk->asked[desk->asked_count - 1].request = NULL;
        static const pd_error err = { .status = PD_E_UNAVAILABLE, .text = "as wanted" };
        request->answered(request, desk->status, desk->status != PD_OK ? &err : NULL);
    }
}

static void put_text(char *to, size_t size, struct text text)
{
    (void)snprintf(to, size, "%.*s", TEXT_ARGS(text));
}

void engine_end_turn(struct engine *engine, struct request *request, struct turn_ticket ticket,
                     const struct turn_result *result)
{
    (void)engine;
    struct asked *asked = ask(request, ASKED_END);
    asked->ticket = ticket;
    asked->count = result->action_count;
    put_text(asked->payload, sizeof asked->payload, result->custom_status);
    settle();
}

void engine_end_entity_turn(struct engine *engine, struct request *request,
                            struct turn_ticket ticket, const struct entity_result *result)
{
    (void)engine;
    struct asked *asked = ask(request, ASKED_END_ENTITY);
    asked->ticket = ticket;
    asked->count = result->result_count;
    asked->keeps_state = result->keeps_state;
    if (result->result_count != 0 && result->results[0].failure != NULL) {
        put_text(asked->failure, sizeof asked->failure, result->results[0].failure->type);
    }
    settle();
}

void engine_return_turn(struct engine *engine, struct request *request, struct turn_ticket ticket)
{
    (void)engine;
    ask(request, ASKED_RETURN)->ticket = ticket;
    for (size_t i = 0; i < the_desk->offered_count; i++) {
        struct offered *offered = &the_desk->offered[i];
        if (offered->turn.serial == ticket.serial) {
            assert_int_equal(offered->turn.row, ticket.row);
            offered->is_returned = true;
        }
    }
    settle();
}

void engine_leave_turn(struct engine *engine, struct request *request, struct turn_ticket ticket)
{
    (void)engine;
    ask(request, ASKED_LEAVE)->ticket = ticket;
    for (size_t i = 0; i < the_desk->offered_count; i++) {
        struct offered *offered = &the_desk->offered[i];
        offered->is_left |= offered->turn.serial == ticket.serial;
    }
    settle();
}

/* In the order of the rows. */
void engine_call_turns(struct engine *engine, struct request *request, unsigned partition,
                       const uint64_t *rows, size_t count)
{
    (void)engine;
    struct asked *asked = ask(request, ASKED_CALL);
    asked->row = rows[0];
    asked->count = count;
    for (size_t at = 0; at < count; at++) {
        for (size_t i = 0; i < the_desk->offered_count; i++) {
            struct offered *offered = &the_desk->offered[i];
            if (offered->is_left && offered->turn.row == rows[at]) {
                assert_int_equal(offered->turn.partition, partition);
                offered->is_left = false;
                offered->is_returned = offered->turn.is_called = true;
            }
        }
    }
    settle();
}

/* Of the steps that are open, in the order of the calls. */
void engine_call_activities(struct engine *engine, struct request *request, unsigned partition,
                            uint64_t epoch, const uint64_t *rows, const int32_t *ids, size_t count)
{
    (void)engine;
    struct asked *asked = ask(request, ASKED_CALL_ACTIVITIES);
    asked->row = rows[0];
    asked->id = ids[0];
    asked->count = count;
    asked->epoch = epoch;
    for (size_t at = 0; at < count; at++) {
        struct dispatched *found = desk_dispatched(the_desk, rows[at], ids[at]);
        if (found != NULL && found->wish.epoch == epoch) {
            assert_int_equal(found->wish.partition, partition);
            struct activity_wish wish = found->wish;
            wish.is_called = true;
            assert_true(the_desk->runner->ops->dispatch(the_desk->runner, desk_activity(&wish)));
        }
    }
    settle();
}

void engine_quarantine_turn(struct engine *engine, struct request *request,
                            struct turn_ticket ticket, const struct failure *failure)
{
    (void)engine;
    struct asked *asked = ask(request, ASKED_QUARANTINE);
    asked->ticket = ticket;
    put_text(asked->failure, sizeof asked->failure, failure->message);
    settle();
}

void engine_end_activity(struct engine *engine, struct request *request, struct activity *activity,
                         const struct activity_result *result)
{
    (void)engine;
    struct asked *asked = ask(request, ASKED_ACTIVITY);
    asked->row = activity->row;
    asked->id = activity->id;
    struct dispatched *dispatched = desk_dispatched(the_desk, activity->row, activity->id);
    if (dispatched != NULL) {
        dispatched->is_open = false;
    }
    put_text(asked->payload, sizeof asked->payload, result->payload);
    if (result->failure != NULL) {
        put_text(asked->failure, sizeof asked->failure, result->failure->message);
    }
    activity_free(activity);
    settle();
}

void engine_beat_activity(struct engine *engine, struct request *request,
                          const struct activity *activity, struct text progress, bool *ret_wanted)
{
    (void)engine;
    struct asked *asked = ask(request, ASKED_BEAT);
    asked->row = activity->row;
    asked->id = activity->id;
    asked->ret_wanted = ret_wanted;
    put_text(asked->payload, sizeof asked->payload, progress);
    settle();
}

const struct failure *engine_word_timeout(struct arena *arena, const struct activity *activity,
                                          enum time_limit limit)
{
    static const char *const words[] = { "start", "run", "beat" };
    (void)activity;
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    failure->type = TEXT("Timeout");
    failure->message = text_of(words[limit]);
    return failure;
}

const struct asked *desk_last(const struct desk *desk, enum asked_kind kind)
{
    for (size_t i = desk->asked_count; i > 0; i--) {
        if (desk->asked[i - 1].kind == kind) {
            return &desk->asked[i - 1];
        }
    }
    return NULL;
}

size_t desk_count(const struct desk *desk, enum asked_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < desk->asked_count; i++) {
        count += desk->asked[i].kind == kind;
    }
    return count;
}

/* ---- the server, as played ------------------------------------------------------------------- */

static void post(void *argument)
{
    struct desk *desk = argument;
    assert_false(desk->is_posted); /* once until it has run */
    desk->is_posted = true;
    desk->posts++;
}

static void wake_at(void *argument, time_us steady)
{
    struct desk *desk = argument;
    desk->wake_at = steady;
}

static void begun(void *argument, struct text instance_id)
{
    struct desk *desk = argument;
    desk->begun_count++;
    put_text(desk->begun, sizeof desk->begun, instance_id);
}

static void log_line(void *argument, const char *line)
{
    struct desk *desk = argument;
    assert_non_null(line);
    (void)snprintf(desk->log, sizeof desk->log, "%s", line);
    desk->log_count++;
}

void desk_open(struct desk *desk, const struct broker_options *options)
{
    static struct engine *const any = (struct engine *)8; /* only ever handed on */
    memset(desk, 0, sizeof *desk);
    if (options != NULL) {
        desk->options = *options;
    }
    desk->options.partition_count = PARTITIONS;
    desk->options.post = post;
    desk->options.wake_at = wake_at;
    desk->options.argument = desk;
    desk->options.begun = begun;
    desk->options.log = log_line;
    desk->now = 1000 * TIME_SECOND;
    desk->wake_at = TIME_NEVER;
    arena_init(&desk->arena);
    the_desk = desk;
    desk->broker = broker_new(&desk->options);
    desk->runner = broker_runner(desk->broker);
    broker_set_engine(desk->broker, any);
    desk_run(desk);
}

void desk_close(struct desk *desk)
{
    while (desk->workers != NULL) {
        worker_close(desk->workers);
    }
    desk_answer_all(desk);
    broker_set_engine(desk->broker, NULL);
    broker_free(desk->broker);
    arena_done(&desk->arena);
    the_desk = NULL;
}

static void run_once(struct desk *desk)
{
    broker_run(desk->broker, desk->now);
    if (!desk->keeps_returned) {
        desk_offer_returned(desk);
    }
}

void desk_run(struct desk *desk)
{
    for (int i = 0; desk->is_posted; i++) {
        assert_true(i < 10000); /* it does not spin */
        desk->is_posted = false;
        run_once(desk);
    }
}

void desk_pass(struct desk *desk, int64_t us)
{
    time_us until = desk->now + us;
    for (int i = 0; desk->wake_at <= until; i++) {
        assert_true(i < 100000);
        desk->now = desk->wake_at > desk->now ? desk->wake_at : desk->now;
        desk->wake_at = TIME_NEVER;
        run_once(desk);
        desk_run(desk);
    }
    desk->now = until;
    desk_run(desk);
}

/* ---- workers --------------------------------------------------------------------------------- */

static const char *string_of(struct arena *arena, struct text text)
{
    return text_copy(arena, text).at;
}

/* Field 107 of an orchestratorRequest: ours, and in no table. */
static bool is_known(struct text bytes)
{
    struct arena arena;
    struct work_item item;
    pd_error err;
    arena_init(&arena);
    bool is_known = work_read_item(bytes, &arena, &item, &err) == PD_OK && item.is_past_known;
    arena_done(&arena);
    return is_known;
}

static void get(void *argument, const struct text *pieces, size_t count)
{
    struct worker *worker = argument;
    struct buffer whole;
    pd_error err;
    buffer_init(&whole);
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&whole, pieces[i]);
    }
    assert_true(worker->count < GOT_MAX);
    struct got *got = &worker->got[worker->count++];
    struct hub_work_item *item = arena_alloc(&worker->arena, sizeof *item);
    got->bytes = text_copy(&worker->arena, buffer_text(&whole));
    buffer_done(&whole);
    assert_int_equal(message_read(&hub_work_item_type, got->bytes, &worker->arena, item, &err),
                     PD_OK);
    got->item = item;
    assert_int_equal(item->completion_token.size, WORK_TOKEN_SIZE);
    memcpy(got->token, item->completion_token.at, WORK_TOKEN_SIZE);
    struct text id = item->orchestrator_request != NULL ? item->orchestrator_request->instance_id
                     : item->activity_request != NULL
                         ? item->activity_request->orchestration_instance->instance_id
                         : item->entity_request_v2->instance_id;
    got->instance_id = string_of(&worker->arena, id);
    got->is_past_known = item->orchestrator_request != NULL && is_known(got->bytes);
}

static size_t backlog(void *argument)
{
    return ((struct worker *)argument)->backlog;
}

static void cancel(void *argument, struct text token)
{
    struct worker *worker = argument;
    assert_int_equal(token.size, WORK_TOKEN_SIZE);
    memcpy(worker->cancelled, token.at, token.size);
    worker->cancel_count++;
}

static void let_begin(void *argument, struct text token)
{
    struct worker *worker = argument;
    assert_int_equal(token.size, WORK_TOKEN_SIZE);
    memcpy(worker->let, token.at, token.size);
    worker->let_count++;
}

void worker_open(struct worker *worker, struct desk *desk,
                 const struct broker_stream_options *options)
{
    struct broker_stream_options all = { 0 };
    if (options != NULL) {
        all = *options;
    }
    memset(worker, 0, sizeof *worker);
    worker->desk = desk;
    worker->next = desk->workers;
    desk->workers = worker;
    arena_init(&worker->arena);
    all.send = get;
    all.backlog = backlog;
    all.let_begin = all.dialect == WORK_OURS ? let_begin : NULL;
    all.cancel = all.dialect == WORK_OURS ? cancel : NULL;
    all.argument = worker;
    worker->stream = broker_connect(desk->broker, &all);
    desk_run(desk);
}

void worker_hang_up(struct worker *worker)
{
    if (worker->stream != NULL) {
        broker_disconnect(worker->stream);
        worker->stream = NULL;
        desk_run(worker->desk);
    }
}

void worker_close(struct worker *worker)
{
    if (worker->desk == NULL) {
        return; /* it never was one */
    }
    struct worker **at = &worker->desk->workers;
    while (*at != NULL && *at != worker) {
        at = &(*at)->next;
    }
    if (*at == worker) {
        *at = worker->next;
        worker_hang_up(worker);
        arena_done(&worker->arena);
    }
}

const struct got *worker_last(const struct worker *worker)
{
    assert_true(worker->count > 0);
    return &worker->got[worker->count - 1];
}

void assert_got(const struct worker *worker, size_t count)
{
    assert_int_equal(worker->count, count);
}
