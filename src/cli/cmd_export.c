/* SPDX-License-Identifier: MIT
 *
 * perdure export, perdure import: instances with their histories, out of a hub into an archive and
 * from an archive into a hub.
 */
#include <inttypes.h>

#include "output.h"

static const struct column columns[] = {
    { "file", "FILE", 0 },
    { "instances", "INSTANCES", COLUMN_RIGHT | COLUMN_ID },
};

static int tell(const struct options *o, const char *verb, const char *path, uint64_t count)
{
    if (o->format == FORMAT_AUTO) { /* nothing was asked, so there is no data */
        remark(o, "%s %" PRIu64 " instance%s", verb, count, count == 1 ? "" : "s");
        return CODE_DONE;
    }
    struct output *out = output_begin(o, OUTPUT_ONE, columns, 2);
    output_row(out, (struct cell[]){ cell_text(path), cell_int((int64_t)count) });
    return output_end(out, CODE_DONE);
}

int cmd_export(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *path = in->arguments[0];
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    pd_query query = query_of(o);
    uint64_t count = 0;
    pd_error err;
    if (pd_hub_export(hub, &query, path, &count, &err) != PD_OK) {
        return problem_of(&err);
    }
    return tell(o, "exported", path, count);
}

/* What came before the one that could not be added is in the hub. */
int cmd_import(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *path = in->arguments[0];
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, true, &code);
    if (hub == NULL) {
        return code;
    }
    uint64_t count = 0;
    pd_error err;
    if (pd_hub_import(hub, path, &count, &err) != PD_OK) {
        char hint[80];
        snprintf(hint, sizeof hint, "%" PRIu64 " instance%s before it %s imported", count,
                 count == 1 ? "" : "s", count == 1 ? "was" : "were");
        const char *none = err.status == PD_E_EXISTS
                               ? "nothing was imported; another hub may be free of it"
                               : NULL;
        return problem(code_of_status(err.status), count > 0 ? hint : none, "%s", err.text);
    }
    return tell(o, "imported", path, count);
}
