/* SPDX-License-Identifier: MIT
 *
 * perdure entity list, show, state, clean; and how an entity is named on the command line.
 */
#include "entity.h"
#include "pages.h"

#include <inttypes.h>
#include <string.h>

bool entity_read(const char *word, struct entity_word *ret, int *ret_code)
{
    const char *name = *word == '@' ? word + 1 : word;
    const char *end = strchr(name, '@');
    if (end == NULL || end == name || (size_t)(end - name) >= sizeof ret->name) {
        *ret_code = problem(CODE_USAGE, "the key may be empty: @name@",
                            "'%s' is no entity: write @name@key", word);
        return false;
    }
    memcpy(ret->name, name, (size_t)(end - name));
    ret->name[end - name] = 0;
    ret->id = (pd_entity_id){ ret->name, end + 1 };
    return true;
}

int problem_of_entity(const pd_error *err, const char *word, const char *hub)
{
    return err->status == PD_E_NOT_FOUND
               ? problem(CODE_NOT_FOUND, NULL, "entity '%s' not found in hub '%s'", word, hub)
               : problem_of(err);
}

/* ---- an entity as a row ---------------------------------------------------------------------- */

static const struct column columns[] = {
    { "id", "ID", COLUMN_ID | COLUMN_CUT },
    { "name", NULL, COLUMN_PLAIN },
    { "key", NULL, COLUMN_PLAIN },
    { "changedAt", "CHANGED", 0 },
    { "backlog", "WAITING", COLUMN_RIGHT },
    { "lockedBy", "LOCKED BY", COLUMN_CUT },
    { "hasState", NULL, 0 },
    { "state", "STATE", COLUMN_CUT },
};

enum { COLUMNS = sizeof columns / sizeof columns[0], WITHOUT_STATE = COLUMNS - 1 };

static void fill(const pd_entity_view *v, struct cell *cells)
{
    bool has_state = pd_entity_view_has_state(v);
    cells[0] = cell_text(pd_entity_view_id(v));
    cells[1] = cell_text(pd_entity_view_name(v));
    cells[2] = cell_text(pd_entity_view_key(v));
    cells[3] = cell_time(pd_entity_view_changed_at(v));
    cells[4] = cell_int((int64_t)pd_entity_view_backlog(v));
    cells[5] = cell_text(pd_entity_view_locked_by(v));
    cells[6] = cell_json(has_state ? "true" : "false");
    cells[7] = cell_json(has_state ? pd_entity_view_state_json(v) : NULL);
}

/* ---- list ------------------------------------------------------------------------------------ */

static pd_entity_query query_of_entities(const struct invocation *in)
{
    const struct options *o = &in->options;
    return (pd_entity_query){
        .name = in->argument_count > 0 ? in->arguments[0] : NULL,
        .key_prefix = o->prefix,
        .changed_from = o->since,
        .changed_to = o->until,
        .with_state = o->with_state != 0,
        .with_empty = o->with_empty != 0,
    };
}

static bool put_page(struct pages *pages, pd_error *err)
{
    pd_entity_query query = query_of_entities(pages->in);
    query.page_token = pages->token;
    query.page_size = pages->size;
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

int cmd_entity_list(struct invocation *in)
{
    return pages_list(in, columns, in->options.with_state != 0 ? COLUMNS : WITHOUT_STATE, put_page);
}

/* ---- show, state ----------------------------------------------------------------------------- */

/* NULL after a problem. */
static pd_entity_view *fetch(struct invocation *in, pd_hub *hub, int *ret_code)
{
    const char *word = in->arguments[0];
    struct entity_word entity;
    pd_error err;
    if (!entity_read(word, &entity, ret_code)) {
        return NULL;
    }
    pd_entity_view *view = pd_hub_fetch_entity(hub, entity.id, &err);
    if (view == NULL) {
        *ret_code = problem_of_entity(&err, word, in->options.hub);
    }
    return view;
}

int cmd_entity_show(struct invocation *in)
{
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    PD_AUTO(pd_entity_view) view = hub != NULL ? fetch(in, hub, &code) : NULL;
    if (view == NULL) {
        return code;
    }
    struct cell cells[COLUMNS];
    fill(view, cells);
    struct output *out = output_begin(&in->options, OUTPUT_ONE, columns, COLUMNS);
    output_row(out, cells);
    return output_end(out, CODE_DONE);
}

int cmd_entity_state(struct invocation *in)
{
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    PD_AUTO(pd_entity_view) view = hub != NULL ? fetch(in, hub, &code) : NULL;
    if (view == NULL) {
        return code;
    }
    if (!pd_entity_view_has_state(view)) {
        return problem(CODE_NOT_FOUND, NULL, "entity '%s' has no state", in->arguments[0]);
    }
    if (output_format(&in->options) != FORMAT_NONE) {
        puts(pd_entity_view_state_json(view));
    }
    return CODE_DONE;
}

/* ---- clean ----------------------------------------------------------------------------------- */

static const struct column cleaned_columns[] = {
    { "removed", "REMOVED", COLUMN_RIGHT },
    { "unlocked", "UNLOCKED", COLUMN_RIGHT },
};

int cmd_entity_clean(struct invocation *in)
{
    int code = CODE_DONE;
    pd_error err;
    pd_cleaned cleaned;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    if (pd_hub_clean_entities(hub, &cleaned, &err) != PD_OK) {
        return problem_of(&err);
    }
    struct output *out = output_begin(&in->options, OUTPUT_ONE, cleaned_columns, 2);
    output_row(out, (struct cell[]){ cell_int((int64_t)cleaned.removed),
                                     cell_int((int64_t)cleaned.unlocked) });
    return output_end(out, CODE_DONE);
}
