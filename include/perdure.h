/* SPDX-License-Identifier: MIT
 *
 * perdure.h: durable orchestrations, activities and entities in C.
 *
 * Three parties meet here:
 *   your functions   orchestrators, activities, entities          (sections 4 to 7)
 *   your program     opens a hub, runs a worker, starts and asks  (section 8)
 *   payloads         JSON values passed between them              (section 3)
 *
 * An orchestrator is an ordinary function that reads from top to bottom. Each durable request it
 * makes (an activity, a timer) is a step, recorded with its answer, and with the events that came,
 * in the history of its instance. After a crash, a restart or an eviction from memory the function
 * is run again from its first line, and history answers the steps it has already taken; so it must
 * ask for the same steps in the same order each time. (Compared are their kinds, the names of
 * activities, children, events sent and operations, and which entities; inputs may differ.) It may
 * not read the clock, random numbers, the environment, files or sockets, nor keep static variables
 * that change: activities do that, and pd_now answers the only question of time, pd_random and
 * pd_new_uuid those of chance.
 * perdure/strict.h has the compiler refuse such calls; the determinism guard finds others in tests.
 * One durable call per statement: C does not fix the order in which arguments are evaluated. With
 * PD_REPLAY=always in the environment every wait is answered by running the function again, so that
 * tests find what would break after a crash.
 *
 * How calls fail. Calls that take a pd_orchestration or a pd_entity do not come back when they
 * fail: the function is left, the instance (of an entity: the operation) records the failure, its
 * memory is released. All other calls
 * return a pd_status (or NULL, or false) and describe the failure in the caller's pd_error, which
 * may be NULL when you do not care. A result is written only on success, an error only on failure.
 *
 * Who owns memory. Anything obtained through an orchestration, activity or operation of an entity
 * lives as long as that run and is never freed by you. Handles of your program are closed or freed
 * by you, or by PD_AUTO at the end of the block. Everything you pass in is copied before the call
 * returns.
 *
 * Threads. A pd_hub and a pd_worker may be used from any thread. A pd_instance, pd_page,
 * pd_history, pd_entity_view, pd_entity_page and pd_document are immutable. Everything else belongs
 * to the function it was given to, and to the thread that runs it. After fork() the child uses
 * nothing of its parent's: it opens the hub anew, or does exec.
 *
 * What may block. An activity may: it has a thread. It may start, raise and wait as your program
 * does; one that waits holds its thread, so give the worker more threads than wait at once. It must
 * not call pd_worker_stop or pd_hub_close, which wait for it. An orchestrator waits by the calls
 * of section 5 only, an entity not at all; those of section 8 answer both with PD_E_STATE. Until
 * it waits or returns, all others of its partition stand still, starts and pd_worker_stop with
 * them: a loop without end ends them all.
 *
 * C++. Section 9 is C only: a program in C++ calls the names with a '_' behind instead. Functions
 * in C++ can be registered; but leaving one runs no destructors, so let nothing that needs one live
 * across a call that takes a pd_orchestration, and let no exception out.
 *
 * What is durable. A call of section 8 that returns PD_OK is on stable storage (fsync) before it
 * returns. An activity is handed out only after the request for it is durable, and runs at least
 * once; its result enters history exactly once. An operation of an entity takes effect exactly
 * once: its state, its answer and what it sent are committed together.
 *
 * Units. Time is pd_time (milliseconds since 1970-01-01 UTC) and pd_duration (milliseconds);
 * sizes are bytes; text is UTF-8 and ends with a NUL.
 *
 * Limits, each with a clear PD_E_LIMIT or PD_E_INVALID (or failure of the function) when passed:
 * instance ID 256 characters, so name and key of an entity 254 together; names of functions,
 * operations, events and versions 256 bytes; a payload, and an entity's state, 16 MiB of JSON (a
 * setting: see pd_hub_open); JSON depth 64; what an orchestration asks for between two waits, or
 * one operation sends and answers, 512 MiB of JSON; 64 tags of an instance, of 256 bytes each for
 * key and value; a query page 1,000 rows; an archived instance 512 MiB and 8,000,000 events; 64
 * partitions; 256 entities of one critical section; an object or array literal 32 macro arguments.
 */
#ifndef PERDURE_H
#define PERDURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PD_VERSION_MAJOR 0
#define PD_VERSION_MINOR 1
#define PD_VERSION_PATCH 0

#define PD_API __attribute__((visibility("default")))
#define PD_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define PD_MUST_USE __attribute__((warn_unused_result))
#define PD_NO_RETURN __attribute__((noreturn))
#define PD_CLEANUP(function) __attribute__((cleanup(function)))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, "0.1.0"; PD_VERSION_* is the one compiled against. */
PD_API const char *pd_version(void);

/* ---- 1. Status and error -------------------------------------------------------------------- */

/* One table for the library, both server protocols and the command's exit text.
 *    name            no  gRPC                   HTTP  text */
#define PD_STATUS_MAP(X)                                                                          \
    X(OK,                  0, OK,                    200, "done")                                 \
    X(E_INVALID,           1, INVALID_ARGUMENT,      400, "an argument is not acceptable")        \
    X(E_NOT_FOUND,         2, NOT_FOUND,             404, "no such instance, entity or hub")      \
    X(E_EXISTS,            3, ALREADY_EXISTS,        409, "the instance id is taken")             \
    X(E_STATE,             4, FAILED_PRECONDITION,   409, "not possible in the present state")    \
    X(E_LIMIT,             5, RESOURCE_EXHAUSTED,    413, "a limit was reached")                  \
    X(E_TIMEOUT,           6, DEADLINE_EXCEEDED,     504, "the time allowed has passed")          \
    X(E_CANCELLED,         7, CANCELLED,             499, "the call was cancelled")               \
    X(E_LEASE_LOST,        8, ABORTED,               409, "another worker has this work now")     \
    X(E_DENIED,            9, PERMISSION_DENIED,     403, "not allowed")                          \
    X(E_UNAVAILABLE,      10, UNAVAILABLE,           503, "the store or server cannot be reached") \
    X(E_CORRUPT,          11, DATA_LOSS,             500, "stored data cannot be understood")     \
    X(E_NOMEM,            12, RESOURCE_EXHAUSTED,    503, "out of memory")                        \
    X(E_BUG,              13, INTERNAL,              500, "a defect in Perdure")

typedef enum pd_status {
#define X(name, number, grpc, http, text) PD_##name = number,
    PD_STATUS_MAP(X)
#undef X
} pd_status;

/* Filled in by a failing call; untouched by a succeeding one. Needs no release. */
typedef struct pd_error {
    pd_status status;
    bool      retryable; /* the same call, made again, may succeed */
    char      where[48]; /* who noticed, e.g. "sqlite: commit" */
    char      text[200]; /* one sentence for a person */
} pd_error;

/* Prints one line to stderr: "perdure: where: text". Returns 1, so that main can return it. */
PD_API int pd_error_report(const pd_error *err);

/* ---- 2. Time -------------------------------------------------------------------------------- */

typedef struct pd_time { int64_t ms; } pd_time;
typedef struct pd_duration { int64_t ms; } pd_duration;

static inline pd_duration pd_milliseconds(int64_t n)
{
    pd_duration d;
    d.ms = n;
    return d;
}
static inline pd_duration pd_seconds(int64_t n)
{
    return pd_milliseconds(n * 1000);
}
static inline pd_duration pd_minutes(int64_t n)
{
    return pd_milliseconds(n * 60000);
}
static inline pd_duration pd_hours(int64_t n)
{
    return pd_milliseconds(n * 3600000);
}
static inline pd_duration pd_days(int64_t n)
{
    return pd_milliseconds(n * 86400000);
}
static inline pd_time pd_after(pd_time t, pd_duration d)
{
    t.ms += d.ms;
    return t;
}

/* ---- 3. Handles and values ------------------------------------------------------------------ */

typedef struct pd_orchestration pd_orchestration; /* given to orchestrators */
typedef struct pd_activity pd_activity;           /* given to activities */
typedef struct pd_entity pd_entity;               /* given to functions of entities */
typedef struct pd_mem pd_mem;                     /* the memory behind one of the three */
typedef struct pd_task pd_task;                   /* something an orchestration waits for */
typedef struct pd_list pd_list;                   /* an array being built */
typedef struct pd_dict pd_dict;                   /* an object being built */
typedef struct pd_hub pd_hub;
typedef struct pd_worker pd_worker;
typedef struct pd_instance pd_instance;
typedef struct pd_page pd_page;
typedef struct pd_history pd_history;
typedef struct pd_entity_view pd_entity_view;
typedef struct pd_entity_page pd_entity_page;
typedef struct pd_document pd_document;           /* JSON text, read into a value */

typedef enum pd_kind {
    PD_IS_NULL, PD_IS_BOOL, PD_IS_INT, PD_IS_REAL, PD_IS_TEXT, PD_IS_ARRAY, PD_IS_OBJECT
} pd_kind;

/* A JSON value, immutable, passed by value. All fields are private: count_ is the number of items
 * of an array or of pairs of an object, whose items_ are key, value, key, value, ... */
typedef struct pd_value pd_value;
struct pd_value {
    uint32_t kind_, count_;
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text;
        const pd_value *items;
    } as_;
};

/* What PD_OBJ and PD_ARR make. It lives until the end of the enclosing block, so it can be passed
 * to any call, but is no pd_value. Where one is wanted, as in an option, PD_VAL(PD_OBJ(...)) is one
 * for as long, and pd_keep(o, PD_OBJ(...)) one that lives as long as the run. */
typedef struct pd_literal { pd_value value_; } pd_literal;

PD_API pd_kind     pd_kind_of(pd_value v);
PD_API const char *pd_text(pd_value v); /* "" unless text */
PD_API int64_t     pd_int(pd_value v);  /* 0 unless an integer */
PD_API double      pd_real(pd_value v); /* 0 unless a number, whole or real */
PD_API bool        pd_bool(pd_value v); /* false unless true */
PD_API size_t      pd_count(pd_value v); /* items of an array, pairs of an object; else 0 */
PD_API pd_value    pd_at(pd_value array, size_t index); /* null beyond the end */
PD_API pd_value    pd_get(pd_value object, const char *key); /* null when absent */
PD_API const char *pd_key_at(pd_value object, size_t index); /* NULL beyond the end */
PD_API pd_value    pd_value_at(pd_value object, size_t index); /* null beyond the end */

/* Reads JSON text, for programs that are given their payloads as text. Reading is strict: one
 * value, no comments, no key twice, whole numbers within 64 bits.
 *
 *   returns   the document; NULL with
 *             PD_E_INVALID  the text is not JSON; the error says where
 *             PD_E_LIMIT    larger or deeper than the limits at the head of this file
 *   owner     you: pd_document_free, or PD_AUTO; its value lives as long */
PD_API PD_MUST_USE pd_document *pd_document_parse(const char *json, pd_error *err);
PD_API pd_value                 pd_document_value(const pd_document *d);
PD_API void                     pd_document_free(pd_document *d); /* NULL is fine */
static inline void pd_document_auto(pd_document **d) { pd_document_free(*d); }

/* ---- 4. Your functions ---------------------------------------------------------------------- */

/* The only way to leave one of your functions: pd_ok, pd_fail, pd_fail_final, pd_fail_with,
 * PD_FAILED, pd_continue_as_new. */
typedef struct pd_result { int outcome_; const void *detail_; } pd_result;

typedef pd_result pd_orchestrator_fn(pd_orchestration *o, pd_value input);
typedef pd_result pd_activity_fn(pd_activity *a, pd_value input);
typedef pd_result pd_entity_fn(pd_entity *e, pd_value input); /* one operation: pd_op(e) */
typedef void pd_any_fn(void);

/* A failure of user code, as data: recorded in history, handed to whoever waits for the step.
 *
 * Types that Perdure itself uses: "TaskFailed" (an awaited step failed; cause is its failure, and
 * of pd_await_all the causes are all that failed), "Timeout" (an activity was not begun, not ended,
 * or not heard of in its time), "Cancelled" (pd_cancel), "Quarantined" (an activity, orchestrator
 * or operation ended the process again and again; see pd_worker_options.crashes_max),
 * "OrchestrationTerminated" (a child was terminated), "OrchestrationAlreadyExists" (a child's ID is
 * taken by one that has not ended), "VersionMismatch" (see pd_worker_options.version),
 * "NonDeterminism" (a turn differs from history), "Forbidden" (the determinism guard; see guard),
 * "ActivityNotFound",
 * "EntityNotFound" and "OrchestratorNotFound" (no function of that name in the worker),
 * "OperationNotFound" (no row of that name in an entity's table), "BadInput" (pd_read found another
 * shape), "BadPayload" (a value that JSON cannot hold, or above the limit), "Misuse" (a call used
 * in a way it does not allow; the message says which), "Unavailable" (the transaction of an
 * activity could not be committed), "OutOfMemory" (pd_alloc found none), "CorruptHistory" (what is
 * stored of the instance cannot be understood). */
typedef struct pd_failure pd_failure;
struct pd_failure {
    const char *type;    /* short, for programs: "CardDeclined" */
    const char *message; /* for people */
    const pd_failure *cause;
    bool final;          /* retrying cannot help: no retry policy does */
    const pd_failure *next; /* of several causes of one failure, the next; NULL: the last */
};

/* One row of the table that says what a worker can run: PD_FUNCTION("Name", function). Names are
 * what is stored. So C functions may be renamed and moved; but keep the row of an orchestrator
 * until its last instance has ended: one that wakes and is not found has failed for good. */
typedef enum pd_function_kind {
    PD_ORCHESTRATOR = 1, PD_ACTIVITY, PD_TRANSACTION_, PD_ENTITY_FUNCTION
} pd_function_kind;
typedef struct pd_entity_rules pd_entity_rules;
typedef struct pd_function {
    const char *name;
    pd_function_kind kind;
    pd_any_fn *run;
    const pd_entity_rules *rules; /* of an entity; NULL: none */
} pd_function;

/* An entity in the form of a table: PD_ENTITY_TABLE("account", operations), with a row for each
 * operation. One that it has no row for fails with "OperationNotFound"; but "delete" deletes the
 * state when there is no such row. */
typedef struct pd_operation { const char *name; pd_entity_fn *run; } pd_operation;
struct pd_entity_rules {
    const pd_operation *operations; /* NULL: one function for all, pd_function.run */
    size_t              operation_count;
    pd_duration         keep; /* forgotten when nothing has changed it for so long (see
                                 pd_entity_view_changed_at); 0: as
                                 pd_worker_options.keep_entities says; negative: never */
};

/* A function in this program, or the name of one, which may be another program's. */
typedef struct pd_ref { const char *name_; pd_any_fn *run_; } pd_ref;

/* ---- 5. Inside an orchestrator -------------------------------------------------------------- */

/* When a step that failed is tried again. Delays are durable timers; the waiting attempt costs
 * nothing. Every attempt is a step of its own in history. A failure that is `final` is not tried
 * again, nor one that `handles` refuses. Zero in a field means what is said behind it. In a static
 * one a duration is written in milliseconds, { 1000 }: C allows no call there. */
typedef struct pd_retry {
    int         attempts_max; /* the first included; 0 or 1: no retry */
    pd_duration delay_first;  /* before the second attempt; 0: at once */
    double      backoff;      /* each delay is so many times the one before; 0: 1; not below 1 */
    pd_duration delay_max;    /* no delay is longer; 0: no bound */
    pd_duration total_max;    /* no attempt begins later than this after the first; 0: no bound */
    double      jitter;       /* 0 to 1: each delay is shortened at random by up to this part of it,
                                 the same at every replay */
    /* Should this failure be tried again? Called with the number of the attempt that failed (1, 2,
     * ...); a pure function, which makes no calls of Perdure's. NULL: all should. */
    bool      (*handles)(const pd_failure *failure, int attempt, void *argument);
    void       *argument;
} pd_retry;

typedef struct pd_activity_call {
    pd_value        input;
    const char     *version;   /* recorded with the step, and nothing else; NULL: the instance's */
    const pd_retry *retry;     /* copied; NULL: none */
    pd_value        tags;      /* an object of texts, recorded with the step; null: none */
    pd_duration     start_max; /* the activity must begin so soon after it was asked for; 0: any */
    pd_duration     run_max;   /* an attempt must end so soon after it began; 0: any */
    pd_duration     beat_max;  /* and call pd_activity_heartbeat at least so often; 0: need not */
} pd_activity_call;

/* call: start and await.  start: begin, and return a task to wait for.  See section 9 for the
 * forms you write: pd_call_activity(o, say_hello, "Tokyo", .retry = &gently).
 *
 * Requests are recorded, and handed out, when the orchestrator next waits: also those that it never
 * waits for. But an activity or timer that is open when the orchestration ends, or continues as
 * new, is given up as by pd_cancel; so wait for what has to happen. (Children go on, and events are
 * sent.) An attempt that is over one of its limits of time fails with
 * "Timeout", as data that a retry policy sees; the function that may still be running is told
 * (pd_activity_is_cancelled), and what it returns is dropped. Limits count while an engine runs;
 * one that starts anew counts anew. A history only grows, and replay reads all of it: let one that
 * repeats something for years continue as new. */
PD_API pd_value pd_call_activity_(pd_orchestration *o, pd_ref activity,
                                  const pd_activity_call *call);
PD_API pd_task *pd_start_activity_(pd_orchestration *o, pd_ref activity,
                                   const pd_activity_call *call);

/* Another orchestration, as a step of this one: an instance of its own, with a history of its own.
 * Its output is the task's value; its failure, verbatim, the cause of the task's. When this
 * orchestration ends or continues as new, children go on, and how they end is dropped; they end
 * with it when it is terminated recursively. */
typedef struct pd_child_call {
    pd_value        input;
    const char     *id;      /* NULL: "<execution ID>:<step in hex, 4 digits or more>" */
    const char     *version; /* NULL: the worker's, not this instance's; "": none */
    const pd_retry *retry;   /* each attempt has the same ID, and replaces the one before */
    pd_value        tags;    /* an object of texts, over those of this instance; null: only these */
} pd_child_call;

PD_API pd_value pd_call_child_(pd_orchestration *o, pd_ref orchestrator, const pd_child_call *call);
PD_API pd_task *pd_start_child_(pd_orchestration *o, pd_ref orchestrator,
                                const pd_child_call *call);

/* Durable timers: any length, also years; due in the past fires at once. A timer task succeeds
 * with null. Sleeping costs no thread, and no memory once the instance is evicted. */
PD_API void     pd_sleep(pd_orchestration *o, pd_duration d);
PD_API void     pd_sleep_until(pd_orchestration *o, pd_time t);
PD_API pd_task *pd_start_timer(pd_orchestration *o, pd_duration d);
PD_API pd_task *pd_start_timer_until(pd_orchestration *o, pd_time t);

/* External events, by name (ASCII case-insensitive). Events that come before they are expected
 * are kept in order, also over continue-as-new; several waiters for a name are served oldest first.
 * So a task of pd_expect_event that you stopped waiting for still takes the next event of its name:
 * cancel it, or keep it and wait for it again. */
PD_API pd_value pd_wait_event(pd_orchestration *o, const char *name);
PD_API pd_task *pd_expect_event(pd_orchestration *o, const char *name);
/* With a limit of time: true, and the payload in *ret (may be NULL), or false when the time has
 * passed first; then a later event is kept for the next who waits. A limit of zero or less takes
 * an event that is there already, or gives up in the turn that its timer fires, the next one. */
PD_API bool     pd_wait_event_for(pd_orchestration *o, const char *name, pd_duration limit,
                                  pd_value *ret);

/* An HTTP request, made for the orchestration: durably, and without a thread that waits.
 *
 * Its value is {"statusCode": 200, "headers": {"content-type": "..."}, "content": "..."}: names of
 * headers in lower case, a header that came more than once an array of texts, content always text.
 * Any answer is a value, also 404 and 500: look at statusCode.
 *
 * An answer 202 with a Location is followed, unless `no_polling`: that is asked by GET, after what
 * Retry-After says (seconds or a date) or else the default interval (30 s, a setting), until the
 * answer is another one; between the polls a durable timer waits, so it may take days. Redirects
 * are followed, up to 20. Authorization, Cookie and the credential go to the origin (scheme, host,
 * port) of `url` only, and x-functions-key with the first request only.
 *
 * The request is made at least once, as activities are run; give it an idempotency key of its own
 * where that matters. It is a child orchestration, "perdure.http", with a history of its own, in
 * which all that is here is kept, but for what a credential became: put no secret into `url`,
 * `headers` or `body`. As a child it cannot be called within a critical section, and goes on when
 * this one ends without waiting for it.
 *
 * Failures of the step: "HttpRequest" (no connection, no such name, TLS, an answer that breaks off
 * or is larger than allowed), "HttpTimeout", "HttpCredential" (final, unless whoever gives tokens
 * could not be reached or was busy), "HttpStatus" (see `retry`), "HttpRefused" (the address is not
 * allowed: private ones are refused unless PERDURE_HTTP_ALLOW, or the server's http-allow, says
 * otherwise: final), "Unavailable" (perdure-http.so, or a library that it needs, is missing:
 * final), "BadInput" (the request itself: final). The cause of "HttpStatus" is
 * "HttpResponse": its message is the answer as JSON, with the first 4 KiB of its content.
 *
 * In the environment of a process that runs the engine of a file: PERDURE_HTTP_ALLOW ("private", or
 * networks, "10.0.0.0/8,::1"), PERDURE_HTTP_BODY_MAX (bytes of an answer; 4 MiB),
 * PERDURE_HTTP_TIMEOUT_MAX (seconds; an hour), PERDURE_HTTP_POLL (seconds between polls; 30).
 * Chapter 18 of the guide says where each kind of credential finds its secret. */
typedef struct pd_credential {
    const char *kind;     /* "AzureManagedIdentity", "OAuth2ClientCredentials" or "StaticSecret" */
    const char *resource; /* what it is for, or the NAME of PERDURE_SECRET_NAME */
    pd_value    options;  /* an object; null: none */
} pd_credential;

typedef struct pd_http_request {
    const char    *method;   /* NULL: "GET" */
    const char    *url;      /* absolute, http or https */
    pd_value       headers;  /* an object of texts, or of arrays of texts; null: none */
    pd_value       body;     /* text as it is; null: none; another value as JSON, and then with the
                                content-type application/json unless headers say otherwise */
    pd_duration    time_max; /* of each request; 0: 100 s */
    bool           no_polling;
    /* With it a request that fails is made again; and so is one that was answered by a status of
     * `retry_statuses`, or, when that is NULL, by any that is not 2xx: it fails with "HttpStatus".
     * NULL: none is. It counts anew for each poll. `handles` may not be set. */
    const pd_retry *retry;
    const int      *retry_statuses;
    size_t          retry_status_count;
    const pd_credential *credential; /* fetched for each request, never recorded; NULL: none */
} pd_http_request;

/* As pd_call_activity and pd_start_activity: await, or a task. Copied. */
PD_API pd_value pd_call_http(pd_orchestration *o, const pd_http_request *request);
PD_API pd_task *pd_start_http(pd_orchestration *o, const pd_http_request *request);

/* Raises an event for another instance (or this one), as pd_hub_raise_event does; recorded, and
 * sent once, when this turn is durable. Dropped without a word when there is no such instance or it
 * has ended. */
PD_API void     pd_send_event_(pd_orchestration *o, const char *id, const char *name, pd_value v);

/* Entities: state with a name and a key, and operations on it that never overlap. An entity comes
 * into being with the first operation. Its name is compared in lower case (ASCII), that of an
 * operation whatever its case; its key is any text that an instance ID may hold, or empty. As an
 * ID, "@name@key".
 *
 * call      runs an operation and waits for its answer: its value, or its failure (verbatim, the
 *           cause of the task's)
 * signal    runs one and does not wait: its value and its failure are nobody's. at: not before that
 *           time. Returns its ID, with which it can be cancelled until it is run
 *
 * What one sends to one entity is done once, in the order it was sent; but a signal with a time
 * when that has come, behind what stands in line then. Calls and signals are sent when the
 * orchestrator next waits, as all requests. One that waits for an entity which is locked by another
 * stands in line. */
typedef struct pd_entity_id { const char *name, *key; } pd_entity_id;
typedef struct pd_signal_call {
    pd_value input;
    pd_time  at; /* 0, or past: at once */
} pd_signal_call;

PD_API pd_value    pd_call_entity_(pd_orchestration *o, pd_entity_id id, const char *op,
                                   pd_value v);
PD_API pd_task    *pd_start_entity_(pd_orchestration *o, pd_entity_id id, const char *op,
                                    pd_value v);
PD_API const char *pd_signal_entity_(pd_orchestration *o, pd_entity_id id, const char *op,
                                     const pd_signal_call *call);
/* Of one that has been run, or whose ID is none, nothing happens. */
PD_API void        pd_cancel_signal_(pd_orchestration *o, pd_entity_id id, const char *signal);

/* Critical sections: see PD_LOCKED in section 9. Waits until this orchestration has locked all the
 * entities, 1 to 256, in one order that is the same for everybody: so two sections cannot wait for
 * each other. From then on only what it says to them is done; whatever others say stands in line.
 * The lock is durable: it holds while the process is down. It is given back at the end of the
 * block, and however the orchestration ends or continues as new: soon after, by what that sends.
 *
 * Inside, so that nothing can wait in a circle, these leave with "Misuse": another section; a
 * child; a call to an entity that is not locked; a signal to one that is; a second call to an
 * entity whose first has not been answered. Activities, timers and events are fine, but everybody
 * else waits for as long. What is not seen here remains with you: do not wait inside for a child or
 * a call that was begun before the block, nor for an activity that calls what is locked.
 *
 * An entity without state can be locked: it need not even have a function. One that is named twice
 * is locked once. A lock does not keep clients from reading what the last operation left. */
typedef struct pd_lock { pd_orchestration *o_; void *section_; bool entered_; } pd_lock;
PD_API pd_lock     pd_lock_(pd_orchestration *o, const pd_entity_id *ids, size_t n);
PD_API void        pd_unlock_(pd_lock *lock);

/* Gives a task up: it has failed with "Cancelled" from now on. What comes of it later is dropped. A
 * timer is removed; an activity that waits for a thread is not run, one that runs is told
 * (pd_activity_is_cancelled), and no retry follows; a child is terminated with its children; an
 * expected event is left to the next who waits; an operation of an entity is done all the same. Of
 * a task that has ended nothing changes. */
PD_API void     pd_cancel(pd_orchestration *o, pd_task *t);

/* await: leave this function when the task failed.  wait: come back and let me look.
 * The _all forms wait until every task has ended, whatever the outcomes; await_all then leaves
 * with one failure whose causes are all that failed, in call order. wait_any gives the index of the
 * task that ended first by history order (the lowest index of those that have ended already, when
 * some have), and needs n >= 1. */
PD_API pd_value pd_await(pd_orchestration *o, pd_task *t);
PD_API void     pd_await_all(pd_orchestration *o, pd_task *const *t, size_t n);
PD_API bool     pd_wait(pd_orchestration *o, pd_task *t);                      /* true: succeeded */
PD_API bool     pd_wait_all(pd_orchestration *o, pd_task *const *t, size_t n); /* true: all did */
PD_API size_t   pd_wait_any(pd_orchestration *o, pd_task *const *t, size_t n); /* which was first */

PD_API bool     pd_task_is_done(const pd_task *t);
PD_API pd_value pd_task_value(const pd_task *t);                /* null unless it has succeeded */
PD_API const pd_failure *pd_task_failure(const pd_task *t);     /* NULL unless it has failed */

PD_API pd_time     pd_now(pd_orchestration *o); /* when this turn began: the same at every replay */
PD_API const char *pd_instance_id(pd_orchestration *o);
PD_API const char *pd_execution_id(pd_orchestration *o); /* another after continue-as-new */
PD_API const char *pd_own_version(pd_orchestration *o);  /* "" when it has none */
PD_API const char *pd_parent_id(pd_orchestration *o);    /* NULL: not a child */
PD_API const char *pd_own_tag(pd_orchestration *o, const char *key); /* NULL: no such tag */
PD_API size_t      pd_history_length(pd_orchestration *o); /* events; time to continue as new? */
PD_API bool        pd_is_replaying(pd_orchestration *o); /* for logs: must not change steps */

/* A UUID of version 5, 36 characters with dashes, made as the Durable Task SDKs make it: SHA-1 in
 * their name space over "<instance ID>_<now, 7 digits behind the second>_<count>". And 64 random
 * bits. The same at every replay; those of two executions differ. */
PD_API const char *pd_new_uuid(pd_orchestration *o);
PD_API uint64_t    pd_random(pd_orchestration *o);

/* What the world sees of a running orchestration: any JSON, null for none. Visible when this turn
 * is durable; the last one of a turn counts; kept over continue-as-new and the end. It is not in
 * history. */
PD_API void        pd_set_status_(pd_orchestration *o, pd_value v);

/* For changing code while instances run: `if (pd_changed(o, "fix-42")) new steps; else old ones`.
 * True in executions that come to this line for the first time with code that has it, which is
 * recorded under the name; false in those whose history went past it without. Once an execution
 * has an answer it keeps it. Remove the old branch when no instance is left that needs it, then the
 * call. name: 1 to 256 bytes. */
PD_API bool        pd_changed(pd_orchestration *o, const char *name);

/* One line to stderr, "[instance orchestrator] text"; silent in replay. */
PD_API PD_PRINTF(2, 3) void pd_log(pd_orchestration *o, const char *format, ...);

/* Returned from an orchestrator: it ends here and begins again with another input, as the same
 * instance with a new execution ID and an empty history: so a loop can go on for ever. What was
 * asked for and not waited for is dropped, as at an end; events that came and nobody took are kept
 * in order, those that come meanwhile follow. Written pd_continue_as_new(o, x, .version = "2"). */
typedef struct pd_continue_call {
    pd_value    input;
    const char *version;     /* of the next execution; NULL: as it is */
    bool        drops_events; /* forget events that nobody took */
} pd_continue_call;
PD_API pd_result   pd_continue_as_new_(pd_orchestration *o, const pd_continue_call *call);

/* Leaves the function with a failure. */
PD_API PD_NO_RETURN PD_PRINTF(3, 4) void pd_raise(pd_orchestration *o, const char *type,
                                                  const char *format, ...);
PD_API pd_result   pd_fail_with(pd_orchestration *o, const pd_failure *f);

/* ---- 6. Inside an activity ------------------------------------------------------------------ */

/* An activity is an ordinary function on a thread of the worker, with a thread's stack. It may
 * block, and may call section 8 (with the hub handed in by pd_user), though not pd_worker_stop or
 * pd_hub_close. While it waits for another instance it holds its thread: with all threads waiting,
 * nothing is left to run what they wait for.
 *
 * It runs at least once: again when the process died after its work and before its result was
 * durable. One that runs each time the process dies (pd_worker_options.crashes_max times) is not
 * run again: its step fails with "Quarantined". */

/* "<execution id>:<step in hex, 4 digits or more>": the same at every attempt of a call, also those
 * of a retry policy (the step is that of the first), so a key for idempotence. */
PD_API const char *pd_activity_key(pd_activity *a);
PD_API const char *pd_activity_instance_id(pd_activity *a);

/* Says that the activity lives, and how far it has come (any JSON; null: as far as said before):
 * does not block, may be called as often as you like. What was said last is durable soon after, and
 * given to the next attempt, whether that follows a crash, a time-out or a failure.
 *
 *   returns   true: go on; false: nobody wants the result any more, come back soon */
PD_API bool        pd_activity_heartbeat_(pd_activity *a, pd_value progress);
PD_API pd_value    pd_activity_progress(pd_activity *a); /* of the attempt before; null: none */
/* The step was cancelled or is over its time, or the instance has ended. Any thread may ask. */
PD_API bool        pd_activity_is_cancelled(pd_activity *a);

/* Transactional activities: registered with PD_TRANSACTION("Pay", pay), in a hub in SQLite. The
 * function runs inside a transaction of the hub's own file, in which its result is recorded: what
 * it writes to tables of its own, through this connection, happens exactly once, or, when it fails,
 * not at all. Until it returns nothing else is committed: keep it short, and do nothing slow in it.
 * It must not begin, commit or roll back, nor touch the tables of Perdure (docs/format/sqlite.md);
 * name yours otherwise. It must not call section 8.
 *
 *   returns   the sqlite3 *, valid until the activity returns, on its thread; NULL in an activity
 *             that is not transactional. In a hub that is not SQLite it is not run and fails with
 *             "Misuse" */
PD_API void       *pd_activity_database(pd_activity *a);

/* One line to stderr, "[instance activity] text". */
PD_API PD_PRINTF(2, 3) void pd_activity_log(pd_activity *a, const char *format, ...);

/* ---- 6b. Inside an entity ------------------------------------------------------------------- */

/* The function of an entity runs one operation, on the worker's thread for orchestrators of its
 * partition: it must be short, and not block. What it may do is change its state, signal entities,
 * and start orchestrations, which do what takes time; it cannot wait. It may be run again after a
 * crash, until what it did is durable; so it does nothing to the world outside. A failure, however
 * it leaves, undoes what this operation did to the state and what it sent; the next one goes on.
 * The value returned is the answer to a call. */

PD_API const char *pd_op(pd_entity *e); /* as it was written by whoever called */
PD_API bool        pd_op_is(pd_entity *e, const char *op); /* case does not count (ASCII) */
PD_API const char *pd_entity_name(pd_entity *e); /* in lower case */
PD_API const char *pd_entity_key(pd_entity *e);
PD_API bool        pd_has_state(pd_entity *e);
PD_API pd_value    pd_state(pd_entity *e); /* null when there is none */
PD_API void        pd_set_state_(pd_entity *e, pd_value v); /* null: as pd_delete_state */
/* An entity without state that nothing waits for is gone. */
PD_API void        pd_delete_state(pd_entity *e);
PD_API pd_time     pd_entity_now(pd_entity *e); /* when this batch of operations began */
/* The same as those of an orchestrator; one to itself is run after what stands in line already. */
PD_API const char *pd_signal_from_entity_(pd_entity *e, pd_entity_id id, const char *op,
                                          const pd_signal_call *call);
PD_API void        pd_cancel_signal_from_entity_(pd_entity *e, pd_entity_id id, const char *signal);
/* Starts an orchestration that is nobody's child. Under an ID that one has which has not ended,
 * nothing happens; one that has ended is replaced. Returns its ID. */
typedef struct pd_start_call {
    pd_value    input;
    const char *id;      /* NULL: one is made */
    const char *version; /* NULL: none */
    pd_time     at;      /* not before; 0, or past: at once */
    pd_value    tags;    /* an object of texts; null: none */
} pd_start_call;
PD_API const char *pd_start_from_entity_(pd_entity *e, pd_ref orchestrator,
                                         const pd_start_call *call);
/* One line to stderr, "[@name@key operation] text". */
PD_API PD_PRINTF(2, 3) void pd_entity_log(pd_entity *e, const char *format, ...);

/* ---- 7. Inside any of them ------------------------------------------------------------------ */

/* Written without the '_', with the context in the place of m: pd_alloc(o, n), pd_ok(a, 42). What
 * cannot be done leaves an orchestrator or entity; in an activity it gives NULL, and PD_FAILED or
 * pd_ok then report it. A list or dict that is passed on is copied as it is then; it may grow
 * afterwards. */

PD_API pd_mem *pd_mem_of_orchestration(pd_orchestration *o);
PD_API pd_mem *pd_mem_of_activity(pd_activity *a);
PD_API pd_mem *pd_mem_of_entity(pd_entity *e);

PD_API void    *pd_alloc_(pd_mem *m, size_t size); /* zeroed, 16-byte aligned */
PD_API void     pd_defer_(pd_mem *m, void (*release)(void *), void *thing); /* when the run ends */
PD_API PD_PRINTF(2, 3) const char *pd_format_(pd_mem *m, const char *format, ...);
PD_API pd_value pd_keep_(pd_mem *m, pd_value v);
PD_API pd_list *pd_list_new_(pd_mem *m);
PD_API void     pd_list_add_(pd_list *list, pd_value v);
PD_API pd_dict *pd_dict_new_(pd_mem *m);
PD_API void     pd_dict_set_(pd_dict *dict, const char *key, pd_value v); /* the last one counts */
PD_API pd_result pd_ok_(pd_mem *m, pd_value v);
PD_API PD_PRINTF(3, 4) pd_result pd_fail_(pd_mem *m, const char *type, const char *format, ...);
/* Likewise; no retry policy tries it again. */
PD_API PD_PRINTF(3, 4) pd_result pd_fail_final_(pd_mem *m, const char *type, const char *format,
                                                ...);
PD_API const char *pd_json_(pd_mem *m, pd_value v);
PD_API void    *pd_user_(pd_mem *m); /* pd_worker_options.user, the same for all threads */

/* Strict reading; see pd_read in section 9. */
typedef struct pd_slot { char kind_; const void *at_; } pd_slot;
PD_API void pd_read_orchestration(pd_orchestration *o, pd_value v, size_t n, const pd_slot *slots);
PD_API PD_MUST_USE bool pd_read_activity(pd_activity *a, pd_value v, size_t n,
                                         const pd_slot *slots);
PD_API void pd_read_entity(pd_entity *e, pd_value v, size_t n, const pd_slot *slots);

/* ---- 8. Your program ------------------------------------------------------------------------ */

typedef struct pd_id { char text[1025]; } pd_id; /* 1 to 256 characters, so at most 1,024 bytes */

/* Opens a task hub, creating it when it is missing.
 *
 *   url       "sqlite:orders.db"  one file (and its -wal, -shm, -lock, -wake and -run beside it),
 *                                 named from the current folder or from /; a disk of this machine
 *             "memory:"           this hub only, gone when closed
 *             "...?partitions=4"  with either: one thread more for orchestrators each, 1 to 64.
 *                                 Fixed when the hub is created (1 unless given); ignored later
 *             "...?payload_max=65536"  bytes of JSON of one payload that this process accepts, 64
 *                                 to 67108864; 16777216 unless given. Settings are joined by '&'
 *             "grpc://host:8080"  a hub that perdured has; grpcs:// with TLS. Settings: taskhub=
 *                                 NAME (else the server's default hub), token=TOKEN, ca=FILE (PEM;
 *                                 else the system's), cert=FILE and key=FILE, and wait=SECONDS, up
 *                                 to 86400, for a server that is starting; %20 and such are read
 *             "Endpoint=http://host:8080;TaskHub=NAME;Authentication=None"  likewise, as the
 *                                 Durable Task SDKs write it
 *   returns   the hub; NULL with
 *             PD_E_INVALID      the URL cannot be understood
 *             PD_E_CORRUPT      the file is not a Perdure store, or is damaged; it was not touched
 *             PD_E_STATE        the file was written by a newer version; it was not touched
 *             PD_E_DENIED       the file or its folder is missing, is something else, or may not
 *                               be written (which reading needs as well)
 *             PD_E_UNAVAILABLE  the disk is full or failing; retryable. Of grpc: nobody
 *                               listens there (told within a second or two) or answers (5 s; with
 *                               wait=, both after so long); retryable. Or perdure-grpc.so, which
 *                               speaks to servers, or a library that it needs, is missing: the
 *                               text says which
 *   owner     you: pd_hub_close, or PD_AUTO
 *   blocks    on the disk, or the network
 *
 * Opening runs nothing. The process that calls pd_worker_start runs the engine of the file; any
 * number of others may have it open to read, and to start and raise events: these commands are
 * durable when the call returns and reach the engine within milliseconds, or when it next runs.
 *
 * A hub that a server has works the same, by the same functions; its engine is always there. What
 * differs: any number of processes may have a worker. Work for a function that no worker knows
 * waits for one that does. What reads is tried again for 30 s while the server is away, and waits
 * go on; a command then fails with PD_E_UNAVAILABLE, retryable: it may have been taken or not.
 * Activities have no transactions (PD_E_STATE). A message is as large as the server takes, 64 MiB
 * unless its --message-max says otherwise: a larger command is refused with PD_E_LIMIT; what a turn
 * asks for, or an activity or the operations of an entity answer, in a larger one, fails with
 * "Misuse". Of the worker's options crashes_max and the keep_ ones are the server's to say. */
PD_API PD_MUST_USE pd_hub *pd_hub_open(const char *url, pd_error *err);

/* Stops the hub's worker if there is one, ends the waits of other threads with PD_E_CANCELLED, and
 * closes. No other call on this hub may begin once it is being closed. NULL is fine. Blocks. */
PD_API void pd_hub_close(pd_hub *hub);

typedef enum pd_version_match {
    PD_VERSION_ANY,
    PD_VERSION_SAME,
    PD_VERSION_SAME_OR_OLDER /* the instance's is not newer than the worker's */
} pd_version_match;

/* The determinism guard, for development and tests: watches calls of the C library that give an
 * orchestrator what replay would not give again (clocks, random numbers, the environment, files,
 * sockets, sleep, threads), made from inside an orchestrator by the program or a library of it. */
typedef enum pd_guard {
    PD_GUARD_DEFAULT, /* "off", "report" or "fail" in the environment as PD_GUARD; unset: off */
    PD_GUARD_OFF,
    PD_GUARD_REPORT,  /* on stderr, once a place: the call, what to use instead, a backtrace */
    PD_GUARD_FAIL     /* likewise, and the instance fails with "Forbidden" */
} pd_guard;

typedef struct pd_worker_options {
    void       *user;               /* handed to your functions by pd_user */
    int         threads;            /* as many activities run at once; 0: one per processor */
    size_t      stack_size;         /* per orchestration in memory, and of operations of entities,
                                       16 KiB or more; 0: 64 KiB */
    size_t      orchestrations_max; /* kept in memory; 0: 10,000; replay rebuilds the others */
    pd_duration drain_max;          /* pd_worker_stop waits so long for activities; 0: 30 s */

    /* An instance that has a version is run by a worker that matches: as versions are compared, by
     * numbers between dots, the rest as text; a worker without one is the oldest. An instance that
     * has none is run by any worker. One that does not match is found when it has a turn to take;
     * until then it looks as it did. */
    const char      *version;        /* of this program, also for children it starts; NULL: none */
    pd_version_match version_match;  /* 0: any instance is run */
    bool             leaves_mismatch; /* leave one that does not match to a later worker; false: it
                                        fails with "VersionMismatch" */

    /* How long ended instances are kept, with all their history; 0: until they are purged. Checked
     * in the background, also for those that ended long ago. */
    pd_duration keep_completed, keep_failed, keep_terminated;

    /* What was running each of the last so many times that the process died (0: 3) is quarantined:
     * an activity's step fails with "Quarantined"; an orchestration is suspended, with that as its
     * failure, until it is resumed; the operations of an entity that wait then fail with it. */
    unsigned    crashes_max;

    pd_guard    guard; /* of orchestrators' determinism; 0: as PD_GUARD in the environment says */

    /* Entities that nothing has changed for so long are forgotten, unless they are locked or
     * something waits for them; 0: never. Each name may say otherwise: pd_entity_rules. */
    pd_duration keep_entities;
    bool        keeps_empty_entities; /* an entity without state is listed (with_empty) until
                                         pd_hub_clean_entities; false: it is gone at once */
} pd_worker_options;

/* Runs the engine of the hub, and your functions, on threads of its own. Signals to the process
 * are left to you: for a service, block SIGINT and SIGTERM before the hub is opened, wait for them
 * with sigwait, and stop the worker then.
 *
 *   program   rows of PD_FUNCTION; pass PD_PROGRAM(table); the rows must outlive the worker
 *   options   NULL for the defaults
 *   returns   the worker; NULL with
 *             PD_E_STATE    this hub has a worker, or another process runs the engine of the file
 *                           (the text says which)
 *             PD_E_INVALID  a row without name or function, a name twice (of entities and their
 *                           operations in whatever case) or beginning with "perdure.", one of an
 *                           entity that no ID can hold, an option that makes no sense, or a
 *                           PD_REPLAY or PD_GUARD that is none of their words
 *   owner     you: pd_worker_stop, or PD_AUTO; stop it before you close the hub
 *   blocks    on the disk; unfinished instances go on in the background, whatever their number */
PD_API PD_MUST_USE pd_worker *pd_worker_start(pd_hub *hub, const pd_function *program, size_t n,
                                              const pd_worker_options *options, pd_error *err);

/* Takes no new work, waits for running activities up to drain_max, makes everything durable, and
 * gives the engine up. An activity still running then is abandoned by the engine and run again at
 * the next start; its thread is waited for. Not stopping is safe as well: a process may end at any
 * instant. NULL is fine. */
PD_API void pd_worker_stop(pd_worker *worker);

/* For perdure-host: how many milliseconds ago, at least, the thread that runs the turns of a hub of
 * grpc:// was last between two of them; it asks anew, so call it again and again, from one thread.
 * Does not block. Of other hubs: 0. */
PD_API int64_t pd_worker_silence_(pd_worker *worker);

/* Likewise: the thread that calls, and whether a thread that lives is in a call of pd_hub_* just
 * now. Any thread may ask that. Neither blocks. */
PD_API const void *pd_thread_(void);
PD_API bool pd_thread_is_in_call_(const void *thread);

typedef enum pd_run_state {
    PD_RUN_PENDING,   /* started; has not had a turn */
    PD_RUN_RUNNING,
    PD_RUN_SUSPENDED, /* takes no turn until it is resumed; what comes for it waits */
    PD_RUN_COMPLETED, /* from here on it has ended */
    PD_RUN_FAILED,
    PD_RUN_TERMINATED
} pd_run_state;

PD_API const char *pd_run_state_name(pd_run_state s); /* "Pending", "Running", ... */

/* What becomes of a start when an instance of its ID exists. */
typedef enum pd_reuse {
    PD_REUSE_ENDED,  /* one that has ended is replaced, history and all; else PD_E_EXISTS */
    PD_REUSE_NEVER,  /* PD_E_EXISTS, also when it has ended */
    PD_REUSE_FAILED, /* only one that failed or was terminated is replaced; else PD_E_EXISTS */
    PD_REUSE_ANY,    /* also one that runs is replaced: it ends without a word, children go on */
    PD_REUSE_KEEP    /* PD_OK, and the one that exists is left as it is, ended or not */
} pd_reuse;

typedef struct pd_start_options {
    const char *id;      /* NULL or "": one is made, 32 hexadecimal digits that sort by time */
    const char *version; /* recorded with the instance; NULL: none, also where a worker has one */
    pd_time     at;      /* not before this time: Pending until then; 0, or past: at once */
    pd_value    tags;    /* an object of texts; null: none. Found by pd_query.tag, inherited by
                            children */
    pd_reuse    reuse;
} pd_start_options;

/* Starts an instance. See pd_hub_start in section 9. The orchestrator is a function of the program
 * of this hub's worker, or the name of one in whichever process runs the engine.
 *
 *   options   NULL for the defaults
 *   id        receives the instance ID; may be NULL
 *   returns   PD_OK           durable: it will run
 *             PD_E_EXISTS     an instance of this ID exists, and options->reuse does not replace
 *                             it; nothing was changed. Between two processes that start the same ID
 *                             at the same moment, the one that runs the engine wins, and the other
 *                             may not hear of it
 *             PD_E_INVALID    the ID is longer than 256 characters, starts with '@', or holds a
 *                             control character; or the name is empty; or JSON cannot hold the
 *                             input; or a function was given where no worker knows its name
 *             PD_E_LIMIT      the input is larger than the limit
 *             PD_E_UNAVAILABLE  the store failed: it is not known whether it was started (with an
 *                             ID of yours pd_hub_fetch tells, later); retryable
 *   blocks    until durable: about one fsync. Many at once: pd_hub_start_many. */
PD_API PD_MUST_USE pd_status pd_hub_start_(pd_hub *hub, pd_ref orchestrator, pd_value input,
                                           const pd_start_options *options, pd_id *id,
                                           pd_error *err);

/* Starts n instances of one orchestrator and waits once.
 *
 *   inputs    n values, or NULL for nulls
 *   ids       in: the ID wanted, or "" to have one made; out: the ID, or "" where it was not
 *             started. NULL: all are made and not told
 *   returns   as pd_hub_start, for the first that failed; the others are started all the same,
 *             unless an argument is bad, which is found before anything is started */
PD_API PD_MUST_USE pd_status pd_hub_start_many_(pd_hub *hub, pd_ref orchestrator, size_t n,
                                                const pd_value *inputs, pd_id *ids, pd_error *err);

/* Raises an event for an instance. See pd_hub_raise_event in section 9.
 *
 *   returns   PD_OK           durable: delivered, or kept until it is expected; dropped without a
 *                             word when the instance ends first
 *             PD_E_NOT_FOUND  no such instance
 *             PD_E_STATE      the instance has ended; nothing was changed
 *             PD_E_INVALID, PD_E_LIMIT, PD_E_UNAVAILABLE  as pd_hub_start */
PD_API PD_MUST_USE pd_status pd_hub_raise_event_(pd_hub *hub, const char *id, const char *name,
                                                 pd_value v, pd_error *err);

/* Managing. All of these return when it is durable, from any process that has the hub open, and
 *
 *   returns   PD_OK           done. Where another process runs the engine: durable, and done there
 *                             within milliseconds, or, when none runs it, by the next that does
 *             PD_E_NOT_FOUND  no such instance
 *             PD_E_STATE      not possible in the state that is said; nothing was changed
 *             PD_E_INVALID, PD_E_LIMIT, PD_E_UNAVAILABLE  as pd_hub_start
 *   reason    for people, recorded in history; NULL: none
 *
 * terminate   ends an instance that has not ended, at once, whatever it is doing; its output is the
 *             reason, as a JSON text, or null. Running activities are told; their results are
 *             dropped. recursive: children that it waits for, and theirs, likewise; otherwise they
 *             go on. An instance "perdure.run:ID" is refused (PD_E_INVALID): a schedule waits for
 *             its word; terminate ID
 * suspend     it takes no turn until it is resumed; activities and children go on, and what they
 *             and others send waits. PD_OK also when it is suspended already
 * resume      PD_OK also when it is not suspended
 * rewind      a failed instance goes on from before its failure: activities and children that
 *             failed are tried once more (children by being rewound themselves, or from their
 *             beginning where that is not possible), calls of entities too; those that succeeded
 *             are not; code that failed by itself is run again. A failure that the code had
 *             answered with another step, such as a retry or a compensation, stays as it is. The
 *             execution ID stays, and with it the keys of activities. Not possible when it failed
 *             inside a critical section, or in the turn in which it left one: the locks were given
 *             back
 * purge       forgets an ended instance and its history; see pd_hub_purge_all for many. With the ID
 *             of an entity, "@name@key", as pd_hub_purge_entity */
PD_API PD_MUST_USE pd_status pd_hub_terminate(pd_hub *hub, const char *id, const char *reason,
                                              bool recursive, pd_error *err);
PD_API PD_MUST_USE pd_status pd_hub_suspend(pd_hub *hub, const char *id, const char *reason,
                                            pd_error *err);
PD_API PD_MUST_USE pd_status pd_hub_resume(pd_hub *hub, const char *id, const char *reason,
                                           pd_error *err);
PD_API PD_MUST_USE pd_status pd_hub_rewind(pd_hub *hub, const char *id, const char *reason,
                                           pd_error *err);
PD_API PD_MUST_USE pd_status pd_hub_purge(pd_hub *hub, const char *id, pd_error *err);

/* ---- entities, from outside ----
 *
 * All of these work from any process that has the hub open; those that change something return when
 * it is durable, as the calls above, and an entity's ID is refused (PD_E_INVALID) as an instance's
 * is: the name is not empty and holds no '@', the key may be empty and hold it, both together have
 * at most 254 characters. */

/* Signals an entity.
 *
 *   options   NULL for the defaults
 *   id        receives the signal's ID, for pd_hub_cancel_signal; may be NULL
 *   returns   PD_OK: the operation will be run, once; of one thread's signals to one entity, those
 *             without a time in the order of the calls. PD_E_INVALID, PD_E_LIMIT, PD_E_UNAVAILABLE
 *             as pd_hub_start
 *   blocks    until durable: about one fsync. Many at once: pd_hub_signal_many */
typedef struct pd_signal_options {
    pd_time at; /* not before this time; 0, or past: at once */
} pd_signal_options;
PD_API PD_MUST_USE pd_status pd_hub_signal_entity_(pd_hub *hub, pd_entity_id entity, const char *op,
                                                   pd_value input, const pd_signal_options *options,
                                                   pd_id *id, pd_error *err);

/* Sends n signals, to one entity or many, in their order, and waits once.
 *
 *   returns   as pd_hub_signal_entity. Nothing is sent when one is bad; after PD_E_UNAVAILABLE it
 *             is not known which were */
typedef struct pd_signal {
    pd_entity_id entity;
    const char  *op;
    pd_value     input;
    pd_time      at;
} pd_signal;
PD_API PD_MUST_USE pd_status pd_hub_signal_many(pd_hub *hub, const pd_signal *signals, size_t n,
                                                pd_error *err);

/* Forgets a signal that has not been run.
 *
 *   returns   PD_OK; PD_E_NOT_FOUND when none of this ID waits there: it was run, or taken back
 *             before. Where no engine runs in this process, it is only seen whether there is such
 *             an entity; PD_OK then says that an engine will look */
PD_API PD_MUST_USE pd_status pd_hub_cancel_signal(pd_hub *hub, pd_entity_id entity, const char *id,
                                                  pd_error *err);

/* Calls an entity and waits for its answer. An engine has to run, here or elsewhere. It is an
 * orchestration of the name "perdure.call" that makes the call and is forgotten when it was
 * answered, or, if nobody waits for it any more, an hour after its end; until then it can be seen,
 * and it survives the process that asked. It comes behind what this thread has signaled to the
 * entity before. The input may be 63 deep: it is part of that orchestration's.
 *
 *   timeout   from now; as pd_hub_wait
 *   returns   how the operation ended: pd_instance_state is PD_RUN_COMPLETED with its value in
 *             pd_instance_output, or PD_RUN_FAILED with pd_instance_failure. NULL with
 *             PD_E_TIMEOUT      not answered yet: it may be run later; pd_error says under which ID
 *                               it waits
 *             otherwise as pd_hub_signal_entity and pd_hub_wait
 *   owner     you: pd_instance_free, or PD_AUTO */
PD_API PD_MUST_USE pd_instance *pd_hub_call_entity_(pd_hub *hub, pd_entity_id entity,
                                                    const char *op, pd_value input,
                                                    pd_duration timeout, pd_error *err);

/* Looks at an entity as it is in the store now: as the last operation that is durable left it.
 *
 *   returns   the view; NULL with PD_E_NOT_FOUND (also when it has no state, is not locked, and
 *             nothing waits for it), or as pd_hub_fetch
 *   owner     you: pd_entity_view_free, or PD_AUTO */
PD_API PD_MUST_USE pd_entity_view *pd_hub_fetch_entity(pd_hub *hub, pd_entity_id entity,
                                                       pd_error *err);
PD_API void        pd_entity_view_free(pd_entity_view *v); /* NULL is fine */
PD_API const char *pd_entity_view_id(const pd_entity_view *v); /* "@name@key" */
PD_API const char *pd_entity_view_name(const pd_entity_view *v);
PD_API const char *pd_entity_view_key(const pd_entity_view *v);
PD_API bool        pd_entity_view_has_state(const pd_entity_view *v);
PD_API const char *pd_entity_view_state_json(const pd_entity_view *v); /* or "null" */
PD_API pd_value    pd_entity_view_state(const pd_entity_view *v); /* null: none, or not asked for */
/* When an operation was run last, whatever it did, or it was locked, unlocked, or came into being;
 * 0: no engine has heard of it yet. */
PD_API pd_time     pd_entity_view_changed_at(const pd_entity_view *v);
/* Operations and lock requests that wait: for their time, a lock, or an engine (in a page without
 * those that no engine has heard of yet). */
PD_API size_t      pd_entity_view_backlog(const pd_entity_view *v);
/* The ID of the instance that has locked it; NULL: nobody has. */
PD_API const char *pd_entity_view_locked_by(const pd_entity_view *v);

/* Lists entities by ID, in pages that stay stable while others come and go. Those that no engine
 * has heard of yet are left out. */
typedef struct pd_entity_query {
    const char *name;       /* NULL: any; whatever its case */
    const char *key_prefix; /* case counts; NULL: any */
    pd_time     changed_from, changed_to; /* inclusive; 0: open */
    bool        with_state; /* false: has_state is told, the state is not read */
    bool        with_empty; /* also those without state that are locked, waited for, or kept */
    const char *page_token; /* from the page before; NULL: the first page */
    size_t      page_size;  /* 0 means 100; at most 1,000 */
} pd_entity_query;
/*   query     NULL for everything that has state
 *   returns   a page; NULL as pd_hub_query
 *   owner     you: pd_entity_page_free, or PD_AUTO */
PD_API PD_MUST_USE pd_entity_page *pd_hub_query_entities(pd_hub *hub, const pd_entity_query *query,
                                                         pd_error *err);
PD_API size_t                pd_entity_page_count(const pd_entity_page *p);
PD_API const pd_entity_view *pd_entity_page_at(const pd_entity_page *p, size_t index); /* or NULL */
PD_API const char           *pd_entity_page_token(const pd_entity_page *p); /* NULL: the last one */
PD_API void                  pd_entity_page_free(pd_entity_page *p);

/* Forgets an entity's state and the signals that wait for their time, whatever its function says.
 * What stands in line is done afterwards; a lock stays.
 *
 *   returns   PD_OK; PD_E_NOT_FOUND; otherwise as pd_hub_signal_entity */
PD_API PD_MUST_USE pd_status pd_hub_purge_entity(pd_hub *hub, pd_entity_id entity, pd_error *err);

/* Tidies up: forgets entities without state that nothing waits for (there are such only with
 * keeps_empty_entities), and gives back locks whose owner has ended or is not there any more (there
 * are none, unless a store was mended by hand).
 *
 *   ret       how many; may be NULL
 *   returns   PD_OK; otherwise as pd_hub_signal_entity */
typedef struct pd_cleaned { uint64_t removed, unlocked; } pd_cleaned;
PD_API PD_MUST_USE pd_status pd_hub_clean_entities(pd_hub *hub, pd_cleaned *ret, pd_error *err);

/* ---- schedules ----
 *
 * A schedule starts an orchestration each time that a rule says, in its own time zone, as long as
 * an engine runs for the hub; exactly once for each time that is due. It is kept in the hub, as the
 * entity "@perdure.schedule@ID", and looked at as one: see PD_SCHEDULE. The instance that is
 * started for a time has the ID "ID:2026-11-22T08:00:00Z", and the schedule's ID as its tag
 * "perdure.schedule". */

typedef enum pd_overlap { /* when the instance that was started before has not ended */
    PD_OVERLAP_SKIP,   /* none is started */
    PD_OVERLAP_BUFFER, /* one is started when that has ended; of several only the first */
    PD_OVERLAP_ALLOW   /* it is started beside it */
} pd_overlap;

typedef enum pd_missed { /* times that were due while no engine ran */
    PD_MISSED_LAST, /* the last of them is started, when an engine runs again */
    PD_MISSED_NONE, /* none is, but for one that is less than a second late */
    PD_MISSED_ALL   /* all are, the oldest first */
} pd_missed;

typedef struct pd_schedule {
    const char *id;           /* 1 to 200 characters, in 256 bytes; no '@', no control characters */
    /* "30 8 * * 1-5" (minute, hour, day, month, weekday), likewise with seconds before, "@daily",
     * "@every 90s" (counted from `begins`, or from when it was put), "TZ=Europe/Berlin 30 8 * * *".
     * chapter 20 of the guide has all forms, and what changes of clocks do */
    const char *rule;
    const char *zone;         /* "Europe/Berlin"; NULL: UTC */
    const char *orchestrator; /* its name */
    pd_value    input;
    const char *version;      /* of the instances; NULL: none */
    pd_value    tags;         /* likewise: an object of texts, 63 at most; null: none */
    pd_time     begins, ends; /* nothing is due before, and after; 0: no such bound. Until 9999 */
    pd_overlap  overlap;
    pd_missed   missed;
    pd_duration missed_max;   /* what is later than this is not started at all; 0: any time */
    bool        is_paused;    /* to begin with */
} pd_schedule;

/* Makes a schedule, or changes the one of its ID: from then on it goes by the new rule; times that
 * came before go by the old one (of those still owed a hundred at most; the rest counts as late),
 * and what is under way is left alone. With the rule, the zone and the beginning that it has, its
 * times go on: a program may put its schedules whenever it starts.
 *
 *   returns   PD_OK          durable
 *             PD_E_INVALID   the rule, the zone, the ID, a name, a time; nothing was changed
 *             PD_E_LIMIT     more than 63 tags, or one that is too long; more than the hub's
 *                            payload_max less 4096 bytes as JSON, input and all; likewise
 *             otherwise as pd_hub_signal_entity
 *   blocks    until durable */
PD_API PD_MUST_USE pd_status pd_hub_put_schedule(pd_hub *hub, const pd_schedule *schedule,
                                                 pd_error *err);

typedef enum pd_schedule_order {
    PD_SCHEDULE_PAUSE,   /* nothing is due until it is resumed; what has come, and is not started,
                          * counts as late */
    PD_SCHEDULE_RESUME,  /* from now on; what was due meanwhile is not */
    PD_SCHEDULE_TRIGGER, /* starts an instance now, whatever overlap says, and even if paused */
    PD_SCHEDULE_DELETE   /* forgotten; what it started goes on */
} pd_schedule_order;

/*   returns   PD_OK: durable, and done within milliseconds, or when an engine next runs.
 *             PD_E_NOT_FOUND: there is no such schedule. Otherwise as pd_hub_signal_entity */
PD_API PD_MUST_USE pd_status pd_hub_order_schedule(pd_hub *hub, const char *id,
                                                   pd_schedule_order order, pd_error *err);

/* The name of the entities that are schedules: pd_hub_fetch_entity(hub, PD_ENTITY(PD_SCHEDULE, id),
 * &err), and pd_hub_query_entities for all. Their state is an object of
 *   rule, zone, orchestrator, input, version, tags, begins, ends, overlap, missed, missedMax
 *                   as they were put: times and missedMax in milliseconds, overlap and missed as
 *                   words ("skip", "buffer", "allow"; "last", "none", "all"); what was not said is
 *                   absent
 *   status          "active", "paused", or "over": nothing is due any more
 *   next            when it is due next; absent: not at all
 *   running         the ID of the instance that overlap looks at; absent: none
 *   last            {"due", "at", "id"} of the last instance that was started
 *   started, skipped, late   how many: started; left out for overlap; left out for lateness
 *   problem         why nothing is due, when the rule cannot be read where the engine runs: that
 *                   is tried again each minute, and then goes on from where it was */
#define PD_SCHEDULE "perdure.schedule"

/* ---- starting over, looking ---- */

/* Starts the same again: name, version, tags, and the input of the present execution; it is
 * nobody's child.
 *
 *   new_id    NULL: under the same ID, once it has ended (else PD_E_STATE). Otherwise under
 *             another, from any state, and the old one stays: in: the ID wanted, or ""; out: the
 *             ID
 *   returns   as above, and PD_E_EXISTS when the ID wanted is taken (ended or not) */
PD_API PD_MUST_USE pd_status pd_hub_restart(pd_hub *hub, const char *id, pd_id *new_id,
                                            pd_error *err);

/* Makes a new instance that has lived as another one did up to an event of its history, and goes on
 * from there: with other code, say, or to see what would have come of it. Steps answered before are
 * not taken again; those open at that point are asked for anew, children as new ones. The source
 * stays as it is. The new one is nobody's child.
 *
 *   event     its number (pd_history_event.number): the first that has not happened in the new one;
 *             0: all of them have, but for the end of one that has ended
 *   new_id    in: the ID wanted, or "" to have one made; out: the ID; NULL: made and not told
 *   returns   as above, PD_E_EXISTS when the ID wanted is taken (ended or not), PD_E_INVALID when
 *             there is no such event, or it lies inside a critical section, which the source holds
 */
PD_API PD_MUST_USE pd_status pd_hub_fork(pd_hub *hub, const char *id, int64_t event, pd_id *new_id,
                                         pd_error *err);

/* Looks at an instance as it is in the store now.
 *
 *   returns   the instance; NULL with PD_E_NOT_FOUND, or PD_E_UNAVAILABLE
 *   owner     you: pd_instance_free, or PD_AUTO */
PD_API PD_MUST_USE pd_instance *pd_hub_fetch(pd_hub *hub, const char *id, pd_error *err);

/* Waits until the instance has ended, in any way.
 *
 *   timeout   from now; pd_seconds(0) asks once, pd_days(36500) waits for ever
 *   returns   the instance as it ended; NULL with
 *             PD_E_NOT_FOUND    no such instance in this hub
 *             PD_E_TIMEOUT      still running; nothing was changed
 *             PD_E_UNAVAILABLE  retryable
 *   owner     you: pd_instance_free, or PD_AUTO
 *   blocks    yes; pd_hub_close from another thread ends the wait with PD_E_CANCELLED. Up to 30 s
 *             longer when a server is away as the time passes: it is looked at once again */
PD_API PD_MUST_USE pd_instance *pd_hub_wait(pd_hub *hub, const char *id, pd_duration timeout,
                                            pd_error *err);

/* Waits until n instances have ended, as pd_hub_wait for one after the other, within one timeout.
 * A server is asked for all of them at once.
 *
 *   ids        as pd_hub_start_many gave them
 *   instances  receives n pointers, in that order; NULL where the instance has not ended in time,
 *              or cannot be waited for
 *   returns    PD_OK: all have ended; else as pd_hub_wait, for the first that has not. After
 *              PD_E_TIMEOUT and PD_E_NOT_FOUND the others have been looked at too; after any other
 *              failure perhaps not
 *   owner      you, of each, also after a failure: pd_instance_free (NULL is fine) */
PD_API PD_MUST_USE pd_status pd_hub_wait_many(pd_hub *hub, size_t n, const pd_id *ids,
                                              pd_duration timeout, pd_instance **instances,
                                              pd_error *err);

PD_API void              pd_instance_free(pd_instance *i); /* NULL is fine */
PD_API const char       *pd_instance_id_of(const pd_instance *i);
PD_API const char       *pd_instance_execution_id(const pd_instance *i);
PD_API const char       *pd_instance_name(const pd_instance *i);
PD_API const char       *pd_instance_version(const pd_instance *i); /* NULL: none */
PD_API pd_run_state      pd_instance_state(const pd_instance *i);
PD_API bool              pd_instance_is_ended(const pd_instance *i);
PD_API pd_time           pd_instance_created_at(const pd_instance *i);
PD_API pd_time           pd_instance_updated_at(const pd_instance *i); /* to the second */
PD_API pd_time           pd_instance_ended_at(const pd_instance *i);   /* 0 while it runs */
PD_API const char       *pd_instance_input_json(const pd_instance *i);  /* or "null" */
PD_API const char       *pd_instance_output_json(const pd_instance *i); /* or "null" */
PD_API pd_value          pd_instance_output(const pd_instance *i); /* null unless it has one */
PD_API const char       *pd_instance_status_json(const pd_instance *i); /* or "null" */
PD_API pd_value          pd_instance_status(const pd_instance *i);
/* NULL unless failed, or suspended by quarantine. */
PD_API const pd_failure *pd_instance_failure(const pd_instance *i);
PD_API const char       *pd_instance_parent_id(const pd_instance *i); /* NULL: not a child */
PD_API pd_time           pd_instance_starts_at(const pd_instance *i); /* 0: it had not to wait */
PD_API size_t            pd_instance_tag_count(const pd_instance *i);
PD_API const char       *pd_instance_tag_key(const pd_instance *i, size_t index); /* ascending */
PD_API const char       *pd_instance_tag_value(const pd_instance *i, size_t index);
PD_API const char       *pd_instance_tag(const pd_instance *i, const char *key); /* or NULL */

/* Lists instances, oldest first, in pages that stay stable while others start and end. Starts that
 * no engine has taken yet come last, as Pending, and so do forks and imports; one that replaces
 * another is there beside it until then. A page ends early when its payloads are 16 MiB or more.
 *
 * Orchestrations that Perdure itself runs (names that begin with "perdure.": deliveries to
 * webhooks, calls over HTTP, what schedules need) are left out of lists and counts, unless `name`,
 * `parent_id` or an `id_prefix` that begins with "perdure." asks for them, or `with_builtin` is
 * set. Purging and exporting include them. */
typedef struct pd_query {
    unsigned    states; /* 1u << PD_RUN_RUNNING | ...; 0 means all */
    const char *id_prefix, *name; /* case counts; NULL: any; likewise below */
    const char *version;
    const char *parent_id;        /* children of this instance */
    const char *tag;              /* "key=value": has this tag with this value; no '=' in the key */
    bool        roots_only;       /* only those without a parent */
    const char *page_token;       /* from the page before; NULL: the first page */
    pd_time     created_from, created_to; /* inclusive; 0: open */
    pd_time     ended_from, ended_to;     /* likewise; given: only what has ended */
    size_t      page_size; /* 0 means 100; at most 1,000 */
    bool        with_builtin; /* also what Perdure itself runs, see below */
} pd_query;

/*   query     NULL for everything
 *   returns   a page; NULL with PD_E_INVALID (a page token that is none, a page size above the
 *             limit) or PD_E_UNAVAILABLE
 *   owner     you: pd_page_free, or PD_AUTO */
PD_API PD_MUST_USE pd_page *pd_hub_query(pd_hub *hub, const pd_query *query, pd_error *err);
PD_API size_t             pd_page_count(const pd_page *p);
/* Belongs to the page; NULL beyond the end. */
PD_API const pd_instance *pd_page_at(const pd_page *p, size_t index);
PD_API const char        *pd_page_token(const pd_page *p); /* NULL: that was the last page */
PD_API void               pd_page_free(pd_page *p);

/* How many instances a query finds, by state; page_token and page_size do not count. */
typedef struct pd_counts {
    uint64_t all, of[PD_RUN_TERMINATED + 1];
} pd_counts;
PD_API PD_MUST_USE pd_status pd_hub_count(pd_hub *hub, const pd_query *query, pd_counts *ret,
                                          pd_error *err);

/* Forgets all ended instances that a query finds, in batches of at most 500; what has not ended is
 * left. The page token and size of the query do not count.
 *
 *   query     NULL: all that have ended
 *   options   NULL for the defaults
 *   purged    how many were forgotten, also when it ended early; may be NULL
 *   returns   PD_OK           nothing that the query finds is left, but what had not ended; or,
 *                             where no engine runs, that will be so when one does
 *             PD_E_TIMEOUT    time_max has passed: call again to go on
 *             PD_E_CANCELLED  `tell` said no
 *             otherwise as pd_hub_query */
typedef struct pd_purge_options {
    bool        recursive; /* before each, its descendants that have ended, whatever the query says,
                              though none below one that has not ended */
    pd_duration time_max;  /* 0: no limit */
    bool      (*tell)(uint64_t purged, void *argument); /* after each batch; false: stop */
    void       *argument;
} pd_purge_options;
PD_API PD_MUST_USE pd_status pd_hub_purge_all(pd_hub *hub, const pd_query *query,
                                              const pd_purge_options *options, uint64_t *purged,
                                              pd_error *err);

/* Archives: instances with their histories in one file, to keep, to move to another hub, to replay
 * in tests. proto/history.proto describes it. Import adds each instance to the hub under its ID:
 * one that has ended is there to be looked at, another goes on, also where it was exported. All are
 * Pending, without output and history, until an engine has taken them: a worker has to run once.
 * Exported is what the store has; an instance that runs may go on meanwhile, here.
 *
 *   query     which; NULL: all. What no engine has taken yet is left out. The page token and size
 *             do not count
 *   path      of the file; export replaces one that is there, when it is complete
 *   count     how many; may be NULL. Import stops at the first that cannot be added (PD_E_EXISTS
 *             when its ID is taken, ended or not), and then tells how many were: children come
 *             before their parents, then as in the file
 *   returns   PD_OK; PD_E_DENIED when the file cannot be opened, PD_E_CORRUPT when it is no
 *             archive, or an instance in it is none, or is inside a critical section, whose locks
 *             are not in the file: then nothing of it was added; otherwise as above */
PD_API PD_MUST_USE pd_status pd_hub_export(pd_hub *hub, const pd_query *query, const char *path,
                                           uint64_t *count, pd_error *err);
PD_API PD_MUST_USE pd_status pd_hub_import(pd_hub *hub, const char *path, uint64_t *count,
                                           pd_error *err);

/* Runs orchestrators of today against histories of yesterday: would they ask for the same steps, no
 * fewer and no more, and end where and as history does? What they pass in and what comes out may
 * differ. The last turn of an instance that was terminated, or that Perdure let fail, is left out.
 * No engine runs, no activity, nothing is written. For tests of your program.
 *
 * Any program does it instead of its work, without a change to it, when PD_REPLAY_FROM in the
 * environment says from where: pd_hub_open then opens an empty hub in memory, whatever the URL, and
 * pd_worker_start does not come back: it prints what differs, and ends the process with 0 (all the
 * same), 1 (some differ) or 2 (trouble, or nothing to compare). PD_REPLAY_ID is id_prefix,
 * PD_REPLAY_BREAK_AT is break_at. The command `perdure replay` sets them.
 *
 *   from      an archive, a folder of archives (*.pda), or the URL of a hub, which is only read
 *   options   NULL for the defaults
 *   returns   PD_OK, also when some diverge: look at the report; PD_E_INVALID for a bad program;
 *             PD_E_NOT_FOUND where there is no hub, PD_E_STATE when it is of an earlier version
 *             (which is brought up to this one when it is opened); otherwise as pd_hub_import */
typedef struct pd_divergence {
    const char *instance_id, *orchestrator;
    int64_t     event; /* pd_history_event.number */
    const char *text;  /* "step 3: history has TaskScheduled 'A' (event 9), the code asked ..." */
} pd_divergence;
typedef struct pd_replay_options {
    const char *id_prefix; /* only these instances; NULL: all */
    int64_t     break_at;  /* SIGTRAP before the event of this number is delivered; 0: none */
    void      (*tell)(const pd_divergence *divergence, void *argument); /* each; NULL: stderr */
    void       *argument, *user; /* user: for pd_user */
} pd_replay_options;
typedef struct pd_replay_report {
    uint64_t same, diverged, unknown; /* unknown: the program has no such orchestrator */
} pd_replay_report;
PD_API PD_MUST_USE pd_status pd_replay(const pd_function *program, size_t n, const char *from,
                                       const pd_replay_options *options, pd_replay_report *ret,
                                       pd_error *err);

/* One event of a history, as people see it. */
typedef struct pd_history_event {
    int64_t     number;      /* 1, 2, 3, ... */
    pd_time     at;          /* also at_us for the microseconds that belong to it */
    int64_t     at_us;       /* microseconds since 1970-01-01 UTC */
    int         event_id;    /* of a step: 0, 1, 2, ...; -1 for what has none */
    int         step;        /* the step that this completes; -1 for what completes none */
    const char *kind;        /* "TaskScheduled", "TimerFired", ... */
    const char *name;        /* NULL where the kind has none; likewise below */
    const char *target_id;   /* the child, or whom the event or operation was sent to */
    const char *input_json;  /* of EntityLockRequested: an array of the entities' IDs */
    const char *result_json;
    const char *status;      /* "Completed", "Failed" or "Terminated" on ExecutionCompleted */
    const pd_failure *failure;
    pd_time     fire_at;     /* of timers, ExecutionStarted, EntityOperationSignaled: when it is
                                due; 0: at once, or nothing that is due */
} pd_history_event;

/* The history of the instance's present execution, oldest first. A turn begins with
 * OrchestratorStarted and ends with OrchestratorCompleted; the latter is not stored, but shown.
 *
 *   returns   the history, empty while the instance has not had a turn; NULL with PD_E_NOT_FOUND
 *             or PD_E_UNAVAILABLE
 *   owner     you: pd_history_free, or PD_AUTO */
PD_API PD_MUST_USE pd_history *pd_hub_fetch_history(pd_hub *hub, const char *id, pd_error *err);
PD_API size_t                  pd_history_count(const pd_history *h);
PD_API const pd_history_event *pd_history_at(const pd_history *h, size_t index); /* or NULL */
PD_API void                    pd_history_free(pd_history *h);

static inline void pd_history_auto(pd_history **h) { pd_history_free(*h); }
static inline void pd_hub_auto(pd_hub **h) { pd_hub_close(*h); }
static inline void pd_worker_auto(pd_worker **w) { pd_worker_stop(*w); }
static inline void pd_instance_auto(pd_instance **i) { pd_instance_free(*i); }
static inline void pd_page_auto(pd_page **p) { pd_page_free(*p); }
static inline void pd_entity_view_auto(pd_entity_view **v) { pd_entity_view_free(*v); }
static inline void pd_entity_page_auto(pd_entity_page **p) { pd_entity_page_free(*p); }

/* PD_AUTO(pd_hub) hub = ...: closed, stopped or freed at the end of the block, the last one first.
 * For pd_hub, pd_worker, pd_instance, pd_page, pd_history, pd_entity_view, pd_entity_page and
 * pd_document; set it at once. */
#define PD_AUTO(type) PD_CLEANUP(type##_auto) type *

/* Values from C; PD_VAL below picks one by type. */
static inline pd_value pd_of_value(pd_value v)
{
    return v;
}
static inline pd_value pd_of_literal(pd_literal l)
{
    return l.value_;
}
static inline pd_value pd_of_kind_(uint32_t kind)
{
    pd_value v;
    v.kind_ = kind;
    v.count_ = 0;
    v.as_.integer = 0;
    return v;
}
static inline pd_value pd_of_bool(bool b)
{
    pd_value v = pd_of_kind_(PD_IS_BOOL);
    v.as_.boolean = b;
    return v;
}
static inline pd_value pd_of_int(int64_t i)
{
    pd_value v = pd_of_kind_(PD_IS_INT);
    v.as_.integer = i;
    return v;
}
static inline pd_value pd_of_real(double d)
{
    pd_value v = pd_of_kind_(PD_IS_REAL);
    v.as_.real = d;
    return v;
}
static inline pd_value pd_of_null(const void *p)
{
    (void)p;
    return pd_of_kind_(PD_IS_NULL);
}
PD_API pd_value pd_of_unsigned(uint64_t u); /* above INT64_MAX: a real */
PD_API pd_value pd_of_text(const char *s);  /* NULL: null; borrowed, copied where it is used */
PD_API pd_value pd_of_list(const pd_list *list);
PD_API pd_value pd_of_dict(const pd_dict *dict);

/* References to functions, for C++ and foreign-function layers; C picks one by type. */
static inline pd_ref pd_ref_name(const char *n)
{
    pd_ref r;
    r.name_ = n;
    r.run_ = NULL;
    return r;
}
static inline pd_ref pd_ref_activity(pd_activity_fn *f)
{
    pd_ref r;
    r.name_ = NULL;
    r.run_ = (pd_any_fn *)f;
    return r;
}
static inline pd_ref pd_ref_orchestrator(pd_orchestrator_fn *f)
{
    pd_ref r;
    r.name_ = NULL;
    r.run_ = (pd_any_fn *)f;
    return r;
}

#ifdef __cplusplus
}
#else

/* ---- 9. Sugar, C only: typed arguments, named options --------------------------------------- */

/* What you write. x is anything PD_VAL takes, f a function or its name, c an orchestration, an
 * activity or an entity; errors, ownership and blocking are those of the calls with a '_' behind
 * the name. n is an entity, PD_ENTITY("name", "key") or a pd_entity_id.
 *
 *   pd_call_activity(o, f, x)  pd_start_activity(o, f, x)       options: .retry = &r, ...
 *   pd_call_child(o, f, x)  pd_start_child(o, f, x)             options: .id = "7", ...
 *   pd_send_event(o, id, "Name", x)  pd_set_status(o, x)
 *   pd_call_entity(o, n, "op", x)  pd_start_entity(o, n, "op", x)
 *   pd_signal_entity(c, n, "op", x)                             options: .at = t; not activities
 *   pd_cancel_signal(c, n, id)  PD_LOCKED(o, n, n) { ... }
 *   pd_set_state(e, x)  pd_start_from_entity(e, f, x)           options: .id = "7", ...
 *   pd_ok(c, x)  pd_fail(c, "Type", "format", ...)  PD_FAILED   how functions end
 *   pd_fail_final(c, "Type", "format", ...)                     likewise, not to be retried
 *   pd_continue_as_new(o, x)                                    options: .version, .drops_events
 *   pd_activity_heartbeat(a, x)
 *   pd_read(c, value, "key", &x, ...)                           strict reading; see there
 *   pd_alloc(c, size)  pd_format(c, "format", ...)  pd_json(c, x)  pd_keep(c, x)
 *   pd_defer(c, release, thing)                                 release(thing) when the run ends
 *   pd_list_new(c)  pd_list_add(list, x)  pd_dict_new(c)  pd_dict_set(dict, "key", x)
 *   PD_OBJ("key", x, "key", x)  PD_ARR(x, x)  PD_NULL  PD_TRUE  PD_FALSE
 *   PD_EACH(item, array) { ... }                                item is a pd_value
 *   pd_await_all(o, PD_TASKS(t, u))                             tasks in place of an array and n
 *   pd_hub_start(hub, f, x, options, id, err)
 *   pd_hub_start_many(hub, f, n, inputs, ids, err)
 *   pd_hub_raise_event(hub, id, "Name", x, err)
 *   pd_hub_signal_entity(hub, n, "op", x, options, id, err)
 *   pd_hub_call_entity(hub, n, "op", x, timeout, err) */

#define PD_NULL  ((pd_value){ .kind_ = PD_IS_NULL })
#define PD_TRUE  ((pd_value){ .kind_ = PD_IS_BOOL, .as_.boolean = true })
#define PD_FALSE ((pd_value){ .kind_ = PD_IS_BOOL, .as_.boolean = false })

/* PD_VAL(x): any C scalar, text, value, list or literal as a pd_value; other types do not compile.
 * In C17 `true` and `n > 3` are ints, and arrive as 1: write PD_TRUE, a bool variable, or
 * pd_of_bool(n > 3). */
static inline pd_value pd_of_open_list(pd_list *list)
{
    return pd_of_list(list);
}
static inline pd_value pd_of_open_dict(pd_dict *dict)
{
    return pd_of_dict(dict);
}

#define PD_VAL(x) _Generic((x),                                                                   \
    pd_value: pd_of_value, pd_literal: pd_of_literal, pd_list *: pd_of_open_list,                 \
    pd_dict *: pd_of_open_dict, const pd_dict *: pd_of_dict,                                      \
    const pd_list *: pd_of_list, char *: pd_of_text, const char *: pd_of_text,                    \
    bool: pd_of_bool, signed char: pd_of_int, unsigned char: pd_of_int, short: pd_of_int,         \
    unsigned short: pd_of_int, int: pd_of_int, unsigned: pd_of_int, long: pd_of_int,              \
    long long: pd_of_int, unsigned long: pd_of_unsigned, unsigned long long: pd_of_unsigned,      \
    float: pd_of_real, double: pd_of_real, void *: pd_of_null)(x)

/* Counting and mapping, up to 32 arguments. */
#define PD_N(...)                                                                                 \
    PD_N_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, \
          13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define PD_N_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a1,    \
              b1, c1, d1, e1, f1, count, ...) count
#define PD_JOIN(a, b) PD_JOIN_(a, b)
#define PD_JOIN_(a, b) a##b
#define PD_MAP(F, ...) PD_JOIN(PD_MAP_, PD_N(__VA_ARGS__))(F, __VA_ARGS__)
#define PD_MAP_1(F, x) F(x)
#define PD_MAP_2(F, x, ...) F(x), PD_MAP_1(F, __VA_ARGS__)
#define PD_MAP_3(F, x, ...) F(x), PD_MAP_2(F, __VA_ARGS__)
#define PD_MAP_4(F, x, ...) F(x), PD_MAP_3(F, __VA_ARGS__)
#define PD_MAP_5(F, x, ...) F(x), PD_MAP_4(F, __VA_ARGS__)
#define PD_MAP_6(F, x, ...) F(x), PD_MAP_5(F, __VA_ARGS__)
#define PD_MAP_7(F, x, ...) F(x), PD_MAP_6(F, __VA_ARGS__)
#define PD_MAP_8(F, x, ...) F(x), PD_MAP_7(F, __VA_ARGS__)
#define PD_MAP_9(F, x, ...) F(x), PD_MAP_8(F, __VA_ARGS__)
#define PD_MAP_10(F, x, ...) F(x), PD_MAP_9(F, __VA_ARGS__)
#define PD_MAP_11(F, x, ...) F(x), PD_MAP_10(F, __VA_ARGS__)
#define PD_MAP_12(F, x, ...) F(x), PD_MAP_11(F, __VA_ARGS__)
#define PD_MAP_13(F, x, ...) F(x), PD_MAP_12(F, __VA_ARGS__)
#define PD_MAP_14(F, x, ...) F(x), PD_MAP_13(F, __VA_ARGS__)
#define PD_MAP_15(F, x, ...) F(x), PD_MAP_14(F, __VA_ARGS__)
#define PD_MAP_16(F, x, ...) F(x), PD_MAP_15(F, __VA_ARGS__)
#define PD_MAP_17(F, x, ...) F(x), PD_MAP_16(F, __VA_ARGS__)
#define PD_MAP_18(F, x, ...) F(x), PD_MAP_17(F, __VA_ARGS__)
#define PD_MAP_19(F, x, ...) F(x), PD_MAP_18(F, __VA_ARGS__)
#define PD_MAP_20(F, x, ...) F(x), PD_MAP_19(F, __VA_ARGS__)
#define PD_MAP_21(F, x, ...) F(x), PD_MAP_20(F, __VA_ARGS__)
#define PD_MAP_22(F, x, ...) F(x), PD_MAP_21(F, __VA_ARGS__)
#define PD_MAP_23(F, x, ...) F(x), PD_MAP_22(F, __VA_ARGS__)
#define PD_MAP_24(F, x, ...) F(x), PD_MAP_23(F, __VA_ARGS__)
#define PD_MAP_25(F, x, ...) F(x), PD_MAP_24(F, __VA_ARGS__)
#define PD_MAP_26(F, x, ...) F(x), PD_MAP_25(F, __VA_ARGS__)
#define PD_MAP_27(F, x, ...) F(x), PD_MAP_26(F, __VA_ARGS__)
#define PD_MAP_28(F, x, ...) F(x), PD_MAP_27(F, __VA_ARGS__)
#define PD_MAP_29(F, x, ...) F(x), PD_MAP_28(F, __VA_ARGS__)
#define PD_MAP_30(F, x, ...) F(x), PD_MAP_29(F, __VA_ARGS__)
#define PD_MAP_31(F, x, ...) F(x), PD_MAP_30(F, __VA_ARGS__)
#define PD_MAP_32(F, x, ...) F(x), PD_MAP_31(F, __VA_ARGS__)

#define PD_ARR(...) ((pd_literal){ .value_ = { .kind_ = PD_IS_ARRAY, .count_ = PD_N(__VA_ARGS__), \
    .as_.items = (const pd_value[]){ PD_MAP(PD_VAL, __VA_ARGS__) } } })
/* The sizeof makes an odd number of arguments a compile error: keys and values come in pairs. */
#define PD_OBJ(...) ((pd_literal){ .value_ = { .kind_ = PD_IS_OBJECT,                             \
    .count_ = PD_N(__VA_ARGS__) / 2 * sizeof(char[1 - 2 * (PD_N(__VA_ARGS__) % 2)]),              \
    .as_.items = (const pd_value[]){ PD_MAP(PD_VAL, __VA_ARGS__) } } })

/* pd_read(c, value, &x) or pd_read(c, value, "key", &x, "other?", &y): each target is filled from a
 * value of its type (a double also from a whole number, an int from one that fits); a key ending in
 * '?' may be absent, and leaves its target as it was. All or none are filled. In an orchestrator or
 * an entity a mismatch leaves the function; in an activity it returns false, with the failure
 * recorded for PD_FAILED, and the compiler insists you look. */
static inline pd_slot pd_slot_key(const char *k) { return (pd_slot){ 'k', k }; }
static inline pd_slot pd_slot_text(const char **p) { return (pd_slot){ 's', p }; }
static inline pd_slot pd_slot_int(int *p) { return (pd_slot){ 'i', p }; }
static inline pd_slot pd_slot_long(long *p) { return (pd_slot){ 'l', p }; }
static inline pd_slot pd_slot_llong(long long *p) { return (pd_slot){ 'L', p }; }
static inline pd_slot pd_slot_real(double *p) { return (pd_slot){ 'f', p }; }
static inline pd_slot pd_slot_bool(bool *p) { return (pd_slot){ 'b', p }; }
static inline pd_slot pd_slot_value(pd_value *p) { return (pd_slot){ 'v', p }; }
#define PD_SLOT(x) _Generic((x), char *: pd_slot_key, const char *: pd_slot_key,                  \
    const char **: pd_slot_text, int *: pd_slot_int, long *: pd_slot_long,                        \
    long long *: pd_slot_llong, double *: pd_slot_real, bool *: pd_slot_bool,                     \
    pd_value *: pd_slot_value)(x)
#define pd_read(c, v, ...) _Generic((c), pd_orchestration *: pd_read_orchestration,               \
    pd_entity *: pd_read_entity, pd_activity *: pd_read_activity)                                 \
    ((c), (v), PD_N(__VA_ARGS__), (const pd_slot[]){ PD_MAP(PD_SLOT, __VA_ARGS__) })

#define PD_MEM(c) _Generic((c), pd_orchestration *: pd_mem_of_orchestration,                      \
    pd_activity *: pd_mem_of_activity, pd_entity *: pd_mem_of_entity)(c)
#define pd_alloc(c, size) pd_alloc_(PD_MEM(c), (size))
#define pd_defer(c, release, thing) pd_defer_(PD_MEM(c), (release), (thing))
#define pd_format(c, ...) pd_format_(PD_MEM(c), __VA_ARGS__)
#define pd_keep(c, x) pd_keep_(PD_MEM(c), PD_VAL(x))
#define pd_json(c, x) pd_json_(PD_MEM(c), PD_VAL(x))
#define pd_user(c) pd_user_(PD_MEM(c))
#define pd_list_new(c) pd_list_new_(PD_MEM(c))
#define pd_list_add(list, x) pd_list_add_((list), PD_VAL(x))
#define pd_dict_new(c) pd_dict_new_(PD_MEM(c))
#define pd_dict_set(dict, key, x) pd_dict_set_((dict), (key), PD_VAL(x))
#define pd_ok(c, x) pd_ok_(PD_MEM(c), PD_VAL(x))
#define pd_fail(c, type, ...) pd_fail_(PD_MEM(c), (type), __VA_ARGS__)
#define pd_fail_final(c, type, ...) pd_fail_final_(PD_MEM(c), (type), __VA_ARGS__)
#define PD_FAILED ((pd_result){ 2, NULL }) /* the failure is already recorded */

#define PD_FUNCTION(name_, function) { (name_), _Generic((function),                              \
    pd_orchestrator_fn *: PD_ORCHESTRATOR, pd_activity_fn *: PD_ACTIVITY,                         \
    pd_entity_fn *: PD_ENTITY_FUNCTION), (pd_any_fn *)(function), NULL }
/* An activity that is transactional: pd_activity_database. */
#define PD_TRANSACTION(name_, function) { (name_), _Generic((function),                           \
    pd_activity_fn *: PD_TRANSACTION_), (pd_any_fn *)(function), NULL }
/* An entity, one function for each operation; `table` is an array of pd_operation. Both forms of an
 * entity have rules: PD_ENTITY_TABLE("session", operations, .keep = { 3600000 }), and
 * PD_ENTITY_RULES("session", function, .keep = { 3600000 }). The rules live as long as the table;
 * one that is static has to stand outside of functions. */
#define PD_ENTITY_TABLE(name_, ...) { (name_), PD_ENTITY_FUNCTION, NULL,                          \
    &(const pd_entity_rules){ .operations = PD_FIRST(__VA_ARGS__),                                \
        .operation_count = sizeof(PD_FIRST(__VA_ARGS__)) / sizeof(PD_FIRST(__VA_ARGS__)[0]),      \
        PD_REST(__VA_ARGS__) } }
#define PD_ENTITY_RULES(name_, function, ...) { (name_), _Generic((function),                     \
    pd_entity_fn *: PD_ENTITY_FUNCTION), (pd_any_fn *)(function),                                 \
    &(const pd_entity_rules){ __VA_ARGS__ } }
#define PD_PROGRAM(table) (table), sizeof(table) / sizeof((table)[0])

#define PD_ACTIVITY_REF(x) _Generic((x), char *: pd_ref_name, const char *: pd_ref_name,          \
    pd_activity_fn *: pd_ref_activity)(x)
#define PD_ORCHESTRATOR_REF(x) _Generic((x), char *: pd_ref_name, const char *: pd_ref_name,      \
    pd_orchestrator_fn *: pd_ref_orchestrator)(x)

/* The first argument is the input; the rest are named options: .version = "2". */
#define PD_FIRST(...) PD_FIRST_(__VA_ARGS__, 0)
#define PD_FIRST_(first, ...) first
#define PD_REST(...) PD_JOIN(PD_REST_, PD_ONE_OR_MORE(__VA_ARGS__))(__VA_ARGS__)
#define PD_ONE_OR_MORE(...)                                                                       \
    PD_N_(__VA_ARGS__, more, more, more, more, more, more, more, more, more, more, more, more,    \
          more, more, more, more, more, more, more, more, more, more, more, more, more, more,     \
          more, more, more, more, more, one, none)
#define PD_REST_one(first)
#define PD_REST_more(first, ...) __VA_ARGS__
#define PD_OPTIONS(type, ...)                                                                     \
    (&(type){ .input = PD_VAL(PD_FIRST(__VA_ARGS__)), PD_REST(__VA_ARGS__) })

#define pd_call_activity(o, activity, ...)                                                        \
    pd_call_activity_((o), PD_ACTIVITY_REF(activity), PD_OPTIONS(pd_activity_call, __VA_ARGS__))
#define pd_start_activity(o, activity, ...)                                                       \
    pd_start_activity_((o), PD_ACTIVITY_REF(activity), PD_OPTIONS(pd_activity_call, __VA_ARGS__))
#define pd_call_child(o, orchestrator, ...)                                                       \
    pd_call_child_((o), PD_ORCHESTRATOR_REF(orchestrator), PD_OPTIONS(pd_child_call, __VA_ARGS__))
#define pd_start_child(o, orchestrator, ...)                                                      \
    pd_start_child_((o), PD_ORCHESTRATOR_REF(orchestrator), PD_OPTIONS(pd_child_call, __VA_ARGS__))
#define pd_send_event(o, id, name, x) pd_send_event_((o), (id), (name), PD_VAL(x))
#define pd_set_status(o, x) pd_set_status_((o), PD_VAL(x))
#define pd_continue_as_new(o, ...)                                                                \
    pd_continue_as_new_((o), PD_OPTIONS(pd_continue_call, __VA_ARGS__))
#define pd_activity_heartbeat(a, x) pd_activity_heartbeat_((a), PD_VAL(x))

#define PD_ENTITY(name_, key_) ((pd_entity_id){ (name_), (key_) })
#define pd_call_entity(o, entity, op, x) pd_call_entity_((o), (entity), (op), PD_VAL(x))
#define pd_start_entity(o, entity, op, x) pd_start_entity_((o), (entity), (op), PD_VAL(x))
#define pd_signal_entity(c, entity, op, ...) _Generic((c), pd_orchestration *: pd_signal_entity_, \
    pd_entity *: pd_signal_from_entity_)                                                          \
    ((c), (entity), (op), PD_OPTIONS(pd_signal_call, __VA_ARGS__))
#define pd_cancel_signal(c, entity, id) _Generic((c), pd_orchestration *: pd_cancel_signal_,      \
    pd_entity *: pd_cancel_signal_from_entity_)((c), (entity), (id))
#define pd_set_state(e, x) pd_set_state_((e), PD_VAL(x))
#define pd_start_from_entity(e, orchestrator, ...)                                                \
    pd_start_from_entity_((e), PD_ORCHESTRATOR_REF(orchestrator),                                 \
                          PD_OPTIONS(pd_start_call, __VA_ARGS__))

/* PD_LOCKED(o, entity, ...) { ... }: the block runs while all the entities are locked. Leaving it,
 * by its end, return, break or continue (which mean this block, not a loop around it), unlocks
 * them; so does whatever ends the orchestration. */
static inline bool pd_lock_once_(pd_lock *lock)
{
    bool is_first = !lock->entered_;
    lock->entered_ = true;
    return is_first;
}
#define PD_LOCKED(o, ...)                                                                         \
    for (PD_CLEANUP(pd_unlock_) pd_lock PD_JOIN(pd_lock_at_, __LINE__) = pd_lock_((o),            \
             (const pd_entity_id[]){ __VA_ARGS__ },                                               \
             sizeof((const pd_entity_id[]){ __VA_ARGS__ }) / sizeof(pd_entity_id));               \
         pd_lock_once_(&PD_JOIN(pd_lock_at_, __LINE__));)
#define PD_TASKS(...) (pd_task *const[]){ __VA_ARGS__ }, PD_N(__VA_ARGS__)

/* One loop, so that break and continue mean what they say, and the array is evaluated once; the
 * index is kept in a pd_value because a for declares variables of one type only. */
#define PD_EACH(item, array)                                                                      \
    for (pd_value item = PD_NULL, item##_all = (array), item##_at = pd_of_int(0);                 \
         item##_at.as_.integer < (int64_t)pd_count(item##_all) &&                                 \
         (item = pd_at(item##_all, (size_t)item##_at.as_.integer), true); item##_at.as_.integer++)

#define pd_hub_start(hub, orchestrator, x, options, id, err)                                      \
    pd_hub_start_((hub), PD_ORCHESTRATOR_REF(orchestrator), PD_VAL(x), (options), (id), (err))
#define pd_hub_start_many(hub, orchestrator, n, inputs, ids, err)                                 \
    pd_hub_start_many_((hub), PD_ORCHESTRATOR_REF(orchestrator), (n), (inputs), (ids), (err))
#define pd_hub_raise_event(hub, id, name, x, err)                                                 \
    pd_hub_raise_event_((hub), (id), (name), PD_VAL(x), (err))
#define pd_hub_signal_entity(hub, entity, op, x, options, id, err)                                \
    pd_hub_signal_entity_((hub), (entity), (op), PD_VAL(x), (options), (id), (err))
#define pd_hub_call_entity(hub, entity, op, x, timeout, err)                                      \
    pd_hub_call_entity_((hub), (entity), (op), PD_VAL(x), (timeout), (err))

#endif /* __cplusplus */

#endif /* PERDURE_H */
