/* SPDX-License-Identifier: MIT
 *
 * Damaged history: every truncation, every single-bit flip, and random mixtures of flips, cuts,
 * insertions and splices of valid chunks, from fixed seeds. The rules are in fuzz_history.c; run
 * under the address sanitizer, an access outside of the bytes ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "fuzz_history.h"
#include "samples.h"

/* In a block of exactly its size, so that one byte too far is seen. */
static bool once(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    bool has_events = fuzz_history_once(copy, size);
    free(copy);
    return has_events;
}

static void all_samples(struct buffer *buffer)
{
    buffer_init(buffer);
    for (size_t i = 0; i < sample_count; i++) {
        wire_write_event(buffer, &samples[i].event);
    }
}

static void whole_chunks_hold_events(void **state)
{
    (void)state;
    struct buffer chunk;
    all_samples(&chunk);
    assert_true(once(chunk.at, chunk.size));
    buffer_done(&chunk);
}

static void every_truncation_is_told_or_ends_between_events(void **state)
{
    (void)state;
    struct buffer chunk;
    all_samples(&chunk);
    for (size_t size = 0; size <= chunk.size; size++) {
        once(chunk.at, size);
    }
    buffer_done(&chunk);
}

static void every_flipped_bit_is_survived(void **state)
{
    (void)state;
    struct buffer chunk;
    all_samples(&chunk);
    for (size_t bit = 0; bit < chunk.size * 8; bit++) {
        chunk.at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        once(chunk.at, chunk.size);
        chunk.at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buffer_done(&chunk);
}

/* One random change. */
static void damage(struct random *random, struct buffer *chunk)
{
    static const uint8_t nasty[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x12, 0x22 };
    size_t at = chunk->size != 0 ? (size_t)random_below(random, chunk->size) : 0;
    switch (random_below(random, 5)) {
    case 0:
        if (chunk->size != 0) {
            chunk->at[at] ^= (uint8_t)(1u << random_below(random, 8));
        }
        break;
    case 1:
        if (chunk->size != 0) {
            chunk->at[at] = nasty[random_below(random, sizeof(nasty))];
        }
        break;
    case 2: chunk->size = at; break;
    case 3: {
        size_t more = (size_t)random_below(random, 12);
        uint8_t *p = buffer_extend(chunk, more);
        for (size_t i = 0; i < more; i++) {
            p[i] = (uint8_t)random_next(random);
        }
        break;
    }
    default: {
        struct text piece = buffer_text(chunk);
        size_t size = (size_t)random_below(random, chunk->size - at + 1);
        uint8_t copy[64];
        size = size < sizeof(copy) ? size : sizeof(copy);
        memcpy(copy, piece.at + at, size);
        buffer_add(chunk, copy, size);
        break;
    }
    }
}

static void random_damage_is_survived(void **state)
{
    (void)state;
    size_t with_events = 0;
    enum { SEEDS = 20000 };
    struct buffer chunk;
    buffer_init(&chunk);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random;
        random_seed(&random, seed);
        buffer_reset(&chunk);
        for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--) {
            wire_write_event(&chunk, &samples[random_below(&random, sample_count)].event);
        }
        for (uint64_t n = 1 + random_below(&random, 4); n > 0; n--) {
            damage(&random, &chunk);
        }
        with_events += once(chunk.at, chunk.size) ? 1 : 0;
    }
    /* Were nearly all refused, or none, this would test little. */
    assert_in_range(with_events, SEEDS / 20, SEEDS * 19 / 20);
    buffer_done(&chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_chunks_hold_events),
        cmocka_unit_test(every_truncation_is_told_or_ends_between_events),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(random_damage_is_survived),
    };
    return cmocka_run_group_tests_name("wire/damage", tests, NULL, NULL);
}
