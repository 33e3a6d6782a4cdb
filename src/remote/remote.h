/* SPDX-License-Identifier: MIT
 *
 * Remote: a hub that another process serves, over gRPC. To the api room it is a store
 * (store/store.h) whose operations are calls, and a worker that runs the author's turns for the
 * server's engine.
 *
 * All of it is a module, perdure-grpc.so, which libperdure opens when it meets the first "grpc:"
 * URL: so that who does not need it does not carry HTTP/2, TLS and an event loop. The two share
 * headers, not objects: the module has its own copy of the lower rooms, and exports one name.
 *
 *   M1  What crosses is in this header; both sides are of one build (`build` is compared).
 *   M2  Nothing is lost when the server restarts: calls that may not have reached it are made again
 *       by who made them (PD_E_UNAVAILABLE, retryable), or by us when that is safe; the worker
 *       connects again, with back-off, and gets its work again. */
#ifndef REMOTE_REMOTE_H
#define REMOTE_REMOTE_H

#include <perdure.h>

#include "core/turn.h"
#include "store/store.h"

struct remote_worker;

struct remote_worker_options {
    struct runner *runner; /* the author */
    unsigned threads;      /* for activities; 0: one per processor */
    unsigned partitions;   /* threads for turns: what the author was made for */
    const char *version;   /* NULL: none */
    const char *const *orchestrators, *const *activities, *const *entities; /* names it has; NULL
                                                                             * ends */
};

/* An instance that is waited for. Its record is as load_instance gives it, its text in the arena of
 * the call; is_over without is_found: there is none. */
struct remote_wait {
    struct text id; /* in */
    bool is_over, is_found;
    struct instance_record record;

    struct waiter *waiter; /* the room's own */
    uint64_t number;
    struct text answer;
};

struct remote_module {
    const char *build; /* PERDURE_VERSION and what else must agree */
    /* "grpc://host:port[?taskhub=NAME&token=..&ca=..]", "grpcs://...", or an SDK's connection
     * string ("Endpoint=http://host:port;TaskHub=NAME;Authentication=None"). Reaches the server
     * once: PD_E_UNAVAILABLE. */
    struct store *(*open)(const char *url, pd_error *err);
    /* Waits until all have ended or are not there, at most max_ms. Not over: not yet (also after
     * store->wake, and when the server went away meanwhile: ask again). */
    pd_status (*wait_ends)(struct store *, struct remote_wait *waits, size_t count, int64_t max_ms,
                           struct arena *arena, pd_error *err);
    /* As pd_hub_clean_entities; done by the server. */
    pd_status (*clean_entities)(struct store *, pd_cleaned *ret, pd_error *err);
    struct remote_worker *(*worker_start)(struct store *,
                                          const struct remote_worker_options *options,
                                          pd_error *err);
    void (*worker_stop)(struct remote_worker *, int64_t drain_ms);
    /* As pd_worker_silence_, in microseconds. */
    int64_t (*worker_silence)(struct remote_worker *);
};

/* The number grows when what crosses is changed. */
#define REMOTE_BUILD PERDURE_VERSION "/10"

#define REMOTE_MODULE_FILE "perdure-grpc.so"
#define REMOTE_MODULE_SYMBOL "perdure_grpc_module"

#endif
