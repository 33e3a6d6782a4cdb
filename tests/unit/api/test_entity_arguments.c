/* SPDX-License-Identifier: MIT
 *
 * What callers may give to the calls about entities: each limit at it and one past it, every
 * refusal with a sentence and without a trace. No worker runs here: what is accepted goes into the
 * mailbox.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <perdure.h>

#include "base/limits.h"

#define GOOD PD_ENTITY("Counter", "k")

static pd_hub *hub;

static int open_hub(void **state)
{
    (void)state;
    pd_error err;
    hub = pd_hub_open("memory:?payload_max=100", &err);
    return hub == NULL ? pd_error_report(&err) : 0;
}

static int close_hub(void **state)
{
    (void)state;
    pd_hub_close(hub);
    return 0;
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

/* The status that is returned is that of the error, which says something. */
static pd_status checked(pd_status status, const pd_error *err)
{
    if (status != PD_OK) {
        assert_int_equal(err->status, status);
        assert_true(err->where[0] != '\0' && err->text[0] != '\0');
    }
    return status;
}

/* All the calls that name an entity; `status` is what each has to answer. */
static void assert_all_answer(pd_entity_id entity, pd_status status)
{
    pd_error err = { PD_OK, false, "", "" };
    pd_id id = { "untouched" };
    pd_signal signal = { .entity = entity, .op = "op" };
    assert_int_equal(
        checked(pd_hub_signal_entity(hub, entity, "op", PD_NULL, NULL, &id, &err), &err), status);
    assert_string_equal(id.text, "untouched");
    assert_int_equal(checked(pd_hub_signal_many(hub, &signal, 1, &err), &err), status);
    assert_int_equal(checked(pd_hub_cancel_signal(hub, entity, "id", &err), &err), status);
    assert_int_equal(checked(pd_hub_purge_entity(hub, entity, &err), &err), status);
    assert_null(pd_hub_call_entity(hub, entity, "op", PD_NULL, pd_seconds(0), &err));
    assert_int_equal(checked(err.status, &err), status);
    assert_null(pd_hub_fetch_entity(hub, entity, &err));
    assert_int_equal(checked(err.status, &err), status);
}

/* Neither an entity nor a call waits. */
static void assert_nothing_is_left(void)
{
    pd_error err;
    pd_counts counts;
    assert_int_equal(pd_hub_count(hub, NULL, &counts, &err), PD_OK);
    assert_int_equal(counts.all, 0);
    assert_null(pd_hub_fetch_entity(hub, GOOD, &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
}

static void names_and_keys_that_cannot_be_are_refused_everywhere(void **state)
{
    (void)state;
    static const pd_entity_id bad[] = {
        { NULL, "k" },       { "Counter", NULL }, { NULL, NULL },       { "", "k" },
        { "", "" },          { "Coun@ter", "k" }, { "@Counter", "k" },  { "Counter", "a\tb" },
        { "a\tb", "k" },     { "Counter", "\n" }, { "Coun\tter", "k" }, { "Counter", "\x7f" },
        { "C", "\xc2\x85" }, { "C", "\xff" },     { "\xff", "k" },      { "C", "\xc3" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_all_answer(bad[i], PD_E_INVALID);
    }
    assert_nothing_is_left();
}

static void together_they_have_254_characters_of_any_size(void **state)
{
    (void)state;
    static const char *const characters[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t i = 0; i < 4; i++) {
        char *name = repeated(characters[i], 253), *longer = repeated(characters[i], 254);
        char *key = repeated(characters[i], 254 - 1);
        pd_error err;
        pd_id id;
        assert_int_equal(pd_hub_signal_entity(hub, PD_ENTITY(name, "k"), "op", 1, NULL, &id, &err),
                         PD_OK);
        assert_int_equal(pd_hub_signal_entity(hub, PD_ENTITY("n", key), "op", 1, NULL, &id, &err),
                         PD_OK);
        assert_int_equal(pd_hub_signal_entity(hub, PD_ENTITY(longer, ""), "op", 1, NULL, &id, &err),
                         PD_OK);
        assert_all_answer(PD_ENTITY(longer, "k"), PD_E_INVALID);
        assert_all_answer(PD_ENTITY("n", longer), PD_E_INVALID);
        free(key);
        free(longer);
        free(name);
    }
    char *huge = repeated("x", 10000000);
    assert_all_answer(PD_ENTITY(huge, "k"), PD_E_INVALID);
    assert_all_answer(PD_ENTITY("n", huge), PD_E_INVALID);
    free(huge);
}

static void operations_have_names_of_1_to_256_bytes(void **state)
{
    (void)state;
    char *longest = repeated("o", LIMIT_NAME), *longer = repeated("o", LIMIT_NAME + 1);
    const char *const bad[] = { NULL, "", longer, "\xff" };
    pd_error err = { PD_OK, false, "", "" };
    pd_id id = { "untouched" };
    for (size_t i = 0; i < 4; i++) {
        pd_status status = pd_hub_signal_entity(hub, GOOD, bad[i], PD_NULL, NULL, &id, &err);
        assert_int_equal(checked(status, &err), PD_E_INVALID);
        pd_signal signal = { .entity = GOOD, .op = bad[i] };
        assert_int_equal(checked(pd_hub_signal_many(hub, &signal, 1, &err), &err), PD_E_INVALID);
        assert_null(pd_hub_call_entity(hub, GOOD, bad[i], PD_NULL, pd_seconds(0), &err));
        assert_int_equal(checked(err.status, &err), PD_E_INVALID);
    }
    assert_string_equal(id.text, "untouched");
    assert_nothing_is_left();
    assert_int_equal(pd_hub_signal_entity(hub, GOOD, longest, PD_NULL, NULL, &id, &err), PD_OK);
    free(longer);
    free(longest);
}

static void inputs_are_json_up_to_the_limit_of_the_hub(void **state)
{
    (void)state;
    char *longest = repeated("x", 98), *longer = repeated("x", 99); /* and two quotes */
    pd_error err = { PD_OK, false, "", "" };
    pd_signal many[2] = { { .entity = GOOD, .op = "op", .input = PD_VAL(longest) },
                          { .entity = GOOD, .op = "op", .input = PD_VAL(longer) } };
    assert_int_equal(checked(pd_hub_signal_entity(hub, GOOD, "op", longer, NULL, NULL, &err), &err),
                     PD_E_LIMIT);
    assert_int_equal(checked(pd_hub_signal_many(hub, many, 2, &err), &err), PD_E_LIMIT);
    assert_null(pd_hub_call_entity(hub, GOOD, "op", longer, pd_seconds(0), &err));
    assert_int_equal(checked(err.status, &err), PD_E_LIMIT);
    pd_value no_json = pd_of_text("\xff");
    assert_int_equal(
        checked(pd_hub_signal_entity(hub, GOOD, "op", no_json, NULL, NULL, &err), &err),
        PD_E_INVALID);
    assert_null(pd_hub_call_entity(hub, GOOD, "op", no_json, pd_seconds(0), &err));
    assert_int_equal(checked(err.status, &err), PD_E_INVALID);
    assert_nothing_is_left();
    assert_null(pd_hub_call_entity(hub, GOOD, "op", longest, pd_seconds(0), &err));
    assert_int_equal(err.status, PD_E_TIMEOUT); /* taken, and nobody answers here */
    many[1].input = PD_VAL(longest);
    assert_int_equal(pd_hub_signal_many(hub, many, 2, &err), PD_OK);
    pd_entity_view *view = pd_hub_fetch_entity(hub, GOOD, &err);
    assert_int_equal(pd_entity_view_backlog(view), 2);
    pd_entity_view_free(view);
    free(longer);
    free(longest);
}

static void ids_of_signals_are_texts_of_1_to_256_bytes(void **state)
{
    (void)state;
    char *longest = repeated("i", LIMIT_NAME), *longer = repeated("i", LIMIT_NAME + 1);
    pd_error err = { PD_OK, false, "", "" };
    assert_int_equal(checked(pd_hub_cancel_signal(hub, GOOD, NULL, &err), &err), PD_E_INVALID);
    assert_int_equal(checked(pd_hub_cancel_signal(hub, GOOD, "", &err), &err), PD_E_INVALID);
    assert_int_equal(checked(pd_hub_cancel_signal(hub, GOOD, longer, &err), &err), PD_E_INVALID);
    assert_int_equal(checked(pd_hub_cancel_signal(hub, GOOD, longest, &err), &err), PD_E_NOT_FOUND);
    free(longer);
    free(longest);
}

static void calls_without_a_hub_or_an_error_are_refused_and_answered(void **state)
{
    (void)state;
    const pd_signal signal = { .entity = GOOD, .op = "op" };
    assert_int_equal(pd_hub_signal_entity(NULL, GOOD, "op", 1, NULL, NULL, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_signal_many(NULL, &signal, 1, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_cancel_signal(NULL, GOOD, "i", NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_purge_entity(NULL, GOOD, NULL), PD_E_INVALID);
    assert_int_equal(pd_hub_clean_entities(NULL, NULL, NULL), PD_E_INVALID);
    assert_null(pd_hub_call_entity(NULL, GOOD, "op", 1, pd_seconds(0), NULL));
    assert_null(pd_hub_fetch_entity(NULL, GOOD, NULL));
    assert_null(pd_hub_query_entities(NULL, NULL, NULL));
    assert_int_equal(pd_hub_signal_entity(hub, GOOD, "op", 1, NULL, NULL, NULL), PD_OK);
    assert_int_equal(pd_hub_signal_many(hub, &signal, 1, NULL), PD_OK);
    assert_int_equal(pd_hub_clean_entities(hub, NULL, NULL), PD_OK);
    assert_null(pd_hub_call_entity(hub, GOOD, "op", 1, pd_seconds(0), NULL));
}

static void ids_of_entities_are_given_to_purge_only(void **state)
{
    (void)state;
    pd_error err;
    pd_start_options options = { .id = "@counter@k" };
    assert_int_equal(pd_hub_signal_entity(hub, GOOD, "op", 1, NULL, NULL, &err), PD_OK);
    assert_int_equal(pd_hub_start(hub, "F", 1, &options, NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_raise_event(hub, "@counter@k", "e", 1, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_suspend(hub, "@counter@k", NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_rewind(hub, "@counter@k", NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_restart(hub, "@counter@k", NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_fork(hub, "@counter@k", 0, NULL, &err), PD_E_INVALID);
    assert_null(pd_hub_fetch_history(hub, "@counter@k", &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    assert_int_equal(pd_hub_purge(hub, "@COUNTER@k", &err), PD_OK); /* its signal waits */
    assert_int_equal(pd_hub_purge(hub, "@", &err), PD_E_INVALID);
    assert_int_equal(pd_hub_purge(hub, "@counter", &err), PD_E_INVALID);
    assert_int_equal(pd_hub_purge(hub, "@@", &err), PD_E_INVALID);
    assert_int_equal(pd_hub_purge(hub, "@counter@K", &err), PD_E_NOT_FOUND);
}

/* What is no token must not crash, nor be answered with a page. */
static void page_tokens_are_not_made_by_hand(void **state)
{
    (void)state;
    char *huge = repeated("e0", 100000);
    const char *const bad[] = {
        "",          "e",           "1",           "e0",
        "e00000000", "e0000000000", "E0000000000", "e\xff\xff\xff\xff\xff\xff\xff\xff",
        huge
    };
    pd_error err = { PD_OK, false, "", "" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_entity_query query = { .page_token = bad[i] };
        assert_null(pd_hub_query_entities(hub, &query, &err));
        assert_int_equal(checked(err.status, &err), PD_E_INVALID);
    }
    free(huge);
}

int main(void)
{
#define HUB(name) cmocka_unit_test_setup_teardown(name, open_hub, close_hub)
    const struct CMUnitTest tests[] = {
        HUB(names_and_keys_that_cannot_be_are_refused_everywhere),
        HUB(together_they_have_254_characters_of_any_size),
        HUB(operations_have_names_of_1_to_256_bytes),
        HUB(inputs_are_json_up_to_the_limit_of_the_hub),
        HUB(ids_of_signals_are_texts_of_1_to_256_bytes),
        HUB(calls_without_a_hub_or_an_error_are_refused_and_answered),
        HUB(ids_of_entities_are_given_to_purge_only),
        HUB(page_tokens_are_not_made_by_hand),
    };
    return cmocka_run_group_tests_name("api/entity_arguments", tests, NULL, NULL);
}
