/* SPDX-License-Identifier: MIT
 *
 * Arena: alignment, zeroes, growth, reset, deferred releases, checked allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"

struct log {
    char text[16];
    size_t size;
    struct arena *arena;
};

struct entry {
    struct log *log;
    char name;
};

static void note(void *thing)
{
    struct entry *entry = thing;
    entry->log->text[entry->log->size++] = entry->name;
}

static void fresh_arena_holds_nothing(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    assert_int_equal(arena_size(&arena), 0);
    arena_reset(&arena);
    arena_done(&arena);
}

static void pieces_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(&arena, i);
        assert_int_equal((uintptr_t)pieces[i] % ARENA_ALIGN, 0);
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(pieces[i][k], 0);
        }
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(pieces[i][k], i);
        }
    }
    arena_done(&arena);
}

static void pieces_of_size_zero_differ(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    void *first = arena_alloc(&arena, 0);
    void *second = arena_alloc(&arena, 0);
    assert_non_null(first);
    assert_ptr_not_equal(first, second);
    arena_done(&arena);
}

static void reused_memory_is_zeroed_again(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    memset(arena_alloc_raw(&arena, 500), 0xff, 500);
    arena_reset(&arena);
    const unsigned char *p = arena_alloc(&arena, 500);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(p[i], 0);
    }
    arena_done(&arena);
}

static void first_block_is_small_and_blocks_stop_growing(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    arena_alloc(&arena, 1);
    assert_int_equal(arena_size(&arena), ARENA_BLOCK_MIN);
    size_t largest_step = 0;
    for (int i = 0; i < 10000; i++) {
        size_t before = arena_size(&arena);
        arena_alloc(&arena, 100);
        size_t step = arena_size(&arena) - before;
        largest_step = step > largest_step ? step : largest_step;
    }
    assert_int_equal(largest_step, ARENA_BLOCK_MAX);
    arena_done(&arena);
    assert_int_equal(arena_size(&arena), 0);
}

static void large_piece_leaves_the_current_block_in_use(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    arena_alloc(&arena, 16);
    arena_alloc(&arena, 1000000);
    size_t held = arena_size(&arena);
    arena_alloc(&arena, 16); /* fits in the first block */
    assert_int_equal(arena_size(&arena), held);
    assert_true(held < 1000000 + 4096);
    arena_done(&arena);
}

static void reset_keeps_one_block_and_needs_no_heap_again(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < 1000; i++) {
        arena_alloc(&arena, 100);
    }
    arena_alloc(&arena, 200000);
    arena_reset(&arena);
    size_t held = arena_size(&arena);
    assert_true(held >= ARENA_BLOCK_MIN && held <= ARENA_BLOCK_MAX);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 100; i++) {
            arena_alloc(&arena, 100);
        }
        arena_reset(&arena);
        assert_int_equal(arena_size(&arena), held);
    }
    arena_done(&arena);
}

static void a_rewound_arena_fills_the_same_memory_again(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < 5000; i++) {
        memset(arena_alloc_raw(&arena, 100), i, 100);
    }
    arena_alloc(&arena, 1 << 20);
    size_t held = arena_size(&arena) - (1 << 20);
    for (int round = 0; round < 3; round++) {
        arena_rewind(&arena);
        assert_true(arena_size(&arena) <= held);
        for (int i = 0; i < 4000; i++) {
            unsigned char *piece = arena_alloc(&arena, 100);
            assert_int_equal(piece[0] | piece[99], 0);
            memset(piece, 0xee, 100);
        }
        assert_true(arena_size(&arena) <= held);
    }
    arena_reset(&arena);
    assert_true(arena_size(&arena) <= ARENA_BLOCK_MAX);
    arena_rewind(&arena);
    arena_done(&arena);
}

static void lent_bytes_are_used_first_and_never_freed(void **state)
{
    (void)state;
    _Alignas(16) unsigned char bytes[64];
    struct arena arena;
    arena_init(&arena);
    arena_lend(&arena, bytes, sizeof bytes);
    unsigned char *first = arena_alloc(&arena, 16);
    assert_ptr_equal(first, bytes);
    assert_int_equal(arena_size(&arena), 0);
    unsigned char *second = arena_alloc(&arena, 100);
    assert_true(second < bytes || second >= bytes + sizeof bytes);
    assert_true(arena_size(&arena) > 0);
    arena_done(&arena);
}

static void arena_reset_runs_deferred_in_reverse(void **state)
{
    (void)state;
    struct arena arena;
    struct log log = { .size = 0 };
    struct entry a = { &log, 'a' }, b = { &log, 'b' }, c = { &log, 'c' };
    arena_init(&arena);
    arena_defer(&arena, note, &a);
    arena_defer(&arena, note, &b);
    arena_defer(&arena, note, &c);
    arena_reset(&arena);
    assert_string_equal(log.text, "cba");
    arena_reset(&arena);
    assert_string_equal(log.text, "cba");
    arena_defer(&arena, note, &a);
    arena_done(&arena);
    assert_string_equal(log.text, "cbaa");
}

static void note_and_defer(void *thing)
{
    static struct entry late;
    struct entry *entry = thing;
    note(entry);
    late = (struct entry){ entry->log, 'z' };
    arena_defer(entry->log->arena, note, &late);
}

static void release_may_defer_another(void **state)
{
    (void)state;
    struct arena arena;
    struct log log = { .size = 0, .arena = &arena };
    struct entry a = { &log, 'a' }, b = { &log, 'b' };
    arena_init(&arena);
    arena_defer(&arena, note, &a);
    arena_defer(&arena, note_and_defer, &b);
    arena_done(&arena);
    assert_string_equal(log.text, "bza");
}

static void deferred_sees_its_memory(void **state)
{
    (void)state;
    struct arena arena;
    struct log log = { .size = 0 };
    arena_init(&arena);
    struct entry *entry = arena_alloc(&arena, sizeof *entry);
    *entry = (struct entry){ &log, 'm' };
    arena_defer(&arena, note, entry);
    arena_alloc(&arena, 100000);
    arena_reset(&arena);
    assert_string_equal(log.text, "m");
    arena_done(&arena);
}

static void copy_ends_in_nul_and_keeps_what_is_inside(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const char *copy = arena_copy(&arena, "a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    assert_string_equal(arena_copy(&arena, NULL, 0), "");
    arena_done(&arena);
}

static void printf_fits_at_every_length(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    char expected[1025];
    for (int length = 0; length <= 1024; length++) {
        memset(expected, 'x', (size_t)length);
        expected[length] = '\0';
        assert_string_equal(arena_printf(&arena, "%s", expected), expected);
    }
    assert_string_equal(arena_printf(&arena, "%d-%s", 7, "seven"), "7-seven");
    arena_done(&arena);
}

static void try_alloc_answers_null_and_leaves_the_arena_usable(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    assert_null(arena_try_alloc(&arena, SIZE_MAX));
    assert_null(arena_try_alloc(&arena, SIZE_MAX / 2 + 1));
    mem_fail_at(1);
    assert_null(arena_try_alloc(&arena, 10)); /* would need a block */
    assert_non_null(arena_try_alloc(&arena, 10));
    mem_fail_at(1);
    assert_null(arena_try_alloc(&arena, 10)); /* would have fitted: injected all the same */
    mem_fail_at(2);
    assert_non_null(arena_try_alloc(&arena, 100000)); /* counted once */
    assert_null(arena_try_alloc(&arena, 10));
    assert_non_null(arena_try_alloc(&arena, 0));
    arena_done(&arena);
}

#if ARENA_ASAN
static void overrun_is_poisoned(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (size_t size = 1; size < 70; size++) {
        char *p = arena_alloc(&arena, size);
        assert_false(__asan_address_is_poisoned(p + size - 1));
        assert_true(__asan_address_is_poisoned(p + size));
        assert_true(__asan_address_is_poisoned(p + size + 8));
    }
    char *big = arena_alloc(&arena, 30001);
    assert_false(__asan_address_is_poisoned(big + 30000));
    assert_true(__asan_address_is_poisoned(big + 30001));
    char *p = arena_alloc(&arena, 8);
    arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(p));
    arena_done(&arena);
}
#else
static void overrun_is_poisoned(void **state)
{
    (void)state;
    skip(); /* needs the address sanitizer */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_arena_holds_nothing),
        cmocka_unit_test(pieces_are_aligned_zeroed_and_apart),
        cmocka_unit_test(pieces_of_size_zero_differ),
        cmocka_unit_test(reused_memory_is_zeroed_again),
        cmocka_unit_test(first_block_is_small_and_blocks_stop_growing),
        cmocka_unit_test(large_piece_leaves_the_current_block_in_use),
        cmocka_unit_test(reset_keeps_one_block_and_needs_no_heap_again),
        cmocka_unit_test(arena_reset_runs_deferred_in_reverse),
        cmocka_unit_test(release_may_defer_another),
        cmocka_unit_test(deferred_sees_its_memory),
        cmocka_unit_test(copy_ends_in_nul_and_keeps_what_is_inside),
        cmocka_unit_test(printf_fits_at_every_length),
        cmocka_unit_test(a_rewound_arena_fills_the_same_memory_again),
        cmocka_unit_test(lent_bytes_are_used_first_and_never_freed),
        cmocka_unit_test(try_alloc_answers_null_and_leaves_the_arena_usable),
        cmocka_unit_test(overrun_is_poisoned),
        cmocka_unit_test(overrun_is_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
