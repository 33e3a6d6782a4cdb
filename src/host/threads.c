/* SPDX-License-Identifier: MIT
 *
 * The threads that routes run on. As many requests wait as there are connections.
 *
 *   T1  Whether a thread computes or waits only the library knows, when it is in one of its calls:
 *       those end. In whatever else it waits, it hangs (pulse.c, B3). */
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/signal_stack.h"
#include "host/child.h"

static int64_t steady_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A route has begun or ended, or one waits as it may. */
static void progress(struct service *service)
{
    atomic_store(&service->progress_ms, steady_ms());
}

static bool is_any_in_call(const struct service *service)
{
    bool is_any = false;
    for (size_t i = 0; i < service->thread_count && !is_any; i++) {
        const void *face = atomic_load(&service->threads[i].face);
        is_any = face != NULL && pd_thread_is_in_call_(face);
    }
    return is_any;
}

int64_t threads_stuck_ms(struct service *service, size_t *ret_waiting)
{
    if (is_any_in_call(service)) { /* T1 */
        progress(service);
    }
    (void)pthread_mutex_lock(&service->mutex);
    *ret_waiting = service->waiting_count;
    (void)pthread_mutex_unlock(&service->mutex);
    return *ret_waiting != 0 ? steady_ms() - atomic_load(&service->progress_ms) : 0;
}

static struct request *take(struct service *service)
{
    struct list_node *node = NULL;
    (void)pthread_mutex_lock(&service->mutex);
    while (!service->is_over && (node = list_pop_front(&service->waiting)) == NULL) {
        (void)pthread_cond_wait(&service->wanted, &service->mutex);
    }
    service->waiting_count -= node != NULL;
    (void)pthread_mutex_unlock(&service->mutex);
    progress(service);
    return node != NULL ? CONTAINER_OF(node, struct request, among) : NULL;
}

static void *run(void *argument)
{
    struct route_thread *thread = argument;
    struct service *service = thread->service;
    struct request *request;
    void *stack = signal_stack_begin();
    atomic_store(&thread->face, pd_thread_());
    (void)pthread_setname_np(pthread_self(), "route");
    while ((request = take(service)) != NULL) {
        if (request->own != NULL) {
            request->own(request);
        } else {
            trace_route = request->match.route;
            trace_route->run(&request->face);
            trace_route = NULL;
        }
        loop_post(service->loop, &request->job);
    }
    signal_stack_end(stack);
    return NULL;
}

void threads_start(struct service *service)
{
    size_t count = (size_t)service->options->route_threads;
    (void)pthread_mutex_init(&service->mutex, NULL);
    (void)pthread_cond_init(&service->wanted, NULL);
    list_init(&service->waiting);
    service->threads = mem_alloc(count * sizeof *service->threads);
    while (service->thread_count < count) {
        struct route_thread *thread = &service->threads[service->thread_count];
        *thread = (struct route_thread){ .service = service };
        if (pthread_create(&thread->id, NULL, run, thread) != 0) {
            break;
        }
        service->thread_count++;
    }
    assert_that(service->thread_count > 0);
}

void threads_give(struct service *service, struct request *request)
{
    (void)pthread_mutex_lock(&service->mutex);
    if (service->waiting_count++ == 0) { /* until now there was nothing to be late with */
        progress(service);
    }
    list_push_back(&service->waiting, &request->among);
    (void)pthread_cond_signal(&service->wanted);
    (void)pthread_mutex_unlock(&service->mutex);
}

void threads_stop(struct service *service)
{
    (void)pthread_mutex_lock(&service->mutex);
    service->is_over = true;
    (void)pthread_cond_broadcast(&service->wanted);
    (void)pthread_mutex_unlock(&service->mutex);
    for (size_t i = 0; i < service->thread_count; i++) {
        (void)pthread_join(service->threads[i].id, NULL);
    }
    mem_free(service->threads);
    (void)pthread_cond_destroy(&service->wanted);
    (void)pthread_mutex_destroy(&service->mutex);
}
