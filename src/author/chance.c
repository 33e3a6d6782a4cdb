/* SPDX-License-Identifier: MIT
 *
 * Chance: random numbers and UUIDs that are the same at every replay.
 *
 * All of it is made from what EXECUTION_STARTED says: the instance and the execution under which
 * this history began. (A fork goes on from another one's history, and has to get the same.)
 *
 * UUIDs are those of the Durable Task SDKs: version 5 of RFC 4122, in their name space, of the name
 * "<instance>_<now>_<count>". SHA-1 is here for that, and because 60 lines are less than a library;
 * nothing secret rests on it. */
#include <stdio.h>

#include "author/author_priv.h"

enum { SHA1_BLOCK = 64, SHA1_SIZE = 20 };

struct chance {
    struct random random;
    uint64_t uuids;
};

/* ---- SHA-1 (FIPS 180-4) ---------------------------------------------------------------------- */

static uint32_t rotate_left(uint32_t x, unsigned by)
{
    return (x << by) | (x >> (32 - by));
}

static void sha1_round(uint32_t state[5], unsigned i, uint32_t word)
{
    static const uint32_t constants[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    uint32_t b = state[1], c = state[2], d = state[3], mixed = b ^ c ^ d;
    if (i < 20) {
        mixed = (b & c) | (~b & d);
    } else if (i >= 40 && i < 60) {
        mixed = (b & c) | (b & d) | (c & d);
    }
    uint32_t first = rotate_left(state[0], 5) + mixed + state[4] + constants[i / 20] + word;
    state[4] = d;
    state[3] = c;
    state[2] = rotate_left(b, 30);
    state[1] = state[0];
    state[0] = first;
}

static void sha1_block(uint32_t sums[5], const uint8_t block[SHA1_BLOCK])
{
    uint32_t words[80], state[5];
    for (size_t i = 0; i < 16; i++) {
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (size_t i = 16; i < 80; i++) {
        words[i] = rotate_left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    }
    memcpy(state, sums, sizeof state);
    for (unsigned i = 0; i < 80; i++) {
        sha1_round(state, i, words[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        sums[i] += state[i];
    }
}

static void sha1(const void *bytes, size_t size, uint8_t ret[SHA1_SIZE])
{
    uint32_t sums[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    const uint8_t *at = bytes;
    uint8_t last[2 * SHA1_BLOCK] = { 0 };
    size_t left = size;
    for (; left >= SHA1_BLOCK; left -= SHA1_BLOCK, at += SHA1_BLOCK) {
        sha1_block(sums, at);
    }
    memcpy(last, at, left);
    last[left] = 0x80;
    size_t end = left + 9 <= SHA1_BLOCK ? SHA1_BLOCK : 2 * SHA1_BLOCK;
    for (size_t i = 0; i < 8; i++) {
        last[end - 1 - i] = (uint8_t)((uint64_t)size * 8 >> (8 * i));
    }
    for (size_t done = 0; done < end; done += SHA1_BLOCK) {
        sha1_block(sums, last + done);
    }
    for (size_t i = 0; i < SHA1_SIZE; i++) {
        ret[i] = (uint8_t)(sums[i / 4] >> (24 - 8 * (i % 4)));
    }
}

/* ---- numbers --------------------------------------------------------------------------------- */

static struct text instance_of(const pd_orchestration *run)
{
    return run->about != NULL ? run->about->instance_id : text_of(run->instance_id);
}

static struct text execution_of(const pd_orchestration *run)
{
    return run->about != NULL ? run->about->execution_id : run->shard->turn->execution_id;
}

/* 64 bits that the text decides. Uses the scratch memory of the run. */
static uint64_t number_of(pd_orchestration *run, struct text first, struct text second)
{
    uint8_t sum[SHA1_SIZE];
    uint64_t number = 0;
    struct buffer *scratch = run->mem.scratch;
    buffer_reset(scratch);
    buffer_add_text(scratch, first);
    buffer_add_byte(scratch, '\n'); /* in no id */
    buffer_add_text(scratch, second);
    sha1(scratch->at, scratch->size, sum);
    for (size_t i = 0; i < 8; i++) {
        number = number << 8 | sum[i];
    }
    return number;
}

static struct chance *chance_of(pd_orchestration *run)
{
    if (run->chance == NULL) {
        run->chance = arena_alloc(&run->arena, sizeof *run->chance);
        random_seed(&run->chance->random, number_of(run, instance_of(run), execution_of(run)));
    }
    return run->chance;
}

double chance_of_step(pd_orchestration *run, int32_t step)
{
    char digits[16];
    int size = snprintf(digits, sizeof digits, "%d", (int)step);
    uint64_t number = number_of(run, execution_of(run), text_make(digits, (size_t)size));
    return (double)(number >> 11) / 9007199254740992.0; /* 53 bits, 2^53 */
}

uint64_t pd_random(pd_orchestration *o)
{
    run_check(o);
    return random_next(&chance_of(o)->random);
}

/* ---- UUIDs ----------------------------------------------------------------------------------- */

const char *pd_new_uuid(pd_orchestration *o)
{
    static const uint8_t name_space[16] = { 0x9e, 0x95, 0x29, 0x58, 0x5e, 0x33, 0x4d, 0xaf,
                                            0x82, 0x7f, 0x2f, 0xa1, 0x29, 0x37, 0xb8, 0x75 };
    char now[32];
    uint8_t sum[SHA1_SIZE];
    run_check(o);
    struct chance *chance = chance_of(o);
    struct buffer *name = o->mem.scratch;
    time_format(o->now, now);
    now[strlen(now) - 1] = '\0'; /* the Z, before which comes one digit more */
    buffer_reset(name);
    buffer_add(name, name_space, sizeof name_space);
    buffer_add_text(name, instance_of(o));
    buffer_printf(name, "_%s0Z_%llu", now, (unsigned long long)chance->uuids++);
    sha1(name->at, name->size, sum);
    sum[6] = (uint8_t)((sum[6] & 0x0f) | 0x50); /* version 5 */
    sum[8] = (uint8_t)((sum[8] & 0x3f) | 0x80); /* of RFC 4122 */
    char *uuid = arena_alloc(&o->arena, 37);
    for (size_t i = 0, at = 0; i < 16; i++) {
        at += (size_t)snprintf(uuid + at, 4,
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", sum[i]);
    }
    return uuid;
}
