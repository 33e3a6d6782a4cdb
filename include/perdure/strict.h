/* SPDX-License-Identifier: MIT
 *
 * perdure/strict.h: include it last in a file of orchestrators, and what makes replay differ does
 * not compile there:
 *
 *     #include <perdure.h>
 *     #include <string.h>
 *     #include <perdure/strict.h>
 *
 *     time_t t = time(NULL);      error: 'time' is unavailable: use pd_now
 *
 * What is forbidden are calls that give another answer when an orchestrator is run again: the
 * clock, random numbers, the environment, files, sockets, sleep, threads and processes. What they
 * are wanted for is done by the call that the message names, or in an activity; so activities are
 * in other files, or above this line.
 *
 *   S1  Functions are forbidden, not words: a variable or a member may be called `time`.
 *   S2  It includes the system's headers that declare them, so it does not matter which of them you
 *       include, but it does that they, and all others, come before. With it, no program changes
 *       its meaning: it compiles to the same, or not at all.
 *   S3  What the system does not declare in the mode that you compile in (usleep with -std=c17) is
 *       left to the compiler, which knows no such function then.
 *
 * It sees names in the file. What a library does for you (std::chrono::system_clock::now in C++,
 * which it cannot forbid) sees the determinism guard: pd_worker_options.guard. The words forbidden
 * here are those watched there. */
#ifndef PERDURE_STRICT_H
#define PERDURE_STRICT_H

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifndef __cplusplus
#include <threads.h>
#endif

/* clang takes no attribute for a function that a header has defined inline already: getchar in a
 * build that optimises, read and others with _FORTIFY_SOURCE. Other builds forbid them; this keeps
 * clang silent about it. */
#pragma GCC system_header

#ifdef __has_attribute
#if __has_attribute(unavailable)
#define PD_FORBID_(text) __attribute__((unavailable(text)))
#elif __has_attribute(error) /* gcc before 12: calls only, and only where code is generated */
#define PD_FORBID_(text) __attribute__((error(text)))
#endif
#endif
#ifndef PD_FORBID_
#error "perdure/strict.h needs gcc or clang"
#endif
#define PD_STRICT_(name, text) extern __typeof__(name) name PD_FORBID_(text);

#define PD_USE_NOW_      "use pd_now"
#define PD_USE_ZONE_     "it depends on the machine's time zone: do it in an activity"
#define PD_USE_RANDOM_   "use pd_random or pd_new_uuid"
#define PD_USE_INPUT_    "pass it in the input, or read it in an activity"
#define PD_USE_SLEEP_    "use pd_sleep or pd_start_timer"
#define PD_USE_EVENT_    "use pd_wait_event, or wait in an activity"
#define PD_USE_ACTIVITY_ "do it in an activity"
#define PD_USE_TASKS_    "start activities or children, and wait for all of them"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- clocks, and what depends on the time zone ---- */
PD_STRICT_(time, PD_USE_NOW_)
PD_STRICT_(clock, PD_USE_NOW_)
PD_STRICT_(gettimeofday, PD_USE_NOW_)
PD_STRICT_(localtime, PD_USE_ZONE_)
PD_STRICT_(mktime, PD_USE_ZONE_)
PD_STRICT_(ctime, PD_USE_ZONE_)
#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 199506L
PD_STRICT_(clock_gettime, PD_USE_NOW_)
PD_STRICT_(localtime_r, PD_USE_ZONE_)
PD_STRICT_(ctime_r, PD_USE_ZONE_)
#endif
#ifdef TIME_UTC
PD_STRICT_(timespec_get, PD_USE_NOW_)
#endif

/* ---- random numbers ---- */
PD_STRICT_(rand, PD_USE_RANDOM_)
PD_STRICT_(srand, PD_USE_RANDOM_)
PD_STRICT_(getrandom, PD_USE_RANDOM_)
PD_STRICT_(getentropy, PD_USE_RANDOM_)
#if defined(_DEFAULT_SOURCE) || (defined(_XOPEN_SOURCE) && _XOPEN_SOURCE >= 500)
PD_STRICT_(random, PD_USE_RANDOM_)
PD_STRICT_(srandom, PD_USE_RANDOM_)
PD_STRICT_(drand48, PD_USE_RANDOM_)
PD_STRICT_(lrand48, PD_USE_RANDOM_)
PD_STRICT_(mrand48, PD_USE_RANDOM_)
PD_STRICT_(srand48, PD_USE_RANDOM_)
#endif

/* ---- the environment, and who we are ---- */
PD_STRICT_(getenv, PD_USE_INPUT_)
PD_STRICT_(getpid, PD_USE_INPUT_)
PD_STRICT_(getppid, PD_USE_INPUT_)
PD_STRICT_(getcwd, PD_USE_INPUT_)
PD_STRICT_(isatty, PD_USE_INPUT_)
#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 200112L
PD_STRICT_(setenv, PD_USE_INPUT_)
PD_STRICT_(unsetenv, PD_USE_INPUT_)
PD_STRICT_(gethostname, PD_USE_INPUT_)
#endif
#ifdef _GNU_SOURCE
PD_STRICT_(secure_getenv, PD_USE_INPUT_)
#endif

/* ---- waiting ---- */
PD_STRICT_(sleep, PD_USE_SLEEP_)
#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 200112L
PD_STRICT_(nanosleep, PD_USE_SLEEP_)
PD_STRICT_(clock_nanosleep, PD_USE_SLEEP_)
#endif
#ifdef _DEFAULT_SOURCE
PD_STRICT_(usleep, PD_USE_SLEEP_)
#endif
PD_STRICT_(pause, PD_USE_EVENT_)
PD_STRICT_(poll, PD_USE_EVENT_)
PD_STRICT_(select, PD_USE_EVENT_)

/* ---- files ---- */
PD_STRICT_(open, PD_USE_ACTIVITY_)
PD_STRICT_(creat, PD_USE_ACTIVITY_)
PD_STRICT_(fopen, PD_USE_ACTIVITY_)
PD_STRICT_(freopen, PD_USE_ACTIVITY_)
PD_STRICT_(tmpfile, PD_USE_ACTIVITY_)
PD_STRICT_(remove, PD_USE_ACTIVITY_)
PD_STRICT_(rename, PD_USE_ACTIVITY_)
PD_STRICT_(unlink, PD_USE_ACTIVITY_)
PD_STRICT_(access, PD_USE_ACTIVITY_)
PD_STRICT_(stat, PD_USE_ACTIVITY_)
PD_STRICT_(mkdir, PD_USE_ACTIVITY_)
PD_STRICT_(rmdir, PD_USE_ACTIVITY_)
PD_STRICT_(opendir, PD_USE_ACTIVITY_)
PD_STRICT_(read, PD_USE_ACTIVITY_)
PD_STRICT_(fread, PD_USE_ACTIVITY_)
PD_STRICT_(fgets, PD_USE_ACTIVITY_)
PD_STRICT_(fgetc, PD_USE_ACTIVITY_)
PD_STRICT_(getc, PD_USE_ACTIVITY_)
PD_STRICT_(getchar, PD_USE_ACTIVITY_)
#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 200809L
PD_STRICT_(openat, PD_USE_ACTIVITY_)
PD_STRICT_(mkstemp, PD_USE_ACTIVITY_)
PD_STRICT_(lstat, PD_USE_ACTIVITY_)
PD_STRICT_(getline, PD_USE_ACTIVITY_)
#endif

/* ---- sockets ---- */
PD_STRICT_(socket, PD_USE_ACTIVITY_)
PD_STRICT_(connect, PD_USE_ACTIVITY_)
PD_STRICT_(accept, PD_USE_ACTIVITY_)
PD_STRICT_(send, PD_USE_ACTIVITY_)
PD_STRICT_(sendto, PD_USE_ACTIVITY_)
PD_STRICT_(recv, PD_USE_ACTIVITY_)
PD_STRICT_(recvfrom, PD_USE_ACTIVITY_)
#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 200112L
PD_STRICT_(getaddrinfo, PD_USE_ACTIVITY_)
#endif

/* ---- threads and processes ---- */
PD_STRICT_(pthread_create, PD_USE_TASKS_)
PD_STRICT_(pthread_join, PD_USE_TASKS_)
#ifndef __cplusplus
PD_STRICT_(thrd_create, PD_USE_TASKS_)
PD_STRICT_(thrd_join, PD_USE_TASKS_)
PD_STRICT_(thrd_sleep, PD_USE_SLEEP_)
#endif
PD_STRICT_(fork, PD_USE_ACTIVITY_)
PD_STRICT_(system, PD_USE_ACTIVITY_)
PD_STRICT_(waitpid, PD_USE_ACTIVITY_)
PD_STRICT_(posix_spawn, PD_USE_ACTIVITY_)
PD_STRICT_(posix_spawnp, PD_USE_ACTIVITY_)
#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 200112L
PD_STRICT_(popen, PD_USE_ACTIVITY_)
#endif

#ifdef __cplusplus
}
#endif

#endif
