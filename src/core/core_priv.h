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
 *       wake it; `entities`: likewise, of entities): all of it is durable and it waits for nothing
 *       of ours; core_evict may let it go.
 *   P4  in none: all of it is durable, but it has an open turn (a void one, too) or waits for one.
 *
 * Its place in line for a turn is the `waiting` node: in `ready`, in `postponed`, or in none. */
#ifndef CORE_CORE_PRIV_H
#define CORE_CORE_PRIV_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "base/shelf.h"
#include "base/time.h"
#include "core/core.h"

/* ---- copies of events: copy.c ---- */

/* Bytes that a copy needs beside its struct event. */
size_t event_copy_size(const struct event *event);
/* `room` is aligned for any struct; the copy borrows nothing. */
void event_copy_into(struct event *copy, void *room, const struct event *event);
/* Both in the arena. */
const struct event *event_copy(struct arena *arena, const struct event *event);

/* ---- open steps: steps.c ---- */

enum step_kind {
    STEP_DEAD, /* completed; kept until enough of them are squeezed out together */
    STEP_TASK,
    STEP_TIMER,
    STEP_CHILD,
    STEP_CALL,    /* of an entity: its answer is awaited */
    STEP_LOCK,    /* a critical section that waits for its locks */
    STEP_SECTION, /* one that holds them; closed when all of them have been given back */
};

/* What is to be given back: sections.c. */
struct section {
    struct section *next; /* of those that are open */
    int32_t step;
    size_t id_size, set_size;
    char bytes[]; /* its id; those of the lock set that have not been unlocked, in order */
};

struct step {
    int32_t id;
    enum step_kind kind;
    union {
        time_us due;      /* STEP_TIMER */
        time_us asked_at; /* STEP_TASK, STEP_CALL: of the event, another of the same id was */
        char *child;      /* STEP_CHILD: its id, on the heap */
        struct section *section; /* STEP_LOCK, STEP_SECTION: on the heap */
    };
};

enum { STEPS_INLINE = 4 };

/* Ascending by id. Most instances have a few open steps at a time: those need no heap. */
struct steps {
    uint32_t used, room; /* entries; dead ones among the used */
    uint32_t dead;
    uint32_t tasks;           /* living ones that are STEP_TASK */
    struct section *sections; /* of those that are STEP_LOCK or STEP_SECTION: one, or none */
    struct step *many;        /* NULL: they are in `few` */
    struct step few[STEPS_INLINE];
};

void steps_init(struct steps *steps);
void steps_done(struct steps *steps);                       /* empty again */
bool steps_may_open(const struct steps *steps, int32_t id); /* false: one of the id is open */
void steps_open(struct steps *steps, struct step step);
void steps_open_child(struct steps *steps, int32_t id, struct text child);
bool steps_get(const struct steps *steps, int32_t id, struct step *ret); /* of any kind */
bool steps_find(const struct steps *steps, int32_t id, enum step_kind kind, struct step *ret);
/* STEP_LOCK; the section is the step's from then on. */
void steps_open_lock(struct steps *steps, int32_t id, struct section *section);
/* A STEP_LOCK is a STEP_SECTION from now on. False: there is none. */
bool steps_grant(struct steps *steps, int32_t id);
/* STEP_LOCK or STEP_SECTION; its section is freed. */
bool steps_close_section(struct steps *steps, int32_t id, enum step_kind kind);
/* Of a child, its id is the caller's to free from then on. */
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
    bool overtakes;   /* said to an entity by the owner of its lock: stands before the line */
    bool follows;     /* in line behind a request of its sender's */
    int32_t timer;    /* of an entity's signal that waits for its time */
    struct event event;
};

struct waiting_events {
    struct waiting_event *first, *last;
    size_t count;
    struct waiting_event *unrecorded; /* all before it have a number in the inbox */
};

/* NULL: no memory. The second where nobody can be told: ends the process instead. */
struct waiting_event *waiting_event_new(struct shelf *shelf, const struct event *event);
struct waiting_event *waiting_event_must(struct shelf *shelf, const struct event *event);
void waiting_events_add(struct waiting_events *events, struct waiting_event *event);
/* Takes out the first n, as they are chained; of those with a number in the inbox the last one's;
 * 0: none has. */
struct waiting_event *waiting_events_detach(struct waiting_events *events, size_t n,
                                            uint64_t *ret_arrival);
/* Takes one out; `before` is the one in front of it, NULL: it is the first. */
void waiting_events_take(struct waiting_events *events, struct waiting_event *before,
                         struct waiting_event *event);
void waiting_event_free_all(struct shelf *shelf, struct waiting_event *chain);
/* Frees the first n; returns what detaching gives. */
uint64_t waiting_events_drop(struct shelf *shelf, struct waiting_events *events, size_t n);

/* ---- what activities have said of themselves: progress.c ---- */

/* The last word of one that is open; bytes that an instance keeps. */
struct note {
    struct note *next;
    int32_t id;
    size_t size;
    char bytes[];
};

struct note *note_new(int32_t id, struct text bytes);

void notes_free(struct instance *instance);
void note_keep(struct instance *instance, int32_t id, struct text progress);
struct text note_find(const struct instance *instance, int32_t id); /* absent: none */
/* Its activity is not open any more: gone, here and in the store. */
void note_drop(struct core *core, struct instance *instance, int32_t id);

/* ---- the state machine of an instance: instance.c ---- */

/*    from       event       to          does   */
#define INSTANCE_TRANSITIONS(T)                 \
    T(PENDING, STARTED, RUNNING, begin)         \
    T(RUNNING, COMPLETED, COMPLETED, leave)     \
    T(RUNNING, FAILED, FAILED, leave)           \
    T(RUNNING, RENEWED, RUNNING, renew)         \
    T(PENDING, TERMINATED, TERMINATED, leave)   \
    T(RUNNING, TERMINATED, TERMINATED, leave)   \
    T(SUSPENDED, TERMINATED, TERMINATED, leave) \
    T(PENDING, SUSPENDED, SUSPENDED, hold)      \
    T(RUNNING, SUSPENDED, SUSPENDED, hold)      \
    T(SUSPENDED, RESUMED, RUNNING, release)     \
    T(SUSPENDED, UNHELD, PENDING, release)      \
    T(SUSPENDED, STARTED, SUSPENDED, begin)     \
    T(SUSPENDED, COMPLETED, COMPLETED, leave)   \
    T(SUSPENDED, FAILED, FAILED, leave)         \
    T(SUSPENDED, RENEWED, SUSPENDED, renew)     \
    T(PENDING, REPLACED, TERMINATED, vanish)    \
    T(RUNNING, REPLACED, TERMINATED, vanish)    \
    T(SUSPENDED, REPLACED, TERMINATED, vanish)

enum instance_event {
    INSTANCE_STARTED,    /* its first turn has been taken */
    INSTANCE_COMPLETED,  /* its function returned */
    INSTANCE_FAILED,     /* its function failed */
    INSTANCE_RENEWED,    /* another execution of it begins */
    INSTANCE_TERMINATED, /* from outside */
    INSTANCE_SUSPENDED,
    INSTANCE_RESUMED,  /* having begun */
    INSTANCE_UNHELD,   /* resumed, not having begun */
    INSTANCE_REPLACED, /* another takes its id while it has not ended */
};

enum instance_transition {
#define T(from, event, to, does) TRANSITION_##from##_##event,
    INSTANCE_TRANSITIONS(T)
#undef T
        TRANSITION_COUNT,
};

enum hold {
    HOLD_SUSPENDED = 1, /* from outside */
    HOLD_TIME = 2,      /* it starts later */
    HOLD_LEFT = 4,      /* its worker is not here (T9) */
};

struct turn_slot;
struct entity;

struct instance {
    uint32_t magic;
    enum run_state state;
    enum run_state stored_state; /* as the batches cut so far leave it in the store */
    bool stored_busy;
    bool is_changed; /* the store is to hear how it stands, though these two be as they were */
    bool is_postponed;
    bool is_settled;       /* P3: in one of those lists; and */
    bool is_asleep;        /* not in `idle` */
    bool is_called;        /* its next turn is */
    bool is_replaced;      /* purged, or ended and another has its id: known by its row only */
    bool has_begun;        /* a turn was taken, in this execution or in one before */
    uint8_t holds;         /* why it takes no turn (C9): a set of enum hold */
    struct entity *entity; /* in the same block; NULL: it is an orchestration */
    uint64_t row;
    uint64_t turn_count;   /* turns that have ended, of this execution */
    uint64_t turn_batch;   /* the batch that holds the last of them; 0: it came from the store */
    uint64_t arrival_last; /* highest number given in the inbox */
    time_us last_at;       /* of the last event made (C6) */
    time_us stored_at;     /* the one that the store shows */
    time_us created_at, ended_at;
    time_us starts_at;              /* HOLD_TIME: until when */
    struct waiting_events events;   /* those of the open turn included, at the front */
    struct turn_slot *turn;         /* open; NULL: none */
    struct instance_record *record; /* of its INSERT or RENEW in the open batch; NULL: none */
    struct text output, failure;    /* in the open batch's arena, from the end to the cut */
    struct list_node durability;
    struct list_node waiting;
    struct steps steps;
    struct text id, execution_id; /* in the same block; of a later execution in `renewed` */
    /* What is seldom looked at. */
    struct text name, version;       /* likewise */
    const struct event_extra *extra; /* likewise: tags, parent, trace; NULL: none */
    char *renewed;                   /* on the heap; NULL: its first execution */
    struct note *notes;              /* of open activities */
    struct note *quarantine;         /* the encoded failure for which it is suspended, or NULL */
};

/* What an instance is told by. Is copied. */
struct identity {
    struct text id, execution_id, name, version;
    const struct event_extra *extra; /* tags, parent, trace; NULL: none */
};

struct instance *instance_new(uint64_t row, const struct identity *identity); /* or NULL */
struct instance *instance_new_entity(uint64_t row, struct text id);           /* likewise */
void instance_free(struct shelf *waiting, struct instance *instance);
void instance_expect(const struct instance *instance);  /* into the caches: soon needed */
void instance_check(const struct instance *instance);   /* what must hold between commands */
bool instance_is_busy(const struct instance *instance); /* C4 */
bool instance_transition_find(enum run_state from, enum instance_event event,
                              enum instance_transition *ret);
void instance_apply(struct core *core, struct instance *instance, enum instance_event event);
/* Nobody waits any more for what it has asked for (C10). */
void instance_forsake(struct core *core, struct instance *instance);
/* The first n events that wait are consumed, or dropped. */
void instance_consume(struct core *core, struct instance *instance, size_t n);
/* It ends: output (JSON) and failure as far as that end has them. Its parent hears of it. */
void instance_end(struct core *core, struct instance *instance, enum instance_event how,
                  struct text output, const struct failure *failure);
/* Of one in a final state. */
void instance_tell_parent(struct core *core, const struct instance *instance,
                          const struct failure *failure);
/* Whoever waits for the end of the instance can be told when the batch is durable. */
void instance_tell_end(struct core *core, const struct instance *instance);
/* Another execution with this input; `kept` wait first, what has arrived for it stays. */
void instance_renew(struct core *core, time_us now, struct instance *instance,
                    const struct action *action);

static inline bool instance_has_parent(const struct instance *instance)
{
    return instance->extra != NULL && instance->extra->has_parent;
}

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
    time_us began_at;           /* of its ORCHESTRATOR_STARTED */
    bool is_away;               /* nobody looks at what it lends (T8) */
    bool is_void;               /* the instance has ended meanwhile; then, what the turn took in: */
    struct waiting_event *held; /* ... which it borrows until it is given back */
    struct turn_slot *next;     /* free ones */
};

void turn_slot_free(struct shelf *waiting, struct turn_slot *slot);
void turn_slots_free(struct core *core); /* those that are free */

/* Whose turn it is. */
struct instance *turn_instance(struct core *core, const struct turn *turn);
/* The turn is over. */
void turn_close(struct core *core, struct instance *instance);

/* Puts an instance that has events, no open turn, and is not on hold in line for one. Does nothing
 * otherwise. */
void turn_want(struct core *core, struct instance *instance);
/* Out of the line, if it is in it. */
void turn_unwant(struct instance *instance);
/* Whatever comes of the open turn, it will be as if it had not been. */
void turn_void(struct core *core, struct instance *instance);

/* Writes the action as an event into `scratch`, and sees to its effect: actions.c. */
void action_carry_out(struct core *core, time_us now, struct instance *instance,
                      const struct action *action);
/* Of an ACTION_COMPLETE: a failure always has something to say. */
const struct failure *action_failure(const struct action *action);
/* One event more into `scratch`. */
void core_write_event(struct core *core, const struct event *event);

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
/* Step EVENT_NO_ID is the start of the instance. */
void timers_set(struct core *core, struct instance *instance, int32_t id, time_us due);
/* Likewise, but the store hears of it later, before the cut. */
void timers_await(struct core *core, struct instance *instance, int32_t id, time_us due);
void timers_unset(struct core *core, struct instance *instance, int32_t id, time_us due);
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
    const struct announcer *announcer; /* NULL: none */
    size_t activity_room;
    struct map by_id; /* the key is the instance's own id */
    struct map64 by_row;
    struct shelf activities, waiting; /* blocks to be used again */
    struct batch *spare;              /* NULL, or one to be used again */
    struct batch *open;               /* NULL: nothing has happened since the last cut */
    uint64_t batch_number;            /* of the open batch, or of the next one */
    uint64_t batch_committed;         /* the last that is durable */
    uint64_t serial;                  /* of the turn handed out last */
    size_t away_count;                /* turns that are */
    bool keeps_empty;
    struct list touched, idle, asleep;          /* P1, P3 */
    struct list entities;                       /* P3: those that are asleep */
    size_t asleep_count, entity_count;          /* in these two lists */
    size_t entity_bytes;                        /* of the latter, as they are counted */
    struct flight *flight_first, **flight_last; /* P2: oldest first */
    struct list ready, postponed;
    struct turn_slot *slots;    /* free ones */
    struct event *spare_events; /* memory for one that has none; NULL: none */
    size_t spare_events_room;
    struct timer_window timers;
    struct letter *letter_first, **letter_last; /* not taken; in the open batch's arena */
    struct random random;                       /* for execution ids */
    struct buffer scratch;                      /* for encoding */
    uint64_t received;                          /* mailbox position to be recorded; 0: none */
    bool has_unwanted; /* the open batch may have activities that nobody waits for */
    struct core_counters counters;
    uint64_t transitions[TRANSITION_COUNT]; /* how often each was taken: tests want all */
};

struct batch *core_open_batch(struct core *core);
/* The open batch will speak of this instance. */
void core_touch(struct core *core, struct instance *instance);
/* Out of the list that says how durable it is, if it is in one. */
void core_unlist(struct core *core, struct instance *instance);
/* When all of it is durable and it has nothing to do: into the list of those that may go (P3), or
 * away when it has ended. */
void core_settle(struct core *core, struct instance *instance);
/* A new resident, known by id and row. */
void core_enter(struct core *core, struct instance *instance);
/* Leaves memory: out of every list and map, and freed. */
void core_leave(struct core *core, struct instance *instance);
/* Takes over the event (one of waiting_event_new). */
void core_deliver(struct core *core, struct instance *instance, struct waiting_event *event);
/* How it stands now, in a record of the open batch: commit.c. */
void core_fill_record(struct core *core, struct instance *instance, struct instance_record *record);
/* It is in the inbox from now on. */
void core_say_event(struct core *core, struct instance *instance, struct waiting_event *waiting,
                    uint64_t arrival);
/* Completes the record of its INSERT or RENEW in the open batch, if there is one. */
void core_close_record(struct core *core, struct instance *instance);
/* A record of the open batch with what does not change; completed at the cut. */
struct instance_record *core_promise_record(struct core *core, struct instance *instance,
                                            enum mutation_kind kind, struct text input);
/* The row goes, and with it the instance if it is resident. It stays known by its row until that is
 * durable: start.c. */
void core_delete(struct core *core, struct instance *instance, uint64_t row);
/* What `scratch` holds from offset on, in the open batch's arena. */
struct text core_keep_scratch(struct core *core, size_t offset);

/* ---- letters: letters.c ---- */

/* Copies what it is given. */
struct letter *letter_send(struct core *core, enum message_kind kind, struct text instance_id,
                           struct text execution_id, const struct event *event);
/* To the child of a CHILD_CREATED: MESSAGE_CHILD_START or MESSAGE_CHILD_ENSURE. */
void letter_start_child(struct core *core, enum message_kind kind, const struct instance *parent,
                        const struct event *created);
/* A CHILD_CREATED of one that is nobody's child: it has no parent, and the step is not open. */
bool event_is_forgotten_child(const struct event *created);
/* With its own children. */
void letter_terminate_child(struct core *core, const struct instance *parent, const char *child,
                            struct text output);
/* To the parent that `record` names: state, and output of that end. */
void letter_child_ended(struct core *core, time_us at, const struct instance_record *record,
                        const struct failure *failure);

/* ---- what others are to hear of: announce.c ---- */

void announce_change(struct core *core, const struct instance *instance,
                     enum announcement_kind kind, const struct failure *failure);
/* It has just changed so; before that is in any batch. Uses `scratch`. */
static inline void announce(struct core *core, const struct instance *instance,
                            enum announcement_kind kind, const struct failure *failure)
{
    if (__builtin_expect(core->announcer != NULL, false)) {
        announce_change(core, instance, kind, failure);
    }
}

/* ---- activities: activity.c ---- */

/* In the open batch, to be run once that is durable. */
void activity_dispatch(struct core *core, struct activity *activity);

/* Of a TASK_SCHEDULED. The progress: of the same attempt before; absent: the event's. */
struct activity *activity_new(struct core *core, const struct instance *instance,
                              const struct event *scheduled, struct text progress);
/* Whoever runs it, or is about to, hears that nobody waits for it; EVENT_NO_ID: all of the row. */
void activity_cancel(struct core *core, const struct instance *instance, int32_t id);

/* ---- coming in: resident.c ---- */

/* As its record has it, no event of its history folded: known to nobody. NULL: no memory.
 * `start`: its EXECUTION_STARTED; NULL: what is stored is damaged. */
struct instance *resident_make(const struct instance_record *record, uint64_t turn_count,
                               const struct event *start);
/* Opens and closes steps as the event says. */
void resident_fold(struct instance *instance, const struct event *event);

#endif
