/* SPDX-License-Identifier: MIT
 *
 * Fetch: HTTP requests to others, for orchestrations. Thousands at once on one thread, by libcurl.
 *
 * It lives in a module, perdure-http.so, opened at the first request: libperdure and perdured need
 * no libcurl until then. Requests and answers are JSON text, as they stand in histories; so whoever
 * uses it need not know what is in them.
 *
 *   F1  A request is answered once, by `done`, on the fetcher's thread; also one that is cancelled,
 *       and those that are under way when the fetcher is closed.
 *   F2  Only http and https. No connection is made to an address that is not allowed, whatever
 *       name, redirect or proxy led to it: it is judged when the socket is opened.
 *   F3  A credential is in no answer, no failure, no log; and goes to no other origin (scheme,
 *       host, port) than that of the request it was asked for.
 *   F4  An answer is bounded in bytes and in time, and so is what waits of it in memory.
 *   F5  A server that never answers has not all connections (turn.c). The time of a request is from
 *       `start` on, whatever it waits for: its turn, a credential, a name, an answer. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <perdure.h>
#include <stdint.h>

#include "base/text.h"

#define FETCH_MODULE_FILE "perdure-http.so"
#define FETCH_MODULE_SYMBOL "perdure_http_module"
enum { FETCH_MODULE_VERSION = 2 };

struct fetcher;

struct fetch_options {
    const char *allow;      /* "" none but public addresses; "private": all; or "10.0.0.0/8,::1" */
    int64_t body_max;       /* bytes of an answer's body; 0: 4 MiB */
    int64_t answer_max;     /* of the whole as JSON, which may have six for one; 0: 16 MiB */
    int64_t timeout_max_ms; /* of one request, its redirects included; 0: an hour */
    unsigned connections;   /* at once; more wait; 0: 1,000 */
};

/* Which names SDKs know failures by, and how an answer is spelt, depends on who asked. */
enum fetch_dialect {
    FETCH_OURS,   /* perdure.request, of our own conversation; with effectiveUri */
    FETCH_DOTNET, /* BuiltIn::HttpActivity, asked by an SDK's orchestration: .NET, Java */
    FETCH_STEP,   /* perdure.http.request, of a conversation for one of these: with effectiveUri */
    FETCH_WORKER, /* BuiltIn__HttpActivity: JavaScript, Python; with effectiveUri */
};

struct fetch_answer {
    struct text response; /* JSON; absent: it failed */
    const char *failure_type;
    struct text failure_message;
    struct text failure_details; /* status, headers, the first 4 KiB of the body; absent: none */
    bool is_final;               /* trying again cannot help */
};

/* Inside of what asks. */
struct fetch_request {
    struct text input; /* JSON: an object, or an array of one; borrowed until `done` */
    enum fetch_dialect dialect;
    bool is_delivery; /* redirections are not followed, and nobody reads the answer's body */
    void (*done)(struct fetch_request *, const struct fetch_answer *); /* F1 */
    void *state;                                                       /* the fetcher's */
};

struct fetch_module {
    unsigned version;
    /* PD_E_INVALID: an option; PD_E_UNAVAILABLE. */
    struct fetcher *(*open)(const struct fetch_options *options, pd_error *err);
    void (*start)(struct fetcher *, struct fetch_request *); /* any thread */
    /* Any thread; done comes soon. Of one that was done nothing happens: done may be on its way
     * meanwhile. `done` is called with nothing locked that start and cancel lock, as whoever asks
     * may hold a lock of his own when he calls these; and when done has returned, neither the
     * request nor a cancel of it that came before is looked at any more. */
    void (*cancel)(struct fetcher *, struct fetch_request *);
    void (*close)(struct fetcher *); /* when it returns, all are done. NULL is fine */
};

#endif
