/* SPDX-License-Identifier: MIT
 *
 * Starting an instance, and starting one again; with `timeout`, waiting for its end. Sections 4,
 * 7.1 and 8.3.
 *
 *   W1  A wait is one of waits.c, with a clock: it polls nothing. When time is up the instance is
 *       looked at once more, as the reference does.
 *   W2  What has been started is started: whatever becomes of the wait (the hub closes), the answer
 *       has the links. */
#include <string.h>
#include <strings.h>

#include "base/tags.h"
#include "server/web.h"

#define WAIT_MAX_US (60 * 60 * TIME_SECOND)

struct starting {
    struct start_command command;
    struct event_extra extra;
    char minted[33];
    int64_t timeout_us; /* WIRE_NO_TIME: nobody waits */
    /* The wait: */
    struct wait wait;
    struct rpc *rpc;
    struct loop_timer *timer;
};

/* ---- waiting -------------------------------------------------------------------------------- */

/* It has ended: what it says. */
static void answer_end(struct rpc *rpc, const struct instance_record *record)
{
    struct buffer json;
    int code =
        record->state == RUN_FAILED && web_flag(rpc, "returnInternalServerErrorOnFailure", false)
            ? 500
            : 200;
    buffer_init(&json);
    if (record->state == RUN_COMPLETED) {
        web_put_payload(&json, record->output);
    } else {
        web_put_state(&json, record, true);
        buffer_add_byte(&json, '}');
    }
    web_answer(rpc, code, &json);
}

static void end_wait(struct starting *starting, const struct instance_record *record)
{
    struct rpc *rpc = starting->rpc;
    loop_timer_free(starting->timer);
    starting->timer = NULL;
    if (record != NULL && run_state_is_final(record->state)) {
        answer_end(rpc, record);
    } else {
        web_answer_links(rpc, starting->command.id); /* W2 */
    }
}

static void told(struct wait *wait, const struct instance_record *record, enum grpc_status status,
                 const char *text)
{
    (void)status;
    (void)text;
    end_wait(CONTAINER_OF(wait, struct starting, wait), record);
}

static void time_is_up(void *argument)
{
    struct starting *starting = argument;
    struct rpc *rpc = starting->rpc;
    struct instance_record record;
    bool is_found = false;
    struct hub *hub = starting->wait.hub;
    waits_remove(&starting->wait);
    bool is_known = hub_is_open(hub) && hub_load(hub, starting->command.id, &rpc->arena, &record,
                                                 &is_found, &rpc->err) == PD_OK;
    end_wait(starting, is_known && is_found ? &record : NULL);
}

/* Nobody waits for the answer any more. */
static void client_is_gone(void *argument)
{
    struct starting *starting = argument;
    waits_remove(&starting->wait);
    end_wait(starting, NULL);
}

/* The rpc lives on, without its hub: a hub that closes does not wait for it. */
static void wait_for_end(struct rpc *rpc, struct starting *starting)
{
    struct hub *hub = rpc->hub;
    starting->rpc = rpc;
    starting->wait.told = told;
    http_forget_body(rpc->web->http);
    http_on_gone(rpc->web->http, client_is_gone, starting);
    starting->timer = loop_timer_new(rpc->server->loop, time_is_up, starting);
    loop_timer_set(starting->timer, starting->timeout_us);
    waits_add(&starting->wait, hub, starting->command.id);
    rpc->is_user = false;
    rpc->hub = NULL;
    waits_look(&starting->wait, &rpc->arena);
    hub_leave(hub);
}

/* False: not acceptable; answered. */
static bool read_wait(struct rpc *rpc, struct starting *starting)
{
    int64_t interval;
    if (!web_seconds(rpc, "timeout", &starting->timeout_us) ||
        !web_seconds(rpc, "pollingInterval", &interval)) {
        return false;
    }
    int64_t timeout = starting->timeout_us;
    if (timeout != WIRE_NO_TIME && interval != WIRE_NO_TIME && interval > timeout) {
        web_refuse(rpc, 400, PD_E_INVALID,
                   "Total timeout %.6g should be bigger than retry timeout %.6g",
                   (double)timeout / 1e6, (double)interval / 1e6);
        return false;
    }
    if (timeout > WAIT_MAX_US) {
        starting->timeout_us = WAIT_MAX_US;
    }
    return true;
}

/* ---- starting ------------------------------------------------------------------------------- */

static bool check_id(struct rpc *rpc, struct text id)
{
    pd_error err;
    if (instance_id_check(id, &err) != PD_OK) {
        web_refuse(rpc, 400, PD_E_INVALID, "%s", err.text);
        return false;
    }
    for (size_t i = 0; i < id.size; i++) {
        if (strchr("/\\#?", id.at[i]) != NULL) {
            web_refuse(rpc, 400, PD_E_INVALID, "an instance id has no '%c'", id.at[i]);
            return false;
        }
    }
    return true;
}

/* dedupeStatuses: of those states an instance of the id stays, and the start fails. False: not
 * acceptable, as one misspelt would have its instances replaced; answered. */
static bool read_replaces(struct rpc *rpc, unsigned *ret)
{
    struct web_states stay;
    if (!web_exact_states(rpc, "dedupeStatuses", &stay)) {
        return false;
    }
    bool is_given = web_parameter(rpc, "dedupeStatuses").size != 0;
    *ret = is_given ? STATES_ALL & ~stay.states : STATES_ENDED;
    return true;
}

static void started(struct rpc *rpc)
{
    struct starting *starting = rpc->state;
    struct text id = starting->command.id;
    if (rpc->status == PD_E_EXISTS) {
        web_refuse(rpc, web_conflict(rpc, 409), PD_E_EXISTS,
                   "An Orchestration instance with the ID %.*s already exists.", TEXT_ARGS(id));
    } else if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else {
        waits_wake(rpc->hub, id); /* of one that was replaced */
        if (starting->timeout_us != WIRE_NO_TIME) {
            wait_for_end(rpc, starting);
        } else {
            web_answer_links(rpc, id);
        }
    }
}

static void mint(struct starting *starting)
{
    engine_new_id(starting->minted);
    starting->command.id = text_make(starting->minted, 32);
    starting->command.is_fresh = true;
}

/* tag.NAME=VALUE. False: not acceptable; answered. */
static bool read_tags(struct rpc *rpc, struct starting *starting)
{
    const struct web *web = rpc->web;
    struct tag tags[WEB_PARAMETERS];
    size_t count = 0;
    bool is_right = true;
    for (size_t i = 0; i < web->parameter_count; i++) {
        struct text name = web->parameters[i].name;
        if (name.size >= 4 && strncasecmp(name.at, "tag.", 4) == 0) {
            tags[count] =
                (struct tag){ text_make(name.at + 4, name.size - 4), web->parameters[i].value };
            is_right &= tag_is_valid(&tags[count]) && tags[count].key.size <= LIMIT_TAG_BYTES &&
                        tags[count].value.size <= LIMIT_TAG_BYTES;
            count++;
        }
    }
    if (!is_right) {
        web_refuse(rpc, 400, PD_E_INVALID,
                   "a tag has a name, is UTF-8 without control characters, its name and value have "
                   "at most %d bytes",
                   LIMIT_TAG_BYTES);
    } else if (count != 0) {
        starting->extra.tags = tags_pack(&rpc->arena, tags, count);
        starting->command.extra = &starting->extra;
    }
    return is_right;
}

static bool has_body(const struct rpc *rpc)
{
    return http_body(rpc->web->http).size != 0 ||
           text_is_present(http_header(rpc->web->http, "Transfer-Encoding"));
}

static void start(struct rpc *rpc)
{
    struct web *web = rpc->web;
    struct starting *starting = arena_alloc(&rpc->arena, sizeof *starting);
    struct start_command *command = &starting->command;
    struct text body = http_body(web->http);
    time_us at = TIME_NEVER;
    unsigned replaces = 0;
    rpc->state = starting;
    if (!web_exact_time(rpc, "startAt", &at) || !read_replaces(rpc, &replaces)) {
        return;
    }
    *command = (struct start_command){
        .id = web->captured[1],
        .name = web->captured[0],
        .version = web_parameter(rpc, "version"),
        .input = has_body(rpc) ? body : TEXT_ABSENT,
        .starts_at = at != TIME_NEVER && at > loop_now(rpc->server->loop) ? at : 0,
        .replaces = replaces,
    };
    if (!text_is_present(command->id)) {
        mint(starting);
    } else if (memchr(command->id.at, '/', command->id.size) != NULL) {
        web_answer_empty(rpc, 404); /* an encoded one matches no route */
        return;
    } else if (!check_id(rpc, command->id)) {
        return;
    }
    if (!web_check_name(rpc, command->name, "the name of an orchestrator") ||
        !web_may_run(rpc, command->name, false) ||
        (command->version.size != 0 && !web_check_name(rpc, command->version, "a version")) ||
        !read_tags(rpc, starting) || !read_wait(rpc, starting)) {
        return;
    }
    if (text_is_present(command->input) && !web_is_json(command->input)) {
        web_refuse_json(rpc);
        return;
    }
    rpc_ask_start(rpc, command, started);
}

/* ---- starting again ------------------------------------------------------------------------- */

static void restart(struct rpc *rpc)
{
    static const char unknown[] = "InstanceId does not match a valid orchestration instance.";
    struct starting *starting = arena_alloc(&rpc->arena, sizeof *starting);
    bool is_new = web_flag(rpc, "restartWithNewInstanceId", true);
    struct instance_record record;
    bool is_found = false;
    rpc->state = starting;
    if (!web_find(rpc, &record, &is_found)) {
        return;
    }
    if (!is_found) {
        web_refuse_words(rpc, 400, unknown, PD_E_NOT_FOUND, unknown);
        return;
    }
    if (!read_wait(rpc, starting)) {
        return;
    }
    starting->extra.tags = record.tags;
    starting->command = (struct start_command){
        .id = rpc->web->captured[0],
        .name = record.name,
        .version = record.version,
        .input = record.input,
        .extra = text_is_present(record.tags) ? &starting->extra : NULL,
        .replaces = STATES_ENDED,
    };
    if (is_new) {
        mint(starting);
    }
    rpc_ask_start(rpc, &starting->command, started);
}

static const struct web_route routes[] = {
    WEB_ROUTE(POST, "/orchestrators/{}", SCOPE_OPERATE, start),
    WEB_ROUTE(POST, "/orchestrators/{}/{}", SCOPE_OPERATE, start),
    WEB_ROUTE(POST, "/instances/{}/restart", SCOPE_OPERATE, restart),
};
const struct web_routes web_start_routes = { routes, sizeof routes / sizeof routes[0] };
