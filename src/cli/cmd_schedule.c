/* SPDX-License-Identifier: MIT
 *
 * perdure schedule put, list, show, pause, resume, trigger, delete. A schedule is an entity, and is
 * looked at as one.
 */
#include "pages.h"

#include <string.h>

/* ---- put ------------------------------------------------------------------------------------- */

int cmd_schedule_put(struct invocation *in)
{
    const struct options *o = &in->options;
    int code = CODE_DONE;
    pd_schedule schedule = {
        .id = in->arguments[0],
        .rule = in->arguments[1],
        .orchestrator = in->arguments[2],
        .zone = o->zone,
        .input = PD_NULL,
        .version = o->version,
        .tags = PD_NULL,
        .begins = o->begins,
        .ends = o->ends,
        .overlap = (pd_overlap)o->overlap,
        .missed = (pd_missed)o->missed,
        .missed_max = o->missed_max,
        .is_paused = o->paused != 0,
    };
    PD_AUTO(pd_document) document = NULL;
    PD_AUTO(pd_document) tags = NULL;
    if (!payload_read("input", o->input, &document, &schedule.input, &code) ||
        !tags_read(o, &tags, &schedule.tags, &code)) {
        return code;
    }
    PD_AUTO(pd_hub) hub = hub_open(in, true, &code);
    if (hub == NULL) {
        return code;
    }
    pd_error err;
    if (pd_hub_put_schedule(hub, &schedule, &err) != PD_OK) {
        return problem_of(&err);
    }
    remark(o, "put; see: perdure --hub %s schedule show %s", o->hub, schedule.id);
    return CODE_DONE;
}

/* ---- a schedule as a row --------------------------------------------------------------------- */

static const struct column columns[] = {
    { "id", "ID", COLUMN_ID | COLUMN_CUT },
    { "status", "STATUS", 0 },
    { "rule", "RULE", COLUMN_CUT },
    { "zone", "ZONE", COLUMN_CUT },
    { "orchestrator", "STARTS", COLUMN_CUT },
    { "next", "NEXT", 0 },
    { "running", NULL, COLUMN_PLAIN },
    { "started", "STARTED", COLUMN_RIGHT },
    { "skipped", "SKIPPED", COLUMN_RIGHT },
    { "late", "LATE", COLUMN_RIGHT },
    { "last", NULL, 0 },
    { "problem", NULL, COLUMN_PLAIN },
    { "state", NULL, 0 },
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* NULL: there is none of that name. */
static const char *text_in(pd_value state, const char *key)
{
    pd_value value = pd_get(state, key);
    return pd_kind_of(value) == PD_IS_TEXT ? pd_text(value) : NULL;
}

static void fill(const pd_entity_view *v, struct cell *cells)
{
    pd_value state = pd_entity_view_state(v);
    cells[0] = cell_text(pd_entity_view_key(v));
    cells[1] = cell_text(text_in(state, "status"));
    cells[2] = cell_text(text_in(state, "rule"));
    cells[3] = cell_text(text_in(state, "zone"));
    cells[4] = cell_text(text_in(state, "orchestrator"));
    cells[5] = cell_time((pd_time){ pd_int(pd_get(state, "next")) });
    cells[6] = cell_text(text_in(state, "running"));
    cells[7] = cell_int(pd_int(pd_get(state, "started")));
    cells[8] = cell_int(pd_int(pd_get(state, "skipped")));
    cells[9] = cell_int(pd_int(pd_get(state, "late")));
    cells[10] = cell_text(text_in(pd_get(state, "last"), "id"));
    cells[11] = cell_text(text_in(state, "problem"));
    cells[12] = cell_json(pd_entity_view_state_json(v));
}

static bool put_page(struct pages *pages, pd_error *err)
{
    const pd_entity_query query = {
        .name = PD_SCHEDULE,
        .key_prefix = pages->in->options.prefix,
        .with_state = true,
        .page_token = pages->token,
        .page_size = pages->size,
    };
    PD_AUTO(pd_entity_page) page = pd_hub_query_entities(pages->hub, &query, err);
    for (size_t i = 0; page != NULL && i < pd_entity_page_count(page); i++) {
        struct cell cells[COLUMNS];
        fill(pd_entity_page_at(page, i), cells);
        output_row(pages->out, cells);
    }
    if (page != NULL) {
        pages_turn(pages, pd_entity_page_count(page), pd_entity_page_token(page));
    }
    return page != NULL;
}

int cmd_schedule_list(struct invocation *in)
{
    return pages_list(in, columns, COLUMNS, put_page);
}

static int problem_of_schedule(const pd_error *err, const char *id, const char *hub)
{
    return err->status == PD_E_NOT_FOUND
               ? problem(CODE_NOT_FOUND, NULL, "schedule '%s' not found in hub '%s'", id, hub)
               : problem_of(err);
}

int cmd_schedule_show(struct invocation *in)
{
    int code = CODE_DONE;
    pd_error err;
    const char *id = in->arguments[0];
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    PD_AUTO(pd_entity_view) view = pd_hub_fetch_entity(hub, PD_ENTITY(PD_SCHEDULE, id), &err);
    if (view == NULL) {
        return problem_of_schedule(&err, id, in->options.hub);
    }
    if (!pd_entity_view_has_state(view)) { /* it was put, and no engine has seen it */
        return problem(CODE_NOT_FOUND, "it is taken by the next worker that runs on this hub",
                       "schedule '%s' waits for an engine", id);
    }
    struct cell cells[COLUMNS];
    fill(view, cells);
    struct output *out = output_begin(&in->options, OUTPUT_ONE, columns, COLUMNS);
    output_row(out, cells);
    return output_end(out, CODE_DONE);
}

/* ---- orders ---------------------------------------------------------------------------------- */

static int order(struct invocation *in, pd_schedule_order what, const char *done)
{
    const struct options *o = &in->options;
    int code = CODE_DONE;
    size_t count = 0;
    struct ids ids = { 0 };
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL || !ids_read(in, &ids, &code)) {
        return code;
    }
    for (size_t i = 0; i < ids.count; i++) {
        pd_error err;
        if (pd_hub_order_schedule(hub, ids.at[i], what, &err) == PD_OK) {
            count++;
        } else {
            int found = problem_of_schedule(&err, ids.at[i], o->hub);
            code = code == CODE_DONE ? found : code;
        }
    }
    if (count > 0) {
        remark(o, "%s %zu of %zu", done, count, ids.count);
    }
    ids_done(&ids);
    return code;
}

int cmd_schedule_pause(struct invocation *in)
{
    return order(in, PD_SCHEDULE_PAUSE, "paused");
}

int cmd_schedule_resume(struct invocation *in)
{
    return order(in, PD_SCHEDULE_RESUME, "resumed");
}

int cmd_schedule_trigger(struct invocation *in)
{
    return order(in, PD_SCHEDULE_TRIGGER, "triggered");
}

int cmd_schedule_delete(struct invocation *in)
{
    return order(in, PD_SCHEDULE_DELETE, "deleted");
}
