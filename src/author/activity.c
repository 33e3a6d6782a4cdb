/* SPDX-License-Identifier: MIT
 *
 * Activities: ordinary functions, run to their end on the caller's thread.
 *
 * Unlike an orchestrator an activity is never left behind its back: it holds files and locks, on a
 * stack that is not ours. What it may not do is refused by the call, recorded, and returned by
 * PD_FAILED. Its memory is the arena it is given; nothing here is shared between threads but the
 * author, which is not written to. */
#include "author/author_priv.h"

enum { ACTIVITY_MAGIC = 0x61637469 };

struct pd_activity {
    uint32_t magic;
    const struct activity *activity;
    const char *name, *instance_id, *key; /* the last two: NULL until asked for */
    struct pd_mem mem;
    struct buffer scratch;
};

pd_mem *pd_mem_of_activity(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    return &a->mem;
}

const char *pd_activity_key(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    if (a->key == NULL) {
        a->key = arena_printf(a->mem.arena, "%.*s:%04x", TEXT_ARGS(a->activity->execution_id),
                              (unsigned)a->activity->id);
    }
    return a->key;
}

const char *pd_activity_instance_id(pd_activity *a)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    if (a->instance_id == NULL) {
        struct text id = a->activity->instance_id;
        a->instance_id = arena_copy(a->mem.arena, id.at, id.size);
    }
    return a->instance_id;
}

void pd_activity_log(pd_activity *a, const char *format, ...)
{
    OBJECT_CHECK(a, ACTIVITY_MAGIC);
    va_list args;
    va_start(args, format);
    log_line(a->activity->instance_id, a->name, format, args);
    va_end(args);
}

static const pd_failure *run(pd_activity *a, const pd_function *function,
                             struct activity_result *ret)
{
    pd_error err;
    pd_value input = PD_NULL;
    struct text payload = a->activity->input;
    if (text_is_present(payload) && json_parse(a->mem.arena, payload, &input, &err) != PD_OK) {
        return failure_new(a->mem.arena, "BadPayload", true, NULL,
                           "the input of activity '%s' (step %d): %s", function->name,
                           a->activity->id, err.text);
    }
    union {
        pd_any_fn *any;
        pd_activity_fn *activity;
    } code = { function->run };
    const struct outcome *outcome = mem_outcome(&a->mem, code.activity(a, input));
    ret->payload = outcome->payload;
    return outcome->failure;
}

void activity_run(const struct author *author, const struct activity *activity, struct arena *arena,
                  struct activity_result *ret)
{
    const pd_failure *failure;
    const pd_function *function = author_find(author, activity->name, PD_ACTIVITY);
    *ret = (struct activity_result){ .payload = TEXT_ABSENT };
    if (function == NULL) {
        failure = failure_new(arena, "ActivityNotFound", true, NULL,
                              "this worker has no activity '%.*s'; add it to the program",
                              TEXT_ARGS(activity->name));
    } else {
        pd_activity a = { .magic = ACTIVITY_MAGIC, .activity = activity, .name = function->name };
        a.mem.arena = arena;
        a.mem.scratch = &a.scratch;
        a.mem.user = author->user;
        failure = run(&a, function, ret);
        a.magic = 0;
        buffer_done(&a.scratch);
    }
    if (failure != NULL) {
        ret->payload = TEXT_ABSENT;
        ret->failure = failure_to_core(arena, failure);
    }
}
