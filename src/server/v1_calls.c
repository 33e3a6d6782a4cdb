/* SPDX-License-Identifier: MIT
 *
 * Open and Accept: a client comes, and says things to instances and entities.
 *
 * All messages of one Accept are asked of the engine one behind the other, without waiting; the
 * last answer makes the reply. So many calls, and many messages of one call, share a commit.
 */
#include <string.h>

#include "server/v1_priv.h"
#include "wire/wire.h"

static const char where[] = "accept";

enum { SAYINGS_MAX = 100000 };

/* ---- Open ------------------------------------------------------------------------------------ */

static void open_hub(struct rpc *rpc)
{
    const struct hub_open_request *request = rpc->message;
    struct hub_open_response response;
    if (request->protocol != HUB_PROTOCOL) {
        rpc_fail(rpc, GRPC_FAILED_PRECONDITION,
                 "this server speaks version %d of its protocol, the client version %lld; "
                 "update the older one",
                 HUB_PROTOCOL, (long long)request->protocol);
        return;
    }
    message_init(&hub_open_response_type, &response);
    response.protocol = HUB_PROTOCOL;
    response.partition_count = rpc->hub->store->partition_count;
    response.version = TEXT(PERDURE_VERSION);
    response.hub = text_of(rpc->hub->name);
    response.message_max = (int64_t)rpc->server->limits.message_max;
    rpc_reply(rpc, &hub_open_response_type, &response);
}

/* ---- what may be said ------------------------------------------------------------------------ */

/* P1 */
static bool event_of(int64_t kind, enum event_kind *ret)
{
    static const struct {
        enum message_kind kind;
        enum event_kind event;
    } said[] = {
        { MESSAGE_START, EVENT_EXECUTION_STARTED },
        { MESSAGE_RAISE, EVENT_EVENT_RAISED },
        { MESSAGE_TERMINATE, EVENT_EXECUTION_TERMINATED },
        { MESSAGE_SUSPEND, EVENT_EXECUTION_SUSPENDED },
        { MESSAGE_RESUME, EVENT_EXECUTION_RESUMED },
        { MESSAGE_REWIND, EVENT_EXECUTION_REWOUND },
        { MESSAGE_PURGE, EVENT_UNKNOWN },
        { MESSAGE_ADOPT, EVENT_UNKNOWN },
        { MESSAGE_OPERATION, EVENT_ENTITY_SIGNALED },
        { MESSAGE_UNLOCK, EVENT_UNLOCK_SENT },
        { MESSAGE_CANCEL_SIGNAL, EVENT_SIGNAL_CANCELLED },
    };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        if (kind == (int64_t)said[i].kind) {
            *ret = said[i].event;
            return true;
        }
    }
    return false;
}

static pd_status check_id(const struct hub_saying *saying, pd_error *err)
{
    if (entity_id_is(saying->instance_id)) {
        char *copy = mem_alloc_raw(saying->instance_id.size);
        memcpy(copy, saying->instance_id.at, saying->instance_id.size);
        entity_id_fold(copy, saying->instance_id.size);
        bool is_folded = memcmp(copy, saying->instance_id.at, saying->instance_id.size) == 0;
        mem_free(copy);
        return is_folded ? entity_id_check(saying->instance_id, err)
                         : error_set(err, PD_E_INVALID, false, where,
                                     "the name of an entity is in lower case here");
    }
    return instance_id_check(saying->instance_id, err);
}

static pd_status read_event(const struct hub_saying *saying, enum event_kind kind,
                            struct arena *arena, const struct event **ret, pd_error *err)
{
    struct wire_events events = { NULL, 0, 0 };
    *ret = NULL;
    if (kind == EVENT_UNKNOWN) {
        return PD_OK;
    }
    pd_status status = wire_read_events(saying->bytes, arena, &events, err);
    if (status != PD_OK || events.count != 1 || events.at[0].kind != kind) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the event of the message is not one of its kind");
    }
    if (events.at[0].payload.size > LIMIT_PAYLOAD_MOST || events.at[0].name.size > LIMIT_NAME ||
        events.at[0].version.size > LIMIT_NAME) {
        return error_set(err, PD_E_LIMIT, false, where, "a name or a payload is too long");
    }
    *ret = &events.at[0];
    return PD_OK;
}

/* ---- Accept ---------------------------------------------------------------------------------- */

struct accepting;

struct said {
    struct accepting *all;
    struct request *request; /* NULL: it was refused here */
    pd_status status;
    pd_error *err; /* of a refusal */
};

struct accepting {
    struct loop_job job;
    struct rpc *rpc;
    size_t count;
    atomic_size_t open; /* not answered yet */
    struct said items[];
};

static void refuse(struct said *said, const pd_error *err)
{
    said->status = err->status;
    said->err = mem_alloc(sizeof *said->err);
    *said->err = *err;
}

/* On the loop's thread, when all are answered. */
static void reply(struct loop_job *job)
{
    struct accepting *all = CONTAINER_OF(job, struct accepting, job);
    struct rpc *rpc = all->rpc;
    struct hub_refusal *refusals = arena_alloc(&rpc->arena, all->count * sizeof *refusals);
    struct hub_accept_response response = { .refusals = { refusals, 0 } };
    for (size_t i = 0; i < all->count; i++) {
        struct said *said = &all->items[i];
        request_free(said->request);
        if (said->status == PD_OK) {
            continue;
        }
        refusals[response.refusals.count++] = (struct hub_refusal){
            .at = (int64_t)i,
            .status = said->status != PD_E_CANCELLED ? said->status : PD_E_UNAVAILABLE,
            .is_retryable = said->err->retryable,
            .text = text_of(arena_printf(&rpc->arena, "%s", said->err->text)),
        };
        mem_free(said->err);
    }
    mem_free(all);
    rpc_reply(rpc, &hub_accept_response_type, &response);
}

static void let_go(struct accepting *all, size_t count)
{
    if (atomic_fetch_sub(&all->open, count) == count) {
        all->job.run = reply;
        loop_post(all->rpc->server->loop, &all->job);
    }
}

/* On a thread of the engine. */
static void answered(struct request *request, pd_status status, const pd_error *err)
{
    struct said *said = request->argument;
    said->status = status;
    if (status != PD_OK) {
        refuse(said, err);
    }
    let_go(said->all, 1);
}

static void ask_start(struct hub *hub, struct said *said, const struct hub_saying *saying,
                      const struct event *event)
{
    struct event_extra *extra = NULL;
    if (event->extra != NULL) { /* what a client may give a start: not a parent */
        extra = arena_alloc(&said->request->arena, sizeof *extra);
        extra->tags = event->extra->tags;
        extra->trace = event->extra->trace;
    }
    pd_error err;
    if (!may_be_started(event->name, saying->instance_id, &err)) {
        answered(said->request, err.status, &err);
        return;
    }
    const struct start_command command = {
        .id = saying->instance_id,
        .name = event->name,
        .version = event->version,
        .input = event->payload,
        .execution_id = event->execution_id,
        .extra = extra,
        .starts_at = event->fire_at,
        .replaces = (unsigned)saying->flags & STATES_ALL,
    };
    engine_ask_start(hub->engine, said->request, &command);
}

static void ask_tell(struct hub *hub, struct said *said, const struct hub_saying *saying,
                     const struct event *event)
{
    const struct letter letter = {
        .kind = (enum message_kind)saying->kind,
        .flags = (unsigned)saying->flags,
        .instance_id = saying->instance_id,
        .execution_id = saying->execution_id,
        .event = event,
        .bytes = saying->kind == MESSAGE_ADOPT ? saying->bytes : TEXT_ABSENT,
    };
    engine_ask_tell(hub->engine, said->request, &letter);
}

/* False: it was refused, and nobody will answer. */
static bool ask(struct accepting *all, struct said *said, const struct hub_saying *saying)
{
    struct hub *hub = all->rpc->hub;
    const struct event *event;
    enum event_kind kind = EVENT_UNKNOWN;
    pd_error err;
    pd_status status;
    said->all = all;
    if (!event_of(saying->kind, &kind)) {
        status = error_set(&err, PD_E_INVALID, false, where,
                           "clients send no messages of kind %lld", (long long)saying->kind);
    } else {
        status = check_id(saying, &err);
    }
    if (status == PD_OK) {
        said->request = request_new(answered, said);
        status = read_event(saying, kind, &said->request->arena, &event, &err);
    }
    if (status == PD_OK && saying->kind == MESSAGE_START &&
        (event->name.size == 0 || entity_id_is(saying->instance_id))) {
        status = error_set(&err, PD_E_INVALID, false, where,
                           "an orchestration has a name, and an id that is not an entity's");
    }
    if (status != PD_OK) {
        refuse(said, &err);
    } else if (saying->kind == MESSAGE_START) {
        ask_start(hub, said, saying, event);
    } else {
        ask_tell(hub, said, saying, event);
    }
    return status == PD_OK;
}

static void accept_all(struct rpc *rpc)
{
    const struct hub_accept_request *request = rpc->message;
    size_t count = request->sayings.count;
    if (count > SAYINGS_MAX) { /* each is a request of its own, and a refusal perhaps */
        rpc_fail(rpc, GRPC_RESOURCE_EXHAUSTED, "one call says %d things at most", SAYINGS_MAX);
        return;
    }
    struct accepting *all = mem_alloc(sizeof *all + count * sizeof all->items[0]);
    all->rpc = rpc;
    all->count = count;
    atomic_store(&all->open, count + 1);
    size_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        refused += !ask(all, &all->items[i], &request->sayings.items[i]);
    }
    let_go(all, refused + 1);
}

/* ---- CleanEntities --------------------------------------------------------------------------- */

static void clean_work(struct rpc *rpc)
{
    pd_cleaned *cleaned = arena_alloc(&rpc->arena, sizeof *cleaned);
    rpc->state = cleaned;
    rpc->status = pd_hub_clean_entities(rpc->hub->api, cleaned, &rpc->err);
}

static void clean_done(struct rpc *rpc)
{
    const pd_cleaned *cleaned = rpc->state;
    struct hub_clean_response response;
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    message_init(&hub_clean_response_type, &response);
    response.removed = (int64_t)cleaned->removed;
    response.unlocked = (int64_t)cleaned->unlocked;
    rpc_reply(rpc, &hub_clean_response_type, &response);
}

static void clean(struct rpc *rpc)
{
    rpc_read(rpc, clean_work, clean_done);
}

static const struct rpc_method methods[] = {
    { .path = V1_PATH("Open"),
      .scopes = SCOPE_ANY,
      .flags = METHOD_BRIEF,
      .type = &hub_open_request_type,
      .run = open_hub },
    { .path = V1_PATH("Accept"),
      .scopes = SCOPE_OPERATE,
      .type = &hub_accept_request_type,
      .run = accept_all },
    { .path = V1_PATH("CleanEntities"), .scopes = SCOPE_OPERATE, .run = clean },
};
const struct rpc_service v1_calls_service = { methods, sizeof methods / sizeof methods[0] };
