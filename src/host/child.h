/* SPDX-License-Identifier: MIT
 *
 * What the files of a child share: the process in which the app runs.
 *
 *   C1  The loop's thread has the sockets, and runs no user code; routes run on the pool's threads.
 *   C2  A request belongs to the loop, then to one thread of the pool, then to the loop again: it
 *       is handed over with what http_* reads of it, which nobody else touches meanwhile.
 *   C3  Nothing is answered before the function of the route has returned. */
#ifndef HOST_CHILD_H
#define HOST_CHILD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/text.h"
#include "host/host.h"
#include "net/http.h"
#include "net/loop.h"

enum { ROUTES_MAX = 256, TIMERS_MAX = 256, PARAMETERS_MAX = 8, SEGMENTS_MAX = 16, QUERY_MAX = 64 };

/* ---- report.c ------------------------------------------------------------------------------- */

extern int report_fd;
__attribute__((format(printf, 2, 3))) void report(enum report kind, const char *format, ...);

/* ---- app.c ---------------------------------------------------------------------------------- */

/* Loads it and looks whether all of it can be used. NULL: err. It is never unloaded. */
const pd_app *app_load(const char *file, pd_error *err);
pd_status app_check(const pd_app *app, pd_error *err); /* app_load has done it */

/* ---- routes.c ------------------------------------------------------------------------------- */

struct parameter {
    const char *name, *value;
};

/* What of a path a route took. */
struct match {
    const pd_route *route; /* NULL: see `code` */
    int code;              /* 404, 405 or 400 */
    const char *allow;     /* with 405: "GET, POST" */
    struct parameter parameters[PARAMETERS_MAX];
    size_t parameter_count;
};

/* PD_E_INVALID: a path that is none, or two routes that fit the same. */
pd_status routes_check(const pd_route *routes, size_t count, pd_error *err);
/* raw_path: as it came. Texts live in the arena. */
void routes_find(const pd_route *routes, size_t count, struct text method, struct text raw_path,
                 struct arena *arena, struct match *ret);
/* A parameter of a query, decoded; NULL: absent. */
const char *routes_query(struct arena *arena, struct text query, const char *name);

/* ---- symbols.c, trace.c, crash.c, stacks.c -------------------------------------------------- */

/* Names of the functions of a loaded object, from its file: also of static ones. */
void symbols_read(const char *file, const void *inside);
/* Async-signal-safe. NULL: none is known there. */
const char *symbols_find(uintptr_t address, uintptr_t *ret_begin);

/* In handlers, too, but for the last two. context: of a signal's handler, on the thread itself. */
void trace_put(const char *text);
void trace_hex(uintptr_t number);
void trace_tell(const void *context);
bool trace_is_app(const void *context);           /* is a function of the app at work there? */
extern _Thread_local const pd_route *trace_route; /* at work on this thread; NULL: none */
void trace_prepare(void);
void trace_app(const pd_app *app); /* whose tables are searched */

/* Reports what ends the process, and lets it end it. */
void crash_install(void);
/* SIGQUIT tells where the threads are. */
void stacks_install(void);

/* ---- keys.c --------------------------------------------------------------------------------- */

struct keys;
struct keys *keys_read(const char *file, pd_error *err);
void keys_free(struct keys *keys); /* NULL is fine */
/* The name behind the key ("" if none); NULL: there is no such key. */
const char *keys_find(const struct keys *keys, const char *key);

/* ---- timers.c ------------------------------------------------------------------------------- */

pd_status timers_check(const pd_app *app, pd_error *err);
pd_status timers_put(pd_hub *hub, const pd_app *app, pd_error *err);

/* ---- request.c, threads.c, serve.c ---------------------------------------------------------- */

/* One of the pool's. */
struct route_thread {
    struct service *service;
    pthread_t id;
    const void *_Atomic face; /* pd_thread_; NULL: it has not begun */
};

struct service {
    const struct options *options;
    const pd_app *app;
    pd_hub *hub;
    pd_worker *worker;
    struct keys *keys; /* NULL: none needed */
    struct loop *loop;
    struct http_listener *listener;
    atomic_bool is_draining;
    atomic_size_t under_way; /* requests */
    int64_t drain_until_ms;  /* the loop's, while it drains: what is there then is left */
    int64_t linger_until_ms; /* connections without a request are kept so long */
    struct loop_timer *look, *pulse;
    struct loop_job drain;
    /* the pool */
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    struct list waiting;
    size_t waiting_count;
    _Atomic int64_t progress_ms; /* steady */
    bool is_over;
    struct route_thread *threads;
    size_t thread_count;
};

struct header {
    struct header *next;
    const char *name, *value;
    bool goes; /* when there is another answer */
};

struct request {
    uint32_t magic;
    pd_request face; /* what user code has */
    struct service *service;
    struct http_request *http;
    struct list_node among; /* waiting */
    struct loop_job job;
    struct arena arena;
    struct match match;
    void (*own)(struct request *); /* one of ours instead of a route: manage.c */
    const char *key, *caller;      /* NULL: none */
    pd_document *document;
    struct text raw_path, query, body;
    const char *body_text; /* NULL: not wanted yet */
    atomic_bool is_gone;   /* its client: told by the loop */
    int status;            /* of the answer; 0: none yet */
    const char *type;
    struct text answer;
    struct buffer out;
    struct header *headers;
};

extern const pd_request_calls request_calls;

void threads_start(struct service *service);
void threads_give(struct service *service, struct request *request);
void threads_stop(struct service *service); /* when none is under way */
/* For how long no route has begun or ended, nor any been in a call of the library, while requests
 * wait for a thread. 0: none waits. To be asked again and again. */
int64_t threads_stuck_ms(struct service *service, size_t *ret_waiting);

/* ---- pulse.c: before the loop runs, and after ---- */
void pulse_begin(struct service *service);
void pulse_end(struct service *service);

/* On the loop's thread. */
void serve_request(void *service, struct http_request *http);
void serve_answer(struct loop_job *job); /* of a request: posted by the pool */

/* Likewise for ours and theirs. */
void request_refuse(struct request *request, int status, const char *message);
/* Of the answer that there is now: not of one that comes in its place. */
void request_header(struct request *request, const char *name, const char *value);
void request_fail(struct request *request, const pd_error *err);
/* http://host:port, as clients see us. */
const char *request_origin(struct request *request);

/* ---- manage.c: the status routes ------------------------------------------------------------ */

#define MANAGE_BASE "/runtime/webhooks/durabletask"

/* Is the path ours? Then request->own is set, or the answer. */
bool manage_takes(struct request *request);
void manage_links(struct request *request, const char *id);
void manage_put_state(struct request *request, const pd_instance *instance);

#endif
