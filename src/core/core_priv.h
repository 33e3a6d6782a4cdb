/* SPDX-License-Identifier: MIT
 *
 * What the files of core share: the partition, a resident instance, and the calls between them.
 *
 * Where a resident instance is, as far as durability goes, is which list its `durability` node is
 * in; it is in one of them or in none:
 *
 *   P1  in `touched`: the open batch says, or will say at the cut, something about it.
 *   P2  in a flight's list: its last mutation is in that batch, which was cut and is not committed.
 *   P3  in `idle` (it is busy: an activity will answer) or `asleep` (only time or an event can
 *       wake it): all of it is durable and it waits for nothing of ours; core_evict may let it go.
 *   P4  in none: all of it is durable, but it has an open turn or waits for one.
 *
 * Its place in line for a turn is the `waiting` node: in `ready`, in `postponed`, or in none. */
#ifndef CORE_CORE_PRIV_H
#define CORE_CORE_PRIV_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/shelf.h"
#include "base/time.h"
#include "core/core.h"

/* ---- open steps: steps.c ---- */

enum step_kind {
    STEP_DEAD, /* completed; kept until enough of them are squeezed out together */
    STEP_TASK,
    STEP_TIMER,
};

struct step {
    int32_t id;
    enum step_kind kind;
    time_us due; /* STEP_TIMER */
};

enum { STEPS_INLINE = 4 };

/* Ascending by id. Most instances have a few open steps at a time: those need no heap. */
struct steps {
    uint32_t used, room; /* entries; dead ones among the used */
    uint32_t dead;
    uint32_t tasks;    /* living ones that are STEP_TASK */
    struct step *many; /* NULL: they are in `few` */
    struct step few[STEPS_INLINE];
};

void steps_init(struct steps *steps);
void steps_done(struct steps *steps); /* empty again */
void steps_open(struct steps *steps, struct step step);
bool steps_find(const struct steps *steps, int32_t id, enum step_kind kind, struct step *ret);
bool steps_close(struct steps *steps, int32_t id, enum step_kind kind, struct step *ret);

static inline const struct step *steps_at(const struct steps *steps)
{
    return steps->many != NULL ? steps->many : steps->few;
}

static inline uint32_t steps_count(const struct steps *steps)
{
    return steps->used - steps->dead;
}

/* ---- events that no turn has consumed: waiting.c ---- */

/* One block with all the text of its event. */
struct waiting_event {
    struct waiting_event *next;
    uint64_t arrival; /* its number in the inbox; 0: no batch has recorded it */
    size_t size;      /* of the block */
    struct event event;
};

struct waiting_events {
    struct waiting_event *first, *last;
    size_t count;
    struct waiting_event *unrecorded; /* the first with arrival 0; all behind it have none either */
};

/* NULL: no memory. The second where nobody can be told: ends the process instead. */
struct waiting_event *waiting_event_new(struct shelf *shelf, const struct event *event);
struct waiting_event *waiting_event_must(struct shelf *shelf, const struct event *event);
void waiting_events_add(struct waiting_events *events, struct waiting_event *event);
/* Frees the first n; the last arrival number among them, 0: none was in the inbox. */
uint64_t waiting_events_drop(struct shelf *shelf, struct waiting_events *events, size_t n);

/* ---- the state machine of an instance: instance.c ---- */

/*    from      event      to         does   */
#define INSTANCE_TRANSITIONS(T)             \
    T(PENDING, STARTED, RUNNING, begin)     \
    T(RUNNING, COMPLETED, COMPLETED, leave) \
    T(RUNNING, FAILED, FAILED, leave)

enum instance_event {
    INSTANCE_STARTED,   /* its first turn has been taken */
    INSTANCE_COMPLETED, /* its function returned */
    INSTANCE_FAILED,    /* its function failed */
};

enum instance_transition {
#define T(from, event, to, does) TRANSITION_##from##_##event,
    INSTANCE_TRANSITIONS(T)
#undef T
        TRANSITION_COUNT,
};

struct turn_slot;

struct instance {
    uint32_t magic;
    enum run_state state;
    enum run_state stored_state; /* as the batches cut so far leave it in the store */
    bool stored_busy;
    bool is_postponed;
    bool is_asleep;   /* in that list */
    bool is_replaced; /* ended, and another has its id: known by its row only */
    uint64_t row;
    uint64_t turn_count;   /* turns that have ended */
    uint64_t turn_batch;   /* the batch that holds the last of them; 0: it came from the store */
    uint64_t arrival_last; /* highest number given in the inbox */
    time_us last_at;       /* of the last event made (C6) */
    time_us created_at, ended_at;
    struct waiting_events events;   /* those of the open turn included, at the front */
    struct turn_slot *turn;         /* open; NULL: none */
    struct instance_record *insert; /* of the open batch, filled in at the cut; NULL: none */
    struct text output, failure;    /* in the open batch's arena, from the end to the cut */
    struct list_node durability;
    struct list_node waiting;
    struct steps steps;
    struct text id, execution_id; /* in the same block */
};

struct instance *instance_new(uint64_t row, struct text id, struct text execution_id); /* or NULL */
void instance_free(struct shelf *waiting, struct instance *instance);
void instance_expect(const struct instance *instance);  /* into the caches: soon needed */
void instance_check(const struct instance *instance);   /* what must hold between commands */
bool instance_is_busy(const struct instance *instance); /* C4 */
bool instance_transition_find(enum run_state from, enum instance_event event,
                              enum instance_transition *ret);
void instance_apply(struct core *core, struct instance *instance, enum instance_event event);

/* The time of the next event of the instance (C6). */
static inline time_us instance_tick(struct instance *instance, time_us now)
{
    time_us after = time_add(instance->last_at, 1);
    return instance->last_at = now > after ? now : after;
}

/* ---- turns: turn.c ---- */

/* An open turn, or memory for one: slots are used again. */
struct turn_slot {
    struct turn turn;
    struct instance *instance;
    struct event *events;
    size_t events_room;
    struct turn_slot *next; /* free ones */
};

void turn_slot_free(struct turn_slot *slot);

/* Puts an instance that has events and no open turn in line for one. Does nothing otherwise. */
void turn_want(struct core *core, struct instance *instance);
/* Gives back the slot of an open turn. */
void turn_close(struct core *core, struct instance *instance);

/* ---- timers: timers.c ---- */

/* A timer beyond the horizon whose batch is not committed: no store knows it yet. */
struct far_timer {
    uint64_t batch, order, row;
    time_us due;
    int32_t id;
};

struct timer_window {
    struct heap heap; /* key due, a row, b step */
    time_us horizon;
    uint64_t added;        /* orders given to those from the store */
    uint64_t set;          /* and to those set here */
    struct far_timer *far; /* in the order they were set */
    size_t far_first, far_used, far_room;
};

void timers_init(struct timer_window *window);
void timers_done(struct timer_window *window);
void timers_set(struct core *core, struct instance *instance, int32_t id, time_us due);
void timers_committed(struct timer_window *window, uint64_t batch);

/* ---- the partition: core.c ---- */

/* A batch that was cut and is not committed, and those whose last mutation is in it. */
struct flight {
    struct flight *next;
    uint64_t number;
    struct list instances;
};

struct core {
    uint32_t magic;
    unsigned partition, partition_count;
    uint64_t epoch;
    uint64_t row_next;
    const struct codec *codec;
    size_t activity_room;
    struct map by_id; /* the key is the instance's own id */
    struct map64 by_row;
    struct shelf activities, waiting;  /* blocks to be used again */
    struct batch *spare;               /* NULL, or one to be used again */
    struct batch *open;                /* NULL: nothing has happened since the last cut */
    uint64_t batch_number;             /* of the open batch, or of the next one */
    uint64_t batch_committed;          /* the last that is durable */
    struct list touched, idle, asleep; /* P1, P3 */
    size_t asleep_count;
    struct flight *flight_first, **flight_last; /* P2: oldest first */
    struct list ready, postponed;
    struct turn_slot *slots; /* free ones */
    struct timer_window timers;
    struct buffer scratch; /* for encoding */
    uint64_t received;     /* mailbox position to be recorded; 0: none */
    bool has_redispatched; /* the open batch has activities of before, to be run again */
    struct core_counters counters;
    uint64_t transitions[TRANSITION_COUNT]; /* how often each was taken: tests want all */
};

struct batch *core_open_batch(struct core *core);
/* The open batch will speak of this instance. */
void core_touch(struct core *core, struct instance *instance);
/* Out of the list that says how durable it is, if it is in one. */
void core_unlist(struct core *core, struct instance *instance);
/* Into the list of those that may go (P3). */
void core_rest(struct core *core, struct instance *instance);
/* A new resident, known by id and row. */
void core_enter(struct core *core, struct instance *instance);
/* Leaves memory: out of every list and map, and freed. */
void core_leave(struct core *core, struct instance *instance);
/* Takes over the event (one of waiting_event_new). */
void core_deliver(struct core *core, struct instance *instance, struct waiting_event *event);
/* How it stands now, in a record of the open batch: commit.c. */
void core_fill_record(struct core *core, struct instance *instance, struct instance_record *record);
/* What `scratch` holds from offset on, in the open batch's arena. */
struct text core_keep_scratch(struct core *core, size_t offset);

/* ---- activities: activity.c ---- */

/* In the open batch, to be run once that is durable. */
void activity_dispatch(struct core *core, struct activity *activity);

struct activity *activity_new(struct core *core, const struct instance *instance, int32_t id,
                              struct text name, struct text version, struct text input);

#endif
