/* SPDX-License-Identifier: MIT
 *
 * What the determinism guard watches: each call with its type, so that the compiler compares ours
 * with that of the C library, and with what to use instead.
 *
 * The functions that perdure/strict.h forbids by name are all here (a test compares the two), and
 * the names under which a compiler may call them in their place: those of large files (open64) and
 * those that check sizes (__open_2, with _FORTIFY_SOURCE).
 *
 * Not here are calls that give nothing back which replay could miss (write, close), and vfork,
 * before which nothing can stand. */
#include "author/guard.h"

#if GUARD_IS_POSSIBLE

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static const char use_now[] = "use pd_now";
static const char use_zone[] = "it depends on the machine's time zone: do it in an activity";
static const char use_random[] = "use pd_random or pd_new_uuid";
static const char use_input[] = "pass it in the input, or read it in an activity";
static const char use_sleep[] = "use pd_sleep or pd_start_timer";
static const char use_event[] = "use pd_wait_event, or wait in an activity";
static const char use_activity[] = "do it in an activity";
static const char use_tasks[] = "start activities or children, and wait for all of them";

/* The headers declare these only for code that is compiled in their modes. */
#define DECLARED(type, name, params) extern type name params
DECLARED(uint32_t, arc4random, (void));
DECLARED(void, arc4random_buf, (void *at, size_t n));
DECLARED(int, __open_2, (const char *path, int flags));
DECLARED(int, __open64_2, (const char *path, int flags));
DECLARED(int, __openat_2, (int folder, const char *path, int flags));
DECLARED(int, __openat64_2, (int folder, const char *path, int flags));
DECLARED(ssize_t, __read_chk, (int fd, void *at, size_t n, size_t room));
DECLARED(size_t, __fread_chk, (void *at, size_t room, size_t size, size_t n, FILE *file));
DECLARED(char *, __fgets_chk, (char *at, size_t room, int n, FILE *file));
DECLARED(char *, __getcwd_chk, (char *at, size_t n, size_t room));
DECLARED(int, __gethostname_chk, (char *at, size_t n, size_t room));
DECLARED(int, __poll_chk, (struct pollfd * at, nfds_t n, int ms, size_t room));
DECLARED(ssize_t, __recv_chk, (int fd, void *at, size_t n, size_t room, int flags));
DECLARED(ssize_t, __recvfrom_chk,
         (int fd, void *at, size_t n, size_t room, int flags, __SOCKADDR_ARG from,
          socklen_t *size));

/*  result, name, parameters, arguments, what to use instead */
#define CALLS(X)                                                                                   \
    X(time_t, time, (time_t * at), (at), use_now)                                                  \
    X(clock_t, clock, (void), (), use_now)                                                         \
    X(int, gettimeofday, (struct timeval *restrict at, void *restrict zone), (at, zone), use_now)  \
    X(int, clock_gettime, (clockid_t id, struct timespec * at), (id, at), use_now)                 \
    X(int, timespec_get, (struct timespec * at, int base), (at, base), use_now)                    \
    X(struct tm *, localtime, (const time_t *at), (at), use_zone)                                  \
    X(struct tm *, localtime_r, (const time_t *restrict at, struct tm *restrict to), (at, to),     \
      use_zone)                                                                                    \
    X(time_t, mktime, (struct tm * at), (at), use_zone)                                            \
    X(char *, ctime, (const time_t *at), (at), use_zone)                                           \
    X(char *, ctime_r, (const time_t *restrict at, char *restrict to), (at, to), use_zone)         \
    X(int, rand, (void), (), use_random)                                                           \
    X(ssize_t, getrandom, (void *at, size_t n, unsigned flags), (at, n, flags), use_random)        \
    X(int, getentropy, (void *at, size_t n), (at, n), use_random)                                  \
    X(long, random, (void), (), use_random)                                                        \
    X(uint32_t, arc4random, (void), (), use_random)                                                \
    X(double, drand48, (void), (), use_random)                                                     \
    X(long, lrand48, (void), (), use_random)                                                       \
    X(long, mrand48, (void), (), use_random)                                                       \
    X(char *, getenv, (const char *name), (name), use_input)                                       \
    X(char *, secure_getenv, (const char *name), (name), use_input)                                \
    X(int, setenv, (const char *name, const char *to, int over), (name, to, over), use_input)      \
    X(int, unsetenv, (const char *name), (name), use_input)                                        \
    X(pid_t, getpid, (void), (), use_input)                                                        \
    X(pid_t, getppid, (void), (), use_input)                                                       \
    X(char *, getcwd, (char *at, size_t n), (at, n), use_input)                                    \
    X(char *, __getcwd_chk, (char *at, size_t n, size_t room), (at, n, room), use_input)           \
    X(int, gethostname, (char *at, size_t n), (at, n), use_input)                                  \
    X(int, __gethostname_chk, (char *at, size_t n, size_t room), (at, n, room), use_input)         \
    X(int, isatty, (int fd), (fd), use_input)                                                      \
    X(unsigned, sleep, (unsigned seconds), (seconds), use_sleep)                                   \
    X(int, usleep, (useconds_t us), (us), use_sleep)                                               \
    X(int, nanosleep, (const struct timespec *t, struct timespec *left), (t, left), use_sleep)     \
    X(int, clock_nanosleep,                                                                        \
      (clockid_t id, int flags, const struct timespec *t, struct timespec *left),                  \
      (id, flags, t, left), use_sleep)                                                             \
    X(int, thrd_sleep, (const struct timespec *t, struct timespec *left), (t, left), use_sleep)    \
    X(int, pause, (void), (), use_event)                                                           \
    X(int, poll, (struct pollfd * at, nfds_t n, int ms), (at, n, ms), use_event)                   \
    X(int, __poll_chk, (struct pollfd * at, nfds_t n, int ms, size_t room), (at, n, ms, room),     \
      use_event)                                                                                   \
    X(int, select,                                                                                 \
      (int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict other,                   \
       struct timeval *restrict limit),                                                            \
      (n, in, out, other, limit), use_event)                                                       \
    X(int, epoll_wait, (int fd, struct epoll_event *at, int n, int ms), (fd, at, n, ms),           \
      use_event)                                                                                   \
    X(int, __open_2, (const char *path, int flags), (path, flags), use_activity)                   \
    X(int, __open64_2, (const char *path, int flags), (path, flags), use_activity)                 \
    X(int, __openat_2, (int folder, const char *path, int flags), (folder, path, flags),           \
      use_activity)                                                                                \
    X(int, __openat64_2, (int folder, const char *path, int flags), (folder, path, flags),         \
      use_activity)                                                                                \
    X(int, creat, (const char *path, mode_t mode), (path, mode), use_activity)                     \
    X(int, creat64, (const char *path, mode_t mode), (path, mode), use_activity)                   \
    X(FILE *, fopen, (const char *restrict path, const char *restrict mode), (path, mode),         \
      use_activity)                                                                                \
    X(FILE *, fopen64, (const char *restrict path, const char *restrict mode), (path, mode),       \
      use_activity)                                                                                \
    X(FILE *, freopen,                                                                             \
      (const char *restrict path, const char *restrict mode, FILE *restrict file),                 \
      (path, mode, file), use_activity)                                                            \
    X(FILE *, freopen64,                                                                           \
      (const char *restrict path, const char *restrict mode, FILE *restrict file),                 \
      (path, mode, file), use_activity)                                                            \
    X(FILE *, tmpfile, (void), (), use_activity)                                                   \
    X(FILE *, tmpfile64, (void), (), use_activity)                                                 \
    X(int, mkstemp, (char *path), (path), use_activity)                                            \
    X(int, mkstemp64, (char *path), (path), use_activity)                                          \
    X(int, remove, (const char *path), (path), use_activity)                                       \
    X(int, rename, (const char *from, const char *to), (from, to), use_activity)                   \
    X(int, unlink, (const char *path), (path), use_activity)                                       \
    X(int, access, (const char *path, int mode), (path, mode), use_activity)                       \
    X(int, stat, (const char *restrict path, struct stat *restrict at), (path, at), use_activity)  \
    X(int, stat64, (const char *restrict path, struct stat64 *restrict at), (path, at),            \
      use_activity)                                                                                \
    X(int, lstat, (const char *restrict path, struct stat *restrict at), (path, at), use_activity) \
    X(int, lstat64, (const char *restrict path, struct stat64 *restrict at), (path, at),           \
      use_activity)                                                                                \
    X(int, mkdir, (const char *path, mode_t mode), (path, mode), use_activity)                     \
    X(int, rmdir, (const char *path), (path), use_activity)                                        \
    X(DIR *, opendir, (const char *path), (path), use_activity)                                    \
    X(ssize_t, read, (int fd, void *at, size_t n), (fd, at, n), use_activity)                      \
    X(ssize_t, __read_chk, (int fd, void *at, size_t n, size_t room), (fd, at, n, room),           \
      use_activity)                                                                                \
    X(size_t, fread, (void *restrict at, size_t size, size_t n, FILE *restrict file),              \
      (at, size, n, file), use_activity)                                                           \
    X(size_t, __fread_chk, (void *at, size_t room, size_t size, size_t n, FILE *file),             \
      (at, room, size, n, file), use_activity)                                                     \
    X(char *, fgets, (char *restrict at, int n, FILE *restrict file), (at, n, file), use_activity) \
    X(char *, __fgets_chk, (char *at, size_t room, int n, FILE *file), (at, room, n, file),        \
      use_activity)                                                                                \
    X(int, fgetc, (FILE * file), (file), use_activity)                                             \
    X(int, getc, (FILE * file), (file), use_activity)                                              \
    X(int, getchar, (void), (), use_activity)                                                      \
    X(ssize_t, getline, (char **restrict at, size_t *restrict room, FILE *restrict file),          \
      (at, room, file), use_activity)                                                              \
    X(ssize_t, __getdelim,                                                                         \
      (char **restrict at, size_t *restrict room, int end, FILE *restrict file),                   \
      (at, room, end, file), use_activity)                                                         \
    X(int, socket, (int domain, int type, int protocol), (domain, type, protocol), use_activity)   \
    X(int, connect, (int fd, __CONST_SOCKADDR_ARG to, socklen_t n), (fd, to, n), use_activity)     \
    X(int, accept, (int fd, __SOCKADDR_ARG from, socklen_t *restrict n), (fd, from, n),            \
      use_activity)                                                                                \
    X(ssize_t, send, (int fd, const void *at, size_t n, int flags), (fd, at, n, flags),            \
      use_activity)                                                                                \
    X(ssize_t, sendto,                                                                             \
      (int fd, const void *at, size_t n, int flags, __CONST_SOCKADDR_ARG to, socklen_t size),      \
      (fd, at, n, flags, to, size), use_activity)                                                  \
    X(ssize_t, recv, (int fd, void *at, size_t n, int flags), (fd, at, n, flags), use_activity)    \
    X(ssize_t, __recv_chk, (int fd, void *at, size_t n, size_t room, int flags),                   \
      (fd, at, n, room, flags), use_activity)                                                      \
    X(ssize_t, recvfrom,                                                                           \
      (int fd, void *restrict at, size_t n, int flags, __SOCKADDR_ARG from,                        \
       socklen_t *restrict size),                                                                  \
      (fd, at, n, flags, from, size), use_activity)                                                \
    X(ssize_t, __recvfrom_chk,                                                                     \
      (int fd, void *at, size_t n, size_t room, int flags, __SOCKADDR_ARG from, socklen_t *size),  \
      (fd, at, n, room, flags, from, size), use_activity)                                          \
    X(int, getaddrinfo,                                                                            \
      (const char *restrict host, const char *restrict port,                                       \
       const struct addrinfo *restrict hints, struct addrinfo **restrict at),                      \
      (host, port, hints, at), use_activity)                                                       \
    X(struct hostent *, gethostbyname, (const char *host), (host), use_activity)                   \
    X(int, pthread_create,                                                                         \
      (pthread_t *restrict at, const pthread_attr_t *restrict how, void *(*body)(void *),          \
       void *restrict argument),                                                                   \
      (at, how, body, argument), use_tasks)                                                        \
    X(int, pthread_join, (pthread_t thread, void **at), (thread, at), use_tasks)                   \
    X(int, thrd_create, (thrd_t * at, thrd_start_t body, void *argument), (at, body, argument),    \
      use_tasks)                                                                                   \
    X(int, thrd_join, (thrd_t thread, int *at), (thread, at), use_tasks)                           \
    X(pid_t, fork, (void), (), use_activity)                                                       \
    X(int, system, (const char *command), (command), use_activity)                                 \
    X(FILE *, popen, (const char *command, const char *mode), (command, mode), use_activity)       \
    X(int, posix_spawn,                                                                            \
      (pid_t *restrict at, const char *restrict path,                                              \
       const posix_spawn_file_actions_t *restrict todo, const posix_spawnattr_t *restrict how,     \
       char *const arguments[restrict], char *const environment[restrict]),                        \
      (at, path, todo, how, arguments, environment), use_activity)                                 \
    X(int, posix_spawnp,                                                                           \
      (pid_t * at, const char *path, const posix_spawn_file_actions_t *todo,                       \
       const posix_spawnattr_t *how, char *const arguments[], char *const environment[]),          \
      (at, path, todo, how, arguments, environment), use_activity)                                 \
    X(pid_t, waitpid, (pid_t child, int *at, int flags), (child, at, flags), use_activity)

/* Those that give nothing back, and those with a mode that is only there when it is needed. */
#define VOID_CALLS(X)                               \
    X(srand, (unsigned seed), (seed), use_random)   \
    X(srandom, (unsigned seed), (seed), use_random) \
    X(srand48, (long seed), (seed), use_random)     \
    X(arc4random_buf, (void *at, size_t n), (at, n), use_random)
#define OPEN_CALLS(X)                                                                      \
    X(open, (const char *path, int flags, ...), (path, flags, mode))                       \
    X(open64, (const char *path, int flags, ...), (path, flags, mode))                     \
    X(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode)) \
    X(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

enum {
#define X(type, name, params, arguments, advice) CALL_##name,
    CALLS(X)
#undef X
#define X(name, params, arguments, advice) CALL_##name,
        VOID_CALLS(X)
#undef X
#define X(name, params, arguments) CALL_##name,
            OPEN_CALLS(X)
#undef X
                CALL_COUNT
};
_Static_assert((int)CALL_COUNT <= (int)GUARD_CALLS_MAX, "guard_real has room for all");

uintptr_t guard_real[GUARD_CALLS_MAX];

/* What stands behind the call, with the type that the headers give it. */
#define REAL(name)                \
    union {                       \
        uintptr_t at;             \
        __typeof__(&(name)) call; \
    } real = { __atomic_load_n(&guard_real[CALL_##name], __ATOMIC_RELAXED) }
#define LOOK(name) guard_look(CALL_##name, __builtin_return_address(0))

#define X(type, name, params, arguments, advice) \
    static __typeof__(name) watch_##name;        \
    static type watch_##name params              \
    {                                            \
        LOOK(name);                              \
        REAL(name);                              \
        return real.call arguments;              \
    }
CALLS(X)
#undef X

#define X(name, params, arguments, advice) \
    static __typeof__(name) watch_##name;  \
    static void watch_##name params        \
    {                                      \
        LOOK(name);                        \
        REAL(name);                        \
        real.call arguments;               \
    }
VOID_CALLS(X)
#undef X

#define X(name, params, arguments)                                        \
    static __typeof__(name) watch_##name;                                 \
    static int watch_##name params                                        \
    {                                                                     \
        mode_t mode = 0;                                                  \
        if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) { \
            va_list more;                                                 \
            va_start(more, flags);                                        \
            mode = va_arg(more, mode_t);                                  \
            va_end(more);                                                 \
        }                                                                 \
        LOOK(name);                                                       \
        REAL(name);                                                       \
        return real.call arguments;                                       \
    }
OPEN_CALLS(X)
#undef X

const struct guard_call guard_calls[CALL_COUNT + 1] = {
#define X(type, name, params, arguments, advice) { #name, (uintptr_t)watch_##name, advice },
    CALLS(X)
#undef X
#define X(name, params, arguments, advice) { #name, (uintptr_t)watch_##name, advice },
        VOID_CALLS(X)
#undef X
#define X(name, params, arguments) { #name, (uintptr_t)watch_##name, use_activity },
            OPEN_CALLS(X)
#undef X
                { NULL, 0, NULL },
};

#else

uintptr_t guard_real[GUARD_CALLS_MAX];
const struct guard_call guard_calls[] = { { NULL, 0, NULL } };

#endif
