/* SPDX-License-Identifier: MIT
 *
 * Signals: from clients, orchestrators and entities; their order, their time, and taking them back.
 */
#include "entity_kit.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))
#define LOG(key) PD_ENTITY("Log", (key))

static pd_status signal_at(struct kit *kit, pd_entity_id entity, const char *op, pd_value input,
                           pd_time at, pd_id *id)
{
    pd_error err;
    pd_signal_options options = { .at = at };
    return pd_hub_signal_entity(kit->hub, entity, op, input, &options, id, &err);
}

static pd_time in_ms(int64_t ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (pd_time){ (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms };
}

/* Of a Log: 0, 1, 2 ... count - 1, in this order. */
static void assert_in_order(struct kit *kit, pd_entity_id log, int count)
{
    ent_await_backlog(kit, log, 0);
    pd_entity_view *view = ent_fetch(kit, log);
    pd_value all = pd_entity_view_state(view);
    assert_int_equal(pd_count(all), count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(pd_int(pd_at(all, (size_t)i)), i);
    }
    pd_entity_view_free(view);
}

static void await_length(struct kit *kit, pd_entity_id log, size_t wanted)
{
    int64_t until = kit_now_ms() + 30000;
    for (size_t got = wanted + 1; got != wanted;) {
        pd_error err;
        pd_entity_view *view = pd_hub_fetch_entity(kit->hub, log, &err);
        got = view != NULL ? pd_count(pd_entity_view_state(view)) : 0;
        pd_entity_view_free(view);
        if (got > wanted || kit_now_ms() > until) {
            fail_msg("%zu things in the log, not %zu", got, wanted);
        }
        kit_sleep_ms(got == wanted ? 0 : 2);
    }
}

/* ---- from clients --------------------------------------------------------------------------- */

static void a_signal_without_a_worker_waits_and_is_run_once(void **state)
{
    struct kit *kit = *state;
    pd_id id;
    pd_error err;
    kit_expect(pd_hub_signal_entity(kit->hub, COUNTER("a"), "add", 5, NULL, &id, &err), PD_OK, &err,
               "signal");
    assert_int_equal(strlen(id.text), 36); /* a GUID */
    for (size_t i = 0; i < 36; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_true(is_dash ? id.text[i] == '-' : isxdigit((unsigned char)id.text[i]));
    }
    pd_entity_view *view = ent_fetch(kit, COUNTER("a")); /* it was promised: so it is there */
    assert_false(pd_entity_view_has_state(view));
    assert_int_equal(pd_entity_view_backlog(view), 1);
    pd_entity_view_free(view);
    for (int i = 0; i < 3; i++) {
        ent_work(kit, NULL);
        ent_await_state(kit, COUNTER("a"), "5");
        kit_rest(kit);
    }
    ent_assert_state(kit, COUNTER("a"), "5");
}

static void signals_of_one_thread_keep_their_order_also_over_the_start_of_a_worker(void **state)
{
    struct kit *kit = *state;
    enum { EACH = 100 };
    for (int i = 0; i < EACH; i++) {
        ent_signal(kit, LOG("o"), "push", PD_VAL(i));
    }
    ent_work(kit, NULL);
    for (int i = EACH; i < 2 * EACH; i++) { /* the first ones may still lie in the mailbox */
        ent_signal(kit, LOG("o"), "push", PD_VAL(i));
    }
    kit_rest(kit);
    for (int i = 2 * EACH; i < 3 * EACH; i++) {
        ent_signal(kit, LOG("o"), "push", PD_VAL(i));
    }
    ent_work(kit, NULL);
    ent_assert_call(kit, LOG("o"), "all", PD_NULL, NULL);
    assert_in_order(kit, LOG("o"), 3 * EACH);
}

struct sender {
    struct kit *kit;
    int number;
    pthread_t thread;
};

enum { SENDERS = 4, SENT = 60 };

static void *send_some(void *argument)
{
    struct sender *sender = argument;
    for (int i = 0; i < SENT; i++) {
        pd_error err;
        pd_status status = pd_hub_signal_entity(sender->kit->hub, LOG("many"), "push",
                                                sender->number * 1000 + i, NULL, NULL, &err);
        assert_int_equal(status, PD_OK);
    }
    return NULL;
}

static void each_of_many_senders_keeps_its_order(void **state)
{
    struct kit *kit = *state;
    struct sender senders[SENDERS];
    ent_work(kit, NULL);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .kit = kit, .number = i };
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_some, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    await_length(kit, LOG("many"), SENDERS * SENT);
    pd_entity_view *view = ent_fetch(kit, LOG("many"));
    int64_t next[SENDERS] = { 0 };
    PD_EACH(item, pd_entity_view_state(view)) {
        int64_t sender = pd_int(item) / 1000;
        assert_int_equal(pd_int(item) % 1000, next[sender]);
        next[sender]++;
    }
    pd_entity_view_free(view);
}

static void many_are_sent_at_once_in_their_order(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 1000, KEYS = 5 };
    pd_error err;
    char keys[KEYS][16];
    pd_signal *signals = calloc(COUNT, sizeof(*signals));
    assert_non_null(signals);
    for (int i = 0; i < COUNT; i++) {
        char *key = keys[i % KEYS];
        snprintf(key, sizeof(keys[0]), "k%d", i % KEYS);
        signals[i] = (pd_signal){ .entity = LOG(key), .op = "push", .input = PD_VAL(i / KEYS) };
    }
    kit_expect(pd_hub_signal_many(kit->hub, signals, COUNT / 2, &err), PD_OK, &err, "mailed");
    ent_work(kit, NULL);
    kit_expect(pd_hub_signal_many(kit->hub, signals + COUNT / 2, COUNT / 2, &err), PD_OK, &err,
               "told");
    for (int k = 0; k < KEYS; k++) {
        await_length(kit, LOG(keys[k]), COUNT / KEYS);
        assert_in_order(kit, LOG(keys[k]), COUNT / KEYS);
    }
    kit_expect(pd_hub_signal_many(kit->hub, NULL, 0, &err), PD_OK, &err, "none");
    free(signals);
}

static void nothing_of_many_is_sent_when_one_is_bad(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    const pd_signal good = { .entity = COUNTER("g"), .op = "add", .input = PD_VAL(1) };
    const pd_signal bad[] = {
        { .entity = PD_ENTITY("", "x"), .op = "add" },
        { .entity = PD_ENTITY("a@b", "x"), .op = "add" },
        { .entity = PD_ENTITY(NULL, "x"), .op = "add" },
        { .entity = PD_ENTITY("a", NULL), .op = "add" },
        { .entity = PD_ENTITY("a", "x\ty"), .op = "add" },
        { .entity = COUNTER("g"), .op = "" },
        { .entity = COUNTER("g"), .op = NULL },
        { .entity = COUNTER("g"), .op = "add", .input = pd_of_text("\xff") },
    };
    ent_work(kit, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const pd_signal signals[] = { good, bad[i], good };
        assert_int_equal(pd_hub_signal_many(kit->hub, signals, 3, &err), PD_E_INVALID);
        assert_true(strlen(err.text) > 0);
    }
    ent_assert_call(kit, COUNTER("g"), "get", PD_NULL, "null");
    assert_int_equal(ent_count(kit, (pd_entity_query){ .with_empty = true }), 0);
}

/* ---- from orchestrators and entities -------------------------------------------------------- */

enum { BURST = 150 };

static pd_result burst(pd_orchestration *o, pd_value key)
{
    for (int i = 0; i < BURST; i++) {
        pd_signal_entity(o, LOG(pd_text(key)), "push", i);
    }
    pd_value count = pd_call_entity(o, LOG(pd_text(key)), "push", BURST);
    return pd_ok(o, count);
}

static void an_orchestrators_signals_and_calls_are_done_in_their_order(void **state)
{
    struct kit *kit = *state;
    static const pd_function program[] = { PD_FUNCTION("Burst", burst) };
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    static const char *const keys[] = { "a", "b", "c", "d" };
    for (int i = 0; i < 4; i++) {
        kit_start(kit, "Burst", PD_VAL(keys[i]), keys[i], NULL);
    }
    for (int i = 0; i < 4; i++) {
        kit_assert_ends(kit, keys[i], PD_RUN_COMPLETED, "151");
        assert_in_order(kit, LOG(keys[i]), BURST + 1);
        assert_int_equal(kit_count_events(kit, keys[i], "EntityOperationSignaled"), BURST);
    }
}

static void an_entitys_signals_are_done_in_their_order(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 60 };
    ent_work(kit, NULL);
    for (int i = 0; i < COUNT; i++) {
        ent_signal(kit, PD_ENTITY("Relay", "r"), "pass",
                   PD_VAL(PD_OBJ("name", "LOG", "key", "far", "op", "push", "input", i)));
    }
    await_length(kit, LOG("far"), COUNT);
    assert_in_order(kit, LOG("far"), COUNT);
    ent_assert_state(kit, PD_ENTITY("Relay", "r"), NULL); /* it has none */
}

static void an_entity_signals_itself(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, PD_ENTITY("Relay", "me"), "echo", PD_NULL, "1");
    ent_await_state(kit, PD_ENTITY("Relay", "me"), "3");
}

static void the_failure_of_a_signal_is_nobodys(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    kit_start(kit, "Send", PD_VAL(PD_OBJ("name", "Counter", "key", "x", "op", "nonsense")), "i",
              NULL);
    pd_instance *i = kit_wait(kit, "i");
    assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    assert_int_equal(strlen(pd_text(pd_instance_output(i))), 36);
    pd_instance_free(i);
}

/* ---- at a time ------------------------------------------------------------------------------ */

static void a_signal_with_a_time_is_not_run_before_it(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    pd_time at = in_ms(1000);
    assert_int_equal(signal_at(kit, LOG("t"), "push", PD_VAL("later"), at, NULL), PD_OK);
    ent_signal(kit, LOG("t"), "push", PD_VAL("now"));
    ent_await_state(kit, LOG("t"), "[\"now\"]");
    ent_await_backlog(kit, LOG("t"), 1);
    ent_await_state(kit, LOG("t"), "[\"now\",\"later\"]");
    assert_true(in_ms(0).ms >= at.ms);
    pd_entity_view *view = ent_fetch(kit, LOG("t"));
    assert_true(pd_entity_view_changed_at(view).ms >= at.ms);
    assert_int_equal(pd_entity_view_backlog(view), 0);
    pd_entity_view_free(view);
}

static void a_time_that_is_past_is_at_once(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    assert_int_equal(signal_at(kit, COUNTER("p"), "add", PD_VAL(1), (pd_time){ 1 }, NULL), PD_OK);
    assert_int_equal(signal_at(kit, COUNTER("p"), "add", PD_VAL(2), (pd_time){ -5 }, NULL), PD_OK);
    ent_await_state(kit, COUNTER("p"), "3");
}

static void a_signal_that_waits_for_its_time_survives_the_worker(void **state)
{
    struct kit *kit = *state;
    assert_int_equal(signal_at(kit, COUNTER("w"), "add", PD_VAL(1), in_ms(1000), NULL), PD_OK);
    ent_work(kit, NULL);
    assert_int_equal(signal_at(kit, COUNTER("w"), "add", PD_VAL(2), in_ms(1200), NULL), PD_OK);
    kit_rest(kit);
    assert_int_equal(signal_at(kit, COUNTER("w"), "add", PD_VAL(4), in_ms(1100), NULL), PD_OK);
    kit_sleep_ms(100);
    ent_work(kit, NULL);
    ent_assert_state(kit, COUNTER("w"), "null"); /* none yet, but something waits */
    ent_await_state(kit, COUNTER("w"), "7");
    kit_sleep_ms(100);
    ent_assert_state(kit, COUNTER("w"), "7");
}

static void orchestrators_and_entities_send_for_a_time_as_well(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    int64_t began = kit_now_ms();
    kit_start(kit, "Send",
              PD_VAL(PD_OBJ("name", "Counter", "key", "o", "op", "add", "input", 1, "in_ms", 1000)),
              "i", NULL);
    ent_signal(
        kit, PD_ENTITY("Relay", "r"), "pass",
        PD_VAL(PD_OBJ("name", "Counter", "key", "e", "op", "add", "input", 1, "in_ms", 1000)));
    ent_await_backlog(kit, COUNTER("o"), 1);
    ent_await_backlog(kit, COUNTER("e"), 1);
    ent_await_state(kit, COUNTER("o"), "1");
    ent_await_state(kit, COUNTER("e"), "1");
    assert_true(kit_now_ms() - began >= 1000);
}

/* ---- taking back ---------------------------------------------------------------------------- */

static void a_signal_that_waits_is_taken_back_once(void **state)
{
    struct kit *kit = *state;
    pd_id id, other;
    pd_error err;
    ent_work(kit, NULL);
    assert_int_equal(signal_at(kit, COUNTER("c"), "add", PD_VAL(1), in_ms(1000), &id), PD_OK);
    assert_int_equal(signal_at(kit, COUNTER("c"), "add", PD_VAL(2), in_ms(1001), &other), PD_OK);
    assert_int_equal(pd_hub_cancel_signal(kit->hub, COUNTER("d"), id.text, &err), PD_E_NOT_FOUND);
    kit_expect(pd_hub_cancel_signal(kit->hub, PD_ENTITY("COUNTER", "c"), id.text, &err), PD_OK,
               &err, "cancel");
    assert_int_equal(pd_hub_cancel_signal(kit->hub, COUNTER("c"), id.text, &err), PD_E_NOT_FOUND);
    ent_await_state(kit, COUNTER("c"), "2");
    assert_int_equal(pd_hub_cancel_signal(kit->hub, COUNTER("c"), other.text, &err),
                     PD_E_NOT_FOUND); /* it was run */
    kit_sleep_ms(50);
    ent_assert_state(kit, COUNTER("c"), "2");
}

static void an_entity_is_gone_when_all_that_waited_was_taken_back(void **state)
{
    struct kit *kit = *state;
    pd_id id;
    pd_error err;
    ent_work(kit, NULL);
    assert_int_equal(signal_at(kit, COUNTER("g"), "add", PD_VAL(1), in_ms(86400000), &id), PD_OK);
    ent_await_backlog(kit, COUNTER("g"), 1);
    kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER("g"), id.text, &err), PD_OK, &err, "cancel");
    assert_false(ent_exists(kit, COUNTER("g")));
}

static void a_signal_in_the_mailbox_is_taken_back_by_the_next_engine(void **state)
{
    struct kit *kit = *state;
    pd_id id;
    pd_error err;
    assert_int_equal(signal_at(kit, COUNTER("m"), "add", PD_VAL(1), in_ms(0), &id), PD_OK);
    ent_signal(kit, COUNTER("m"), "add", PD_VAL(2));
    assert_int_equal(pd_hub_cancel_signal(kit->hub, COUNTER("n"), id.text, &err), PD_E_NOT_FOUND);
    assert_int_equal(signal_at(kit, COUNTER("m"), "add", PD_VAL(4), in_ms(86400000), &id), PD_OK);
    kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER("m"), id.text, &err), PD_OK, &err, "cancel");
    ent_work(kit, NULL);
    ent_await_state(kit, COUNTER("m"), "3");
    ent_await_backlog(kit, COUNTER("m"), 0);
}

/* Perhaps it still lies in the mailbox, perhaps not: it is found either way. */
static void a_signal_is_taken_back_while_an_engine_takes_the_mailbox(void **state)
{
    struct kit *kit = *state;
    enum { ROUNDS = 10, OTHERS = 200 };
    pd_error err;
    pd_signal others[OTHERS];
    for (int i = 0; i < OTHERS; i++) {
        others[i] = (pd_signal){ .entity = LOG("others"), .op = "all", .input = PD_NULL };
    }
    for (int i = 0; i < ROUNDS; i++) {
        pd_id id;
        kit_expect(pd_hub_signal_many(kit->hub, others, OTHERS, &err), PD_OK, &err, "others");
        assert_int_equal(signal_at(kit, COUNTER("c"), "add", PD_VAL(1), in_ms(2000), &id), PD_OK);
        ent_work(kit, NULL);
        kit_sleep_ms(i / 2);
        kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER("c"), id.text, &err), PD_OK, &err,
                   "cancel");
        ent_await_backlog(kit, COUNTER("c"), 0);
        kit_rest(kit);
    }
    ent_work(kit, NULL);
    kit_sleep_ms(2100);
    assert_false(ent_exists(kit, COUNTER("c")));
}

/* Sends for tomorrow, thinks better of it, and sends for now. */
static pd_result hesitate(pd_orchestration *o, pd_value key)
{
    pd_entity_id counter = COUNTER(pd_text(key));
    const char *id = pd_signal_entity(o, counter, "add", 1, .at = pd_after(pd_now(o), pd_days(1)));
    pd_wait_event(o, "go");
    pd_cancel_signal(o, counter, id);
    pd_cancel_signal(o, counter, "none of this id");
    pd_signal_entity(o, counter, "add", 2);
    return pd_ok(o, id);
}

static void orchestrators_and_entities_take_theirs_back(void **state)
{
    struct kit *kit = *state;
    static const pd_function program[] = { PD_FUNCTION("Hesitate", hesitate) };
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "Hesitate", PD_VAL("o"), "h", NULL);
    ent_await_backlog(kit, COUNTER("o"), 1);
    kit_raise(kit, "h", "go", PD_NULL);
    ent_await_state(kit, COUNTER("o"), "2");
    ent_await_backlog(kit, COUNTER("o"), 0);

    pd_error err;
    pd_entity_id relay = PD_ENTITY("Relay", "r");
    pd_value later = PD_OBJ("name", "Counter", "key", "e", "op", "add", "in_ms", 86400000).value_;
    pd_instance *i = pd_hub_call_entity(kit->hub, relay, "pass", later, pd_seconds(20), &err);
    assert_non_null(i);
    ent_await_backlog(kit, COUNTER("e"), 1);
    ent_assert_call(
        kit, relay, "drop",
        PD_VAL(PD_OBJ("name", "Counter", "key", "e", "id", pd_text(pd_instance_output(i)))), NULL);
    pd_instance_free(i);
    ent_await_backlog(kit, COUNTER("e"), 0);
    assert_false(ent_exists(kit, COUNTER("e")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(a_signal_without_a_worker_waits_and_is_run_once),
        HUB_TEST_4(signals_of_one_thread_keep_their_order_also_over_the_start_of_a_worker),
        HUB_TEST_4(each_of_many_senders_keeps_its_order),
        HUB_TEST_4(many_are_sent_at_once_in_their_order),
        HUB_TEST(nothing_of_many_is_sent_when_one_is_bad),
        HUB_TEST_4(an_orchestrators_signals_and_calls_are_done_in_their_order),
        HUB_TEST_4(an_entitys_signals_are_done_in_their_order),
        HUB_TEST_4(an_entity_signals_itself),
        HUB_TEST(the_failure_of_a_signal_is_nobodys),
        HUB_TEST_4(a_signal_with_a_time_is_not_run_before_it),
        HUB_TEST(a_time_that_is_past_is_at_once),
        HUB_TEST_4(a_signal_that_waits_for_its_time_survives_the_worker),
        HUB_TEST_4(orchestrators_and_entities_send_for_a_time_as_well),
        HUB_TEST_4(a_signal_that_waits_is_taken_back_once),
        HUB_TEST(an_entity_is_gone_when_all_that_waited_was_taken_back),
        HUB_TEST_4(a_signal_in_the_mailbox_is_taken_back_by_the_next_engine),
        HUB_TEST_4(a_signal_is_taken_back_while_an_engine_takes_the_mailbox),
        HUB_TEST_4(orchestrators_and_entities_take_theirs_back),
    };
    return cmocka_run_group_tests_name("hub/signals", tests, NULL, NULL);
}
