/* SPDX-License-Identifier: MIT
 *
 * What the files of the ledger share.
 *
 *     ledger.c        looking things up; mutations
 *     ledger_turn.c   turns (L2)
 *     ledger_raise.c  events raised: each once, and what another execution is owed
 *     ledger_letter.c letters (L4)
 *     ledger_check.c  an instance after a commit (L3)
 *     ledger_deed.c   operations of entities (L5)
 *     ledger_entity.c an entity after a commit (L6)
 *     ledger_store.c  the store's answers
 *     notices.c       what is announced of all this */
#ifndef SIM_LEDGER_PRIV_H
#define SIM_LEDGER_PRIV_H

#include "core/core.h"
#include "ledger.h"
#include "spy.h"

/* ---- ledger.c ---- */

void *ledger_room(struct arena *arena, void *old, size_t count, size_t *room, size_t size);
#define LEDGER_ROOM(ledger, array, count, room) \
    ((array) = ledger_room((ledger)->arena, (array), (count), &(room), sizeof *(array)))
struct text ledger_step_key(struct ledger *ledger, struct text execution_id, int32_t step);

/* ---- ledger_turn.c ---- */

/* The next turn of the row, of this partition's batch. */
void ledger_append_turn(struct ledger *ledger, struct ledger_row *row, struct text bytes);
void ledger_note_status(struct ledger_row *row, const struct spy_turn *turn);
bool ledger_is_input(enum event_kind kind);
/* What its actions say to others, in their order. */
void ledger_expect_letters(struct ledger *ledger, const struct ledger_row *row,
                           const struct spy_turn *turn);
/* Another execution of the row: what is of the one before goes. */
void ledger_begin_life(struct ledger *ledger, struct ledger_row *row,
                       const struct instance_record *record, const struct spy_turn *last);
/* One that left no history. */
void ledger_check_last_turn(struct ledger *ledger, const struct ledger_row *row,
                            const struct spy_turn *turn);

/* ---- ledger_raise.c ---- */

/* Absent: not a raise. */
struct text ledger_raise_key(struct ledger *ledger, const struct event *event);
void ledger_note_raise(struct ledger *ledger, struct ledger_row *row, const struct event *event);
/* Before the life of the row is forgotten. turn NULL: it is rewound. */
void ledger_owe(struct ledger *ledger, struct ledger_row *row, const struct spy_turn *turn);
void ledger_check_raises(struct ledger *ledger, struct ledger_row *row);

/* ---- ledger_letter.c ---- */

void ledger_expect(struct ledger *ledger, const struct ledger_due *due);
void ledger_expect_end(struct ledger *ledger, const struct ledger_row *row);
void ledger_receive(struct ledger *ledger, unsigned partition, uint64_t number);
void ledger_check_letters(struct ledger *ledger, const struct batch *const *batches, size_t count);

/* It ended while the turn was elsewhere that cancels it: what came waits behind that. */
bool ledger_may_come_late(const struct ledger *ledger, const struct ledger_step *step);

/* ---- ledger_deed.c ---- */

/* What a history, or a turn that left none, says to entities. A copy: it may be said again. */
void ledger_ask(struct ledger *ledger, const struct ledger_row *row, const struct event *event,
                bool is_copy);
/* A turn has taken in the answer to a call. */
void ledger_hear(struct ledger *ledger, const struct ledger_row *row, const struct event *called,
                 const struct event *answer);
/* All that was run in these batches, then what was heard. */
void ledger_apply_runs(struct ledger *ledger, const struct batch *const *batches, size_t count);
struct ledger_deed *ledger_deed_of_request(const struct ledger *ledger, struct text to,
                                           struct text request_id);
/* The cancellation has come to where the signal was. */
void ledger_void_request(struct ledger *ledger, const struct ledger_due *cancel);
struct text ledger_deed_key(struct arena *arena, struct text payload); /* absent: it is none */

/* ---- ledger_entity.c ---- */

bool ledger_is_of_entity(const struct ledger *ledger, const struct mutation *mutation);
void ledger_apply_to_entity(struct ledger *ledger, const struct batch *batch,
                            const struct mutation *mutation);
void ledger_check_entity(struct ledger *ledger, struct ledger_entity *entity);
/* Its state, as the store or a turn has it, against the model. */
void ledger_check_state(struct ledger *ledger, struct ledger_entity *entity, struct text state,
                        const char *where);
/* A critical section's letters, by kind. */
struct text ledger_entity_key(struct ledger *ledger, const struct event *event);
bool ledger_entity_has(const struct ledger *ledger, const struct ledger_due *due);

/* ---- notices.c ---- */

/* A change that core announces; what is known of it already counts once. */
void ledger_note_change(struct ledger *ledger, const struct ledger_row *row,
                        enum announcement_kind kind, time_us at);
/* Likewise, if the event is one: when it comes to an inbox, or into a history. */
void ledger_note_event(struct ledger *ledger, const struct ledger_row *row,
                       const struct event *event);
void ledger_check_notices(struct ledger *ledger, const struct batch *const *batches, size_t count);

/* ---- ledger_check.c ---- */

/* L3. */
void ledger_check_row(struct ledger *ledger, const struct ledger_row *row);

#endif
