/* SPDX-License-Identifier: MIT
 *
 * What stands around the entity of one schedule, "k": a clock, its state, its signals for later, of
 * which one that is cancelled may be on its way already, and what it starts. */
#ifndef TESTS_AUTHOR_SCHEDULE_STAGE_H
#define TESTS_AUTHOR_SCHEDULE_STAGE_H

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "play.h"

enum { STARTS = 20000, SIGNALS = 64 };

typedef char start_id[64];

struct starts {
    start_id ids[STARTS];
    bool are_watched[STARTS]; /* by a perdure.run, which tells of the end */
    int count;
};

struct signal {
    long long at;
    char id[64], op[16], payload[64];
};

struct stage {
    struct random random;
    struct runner *runner;
    long long now;        /* milliseconds */
    struct buffer state;  /* JSON, a NUL behind it; of size 0: none */
    long long generation; /* of the last signal */
    struct signal signals[SIGNALS];
    int signal_count;
};

void stage_begin(struct stage *stage, uint64_t seed);
void stage_end(struct stage *stage);

/* An operation; nothing of it is committed. NULL, or the failure's type. */
const char *stage_run(struct stage *stage, const char *op, const char *payload, struct arena *arena,
                      struct entity_result *result);
/* Adds to *got what it has started. */
void stage_commit(struct stage *stage, const struct entity_result *result, struct starts *got);
/* Both. */
const char *stage_do(struct stage *stage, const char *op, const char *payload, struct starts *got);

/* Takes a signal whose time has come. False: there is none. */
bool stage_take_due(struct stage *stage, struct signal *ret);
/* Does what is due, until nothing is; how many there were. */
int stage_go_on(struct stage *stage, struct starts *got);

void stage_set_state(struct stage *stage, const char *json);
bool stage_has(const struct stage *stage, const char *part); /* of its state */

#endif
