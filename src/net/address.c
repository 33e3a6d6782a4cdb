/* SPDX-License-Identifier: MIT
 *
 * Addresses: from text to sockets that listen or connect, and back to text for people. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "net/h2.h"
#include "net/sock.h"

enum { BACKLOG = 1024 };

void sock_peer_name(const struct sockaddr *address, socklen_t size, char name[SOCK_NAME_MAX])
{
    char host[INET6_ADDRSTRLEN + 16], port[16];
    if (address->sa_family == AF_UNIX) {
        const struct sockaddr_un *local = (const void *)address;
        bool has_path = size > offsetof(struct sockaddr_un, sun_path) && local->sun_path[0] != 0;
        (void)snprintf(name, SOCK_NAME_MAX, "unix:%.*s", has_path ? 107 : 0, local->sun_path);
        return;
    }
    if (getnameinfo(address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        (void)snprintf(name, SOCK_NAME_MAX, "?");
        return;
    }
    bool is_v6 = address->sa_family == AF_INET6;
    (void)snprintf(name, SOCK_NAME_MAX, "%s%s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
                   port);
}

static pd_status invalid(const char *address, const char *why, pd_error *err)
{
    return error_set(err, PD_E_INVALID, false, "net: listen",
                     "\"%.200s\" is no address to listen on: %s", address, why);
}

static int fail_listen(int fd, const char *address, pd_error *err)
{
    (void)error_set(err, PD_E_UNAVAILABLE, true, "net: listen", "cannot listen on \"%.100s\": %s%s",
                    address, strerror(errno),
                    errno == EADDRINUSE ? "; stop who has it, or give another port" : "");
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

/* A socket that nobody listens on was left by a process that was killed. One that somebody does is
 * his: taking its path would leave him deaf, without a word. */
static bool is_left_over(const struct sockaddr_un *local)
{
    struct stat old;
    if (lstat(local->sun_path, &old) != 0 || !S_ISSOCK(old.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_refused = fd >= 0 && connect(fd, (const struct sockaddr *)local, sizeof *local) != 0 &&
                      errno == ECONNREFUSED;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_refused;
}

static int listen_unix(const char *address, char name[SOCK_NAME_MAX], pd_error *err)
{
    const char *path = address + 5;
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    if (path[0] == 0 || strlen(path) >= sizeof local.sun_path) {
        (void)invalid(address, "the path is empty or too long", err);
        return -1;
    }
    memcpy(local.sun_path, path, strlen(path));
    if (is_left_over(&local)) {
        (void)unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) != 0 ||
        listen(fd, BACKLOG) != 0) {
        return fail_listen(fd, address, err);
    }
    (void)snprintf(name, SOCK_NAME_MAX, "%s", address);
    return fd;
}

/* "host:port" or "[host]:port" taken apart. */
static bool split(const char *address, char host[256], char port[16])
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *to = colon;
    if (colon == NULL || colon[1] == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtol(colon + 1, NULL, 10) > 65535) {
        return false;
    }
    if (*from == '[') {
        from++;
        to--;
        if (to <= from || *to != ']') {
            return false;
        }
    } else if (memchr(from, ':', (size_t)(to - from)) != NULL) {
        return false;
    }
    if (to == from || to - from > 255) {
        return false;
    }
    (void)snprintf(host, 256, "%.*s", (int)(to - from), from);
    (void)snprintf(port, 16, "%s", colon + 1);
    return true;
}

static int listen_tcp(const struct addrinfo *info, const char *address, char name[SOCK_NAME_MAX],
                      pd_error *err)
{
    const int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail_listen(fd, address, err);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (info->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        return fail_listen(fd, address, err);
    }
    struct sockaddr_storage got;
    socklen_t size = sizeof got;
    if (getsockname(fd, (struct sockaddr *)&got, &size) != 0) {
        return fail_listen(fd, address, err);
    }
    sock_peer_name((struct sockaddr *)&got, size, name);
    return fd;
}

/* A socket that listens already: whoever started us made it. */
static int listen_fd(const char *address, char name[SOCK_NAME_MAX], pd_error *err)
{
    struct sockaddr_storage got;
    socklen_t size = sizeof got;
    int listens = 0;
    socklen_t listens_size = sizeof listens;
    char *end;
    long fd = strtol(address + 3, &end, 10);
    if (end == address + 3 || *end != 0 || fd < 0 || fd > INT_MAX ||
        getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) != 0 ||
        listens == 0 || getsockname((int)fd, (struct sockaddr *)&got, &size) != 0) {
        (void)invalid(address, "it is no socket that listens", err);
        return -1;
    }
    int flags = fcntl((int)fd, F_GETFL);
    if (flags < 0 || fcntl((int)fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0) {
        return fail_listen((int)fd, address, err);
    }
    sock_peer_name((struct sockaddr *)&got, size, name);
    return (int)fd;
}

static const char shapes[] = "write HOST:PORT, [HOST]:PORT, unix:PATH or fd:NAME";

pd_status h2_check_address(const char *address, pd_error *err)
{
    char host[256], port[16];
    bool is_one = strncmp(address, "fd:", 3) == 0 || strncmp(address, "unix:", 5) == 0
                      ? strchr(address, ':')[1] != 0
                      : split(address, host, port);
    return is_one ? PD_OK : invalid(address, shapes, err);
}

/* ---- could it be listened on? --------------------------------------------------------------- */

static pd_status probe_unix(const char *address, pd_error *err)
{
    const char *path = address + 5;
    char folder[PATH_MAX] = ".";
    struct stat old;
    const char *slash = strrchr(path, '/');
    if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
        return invalid(address, "the path is too long", err);
    }
    if (lstat(path, &old) == 0 && !S_ISSOCK(old.st_mode)) {
        return invalid(address, "there is something else of that name", err);
    }
    if (slash != NULL) {
        (void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path),
                       path);
    }
    return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0
               ? PD_OK
               : invalid(address, strerror(errno), err);
}

static pd_status probe_tcp(const struct addrinfo *info, const char *address, pd_error *err)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    int reason = fd < 0 ? errno : 0;
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        reason = bind(fd, info->ai_addr, info->ai_addrlen) != 0 ? errno : 0;
        (void)close(fd);
    }
    return reason == 0 || reason == EADDRINUSE ? PD_OK : invalid(address, strerror(reason), err);
}

/* As sock_listen does. PD_OK: to be freed. */
static pd_status resolve(const char *address, struct addrinfo **ret, pd_error *err)
{
    char host[256], port[16];
    if (!split(address, host, port)) {
        return invalid(address, shapes, err);
    }
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    int rc = getaddrinfo(host, port, &hints, ret);
    return rc == 0 ? PD_OK : invalid(address, gai_strerror(rc), err);
}

pd_status h2_probe_address(const char *address, pd_error *err)
{
    struct addrinfo *found = NULL;
    pd_status status = h2_check_address(address, err);
    if (status != PD_OK || strncmp(address, "fd:", 3) == 0) {
        return status; /* whoever starts the server hands it over */
    }
    if (strncmp(address, "unix:", 5) == 0) {
        return probe_unix(address, err);
    }
    status = resolve(address, &found, err);
    if (status == PD_OK) {
        status = probe_tcp(found, address, err);
        freeaddrinfo(found);
    }
    return status;
}

/* ---- listening ------------------------------------------------------------------------------ */

int sock_listen(const char *address, char name[SOCK_NAME_MAX], pd_error *err)
{
    if (strncmp(address, "fd:", 3) == 0) {
        return listen_fd(address, name, err);
    }
    if (strncmp(address, "unix:", 5) == 0) {
        return listen_unix(address, name, err);
    }
    struct addrinfo *found = NULL;
    if (resolve(address, &found, err) != PD_OK) {
        return -1;
    }
    int fd = listen_tcp(found, address, name, err);
    freeaddrinfo(found);
    return fd;
}

static int connect_one(const struct addrinfo *info, const char *host, unsigned port, pd_error *err)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        const int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(fd, info->ai_addr, info->ai_addrlen) == 0 || errno == EINPROGRESS) {
            return fd;
        }
    }
    (void)error_set(err, PD_E_UNAVAILABLE, true, "net: connect", "cannot connect to %s:%u: %s",
                    host, port, strerror(errno));
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

int sock_connect(const char *host, unsigned port, unsigned n, pd_error *err)
{
    char service[16];
    (void)snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, service, &hints, &found);
    if (rc != 0) {
        (void)error_set(err, PD_E_UNAVAILABLE, true, "net: connect",
                        "\"%.200s\" has no address: %s", host, gai_strerror(rc));
        return -1;
    }
    const struct addrinfo *info = found;
    for (unsigned i = 0; i < n && info != NULL; i++) {
        info = info->ai_next;
    }
    int fd = -1;
    if (info != NULL) {
        fd = connect_one(info, host, port, err);
    } else {
        (void)error_set(err, PD_E_NOT_FOUND, false, "net: connect", "%s has no more addresses",
                        host);
    }
    freeaddrinfo(found);
    return fd;
}
