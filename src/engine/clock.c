/* SPDX-License-Identifier: MIT
 *
 * The engine's clock: the only place below the api where time comes from. */
#include <pthread.h>
#include <time.h>

#include "base/time.h"
#include "engine/engine_priv.h"

time_us clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

time_us clock_steady(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t us)
{
    if (us < 0) {
        pthread_cond_wait(cond, mutex);
        return true;
    }
    /* A year is for ever to a thread, and keeps the sum below within its type. */
    int64_t most = us < 365 * 86400 * TIME_SECOND ? us : 365 * 86400 * TIME_SECOND;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + most % TIME_SECOND * 1000;
    until.tv_sec += most / TIME_SECOND + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return pthread_cond_timedwait(cond, mutex, &until) == 0;
}
