/* SPDX-License-Identifier: MIT
 *
 * Rewriting: a history from which an instance can go on, made of one that it has.
 *
 * Pure functions over events; what they make borrows from what they are given, or lives in the
 * arena. core_adopt does the rest.
 *
 * Both cut a history into what stays and what is lived again. What stays are whole turns, as they
 * are; of the others what had come in waits again, in its order, and what the code asked for is
 * forgotten, because it will ask anew. So nothing that is kept depends on what is not.
 *
 *   R1  A turn that stays and was not changed is the caller's own array of events.
 *   R2  All that stays can be replayed by code that did not change.
 *   R3  Time and memory are linear in the number of events, but for the children of a fork, which
 *       are looked up.
 *
 * Entities: a call is cut and asked for again as an activity is. Locks cannot be had again, so
 * nothing goes on from inside a critical section. R4: rewrite_section.c. */
#ifndef CORE_REWRITE_H
#define CORE_REWRITE_H

#include "core/core.h"

/* A failed instance goes on from before its failure.
 *
 * The turn in which it failed is undone, and with it those before it in which the code asked for
 * nothing: it was waiting for others still (a fan-out). What had come in in these turns waits
 * again, but for failures of activities, children and calls: they are taken out, so that these
 * steps are open and asked for again. Where a retry policy went on in such a turn, its new attempts
 * and their timers stay, and so do the failures that they answer. A failure that the code has
 * answered with a step of its own (a compensation), or that came before one, stays too, because
 * history could not be replayed without it. The execution id stays, so keys of activities do. What
 * the last turn sent (events, signals) is sent again when the code sends it again.
 *
 *   rewound   EXECUTION_REWOUND, becomes the first event that waits, behind EXECUTION_STARTED and
 *             earlier ones of its kind that stand there
 *   returns   PD_OK; PD_E_STATE when the history does not end with a failure, or it failed inside a
 *             critical section, or in the turn in which it left or entered one: its locks were
 *             given back, and what stays would be inside */
pd_status rewrite_rewind(const struct instance_record *record, const struct turn_events *turns,
                         size_t turn_count, const struct event *rewound, struct arena *arena,
                         struct adoption *ret, pd_error *err);

/* A new instance that has lived as another one up to an event, and goes on from there.
 *
 * Whole turns are taken: up to and with the turn before the one that holds the event, whose inputs
 * up to the event wait again; the start always does when no turn is taken. Nothing is taken out:
 * failures are part of the life up to there. Open children get ids of the new instance's own. It is
 * nobody's child, not suspended, and has the source's custom status only when nothing was cut off.
 *
 *   number    of the event, as people see it (1, 2, 3 ...; OrchestratorCompleted, which is not
 *             stored, counts): the first that has not happened yet. 0: all of them have, but for
 *             the end of one that has ended: the turn that ended it is lived again. What waits for
 *             the source and was in no turn yet is the source's alone; without any turn that
 *             leaves the start, as the record has it
 *   record    of the source; id and execution_id of the new one are given
 *   returns   PD_OK; PD_E_INVALID when there is no such event, or what stays ends inside a critical
 *             section: the locks are the source's */
pd_status rewrite_fork(const struct instance_record *record, const struct turn_events *turns,
                       size_t turn_count, uint64_t number, struct text id, struct text execution_id,
                       struct arena *arena, struct adoption *ret, pd_error *err);

/* Cuts the events of a whole history into turns: each begins with ORCHESTRATOR_STARTED. */
void rewrite_split(const struct event *events, size_t count, struct arena *arena,
                   const struct turn_events **ret, size_t *ret_count);

/* The LOCK_REQUESTED of the critical section that it is inside of, or waits to get into, when it
 * has lived so far; NULL: none. */
const struct event *rewrite_open_section(const struct adoption *adoption);

/* Is this a history that an instance can go on from, or have ended with? What comes from outside
 * (an archive) may be anything. Turns begin with ORCHESTRATOR_STARTED and the first then with
 * EXECUTION_STARTED, or that one waits; a step of a number is open once at a time; an execution
 * ends at most once, at the end, and does so exactly when the record says so; what waits can come
 * in; one that has not ended is in no critical section.
 *
 *   returns   PD_OK, or PD_E_CORRUPT with the sentence */
pd_status rewrite_check(const struct adoption *adoption, pd_error *err);
/* Likewise of one that is only to be looked at: it may be in a critical section. */
pd_status rewrite_check_past(const struct adoption *adoption, pd_error *err);

/* Likewise of what a store has of an instance that has not ended: whether core_admit can build on
 * it. Less is looked at, as core wrote it; but a file may be damaged. */
pd_status rewrite_check_image(const struct instance_image *image, pd_error *err);

#endif
