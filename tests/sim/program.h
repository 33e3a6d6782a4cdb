/* SPDX-License-Identifier: MIT
 *
 * Random programs: what an orchestrator of the simulator does, as data made from a seed.
 *
 * The seed comes with the instance's input. program_make turns it into a list of operations, the
 * orchestrator in play.c carries them out with the public calls, and program_expect works out what
 * must come of it without any of that: no engine, no author, no JSON.
 *
 *   G1  Which operations follow does not depend on what was observed, unless is_racy; so of all
 *       others the ending and the checksum `sure` are known before the program has run, but for the
 *       payloads of events, which are those raised, name by name, in the order of history.
 *   G2  Every program ends once its events have been raised, its activities answered, and its
 *       timers fired. */
#ifndef SIM_PROGRAM_H
#define SIM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAN_MAX = 12, OPS_MAX = 10, SIM_NAMES = 3, FOLLOW_MAX = 2 };

/* Expected under the one name, raised under the other. */
extern const char *const sim_event_names[SIM_NAMES];
extern const char *const sim_event_aliases[SIM_NAMES];

enum leaf_kind { LEAF_ACTIVITY, LEAF_TIMER, LEAF_EVENT };

/* One thing that is waited for. */
struct leaf {
    enum leaf_kind kind;
    bool fails, is_unknown, has_version; /* of an activity */
    int64_t number;                      /* of an activity: decides its result */
    int64_t delay_ms;                    /* of a timer */
    unsigned name;                       /* of an event */
    unsigned follow;                     /* activities that follow its end, one after another */
};

enum join {
    JOIN_ALL,       /* wait_all, look at each */
    JOIN_AWAIT_ALL, /* await_all; nothing in it fails */
    JOIN_ANY,       /* wait_any until none is left; each end may start an activity */
    JOIN_ORDER,     /* wait for each, in some other order */
    JOIN_LATER,     /* wait_any once; the rest is left for OP_COLLECT */
};

enum op_kind {
    OP_FAN,     /* start all leaves, then join */
    OP_CALL,    /* one leaf: call, or start and wait */
    OP_NOW,     /* look at the time */
    OP_COLLECT, /* wait for everything that was left */
};

struct op {
    enum op_kind kind;
    enum join join;
    size_t count;
    struct leaf leaves[FAN_MAX];
    uint8_t order[FAN_MAX];
};

enum ending_kind {
    ENDS_WELL,
    ENDS_WITH_FAIL,  /* pd_fail */
    ENDS_WITH_RAISE, /* pd_raise */
    ENDS_BY_AWAIT,   /* pd_await of an activity that fails */
};

struct program {
    bool is_racy;
    size_t op_count;
    struct op ops[OPS_MAX];
    enum ending_kind ending;
    int64_t number; /* in the ending's message */
};

void program_make(struct program *program, uint64_t seed);

/* ---- checksums ---- */

uint64_t hash_mix(uint64_t hash, uint64_t value);
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size);

uint64_t hash_null(void);
uint64_t hash_bool(bool value);
uint64_t hash_int(int64_t value);
uint64_t hash_real(double value);
uint64_t hash_text(const char *text);
/* Of an array or object: begin, add the items' (or each key's text and value's), end. */
uint64_t hash_many(uint64_t kind, size_t count);

/* What the activity of this number answers; the same as hash_value of play.c gives for it. */
uint64_t hash_answer(int64_t number);
uint64_t hash_failure(const char *type, int64_t number);
uint64_t hash_raised(int64_t sender, int64_t number); /* the payload {"from":..,"n":..} */

/* ---- what must come of it ---- */

/* Events of one name in the order of history. */
struct raised {
    const uint64_t *hashes;
    size_t count;
};

struct expectation {
    bool is_possible; /* false: fewer events were raised than it must have seen */
    enum ending_kind ending;
    uint64_t sure;
};

void program_expect(const struct program *program, const struct raised raised[SIM_NAMES],
                    struct expectation *ret);

#endif
