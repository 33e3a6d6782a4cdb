/* SPDX-License-Identifier: MIT
 *
 * A runner for tests: every orchestrator is a chain of activities, every activity says "done".
 *
 * What an orchestrator does is the first character of its instance id: "3" asks for three
 * activities, one after the other; "T" asks for a timer a second ahead; "L" asks for more than a
 * turn may; "E" completes at the first event raised, with its payload. When `is_forgetful` holds,
 * it wants its past at every later turn (T2), though it remembers nothing anyway. */
#ifndef CHAIN_RUNNER_H
#define CHAIN_RUNNER_H

#include <stdatomic.h>

#include "core/turn.h"

struct chain_runner {
    struct runner base;
    bool is_forgetful;
    _Atomic int activities_begun, activities_run, turns, forgets;
    _Atomic bool is_gate_shut; /* activities wait until it opens */
};

void chain_runner_init(struct chain_runner *runner);

#endif
