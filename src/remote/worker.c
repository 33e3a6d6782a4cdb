/* SPDX-License-Identifier: MIT
 *
 * The worker: a stream of work from a server, run by turns (turns.c) and by hands.
 *
 * The stream is opened again when it has ended, after a pause that doubles, with jitter, so that
 * many workers of a server that was restarted do not come at once. Until the first answer of the
 * server is there, pd_worker_start waits, for some time: what it refuses for good is better said
 * there than never.
 */
#include <inttypes.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "remote/worker_priv.h"

enum {
    WELCOME_MS = 5000,
    FAREWELL_MS = 5000, /* for acknowledgements, when all is done */
    PAUSE_MIN_US = 50 * 1000,
    PAUSE_MAX_US = 5 * 1000 * 1000,
    TURNS_MAX = 1000, /* unfinished at once: enough for the way there and back */
    ACTIVITIES_A_HAND = 64,
    WORKER_MAGIC = 0x72776f72,
};

static const char where[] = "worker: start";

struct remote_worker {
    uint32_t magic;
    struct grpc_channel *channel;
    struct loop *loop;
    struct outbox outbox;
    struct hands hands;
    struct turns turns;
    struct buffer hello; /* a work_up */

    /* the loop's thread */
    struct grpc_stream *stream;
    struct loop_timer *retry;
    bool is_leaving;
    int64_t pause_us;
    struct random random;
    struct arena message; /* what is read */
    struct loop_job start_job, stop_job;

    /* a question that its thread answers when it comes round; any thread asks */
    struct loop_job heard_job;
    atomic_bool is_asked;
    _Atomic int64_t asked_us; /* steady */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_welcome, is_refused, is_stopping, is_stopped;
    pd_error refusal;
};

/* ---- what comes ------------------------------------------------------------------------------ */

static void take(struct remote_worker *worker, const struct hub_work_down *down)
{
    bool has_activities = false;
    outbox_acknowledge(&worker->outbox, &down->acknowledged);
    for (size_t i = 0; i < down->items.count; i++) { /* theirs is another thread: before turns */
        struct work_head head = work_head_of(down->items.items[i]);
        if (head.kind == WORK_ACTIVITY) {
            hands_give(&worker->hands, down->items.items[i], head.token, head.is_suspect);
            has_activities = true;
        }
    }
    for (size_t i = 0; i < down->cancelled.count; i++) { /* also of what came with it */
        hands_cancel(&worker->hands, down->cancelled.items[i]);
        turns_cancel(&worker->turns, down->cancelled.items[i]);
    }
    if (has_activities) {
        hands_go(&worker->hands);
    }
    for (size_t i = 0; i < down->items.count; i++) {
        struct work_head head = work_head_of(down->items.items[i]);
        if (head.kind == WORK_TURN || head.kind == WORK_ENTITY) {
            turns_give(&worker->turns, down->items.items[i], &head);
        }
    }
    for (size_t i = 0; i < down->may_begin.count; i++) {
        if (!turns_let_begin(&worker->turns, down->may_begin.items[i])) {
            hands_let_begin(&worker->hands, down->may_begin.items[i]);
        }
    }
    if (down->is_draining) {
        hands_drop(&worker->hands, true);
    }
    outbox_flush(&worker->outbox);
}

static void note_welcome(struct remote_worker *worker)
{
    worker->pause_us = PAUSE_MIN_US;
    pthread_mutex_lock(&worker->mutex);
    if (!worker->is_welcome) {
        worker->is_welcome = true;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->mutex);
}

static void message(void *argument, struct grpc_stream *stream, struct text bytes)
{
    struct remote_worker *worker = argument;
    struct hub_work_down down;
    pd_error err;
    arena_rewind(&worker->message);
    if (message_read(&hub_work_down_type, bytes, &worker->message, &down, &err) != PD_OK) {
        grpc_stream_cancel(stream);
        return;
    }
    note_welcome(worker);
    take(worker, &down);
}

/* ---- the stream ------------------------------------------------------------------------------ */

static bool is_passing(pd_status status)
{
    return status == PD_OK || status == PD_E_UNAVAILABLE || status == PD_E_TIMEOUT ||
           status == PD_E_CANCELLED;
}

static void note_refusal(struct remote_worker *worker, const pd_error *err)
{
    pthread_mutex_lock(&worker->mutex);
    if (!worker->is_welcome) {
        worker->is_refused = true;
        worker->refusal = *err;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->mutex);
}

static void note_stopped(struct remote_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->is_stopped = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
}

static void ended(void *argument, struct grpc_stream *stream, pd_status status, const pd_error *err)
{
    struct remote_worker *worker = argument;
    outbox_close(&worker->outbox);
    worker->stream = NULL;
    grpc_stream_free(stream);
    hands_drop(&worker->hands, false); /* others get them */
    turns_drop(&worker->turns);        /* W2 */
    if (!is_passing(status)) {
        note_refusal(worker, err);
    }
    if (worker->is_leaving) {
        note_stopped(worker);
    } else {
        int64_t half = worker->pause_us / 2;
        int64_t jitter = (int64_t)random_below(&worker->random, (uint64_t)half + 1);
        loop_timer_set(worker->retry, half + jitter);
        worker->pause_us =
            worker->pause_us * 2 < PAUSE_MAX_US ? worker->pause_us * 2 : PAUSE_MAX_US;
    }
}

static void open_stream(void *argument)
{
    static const struct grpc_stream_handler handler = { .message = message, .ended = ended };
    struct remote_worker *worker = argument;
    struct text hello = buffer_text(&worker->hello);
    worker->stream =
        grpc_stream_open(worker->channel, REMOTE_PATH("Work"), TEXT_ABSENT, &handler, worker);
    grpc_stream_send(worker->stream, &hello, 1);
    outbox_open(&worker->outbox, worker->stream);
}

static void start(struct loop_job *job)
{
    struct remote_worker *worker = CONTAINER_OF(job, struct remote_worker, start_job);
    worker->retry = loop_timer_new(worker->loop, open_stream, worker);
    open_stream(worker);
}

static void stop(struct loop_job *job)
{
    struct remote_worker *worker = CONTAINER_OF(job, struct remote_worker, stop_job);
    loop_timer_free(worker->retry);
    worker->retry = NULL;
    worker->is_leaving = true;
    hands_forget_timers(&worker->hands);
    if (worker->stream != NULL) {
        grpc_stream_cancel(worker->stream); /* note_stopped follows */
    } else {
        note_stopped(worker);
    }
}

/* ---- hello ----------------------------------------------------------------------------------- */

static size_t count_names(const char *const *names)
{
    size_t count = 0;
    while (names != NULL && names[count] != NULL) {
        count++;
    }
    return count;
}

#define FILTERS_OF(kind)                                                                     \
    static struct hub_##kind##_filter_list kind##_filters(const char *const *names,          \
                                                          struct arena *arena)               \
    {                                                                                        \
        size_t count = count_names(names);                                                   \
        struct hub_##kind##_filter *items = arena_alloc(arena, (count + 1) * sizeof *items); \
        for (size_t i = 0; i < count; i++) {                                                 \
            message_init(&hub_##kind##_filter_type, &items[i]);                              \
            items[i].name = text_of(names[i]);                                               \
        }                                                                                    \
        return (struct hub_##kind##_filter_list){ items, count };                            \
    }
FILTERS_OF(orchestration)
FILTERS_OF(activity)
FILTERS_OF(entity)

/* The id names this process and no other, also where all have the same host and number: by it the
 * server knows one that has lost its stream from one that has died. */
static void write_hello(struct buffer *buffer, const struct remote_worker_options *options,
                        unsigned threads)
{
    uint64_t nonce = 0;
    (void)!getrandom(&nonce, sizeof nonce, 0);
    struct arena arena;
    arena_init(&arena);
    char host[256] = "?";
    (void)gethostname(host, sizeof host - 1);
    struct hub_work_item_filters filters = {
        .orchestrations = orchestration_filters(options->orchestrators, &arena),
        .activities = activity_filters(options->activities, &arena),
        .entities = entity_filters(options->entities, &arena),
    };
    struct hub_work_hello hello = {
        .protocol = HUB_PROTOCOL,
        .worker_id = text_of(arena_printf(&arena, "%s,%d,%016" PRIx64, host, (int)getpid(), nonce)),
        .turns_max = filters.orchestrations.count != 0 ? TURNS_MAX : 0,
        .activities_max = (int64_t)threads * ACTIVITIES_A_HAND,
        .entities_max = filters.entities.count != 0 ? TURNS_MAX : 0,
        .filters = &filters,
    };
    struct hub_work_up up;
    message_init(&hub_work_up_type, &up);
    up.hello = &hello;
    message_write(&hub_work_up_type, buffer, &up);
    arena_done(&arena);
}

/* ---- coming and going ------------------------------------------------------------------------ */

static bool await_welcome(struct remote_worker *worker, pd_error *err)
{
    struct timespec until = remote_until(WELCOME_MS);
    int answer = 0;
    pthread_mutex_lock(&worker->mutex);
    while (!worker->is_welcome && !worker->is_refused && answer == 0) {
        answer = pthread_cond_timedwait(&worker->changed, &worker->mutex, &until);
    }
    bool is_refused = worker->is_refused;
    if (is_refused) {
        *err = worker->refusal;
    } else {
        worker->is_welcome = true; /* or will be: what is refused from now on may pass */
    }
    pthread_mutex_unlock(&worker->mutex);
    return !is_refused;
}

static void await_stop(struct remote_worker *worker)
{
    loop_post(worker->loop, &worker->stop_job);
    pthread_mutex_lock(&worker->mutex);
    while (!worker->is_stopped) {
        pthread_cond_wait(&worker->changed, &worker->mutex);
    }
    pthread_mutex_unlock(&worker->mutex);
}

static void free_worker(struct remote_worker *worker)
{
    if (worker->channel != NULL) {
        await_stop(worker);
        hands_stop(&worker->hands);
        grpc_channel_free(worker->channel);
        outbox_done(&worker->outbox);
    }
    turns_done(&worker->turns);
    buffer_done(&worker->hello);
    arena_done(&worker->message);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    OBJECT_FREE(worker, WORKER_MAGIC);
}

static void heard(struct loop_job *job)
{
    atomic_store(&CONTAINER_OF(job, struct remote_worker, heard_job)->is_asked, false);
}

static struct remote_worker *worker_new(const struct remote_worker_options *options)
{
    struct remote_worker *worker = OBJECT_NEW(struct remote_worker, WORKER_MAGIC);
    turns_init(&worker->turns, options->runner, options->partitions, &worker->outbox);
    worker->pause_us = PAUSE_MIN_US;
    worker->start_job.run = start;
    worker->stop_job.run = stop;
    worker->heard_job.run = heard;
    random_seed(&worker->random, (uint64_t)remote_steady_us() ^ (uint64_t)getpid() << 32);
    arena_init(&worker->message);
    pthread_mutex_init(&worker->mutex, NULL);
    remote_cond_init(&worker->changed);
    return worker;
}

struct remote_worker *
remote_worker_start(struct store *store, const struct remote_worker_options *options, pd_error *err)
{
    struct remote_store *remote = remote_of(store);
    struct remote_worker *worker = worker_new(options);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = options->threads != 0 ? options->threads
                       : processors > 0      ? (unsigned)processors
                                             : 1;
    write_hello(&worker->hello, options, threads);
    worker->channel = place_connect(&remote->place, remote->tls, "worker", err);
    if (worker->channel == NULL) {
        free_worker(worker);
        return NULL;
    }
    worker->loop = grpc_channel_loop(worker->channel);
    outbox_init(&worker->outbox, worker->loop, remote->message_max);
    if (!hands_start(&worker->hands, options->runner, &worker->outbox, worker->loop, threads)) {
        (void)error_set(err, PD_E_NOMEM, true, where, "the system gives no %u threads", threads);
        free_worker(worker);
        return NULL;
    }
    loop_post(worker->loop, &worker->start_job);
    if (!await_welcome(worker, err)) {
        free_worker(worker);
        return NULL;
    }
    return worker;
}

/* What was answered should be acknowledged, when there is somebody to do it. */
static void await_acknowledgements(struct remote_worker *worker, int64_t until_us)
{
    struct timespec step = { 0, 2 * 1000 * 1000 };
    while (outbox_waiting(&worker->outbox) != 0 && remote_steady_us() < until_us) {
        nanosleep(&step, NULL);
    }
}

void remote_worker_stop(struct remote_worker *worker, int64_t drain_ms)
{
    OBJECT_CHECK(worker, WORKER_MAGIC);
    int64_t until_us = remote_steady_us() + drain_ms * TIME_MS;
    outbox_say_draining(&worker->outbox);
    hands_drain(&worker->hands, drain_ms);
    int64_t latest_us = remote_steady_us() + FAREWELL_MS * TIME_MS;
    await_acknowledgements(worker, until_us < latest_us ? until_us : latest_us);
    free_worker(worker);
}

int64_t remote_worker_silence(struct remote_worker *worker)
{
    OBJECT_CHECK(worker, WORKER_MAGIC);
    int64_t now_us = remote_steady_us();
    if (!atomic_load(&worker->is_asked)) {
        atomic_store(&worker->asked_us, now_us);
        atomic_store(&worker->is_asked, true);
        loop_post(worker->loop, &worker->heard_job);
    }
    return now_us - atomic_load(&worker->asked_us);
}
