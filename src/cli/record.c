/* SPDX-License-Identifier: MIT
 *
 * An instance as a row; see record.h. Names in JSON are those of the Durable Functions model
 * wherever it has one.
 */
#include "record.h"

#include <string.h>

const struct column record_columns[RECORD_ALL] = {
    { "id", "ID", COLUMN_ID | COLUMN_CUT },
    { "name", "NAME", COLUMN_CUT },
    { "status", "STATUS", 0 },
    { "createdAt", "CREATED", COLUMN_SPARE },
    { "endedAt", "ENDED", COLUMN_SPARE },
    { "version", NULL, COLUMN_PLAIN },
    { "executionId", NULL, 0 },
    { "updatedAt", NULL, 0 },
    { "input", "INPUT", COLUMN_CUT },
    { "output", "OUTPUT", COLUMN_CUT },
    { "failure", "FAILURE", COLUMN_CUT },
    { "customStatus", "SAYS", COLUMN_CUT },
    { "tags", "TAGS", COLUMN_CUT },
    { "parentId", "PARENT", COLUMN_CUT },
    { "startsAt", "STARTS", 0 },
};

struct cell record_status(pd_run_state state)
{
    struct cell cell = cell_text(pd_run_state_name(state));
    switch (state) {
    case PD_RUN_PENDING:
    case PD_RUN_SUSPENDED: cell.color = "yellow"; break;
    case PD_RUN_RUNNING: cell.color = "cyan"; break;
    case PD_RUN_COMPLETED: cell.color = "green"; break;
    case PD_RUN_FAILED:
    case PD_RUN_TERMINATED: cell.color = "red"; break;
    }
    return cell;
}

static void add_tags(struct string *json, const pd_instance *i)
{
    string_text(json, "{");
    for (size_t n = 0; n < pd_instance_tag_count(i); n++) {
        string_text(json, n == 0 ? "" : ",");
        string_quote(json, pd_instance_tag_key(i, n));
        string_text(json, ":");
        string_quote(json, pd_instance_tag_value(i, n));
    }
    string_text(json, "}");
}

void record_fill(const pd_instance *i, size_t count, struct cell *cells, struct string *made)
{
    cells[0] = cell_text(pd_instance_id_of(i));
    cells[1] = cell_text(pd_instance_name(i));
    cells[2] = record_status(pd_instance_state(i));
    cells[3] = cell_time(pd_instance_created_at(i));
    cells[4] = cell_time(pd_instance_ended_at(i));
    cells[5] = cell_text(pd_instance_version(i));
    cells[6] = cell_text(pd_instance_execution_id(i));
    cells[7] = cell_time(pd_instance_updated_at(i));
    if (count < RECORD_ALL) {
        return;
    }
    const pd_failure *why = pd_instance_failure(i);
    pd_run_state state = pd_instance_state(i);
    bool has_output = state == PD_RUN_COMPLETED || state == PD_RUN_TERMINATED;
    const char *says = pd_instance_status_json(i);
    cells[8] = cell_json(pd_instance_input_json(i));
    cells[9] = cell_json(has_output ? pd_instance_output_json(i) : NULL);
    /* Both texts first: the string moves while it grows. */
    made->size = 0;
    string_failure(made, why);
    string_add(made, "", 1);
    size_t tags_at = made->size;
    add_tags(made, i);
    cells[10] = cell_json(why != NULL ? made->at : NULL);
    cells[11] = cell_json(strcmp(says, "null") != 0 ? says : NULL);
    cells[12] = cell_json(pd_instance_tag_count(i) > 0 ? made->at + tags_at : NULL);
    cells[13] = cell_text(pd_instance_parent_id(i));
    cells[14] = cell_time(pd_instance_starts_at(i));
}
