/* SPDX-License-Identifier: MIT
 *
 * Damaged history and archives: every truncation, every single-bit flip, and random mixtures of
 * flips, cuts, insertions and splices of valid bytes, from fixed seeds. The rules are in
 * fuzz_history.c; run under the address sanitizer, an access outside of the bytes ends the test.
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
static struct fuzz_found once(const struct buffer *bytes, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes->at, size);
    struct fuzz_found found = fuzz_history_once(copy, size);
    free(copy);
    return found;
}

static void all_events(struct buffer *buffer)
{
    buffer_init(buffer);
    for (size_t i = 0; i < sample_count; i++) {
        wire_write_event(buffer, &samples[i].event);
    }
}

static void add_archive(struct buffer *buffer, size_t i)
{
    pd_error err;
    const struct archive *archive = &archive_samples[i].archive;
    assert_int_equal(wire_write_archive_entry(buffer, archive, &err), PD_OK);
}

/* As they follow each other in a file. */
static void all_archives(struct buffer *buffer)
{
    buffer_init(buffer);
    for (size_t i = 0; i < archive_sample_count; i++) {
        add_archive(buffer, i);
    }
}

static void whole_bytes_hold_what_was_written(void **state)
{
    (void)state;
    struct buffer bytes;
    all_events(&bytes);
    assert_int_equal(once(&bytes, bytes.size).events, sample_count);
    buffer_done(&bytes);
    all_archives(&bytes);
    assert_int_equal(once(&bytes, bytes.size).archives, archive_sample_count);
    buffer_done(&bytes);
}

static void truncate_everywhere(struct buffer *bytes)
{
    for (size_t size = 0; size <= bytes->size; size++) {
        once(bytes, size);
    }
    buffer_done(bytes);
}

static void flip_every_bit(struct buffer *bytes)
{
    for (size_t bit = 0; bit < bytes->size * 8; bit++) {
        bytes->at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        once(bytes, bytes->size);
        bytes->at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buffer_done(bytes);
}

static void every_truncation_is_told_or_ends_between_events(void **state)
{
    (void)state;
    struct buffer bytes;
    all_events(&bytes);
    truncate_everywhere(&bytes);
}

static void every_truncation_is_told_or_ends_between_archives(void **state)
{
    (void)state;
    struct buffer bytes;
    all_archives(&bytes);
    truncate_everywhere(&bytes);
}

static void every_flipped_bit_of_events_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct buffer bytes;
        buffer_init(&bytes);
        wire_write_event(&bytes, &samples[i].event);
        wire_write_event(&bytes, &samples[(i + 1) % sample_count].event);
        flip_every_bit(&bytes);
    }
}

static void every_flipped_bit_of_archives_is_survived(void **state)
{
    (void)state;
    struct buffer bytes;
    all_archives(&bytes);
    flip_every_bit(&bytes);
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

static void damage_some(struct random *random, struct buffer *bytes)
{
    for (uint64_t n = 1 + random_below(random, 4); n > 0; n--) {
        damage(random, bytes);
    }
}

enum { SEEDS = 20000 };

static void random_damage_to_events_is_survived(void **state)
{
    (void)state;
    size_t with_events = 0;
    struct buffer chunk;
    buffer_init(&chunk);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random;
        random_seed(&random, seed);
        buffer_reset(&chunk);
        for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--) {
            wire_write_event(&chunk, &samples[random_below(&random, sample_count)].event);
        }
        damage_some(&random, &chunk);
        with_events += once(&chunk, chunk.size).events != 0 ? 1 : 0;
    }
    /* Were nearly all refused, or none, this would test little. */
    assert_in_range(with_events, SEEDS / 20, SEEDS * 19 / 20);
    buffer_done(&chunk);
}

/* One archive by itself, or several as in a file. */
static void random_damage_to_archives_is_survived(void **state)
{
    (void)state;
    size_t with_archives = 0;
    pd_error err;
    struct buffer bytes;
    buffer_init(&bytes);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random;
        random_seed(&random, seed);
        buffer_reset(&bytes);
        size_t i = (size_t)random_below(&random, archive_sample_count);
        if (random_below(&random, 2) == 0) {
            const struct archive *archive = &archive_samples[i].archive;
            assert_int_equal(wire_write_archive(&bytes, archive, &err), PD_OK);
        } else {
            for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--) {
                add_archive(&bytes, (i + (size_t)n) % archive_sample_count);
            }
        }
        damage_some(&random, &bytes);
        with_archives += once(&bytes, bytes.size).archives != 0 ? 1 : 0;
    }
    assert_in_range(with_archives, SEEDS / 20, SEEDS * 19 / 20);
    buffer_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_bytes_hold_what_was_written),
        cmocka_unit_test(every_truncation_is_told_or_ends_between_events),
        cmocka_unit_test(every_truncation_is_told_or_ends_between_archives),
        cmocka_unit_test(every_flipped_bit_of_events_is_survived),
        cmocka_unit_test(every_flipped_bit_of_archives_is_survived),
        cmocka_unit_test(random_damage_to_events_is_survived),
        cmocka_unit_test(random_damage_to_archives_is_survived),
    };
    return cmocka_run_group_tests_name("wire/damage", tests, NULL, NULL);
}
