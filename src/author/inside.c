/* SPDX-License-Identifier: MIT
 *
 * The rest of what an orchestrator may ask: the time, its name, logs, and how to fail.
 *
 * A log line is written only while the code runs for the first time: a replay is silent, so that
 * each line appears once however often the stack was dropped. (Once per turn that is run: a turn
 * whose commit failed is run again, and logs again.) */
#include <stdio.h>

#include "author/author_priv.h"

pd_time pd_now(pd_orchestration *o)
{
    run_check(o);
    return time_to_public(o->now);
}

const char *pd_instance_id(pd_orchestration *o)
{
    run_check(o);
    return o->instance_id;
}

bool pd_is_replaying(pd_orchestration *o)
{
    run_check(o);
    return o->is_replaying;
}

pd_mem *pd_mem_of_orchestration(pd_orchestration *o)
{
    run_check(o);
    return &o->mem;
}

void log_line(struct text instance, const char *name, const char *format, va_list args)
{
    struct buffer line;
    buffer_init(&line);
    buffer_printf(&line, "[%.*s %s] ", TEXT_ARGS(instance), name);
    buffer_vprintf(&line, format, args);
    for (size_t i = 0; i < line.size; i++) {
        line.at[i] = line.at[i] < 0x20 || line.at[i] == 0x7f ? ' ' : line.at[i];
    }
    buffer_add_byte(&line, '\n');
    (void)fwrite(line.at, 1, line.size, stderr); /* one call: lines of many threads stay whole */
    buffer_done(&line);
}

void pd_log(pd_orchestration *o, const char *format, ...)
{
    run_check(o);
    if (o->is_replaying) {
        return;
    }
    va_list args;
    va_start(args, format);
    log_line(text_of(o->instance_id), o->name, format, args);
    va_end(args);
}

void pd_raise(pd_orchestration *o, const char *type, const char *format, ...)
{
    va_list args;
    run_check(o);
    va_start(args, format);
    pd_failure *failure = failure_vnew(&o->arena, type, false, NULL, format, args);
    va_end(args);
    if (failure->type[0] == '\0') {
        failure = failure_new(&o->arena, "Misuse", true, failure, "pd_raise: the type is missing");
    }
    run_leave(o, failure);
}
