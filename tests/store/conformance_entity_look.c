/* SPDX-License-Identifier: MIT
 *
 * The contract of store.h as tests that every provider passes: entities looked for, and what is
 * said to them from outside. */
#include <stdio.h>
#include <string.h>

#include "rig.h"

/* ---- queries --------------------------------------------------------------------------------- */

/* Ids that sort otherwise as bytes than as people would have them, some above all of ASCII. */
static const char *const ids[] = { "@a@",  "@a@\x01",    "@a@A",       "@a@a", "@a@a@b",
                                   "@ab@", "@account@",  "@account@x", "@b@1", "@b@10",
                                   "@b@2", "@\xc3\xa4@", "@\xff@\xff" };
enum { IDS = sizeof ids / sizeof ids[0] };

static void fill_for_queries(struct world *world)
{
    struct batch *batches[WORLD_PARTITIONS];
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        batches[i] = batch_for(world, i);
    }
    for (unsigned i = 0; i < IDS; i++) { /* in another order, and in all partitions */
        unsigned which = i * 5 % IDS;
        struct batch *batch = batches[i % WORLD_PARTITIONS];
        uint64_t row = next_row(world, batch->partition);
        struct entity_record *entity =
            which % 4 == 2 ? locked(batch, row, ids[which]) : entity_of(batch, row, ids[which]);
        entity->state = which % 5 == 3 ? TEXT_ABSENT : text_of(ids[which]);
        entity->updated_at = (time_us)which * 100 + 100;
        put_entity(batch, entity);
        for (unsigned k = 0; k < which; k++) {
            numbered(batch, MUTATION_INBOX_PUT, row, k + 1, TEXT("event"));
        }
    }
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        commit_ok(world, batches[i]);
    }
}

/* Which of ids they are, in the order they come: "0 3 5 ..." with dots when there are more. */
static void assert_entities(struct world *world, struct entity_query what, const char *expected)
{
    char got[200] = "";
    what.limit = what.limit != 0 ? what.limit : 100;
    struct entity_page page = entities(world, &what);
    for (size_t i = 0; i < page.count; i++) {
        const struct entity_record *entity = &page.items[i];
        unsigned which = 0;
        while (which < IDS && !text_equal(entity->id, text_of(ids[which]))) {
            which++;
        }
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%u", i != 0 ? " " : "", which);
        assert_int_equal(entity->backlog, which);
        assert_int_equal(entity->updated_at, which * 100 + 100);
        assert_text(entity->lock_owner, which % 4 == 2 ? TEXT("transfer-1") : TEXT_ABSENT);
        assert_int_equal(text_is_present(entity->state), which % 5 != 3);
        assert_text(entity->state, which % 5 == 3    ? TEXT_ABSENT
                                   : what.with_state ? text_of(ids[which])
                                                     : TEXT(""));
        assert_int_equal(entity->partition, entity->row % WORLD_PARTITIONS);
    }
    (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s", page.has_more ? " ..." : "");
    assert_string_equal(got, expected);
}

#define EVERY "0 1 2 3 4 5 6 7 8 9 10 11 12"

static void S4_entities_are_found_by_prefix_in_order_of_their_bytes(void **state)
{
    struct world *world = *state;
    assert_entities(world, (struct entity_query){ .with_empty = true }, "");
    fill_for_queries(world);
    assert_entities(world, (struct entity_query){ .with_empty = true }, EVERY);
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("") },
                    EVERY);
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@a") },
                    "0 1 2 3 4 5 6 7");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@a@") },
                    "0 1 2 3 4");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@b@1") },
                    "8 9");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@\xff") },
                    "12");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("\xff") },
                    "");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@A@") },
                    "");
}

static void S4_a_query_has_states_and_empty_entities_only_when_it_asks(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    assert_entities(world, (struct entity_query){ 0 }, "0 1 2 4 5 6 7 9 10 11 12");
    assert_entities(world, (struct entity_query){ .with_state = true }, "0 1 2 4 5 6 7 9 10 11 12");
    assert_entities(world, (struct entity_query){ .with_state = true, .with_empty = true }, EVERY);
}

/* States are as long as ids: 3, 4, 4, none, 6, ... */
static void S4_a_page_of_entities_ends_with_the_state_that_makes_it_so_many_bytes(void **state)
{
    struct world *world = *state;
    struct entity_query what = { .with_state = true, .with_empty = true };
    fill_for_queries(world);
    what.bytes_max = 1;
    assert_entities(world, what, "0 ...");
    what.bytes_max = 7;
    assert_entities(world, what, "0 1 ...");
    what.bytes_max = 8;
    assert_entities(world, what, "0 1 2 ...");
    what.bytes_max = 12;
    assert_entities(world, what, "0 1 2 3 4 ...");
    what.limit = 2;
    assert_entities(world, what, "0 1 ...");
    what.after_id = text_of(ids[11]);
    assert_entities(world, what, "12");
    assert_entities(world, (struct entity_query){ .bytes_max = 1, .with_empty = true }, EVERY);
}

static void S4_entities_are_found_by_when_they_changed_and_whether_they_are_locked(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    assert_entities(world, (struct entity_query){ .changed_from = 1100 }, "10 11 12");
    assert_entities(world, (struct entity_query){ .changed_from = 1101 }, "11 12");
    assert_entities(world, (struct entity_query){ .changed_to = 300 }, "0 1 2");
    assert_entities(world, (struct entity_query){ .changed_to = 299 }, "0 1");
    assert_entities(world, (struct entity_query){ .changed_from = 300, .changed_to = 300 }, "2");
    assert_entities(world, (struct entity_query){ .changed_from = 301, .changed_to = 299 }, "");
    assert_entities(world, (struct entity_query){ .locked_only = true }, "2 6 10");
    assert_entities(world,
                    (struct entity_query){ .locked_only = true,
                                           .changed_from = 200,
                                           .changed_to = 1000,
                                           .id_prefix = TEXT("@a@") },
                    "2");
}

static void S4_pages_of_entities_hold_each_of_them_once(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    struct entity_query what = { .with_empty = true, .limit = 1 };
    for (size_t limit = 1; limit <= IDS + 1; limit++) {
        size_t count = 0;
        bool has_more = true;
        what.limit = limit;
        what.after_id = TEXT_ABSENT;
        while (has_more) {
            struct entity_page page = entities(world, &what);
            has_more = page.has_more;
            assert_int_equal(page.count, IDS - count < limit ? IDS - count : limit);
            assert_int_equal(has_more, count + page.count < IDS);
            for (size_t i = 0; i < page.count; i++, count++) {
                assert_text(page.items[i].id, text_of(ids[count]));
            }
            what.after_id = page.items[page.count - 1].id;
        }
        assert_int_equal(count, IDS);
    }
    /* From an id that is none of them, within a prefix and beside it. */
    what = (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@a@"), .limit = 2 };
    what.after_id = TEXT("@a@B");
    assert_entities(world, what, "3 4");
    what.after_id = TEXT("@");
    assert_entities(world, what, "0 1 ...");
    what.after_id = TEXT("@a@");
    assert_entities(world, what, "1 2 ...");
    what.after_id = TEXT("@a@a@b");
    assert_entities(world, what, "");
    what.after_id = TEXT("@z");
    assert_entities(world, what, "");
    struct entity_query none = { .limit = 0 };
    assert_int_equal(entities(world, &none).count, 0);
    assert_true(entities(world, &none).has_more);
}

/* Rows were given in another order than that of ids, and in three partitions. */
static void S4_entities_come_in_order_of_row_when_asked_so(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    struct entity_query what = { .by_row = true, .with_empty = true, .limit = 100 };
    struct entity_page all = entities(world, &what);
    assert_int_equal(all.count, IDS);
    for (size_t i = 1; i < IDS; i++) {
        assert_true(all.items[i].row > all.items[i - 1].row);
    }
    what.after_id = TEXT("@z"); /* does not count */
    for (size_t limit = 1; limit <= IDS; limit++) {
        size_t count = 0;
        bool has_more = true;
        what.limit = limit;
        what.after_row = 0;
        while (has_more) {
            struct entity_page page = entities(world, &what);
            has_more = page.has_more;
            assert_int_equal(page.count, IDS - count < limit ? IDS - count : limit);
            for (size_t i = 0; i < page.count; i++, count++) {
                assert_same_entity(&page.items[i], &all.items[count]);
                assert_int_equal(page.items[i].backlog, all.items[count].backlog);
            }
            what.after_row = page.items[page.count - 1].row;
        }
        assert_int_equal(count, IDS);
    }
    what = (struct entity_query){ .by_row = true, .locked_only = true, .limit = 100 };
    struct entity_page locked_ones = entities(world, &what);
    assert_int_equal(locked_ones.count, 3);
    assert_true(locked_ones.items[0].row < locked_ones.items[1].row);
    what.after_row = locked_ones.items[1].row;
    assert_int_equal(entities(world, &what).count, 1);
    assert_int_equal(entities(world, &what).items[0].row, locked_ones.items[2].row);
    what = (struct entity_query){
        .by_row = true, .id_prefix = TEXT("@a@"), .changed_from = 200, .changed_to = 300, .limit = 9
    };
    assert_int_equal(entities(world, &what).count, 2);
    what.by_row = false;
    what.after_row = UINT64_MAX / 4; /* nor this */
    assert_entities(world, what, "1 2");
}

/* ---- accept ---------------------------------------------------------------------------------- */

static pd_status say(struct world *world, enum message_kind kind, const char *id)
{
    struct message message = message_of(kind, 0, id, "bytes");
    return world->store->ops->accept(world->store, &message, 1, &world->err);
}

static void what_is_said_to_entities_is_taken_whether_they_exist_or_not(void **state)
{
    struct world *world = *state;
    static const enum message_kind kinds[] = { MESSAGE_OPERATION, MESSAGE_UNLOCK, MESSAGE_ANSWER };
    for (size_t i = 0; i < 3; i++) {
        struct message message = message_of(kinds[i], 0, "@a@1", "bytes");
        message.execution_id = i == 2 ? TEXT("execution") : TEXT_ABSENT;
        assert_ok(world, world->store->ops->accept(world->store, &message, 1, &world->err));
        assert_same_message(&mail(world, 0, 0).items[i], &message);
    }
}

static void purging_and_cancelling_need_an_entity_or_a_message_that_makes_one(void **state)
{
    struct world *world = *state;
    static const enum message_kind kinds[] = { MESSAGE_PURGE, MESSAGE_CANCEL_SIGNAL };
    struct batch *batch = batch_for(world, 0);
    struct entity_record *empty = locked(batch, next_row(world, 0), "@a@1");
    empty->state = TEXT_ABSENT;
    put_entity(batch, empty);
    commit_ok(world, batch);
    assert_ok(world, say(world, MESSAGE_UNLOCK, "@a@2")); /* makes none */
    for (size_t i = 0; i < 2; i++) {
        assert_ok(world, say(world, kinds[i], "@a@1"));
        assert_int_equal(say(world, kinds[i], "@a@2"), PD_E_NOT_FOUND);
        assert_string_equal(world->err.text, "there is no entity '@a@2'");
        assert_false(world->err.retryable);
    }
    assert_ok(world, say(world, MESSAGE_OPERATION, "@a@2"));
    uint64_t last = mail(world, 0, 0).items[mail(world, 0, 0).count - 1].number;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(world, say(world, kinds[i], "@a@2"));
        assert_int_equal(say(world, kinds[i], "@a@3"), PD_E_NOT_FOUND);
    }
    batch = batch_for(world, 0);
    numbered(batch, MUTATION_MAILBOX_REMOVE, 0, last, TEXT_ABSENT);
    commit_ok(world, batch);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(say(world, kinds[i], "@a@2"), PD_E_NOT_FOUND);
    }
    struct message both[] = { message_of(MESSAGE_OPERATION, 0, "@a@4", "signal"),
                              message_of(MESSAGE_CANCEL_SIGNAL, 0, "@a@4", "not that") };
    assert_ok(world, world->store->ops->accept(world->store, both, 2, &world->err));
    assert_int_equal(say(world, MESSAGE_CANCEL_SIGNAL, "an instance"), PD_E_NOT_FOUND);
}

static void what_only_instances_understand_is_not_found_at_an_entity(void **state)
{
    struct world *world = *state;
    static const enum message_kind kinds[] = { MESSAGE_RAISE, MESSAGE_TERMINATE, MESSAGE_SUSPEND,
                                               MESSAGE_RESUME, MESSAGE_REWIND };
    struct batch *batch = batch_for(world, 0);
    make_entity(world, batch, "@a@1");
    commit_ok(world, batch);
    assert_ok(world, say(world, MESSAGE_OPERATION, "@a@2"));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(say(world, kinds[i], "@a@1"), PD_E_NOT_FOUND);
        assert_string_equal(world->err.text, "there is no instance '@a@1'");
        assert_int_equal(say(world, kinds[i], "@a@2"), PD_E_NOT_FOUND);
    }
    assert_int_equal(mail(world, 0, 0).count, 1);
}

const struct CMUnitTest conformance_entity_look[] = {
    cmocka_unit_test(S4_entities_are_found_by_prefix_in_order_of_their_bytes),
    cmocka_unit_test(S4_a_query_has_states_and_empty_entities_only_when_it_asks),
    cmocka_unit_test(S4_a_page_of_entities_ends_with_the_state_that_makes_it_so_many_bytes),
    cmocka_unit_test(S4_entities_are_found_by_when_they_changed_and_whether_they_are_locked),
    cmocka_unit_test(S4_pages_of_entities_hold_each_of_them_once),
    cmocka_unit_test(S4_entities_come_in_order_of_row_when_asked_so),
    cmocka_unit_test(what_is_said_to_entities_is_taken_whether_they_exist_or_not),
    cmocka_unit_test(purging_and_cancelling_need_an_entity_or_a_message_that_makes_one),
    cmocka_unit_test(what_only_instances_understand_is_not_found_at_an_entity),
};
const size_t conformance_entity_look_count =
    sizeof conformance_entity_look / sizeof conformance_entity_look[0];
