/* SPDX-License-Identifier: MIT
 *
 * Stored turns, decoded one after the other into the same memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
#include "wire/wire.h"

/* Turn 0 has one event, turn 1 all samples, turn 2 none. */
struct rig {
    struct buffer bytes[2];
    struct text turns[3];
    struct wire_past past;
};

static int set_up(void **state)
{
    static struct rig rig;
    for (int i = 0; i < 2; i++) {
        buffer_init(&rig.bytes[i]);
        for (size_t s = 0; s < (i == 0 ? 1 : sample_count); s++) {
            wire_write_event(&rig.bytes[i], &samples[s].event);
        }
        rig.turns[i] = buffer_text(&rig.bytes[i]);
    }
    rig.turns[2] = TEXT("");
    wire_past_init(&rig.past, rig.turns, 3);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    wire_past_done(&rig->past);
    buffer_done(&rig->bytes[0]);
    buffer_done(&rig->bytes[1]);
    return 0;
}

static struct turn_events read(struct rig *rig, size_t at)
{
    struct turn_events turn;
    assert_true(rig->past.base.read(&rig->past.base, at, &turn));
    return turn;
}

static void turns_are_read_in_any_order_and_are_what_reading_all_gives(void **state)
{
    struct rig *rig = *state;
    static const size_t order[] = { 1, 0, 2, 1, 1 };
    assert_int_equal(rig->past.base.turn_count, 3);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct wire_events all = { NULL, 0, 0 };
        struct arena arena;
        pd_error err;
        arena_init(&arena);
        struct turn_events turn = read(rig, order[i]);
        assert_int_equal(wire_read_events(rig->turns[order[i]], &arena, &all, &err), PD_OK);
        assert_int_equal(turn.count, all.count);
        for (size_t e = 0; e < all.count; e++) {
            assert_int_equal(turn.events[e].kind, all.at[e].kind);
            assert_int_equal(turn.events[e].id, all.at[e].id);
            assert_int_equal(turn.events[e].ref, all.at[e].ref);
            assert_ptr_equal(turn.events[e].payload.at, all.at[e].payload.at); /* borrowed */
            assert_ptr_equal(turn.events[e].raw.at, all.at[e].raw.at);
            assert_int_equal(turn.events[e].failure == NULL, all.at[e].failure == NULL);
            assert_int_equal(turn.events[e].extra == NULL, all.at[e].extra == NULL);
        }
        arena_done(&arena);
    }
}

static void memory_does_not_grow_with_the_number_of_turns(void **state)
{
    struct rig *rig = *state;
    (void)read(rig, 1);
    const void *events = rig->past.events.at;
    size_t held = arena_size(&rig->past.arena);
    for (int i = 0; i < 1000; i++) {
        (void)read(rig, (size_t)i % 3);
    }
    assert_ptr_equal(rig->past.events.at, events);
    assert_int_equal(arena_size(&rig->past.arena), held);
}

static void damage_is_told_as_reading_all_tells_it(void **state)
{
    struct rig *rig = *state;
    struct wire_events all = { NULL, 0, 0 };
    struct turn_events turn;
    struct arena arena;
    pd_error err;
    arena_init(&arena);
    rig->turns[0].size--;
    assert_false(rig->past.base.read(&rig->past.base, 0, &turn));
    assert_int_equal(wire_read_events(rig->turns[0], &arena, &all, &err), PD_E_CORRUPT);
    assert_int_equal(rig->past.err.status, PD_E_CORRUPT);
    assert_string_equal(rig->past.err.text, err.text);
    (void)read(rig, 1); /* the others are fine */
    arena_done(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(turns_are_read_in_any_order_and_are_what_reading_all_gives),
        TEST(memory_does_not_grow_with_the_number_of_turns),
        TEST(damage_is_told_as_reading_all_tells_it),
    };
    return cmocka_run_group_tests_name("wire/past", tests, NULL, NULL);
}
