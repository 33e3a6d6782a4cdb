/* SPDX-License-Identifier: MIT
 *
 * A run: one orchestration in memory, from its first line to its end.
 *
 * The code runs on its own stack until it waits for something that has not ended; then replay.c
 * gives it events one at a time until its wait is over, and it goes on at once. Ending, by result
 * or by leaving, is the last switch away from that stack. Nothing of the user's is run then, except
 * what was deferred, and that when the run is dropped.
 *
 * Lent payloads. The events of a turn live only as long as the turn, and most payloads are looked
 * at within it. So a task keeps a pointer to the event's text; the first look parses it into the
 * run's arena; what nobody looked at is copied at the end of the turn (A2). */
#include <stdio.h>
#include <stdlib.h>

#include "author/author_priv.h"

_Thread_local pd_orchestration *run_current __attribute__((tls_model("initial-exec")));
_Thread_local pd_orchestration *run_judged __attribute__((tls_model("initial-exec")));

static _Thread_local bool is_releasing __attribute__((tls_model("initial-exec")));

bool author_is_inside(void)
{
    return run_inside() != NULL || entity_current != NULL || is_releasing;
}

void run_release(struct arena *arena)
{
    is_releasing = true;
    arena_reset(arena);
    is_releasing = false;
}

enum {
    SPARE_MAX = 1024,        /* empty runs kept by a shard */
    SPARE_BYTES_MAX = 16384, /* arenas larger than this are given back */
    SPARE_STEPS_MAX = 64,
};

/* ---- making and dropping --------------------------------------------------------------------- */

pd_orchestration *run_new(struct shard *shard, const struct turn *turn)
{
    pd_orchestration *run;
    if (shard->spare_count > 0) {
        run = CONTAINER_OF(list_pop_front(&shard->spare), pd_orchestration, node);
        shard->spare_count--;
    } else {
        run = OBJECT_NEW(pd_orchestration, RUN_MAGIC);
        arena_init(&run->arena);
        map_init(&run->queues);
    }
    run->shard = shard;
    run->row = turn->row;
    run->mem.arena = &run->arena;
    run->mem.scratch = &shard->scratch;
    run->mem.run = run;
    run->mem.user = shard->author->user;
    run->mem.payload_max = shard->author->payload_max;
    list_init(&run->kept);
    run->instance_id = arena_copy(&run->arena, turn->instance_id.at, turn->instance_id.size);
    return run;
}

/* Empties the run and keeps what is worth keeping of it for the next one. */
static void recycle(pd_orchestration *run)
{
    struct arena arena = run->arena;
    pd_task **steps = run->steps;
    struct map queues = run->queues;
    size_t step_room = run->step_room;
    *run = (pd_orchestration){ .magic = RUN_MAGIC, .arena = arena, .queues = queues };
    run->steps = steps;
    run->step_room = step_room;
}

void run_drop(pd_orchestration *run)
{
    struct shard *shard = run->shard;
    OBJECT_CHECK(run, RUN_MAGIC);
    assert_that(run_current == NULL);
    /* Before the stack goes: what was deferred may name locals of code that is paused. */
    bool is_large = arena_size(&run->arena) > SPARE_BYTES_MAX;
    run_release(&run->arena);
    if (is_large) {
        arena_done(&run->arena);
        arena_init(&run->arena);
    }
    co_drop(run->co);
    if (map_count(&run->queues) > 0) {
        map_reset(&run->queues);
    }
    if (run->step_room > SPARE_STEPS_MAX) {
        mem_free(run->steps);
        run->steps = NULL;
        run->step_room = 0;
    }
    recycle(run);
    if (shard->spare_count < SPARE_MAX) {
        list_push_front(&shard->spare, &run->node);
        shard->spare_count++;
    } else {
        run_free(run);
    }
}

void run_free(pd_orchestration *run)
{
    arena_done(&run->arena);
    map_done(&run->queues);
    mem_free(run->steps);
    OBJECT_FREE(run, RUN_MAGIC);
}

/* ---- running --------------------------------------------------------------------------------- */

static void run_main(struct co *co, void *arg)
{
    pd_orchestration *run = arg;
    (void)co;
    pd_result result = run->function(run, run->input);
    run->outcome = mem_outcome(&run->mem, result);
    run->is_ended = true;
}

void run_resume(pd_orchestration *run)
{
    assert_that(run_current == NULL && !run->is_ended);
    run_current = run;
    bool is_paused = co_resume(run->co);
    run_current = NULL;
    assert_that(is_paused != run->is_ended);
}

/* What the beginning says beyond the usual; NULL: nothing. The ids under which a history began are
 * not those of the instance when that is a fork. */
static const struct about *about_of(pd_orchestration *run, const struct event *event)
{
    const struct turn *turn = run->shard->turn;
    const struct event_extra *extra = event->extra;
    bool is_own =
        (event->instance_id.size == 0 || text_equal(event->instance_id, turn->instance_id)) &&
        (event->execution_id.size == 0 || text_equal(event->execution_id, turn->execution_id));
    if (event->version.size == 0 && extra == NULL && is_own) {
        return NULL;
    }
    struct about *about = arena_alloc(&run->arena, sizeof *about);
    if (event->version.size > 0) {
        about->version = text_copy(&run->arena, event->version);
    }
    if (extra != NULL) {
        about->tags = text_copy(&run->arena, extra->tags);
        about->parent_id = extra->has_parent ? text_copy(&run->arena, extra->parent_id).at : NULL;
    }
    about->instance_id = text_copy(&run->arena, event->instance_id.size > 0 ? event->instance_id
                                                                            : turn->instance_id);
    about->execution_id = text_copy(&run->arena, event->execution_id.size > 0 ? event->execution_id
                                                                              : turn->execution_id);
    return about;
}

static void refuse_version(pd_orchestration *run, struct text version)
{
    struct text own = run->shard->author->version;
    bool has_own = text_is_present(own);
    run->is_divergent = true; /* as little is recorded of it, and history may go on */
    run_end(run, failure_new(&run->arena, "VersionMismatch", true, NULL,
                             "the instance has version '%.*s', this worker %s%.*s%s, and runs only "
                             "%s",
                             TEXT_ARGS(version), has_own ? "'" : "has none", TEXT_ARGS(own),
                             has_own ? "'" : "",
                             run->shard->author->version_match == PD_VERSION_SAME
                                 ? "the same"
                                 : "the same or older ones"));
}

void run_begin(pd_orchestration *run, const struct event *event)
{
    pd_error err;
    const pd_function *function = author_find(run->shard->author, event->name, PD_ORCHESTRATOR);
    run->is_begun = true;
    if (!version_fits(run->shard->author, event->version)) {
        refuse_version(run, event->version);
        return;
    }
    if (function == NULL) {
        run_end(run, failure_new(&run->arena, "OrchestratorNotFound", true, NULL,
                                 "this worker has no orchestrator '%.*s'; add it to the program",
                                 TEXT_ARGS(event->name)));
        return;
    }
    run->name = function->name;
    union {
        pd_any_fn *any;
        pd_orchestrator_fn *orchestrator;
    } code = { function->run };
    run->function = code.orchestrator;
    if (text_is_present(event->payload) &&
        json_parse(&run->arena, event->payload, &run->input, &err) != PD_OK) {
        run_end(run, failure_new(&run->arena, "BadPayload", true, NULL,
                                 "the input of orchestrator '%s': %s", run->name, err.text));
        return;
    }
    run->about = about_of(run, event);
    run->co = shard_stack(run->shard, run, run_main, run);
    run_resume(run);
}

void run_end(pd_orchestration *run, const pd_failure *failure)
{
    struct outcome *outcome = arena_alloc(&run->arena, sizeof *outcome);
    outcome->kind = OUTCOME_FAILED;
    outcome->failure = failure;
    run->outcome = outcome;
    run->is_ended = true;
}

_Noreturn void run_leave(pd_orchestration *run, const pd_failure *failure)
{
    run_end(run, failure);
    co_leave(run->co);
}

_Noreturn void run_raise(pd_orchestration *run, const char *type, bool is_final, const char *format,
                         ...)
{
    va_list args;
    va_start(args, format);
    pd_failure *failure = failure_vnew(&run->arena, type, is_final, NULL, format, args);
    va_end(args);
    run_leave(run, failure);
}

_Noreturn void run_misused(const char *what)
{
    if (run_current != NULL) {
        run_raise(run_current, "Misuse", true, "%s", what);
    }
    if (run_judged != NULL) {
        run_raise(
            run_judged, "Misuse", true,
            "pd_retry.handles: it may look at the failure, and call nothing of Perdure's that "
            "takes an orchestration or a task");
    }
    if (entity_current != NULL) {
        mem_raise(pd_mem_of_entity(entity_current), "Misuse", "%s", what);
    }
    (void)fprintf(stderr,
                  "perdure: %s, on a thread that runs no orchestration; what takes a "
                  "pd_orchestration or pd_entity may be called by that function only\n",
                  what);
    abort();
}

/* ---- tasks ----------------------------------------------------------------------------------- */

void run_task_ended(pd_orchestration *run, pd_task *task, enum task_state state)
{
    task->state = (uint8_t)state;
    run->open_work -= task_awaits_work(task);
    if (text_is_present(task->payload)) {
        task->next = run->lent;
        run->lent = task;
    }
    if (task->is_waited) {
        task->is_waited = false;
        if (--run->waits_for == 0) {
            run_resume(run);
        }
    }
}

void run_keep_lent(pd_orchestration *run)
{
    for (pd_task *task = run->lent; task != NULL; task = task->next) {
        if (!task->is_parsed) {
            task->payload = text_copy(&run->arena, task->payload);
        }
    }
    run->lent = NULL;
}
