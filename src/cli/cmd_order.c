/* SPDX-License-Identifier: MIT
 *
 * perdure terminate, suspend, resume, rewind: an order to each of some instances.
 *
 * Each is tried, whatever became of the ones before; the exit code is the first problem's.
 */
#include <string.h>

#include "output.h"

static const struct column columns[] = { { "id", "ID", COLUMN_ID }, { "done", "DONE", 0 } };

typedef pd_status order_fn(pd_hub *hub, const char *id, const struct options *o, pd_error *err);

static pd_status terminate(pd_hub *hub, const char *id, const struct options *o, pd_error *err)
{
    return pd_hub_terminate(hub, id, o->reason, o->recursive != 0, err);
}

static pd_status suspend(pd_hub *hub, const char *id, const struct options *o, pd_error *err)
{
    return pd_hub_suspend(hub, id, o->reason, err);
}

static pd_status resume(pd_hub *hub, const char *id, const struct options *o, pd_error *err)
{
    return pd_hub_resume(hub, id, o->reason, err);
}

static pd_status rewind_one(pd_hub *hub, const char *id, const struct options *o, pd_error *err)
{
    return pd_hub_rewind(hub, id, o->reason, err);
}

static int order_all(struct invocation *in, pd_hub *hub, const struct ids *ids, order_fn *order,
                     const char *done, const char *hint)
{
    const struct options *o = &in->options;
    int code = CODE_DONE;
    bool wants_data = o->format != FORMAT_AUTO; /* nothing was asked, so there is no data */
    struct output *out = wants_data ? output_begin(o, OUTPUT_MANY, columns, 2) : NULL;
    size_t count = 0;
    for (size_t i = 0; i < ids->count; i++) {
        pd_error err;
        if (order(hub, ids->at[i], o, &err) != PD_OK) {
            int found = err.status == PD_E_STATE && hint != NULL
                            ? problem(CODE_CONFLICT, hint, "%s", err.text)
                            : problem_of_instance(&err, ids->at[i], o->hub);
            code = code == CODE_DONE ? found : code;
            continue;
        }
        count++;
        if (out != NULL) {
            output_row(out, (struct cell[]){ cell_text(ids->at[i]), cell_text(done) });
        }
    }
    if (out != NULL) {
        return output_end(out, code);
    }
    if (count > 0) {
        remark(o, "%s %zu of %zu", done, count, ids->count);
    }
    return code;
}

/* hint: what helps in a state that does not allow it; NULL: nothing does. */
static int run(struct invocation *in, order_fn *order, const char *done, const char *hint)
{
    int code = CODE_DONE;
    struct ids ids;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    if (ids_read(in, &ids, &code)) {
        code = order_all(in, hub, &ids, order, done, hint);
    }
    ids_done(&ids);
    return code;
}

int cmd_terminate(struct invocation *in)
{
    return run(in, terminate, "terminated", NULL);
}

int cmd_suspend(struct invocation *in)
{
    return run(in, suspend, "suspended", NULL);
}

int cmd_resume(struct invocation *in)
{
    return run(in, resume, "resumed", NULL);
}

int cmd_rewind(struct invocation *in)
{
    return run(in, rewind_one, "rewound",
               "only what has failed is rewound; restart and fork begin another");
}
