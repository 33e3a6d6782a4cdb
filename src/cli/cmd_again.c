/* SPDX-License-Identifier: MIT
 *
 * perdure restart, fork: another run of what an instance did.
 */
#include <string.h>

#include "output.h"

static const struct column columns[] = { { "id", "ID", COLUMN_ID }, { "from", "FROM", 0 } };

/* False after a problem. */
static bool take_id(const struct options *o, pd_id *ret, int *ret_code)
{
    const char *wanted = o->new_id != NULL ? o->new_id : "";
    if (o->new_id != NULL && *wanted == 0) { /* "$id" of a script that has none */
        *ret_code = problem(CODE_USAGE, NULL, "--new-id: the id is empty");
        return false;
    }
    if (strlen(wanted) >= sizeof ret->text) {
        *ret_code = problem(CODE_USAGE, NULL, "--new-id: the id is too long");
        return false;
    }
    memcpy(ret->text, wanted, strlen(wanted) + 1);
    return true;
}

static int tell(const struct options *o, const char *id, const char *from)
{
    struct options shown = *o;
    if (shown.format == FORMAT_AUTO) {
        shown.format = FORMAT_ID;
    }
    struct output *out = output_begin(&shown, OUTPUT_ONE, columns, 2);
    output_row(out, (struct cell[]){ cell_text(id), cell_text(from) });
    return output_end(out, CODE_DONE);
}

int cmd_restart(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *id = in->arguments[0];
    bool is_other = o->new_id != NULL || o->make_id != 0;
    int code = CODE_DONE;
    pd_id made = { "" };
    pd_error err;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL || !take_id(o, &made, &code)) {
        return code;
    }
    if (pd_hub_restart(hub, id, is_other ? &made : NULL, &err) != PD_OK) {
        return problem_of_instance(&err, id, o->hub);
    }
    return tell(o, is_other ? made.text : id, id);
}

int cmd_fork(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *id = in->arguments[0];
    int code = CODE_DONE;
    pd_id made = { "" };
    pd_error err;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL || !take_id(o, &made, &code)) {
        return code;
    }
    if (pd_hub_fork(hub, id, o->event, &made, &err) != PD_OK) {
        return problem_of_instance(&err, id, o->hub);
    }
    return tell(o, made.text, id);
}
