/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share: the hub, the worker, and how a call enters and leaves.
 *
 *   A1  Every call on a hub is between call_begin and call_end; pd_hub_close waits until all have
 *       left, and from its beginning no wait goes on.
 *   A2  A call uses the engine only while it holds the worker (call.worker). pd_worker_stop first
 *       makes the worker unavailable, then waits until nobody holds it, then stops the engine. So
 *       the engine never sees a call while it is being stopped.
 *   A3  Below this room err is never NULL.
 */
#ifndef API_API_PRIV_H
#define API_API_PRIV_H

#include <perdure.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/object.h"
#include "base/text.h"
#include "base/time.h"
#include "core/core.h"
#include "core/turn.h"
#include "engine/engine.h"
#include "store/store.h"

enum { HUB_MAGIC = 0x6875625f, WORKER_MAGIC = 0x776f726b };

struct api_http;
struct remote_module;
struct remote_worker;

struct pd_worker {
    uint32_t magic;
    pd_hub *hub;
    struct runner *author;
    struct api_http *http;        /* NULL: likewise */
    struct engine *engine;        /* NULL: the engine is a server's; then: */
    struct remote_worker *remote; /* what runs its work here */
    int64_t drain_ms;
    char version[LIMIT_NAME + 1]; /* the author's, who borrows it */
    size_t users;                 /* calls that hold it; under hub->mutex */
    atomic_bool is_stopping;      /* set under hub->mutex */
};

/* Messages that were mailed from here, and how many of them are known to have been taken. */
struct mailed {
    atomic_ullong sent, taken;
};

struct pd_hub {
    uint32_t magic;
    struct store *store;
    const struct remote_module *remote; /* a server has the hub; NULL: it is a file, or memory */
    size_t payload_max;                 /* bytes of JSON */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a count below has become zero */
    size_t calls;
    pd_worker *worker; /* NULL: this process runs no engine here */
    bool is_worker_starting;
    atomic_bool is_closing;
    struct mailed starts; /* and archives: see mail_may_hold_ours */
    struct mailed operations;
};

/* ---- calls ---------------------------------------------------------------------------------- */

struct call {
    pd_hub *hub;
    pd_worker *worker; /* held; NULL: none */
};

/* NULL: no engine here, use the mailbox. That of a server takes what comes at once. */
static inline struct engine *call_engine(const struct call *call)
{
    return call->worker != NULL ? call->worker->engine : NULL;
}

/* PD_E_INVALID when hub is NULL, PD_E_STATE in an orchestrator. Ends with call_end, also after it
 * failed. */
pd_status call_begin(struct call *call, pd_hub *hub, const char *where, pd_error *err);
void call_end(struct call *call);

/* For calls that last: gives the worker back, and takes whichever is there now, or none. */
void call_hold_worker(struct call *call);
void call_let_worker_go(struct call *call);

/* A place for the error, when the caller gave none (A3). */
static inline pd_error *error_or(pd_error *err, pd_error *unwanted)
{
    return err != NULL ? err : unwanted;
}

time_us api_now(void);       /* since 1970, for events that we make */
time_us api_monotonic(void); /* for time limits */

/* ---- arguments ------------------------------------------------------------------------------ */

/* What a URL says to this room, and what is left of it for the store. PD_E_INVALID. */
struct hub_url {
    struct buffer store; /* ends in NUL; buffer_done is the caller's */
    size_t payload_max;
};
pd_status api_read_url(const char *url, struct hub_url *ret, pd_error *err);

/* Is it the URL of a hub that a server has? */
bool api_is_remote(const char *url);
/* The module for them, which is loaded when it is first needed, and stays. NULL: err. */
const struct remote_module *api_remote_module(pd_error *err);

/* A name that is given: UTF-8, 1 to LIMIT_NAME bytes. `what` is the word for it. */
pd_status api_check_name(struct text name, const char *where, const char *what, pd_error *err);

/* An instance id that is given. */
pd_status api_check_id(const char *id, const char *where, struct text *ret, pd_error *err);

/* The id that is wanted or, when that is NULL or "", a new one. */
struct chosen_id {
    struct text text;
    bool is_fresh;
    char minted[33];
};
pd_status api_choose_id(const char *wanted, struct chosen_id *ret, pd_error *err);
/* Likewise from where a pd_id goes in and out; NULL: a new one. */
pd_status api_choose_id_of(const pd_id *wanted, const char *where, struct chosen_id *ret,
                           pd_error *err);
void api_write_id(pd_id *ret, struct text id);

/* An entity that is given, as its id is kept: "@name@key", folded, in the arena. */
pd_status api_check_entity(pd_entity_id entity, struct arena *arena, const char *where,
                           struct text *ret, pd_error *err);
/* Likewise as one text. */
pd_status api_check_entity_id(struct text id, struct arena *arena, struct text *ret, pd_error *err);

/* Appends the JSON text of an input. PD_E_INVALID, PD_E_LIMIT. */
pd_status api_check_payload(const pd_hub *hub, struct buffer *buffer, pd_value value,
                            const char *where, pd_error *err);

/* ---- commands ------------------------------------------------------------------------------- */

/* Through the engine of this process or the mailbox. statuses[i] is each one's fate, the result
 * the first failure. */
pd_status api_start(const struct call *call, const struct start_command *commands, size_t count,
                    pd_status *statuses, pd_error *err);
pd_status api_tell(const struct call *call, const struct letter *letters, size_t count,
                   pd_status *statuses, pd_error *err);

/* Likewise for one; also when the engine knows no such instance, but the mailbox may: a start that
 * waits there. */
pd_status api_tell_one(const struct call *call, const struct letter *letter, pd_error *err);

/* As api_tell, for MESSAGE_OPERATION: behind those of ours that still lie in the mailbox. */
pd_status api_operate(const struct call *call, const struct letter *letters, size_t count,
                      pd_status *statuses, pd_error *err);

/* pd_hub_purge of an entity. */
pd_status api_purge_entity_id(pd_hub *hub, const char *id, pd_error *err);

/* The orchestration that calls an entity for a client: the author room has it. */

/* An event that is made now; the rest of it is the caller's to fill in. */
struct event api_event(enum event_kind kind, struct text payload);

/* ---- mailbox -------------------------------------------------------------------------------- */

/* Through the mailbox; otherwise as api_start and api_tell. */
pd_status mail_starts(pd_hub *hub, const struct start_command *commands, size_t count,
                      pd_status *statuses, pd_error *err);
pd_status mail_letters(pd_hub *hub, const struct letter *letters, size_t count, pd_status *statuses,
                       pd_error *err);

/* Of these kinds of messages. */
bool mail_is_start(enum message_kind kind); /* will be an instance */
bool mail_is_operation(enum message_kind kind);

/* Somebody was promised here what may still wait in the mailbox, although we run the engine. */
bool mail_may_hold_ours(const struct mailed *mailed);

/* Looks whether it does; when it does not, nobody needs to look again. */
pd_status mail_holds(pd_hub *hub, struct mailed *mailed, bool (*is_meant)(enum message_kind),
                     bool *ret, pd_error *err);

/* Does a message of the kind to this entity wait in the mailbox? request_id: of its event; absent:
 * any. */
pd_status mail_holds_for(pd_hub *hub, enum message_kind kind, struct text id,
                         struct text request_id, bool *ret, pd_error *err);

/* A start of this id that waits in the mailbox, as the record of a pending instance. */
pd_status mail_find_start(pd_hub *hub, struct text id, struct arena *arena,
                          struct instance_record *ret, bool *ret_found, pd_error *err);

/* A place in the mailboxes of all partitions: what lies before it has been seen. Begins zeroed. */
struct mail_place {
    unsigned partition;
    uint64_t number;
};

/* Starts that wait in the mailbox, from *place on, as records of pending instances: those that the
 * query asks for, at most max. *place moves behind the last of them. */
struct mail_page {
    struct instance_record *items; /* room for max, given by the caller */
    size_t count;
    bool has_more;
};
pd_status mail_query(pd_hub *hub, const struct store_query *query, size_t max,
                     struct mail_place *place, struct arena *arena, struct mail_page *ret,
                     pd_error *err);

/* How many such starts there are, and what to ask afterwards: is none of them gone by now? */
struct mail_count {
    uint64_t pending;
    uint64_t first[LIMIT_PARTITIONS]; /* message of each partition; 0: it has none */
};
pd_status mail_count(pd_hub *hub, const struct store_query *query, struct mail_count *ret,
                     pd_error *err);
pd_status mail_is_unmoved(pd_hub *hub, const struct mail_count *since, bool *ret, pd_error *err);

/* How many operations of an entity wait there. */
pd_status mail_count_operations(pd_hub *hub, struct text id, struct mail_count *ret, pd_error *err);

/* ---- looking -------------------------------------------------------------------------------- */

/* What earlier looks of the same call have seen; begins zeroed. */
struct sighting {
    bool is_mailed;   /* a start lay in the mailbox ... */
    uint64_t old_row; /* ... that replaces this row; 0: none */
};

/* The instance as clients are to see it; text lives in the arena. PD_E_NOT_FOUND. */
pd_status api_look(const struct call *call, struct text id, struct sighting *sighting,
                   struct arena *arena, struct instance_record *ret, const char *where,
                   pd_error *err);

/* Waits for its end: pd_hub_wait. */
pd_instance *api_wait(struct call *call, struct text id, pd_duration timeout, pd_error *err);

/* The first and the last microsecond that a time of a query means; 0: open. */
time_us api_first_of(pd_time t);
time_us api_last_of(pd_time t);

/* What a query asks for, without its pages; limit 0. Needles live in the arena. */
pd_status api_read_query(const pd_query *query, struct arena *arena, struct store_query *ret,
                         const char *where, pd_error *err);

/* ---- what is handed out --------------------------------------------------------------------- */

struct pd_instance;
pd_instance *api_instance_new(const struct instance_record *record, pd_error *err);

/* An instance that belongs to a page: its texts live in the page's arena. */
size_t api_instance_size(void);
pd_status api_instance_init_in(pd_instance *instance, struct arena *arena,
                               const struct instance_record *record, pd_error *err);
void api_instance_done_in(pd_instance *instance);
pd_instance *api_instance_at(pd_instance *first, size_t index);

/* A payload that is handed out: text, and a value that is read when it is first asked for, once, by
 * whichever thread comes first. Several may share a lazy, which holds the values. */
struct lazy {
    pthread_mutex_t mutex;
    struct arena arena;
};
struct payload {
    const char *json; /* ends in NUL */
    size_t size;
    atomic_bool is_parsed;
    pd_value value;
};
void lazy_init(struct lazy *lazy);
void lazy_done(struct lazy *lazy);
/* Copies the text; absent becomes "null". False: no memory. */
bool payload_init(struct payload *payload, struct arena *arena, struct text json);
pd_value payload_value(struct lazy *lazy, struct payload *payload);

/* Page tokens: lower-case hexadecimal digits. Moves *at behind the digits; false: others are
 * there. */
bool api_read_hex(const char **at, size_t digits, uint64_t *ret);

/* Copies with a NUL behind it; false: no memory. Absent becomes NULL. */
bool api_copy_string(struct arena *arena, struct text t, const char **ret);

/* NULL when there is no memory. */
const pd_failure *api_copy_failure(struct arena *arena, const struct failure *failure);

/* An entity; its texts live in the arena, values in the lazy. `with_state`: the record has the
 * state, not only whether there is one. PD_E_NOMEM. */
struct pd_entity_view;
size_t api_entity_view_size(void);
pd_status api_entity_view_init(pd_entity_view *view, struct arena *arena, struct lazy *lazy,
                               const struct entity_record *record, bool with_state, pd_error *err);
pd_entity_view *api_entity_view_at(pd_entity_view *first, size_t index);

/* ---- replaying instead (replay_instead.c) --------------------------------------------------- */

/* PD_REPLAY_FROM is in the environment: the program is there to be replayed, not to work. */
bool replay_is_wanted(void);
_Noreturn void replay_instead(const pd_function *program, size_t n, void *user);

#endif
