/* SPDX-License-Identifier: MIT
 *
 * systemd, without its library: telling it how we are (NOTIFY_SOCKET), and taking sockets that it
 * opened for us (LISTEN_FDS). Anywhere else all of this does nothing. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/server_priv.h"

enum { FIRST_FD = 3 };

struct notify {
    int socket; /* -1: nobody listens */
    int64_t watchdog_us;
    int fds;
    char *fd_names; /* with colons between; NULL: none */
    struct arena arena;
};

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || size >= sizeof address.sun_path) {
        return -1;
    }
    memcpy(address.sun_path, path, size);
    address.sun_path[0] = path[0] == '@' ? '\0' : path[0];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* A number of the environment that is for this process, by the pid that stands beside it. */
static int64_t number_for_us(const char *name, const char *pid_name)
{
    const char *value = getenv(name);
    const char *pid = getenv(pid_name);
    bool is_ours = pid == NULL || strtol(pid, NULL, 10) == (long)getpid();
    return value != NULL && is_ours ? strtoll(value, NULL, 10) : 0;
}

struct notify *notify_new(void)
{
    struct notify *notify = mem_alloc(sizeof *notify);
    const char *path = getenv("NOTIFY_SOCKET");
    const char *names = getenv("LISTEN_FDNAMES");
    arena_init(&notify->arena);
    notify->socket = path != NULL ? connect_to(path) : -1;
    notify->watchdog_us = number_for_us("WATCHDOG_USEC", "WATCHDOG_PID");
    notify->fds = getenv("LISTEN_PID") != NULL ? (int)number_for_us("LISTEN_FDS", "LISTEN_PID") : 0;
    notify->fd_names = names != NULL ? arena_copy(&notify->arena, names, strlen(names)) : NULL;
    return notify;
}

void notify_free(struct notify *notify)
{
    if (notify == NULL) {
        return;
    }
    if (notify->socket >= 0) {
        (void)close(notify->socket);
    }
    arena_done(&notify->arena);
    mem_free(notify);
}

void notify_say(struct notify *notify, const char *format, ...)
{
    char text[256];
    va_list arguments;
    if (notify->socket < 0) {
        return;
    }
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size > 0) {
        size_t length = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
        (void)send(notify->socket, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

int64_t notify_watchdog_us(const struct notify *notify)
{
    return notify->watchdog_us;
}

pd_status notify_address(struct notify *notify, const char *address, struct arena *arena,
                         const char **ret, pd_error *err)
{
    const char *at = notify->fd_names;
    *ret = address;
    if (strncmp(address, "fd:", 3) != 0) {
        return PD_OK;
    }
    for (int i = 0; at != NULL && i < notify->fds; i++) {
        size_t size = strcspn(at, ":");
        if (strlen(address + 3) == size && strncmp(address + 3, at, size) == 0) {
            *ret = arena_printf(arena, "fd:%d", FIRST_FD + i);
            return PD_OK;
        }
        at += size + (at[size] == ':');
    }
    return error_set(err, PD_E_INVALID, false, "server",
                     "'%s': no socket of this name was handed over (LISTEN_FDNAMES)", address);
}
