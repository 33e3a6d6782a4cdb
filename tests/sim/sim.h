/* SPDX-License-Identifier: MIT
 *
 * One seed's simulation: what its files share.
 *
 *     driver.c    the moves, chosen at random: the process, its clock, its crashes
 *     flights.c   activities: those that wait, run, beat, pay, are told to stop, are too late
 *     away.c      turns that are elsewhere, and end later
 *     orders.c    what clients want of instances, made up
 *     calls.c     clients' commands and mail, and whether the answers are true
 *     wishes.c    what clients want of entities
 *     spy.c       what turns were given and asked for
 *     locks.c     who has locked which entities, as code sees it
 *     faulty.c    the store between them and store/mem: fails as told, tells the ledger
 *     ledger*.c   what has been committed, kept by other code than a store's; checks each commit
 *     residents.c core's memory against the ledger
 *     notices.c   what is announced, against what has become durable
 *     finish.c    no more faults: everything must come to its end
 *     outcome.c   what came of each execution, against the model
 *     replay.c    history must give the same again
 *
 *   V1  Everything comes from `random`: the same seed makes the same moves, and the same trace.
 *   V2  Only what the ledger has counts as durable. An answer, an activity, an ending that the
 *       ledger does not bear out is a finding. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <setjmp.h>

#include "base/base.h"
#include "core/core.h"
#include "engine/partition.h"
#include "ledger.h"
#include "play.h"
#include "program.h"
#include "spy.h"
#include "store/store.h"

enum { SIM_PARTITIONS_MAX = 4, SIM_IDS = 6 };

/* The moves of a seed are weighted at random, some of them never come up: so that some seeds see
 * nothing but crashes, and some never any. */
#define MOVE_MAP(X)   \
    X(START, 8)       \
    X(RAISE, 8)       \
    X(ORDER, 6)       \
    X(TIMEOUT, 3)     \
    X(MAIL, 4)        \
    X(WISH, 8)        \
    X(RUN, 16)        \
    X(CUT, 12)        \
    X(COMMIT, 14)     \
    X(HEAR, 14)       \
    X(ACTIVITY, 16)   \
    X(DELIVER, 10)    \
    X(AWAY, 14)       \
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

/* A claim of a transactional activity (P7). */
struct sim_claim {
    struct command command;
    pd_error error;
    struct latch latch;
};

/* An activity that somebody runs, or has run. */
struct sim_flight {
    struct activity *activity; /* NULL: the result is in `done` */
    struct command *done;
    struct sim_claim *claim; /* it wants to pay, and has asked */
    bool is_unwanted;        /* its run was told so */
};

struct call;
struct away;

/* What a client wants of an instance. */
struct order {
    struct letter letter;
    struct event event;
    struct event_extra extra;
    unsigned partition;
    int64_t number;           /* of a raise */
    struct ledger_deed *deed; /* for an entity: what is to be done, or taken back */
};

/* One that was accepted into a mailbox. */
struct sent {
    struct sent *next;
    const struct order *order;
    uint64_t asked; /* how many commits there were */
};

/* A history that was sent to be adopted. */
struct fork {
    size_t turns;
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
    bool keeps_empty; /* entities without state */
    bool has_away;    /* some turns are elsewhere */
    bool is_announcing;
    struct announcer announcer;

    struct store *inner; /* store/mem */
    struct store faulty;
    struct runner *author;
    struct sim_user user;
    struct ledger ledger;
    struct slot slots[SIM_PARTITIONS_MAX];
    struct sim_flight *flights;
    size_t flight_count, flight_room;
    struct map paid; /* keys of activities that have paid */
    struct spy spy;
    bool has_picky_workers, is_picky; /* the process that runs now leaves what is newer */
    struct map forks;                 /* by execution id */
    struct map stops;                 /* orders to terminate, by their text */
    struct map killable;              /* ids that somebody wants to replace while they live */
    struct map disturbed;             /* ids of which the model knows nothing any more */

    bool is_faulty; /* faults may happen now */
    unsigned late_rewinds;
    uint64_t mended;   /* user.is_mended: since which commit */
    uint64_t troubles; /* faults, crashes, resets so far: what else may excuse an error */
    enum commit_plan plan;

    struct away *away;                  /* away.c: the newest first */
    struct held_section *held_sections; /* locks.c */
    struct call *calls;                 /* not answered yet */
    int64_t raise_number, mail_number, order_number, wish_number;
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

/* notices.c: core's announcer. */
bool notices_write(void *argument, const struct announcement *it, struct buffer *json);

/* faulty.c */
void faulty_open(struct sim *sim);

/* The upper part of the numbers with which an execution sends events. */
uint64_t sim_sender_of(struct text execution_id);
/* Takes the place of what was there; the key is kept. */
void sim_put(struct map *map, struct text key, void *value);
/* From now on the model knows nothing of this instance. */
void sim_disturb(struct sim *sim, struct text id);

/* driver.c */
void driver_begin(struct sim *sim);
void driver_move(struct sim *sim);
void driver_end(struct sim *sim);
void driver_restart(struct sim *sim, bool may_be_picky);
bool driver_settle(struct sim *sim, unsigned i); /* cut, commit, hear: true; false: nothing to */
bool driver_up(struct sim *sim, unsigned i);     /* begins the partition if it is not there */
bool driver_is_down(const struct slot *slot);
void driver_tell_of_mail(struct sim *sim, unsigned i);

/* flights.c */
void flights_add(struct sim *sim, struct activity *activity);
void flights_cancel(struct sim *sim, const struct cancellation *cancellation);
bool flights_run(struct sim *sim, size_t at); /* true: its result is to be delivered */
void flights_deliver(struct sim *sim, size_t at);
void flights_time_out(struct sim *sim);
void flights_move(struct sim *sim, bool has_run);
void flights_lose(struct sim *sim, bool all); /* the process has died */
bool sim_has_paid(struct sim *sim, struct text execution_id, int32_t step);

/* away.c */
bool away_takes(struct sim *sim);
void away_take_turn(struct sim *sim, const struct turn *turn, const struct turn_result *result);
void away_take_batch(struct sim *sim, const struct turn *turn, const struct entity_result *result);
void away_forget(struct sim *sim, unsigned partition, uint64_t row); /* 0: all of it */
void away_move(struct sim *sim);
bool away_end_all(struct sim *sim); /* true: there were some */

/* orders.c */
struct order *orders_raise(struct sim *sim, struct text id, int64_t sender);
struct order *orders_start(struct sim *sim);
struct order *orders_for(struct sim *sim, struct text id, enum message_kind kind);
/* Of any kind but start and raise, for an instance that may know what to do with it. NULL: no. */
struct order *orders_some(struct sim *sim);
struct text orders_some_id(struct sim *sim);
/* Has it taken effect, or can it not any more? */
bool orders_are_done(struct sim *sim, const struct order *order, uint64_t asked);

/* wishes.c */
struct order *wishes_some(struct sim *sim, int64_t sender); /* NULL: none comes to mind */
bool wishes_are_done(struct sim *sim, const struct order *order);
/* What a client was told of it, or that a mailbox has accepted it. */
void wishes_answered(struct sim *sim, const struct order *order, uint64_t asked, pd_status status);
void wishes_accepted(struct sim *sim, const struct order *order, pd_status status);
struct text wishes_call_input(struct sim *sim); /* of an instance of perdure.call */

/* locks.c */
void locks_see_turn(struct sim *sim, const struct turn *turn, const struct turn_result *result);
void locks_see_run(struct sim *sim, const struct turn *turn, size_t count);
void locks_reset(struct sim *sim, unsigned partition);

/* calls.c */
void calls_start(struct sim *sim);
void calls_tell(struct sim *sim, struct order *order);
void calls_mail(struct sim *sim);
void calls_look(struct sim *sim);       /* checks those that were answered */
void calls_check_mail(struct sim *sim); /* mailboxes are empty: every message took effect */
void calls_lost(struct sim *sim);       /* their process is gone: no answer counts any more */

/* residents.c */
void residents_look(struct sim *sim);
/* A parent that has failed, of a child whose end is not durable yet; NULL: none. */
const struct ledger_row *residents_parent_of_ended(struct sim *sim);
bool residents_are_doubtful(const struct slot *slot); /* about to begin again */
bool residents_wait_for_store(const struct sim *sim); /* after a fault, in some partition */

/* finish.c */
void finish(struct sim *sim);

/* outcome.c */
void outcome_check(struct sim *sim, const struct ledger_row *row);

/* replay.c */
void replay_all(struct sim *sim);

#endif
