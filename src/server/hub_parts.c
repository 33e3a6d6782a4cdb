/* SPDX-License-Identifier: MIT
 *
 * What a hub is made of: a store, a broker and an engine, an author for what the server itself
 * runs, and what HTTP needs; and what these ask of the server. */
#include <string.h>
#include <time.h>

#include "api/over.h"
#include "author/author.h"
#include "base/assert.h"
#include "builtin/builtin.h"
#include "server/hubs_priv.h"

/* ---- the broker's calls --------------------------------------------------------------------- */

void hub_run_broker(struct hub *hub)
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
    hub_run_broker(hub);
}

void hub_broker_timer(void *argument)
{
    hub_run_broker(argument);
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
        .yields = TEXT("BuiltIn"), /* workers may bring their own */
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

/* ---- its engine ------------------------------------------------------------------------------ */

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

/* ---- webhooks ------------------------------------------------------------------------------- */

static bool announce(void *argument, const struct announcement *it, struct buffer *json)
{
    const struct hub *hub = argument;
    return webhooks_write(hub->server->webhooks, hub->name, it, json);
}

/* Only what core has started is delivered: others would be told what has not happened. */
static bool is_of_core(const struct activity *activity)
{
    return text_has_prefix(activity->instance_id, TEXT(CORE_NOTIFY ":"));
}

static bool deliver(void *argument, const struct activity *activity, struct buffer *json,
                    struct fetch_answer *ret_refusal)
{
    const struct hub *hub = argument;
    if (!is_of_core(activity)) {
        *ret_refusal = (struct fetch_answer){ .failure_type = "Misuse",
                                              .failure_message = TEXT("it is the server's own"),
                                              .is_final = true };
        return false;
    }
    return webhooks_request(hub->server->webhooks, activity->input, (int64_t)time(NULL), json,
                            ret_refusal);
}

static struct text receiver(void *argument, const struct activity *activity)
{
    (void)argument;
    return is_of_core(activity) ? webhooks_receiver(activity->input) : TEXT("");
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
    hub->deliver = (struct api_deliver){
        .argument = hub, .request = deliver, .receiver = receiver, .judge = judge
    };
}

/* ---- all of them ----------------------------------------------------------------------------- */

void hub_close_parts(struct hub *hub)
{
    author_free(hub->author);
    api_http_free(hub->http);
    store_close(hub->store);
    hub->author = NULL;
    hub->http = NULL;
    hub->store = NULL;
}

pd_status hub_open_parts(struct hub *hub)
{
    struct buffer url;
    buffer_init(&url);
    hub_write_url(hub, &url, false);
    hub->store = store_open((const char *)url.at, &hub->err);
    buffer_done(&url);
    if (hub->store == NULL) {
        return hub->err.status;
    }
    const struct config *config = hub->server->config;
    const struct api_http_options http = {
        .fetch = { .allow = config->http_allow,
                   .body_max = config->http_body_max,
                   .answer_max = LIMIT_PAYLOAD_MOST,
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
    hub_close_parts(hub);
    return hub->err.status;
}
