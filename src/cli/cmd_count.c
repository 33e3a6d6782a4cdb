/* SPDX-License-Identifier: MIT
 *
 * perdure count: how many instances there are, by status.
 */
#include "record.h"

static const struct column columns[] = {
    { "status", "STATUS", 0 },
    { "count", "COUNT", COLUMN_RIGHT | COLUMN_ID },
};

int cmd_count(struct invocation *in)
{
    const struct options *o = &in->options;
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    pd_query query = query_of(o);
    pd_counts counts;
    pd_error err;
    if (pd_hub_count(hub, &query, &counts, &err) != PD_OK) {
        return problem_of(&err);
    }
    struct output *out = output_begin(o, OUTPUT_MANY, columns, 2);
    for (int state = PD_RUN_PENDING; state <= PD_RUN_TERMINATED; state++) {
        if (o->states == 0 || (o->states >> state & 1) != 0) {
            output_row(out, (struct cell[]){ record_status((pd_run_state)state),
                                             cell_int((int64_t)counts.of[state]) });
        }
    }
    output_row(out, (struct cell[]){ cell_text("all"), cell_int((int64_t)counts.all) });
    return output_end(out, CODE_DONE);
}
