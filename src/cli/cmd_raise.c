/* SPDX-License-Identifier: MIT
 *
 * perdure raise: an event for an instance.
 */

#include "output.h"

static const struct column columns[] = { { "id", "ID", COLUMN_ID }, { "event", "EVENT", 0 } };

int cmd_raise(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *id = in->arguments[0], *event = in->arguments[1];
    int code = CODE_DONE;
    pd_error err;
    pd_value value;
    PD_AUTO(pd_document) document = NULL;
    if (!payload_read("data", o->data, &document, &value, &code)) {
        return code;
    }
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    if (pd_hub_raise_event(hub, id, event, value, &err) != PD_OK) {
        return err.status == PD_E_STATE
                   ? problem(CODE_CONFLICT, NULL, "instance '%s' has ended already", id)
                   : problem_of_instance(&err, id, o->hub);
    }
    if (o->format == FORMAT_AUTO) { /* nothing was asked, so there is no data */
        remark(o, "raised '%s'; see: perdure history %s", event, id);
        return CODE_DONE;
    }
    struct output *out = output_begin(o, OUTPUT_ONE, columns, 2);
    output_row(out, (struct cell[]){ cell_text(id), cell_text(event) });
    return output_end(out, CODE_DONE);
}
