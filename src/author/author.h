/* SPDX-License-Identifier: MIT
 *
 * Author: the C programming model. Runs user functions over core's turns, on stacks that pause.
 *
 * An author is a runner (core/turn.h). For each partition it keeps the orchestrations that are in
 * memory, each on a stack of its own, up to a bound; the least recently used is dropped and
 * rebuilt by replay when it is needed again. Kept and dropped are the same program to the user. */
#ifndef AUTHOR_AUTHOR_H
#define AUTHOR_AUTHOR_H

#include <perdure.h>

#include "core/turn.h"

/* What to do when an orchestrator calls what it must not (guard.c). */
enum author_guard { GUARD_OFF, GUARD_REPORT, GUARD_FAIL };

/* Activities that are run elsewhere than on the engine's threads: those that the program does not
 * have, and that `takes` answers true for. */
struct author_elsewhere {
    void *argument;
    bool (*takes)(void *argument, struct text name);
    /* Owns it until engine_end_activity. Any thread; may not block. */
    void (*take)(void *argument, struct activity *activity);
    /* As runner_ops.cancel. */
    void (*cancel)(void *argument, unsigned partition, uint64_t row, int32_t id);
    /* One with a limit of time is run to its end here: the engine watches it. */
    void (*run)(void *argument, const struct activity *, struct activity_host *, struct arena *,
                struct activity_result *ret);
};

struct author_options {
    void *user;
    size_t stack_size;         /* 0: LIMIT_STACK_DEFAULT */
    size_t orchestrations_max; /* over all partitions; 0: 10,000 */
    unsigned partition_count;
    bool is_drop_mode; /* drop every stack at every wait; api asks for it when PD_REPLAY=always */
    bool is_fault_unhandled; /* leave SIGSEGV alone: no line naming who overflowed its stack */
    const char *version;     /* of this worker; NULL: none. Borrowed */
    pd_version_match version_match;
    bool leaves_mismatch; /* RUNNER_LEAVES; else the instance fails with "VersionMismatch" */
    size_t payload_max;   /* bytes of JSON; 0: LIMIT_PAYLOAD_BYTES */
    enum author_guard guard;
    const struct author_elsewhere *elsewhere; /* NULL: none. Borrowed */
};

struct author_counters {
    uint64_t replays, evictions, resident;
};

/* The program's rows are borrowed, its table is checked: PD_E_INVALID. The runner is freed by
 * author_free. */
struct runner *author_new(const pd_function *program, size_t n,
                          const struct author_options *options, pd_error *err);
void author_free(struct runner *author); /* no call may be running; NULL is fine */
struct author_counters author_counters(const struct runner *author);

/* The name of a function in the program, for pd_ref with a function pointer; NULL: not
 * registered. */
const char *author_name_of(const struct runner *author, pd_any_fn *run, pd_function_kind kind);

/* Runs today's code against a whole history, without an engine: does it ask for the same? False:
 * the history cannot be read. */
struct author_finding {
    bool is_divergent;
    uint64_t event;   /* as people see them: the first that does not fit; 0: none does */
    const char *text; /* what history has and what the code asked for; in the arena */
    bool is_unknown;  /* the program has no such orchestrator: nothing was compared */
};
bool author_replay(struct runner *author, struct past *history, struct text instance_id,
                   uint64_t break_at, struct arena *arena, struct author_finding *ret);

/* The calling thread is in the code of an orchestrator or an entity, or in what it deferred. */
bool author_is_inside(void);

#endif
