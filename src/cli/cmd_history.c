/* SPDX-License-Identifier: MIT
 *
 * perdure history: what an instance did, event by event.
 */
#include <string.h>

#include "output.h"

static const struct column columns[] = {
    { "number", "#", COLUMN_RIGHT | COLUMN_ID },
    { "timestamp", "TIME", 0 },
    { "eventType", "EVENT", 0 },
    { "eventId", "ID", COLUMN_RIGHT },
    { "name", "NAME", COLUMN_CUT },
    { "input", "INPUT", COLUMN_CUT },
    { "result", "RESULT", COLUMN_CUT },
    { "status", "STATUS", 0 },
    { "instance", NULL, 0 },
    { "step", NULL, 0 },
    { "failure", NULL, 0 },
    { "fireAt", NULL, 0 },
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

/* When a timer is due, as short as tables need it: the time on the same day, else the day. */
static struct time_text due_brief(const pd_history_event *e)
{
    enum { DAY_SIZE = 10 };
    struct time_text due = time_local(e->fire_at.ms * 1000);
    struct time_text now = time_local(e->at_us);
    if (memcmp(due.text, now.text, DAY_SIZE) == 0) {
        memmove(due.text, due.text + DAY_SIZE + 1, strlen(due.text + DAY_SIZE + 1) + 1);
    } else {
        due.text[DAY_SIZE] = 0;
    }
    return due;
}

static void add_event(struct output *out, enum format format, const char *id,
                      const pd_history_event *e)
{
    AUTO_STRING failure = { 0 }, brief = { 0 };
    string_failure(&failure, e->failure);
    struct cell result = cell_json(e->result_json);
    struct cell status = cell_text(e->status);
    struct cell event_id = e->event_id >= 0 ? cell_int(e->event_id) : cell_none();
    bool for_people = format == FORMAT_TABLE || format == FORMAT_PLAIN;
    if (e->step >= 0 && for_people) {
        event_id = cell_int(e->step); /* people read both as "which step" */
    }
    if (e->failure != NULL && for_people) {
        /* People look for it where the result would be. */
        string_format(&brief, "%s: %s", e->failure->type != NULL ? e->failure->type : "",
                      e->failure->message != NULL ? e->failure->message : "");
        result = cell_text(brief.at);
        result.color = status.color = "red";
    }
    struct time_text due = due_brief(e);
    if (e->fire_at.ms != 0 && for_people) { /* here, because a status is never cut to fit */
        status = format == FORMAT_TABLE ? cell_text(due.text) : cell_time(e->fire_at);
    }
    struct cell cells[COLUMN_COUNT] = {
        cell_int(e->number),
        cell_micros(e->at_us),
        cell_text(e->kind),
        event_id,
        cell_text(e->name),
        cell_json(e->input_json),
        result,
        status,
        cell_text(id),
        e->step >= 0 ? cell_int(e->step) : cell_none(),
        cell_json(e->failure != NULL ? failure.at : NULL),
        cell_time(e->fire_at),
    };
    output_row(out, cells);
}

int cmd_history(struct invocation *in)
{
    const char *id = in->arguments[0];
    int code = CODE_DONE;
    pd_error err;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    PD_AUTO(pd_history) history = pd_hub_fetch_history(hub, id, &err);
    if (history == NULL) {
        return problem_of_instance(&err, id, in->options.hub);
    }
    struct output *out = output_begin(&in->options, OUTPUT_MANY, columns, COLUMN_COUNT);
    for (size_t i = 0; i < pd_history_count(history) && !output_reader_left(); i++) {
        add_event(out, output_format(&in->options), id, pd_history_at(history, i));
    }
    return output_end(out, CODE_DONE);
}
