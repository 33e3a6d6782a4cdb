/* SPDX-License-Identifier: MIT
 *
 * A child: loads the app, opens the hub, runs its worker and its routes, until it is told to drain.
 *
 * Draining: no new connections; requests that are under way are answered, and connections closed
 * behind their answer, as long as --drain says (those without a request for LINGER_MS, as who holds
 * one may be about to use it); then the worker hands in what it has, and the process ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
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

/* ---- being told to end ---------------------------------------------------------------------- */

/* By a handler, not by waiting for blocked signals: what the app starts would inherit those. That
 * it runs on the main thread, which waits, is the kernel's choice as long as it can. */
static int end_fd = -1;

static void on_end(int number)
{
    const uint64_t one = 1;
    int error = errno;
    (void)number;
    ssize_t written = write(end_fd, &one, sizeof one);
    (void)written;
    errno = error;
}

static void on_pipe(int number)
{
    (void)number; /* not ignored, which would be inherited as well */
}

static bool listen_to_signals(void)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    struct sigaction ours = { .sa_flags = SA_RESTART };
    end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ours.sa_handler = on_end;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaction(numbers[i], &ours, NULL);
    }
    ours.sa_handler = on_pipe;
    (void)sigaction(SIGPIPE, &ours, NULL);
    return end_fd >= 0;
}

static void await_end(void)
{
    struct pollfd end = { end_fd, POLLIN, 0 };
    while (poll(&end, 1, -1) <= 0) {}
}

/* ---- what it needs -------------------------------------------------------------------------- */

static bool refused(const pd_error *err)
{
    report(REPORT_REFUSED, "%s", err->text);
    return false;
}

/* Waits for a server that is not there: it may be on its way up. */
static bool open_hub(struct service *service)
{
    const char *url = getenv(URL_VARIABLE);
    struct pollfd end = { end_fd, POLLIN, 0 };
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
        if (poll(&end, 1, RETRY_MS) > 0) {
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
static bool serve(struct service *service)
{
    pthread_t thread;
    threads_start(service);
    pulse_begin(service);
    if (pthread_create(&thread, NULL, run_loop, service) != 0) {
        report(REPORT_REFUSED, "there is no thread");
        return false;
    }
    report(REPORT_READY, "%s", service->app->name);
    await_end();
    /* Should user code hold us up, and nobody be there to end us. */
    (void)alarm((unsigned)((2 * service->options->drain_ms + 2 * PATIENCE_MS) / 1000));
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
    pulse_end(service);
    loop_free(service->loop);
    return true;
}

static int work(struct service *service, int listen, const char *file)
{
    pd_error err;
    if (service->options->key != NULL &&
        (service->keys = keys_read(service->options->key, &err)) == NULL) {
        (void)refused(&err);
        return CHILD_UNUSABLE;
    }
    crash_install(); /* what the app's constructors do is reported as well */
    stacks_install();
    service->app = app_load(file, &err);
    if (service->app == NULL) {
        (void)refused(&err);
        return CHILD_UNUSABLE;
    }
    trace_app(service->app);
    report(REPORT_LOADED, "%s", "");
    if (!open_hub(service)) {
        return CHILD_UNUSABLE;
    }
    service->worker = open_http(service, listen) ? start_worker(service) : NULL;
    if (service->worker == NULL) {
        return CHILD_UNUSABLE;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* V4: there may be something to finish now */
    bool is_whole = serve(service);
    pd_worker_stop(service->worker);
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
    if (pipe == NULL || listen == NULL || file == NULL || !listen_to_signals()) {
        fprintf(stderr, "perdure-host: " CHILD_VARIABLE " is not for people\n");
        return 2;
    }
    report_fd = (int)strtol(pipe, NULL, 10);
    int socket = (int)strtol(listen, NULL, 10);
    (void)fcntl(report_fd, F_SETFD, FD_CLOEXEC);
    if (socket >= 0) {
        (void)fcntl(socket, F_SETFD, FD_CLOEXEC);
    }
    (void)prctl(PR_SET_NAME, "perdure-app"); /* not "exe", which is what was started */
    (void)setvbuf(stdout, NULL, _IOLBF, 0);  /* what the app prints is not lost with it */
    char *path = strdup(file);
    (void)unsetenv(CHILD_VARIABLE);
    struct service service = { .options = options };
    int code = path != NULL ? work(&service, socket, path) : CHILD_UNUSABLE;
    free(path);
    return code;
}
