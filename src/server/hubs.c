/* SPDX-License-Identifier: MIT
 *
 * The hubs of a server: a store, an engine and a broker each (hub_parts.c), opened when they are
 * first named, closed when they are deleted or the server ends (hub_life.c).
 *
 *   U3  A hub whose name is not known and may not be made leaves nothing behind: neither a file nor
 *       memory. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "server/hubs_priv.h"

static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] < 0x20 || name.at[i] > 0x7e) {
            return false;
        }
    }
    return name.size != 0 && name.size <= HUB_NAME_MAX;
}

static struct hub *hub_new(struct server *server, struct text name)
{
    struct hub *hub = mem_alloc(sizeof *hub);
    hub->server = server;
    memcpy(hub->name, name.at, name.size);
    list_init(&hub->streams);
    list_init(&hub->ours);
    list_init(&hub->sending);
    list_init(&hub->parked);
    list_init(&hub->to_close);
    waits_init(hub);
    hub->broker_timer = loop_timer_new(server->loop, hub_broker_timer, hub);
    list_push_back(&server->hubs, &hub->node);
    server->hub_count++;
    return hub;
}

void hub_free(struct hub *hub)
{
    assert_that(hub->state == HUB_CLOSED && hub->users == 0);
    list_remove(&hub->node);
    hub->server->hub_count--;
    loop_timer_free(hub->broker_timer);
    waits_done(hub);
    mem_free(hub);
}

bool hubs_in_trouble(struct server *server)
{
    bool is = false;
    LIST_EACH(node, &server->hubs)
    {
        struct hub *hub = CONTAINER_OF(node, struct hub, node);
        struct engine_state state = { 0 };
        if (hub_is_open(hub)) {
            engine_state(hub->engine, &state);
        }
        if (state.is_in_trouble && !hub->was_in_trouble) {
            log_error("the store cannot be used: that is tried again", &state.why, "hub",
                      hub->name);
        } else if (!state.is_in_trouble && hub->was_in_trouble && hub_is_open(hub)) {
            log_say(LOG_INFO, "the store can be used again", "hub", hub->name);
        }
        hub->was_in_trouble = state.is_in_trouble;
        is |= state.is_in_trouble;
    }
    return is;
}

/* It is in the configuration. */
static bool is_configured(const struct config *config, struct text name)
{
    bool is = text_equal(text_of(config->hub), name);
    for (size_t i = 0; i < config->hubs.count; i++) {
        is |= text_equal(text_of(config->hubs.items[i]), name);
    }
    return is;
}

/* One that is closed and of which nothing is there makes room for another. */
static void forget_one(struct server *server)
{
    LIST_EACH_SAFE(node, &server->hubs)
    {
        struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (hub->state == HUB_CLOSED && hub->users == 0 && list_is_empty(&hub->parked) &&
            list_is_empty(&hub->to_close)) {
            hub_free(hub);
            return;
        }
    }
}

struct hub *hub_find(struct server *server, struct text name, enum grpc_status *ret_status,
                     char text[256])
{
    const struct config *config = server->config;
    name = name.size != 0 ? name : text_of(config->hub);
    LIST_EACH(node, &server->hubs)
    {
        struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (text_equal(text_of(hub->name), name)) {
            return hub;
        }
    }
    if (!is_name(name)) {
        *ret_status = GRPC_INVALID_ARGUMENT;
        snprintf(text, 256, "a task hub's name has 1 to %d printable ASCII characters",
                 HUB_NAME_MAX);
        return NULL;
    }
    if (server->hub_count >= HUBS_MAX) {
        forget_one(server);
    }
    if (server->hub_count >= HUBS_MAX) {
        *ret_status = GRPC_RESOURCE_EXHAUSTED;
        snprintf(text, 256, "there are %d task hubs open, which is the limit", HUBS_MAX);
        return NULL;
    }
    return hub_new(server, name);
}

/* May be opened: because it is there, or may be made. */
static bool may_open(const struct hub *hub, unsigned flags)
{
    const struct config *config = hub->server->config;
    bool may_make = config->dynamic_hubs && (flags & METHOD_KNOWN_HUB) == 0;
    return may_make || (flags & METHOD_MAKES_HUB) != 0 ||
           is_configured(config, text_of(hub->name)) || hub_has_file(hub);
}

void hub_enter(struct hub *hub, struct rpc *rpc)
{
    rpc->hub = hub;
    if (hub->state == HUB_OPEN) {
        rpc->is_user = true;
        hub->users++;
        rpc->method->run(rpc);
        return;
    }
    if (hub->is_kept_closed) {
        rpc_fail(rpc, GRPC_UNAVAILABLE, "the server is ending");
        return;
    }
    if (hub->state == HUB_CLOSED && !may_open(hub, rpc->method->flags)) {
        rpc_fail(rpc, GRPC_NOT_FOUND, "there is no task hub '%s'", hub->name);
        if (hub->users == 0 && list_is_empty(&hub->parked)) {
            hub_free(hub); /* U3 */
        }
        return;
    }
    list_push_back(&hub->parked, &rpc->node);
    if (hub->state == HUB_CLOSED) {
        hub_begin_opening(hub);
    }
}

void hub_leave(struct hub *hub)
{
    assert_that(hub->users > 0);
    hub->users--;
    if (server_is_draining(hub->server)) {
        server_look_on(hub->server);
    }
    hub_step(hub);
}
