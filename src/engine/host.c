/* SPDX-License-Identifier: MIT
 *
 * The host: what an activity that runs may ask of the engine (core/turn.h).
 *
 * Heartbeats. What was said last lies here until its partition can take it: one command is on its
 * way at a time, and comes back when it is durable; then the latest word follows, if there is one.
 * So an activity may say as much as it likes, and the store hears one of it a commit.
 *
 *   H1  A beat and its command are one block. While the command is on its way the block stays, also
 *       when the activity has ended and the seat has another; who comes last frees it.
 *   H2  The last word is not lost when the activity fails: it goes with the result, also when it is
 *       on its way: a partition in trouble refuses a heartbeat, and keeps a result.
 *
 * Transactions. The step is claimed (P7), then the committer held (E3), then the store runs the
 * function. Where the claim is refused, or the epoch is an old one, what the activity returns is
 * dropped: another run of the step is on its way, or nobody waits. Where the store failed nobody
 * knows, and the partition begins anew to find out. */
#include "base/assert.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/engine_priv.h"
#include "wire/wire.h"

static struct seat *seat_of(struct activity_host *host)
{
    return CONTAINER_OF(host, struct seat, host);
}

static bool is_cancelled(struct activity_host *host)
{
    return atomic_load_explicit(&seat_of(host)->is_unwanted, memory_order_acquire);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

struct beat {
    struct command command;
    struct seat *seat;
    unsigned partition;
    bool is_under_way, is_orphan; /* orphan: the activity has ended */
    bool has_news;                /* `said` was not sent yet */
    struct buffer said, sent;
    char execution_id[];
};

static void beat_free(struct beat *beat)
{
    buffer_done(&beat->said);
    buffer_done(&beat->sent);
    mem_free(beat);
}

static void swap(struct beat *beat)
{
    struct buffer sent = beat->sent;
    beat->sent = beat->said;
    beat->said = sent;
    beat->has_news = !beat->has_news;
}

/* The seat's mutex is held. True: push its command. */
static bool send(struct beat *beat)
{
    if (!beat->has_news || beat->is_under_way || beat->seat->pool->is_abandoned) {
        return false;
    }
    swap(beat);
    beat->command.status = PD_OK;
    beat->command.as.beat.progress = buffer_text(&beat->sent);
    beat->is_under_way = true;
    return true;
}

static void push(struct beat *beat)
{
    struct engine *engine = beat->seat->pool->engine;
    pump_push(&engine->pumps[beat->partition], &beat->command);
}

/* On whichever thread answers. */
static void answered(struct command *command)
{
    struct beat *beat = CONTAINER_OF(command, struct beat, command);
    struct seat *seat = beat->seat;
    bool sends = false;
    pthread_mutex_lock(&seat->mutex);
    bool is_orphan = beat->is_orphan;
    beat->is_under_way = false;
    if (!is_orphan && command->status == PD_OK) {
        sends = send(beat);
        if (!command->as.beat.is_wanted) {
            atomic_store(&seat->is_unwanted, true);
        }
    } else if (!is_orphan && !beat->has_news) {
        swap(beat); /* it was not heard: with the next one, or the result */
    }
    pthread_mutex_unlock(&seat->mutex);
    if (is_orphan) {
        beat_free(beat);
    } else if (sends) {
        push(beat);
    }
}

static struct beat *beat_new(struct seat *seat)
{
    const struct activity *activity = seat->activity;
    struct text execution_id = activity->execution_id;
    struct beat *beat = mem_alloc(sizeof *beat + execution_id.size);
    memcpy(beat->execution_id, execution_id.at, execution_id.size);
    beat->seat = seat;
    beat->partition = activity->partition;
    beat->command.kind = COMMAND_ACTIVITY_BEAT;
    beat->command.as.beat.row = activity->row;
    beat->command.as.beat.id = activity->id;
    beat->command.as.beat.execution_id = text_make(beat->execution_id, execution_id.size);
    beat->command.answered = answered;
    return beat;
}

static void beat(struct activity_host *host, struct text progress)
{
    struct seat *seat = seat_of(host);
    int64_t beat_ms = activity_limits(seat->activity).beat_ms;
    if (beat_ms != 0) {
        atomic_store(&seat->beat_by, time_add(clock_steady(), time_us_of_ms(beat_ms)));
    }
    if (!text_is_present(progress)) {
        return;
    }
    pthread_mutex_lock(&seat->mutex);
    struct beat *all = atomic_load_explicit(&seat->beat, memory_order_relaxed);
    if (all == NULL) {
        all = beat_new(seat);
        atomic_store_explicit(&seat->beat, all, memory_order_release);
    }
    buffer_reset(&all->said);
    buffer_add(&all->said, progress.at, progress.size);
    all->has_news = true;
    bool sends = send(all);
    pthread_mutex_unlock(&seat->mutex);
    if (sends) {
        push(all);
    }
}

void host_take_progress(struct seat *seat, struct command *done)
{
    pthread_mutex_lock(&seat->mutex);
    struct beat *all = atomic_load_explicit(&seat->beat, memory_order_relaxed);
    if (all != NULL && (all->has_news || all->is_under_way)) { /* H2 */
        const struct buffer *last = all->has_news ? &all->said : &all->sent;
        done->as.done.progress = text_copy(&done->as.done.arena, buffer_text(last));
    }
    pthread_mutex_unlock(&seat->mutex);
}

static void end_beats(struct seat *seat)
{
    pthread_mutex_lock(&seat->mutex);
    struct beat *all = atomic_exchange(&seat->beat, NULL);
    bool stays = all->is_under_way; /* H1 */
    all->is_orphan = true;
    pthread_mutex_unlock(&seat->mutex);
    if (!stays) {
        beat_free(all);
    }
}

/* ---- transactions ---------------------------------------------------------------------------- */

struct transaction {
    struct seat *seat;
    bool (*body)(void *argument, void *database, struct activity_result *ret);
    void *argument;
    struct activity_result *ret;
    struct buffer event;
};

static bool run_body(void *argument, void *database, struct message *message)
{
    struct transaction *t = argument;
    const struct activity *activity = t->seat->activity;
    if (!t->body(t->argument, database, t->ret)) {
        return false;
    }
    struct event event = {
        .kind = t->ret->failure != NULL ? EVENT_TASK_FAILED : EVENT_TASK_COMPLETED,
        .id = EVENT_NO_ID,
        .ref = activity->id,
        .at = clock_now(),
        .payload = t->ret->failure != NULL ? TEXT_ABSENT : t->ret->payload,
        .failure = t->ret->failure,
    };
    wire_write_event(&t->event, &event);
    *message = (struct message){
        .kind = MESSAGE_TASK_ENDED,
        .partition = activity->partition,
        .instance_id = activity->instance_id,
        .execution_id = activity->execution_id,
        .bytes = buffer_text(&t->event),
    };
    return true;
}

static pd_status claim(struct seat *seat, pd_error *err)
{
    struct engine *engine = seat->pool->engine;
    struct latch latch;
    struct command command = { .kind = COMMAND_CLAIM, .latch = &latch, .error = err };
    command.as.claim.activity = seat->activity;
    latch_init(&latch, 1);
    pump_push(&engine->pumps[seat->activity->partition], &command);
    latch_wait(&latch);
    latch_done(&latch);
    return command.status == PD_OK ? PD_OK : PD_E_LEASE_LOST; /* or the partition is gone */
}

static pd_status claim_and_run(struct transaction *t, pd_error *err)
{
    struct seat *seat = t->seat;
    struct engine *engine = seat->pool->engine;
    struct store *store = engine->store;
    pd_status status = claim(seat, err);
    if (status != PD_OK) {
        return status;
    }
    committer_hold(&engine->committer);
    status = store->ops->transact(store, seat->activity->partition, seat->activity->epoch, run_body,
                                  t, err);
    committer_let_go(&engine->committer);
    return status;
}

/* False: the engine is being stopped, and has given this activity up. */
static bool enter(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool may = !pool->is_abandoned;
    pool->transacting += may;
    pthread_mutex_unlock(&pool->mutex);
    return may;
}

static void leave(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    if (--pool->transacting == 0 && pool->is_abandoned) {
        pthread_cond_broadcast(&pool->idle);
    }
    pthread_mutex_unlock(&pool->mutex);
}

static pd_status transact(struct activity_host *host,
                          bool (*body)(void *argument, void *database, struct activity_result *ret),
                          void *argument, struct activity_result *ret, pd_error *err)
{
    struct seat *seat = seat_of(host);
    if (seat->pool->engine->store->ops->transact == NULL) {
        return error_set(err, PD_E_STATE, false, "engine: transaction",
                         "only a hub in SQLite has transactions for activities");
    }
    if (!enter(seat->pool)) {
        seat->is_void = true;
        return error_set(err, PD_E_LEASE_LOST, false, "engine: transaction",
                         "the engine is being stopped");
    }
    struct transaction t = { .seat = seat, .body = body, .argument = argument, .ret = ret };
    buffer_init(&t.event);
    pd_status status = claim_and_run(&t, err);
    buffer_done(&t.event);
    leave(seat->pool);
    ret->is_recorded = status == PD_OK;
    seat->is_void = status == PD_E_LEASE_LOST;
    /* Rolled back by its body (CANCELLED), or by what that did (STATE): a failure, which lifts the
     * claim, and has to come: what else would have ended the step may have been refused for it. */
    seat->has_claim = status == PD_E_CANCELLED || status == PD_E_STATE;
    seat->is_unknown = status != PD_OK && !seat->is_void && !seat->has_claim;
    return status;
}

/* ---- coming and going ------------------------------------------------------------------------ */

void host_init(struct seat *seat, struct pool *pool)
{
    static const struct activity_host_ops ops = {
        .is_cancelled = is_cancelled,
        .beat = beat,
        .transact = transact,
    };
    seat->host.ops = &ops;
    seat->pool = pool;
    pthread_mutex_init(&seat->mutex, NULL);
}

void host_done(struct seat *seat)
{
    assert_that(seat->beat == NULL);
    pthread_mutex_destroy(&seat->mutex);
}

/* In microseconds from now; 0: never. */
static time_us due_in(int64_t ms, time_us now)
{
    return ms != 0 ? time_add(now, time_us_of_ms(ms)) : TIME_NEVER;
}

void host_begin(struct seat *seat, struct activity *activity)
{
    struct task_limits limits = activity_limits(activity);
    seat->row = activity->row;
    seat->id = activity->id;
    seat->activity = activity;
    seat->is_void = seat->has_claim = seat->is_unknown = false;
    atomic_store_explicit(&seat->is_unwanted, false, memory_order_relaxed);
    if (limits.run_ms != 0 || limits.beat_ms != 0) {
        time_us now = clock_steady();
        time_us beat_by = due_in(limits.beat_ms, now);
        seat->limited = activity;
        seat->is_over = false;
        seat->run_by = due_in(limits.run_ms, now);
        atomic_store(&seat->beat_by, beat_by);
        limits_note(seat->pool, beat_by < seat->run_by ? beat_by : seat->run_by);
    }
}

void host_end(struct seat *seat, struct command *done)
{
    struct task_limits limits = activity_limits(seat->activity);
    if (limits.run_ms != 0 || limits.beat_ms != 0) {
        pthread_mutex_lock(&seat->pool->mutex);
        seat->limited = NULL;
        pthread_mutex_unlock(&seat->pool->mutex);
    }
    if (atomic_load_explicit(&seat->beat, memory_order_acquire) != NULL) {
        if (done->as.done.result.failure != NULL) {
            host_take_progress(seat, done);
        }
        end_beats(seat);
    }
}
