/* SPDX-License-Identifier: MIT
 *
 * Random programs: what an orchestrator of the simulator does, as data made from a seed.
 *
 * The seed comes with the instance's input. program_make turns it into a list of operations, the
 * orchestrator in play.c carries them out with the public calls, and program_expect works out what
 * must come of it without any of that: no engine, no author, no JSON.
 *
 * A program has one or more rounds, each an execution of its own (continue as new) with operations
 * of its own; what was seen so far travels in the input. A program may have children, which are
 * programs themselves.
 *
 *   G1  Which operations follow does not depend on what was observed, unless is_racy; so of all
 *       others the ending and the checksum `sure` are known before the program has run, but for the
 *       payloads of events, which are those raised, name by name, in the order of history.
 *   G2  Every program ends once its events have been raised, its activities answered, and its
 *       timers fired.
 *   G3  Children wait for no events and are not racy: so of them everything is known. */
#ifndef SIM_PROGRAM_H
#define SIM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAN_MAX = 12, OPS_MAX = 10, SIM_NAMES = 3, FOLLOW_MAX = 2, DEPTH_MAX = 2, CHANGES = 3 };

/* Entities: boxes are one function, accounts a table, the stranger has none. */
enum { SIM_BOXES = 3, SIM_ACCOUNTS = 4, SIM_STRANGER = SIM_BOXES + SIM_ACCOUNTS, SIM_ENTITIES };
enum { SET_MAX = 4, HOPS_MAX = 2 };

struct sim_entity {
    const char *name, *alias, *key; /* the alias is the name to whoever does not mind the case */
    const char *id;
};
extern const struct sim_entity sim_entities[SIM_ENTITIES];

static inline bool sim_is_box(unsigned entity)
{
    return entity < SIM_BOXES;
}

static inline bool sim_is_account(unsigned entity)
{
    return entity >= SIM_BOXES && entity < SIM_STRANGER;
}

/*    deed      name      alias */
#define DEED_MAP(X)               \
    X(ADD, "add", "Add")          \
    X(TELL, "tell", "TELL")       \
    X(START, "start", "stArt")    \
    X(DELETE, "delete", "Delete") \
    X(LOOK, "look", "LOOK")       \
    X(GET, "get", "GET")          \
    X(TAKE, "take", "Take")       \
    X(GIVE, "give", "Give")       \
    X(NOPE, "nope", "Nope")

enum deed {
#define X(deed, name, alias) DEED_##deed,
    DEED_MAP(X)
#undef X
        DEED_COUNT,
};
extern const char *const sim_deeds[DEED_COUNT], *const sim_deed_aliases[DEED_COUNT];

enum how { HOW_WELL, HOW_FAIL, HOW_LEAVE }; /* fail: having done everything; leave: likewise */

/* What is asked of an entity. */
struct errand {
    unsigned entity;
    enum deed deed;
    enum how how;
    int64_t value;    /* it answers that; an amount of money */
    unsigned to;      /* TELL: whom */
    unsigned hops;    /* likewise: tells on so often */
    int64_t delay_ms; /* likewise: after so long. What is first told has it apart */
};

/* Expected under the one name, raised under the other. */
extern const char *const sim_event_names[SIM_NAMES];
extern const char *const sim_event_aliases[SIM_NAMES];

enum leaf_kind { LEAF_ACTIVITY, LEAF_TIMER, LEAF_EVENT, LEAF_CHILD, LEAF_ENTITY };

/* When it is tried again; attempts_max 0: never. */
struct policy {
    int attempts_max;
    int refused_from; /* `handles` says no from this attempt on; 0: it always says yes */
    int64_t delay_ms;
    double backoff, jitter;
};

/* One thing that is waited for. */
struct leaf {
    enum leaf_kind kind;
    bool fails, is_final, is_unknown, has_version, pays; /* of an activity */
    bool has_limits;                                     /* of time: racy */
    int failures;         /* so many attempts fail before one does not */
    struct policy retry;  /* of an activity or child */
    int64_t number;       /* of an activity: decides its result */
    int64_t delay_ms;     /* of a timer */
    unsigned name;        /* of an event */
    uint64_t seed;        /* of a child */
    bool is_named;        /* a child with an id of its own choice: one that others use, when racy */
    bool is_cancelled;    /* given up at once, when racy perhaps later */
    unsigned follow;      /* activities that follow its end, one after another */
    struct errand errand; /* of an entity: called, or signalled where that is all that is allowed */
};

enum join {
    JOIN_ALL,       /* wait_all, look at each */
    JOIN_AWAIT_ALL, /* await_all; nothing in it fails */
    JOIN_ANY,       /* wait_any until none is left; each end may start an activity */
    JOIN_ORDER,     /* wait for each, in some other order */
    JOIN_LATER,     /* wait_any once; the rest is left for OP_COLLECT */
};

enum op_kind {
    OP_FAN,       /* start all leaves, then join */
    OP_CALL,      /* one leaf: call, or start and wait */
    OP_NOW,       /* look at the time */
    OP_COLLECT,   /* wait for everything that was left */
    OP_SAY,       /* the custom status */
    OP_CHANGED,   /* pd_changed */
    OP_CHANCE,    /* pd_random and pd_new_uuid */
    OP_SEND,      /* an event, to itself or another */
    OP_EVENT_FOR, /* an event, with a limit of time: racy */
    OP_SIGNAL,    /* to the entity of leaves[0], perhaps later, perhaps cancelled */
    OP_LOCKED,    /* a critical section, with the leaves inside */
};

enum receiver { SEND_SELF, SEND_SHARED, SEND_PARENT };

struct op {
    enum op_kind kind;
    enum join join;
    enum receiver receiver;
    unsigned number; /* of a change; of whom an event is for; of an event's name */
    size_t count;
    struct leaf leaves[FAN_MAX];
    uint8_t order[FAN_MAX];
    unsigned set[SET_MAX]; /* of entities; some may be in it twice */
    size_t set_count;
    bool is_transfer; /* of money, from the first to the second */
};

enum ending_kind {
    ENDS_WELL,
    ENDS_WITH_FAIL,    /* pd_fail */
    ENDS_WITH_RAISE,   /* pd_raise */
    ENDS_BY_AWAIT,     /* pd_await of an activity that fails, until it is mended */
    ENDS_BY_AWAIT_ALL, /* pd_await_all of some, of which those in `failing` fail */
    ENDS_BY_CHILD,     /* the same, by a child */
    ENDS_BY_MISUSE,    /* of a critical section */
    CONTINUES,         /* as new: the next round */
};

enum misuse { MISUSE_SECTION, MISUSE_CHILD, MISUSE_CALL, MISUSE_SIGNAL, MISUSE_TWICE, MISUSES };

enum { AWAIT_ALL_COUNT = 4 };

struct program {
    bool is_racy;
    size_t op_count;
    struct op ops[OPS_MAX];
    bool litters_first, litters_last; /* asks for things that it does not wait for */
    bool has_version;                 /* of the next round */
    bool drops_events;                /* on the way to it: racy */
    enum ending_kind ending;
    unsigned failing;
    bool ends_locked; /* all that is the ending is inside `section` */
    enum misuse misuse;
    struct op section;
    struct policy retry; /* of what is awaited in the end */
    int64_t number;      /* in the ending's message */
};

/* Where a program stands: what its input says. */
struct position {
    uint64_t seed;
    unsigned depth; /* 0: nobody's child */
    unsigned round;
    uint64_t sure, sum; /* so far */
};

/* From the JSON of an input; false: it is none. */
bool position_read(const char *input, struct position *ret);

void program_make(struct program *program, const struct position *position);

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

/* Of what an entity asks for when it does what has the number n. */
int64_t sim_number_after(int64_t n, uint64_t which);

/* What the activity of this number answers; the same as hash_value of work.c gives for it. */
uint64_t hash_answer(int64_t number);
uint64_t hash_failure(const char *type, int64_t number);
uint64_t hash_child(uint64_t sure);                   /* of one that completed */
uint64_t hash_raised(int64_t sender, int64_t number); /* the payload {"from":..,"n":..} */

/* ---- what must come of it ---- */

/* Events of one name in the order of history. */
struct raised {
    const uint64_t *hashes;
    size_t count;
};

/* What history says was asked for. */
struct asked {
    size_t tasks, timers, children, cancels, sends, changes;
    size_t calls, signals, takings_back, locks;
};

struct expectation {
    bool is_possible; /* false: fewer events were raised than it must have seen */
    enum ending_kind ending;
    uint64_t sure, sure_mended; /* mended: it was rewound, and what it awaits does not fail */
    size_t taken[SIM_NAMES];    /* events */
    bool is_complete;           /* nothing was left unfinished: then exactly this was asked for */
    struct asked asked;
};

void program_expect(const struct program *program, const struct position *position,
                    const struct raised raised[SIM_NAMES], struct expectation *ret);

#endif
