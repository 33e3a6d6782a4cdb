/* SPDX-License-Identifier: MIT
 *
 * An engine for tests: see house.h. */
#include "house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "wire/wire.h"

void house_start_engine(struct house *house)
{
    pd_error err;
    house->engine = engine_start(&house->store.base, &house->runner.base, &house->options, &err);
    assert_non_null(house->engine);
}

void house_open(struct house *house, const struct engine_options *options)
{
    flaky_store_open(&house->store, "memory:?partitions=2");
    chain_runner_init(&house->runner);
    house->options = *options;
    house_start_engine(house);
}

void house_close(struct house *house)
{
    engine_stop(house->engine, PATIENCE_MS);
    assert_int_equal(house->store.overlaps, 0);
    flaky_store_close(&house->store);
}

void house_crash(struct house *house)
{
    house->store.commits_to_fail = -1;
    house->store.owns_to_fail = -1;
    house->runner.is_gate_shut = false;
    engine_stop(house->engine, PATIENCE_MS);
    house->store.commits_to_fail = 0;
    house->store.owns_to_fail = 0;
    house_start_engine(house);
}

void house_start(struct house *house, const char *id)
{
    pd_error err;
    struct start_command command = { .id = text_of(id), .name = TEXT("chain") };
    assert_int_equal(engine_start_instances(house->engine, &command, 1, NULL, &err), PD_OK);
}

static void tell(struct house *house, enum message_kind kind, enum event_kind event_kind,
                 const char *id)
{
    pd_error err;
    struct event event = { .kind = event_kind,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .name = TEXT("Go"),
                           .payload = TEXT("1") };
    struct letter letter = { .kind = kind, .instance_id = text_of(id), .event = &event };
    assert_int_equal(engine_tell(house->engine, &letter, 1, NULL, &err), PD_OK);
}

void house_raise(struct house *house, const char *id)
{
    tell(house, MESSAGE_RAISE, EVENT_EVENT_RAISED, id);
}

void house_terminate(struct house *house, const char *id)
{
    tell(house, MESSAGE_TERMINATE, EVENT_EXECUTION_TERMINATED, id);
}

void house_signal(struct house *house, const char *entity, const char *operation, const char *input)
{
    pd_error err;
    struct event event = { .kind = EVENT_ENTITY_SIGNALED,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .name = text_of(operation),
                           .payload = text_of(input),
                           .request_id = TEXT("7") };
    struct letter letter = { .kind = MESSAGE_OPERATION,
                             .instance_id = text_of(entity),
                             .event = &event };
    assert_int_equal(engine_tell(house->engine, &letter, 1, NULL, &err), PD_OK);
}

bool house_has_entity(struct house *house, const char *id, char ret_state[64])
{
    struct arena arena;
    struct entity_record record;
    bool found = false;
    pd_error err;
    struct store *store = house->store.real;
    arena_init(&arena);
    assert_int_equal(store->ops->load_entity(store, text_of(id), 0, &arena, &record, &found, &err),
                     PD_OK);
    if (found && ret_state != NULL) {
        (void)snprintf(ret_state, 64, "%.*s", TEXT_ARGS(record.state));
    }
    arena_done(&arena);
    return found;
}

bool house_look(struct house *house, const char *id, struct house_look *ret)
{
    struct arena arena;
    struct instance_record record;
    bool found = false;
    pd_error err;
    struct store *store = house->store.real;
    const struct failure *failure = NULL;
    *ret = (struct house_look){ 0 };
    arena_init(&arena);
    assert_int_equal(
        store->ops->load_instance(store, text_of(id), 0, &arena, &record, &found, &err), PD_OK);
    if (found) {
        ret->state = record.state;
        ret->row = record.row;
        (void)snprintf(ret->output, sizeof ret->output, "%.*s", TEXT_ARGS(record.output));
    }
    if (found && text_is_present(record.failure)) {
        assert_int_equal(wire_read_failure(record.failure, &arena, &failure, &err), PD_OK);
        (void)snprintf(ret->failure, sizeof ret->failure, "%.*s: %.*s", TEXT_ARGS(failure->type),
                       TEXT_ARGS(failure->message));
    }
    arena_done(&arena);
    return found && run_state_is_final(ret->state);
}

struct house_look house_wait_ended(struct house *house, const char *id)
{
    struct house_look ret;
    for (int i = 0; i < PATIENCE_MS && !house_look(house, id, &ret); i++) {
        usleep(1000);
    }
    assert_true(run_state_is_final(ret.state));
    return ret;
}

void house_assert_completes(struct house *house, const char *id, const char *output)
{
    struct house_look ret = house_wait_ended(house, id);
    assert_string_equal(ret.failure, "");
    assert_string_equal(ret.output, output);
}

void house_wait_for(_Atomic int *count, int wanted)
{
    for (int i = 0; i < PATIENCE_MS && *count < wanted; i++) {
        usleep(1000);
    }
    assert_true(*count >= wanted);
}
