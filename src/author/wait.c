/* SPDX-License-Identifier: MIT
 *
 * Waiting: a run pauses until enough of the tasks it names have ended.
 *
 * The run counts how many tasks must still end, and each of them knows that it is counted; so
 * whatever ends costs the same, however many tasks a run waits for. A task named twice counts once.
 * As completions come one at a time (R4), exactly one task has ended when wait_any goes on. */
#include "author/author_priv.h"

/* A task of this run, or the run is left. */
static pd_task *own(pd_orchestration *run, pd_task *task, const char *call)
{
    if (task == NULL || task->magic != TASK_MAGIC || task->run != run) {
        run_raise(run, "Misuse", true, "%s: a task is NULL, or not of this orchestration", call);
    }
    return task;
}

static void check_tasks(pd_orchestration *run, pd_task *const *tasks, size_t n, const char *call)
{
    if (tasks == NULL && n > 0) {
        run_raise(run, "Misuse", true, "%s: there are no tasks", call);
    }
    for (size_t i = 0; i < n; i++) {
        (void)own(run, tasks[i], call);
    }
}

static void pause_until(pd_orchestration *run, size_t ended)
{
    run->waits_for = ended;
    co_pause(run->co);
}

static void wait_one(pd_orchestration *run, pd_task *task)
{
    if (task->state == TASK_OPEN) {
        task->is_waited = true;
        pause_until(run, 1);
    }
}

static void wait_all(pd_orchestration *run, pd_task *const *tasks, size_t n)
{
    size_t open = 0;
    for (size_t i = 0; i < n; i++) {
        bool counts = tasks[i]->state == TASK_OPEN && !tasks[i]->is_waited;
        tasks[i]->is_waited |= counts;
        open += counts;
    }
    if (open > 0) {
        pause_until(run, open);
    }
}

/* ---- what a task has come to ----------------------------------------------------------------- */

static const char *describe(pd_orchestration *run, const pd_task *task)
{
    switch ((enum task_kind)task->kind) {
    case TASK_ACTIVITY:
        return arena_printf(&run->arena, "activity '%s' (step %d)", task->name, task->step);
    case TASK_CHILD:
        return arena_printf(&run->arena, "child '%s' (step %d)", task->name, task->step);
    case TASK_CALL:
        return arena_printf(&run->arena, "operation '%s' of %s (step %d)", task->name, task->entity,
                            task->step);
    case TASK_LOCK: return arena_printf(&run->arena, "the critical section (step %d)", task->step);
    case TASK_TIMER: return arena_printf(&run->arena, "the timer (step %d)", task->step);
    case TASK_EVENT: return arena_printf(&run->arena, "event '%s'", task->name);
    }
    unreachable_state("a task kind");
}

/* "activity 'Size' (step 1) failed: no such file" */
static const char *sentence(pd_orchestration *run, const pd_task *task)
{
    return arena_printf(&run->arena, "%s failed: %s", describe(run, task), task->failure->message);
}

_Noreturn static void leave_failed(pd_orchestration *run, const pd_task *task)
{
    const pd_failure *cause = task->failure;
    run_leave(run, failure_new(&run->arena, "TaskFailed", cause->final, cause, "%s",
                               sentence(run, task)));
}

/* Several have failed: one failure, whose causes are theirs. Final when one of them is: to try all
 * of it again will not help then. */
_Noreturn static void leave_all_failed(pd_orchestration *run, pd_task *const *tasks, size_t n,
                                       size_t failed)
{
    enum { TOLD = 3 };
    bool is_final = false;
    size_t told = 0;
    const char *first = "";
    const pd_failure *causes = NULL, **at = &causes;
    for (size_t i = 0; i < n; i++) {
        if (!tasks[i]->is_counted) {
            continue;
        }
        tasks[i]->is_counted = false; /* one that was named twice is told once */
        is_final |= tasks[i]->failure->final;
        if (told < TOLD) {
            first = arena_printf(&run->arena, "%s%s %s", first, told == 0 ? ":" : ";",
                                 sentence(run, tasks[i]));
            told++;
        }
        pd_failure *cause = arena_alloc(&run->arena, sizeof *cause);
        *cause = *tasks[i]->failure; /* which has none beside it yet */
        *at = cause;
        at = &cause->next;
    }
    run_leave(run, failure_new(&run->arena, "TaskFailed", is_final, causes,
                               "%zu of %zu tasks failed%s%s", failed, n, first,
                               failed > TOLD ? "; ..." : ""));
}

/* The value of a task that has succeeded. */
static pd_value value_of(pd_task *task)
{
    pd_error err;
    if (!task->is_parsed) {
        pd_value value = PD_NULL;
        if (text_is_present(task->payload) &&
            json_parse(&task->run->arena, task->payload, &value, &err) != PD_OK) {
            run_raise(task->run, "BadPayload", true, "%s: %s", describe(task->run, task), err.text);
        }
        task->is_parsed = true;
        task->value = value;
    }
    return task->value;
}

static const pd_task *looked_at(const pd_task *task, const char *call)
{
    if (task == NULL || task->magic != TASK_MAGIC || task->run != run_current) {
        run_misused(call);
    }
    return task;
}

bool pd_task_is_done(const pd_task *t)
{
    return looked_at(t, "pd_task_is_done: a task is NULL, or not of this orchestration")->state !=
           TASK_OPEN;
}

pd_value pd_task_value(const pd_task *t)
{
    looked_at(t, "pd_task_value: a task is NULL, or not of this orchestration");
    union {
        const pd_task *in;
        pd_task *out; /* to parse its payload, once */
    } task = { t };
    return t->state == TASK_SUCCEEDED ? value_of(task.out) : PD_NULL;
}

const pd_failure *pd_task_failure(const pd_task *t)
{
    return looked_at(t, "pd_task_failure: a task is NULL, or not of this orchestration")->failure;
}

/* ---- waiting --------------------------------------------------------------------------------- */

pd_value pd_await(pd_orchestration *o, pd_task *t)
{
    run_check(o);
    wait_one(o, own(o, t, "pd_await"));
    if (t->state == TASK_FAILED) {
        leave_failed(o, t);
    }
    return value_of(t);
}

void pd_await_all(pd_orchestration *o, pd_task *const *t, size_t n)
{
    size_t failed = 0;
    const pd_task *first = NULL;
    run_check(o);
    check_tasks(o, t, n, "pd_await_all");
    wait_all(o, t, n);
    for (size_t i = 0; i < n; i++) {
        if (t[i]->state == TASK_FAILED && !t[i]->is_counted) {
            t[i]->is_counted = true;
            first = failed++ == 0 ? t[i] : first;
        }
    }
    if (failed > 1) {
        leave_all_failed(o, t, n, failed);
    }
    if (first != NULL) {
        leave_failed(o, first);
    }
}

bool pd_wait(pd_orchestration *o, pd_task *t)
{
    run_check(o);
    wait_one(o, own(o, t, "pd_wait"));
    return t->state == TASK_SUCCEEDED;
}

bool pd_wait_all(pd_orchestration *o, pd_task *const *t, size_t n)
{
    bool have_succeeded = true;
    run_check(o);
    check_tasks(o, t, n, "pd_wait_all");
    wait_all(o, t, n);
    for (size_t i = 0; i < n; i++) {
        have_succeeded &= t[i]->state == TASK_SUCCEEDED;
    }
    return have_succeeded;
}

/* The lowest index of a task that has ended; n: none has. */
static size_t first_ended(pd_task *const *tasks, size_t n)
{
    size_t i = 0;
    while (i < n && tasks[i]->state == TASK_OPEN) {
        i++;
    }
    return i;
}

size_t pd_wait_any(pd_orchestration *o, pd_task *const *t, size_t n)
{
    run_check(o);
    check_tasks(o, t, n, "pd_wait_any");
    if (n == 0) {
        run_raise(o, "Misuse", true, "pd_wait_any: there is no task to wait for");
    }
    size_t ended = first_ended(t, n);
    if (ended == n) {
        for (size_t i = 0; i < n; i++) {
            t[i]->is_waited = true;
        }
        pause_until(o, 1);
        ended = first_ended(t, n);
        for (size_t i = 0; i < n; i++) {
            t[i]->is_waited = false;
        }
    }
    return ended;
}
