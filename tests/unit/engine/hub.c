/* SPDX-License-Identifier: MIT
 *
 * Partitions without threads: see hub.h. */
#include "hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"
#include "wire/wire.h"

/* ---- coming and going ------------------------------------------------------------------------ */

static void begin(struct hub *hub)
{
    pd_error err;
    for (unsigned i = 0; i < hub->count; i++) {
        struct partition_options options = { .store = &hub->store.base,
                                             .runner = &hub->runner.base,
                                             .board = &hub->board,
                                             .number = i,
                                             .seed = 7 + i,
                                             .residents_max = 1000,
                                             .slice_max = hub->slice_max };
        hub->partitions[i] = partition_new(&options, hub->now, &err);
        assert_that(hub->partitions[i] != NULL);
    }
    board_open(&hub->board, &hub->store.base, 3);
    for (unsigned i = 0; i < hub->count; i++) {
        partition_watch(hub->partitions[i]);
    }
}

static void end(struct hub *hub)
{
    for (unsigned i = 0; i < hub->count; i++) {
        partition_free(hub->partitions[i]);
    }
    board_close(&hub->board);
    struct list_node *node;
    while ((node = list_pop_front(&hub->activities)) != NULL) {
        activity_free(CONTAINER_OF(node, struct activity, node));
    }
}

void hub_open(struct hub *hub, unsigned partitions)
{
    char url[40];
    *hub = (struct hub){ .count = partitions, .now = 1000000 * TIME_SECOND };
    (void)snprintf(url, sizeof url, "memory:?partitions=%u", partitions);
    flaky_store_open(&hub->store, url);
    chain_runner_init(&hub->runner);
    list_init(&hub->activities);
    begin(hub);
}

void hub_close(struct hub *hub)
{
    end(hub);
    flaky_store_close(&hub->store);
}

void hub_crash(struct hub *hub)
{
    end(hub);
    begin(hub);
}

unsigned hub_home(const struct hub *hub, const char *id)
{
    return partition_of(text_of(id), hub->count);
}

const char *hub_id(const struct hub *hub, const char *prefix, unsigned partition)
{
    static char ids[4][64];
    static unsigned next;
    char *id = ids[next++ % 4];
    for (unsigned i = 0;; i++) {
        (void)snprintf(id, sizeof ids[0], "%s%u", prefix, i);
        if (hub_home(hub, id) == partition) {
            return id;
        }
    }
}

/* ---- driving --------------------------------------------------------------------------------- */

static void cancel(struct hub *hub, const struct cancellation *cancellations)
{
    for (const struct cancellation *c = cancellations; c != NULL; c = c->next) {
        LIST_EACH_SAFE(node, &hub->activities)
        {
            struct activity *activity = CONTAINER_OF(node, struct activity, node);
            if (activity->row == c->row && (c->id == EVENT_NO_ID || c->id == activity->id)) {
                list_remove(node);
                activity_free(activity);
            }
        }
    }
}

static void release(struct hub *hub, struct work *work)
{
    if (work->status == PD_OK) {
        cancel(hub, work->batch->cancellations);
        list_append(&hub->activities, &work->batch->activities);
    }
    for (unsigned i = 0; i < hub->count; i++) {
        if ((work->batch->mailed >> i & 1) != 0) {
            partition_notice_mail(hub->partitions[i]);
        }
    }
    work_answer(work);
}

bool hub_step(struct hub *hub, unsigned at)
{
    struct partition *partition = hub->partitions[at];
    bool more = partition_run(partition, hub->now);
    struct work *work = partition_cut(partition);
    if (work == NULL) {
        return more;
    }
    const struct batch *batch = work->batch;
    struct store *store = &hub->store.base;
    work->status =
        batch->mutation_count > 0 ? store->ops->commit(store, &batch, 1, &work->error) : PD_OK;
    release(hub, work);
    partition_committed(partition, hub->now, work);
    return true;
}

bool hub_run_activity(struct hub *hub)
{
    struct list_node *node = list_pop_front(&hub->activities);
    if (node == NULL) {
        return false;
    }
    struct activity *activity = CONTAINER_OF(node, struct activity, node);
    struct partition *partition = hub->partitions[activity->partition];
    struct command *command = command_new_done(activity);
    struct runner *runner = &hub->runner.base;
    runner->ops->activity(runner, activity, NULL, &command->as.done.arena,
                          &command->as.done.result);
    partition_apply(partition, hub->now, command);
    return true;
}

void hub_settle(struct hub *hub)
{
    bool goes_on;
    do {
        goes_on = false;
        for (unsigned i = 0; i < hub->count; i++) {
            goes_on |= hub_step(hub, i);
        }
        goes_on |= hub_run_activity(hub);
    } while (goes_on);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void ask(struct hub *hub, struct hub_call *call)
{
    latch_init(&call->latch, 1);
    call->fate = PD_OK;
    call->command =
        (struct command){ .kind = COMMAND_TELL, .latch = &call->latch, .error = &call->error };
    call->command.as.tell.items = &call->letter;
    call->command.as.tell.count = 1;
    call->command.as.tell.statuses = &call->fate;
    unsigned home = partition_of(call->letter.instance_id, hub->count);
    partition_apply(hub->partitions[home], hub->now, &call->command);
}

void hub_ask(struct hub *hub, struct hub_call *call, enum message_kind kind, const char *id,
             const char *payload)
{
    static const enum event_kind kinds[] = {
        [MESSAGE_START] = EVENT_EXECUTION_STARTED,
        [MESSAGE_RAISE] = EVENT_EVENT_RAISED,
        [MESSAGE_TERMINATE] = EVENT_EXECUTION_TERMINATED,
        [MESSAGE_SUSPEND] = EVENT_EXECUTION_SUSPENDED,
        [MESSAGE_RESUME] = EVENT_EXECUTION_RESUMED,
        [MESSAGE_REWIND] = EVENT_EXECUTION_REWOUND,
        [MESSAGE_PURGE] = EVENT_UNKNOWN,
    };
    *call = (struct hub_call){ .extra = { .recurses = kind == MESSAGE_TERMINATE } };
    call->event = (struct event){ .kind = kinds[kind],
                                  .id = EVENT_NO_ID,
                                  .ref = EVENT_NO_ID,
                                  .name = TEXT("Go"),
                                  .payload = text_of(payload),
                                  .extra = &call->extra };
    call->letter = (struct letter){ .kind = kind,
                                    .flags = kind == MESSAGE_START ? STATES_ENDED : 0,
                                    .instance_id = text_of(id),
                                    .event = &call->event };
    ask(hub, call);
}

bool hub_is_answered(struct hub_call *call)
{
    return call->latch.pending == 0;
}

pd_status hub_end_call(struct hub_call *call)
{
    latch_wait(&call->latch);
    latch_done(&call->latch);
    assert_that(call->fate == call->command.status);
    return call->fate;
}

static pd_status settle_call(struct hub *hub, struct hub_call *call)
{
    hub_settle(hub);
    pd_status status = hub_end_call(call);
    if (status != PD_OK) {
        hub->err = call->error;
    }
    return status;
}

void hub_ask_letter(struct hub *hub, struct hub_call *call, const struct letter *letter)
{
    *call = (struct hub_call){ .letter = *letter };
    ask(hub, call);
}

pd_status hub_tell_letter(struct hub *hub, const struct letter *letter)
{
    struct hub_call call;
    hub_ask_letter(hub, &call, letter);
    return settle_call(hub, &call);
}

pd_status hub_tell(struct hub *hub, enum message_kind kind, const char *id, const char *payload)
{
    struct hub_call call;
    hub_ask(hub, &call, kind, id, payload);
    return settle_call(hub, &call);
}

pd_status hub_start(struct hub *hub, const char *id, const char *input)
{
    return hub_tell(hub, MESSAGE_START, id, input);
}

struct hub_look hub_look(struct hub *hub, const char *id)
{
    struct hub_look look = { 0 };
    struct instance_record record;
    struct arena arena;
    pd_error err;
    struct store *store = hub->store.real;
    arena_init(&arena);
    pd_status status =
        store->ops->load_instance(store, text_of(id), 0, &arena, &record, &look.exists, &err);
    assert_that(status == PD_OK);
    if (look.exists) {
        look.state = record.state;
        look.row = record.row;
        (void)snprintf(look.output, sizeof look.output, "%.*s", TEXT_ARGS(record.output));
        (void)snprintf(look.execution_id, sizeof look.execution_id, "%.*s",
                       TEXT_ARGS(record.execution_id));
    }
    if (look.exists && text_is_present(record.failure)) {
        const struct failure *failure;
        status = wire_read_failure(record.failure, &arena, &failure, &err);
        assert_that(status == PD_OK);
        (void)snprintf(look.failure, sizeof look.failure, "%.*s: %.*s", TEXT_ARGS(failure->type),
                       TEXT_ARGS(failure->message));
    }
    arena_done(&arena);
    return look;
}

/* ---- entities -------------------------------------------------------------------------------- */

void hub_ask_signal(struct hub *hub, struct hub_call *call, const char *id, const char *operation,
                    const char *input, const char *request_id, time_us fire_at)
{
    *call = (struct hub_call){ 0 };
    call->event = (struct event){ .kind = EVENT_ENTITY_SIGNALED,
                                  .id = EVENT_NO_ID,
                                  .ref = EVENT_NO_ID,
                                  .name = text_of(operation),
                                  .payload = text_of(input),
                                  .request_id = text_of(request_id != NULL ? request_id : "7"),
                                  .fire_at = fire_at };
    call->letter = (struct letter){ .kind = MESSAGE_OPERATION,
                                    .instance_id = text_of(id),
                                    .event = &call->event };
    ask(hub, call);
}

pd_status hub_signal(struct hub *hub, const char *id, const char *operation, const char *input)
{
    struct hub_call call;
    hub_ask_signal(hub, &call, id, operation, input, NULL, 0);
    return settle_call(hub, &call);
}

struct hub_entity hub_look_entity(struct hub *hub, const char *id)
{
    struct hub_entity look = { 0 };
    struct entity_record record;
    struct inbox_rows inbox;
    struct arena arena;
    pd_error err;
    struct store *store = hub->store.real;
    arena_init(&arena);
    pd_status status =
        store->ops->load_entity(store, text_of(id), 0, &arena, &record, &look.exists, &err);
    assert_that(status == PD_OK);
    if (look.exists) {
        status = store->ops->load_inbox(store, record.row, &arena, &inbox, &err);
        assert_that(status == PD_OK);
        look.row = record.row;
        look.updated_at = record.updated_at;
        look.backlog = inbox.count;
        look.has_state = text_is_present(record.state);
        (void)snprintf(look.state, sizeof look.state, "%.*s", TEXT_ARGS(record.state));
        (void)snprintf(look.locked_by, sizeof look.locked_by, "%.*s", TEXT_ARGS(record.lock_owner));
    }
    arena_done(&arena);
    return look;
}

void hub_assert_entity(struct hub *hub, const char *id, const char *state)
{
    struct hub_entity look = hub_look_entity(hub, id);
    assert_int_equal(look.exists, state != NULL);
    assert_string_equal(look.locked_by, "");
    assert_int_equal(look.backlog, 0);
    if (state != NULL) {
        assert_string_equal(look.state, state);
    }
}

/* ---- instances ------------------------------------------------------------------------------- */

void hub_assert_completed(struct hub *hub, const char *id, const char *output)
{
    struct hub_look look = hub_look(hub, id);
    assert_true(look.exists);
    assert_string_equal(look.failure, "");
    assert_int_equal(look.state, RUN_COMPLETED);
    assert_string_equal(look.output, output);
}

void hub_assert_state(struct hub *hub, const char *id, enum run_state state)
{
    struct hub_look look = hub_look(hub, id);
    assert_true(look.exists);
    assert_int_equal(look.state, state);
}

const char *hub_child_id(const struct hub *hub, const char *prefix, bool is_elsewhere)
{
    static char ids[4][64];
    static unsigned next;
    char *id = ids[next++ % 4], parent[80];
    for (unsigned i = 0;; i++) {
        (void)snprintf(id, sizeof ids[0], "%s%u", prefix, i);
        (void)snprintf(parent, sizeof parent, "C:%s", id);
        if ((hub_home(hub, id) != hub_home(hub, parent)) == is_elsewhere) {
            return id;
        }
    }
}

const char *hub_parent_of(const char *child)
{
    static char ids[4][80];
    static unsigned next;
    char *id = ids[next++ % 4];
    (void)snprintf(id, sizeof ids[0], "C:%s", child);
    return id;
}
