/* SPDX-License-Identifier: MIT
 *
 * Waiting for ends: all waits of a hub are on one stream, each with a number.
 *
 * A thread writes down what it waits for, one instance or many, and sleeps. The loop's thread sends
 * what was written down since it last looked, in one message, and wakes the thread when all that it
 * waits for is answered. When the stream breaks, it is opened again after a while, and all that
 * wait ask again: they do not notice.
 *
 *   W1  What is waited for is in by_number, under the mutex; its thread takes it out before it
 *       leaves. An answer is written into that thread's arena meanwhile, which is nobody else's: it
 *       sleeps. The memory of a waiter is used again, but stays: so threads are woken when the
 *       mutex is free, and do not wake only to wait for that.
 *   W2  A stream that the server refuses (a token, a hub that is not there) ends all waits with
 *       that.
 */
#include <time.h>

#include "remote/remote_priv.h"
#include "wire/proto.h"

enum { RETRY_MIN_US = 50 * 1000, RETRY_MAX_US = 2 * 1000 * 1000, FIELD_WAITS = 1 };

/* A thread. */
struct waiter {
    size_t left; /* it sleeps for so many answers */
    bool is_refused;
    struct arena *arena; /* the caller's */
    struct waiter *next; /* spare */
    pd_error err;
    pthread_cond_t changed;
};

/* ---- clocks ---------------------------------------------------------------------------------- */

void remote_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

int64_t remote_steady_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

struct timespec remote_until(int64_t ms)
{
    enum { YEAR_MS_DIV = 365 };
    const int64_t most = (int64_t)YEAR_MS_DIV * 24 * 3600 * 1000;
    int64_t until = remote_steady_us() + (ms < most ? ms : most) * TIME_MS;
    return (struct timespec){ until / TIME_SECOND, until % TIME_SECOND * 1000 };
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void write_ask(struct buffer *buffer, const struct remote_wait *wait, bool is_given_up)
{
    struct hub_wait ask;
    message_init(&hub_wait_type, &ask);
    ask.number = (int64_t)wait->number;
    ask.instance_id = is_given_up ? TEXT("") : wait->id;
    ask.is_given_up = is_given_up;
    uint8_t head[2 * 10];
    uint8_t *end = proto_put_tag(head, FIELD_WAITS, PROTO_BYTES);
    end = proto_put_varint(end, message_size(&hub_wait_type, &ask));
    buffer_add(buffer, head, (size_t)(end - head));
    message_write(&hub_wait_type, buffer, &ask);
}

/* The mutex is held. */
static void ask(struct waits *waits, const struct remote_wait *wait, bool is_given_up)
{
    write_ask(&waits->asked, wait, is_given_up);
    if (!waits->is_job_posted) {
        waits->is_job_posted = true;
        loop_post(waits->loop, &waits->job);
    }
}

/* It waits for nothing more. The mutex is held; wake_all follows without. */
static void settle(struct waiter *waiter, struct buffer *told)
{
    if (waiter->left != 0) {
        waiter->left = 0;
        buffer_add(told, &waiter, sizeof(struct waiter *));
    }
}

/* One that has noticed already, and is used again, is woken for nothing. */
static void wake_all(struct buffer *told)
{
    for (size_t at = 0; at < told->size; at += sizeof(struct waiter *)) {
        struct waiter *waiter;
        memcpy(&waiter, told->at + at, sizeof(struct waiter *));
        pthread_cond_signal(&waiter->changed);
    }
    buffer_reset(told);
}

/* ---- the loop's thread ----------------------------------------------------------------------- */

static void answered(struct waits *waits, const struct hub_wait_response *response)
{
    pthread_mutex_lock(&waits->mutex);
    for (size_t i = 0; i < response->waited.count; i++) {
        const struct hub_waited *waited = &response->waited.items[i];
        struct remote_wait *wait = map64_find(&waits->by_number, (uint64_t)waited->number);
        if (wait == NULL || wait->is_over) {
            continue;
        }
        struct waiter *waiter = wait->waiter;
        wait->answer = text_copy(waiter->arena, waited->instance);
        wait->is_over = true;
        if (waiter->left > 1) {
            waiter->left--;
        } else {
            settle(waiter, &waits->told);
        }
    }
    pthread_mutex_unlock(&waits->mutex);
    wake_all(&waits->told);
}

static void message(void *argument, struct grpc_stream *stream, struct text bytes)
{
    struct waits *waits = argument;
    struct hub_wait_response response;
    pd_error err;
    arena_reset(&waits->arena);
    if (message_read(&hub_wait_response_type, bytes, &waits->arena, &response, &err) != PD_OK) {
        grpc_stream_cancel(stream);
        return;
    }
    waits->retry_us = RETRY_MIN_US;
    answered(waits, &response);
}

static bool is_passing(pd_status status)
{
    return status == PD_OK || status == PD_E_UNAVAILABLE || status == PD_E_TIMEOUT ||
           status == PD_E_CANCELLED;
}

static void send(struct waits *waits);

static void retry(void *argument)
{
    send(argument);
}

/* W2, or again after a while. */
static void ended(void *argument, struct grpc_stream *stream, pd_status status, const pd_error *err)
{
    struct waits *waits = argument;
    waits->stream = NULL;
    grpc_stream_free(stream);
    if (!is_passing(status)) {
        size_t cursor = 0;
        struct remote_wait *wait;
        pthread_mutex_lock(&waits->mutex);
        while ((wait = map64_next(&waits->by_number, &cursor)) != NULL) {
            wait->waiter->err = *err;
            wait->waiter->is_refused = true;
            settle(wait->waiter, &waits->told);
        }
        pthread_mutex_unlock(&waits->mutex);
        wake_all(&waits->told);
    } else if (waits->retry != NULL) {
        loop_timer_set(waits->retry, waits->retry_us);
        waits->retry_us = waits->retry_us * 2 < RETRY_MAX_US ? waits->retry_us * 2 : RETRY_MAX_US;
    }
}

/* All that wait ask, now on another stream. The mutex is held. */
static void ask_all(struct waits *waits)
{
    size_t cursor = 0;
    struct remote_wait *wait;
    buffer_reset(&waits->asked);
    while ((wait = map64_next(&waits->by_number, &cursor)) != NULL) {
        if (!wait->is_over) {
            write_ask(&waits->asked, wait, false);
        }
    }
}

static void send(struct waits *waits)
{
    static const struct grpc_stream_handler handler = { .message = message, .ended = ended };
    struct buffer sent = { 0 };
    bool is_new = waits->stream == NULL;
    if (waits->retry == NULL) {
        waits->retry = loop_timer_new(waits->loop, retry, waits);
    }
    loop_timer_unset(waits->retry);
    pthread_mutex_lock(&waits->mutex);
    if (is_new) {
        ask_all(waits);
    }
    sent = waits->asked;
    buffer_init(&waits->asked);
    bool is_closing = waits->is_closing;
    pthread_mutex_unlock(&waits->mutex);
    if (sent.size != 0 && !is_closing) {
        if (is_new) {
            waits->stream = grpc_stream_open(waits->channel, REMOTE_PATH("WaitEnd"), TEXT_ABSENT,
                                             &handler, waits);
        }
        struct text piece = buffer_text(&sent);
        grpc_stream_send(waits->stream, &piece, 1);
    }
    buffer_done(&sent);
}

static void send_asked(struct loop_job *job)
{
    struct waits *waits = CONTAINER_OF(job, struct waits, job);
    pthread_mutex_lock(&waits->mutex);
    waits->is_job_posted = false;
    pthread_mutex_unlock(&waits->mutex);
    send(waits);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static struct waiter *take_spare(struct waits *waits)
{
    struct waiter *waiter = waits->spare;
    if (waiter == NULL) {
        waiter = mem_alloc(sizeof *waiter);
        remote_cond_init(&waiter->changed);
    } else {
        waits->spare = waiter->next;
    }
    return waiter;
}

static pd_status read_answer(struct remote_wait *wait, struct arena *arena, pd_error *err)
{
    struct hub_kept_instance kept;
    if (!wait->is_over || !text_is_present(wait->answer)) {
        return PD_OK;
    }
    pd_status status = message_read(&hub_kept_instance_type, wait->answer, arena, &kept, err);
    if (status == PD_OK) {
        wait->record = hub_instance_record(&kept);
        wait->is_found = true;
    }
    return status;
}

/* The mutex is held. */
static void begin(struct waits *waits, struct waiter *waiter, struct remote_wait *wait)
{
    wait->is_over = wait->is_found = false;
    wait->answer = TEXT_ABSENT;
    wait->waiter = waiter;
    wait->number = ++waits->number_next;
    map64_put(&waits->by_number, wait->number, wait);
    ask(waits, wait, false);
}

/* Likewise. */
static void leave(struct waits *waits, struct remote_wait *wait)
{
    map64_remove(&waits->by_number, wait->number);
    if (!wait->is_over && !wait->waiter->is_refused) {
        ask(waits, wait, true);
    }
}

pd_status waits_wait(struct waits *waits, struct remote_wait *list, size_t count, int64_t max_ms,
                     struct arena *arena, pd_error *err)
{
    struct timespec until = remote_until(max_ms);
    pthread_mutex_lock(&waits->mutex);
    struct waiter *waiter = take_spare(waits);
    waiter->left = count;
    waiter->is_refused = false;
    waiter->arena = arena;
    for (size_t i = 0; i < count; i++) {
        begin(waits, waiter, &list[i]);
    }
    int timed = 0;
    while (waiter->left != 0 && timed == 0) {
        timed = pthread_cond_timedwait(&waiter->changed, &waits->mutex, &until);
    }
    for (size_t i = 0; i < count; i++) {
        leave(waits, &list[i]);
    }
    pd_status status = waiter->is_refused ? waiter->err.status : PD_OK;
    if (status != PD_OK) {
        *err = waiter->err;
    }
    waiter->next = waits->spare;
    waits->spare = waiter;
    pthread_mutex_unlock(&waits->mutex);
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        status = read_answer(&list[i], arena, err);
    }
    return status;
}

/* ---- coming and going ------------------------------------------------------------------------ */

void waits_wake(struct waits *waits)
{
    size_t cursor = 0;
    struct remote_wait *wait;
    struct buffer told;
    buffer_init(&told);
    pthread_mutex_lock(&waits->mutex);
    while ((wait = map64_next(&waits->by_number, &cursor)) != NULL) {
        settle(wait->waiter, &told);
    }
    pthread_mutex_unlock(&waits->mutex);
    wake_all(&told);
    buffer_done(&told);
}

void waits_init(struct waits *waits, struct grpc_channel *channel)
{
    *waits = (struct waits){ .channel = channel, .retry_us = RETRY_MIN_US };
    waits->loop = grpc_channel_loop(channel);
    waits->job.run = send_asked;
    pthread_mutex_init(&waits->mutex, NULL);
    map64_init(&waits->by_number);
    arena_init(&waits->arena);
}

struct farewell {
    struct loop_job job;
    struct waits *waits;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done;
};

static void say_farewell(struct loop_job *job)
{
    struct farewell *farewell = CONTAINER_OF(job, struct farewell, job);
    struct waits *waits = farewell->waits;
    loop_timer_free(waits->retry);
    waits->retry = NULL;
    pthread_mutex_lock(&farewell->mutex);
    farewell->is_done = true;
    pthread_cond_signal(&farewell->done);
    pthread_mutex_unlock(&farewell->mutex);
}

void waits_stop(struct waits *waits)
{
    struct farewell farewell = { .job.run = say_farewell, .waits = waits };
    pthread_mutex_lock(&waits->mutex);
    waits->is_closing = true;
    pthread_mutex_unlock(&waits->mutex);
    pthread_mutex_init(&farewell.mutex, NULL);
    pthread_cond_init(&farewell.done, NULL);
    loop_post(waits->loop, &farewell.job);
    pthread_mutex_lock(&farewell.mutex);
    while (!farewell.is_done) {
        pthread_cond_wait(&farewell.done, &farewell.mutex);
    }
    pthread_mutex_unlock(&farewell.mutex);
    pthread_cond_destroy(&farewell.done);
    pthread_mutex_destroy(&farewell.mutex);
}

void waits_done(struct waits *waits)
{
    while (waits->spare != NULL) {
        struct waiter *waiter = waits->spare;
        waits->spare = waiter->next;
        pthread_cond_destroy(&waiter->changed);
        mem_free(waiter);
    }
    buffer_done(&waits->asked);
    buffer_done(&waits->told);
    arena_done(&waits->arena);
    map64_done(&waits->by_number);
    pthread_mutex_destroy(&waits->mutex);
}
