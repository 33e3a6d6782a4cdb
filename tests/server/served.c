/* SPDX-License-Identifier: MIT
 *
 * See served.h. */
#include "served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/time.h"
#include "certificates.h"
#include "net/tls.h"

enum { OPTIONS_MAX = 32 };

/* ---- the server ------------------------------------------------------------------------------ */

static void *run(void *argument)
{
    server_run(argument);
    return NULL;
}

bool served_has_tls(const struct served *served)
{
    return served->config.tls_cert != NULL;
}

static char *add_option(struct served *served, const char *name, const char *file)
{
    return arena_printf(&served->arena, "%s=%s", name, certificate_file(file));
}

static int add_tls(struct served *served, char **argv)
{
    const char *kind = getenv("SERVED_TLS");
    int argc = 0;
    if (kind != NULL) {
        argv[argc++] = add_option(served, "--tls-cert", "server.pem");
        argv[argc++] = add_option(served, "--tls-key", "server.key");
    }
    if (kind != NULL && strcmp(kind, "mutual") == 0) {
        argv[argc++] = add_option(served, "--tls-client-ca", "ca.pem");
    }
    return argc;
}

/* A client of the server's. */
static void make_client(struct served *served)
{
    struct tls_options options = { .authorities = certificate_file("ca.pem") };
    if (served->config.tls_client_ca != NULL) {
        served->shows = "alice";
        options.certificate = certificate_file("alice.pem");
        options.key = certificate_file("alice.key");
    }
    served->tls = tls_new_client(&options, &served->err);
    assert_non_null(served->tls);
}

void served_start(struct served *served, const char *const *options)
{
    char *argv[OPTIONS_MAX] = { (char[]){ "perdured" }, (char[]){ "--store=memory:" },
                                (char[]){ "--listen=127.0.0.1:0" }, (char[]){ "--http=" },
                                (char[]){ "--log-level=error" } };
    int argc = 5;
    *served = (struct served){ .server = NULL };
    arena_init(&served->arena);
    arena_init(&served->browsed);
    argc += add_tls(served, argv + argc);
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        argv[argc++] = arena_copy(&served->arena, options[i], strlen(options[i]));
    }
    if (config_read(&served->config, argc, argv, &served->err) != PD_OK) {
        fail_msg("%s", served->err.text);
    }
    served->server = server_new(&served->config, &served->err);
    if (served->server == NULL) {
        fail_msg("%s", served->err.text);
    }
    assert_int_equal(pthread_create(&served->thread, NULL, run, served->server), 0);
    if (served_has_tls(served)) {
        make_client(served);
    }
    served->channel = served_connect(served, NULL);
}

void served_join(struct served *served)
{
    grpc_channel_free(served->channel);
    served->channel = NULL;
    pthread_join(served->thread, NULL);
    server_free(served->server);
    tls_free(served->tls);
    config_free(&served->config);
    arena_done(&served->arena);
    arena_done(&served->browsed);
}

void served_stop(struct served *served)
{
    grpc_channel_free(served->channel);
    served->channel = NULL;
    server_drain(served->server);
    served_join(served);
}

struct grpc_channel *served_connect(struct served *served, const char *const *metadata)
{
    struct grpc_header headers[8];
    const char *address = server_grpc_address(served->server, 0);
    const char *colon = strrchr(address, ':');
    struct grpc_channel_options options = {
        .host = "127.0.0.1",
        .port = (unsigned)strtoul(colon + 1, NULL, 10),
        .metadata = headers,
        .tls = served->tls,
    };
    for (size_t i = 0; metadata != NULL && metadata[i] != NULL; i += 2) {
        headers[options.metadata_count++] = (struct grpc_header){ metadata[i], metadata[i + 1] };
    }
    struct grpc_channel *channel = grpc_channel_new(&options, &served->err);
    assert_non_null(channel);
    return channel;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static const char *path_of(const char *name, char path[128])
{
    snprintf(path, 128, "/TaskHubSidecarService/%s", name);
    return path;
}

pd_status served_call_on(struct served *served, struct grpc_channel *channel, const char *name,
                         const struct message_type *request_type, const void *request,
                         const struct message_type *type, void *ret, int64_t timeout_ms)
{
    char path[128];
    struct buffer bytes;
    struct text answer = TEXT_ABSENT;
    buffer_init(&bytes);
    if (request_type != NULL) {
        message_write(request_type, &bytes, request);
    }
    pd_status status = grpc_channel_call(channel, path_of(name, path), buffer_text(&bytes),
                                         timeout_ms, &served->arena, &answer, &served->err);
    buffer_done(&bytes);
    if (status == PD_OK && type != NULL) {
        assert_int_equal(message_read(type, answer, &served->arena, ret, &served->err), PD_OK);
    }
    return status;
}

pd_status served_tell(struct served *served, const char *name, const struct message_type *type,
                      const void *request)
{
    return served_call_on(served, served->channel, name, type, request, NULL, NULL, PATIENCE_MS);
}

pd_status served_start_instance(struct served *served, const char *id, const char *name)
{
    struct hub_create_instance_request request;
    struct hub_create_instance_response response;
    message_init(&hub_create_instance_request_type, &request);
    request.instance_id = text_of(id);
    request.name = text_of(name);
    return served_call(served, "StartInstance", create_instance_request, &request,
                       create_instance_response, &response);
}

static struct hub_get_instance_response ask(struct served *served, const char *method,
                                            const char *id)
{
    const struct hub_get_instance_request request = { text_of(id), true };
    struct hub_get_instance_response response;
    pd_status status = served_call(served, method, get_instance_request, &request,
                                   get_instance_response, &response);
    if (status != PD_OK) {
        fail_msg("%s of '%s': %s", method, id, served->err.text);
    }
    return response;
}

struct hub_get_instance_response served_get(struct served *served, const char *id)
{
    return ask(served, "GetInstance", id);
}

struct hub_get_instance_response served_wait(struct served *served, const char *id)
{
    return ask(served, "WaitForInstanceCompletion", id);
}

int64_t served_status(struct served *served, const char *id)
{
    struct hub_get_instance_response response = served_get(served, id);
    return response.exists ? response.orchestration_state->orchestration_status : -1;
}

/* ---- a worker -------------------------------------------------------------------------------- */

static void came(void *argument, struct grpc_stream *stream, struct text message)
{
    struct desk *desk = argument;
    (void)stream;
    pthread_mutex_lock(&desk->mutex);
    if (message.size == 2 && message.at[0] == 0x22) {
        desk->pings++;
    } else {
        if (desk->count == desk->room) {
            size_t room = desk->room * 2 + 16;
            desk->items =
                mem_grow(desk->items, desk->room * sizeof *desk->items, room * sizeof *desk->items);
            desk->room = room;
        }
        char *copy = mem_alloc(message.size + 1);
        memcpy(copy, message.at, message.size);
        desk->items[desk->count++] = text_make(copy, message.size);
    }
    pthread_cond_broadcast(&desk->changed);
    pthread_mutex_unlock(&desk->mutex);
}

static void ended(void *argument, struct grpc_stream *stream, pd_status status, const pd_error *err)
{
    struct desk *desk = argument;
    (void)stream;
    (void)err;
    pthread_mutex_lock(&desk->mutex);
    desk->has_ended = true;
    desk->status = status;
    pthread_cond_broadcast(&desk->changed);
    pthread_mutex_unlock(&desk->mutex);
}

void desk_open_call(struct desk *desk, struct served *served, struct grpc_channel *channel,
                    const char *name, const struct message_type *type, const void *request)
{
    static const struct grpc_stream_handler handler = { .message = came, .ended = ended };
    struct buffer bytes;
    char path[128];
    *desk = (struct desk){ .served = served };
    pthread_mutex_init(&desk->mutex, NULL);
    pthread_cond_init(&desk->changed, NULL);
    buffer_init(&bytes);
    message_write(type, &bytes, request);
    desk->stream = grpc_stream_open(channel != NULL ? channel : served->channel,
                                    path_of(name, path), buffer_text(&bytes), &handler, desk);
    buffer_done(&bytes);
}

void desk_open(struct desk *desk, struct served *served, struct grpc_channel *channel,
               const struct hub_get_work_items_request *request)
{
    static const struct hub_get_work_items_request everything;
    desk_open_call(desk, served, channel, "GetWorkItems", &hub_get_work_items_request_type,
                   request != NULL ? request : &everything);
}

/* Under the mutex. False: the time is over. */
static bool wait_until(struct desk *desk, const struct timespec *until)
{
    return pthread_cond_timedwait(&desk->changed, &desk->mutex, until) == 0;
}

static struct timespec after(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    int64_t ns = at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += ms / 1000 + ns / 1000000000;
    at.tv_nsec = ns % 1000000000;
    return at;
}

void desk_wait_end(struct desk *desk)
{
    struct timespec until = after(PATIENCE_MS);
    pthread_mutex_lock(&desk->mutex);
    while (!desk->has_ended && wait_until(desk, &until)) {}
    bool has_ended = desk->has_ended;
    pthread_mutex_unlock(&desk->mutex);
    assert_true(has_ended);
}

void desk_wait_pings(struct desk *desk, size_t count)
{
    struct timespec until = after(PATIENCE_MS);
    pthread_mutex_lock(&desk->mutex);
    while (desk->pings < count && wait_until(desk, &until)) {}
    size_t pings = desk->pings;
    pthread_mutex_unlock(&desk->mutex);
    assert_true(pings >= count);
}

void desk_close(struct desk *desk)
{
    if (desk->stream == NULL) {
        return;
    }
    grpc_stream_cancel(desk->stream);
    desk_wait_end(desk);
    grpc_stream_free(desk->stream);
    for (size_t i = 0; i < desk->count; i++) {
        mem_free((void *)(uintptr_t)desk->items[i].at);
    }
    mem_free(desk->items);
    pthread_cond_destroy(&desk->changed);
    pthread_mutex_destroy(&desk->mutex);
    desk->stream = NULL;
}

static bool take(struct desk *desk, int64_t ms, struct text *ret)
{
    struct timespec until = after(ms);
    pthread_mutex_lock(&desk->mutex);
    while (desk->taken == desk->count && !desk->has_ended && wait_until(desk, &until)) {}
    bool is_there = desk->taken < desk->count;
    if (is_there) {
        *ret = text_copy(&desk->served->arena, desk->items[desk->taken++]);
    }
    pthread_mutex_unlock(&desk->mutex);
    return is_there;
}

bool desk_has_none(struct desk *desk, int64_t ms)
{
    struct text bytes;
    return !take(desk, ms, &bytes);
}

struct hub_work_item desk_take(struct desk *desk)
{
    struct hub_work_item item = { .completion_token = TEXT_ABSENT };
    struct text bytes = TEXT_ABSENT;
    if (!take(desk, PATIENCE_MS, &bytes)) {
        fail_msg("no work came; the stream %s", desk->has_ended ? "has ended" : "is open");
    }
    assert_int_equal(
        message_read(&hub_work_item_type, bytes, &desk->served->arena, &item, &desk->served->err),
        PD_OK);
    return item;
}

void desk_complete(struct desk *desk, const struct hub_work_item *item,
                   const struct hub_orchestrator_action *actions, size_t count)
{
    struct hub_orchestrator_response response;
    message_init(&hub_orchestrator_response_type, &response);
    response.instance_id = item->orchestrator_request->instance_id;
    response.completion_token = item->completion_token;
    response.actions.items = (struct hub_orchestrator_action *)(uintptr_t)actions;
    response.actions.count = count;
    pd_status status = served_tell(desk->served, "CompleteOrchestratorTask",
                                   &hub_orchestrator_response_type, &response);
    if (status != PD_OK) {
        fail_msg("CompleteOrchestratorTask: %s", desk->served->err.text);
    }
}

struct hub_work_item desk_answer(struct desk *desk, const struct hub_orchestrator_action *actions,
                                 size_t count)
{
    struct hub_work_item item = desk_take(desk);
    assert_non_null(item.orchestrator_request);
    desk_complete(desk, &item, actions, count);
    return item;
}

struct hub_work_item desk_end(struct desk *desk, int64_t status, const char *output)
{
    /* TaskFailureDetails: errorType "Oops", errorMessage "it broke" */
    static const char failure[] = "\x0a\x04Oops\x12\x08it broke";
    const struct hub_complete_orchestration_action end = {
        .orchestration_status = status,
        .result = text_of(output),
        .failure_details = status == FAILED ? text_make(failure, sizeof failure - 1) : TEXT_ABSENT,
    };
    const struct hub_orchestrator_action action = { .id = 99, .complete_orchestration = &end };
    return desk_answer(desk, &action, 1);
}

void desk_run(struct desk *desk, const char *id, int64_t status, const char *output)
{
    assert_int_equal(served_start_instance(desk->served, id, "flow"), PD_OK);
    (void)desk_end(desk, status, output);
    assert_int_equal(served_wait(desk->served, id).orchestration_state->orchestration_status,
                     status);
}
