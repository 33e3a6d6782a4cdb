/* SPDX-License-Identifier: MIT
 *
 * The rig: a partition between a model of a store and a scripted runner.
 *
 *   codec    an event becomes the number of its copy in a list of all events; so nothing here
 *            depends on the wire room, and bytes can be told apart and shown
 *   model    a store that keeps what batches say and fails the test when a mutation does not fit
 *            what is there (an insert of an id that exists, a turn out of order, ...)
 *   runner   small programs by name, each a function of the counts of its history (T3)
 *
 * Nothing happens by itself: a test cuts, commits and crashes when it likes.
 */
#ifndef TESTS_UNIT_CORE_RIG_H
#define TESTS_UNIT_CORE_RIG_H

/* clang-format off: cmocka needs these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "core/core.h"

/* ---- codec ---- */

extern const struct codec rig_codec;
void rig_write_failure(struct buffer *buffer, const struct failure *failure); /* for people */
/* Decodes what the codec made; the events live as long as the rig. */
const struct event **rig_decode(struct arena *arena, struct text bytes, size_t *ret_count);

/* ---- the model store ---- */

struct model_event {
    uint64_t arrival;
    struct text bytes;
};

struct model_timer {
    time_us due;
    uint64_t row, order;
    int32_t id;
};

struct model_row {
    struct instance_record record;      /* of an entity: row, id and is_busy */
    const struct entity_record *entity; /* NULL: an instance */
    bool is_deleted;
    struct text *turns;
    size_t turn_count;
    struct model_event *inbox;
    size_t inbox_count;
    struct progress *progress; /* ascending by step */
    size_t progress_count;
};

enum { MODEL_STEPS = 8192 }; /* ids of activities are below: nobody in tests asks for more */

struct model {
    struct arena arena; /* everything it was ever told */
    struct model_row **rows;
    size_t row_count;
    struct model_timer *timers; /* in the order they were set */
    size_t timer_count;
    uint64_t timer_order, batch_last, mailbox_last;
    struct message **mail; /* of whichever partition, in order */
    size_t mail_count;
    uint64_t mailed;
    size_t history_events, inbox_puts, updates; /* of the batches applied */
};

void model_done(struct model *model); /* and the codec's events */
/* Room for one more in an array of the arena. */
void *model_one_more(struct model *model, void *at, size_t count, size_t size);
/* rig_entities.c */
void model_entity_put(struct model *model, const struct mutation *m);
void model_check_entity(struct model *model, const struct model_row *row);
void model_apply(struct model *model, const struct batch *batch);
struct model_row *model_find(const struct model *model, struct text id); /* NULL: none */
struct model_row *model_find_row(const struct model *model, uint64_t row);
/* All events of all its turns, in order. */
const struct event **model_history(struct model *model, const struct model_row *row,
                                   size_t *ret_count);

/* ---- the rig ---- */

enum { LIMIT_ID_TEXT = 64, SCRIPT_BYTES = 256 }; /* ids and scripts in tests are short */

/* What a program remembers: counts, which can be had from history as well. */
struct tally {
    uint64_t turn; /* as of this one */
    char program[32], script[SCRIPT_BYTES];
    int n; /* the number its input is, or 0 */
    int steps, completed, failed, fired, raised;
    time_us now;
};

/* rig_programs.c */
void tally_event(struct tally *tally, const struct event *event);
/* What the program asks for, given all that has happened to it. In the arena. */
struct turn_result run_program(struct tally *tally, const struct turn *turn, struct arena *arena);

/* An operation as a test says it. */
struct said {
    const char *to, *op, *payload;
    const char *request_id; /* NULL: one that the rig makes */
    time_us at;             /* not before; 0: at once */
};

struct rig {
    struct core *core;
    struct model model;
    struct batch *flights[64]; /* cut, not committed; oldest first */
    size_t flight_count;
    struct list activities; /* handed out */
    struct map64 tallies;
    struct arena scratch;
    time_us now, horizon;
    uint64_t epoch;
    unsigned started;
    bool is_forgetful;  /* the runner forgets everything after each turn */
    bool posts;         /* letters go through the mailbox */
    bool keeps_empty;   /* entities; from the next owner on */
    bool announces;     /* all changes; from the next owner on, or rig_announce */
    size_t most;        /* operations in a turn; 0: all */
    unsigned signals;   /* request ids given */
    uint64_t received;  /* mailbox position */
    uint64_t taken[32]; /* how often each transition was, before memory was lost */
    const char *leaves; /* the runner leaves first turns of this version; NULL: none */
    struct buffer *log; /* turns are told here; NULL: nowhere */
};

void rig_announce(struct rig *rig); /* all changes, from now on */
void rig_init(struct rig *rig);
void rig_done(struct rig *rig);

pd_status rig_start(struct rig *rig, const char *id, const char *program, const char *input);
/* As given, but for what it replaces when it is not resident. */
pd_status rig_start_as(struct rig *rig, const struct start_command *command);
struct instance *rig_instance(struct rig *rig, const char *id); /* admitted when need be; or NULL */
struct instance *rig_find(struct rig *rig, struct text id);     /* likewise */
/* As the store has it; NULL: it has none that is not replaced or purged. */
const struct model_row *rig_row(struct rig *rig, struct text id);
pd_status rig_terminate(struct rig *rig, const char *id, const char *output, bool recurses);
pd_status rig_suspend(struct rig *rig, const char *id, const char *reason,
                      const struct failure *failure);
pd_status rig_resume(struct rig *rig, const char *id, const char *reason);
pd_status rig_purge(struct rig *rig, const char *id);
bool rig_progress(struct rig *rig, const char *id, int32_t step, const char *progress);
void rig_forget(struct rig *rig, uint64_t row); /* the runner does */
/* All letters there are; false: there were none. rig_letters.c */
bool rig_deliver(struct rig *rig);
/* From what the store has. PD_E_NOT_FOUND, and as rewrite_rewind, rewrite_fork, core_adopt.
 * rig_rewrite.c */
pd_status rig_rewind(struct rig *rig, struct text id, const char *reason);
pd_status rig_fork(struct rig *rig, const char *id, uint64_t event, const char *new_id);
pd_status rig_adopt(struct rig *rig, const struct adoption *adoption);
/* MESSAGE_CHILD_ENSURE; false: do what MESSAGE_CHILD_START does. */
bool rig_ensure_child(struct rig *rig, const struct letter *letter);
void rig_receive(struct rig *rig); /* what lies in the mailbox and is committed */
pd_status rig_raise(struct rig *rig, const char *id, const char *name, const char *payload);
bool rig_complete(struct rig *rig, const char *id, int32_t step, const char *payload);
bool rig_fail(struct rig *rig, const char *id, int32_t step, const char *type, const char *message);
size_t rig_run(struct rig *rig); /* all turns there are; how many were run */
void rig_end_turn(struct rig *rig, const struct turn *turn); /* runs it; ends or postpones it */
size_t rig_fire(struct rig *rig); /* what is due; how many were accepted */
/* Whether it is due or not. */
bool rig_fire_step(struct rig *rig, struct instance *instance, int32_t id);
void rig_set_horizon(struct rig *rig, time_us horizon);
struct batch *rig_cut(struct rig *rig); /* NULL: nothing */
void rig_commit(struct rig *rig);       /* the oldest in flight */
void rig_flush(struct rig *rig);        /* cut and commit everything */
void rig_crash(struct rig *rig);        /* memory is lost; a new owner recovers from the model */
/* Hands out the first activity waiting, which is freed by rig_complete_activity. */
struct activity *rig_take_activity(struct rig *rig);
bool rig_complete_activity(struct rig *rig, struct activity *activity, const char *payload);

/* ---- entities: rig_entities.c ---- */

struct instance *rig_admit_entity(struct rig *rig, const struct model_row *row);
/* Runs its operations; ends the turn. */
void rig_end_entity_turn(struct rig *rig, const struct turn *turn);
/* Letters of entities' kinds; false: another. */
bool rig_deliver_entity(struct rig *rig, const struct letter *letter);
/* A client's signal. */
void rig_say(struct rig *rig, const struct said *said);
void rig_signal(struct rig *rig, const char *to, const char *op, const char *payload);
/* The entity, made when there is none. */
struct instance *rig_entity(struct rig *rig, const char *id);
bool rig_cancel_signal(struct rig *rig, const char *id, const char *request_id);
pd_status rig_purge_entity(struct rig *rig, const char *id, time_us unchanged_since);
/* Whoever owns it. */
void rig_unlock(struct rig *rig, const char *id, const char *section);
/* Its state as it is now; "-": none. Lives as long as the rig. */
const char *rig_state(struct rig *rig, const char *id);
const char *rig_owner(struct rig *rig, const char *id); /* of its lock; "-": none */

/* ---- for tests ---- */

int rig_setup(void **state); /* a rig on the heap */
int rig_teardown(void **state);
const struct instance_record *rig_stored(struct rig *rig, const char *id); /* it must be there */
size_t rig_count_of(const struct batch *batch, enum mutation_kind kind);
/* The first of the kind; the n-th activity, from 0. They must be there. */
const struct mutation *rig_mutation(const struct batch *batch, enum mutation_kind kind);
const struct activity *rig_activity(const struct batch *batch, size_t index);
bool rig_can_evict(struct rig *rig); /* evicts what it can */

/* ---- showing ---- */

void show_batch(struct buffer *out, struct arena *scratch, const struct batch *batch);
void show_event(struct buffer *out, const struct event *event);
void show_time(struct buffer *out, time_us t);
const char *show_state(enum run_state state);
const char *show_message_kind(enum message_kind kind);

#endif
