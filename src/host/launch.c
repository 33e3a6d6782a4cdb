/* SPDX-License-Identifier: MIT
 *
 * Starting a process, reading lines of what it says, and how long to wait before the next. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/supervisor.h"

int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void say(const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "perdure-host: %s\n", line);
}

bool listens_locally(int fd)
{
    struct sockaddr_storage name = { 0 };
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0) {
        return false;
    }
    const struct sockaddr_in *v4 = (const void *)&name;
    const struct sockaddr_in6 *v6 = (const void *)&name;
    return name.ss_family == AF_UNIX ||
           (name.ss_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 24 == 127) ||
           (name.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
}

/* What others write does not move the cursor of whoever reads the log. */
static void hand_on(struct lines *lines, void (*line)(void *argument, const char *text),
                    void *argument)
{
    for (size_t i = 0; i < lines->size; i++) {
        if ((unsigned char)lines->text[i] < ' ' && lines->text[i] != '\t') {
            lines->text[i] = '?';
        }
    }
    lines->text[lines->size] = '\0';
    lines->size = 0;
    line(argument, lines->text);
}

bool lines_read(struct lines *lines, void (*line)(void *argument, const char *text), void *argument)
{
    char bytes[4096];
    ssize_t got = read(lines->fd, bytes, sizeof bytes);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n') {
            lines->text[lines->size++] = bytes[i];
        }
        if (bytes[i] == '\n' || lines->size == LINE_MAX_BYTES - 1) {
            hand_on(lines, line, argument);
        }
    }
    if (got == 0 && lines->size != 0) {
        hand_on(lines, line, argument);
    }
    return got > 0;
}

void lines_close(struct lines *lines)
{
    if (lines->fd >= 0) {
        (void)close(lines->fd);
    }
    *lines = (struct lines){ .fd = -1 };
}

static _Noreturn void become(const struct launch *launch, int output)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0); /* Ctrl-C is the supervisor's to hear */
    (void)prctl(PR_SET_PDEATHSIG, launch->death);
    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
    }
    for (const int *keep = launch->keep; keep != NULL && *keep >= 0; keep++) {
        (void)fcntl(*keep, F_SETFD, 0);
    }
    (void)execvpe(launch->file, launch->argv, launch->environment);
    say("%s cannot be started: %s", launch->file, strerror(errno));
    _exit(127);
}

pid_t launch(const struct launch *launch)
{
    int ends[2] = { -1, -1 };
    pid_t parent = getpid();
    if (launch->output != NULL && pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -1;
    }
    if (launch->output != NULL) {
        (void)fcntl(ends[1], F_SETFL, 0); /* who writes waits */
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (getppid() != parent) {
            _exit(0);
        }
        become(launch, ends[1]);
    }
    if (ends[1] >= 0) {
        (void)close(ends[1]);
    }
    if (pid > 0 && launch->output != NULL) {
        *launch->output = ends[0];
    } else if (ends[0] >= 0) {
        (void)close(ends[0]);
    }
    return pid;
}

int64_t launch_delay(int64_t *delay_ms, int64_t lived_ms)
{
    int64_t delay = lived_ms >= LIVED_MS ? DELAY_FIRST_MS : *delay_ms;
    *delay_ms = delay * 2 < DELAY_MAX_MS ? delay * 2 : DELAY_MAX_MS;
    return delay;
}
