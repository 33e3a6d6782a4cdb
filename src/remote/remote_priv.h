/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share: where a server is, the store that its calls are, waits, and
 * the worker.
 *
 *   R1  A hub has one connection for its calls and waits; its worker has another, whose thread runs
 *       the turns. Neither waits for the other.
 *   R2  A call is made again when it is known not to have reached the server, or when it changes
 *       nothing. Who is told PD_E_UNAVAILABLE does not know whether what he asked has happened.
 *   R3  What the server says is not trusted to be well-formed: it is read with bounds. */
#ifndef REMOTE_REMOTE_PRIV_H
#define REMOTE_REMOTE_PRIV_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/object.h"
#include "grpc/grpc.h"
#include "net/tls.h"
#include "remote/remote.h"
#include "wire/hub_calls.h"

#define REMOTE_PATH(method) "/perdure.v1.Hub/" method

/* ---- url.c ----------------------------------------------------------------------------------- */

enum { PLACE_PORT = 8080 };

/* Where a hub is, and as whom we come. Lives in an arena. */
struct place {
    const char *host;
    unsigned port;
    bool has_tls;
    const char *hub;               /* NULL: the server's default one */
    const char *token;             /* NULL: none */
    const char *authorities;       /* PEM file; NULL: the system's */
    const char *certificate, *key; /* of mutual TLS; NULL: none */
    int64_t wait_ms;               /* for a server that is not there yet; < 0: not said */
};
/* PD_E_INVALID. */
pd_status place_read(const char *url, struct arena *arena, struct place *ret, pd_error *err);

/* A connection there; it borrows the place. `role` is what the server is told of us. */
struct grpc_channel *place_connect(const struct place *place, struct tls *tls, const char *role,
                                   pd_error *err);

/* ---- waits.c: all waits of a hub, on one stream ---------------------------------------------- */

struct waiter;
struct waits {
    struct grpc_channel *channel;
    struct loop *loop;
    pthread_mutex_t mutex;
    struct map64 by_number; /* of struct remote_wait */
    struct waiter *spare;
    uint64_t number_next;
    struct buffer asked; /* encoded `waits` that have not been sent */
    struct loop_job job; /* sends them, or opens the stream */
    bool is_job_posted;
    bool is_closing;

    /* the loop's thread */
    struct grpc_stream *stream;
    struct loop_timer *retry;
    int64_t retry_us;
    struct buffer told; /* of struct waiter *: to be woken */
    struct arena arena; /* of the message that is being read */
};

void waits_init(struct waits *waits, struct grpc_channel *channel);
void waits_stop(struct waits *waits); /* nobody waits any more; the channel is still there */
void waits_done(struct waits *waits); /* the channel has been freed */
void waits_wake(struct waits *waits);
pd_status waits_wait(struct waits *waits, struct remote_wait *list, size_t count, int64_t max_ms,
                     struct arena *arena, pd_error *err);

/* ---- store.c, load.c, query.c ---------------------------------------------------------------- */

enum { REMOTE_MAGIC = 0x72656d6f };

struct remote_store {
    uint32_t magic;
    struct store base;
    struct arena arena; /* of the place */
    struct place place;
    struct tls *tls;
    struct grpc_channel *channel;
    size_t message_max; /* bytes of a message that the server takes */
    struct waits waits;
    pthread_mutex_t mutex; /* of store->wait */
    pthread_cond_t woken;
    uint64_t wakes;
};

struct remote_store *remote_of(struct store *store);
struct store *remote_store_open(const char *url, pd_error *err);

/* A call: its message is written (request NULL: it is empty), its answer read. `repeats`: it
 * changes nothing, so it is made again while the server is away, for some time. */
struct remote_call {
    const char *path;
    const struct message_type *request_type, *answer_type;
    const void *request;
    bool repeats;
};
pd_status remote_call(struct remote_store *store, const struct remote_call *call,
                      struct arena *arena, void *ret_answer, pd_error *err);

/* load.c: by streams of pieces. */
pd_status remote_load_history(struct store *store, uint64_t row, uint64_t from, struct arena *arena,
                              struct history_rows *ret, pd_error *err);
pd_status remote_load_inbox(struct store *store, uint64_t row, struct arena *arena,
                            struct inbox_rows *ret, pd_error *err);

/* query.c */
pd_status remote_query(struct store *store, const struct store_query *query, struct arena *arena,
                       struct record_page *ret, pd_error *err);
pd_status remote_count(struct store *store, const struct store_query *query,
                       struct store_counts *ret, pd_error *err);
pd_status remote_query_entities(struct store *store, const struct entity_query *query,
                                struct arena *arena, struct entity_page *ret, pd_error *err);

pd_status remote_clean_entities(struct store *store, pd_cleaned *ret, pd_error *err);

/* ---- worker.c -------------------------------------------------------------------------------- */

struct remote_worker *remote_worker_start(struct store *store,
                                          const struct remote_worker_options *options,
                                          pd_error *err);
void remote_worker_stop(struct remote_worker *worker, int64_t drain_ms);
int64_t remote_worker_silence(struct remote_worker *worker);

/* A time that a condition waits until, so far from now, by the clock that conditions of this room
 * use. */
void remote_cond_init(pthread_cond_t *cond);
struct timespec remote_until(int64_t ms);
int64_t remote_steady_us(void);

#endif
