/* SPDX-License-Identifier: MIT
 *
 * perdure show: one instance, or its bare input, output or failure.
 */
#include "record.h"

static void bare(const struct invocation *in, const struct cell *cells)
{
    const struct options *o = &in->options;
    const int asked[] = { o->show_input, o->show_output, o->show_failure };
    for (size_t i = 0; i < 3 && output_format(o) != FORMAT_NONE; i++) {
        const struct cell *cell = &cells[RECORD_LIST + i];
        if (asked[i]) {
            puts(cell->kind == CELL_JSON ? cell->text : "null");
        }
    }
}

/* What is Pending for long is mostly a name that no worker has. */
static void say_what_it_waits_for(const struct invocation *in, const pd_instance *instance)
{
    bool is_early = pd_instance_starts_at(instance).ms > clock_now_ms();
    if (pd_instance_state(instance) == PD_RUN_PENDING && !is_early) {
        remark(&in->options, "it waits for a worker on this hub that has the orchestrator '%s'",
               pd_instance_name(instance));
    }
}

int cmd_show(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *id = in->arguments[0];
    int code = CODE_DONE;
    pd_error err;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    PD_AUTO(pd_instance) instance = pd_hub_fetch(hub, id, &err);
    if (instance == NULL) {
        return problem_of_instance(&err, id, o->hub);
    }
    AUTO_STRING failure = { 0 };
    struct cell cells[RECORD_ALL];
    record_fill(instance, RECORD_ALL, cells, &failure);
    if ((o->show_input || o->show_output || o->show_failure) && !o->show_all) {
        bare(in, cells);
        return CODE_DONE;
    }
    struct output *out = output_begin(o, OUTPUT_ONE, record_columns, RECORD_ALL);
    output_row(out, cells);
    code = output_end(out, CODE_DONE);
    say_what_it_waits_for(in, instance);
    return code;
}
