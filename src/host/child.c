/* SPDX-License-Identifier: MIT
 *
 * A child: loads the app, opens the hub, runs its worker and its routes, until it is told to drain.
 *
 * Draining: no new connections; requests that are under way are answered, and connections closed
 * behind their answer, as long as --drain says (those without a request for LINGER_MS, as who holds
 * one may be about to use it); then the worker hands in what it has, and the process ends. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "host/child.h"

enum { LINGER_MS = 2000, LOOK_US = 20 * 1000, RETRY_MS = 500 };

/* ---- the loop's thread ---------------------------------------------------------------------- */

static void look(void *argument)
{
    struct service *service = argument;
    int64_t now = loop_steady(service->loop) / 1000;
    size_t under_way = atomic_load(&service->under_way);
    bool is_empty = service->listener == NULL || http_listener_connections(service->listener) == 0;
    if ((under_way == 0 && (is_empty || now >= service->linger_until_ms)) ||
        now >= service->drain_until_ms) {
        loop_stop(service->loop);
    } else {
        loop_timer_set(service->look, LOOK_US);
    }
}

static void begin_drain(struct loop_job *job)
{
    struct service *service = CONTAINER_OF(job, struct service, drain);
    int64_t now = loop_steady(service->loop) / 1000;
    service->drain_until_ms = now + service->options->drain_ms;
    service->linger_until_ms = now + LINGER_MS;
    if (service->listener != NULL) {
        http_listener_drain(service->listener);
    }
    look(service);
}

static void *run_loop(void *argument)
{
    struct service *service = argument;
    loop_run(service->loop);
    return NULL;
}

/* ---- what it needs -------------------------------------------------------------------------- */

static bool refused(const pd_error *err)
{
    report(REPORT_REFUSED, "%s", err->text);
    return false;
}

/* Waits for a server that is not there: it may be on its way up. */
static bool open_hub(struct service *service, const sigset_t *signals)
{
    const char *url = getenv(URL_VARIABLE);
    const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
    pd_error err;
    bool is_told = false;
    for (;;) {
        service->hub = pd_hub_open(url != NULL ? url : "", &err);
        if (service->hub != NULL) {
            (void)unsetenv(URL_VARIABLE);
            return true;
        }
        if (!err.retryable) {
            return refused(&err);
        }
        if (!is_told) {
            report(REPORT_TEXT, "the hub cannot be reached, which is tried again: %s", err.text);
        }
        is_told = true;
        if (sigtimedwait(signals, NULL, &pause) > 0) {
            return false;
        }
    }
}

static bool open_http(struct service *service, int listen)
{
    char address[32];
    pd_error err;
    struct http_limits limits = { .body_bytes = (size_t)service->options->body_max };
    service->loop = loop_new(&err);
    if (service->loop == NULL) {
        return refused(&err);
    }
    service->look = loop_timer_new(service->loop, look, service);
    service->drain.run = begin_drain;
    if (listen < 0) {
        return true;
    }
    (void)snprintf(address, sizeof address, "fd:%d", listen);
    service->listener =
        http_listen(service->loop, address, NULL, &limits, serve_request, service, &err);
    return service->listener != NULL || refused(&err);
}

static pd_worker *start_worker(struct service *service)
{
    pd_error err;
    pd_worker_options options = {
        .threads = (int)service->options->activity_threads,
        .drain_max = { service->options->drain_ms },
        .version = service->app->version,
    };
    pd_worker *worker = pd_worker_start(service->hub, service->app->functions,
                                        service->app->function_count, &options, &err);
    if (worker == NULL) {
        (void)refused(&err);
    } else if (timers_put(service->hub, service->app, &err) != PD_OK) {
        (void)refused(&err);
        pd_worker_stop(worker);
        worker = NULL;
    }
    return worker;
}

/* ---- its life ------------------------------------------------------------------------------- */

/* False: what user code holds up is left to the end of the process. */
static bool serve(struct service *service, const sigset_t *signals)
{
    pthread_t thread;
    int signal;
    threads_start(service);
    if (pthread_create(&thread, NULL, run_loop, service) != 0) {
        report(REPORT_REFUSED, "there is no thread");
        return false;
    }
    report(REPORT_READY, "%s", service->app->name);
    while (sigwait(signals, &signal) != 0) {}
    atomic_store(&service->is_draining, true);
    loop_post(service->loop, &service->drain);
    (void)pthread_join(thread, NULL);
    http_listener_free(service->listener);
    if (atomic_load(&service->under_way) != 0) {
        report(REPORT_TEXT, "%zu requests are left unanswered", atomic_load(&service->under_way));
        return false;
    }
    threads_stop(service);
    loop_timer_free(service->look);
    loop_free(service->loop);
    return true;
}

static int work(struct service *service, int listen, const char *file, const sigset_t *signals)
{
    pd_error err;
    if (service->options->key != NULL &&
        (service->keys = keys_read(service->options->key, &err)) == NULL) {
        (void)refused(&err);
        return CHILD_UNUSABLE;
    }
    service->app = app_load(file, &err);
    if (service->app == NULL) {
        (void)refused(&err);
        return CHILD_UNUSABLE;
    }
    crash_install(service->app);
    if (!open_hub(service, signals)) {
        return CHILD_UNUSABLE;
    }
    pd_worker *worker = open_http(service, listen) ? start_worker(service) : NULL;
    if (worker == NULL) {
        return CHILD_UNUSABLE;
    }
    bool is_whole = serve(service, signals);
    pd_worker_stop(worker);
    if (!is_whole) {
        (void)fflush(NULL);
        _exit(0); /* threads of the pool are still in user code */
    }
    pd_hub_close(service->hub);
    keys_free(service->keys);
    return 0;
}

int child_run(const struct options *options, char *place)
{
    char *save = NULL;
    const char *pipe = strtok_r(place, " ", &save);
    const char *listen = strtok_r(NULL, " ", &save);
    const char *file = save;
    sigset_t signals;
    if (pipe == NULL || listen == NULL || file == NULL) {
        fprintf(stderr, "perdure-host: " CHILD_VARIABLE " is not for people\n");
        return 2;
    }
    report_fd = (int)strtol(pipe, NULL, 10);
    int socket = (int)strtol(listen, NULL, 10);
    (void)fcntl(report_fd, F_SETFD, FD_CLOEXEC);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    char *path = strdup(file);
    (void)unsetenv(CHILD_VARIABLE);
    struct service service = { .options = options };
    int code = path != NULL ? work(&service, socket, path, &signals) : CHILD_UNUSABLE;
    free(path);
    return code;
}
