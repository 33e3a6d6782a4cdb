/* SPDX-License-Identifier: MIT
 *
 * Activities that are HTTP requests: between an engine, which has them, and the module that makes
 * requests (fetch/fetch.h). One of these for each engine, in a worker and in a server.
 *
 *   Q1  No thread is held by a request, but where its step has a limit of time: then the engine
 *       watches the thread, as it does for any activity.
 *   Q2  The module is opened when the first request is made, and not before. When that fails the
 *       request does, with "Unavailable", and the next one tries again.
 *   Q3  A result is given to the engine until api_http_end returns, and never after. What was not
 *       ended by then is the next engine's to ask for again. */
#ifndef API_HTTP_ACTIVITY_H
#define API_HTTP_ACTIVITY_H

#include <perdure.h>

#include "author/author.h"
#include "base/buffer.h"
#include "engine/engine.h"
#include "fetch/fetch.h"

struct api_http;

/* Activities of BUILTIN_DELIVER become requests that only who answers for them can write. */
struct api_deliver {
    void *argument;
    /* As fetch_request.input. False: *ret_refusal, which lives on. Any thread. */
    bool (*request)(void *argument, const struct activity *, struct buffer *json,
                    struct fetch_answer *ret_refusal);
    /* Whose lane it is in (lanes.h). */
    struct text (*receiver)(void *argument, const struct activity *);
    /* What comes of it borrows from the answer and the arena. */
    struct fetch_answer (*judge)(void *argument, const struct fetch_answer *answer, struct arena *);
};

struct api_http_options {
    struct fetch_options fetch;        /* its texts are copied */
    const struct fetch_module *module; /* NULL: that which is found */
    const struct api_deliver *deliver; /* borrowed; NULL: no such activity is taken */
};

struct api_http *api_http_new(const struct api_http_options *options);
const struct author_elsewhere *api_http_elsewhere(const struct api_http *http);
/* Once it has been started: what it has given meanwhile waits. */
void api_http_set_engine(struct api_http *http, struct engine *engine);

/* As author_elsewhere.take, also for whoever has looked at it first. */
void api_http_take(struct api_http *http, struct activity *activity);

size_t api_http_count(const struct api_http *http); /* requests that are being made */

/* Before engine_stop: no request is begun any more, those that are being made have drain_ms to end,
 * and are cancelled then. Blocks. */
void api_http_end(struct api_http *http, int64_t drain_ms);
void api_http_free(struct api_http *http); /* after engine_stop; NULL is fine */

/* The module, loaded when it is first needed; it stays. NULL: err. (module.c) */
const struct fetch_module *api_fetch_module(pd_error *err);

#endif
