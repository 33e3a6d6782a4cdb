/* SPDX-License-Identifier: MIT
 *
 * The supervisor: see host.h. What is due next follows from how things stand (tick), whatever
 * happened: is there no child that serves or starts, one is started with the last copy that served;
 * is there a newer copy, one is started with that.
 *
 *   P1  An app that has never served and cannot: we end, with 1, so that whoever deployed it sees
 *       it. One that cannot be loaded later is reported, and what serves goes on.
 *   P2  A child that ends unasked is started anew, after a delay that grows while children die
 *       young. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/supervisor.h"
#include "net/sock.h"

static struct child *child_in(struct supervisor *s, enum role role)
{
    for (size_t i = 0; i < CHILDREN; i++) {
        if (s->children[i].role == role) {
            return &s->children[i];
        }
    }
    return NULL;
}

/* ---- starting ------------------------------------------------------------------------------- */

static pid_t start_process(struct supervisor *s, int copy, int report)
{
    char place[640], url[512], path[512], room[600];
    (void)snprintf(place, sizeof place, CHILD_VARIABLE "=%d %d %s", report, s->listen,
                   watch_copy_path(s, copy, path, sizeof path));
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **environment = calloc(count + 3, sizeof *environment);
    if (environment == NULL) {
        return -1;
    }
    (void)snprintf(room, sizeof room, URL_VARIABLE "=%s", engine_url(s, url, sizeof url));
    environment[0] = place;
    environment[1] = room;
    memcpy(environment + 2, environ, count * sizeof *environment);
    struct launch how = {
        .file = "/proc/self/exe",
        .argv = s->argv,
        .environment = environment,
        .keep = (const int[]){ report, s->listen, -1 },
        .death = SIGKILL, /* until it serves: loading may never end */
    };
    pid_t pid = launch(&how);
    free(environment);
    return pid;
}

static void start_child(struct supervisor *s, int copy)
{
    struct child *child = child_in(s, ROLE_NONE);
    int ends[2];
    if (child == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        s->start_at_ms = now_ms() + DELAY_MAX_MS;
        return;
    }
    (void)fcntl(ends[1], F_SETFL, 0);
    *child = (struct child){
        .role = ROLE_STARTING,
        .copy = copy,
        .since_ms = now_ms(),
        .report.fd = ends[0],
        .pid = start_process(s, copy, ends[1]),
    };
    (void)close(ends[1]);
    if (child->pid < 0) {
        say("no process for the app: %s", strerror(errno));
        lines_close(&child->report);
        child->role = ROLE_NONE;
        s->start_at_ms = now_ms() + DELAY_MAX_MS;
    }
}

/* ---- ending --------------------------------------------------------------------------------- */

static void drain_child(struct supervisor *s, struct child *child)
{
    child->role = ROLE_DRAINING;
    if (!child->is_doomed) { /* requests, and then activities */
        child->kill_at_ms = now_ms() + 2 * s->options->drain_ms + PATIENCE_MS;
    }
    (void)kill(child->pid, SIGTERM);
}

static void end(struct supervisor *s)
{
    if (s->is_ending) { /* the second time */
        for (size_t i = 0; i < CHILDREN; i++) {
            if (s->children[i].role != ROLE_NONE) {
                (void)kill(s->children[i].pid, SIGKILL);
            }
        }
    }
    s->is_ending = true;
}

static void end_tick(struct supervisor *s)
{
    bool is_any = false;
    for (size_t i = 0; i < CHILDREN; i++) {
        struct child *child = &s->children[i];
        if (child->role == ROLE_STARTING || child->role == ROLE_SERVING) {
            drain_child(s, child);
        }
        is_any |= child->role != ROLE_NONE;
    }
    if (!is_any && s->engine.pid != 0 && s->kill_at_ms == 0) {
        (void)kill(s->engine.pid, SIGTERM);
        s->kill_at_ms = now_ms() + s->options->drain_ms + PATIENCE_MS;
    } else if (s->kill_at_ms != 0 && now_ms() >= s->kill_at_ms && s->engine.pid != 0) {
        (void)kill(s->engine.pid, SIGKILL);
    }
}

static void report_end(const struct child *child, int status)
{
    if (WIFSIGNALED(status)) {
        say("the app (process %d) ended by signal %d, %s%s", (int)child->pid, WTERMSIG(status),
            strsignal(WTERMSIG(status)), WCOREDUMP(status) ? "; there is a core file" : "");
    } else if (child->role != ROLE_DRAINING || WEXITSTATUS(status) != 0) {
        say("the app (process %d) ended by itself, with code %d", (int)child->pid,
            WEXITSTATUS(status));
    }
}

static void on_report(void *argument, const char *text);

static void child_ended(struct supervisor *s, struct child *child, int status)
{
    while (child->report.fd >= 0 &&
           lines_read(&child->report, on_report, &(void *[]){ s, child })) {
        struct pollfd one = { child->report.fd, POLLIN, 0 };
        if (poll(&one, 1, 0) <= 0) {
            break; /* somebody it started has the pipe */
        }
    }
    lines_close(&child->report);
    if (!child->is_refused && child->kill_at_ms != -1) {
        report_end(child, status);
    }
    bool was_new = child->role == ROLE_STARTING && child->copy != s->good_copy;
    bool is_unasked = child->role == ROLE_SERVING || child->role == ROLE_STARTING;
    if (child->copy != s->good_copy && child_in(s, ROLE_SERVING) != child) {
        watch_drop_copy(s, child->copy);
    }
    child->role = ROLE_NONE;
    if (!is_unasked || s->is_ending) {
        return;
    }
    if (was_new && !s->has_served) {
        s->is_ending = true; /* P1 */
        s->code = 1;
    } else if (was_new) {
        say("%s is not used; what was loaded before goes on", s->options->app);
    } else { /* P2 */
        int64_t delay = launch_delay(&s->delay_ms, now_ms() - child->since_ms);
        s->start_at_ms = now_ms() + delay;
        say("it is started again in %lld ms", (long long)delay);
    }
}

/* ---- what happens --------------------------------------------------------------------------- */

static void serve(struct supervisor *s, struct child *child)
{
    struct child *before = child_in(s, ROLE_SERVING);
    if (before != NULL) { /* V3 */
        drain_child(s, before);
    }
    if (s->good_copy != child->copy && s->good_copy != 0 && before == NULL) {
        watch_drop_copy(s, s->good_copy);
    }
    child->role = ROLE_SERVING;
    s->good_copy = child->copy;
    s->has_served = true;
}

static void on_report(void *argument, const char *text)
{
    void **both = argument;
    struct supervisor *s = both[0];
    struct child *child = both[1];
    bool is_starting = child->role == ROLE_STARTING; /* V1: it says what it likes */
    vigil_heard(child);
    if (text[0] == REPORT_READY && is_starting) {
        serve(s, child);
        printf("ready app=%s pid=%d%s%s\n", text + 1, (int)child->pid,
               s->options->http[0] != '\0' ? " http=" : "", s->http);
        fflush(stdout);
    } else if (text[0] == REPORT_LOADED) {
        child->is_away = true;
    } else if (text[0] == REPORT_REFUSED) {
        child->is_refused = true;
        say("%s is not loaded: %s", s->options->app, text + 1);
    } else if (text[0] == REPORT_HANGS) {
        vigil_hangs(s, child, text + 1);
    } else if (text[0] == REPORT_TOLD) {
        vigil_told(child);
    } else if (text[0] == REPORT_TEXT) {
        say("%s", text + 1);
    }
}

static void reload(struct supervisor *s)
{
    if (child_in(s, ROLE_NONE) == NULL) { /* many still drain */
        s->watch.settle_at_ms = now_ms() + DELAY_MAX_MS;
        return;
    }
    int copy = watch_copy(s);
    struct child *starting = child_in(s, ROLE_STARTING);
    if (copy == 0) {
        return;
    }
    if (starting != NULL) { /* it is older */
        starting->role = ROLE_DRAINING;
        starting->kill_at_ms = -1;
        (void)kill(starting->pid, SIGKILL);
    }
    start_child(s, copy);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->engine.pid) {
            engine_ended(s, status);
        }
        for (size_t i = 0; i < CHILDREN; i++) {
            if (s->children[i].role != ROLE_NONE && s->children[i].pid == pid) {
                child_ended(s, &s->children[i], status);
            }
        }
    }
}

static void on_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            reap(s);
        } else if (info.ssi_signo == SIGHUP) {
            s->watch.settle_at_ms = now_ms();
        } else {
            end(s);
        }
    }
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void tick(struct supervisor *s)
{
    int64_t now = now_ms();
    vigil_tick(s);
    watch_look(s);
    if (s->is_ending) {
        end_tick(s);
        return;
    }
    engine_tick(s);
    bool is_settled = s->watch.settle_at_ms != 0 && now >= s->watch.settle_at_ms;
    if (!s->engine.is_ready && !s->engine.was_ready) {
        return;
    }
    if (is_settled || (s->last_copy == 0)) {
        s->watch.settle_at_ms = 0;
        reload(s);
        if (s->last_copy == 0) {
            s->is_ending = true; /* P1 */
            s->code = 1;
        }
    } else if (child_in(s, ROLE_SERVING) == NULL && child_in(s, ROLE_STARTING) == NULL &&
               now >= s->start_at_ms) {
        start_child(s, s->good_copy != 0 ? s->good_copy : s->last_copy);
    }
}

static void wait_and_read(struct supervisor *s)
{
    struct pollfd all[CHILDREN + 2];
    nfds_t count = 0;
    all[count++] = (struct pollfd){ s->signals, POLLIN, 0 };
    all[count++] = (struct pollfd){ s->engine.output.fd, POLLIN, 0 };
    for (size_t i = 0; i < CHILDREN; i++) {
        int fd = s->children[i].role != ROLE_NONE ? s->children[i].report.fd : -1;
        all[count++] = (struct pollfd){ fd, POLLIN, 0 };
    }
    if (poll(all, count, 50) <= 0) {
        return;
    }
    if (all[1].revents != 0) {
        engine_read(s);
    }
    for (size_t i = 0; i < CHILDREN; i++) {
        struct child *child = &s->children[i];
        if (all[2 + i].revents != 0 &&
            !lines_read(&child->report, on_report, &(void *[]){ s, child })) {
            lines_close(&child->report);
        }
    }
    if (all[0].revents != 0) {
        on_signals(s);
    }
}

static bool is_over(const struct supervisor *s)
{
    bool is_any = s->engine.pid != 0;
    for (size_t i = 0; i < CHILDREN; i++) {
        is_any |= s->children[i].role != ROLE_NONE;
    }
    return s->is_ending && !is_any;
}

static bool prepare(struct supervisor *s)
{
    pd_error err;
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    s->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    const char *base = getenv("TMPDIR");
    (void)snprintf(s->folder, sizeof s->folder, "%s/perdure-host-XXXXXX",
                   base != NULL && strlen(base) < 200 ? base : "/tmp");
    if (s->signals < 0 || mkdtemp(s->folder) == NULL) {
        say("%s cannot be made: %s", s->folder, strerror(errno));
        return false;
    }
    s->listen = s->options->http[0] != '\0' ? sock_listen(s->options->http, s->http, &err) : -1;
    if (s->options->http[0] != '\0' && s->listen < 0) {
        say("%s", err.text);
        (void)rmdir(s->folder);
        return false;
    }
    if (s->listen >= 0 && !listens_locally(s->listen) && s->options->key == NULL) {
        say("--http %s: others reach it, so --key FILE is needed", s->options->http);
        (void)rmdir(s->folder);
        return false;
    }
    return true;
}

int supervisor_run(const struct options *options, char **argv)
{
    struct supervisor s = {
        .options = options, .argv = argv, .delay_ms = DELAY_FIRST_MS, .looked_at_ms = now_ms()
    };
    if (!prepare(&s)) {
        return 1;
    }
    engine_init(&s);
    watch_init(&s);
    while (!is_over(&s)) {
        tick(&s);
        wait_and_read(&s);
    }
    for (int copy = 1; copy <= s.last_copy; copy++) {
        watch_drop_copy(&s, copy);
    }
    char token[512];
    (void)snprintf(token, sizeof token, "%s/token", s.folder);
    (void)unlink(token);
    (void)rmdir(s.folder);
    if (strncmp(options->http, "unix:", 5) == 0) {
        (void)unlink(options->http + 5);
    }
    return s.code;
}
