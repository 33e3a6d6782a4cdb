/* SPDX-License-Identifier: MIT
 *
 * Ownership and waiting: who runs the engine of a file, and how others make themselves heard.
 *
 *   W1  One handle of one process holds flock(2) on <file>-lock while it owns any partition. The
 *       kernel lets go of it when the process dies, however it dies. (A child made by fork holds it
 *       too until it calls exec: do not fork an engine.)
 *   W2  <file>-lock says in one line of fixed length who holds it. After each commit its last byte
 *       is written again, with what it was, for those who watch it: the log of the database is no
 *       good for that, as its last write comes before the commit can be seen.
 *   W3  <file>-wake is a pipe that the owner reads; a byte in it says "look into the mailbox".
 *   W4  A wait may end early. It does not end late: what happened since the caller's last wait ends
 *       the next one at once. Where several threads wait on one handle, one may have taken the
 *       other's note; the other then looks again after WAIT_SHARED_MS. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "store/sqlite/sqlite_store.h"

enum { LINE_SIZE = 256, WAIT_SHARED_MS = 50 };

char *sqlite_path_beside(const struct sqlite_store *store, const char *suffix)
{
    size_t size = strlen(store->path) + strlen(suffix) + 1;
    char *path = mem_alloc(size);
    (void)snprintf(path, size, "%s%s", store->path, suffix);
    return path;
}

static pd_status failed(const struct sqlite_store *store, const char *what, pd_error *err)
{
    int reason = errno;
    bool denied = reason == EACCES || reason == EPERM || reason == EROFS;
    return error_set(err, denied ? PD_E_DENIED : PD_E_UNAVAILABLE, !denied, "sqlite: own",
                     "'%s%s': %s", store->name, what, strerror(reason));
}

pd_status sqlite_owner_init(struct sqlite_store *store, pd_error *err)
{
    struct sqlite_owner *owner = &store->owner;
    char *path = sqlite_path_beside(store, "-lock");
    owner->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    mem_free(path);
    if (owner->lock_fd < 0) {
        return failed(store, "-lock", err);
    }
    owner->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    return owner->wake_fd >= 0 ? PD_OK : failed(store, "", err);
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

void sqlite_owner_done(struct sqlite_store *store)
{
    struct sqlite_owner *owner = &store->owner;
    close_fd(&owner->lock_fd); /* and with it the lock */
    close_fd(&owner->pipe_fd);
    close_fd(&owner->watch_fd);
    close_fd(&owner->wake_fd);
}

/* ---- owning ---------------------------------------------------------------------------------- */

static pd_status refuse(struct sqlite_store *store, pd_error *err)
{
    char line[LINE_SIZE + 1] = "";
    ssize_t size = pread(store->owner.lock_fd, line, LINE_SIZE, 0);
    line[size > 0 ? size : 0] = '\0';
    size_t length = strcspn(line, "\n");
    while (length != 0 && line[length - 1] == ' ') {
        length--;
    }
    line[length] = '\0';
    return error_set(err, PD_E_STATE, false, "sqlite: own", "the engine of '%s' is run by %s",
                     store->name, length != 0 ? line : "another process");
}

pd_status sqlite_owner_hold(struct sqlite_store *store, pd_error *err)
{
    if (flock(store->owner.lock_fd, LOCK_EX | LOCK_NB) == 0) {
        return PD_OK;
    }
    return errno == EWOULDBLOCK ? refuse(store, err) : failed(store, "-lock", err);
}

void sqlite_owner_let_go(struct sqlite_store *store)
{
    (void)flock(store->owner.lock_fd, LOCK_UN);
}

static void write_line(struct sqlite_store *store, time_us now)
{
    char host[65] = "", since[32], line[LINE_SIZE + 1];
    (void)gethostname(host, sizeof host - 1);
    time_format(now, since);
    (void)snprintf(line, sizeof line, "process %ld on host %s since %s", (long)getpid(), host,
                   since);
    size_t length = strlen(line);
    memset(line + length, ' ', LINE_SIZE - length);
    line[LINE_SIZE - 1] = '\n';
    /* It only informs: ownership is the lock. */
    (void)!pwrite(store->owner.lock_fd, line, LINE_SIZE, 0);
}

static pd_status open_pipe(struct sqlite_store *store, pd_error *err)
{
    struct stat stat;
    char *path = sqlite_path_beside(store, "-wake");
    pd_status status = PD_OK;
    int fd = -1;
    if (mkfifo(path, 0666) != 0 && errno != EEXIST) {
        status = failed(store, "-wake", err);
    } else {
        /* For writing too: a pipe that nobody writes to would poll as ended. */
        fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
            status = failed(store, "-wake", err);
        } else if (fstat(fd, &stat) != 0 || !S_ISFIFO(stat.st_mode)) {
            (void)close(fd);
            fd = -1;
            status = error_set(err, PD_E_STATE, false, "sqlite: own",
                               "'%s-wake' is in the way: it is not a pipe", store->name);
        }
    }
    mem_free(path);
    store->owner.pipe_fd = fd;
    return status;
}

pd_status sqlite_owner_take(struct sqlite_store *store, unsigned partition, time_us now,
                            pd_error *err)
{
    struct sqlite_owner *owner = &store->owner;
    pd_status status = PD_OK;
    pthread_mutex_lock(&owner->lock);
    if (owner->owned == 0) {
        status = sqlite_owner_hold(store, err);
        if (status == PD_OK && (status = open_pipe(store, err)) != PD_OK) {
            sqlite_owner_let_go(store);
        } else if (status == PD_OK) {
            write_line(store, now);
        }
    }
    if (status == PD_OK) {
        owner->owned |= UINT64_C(1) << partition;
    }
    pthread_mutex_unlock(&owner->lock);
    return status;
}

void sqlite_owner_give(struct sqlite_store *store, unsigned partition)
{
    struct sqlite_owner *owner = &store->owner;
    pthread_mutex_lock(&owner->lock);
    bool was_owner = owner->owned != 0;
    owner->owned &= ~(UINT64_C(1) << partition);
    if (was_owner && owner->owned == 0) {
        /* Who waits on the pipe has a descriptor of its own (see sqlite_wait). */
        close_fd(&owner->pipe_fd);
        sqlite_owner_let_go(store);
    }
    pthread_mutex_unlock(&owner->lock);
}

/* ---- telling --------------------------------------------------------------------------------- */

void sqlite_owner_note_commit(struct sqlite_store *store)
{
    (void)!pwrite(store->owner.lock_fd, "\n", 1, LINE_SIZE - 1);
}

void sqlite_owner_note_mail(struct sqlite_store *store)
{
    struct stat stat;
    char *path = sqlite_path_beside(store, "-wake");
    /* For reading too: so a reader that goes away just now does not send us SIGPIPE. */
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    mem_free(path);
    if (fd < 0) {
        return; /* never owned: the mail is found when an engine starts */
    }
    if (fstat(fd, &stat) == 0 && S_ISFIFO(stat.st_mode)) {
        (void)!write(fd, "", 1); /* a full pipe says it as well */
    }
    (void)close(fd);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void drain(int fd)
{
    char junk[4096];
    while (read(fd, junk, sizeof junk) == (ssize_t)sizeof junk) {}
}

static void add_tokens(struct sqlite_owner *owner, uint64_t count)
{
    (void)!write(owner->wake_fd, &count, sizeof count);
}

/* A descriptor to poll for the caller alone, so that giving the engine up cannot close it under
 * him; -1 when there is none, and *ret_at_once when this call made the watch: what happened before
 * was not seen by it. */
static int listen_on(struct sqlite_store *store, bool *ret_at_once)
{
    struct sqlite_owner *owner = &store->owner;
    if (owner->pipe_fd >= 0) {
        return fcntl(owner->pipe_fd, F_DUPFD_CLOEXEC, 0);
    }
    if (owner->watch_fd < 0) {
        char *path = sqlite_path_beside(store, "-lock");
        owner->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (owner->watch_fd >= 0 && inotify_add_watch(owner->watch_fd, path, IN_MODIFY) < 0) {
            close_fd(&owner->watch_fd);
        }
        mem_free(path);
        *ret_at_once = owner->watch_fd >= 0;
    }
    return owner->watch_fd >= 0 ? fcntl(owner->watch_fd, F_DUPFD_CLOEXEC, 0) : -1;
}

pd_status sqlite_wait(struct store *base, int64_t max_ms, pd_error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct sqlite_owner *owner = &store->owner;
    bool at_once = false;
    (void)err;
    pthread_mutex_lock(&owner->lock);
    struct pollfd polled[2] = { { .fd = owner->wake_fd, .events = POLLIN },
                                { .fd = listen_on(store, &at_once), .events = POLLIN } };
    bool shared = polled[1].fd < 0 || owner->waiting != 0 ||
                  (owner->has_drained && !pthread_equal(owner->drainer, pthread_self()));
    owner->waiting++;
    pthread_mutex_unlock(&owner->lock);

    int64_t longest = shared ? WAIT_SHARED_MS : 3600 * 1000;
    int64_t timeout = max_ms < longest ? max_ms : longest;
    int ready = poll(polled, 2, at_once || timeout < 0 ? 0 : (int)timeout);

    pthread_mutex_lock(&owner->lock);
    owner->waiting--;
    if (ready > 0 && (polled[1].revents & POLLIN) != 0) {
        drain(polled[1].fd);
        owner->has_drained = true;
        owner->drainer = pthread_self();
        if (owner->waiting != 0) {
            add_tokens(owner, owner->waiting);
        }
    }
    pthread_mutex_unlock(&owner->lock);
    if (ready > 0 && (polled[0].revents & POLLIN) != 0) {
        uint64_t one;
        (void)!read(owner->wake_fd, &one, sizeof one);
    }
    close_fd(&polled[1].fd);
    return PD_OK;
}

void sqlite_wake(struct store *base)
{
    struct sqlite_owner *owner = &sqlite_store_of(base)->owner;
    pthread_mutex_lock(&owner->lock);
    add_tokens(owner, owner->waiting != 0 ? owner->waiting : 1);
    pthread_mutex_unlock(&owner->lock);
}
