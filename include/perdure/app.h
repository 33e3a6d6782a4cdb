/* SPDX-License-Identifier: MIT
 *
 * perdure/app.h: function apps. A shared object with orchestrators, activities, entities, HTTP
 * routes and timers, which `perdure host ./libapp.so` loads, runs, and loads anew when the file
 * changes.
 *
 *     static void get_order(pd_request *r)
 *     {
 *         pd_answer_json(r, 200, PD_OBJ("id", pd_request_parameter(r, "id")));
 *     }
 *     static const pd_function functions[] = { PD_FUNCTION("Order", order) };
 *     static const pd_route routes[] = { { "GET", "/orders/{id}", get_order } };
 *     PD_APP(.name = "orders", PD_FUNCTIONS(functions), PD_ROUTES(routes))
 *
 *     cc -shared -fPIC -o libapp.so app.c && perdure host ./libapp.so
 *
 * What runs where. The host is a small process that has no code of yours: it holds the sockets, and
 * starts, watches and replaces a child, in which your code runs. The engine is a perdured: one that
 * the host starts for a hub of the form sqlite:FILE, or the one at the other end of grpc://. So
 * code of yours that crashes takes down neither the host nor the engine: where it crashed is
 * reported, and the child is started again; requests that were under way lose their connections,
 * activities are run again. exit(), abort() and a C++ exception that leaves a function are crashes
 * as any other.
 *
 * An app that hangs (--hang, 60 s) is reported with where its threads are, and started again: when
 * its process says nothing, a turn of an orchestrator or an operation of an entity does not come
 * back, requests wait while all threads for routes are busy and none ends, or loading it does not
 * come to an end. A route that waits in a call of this library is not busy; activities may take as
 * long as they like; what a debugger holds is let alone.
 *
 * Threads. Routes run on a pool of threads (--threads), several at once, also the same route; what
 * they share is yours to lock. One that waits holds its thread. Orchestrators, activities and
 * entities run as perdure.h says. When the file has changed, the old child and the new one run side
 * by side for a moment, in processes of their own: keep nothing in static variables that the next
 * one needs. Programs that your code starts inherit neither signals that are blocked or ignored nor
 * what the host has open.
 *
 * Memory. What a request hands out lives until its function returns, and is never freed by you;
 * what is given to an answer is copied.
 *
 * Linking. The object need not be linked with libperdure: the host has it. An object that is, is
 * linked with libperdure.so, not libperdure.a. It exports one name, which PD_APP makes.
 *
 * Limits. A request's head 16 KiB and 100 fields, above it 400; its body 4 MiB (--body-max), above
 * it 413; 8 parameters of a route; 16 segments of a path; 64 parameters of a query, more are left
 * out; 1,000 connections; an answer's body 64 MiB, above it 500. 256 routes and 256 timers of an
 * app.
 *
 * C++. The header compiles as C++17. What is C's alone (perdure.h, 9) is called by its other name:
 * pd_answer_json_(r, 200, pd_of_text("done")). */
#ifndef PERDURE_APP_H
#define PERDURE_APP_H

#include <perdure.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Requests ---------------------------------------------------------------------------- */

/* A request that came, and the answer that it is given: to the function of a route, for as long as
 * that runs, on that thread and no other. Nothing is sent before the function returns; of several
 * answers the last one counts; without one it is 500. A client that has gone meanwhile is not told
 * of: the function runs to its end, and its answer goes nowhere. But for pd_answer_wait, and what
 * you ask of the hub, nothing here blocks. */
typedef struct pd_request pd_request;

typedef enum pd_request_part {
    PD_REQUEST_METHOD_, PD_REQUEST_PATH_, PD_REQUEST_PARAMETER_, PD_REQUEST_QUERY_,
    PD_REQUEST_HEADER_, PD_REQUEST_CALLER_
} pd_request_part;

/* How the host answers the calls below: private, and only ever longer. */
typedef struct pd_request_calls {
    const char *(*text)(pd_request *r, pd_request_part part, const char *name);
    const char *(*body)(pd_request *r, size_t *size);
    bool (*json)(pd_request *r, pd_value *ret, pd_error *err);
    pd_hub *(*hub)(pd_request *r);
    void *(*alloc)(pd_request *r, size_t size);
    const char *(*format)(pd_request *r, const char *format, va_list arguments);
    void (*header)(pd_request *r, const char *name, const char *value);
    void (*bytes)(pd_request *r, int status, const char *type, const void *bytes, size_t size);
    void (*value)(pd_request *r, int status, pd_value value);
    void (*error)(pd_request *r, const pd_error *err);
    void (*links)(pd_request *r, const char *id);
    void (*wait)(pd_request *r, const char *id, pd_duration limit);
} pd_request_calls;
struct pd_request { const pd_request_calls *calls_; };

/* What was asked. Texts end with a NUL; NULL: there is none of that name.
 *
 * method     "GET", one of pd_route.method
 * path       as it came, not decoded, without the query
 * parameter  of the route's path: "7" for {id}; decoded, never empty. It is what the client likes:
 *            "..", or with a '/' (sent as %2F), so look at it before it goes into a file's name
 * query      the first of its name, decoded; a '+' is a space; "" without a '='. What cannot be
 *            decoded (%zz, %00) is not there
 * header     its name in any case
 * caller     what stands behind the key in the file of --key; NULL: no key was given, or none is
 *            asked for */
static inline const char *pd_request_method(pd_request *r)
{
    return r->calls_->text(r, PD_REQUEST_METHOD_, NULL);
}
static inline const char *pd_request_path(pd_request *r)
{
    return r->calls_->text(r, PD_REQUEST_PATH_, NULL);
}
static inline const char *pd_request_parameter(pd_request *r, const char *name)
{
    return r->calls_->text(r, PD_REQUEST_PARAMETER_, name);
}
static inline const char *pd_request_query(pd_request *r, const char *name)
{
    return r->calls_->text(r, PD_REQUEST_QUERY_, name);
}
static inline const char *pd_request_header(pd_request *r, const char *name)
{
    return r->calls_->text(r, PD_REQUEST_HEADER_, name);
}
static inline const char *pd_request_caller(pd_request *r)
{
    return r->calls_->text(r, PD_REQUEST_CALLER_, NULL);
}

/* The body as it came, which may have NULs, and a NUL behind it; "" when there is none. size may be
 * NULL. */
static inline const char *pd_request_body(pd_request *r, size_t *size)
{
    return r->calls_->body(r, size);
}
/* The body as a JSON value, whatever Content-Type says. False with PD_E_INVALID (there is none, or
 * it is no JSON: the error says where) or PD_E_LIMIT; pd_answer_error(r, &err) makes 400 or 413 of
 * it. */
static inline PD_MUST_USE bool pd_request_json(pd_request *r, pd_value *ret, pd_error *err)
{
    return r->calls_->json(r, ret, err);
}

/* The hub that the app's functions run on: start, raise, wait, query as perdure.h says. The host's:
 * not to be closed, and to be used for no longer than the function of the route runs. */
static inline pd_hub *pd_request_hub(pd_request *r)
{
    return r->calls_->hub(r);
}

/* Zeroed memory, and text, that live as long as the request. Never NULL. */
static inline void *pd_request_alloc(pd_request *r, size_t size)
{
    return r->calls_->alloc(r, size);
}
PD_PRINTF(2, 3)
static inline const char *pd_request_format(pd_request *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = r->calls_->format(r, format, arguments);
    va_end(arguments);
    return text;
}

/* ---- 2. Answers ----------------------------------------------------------------------------- */

/* status: 200 to 599; anything else is sent as 500.
 *
 * header  one more, behind those before, whatever the answer becomes. What no header can hold (a
 *         line break), and what says how an answer is framed (Content-Length, Transfer-Encoding,
 *         Connection ...), which is the host's, is left out
 * text    text/plain; charset=utf-8
 * json    application/json. A value that JSON cannot hold: 500
 * bytes   of any type; NULL: none is said
 * empty   no body
 * error   {"Message":...} with the status that PD_STATUS_MAP gives: 404 for PD_E_NOT_FOUND */
static inline void pd_answer_header(pd_request *r, const char *name, const char *value)
{
    r->calls_->header(r, name, value);
}
static inline void pd_answer_bytes(pd_request *r, int status, const char *type, const void *bytes,
                                   size_t size)
{
    r->calls_->bytes(r, status, type, bytes, size);
}
static inline void pd_answer_text(pd_request *r, int status, const char *text)
{
    r->calls_->bytes(r, status, "text/plain; charset=utf-8", text, __builtin_strlen(text));
}
static inline void pd_answer_empty(pd_request *r, int status)
{
    r->calls_->bytes(r, status, NULL, "", 0);
}
static inline void pd_answer_json_(pd_request *r, int status, pd_value value)
{
    r->calls_->value(r, status, value);
}
#ifndef __cplusplus
#define pd_answer_json(r, status, x) pd_answer_json_((r), (status), PD_VAL(x))
#endif /* in C++: pd_answer_json_(r, 200, pd_of_text("done")) */
static inline void pd_answer_error(pd_request *r, const pd_error *err)
{
    r->calls_->error(r, err);
}

/* 202, with the links by which the caller can look after an instance: its state, events for it, its
 * end (statusQueryGetUri, sendEventPostUri, terminatePostUri, suspendPostUri, resumePostUri,
 * rewindPostUri, restartPostUri, purgeHistoryDeleteUri), with Location and Retry-After. They lead
 * to the host, or to the server that --management names, and carry the key that this request came
 * with: whoever has the links has the key. */
static inline void pd_answer_links(pd_request *r, const char *id)
{
    r->calls_->links(r, id);
}
/* Waits up to the limit for the instance's end. Completed: 200 with its output; failed: 500, or
 * terminated: 200, with its state; otherwise as pd_answer_links, also when there is no such
 * instance, the host is told to end, or the client has gone. At most a day. Holds its thread. */
static inline void pd_answer_wait(pd_request *r, const char *id, pd_duration limit)
{
    r->calls_->wait(r, id, limit);
}

/* ---- 3. The app ----------------------------------------------------------------------------- */

typedef void pd_route_fn(pd_request *r);

/* A path is "/" and segments: words, compared exactly, and {names}, each for one segment that is
 * not empty. Of several routes that fit, the one with a word where the others have a name counts,
 * the leftmost segment first; so "/orders/new" goes before "/orders/{id}". A '/' at the end of a
 * request's path does not count. No route fits: 404. Some do, but none for the method: 405, with
 * Allow. What is below /runtime/ is the host's. Two routes that no request could tell apart are
 * refused at loading. Words are compared as they came: "/%6frders" is not "/orders". */
typedef struct pd_route {
    /* GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS; NULL: all of them that have no route of their
     * own. HEAD goes to the route of GET if it has none, and gets that answer without the body. */
    const char  *method;
    const char  *path;         /* "/orders/{id}" */
    pd_route_fn *run;
    bool         is_anonymous; /* needs no key, where the host has keys */
} pd_route;

/* Becomes the schedule "app:APP:NAME" when the app is loaded, and is removed when a later app of
 * the same name is loaded that does not have it: one with another name is another timer. One that
 * has not changed is left as it is: also paused. So several hosts of one app on a hub have its
 * timers once. A rule, zone or input that is none is refused at loading, and nothing is changed.
 * See perdure.h, schedules. One of `orchestrator` and `activity`. */
typedef struct pd_timer_trigger {
    const char *name;         /* 1 to 100 characters, none of them '@' */
    const char *rule;         /* "30 8 * * 1-5", "@every 90s": chapter 20 of the guide */
    const char *zone;         /* "Europe/Berlin"; NULL: UTC */
    const char *orchestrator; /* its name */
    const char *activity;     /* likewise: run by an orchestration "perdure.activity" */
    const char *input;        /* JSON; NULL: null */
    pd_overlap  overlap;
    pd_missed   missed;
    pd_duration missed_max;
} pd_timer_trigger;

#define PD_APP_ABI 1 /* grows when an app that was compiled before would break */

typedef struct pd_app {
    uint32_t                abi, size;
    const char             *name;    /* 1 to 64 of letters, digits, '-', '_', '.' */
    const char             *version; /* as pd_worker_options.version; NULL: none */
    const pd_function      *functions;
    size_t                  function_count;
    const pd_route         *routes;
    size_t                  route_count;
    const pd_timer_trigger *timers;
    size_t                  timer_count;
} pd_app;

/* Once in an object, outside of functions: PD_APP(.name = "orders", PD_FUNCTIONS(table)). */
#ifdef __cplusplus
/* Also in a namespace, and without warnings of what only C has had for long. */
#define PD_APP(...)                                                                               \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wpragmas\"")                \
    _Pragma("GCC diagnostic ignored \"-Wpedantic\"")                                              \
    _Pragma("GCC diagnostic ignored \"-Wc++20-extensions\"")                                      \
    _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")                            \
    extern "C" {                                                                                  \
    extern PD_API const pd_app pd_app_;                                                           \
    const pd_app pd_app_ = { .abi = PD_APP_ABI, .size = sizeof(pd_app), __VA_ARGS__ };            \
    }                                                                                             \
    _Pragma("GCC diagnostic pop")
#else
#define PD_APP(...)                                                                               \
    extern PD_API const pd_app pd_app_;                                                           \
    const pd_app pd_app_ = { .abi = PD_APP_ABI, .size = sizeof(pd_app), __VA_ARGS__ };
#endif
#define PD_FUNCTIONS(table)                                                                       \
    .functions = (table), .function_count = sizeof(table) / sizeof((table)[0])
#define PD_ROUTES(table) .routes = (table), .route_count = sizeof(table) / sizeof((table)[0])
#define PD_TIMERS(table) .timers = (table), .timer_count = sizeof(table) / sizeof((table)[0])

#ifdef __cplusplus
}
#endif

#endif /* PERDURE_APP_H */
