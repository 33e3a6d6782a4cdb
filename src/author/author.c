/* SPDX-License-Identifier: MIT
 *
 * The author: which orchestrations are in memory, and the runner's operations.
 *
 * Each partition has a shard of its own, touched only by that partition's thread: no locks. A shard
 * opens (makes its pool of stacks) with its first turn and closes with forget_all.
 *
 *   K1  A run is used for turn n only when it stands at turn n - 1. Anything else is dropped and
 *       rebuilt from history, which always gives the same run.
 *   K2  A shard keeps at most its part of orchestrations_max between turns. The one longest without
 *       a turn goes first; the one in a turn is never dropped by it. Runs that wait only for time
 *       or events go before those that wait for an activity, and of them only a sixteenth part is
 *       kept.
 *   K3  In drop mode no run survives its turn, so every turn is a replay. */
#include <stdio.h>

#include "author/author_priv.h"
#include "author/guard.h"

enum { KEPT_DEFAULT = 10000, IDLE_STACKS_MIN = 64, IDLE_STACKS_MAX = 4096 };
enum { ASLEEP_SHARE = 16, ASLEEP_MIN = 64 }; /* K2 */
enum { SCRATCH_MAX = 1024 * 1024 };          /* larger buffers are given back after the turn */

struct author *author_of(const struct runner *runner)
{
    union {
        const struct runner *in;
        struct runner *out;
    } it = { runner };
    struct author *author = CONTAINER_OF(it.out, struct author, base);
    OBJECT_CHECK(author, AUTHOR_MAGIC);
    return author;
}

/* ---- shards ---------------------------------------------------------------------------------- */

static void count(atomic_uint_fast64_t *counter)
{
    uint_fast64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + 1, memory_order_relaxed); /* one writer */
}

static void count_resident(struct shard *shard)
{
    atomic_store_explicit(&shard->resident, map64_count(&shard->runs), memory_order_relaxed);
}

void shard_open(struct shard *shard)
{
    size_t idle = shard->author->runs_max;
    idle = idle < IDLE_STACKS_MIN ? IDLE_STACKS_MIN : idle;
    idle = idle > IDLE_STACKS_MAX ? IDLE_STACKS_MAX : idle;
    struct co_pool_options options = { .stack_size = shard->author->stack_size, .idle_max = idle };
    shard->pool = co_pool_new(&options);
    shard->thread = pthread_self();
    if (shard->author->reports_overflow) {
        overflow_thread_begin();
    }
}

static void unlist(struct shard *shard, pd_orchestration *run)
{
    list_remove(&run->node);
    shard->asleep_count -= run->is_asleep;
    run->is_asleep = false;
}

static void shard_drop(struct shard *shard, pd_orchestration *run)
{
    unlist(shard, run);
    (void)map64_remove(&shard->runs, run->row);
    run_drop(run);
    count_resident(shard);
}

static bool evict_first(struct shard *shard, const struct list *list, const pd_orchestration *but)
{
    LIST_EACH(node, list)
    {
        pd_orchestration *run = CONTAINER_OF(node, pd_orchestration, node);
        if (run != but) {
            shard_drop(shard, run);
            return true;
        }
    }
    return false;
}

static void shard_close(struct shard *shard)
{
    struct list_node *node;
    if (shard->pool == NULL) {
        return;
    }
    while (evict_first(shard, &shard->asleep, NULL) || evict_first(shard, &shard->recent, NULL)) {}
    while ((node = list_pop_front(&shard->spare)) != NULL) {
        run_free(CONTAINER_OF(node, pd_orchestration, node));
    }
    shard->spare_count = 0;
    entity_free(shard->entity);
    shard->entity = NULL;
    co_pool_free(shard->pool);
    shard->pool = NULL;
    /* Only a thread itself can give up its signal stack. */
    if (shard->author->reports_overflow && pthread_equal(shard->thread, pthread_self()) != 0) {
        overflow_thread_end();
    }
}

bool shard_evict_one(struct shard *shard, const pd_orchestration *but)
{
    bool is_found =
        evict_first(shard, &shard->asleep, but) || evict_first(shard, &shard->recent, but);
    if (is_found) {
        count(&shard->evictions);
    }
    return is_found;
}

struct co *shard_stack(struct shard *shard, const pd_orchestration *but,
                       void (*main)(struct co *, void *), void *argument)
{
    for (;;) {
        struct co *co = co_new(shard->pool, main, argument);
        if (co != NULL) {
            return co;
        }
        if (!shard_evict_one(shard, but)) {
            mem_exhausted(co_pool_stack_size(shard->pool));
        }
    }
}

/* A stack in memory pays when it is used again soon. One that waits for an activity will be; one
 * that waits for time or an event may sleep for a year, and a million of them must cost nothing. */
static void let_sleep(struct shard *shard, pd_orchestration *run)
{
    unlist(shard, run);
    run->is_asleep = true;
    list_push_back(&shard->asleep, &run->node);
    if (++shard->asleep_count > shard->author->asleep_max) {
        (void)shard_evict_one(shard, run);
    }
}

struct action *shard_add_action(struct shard *shard)
{
    if (shard->action_count == shard->action_room) {
        size_t room = shard->action_room != 0 ? shard->action_room * 2 : 16;
        shard->actions = mem_grow(shard->actions, shard->action_room * sizeof *shard->actions,
                                  room * sizeof *shard->actions);
        shard->action_room = room;
    }
    struct action *action = &shard->actions[shard->action_count++];
    *action = (struct action){ .id = EVENT_NO_ID };
    return action;
}

/* Gives back what an unusually large turn has needed. */
static void shard_trim(struct shard *shard)
{
    if (shard->scratch.room > SCRATCH_MAX) {
        buffer_done(&shard->scratch);
        buffer_init(&shard->scratch);
    }
    if (shard->known_room * sizeof *shard->known > SCRATCH_MAX) {
        mem_free(shard->known);
        shard->known = NULL;
        shard->known_room = 0;
    }
    if (shard->cancel_room * sizeof *shard->cancels > SCRATCH_MAX) {
        mem_free(shard->cancels);
        shard->cancels = NULL;
        shard->cancel_room = 0;
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* The last action of an instance. Of a turn that differs from history nothing else is recorded. */
static void add_completion(pd_orchestration *run)
{
    struct shard *shard = run->shard;
    size_t step = run->step_count;
    if (run->is_divergent) {
        shard->action_count = 0;
        step = run->known_count;
    }
    const struct outcome *outcome = run->outcome;
    struct action *action = shard_add_action(shard);
    action->kind = ACTION_COMPLETE;
    action->id = (int32_t)step;
    action->payload = text_copy(run->turn_arena, outcome->payload);
    switch (outcome->kind) {
    case OUTCOME_OK: action->outcome = RUN_COMPLETED; break;
    case OUTCOME_FAILED:
        action->outcome = RUN_FAILED;
        action->failure = failure_to_core(run->turn_arena, outcome->failure);
        break;
    case OUTCOME_NEW:
        action->kind = ACTION_CONTINUE_AS_NEW;
        action->version = text_copy(run->turn_arena, outcome->version);
        if (!outcome->drops_events) {
            action->kept = events_kept(run, &action->kept_count);
        }
        break;
    }
}

/* Many actions are not kept until the runner is called again. */
static void let_actions_go(struct shard *shard, struct arena *arena)
{
    if (shard->action_room * sizeof *shard->actions > SCRATCH_MAX) {
        arena_defer(arena, mem_free, shard->actions);
        shard->actions = NULL;
        shard->action_count = shard->action_room = 0;
    }
}

static void give_actions(pd_orchestration *run, struct turn_result *ret)
{
    struct shard *shard = run->shard;
    run->length += shard->action_count; /* each is one event */
    *ret = (struct turn_result){ .actions = shard->actions, .action_count = shard->action_count };
    let_actions_go(shard, run->turn_arena);
    if (!run->is_divergent) {
        ret->custom_status = shard->custom_status;
    }
}

/* The instance is for another worker; past NULL: only its first turn can tell. */
static bool is_left(const struct author *author, const struct turn *turn, struct past *past)
{
    struct turn_events first = { turn->events, turn->event_count };
    if (past == NULL ? turn->number > 1 : past->turn_count == 0 || !past->read(past, 0, &first)) {
        return false;
    }
    for (size_t i = 0; i < first.count; i++) {
        if (first.events[i].kind == EVENT_EXECUTION_STARTED) {
            return !version_fits(author, first.events[i].version);
        }
    }
    return false;
}

/* The run as of the turn before; NULL: only history knows. */
static pd_orchestration *find_run(struct shard *shard, const struct turn *turn, bool has_past)
{
    pd_orchestration *run = map64_find(&shard->runs, turn->row);
    if (run != NULL && run->position + 1 == turn->number) {
        unlist(shard, run);
        list_push_back(&shard->recent, &run->node);
        return run;
    }
    if (run != NULL) {
        shard_drop(shard, run);
    }
    if (turn->number > 1 && !has_past) {
        return NULL;
    }
    run = run_new(shard, turn);
    map64_put(&shard->runs, turn->row, run);
    list_push_back(&shard->recent, &run->node);
    count_resident(shard);
    return run;
}

static void finish_turn(pd_orchestration *run, const struct turn *turn)
{
    struct shard *shard = run->shard;
    run->position = turn->number;
    run->known_count = 0;
    shard->turn = NULL;
    run->turn_arena = NULL;
    if (run->is_ended || shard->author->is_drop_mode) {
        shard_drop(shard, run);
    } else {
        run_keep_lent(run);
        if (run->open_work == 0) {
            let_sleep(shard, run);
        }
    }
    while (map64_count(&shard->runs) > shard->author->runs_max) {
        (void)shard_evict_one(shard, run);
    }
    shard_trim(shard);
}

static enum runner_answer author_turn(struct runner *runner, const struct turn *turn,
                                      struct past *past, struct arena *arena,
                                      struct turn_result *ret)
{
    struct author *author = author_of(runner);
    assert_that(turn->partition < author->shard_count && turn->number > 0);
    struct shard *shard = &author->shards[turn->partition];
    if (shard->pool == NULL) {
        shard_open(shard);
    }
    if (author->leaves_mismatch && is_left(author, turn, past)) {
        return RUNNER_LEAVES;
    }
    pd_orchestration *run = find_run(shard, turn, past != NULL);
    if (run == NULL) {
        return RUNNER_NEEDS_HISTORY;
    }
    shard->action_count = 0;
    shard->turn = turn;
    run->turn_arena = arena;
    shard->custom_status = TEXT_ABSENT;
    if (run->position + 1 < turn->number) {
        count(&shard->replays);
        if (!replay_past(run, past)) {
            shard->turn = NULL;
            shard_drop(shard, run);
            return RUNNER_NEEDS_HISTORY;
        }
    }
    replay_turn(run, turn);
    assert_that(run->is_begun || run->is_ended); /* T1 */
    if (run->is_ended) {
        add_completion(run);
    }
    give_actions(run, ret);
    finish_turn(run, turn);
    return RUNNER_DONE;
}

static enum runner_answer author_entity(struct runner *runner, const struct turn *turn,
                                        struct arena *arena, struct entity_result *ret)
{
    struct author *author = author_of(runner);
    assert_that(turn->partition < author->shard_count && turn_is_of_entity(turn));
    struct shard *shard = &author->shards[turn->partition];
    if (shard->pool == NULL) {
        shard_open(shard);
    }
    shard->action_count = 0;
    entity_batch(shard, turn, arena, ret);
    ret->actions = shard->actions;
    ret->action_count = shard->action_count;
    let_actions_go(shard, arena);
    shard_trim(shard);
    return RUNNER_DONE;
}

static void author_forget(struct runner *runner, unsigned partition, uint64_t row)
{
    struct author *author = author_of(runner);
    assert_that(partition < author->shard_count);
    struct shard *shard = &author->shards[partition];
    pd_orchestration *run = map64_find(&shard->runs, row);
    if (run != NULL) {
        shard_drop(shard, run);
    }
}

static void author_forget_all(struct runner *runner, unsigned partition)
{
    struct author *author = author_of(runner);
    assert_that(partition < author->shard_count);
    shard_close(&author->shards[partition]);
}

/* Three steps from map to stack, each for all of them before the next: the misses of one step do
 * not wait for each other. */
static void author_expect(struct runner *runner, unsigned partition, const uint64_t *rows,
                          size_t count)
{
    enum { MOST = 64 };
    const pd_orchestration *runs[MOST];
    size_t n = 0;
    struct author *author = author_of(runner);
    for (size_t i = 0; i < count && n < MOST; i++) {
        const pd_orchestration *run = map64_find(&author->shards[partition].runs, rows[i]);
        if (run != NULL) {
            runs[n++] = run;
            for (size_t line = 0; line < sizeof *run; line += 64) {
                __builtin_prefetch((const char *)run + line);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (runs[i]->co != NULL && runs[i]->step_count > 0) {
            co_expect(runs[i]->co, false);
            __builtin_prefetch(&runs[i]->steps[runs[i]->step_count - 1]);
            __builtin_prefetch(runs[i]->arena.at);
            __builtin_prefetch(runs[i]->arena.at + 64);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (runs[i]->co != NULL && runs[i]->step_count > 0) {
            co_expect(runs[i]->co, true);
            const char *task = (const char *)runs[i]->steps[runs[i]->step_count - 1];
            __builtin_prefetch(task);
            __builtin_prefetch(task + 64);
        }
    }
}

static void author_trim(struct runner *runner, unsigned partition)
{
    struct author *author = author_of(runner);
    assert_that(partition < author->shard_count);
    struct shard *shard = &author->shards[partition];
    if (shard->pool != NULL) {
        co_pool_trim(shard->pool, IDLE_STACKS_MIN);
    }
    while (shard->spare_count > IDLE_STACKS_MIN) {
        run_free(CONTAINER_OF(list_pop_front(&shard->spare), pd_orchestration, node));
        shard->spare_count--;
    }
}

static void author_activity(struct runner *runner, const struct activity *activity,
                            struct activity_host *host, struct arena *arena,
                            struct activity_result *ret)
{
    activity_run(author_of(runner), activity, host, arena, ret);
}

static void author_cancel(struct runner *runner, unsigned partition, uint64_t row, int32_t id)
{
    const struct author_elsewhere *elsewhere = author_of(runner)->elsewhere;
    if (elsewhere != NULL) {
        elsewhere->cancel(elsewhere->argument, partition, row, id);
    }
}

static void author_take(struct runner *runner, struct activity *activity)
{
    const struct author_elsewhere *elsewhere = author_of(runner)->elsewhere;
    elsewhere->take(elsewhere->argument, activity);
}

static const struct runner_ops author_ops = {
    .version = 4,
    .turn = author_turn,
    .forget = author_forget,
    .forget_all = author_forget_all,
    .expect = author_expect,
    .trim = author_trim,
    .activity = author_activity,
    .entity = author_entity,
    .cancel = author_cancel,
    .take = author_take,
};

/* ---- the author ------------------------------------------------------------------------------ */

static pd_status options_take(struct author *author, const struct author_options *options,
                              pd_error *err)
{
    size_t kept = options->orchestrations_max != 0 ? options->orchestrations_max : KEPT_DEFAULT;
    author->user = options->user;
    author->stack_size = options->stack_size != 0 ? options->stack_size : LIMIT_STACK_DEFAULT;
    author->shard_count = options->partition_count != 0 ? options->partition_count : 1;
    author->runs_max = kept / author->shard_count;
    author->runs_max = author->runs_max != 0 ? author->runs_max : 1;
    author->asleep_max = author->runs_max / ASLEEP_SHARE;
    author->asleep_max = author->asleep_max > ASLEEP_MIN ? author->asleep_max : ASLEEP_MIN;
    author->is_drop_mode = options->is_drop_mode;
    author->reports_overflow = !options->is_fault_unhandled;
    author->guard = options->guard;
    author->elsewhere = options->elsewhere;
    author->payload_max = options->payload_max != 0 ? options->payload_max : LIMIT_PAYLOAD_BYTES;
    author->version =
        text_of(options->version != NULL && options->version[0] != '\0' ? options->version : NULL);
    author->version_match = options->version_match;
    author->leaves_mismatch = options->leaves_mismatch;
    if (author->version.size > LIMIT_NAME || !text_is_utf8(author->version)) {
        return error_set(err, PD_E_INVALID, false, "worker",
                         "the version must be at most %d bytes of UTF-8", LIMIT_NAME);
    }
    if (author->stack_size < LIMIT_STACK_MIN) {
        return error_set(err, PD_E_INVALID, false, "worker",
                         "a stack_size of %zu is below the least, %d bytes", author->stack_size,
                         LIMIT_STACK_MIN);
    }
    return PD_OK;
}

struct runner *author_new(const pd_function *program, size_t n,
                          const struct author_options *options, pd_error *err)
{
    static const struct author_options defaults = { .partition_count = 1 };
    struct author *author = OBJECT_NEW(struct author, AUTHOR_MAGIC);
    author->base.ops = &author_ops;
    program_init(&author->program);
    if (options_take(author, options != NULL ? options : &defaults, err) != PD_OK ||
        program_add(&author->program, program, n, err) != PD_OK ||
        (author->guard != GUARD_OFF && guard_install(err) != PD_OK)) {
        program_done(&author->program);
        OBJECT_FREE(author, AUTHOR_MAGIC);
        return NULL;
    }
    author->shards = mem_alloc(author->shard_count * sizeof *author->shards);
    for (unsigned i = 0; i < author->shard_count; i++) {
        struct shard *shard = &author->shards[i];
        shard->author = author;
        map64_init(&shard->runs);
        list_init(&shard->recent);
        list_init(&shard->asleep);
        list_init(&shard->spare);
        buffer_init(&shard->scratch);
    }
    if (author->reports_overflow) {
        overflow_install();
    }
    return &author->base;
}

void author_free(struct runner *runner)
{
    if (runner == NULL) {
        return;
    }
    struct author *author = author_of(runner);
    for (unsigned i = 0; i < author->shard_count; i++) {
        struct shard *shard = &author->shards[i];
        shard_close(shard);
        map64_done(&shard->runs);
        buffer_done(&shard->scratch);
        mem_free(shard->actions);
        mem_free(shard->known);
        mem_free(shard->cancels);
    }
    if (author->reports_overflow) {
        overflow_remove();
    }
    if (author->guard != GUARD_OFF) {
        guard_remove();
    }
    mem_free(author->shards);
    program_done(&author->program);
    OBJECT_FREE(author, AUTHOR_MAGIC);
}

struct author_counters author_counters(const struct runner *runner)
{
    const struct author *author = author_of(runner);
    struct author_counters sum = { 0 };
    for (unsigned i = 0; i < author->shard_count; i++) {
        const struct shard *shard = &author->shards[i];
        sum.replays += atomic_load_explicit(&shard->replays, memory_order_relaxed);
        sum.evictions += atomic_load_explicit(&shard->evictions, memory_order_relaxed);
        sum.resident += atomic_load_explicit(&shard->resident, memory_order_relaxed);
    }
    return sum;
}
