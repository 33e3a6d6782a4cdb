/* SPDX-License-Identifier: MIT
 *
 * See served_kit.h.
 */
#include "served_kit.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { READY_MS = 20000 };

bool served_is_wanted(void)
{
    const char *program = getenv("PERDURE_TEST_SERVER");
    return program != NULL && *program != '\0';
}

void served_skip(const char *why)
{
    if (served_is_wanted()) {
        fprintf(stderr, "not with a server: %s\n", why);
        skip();
    }
}

_Noreturn static void become(const char *store_url, const char *address, int out)
{
    const char *program = getenv("PERDURE_TEST_SERVER");
    const char *level = getenv("PERDURE_TEST_LOG_LEVEL");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    execl(program, program, "--store", store_url, "--listen", address, "--http", "127.0.0.1:0",
          "--log-level", level != NULL ? level : "warn", (char *)NULL);
    perror(program);
    _exit(127);
}

/* The line "ready grpc=ADDRESS[,...] http=ADDRESS". */
static bool read_ready(struct served *served, int from)
{
    char line[256];
    size_t size = 0;
    struct pollfd poll_of = { .fd = from, .events = POLLIN };
    while (size < sizeof line - 1 && memchr(line, '\n', size) == NULL) {
        ssize_t got = poll(&poll_of, 1, READY_MS) == 1 ? read(from, line + size, 1) : -1;
        if (got <= 0) {
            return false;
        }
        size += (size_t)got;
    }
    line[size] = '\0';
    const char *at = strstr(line, "grpc=");
    size_t length = at != NULL ? strcspn(at + 5, ", \n") : 0;
    if (length == 0 || length >= sizeof served->address) {
        return false;
    }
    memcpy(served->address, at + 5, length);
    served->address[length] = '\0';
    return true;
}

bool served_start(struct served *served, const char *store_url, const char *address)
{
    int pipe_of[2];
    *served = (struct served){ .pid = -1 };
    char at[64];
    snprintf(at, sizeof at, "%s", address);
    if (pipe(pipe_of) != 0) {
        return false;
    }
    served->pid = fork();
    if (served->pid == 0) {
        close(pipe_of[0]);
        become(store_url, at, pipe_of[1]);
    }
    close(pipe_of[1]);
    bool is_ready = served->pid > 0 && read_ready(served, pipe_of[0]);
    close(pipe_of[0]);
    if (!is_ready) {
        fprintf(stderr, "no server: %s did not become ready\n", getenv("PERDURE_TEST_SERVER"));
        served_kill(served);
    }
    return is_ready;
}

void served_kill(struct served *served)
{
    if (served->pid > 0) {
        kill(served->pid, SIGKILL);
        waitpid(served->pid, NULL, 0);
    }
    served->pid = -1;
}

void served_stop(struct served *served)
{
    int status = 0;
    if (served->pid <= 0) {
        return;
    }
    kill(served->pid, SIGTERM);
    waitpid(served->pid, &status, 0);
    served->pid = -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the server ended with status %x\n", (unsigned)status);
        abort();
    }
}

/* PERDURE_TEST_FILTER: only the tests that it matches, as "a_fork*". */
__attribute__((constructor)) static void set_filter(void)
{
    const char *filter = getenv("PERDURE_TEST_FILTER");
    if (filter != NULL) {
        cmocka_set_test_filter(filter);
    }
}
