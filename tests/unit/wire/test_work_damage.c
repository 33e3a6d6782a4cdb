/* SPDX-License-Identifier: MIT
 *
 * Damaged messages of the service, and items and results among them: every one is refused, or read
 * as something that is sound (fuzz_work.c says what that is).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz_work.h"
#include "random_message.h"

/* In a block of its own, so that the sanitizer sees what is read behind it. */
static bool once(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    bool is_message = fuzz_work_once(copy, size);
    free(copy);
    return is_message;
}

/* A random message of each type, behind the byte that names it; `count` rounds of them. */
static void with_each(int rounds, uint64_t seed,
                      void (*check)(uint8_t *bytes, size_t size, struct random *))
{
    struct random random;
    random_seed(&random, seed);
    struct arena arena;
    struct buffer buffer;
    arena_init(&arena);
    buffer_init(&buffer);
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < fuzz_work_type_count; i++, arena_reset(&arena)) {
            buffer_reset(&buffer);
            buffer_add_byte(&buffer, (uint8_t)i);
            message_write(fuzz_work_types[i], &buffer,
                          random_message(fuzz_work_types[i], &arena, &random));
            check(buffer.at, buffer.size, &random);
        }
    }
    arena_done(&arena);
    buffer_done(&buffer);
}

static void is_whole(uint8_t *bytes, size_t size, struct random *random)
{
    (void)random;
    assert_true(once(bytes, size));
}

static void whole_messages_are_read(void **state)
{
    (void)state;
    with_each(20, 1, is_whole);
}

static void cut(uint8_t *bytes, size_t size, struct random *random)
{
    (void)random;
    for (size_t n = 1; n < size; n++) {
        (void)once(bytes, n);
    }
}

static void every_truncation_is_survived(void **state)
{
    (void)state;
    with_each(1, 2, cut);
}

static void flip(uint8_t *bytes, size_t size, struct random *random)
{
    (void)random;
    for (size_t bit = 8; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        (void)once(bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void every_flipped_bit_is_survived(void **state)
{
    (void)state;
    with_each(1, 3, flip);
}

static void scramble(uint8_t *bytes, size_t size, struct random *random)
{
    for (uint64_t n = 1 + random_below(random, 8); n != 0; n--) {
        bytes[random_below(random, size)] = (uint8_t)random_next(random);
    }
    (void)once(bytes, size);
}

static void random_damage_is_survived(void **state)
{
    (void)state;
    with_each(200, 4, scramble);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_are_read),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(random_damage_is_survived),
    };
    return cmocka_run_group_tests_name("wire/work_damage", tests, NULL, NULL);
}
