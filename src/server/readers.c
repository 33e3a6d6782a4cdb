/* SPDX-License-Identifier: MIT
 *
 * Threads for what is slow: see readers.h. */
#include "server/readers.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/memory.h"

enum { THREADS_MAX = 16 };

struct readers {
    struct loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct reader_job *first, **last;
    size_t waiting;
    unsigned threads_max, threads, idle;
    pthread_t ids[THREADS_MAX];
    bool is_ending;
};

static void finish(struct loop_job *base)
{
    struct reader_job *job = CONTAINER_OF(base, struct reader_job, job);
    job->done(job);
}

/* Under the mutex. NULL: it is over. */
static struct reader_job *take(struct readers *readers)
{
    while (readers->first == NULL && !readers->is_ending) {
        readers->idle++;
        pthread_cond_wait(&readers->changed, &readers->mutex);
        readers->idle--;
    }
    struct reader_job *job = readers->is_ending ? NULL : readers->first;
    if (job != NULL) {
        readers->first = job->next;
        readers->waiting--;
        if (readers->first == NULL) {
            readers->last = &readers->first;
        }
    }
    return job;
}

static void *body(void *argument)
{
    struct readers *readers = argument;
    pthread_mutex_lock(&readers->mutex);
    for (struct reader_job *job; (job = take(readers)) != NULL;) {
        pthread_mutex_unlock(&readers->mutex);
        job->work(job);
        job->job.run = finish;
        loop_post(readers->loop, &job->job);
        pthread_mutex_lock(&readers->mutex);
    }
    pthread_mutex_unlock(&readers->mutex);
    return NULL;
}

struct readers *readers_new(struct loop *loop, unsigned threads)
{
    struct readers *readers = mem_alloc(sizeof *readers);
    readers->loop = loop;
    readers->threads_max = threads < THREADS_MAX ? threads : THREADS_MAX;
    readers->last = &readers->first;
    pthread_mutex_init(&readers->mutex, NULL);
    pthread_cond_init(&readers->changed, NULL);
    return readers;
}

void readers_free(struct readers *readers)
{
    if (readers == NULL) {
        return;
    }
    pthread_mutex_lock(&readers->mutex);
    readers->is_ending = true;
    pthread_cond_broadcast(&readers->changed);
    pthread_mutex_unlock(&readers->mutex);
    for (unsigned i = 0; i < readers->threads; i++) {
        pthread_join(readers->ids[i], NULL);
    }
    pthread_cond_destroy(&readers->changed);
    pthread_mutex_destroy(&readers->mutex);
    mem_free(readers);
}

void readers_give(struct readers *readers, struct reader_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&readers->mutex);
    *readers->last = job;
    readers->last = &job->next;
    readers->waiting++;
    if (readers->waiting > readers->idle && readers->threads < readers->threads_max &&
        pthread_create(&readers->ids[readers->threads], NULL, body, readers) == 0) {
        readers->threads++;
    }
    assert_that(readers->threads > 0); /* the first thread of a process that cannot have one */
    pthread_cond_signal(&readers->changed);
    pthread_mutex_unlock(&readers->mutex);
}

size_t readers_waiting(struct readers *readers)
{
    pthread_mutex_lock(&readers->mutex);
    size_t waiting = readers->waiting;
    pthread_mutex_unlock(&readers->mutex);
    return waiting;
}
