/* SPDX-License-Identifier: MIT
 *
 * The determinism guard at work: puts our functions into the slots, takes them out again, and says
 * what it noticed. guard.h says what it is, guard_calls.c what it watches.
 *
 * There is no list of what was changed: a slot that holds one of our functions was. So taking out
 * is putting in, the other way round, and a library that was unloaded meanwhile is no trouble.
 *
 *   W1  All addresses in the C library are found before the first slot is changed, and found once:
 *       calls that are under way in our functions may outlast the guard.
 *   W2  A slot that the linker has protected (RELRO) is made writable, changed, and protected
 *       again; one word is written at once, so a call that comes meanwhile goes one way or the
 *       other.
 *   W3  A slot that waits for its first call holds an address in its own object, instead of one in
 *       the C library; it is taken for the same, and given back filled.
 *   W4  Reporting runs on the orchestrator's stack, which may be 16 KiB: nothing here that formats
 *       into a large local. What needs more the first time has been done once before (warm_up).
 *       It calls nothing that is watched: its own slots may be the program's. */
#include "author/guard.h"

#if GUARD_IS_POSSIBLE

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { SLOT_OF_CALL = R_X86_64_JUMP_SLOT, SLOT_OF_DATA = R_X86_64_GLOB_DAT };
#else
enum { SLOT_OF_CALL = R_AARCH64_JUMP_SLOT, SLOT_OF_DATA = R_AARCH64_GLOB_DAT };
#endif

static const char where[] = "determinism guard";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all that is static here */
static size_t users, call_count;

/* Somebody may call another function by this name; and that was said. */
static bool is_missed[GUARD_CALLS_MAX], is_told[GUARD_CALLS_MAX];

/* ---- which calls ----------------------------------------------------------------------------- */

static const char *name_of(size_t call)
{
    return guard_calls[call].name;
}

/* The index of a call in the order of names, so that it can be found among thousands. */
static uint8_t by_name[GUARD_CALLS_MAX];
_Static_assert(GUARD_CALLS_MAX <= UINT8_MAX, "an index fits");

static int compare_names(const void *a, const void *b)
{
    return strcmp(name_of(*(const uint8_t *)a), name_of(*(const uint8_t *)b));
}

static int compare_with_name(const void *key, const void *element)
{
    return strcmp(key, name_of(*(const uint8_t *)element));
}

/* call_count: it is none of ours. */
static size_t call_named(const char *name)
{
    const uint8_t *found = bsearch(name, by_name, call_count, sizeof *by_name, compare_with_name);
    return found != NULL ? *found : call_count;
}

/* ---- objects --------------------------------------------------------------------------------- */

struct object {
    const char *path;
    uintptr_t base, first, end; /* of what is loaded */
    const ElfW(Dyn) * dynamic;
    uintptr_t relro_first, relro_end; /* whole pages, as the linker has protected them */
    size_t page;
    bool is_program;
};

static bool is_within(uintptr_t at, const struct object *object)
{
    return at >= object->first && at < object->end;
}

static void object_read(struct object *ret, const struct dl_phdr_info *info, bool is_program)
{
    uintptr_t base = info->dlpi_addr;
    *ret = (struct object){ .path = info->dlpi_name, .base = base, .first = UINTPTR_MAX };
    ret->is_program = is_program;
    ret->page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = base + part->p_vaddr;
        uintptr_t end = at + part->p_memsz;
        if (part->p_type == PT_LOAD) {
            ret->first = at < ret->first ? at : ret->first;
            ret->end = end > ret->end ? end : ret->end;
        } else if (part->p_type == PT_DYNAMIC) {
            union {
                uintptr_t at;
                const ElfW(Dyn) * dynamic;
            } it = { at };
            ret->dynamic = it.dynamic;
        } else if (part->p_type == PT_GNU_RELRO) {
            ret->relro_first = at & ~(uintptr_t)(ret->page - 1);
            ret->relro_end = end & ~(uintptr_t)(ret->page - 1);
        }
    }
}

/* G1. What libperdure is made of is here because it asks for random numbers when it is first used,
 * which may be inside an orchestrator. */
static bool is_left_alone(const struct object *object)
{
    static const char *const names[] = {
        "libc.so",    "ld-linux",   "libm.so",    "libpthread",    "libdl.so",
        "librt.so",   "libasan.so", "libtsan.so", "libubsan.so",   "liblsan.so",
        "linux-vdso", "libgcc_s",   "libjansson", "libsqlite3.so", "libclang_rt.",
    };
    if (object->is_program) {
        return false;
    }
    const char *slash = strrchr(object->path, '/');
    const char *name = slash != NULL ? slash + 1 : object->path;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(name, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return is_within((uintptr_t)guard_install, object); /* libperdure.so */
}

/* ---- slots ----------------------------------------------------------------------------------- */

struct change {
    bool takes_out, is_refused;
    int error; /* errno, when it is refused */
};

static void slot_write(uintptr_t *slot, uintptr_t value, const struct object *object,
                       struct change *change)
{
    uintptr_t page = (uintptr_t)slot & ~(uintptr_t)(object->page - 1);
    bool is_protected = page >= object->relro_first && page < object->relro_end;
    union {
        uintptr_t at;
        void *address;
    } it = { page };
    if (is_protected && mprotect(it.address, object->page, PROT_READ | PROT_WRITE) != 0) {
        change->is_refused = true;
        change->error = errno;
        return;
    }
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
    if (is_protected) {
        (void)mprotect(it.address, object->page, PROT_READ);
    }
}

static void slot_change(uintptr_t *slot, size_t call, const struct object *object,
                        struct change *change)
{
    uintptr_t now = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    uintptr_t real = guard_real[call], watch = guard_calls[call].watch;
    if (object->is_program) {
        is_missed[call] = false;
    }
    if (change->takes_out) {
        if (now == watch) {
            slot_write(slot, real, object, change);
        }
    } else if (real != 0 && (now == real || is_within(now, object))) { /* W3 */
        slot_write(slot, watch, object, change);
    } else if (now != watch && now != 0) { /* 0: weak, and not there */
        is_missed[call] = true;
    }
}

struct tables {
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * slots[2]; /* those of data, those of calls */
    size_t counts[2];
};

static bool tables_read(struct tables *ret, const struct object *object)
{
    *ret = (struct tables){ 0 };
    for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++) {
        /* glibc has made addresses of the offsets, where it may write. */
        uintptr_t value = entry->d_un.d_ptr;
        union {
            uintptr_t at;
            const ElfW(Sym) * symbols;
            const char *names;
            const ElfW(Rela) * slots;
        } it = { value < object->base ? object->base + value : value };
        switch (entry->d_tag) {
        case DT_SYMTAB: ret->symbols = it.symbols; break;
        case DT_STRTAB: ret->names = it.names; break;
        case DT_RELA: ret->slots[0] = it.slots; break;
        case DT_RELASZ: ret->counts[0] = value / sizeof(ElfW(Rela)); break;
        case DT_JMPREL: ret->slots[1] = it.slots; break;
        case DT_PLTRELSZ: ret->counts[1] = value / sizeof(ElfW(Rela)); break;
        default: break;
        }
    }
    return ret->symbols != NULL && ret->names != NULL;
}

static void object_change(const struct object *object, struct change *change)
{
    struct tables tables;
    if (object->dynamic == NULL || !tables_read(&tables, object)) {
        return;
    }
    for (size_t t = 0; t < 2; t++) {
        size_t count = tables.slots[t] != NULL ? tables.counts[t] : 0;
        for (size_t i = 0; i < count; i++) {
            const ElfW(Rela) *slot = &tables.slots[t][i];
            uint32_t type = ELF64_R_TYPE(slot->r_info);
            if (type != SLOT_OF_CALL && type != SLOT_OF_DATA) {
                continue;
            }
            const ElfW(Sym) *symbol = &tables.symbols[ELF64_R_SYM(slot->r_info)];
            size_t call = call_named(tables.names + symbol->st_name);
            union {
                uintptr_t at;
                uintptr_t *slot;
            } it = { object->base + slot->r_offset };
            if (call < call_count && symbol->st_shndx == SHN_UNDEF && is_within(it.at, object)) {
                slot_change(it.slot, call, object, change);
            }
        }
    }
}

struct visit {
    struct change *change;
    struct object *ret_program; /* not NULL: only that is wanted */
    size_t count;
};

static int visit_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct visit *visit = argument;
    struct object object;
    (void)size;
    object_read(&object, info, visit->count++ == 0); /* the program comes first */
    if (visit->ret_program != NULL) {
        *visit->ret_program = object;
        return 1;
    }
    if (!is_left_alone(&object)) {
        object_change(&object, visit->change);
    }
    return 0;
}

static void change_all(struct change *change)
{
    struct visit visit = { .change = change };
    (void)dl_iterate_phdr(visit_object, &visit);
}

/* ---- installing ------------------------------------------------------------------------------ */

/* What a call goes to. A program that is not position-independent and takes a function's address
 * has a place of its own that stands for the function and jumps through its slot; that is none. */
static uintptr_t find_real(const char *name, const struct object *program, bool *ret_is_missed)
{
    uintptr_t at = (uintptr_t)dlsym(RTLD_DEFAULT, name);
    if (at != 0 && is_within(at, program)) {
        *ret_is_missed = true; /* until its slot is seen */
        at = (uintptr_t)dlsym(RTLD_NEXT, name);
    }
    return at != 0 && is_within(at, program) ? 0 : at;
}

/* The first backtrace of a process loads a library. */
static void warm_up(void)
{
    void *frames[2];
    (void)backtrace(frames, 2);
}

static pd_status prepare(pd_error *err)
{
    struct object program = { 0 };
    struct visit visit = { .ret_program = &program };
    (void)dl_iterate_phdr(visit_object, &visit);
    if (program.dynamic == NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "this program is linked without a dynamic linker (-static), so its calls "
                         "of the C library cannot be watched; link it dynamically, or turn the "
                         "guard off");
    }
    if (call_count == 0) { /* W1 */
        while (guard_calls[call_count].name != NULL) {
            by_name[call_count] = (uint8_t)call_count;
            uintptr_t real = find_real(name_of(call_count), &program, &is_missed[call_count]);
            __atomic_store_n(&guard_real[call_count++], real, __ATOMIC_RELAXED);
        }
        qsort(by_name, call_count, sizeof *by_name, compare_names);
        warm_up();
    }
    return PD_OK;
}

/* G4 */
static void say_missed(void)
{
    struct buffer line;
    size_t count = 0;
    buffer_init(&line);
    for (size_t i = 0; i < call_count; i++) {
        if (is_missed[i] && !is_told[i]) {
            buffer_printf(&line, "%s%s", count++ > 0 ? ", " : "", name_of(i));
            is_told[i] = true;
        }
    }
    if (count > 0) {
        (void)fprintf(stderr,
                      "perdure: %s: something else stands before the C library, so these calls of "
                      "an orchestrator may not be noticed: %.*s\n",
                      where, (int)line.size, (const char *)line.at);
    }
    buffer_done(&line);
}

pd_status guard_install(pd_error *err)
{
    struct change change = { 0 };
    (void)pthread_mutex_lock(&lock);
    pd_status status = prepare(err);
    if (status == PD_OK) {
        change_all(&change); /* also when others have: there may be new libraries */
        say_missed();
        users++;
    }
    if (status == PD_OK && change.is_refused) {
        status = error_set(err, PD_E_INVALID, false, where,
                           "the system does not let calls of this program be watched (mprotect: "
                           "%s); turn the guard off",
                           strerror(change.error));
    }
    (void)pthread_mutex_unlock(&lock);
    if (change.is_refused) {
        guard_remove();
    }
    return status;
}

void guard_remove(void)
{
    (void)pthread_mutex_lock(&lock);
    assert_that(users > 0);
    if (--users == 0) {
        struct change change = { .takes_out = true };
        change_all(&change);
    }
    (void)pthread_mutex_unlock(&lock);
}

/* ---- reporting ------------------------------------------------------------------------------- */

enum { FRAMES_MAX = 48, PLACES_MAX = 1024 };

/* Hashes of the places that were reported; once it is full, a place is reported each time. */
static uint64_t places[PLACES_MAX];

/* True when this way through the code has not been reported yet. Under the lock. */
static bool is_new_place(size_t call, void *const *frames, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325u ^ call;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ (uintptr_t)frames[i]) * 0x100000001b3u;
    }
    hash = hash != 0 ? hash : 1;
    for (size_t i = 0; i < PLACES_MAX; i++) {
        uint64_t *place = &places[(hash + i) % PLACES_MAX];
        if (*place == hash) {
            return false;
        }
        if (*place == 0) {
            *place = hash;
            return true;
        }
    }
    return true;
}

static void report(const pd_orchestration *run, size_t call, const void *place)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    int first = 0;
    while (first < count && frames[first] != place) {
        first++;
    }
    first = first < count ? first : 0; /* our own frames are not theirs to look at */
    (void)pthread_mutex_lock(&lock);
    if (is_new_place(call, frames + first, (size_t)(count - first))) {
        struct buffer line;
        buffer_init(&line);
        buffer_printf(&line,
                      "perdure: %s: orchestrator '%s' (instance '%s') calls %s: %s. It was called "
                      "from\n",
                      where, run->name, run->instance_id, name_of(call), guard_calls[call].advice);
        ssize_t written = write(STDERR_FILENO, line.at, line.size);
        (void)written;
        buffer_done(&line);
        backtrace_symbols_fd(frames + first, count - first, STDERR_FILENO);
    }
    (void)pthread_mutex_unlock(&lock);
}

void guard_noticed(size_t call, const void *place)
{
    int error = errno;
    pd_orchestration *run = run_inside();
    enum author_guard guard = run->shard->author->guard;
    if (guard == GUARD_OFF) {
        return; /* another author wants it */
    }
    report(run, call, place);
    if (guard == GUARD_FAIL) {
        run->is_divergent = run->is_replaying; /* history went on from here */
        run->shard->differs_at = run->length;
        run_raise(run, "Forbidden", true,
                  "%s must not be called in an orchestrator, as replay would not give the same: %s",
                  name_of(call), guard_calls[call].advice);
    }
    errno = error;
}

#else

pd_status guard_install(pd_error *err)
{
    return error_set(err, PD_E_INVALID, false, "determinism guard",
                     "calls cannot be watched with this C library or processor; turn the guard "
                     "off");
}

void guard_remove(void)
{
}

#endif
