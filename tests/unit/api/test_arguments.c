/* SPDX-License-Identifier: MIT
 *
 * Arguments and limits: each at its limit and one past it, and calls without an error to fill. No
 * worker runs here: starts go into the mailbox.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <perdure.h>

#include "base/limits.h"

static pd_hub *hub;

static int open_hub(void **state)
{
    (void)state;
    pd_error err;
    hub = pd_hub_open("memory:", &err);
    return hub == NULL ? pd_error_report(&err) : 0;
}

static int close_hub(void **state)
{
    (void)state;
    pd_hub_close(hub);
    return 0;
}

static pd_status start(const char *id, const char *name, const char *version, pd_id *ret)
{
    pd_error err = { PD_OK, false, "", "" };
    pd_start_options options = { .id = id, .version = version };
    pd_status status = pd_hub_start(hub, name, PD_NULL, &options, ret, &err);
    assert_int_equal(err.status, status);
    assert_true(status == PD_OK || (err.where[0] != '\0' && err.text[0] != '\0'));
    return status;
}

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

static void ids_may_have_256_characters_of_any_size(void **state)
{
    (void)state;
    static const char *const characters[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t i = 0; i < 4; i++) {
        char *longest = repeated(characters[i], 256);
        char *longer = repeated(characters[i], 257);
        pd_id id;
        assert_int_equal(start(longest, "F", NULL, &id), PD_OK);
        assert_string_equal(id.text, longest);
        assert_int_equal(start(longer, "F", NULL, NULL), PD_E_INVALID);
        pd_error err;
        assert_int_equal(pd_hub_raise_event(hub, longest, "e", PD_NULL, &err), PD_OK);
        assert_int_equal(pd_hub_raise_event(hub, longer, "e", PD_NULL, &err), PD_E_INVALID);
        assert_null(pd_hub_fetch(hub, longer, &err));
        assert_int_equal(err.status, PD_E_NOT_FOUND);
        free(longest);
        free(longer);
    }
}

static void ids_that_logs_cannot_carry_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "@counter@1", "a\tb", "a\x7f", "a\xc2\x85", "a\xff\xfe" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(start(bad[i], "F", NULL, NULL), PD_E_INVALID);
    }
    assert_int_equal(start("a@b", "F", NULL, NULL), PD_OK);
    assert_int_equal(start("a/b\\#?", "F", NULL, NULL), PD_OK);
}

static void names_may_have_256_bytes(void **state)
{
    (void)state;
    char *longest = repeated("n", LIMIT_NAME);
    char *longer = repeated("n", LIMIT_NAME + 1);
    pd_error err;
    assert_int_equal(start(NULL, longest, longest, NULL), PD_OK);
    assert_int_equal(start(NULL, longer, NULL, NULL), PD_E_INVALID);
    assert_int_equal(start(NULL, "F", longer, NULL), PD_E_INVALID);
    assert_int_equal(start(NULL, "", NULL, NULL), PD_E_INVALID);
    assert_int_equal(start(NULL, "bad\xff", NULL, NULL), PD_E_INVALID);
    assert_int_equal(start("i", "F", NULL, NULL), PD_OK);
    assert_int_equal(pd_hub_raise_event(hub, "i", longest, PD_NULL, &err), PD_OK);
    assert_int_equal(pd_hub_raise_event(hub, "i", longer, PD_NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_raise_event(hub, "i", "", PD_NULL, &err), PD_E_INVALID);
    free(longest);
    free(longer);
}

static void a_payload_may_have_16_mib_of_json(void **state)
{
    (void)state;
    pd_error err;
    char *largest = repeated("x", LIMIT_PAYLOAD_BYTES - 2); /* and the quotes */
    char *larger = repeated("x", LIMIT_PAYLOAD_BYTES - 1);
    pd_id id;
    assert_int_equal(pd_hub_start(hub, "F", largest, NULL, &id, &err), PD_OK);
    assert_int_equal(pd_hub_start(hub, "F", larger, NULL, &id, &err), PD_E_LIMIT);
    assert_int_equal(pd_hub_raise_event(hub, id.text, "e", larger, &err), PD_E_LIMIT);
    assert_int_equal(pd_hub_raise_event(hub, id.text, "e", largest, &err), PD_OK);
    free(largest);
    free(larger);
}

static void what_json_cannot_hold_is_refused(void **state)
{
    (void)state;
    pd_error err;
    assert_int_equal(pd_hub_start(hub, "F", __builtin_nan(""), NULL, NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_start(hub, "F", "\xff", NULL, NULL, &err), PD_E_INVALID);
}

static void json_may_be_64_levels_deep(void **state)
{
    (void)state;
    pd_value levels[LIMIT_JSON_DEPTH + 2];
    levels[0] = PD_NULL;
    for (size_t i = 1; i < LIMIT_JSON_DEPTH + 2; i++) {
        levels[i] = (pd_value){ .kind_ = PD_IS_ARRAY, .count_ = 1, .as_.items = &levels[i - 1] };
    }
    pd_error err;
    assert_int_equal(pd_hub_start(hub, "F", levels[LIMIT_JSON_DEPTH], NULL, NULL, &err), PD_OK);
    assert_int_equal(pd_hub_start(hub, "F", levels[LIMIT_JSON_DEPTH + 1], NULL, NULL, &err),
                     PD_E_LIMIT);
}

static pd_result some_function(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static void a_function_needs_a_worker_that_knows_its_name(void **state)
{
    (void)state;
    pd_error err;
    assert_int_equal(pd_hub_start(hub, some_function, PD_NULL, NULL, NULL, &err), PD_E_INVALID);
    assert_non_null(strstr(err.text, "pass the name"));
}

static void made_ids_are_32_hex_digits_that_sort_by_time(void **state)
{
    (void)state;
    pd_id first, second;
    assert_int_equal(start(NULL, "F", NULL, &first), PD_OK);
    struct timespec moment = { 0, 2000000 };
    nanosleep(&moment, NULL);
    assert_int_equal(start("", "F", NULL, &second), PD_OK);
    assert_int_equal(strlen(first.text), 32);
    assert_int_equal(strspn(first.text, "0123456789abcdef"), 32);
    assert_true(strcmp(first.text, second.text) < 0);
}

static void a_failing_call_writes_no_result(void **state)
{
    (void)state;
    pd_id id = { "untouched" };
    assert_int_equal(start("a\tb", "F", NULL, &id), PD_E_INVALID);
    assert_string_equal(id.text, "untouched");
}

static void pages_have_at_most_1000_rows(void **state)
{
    (void)state;
    pd_error err;
    pd_query query = { .page_size = 1000 };
    pd_page *page = pd_hub_query(hub, &query, &err);
    assert_non_null(page);
    assert_int_equal(pd_page_count(page), 0);
    assert_null(pd_page_token(page));
    assert_null(pd_page_at(page, 0));
    pd_page_free(page);
    query.page_size = 1001;
    assert_null(pd_hub_query(hub, &query, &err));
    assert_int_equal(err.status, PD_E_INVALID);
}

/* Every page, one after the other, as ids with a blank between. */
static void list(pd_query query, char *text, size_t size)
{
    pd_error err;
    char token[64] = "";
    text[0] = '\0';
    do {
        query.page_token = token[0] != '\0' ? token : NULL;
        pd_page *page = pd_hub_query(hub, &query, &err);
        assert_non_null(page);
        assert_true(pd_page_count(page) <= query.page_size);
        for (size_t i = 0; i < pd_page_count(page); i++) {
            const pd_instance *one = pd_page_at(page, i);
            size_t used = strlen(text);
            assert_int_equal(pd_instance_state(one), PD_RUN_PENDING);
            snprintf(text + used, size - used, "%s ", pd_instance_id_of(one));
        }
        snprintf(token, sizeof(token), "%s", pd_page_token(page) ? pd_page_token(page) : "");
        pd_page_free(page);
    } while (token[0] != '\0');
}

static void a_list_has_the_starts_that_no_engine_has_taken_yet(void **state)
{
    (void)state;
    char text[128];
    static const char *const ids[] = { "a-1", "a-2", "b-1", "b-2", "b-3" };
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(start(ids[i], i == 2 ? "G" : "F", NULL, NULL), PD_OK);
    }
    pd_error err;
    assert_int_equal(pd_hub_raise_event(hub, "a-1", "Go", PD_NULL, &err), PD_OK);
    for (size_t page = 1; page <= 6; page++) {
        list((pd_query){ .page_size = page }, text, sizeof(text));
        assert_string_equal(text, "a-1 a-2 b-1 b-2 b-3 ");
        list((pd_query){ .page_size = page, .id_prefix = "b-" }, text, sizeof(text));
        assert_string_equal(text, "b-1 b-2 b-3 ");
        list((pd_query){ .page_size = page, .name = "F" }, text, sizeof(text));
        assert_string_equal(text, "a-1 a-2 b-2 b-3 ");
    }
    list((pd_query){ .page_size = 9, .states = 1u << PD_RUN_RUNNING }, text, sizeof(text));
    assert_string_equal(text, "");
    list((pd_query){ .page_size = 9, .created_to = { 1 } }, text, sizeof(text));
    assert_string_equal(text, "");
    list((pd_query){ .page_size = 9, .created_from = { 1 } }, text, sizeof(text));
    assert_string_equal(text, "a-1 a-2 b-1 b-2 b-3 ");
}

static void a_list_has_the_mail_of_every_partition_once(void **state)
{
    (void)state;
    enum { STARTS = 40 };
    pd_error err;
    PD_AUTO(pd_hub) many = pd_hub_open("memory:?partitions=5", &err);
    static pd_id ids[STARTS];
    for (size_t i = 0; i < STARTS; i++) {
        snprintf(ids[i].text, sizeof(ids[i].text), "%zu", i);
    }
    assert_int_equal(pd_hub_start_many(many, "F", STARTS, NULL, ids, &err), PD_OK);
    for (size_t page_size = 1; page_size <= 41; page_size += 8) {
        size_t seen[STARTS] = { 0 };
        char token[64] = "";
        do {
            pd_query query = { .page_size = page_size, .page_token = token[0] ? token : NULL };
            pd_page *page = pd_hub_query(many, &query, &err);
            assert_non_null(page);
            for (size_t i = 0; i < pd_page_count(page); i++) {
                seen[strtoul(pd_instance_id_of(pd_page_at(page, i)), NULL, 10)]++;
            }
            snprintf(token, sizeof(token), "%s", pd_page_token(page) ? pd_page_token(page) : "");
            pd_page_free(page);
        } while (token[0] != '\0');
        for (size_t i = 0; i < STARTS; i++) {
            assert_int_equal(seen[i], 1);
        }
    }
}

static void garbage_is_no_page_token_and_no_set_of_states(void **state)
{
    (void)state;
    static const char *const garbage[] = {
        "",
        "1",
        "garbage",
        "10000000000000001"
        "00"
        "0000000000000000"
        "0000", /* the check is wrong */
        "10000000000000001"
        "00"
        "0000000000000000"
        "zzzz", /* not hexadecimal */
    };
    pd_error err;
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        pd_query query = { .page_token = garbage[i] };
        assert_null(pd_hub_query(hub, &query, &err));
        assert_int_equal(err.status, PD_E_INVALID);
    }
    pd_query query = { .states = 1u << 6 };
    assert_null(pd_hub_query(hub, &query, &err));
    assert_int_equal(err.status, PD_E_INVALID);
}

static void urls_that_cannot_be_understood_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { NULL, "", "sqlite:", "mysql:x", "memory:x", "memory:?x=1" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_error err = { PD_OK, false, "", "" };
        assert_null(pd_hub_open(bad[i], &err));
        assert_int_equal(err.status, PD_E_INVALID);
        assert_null(pd_hub_open(bad[i], NULL));
    }
}

static void null_arguments_are_told_not_followed(void **state)
{
    (void)state;
    pd_error err;
    pd_hub *none = NULL;
    pd_ref nothing = { NULL, NULL };
    assert_int_equal(pd_hub_start(none, "F", PD_NULL, NULL, NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_start_(hub, nothing, PD_NULL, NULL, NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_start_many(none, "F", 1, NULL, NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_raise_event(none, "i", "e", PD_NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_raise_event(hub, NULL, "e", PD_NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_raise_event(hub, "i", NULL, PD_NULL, &err), PD_E_INVALID);
    assert_null(pd_hub_fetch(hub, NULL, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_null(pd_hub_wait(hub, NULL, pd_seconds(0), &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_null(pd_hub_fetch_history(none, "i", &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_null(pd_hub_query(none, NULL, &err));
    pd_counts counts;
    uint64_t count;
    assert_int_equal(pd_hub_count(none, NULL, &counts, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_purge_all(none, NULL, NULL, &count, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_export(none, NULL, "x", &count, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_import(none, "x", &count, &err), PD_E_INVALID);
    assert_null(pd_worker_start(none, NULL, 0, NULL, &err));
    pd_hub_close(NULL);
    pd_worker_stop(NULL);
    pd_page_free(NULL);
    pd_history_free(NULL);
}

static void every_call_may_be_made_without_an_error_to_fill(void **state)
{
    (void)state;
    assert_int_equal(pd_hub_start(hub, "", PD_NULL, NULL, NULL, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_start_many(hub, "", 1, NULL, NULL, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_raise_event(hub, "i", "e", PD_NULL, NULL), PD_E_NOT_FOUND);
    assert_null(pd_hub_fetch(hub, "i", NULL));
    assert_null(pd_hub_wait(hub, "i", pd_seconds(0), NULL));
    assert_null(pd_hub_fetch_history(hub, "i", NULL));
    pd_query query = { .page_token = "x" };
    assert_null(pd_hub_query(hub, &query, NULL));
    pd_query no_tag = { .tag = "x" };
    pd_counts counts;
    assert_int_equal(pd_hub_count(hub, &no_tag, &counts, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_purge_all(hub, &no_tag, NULL, NULL, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_export(hub, NULL, "", NULL, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_import(hub, "", NULL, NULL), PD_E_INVALID);
    pd_worker_options options = { .threads = -1 };
    assert_null(pd_worker_start(hub, NULL, 0, &options, NULL));
}

static const pd_function one_function[] = { { "F", PD_ACTIVITY, (pd_any_fn *)open_hub, NULL } };

static void worker_options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    char *longest = repeated("9", LIMIT_NAME);
    char *longer = repeated("9", LIMIT_NAME + 1);
    const pd_worker_options bad[] = {
        { .threads = -1 },
        { .drain_max = pd_milliseconds(-1) },
        { .keep_completed = pd_milliseconds(-1) },
        { .keep_failed = pd_milliseconds(-1) },
        { .keep_terminated = pd_milliseconds(-1) },
        { .version = longer },
        { .version = "\xff" },
        { .version_match = (pd_version_match)3 },
        { .guard = (pd_guard)4 },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_error err = { .text = "" };
        assert_null(pd_worker_start(hub, one_function, 1, &bad[i], &err));
        assert_int_equal(err.status, PD_E_INVALID);
        assert_true(err.text[0] != '\0');
    }
    pd_error err;
    const pd_worker_options good = { .version = longest, .version_match = PD_VERSION_SAME };
    pd_worker *worker = pd_worker_start(hub, one_function, 1, &good, &err);
    assert_non_null(worker);
    pd_worker_stop(worker);
    free(longest);
    free(longer);
}

/* Tries a word in a variable, and puts back what was there. */
static pd_status start_with(const char *variable, const char *word)
{
    const char *before = getenv(variable);
    char *kept = before != NULL ? strdup(before) : NULL;
    pd_error err = { .status = PD_OK, .text = "" };
    setenv(variable, word, 1);
    pd_worker *worker = pd_worker_start(hub, one_function, 1, NULL, &err);
    assert_true((worker == NULL) == (err.status != PD_OK));
    assert_true(err.status == PD_OK ||
                (strstr(err.text, variable) != NULL && strstr(err.text, word) != NULL));
    pd_worker_stop(worker);
    if (kept != NULL) {
        setenv(variable, kept, 1);
    } else {
        unsetenv(variable);
    }
    free(kept);
    return err.status;
}

static void a_mistyped_word_in_the_environment_is_refused(void **state)
{
    (void)state;
    assert_int_equal(start_with("PD_REPLAY", "allways"), PD_E_INVALID);
    assert_int_equal(start_with("PD_REPLAY", "always"), PD_OK);
    assert_int_equal(start_with("PD_REPLAY", ""), PD_OK);
    assert_int_equal(start_with("PD_GUARD", "Fail"), PD_E_INVALID);
    assert_int_equal(start_with("PD_GUARD", "fail "), PD_E_INVALID);
    assert_int_equal(start_with("PD_GUARD", "default"), PD_E_INVALID);
    assert_int_equal(start_with("PD_GUARD", "off"), PD_OK);
    assert_int_equal(start_with("PD_GUARD", "report"), PD_OK);
    assert_int_equal(start_with("PD_GUARD", "fail"), PD_OK);
    assert_int_equal(start_with("PD_GUARD", ""), PD_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hub, close_hub)
    const struct CMUnitTest tests[] = {
        TEST(ids_may_have_256_characters_of_any_size),
        TEST(ids_that_logs_cannot_carry_are_refused),
        TEST(names_may_have_256_bytes),
        TEST(a_payload_may_have_16_mib_of_json),
        TEST(what_json_cannot_hold_is_refused),
        TEST(json_may_be_64_levels_deep),
        TEST(a_function_needs_a_worker_that_knows_its_name),
        TEST(made_ids_are_32_hex_digits_that_sort_by_time),
        TEST(a_failing_call_writes_no_result),
        TEST(pages_have_at_most_1000_rows),
        TEST(a_list_has_the_starts_that_no_engine_has_taken_yet),
        TEST(a_list_has_the_mail_of_every_partition_once),
        TEST(garbage_is_no_page_token_and_no_set_of_states),
        TEST(urls_that_cannot_be_understood_are_refused),
        TEST(null_arguments_are_told_not_followed),
        TEST(every_call_may_be_made_without_an_error_to_fill),
        TEST(worker_options_that_make_no_sense_are_refused),
        TEST(a_mistyped_word_in_the_environment_is_refused),
    };
    return cmocka_run_group_tests_name("api/arguments", tests, NULL, NULL);
}
