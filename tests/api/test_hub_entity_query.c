/* SPDX-License-Identifier: MIT
 *
 * Entities looked at and listed.
 */
#include "entity_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))

static pd_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (pd_time){ (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 };
}

/* ---- looking -------------------------------------------------------------------------------- */

static void a_view_tells_what_the_last_operation_left(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    pd_time before = now();
    ent_assert_call(kit, COUNTER("v"), "set", PD_VAL(PD_OBJ("n", 5)), NULL);
    pd_time after = now();
    pd_entity_view *view = ent_fetch(kit, COUNTER("v"));
    assert_string_equal(pd_entity_view_id(view), "@counter@v");
    assert_true(pd_entity_view_has_state(view));
    assert_string_equal(pd_entity_view_state_json(view), "{\"n\":5}");
    assert_int_equal(pd_int(pd_get(pd_entity_view_state(view), "n")), 5);
    assert_true(pd_entity_view_changed_at(view).ms >= before.ms);
    assert_true(pd_entity_view_changed_at(view).ms <= after.ms);
    assert_int_equal(pd_entity_view_backlog(view), 0);
    assert_null(pd_entity_view_locked_by(view));
    kit_rest(kit); /* a view depends on nothing */
    assert_int_equal(pd_int(pd_get(pd_entity_view_state(view), "n")), 5);
    pd_entity_view_free(view);
    ent_assert_state(kit, COUNTER("v"), "{\"n\":5}"); /* and the store has it without a worker */
    pd_entity_view_free(NULL);
}

static void nobody_is_found_who_has_nothing(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    assert_false(ent_exists(kit, COUNTER("never")));
    ent_assert_call(kit, COUNTER("only read"), "get", PD_NULL, "null");
    assert_false(ent_exists(kit, COUNTER("only read")));
    ent_assert_call(kit, COUNTER("deleted"), "set", PD_VAL(1), NULL);
    ent_assert_call(kit, COUNTER("deleted"), "delete", PD_NULL, NULL);
    assert_false(ent_exists(kit, COUNTER("deleted")));
    assert_false(ent_exists(kit, COUNTER("delete"))); /* a prefix of one */
}

static void a_locked_entity_is_read_as_it_was_left(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("l"), "set", PD_VAL(5), NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "l")), "h", NULL);
    ent_await_lock(kit, COUNTER("l"), "h");
    ent_signal(kit, COUNTER("l"), "set", PD_VAL(7));
    ent_await_backlog(kit, COUNTER("l"), 1);
    ent_assert_state(kit, COUNTER("l"), "5");
    kit_raise(kit, "h", "go", PD_NULL);
    ent_await_state(kit, COUNTER("l"), "7");
}

/* ---- listing -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *key;
} crowd[] = { { "Counter", "" },  { "Counter", "a" },  { "Counter", "a@b" }, { "Counter", "ab" },
              { "Counter", "b" }, { "Counters", "a" }, { "Log", "a" },       { "Log", "ab" },
              { "LOG", "A" },     { "Log", "z" } };
enum { CROWD = sizeof(crowd) / sizeof(crowd[0]) };

/* "Counters" is nobody's function: it is the only one that is left out. */
static void fill(struct kit *kit)
{
    for (size_t i = 0; i < CROWD; i++) {
        pd_entity_id id = PD_ENTITY(crowd[i].name, crowd[i].key);
        bool is_log = crowd[i].name[0] == 'L';
        ent_signal(kit, id, is_log ? "push" : "set", PD_VAL((int)i + 1));
        if (strcmp(crowd[i].name, "Counters") != 0) {
            ent_assert_call(kit, id, is_log ? "all" : "get", PD_NULL, NULL);
        }
    }
}

/* The ids that pages of this size give, one after the other, joined by spaces. */
static void list(struct kit *kit, pd_entity_query query, size_t size, char *ret, size_t room)
{
    char *token = NULL;
    ret[0] = '\0';
    query.page_size = size;
    do {
        pd_error err;
        query.page_token = token;
        pd_entity_page *page = pd_hub_query_entities(kit->hub, &query, &err);
        if (page == NULL) {
            fail_msg("%s", err.text);
        }
        assert_true(pd_entity_page_count(page) <= size);
        for (size_t i = 0; i < pd_entity_page_count(page); i++) {
            size_t used = strlen(ret);
            snprintf(ret + used, room - used, "%s%s", used > 0 ? " " : "",
                     pd_entity_view_id(pd_entity_page_at(page, i)));
        }
        assert_null(pd_entity_page_at(page, pd_entity_page_count(page)));
        free(token);
        token = pd_entity_page_token(page) != NULL ? strdup(pd_entity_page_token(page)) : NULL;
        pd_entity_page_free(page);
    } while (token != NULL);
}

static void assert_lists(struct kit *kit, pd_entity_query query, const char *wanted)
{
    static const size_t sizes[] = { 1, 2, 3, 100 };
    for (size_t i = 0; i < 4; i++) {
        char got[1024];
        list(kit, query, sizes[i], got, sizeof(got));
        assert_string_equal(got, wanted);
    }
}

static void entities_are_listed_by_id_name_and_prefix_of_the_key(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    fill(kit);
    assert_lists(kit, (pd_entity_query){ 0 },
                 "@counter@ @counter@a @counter@a@b @counter@ab @counter@b @log@A @log@a @log@ab "
                 "@log@z");
    assert_lists(kit, (pd_entity_query){ .name = "Counter" },
                 "@counter@ @counter@a @counter@a@b @counter@ab @counter@b");
    assert_lists(kit, (pd_entity_query){ .name = "LOG" }, "@log@A @log@a @log@ab @log@z");
    assert_lists(kit, (pd_entity_query){ .name = "count" }, "");
    assert_lists(kit, (pd_entity_query){ .name = "counter", .key_prefix = "a" },
                 "@counter@a @counter@a@b @counter@ab");
    assert_lists(kit, (pd_entity_query){ .name = "log", .key_prefix = "A" }, "@log@A");
    assert_lists(kit, (pd_entity_query){ .key_prefix = "ab" }, "@counter@ab @log@ab");
    assert_lists(kit, (pd_entity_query){ .key_prefix = "a" },
                 "@counter@a @counter@a@b @counter@ab @log@a @log@ab");
    assert_lists(kit, (pd_entity_query){ .key_prefix = "" },
                 "@counter@ @counter@a @counter@a@b @counter@ab @counter@b @log@A @log@a @log@ab "
                 "@log@z");
    assert_lists(kit, (pd_entity_query){ .key_prefix = "nothing" }, "");
    kit_rest(kit);
    assert_lists(kit, (pd_entity_query){ .name = "log" }, "@log@A @log@a @log@ab @log@z");
}

static void states_are_given_to_those_who_ask(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work(kit, NULL);
    fill(kit);
    for (int with = 0; with < 2; with++) {
        pd_entity_query query = { .name = "Counter", .key_prefix = "a", .with_state = with };
        pd_entity_page *page = pd_hub_query_entities(kit->hub, &query, &err);
        assert_int_equal(pd_entity_page_count(page), 3);
        const pd_entity_view *first = pd_entity_page_at(page, 0);
        assert_true(pd_entity_view_has_state(first));
        assert_string_equal(pd_entity_view_state_json(first), with ? "2" : "null");
        assert_int_equal(pd_int(pd_entity_view_state(first)), with ? 2 : 0);
        assert_string_equal(pd_entity_view_key(pd_entity_page_at(page, 1)), "a@b");
        pd_entity_page_free(page);
    }
    pd_entity_page_free(NULL);
}

static void both_ends_of_the_window_of_changes_belong_to_it(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("old"), "set", PD_VAL(1), NULL);
    kit_sleep_ms(5);
    ent_assert_call(kit, COUNTER("new"), "set", PD_VAL(1), NULL);
    pd_entity_view *view = ent_fetch(kit, COUNTER("new"));
    pd_time at = pd_entity_view_changed_at(view);
    pd_entity_view_free(view);
    pd_time later = pd_after(at, pd_milliseconds(1)), before = pd_after(at, pd_milliseconds(-1));
    assert_int_equal(ent_count(kit, (pd_entity_query){ .changed_from = at, .changed_to = at }), 1);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .changed_from = later }), 0);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .changed_to = before }), 1);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .changed_to = at }), 2);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .changed_from = before }), 1);
}

static void pages_stay_stable_while_others_come_and_go(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    char key[16];
    ent_work(kit, NULL);
    for (int i = 0; i < 20; i += 2) {
        snprintf(key, sizeof(key), "%02d", i);
        ent_assert_call(kit, COUNTER(key), "set", PD_VAL(1), NULL);
    }
    pd_entity_query query = { .page_size = 5 };
    pd_entity_page *first = pd_hub_query_entities(kit->hub, &query, &err);
    assert_int_equal(pd_entity_page_count(first), 5); /* 00 to 08 */
    ent_assert_call(kit, COUNTER("01"), "set", PD_VAL(1), NULL);
    ent_assert_call(kit, COUNTER("08"), "delete", PD_NULL, NULL);
    ent_assert_call(kit, COUNTER("10"), "delete", PD_NULL, NULL);
    ent_assert_call(kit, COUNTER("11"), "set", PD_VAL(1), NULL);
    query.page_token = pd_entity_page_token(first);
    query.page_size = 100; /* may be another */
    pd_entity_page *second = pd_hub_query_entities(kit->hub, &query, &err);
    assert_int_equal(pd_entity_page_count(second), 5); /* 11, 12, 14, 16, 18 */
    assert_string_equal(pd_entity_view_key(pd_entity_page_at(second, 0)), "11");
    assert_string_equal(pd_entity_view_key(pd_entity_page_at(second, 4)), "18");
    assert_null(pd_entity_page_token(second));
    pd_entity_page_free(second);
    pd_entity_page_free(first);
}

static void what_is_no_page_token_is_refused(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work(kit, NULL);
    fill(kit);
    pd_entity_page *page =
        pd_hub_query_entities(kit->hub, &(pd_entity_query){ .page_size = 2 }, &err);
    char token[256];
    snprintf(token, sizeof(token), "%s", pd_entity_page_token(page));
    pd_entity_page_free(page);
    size_t size = strlen(token);
    for (size_t i = 0; i <= size; i++) { /* one character other, or cut */
        char bad[256];
        memcpy(bad, token, size + 1);
        bad[i] = i == size ? '0' : bad[i] == '0' ? '1' : '0';
        bad[size + 1] = '\0';
        pd_entity_query query = { .page_token = bad };
        assert_null(pd_hub_query_entities(kit->hub, &query, &err));
        assert_int_equal(err.status, PD_E_INVALID);
        bad[i] = '\0';
        memcpy(bad, token, i);
        assert_null(i == size ? NULL : pd_hub_query_entities(kit->hub, &query, &err));
        assert_int_equal(err.status, PD_E_INVALID);
    }
    page = pd_hub_query_entities(kit->hub, &(pd_entity_query){ .page_token = token }, &err);
    assert_non_null(page);
    pd_entity_page_free(page);
}

static void a_page_has_100_unless_asked_and_1000_at_most(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 1001 };
    pd_error err;
    pd_signal *signals = calloc(COUNT, sizeof(*signals));
    char(*keys)[16] = calloc(COUNT, sizeof(*keys));
    assert_true(signals != NULL && keys != NULL);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%04d", i);
        signals[i] = (pd_signal){ .entity = COUNTER(keys[i]), .op = "add", .input = PD_VAL(i + 1) };
    }
    kit_expect(pd_hub_signal_many(kit->hub, signals, COUNT, &err), PD_OK, &err, "many");
    assert_int_equal(ent_count(kit, (pd_entity_query){ 0 }), 0); /* no engine knows of them */
    ent_work(kit, NULL);
    for (int i = 0; i < COUNT; i++) {
        char wanted[16];
        snprintf(wanted, sizeof(wanted), "%d", i + 1);
        ent_await_state(kit, COUNTER(keys[i]), wanted);
    }
    assert_int_equal(ent_count(kit, (pd_entity_query){ 0 }), 100);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .page_size = 1000 }), 1000);
    assert_null(pd_hub_query_entities(kit->hub, &(pd_entity_query){ .page_size = 1001 }, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .key_prefix = "100", .page_size = 1 }), 1);
    free(keys);
    free(signals);
}

static void a_query_for_a_name_that_is_none_is_refused(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    assert_null(pd_hub_query_entities(kit->hub, &(pd_entity_query){ .name = "" }, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_null(pd_hub_query_entities(kit->hub, &(pd_entity_query){ .name = "a@b" }, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    pd_entity_page *page = pd_hub_query_entities(kit->hub, NULL, &err);
    assert_int_equal(pd_entity_page_count(page), 0);
    assert_null(pd_entity_page_token(page));
    pd_entity_page_free(page);
}

/* ---- beside instances ----------------------------------------------------------------------- */

static void what_asks_for_instances_does_not_see_entities(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    uint64_t count = 99;
    char path[160];
    ent_work(kit, NULL);
    fill(kit);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
    pd_page *page = pd_hub_query(kit->hub, NULL, &err);
    assert_int_equal(pd_page_count(page), 0);
    pd_page_free(page);
    assert_null(pd_hub_fetch(kit->hub, "@counter@a", &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    assert_null(pd_hub_wait(kit->hub, "@counter@a", pd_seconds(0), &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    assert_int_equal(pd_hub_terminate(kit->hub, "@counter@a", NULL, false, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_raise_event(kit->hub, "@counter@a", "e", 1, &err), PD_E_INVALID);
    kit_expect(pd_hub_purge_all(kit->hub, NULL, NULL, &count, &err), PD_OK, &err, "purge");
    assert_int_equal(count, 0);
    snprintf(path, sizeof(path), "%s/none.pda", kit->folder[0] != '\0' ? kit->folder : "/tmp");
    kit_expect(pd_hub_export(kit->hub, NULL, path, &count, &err), PD_OK, &err, "export");
    assert_int_equal(count, 0);
    remove(path);
    ent_assert_state(kit, COUNTER("a"), "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(a_view_tells_what_the_last_operation_left),
        HUB_TEST(nobody_is_found_who_has_nothing),
        HUB_TEST(a_locked_entity_is_read_as_it_was_left),
        HUB_TEST_4(entities_are_listed_by_id_name_and_prefix_of_the_key),
        HUB_TEST(states_are_given_to_those_who_ask),
        HUB_TEST(both_ends_of_the_window_of_changes_belong_to_it),
        HUB_TEST_4(pages_stay_stable_while_others_come_and_go),
        HUB_TEST(what_is_no_page_token_is_refused),
        HUB_TEST_4(a_page_has_100_unless_asked_and_1000_at_most),
        HUB_TEST(a_query_for_a_name_that_is_none_is_refused),
        HUB_TEST(what_asks_for_instances_does_not_see_entities),
    };
    return cmocka_run_group_tests_name("hub/entity_query", tests, NULL, NULL);
}
