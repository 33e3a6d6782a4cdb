/* SPDX-License-Identifier: MIT
 *
 * The server: made, run, drained and ended; which calls it takes, and from whom.
 *
 *   N1  Who calls is judged before anything of the call is looked at (admit). Refusals say nothing
 *       about what there is.
 *   N2  The end comes in steps, each of which waits for what the one before has left: see
 *       server_look_on, which is asked whenever something of it may have changed. */
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "builtin/builtin.h"
#include "server/server_priv.h"

enum { TICK_US = 10 * 1000 * 1000, LAST_WORDS_US = 1000 * 1000 };

/* ---- calls ---------------------------------------------------------------------------------- */

static size_t index_of(const struct server *server, const struct grpc_method *method)
{
    bool is_ours =
        method >= server->grpc_methods && method < server->grpc_methods + server->method_count;
    return is_ours ? (size_t)(method - server->grpc_methods) : server->method_count;
}

static struct text hub_name(const struct server *server, const struct grpc_call *call)
{
    struct text name = grpc_call_metadata(call, "taskhub");
    return name.size != 0 ? name : text_of(server->config->hub);
}

/* N1 */
static enum grpc_status admit(void *argument, struct grpc_call *call, char text[256])
{
    const struct server *server = argument;
    size_t index = index_of(server, grpc_call_method(call));
    if (server->tokens == NULL || index == server->method_count) {
        return GRPC_OK; /* health and reflection are everybody's */
    }
    struct text hub = hub_name(server, call);
    const struct rpc_method *method = server->methods[index];
    enum token_answer answer =
        tokens_check(server->tokens, grpc_call_metadata(call, "authorization"),
                     grpc_call_subject(call), hub, method->scopes);
    if (answer == TOKEN_GOOD) {
        return GRPC_OK;
    }
    if (answer == TOKEN_DENIED) {
        snprintf(text, 256, "the token does not allow '%s' in task hub '%.*s'",
                 scopes_name(method->scopes), hub.size < 100 ? (int)hub.size : 100, hub.at);
    } else {
        snprintf(text, 256,
                 "a token is needed that the server knows: 'authorization: Bearer TOKEN' in the "
                 "metadata, or ?token=TOKEN in a URL of perdure");
    }
    security_tell_of_refused(grpc_call_peer(call), method, answer, hub);
    return answer == TOKEN_DENIED ? GRPC_PERMISSION_DENIED : GRPC_UNAUTHENTICATED;
}

static bool read_message(struct rpc *rpc, struct grpc_call *call, struct text message)
{
    const struct rpc_method *method = rpc->method;
    pd_error err;
    rpc->bytes = message;
    if (method->type == NULL) {
        return true;
    }
    rpc->message = arena_alloc(&rpc->arena, method->type->size);
    if (message_read(method->type, message, &rpc->arena, rpc->message, &err) != PD_OK) {
        grpc_call_end(call, rpc_status_of(&err), err.text);
        return false;
    }
    return true;
}

static void begin(void *argument, struct grpc_call *call, struct text message)
{
    struct server *server = argument;
    const struct rpc_method *method = server->methods[index_of(server, grpc_call_method(call))];
    enum grpc_status status = GRPC_OK;
    char text[256];
    if (server->phase > SERVER_DRAINS) {
        grpc_call_end(call, GRPC_UNAVAILABLE, "the server is ending");
        return;
    }
    struct hub *hub = hub_find(server, grpc_call_metadata(call, "taskhub"), &status, text);
    if (hub == NULL) {
        grpc_call_end(call, status, text);
        return;
    }
    struct rpc *rpc = mem_alloc(sizeof *rpc);
    rpc->server = server;
    rpc->method = method;
    rpc->call = grpc_call_number(call);
    rpc->hub = hub;
    /* What is parked, or answered later, has to keep its bytes. */
    bool is_brief = (method->flags & METHOD_BRIEF) != 0 && hub_is_open(hub);
    if (!is_brief && message.size != 0) {
        message = text_make(arena_copy(&rpc->arena, message.at, message.size), message.size);
    }
    if (!read_message(rpc, call, message)) {
        rpc_end(rpc);
    } else if ((method->flags & METHOD_NO_HUB) != 0) {
        method->run(rpc);
    } else {
        hub_enter(hub, rpc);
    }
}

static void counted(void *argument, const struct grpc_method *method, enum grpc_status status,
                    int64_t us)
{
    struct server *server = argument;
    struct method_counts *counts = &server->counts[index_of(server, method)];
    counts->ended[status <= GRPC_UNAUTHENTICATED ? status : GRPC_UNKNOWN]++;
    counts->us += us > 0 ? (uint64_t)us : 0;
}

static void complained(void *argument, const char *peer, const char *what)
{
    (void)argument;
    log_say(LOG_WARN, "a client keeps too much here", "peer", peer, "what", what);
}

static void make_methods(struct server *server)
{
    size_t count = 0;
    for (size_t i = 0; server_services[i] != NULL; i++) {
        count += server_services[i]->count;
    }
    server->grpc_methods = mem_alloc(count * sizeof *server->grpc_methods);
    server->methods = mem_alloc(count * sizeof *server->methods);
    server->counts = mem_alloc((count + 1) * sizeof *server->counts);
    for (size_t i = 0; server_services[i] != NULL; i++) {
        for (size_t j = 0; j < server_services[i]->count; j++) {
            const struct rpc_method *method = &server_services[i]->methods[j];
            server->grpc_methods[server->method_count] = (struct grpc_method){
                .path = method->path,
                .shape = method->shape,
                .begin = begin,
                .message = method->message,
                .half_closed = method->half_closed,
            };
            server->methods[server->method_count++] = method;
        }
    }
}

/* ---- the end, N2 ---------------------------------------------------------------------------- */

/* Work that is out or may still come back, and calls that have not been answered. */
static size_t unfinished(const struct server *server)
{
    size_t count = 0;
    LIST_EACH(node, &server->hubs)
    {
        const struct hub *hub = CONTAINER_OF(node, struct hub, node);
        if (hub_is_open(hub)) {
            struct broker_counters counters = broker_counters(hub->broker);
            count += counters.unfinished[0] + counters.unfinished[1] + counters.unfinished[2] +
                     counters.returning + hub->users;
        }
    }
    return count;
}

static void close_hubs(struct server *server)
{
    server->phase = SERVER_CLOSES;
    grpc_server_drain(server->grpc);
    LIST_EACH(node, &server->hubs)
    {
        struct hub *hub = CONTAINER_OF(node, struct hub, node);
        hub->is_kept_closed = true;
        if (hub->state != HUB_CLOSED) {
            waits_end(hub, GRPC_UNAVAILABLE, "the server is ending");
            work_end_streams(hub, GRPC_UNAVAILABLE, "the server is ending");
            hub_close(hub, false, NULL);
        }
    }
}

static bool are_hubs_closed(const struct server *server)
{
    LIST_EACH(node, &server->hubs)
    {
        if (CONTAINER_OF(node, struct hub, node)->state != HUB_CLOSED) {
            return false;
        }
    }
    return true;
}

static void look(struct loop_job *job)
{
    struct server *server = CONTAINER_OF(job, struct server, look_job);
    server->is_look_posted = false;
    LIST_EACH(node, &server->hubs)
    {
        hub_step(CONTAINER_OF(node, struct hub, node));
    }
    if (server->phase == SERVER_DRAINS && (server->is_drain_over || unfinished(server) == 0)) {
        close_hubs(server);
        server->is_drain_over = false;
    }
    if (server->phase == SERVER_CLOSES && are_hubs_closed(server)) {
        server->phase = SERVER_ENDED; /* answers have to get to who reads slowly */
        loop_timer_set(server->drain_timer,
                       grpc_server_calls(server->grpc) == 0 ? 0 : LAST_WORDS_US);
    }
}

void server_look_on(struct server *server)
{
    if (!server->is_look_posted) {
        server->is_look_posted = true;
        server->look_job.run = look;
        loop_post(server->loop, &server->look_job);
    }
}

static void drain_time_over(void *argument)
{
    struct server *server = argument;
    if (server->phase == SERVER_ENDED) {
        loop_stop(server->loop);
        return;
    }
    server->is_drain_over = true;
    server_look_on(server);
}

static void begin_draining(struct loop_job *job)
{
    struct server *server = CONTAINER_OF(job, struct server, drain_job);
    char text[64];
    if (server->phase != SERVER_RUNS) {
        return;
    }
    server->phase = SERVER_DRAINS;
    if (server->is_ready) { /* else it never was: server_new failed */
        server->is_ready = false;
        grpc_server_set_serving(server->grpc, false);
        notify_say(server->notify, "STOPPING=1\nSTATUS=draining");
        snprintf(text, sizeof text, "%zu", unfinished(server));
        log_say(LOG_INFO, "draining", "unfinished", text);
    }
    LIST_EACH(node, &server->hubs)
    {
        v1_drain_streams(CONTAINER_OF(node, struct hub, node), GRPC_UNAVAILABLE,
                         "the server is ending");
    }
    loop_timer_set(server->drain_timer, server->limits.drain_us);
    server_look_on(server);
}

static void stop_at_once(struct loop_job *job)
{
    struct server *server = CONTAINER_OF(job, struct server, stop_job);
    begin_draining(&server->drain_job);
    server->is_drain_over = true;
    server_look_on(server);
}

void server_drain(struct server *server)
{
    int asked = atomic_fetch_add(&server->drains_asked, 1);
    if (asked == 0) {
        server->drain_job.run = begin_draining;
        loop_post(server->loop, &server->drain_job);
    } else if (asked == 1) {
        server->stop_job.run = stop_at_once;
        loop_post(server->loop, &server->stop_job);
    }
}

/* ---- reloading, state, ticks ---------------------------------------------------------------- */

static struct server_limits limits_of(const struct config *config)
{
    return (struct server_limits){
        .net = {
            .connections = (unsigned)config->connections,
            .streams = (unsigned)config->streams,
            .header_bytes = (unsigned)config->header_bytes,
            .resets_a_second = (unsigned)config->resets,
            .backlog = (unsigned)config->backlog,
            .lent = (size_t)config->lent,
            .idle_ms = config->idle_ms,
            .ping_ms = config->ping_ms,
            .ping_timeout_ms = config->ping_timeout_ms,
            .handshake_ms = config->handshake_ms,
            .age_max_ms = config->age_max_ms,
        },
        .message_max = (size_t)config->message_max,
        .drain_us = config->drain_ms * TIME_MS,
        .health_ping_us = config->health_ping_ms * TIME_MS,
    };
}

static void reload(struct loop_job *job)
{
    struct server *server = CONTAINER_OF(job, struct server, reload_job);
    atomic_store(&server->is_reload_posted, false);
    bool is_new = security_reload(server);
    pthread_mutex_lock(&server->reload_mutex);
    server->limits = server->next_limits;
    pthread_mutex_unlock(&server->reload_mutex);
    grpc_server_limit(server->grpc, &server->limits.net, server->limits.message_max);
    http_limit(server);
    notify_say(server->notify, "READY=1");
    log_say(LOG_INFO, is_new ? "reloaded" : "reloaded, but for what could not be read");
}

void server_reload(struct server *server, const struct config *config)
{
    const char *stuck;
    size_t cursor = 0;
    if (config != NULL) {
        log_set((enum log_level)config->log_level, (enum log_format)config->log_format);
        while ((stuck = config_next_stuck(server->config, config, &cursor)) != NULL) {
            log_say(LOG_WARN, "a setting has changed that wants another start", "part", "config",
                    "setting", stuck);
        }
        pthread_mutex_lock(&server->reload_mutex);
        server->next_limits = limits_of(config);
        pthread_mutex_unlock(&server->reload_mutex);
    }
    if (!atomic_exchange(&server->is_reload_posted, true)) {
        notify_say(server->notify, "RELOADING=1");
        server->reload_job.run = reload;
        loop_post(server->loop, &server->reload_job);
    }
}

static size_t count_streams(const struct server *server)
{
    size_t streams = 0;
    LIST_EACH(node, &server->hubs)
    {
        streams += list_count(&CONTAINER_OF(node, struct hub, node)->streams);
    }
    return streams;
}

static void log_state(struct loop_job *job)
{
    struct server *server = CONTAINER_OF(job, struct server, state_job);
    char hubs[24];
    char streams[24];
    char waits[24];
    char calls[24];
    atomic_store(&server->is_state_posted, false);
    snprintf(hubs, sizeof hubs, "%zu", server->hub_count);
    snprintf(streams, sizeof streams, "%zu", count_streams(server));
    snprintf(waits, sizeof waits, "%zu", server->waits);
    snprintf(calls, sizeof calls, "%zu", grpc_server_calls(server->grpc));
    log_say(LOG_INFO, "state", "hubs", hubs, "workers", streams, "waits", waits, "calls", calls,
            "store", server->config->store);
}

void server_log_state(struct server *server)
{
    if (!atomic_exchange(&server->is_state_posted, true)) {
        server->state_job.run = log_state;
        loop_post(server->loop, &server->state_job);
    }
}

static int64_t tick_us(const struct server *server)
{
    int64_t watchdog = notify_watchdog_us(server->notify) / 2;
    return watchdog > 0 && watchdog < TICK_US ? watchdog : TICK_US;
}

static void tick(void *argument)
{
    struct server *server = argument;
    notify_say(server->notify, "WATCHDOG=1\nSTATUS=%zu hubs, %zu workers, %zu waits",
               server->hub_count, count_streams(server), server->waits);
    security_look(server);
    (void)hubs_in_trouble(server); /* for the log */
    loop_timer_set(server->tick_timer, tick_us(server));
}

/* ---- making it ------------------------------------------------------------------------------ */

/* The folders of the file that nobody chose, for its owner alone. What cannot be made is seen when
 * the store is opened. */
static void make_folders(const struct config *config)
{
    char *path = strdup(strchr(config->store, ':') + 1);
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
    free(path);
}

static pd_status open_hubs(struct server *server, pd_error *err)
{
    const struct config *config = server->config;
    pd_status status = PD_OK;
    if (config->is_store_default) {
        make_folders(config);
    }
    for (size_t i = 0; status == PD_OK && i <= config->hubs.count; i++) {
        const char *name = i == 0 ? config->hub : config->hubs.items[i - 1];
        enum grpc_status unwanted;
        char text[256];
        struct hub *hub = hub_find(server, text_of(name), &unwanted, text);
        if (hub == NULL) {
            return error_set(err, PD_E_LIMIT, false, "server", "%s", text);
        }
        status = hub_is_open(hub) ? PD_OK : hub_open_now(hub, err);
    }
    return status;
}

static pd_status open_grpc(struct server *server, pd_error *err)
{
    const struct config *config = server->config;
    const struct grpc_server_options options = {
        .methods = server->grpc_methods,
        .method_count = server->method_count,
        .argument = server,
        .message_max = server->limits.message_max,
        .limits = server->limits.net,
        .admit = admit,
        .counted = counted,
        .complained = complained,
        .descriptors = config->reflection ? server_descriptors() : TEXT_ABSENT,
    };
    pd_status status = PD_OK;
    server->grpc = grpc_server_new(server->loop, &options);
    server->addresses = arena_alloc(&server->arena, config->listen.count * sizeof(const char *));
    for (size_t i = 0; status == PD_OK && i < config->listen.count; i++) {
        const char *address;
        status =
            notify_address(server->notify, config->listen.items[i], &server->arena, &address, err);
        if (status == PD_OK) {
            address = grpc_server_listen(server->grpc, address, server->tls, err);
            status = address != NULL ? PD_OK : err->status;
            server->addresses[server->address_count] = address;
            server->address_count += address != NULL;
            if (status == PD_OK) {
                status = config_may_listen(config, "--listen", address, err);
            }
        }
    }
    return status;
}

struct server *server_new(const struct config *config, pd_error *err)
{
    struct server *server = mem_alloc(sizeof *server);
    log_set((enum log_level)config->log_level, (enum log_format)config->log_format);
    for (size_t i = 0; i < config->misspelt.count; i += 2) {
        log_say(LOG_WARN, "a variable of the environment is nearly a setting: it is not read",
                "part", "config", "variable", config->misspelt.items[i], "meant",
                config->misspelt.items[i + 1]);
    }
    server->config = config;
    server->limits = server->next_limits = limits_of(config);
    pthread_mutex_init(&server->reload_mutex, NULL);
    arena_init(&server->arena);
    list_init(&server->hubs);
    list_init(&server->pinged);
    make_methods(server);
    server->http_counts = http_counts_new();
    server->notify = notify_new();
    builtin_set_http_poll(config->http_poll_ms);
    server->loop = loop_new(err);
    if (server->loop == NULL) {
        server_free(server);
        return NULL;
    }
    server->started_at = loop_now(server->loop);
    server->ping_timer = loop_timer_new(server->loop, work_ping, server);
    server->drain_timer = loop_timer_new(server->loop, drain_time_over, server);
    server->tick_timer = loop_timer_new(server->loop, tick, server);
    server->readers = readers_new(server->loop, (unsigned)config->readers);
    pd_status status = security_open(server, err);
    if (status == PD_OK && config->check) {
        status = server_check(server, err);
    } else if (status == PD_OK) {
        status = open_hubs(server, err);
        status = status == PD_OK ? open_grpc(server, err) : status;
        status = status == PD_OK ? http_start(server, err) : status;
    }
    if (status != PD_OK) {
        if (server->grpc == NULL) { /* what ends hubs looks at its calls */
            const struct grpc_server_options none = { .argument = server };
            server->grpc = grpc_server_new(server->loop, &none);
        }
        server_drain(server);
        server_drain(server);
        loop_run(server->loop);
        server_free(server);
        return NULL;
    }
    return server;
}

void server_run(struct server *server)
{
    server->is_ready = true;
    grpc_server_set_serving(server->grpc, true);
    loop_timer_set(server->tick_timer, tick_us(server));
    notify_say(server->notify, "READY=1\nSTATUS=ready");
    log_say(LOG_INFO, "ready", "version", pd_version(), "store", server->config->store, "grpc",
            server_grpc_address(server, 0), "http", server_http_address(server));
    loop_run(server->loop);
    log_say(LOG_INFO, "ended");
}

void server_free(struct server *server)
{
    if (server == NULL) {
        return;
    }
    http_listener_free(server->http);
    if (server->grpc != NULL) {
        grpc_server_free(server->grpc);
    }
    readers_free(server->readers);
    for (struct list_node *node; (node = list_front(&server->hubs)) != NULL;) {
        hub_free(CONTAINER_OF(node, struct hub, node));
    }
    loop_timer_free(server->ping_timer);
    loop_timer_free(server->drain_timer);
    loop_timer_free(server->tick_timer);
    loop_free(server->loop);
    tls_free(server->tls);
    tls_free(server->http_tls);
    tokens_free(server->tokens);
    webhooks_free(server->webhooks);
    notify_free(server->notify);
    http_counts_free(server->http_counts);
    mem_free(server->grpc_methods);
    mem_free(server->methods);
    mem_free(server->counts);
    pthread_mutex_destroy(&server->reload_mutex);
    arena_done(&server->arena);
    mem_free(server);
}

const char *server_grpc_address(const struct server *server, size_t index)
{
    return index < server->address_count ? server->addresses[index] : NULL;
}

const char *server_http_address(const struct server *server)
{
    return server->http != NULL ? http_listener_address(server->http) : NULL;
}
