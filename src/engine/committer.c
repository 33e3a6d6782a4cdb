/* SPDX-License-Identifier: MIT
 *
 * The committer: one transaction at a time, for all partitions.
 *
 * Whatever is waiting when a commit ends goes into the next one. A small work that finds nobody
 * committing is committed by the pump that brings it: an unloaded chain of steps then pays one
 * thread switch less for each of them. */
#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "engine/engine_priv.h"

static void commit(struct committer *committer, struct work *first)
{
    const struct batch *batches[LIMIT_PARTITIONS];
    size_t count = 0;
    for (struct work *work = first; work != NULL; work = work->next) {
        assert_that(count < LIMIT_PARTITIONS);
        if (work->batch->mutation_count > 0) {
            batches[count++] = work->batch;
        }
    }
    pd_error err;
    time_us began = clock_now();
    pd_status status =
        count == 0 ? PD_OK : committer->store->ops->commit(committer->store, batches, count, &err);
    committer->took_us = count == 0 ? -1 : clock_now() - began;
    committer->said = status;
    while (first != NULL) {
        struct work *next = first->next;
        first->status = status;
        if (status != PD_OK) {
            first->error = err;
        }
        engine_release(committer->engine, first);
        first = next;
    }
    if (count > 0 && status == PD_OK && committer->store->ops->tend != NULL) {
        committer->store->ops->tend(committer->store);
    }
}

static void end_busy(struct committer *committer)
{
    committer->is_busy = false;
    if (committer->holders > 0) {
        pthread_cond_signal(&committer->free);
    }
}

static void committed(struct committer *committer)
{
    if (committer->took_us >= 0) {
        histogram_add(&committer->took, committer->took_us);
        committer->failed += committer->said != PD_OK;
    }
    end_busy(committer);
    committer->is_trim_due = true;
    committer->commits++;
}

/* The mutex is held, and given up in between (E3). A commit since the wait began puts it off. */
static void trim(struct committer *committer)
{
    struct store *store = committer->store;
    if (committer->first != NULL || committer->is_busy || committer->holders > 0 ||
        committer->commits != committer->commits_seen) {
        committer->commits_seen = committer->commits;
        return;
    }
    committer->is_trim_due = false;
    if (store->ops->trim != NULL) {
        committer->is_busy = true;
        pthread_mutex_unlock(&committer->mutex);
        store->ops->trim(store);
        mem_trim(); /* what the store freed lies in the heap still */
        pthread_mutex_lock(&committer->mutex);
        end_busy(committer);
    }
}

/* Who waits to hold goes first: a commit that ends may be followed by the next at once. */
static bool may_begin(const struct committer *committer)
{
    return !committer->is_busy && committer->holders == 0;
}

static void *body(void *argument)
{
    struct committer *committer = argument;
    thread_name("pd-commit");
    pthread_mutex_lock(&committer->mutex);
    for (;;) {
        while ((committer->first == NULL || !may_begin(committer)) && !committer->is_stopping) {
            int64_t patience = committer->is_trim_due ? TRIM_AFTER : -1;
            if (!clock_cond_wait(&committer->work, &committer->mutex, patience)) {
                trim(committer);
            }
        }
        if (committer->first == NULL) {
            break;
        }
        struct work *all = committer->first;
        committer->first = NULL;
        committer->last = &committer->first;
        committer->is_busy = true;
        pthread_mutex_unlock(&committer->mutex);
        commit(committer, all);
        pthread_mutex_lock(&committer->mutex);
        committed(committer);
    }
    pthread_mutex_unlock(&committer->mutex);
    return NULL;
}

bool committer_start(struct committer *committer, struct engine *engine, struct store *store)
{
    committer->engine = engine;
    committer->store = store;
    committer->last = &committer->first;
    pthread_mutex_init(&committer->mutex, NULL);
    clock_cond_init(&committer->work);
    pthread_cond_init(&committer->free, NULL);
    committer->has_thread = thread_start(&committer->thread, body, committer);
    return committer->has_thread;
}

void committer_submit(struct committer *committer, struct work *work, bool may_commit_here)
{
    work->next = NULL;
    pthread_mutex_lock(&committer->mutex);
    if (may_commit_here && may_begin(committer) && committer->first == NULL) {
        committer->is_busy = true;
        pthread_mutex_unlock(&committer->mutex);
        commit(committer, work);
        pthread_mutex_lock(&committer->mutex);
        /* The thread need not know, but for the first time, when it begins to count to a trim. */
        bool is_news = committer->first != NULL || !committer->is_trim_due;
        committed(committer);
        if (is_news) {
            pthread_cond_signal(&committer->work);
        }
    } else {
        *committer->last = work;
        committer->last = &work->next;
        pthread_cond_signal(&committer->work);
    }
    pthread_mutex_unlock(&committer->mutex);
}

void committer_hold(struct committer *committer)
{
    pthread_mutex_lock(&committer->mutex);
    committer->holders++;
    while (committer->is_busy) {
        pthread_cond_wait(&committer->free, &committer->mutex);
    }
    committer->holders--;
    committer->is_busy = true;
    pthread_mutex_unlock(&committer->mutex);
}

void committer_let_go(struct committer *committer)
{
    pthread_mutex_lock(&committer->mutex);
    end_busy(committer);
    pthread_cond_signal(&committer->work);
    pthread_mutex_unlock(&committer->mutex);
}

void committer_count(struct committer *committer, struct histogram *ret, uint64_t *ret_failed)
{
    pthread_mutex_lock(&committer->mutex);
    *ret = committer->took;
    *ret_failed = committer->failed;
    pthread_mutex_unlock(&committer->mutex);
}

void committer_stop(struct committer *committer)
{
    if (committer->has_thread) {
        pthread_mutex_lock(&committer->mutex);
        committer->is_stopping = true;
        pthread_cond_signal(&committer->work);
        pthread_mutex_unlock(&committer->mutex);
        pthread_join(committer->thread, NULL);
    }
    assert_that(committer->first == NULL && !committer->is_busy);
    pthread_cond_destroy(&committer->free);
    pthread_cond_destroy(&committer->work);
    pthread_mutex_destroy(&committer->mutex);
}
