/* SPDX-License-Identifier: MIT
 *
 * perdure wait: until instances have ended, and how they did.
 */
#include <string.h>

#include "record.h"

static const struct column columns[] = {
    { "id", "ID", COLUMN_ID | COLUMN_CUT },
    { "name", "NAME", COLUMN_CUT },
    { "status", "STATUS", 0 },
    { "output", "OUTPUT", COLUMN_CUT },
    { "failure", "FAILURE", COLUMN_CUT },
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

static int code_of_end(const pd_instance *instance)
{
    switch (pd_instance_state(instance)) {
    case PD_RUN_FAILED: return CODE_RUN_FAILED;
    case PD_RUN_TERMINATED: return CODE_RUN_TERMINATED;
    case PD_RUN_PENDING:
    case PD_RUN_RUNNING:
    case PD_RUN_SUSPENDED:
    case PD_RUN_COMPLETED: break;
    }
    return CODE_DONE;
}

static void add_instance(struct output *out, const pd_instance *instance)
{
    AUTO_STRING failure = { 0 };
    struct cell all[RECORD_ALL];
    record_fill(instance, RECORD_ALL, all, &failure);
    struct cell cells[COLUMN_COUNT] = { all[0], all[1], all[2], all[RECORD_LIST + 1],
                                        all[RECORD_LIST + 2] };
    output_row(out, cells);
}

int wait_for_instances(struct invocation *in, pd_hub *hub, const char *const *ids, size_t count,
                       bool exit_by_status)
{
    int64_t began = clock_mono_ns() / 1000000;
    int code = CODE_DONE, ended = CODE_DONE;
    struct output *out = output_begin(&in->options, OUTPUT_MANY, columns, COLUMN_COUNT);
    for (size_t i = 0; i < count; i++) {
        pd_duration left = pd_days(3650);
        if (in->options.timeout.ms >= 0) {
            int64_t passed = clock_mono_ns() / 1000000 - began;
            left.ms = in->options.timeout.ms > passed ? in->options.timeout.ms - passed : 0;
        }
        pd_error err;
        PD_AUTO(pd_instance) instance = pd_hub_wait(hub, ids[i], left, &err);
        if (instance == NULL) {
            int found = problem_of_instance(&err, ids[i], in->options.hub);
            code = code == CODE_DONE ? found : code;
            continue;
        }
        add_instance(out, instance);
        int how = code_of_end(instance);
        ended = ended == CODE_DONE ? how : ended;
    }
    return output_end(out, code != CODE_DONE || !exit_by_status ? code : ended);
}

int cmd_wait(struct invocation *in)
{
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    return wait_for_instances(in, hub, (const char *const *)in->arguments,
                              (size_t)in->argument_count, in->options.exit_status != 0);
}
