/* SPDX-License-Identifier: MIT
 *
 * Entities: who they are, what their operations may do, how they fail; calls from orchestrators and
 * from clients.
 */
#include "entity_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))

/* count copies of a character, on the heap. */
static char *repeated(const char *character, size_t count)
{
    size_t size = strlen(character);
    char *text = malloc(count * size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * size, character, size);
    }
    text[count * size] = '\0';
    return text;
}

/* ---- identity ------------------------------------------------------------------------------- */

static void a_name_is_the_same_whatever_its_case_and_a_key_is_not(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, PD_ENTITY("Counter", "k"), "add", PD_VAL(1), "1");
    ent_assert_call(kit, PD_ENTITY("COUNTER", "k"), "add", PD_VAL(1), "2");
    ent_assert_call(kit, PD_ENTITY("counter", "K"), "add", PD_VAL(5), "5");
    ent_assert_state(kit, PD_ENTITY("cOuNtEr", "k"), "2");
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY("COUNTER", "K"));
    assert_string_equal(pd_entity_view_id(view), "@counter@K");
    assert_string_equal(pd_entity_view_name(view), "counter");
    assert_string_equal(pd_entity_view_key(view), "K");
    pd_entity_view_free(view);
}

static void only_ascii_letters_are_folded(void **state)
{
    struct kit *kit = *state;
    ent_signal(kit, PD_ENTITY("Z\xc3\x84HLER", "x"), "push", PD_VAL(1));
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY("z\xc3\x84hler", "x"));
    assert_string_equal(pd_entity_view_id(view), "@z\xc3\x84hler@x");
    pd_entity_view_free(view);
    assert_false(ent_exists(kit, PD_ENTITY("z\xc3\xa4hler", "x")));
}

static void a_key_may_be_empty_and_hold_what_names_cannot(void **state)
{
    struct kit *kit = *state;
    static const char *const keys[] = {
        "", "@", "a@b@c", " ", "with spaces", "\xe2\x82\xac", "'%s'"
    };
    ent_work(kit, NULL);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char value[16];
        snprintf(value, sizeof(value), "%zu", i + 1);
        ent_assert_call(kit, COUNTER(keys[i]), "add", PD_VAL((int)i + 1), value);
        pd_entity_view *view = ent_fetch(kit, COUNTER(keys[i]));
        assert_string_equal(pd_entity_view_key(view), keys[i]);
        assert_string_equal(pd_entity_view_name(view), "counter");
        pd_entity_view_free(view);
    }
    assert_int_equal(ent_count(kit, (pd_entity_query){ 0 }), sizeof(keys) / sizeof(keys[0]));
}

static void name_and_key_may_have_254_characters_together(void **state)
{
    struct kit *kit = *state;
    static const char *const characters[] = { "k", "\xc3\xa9", "\xf0\x9f\x98\x80" };
    pd_error err;
    ent_work(kit, NULL);
    for (size_t i = 0; i < 3; i++) {
        char *longest = repeated(characters[i], 254 - strlen("Counter"));
        char *longer = repeated(characters[i], 255 - strlen("Counter"));
        ent_assert_call(kit, COUNTER(longest), "add", PD_VAL(1), "1");
        ent_assert_state(kit, COUNTER(longest), "1");
        pd_status status =
            pd_hub_signal_entity(kit->hub, COUNTER(longer), "add", 1, NULL, NULL, &err);
        assert_int_equal(status, PD_E_INVALID);
        assert_null(pd_hub_call_entity(kit->hub, COUNTER(longer), "add", 1, pd_seconds(1), &err));
        assert_int_equal(err.status, PD_E_INVALID);
        assert_null(pd_hub_fetch_entity(kit->hub, COUNTER(longer), &err));
        assert_int_equal(err.status, PD_E_INVALID);
        free(longest);
        free(longer);
    }
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0); /* a refusal leaves nothing behind */
}

static void an_orchestrator_that_names_no_entity_fails_with_a_sentence(void **state)
{
    struct kit *kit = *state;
    static const char *const names[][2] = {
        { "", "k" }, { "a@b", "k" }, { "a", "b\tc" }, { "a\tb", "" }
    };
    ent_work(kit, NULL);
    for (size_t i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof(id), "i%zu", i);
        kit_start(kit, "Ask", PD_VAL(PD_OBJ("name", names[i][0], "key", names[i][1], "op", "get")),
                  id, NULL);
        pd_instance *ended = kit_wait(kit, id);
        assert_int_equal(pd_instance_state(ended), PD_RUN_FAILED);
        assert_true(strlen(pd_instance_failure(ended)->message) > 0);
        pd_instance_free(ended);
    }
    assert_int_equal(ent_count(kit, (pd_entity_query){ .with_empty = true }), 0);
}

/* ---- functions ------------------------------------------------------------------------------ */

static void state_is_there_from_the_first_that_is_set_until_it_is_deleted(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("s"), "get", PD_NULL, "null");
    ent_assert_state(kit, COUNTER("s"), NULL);
    ent_assert_call(kit, COUNTER("s"), "set", PD_VAL(PD_OBJ("a", PD_ARR(1, 2.5, PD_NULL))),
                    "{\"a\":[1,2.5,null]}");
    ent_assert_state(kit, COUNTER("s"), "{\"a\":[1,2.5,null]}");
    ent_assert_call(kit, COUNTER("s"), "delete", PD_NULL, "null");
    ent_assert_state(kit, COUNTER("s"), NULL);
    ent_assert_call(kit, COUNTER("s"), "set", PD_VAL(7), "7");
    ent_assert_call(kit, COUNTER("s"), "set", PD_NULL, "null"); /* null: as delete */
    ent_assert_state(kit, COUNTER("s"), NULL);
}

static void values_that_count_as_nothing_elsewhere_are_states(void **state)
{
    struct kit *kit = *state;
    static const char *const states[] = { "0", "\"\"", "[]", "{}", "false" };
    ent_work(kit, NULL);
    for (size_t i = 0; i < 5; i++) {
        char key[16];
        pd_error err;
        snprintf(key, sizeof(key), "f%zu", i);
        pd_document *d = pd_document_parse(states[i], &err);
        ent_assert_call(kit, COUNTER(key), "set", pd_document_value(d), states[i]);
        pd_document_free(d);
        ent_assert_state(kit, COUNTER(key), states[i]);
        ent_assert_call(kit, COUNTER(key), "get", PD_NULL, states[i]);
        pd_entity_view *view = ent_fetch(kit, COUNTER(key));
        assert_true(pd_entity_view_has_state(view));
        pd_entity_view_free(view);
    }
}

static void a_table_has_a_row_for_each_operation_whatever_its_case(void **state)
{
    struct kit *kit = *state;
    pd_entity_id log = PD_ENTITY("Log", "t");
    ent_work(kit, NULL);
    ent_assert_call(kit, log, "push", PD_VAL("a"), "1");
    ent_assert_call(kit, log, "PUSH", PD_VAL("b"), "2");
    ent_assert_call(kit, log, "All", PD_NULL, "[\"a\",\"b\"]");
    ent_assert_call(kit, log, "shuffle", PD_NULL, "!OperationNotFound");
    ent_assert_state(kit, log, "[\"a\",\"b\"]");
    ent_assert_call(kit, log, "Delete", PD_NULL, NULL); /* it has no such row */
    ent_assert_state(kit, log, NULL);
}

static void an_entity_that_nobody_wrote_is_not_found(void **state)
{
    struct kit *kit = *state;
    served_skip("it waits for a worker that has the name");
    ent_work(kit, NULL);
    ent_assert_call(kit, PD_ENTITY("Nobody", "x"), "add", PD_VAL(1), "!EntityNotFound");
    ent_signal(kit, PD_ENTITY("Nobody", "x"), "add", PD_VAL(1));
    ent_await_state(kit, PD_ENTITY("Nobody", "x"), NULL);
    kit_start(kit, "Ask", PD_VAL(PD_OBJ("name", "Nobody", "key", "x", "op", "add")), "i", NULL);
    ent_assert_fails(kit, "i", "TaskFailed", "EntityNotFound");
}

/* ---- failures ------------------------------------------------------------------------------- */

static void an_operation_that_fails_undoes_its_state_and_what_it_sent(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("f"), "spoil", PD_VAL(99), "!Spoiled");
    ent_assert_state(kit, COUNTER("f"), NULL); /* had none, has none */
    ent_assert_call(kit, COUNTER("f"), "add", PD_VAL(3), "3");
    ent_assert_call(kit, COUNTER("f"), "spoil", PD_VAL(99), "!Spoiled");
    ent_assert_call(kit, COUNTER("f"), "get", PD_NULL, "3");
    kit_sleep_ms(50);
    ent_assert_state(kit, PD_ENTITY("Log", "spoil"), NULL);
    pd_error err;
    assert_null(pd_hub_fetch(kit->hub, "spoiled", &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
}

/* Sent at once, so that most of them are taken in one batch. */
static void the_others_of_a_batch_go_on_when_one_fails(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 300 };
    pd_error err;
    pd_signal *signals = calloc(COUNT, sizeof(*signals));
    assert_non_null(signals);
    for (int i = 0; i < COUNT; i++) {
        signals[i] = (pd_signal){
            .entity = COUNTER("b"),
            .op = i % 3 == 1 ? "spoil" : "add",
            .input = PD_VAL(1),
        };
    }
    kit_expect(pd_hub_signal_many(kit->hub, signals, COUNT, &err), PD_OK, &err, "many");
    ent_work(kit, NULL);
    ent_await_state(kit, COUNTER("b"), "200");
    ent_await_backlog(kit, COUNTER("b"), 0);
    ent_assert_state(kit, COUNTER("b"), "200");
    ent_assert_state(kit, PD_ENTITY("Log", "spoil"), NULL);
    free(signals);
}

static void a_caller_gets_the_failure_as_it_was(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work(kit, NULL);
    kit_start(kit, "Ask",
              PD_VAL(PD_OBJ("name", "Account", "key", "poor", "op", "withdraw", "input", 5)), "i",
              NULL);
    pd_instance *i = kit_wait(kit, "i");
    const pd_failure *f = pd_instance_failure(i);
    assert_non_null(f);
    assert_string_equal(f->type, "TaskFailed");
    assert_string_equal(f->cause->type, "NotEnough");
    assert_string_equal(f->cause->message, "poor has less than that");
    pd_instance_free(i);
    i = pd_hub_call_entity(kit->hub, PD_ENTITY("Account", "poor"), "withdraw", 5, pd_seconds(20),
                           &err);
    assert_non_null(i);
    f = pd_instance_failure(i);
    assert_string_equal(f->type, "NotEnough"); /* of a client's call, its own */
    assert_string_equal(f->message, "poor has less than that");
    assert_null(f->cause);
    pd_instance_free(i);
}

/* Catches the failures of three calls that were under way together, and goes on. */
static pd_result tries(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_entity_id account = PD_ENTITY("Account", "tries");
    pd_task *tasks[3];
    tasks[0] = pd_start_entity(o, account, "deposit", 10);
    tasks[1] = pd_start_entity(o, account, "withdraw", 11);
    tasks[2] = pd_start_entity(o, account, "withdraw", 4);
    bool all = pd_wait_all(o, tasks, 3);
    const pd_failure *f = pd_task_failure(tasks[1]);
    pd_value left = pd_task_value(tasks[2]);
    return pd_ok(o, PD_ARR(pd_of_bool(all), pd_task_value(tasks[0]), f->type, left));
}

static void failures_are_values_for_an_orchestrator_that_waits(void **state)
{
    struct kit *kit = *state;
    static const pd_function program[] = { PD_FUNCTION("Tries", tries) };
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "Tries", PD_NULL, "t", NULL);
    kit_assert_ends(kit, "t", PD_RUN_COMPLETED, "[false,10,\"NotEnough\",6]");
    ent_assert_state(kit, PD_ENTITY("Account", "tries"), "6");
    assert_int_equal(kit_count_events(kit, "t", "EntityOperationCalled"), 3);
    assert_int_equal(kit_count_events(kit, "t", "EntityOperationCompleted"), 2);
    assert_int_equal(kit_count_events(kit, "t", "EntityOperationFailed"), 1);
}

/* ---- what operations do --------------------------------------------------------------------- */

/* What an entity started in another partition of a server is on its way for a moment, and a server
 * does not see it there (an engine of ours does: mail_look.c). */
static void await_delivery(struct kit *kit, const char *id)
{
    pd_error err;
    pd_instance *i = NULL;
    for (int n = 0; served_is_wanted() && i == NULL && n < 2000; n++) {
        i = pd_hub_fetch(kit->hub, id, &err);
        kit_sleep_ms(i == NULL ? 5 : 0);
    }
    pd_instance_free(i);
}

static void an_entity_starts_orchestrations_that_are_nobodys_children(void **state)
{
    struct kit *kit = *state;
    pd_entity_id relay = PD_ENTITY("Relay", "r");
    pd_error err;
    ent_work(kit, NULL);
    ent_assert_call(kit, relay, "launch",
                    PD_VAL(PD_OBJ("name", "Echo", "id", "child-of-none", "input", 5)),
                    "\"child-of-none\"");
    await_delivery(kit, "child-of-none");
    kit_assert_ends(kit, "child-of-none", PD_RUN_COMPLETED, "5");
    pd_instance *i = kit_fetch(kit, "child-of-none");
    assert_null(pd_instance_parent_id(i));
    pd_instance_free(i);

    i = pd_hub_call_entity(kit->hub, relay, "launch", PD_OBJ("name", "Echo", "input", "made"),
                           pd_seconds(20), &err);
    assert_non_null(i);
    const char *id = pd_text(pd_instance_output(i));
    assert_int_equal(strlen(id), 32);
    await_delivery(kit, id);
    kit_assert_ends(kit, id, PD_RUN_COMPLETED, "\"made\"");
    pd_instance_free(i);
}

static void
a_start_under_the_id_of_one_that_lives_does_nothing_and_one_that_ended_is_replaced(void **state)
{
    struct kit *kit = *state;
    pd_entity_id relay = PD_ENTITY("Relay", "r");
    ent_work(kit, NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "h")), "one", NULL);
    ent_await_status(kit, "one", "\"held\"");
    ent_assert_call(kit, relay, "launch", PD_VAL(PD_OBJ("name", "Echo", "id", "one", "input", 1)),
                    "\"one\"");
    kit_raise(kit, "one", "go", PD_NULL);
    kit_assert_ends(kit, "one", PD_RUN_COMPLETED, "1"); /* the counter's */
    pd_instance *i = kit_fetch(kit, "one");
    assert_string_equal(pd_instance_name(i), "Hold");
    pd_instance_free(i);
    ent_assert_call(kit, relay, "launch", PD_VAL(PD_OBJ("name", "Echo", "id", "one", "input", 2)),
                    "\"one\"");
    int64_t until = kit_now_ms() + 30000;
    for (bool is_new = false; !is_new && kit_now_ms() < until;) {
        i = kit_fetch(kit, "one");
        is_new = strcmp(pd_instance_name(i), "Echo") == 0;
        pd_instance_free(i);
    }
    kit_assert_ends(kit, "one", PD_RUN_COMPLETED, "2");
}

/* The one hub, from inside an operation. */
static pd_result calls_the_hub(pd_entity *e, pd_value input)
{
    pd_error err = { 0 };
    pd_status status =
        pd_hub_signal_entity(pd_user(e), COUNTER("x"), "add", input, NULL, NULL, &err);
    return pd_ok(e, status == PD_E_STATE && strstr(err.text, "entities") != NULL);
}

static void an_operation_cannot_use_the_hub(void **state)
{
    struct kit *kit = *state;
    static const pd_function program[] = { PD_FUNCTION("Caller", calls_the_hub) };
    kit_work_on(kit, PD_PROGRAM(program), &(pd_worker_options){ .user = kit->hub });
    ent_assert_call(kit, PD_ENTITY("Caller", ""), "do", PD_VAL(1), "1");
    assert_false(ent_exists(kit, COUNTER("x")));
}

/* What is deferred runs on the partition's thread too: it would wait for itself, for ever. */
static atomic_int released_status;

static void starts_another(void *hub)
{
    pd_error err;
    atomic_store(&released_status, (int)pd_hub_start(hub, "Echo", PD_NULL, NULL, NULL, &err));
}

static pd_result defers(pd_entity *e, pd_value input)
{
    pd_defer(e, starts_another, pd_user(e));
    return pd_ok(e, input);
}

static pd_result defers_as_well(pd_orchestration *o, pd_value input)
{
    pd_defer(o, starts_another, pd_user(o));
    return pd_ok(o, input);
}

static void what_was_deferred_cannot_use_the_hub_either(void **state)
{
    struct kit *kit = *state;
    static const pd_function program[] = { PD_FUNCTION("Defers", defers),
                                           PD_FUNCTION("DefersAsWell", defers_as_well) };
    ent_work_with(kit, PD_PROGRAM(program), &(pd_worker_options){ .user = kit->hub });
    atomic_store(&released_status, -1);
    ent_assert_call(kit, PD_ENTITY("Defers", ""), "do", PD_VAL(1), "1");
    assert_int_equal(atomic_load(&released_status), PD_E_STATE);
    atomic_store(&released_status, -1);
    kit_start(kit, "DefersAsWell", PD_VAL(2), "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "2");
    assert_int_equal(atomic_load(&released_status), PD_E_STATE);
}

/* ---- one at a time -------------------------------------------------------------------------- */

static atomic_int inside, worst;

static pd_result alone(pd_entity *e, pd_value input)
{
    int now = atomic_fetch_add(&inside, 1) + 1;
    int seen = atomic_load(&worst);
    while (now > seen && !atomic_compare_exchange_weak(&worst, &seen, now)) {}
    kit_sleep_ms(1);
    pd_set_state(e, pd_int(pd_state(e)) + pd_int(input));
    atomic_fetch_sub(&inside, 1);
    return pd_ok(e, PD_NULL);
}

static void operations_of_one_entity_never_overlap(void **state)
{
    struct kit *kit = *state;
    static const pd_function program[] = { PD_FUNCTION("Alone", alone) };
    atomic_store(&worst, 0);
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    for (int i = 0; i < 50; i++) {
        ent_signal(kit, PD_ENTITY("Alone", "a"), "x", PD_VAL(1));
    }
    ent_await_state(kit, PD_ENTITY("Alone", "a"), "50");
    assert_int_equal(atomic_load(&worst), 1);
}

/* ---- calls of clients ----------------------------------------------------------------------- */

static void a_clients_call_is_forgotten_when_it_was_answered(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("c"), "add", PD_VAL(2), "2");
    ent_assert_call(kit, COUNTER("c"), "nonsense", PD_VAL(2), "!Unknown");
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
}

static void a_call_that_is_not_answered_in_time_names_who_waits(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    assert_null(pd_hub_call_entity(kit->hub, COUNTER("late"), "add", 4, pd_milliseconds(50), &err));
    assert_int_equal(err.status, PD_E_TIMEOUT);
    pd_page *page = pd_hub_query(kit->hub, &(pd_query){ .name = "perdure.call" }, &err);
    assert_int_equal(pd_page_count(page), 1);
    char id[64];
    snprintf(id, sizeof(id), "%s", pd_instance_id_of(pd_page_at(page, 0)));
    pd_page_free(page);
    assert_non_null(strstr(err.text, id));
    ent_work(kit, NULL);
    kit_assert_ends(kit, id, PD_RUN_COMPLETED, "4"); /* it was run later */
    ent_assert_state(kit, COUNTER("late"), "4");
}

static void a_clients_call_carries_63_levels_and_the_largest_payload(void **state)
{
    struct kit *kit = *state;
    enum { LARGEST = 16 * 1024 * 1024 };
    pd_error err;
    ent_work(kit, NULL);
    char deep[2 * 63 + 1] = "";
    for (int i = 0; i < 63; i++) {
        deep[i] = '[';
        deep[63 + i] = ']';
    }
    pd_document *d = pd_document_parse(deep, &err);
    assert_non_null(d);
    ent_assert_call(kit, COUNTER("deep"), "set", pd_document_value(d), deep);
    pd_value deeper = PD_ARR(pd_document_value(d)).value_;
    assert_null(pd_hub_call_entity(kit->hub, COUNTER("deep"), "set", deeper, pd_seconds(1), &err));
    assert_int_equal(err.status, PD_E_LIMIT);
    ent_signal(kit, COUNTER("deep"), "set", deeper); /* which is not inside anything */
    pd_document_free(d);
    char *text = repeated("x", LARGEST - 1);
    assert_null(pd_hub_call_entity(kit->hub, COUNTER("l"), "set", text, pd_seconds(1), &err));
    assert_int_equal(err.status, PD_E_LIMIT);
    text[LARGEST - 2] = '\0'; /* and two quotes */
    pd_instance *i = pd_hub_call_entity(kit->hub, COUNTER("l"), "set", text, pd_seconds(30), &err);
    assert_non_null(i);
    assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    assert_int_equal(strlen(pd_instance_output_json(i)), LARGEST);
    pd_instance_free(i);
    free(text);
}

struct caller {
    struct kit *kit;
    pthread_t thread;
    pd_instance *answer;
    pd_error err;
};

/* Of an entity that is locked, when it begins. */
static void *call_locked(void *argument)
{
    struct caller *caller = argument;
    caller->answer =
        pd_hub_call_entity(caller->kit->hub, COUNTER("l"), "add", 10, pd_seconds(30), &caller->err);
    return NULL;
}

static struct caller call_and_wait(struct kit *kit)
{
    struct caller caller = { .kit = kit };
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "l")), "h", NULL);
    ent_await_lock(kit, COUNTER("l"), "h");
    return caller;
}

static void closing_the_hub_ends_a_call_that_waits(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    struct caller caller = call_and_wait(kit);
    assert_int_equal(pthread_create(&caller.thread, NULL, call_locked, &caller), 0);
    ent_await_backlog(kit, COUNTER("l"), 1);
    pd_hub_close(kit->hub); /* and stops the worker */
    kit->hub = NULL;
    kit->worker = NULL;
    pthread_join(caller.thread, NULL);
    assert_null(caller.answer);
    assert_int_equal(caller.err.status, PD_E_CANCELLED);
}

static void a_call_is_answered_by_the_worker_that_follows(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    struct caller caller = call_and_wait(kit);
    assert_int_equal(pthread_create(&caller.thread, NULL, call_locked, &caller), 0);
    ent_await_backlog(kit, COUNTER("l"), 1);
    kit_rest(kit);
    kit_raise(kit, "h", "go", PD_NULL);
    ent_work(kit, NULL);
    pthread_join(caller.thread, NULL);
    assert_non_null(caller.answer);
    assert_string_equal(pd_instance_output_json(caller.answer), "11");
    pd_instance_free(caller.answer);
}

/* An activity has a thread, and may wait. */
static pd_result asks_an_entity(pd_activity *a, pd_value input)
{
    pd_error err;
    PD_AUTO(pd_instance)
    answer = pd_hub_call_entity(pd_user(a), COUNTER("of an activity"), "add", input, pd_seconds(20),
                                &err);
    return answer != NULL ? pd_ok(a, pd_instance_output(answer)) : pd_fail(a, "No", "%s", err.text);
}

static pd_result has_it_asked(pd_orchestration *o, pd_value input)
{
    pd_value answer = pd_call_activity(o, asks_an_entity, input);
    return pd_ok(o, answer);
}

static void an_activity_calls_as_a_client_does(void **state)
{
    struct kit *kit = *state;
    static const pd_function program[] = { PD_FUNCTION("AsksAnEntity", asks_an_entity),
                                           PD_FUNCTION("HasItAsked", has_it_asked) };
    ent_work_with(kit, PD_PROGRAM(program), &(pd_worker_options){ .user = kit->hub });
    kit_start(kit, "HasItAsked", PD_VAL(7), "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(a_name_is_the_same_whatever_its_case_and_a_key_is_not),
        HUB_TEST(only_ascii_letters_are_folded),
        HUB_TEST_4(a_key_may_be_empty_and_hold_what_names_cannot),
        HUB_TEST(name_and_key_may_have_254_characters_together),
        HUB_TEST(an_orchestrator_that_names_no_entity_fails_with_a_sentence),
        HUB_TEST(state_is_there_from_the_first_that_is_set_until_it_is_deleted),
        HUB_TEST(values_that_count_as_nothing_elsewhere_are_states),
        HUB_TEST(a_table_has_a_row_for_each_operation_whatever_its_case),
        HUB_TEST(an_entity_that_nobody_wrote_is_not_found),
        HUB_TEST_4(an_operation_that_fails_undoes_its_state_and_what_it_sent),
        HUB_TEST(the_others_of_a_batch_go_on_when_one_fails),
        HUB_TEST(a_caller_gets_the_failure_as_it_was),
        HUB_TEST_4(failures_are_values_for_an_orchestrator_that_waits),
        HUB_TEST_4(an_entity_starts_orchestrations_that_are_nobodys_children),
        HUB_TEST_4(
            a_start_under_the_id_of_one_that_lives_does_nothing_and_one_that_ended_is_replaced),
        HUB_TEST(an_operation_cannot_use_the_hub),
        HUB_TEST(what_was_deferred_cannot_use_the_hub_either),
        HUB_TEST_4(operations_of_one_entity_never_overlap),
        HUB_TEST_4(a_clients_call_is_forgotten_when_it_was_answered),
        HUB_TEST(a_call_that_is_not_answered_in_time_names_who_waits),
        HUB_TEST(closing_the_hub_ends_a_call_that_waits),
        HUB_TEST_4(a_call_is_answered_by_the_worker_that_follows),
        HUB_TEST(an_activity_calls_as_a_client_does),
        HUB_TEST(a_clients_call_carries_63_levels_and_the_largest_payload),
    };
    return cmocka_run_group_tests_name("hub/entities", tests, NULL, NULL);
}
