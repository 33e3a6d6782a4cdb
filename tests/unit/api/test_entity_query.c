/* SPDX-License-Identifier: MIT
 *
 * Queries of entities, seen from the store: what is asked of it for one page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/api_priv.h"

enum { MANY = 2500 };

static pd_hub *hub;
static pd_worker *worker;

/* ---- a store that counts -------------------------------------------------------------------- */

static struct store_ops counting;
static const struct store_ops *real;
static size_t queries, rows_most;

static pd_status count_query(struct store *store, const struct entity_query *query,
                             struct arena *arena, struct entity_page *ret, pd_error *err)
{
    queries++;
    rows_most = query->limit > rows_most ? query->limit : rows_most;
    return real->query_entities(store, query, arena, ret, err);
}

static pd_result keep(pd_entity *e, pd_value input)
{
    pd_set_state(e, input);
    return pd_ok(e, PD_NULL);
}
static const pd_function program[] = { PD_FUNCTION("thing", keep) };

/* Keys 0000 to 2499. */
static int open_hub(void **state)
{
    static pd_signal signals[MANY];
    static char keys[MANY][16];
    pd_error err;
    size_t found = 0;
    (void)state;
    hub = pd_hub_open("memory:", &err);
    real = hub->store->ops;
    counting = *real;
    counting.query_entities = count_query;
    hub->store->ops = &counting; /* before there are threads */
    worker = hub != NULL ? pd_worker_start(hub, PD_PROGRAM(program), NULL, &err) : NULL;
    for (int i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "%04d", i);
        signals[i] = (pd_signal){ .entity = PD_ENTITY("thing", keys[i]), .op = "keep" };
        signals[i].input = pd_of_int(i);
    }
    if (worker == NULL || pd_hub_signal_many(hub, signals, MANY, &err) != PD_OK) {
        return pd_error_report(&err);
    }
    pd_worker_stop(worker); /* which waits until all is durable, but not until all is run */
    worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    for (int i = 0; found == 0 && i < 1000; i++) {
        pd_entity_view *last = pd_hub_fetch_entity(hub, PD_ENTITY("thing", "2499"), &err);
        found = last != NULL && pd_entity_view_has_state(last);
        pd_entity_view_free(last);
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    return found == 0;
}

static int close_hub(void **state)
{
    (void)state;
    pd_hub_close(hub);
    return 0;
}

/* All pages of so many; how many rows there were. Keys ascend, and begin so. */
static size_t count_all(const char *prefix, size_t page_size)
{
    pd_error err;
    char token[4096] = "", last[64] = "";
    size_t count = 0;
    do {
        pd_entity_query query = { .key_prefix = prefix,
                                  .page_size = page_size,
                                  .page_token = *token != '\0' ? token : NULL };
        PD_AUTO(pd_entity_page) page = pd_hub_query_entities(hub, &query, &err);
        assert_non_null(page);
        for (size_t i = 0; i < pd_entity_page_count(page); i++, count++) {
            const char *key = pd_entity_view_key(pd_entity_page_at(page, i));
            assert_true(strcmp(key, last) > 0 && strncmp(key, prefix, strlen(prefix)) == 0);
            snprintf(last, sizeof last, "%s", key);
        }
        const char *next = pd_entity_page_token(page);
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
    } while (*token != '\0');
    return count;
}

static void keys_that_hardly_any_entity_has_are_looked_for_in_hundreds(void **state)
{
    (void)state;
    queries = 0;
    assert_int_equal(count_all("2499", 1), 1);
    assert_in_range(queries, MANY / 100, MANY / 100 + 1);
    queries = 0;
    assert_int_equal(count_all("none", 1000), 0);
    assert_in_range(queries, MANY / 1000, MANY / 1000 + 1);
}

static void pages_go_on_behind_what_was_looked_at(void **state)
{
    (void)state;
    for (size_t size = 1; size < 150; size += 7) {
        assert_int_equal(count_all("10", size), 100);
        assert_int_equal(count_all("249", size), 10);
        assert_int_equal(count_all("0", size), 1000);
    }
}

static void the_store_is_asked_for_what_is_wanted_and_no_more(void **state)
{
    (void)state;
    queries = rows_most = 0;
    assert_int_equal(count_all("", 250), MANY);
    assert_int_equal(queries, MANY / 250);
    assert_int_equal(rows_most, 250);
}

static void a_query_ends_when_its_hub_is_closed(void **state)
{
    (void)state;
    pd_error err;
    atomic_store(&hub->is_closing, true);
    assert_null(pd_hub_query_entities(hub, &(pd_entity_query){ .key_prefix = "none" }, &err));
    assert_int_equal(err.status, PD_E_CANCELLED);
    atomic_store(&hub->is_closing, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_hardly_any_entity_has_are_looked_for_in_hundreds),
        cmocka_unit_test(pages_go_on_behind_what_was_looked_at),
        cmocka_unit_test(the_store_is_asked_for_what_is_wanted_and_no_more),
        cmocka_unit_test(a_query_ends_when_its_hub_is_closed),
    };
    return cmocka_run_group_tests(tests, open_hub, close_hub);
}
