/* SPDX-License-Identifier: MIT
 *
 * The board: <file>-run, mapped into the engine's process. What is written there needs no system
 * call, and is there for the next process when this one dies; it is not synced, so it may be lost
 * with the machine. What it says is the engine's.
 *
 *   R1  The file is made whole, of zeros, and never cut or cleared here: the next owner reads it.
 *   R2  Its blocks are allocated before it is mapped: a write to a full disk would be a SIGBUS.
 *   R3  Only the user who runs the engine may read it: it holds what activities were given. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/sqlite/sqlite_store.h"

static const struct board none;

static struct board map(int fd, size_t size)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) ||
        posix_fallocate(fd, 0, (off_t)size) != 0) {
        return none;
    }
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at != MAP_FAILED ? (struct board){ .at = at, .size = size } : none;
}

static bool owns_all(struct sqlite_store *store)
{
    uint64_t all = UINT64_MAX >> (64 - store->base.partition_count);
    pthread_mutex_lock(&store->owner.lock);
    bool owns = store->owner.owned == all;
    pthread_mutex_unlock(&store->owner.lock);
    return owns;
}

struct board sqlite_board(struct store *base, size_t size)
{
    struct sqlite_store *store = sqlite_store_of(base);
    if (size == 0 || !owns_all(store)) {
        return none;
    }
    if (store->board.size < size) {
        char *path = sqlite_path_beside(store, "-run");
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        struct board board = fd >= 0 ? map(fd, size) : none;
        mem_free(path);
        if (fd >= 0) {
            (void)close(fd);
        }
        if (board.at == NULL) {
            return none;
        }
        sqlite_board_done(store);
        store->board = board;
    }
    return store->board;
}

void sqlite_board_done(struct sqlite_store *store)
{
    if (store->board.at != NULL) {
        (void)munmap(store->board.at, store->board.size);
    }
    store->board = none;
}
