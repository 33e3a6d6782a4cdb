/* SPDX-License-Identifier: MIT
 *
 * Rewriting: a history from which an instance can go on, made of one that it has.
 *
 * Pure functions over events; what they make borrows from what they are given, or lives in the
 * arena. core_adopt does the rest. */
#ifndef CORE_REWRITE_H
#define CORE_REWRITE_H

#include "core/core.h"

/* A failed instance goes on from before its failure.
 *
 * The last turn, in which it failed, is undone: what had come in waits again, what it asked for is
 * forgotten. Failures of activities and children are taken out, so that these steps are open and
 * asked for again: those of the last turn, and earlier ones after which the code has asked for
 * nothing more (it was waiting for others still: a fan-out). A failure that the code has answered
 * with another step (a retry, a compensation) stays, because history could not be replayed without
 * it. The execution id stays, so keys of activities do.
 *
 *   rewound   EXECUTION_REWOUND, becomes the first event that waits (the second, behind
 *             EXECUTION_STARTED, when the first turn failed)
 *   returns   PD_OK; PD_E_STATE when the history does not end with a failure */
pd_status rewrite_rewind(const struct instance_record *record, const struct turn_events *turns,
                         size_t turn_count, const struct event *rewound, struct arena *arena,
                         struct adoption *ret, pd_error *err);

/* A new instance that has lived as another one up to an event, and goes on from there.
 *
 * Whole turns are taken: up to and with the turn before the one that holds the event, whose inputs
 * up to the event wait again. Open children get ids of the new instance's own.
 *
 *   number    of the event, as people see it (1, 2, 3 ...; OrchestratorCompleted, which is not
 *             stored, counts): the first that has not happened yet
 *   record    of the source; id and execution_id of the new one are given
 *   returns   PD_OK; PD_E_INVALID when there is no such event */
pd_status rewrite_fork(const struct instance_record *record, const struct turn_events *turns,
                       size_t turn_count, uint64_t number, struct text id, struct text execution_id,
                       struct arena *arena, struct adoption *ret, pd_error *err);

/* Cuts the events of a whole history into turns: each begins with ORCHESTRATOR_STARTED. */
void rewrite_split(const struct event *events, size_t count, struct arena *arena,
                   const struct turn_events **ret, size_t *ret_count);

#endif
