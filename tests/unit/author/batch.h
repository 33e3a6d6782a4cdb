/* SPDX-License-Identifier: MIT
 *
 * A batch of operations of one entity, run as core would have it run, and written down.
 *
 * What a script calls and signals stands in line until it runs the batch. State, answers and
 * actions are copied out of the runner's memory; the events that it was lent are destroyed. The
 * transcript has a line for each operation, for each action, and for the state. */
#ifndef BATCH_H
#define BATCH_H

#include "play.h"

struct stand {
    struct runner *runner;
    const char *id; /* "@name@key" */
    time_us now;
    struct arena arena;
    struct text state; /* as the store has it; absent: none */
    struct event *line;
    size_t count, room;
    struct buffer transcript;
    const struct failure *failure; /* of the operation that failed last */
    size_t batches;
};

void stand_begin(struct stand *stand, const pd_function *program, size_t n, const char *id);
void stand_end(struct stand *stand);

struct event *stand_call(struct stand *stand, const char *op, const char *json);
struct event *stand_signal(struct stand *stand, const char *op, const char *json);
/* Until nothing stands in line. Returns the transcript, which begins anew then. */
const char *stand_run(struct stand *stand);

#endif
