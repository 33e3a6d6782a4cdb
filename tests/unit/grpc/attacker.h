/* SPDX-License-Identifier: MIT
 *
 * A peer that writes what frames it likes: a socket, and bytes. Headers are written as literals, so
 * that no compressor is in the way. */
#ifndef TESTS_UNIT_GRPC_ATTACKER_H
#define TESTS_UNIT_GRPC_ATTACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8,
    CONTINUATION = 9,
    END_STREAM = 1,
    END_HEADERS = 4,
    NO_ERROR_CODE = 0,
    ENHANCE_YOUR_CALM = 11,
};

struct attacker {
    int fd;
    uint8_t heard[1 << 16]; /* the end of what the server said */
    size_t heard_size;
};

void attack(struct attacker *attacker, unsigned port);       /* connects, nothing more */
void attack_hello(struct attacker *attacker, unsigned port); /* and says the preface, SETTINGS */
void attack_end(struct attacker *attacker);
/* False: the server does not take any more. */
bool say(struct attacker *attacker, const void *bytes, size_t size);
bool say_frame(struct attacker *attacker, unsigned type, unsigned flags, uint32_t stream,
               const void *payload, size_t size);
/* A block of headers for a call of a path; `more` bytes of x-more. Returns its size. */
size_t block_of(uint8_t *room, const char *path, size_t more);
size_t block_add(uint8_t *at, const char *name, const char *value, size_t value_size);
bool say_call(struct attacker *attacker, uint32_t stream, const char *path, unsigned flags);
bool say_message(struct attacker *attacker, uint32_t stream, const char *text);
void hear(struct attacker *attacker, int ms);                      /* what comes in this time */
bool hear_frame(struct attacker *attacker, unsigned type, int ms); /* ... until it is such a one */
/* Reads until the server hangs up; false: it did not in time. */
bool is_hung_up_on(struct attacker *attacker, int ms);
/* The error of the GOAWAY, of the RST_STREAM of a stream, that was heard; -1: none. */
int heard_goaway(const struct attacker *attacker);
int heard_reset(const struct attacker *attacker, uint32_t stream);
size_t heard_frames(const struct attacker *attacker, unsigned type);

#endif
