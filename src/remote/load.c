/* SPDX-License-Identifier: MIT
 *
 * What may be long comes in pieces, on a stream: histories and inboxes.
 *
 * The thread that asks sleeps, while the loop's puts what comes into its arena. A stream that
 * breaks before its end is begun again, from the start: reading changes nothing. One on which
 * nothing comes for SILENCE_MS is broken off.
 */
#include <time.h>

#include "remote/remote_priv.h"

enum { REPEAT_MS = 30000, SILENCE_MS = 30000, PAUSE_MIN_MS = 20, PAUSE_MAX_MS = 1000 };

static const char where[] = "remote: load";

struct gathering {
    struct arena *arena;    /* the caller's, who sleeps */
    struct buffer chunks;   /* of struct text */
    struct buffer arrivals; /* of uint64_t */
    uint64_t first;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done, is_silent;
    uint64_t pieces;
    pd_status status;
    pd_error err;
};

/* ---- the loop's thread ----------------------------------------------------------------------- */

static void message(void *argument, struct grpc_stream *stream, struct text bytes)
{
    struct gathering *all = argument;
    struct hub_load_piece piece;
    if (all->status != PD_OK) {
        return;
    }
    pthread_mutex_lock(&all->mutex);
    all->pieces++;
    pthread_mutex_unlock(&all->mutex);
    char *copy = arena_copy(all->arena, bytes.at, bytes.size);
    all->status = message_read(&hub_load_piece_type, text_make(copy, bytes.size), all->arena,
                               &piece, &all->err);
    if (all->status != PD_OK) {
        grpc_stream_cancel(stream);
        return;
    }
    all->first = (uint64_t)piece.first;
    buffer_add(&all->chunks, piece.chunks.items, piece.chunks.count * sizeof(struct text));
    for (size_t i = 0; i < piece.arrivals.count; i++) {
        uint64_t arrival = (uint64_t)piece.arrivals.items[i];
        buffer_add(&all->arrivals, &arrival, sizeof arrival);
    }
}

static void ended(void *argument, struct grpc_stream *stream, pd_status status, const pd_error *err)
{
    struct gathering *all = argument;
    (void)stream;
    pthread_mutex_lock(&all->mutex);
    if (all->status == PD_OK && status != PD_OK) {
        all->status = status;
        all->err = *err;
    }
    all->is_done = true;
    pthread_cond_signal(&all->done);
    pthread_mutex_unlock(&all->mutex);
}

/* ---- the caller's ---------------------------------------------------------------------------- */

/* The stream is ours to free, as it is to be cancelled from here. */
static void await_end(struct gathering *all, struct grpc_stream *stream)
{
    pthread_mutex_lock(&all->mutex);
    while (!all->is_done) {
        struct timespec until = remote_until(SILENCE_MS);
        uint64_t pieces = all->pieces;
        int timed = 0;
        while (!all->is_done && timed == 0) {
            timed = pthread_cond_timedwait(&all->done, &all->mutex, &until);
        }
        if (!all->is_done && pieces == all->pieces && !all->is_silent) {
            all->is_silent = true;
            grpc_stream_cancel(stream); /* ends it, and so this */
        }
    }
    pthread_mutex_unlock(&all->mutex);
    grpc_stream_free(stream);
}

static pd_status gather_once(struct remote_store *store, const char *path, struct text request,
                             struct gathering *all, pd_error *err)
{
    static const struct grpc_stream_handler handler = { .message = message, .ended = ended };
    all->is_done = all->is_silent = false;
    all->status = PD_OK;
    all->first = 1;
    buffer_reset(&all->chunks);
    buffer_reset(&all->arrivals);
    await_end(all, grpc_stream_open(store->channel, path, request, &handler, all));
    if (all->status == PD_OK) {
        return PD_OK;
    }
    *err = all->err;
    return !all->is_silent ? all->status
                           : error_set(err, PD_E_UNAVAILABLE, true, where,
                                       "the server at %s:%u does not answer", store->place.host,
                                       store->place.port);
}

static pd_status gather(struct store *base, const char *path, uint64_t row, uint64_t from,
                        struct gathering *all, pd_error *err)
{
    struct remote_store *store = remote_of(base);
    struct hub_load_request request;
    struct buffer bytes;
    buffer_init(&bytes);
    message_init(&hub_load_request_type, &request);
    request.row = (int64_t)row;
    request.from = (int64_t)from;
    message_write(&hub_load_request_type, &bytes, &request);
    int64_t until = remote_steady_us() + REPEAT_MS * TIME_MS;
    int64_t pause = PAUSE_MIN_MS;
    pd_error reason; /* the caller's is written on failure only */
    pd_status status = gather_once(store, path, buffer_text(&bytes), all, &reason);
    while (status == PD_E_UNAVAILABLE && remote_steady_us() < until) {
        struct timespec time = { pause / 1000, pause % 1000 * 1000000 };
        nanosleep(&time, NULL);
        pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
        status = gather_once(store, path, buffer_text(&bytes), all, &reason);
    }
    buffer_done(&bytes);
    if (status != PD_OK) {
        *err = reason;
    }
    return status;
}

static void gathering_init(struct gathering *all, struct arena *arena)
{
    *all = (struct gathering){ .arena = arena };
    pthread_mutex_init(&all->mutex, NULL);
    remote_cond_init(&all->done);
}

static void gathering_done(struct gathering *all)
{
    pthread_cond_destroy(&all->done);
    pthread_mutex_destroy(&all->mutex);
    buffer_done(&all->arrivals);
    buffer_done(&all->chunks);
}

/* A list that was gathered, as it is kept by the caller. */
static void *keep(struct arena *arena, const struct buffer *list)
{
    void *copy = arena_alloc_raw(arena, list->size);
    if (list->size != 0) {
        memcpy(copy, list->at, list->size);
    }
    return copy;
}

pd_status remote_load_history(struct store *store, uint64_t row, uint64_t from, struct arena *arena,
                              struct history_rows *ret, pd_error *err)
{
    struct gathering all;
    gathering_init(&all, arena);
    pd_status status = gather(store, REMOTE_PATH("LoadHistory"), row, from, &all, err);
    if (status == PD_OK) {
        ret->count = all.chunks.size / sizeof(struct text);
        ret->turns = keep(arena, &all.chunks);
        ret->first = all.first;
    }
    gathering_done(&all);
    return status;
}

pd_status remote_load_inbox(struct store *store, uint64_t row, struct arena *arena,
                            struct inbox_rows *ret, pd_error *err)
{
    struct gathering all;
    gathering_init(&all, arena);
    pd_status status = gather(store, REMOTE_PATH("LoadInbox"), row, 0, &all, err);
    if (status == PD_OK && all.chunks.size / sizeof(struct text) != all.arrivals.size / 8) {
        status = error_set(err, PD_E_UNAVAILABLE, false, where,
                           "the server's answer does not hold together");
    }
    if (status == PD_OK) {
        ret->count = all.chunks.size / sizeof(struct text);
        ret->events = keep(arena, &all.chunks);
        ret->arrivals = keep(arena, &all.arrivals);
    }
    gathering_done(&all);
    return status;
}
