/* SPDX-License-Identifier: MIT
 *
 * Ids of entities, sets of locks, and request ids: what must be the same for everybody.
 */
#include "core/lock_set.h"

#include <string.h>

#include "base/limits.h"
#include "core/entity.h"
#include "rig.h"

/* ---- ids ---- */

static void accept(struct text id)
{
    pd_error err = { 0 };
    assert_int_equal(entity_id_check(id, &err), PD_OK);
    assert_int_equal(err.status, PD_OK); /* untouched */
}

static void refuse(struct text id, const char *sentence_has)
{
    pd_error err = { 0 };
    assert_int_equal(entity_id_check(id, &err), PD_E_INVALID);
    assert_int_equal(err.status, PD_E_INVALID);
    assert_false(err.retryable);
    assert_non_null(strstr(err.text, sentence_has));
}

static void an_id_has_a_name_and_a_key_that_may_be_empty(void **state)
{
    (void)state;
    accept(TEXT("@counter@a"));
    accept(TEXT("@counter@"));
    accept(TEXT("@c@a@b@"));
    accept(TEXT("@Z\xc3\xa4hler@Schl\xc3\xbcssel 1"));
    refuse(TEXT(""), "empty");
    refuse(TEXT_ABSENT, "empty");
    refuse(TEXT("counter"), "not the id of an entity");
    refuse(TEXT("counter@a"), "not the id of an entity");
    refuse(TEXT("@counter"), "not the id of an entity");
    refuse(TEXT("@@a"), "not the id of an entity");
    refuse(TEXT("@"), "not the id of an entity");
    refuse(TEXT("@@"), "not the id of an entity");
    refuse(TEXT("@c@a\tb"), "at byte 4");
    refuse(TEXT("@c@a\n"), "control character"); /* which ends an id in a lock set */
    refuse(TEXT("@c@\xff"), "UTF-8");
}

static void an_id_has_at_most_256_characters(void **state)
{
    (void)state;
    char id[LIMIT_INSTANCE_ID + 1];
    memset(id, 'a', sizeof id);
    id[0] = id[9] = '@';
    accept(text_make(id, LIMIT_INSTANCE_ID));
    refuse(text_make(id, LIMIT_INSTANCE_ID + 1), "257 characters");
}

static void folds_to(const char *id, const char *expected)
{
    char copy[64];
    size_t size = strlen(id);
    memcpy(copy, id, size + 1);
    entity_id_fold(copy, size);
    assert_string_equal(copy, expected);
}

static void folding_changes_the_name_and_nothing_else(void **state)
{
    (void)state;
    folds_to("@Counter@A", "@counter@A");
    folds_to("@AZaz09[`{@K@L", "@azaz09[`{@K@L");
    folds_to("@\xc3\x84@\xc3\x84", "@\xc3\x84@\xc3\x84"); /* ASCII only */
    folds_to("Counter@A", "Counter@A");
    folds_to("@Counter", "@Counter"); /* no id of an entity */
    folds_to("@A@", "@a@");
    folds_to("@", "@");
    folds_to("", "");
}

static void only_what_begins_as_one_names_an_entity(void **state)
{
    (void)state;
    assert_true(entity_id_is(TEXT("@a@b")));
    assert_false(entity_id_is(TEXT("a@b")));
    assert_false(entity_id_is(TEXT("")));
    assert_false(entity_id_is(TEXT_ABSENT));
}

static void a_folded_id_is_copied_only_when_it_has_to_be(void **state)
{
    struct rig *rig = *state;
    struct text small = TEXT("@counter@A");
    assert_ptr_equal(entity_id_folded(rig->core, small).at, small.at);
    assert_true(text_equal(entity_id_folded(rig->core, TEXT("@COUNTER@A")), small));
    assert_true(text_equal(entity_id_folded(rig->core, TEXT_ABSENT), TEXT_ABSENT));
}

/* ---- sets ---- */

static void sets_are_walked_counted_and_searched(void **state)
{
    (void)state;
    struct text set = TEXT("@a@1\n@b@\n@c@x\n");
    struct text id;
    size_t cursor = 0;
    assert_true(lock_set_next(set, &cursor, &id) && text_equal(id, TEXT("@a@1")));
    assert_true(lock_set_next(set, &cursor, &id) && text_equal(id, TEXT("@b@")));
    assert_true(lock_set_next(set, &cursor, &id) && text_equal(id, TEXT("@c@x")));
    assert_false(lock_set_next(set, &cursor, &id));
    assert_int_equal(lock_set_count(set), 3);
    assert_int_equal(lock_set_count(TEXT("")), 0);
    assert_int_equal(lock_set_count(TEXT_ABSENT), 0);
    assert_true(lock_set_at(set, 2, &id) && text_equal(id, TEXT("@c@x")));
    assert_false(lock_set_at(set, 3, &id));
    assert_true(lock_set_has(set, TEXT("@b@")));
    assert_false(lock_set_has(set, TEXT("@b@1")));
    assert_false(lock_set_has(set, TEXT("@a@")));
}

static void a_set_that_is_cut_off_has_its_last_id_all_the_same(void **state)
{
    (void)state;
    struct text id;
    assert_int_equal(lock_set_count(TEXT("@a@1\n@b@")), 2);
    assert_true(lock_set_at(TEXT("@a@1\n@b@"), 1, &id) && text_equal(id, TEXT("@b@")));
}

static void a_set_is_in_order_of_bytes_folded_and_without_doubles(void **state)
{
    (void)state;
    struct arena arena = { 0 };
    const struct text ids[] = { TEXT("@b@1"), TEXT("@A@z"), TEXT("@a@"),  TEXT("@B@1"),
                                TEXT("@a@z"), TEXT("@a@Z"), TEXT("@b@10") };
    struct text set = lock_set_make(&arena, ids, sizeof ids / sizeof ids[0]);
    assert_true(text_equal(set, TEXT("@a@\n@a@Z\n@a@z\n@b@1\n@b@10\n")));
    assert_true(text_equal(lock_set_order(&arena, set), set));
    assert_true(text_equal(lock_set_order(&arena, TEXT("@B@1\n@a@2\n@b@1")), TEXT("@a@2\n@b@1\n")));
    assert_int_equal(lock_set_make(&arena, NULL, 0).size, 0);
    arena_done(&arena);
}

/* Of `count` different ids; `bad` at the end, when it is not NULL. */
static bool may_lock(size_t count, const char *bad)
{
    struct arena arena = { 0 };
    struct buffer set = { 0 };
    for (size_t i = 0; i < count; i++) {
        buffer_printf(&set, "@a@%zu\n", i);
    }
    if (bad != NULL) {
        buffer_printf(&set, "%s\n", bad);
    }
    struct event_extra extra = { .lock_set = buffer_text(&set) };
    bool may = section_may_lock(&extra);
    buffer_done(&set);
    arena_done(&arena);
    return may;
}

static void from_1_to_256_entities_may_be_locked_at_once(void **state)
{
    (void)state;
    assert_false(section_may_lock(NULL));
    assert_false(may_lock(0, NULL));
    assert_true(may_lock(1, NULL));
    assert_true(may_lock(LIMIT_LOCK_SET, NULL));
    assert_false(may_lock(LIMIT_LOCK_SET + 1, NULL));
}

static void what_is_no_entity_cannot_be_locked(void **state)
{
    (void)state;
    assert_true(may_lock(1, "@Z@z"));
    assert_false(may_lock(1, "order-7"));
    assert_false(may_lock(1, ""));
    assert_false(may_lock(0, "@@"));
}

/* ---- request ids ---- */

static void is_guid(const char *id)
{
    assert_int_equal(strlen(id), REQUEST_ID_SIZE - 1);
    for (size_t i = 0; i < REQUEST_ID_SIZE - 1; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_true(is_dash ? id[i] == '-' : strchr("0123456789abcdef", id[i]) != NULL);
    }
    assert_int_equal(id[14], '8');
    assert_non_null(strchr("89ab", id[19]));
}

static void a_step_has_the_same_request_id_for_ever(void **state)
{
    (void)state;
    char id[REQUEST_ID_SIZE];
    request_id_of_step(TEXT("5d1b6e3f0a8c4e7f9b2d6a1c3e5f7081"), 7, id);
    is_guid(id);
    assert_string_equal(id, "04016b84-f059-8f03-9465-3fab620ef4d0");
}

static void other_steps_and_other_executions_have_other_request_ids(void **state)
{
    (void)state;
    char ids[4][REQUEST_ID_SIZE];
    request_id_of_step(TEXT("e"), 0, ids[0]);
    request_id_of_step(TEXT("e"), 1, ids[1]);
    request_id_of_step(TEXT("f"), 0, ids[2]);
    request_id_of_step(TEXT("e"), INT32_MAX, ids[3]);
    for (int i = 0; i < 4; i++) {
        is_guid(ids[i]);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(ids[i], ids[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_a_name_and_a_key_that_may_be_empty),
        cmocka_unit_test(an_id_has_at_most_256_characters),
        cmocka_unit_test(folding_changes_the_name_and_nothing_else),
        cmocka_unit_test(only_what_begins_as_one_names_an_entity),
        cmocka_unit_test_setup_teardown(a_folded_id_is_copied_only_when_it_has_to_be, rig_setup,
                                        rig_teardown),
        cmocka_unit_test(sets_are_walked_counted_and_searched),
        cmocka_unit_test(a_set_that_is_cut_off_has_its_last_id_all_the_same),
        cmocka_unit_test(a_set_is_in_order_of_bytes_folded_and_without_doubles),
        cmocka_unit_test(from_1_to_256_entities_may_be_locked_at_once),
        cmocka_unit_test(what_is_no_entity_cannot_be_locked),
        cmocka_unit_test(a_step_has_the_same_request_id_for_ever),
        cmocka_unit_test(other_steps_and_other_executions_have_other_request_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
