/* SPDX-License-Identifier: MIT
 *
 * The app's file: copies of it, and when it has changed.
 *
 *   W1  A child loads a copy, which nobody writes any more: a linker that writes the file in place
 *       would change the code of what runs.
 *   W2  What the path leads to is looked at, again and again: whether the file is written in place
 *       or another takes its place, its folder is made anew, or a link leads elsewhere. It is
 *       copied when nothing has happened to it for SETTLE_MS; one that is not there has not
 *       changed.
 *   W3  What a copy was made of is known from before: what is written meanwhile is a change.
 *   W4  Only a file is read: nothing here waits for who writes into a pipe, nor reads a device that
 *       has no end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/supervisor.h"

enum { SETTLE_MS = 200 };

void watch_init(struct supervisor *s)
{
    const char *slash = strrchr(s->options->app, '/');
    s->watch.name = slash != NULL ? slash + 1 : s->options->app;
}

static struct stamp stamp_of(const struct stat *stat)
{
    return (struct stamp){
        .device = stat->st_dev,
        .inode = stat->st_ino,
        .size = stat->st_size,
        .changed_s = stat->st_ctim.tv_sec,
        .changed_ns = stat->st_ctim.tv_nsec,
        .written_s = stat->st_mtim.tv_sec,
        .written_ns = stat->st_mtim.tv_nsec,
    };
}

void watch_look(struct supervisor *s)
{
    struct stat now;
    if (s->options->stays || s->last_copy == 0 || stat(s->options->app, &now) != 0) {
        return;
    }
    struct stamp stamp = stamp_of(&now);
    if (memcmp(&stamp, &s->watch.seen, sizeof stamp) != 0) {
        s->watch.seen = stamp;
        s->watch.settle_at_ms = now_ms() + SETTLE_MS;
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

/* -1 after a message. */
static int open_app(struct supervisor *s)
{
    const char *app = s->options->app;
    struct stat before;
    int fd = open(app, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* W4 */
    if (fd < 0 || fstat(fd, &before) != 0) {
        say("%s cannot be read: %s", app, strerror(errno));
    } else if (!S_ISREG(before.st_mode)) {
        say("%s is not loaded: it is no file", app);
    } else {
        s->watch.seen = stamp_of(&before); /* W3 */
        return fd;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

int watch_copy(struct supervisor *s)
{
    char path[512];
    int number = s->last_copy + 1;
    (void)watch_copy_path(s, number, path, sizeof path);
    int from = open_app(s);
    if (from < 0) {
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
