/* SPDX-License-Identifier: MIT
 *
 * The failing disk. The real files hold what readers see; beside each, in memory, its medium and
 * the list of what was done since. */
#include "fault_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"

enum { SECTOR = 512 };

struct change {
    struct change *next;
    bool is_truncate;
    size_t offset, size;
    uint8_t bytes[];
};

/* A name, and what the medium has under it. */
struct medium {
    struct medium *next;
    char *path;
    bool is_there;     /* the name, on the medium */
    bool is_there_now; /* as readers see it */
    struct buffer image;
    struct change *changes, **last;
};

struct fault_file {
    sqlite3_file base;
    struct medium *medium; /* NULL: a temporary file, not our business */
    sqlite3_file *real;
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *real;
    struct medium *media;
    enum fault_kind kind;
    uint64_t at, count;
    bool has_come, has_crashed;
    struct random random;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the medium ------------------------------------------------------------------------------ */

static void resize(struct buffer *image, size_t size)
{
    if (size > image->size) {
        size_t more = size - image->size;
        memset(buffer_extend(image, more), 0, more);
    }
    image->size = size;
}

static void apply_bytes(struct buffer *image, size_t offset, const uint8_t *bytes, size_t size)
{
    if (offset + size > image->size) {
        resize(image, offset + size);
    }
    memcpy(image->at + offset, bytes, size);
}

static void apply(struct medium *medium, const struct change *change)
{
    if (change->is_truncate) {
        resize(&medium->image, change->offset);
    } else if (change->size != 0) {
        apply_bytes(&medium->image, change->offset, change->bytes, change->size);
    }
}

/* By lot, each sector of it. */
static void apply_torn(struct medium *medium, const struct change *change)
{
    if (change->is_truncate) {
        if (random_chance(&disk.random, 1, 2)) {
            resize(&medium->image, change->offset);
        }
        return;
    }
    for (size_t at = 0; at < change->size;) {
        size_t piece = SECTOR - (change->offset + at) % SECTOR;
        piece = piece < change->size - at ? piece : change->size - at;
        if (random_chance(&disk.random, 1, 2)) {
            apply_bytes(&medium->image, change->offset + at, change->bytes + at, piece);
        }
        at += piece;
    }
}

static void tear(struct medium *medium)
{
    for (const struct change *c = medium->changes; c != NULL; c = c->next) {
        apply_torn(medium, c);
    }
}

static void forget_changes(struct medium *medium)
{
    while (medium->changes != NULL) {
        struct change *change = medium->changes;
        medium->changes = change->next;
        mem_free(change);
    }
    medium->last = &medium->changes;
}

static void note(struct medium *medium, bool is_truncate, size_t offset, const void *bytes,
                 size_t size)
{
    struct change *change = mem_alloc(sizeof *change + size);
    change->is_truncate = is_truncate;
    change->offset = offset;
    change->size = size;
    if (size != 0) {
        memcpy(change->bytes, bytes, size);
    }
    *medium->last = change;
    medium->last = &change->next;
}

static void sync_medium(struct medium *medium)
{
    for (const struct change *c = medium->changes; c != NULL; c = c->next) {
        apply(medium, c);
    }
    forget_changes(medium);
    for (struct medium *m = disk.media; m != NULL; m = m->next) {
        m->is_there = m->is_there_now;
        if (!m->is_there) {
            m->image.size = 0;
        }
    }
}

static struct medium *medium_of(const char *path)
{
    for (struct medium *m = disk.media; m != NULL; m = m->next) {
        if (strcmp(m->path, path) == 0) {
            return m;
        }
    }
    struct medium *medium = mem_alloc(sizeof *medium);
    medium->path = mem_alloc(strlen(path) + 1);
    memcpy(medium->path, path, strlen(path));
    medium->last = &medium->changes;
    buffer_init(&medium->image);
    FILE *file = fopen(path, "rb");
    if (file != NULL) {
        uint8_t bytes[8192];
        size_t got;
        medium->is_there = medium->is_there_now = true;
        while ((got = fread(bytes, 1, sizeof bytes, file)) != 0) {
            buffer_add(&medium->image, bytes, got);
        }
        (void)fclose(file);
    }
    medium->next = disk.media;
    disk.media = medium;
    return medium;
}

/* ---- when it fails --------------------------------------------------------------------------- */

/* With the lock. Counts an operation and says whether it is to fail. */
static bool fails_now(bool grows)
{
    if (disk.has_crashed) {
        return true;
    }
    disk.count++;
    bool is_it = disk.kind == FAULT_FULL ? disk.count >= disk.at && grows : disk.count == disk.at;
    if (disk.kind == FAULT_NONE || !is_it) {
        return false;
    }
    disk.has_come = true;
    disk.has_crashed = disk.kind == FAULT_CRASH_LOSE || disk.kind == FAULT_CRASH_TEAR;
    return true;
}

static int failure(int io_code)
{
    return disk.kind == FAULT_FULL ? SQLITE_FULL : io_code;
}

/* ---- files ----------------------------------------------------------------------------------- */

static struct fault_file *of(sqlite3_file *base)
{
    return CONTAINER_OF(base, struct fault_file, base);
}

static int fault_close(sqlite3_file *base)
{
    return of(base)->real->pMethods->xClose(of(base)->real);
}

static int fault_read(sqlite3_file *base, void *bytes, int size, sqlite3_int64 offset)
{
    return of(base)->real->pMethods->xRead(of(base)->real, bytes, size, offset);
}

static int write_real(struct fault_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    if (size == 0) {
        return SQLITE_OK;
    }
    int code = file->real->pMethods->xWrite(file->real, bytes, size, offset);
    if (code == SQLITE_OK && file->medium != NULL) {
        note(file->medium, false, (size_t)offset, bytes, (size_t)size);
    }
    return code;
}

static int fault_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 offset)
{
    struct fault_file *file = of(base);
    sqlite3_int64 length = 0;
    int code;
    pthread_mutex_lock(&disk.lock);
    (void)file->real->pMethods->xFileSize(file->real, &length);
    if (file->medium != NULL && fails_now(offset + size > length)) {
        /* Half of it was written, unless this process is no more; then it is for the lot. */
        if (!disk.has_crashed) {
            (void)write_real(file, bytes, size / 2, offset);
        } else if (disk.has_come && disk.count == disk.at) {
            note(file->medium, false, (size_t)offset, bytes, (size_t)size);
            disk.count++; /* only the first */
        }
        code = failure(SQLITE_IOERR_WRITE);
    } else {
        code = write_real(file, bytes, size, offset);
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int fault_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct fault_file *file = of(base);
    int code;
    pthread_mutex_lock(&disk.lock);
    if (file->medium != NULL && fails_now(false)) {
        code = failure(SQLITE_IOERR_TRUNCATE);
    } else {
        code = file->real->pMethods->xTruncate(file->real, size);
        if (code == SQLITE_OK && file->medium != NULL) {
            note(file->medium, true, (size_t)size, NULL, 0);
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

/* The real file is never synced: that takes time and proves nothing here. */
static int fault_sync(sqlite3_file *base, int flags)
{
    struct fault_file *file = of(base);
    int code = SQLITE_OK;
    (void)flags;
    pthread_mutex_lock(&disk.lock);
    if (file->medium == NULL) {
        code = SQLITE_OK;
    } else if (fails_now(false)) {
        if (!disk.has_crashed) {
            tear(file->medium);
            forget_changes(file->medium);
        }
        code = failure(SQLITE_IOERR_FSYNC);
    } else {
        sync_medium(file->medium);
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int fault_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    return of(base)->real->pMethods->xFileSize(of(base)->real, ret);
}

static int fault_lock(sqlite3_file *base, int level)
{
    return of(base)->real->pMethods->xLock(of(base)->real, level);
}

static int fault_unlock(sqlite3_file *base, int level)
{
    return of(base)->real->pMethods->xUnlock(of(base)->real, level);
}

static int fault_check_lock(sqlite3_file *base, int *ret)
{
    return of(base)->real->pMethods->xCheckReservedLock(of(base)->real, ret);
}

static int fault_control(sqlite3_file *base, int code, void *argument)
{
    /* A hint to make the file larger would go past us. */
    return code == SQLITE_FCNTL_SIZE_HINT
               ? SQLITE_OK
               : of(base)->real->pMethods->xFileControl(of(base)->real, code, argument);
}

static int fault_sector(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int fault_traits(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int fault_shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **ret)
{
    return of(base)->real->pMethods->xShmMap(of(base)->real, page, size, extend, ret);
}

static int fault_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return of(base)->real->pMethods->xShmLock(of(base)->real, offset, count, flags);
}

static void fault_shm_barrier(sqlite3_file *base)
{
    of(base)->real->pMethods->xShmBarrier(of(base)->real);
}

static int fault_shm_unmap(sqlite3_file *base, int remove)
{
    return of(base)->real->pMethods->xShmUnmap(of(base)->real, remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_traits,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

/* ---- the file system ------------------------------------------------------------------------- */

static int fault_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags,
                      int *ret_flags)
{
    (void)vfs;
    struct fault_file *file = of(base);
    int code = SQLITE_CANTOPEN;
    memset(file, 0, sizeof *file);
    file->real = (sqlite3_file *)(file + 1);
    pthread_mutex_lock(&disk.lock);
    struct medium *medium = name != NULL ? medium_of(name) : NULL;
    if (medium == NULL || medium->is_there_now || !disk.has_crashed) {
        code = disk.real->xOpen(disk.real, name, file->real, flags, ret_flags);
    }
    if (code == SQLITE_OK && medium != NULL && !medium->is_there_now) {
        medium->is_there_now = true;
        note(medium, true, 0, NULL, 0); /* a new file under the name, whatever was there */
    }
    pthread_mutex_unlock(&disk.lock);
    if (code == SQLITE_OK) {
        file->medium = medium;
        file->base.pMethods = &methods;
    }
    return code;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    int code;
    pthread_mutex_lock(&disk.lock);
    struct medium *medium = medium_of(name);
    if (fails_now(false)) {
        code = failure(SQLITE_IOERR_DELETE);
    } else {
        code = disk.real->xDelete(disk.real, name, 0);
        if (code == SQLITE_OK) {
            medium->is_there_now = false;
            forget_changes(medium);
        }
        if (code == SQLITE_OK && sync_folder != 0) {
            medium->is_there = false;
            medium->image.size = 0;
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int fault_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs;
    return disk.real->xAccess(disk.real, name, flags, ret);
}

static int fault_full_path(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
    (void)vfs;
    return disk.real->xFullPathname(disk.real, name, size, ret);
}

static int fault_randomness(sqlite3_vfs *vfs, int size, char *ret)
{
    (void)vfs;
    return disk.real->xRandomness(disk.real, size, ret);
}

static int fault_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return disk.real->xSleep(disk.real, us);
}

static int fault_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    (void)vfs;
    return disk.real->xCurrentTimeInt64(disk.real, ret);
}

static int fault_last_error(sqlite3_vfs *vfs, int size, char *ret)
{
    (void)vfs;
    return disk.real->xGetLastError(disk.real, size, ret);
}

void fault_install(void)
{
    if (disk.real == NULL) {
        disk.real = sqlite3_vfs_find(NULL);
        disk.vfs = (sqlite3_vfs){
            .iVersion = 2,
            .szOsFile = (int)sizeof(struct fault_file) + disk.real->szOsFile,
            .mxPathname = disk.real->mxPathname,
            .zName = FAULT_VFS,
            .xOpen = fault_open,
            .xDelete = fault_delete,
            .xAccess = fault_access,
            .xFullPathname = fault_full_path,
            .xRandomness = fault_randomness,
            .xSleep = fault_sleep,
            .xCurrentTimeInt64 = fault_time,
            .xGetLastError = fault_last_error,
        };
        (void)sqlite3_vfs_register(&disk.vfs, 0);
    }
}

/* ---- for tests ------------------------------------------------------------------------------- */

void fault_arm(enum fault_kind kind, uint64_t at, uint64_t seed)
{
    pthread_mutex_lock(&disk.lock);
    disk.kind = kind;
    disk.at = at;
    disk.count = 0;
    disk.has_come = disk.has_crashed = false;
    random_seed(&disk.random, seed);
    pthread_mutex_unlock(&disk.lock);
}

void fault_disarm(void)
{
    pthread_mutex_lock(&disk.lock);
    disk.kind = FAULT_NONE;
    pthread_mutex_unlock(&disk.lock);
}

bool fault_has_come(void)
{
    pthread_mutex_lock(&disk.lock);
    bool has_come = disk.has_come;
    pthread_mutex_unlock(&disk.lock);
    return has_come;
}

uint64_t fault_count(void)
{
    pthread_mutex_lock(&disk.lock);
    uint64_t count = disk.count;
    pthread_mutex_unlock(&disk.lock);
    return count;
}

void fault_crash(enum fault_kind kind, uint64_t seed)
{
    pthread_mutex_lock(&disk.lock);
    if (!disk.has_crashed) {
        disk.kind = kind;
        disk.has_come = disk.has_crashed = true;
        disk.at = UINT64_MAX;
        random_seed(&disk.random, seed);
    }
    pthread_mutex_unlock(&disk.lock);
}

/* What a crash leaves under one name. */
static void leave(struct medium *medium)
{
    bool is_torn = disk.kind == FAULT_CRASH_TEAR;
    bool is_there = medium->is_there;
    if (is_torn && medium->is_there != medium->is_there_now) {
        is_there = random_chance(&disk.random, 1, 2);
    }
    if (is_torn) {
        tear(medium);
    }
    (void)unlink(medium->path);
    if (is_there) {
        FILE *file = fopen(medium->path, "wb");
        if (file == NULL || (medium->image.size != 0 &&
                             fwrite(medium->image.at, medium->image.size, 1, file) != 1)) {
            abort();
        }
        (void)fclose(file);
    }
    char index[1100];
    (void)snprintf(index, sizeof index, "%s-shm", medium->path);
    (void)unlink(index);
}

void fault_settle(void)
{
    pthread_mutex_lock(&disk.lock);
    while (disk.media != NULL) {
        struct medium *medium = disk.media;
        disk.media = medium->next;
        if (disk.has_crashed) {
            leave(medium);
        }
        forget_changes(medium);
        buffer_done(&medium->image);
        mem_free(medium->path);
        mem_free(medium);
    }
    disk.kind = FAULT_NONE;
    disk.has_crashed = disk.has_come = false;
    disk.count = 0;
    pthread_mutex_unlock(&disk.lock);
}
