/* SPDX-License-Identifier: MIT
 *
 * Hubs: a store, an engine and a broker each, opened when they are first named, closed when they
 * are deleted or the server ends.
 *
 * The default hub is the file of --store; another one, NAME, is FILE.NAME.db beside it, its name
 * percent-encoded. Opening and closing take as long as a disk, so the readers do them:
 *
 *     CLOSED -> OPENING (reader: store, engine) -> OPEN
 *     OPEN -> CLOSING (its readers end; reader: engine_stop; its rpcs end; reader: files) -> CLOSED
 *
 *   U1  While a hub is opening, calls for it are parked, and go on when it is open. When it cannot
 *       be opened they are told so, and the next one tries again.
 *   U2  While its engine is being stopped the broker is not run: it would ask the engine. What it
 *       heard meanwhile it hears afterwards, without an engine.
 *   U3  A hub whose name is not known and may not be made leaves nothing behind: neither a file nor
 *       memory. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "author/author.h"
#include "base/assert.h"
#include "api/over.h"
#include "builtin/builtin.h"
#include "server/server_priv.h"

enum { LAST_REQUESTS_MS = 2000 }; /* what is cut off is made again by the next server */

/* ---- names and files ------------------------------------------------------------------------ */

static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] < 0x20 || name.at[i] > 0x7e) {
            return false;
        }
    }
    return name.size != 0 && name.size <= HUB_NAME_MAX;
}

static bool is_memory(const struct config *config)
{
    return strncmp(config->store, "memory:", 7) == 0;
}

static void add_encoded(struct buffer *url, const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        buffer_printf(url, is_plain ? "%c" : "%%%02X", c);
    }
}

/* The URL of a hub's store; or, without scheme and options, its file. Ends in NUL. */
static void write_url(const struct hub *hub, struct buffer *url, bool only_file)
{
    const struct config *config = hub->server->config;
    size_t size = strcspn(config->store, "?");
    size_t scheme = strcspn(config->store, ":") + 1;
    size_t from = only_file ? scheme : 0;
    buffer_add(url, config->store + from, size - from);
    if (strcmp(hub->name, config->hub) != 0 && !is_memory(config)) {
        buffer_add_byte(url, '.');
        add_encoded(url, hub->name);
        buffer_printf(url, ".db");
    }
    if (!only_file) {
        buffer_printf(url, "%s", config->store + size);
    }
    buffer_add_byte(url, '\0');
}

static bool has_file(const struct hub *hub)
{
    struct buffer file;
    buffer_init(&file);
    write_url(hub, &file, true);
    bool has = !is_memory(hub->server->config) && access((const char *)file.at, F_OK) == 0;
    buffer_done(&file);
    return has;
}

pd_status hub_probe(const struct hub *hub, pd_error *err)
{
    struct buffer url;
    if (hub->server->config->is_store_default && !has_file(hub)) {
        return PD_OK; /* a start makes its folder too */
    }
    buffer_init(&url);
    write_url(hub, &url, false);
    pd_status status = store_probe((const char *)url.at, err);
    buffer_done(&url);
    return status;
}

void hub_sizes(const struct hub *hub, uint64_t *ret_file, uint64_t *ret_wal)
{
    uint64_t *const sizes[] = { ret_file, ret_wal };
    struct buffer file;
    buffer_init(&file);
    for (size_t i = 0; i < 2; i++) {
        struct stat of;
        buffer_reset(&file);
        write_url(hub, &file, true);
        file.size--;
        buffer_add(&file, "-wal", i * 4);
        buffer_add_byte(&file, '\0');
        bool is_there = !is_memory(hub->server->config) && stat((const char *)file.at, &of) == 0;
        *sizes[i] = is_there ? (uint64_t)of.st_size : 0;
    }
    buffer_done(&file);
}

/* SQLite's three. */
static void remove_files(const struct hub *hub)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    struct buffer file;
    buffer_init(&file);
    for (size_t i = 0; !is_memory(hub->server->config) && i < 3; i++) {
        buffer_reset(&file);
        write_url(hub, &file, true);
        file.size--;
        buffer_printf(&file, "%s", ends[i]);
        buffer_add_byte(&file, '\0');
        (void)unlink((const char *)file.at);
    }
    buffer_done(&file);
}

/* ---- the broker's calls --------------------------------------------------------------------- */

static void run_broker(struct hub *hub)
{
    bool may_run = hub->state == HUB_OPEN || (hub->state == HUB_CLOSING && !hub->is_stopping);
    hub->is_broker_due = !may_run;
    if (may_run && hub->broker != NULL) {
        broker_run(hub->broker, loop_steady(hub->server->loop));
        if (server_is_draining(hub->server)) {
            server_look_on(hub->server);
        }
    }
}

static void broker_job(struct loop_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, broker_job);
    atomic_store(&hub->is_job_posted, false);
    run_broker(hub);
}

static void broker_timer(void *argument)
{
    run_broker(argument);
}

static void broker_post(void *argument)
{
    struct hub *hub = argument;
    /* The broker asks again once it has run, which it may have done by its timer meanwhile. */
    if (!atomic_exchange(&hub->is_job_posted, true)) {
        hub->broker_job.run = broker_job;
        loop_post(hub->server->loop, &hub->broker_job);
    }
}

static void broker_wake_at(void *argument, time_us steady)
{
    struct hub *hub = argument;
    int64_t delay = steady - loop_steady(hub->server->loop);
    loop_timer_set(hub->broker_timer, delay > 0 ? delay : 0);
}

static void broker_begun(void *argument, struct text instance_id)
{
    waits_wake(argument, instance_id);
}

static void broker_log(void *argument, const char *line)
{
    const struct hub *hub = argument;
    log_say(LOG_WARN, "work", "hub", hub->name, "what", line);
}

/* What the server itself runs: what is ours, and what is reserved for it. */
static bool broker_is_own(void *argument, struct text name, bool is_activity)
{
    (void)argument;
    if (text_has_prefix(name, TEXT("BuiltIn"))) {
        return is_activity ? text_has_prefix(name, TEXT("BuiltIn::")) ||
                                 text_equal(name, TEXT(BUILTIN_HTTP_WORKER_ACTIVITY))
                           : text_equal(name, TEXT(BUILTIN_HTTP_POLL));
    }
    return text_has_prefix(name, TEXT("perdure."));
}

static struct broker *make_broker(struct hub *hub)
{
    const struct config *config = hub->server->config;
    const struct broker_options options = {
        .partition_count = hub->store->partition_count,
        .post = broker_post,
        .wake_at = broker_wake_at,
        .argument = hub,
        .own = hub->author,
        .is_own = broker_is_own,
        .yields = TEXT("BuiltIn__"), /* SDKs may bring their own */
        .begun = broker_begun,
        .log = broker_log,
        .lost_delay_us = config->lost_delay_ms * TIME_MS,
        .turn_timeout_us = config->turn_timeout_ms * TIME_MS,
        .crashes_max = (unsigned)config->crashes,
        .past_bytes = (size_t)config->past_max,
        .item_bytes = (size_t)config->item_max,
    };
    return broker_new(&options);
}

/* ---- opening -------------------------------------------------------------------------------- */

static struct engine *start_engine(struct hub *hub, pd_error *err)
{
    const struct engine_options options = {
        .activity_threads = 1, /* workers run activities; here only what is the server's own */
        .residents_max = (size_t)hub->server->config->residents,
        .passing_names = builtin_passing,
        .passing_name_count = BUILTIN_PASSING,
        .passing_completed = builtin_passing_completed,
        .passing_completed_count = 1,
        .announcer = hub->server->webhooks != NULL ? &hub->announcer : NULL,
        .ended = waits_ended,
        .ended_argument = hub,
    };
    return engine_start(hub->store, broker_runner(hub->broker), &options, err);
}

/* ---- webhooks ------------------------------------------------------------------------------ */

static bool announce(void *argument, const struct announcement *it, struct buffer *json)
{
    const struct hub *hub = argument;
    return webhooks_write(hub->server->webhooks, hub->name, it, json);
}

/* Only for what core has started: others would be told what has not happened. */
static bool deliver(void *argument, const struct activity *activity, struct buffer *json,
                    struct fetch_answer *ret_refusal)
{
    const struct hub *hub = argument;
    if (!text_has_prefix(activity->instance_id, TEXT(CORE_NOTIFY ":"))) {
        *ret_refusal = (struct fetch_answer){ .failure_type = "Misuse",
                                              .failure_message = TEXT("it is the server's own"),
                                              .is_final = true };
        return false;
    }
    return webhooks_request(hub->server->webhooks, activity->input, (int64_t)time(NULL), json,
                            ret_refusal);
}

static struct fetch_answer judge(void *argument, const struct fetch_answer *answer,
                                 struct arena *arena)
{
    const struct hub *hub = argument;
    return webhooks_judge(hub->server->webhooks, answer, arena);
}

static void set_webhooks(struct hub *hub)
{
    hub->announcer = (struct announcer){ .argument = hub, .write = announce };
    hub->deliver = (struct api_deliver){ .argument = hub, .request = deliver, .judge = judge };
}

/* What of it blocks; on any thread. hub->err when it fails, and nothing is open then. */
static pd_status open_parts(struct hub *hub)
{
    struct buffer url;
    buffer_init(&url);
    write_url(hub, &url, false);
    hub->store = store_open((const char *)url.at, &hub->err);
    buffer_done(&url);
    if (hub->store == NULL) {
        return hub->err.status;
    }
    const struct config *config = hub->server->config;
    const struct api_http_options http = {
        .fetch = { .allow = config->http_allow,
                   .body_max = config->http_body_max,
                   .timeout_max_ms = config->http_timeout_max_ms },
        .deliver = hub->server->webhooks != NULL ? &hub->deliver : NULL,
    };
    set_webhooks(hub);
    hub->http = api_http_new(&http);
    http_steps_init(hub);
    const struct author_options options = {
        .partition_count = hub->store->partition_count,
        .is_fault_unhandled = true,
        .orchestrations_max = 1000,
        .elsewhere = &hub->steps.elsewhere,
    };
    hub->author = author_new(NULL, 0, &options, &hub->err);
    if (hub->author != NULL) {
        hub->broker = make_broker(hub);
        hub->engine = start_engine(hub, &hub->err);
    }
    if (hub->engine != NULL) {
        hub->api = api_hub_over(hub->store, hub->engine);
        api_http_set_engine(hub->http, hub->engine);
        return PD_OK;
    }
    broker_free(hub->broker);
    hub->broker = NULL;
    author_free(hub->author);
    hub->author = NULL;
    api_http_free(hub->http);
    hub->http = NULL;
    store_close(hub->store);
    hub->store = NULL;
    return hub->err.status;
}

static void run_parked(struct hub *hub)
{
    struct list parked;
    list_init(&parked);
    list_append(&parked, &hub->parked);
    for (struct list_node *node; (node = list_pop_front(&parked)) != NULL;) {
        struct rpc *rpc = CONTAINER_OF(node, struct rpc, node);
        hub_enter(hub, rpc);
    }
}

static void fail_parked(struct hub *hub)
{
    for (struct list_node *node; (node = list_pop_front(&hub->parked)) != NULL;) {
        struct rpc *rpc = CONTAINER_OF(node, struct rpc, node);
        rpc_fail(rpc, rpc_status_of(&hub->err), "hub '%s': %s", hub->name, hub->err.text);
    }
}

/* Loop's thread. */
static void opened(struct hub *hub)
{
    broker_set_engine(hub->broker, hub->engine);
    hub->state = HUB_OPEN;
    log_say(LOG_INFO, "hub opened", "hub", hub->name);
    http_steps_opened(hub);
    if (hub->is_broker_due) {
        run_broker(hub);
    }
    if (hub->is_close_wanted) {
        hub_close(hub, false, NULL);
    } else {
        run_parked(hub);
    }
}

static void open_work(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    hub->err.status = PD_OK;
    (void)open_parts(hub);
}

static void open_done(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    if (hub->engine != NULL) {
        opened(hub);
    } else {
        hub->state = HUB_CLOSED;
        log_error("a hub cannot be opened", &hub->err, "hub", hub->name);
        fail_parked(hub);
        if (hub->is_close_wanted) {
            hub_close(hub, false, NULL);
        }
    }
    server_look_on(hub->server);
}

pd_status hub_open_now(struct hub *hub, pd_error *err)
{
    pd_status status = open_parts(hub);
    if (status == PD_OK) {
        opened(hub);
    } else {
        *err = hub->err;
    }
    return status;
}

static void begin_opening(struct hub *hub)
{
    assert_that(hub->state == HUB_CLOSED);
    hub->state = HUB_OPENING;
    hub->opening.work = open_work;
    hub->opening.done = open_done;
    readers_give(hub->server->readers, &hub->opening);
}

/* ---- closing -------------------------------------------------------------------------------- */

static void run_waiting_for_end(struct hub *hub)
{
    struct list ended;
    list_init(&ended);
    list_append(&ended, &hub->to_close);
    for (struct list_node *node; (node = list_pop_front(&ended)) != NULL;) {
        struct rpc *rpc = CONTAINER_OF(node, struct rpc, node);
        rpc->next(rpc);
    }
}

static void files_work(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    author_free(hub->author);
    api_http_free(hub->http);
    store_close(hub->store);
    hub->author = NULL;
    hub->http = NULL;
    hub->store = NULL;
    if (hub->is_wiping) {
        remove_files(hub);
    }
}

static void files_done(struct reader_job *job);

static void begin_files(struct hub *hub)
{
    hub->is_stopping = true;
    hub->is_wiping = hub->is_wipe_wanted;
    hub->is_wipe_wanted = false;
    hub->opening.work = files_work;
    hub->opening.done = files_done;
    readers_give(hub->server->readers, &hub->opening);
}

static void files_done(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    if (hub->is_wipe_wanted) { /* meanwhile */
        begin_files(hub);
        return;
    }
    hub->state = HUB_CLOSED;
    hub->is_stopping = false;
    hub->is_broker_due = false;
    log_say(LOG_INFO, hub->is_wiping ? "hub deleted" : "hub closed", "hub", hub->name);
    run_waiting_for_end(hub);
    if (hub->is_kept_closed) {
        (void)error_set(&hub->err, PD_E_UNAVAILABLE, true, "server", "the server is ending");
        fail_parked(hub);
    } else if (!list_is_empty(&hub->parked) && hub->state == HUB_CLOSED) {
        begin_opening(hub);
    }
    server_look_on(hub->server);
}

static void stop_work(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    api_hub_over_end(hub->api);
    api_http_end(hub->http, hub->is_kept_closed ? LAST_REQUESTS_MS : 0);
    engine_stop(hub->engine, 0);
}

static void stop_done(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, opening);
    hub->engine = NULL;
    hub->api = NULL;
    http_steps_end(hub);
    broker_set_engine(hub->broker, NULL);
    broker_run(hub->broker, loop_steady(hub->server->loop)); /* U2 */
    hub->is_stopping = false; /* only now: both may end the last rpc, which steps too */
    hub_step(hub);
}

/* As far as it can go now. */
void hub_step(struct hub *hub)
{
    if (hub->state != HUB_CLOSING || hub->is_stopping) {
        return;
    }
    /* Also those whose reader was still at it when the closing began. Who reads slowly, or not at
     * all, must not keep a hub from being deleted or a server from ending. */
    rpc_end_streams(hub, GRPC_UNAVAILABLE, "the hub is being closed");
    if (hub->is_stopping) { /* the last of them has stepped */
        return;
    }
    if (hub->engine != NULL && hub->reading == 0) {
        hub->is_stopping = true;
        hub->opening.work = stop_work;
        hub->opening.done = stop_done;
        readers_give(hub->server->readers, &hub->opening);
    } else if (hub->engine == NULL && hub->users == 0) {
        broker_free(hub->broker);
        hub->broker = NULL;
        loop_timer_unset(hub->broker_timer);
        begin_files(hub);
    }
}

void hub_close(struct hub *hub, bool wipes, struct rpc *rpc)
{
    hub->is_wipe_wanted |= wipes;
    hub->is_close_wanted = hub->state == HUB_OPENING;
    if (rpc != NULL) {
        list_push_back(&hub->to_close, &rpc->node);
    }
    if (hub->state == HUB_OPEN) {
        hub->state = HUB_CLOSING;
        hub->is_stopping = false;
        api_hub_over_close(hub->api);
        work_end_streams(hub, GRPC_UNAVAILABLE, "the hub is being closed");
        waits_end(hub, GRPC_UNAVAILABLE, "the hub is being closed");
        hub_step(hub);
    } else if (hub->state == HUB_CLOSED) {
        hub->state = HUB_CLOSING; /* its files may be there */
        begin_files(hub);
    }
}

/* ---- the set of them ------------------------------------------------------------------------ */

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
    hub->broker_timer = loop_timer_new(server->loop, broker_timer, hub);
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
           is_configured(config, text_of(hub->name)) || has_file(hub);
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
        begin_opening(hub);
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
