/* SPDX-License-Identifier: MIT */
#include "scripted.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct visit {
    struct scripted *server;
    int fd;
};

static int say(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0) {
            return -1;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

__attribute__((format(printf, 2, 3))) static int sayf(int fd, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return say(fd, text, (size_t)size);
}

static void answer(int fd, const char *fields, const char *body, size_t size)
{
    (void)sayf(fd, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", fields, size);
    (void)say(fd, body, size);
}

/* Until the client has gone, or the server ends. */
static void linger(const struct visit *visit, const char *piece, int ms)
{
    struct pollfd poll_fd = { .fd = visit->fd, .events = POLLIN };
    while (!atomic_load(&visit->server->is_ending)) {
        char ignored;
        if (poll(&poll_fd, 1, ms) > 0 && recv(visit->fd, &ignored, 1, 0) <= 0) {
            return;
        }
        if (piece[0] != '\0' && say(visit->fd, piece, strlen(piece)) != 0) {
            return;
        }
    }
}

static void reset(int fd)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    (void)sayf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na part");
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void do_big(int fd)
{
    static char part[65536];
    memset(part, 'x', sizeof part);
    (void)sayf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n");
    for (int i = 0; i < 160 && say(fd, part, sizeof part) == 0; i++) {}
}

static void do_token(const struct visit *visit, const char *request, const char *path)
{
    char body[256];
    int n = atomic_fetch_add(&visit->server->tokens, 1) + 1;
    (void)snprintf(visit->server->last_token, sizeof visit->server->last_token, "%.4000s", request);
    int status = (int)strtol(path + 1, NULL, 10);
    if (status != 0 && n == 1) {
        (void)sayf(visit->fd, "HTTP/1.1 %d Later\r\nContent-Length: 0\r\n\r\n", status);
        return;
    }
    (void)usleep(50000); /* so that others come meanwhile */
    const char *name = visit->server->name[0] != '\0' ? visit->server->name : "expires_in";
    const char *expires = visit->server->name[0] != '\0'    ? visit->server->expires
                          : strncmp(path, "/short", 6) == 0 ? "301"
                                                            : "3600";
    int size = snprintf(body, sizeof body, "{\"access_token\":\"token-%d\",\"%s\":\"%s\"}", n, name,
                        expires);
    answer(visit->fd, "", body, (size_t)size);
}

static void do_seen(const struct visit *visit, const char *request, const char *path)
{
    struct scripted *server = visit->server;
    (void)pthread_mutex_lock(&server->mutex);
    size_t size = strlen(server->seen);
    (void)snprintf(server->seen + size, sizeof server->seen - size, "%s", request);
    (void)pthread_mutex_unlock(&server->mutex);
    bool is_later = path[5] == '/' && path[9] == ',';
    if (path[5] == '/') {
        (void)sayf(visit->fd,
                   "HTTP/1.1 %.3s Go\r\nLocation: %s\r\nRetry-After: %c\r\n"
                   "Content-Length: 0\r\n\r\n",
                   path + 6, path + (is_later ? 12 : 10), is_later ? path[10] : '0');
    } else {
        answer(visit->fd, "", "fine", 4);
    }
}

/* False: the connection is over. */
static int serve(const struct visit *visit, const char *request, size_t size, const char *path)
{
    int fd = visit->fd;
    char place[1024];
    if (strncmp(request, "HEAD /ok", 8) == 0) {
        (void)sayf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    } else if (strcmp(path, "/ok") == 0) {
        answer(fd, "X-Twice: a\r\nx-twice: b\r\nSet-Cookie: c=1\r\nSet-Cookie: d=2\r\n", "hello",
               5);
    } else if (strcmp(path, "/echo") == 0) {
        answer(fd, "", request, size);
    } else if (strncmp(path, "/status/", 8) == 0) {
        (void)sayf(fd, "HTTP/1.1 %.3s Text\r\nContent-Length: 4\r\n\r\ntext", path + 8);
    } else if (strncmp(path, "/to/", 4) == 0) {
        (void)sayf(fd, "HTTP/1.1 %.3s Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", path + 4,
                   path + 8);
    } else if (strcmp(path, "/loop") == 0) {
        (void)sayf(fd, "HTTP/1.1 302 Go\r\nLocation: loop\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/controls") == 0) {
        memset(place, 1, sizeof place);
        answer(fd, "", place, sizeof place);
    } else if (strcmp(path, "/latin") == 0) {
        answer(fd, "Content-Type: text/plain; charset=\"ISO-8859-1\"\r\n", "gr\xfcn", 4);
    } else if (strncmp(path, "/charset/", 9) == 0) {
        (void)snprintf(place, sizeof place, "Content-Type: text/plain; charset=%.40s\r\n",
                       path + 9);
        answer(fd, place, "gr\xfcn", 4);
    } else if (strcmp(path, "/names") == 0) {
        answer(fd, "\xce: a\r\n\xda: b\r\nX-Good: c\r\n", "", 0);
    } else if (strcmp(path, "/bad") == 0) {
        answer(fd, "X-Bad: \xff\r\n", "a\xff\0b", 4);
    } else if (strncmp(path, "/slow", 5) == 0) {
        linger(visit, "", 100);
        return 0;
    } else if (strcmp(path, "/drip") == 0) {
        (void)sayf(fd, "HTTP/1.1 200 OK\r\n\r\n");
        linger(visit, "x", 20);
        return 0;
    } else if (strcmp(path, "/fields") == 0) {
        (void)sayf(fd, "HTTP/1.1 200 OK\r\n");
        (void)snprintf(place, sizeof place, "X-Field: %.*s\r\n", 900,
                       "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
        linger(visit, place, 1);
        return 0;
    } else if (strncmp(path, "/seen", 5) == 0) {
        do_seen(visit, request, path);
    } else if (strstr(path, "token") != NULL) {
        do_token(visit, request, path);
    } else if (strcmp(path, "/big") == 0) {
        do_big(fd);
    } else {
        reset(fd);
        return 0;
    }
    return 1;
}

static void *visit(void *argument)
{
    struct visit *visit = argument;
    static const char length[] = "Content-Length: ";
    char request[16384], path[2048];
    size_t size = 0;
    for (int goes_on = 1; goes_on;) {
        struct pollfd poll_fd = { .fd = visit->fd, .events = POLLIN };
        while (poll(&poll_fd, 1, 50) == 0 && !atomic_load(&visit->server->is_ending)) {}
        ssize_t n = recv(visit->fd, request + size, sizeof request - 1 - size, MSG_DONTWAIT);
        if (n <= 0) {
            break;
        }
        size += (size_t)n;
        request[size] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *body = strstr(request, length);
        size_t wanted = body != NULL ? strtoul(body + sizeof length - 1, NULL, 10) : 0;
        if (end == NULL || size < (size_t)(end + 4 - request) + wanted) {
            continue;
        }
        atomic_fetch_add(&visit->server->requests, 1);
        goes_on = sscanf(request, "%*s %2047s", path) == 1 && serve(visit, request, size, path);
        size = 0;
    }
    (void)close(visit->fd);
    atomic_fetch_sub(&visit->server->open, 1);
    free(visit);
    return NULL;
}

static void *run(void *argument)
{
    struct scripted *server = argument;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&server->is_ending)) {
            (void)close(fd);
            return NULL;
        }
        struct visit *one = malloc(sizeof *one);
        pthread_t thread;
        pthread_attr_t small;
        *one = (struct visit){ server, fd };
        atomic_fetch_add(&server->open, 1);
        (void)pthread_attr_init(&small);
        (void)pthread_attr_setstacksize(&small, (size_t)256 << 10);
        (void)pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &small, visit, one) != 0) {
            abort();
        }
        (void)pthread_attr_destroy(&small);
    }
}

void scripted_begin(struct scripted *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(server, 0, sizeof *server);
    (void)pthread_mutex_init(&server->mutex, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, 1024) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server->thread, NULL, run, server) != 0) {
        abort();
    }
    server->port = ntohs(address.sin_port);
}

void scripted_end(struct scripted *server)
{
    atomic_store(&server->is_ending, true);
    (void)shutdown(server->listener, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    while (atomic_load(&server->open) > 0) {
        (void)usleep(1000);
    }
}
