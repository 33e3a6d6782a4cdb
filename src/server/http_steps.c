/* SPDX-License-Identifier: MIT
 *
 * Steps: activities that are HTTP requests, on the server's side.
 *
 * An SDK's orchestration may ask for BuiltIn::HttpActivity with retries, or with 202 answers to be
 * followed, and nothing in the SDK does that. Such an activity becomes an instance of
 * BUILTIN_HTTP_STEP, whose end is the activity's. All other requests go to hub->http as they are.
 *
 *     take (engine's thread) -> loop -> reader: which of both? -> loop -> started -> awaited
 *
 *   P1  The instance's id is made of what names the activity, and it is started only when there is
 *       none: so a server that was killed meanwhile finds the conversation where it was. One that
 *       failed is started anew, as the activity was asked for anew.
 *       Its tags say whose it is: one that is left behind is found by that (http_orphans.c).
 *   P2  A step has its activity until the engine has been given its result, or has been stopped. */
#include <string.h>
#include <xxhash.h>

#include "builtin/builtin.h"
#include "json/json.h"
#include "server/server_priv.h"
#include "wire/wire.h"

enum { ID_MAX = 250, LOOK_AGAIN_US = 1000000 };

struct step {
    struct reader_job job; /* first */
    struct list_node node; /* of hub->steps.all */
    struct hub *hub;
    struct activity *activity;
    struct wait wait;
    bool is_early;    /* it came while the hub was opening */
    bool is_busy;     /* a reader or the engine has it */
    bool is_started;  /* the instance is there */
    bool is_waiting;  /* `wait` is among the hub's */
    bool is_unwanted; /* nobody waits for the activity any more */
    bool is_talk;     /* a reader's answer: it is one of ours */
    struct text id, input;
    struct request *request;
    pd_status status; /* of the request */
    struct loop_timer *again;
    struct arena arena;
};

/* What cancels steps, from the engine's thread. */
struct cancelling {
    struct loop_job job;
    struct hub *hub;
    uint64_t row;
    unsigned partition;
    int32_t id;
};

static void step_free(struct step *step)
{
    struct hub *hub = step->hub;
    if (step->is_waiting) {
        waits_remove(&step->wait);
    }
    list_remove(&step->node);
    atomic_fetch_sub(&hub->steps.count, 1);
    activity_free(step->activity);
    request_free(step->request);
    loop_timer_free(step->again);
    arena_done(&step->arena);
    mem_free(step);
}

/* ---- asking the engine ----------------------------------------------------------------------- */

static void let_go(struct request *request, pd_status status, const pd_error *err)
{
    (void)status, (void)err;
    request_free(request);
}

void http_step_terminate(struct hub *hub, struct text id)
{
    struct request *request = request_new(let_go, NULL);
    struct event *event = arena_alloc(&request->arena, sizeof *event);
    struct letter *letter = arena_alloc(&request->arena, sizeof *letter);
    *event = (struct event){ .kind = EVENT_EXECUTION_TERMINATED,
                             .id = EVENT_NO_ID,
                             .ref = EVENT_NO_ID,
                             .at = loop_now(hub->server->loop),
                             .payload = TEXT("\"its step is not wanted any more\"") };
    *letter = (struct letter){ .kind = MESSAGE_TERMINATE,
                               .instance_id = text_copy(&request->arena, id),
                               .event = event };
    engine_ask_tell(hub->engine, request, letter);
}

static struct activity_result *result_of(struct arena *arena, const struct instance_record *record)
{
    struct activity_result *result = arena_alloc(arena, sizeof *result);
    pd_error err;
    if (record->state == RUN_COMPLETED) {
        result->payload = text_copy(arena, record->output);
        return result;
    }
    if (record->state != RUN_FAILED ||
        wire_read_failure(text_copy(arena, record->failure), arena, &result->failure, &err) !=
            PD_OK ||
        result->failure == NULL) {
        struct failure *failure = arena_alloc(arena, sizeof *failure);
        failure->type = TEXT("OrchestrationTerminated");
        failure->message = TEXT("the conversation was terminated");
        result->failure = failure;
    }
    return result;
}

/* ---- waiting for the end --------------------------------------------------------------------- */

static void await(struct step *step);
static void start(struct step *step);

static void go_on(void *argument)
{
    struct step *step = argument;
    if (hub_is_open(step->hub) && step->is_started) {
        await(step);
    } else if (hub_is_open(step->hub)) {
        start(step);
    }
}

/* The store is in trouble. */
static void go_on_later(struct step *step)
{
    step->again =
        step->again != NULL ? step->again : loop_timer_new(step->hub->server->loop, go_on, step);
    loop_timer_set(step->again, LOOK_AGAIN_US);
}

/* wait->told */
static void told(struct wait *wait, const struct instance_record *record, enum grpc_status status,
                 const char *text)
{
    struct step *step = CONTAINER_OF(wait, struct step, wait);
    struct hub *hub = step->hub;
    (void)status, (void)text;
    step->is_waiting = false;
    if (record != NULL) {
        struct request *request = request_new(let_go, NULL);
        struct activity *activity = step->activity;
        step->activity = NULL;
        engine_end_activity(hub->engine, request, activity, result_of(&request->arena, record));
        step_free(step);
    } else if (hub_is_open(hub)) {
        go_on_later(step);
    }
}

static void await(struct step *step)
{
    step->wait.told = told;
    step->is_waiting = true;
    waits_add(&step->wait, step->hub, step->id);
    waits_wake(step->hub, text_copy(&step->arena, step->id)); /* it may have ended: W1 */
}

/* ---- starting -------------------------------------------------------------------------------- */

static void have_started(struct loop_job *job)
{
    struct step *step = CONTAINER_OF(job, struct step, job.job);
    struct hub *hub = step->hub;
    step->is_busy = false;
    if (!hub_is_open(hub)) {
        return; /* http_steps_end */
    }
    if (step->is_unwanted) {
        http_step_terminate(hub, step->id);
        step_free(step);
        return;
    }
    step->is_started = step->status == PD_OK || step->status == PD_E_EXISTS;
    if (step->is_started) {
        await(step);
    } else {
        go_on_later(step);
    }
}

static void started(struct request *request, pd_status status, const pd_error *err)
{
    struct step *step = request->argument;
    (void)err;
    step->status = status;
    step->job.job.run = have_started;
    loop_post(step->hub->server->loop, &step->job.job);
}

/* P1 */
static struct text id_of(struct arena *arena, const struct activity *activity)
{
    struct text instance = activity->instance_id, execution = activity->execution_id;
    if (instance.size + execution.size > ID_MAX - 40) {
        XXH128_hash_t hash = XXH3_128bits(instance.at, instance.size);
        instance = text_of(arena_printf(arena, "%016llx%016llx", (unsigned long long)hash.high64,
                                        (unsigned long long)hash.low64));
        hash = XXH3_128bits(execution.at, execution.size);
        execution = text_of(arena_printf(arena, "%016llx%016llx", (unsigned long long)hash.high64,
                                         (unsigned long long)hash.low64));
    }
    return text_of(arena_printf(arena, HTTP_STEP_PREFIX "%.*s:%.*s:%04x", TEXT_ARGS(instance),
                                TEXT_ARGS(execution), (unsigned)activity->id));
}

static void start(struct step *step)
{
    struct start_command *command = arena_alloc(&step->arena, sizeof *command);
    struct event_extra *extra = arena_alloc(&step->arena, sizeof *extra);
    step->id = id_of(&step->arena, step->activity);
    extra->tags =
        http_owner_tags(&step->arena, step->activity->instance_id, step->activity->execution_id);
    *command = (struct start_command){ .id = step->id,
                                       .name = TEXT(BUILTIN_HTTP_STEP),
                                       .input = step->input,
                                       .extra = extra,
                                       .replaces = 1U << RUN_FAILED | 1U << RUN_TERMINATED };
    request_free(step->request);
    step->request = request_new(started, step);
    step->is_busy = true;
    engine_ask_start(step->hub->engine, step->request, command);
}

/* ---- which of both --------------------------------------------------------------------------- */

static bool is_true(pd_value value)
{
    return pd_kind_of(value) == PD_IS_BOOL && pd_bool(value);
}

/* On a reader's thread: bodies may be large. What cannot be read is the module's to refuse. */
static void read_input(struct reader_job *job)
{
    struct step *step = CONTAINER_OF(job, struct step, job);
    struct buffer json;
    pd_value input = PD_NULL;
    pd_error err;
    if (json_parse(&step->arena, step->activity->input, &input, &err) != PD_OK) {
        return;
    }
    input = pd_kind_of(input) == PD_IS_ARRAY ? pd_at(input, 0) : input;
    step->is_talk = pd_kind_of(pd_get(input, "retryOptions")) == PD_IS_OBJECT ||
                    is_true(pd_get(input, "asynchronousPatternEnabled"));
    buffer_init(&json);
    if (step->is_talk && json_write(&json, input, &err) == PD_OK) {
        step->input = text_copy(&step->arena, buffer_text(&json));
    }
    buffer_done(&json);
}

static void have_read(struct reader_job *job)
{
    struct step *step = CONTAINER_OF(job, struct step, job);
    struct hub *hub = step->hub;
    hub->reading--;
    step->is_busy = false;
    if (step->is_unwanted) {
        step_free(step);
    } else if (hub_is_open(hub) && step->is_talk) {
        start(step);
    } else if (hub_is_open(hub)) {
        struct activity *activity = step->activity;
        step->activity = NULL;
        step_free(step);
        api_http_take(hub->http, activity);
    }
    server_look_on(hub->server); /* a hub that closes waits for its readers */
}

static void begin(struct step *step)
{
    struct hub *hub = step->hub;
    step->is_early = false;
    step->is_busy = true;
    step->job.work = read_input;
    step->job.done = have_read;
    hub->reading++;
    readers_give(hub->server->readers, &step->job);
}

static void come(struct loop_job *job)
{
    struct step *step = CONTAINER_OF(job, struct step, job.job);
    list_push_back(&step->hub->steps.all, &step->node);
    step->is_early = step->hub->state == HUB_OPENING;
    if (hub_is_open(step->hub)) {
        begin(step);
    }
}

/* ---- from the engine ------------------------------------------------------------------------- */

static const struct author_elsewhere *plain(const struct hub *hub)
{
    return api_http_elsewhere(hub->http);
}

static bool takes(void *argument, struct text name)
{
    const struct hub *hub = argument;
    return plain(hub)->takes(plain(hub)->argument, name);
}

static void take(void *argument, struct activity *activity)
{
    struct hub *hub = argument;
    if (!text_equal(activity->name, TEXT(BUILTIN_HTTP_ACTIVITY))) {
        plain(hub)->take(plain(hub)->argument, activity);
        return;
    }
    struct step *step = mem_alloc(sizeof *step);
    arena_init(&step->arena);
    step->hub = hub;
    step->activity = activity;
    atomic_fetch_add(&hub->steps.count, 1);
    step->job.job.run = come;
    loop_post(hub->server->loop, &step->job.job);
}

static void run(void *argument, const struct activity *activity, struct activity_host *host,
                struct arena *arena, struct activity_result *ret)
{
    const struct hub *hub = argument;
    plain(hub)->run(plain(hub)->argument, activity, host, arena, ret);
}

static void unwant(struct step *step)
{
    step->is_unwanted = true;
    if (step->is_busy || !hub_is_open(step->hub)) {
        return; /* seen to when that is over */
    }
    if (step->id.size != 0) {
        http_step_terminate(step->hub, step->id);
    }
    step_free(step);
}

static void cancel_on_loop(struct loop_job *job)
{
    struct cancelling *cancelling = CONTAINER_OF(job, struct cancelling, job);
    LIST_EACH_SAFE(node, &cancelling->hub->steps.all)
    {
        struct step *step = CONTAINER_OF(node, struct step, node);
        if (step->activity->partition == cancelling->partition &&
            step->activity->row == cancelling->row &&
            (cancelling->id == EVENT_NO_ID || step->activity->id == cancelling->id)) {
            unwant(step);
        }
    }
    mem_free(cancelling);
}

static void cancel(void *argument, unsigned partition, uint64_t row, int32_t id)
{
    struct hub *hub = argument;
    plain(hub)->cancel(plain(hub)->argument, partition, row, id);
    if (atomic_load(&hub->steps.count) == 0) {
        return;
    }
    struct cancelling *cancelling = mem_alloc(sizeof *cancelling);
    cancelling->hub = hub;
    cancelling->row = row;
    cancelling->partition = partition;
    cancelling->id = id;
    cancelling->job.run = cancel_on_loop;
    loop_post(hub->server->loop, &cancelling->job);
}

/* ---- the hub's ------------------------------------------------------------------------------- */

void http_steps_init(struct hub *hub)
{
    hub->steps.elsewhere = (struct author_elsewhere){
        .argument = hub, .takes = takes, .take = take, .cancel = cancel, .run = run
    };
    list_init(&hub->steps.all);
}

void http_steps_opened(struct hub *hub)
{
    LIST_EACH_SAFE(node, &hub->steps.all)
    {
        struct step *step = CONTAINER_OF(node, struct step, node);
        if (step->is_early) {
            begin(step);
        }
    }
}

/* The next engine asks for their activities again. */
void http_steps_end(struct hub *hub)
{
    LIST_EACH_SAFE(node, &hub->steps.all)
    {
        step_free(CONTAINER_OF(node, struct step, node));
    }
}
