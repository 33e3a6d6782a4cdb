/* SPDX-License-Identifier: MIT
 *
 * perdure purge: forgets instances that have ended, by id or by filter.
 *
 * A filter may find many: on a terminal the command says how many and asks; --yes answers, and
 * elsewhere nothing is asked. Ctrl-C stops between two batches: what is purged is purged, and the
 * same command goes on.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

static const struct column columns[] = { { "purged", "PURGED", COLUMN_RIGHT | COLUMN_ID } };

static int tell(const struct options *o, uint64_t purged, int code)
{
    struct output *out = output_begin(o, OUTPUT_ONE, columns, 1);
    output_row(out, (struct cell[]){ cell_int((int64_t)purged) });
    return output_end(out, code);
}

/* ---- by id ----------------------------------------------------------------------------------- */

/* An id with all that descends from it is a query for its children, first. */
static int purge_one(const struct invocation *in, pd_hub *hub, const char *id, uint64_t *purged)
{
    const struct options *o = &in->options;
    pd_error err;
    if (o->recursive || o->dry_run) {
        PD_AUTO(pd_instance) instance = pd_hub_fetch(hub, id, &err);
        if (instance == NULL) {
            return problem_of_instance(&err, id, o->hub);
        }
        if (!pd_instance_is_ended(instance)) {
            return problem(CODE_CONFLICT, "terminate it first", "instance '%s' has not ended", id);
        }
    }
    if (o->dry_run) {
        ++*purged;
        return CODE_DONE;
    }
    if (o->recursive) {
        pd_query children = { .parent_id = id };
        pd_purge_options options = { .recursive = true };
        uint64_t count = 0;
        if (pd_hub_purge_all(hub, &children, &options, &count, &err) != PD_OK) {
            return problem_of(&err);
        }
        *purged += count;
    }
    if (pd_hub_purge(hub, id, &err) != PD_OK) {
        return err.status == PD_E_STATE
                   ? problem(CODE_CONFLICT, "terminate it first", "%s", err.text)
                   : problem_of_instance(&err, id, o->hub);
    }
    ++*purged;
    return CODE_DONE;
}

static int purge_ids(const struct invocation *in, pd_hub *hub)
{
    struct ids ids;
    uint64_t purged = 0;
    int code = CODE_DONE;
    if (ids_read(in, &ids, &code)) {
        for (size_t i = 0; i < ids.count; i++) {
            int found = purge_one(in, hub, ids.at[i], &purged);
            code = code == CODE_DONE ? found : code;
        }
        tell(&in->options, purged, code);
    }
    ids_done(&ids);
    return code;
}

/* ---- by filter ------------------------------------------------------------------------------- */

static bool show_progress(uint64_t purged, void *argument)
{
    const struct options *o = argument;
    if (!o->quiet && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%" PRIu64 " purged", purged);
    }
    return true;
}

static bool is_agreed(const struct options *o, uint64_t count)
{
    if (o->yes || count == 0 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return true;
    }
    char answer[16] = "";
    fprintf(stderr, "forget %" PRIu64 " instances and their histories? [y/N] ", count);
    return fgets(answer, sizeof answer, stdin) != NULL && (*answer == 'y' || *answer == 'Y');
}

static int purge_query(const struct invocation *in, pd_hub *hub)
{
    const struct options *o = &in->options;
    pd_query query = query_of(o);
    const unsigned ended = 1u << PD_RUN_COMPLETED | 1u << PD_RUN_FAILED | 1u << PD_RUN_TERMINATED;
    pd_counts counts;
    pd_error err;
    if (query.states != 0 && (query.states & ended) == 0) {
        return problem(CODE_CONFLICT, "terminate them first",
                       "only what has ended can be purged, and --status names none of that");
    }
    query.states = query.states != 0 ? query.states & ended : ended;
    query.with_builtin = true; /* as purging has */
    if (pd_hub_count(hub, &query, &counts, &err) != PD_OK) {
        return problem_of(&err);
    }
    if (o->dry_run) {
        return tell(o, counts.all, CODE_DONE);
    }
    if (!is_agreed(o, counts.all)) {
        return problem(CODE_OTHER, NULL, "nothing was purged");
    }
    struct options shown = *o;
    pd_purge_options options = { .recursive = o->recursive != 0,
                                 .time_max = { o->timeout.ms > 0 ? o->timeout.ms : 0 },
                                 .tell = show_progress,
                                 .argument = &shown };
    uint64_t purged = 0;
    pd_status status = pd_hub_purge_all(hub, &query, &options, &purged, &err);
    if (purged > 0 && !o->quiet && isatty(STDERR_FILENO)) {
        fputc('\n', stderr);
    }
    int code = status == PD_OK ? CODE_DONE : problem_of(&err);
    return tell(o, purged, code);
}

int cmd_purge(struct invocation *in)
{
    const struct options *o = &in->options;
    bool has_filter = query_is_given(o) || o->every;
    if (in->argument_count > 0 && has_filter) {
        return problem(CODE_USAGE, NULL, "give ids or a filter, not both");
    }
    if (in->argument_count == 0 && !has_filter) {
        return problem(CODE_USAGE,
                       "perdure purge ID..., --status failed --older-than 30d, or --all",
                       "purge what?");
    }
    if (o->prefix != NULL && *o->prefix == 0) { /* "$run" of a script that has none */
        return problem(CODE_USAGE, "for everything that has ended say --all",
                       "--prefix: it is empty");
    }
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    return in->argument_count > 0 ? purge_ids(in, hub) : purge_query(in, hub);
}
