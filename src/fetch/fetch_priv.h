/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 *
 *   request.c   the input as JSON -> struct order
 *   guard.c     which addresses are allowed
 *   proxy.c     what goes through whom
 *   origin.c    scheme, host and port, to compare by
 *   turn.c      which transfer is libcurl's next
 *   hop.c       one exchange with one server: libcurl's handle, and what it says
 *   answer.c    what came -> JSON, or a failure in the words of who asked
 *   fetch.c     the thread, and the way of a request through hops */
#ifndef FETCH_FETCH_PRIV_H
#define FETCH_FETCH_PRIV_H

#include <curl/curl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/map.h"
#include "base/network.h"
#include "base/text.h"
#include "base/time.h"
#include "fetch/fetch.h"

enum {
    REDIRECTS_MAX = 20,
    HEADER_BYTES_MAX = 64 * 1024, /* of an answer, all of them */
    HEADERS_MAX = 1000,           /* likewise; and of a request */
    TIMEOUT_DEFAULT_MS = 100 * 1000,
    DETAIL_BYTES = 4096, /* of a body, in a failure */
};

/* ---- request.c ------------------------------------------------------------------------------ */

struct order {
    const char *method, *uri;
    pd_value headers;    /* an object of texts or arrays of texts; or null */
    const char *content; /* NULL: none */
    size_t content_size;
    pd_value credential;  /* tokenSource; or null */
    int64_t timeout_ms;   /* 0: none was given */
    const char *timeout;  /* as it was given; NULL: none */
    bool has_retry;       /* an answer that is to be retried is a failure */
    pd_value retry_codes; /* an array; empty or null: any that is not 2xx */
};

/* The order lies in the arena. False: *ret_why says what is wrong. */
bool order_read(struct text input, struct arena *arena, struct order *ret, const char **ret_why);
/* What was given, else 100 s; at most so much. */
int64_t order_limit_ms(const struct order *order, int64_t most_ms);
/* Goes with one connection only, or libcurl sees to it. */
bool order_skips_header(const char *name);
/* Tells others who we are: not for another origin. */
bool order_is_secret_header(const char *name);

/* ---- guard.c -------------------------------------------------------------------------------- */

struct guard {
    bool allows_all;
    struct network *networks;
    size_t count;
};

/* "", "private", or networks with commas between. PD_E_INVALID. */
pd_status guard_init(struct guard *guard, const char *allow, pd_error *err);
void guard_done(struct guard *guard);
bool guard_allows(const struct guard *guard, const struct sockaddr *address);
/* The host of a URL that a proxy is going to look for: false for an address that is not allowed,
 * however it is written, and for names that mean this machine or its network. */
bool guard_allows_host(const struct guard *guard, const char *host);

/* ---- origin.c ------------------------------------------------------------------------------- */

/* Puts "https://host:443" behind what is there. False, and nothing: it has none. */
bool origin_write(struct buffer *ret, CURLU *url);
bool origin_is_same(CURLU *a, CURLU *b);

/* ---- turn.c --------------------------------------------------------------------------------- */

struct origin;

/* What libcurl is at, or will be. */
struct transfer {
    /* Its turn has come: makes `easy`, so that nobody waits with a handle, which is large. False:
     * it cannot be made, and has ended. NULL: it is there already. */
    bool (*begin)(struct transfer *);
    /* Its work was done, or could not be begun; turn_end is still to be called. */
    void (*over)(struct transfer *, CURLcode);
    CURL *easy;
    struct origin *origin;  /* NULL: it is not libcurl's, and does not wait */
    struct list_node among; /* of the origin's that wait */
};

struct turns {
    CURLM *multi;
    unsigned most, under_way;
    struct map origins;  /* "https://host:443" -> struct origin, which somebody uses */
    struct list waiting; /* of struct origin */
    bool is_changed;     /* since turn_look: somebody might go now */
};

void turns_init(struct turns *turns, unsigned most, uint64_t seed); /* multi NULL: no memory */
void turns_done(struct turns *turns);
void turn_ask(struct turns *turns, struct transfer *transfer, CURLU *url);
void turn_end(struct turns *turns, struct transfer *transfer); /* of none: nothing */
void turn_look(struct turns *turns);                           /* those whose turn it is begin */
bool turn_is_waited_for(const struct transfer *transfer);

/* ---- one request ---------------------------------------------------------------------------- */

enum outcome {
    OUTCOME_ANSWER,
    OUTCOME_BAD_INPUT,
    OUTCOME_REFUSED, /* the guard */
    OUTCOME_FAILED,  /* no connection, no such name, TLS, too large, broken off */
    OUTCOME_TIMEOUT,
    OUTCOME_CREDENTIAL,
    OUTCOME_CANCELLED,
};

/* What a request is to say, once it is known; see credential.h. */
struct credential_wait {
    struct list_node among;
    /* token absent: there is none, `why` says the reason, and is_final that asking again cannot
     * help. On the thread; once. */
    void (*ready)(struct credential_wait *, struct text token, const char *why, bool is_final);
};

struct fetch {
    struct transfer transfer;
    struct credential_wait wait;
    const char *token;      /* to be said to the first origin; NULL: none */
    struct list_node among; /* of the fetcher's */
    struct fetcher *fetcher;
    struct fetch_request *request;
    struct order order;
    struct curl_slist *fields; /* header lines of this hop */
    CURLU *origin, *url;       /* as it was asked for; of this hop */
    const char *method;        /* of this hop */
    const char *proxy;         /* of this hop; NULL: none */
    bool has_body, is_trusted; /* of this hop; it is still of the first origin */
    unsigned redirects;
    int64_t limit_ms; /* of all hops, the credential, and the wait for a connection */
    time_us ends_at;
    struct buffer headers; /* "name\0value\0" ..., of the last answer */
    size_t header_count;
    struct buffer body;
    size_t body_bytes;  /* that came, kept or not */
    const char *reason; /* why a hop was broken off by us; NULL: it was not */
    bool is_refused;
    bool has_no_credential; /* and will not have one */
    bool is_unsent;         /* nothing of it was ever sent, as others came first */
    char error[CURL_ERROR_SIZE];
    struct arena arena;
};

/* proxy.c: sets fetch->proxy for fetch->url. False: a proxy would ask what the guard refuses. */
bool proxy_find(struct fetch *fetch);

/* hop.c. Sets up the handle for fetch->url. False: it cannot be asked; is_refused, or else
 * fetch->reason says why. */
bool hop_begin(struct fetch *fetch);
/* Whose certificates are believed: SSL_CERT_FILE and SSL_CERT_DIR, else the system's. */
void hop_trust(CURL *easy);
/* Is the answer a redirection that is followed? Then fetch->url is the next one's. */
bool hop_redirects(struct fetch *fetch);

/* answer.c: tells who asked; once. */
void answer_give(struct fetch *fetch, enum outcome outcome);

struct fetcher {
    struct guard guard;
    int64_t body_max, answer_max, timeout_max_ms;
    struct turns turns;
    pthread_t thread;
    int epoll, wake;    /* wake: an eventfd, for the jobs */
    time_us due;        /* libcurl wants to be called then; TIME_NEVER: not at all */
    time_us look_at;    /* no request's time is over before that */
    struct list tokens; /* credential.c */
    struct list all;    /* of struct fetch; the thread's, as all above */
    pthread_mutex_t mutex;
    struct fetch_job *jobs; /* newest first; under the mutex, as is: */
    bool is_closing;
};

time_us fetch_now(void); /* steady */

#endif
