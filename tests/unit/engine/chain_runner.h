/* SPDX-License-Identifier: MIT
 *
 * A runner for tests: every orchestrator is a chain of activities, every activity says "done".
 *
 * The name of the orchestrator is its length as a digit: "3" asks for three activities, one after
 * the other, and completes with the number of turns it saw. "T" asks for a timer a second ahead.
 * "E" completes at the first event raised, with its payload. The runner remembers nothing between turns, so
 * that every later turn is given its past (T2) when `is_forgetful` holds. */
#ifndef CHAIN_RUNNER_H
#define CHAIN_RUNNER_H

#include <stdatomic.h>

#include "core/turn.h"

struct chain_runner {
    struct runner base;
    bool is_forgetful;
    _Atomic int activities_run, turns, forgets;
    _Atomic bool is_gate_shut; /* activities wait until it opens */
};

void chain_runner_init(struct chain_runner *runner);

#endif
