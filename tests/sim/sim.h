/* SPDX-License-Identifier: MIT
 *
 * One seed's simulation: what its files share.
 *
 *     driver.c    the moves, chosen at random: the process, its clients, its clock, its crashes
 *     calls.c     clients' commands, and whether the answers are true
 *     faulty.c    the store between them and store/mem: fails as told, tells the ledger
 *     ledger.c    what has been committed, kept by other code than a store's; checks each commit
 *     residents.c core's memory against the ledger
 *     finish.c    no more faults: everything must come to its end
 *     replay.c    history must give the same again
 *
 *   V1  Everything comes from `random`: the same seed makes the same moves, and the same trace.
 *   V2  Only what the ledger has counts as durable. An answer, an activity, an ending that the
 *       ledger does not bear out is a finding. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <setjmp.h>

#include "base/base.h"
#include "engine/partition.h"
#include "ledger.h"
#include "program.h"
#include "store/store.h"

enum { SIM_PARTITIONS_MAX = 4, SIM_IDS = 6 };

/* The moves of a seed are weighted at random, some of them never come up: so that some seeds see
 * nothing but crashes, and some never any. */
#define MOVE_MAP(X)   \
    X(START, 8)       \
    X(RAISE, 8)       \
    X(MAIL, 4)        \
    X(RUN, 16)        \
    X(CUT, 12)        \
    X(COMMIT, 14)     \
    X(HEAR, 14)       \
    X(ACTIVITY, 16)   \
    X(DELIVER, 10)    \
    X(TIME_LITTLE, 6) \
    X(TIME_WAKE, 6)   \
    X(TIME_LOT, 2)    \
    X(EVICT, 4)       \
    X(HOLD, 2)        \
    X(CRASH, 1)       \
    X(LOOK, 4)

enum move {
#define X(name, weight) MOVE_##name,
    MOVE_MAP(X)
#undef X
        MOVE_COUNT,
};

/* How the next commit of the store goes. */
enum commit_plan {
    COMMIT_WELL,
    COMMIT_FAILS,     /* nothing is applied */
    COMMIT_LIES,      /* applied, but reported as failed */
    COMMIT_DIES,      /* the process crashes before it */
    COMMIT_THEN_DIES, /* and after it, before anybody hears */
};

/* A partition of the process that runs now. */
struct slot {
    struct partition *partition; /* NULL: not up yet */
    struct work *work;           /* cut and not heard of */
    bool is_released;            /* its commit has returned; activities and answers are out */
    bool is_held;
};

/* An activity that somebody runs, or has run. */
struct sim_flight {
    struct activity *activity; /* NULL: the result is in `done` */
    struct command *done;
};

struct call;

/* A message that was accepted into a mailbox. */
struct sent {
    struct sent *next;
    bool is_start;
    struct text id, execution_id;
    int64_t number;
    uint64_t asked; /* how many commits there were */
};

struct sim {
    uint64_t seed, trace;
    bool is_traced;
    struct random random;
    time_us now;
    unsigned steps;

    unsigned weights[MOVE_COUNT];
    unsigned commit_weights[COMMIT_THEN_DIES + 1];
    unsigned partition_count;
    size_t residents_max, orchestrations_max, slice_max;
    bool is_drop_mode, has_load_faults, has_clock_steps, has_late_results;

    struct store *inner; /* store/mem */
    struct store faulty;
    struct runner *author;
    unsigned runs; /* of activities */
    struct ledger ledger;
    struct slot slots[SIM_PARTITIONS_MAX];
    struct sim_flight *flights;
    size_t flight_count, flight_room;

    bool is_faulty;    /* faults may happen now */
    uint64_t troubles; /* faults, crashes, resets so far: what else may excuse an error */
    enum commit_plan plan;

    struct call *calls; /* not answered yet */
    int64_t raise_number, mail_number;
    uint64_t id_number;
    struct sent *sent;
    struct arena arena; /* everything of this seed that need not be given back */
    jmp_buf failed;
    char finding[600];
};

/* Ends the seed with a finding. */
_Noreturn __attribute__((format(printf, 2, 3))) void sim_fail(struct sim *sim, const char *format,
                                                              ...);
__attribute__((format(printf, 2, 3))) void sim_trace(struct sim *sim, const char *format, ...);

#define sim_check(sim, x, ...)          \
    do {                                \
        if (!(x)) {                     \
            sim_fail(sim, __VA_ARGS__); \
        }                               \
    } while (0)

bool sim_chance(struct sim *sim, uint64_t numerator, uint64_t denominator);
uint64_t sim_below(struct sim *sim, uint64_t n);

/* test_sim.c calls these; false: a finding, in sim->finding. */
bool sim_run(struct sim *sim, uint64_t seed, bool is_traced);

/* faulty.c */
void faulty_open(struct sim *sim);

/* driver.c */
void driver_begin(struct sim *sim);
void driver_move(struct sim *sim);
void driver_end(struct sim *sim);
bool driver_settle(struct sim *sim, unsigned i); /* cut, commit, hear: true; false: nothing to */
bool driver_up(struct sim *sim, unsigned i);     /* begins the partition if it is not there */
void driver_run_flight(struct sim *sim, size_t at);
void driver_deliver(struct sim *sim, size_t at);
bool driver_is_down(const struct slot *slot);

/* calls.c */
void calls_start(struct sim *sim);
void calls_raise(struct sim *sim, struct text id);
void calls_mail(struct sim *sim);
void calls_look(struct sim *sim);       /* checks those that were answered */
void calls_check_mail(struct sim *sim); /* mailboxes are empty: every message took effect */
void calls_lost(struct sim *sim);       /* their process is gone: no answer counts any more */
struct text calls_some_id(struct sim *sim);

/* residents.c */
void residents_look(struct sim *sim);
bool residents_wait_for_store(const struct sim *sim); /* after a fault, in some partition */

/* finish.c */
void finish(struct sim *sim);

/* replay.c */
void replay_all(struct sim *sim);

#endif
