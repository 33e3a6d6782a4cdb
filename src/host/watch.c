/* SPDX-License-Identifier: MIT
 *
 * The app's file: copies of it, and when it has changed.
 *
 *   W1  A child loads a copy, which nobody writes any more: a linker that writes the file in place
 *       would change the code of what runs.
 *   W2  The folder is watched, not the file: most tools put a new file in the place of the old. The
 *       file is copied when nothing has happened to it for SETTLE_MS. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/supervisor.h"

enum { SETTLE_MS = 200, PATH_BYTES = 4096 };

void watch_init(struct supervisor *s)
{
    char path[PATH_BYTES];
    const char *slash = strrchr(s->options->app, '/');
    s->watch.fd = -1;
    s->watch.name = slash != NULL ? slash + 1 : s->options->app;
    (void)snprintf(path, sizeof path, "%s", s->options->app);
    if (s->options->stays) {
        return;
    }
    s->watch.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (s->watch.fd < 0 ||
        inotify_add_watch(s->watch.fd, dirname(path),
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_MODIFY | IN_CREATE | IN_ATTRIB) < 0) {
        say("%s is not watched: %s; SIGHUP loads it anew", s->options->app, strerror(errno));
        if (s->watch.fd >= 0) {
            (void)close(s->watch.fd);
        }
        s->watch.fd = -1;
    }
}

void watch_read(struct supervisor *s)
{
    _Alignas(struct inotify_event) char bytes[8192];
    ssize_t size;
    while ((size = read(s->watch.fd, bytes, sizeof bytes)) > 0) {
        for (const char *at = bytes; at < bytes + size;) {
            const struct inotify_event *event = (const void *)at;
            if (event->len != 0 && strcmp(event->name, s->watch.name) == 0) {
                s->watch.settle_at_ms = now_ms() + SETTLE_MS;
            }
            at += sizeof *event + event->len;
        }
    }
}

const char *watch_copy_path(const struct supervisor *s, int copy, char *room, size_t size)
{
    (void)snprintf(room, size, "%s/%d-%.200s", s->folder, copy, s->watch.name);
    return room;
}

void watch_drop_copy(const struct supervisor *s, int copy)
{
    char path[512];
    (void)unlink(watch_copy_path(s, copy, path, sizeof path));
}

static bool copy_all(int from, int to)
{
    ssize_t sent;
    do {
        sent = sendfile(to, from, NULL, 1 << 20);
    } while (sent > 0);
    return sent == 0;
}

int watch_copy(struct supervisor *s)
{
    char path[512];
    int number = s->last_copy + 1;
    (void)watch_copy_path(s, number, path, sizeof path);
    int from = open(s->options->app, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        say("%s cannot be read: %s", s->options->app, strerror(errno));
        return 0;
    }
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    bool is_copied = to >= 0 && copy_all(from, to);
    if (!is_copied) {
        say("%s cannot be copied to %s: %s", s->options->app, path, strerror(errno));
        watch_drop_copy(s, number);
    }
    (void)close(from);
    if (to >= 0) {
        (void)close(to);
    }
    s->last_copy = is_copied ? number : s->last_copy;
    return is_copied ? number : 0;
}
