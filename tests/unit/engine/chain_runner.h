/* SPDX-License-Identifier: MIT
 *
 * A runner for tests: what an orchestrator does is the first character of its instance id.
 *
 *   1 to 9   asks for so many activities, one after the other
 *   T        asks for a timer a second ahead
 *   L        asks for more than a turn may
 *   E        completes at the first event raised, with its payload
 *   R        completes at the third, with the payloads of all three
 *   C:x      has a child x, and ends as that does
 *   S:x      sends "1", "2" and "3" to x, and completes
 *   F        asks for an activity, and ends as that does
 *   N        continues as new with its input less one, down to 0
 *   X        asks for an activity, cancels it at the first event, completes at the second
 *   V        is left to another worker
 *   Z        asks for a timer, a tenth of a second, and ends the process when it fires
 *
 *   A:e      calls entity e: "add" 1, or the operation that its input names; ends as that does
 *   G:e      signals "note" 1 to 9 to entity e, and completes
 *   Q:e,f    locks entities e and f, calls "add" 1 of each, unlocks them, and completes
 *   H:e,f    locks them; completes at an event, and before that unlocks them unless it says 0
 *
 * Entities, by operation: "add" (the state is a number), "note" (digits are put behind the state),
 * "fail", "die", "delete", "large" (asks for too much), "brim" (by a byte), "tell" (signals "add" 1
 * to the entity that the input names), "later" (likewise to itself, a second ahead), "start" (an
 * orchestration), and what does nothing. All answer the state. Those named "left" are left to
 * another worker, those named "wrong" answer what is no answer.
 *
 * When `is_forgetful` holds, it wants its past at every later turn (T2), though it remembers
 * nothing anyway. With `later` it answers later. Activities answer "done", or do what the runner is
 * told to do with them. */
#ifndef CHAIN_RUNNER_H
#define CHAIN_RUNNER_H

#include <stdatomic.h>

#include "core/turn.h"
#include "later.h"

struct chain_runner {
    struct runner base;
    struct later *later; /* not NULL: turns are answered later, by what is put there */
    bool is_forgetful;
    struct task_limits limits; /* of activities that are asked for */
    _Atomic int activities_begun, activities_run, turns, forgets;
    _Atomic int operations, batches, grants;
    int batch_max;             /* operations of an entity run in one turn; 0: all */
    _Atomic int to_fail;       /* so many activities fail */
    _Atomic bool is_gate_shut; /* activities wait until it opens (for all, or so many) ... */
    _Atomic int gate_opens_for;
    _Atomic bool heeds_cancel;    /* ... or nobody wants them any more */
    _Atomic int cancelled;        /* so many saw that */
    _Atomic int beats;            /* each says "1", "2", ... up to this when it begins */
    _Atomic bool *while_beating;  /* true while it says so; NULL: nobody wants to know */
    _Atomic bool beats_for_ever;  /* and goes on with its last word while it waits */
    _Atomic bool has_transaction; /* activities run in one, which adds 1 to the database, an int */
    _Atomic bool is_deadly;       /* activities end the process */
    _Atomic int progress_seen;    /* the number that the last activity was given as progress */
};

void chain_runner_init(struct chain_runner *runner);

#endif
