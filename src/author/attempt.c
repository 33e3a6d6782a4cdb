/* SPDX-License-Identifier: MIT
 *
 * Attempts: activities with options, children, and trying again.
 *
 * A request is what such a task asks for, kept with the run because it may be asked for again. Each
 * attempt is a step of its own, and so is the timer of each delay; the task is the same throughout,
 * and its `step` is the present one.
 *
 *   P1  What follows an attempt that failed is asked for when the failure is delivered (R4), also
 *       while the code waits for something else: so steps are numbered alike at every replay,
 *       whatever the code does meanwhile.
 *   P2  A delay depends on the policy, the attempt, the execution and its step alone. It is added
 *       to the time of the turn, and saturates.
 *   P3  `handles` is the user's code, and runs on a stack of its own: it may go wrong like an
 *       orchestrator (call what it must not, overrun its stack), and ends the instance then. */
#include "author/author_priv.h"
#include "core/core.h"

struct request {
    const char *name;
    struct text version, input, tags;
    struct text child_id; /* of all attempts */
    struct text progress; /* what the attempts before have said last */
    struct task_limits limits;
    pd_retry policy; /* attempts_max 0: not tried again */
    int attempt;     /* the present one: 1, 2, ... */
    int32_t first;   /* the step of the first */
    time_us first_at;
    double delay; /* before the next one, in microseconds; neither bounded nor shortened yet */
};

/* ---- asking ---------------------------------------------------------------------------------- */

static const struct event_extra *extra_of(struct arena *arena, const pd_task *task)
{
    const struct request *r = task->request;
    if (r->attempt == 0 && !text_is_present(r->tags) &&
        (r->limits.start_ms | r->limits.run_ms | r->limits.beat_ms) == 0) {
        return NULL;
    }
    struct event_extra *extra = arena_alloc(arena, sizeof *extra);
    extra->tags = text_copy(arena, r->tags);
    extra->progress = text_copy(arena, r->progress);
    extra->limits = r->limits;
    extra->retry_of = r->attempt > 0 ? task->step + 1 : 0;
    extra->first = r->attempt > 0 && task->kind == TASK_ACTIVITY ? r->first + 1 : 0;
    return extra;
}

void attempt_ask(pd_orchestration *run, pd_task *task)
{
    struct request *r = task->request;
    struct arena *arena = run->turn_arena;
    bool is_child = task->kind == TASK_CHILD;
    enum step_answer answer =
        replay_step(run, is_child ? EVENT_CHILD_CREATED : EVENT_TASK_SCHEDULED, r->name);
    if (answer == STEP_DIFFERS) {
        return;
    }
    if (is_child && !text_is_present(r->child_id)) {
        const char *id =
            arena_printf(&run->arena, "%.*s:%04x", TEXT_ARGS(run->shard->turn->execution_id),
                         (unsigned)run->step_count);
        r->child_id = text_of(id);
    }
    if (answer == STEP_NEW) {
        struct action *action = shard_add_action(run->shard);
        action->kind = is_child ? ACTION_START_CHILD : ACTION_SCHEDULE_TASK;
        action->id = (int32_t)run->step_count;
        action->name = text_copy(arena, text_of(r->name));
        action->version = text_copy(arena, r->version);
        action->payload = text_copy(arena, r->input);
        action->instance_id = text_copy(arena, r->child_id);
        action->extra = extra_of(arena, task);
    }
    r->first = r->attempt == 0 ? (int32_t)run->step_count : r->first;
    r->attempt++;
    task->awaits = task->kind;
    task_take_step(run, task);
    run->open_work++;
}

void attempt_check_policy(pd_orchestration *run, const char *call, const pd_retry *p)
{
    const char *wrong = NULL;
    if (p->attempts_max < 0) {
        wrong = "attempts_max is negative";
    } else if (p->delay_first.ms < 0 || p->delay_max.ms < 0 || p->total_max.ms < 0) {
        wrong = "a duration is negative";
    } else if (p->backoff != 0 && !(p->backoff >= 1)) {
        wrong = "backoff is below 1";
    } else if (!(p->jitter >= 0 && p->jitter <= 1)) {
        wrong = "jitter is not between 0 and 1";
    }
    if (wrong != NULL) {
        run_raise(run, "Misuse", true, "%s: retry: %s", call, wrong);
    }
}

/* What activities and children have in common; version and ID are up to the caller. */
static pd_task *request_new(pd_orchestration *run, enum task_kind kind, const char *name,
                            pd_value input, pd_value tags, const pd_retry *retry)
{
    pd_error err;
    bool is_child = kind == TASK_CHILD;
    const char *call = is_child ? "pd_call_child" : "pd_call_activity";
    pd_task *task = task_new(run, kind, name);
    struct request *r = arena_alloc(&run->arena, sizeof *r);
    task->request = r;
    r->name = name;
    r->first_at = run->now;
    if (!mem_payload(&run->mem, &run->arena, input, &r->input, &err)) {
        run_raise(run, "BadPayload", true, "the input of %s '%s' (step %zu): %s",
                  is_child ? "child" : "activity", name, run->step_count, err.text);
    }
    if (json_pack_tags(&run->arena, tags, &r->tags, &err) != PD_OK) {
        run_raise(run, "Misuse", true, "%s: %s", call, err.text);
    }
    if (retry != NULL) {
        attempt_check_policy(run, call, retry);
        r->policy = *retry;
        r->delay = (double)time_of_duration(retry->delay_first);
    }
    return task;
}

/* ---- activities ------------------------------------------------------------------------------ */

static int64_t checked_limit(pd_orchestration *run, const char *what, pd_duration limit)
{
    if (limit.ms < 0) {
        run_raise(run, "Misuse", true, "pd_call_activity: %s is negative", what);
    }
    return limit.ms;
}

pd_task *attempt_start_activity(pd_orchestration *run, const char *name,
                                const pd_activity_call *call)
{
    pd_task *task = request_new(run, TASK_ACTIVITY, name, call->input, call->tags, call->retry);
    struct request *r = task->request;
    r->limits.start_ms = checked_limit(run, "start_max", call->start_max);
    r->limits.run_ms = checked_limit(run, "run_max", call->run_max);
    r->limits.beat_ms = checked_limit(run, "beat_max", call->beat_max);
    if (call->version != NULL) {
        r->version = text_copy(
            &run->arena, ask_checked_name(&run->mem, "pd_call_activity", "version", call->version));
    } else if (run->about != NULL) {
        r->version = run->about->version;
    }
    attempt_ask(run, task);
    return task;
}

/* ---- children -------------------------------------------------------------------------------- */

static struct text child_version(pd_orchestration *run, const char *version)
{
    if (version == NULL) {
        return run->shard->author->version;
    }
    if (version[0] == '\0') {
        return TEXT_ABSENT;
    }
    return text_copy(&run->arena, ask_checked_name(&run->mem, "pd_call_child", "version", version));
}

static struct text child_id(pd_orchestration *run, const char *id)
{
    pd_error err;
    if (id == NULL) {
        return TEXT_ABSENT; /* the first attempt's step says it */
    }
    if (instance_id_check(text_of(id), &err) != PD_OK) {
        run_raise(run, "Misuse", true, "pd_call_child: %s", err.text);
    }
    return text_copy(&run->arena, text_of(id));
}

pd_task *pd_start_child_(pd_orchestration *o, pd_ref orchestrator, const pd_child_call *call)
{
    static const pd_child_call plain;
    bool is_known;
    run_check(o);
    const pd_child_call *c = call != NULL ? call : &plain;
    const char *name = ask_function_name(&o->mem, o->shard->author, "pd_call_child", orchestrator,
                                         PD_ORCHESTRATOR, &is_known);
    critical_child(o, name);
    pd_task *task = request_new(o, TASK_CHILD, name, c->input, c->tags, c->retry);
    struct request *r = task->request;
    r->version = child_version(o, c->version);
    r->child_id = child_id(o, c->id);
    if (o->about != NULL) {
        r->tags = tags_merge(&o->arena, r->tags, o->about->tags);
        if (tags_count(r->tags) > LIMIT_TAGS) {
            run_raise(o, "Misuse", true,
                      "pd_call_child: with those of this instance there are more than %d tags",
                      LIMIT_TAGS);
        }
    }
    attempt_ask(o, task);
    return task;
}

pd_value pd_call_child_(pd_orchestration *o, pd_ref orchestrator, const pd_child_call *call)
{
    pd_task *task = pd_start_child_(o, orchestrator, call);
    return pd_await(o, task);
}

/* ---- trying again ---------------------------------------------------------------------------- */

struct judging {
    const struct request *request;
    const pd_failure *failure;
    bool answer;
};

static void judge_main(struct co *co, void *argument)
{
    struct judging *judging = argument;
    const struct request *r = judging->request;
    (void)co;
    judging->answer = r->policy.handles(judging->failure, r->attempt, r->policy.argument);
}

/* Asks the policy's `handles` (P3). The run may have ended then. */
static bool judge(pd_orchestration *run, const struct request *r, const pd_failure *failure)
{
    struct judging judging = { r, failure, false };
    struct co *paused = run->co;
    assert_that(run_inside() == NULL);
    run->co = shard_stack(run->shard, run, judge_main, &judging);
    run_judged = run;
    bool is_paused = co_resume(run->co);
    run_judged = NULL;
    assert_that(!is_paused); /* waiting is refused like every other call */
    co_drop(run->co);
    run->co = paused;
    return judging.answer;
}

/* In microseconds, and makes the next one longer (P2). */
static int64_t take_delay(pd_orchestration *run, const pd_task *task)
{
    struct request *r = task->request;
    const pd_retry *p = &r->policy;
    double delay = r->delay, most = (double)INT64_MAX; /* 2^63: one too many */
    r->delay *= p->backoff > 1 ? p->backoff : 1;
    if (p->delay_max.ms > 0 && delay > (double)time_of_duration(p->delay_max)) {
        delay = (double)time_of_duration(p->delay_max);
    }
    if (delay > most) { /* also infinite */
        delay = most;
    }
    if (p->jitter > 0) {
        delay -= delay * p->jitter * chance_of_step(run, task->step);
    }
    return delay < most ? (int64_t)delay : INT64_MAX;
}

bool attempt_follows(pd_orchestration *run, pd_task *task, const pd_failure *failure,
                     struct text progress)
{
    struct request *r = task->request;
    const pd_retry *p = &r->policy;
    if (r->attempt >= p->attempts_max || failure->final) {
        return false;
    }
    if (p->handles != NULL && !judge(run, r, failure)) {
        return run->is_ended;
    }
    int64_t delay = take_delay(run, task);
    time_us begins = time_add(run->now, delay);
    if (p->total_max.ms > 0 && begins > time_add(r->first_at, time_of_duration(p->total_max))) {
        return false;
    }
    if (text_is_present(progress)) {
        r->progress = text_copy(&run->arena, progress);
    }
    run->open_work--;
    if (delay > 0) {
        ask_timer(run, task, begins);
    } else {
        attempt_ask(run, task);
    }
    return true;
}
