/* SPDX-License-Identifier: MIT
 *
 * The management API over HTTP: what its files share. How it is used: docs/guide/17-http-api.md.
 *
 * A request is an rpc like any other (server_priv.h, Z1), with another way to be answered:
 * rpc->web. It enters its hub, asks the engine, has readers read; the loop waits for nothing.
 *
 *   M1  Routes are rows of tables (web_tables), each in the file that has them. What is in no table
 *       is not there: 404, whatever the method.
 *   M2  Who calls is judged before anything else of a request is looked at. A hub is never made.
 *   M3  Payloads are JSON text, and spliced as they are stored. What is stored and is no JSON is
 *       shown as a JSON string: so every answer is JSON.
 *   M4  A link leads to where this request came to: the proxy that is configured, or trusted; else
 *       the Host that it named, if that is one. */
#ifndef SERVER_WEB_H
#define SERVER_WEB_H

#include "base/percent.h"
#include "server/server_priv.h"

#define WEB_BASE "/runtime/webhooks/durabletask"

enum { WEB_CAPTURES = 2, WEB_PARAMETERS = 64, WEB_SEGMENTS = 8 };

enum web_verb { WEB_GET, WEB_POST, WEB_DELETE, WEB_OTHER };

struct web_route {
    enum web_verb verb;
    /* path: of segments, "{}" is one that is captured; scopes, flags, run as of any method */
    struct rpc_method method;
};

#define WEB_ROUTE(of_verb, pattern, of_scopes, function) \
    {                                                    \
        .verb = WEB_##of_verb, .method = {               \
            .path = pattern,                             \
            .scopes = of_scopes,                         \
            .flags = METHOD_KNOWN_HUB,                   \
            .run = function                              \
        }                                                \
    }

/* Routes of one theme. */
struct web_routes {
    const struct web_route *routes;
    size_t count;
};
extern const struct web_routes *const web_tables[]; /* web.c; NULL ends */
extern const struct web_routes web_start_routes, web_state_routes, web_tell_routes, web_list_routes,
    web_purge_routes, web_entity_routes, web_schedule_routes;

struct web_parameter {
    struct text name, value;
};

struct web {
    struct http_request *http; /* NULL: answered */
    struct text path;          /* as it came, without a prefix of --public-url */
    struct text captured[WEB_CAPTURES];
    struct text undecoded[WEB_CAPTURES]; /* the same, as they came */
    struct web_parameter *parameters;
    size_t parameter_count;
    struct text origin; /* https://host/prefix, where clients find us: M4 */
    struct text suffix; /* of links: taskHub=...&connection=...&code=... */
};

/* ---- requests ------------------------------------------------------------------------------- */

/* web_path.c. Is this path of the API? A prefix of the public URL (NULL: none) may be before it. */
bool web_is_ours(const char *public_url, struct text raw_path);
/* Sets web->path and undecoded; NULL: there is none. */
const struct web_route *web_find_route(struct web *web, const char *public_url, struct text method,
                                       struct text raw_path);
void web_handle(struct server *server, struct http_request *request);

/* False: it is not encoded as it should be, or has too many. */
bool web_read_parameters(struct rpc *rpc, struct text query);
/* A query parameter by its name in any case; those of one name with commas between; absent. */
struct text web_parameter(struct rpc *rpc, const char *name);
bool web_flag(struct rpc *rpc, const char *name, bool otherwise);
/* Where another word must not mean the default, which is false. False: it is one; answered. */
bool web_exact_flag(struct rpc *rpc, const char *name, bool *ret);
/* False: it is there, and is no number of seconds; answered. WIRE_NO_TIME: absent. */
bool web_seconds(struct rpc *rpc, const char *name, int64_t *ret_us);
/* ISO 8601; TIME_NEVER: it is absent, or none. */
time_us web_time(struct rpc *rpc, const char *name);
/* Where a time that cannot be read must not mean none. False: so it is; answered. */
bool web_exact_time(struct rpc *rpc, const char *name, time_us *ret);
time_us web_read_time(struct text text);

/* web_caller.c: who asks. code: the parameter of that name; absent. hub absent: any. */
struct web_caller {
    struct text key;      /* that links have to carry, so that they work as this request does */
    bool is_known_by_key; /* or as anybody, or by a certificate */
};
enum token_answer web_judge(const struct server *server, const struct http_request *request,
                            struct text code, struct text hub, unsigned scopes,
                            struct web_caller *ret);

/* web_origin.c: M4. False: the Host is none; why. */
bool web_find_origin(struct rpc *rpc, struct text *ret, char why[256]);
/* Might a browser have been talked into this by a page that is none of ours? False: yes; why. */
bool web_may_ask(const struct server *server, const struct http_request *request,
                 const struct web_caller *caller, char why[256]);

/* The instance of the path, as the store has it. False: there is none, or the store failed;
 * answered. */
bool web_load(struct rpc *rpc, struct instance_record *ret);
/* Likewise, but that there is none is for the caller to say. */
bool web_find(struct rpc *rpc, struct instance_record *ret, bool *ret_found);

/* A list of names or numbers of states, as section 6.1 has it: what is unknown is left out. */
struct web_states {
    unsigned states;
    bool is_given; /* something of it was known, be it one that no instance ever has */
    bool has_unknown;
};
struct web_states web_states(struct text list);
/* Where what is unknown must not be left out. False: the parameter has such; answered. */
bool web_exact_states(struct rpc *rpc, const char *name, struct web_states *ret);

/* Of "@name@key". */
void web_split_entity(struct text id, struct text *ret_name, struct text *ret_key);
/* As it is kept, in the arena; PD_E_INVALID with the sentence. */
pd_status web_fold_entity(struct text id, struct arena *arena, struct text *ret, pd_error *err);

/* The Content-Type is application/json. */
bool web_says_json(const struct rpc *rpc);
/* Of an orchestrator, event, version: UTF-8 of 1 to LIMIT_NAME bytes without control characters.
 * False: answered. */
bool web_check_name(struct rpc *rpc, struct text name, const char *what);
/* Some worker has it, or may have it. False: answered. An entity's: as it is kept. */
bool web_may_run(struct rpc *rpc, struct text name, bool is_entity);

/* ---- answers: each ends the rpc ------------------------------------------------------------- */

/* Before the answer. */
void web_header(struct rpc *rpc, const char *name, struct text value);
void web_answer_empty(struct rpc *rpc, int code);
/* The body is freed. */
void web_answer(struct rpc *rpc, int code, struct buffer *body);
/* {"Message":...} */
void web_answer_message(struct rpc *rpc, int code, const char *message);
/* With ExceptionMessage, and the name of the status as ExceptionType. */
__attribute__((format(printf, 4, 5))) void web_refuse(struct rpc *rpc, int code, pd_status status,
                                                      const char *format, ...);
/* With another Message than the one that the code has. */
void web_refuse_words(struct rpc *rpc, int code, const char *message, pd_status status,
                      const char *text);
void web_refuse_json(struct rpc *rpc); /* "Invalid JSON content" */
/* By rpc->status and rpc->err. */
void web_fail_as_told(struct rpc *rpc);
/* What rpc_fail does with a request of the web. */
void web_fail(struct rpc *rpc, enum grpc_status status, const char *text);
/* 409, or the reference's 500, as the operator chose. */
int web_conflict(const struct rpc *rpc, int code);
/* 202 and the links of an instance: section 8. */
void web_answer_links(struct rpc *rpc, struct text id);

/* ---- JSON: appended to a buffer ------------------------------------------------------------- */

/* A strict RFC 8259 document? */
bool web_is_json(struct text text);
void web_put_string(struct buffer *json, struct text text); /* what is no UTF-8 becomes U+FFFD */
/* A string, or null when it is absent. */
void web_put_text(struct buffer *json, struct text text);
/* M3; absent is null. */
void web_put_payload(struct buffer *json, struct text payload);
/* A comma, unless it is the first, and the name. */
void web_put_name(struct buffer *json, const char *name);
/* A string: to the second, or with as many digits as it has. */
void web_put_time(struct buffer *json, time_us at, bool with_fraction);

/* The object of section 5.2, which is left open for more. */
void web_put_state(struct buffer *json, const struct instance_record *record, bool with_input);

/* The same, whole, with historyEvents, once it has begun; a reader's work. */
struct web_view {
    bool with_input, with_results;
    size_t bytes_max; /* as it is stored; PD_E_LIMIT past that */
};
pd_status web_put_history(struct hub *hub, struct text id, const struct web_view *view,
                          struct buffer *json, enum run_state *ret_state, bool *ret_found,
                          pd_error *err);

#endif
