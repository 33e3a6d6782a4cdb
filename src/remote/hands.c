/* SPDX-License-Identifier: MIT
 *
 * Hands: threads that run activities for a server.
 *
 * As the engine's pool, without an engine: what an activity says of itself, and its result, go into
 * the outbox; whether anybody still wants it, the server tells. An activity that runs is not ended
 * when the stream breaks: its result may still count.
 *
 * Limits of time are the server's to watch, but for one: whether an activity that waits here begins
 * in time, only we know. One that did not is given back.
 *
 * Heartbeats. A thread writes down what was said last; the loop's thread tells the server, of all
 * activities together and at most so often. What is said and not told goes before the result.
 */
#include <sys/prctl.h>

#include "base/signal_stack.h"
#include "remote/worker_priv.h"
#include "wire/proto.h"

enum { BEAT_US = 10 * 1000, TOKEN_MAX = 64, FIELD_ACTIVITY = 2, FIELD_START_MS = 104 };

/* An activity that waits: its bytes, as they came. */
struct job {
    struct list_node node;
    int64_t start_by_us; /* steady; 0: no limit */
    size_t size;
    size_t token_size;
    bool is_suspect;
    char token[TOKEN_MAX];
    char bytes[];
};

struct hand {
    struct activity_host host;
    struct hands *hands;
    pthread_t thread;

    /* under the hands' mutex */
    struct job *job;                                              /* NULL: none */
    enum leave { LEAVE_GIVEN, LEAVE_ASKED, LEAVE_REFUSED } leave; /* W6 */

    atomic_bool is_unwanted;
    pthread_mutex_t mutex; /* of what was said */
    struct buffer said;
    bool has_news, has_progress;

    /* the thread's own */
    struct arena arena;
    struct buffer scratch;
};

static struct text token_of(const struct job *job)
{
    return text_make(job->token, job->token_size);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static bool is_cancelled(struct activity_host *host)
{
    struct hand *hand = CONTAINER_OF(host, struct hand, host);
    return atomic_load_explicit(&hand->is_unwanted, memory_order_acquire);
}

static void beat(struct activity_host *host, struct text progress)
{
    struct hand *hand = CONTAINER_OF(host, struct hand, host);
    struct hands *hands = hand->hands;
    pthread_mutex_lock(&hand->mutex);
    if (text_is_present(progress)) {
        buffer_reset(&hand->said);
        buffer_add_text(&hand->said, progress);
        hand->has_progress = true;
    }
    hand->has_news = true;
    pthread_mutex_unlock(&hand->mutex);
    if (!atomic_exchange(&hands->is_beat_posted, true)) {
        loop_post(hands->loop, &hands->beat_job);
    }
}

/* The hand's mutex is held: what was said last goes into the outbox, if it has not yet. */
static void tell(struct hand *hand, const struct job *job)
{
    if (hand->has_news) {
        outbox_add_beat(hand->hands->outbox, token_of(job),
                        hand->has_progress ? buffer_text(&hand->said) : TEXT_ABSENT);
    }
    hand->has_news = hand->has_progress = false;
}

static void tell_all(void *argument)
{
    struct hands *hands = argument;
    atomic_store(&hands->is_beat_posted, false);
    hands->beaten_us = remote_steady_us();
    pthread_mutex_lock(&hands->mutex);
    for (unsigned i = 0; i < hands->count; i++) {
        struct hand *hand = &hands->all[i];
        pthread_mutex_lock(&hand->mutex);
        if (hand->job != NULL) {
            tell(hand, hand->job);
        }
        pthread_mutex_unlock(&hand->mutex);
    }
    pthread_mutex_unlock(&hands->mutex);
    outbox_flush(hands->outbox);
}

static void beat_soon(struct loop_job *job)
{
    struct hands *hands = CONTAINER_OF(job, struct hands, beat_job);
    int64_t since = remote_steady_us() - hands->beaten_us;
    if (hands->is_over) {
        return; /* the hands themselves may be gone */
    }
    if (since >= BEAT_US) {
        tell_all(hands);
        return;
    }
    if (hands->beat_timer == NULL) {
        hands->beat_timer = loop_timer_new(hands->loop, tell_all, hands);
    }
    loop_timer_set(hands->beat_timer, BEAT_US - since);
}

void hands_forget_timers(struct hands *hands)
{
    loop_timer_free(hands->beat_timer);
    loop_timer_free(hands->late_timer);
    hands->beat_timer = hands->late_timer = NULL;
    hands->is_over = true;
}

static pd_status transact(struct activity_host *host,
                          bool (*body)(void *argument, void *database, struct activity_result *ret),
                          void *argument, struct activity_result *ret, pd_error *err)
{
    (void)host, (void)body, (void)argument, (void)ret;
    return error_set(err, PD_E_STATE, false, "remote: transaction",
                     "the hub's file is a server's: a transaction with it needs a worker that has "
                     "opened the file itself");
}

/* ---- running --------------------------------------------------------------------------------- */

static void answer(struct hand *hand, const struct job *job, const struct activity *activity,
                   const struct activity_result *result)
{
    pthread_mutex_lock(&hand->mutex);
    tell(hand, job);
    pthread_mutex_unlock(&hand->mutex);
    buffer_reset(&hand->scratch);
    work_write_activity_result(&hand->scratch, token_of(job), activity, result);
    size_t most = outbox_takes(hand->hands->outbox);
    if (hand->scratch.size > most) {
        const struct activity_result failed = {
            .failure =
                work_failure_too_large(&hand->arena, activity->name, hand->scratch.size, most),
        };
        buffer_reset(&hand->scratch);
        work_write_activity_result(&hand->scratch, token_of(job), activity, &failed);
    }
    outbox_add_result(hand->hands->outbox, RESULT_ACTIVITY, buffer_text(&hand->scratch));
}

static void run(struct hand *hand, const struct job *job)
{
    struct runner *runner = hand->hands->runner;
    struct work_item item;
    pd_error err;
    arena_reset(&hand->arena);
    if (work_read_item(text_make(job->bytes, job->size), &hand->arena, &item, &err) != PD_OK ||
        item.activity == NULL) {
        outbox_give_back(hand->hands->outbox, token_of(job)); /* another may understand it */
        return;
    }
    struct activity_result result = { .failure = NULL };
    runner->ops->activity(runner, item.activity, &hand->host, &hand->arena, &result);
    answer(hand, job, item.activity, &result);
}

static struct job *next_job(struct hands *hands)
{
    struct list_node *node = hands->is_draining ? NULL : list_pop_front(&hands->queue);
    return node != NULL ? CONTAINER_OF(node, struct job, node) : NULL;
}

/* The mutex is held, but not while it waits. False: its stream is gone, others have it. */
static bool may_begin(struct hand *hand)
{
    struct hands *hands = hand->hands;
    if (hand->leave == LEAVE_ASKED) {
        pthread_mutex_unlock(&hands->mutex);
        outbox_say_begins(hands->outbox, token_of(hand->job));
        pthread_mutex_lock(&hands->mutex);
    }
    while (hand->leave == LEAVE_ASKED && !hands->is_stopping) {
        pthread_cond_wait(&hands->let, &hands->mutex);
    }
    return hand->leave == LEAVE_GIVEN;
}

static void do_job(struct hand *hand, struct job *job)
{
    struct hands *hands = hand->hands;
    hand->job = job;
    hand->leave = job->is_suspect ? LEAVE_ASKED : LEAVE_GIVEN;
    atomic_store_explicit(&hand->is_unwanted, false, memory_order_relaxed);
    if (may_begin(hand)) {
        pthread_mutex_unlock(&hands->mutex);
        run(hand, job);
        pthread_mutex_lock(&hands->mutex);
    }
    hand->job = NULL;
    mem_free(job);
}

static void *body(void *argument)
{
    struct hand *hand = argument;
    struct hands *hands = hand->hands;
    void *stack = signal_stack_begin(); /* the program may have handlers that tell of a crash */
    prctl(PR_SET_NAME, "pd-activity");
    pthread_mutex_lock(&hands->mutex);
    while (!hands->is_stopping) {
        struct job *job = next_job(hands);
        if (job == NULL) {
            hands->waiting++;
            pthread_cond_wait(&hands->work, &hands->mutex);
            hands->waiting--;
            continue;
        }
        hands->running++;
        do_job(hand, job);
        if (--hands->running == 0 && hands->is_draining) {
            pthread_cond_broadcast(&hands->idle);
        }
    }
    pthread_mutex_unlock(&hands->mutex);
    signal_stack_end(stack);
    return NULL;
}

/* ---- beginning in time ----------------------------------------------------------------------- */

/* A number of the activity in a WorkItem; 0: it is not there. */
static int64_t find_start_ms(struct text item)
{
    struct proto_reader items = proto_reader_of(item);
    struct proto_field field;
    int64_t ms = 0;
    while (proto_next(&items, &field) == PROTO_FIELD) {
        if (field.number == FIELD_ACTIVITY && field.type == PROTO_BYTES) {
            struct proto_reader activity = proto_reader_of(field.bytes);
            while (proto_next(&activity, &field) == PROTO_FIELD) {
                bool is_it = field.number == FIELD_START_MS && field.type == PROTO_VARINT;
                ms = is_it ? (int64_t)field.value : ms;
            }
        }
    }
    return ms;
}

/* The mutex is held. Those that are late leave the queue; when the next one will be. 0: none. */
static int64_t take_late(struct hands *hands, int64_t now, struct list *ret)
{
    int64_t next = 0;
    LIST_EACH_SAFE(node, &hands->queue)
    {
        struct job *job = CONTAINER_OF(node, struct job, node);
        if (job->start_by_us == 0) {
            continue;
        }
        if (job->start_by_us <= now) {
            list_remove(node);
            list_push_back(ret, node);
        } else if (next == 0 || job->start_by_us < next) {
            next = job->start_by_us;
        }
    }
    return next;
}

static void give_back_late(void *argument)
{
    struct hands *hands = argument;
    struct list late;
    struct list_node *node;
    int64_t now = remote_steady_us();
    list_init(&late);
    pthread_mutex_lock(&hands->mutex);
    hands->late_at_us = take_late(hands, now, &late);
    pthread_mutex_unlock(&hands->mutex);
    while ((node = list_pop_front(&late)) != NULL) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        outbox_give_back(hands->outbox, token_of(job));
        mem_free(job);
    }
    if (hands->late_at_us != 0) {
        loop_timer_set(hands->late_timer, hands->late_at_us - now);
    }
    outbox_flush(hands->outbox);
}

static void watch_start(struct hands *hands, struct job *job, int64_t ms)
{
    int64_t now = remote_steady_us();
    job->start_by_us = time_add(now, time_us_of_ms(ms));
    if (hands->late_timer == NULL) {
        hands->late_timer = loop_timer_new(hands->loop, give_back_late, hands);
    }
    if (hands->late_at_us == 0 || job->start_by_us < hands->late_at_us) {
        hands->late_at_us = job->start_by_us;
        loop_timer_set(hands->late_timer, job->start_by_us - now);
    }
}

/* ---- the queue ------------------------------------------------------------------------------- */

void hands_give(struct hands *hands, struct text item, struct text token, bool is_suspect)
{
    if (token.size > TOKEN_MAX) {
        return; /* nobody hands out such; it could not be answered */
    }
    struct job *job = mem_alloc_raw(sizeof *job + item.size);
    job->node = (struct list_node){ NULL, NULL };
    job->start_by_us = 0;
    job->size = item.size;
    job->token_size = token.size;
    job->is_suspect = is_suspect;
    memcpy(job->token, token.at, token.size);
    memcpy(job->bytes, item.at, item.size);
    int64_t start_ms = find_start_ms(item);
    if (start_ms > 0) {
        watch_start(hands, job, start_ms);
    }
    pthread_mutex_lock(&hands->mutex);
    bool is_draining = hands->is_draining;
    if (!is_draining) {
        list_push_back(&hands->queue, &job->node);
    }
    pthread_mutex_unlock(&hands->mutex);
    if (is_draining) { /* it was on its way, or comes by a stream that was opened since */
        outbox_give_back(hands->outbox, token);
        mem_free(job);
    }
}

void hands_go(struct hands *hands)
{
    pthread_mutex_lock(&hands->mutex);
    bool has_work = !list_is_empty(&hands->queue);
    unsigned waiting = has_work ? hands->waiting : 0;
    pthread_mutex_unlock(&hands->mutex);
    for (unsigned i = 0; i < waiting; i++) {
        pthread_cond_signal(&hands->work);
    }
}

void hands_let_begin(struct hands *hands, struct text token)
{
    pthread_mutex_lock(&hands->mutex);
    for (unsigned i = 0; i < hands->count; i++) {
        struct hand *hand = &hands->all[i];
        if (hand->leave == LEAVE_ASKED && hand->job != NULL &&
            text_equal(token_of(hand->job), token)) {
            hand->leave = LEAVE_GIVEN;
            pthread_cond_broadcast(&hands->let);
        }
    }
    pthread_mutex_unlock(&hands->mutex);
}

static void refuse_leave(struct hands *hands)
{
    for (unsigned i = 0; i < hands->count; i++) {
        if (hands->all[i].leave == LEAVE_ASKED) {
            hands->all[i].leave = LEAVE_REFUSED;
        }
    }
    pthread_cond_broadcast(&hands->let);
}

void hands_cancel(struct hands *hands, struct text token)
{
    struct job *gone = NULL;
    bool is_refused = false; /* the server has taken it back: its leave does not come */
    pthread_mutex_lock(&hands->mutex);
    for (unsigned i = 0; i < hands->count; i++) {
        struct hand *hand = &hands->all[i];
        if (hand->job != NULL && text_equal(token_of(hand->job), token)) {
            atomic_store_explicit(&hand->is_unwanted, true, memory_order_release);
            if (hand->leave == LEAVE_ASKED) {
                hand->leave = LEAVE_REFUSED;
                is_refused = true;
                pthread_cond_broadcast(&hands->let);
            }
        }
    }
    LIST_EACH_SAFE(node, &hands->queue)
    {
        struct job *job = CONTAINER_OF(node, struct job, node);
        if (text_equal(token_of(job), token)) {
            list_remove(node);
            gone = job;
            break;
        }
    }
    pthread_mutex_unlock(&hands->mutex);
    if (gone != NULL || is_refused) {
        outbox_give_back(hands->outbox, token); /* or it has its room at the server for ever */
    }
    mem_free(gone);
}

void hands_drop(struct hands *hands, bool gives_back)
{
    struct list gone;
    struct list_node *node;
    list_init(&gone);
    pthread_mutex_lock(&hands->mutex);
    list_append(&gone, &hands->queue);
    if (!gives_back) {
        refuse_leave(hands);
    }
    pthread_mutex_unlock(&hands->mutex);
    while ((node = list_pop_front(&gone)) != NULL) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        if (gives_back) {
            outbox_give_back(hands->outbox, token_of(job));
        }
        mem_free(job);
    }
}

/* ---- coming and going ------------------------------------------------------------------------ */

static void hand_init(struct hand *hand, struct hands *hands)
{
    static const struct activity_host_ops ops = {
        .is_cancelled = is_cancelled,
        .beat = beat,
        .transact = transact,
    };
    hand->host.ops = &ops;
    hand->hands = hands;
    pthread_mutex_init(&hand->mutex, NULL);
    arena_init(&hand->arena);
}

static void hand_done(struct hand *hand)
{
    buffer_done(&hand->said);
    buffer_done(&hand->scratch);
    arena_done(&hand->arena);
    pthread_mutex_destroy(&hand->mutex);
}

bool hands_start(struct hands *hands, struct runner *runner, struct outbox *outbox,
                 struct loop *loop, unsigned threads)
{
    *hands = (struct hands){ .runner = runner, .outbox = outbox, .loop = loop };
    hands->beat_job.run = beat_soon;
    list_init(&hands->queue);
    pthread_mutex_init(&hands->mutex, NULL);
    pthread_cond_init(&hands->work, NULL);
    pthread_cond_init(&hands->let, NULL);
    remote_cond_init(&hands->idle);
    hands->all = mem_alloc(threads * sizeof *hands->all);
    bool is_started =
        true; /* with the signals of who starts them, as activities may have children */
    while (hands->count < threads && is_started) {
        struct hand *hand = &hands->all[hands->count];
        hand_init(hand, hands);
        is_started = pthread_create(&hand->thread, NULL, body, hand) == 0;
        if (is_started) {
            hands->count++;
        } else {
            hand_done(hand);
        }
    }
    return is_started;
}

void hands_drain(struct hands *hands, int64_t max_ms)
{
    struct timespec until = remote_until(max_ms);
    int answer = 0;
    pthread_mutex_lock(&hands->mutex);
    hands->is_draining = true;
    pthread_mutex_unlock(&hands->mutex);
    hands_drop(hands, true);
    pthread_mutex_lock(&hands->mutex);
    while (hands->running > 0 && answer == 0) {
        answer = pthread_cond_timedwait(&hands->idle, &hands->mutex, &until);
    }
    pthread_mutex_unlock(&hands->mutex);
}

void hands_stop(struct hands *hands)
{
    pthread_mutex_lock(&hands->mutex);
    hands->is_stopping = true;
    pthread_cond_broadcast(&hands->work);
    pthread_cond_broadcast(&hands->let);
    pthread_mutex_unlock(&hands->mutex);
    for (unsigned i = 0; i < hands->count; i++) {
        pthread_join(hands->all[i].thread, NULL);
        hand_done(&hands->all[i]);
    }
    hands_drop(hands, false);
    mem_free(hands->all);
    pthread_cond_destroy(&hands->idle);
    pthread_cond_destroy(&hands->work);
    pthread_cond_destroy(&hands->let);
    pthread_mutex_destroy(&hands->mutex);
}
