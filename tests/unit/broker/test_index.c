/* SPDX-License-Identifier: MIT
 *
 * Chains of what has the same number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "broker/broker_priv.h"

enum { NODES = 1000, KEYS = 7, STEPS = 100000 };

struct thing {
    struct index_node node;
    uint64_t key;
    bool is_in, is_seen;
};

static void check(const struct index *index, struct thing *things)
{
    size_t count = 0;
    for (size_t i = 0; i < NODES; i++) {
        things[i].is_seen = false;
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        struct index_node *node = index_first(index, key);
        for (; node != NULL; node = index_next(node)) {
            struct thing *thing = CONTAINER_OF(node, struct thing, node);
            assert_true(thing->is_in);
            assert_false(thing->is_seen);
            assert_int_equal(thing->key, key);
            thing->is_seen = true;
            count++;
        }
    }
    assert_int_equal(index->count, count);
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(things[i].is_in, things[i].is_seen);
        assert_int_equal(things[i].is_in, index_has(&things[i].node));
    }
}

static void what_is_in_is_found_and_nothing_else(void **state)
{
    (void)state;
    static struct thing things[NODES];
    struct index index = { 0 };
    struct random random;
    random_seed(&random, 1);
    for (size_t i = 0; i < STEPS; i++) {
        struct thing *thing = &things[random_below(&random, NODES)];
        if (thing->is_in || random_below(&random, 8) == 0) {
            index_remove(&index, &thing->node); /* of one that is not in it nothing happens */
            thing->is_in = false;
        } else {
            thing->key = random_below(&random, KEYS);
            index_put(&index, &thing->node, thing->key);
            thing->is_in = true;
        }
        if (i % 997 == 0) {
            check(&index, things);
        }
    }
    check(&index, things);
    index_done(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_is_found_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
