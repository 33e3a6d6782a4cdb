/* SPDX-License-Identifier: MIT
 *
 * Stands in for what these tests do not link: the commands themselves (none is run here, but the
 * table names them) and the table writer, which has tests of its own kind in tests/e2e. */
#include "cli.h"
#include "output.h"

#define NOT_RUN(name)               \
    int name(struct invocation *in) \
    {                               \
        (void)in;                   \
        return CODE_OTHER;          \
    }
NOT_RUN(cmd_start)
NOT_RUN(cmd_list)
NOT_RUN(cmd_show)
NOT_RUN(cmd_history)
NOT_RUN(cmd_wait)
NOT_RUN(cmd_raise)
NOT_RUN(cmd_count)
NOT_RUN(cmd_tree)
NOT_RUN(cmd_watch)
NOT_RUN(cmd_terminate)
NOT_RUN(cmd_suspend)
NOT_RUN(cmd_resume)
NOT_RUN(cmd_rewind)
NOT_RUN(cmd_restart)
NOT_RUN(cmd_fork)
NOT_RUN(cmd_purge)
NOT_RUN(cmd_export)
NOT_RUN(cmd_import)
NOT_RUN(cmd_replay)
NOT_RUN(cmd_host)
NOT_RUN(cmd_entity_list)
NOT_RUN(cmd_entity_show)
NOT_RUN(cmd_entity_state)
NOT_RUN(cmd_entity_call)
NOT_RUN(cmd_entity_signal)
NOT_RUN(cmd_entity_cancel)
NOT_RUN(cmd_entity_delete)
NOT_RUN(cmd_entity_clean)
NOT_RUN(cmd_schedule_put)
NOT_RUN(cmd_schedule_list)
NOT_RUN(cmd_schedule_show)
NOT_RUN(cmd_schedule_pause)
NOT_RUN(cmd_schedule_resume)
NOT_RUN(cmd_schedule_trigger)
NOT_RUN(cmd_schedule_delete)
NOT_RUN(cmd_version)
NOT_RUN(bench_hello5)
NOT_RUN(bench_latency)
NOT_RUN(bench_sleepers)
NOT_RUN(bench_fanout)
NOT_RUN(bench_timers)
NOT_RUN(bench_events)
NOT_RUN(bench_replay)
NOT_RUN(bench_entity)
NOT_RUN(bench_lock)

struct table *table_new(const struct column *columns, size_t count, enum output_shape shape,
                        bool headers, bool colors, bool cut)
{
    (void)columns, (void)count, (void)shape, (void)headers, (void)colors, (void)cut;
    return NULL;
}

void table_row(struct table *table, const char *const *texts, const char *const *colors)
{
    (void)table, (void)texts, (void)colors;
}

void table_print(struct table *table)
{
    (void)table;
}
