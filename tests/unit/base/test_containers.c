/* SPDX-License-Identifier: MIT
 *
 * Lists, maps and the heap, each also against a simpler model with random operations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/shelf.h"
#include "base/random.h"

struct item {
    int number;
    struct list_node node;
};

/* Runs body in a process of its own; true when it was ended by abort. */
static bool aborts(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static int number_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct item, node)->number;
}

static void list_keeps_order_at_both_ends(void **state)
{
    (void)state;
    struct list list;
    struct item items[5] = {
        { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 }
    };
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_pop_front(&list));
    assert_null(list_front(&list));
    assert_null(list_back(&list));
    list_push_back(&list, &items[2].node);
    list_push_back(&list, &items[3].node);
    list_push_front(&list, &items[1].node);
    list_push_front(&list, &items[0].node);
    list_push_back(&list, &items[4].node);
    int expected = 0;
    LIST_EACH(node, &list)
    {
        assert_int_equal(number_of(node), expected++);
    }
    assert_int_equal(expected, 5);
    assert_int_equal(list_count(&list), 5);
    assert_int_equal(number_of(list_back(&list)), 4);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(number_of(list_front(&list)), i);
        assert_int_equal(number_of(list_pop_front(&list)), i);
    }
    assert_true(list_is_empty(&list));
}

static void list_node_knows_whether_it_is_linked(void **state)
{
    (void)state;
    struct list list;
    struct item item = { .number = 1 };
    list_init(&list);
    assert_false(list_is_linked(&item.node));
    list_push_back(&list, &item.node);
    assert_true(list_is_linked(&item.node));
    list_remove(&item.node);
    assert_false(list_is_linked(&item.node));
    assert_true(list_is_empty(&list));
}

static void appending_moves_a_whole_list_in_order(void **state)
{
    (void)state;
    struct list to, from;
    struct list_node nodes[5] = { 0 };
    list_init(&to);
    list_init(&from);
    list_append(&to, &from); /* nothing to nothing */
    assert_true(list_is_empty(&to));
    for (int i = 0; i < 5; i++) {
        list_push_back(i < 2 ? &to : &from, &nodes[i]);
    }
    list_append(&to, &from);
    assert_true(list_is_empty(&from));
    list_append(&to, &from);
    assert_ptr_equal(list_back(&to), &nodes[4]);
    list_remove(&nodes[2]); /* the first of those that moved: both its sides are right */
    list_push_back(&from, &nodes[2]);
    list_append(&to, &from);
    const int order[] = { 0, 1, 3, 4, 2 };
    for (int i = 0; i < 5; i++) {
        assert_ptr_equal(list_pop_front(&to), &nodes[order[i]]);
    }
    assert_true(list_is_empty(&to));
}

static void list_each_safe_survives_removal(void **state)
{
    (void)state;
    struct list list;
    struct item items[6];
    list_init(&list);
    for (int i = 0; i < 6; i++) {
        items[i] = (struct item){ .number = i };
        list_push_back(&list, &items[i].node);
    }
    LIST_EACH_SAFE(node, &list)
    {
        if (number_of(node) % 2 == 0) {
            list_remove(node);
        }
    }
    int expected = 1;
    LIST_EACH(node, &list)
    {
        assert_int_equal(number_of(node), expected);
        expected += 2;
    }
    assert_int_equal(expected, 7);
}

static void push_a_linked_node(void)
{
    struct list list;
    struct item item = { .number = 1 };
    list_init(&list);
    list_push_back(&list, &item.node);
    list_push_back(&list, &item.node);
}

static void remove_an_unlinked_node(void)
{
    struct item item = { .number = 1 };
    list_remove(&item.node);
}

static void misused_list_aborts(void **state)
{
    (void)state;
    assert_true(aborts(push_a_linked_node));
    assert_true(aborts(remove_an_unlinked_node));
}

static void empty_map_finds_nothing(void **state)
{
    (void)state;
    struct map map;
    size_t cursor = 0;
    map_init(&map);
    assert_null(map_find(&map, TEXT("a")));
    assert_null(map_remove(&map, TEXT("a")));
    assert_null(map_next(&map, &cursor));
    assert_int_equal(map_count(&map), 0);
    map_done(&map);
}

static void map_tells_keys_apart(void **state)
{
    (void)state;
    struct map map;
    int values[4];
    map_init(&map);
    map_put(&map, TEXT(""), &values[0]);
    map_put(&map, TEXT("a"), &values[1]);
    map_put(&map, TEXT("a\0"), &values[2]);
    map_put(&map, TEXT("b"), &values[3]);
    assert_ptr_equal(map_find(&map, TEXT("")), &values[0]);
    assert_ptr_equal(map_find(&map, TEXT("a")), &values[1]);
    assert_ptr_equal(map_find(&map, TEXT("a\0")), &values[2]);
    assert_ptr_equal(map_find(&map, TEXT("b")), &values[3]);
    assert_null(map_find(&map, TEXT("c")));
    assert_null(map_find(&map, TEXT_ABSENT));
    map_done(&map);
}

static void put_twice(void)
{
    struct map map;
    map_init(&map);
    map_put(&map, TEXT("a"), &map);
    map_put(&map, TEXT("a"), &map);
}

static void put_null(void)
{
    struct map map;
    map_init(&map);
    map_put(&map, TEXT("a"), NULL);
}

static void put_number_twice(void)
{
    struct map64 map;
    map64_init(&map);
    map64_put(&map, 1, &map);
    map64_put(&map, 1, &map);
}

static void misused_map_aborts(void **state)
{
    (void)state;
    assert_true(aborts(put_twice));
    assert_true(aborts(put_null));
    assert_true(aborts(put_number_twice));
}

enum { KEYS = 500 };

static char keys[KEYS][8];
static int marks[KEYS];

static struct text key_at(size_t i)
{
    snprintf(keys[i], sizeof keys[i], "k%zu", i);
    return text_of(keys[i]);
}

static void map_iterates_in_order_of_insertion_for_every_seed(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct map map;
        map_init_seeded(&map, seed * 12345);
        for (size_t i = 0; i < KEYS; i++) {
            map_put(&map, key_at(i), &marks[i]);
        }
        for (size_t i = 0; i < KEYS; i += 3) {
            assert_ptr_equal(map_remove(&map, key_at(i)), &marks[i]);
        }
        map_put(&map, key_at(0), &marks[0]);
        size_t cursor = 0;
        for (size_t i = 0; i < KEYS; i++) {
            if (i % 3 != 0) {
                assert_ptr_equal(map_next(&map, &cursor), &marks[i]);
            }
        }
        assert_ptr_equal(map_next(&map, &cursor), &marks[0]);
        assert_null(map_next(&map, &cursor));
        map_done(&map);
    }
}

static void map_may_lose_anything_during_iteration(void **state)
{
    (void)state;
    struct map map;
    struct random random;
    bool removed[KEYS] = { false };
    map_init(&map);
    random_seed(&random, 7);
    for (size_t i = 0; i < KEYS; i++) {
        map_put(&map, key_at(i), &marks[i]);
    }
    size_t cursor = 0, last = 0;
    bool is_first = true;
    int *value;
    while ((value = map_next(&map, &cursor)) != NULL) {
        size_t at = (size_t)(value - marks);
        assert_false(removed[at]);
        assert_true(is_first || at > last);
        for (size_t i = is_first ? 0 : last + 1; i < at; i++) {
            assert_true(removed[i]); /* nothing that lives is skipped */
        }
        is_first = false;
        last = at;
        size_t other = (size_t)random_below(&random, KEYS);
        removed[at] = map_remove(&map, key_at(at)) != NULL;
        removed[other] = map_remove(&map, key_at(other)) != NULL || removed[other];
    }
    assert_int_equal(map_count(&map), 0);
    map_put(&map, key_at(3), &marks[3]);
    assert_ptr_equal(map_find(&map, key_at(3)), &marks[3]);
    map_reset(&map);
    assert_null(map_find(&map, key_at(3)));
    map_put(&map, key_at(3), &marks[3]);
    assert_int_equal(map_count(&map), 1);
    map_done(&map);
}

/* Both maps against an array, through growth, squeezing and collisions. */
static void maps_behave_like_an_array(void **state)
{
    (void)state;
    struct map map;
    struct map64 map64;
    struct random random;
    void *model[KEYS] = { NULL };
    size_t count = 0;
    map_init(&map);
    map64_init_seeded(&map64, 99);
    random_seed(&random, 20260301);
    for (int step = 0; step < 100000; step++) {
        size_t range = (step / 10000) % 2 == 0 ? KEYS : 20;
        size_t i = (size_t)random_below(&random, range);
        uint64_t number = i * UINT64_C(0x100000000); /* all alike in the low half */
        assert_ptr_equal(map_find(&map, key_at(i)), model[i]);
        assert_ptr_equal(map64_find(&map64, number), model[i]);
        if (model[i] == NULL) {
            model[i] = &marks[i];
            map_put(&map, key_at(i), model[i]);
            map64_put(&map64, number, model[i]);
            count++;
        } else {
            assert_ptr_equal(map_remove(&map, key_at(i)), model[i]);
            assert_ptr_equal(map64_remove(&map64, number), model[i]);
            model[i] = NULL;
            count--;
        }
        assert_int_equal(map_count(&map), count);
        assert_int_equal(map64_count(&map64), count);
    }
    size_t cursor = 0, cursor64 = 0;
    for (size_t i = 0; i <= count; i++) {
        assert_ptr_equal(map_next(&map, &cursor), map64_next(&map64, &cursor64));
    }
    map64_reset(&map64);
    assert_int_equal(map64_count(&map64), 0);
    map_done(&map);
    map64_done(&map64);
}

static void heap_gives_ties_in_order(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    assert_null(heap_peek(&heap));
    struct heap_item item;
    assert_false(heap_pop(&heap, &item));
    for (uint64_t order = 10; order > 0; order--) {
        heap_push(&heap, (struct heap_item){ .key = 5, .order = order, .a = order * 2 });
    }
    heap_push(&heap, (struct heap_item){ .key = -1, .order = 99 });
    assert_int_equal(heap_count(&heap), 11);
    assert_int_equal(heap_peek(&heap)->order, 99);
    assert_true(heap_pop(&heap, &item));
    for (uint64_t order = 1; order <= 10; order++) {
        assert_true(heap_pop(&heap, &item));
        assert_int_equal(item.order, order);
        assert_int_equal(item.a, order * 2);
    }
    assert_false(heap_pop(&heap, &item));
    heap_done(&heap);
}

static void heap_sorts(void **state)
{
    (void)state;
    struct heap heap;
    struct random random;
    struct heap_item item;
    heap_init(&heap);
    random_seed(&random, 3);
    uint64_t order = 0;
    for (int round = 0; round < 200; round++) {
        for (uint64_t i = random_below(&random, 50); i > 0; i--) {
            int64_t key = (int64_t)random_below(&random, 20) - 10;
            heap_push(&heap, (struct heap_item){ .key = key, .order = order++ });
        }
        struct heap_item last = { .key = INT64_MIN };
        for (uint64_t i = random_below(&random, 50); i > 0 && heap_pop(&heap, &item); i--) {
            assert_true(item.key > last.key || (item.key == last.key && item.order >= last.order));
            last = item;
        }
    }
    struct heap_item last = { .key = INT64_MIN };
    while (heap_pop(&heap, &item)) {
        assert_true(item.key > last.key || (item.key == last.key && item.order > last.order));
        last = item;
    }
    heap_done(&heap);
}

/* ---- shelf ---- */

static void a_shelf_hands_out_again_what_was_given_back(void **state)
{
    (void)state;
    struct shelf shelf;
    shelf_init(&shelf, 64, 2);
    void *a = shelf_try_take(&shelf, 10);
    void *b = shelf_try_take(&shelf, 64);
    void *c = shelf_try_take(&shelf, 1);
    void *large = shelf_try_take(&shelf, 65);
    memset(a, 1, 64); /* each is as large as the shelf's blocks */
    memset(large, 1, 65);
    shelf_give(&shelf, large, 65);
    assert_int_equal(shelf.count, 0);
    shelf_give(&shelf, a, 10);
    shelf_give(&shelf, b, 64);
    shelf_give(&shelf, c, 1); /* one too many */
    assert_int_equal(shelf.count, 2);
    assert_ptr_equal(shelf_try_take(&shelf, 2), b); /* the last one first */
    assert_ptr_equal(shelf_try_take(&shelf, 2), a);
    shelf_give(&shelf, a, 2);
    shelf_trim(&shelf);
    assert_int_equal(shelf.count, 0);
    mem_free(b); /* a block is the heap's own */
    shelf_done(&shelf);
}

static void a_shelf_takes_part_in_checked_allocation(void **state)
{
    (void)state;
    struct shelf shelf;
    shelf_init(&shelf, 64, 2);
    shelf_give(&shelf, shelf_try_take(&shelf, 8), 8);
    mem_fail_at(1);
    assert_null(shelf_try_take(&shelf, 8));
    assert_int_equal(shelf.count, 1);
    mem_fail_at(1);
    assert_null(shelf_try_take(&shelf, 800));
    mem_fail_at(0);
    shelf_done(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_keeps_order_at_both_ends),
        cmocka_unit_test(list_node_knows_whether_it_is_linked),
        cmocka_unit_test(appending_moves_a_whole_list_in_order),
        cmocka_unit_test(list_each_safe_survives_removal),
        cmocka_unit_test(misused_list_aborts),
        cmocka_unit_test(empty_map_finds_nothing),
        cmocka_unit_test(map_tells_keys_apart),
        cmocka_unit_test(misused_map_aborts),
        cmocka_unit_test(map_iterates_in_order_of_insertion_for_every_seed),
        cmocka_unit_test(map_may_lose_anything_during_iteration),
        cmocka_unit_test(maps_behave_like_an_array),
        cmocka_unit_test(heap_gives_ties_in_order),
        cmocka_unit_test(heap_sorts),
        cmocka_unit_test(a_shelf_hands_out_again_what_was_given_back),
        cmocka_unit_test(a_shelf_takes_part_in_checked_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
