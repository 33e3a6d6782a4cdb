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
#include "base/error.h"
#include "base/object.h"
#include "base/text.h"
#include "base/time.h"
#include "core/batch.h"
#include "core/turn.h"
#include "engine/engine.h"
#include "store/store.h"

enum { HUB_MAGIC = 0x6875625f, WORKER_MAGIC = 0x776f726b };

struct pd_worker {
    uint32_t magic;
    pd_hub *hub;
    struct runner *author;
    struct engine *engine;
    int64_t drain_ms;
    size_t users;            /* calls that hold it; under hub->mutex */
    atomic_bool is_stopping; /* set under hub->mutex */
};

struct pd_hub {
    uint32_t magic;
    struct store *store;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a count below has become zero */
    size_t calls;
    pd_worker *worker; /* NULL: this process runs no engine here */
    bool is_worker_starting;
    atomic_bool is_closing;
    atomic_bool has_mailed_start; /* a start may lie in the mailbox, although we run the engine */
};

/* ---- calls ---------------------------------------------------------------------------------- */

struct call {
    pd_hub *hub;
    pd_worker *worker; /* held; NULL: no engine here, use the mailbox */
};

/* PD_E_INVALID when hub is NULL, PD_E_STATE in an orchestrator. Ends with call_end, also after it
 * failed. */
pd_status call_begin(struct call *call, pd_hub *hub, const char *where, pd_error *err);
void call_end(struct call *call);

/* For calls that last: gives the worker back, and takes whichever is there now. */
void call_hold_worker(struct call *call);

/* A place for the error, when the caller gave none (A3). */
static inline pd_error *error_or(pd_error *err, pd_error *unwanted)
{
    return err != NULL ? err : unwanted;
}

time_us api_now(void);       /* since 1970, for events that we make */
time_us api_monotonic(void); /* for time limits */

/* ---- arguments ------------------------------------------------------------------------------ */

/* A name that is given: UTF-8, 1 to LIMIT_NAME bytes. `what` is the word for it. */
pd_status api_check_name(struct text name, const char *where, const char *what, pd_error *err);

/* Appends the JSON text of an input. PD_E_INVALID, PD_E_LIMIT. */
pd_status api_check_payload(struct buffer *buffer, pd_value value, const char *where,
                            pd_error *err);

/* ---- mailbox -------------------------------------------------------------------------------- */

/* Starts, through the mailbox. statuses[i] is each one's fate, the result the first failure. */
pd_status mail_starts(pd_hub *hub, const struct start_command *commands, size_t count,
                      pd_status *statuses, pd_error *err);
pd_status mail_raise(pd_hub *hub, struct text id, struct text name, struct text payload,
                     pd_error *err);

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

/* ---- what is handed out --------------------------------------------------------------------- */

struct pd_instance;
pd_instance *api_instance_new(const struct instance_record *record, pd_error *err);

/* An instance that belongs to a page: its texts live in the page's arena. */
size_t api_instance_size(void);
pd_status api_instance_init_in(pd_instance *instance, struct arena *arena,
                               const struct instance_record *record, pd_error *err);
void api_instance_done_in(pd_instance *instance);
pd_instance *api_instance_at(pd_instance *first, size_t index);

/* Copies with a NUL behind it; false: no memory. Absent becomes NULL. */
bool api_copy_string(struct arena *arena, struct text t, const char **ret);

/* NULL when there is no memory. */
const pd_failure *api_copy_failure(struct arena *arena, const struct failure *failure);

#endif
