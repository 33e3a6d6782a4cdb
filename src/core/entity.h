/* SPDX-License-Identifier: MIT
 *
 * What an entity has beside what every resident has, and the calls between the files that know it.
 *
 * `instance.events` are operations that the next turns take. All else that was said to it stands in
 * `line`, behind a lock or a request for one, or waits for its time in `delayed`. In the store all
 * three are the inbox of its row; which of them a row is of, its number tells:
 *
 *   1, 2, 3 ...      what stands, or stood, in line
 *   above ARRIVAL_OVERTAKES   said by the owner of the lock: it stands before the line
 *   above ARRIVAL_DELAYED     signals that wait for their time; the low 31 bits are the step of the
 *                             timer
 */
#ifndef CORE_ENTITY_H
#define CORE_ENTITY_H

#include "core/core_priv.h"

#define ARRIVAL_OVERTAKES (UINT64_C(1) << 61)
#define ARRIVAL_DELAYED (UINT64_C(1) << 62)

/* Called where orchestrations pass by, which should not carry the code along. */
#define APART __attribute__((noinline))

struct entity {
    char *state; /* on the heap; NULL: none */
    size_t state_size, state_room;
    bool is_stored;       /* the store has it, as the batches cut so far leave it */
    bool has_new_state;   /* since the last cut */
    bool is_kept;         /* though it is empty: until it is purged */
    bool is_to_be_purged; /* its state, when the open turn is over; in the store at once */
    time_us changed_at;
    struct text owner, execution, section; /* of its lock: one block; owner.at NULL: not locked */
    struct waiting_events line;
    struct map requesters;    /* of requests in line, by who sent them, the first of each */
    size_t doubles;           /* requests in line that are not in it */
    size_t followers;         /* in line behind a request of their sender's */
    uint64_t overtaken_last;  /* highest number given to what overtook */
    struct map64 delayed;     /* waiting events by the step of their timer */
    struct map delayed_by_id; /* likewise, by request id, the first of each */
    size_t delayed_doubles;   /* those that are not in it */
    uint64_t delayed_last, delayed_stored; /* how many there were; all up to here are stored */
    size_t waiting_bytes;                  /* of the line, and of what is delayed */
    size_t counted;                        /* bytes of it in core->entity_bytes, while they are */
};

static inline bool entity_is_locked(const struct entity *entity)
{
    return text_is_present(entity->owner);
}

static inline struct text entity_state(const struct entity *entity)
{
    return text_make(entity->state, entity->state != NULL ? entity->state_size : 0);
}

/* ---- one entity: entity.c ---- */

APART void entity_done(struct shelf *waiting, struct entity *entity);
APART void entity_check(const struct instance *instance); /* what must hold between commands */
APART void entity_say(struct core *core, struct instance *instance); /* at the cut */
/* No state, no lock, and nothing that waits: it does not exist. */
bool entity_is_empty(const struct instance *instance);
void entity_set_state(struct instance *instance, struct text state); /* of no bytes: none */
/* The bytes that it counts for in memory; they stay in `counted`. */
APART size_t entity_count_bytes(struct entity *entity);
/* It has been changed: now. */
void entity_note_change(struct core *core, struct instance *instance, time_us now);
/* The first n of its events are done. */
void entity_consume(struct core *core, struct instance *instance, size_t n);
APART void entity_turn_closed(struct instance *instance); /* ended, or given back */

/* ---- its line: line.c ---- */

/* After anything that may let the line go on; and in line for a turn, or out of it. */
void entity_go_on(struct core *core, time_us now, struct instance *instance);
/* Can the entity of this id do anything with it? A caller has to say who it is, and a request that
 * it is for this entity. */
bool line_takes(struct text id, const struct event *operation);
/* Into the line, as the store had it. */
void line_add(struct entity *entity, struct waiting_event *waiting);
/* Something has come for it, and has its time already. */
void entity_expect(struct core *core, struct instance *instance);
/* Stands in line from now on; or before it. */
void line_arrive(struct core *core, time_us now, struct instance *instance,
                 struct waiting_event *waiting);
void entity_lock(struct entity *entity, struct text owner, struct text execution,
                 struct text section);
/* Its row of the inbox goes, if there is one. */
void entity_unrecord(struct core *core, const struct instance *instance,
                     struct waiting_event *waiting);
/* Those go, and all between. */
void entity_forget_arrivals(struct core *core, const struct instance *instance, uint64_t first,
                            uint64_t last);

/* ---- signals that wait for their time: delayed.c ---- */

void delayed_add(struct core *core, struct instance *instance, struct waiting_event *waiting);
APART bool delayed_awaits(const struct instance *instance, int32_t id, time_us due);
APART bool delayed_fire(struct core *core, time_us now, struct instance *instance, int32_t id,
                        time_us due);
bool delayed_cancel(struct core *core, struct instance *instance, struct text request_id);
void delayed_drop_all(struct core *core, struct instance *instance);
void delayed_say(struct core *core, struct instance *instance); /* at the cut */
void delayed_admit(struct entity *entity, struct waiting_event *waiting);

/* ---- what orchestrations say to entities: sections.c ---- */

/* The sender, as messages have it. */
struct event_extra entity_sender(const struct instance *instance);
/* Sees to what the action asks for, and completes the event that records it. */
APART void entity_ask(struct core *core, struct instance *instance, const struct action *action,
                      struct event *event);
/* Says an ENTITY_CALLED of history, whose step is open, to the entity: for the first time or
 * again. */
void entity_call(struct core *core, const struct instance *instance, const struct event *event,
                 const struct failure *refusal); /* NULL: none */
/* May the set be asked for? */
APART bool section_may_lock(const struct event_extra *extra);
APART struct section *section_new(struct text id, struct text set);
/* An entity of it is unlocked. False: there is no such section that holds it. */
APART bool section_release(struct steps *steps, struct text section, struct text entity);
/* All that it holds, or waits for, is given back. */
APART void section_forsake(struct core *core, const struct instance *instance,
                           const struct step *step);
/* An id as it is kept. */
struct text entity_id_folded(struct core *core, struct text id);

#endif
