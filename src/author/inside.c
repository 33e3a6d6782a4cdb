/* SPDX-License-Identifier: MIT
 *
 * The rest of what an orchestrator may ask: the time, who it is, what the world is to see of it,
 * changes of its code, logs, and how to fail.
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

const char *pd_execution_id(pd_orchestration *o)
{
    run_check(o);
    if (o->execution_id == NULL) {
        struct text id = o->shard->turn->execution_id;
        o->execution_id = arena_copy(&o->arena, id.at, id.size);
    }
    return o->execution_id;
}

const char *pd_own_version(pd_orchestration *o)
{
    run_check(o);
    return o->about != NULL && o->about->version.size > 0 ? o->about->version.at : "";
}

const char *pd_parent_id(pd_orchestration *o)
{
    run_check(o);
    return o->about != NULL ? o->about->parent_id : NULL;
}

const char *pd_own_tag(pd_orchestration *o, const char *key)
{
    struct text value;
    run_check(o);
    if (key == NULL || o->about == NULL || !tags_find(o->about->tags, text_of(key), &value)) {
        return NULL;
    }
    return arena_copy(&o->arena, value.at, value.size);
}

size_t pd_history_length(pd_orchestration *o)
{
    run_check(o);
    return (size_t)o->length;
}

bool pd_is_replaying(pd_orchestration *o)
{
    run_check(o);
    return o->is_replaying;
}

/* ---- what the world sees --------------------------------------------------------------------- */

void pd_set_status_(pd_orchestration *o, pd_value v)
{
    pd_error err;
    run_check(o);
    if (o->is_replaying) {
        return; /* it was said when that turn was run */
    }
    if (v.kind_ == PD_IS_NULL) {
        o->shard->custom_status = TEXT("");
    } else if (!mem_payload(&o->mem, o->turn_arena, v, &o->shard->custom_status, &err)) {
        run_raise(o, "BadPayload", true, "pd_set_status: %s", err.text);
    }
}

/* ---- changes of the code --------------------------------------------------------------------- */

/* The first question about a name decides, and is answered by when it comes: in a replay, history
 * went past without the mark (replay.c has learnt those that it has). */
bool pd_changed(pd_orchestration *o, const char *name)
{
    run_check(o);
    struct text checked = ask_checked_name(&o->mem, "pd_changed", "name of the change", name);
    for (const struct mark *mark = o->marks; mark != NULL; mark = mark->next) {
        if (text_equal(mark->name, checked)) {
            return mark->answer;
        }
    }
    struct mark *mark = arena_alloc(&o->arena, sizeof *mark);
    *mark = (struct mark){ o->marks, text_copy(&o->arena, checked), !o->is_replaying };
    o->marks = mark;
    if (mark->answer) {
        struct action *action = shard_add_action(o->shard);
        action->kind = ACTION_MARK_CHANGE;
        action->name = text_copy(o->turn_arena, checked);
    }
    return mark->answer;
}

/* ---- logs, failing --------------------------------------------------------------------------- */

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
