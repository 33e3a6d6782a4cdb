/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share: the server, its hubs, and a call on its way (an rpc).
 *
 * One thread, the loop's, has all of this; what it may not wait for goes to the engines (rpc_ask_*)
 * or to the readers (rpc_read), and comes back as a job of the loop.
 *
 *   Z1  An rpc is made of every call that is not answered by waits or streams, and ends by exactly
 *       one of rpc_reply, rpc_fail, rpc_end. Its client may be gone long before: then the answer is
 *       thrown away, what was asked for happens all the same.
 *   Z2  While an rpc has a hub (rpc->hub), the hub's store, engine and broker stay. Nothing new is
 *       asked of a hub's engine once the hub is closing.
 *   Z3  What a call may do is judged twice: by its path and the hub of its metadata before it
 *       begins
 *       (server_admit), and by what its message names. */
#ifndef SERVER_SERVER_PRIV_H
#define SERVER_SERVER_PRIV_H

#include <perdure.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "api/http_activity.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/time.h"
#include "broker/broker.h"
#include "core/core.h"
#include "engine/engine.h"
#include "grpc/grpc.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"
#include "server/config.h"
#include "server/log.h"
#include "server/readers.h"
#include "server/server.h"
#include "server/tokens.h"
#include "server/webhooks.h"
#include "store/store.h"
#include "wire/messages.h"
#include "wire/work.h"

enum { HUB_NAME_MAX = 100, HUBS_MAX = 100, BATCH_MAX = 500 };

struct rpc;
struct web;

/* ---- methods -------------------------------------------------------------------------------- */

enum {
    METHOD_BRIEF = 1u << 0,  /* looks at its message only during `run`: no copy is made */
    METHOD_NO_HUB = 1u << 1, /* runs whether its hub is open or not: rpc->is_user says */
    METHOD_MAKES_HUB = 1u << 2,
    METHOD_KNOWN_HUB = 1u << 3, /* never makes one, whoever may */
};

struct rpc_method {
    const char *path;
    enum grpc_shape shape;
    unsigned scopes; /* of a token: one of them */
    unsigned flags;
    /* Its request; NULL: run gets the bytes (rpc->bytes). */
    const struct message_type *type;
    /* On the loop's thread, when the hub is open. GRPC_BOTH_STREAM: without a message; the call is
     * the method's from then on (grpc_call_set), and those below come after. */
    void (*run)(struct rpc *);
    void (*message)(void *server, struct grpc_call *, struct text message);
    void (*half_closed)(void *server, struct grpc_call *);
};

/* A service is a table of methods, in the file that has them. */
struct rpc_service {
    const struct rpc_method *methods;
    size_t count;
};
extern const struct rpc_service *const server_services[]; /* services.c; NULL ends */

extern const struct rpc_service instances_service, waits_service, work_service, queries_service,
    history_service, purge_service, entities_service, hubs_service, v1_calls_service,
    v1_load_service, v1_pieces_service, v1_waits_service, v1_work_service;

#define HUB_PATH(name) "/TaskHubSidecarService/" name

/* ---- hubs ----------------------------------------------------------------------------------- */

enum hub_state { HUB_CLOSED, HUB_OPENING, HUB_OPEN, HUB_CLOSING };

/* Those who wait for an instance to begin, or to end. waits.c */
struct waits {
    struct map awaited; /* by id: struct awaited */
    size_t count;
    atomic_size_t count_seen; /* the same, for the engine's thread */
};

/* Ids of instances that have ended: from the engine's thread to the loop's. waits.c */
struct endings {
    struct loop_job job;
    pthread_mutex_t mutex;
    struct buffer ids; /* size_t, bytes ... */
    bool is_posted;
};

/* How many instances there are, as counted last. census.c */
struct census {
    struct reader_job job;
    struct store_counts counts;
    struct store_counts found; /* the reader's */
    pd_status status;          /* likewise */
    bool is_known;
    time_us counted_at; /* steady; 0: never */
    int64_t took_us;
    bool is_counting;
};

/* Activities that are conversations over HTTP. http_steps.c */
struct steps {
    struct author_elsewhere elsewhere;
    struct list all;     /* of struct step */
    atomic_size_t count; /* for other threads */
};

struct hub {
    struct list_node node; /* of server->hubs */
    struct server *server;
    char name[HUB_NAME_MAX + 1];
    enum hub_state state;
    struct store *store;
    struct runner *author; /* runs what the server itself has: "perdure.call" */
    struct engine *engine;
    struct broker *broker;
    struct api_http *http; /* requests that orchestrations make */
    struct announcer announcer;
    struct api_deliver deliver;
    struct steps steps;
    pd_hub *api; /* the same store and engine, for what the api room does in many steps */
    struct waits waits;
    struct endings endings;
    struct census census;
    _Atomic uint64_t finished[RUN_TERMINATED + 1]; /* since it was opened first */
    bool was_in_trouble;                           /* when it was looked at last: for the log */
    struct list streams;                           /* of workers: work.c */
    struct list ours;                              /* streams of perdure.v1.Hub: v1_streams.c */
    struct list sending;  /* rpcs whose answers go out in pieces: rpc_stream */
    struct list parked;   /* rpcs that wait until it is open */
    struct list to_close; /* rpcs that wait until it is closed */
    size_t users;         /* rpcs that have it */
    size_t reading;       /* of these, those whose job is with the readers */
    struct reader_job opening;
    struct loop_job broker_job;
    _Atomic bool is_job_posted; /* a job must not be posted twice before it runs */
    struct loop_timer *broker_timer;
    pd_error err;         /* of opening */
    bool is_broker_due;   /* while the broker may not run */
    bool is_stopping;     /* the engine is being stopped */
    bool is_wipe_wanted;  /* when it is closed its files go */
    bool is_close_wanted; /* as soon as it is open */
    bool is_wiping;       /* a reader is at it */
    bool is_kept_closed;  /* the server ends: not opened again */
};

/* "" stands for the default hub. NULL: there is none of that name, and may be none; text says why.
 * It may be closed: hub_enter sees to that. */
struct hub *hub_find(struct server *server, struct text name, enum grpc_status *ret_status,
                     char text[256]);
/* Makes the rpc a user of its hub and runs it, now or when the hub is open. */
void hub_enter(struct hub *hub, struct rpc *rpc);
void hub_leave(struct hub *hub);
/* Closes it, and with `wipes` forgets all that is in it; the rpc, if any, then goes on by its
 * `next`. Who waits meanwhile finds it opened again. */
void hub_close(struct hub *hub, bool wipes, struct rpc *rpc);
/* Opens it here and now: at the start. */
pd_status hub_open_now(struct hub *hub, pd_error *err);
/* Could it be opened? Looks, and changes nothing. */
pd_status hub_probe(const struct hub *hub, pd_error *err);
void hub_free(struct hub *hub); /* closed */
static inline bool hub_is_open(const struct hub *hub)
{
    return hub->state == HUB_OPEN;
}

/* ---- rpcs ----------------------------------------------------------------------------------- */

struct rpc {
    struct reader_job job; /* first */
    struct list_node node; /* parked, waiting for a hub to close, or sending */
    struct server *server;
    struct hub *hub;
    const struct rpc_method *method;
    struct web *web; /* it came over HTTP: web.h; else NULL, and: */
    uint64_t call;
    struct text bytes; /* of the message */
    void *message;     /* read: struct hub_* of the method; the method may write on it */
    struct request *request;
    pd_status status; /* of what was asked */
    pd_error err;
    void (*work)(struct rpc *);
    void (*next)(struct rpc *);
    void *state; /* the method's, in the arena */
    bool is_user;
    struct arena arena;
};

/* Its call; NULL: the client is gone. */
struct grpc_call *rpc_call(const struct rpc *rpc);

/* Ask the engine; `next` sees rpc->status and rpc->err. What is asked lives in rpc->arena. */
void rpc_ask_start(struct rpc *rpc, const struct start_command *command,
                   void (*next)(struct rpc *));
void rpc_ask_tell(struct rpc *rpc, const struct letter *letter, void (*next)(struct rpc *));
/* Have a reader do something: it may block, read the store, and use hub->api. */
void rpc_read(struct rpc *rpc, void (*work)(struct rpc *), void (*next)(struct rpc *));

void rpc_reply(struct rpc *rpc, const struct message_type *type, const void *message);
void rpc_reply_bytes(struct rpc *rpc, struct text message);
void rpc_reply_empty(struct rpc *rpc);
__attribute__((format(printf, 3, 4))) void rpc_fail(struct rpc *rpc, enum grpc_status status,
                                                    const char *format, ...);
/* The answer goes out in pieces, as fast as its client takes them: `drained` makes the next ones.
 * Until rpc_stream_end, or until `gone`: the call is over then, be it because the hub closes. */
void rpc_stream(struct rpc *rpc, struct grpc_call *call, void (*drained)(struct grpc_call *),
                void (*gone)(struct rpc *));
/* Nothing more is asked for until the next rpc_stream: there has to be read before. */
void rpc_stream_pause(struct rpc *rpc, struct grpc_call *call);
/* All was sent. The rpc is the caller's to end. */
void rpc_stream_end(struct rpc *rpc, struct grpc_call *call);
void rpc_end_streams(struct hub *hub, enum grpc_status status, const char *text);
/* By rpc->status, which is not PD_OK, and rpc->err. */
void rpc_fail_as_told(struct rpc *rpc);
/* Without an answer: somebody else has the call now. */
void rpc_end(struct rpc *rpc);

/* Z3: may this caller do that in a hub that his message names? False: it has been answered. */
bool rpc_may_use_hub(struct rpc *rpc, struct text hub, unsigned scopes);

/* The message of an error, for statuses of the engine and the store. */
enum grpc_status rpc_status_of(const pd_error *err);

/* ---- ids and states (states.c) -------------------------------------------------------------- */

/* The id of an instance that a client chose: PD_E_INVALID with the sentence. */
pd_status id_check_chosen(struct text id, pd_error *err);
/* By a client? Not what makes requests in the server's name for whoever starts it, nor in the place
 * of an instance whose end the server takes for its own. */
bool may_be_started(struct text name, struct text id, pd_error *err);
/* Could there be an instance of this id? */
bool id_may_exist(struct text id);
/* An entity's id as it is kept, in the arena; PD_E_INVALID with the sentence. */
pd_status id_fold_entity(struct text id, struct arena *arena, struct text *ret, pd_error *err);

/* The id of a request to an entity, a GUID: of the 32 digits of a new id. entities.c */
struct text entity_mint_request(struct arena *arena);

int64_t status_of_state(enum run_state state);
const char *status_name_of_state(enum run_state state);
/* A set of states (1u << enum run_state); statuses that are no states are left out. */
unsigned states_of_statuses(const struct number_list *statuses);

/* Bounds of a query, as the store has them: 0 is none. One that is there stays one, also where it
 * is so early that nothing can be before it. */
static inline time_us bound_from(time_us asked)
{
    return asked != WIRE_NO_TIME && asked > 0 ? asked : 0;
}
static inline time_us bound_to(time_us asked)
{
    return asked == WIRE_NO_TIME ? 0 : asked > 0 ? asked : 1;
}

/* What clients see. Borrows from the record. */
struct hub_orchestration_state state_of_record(const struct instance_record *record,
                                               bool with_payloads);
/* PD_OK and *ret_found: of the store, on the loop's thread. */
pd_status hub_load(struct hub *hub, struct text id, struct arena *arena,
                   struct instance_record *ret, bool *ret_found, pd_error *err);

/* ---- waits ---------------------------------------------------------------------------------- */

void waits_init(struct hub *hub);
void waits_done(struct hub *hub);

/* A wait, inside of whatever waits. */
struct awaited;
struct wait {
    struct list_node node;
    struct hub *hub;
    struct awaited *awaited;
    bool for_start;
    /* Once, when it is over, and has been removed. record NULL: it could not be waited for. Adds
     * and removes no other wait. */
    void (*told)(struct wait *, const struct instance_record *record, enum grpc_status status,
                 const char *text);
};
/* told and for_start are set. First added, then looked at (W1). */
void waits_add(struct wait *wait, struct hub *hub, struct text id);
void waits_remove(struct wait *wait);
struct text waits_id(const struct wait *wait);
/* Is it over already? Then it is told so. */
void waits_look(struct wait *wait, struct arena *arena);
/* Something has happened to it: who waits for that is answered. */
void waits_wake(struct hub *hub, struct text id);
/* All end. */
void waits_end(struct hub *hub, enum grpc_status status, const char *text);
/* engine_options.ended */
void waits_ended(void *hub, const struct ending *endings);

/* ---- HTTP requests (http_steps.c) ----------------------------------------------------------- */

/* hub->http is there. Where activities that are HTTP requests go. */
#define HTTP_STEP_PREFIX "perdure.http:" /* of the ids of conversations for activities */

void http_steps_init(struct hub *hub);
void http_steps_opened(struct hub *hub);
void http_steps_end(struct hub *hub); /* the engine has been stopped */
void http_step_terminate(struct hub *hub, struct text id);
/* http_orphans.c: those that an earlier server has left are terminated; soon. */
void http_orphans_look(struct hub *hub);
/* Whose a conversation is; absent: it cannot be said. */
struct text http_owner_tags(struct arena *arena, struct text instance_id, struct text execution_id);

/* ---- work ----------------------------------------------------------------------------------- */

/* Ends the streams of a hub's workers, and those of perdure.v1.Hub. */
void work_end_streams(struct hub *hub, enum grpc_status status, const char *text);
/* Ends those of perdure.v1.Hub that no worker answers on; workers are told. Those of SDKs stay. */
void v1_drain_streams(struct hub *hub, enum grpc_status status, const char *text);
void v1_end_streams(struct hub *hub, enum grpc_status status, const char *text);
void work_ping(void *server); /* fires server->ping_timer */

/* ---- the server ----------------------------------------------------------------------------- */

enum { STATUSES = GRPC_UNAUTHENTICATED + 1 };

struct method_counts {
    uint64_t ended[STATUSES];
    uint64_t us;
};

enum server_phase {
    SERVER_RUNS,
    SERVER_DRAINS, /* waiting for what is out */
    SERVER_CLOSES, /* hubs are being closed */
    SERVER_ENDED,
};

/* What SIGHUP may change. */
struct server_limits {
    struct h2_limits net;
    size_t message_max;
    int64_t drain_us, health_ping_us;
};

/* What tells a file from the one that was there before. */
enum { TLS_FILES = 3 };
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    time_us changed_at;
};
enum certificate_age {
    CERTIFICATE_GOOD,
    CERTIFICATE_EARLY,
    CERTIFICATE_SOON_OVER,
    CERTIFICATE_OVER,
};

struct server {
    const struct config *config;
    struct server_limits limits;
    struct server_limits next_limits; /* reload_mutex */
    pthread_mutex_t reload_mutex;
    struct loop *loop;
    struct readers *readers;
    struct tls *tls;           /* NULL: in the clear */
    struct tls *http_tls;      /* likewise */
    struct tokens *tokens;     /* NULL: nobody needs one */
    struct webhooks *webhooks; /* NULL: none are configured */
    struct notify *notify;
    struct grpc_server *grpc;
    struct grpc_method *grpc_methods;
    const struct rpc_method **methods; /* of the same index */
    size_t method_count;
    struct method_counts *counts; /* likewise; one more for what is none of ours */
    struct http_listener *http;   /* NULL: none */
    struct http_counts *http_counts;
    const char **addresses; /* of gRPC */
    size_t address_count;
    struct list hubs;
    size_t hub_count;
    atomic_size_t waits; /* of all hubs */
    struct list pinged;  /* streams of workers, the next one to be pinged first */
    struct loop_timer *ping_timer, *drain_timer, *tick_timer;
    enum server_phase phase;
    time_us drain_until; /* steady */
    time_us started_at;
    struct file_stamp tls_files[TLS_FILES]; /* as they were read */
    enum certificate_age certificate_age;
    bool is_ready, is_drain_over, is_look_posted;
    uint64_t purged;
    struct loop_job drain_job, stop_job, reload_job, state_job, look_job;
    atomic_int drains_asked;
    atomic_bool is_reload_posted, is_state_posted;
    struct arena arena; /* addresses */
};

/* Something has changed that closing hubs, or the end of the server, may wait for: looked at soon,
 * from the loop. */
void server_look_on(struct server *server);
static inline bool server_is_draining(const struct server *server)
{
    return server->phase != SERVER_RUNS;
}

/* As far as its closing can go now. */
void hub_step(struct hub *hub);

struct text server_descriptors(void); /* services.c */

/* security.c: certificates and tokens; whether files or the time have changed anything. */
pd_status security_open(struct server *server, pd_error *err);
bool security_reload(struct server *server); /* false: something stays as it was */
void security_look(struct server *server);
/* For the log; peer NULL: unknown. */
void security_tell_of_refused(const char *peer, const struct rpc_method *method,
                              enum token_answer answer, struct text hub);

/* check.c: what a start would find out, without one. */
pd_status server_check(struct server *server, pd_error *err);

/* census.c */
void census_look(struct hub *hub); /* open: counts again, if it is time */
/* The file and what SQLite has beside it; 0 in memory. hub_files.c */
void hub_sizes(const struct hub *hub, uint64_t *ret_file, uint64_t *ret_wal);
/* Some hub's store cannot be used. */
bool hubs_in_trouble(struct server *server);

/* http.c, metrics.c */
pd_status http_start(struct server *server, pd_error *err);
void http_limit(struct server *server); /* server->limits are others now */
void metrics_write(struct server *server, struct buffer *buffer);
/* The lines before those of a metric; and those of a histogram, NAME_bucket, _sum and _count. */
void metrics_head(struct buffer *page, const char *name, const char *type, const char *help);
void metrics_put_histogram(struct buffer *page, const char *name, const char *labels,
                           const struct histogram *histogram);

/* http_counts.c: as what a request is counted. */
struct web_route;
struct http_counts;
struct http_count;
enum http_other { HTTP_HEALTH, HTTP_METRICS, HTTP_NO_ROUTE, HTTP_OTHERS };
struct http_counts *http_counts_new(void);
void http_counts_free(struct http_counts *counts); /* NULL is fine */
struct http_count *http_count_other(struct http_counts *counts, enum http_other other);
struct http_count *http_count_route(struct http_counts *counts, const struct web_route *route);
void http_counted(void *kind, int code, int64_t us); /* for http_listener_on_answered */
void http_counts_write(const struct server *server, struct buffer *page);

/* notify.c: systemd. */
struct notify *notify_new(void);
void notify_free(struct notify *notify);
__attribute__((format(printf, 2, 3))) void notify_say(struct notify *notify, const char *format,
                                                      ...);
int64_t notify_watchdog_us(const struct notify *notify); /* 0: none */
/* "fd:NAME" as "fd:NUMBER", of what systemd handed over; other addresses as they are. */
pd_status notify_address(struct notify *notify, const char *address, struct arena *arena,
                         const char **ret, pd_error *err);

#endif
