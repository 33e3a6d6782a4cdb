/* SPDX-License-Identifier: MIT
 *
 * External events: what comes by name, and who waits for it.
 *
 * Names are compared without regard to ASCII case. Each name has a queue: of waiters when more was
 * expected than came, of events when more came than was expected.
 *
 *   E1  An event goes to the waiter of its name that has waited longest; a cancelled one is passed
 *       over. With no waiter it is kept for the next who comes.
 *   E2  Events of a name are taken in the order they came; the next execution gets what nobody took
 *       in the order it came, whatever the names.
 *
 * An expected event is no step: it asks the world for nothing, and replay gives the same events in
 * the same order again. */
#include "author/author_priv.h"

/* The queue of this name; made when it is not there yet. */
static struct event_queue *find_queue(pd_orchestration *run, struct text name)
{
    char folded[LIMIT_NAME];
    size_t size = name.size < sizeof folded ? name.size : sizeof folded;
    for (size_t i = 0; i < size; i++) {
        char c = name.at[i];
        folded[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    struct text key = text_make(folded, size);
    struct event_queue *queue = map_find(&run->queues, key);
    if (queue == NULL) {
        queue = arena_alloc(&run->arena, sizeof *queue);
        queue->last_waiter = &queue->waiters;
        queue->last_event = &queue->events;
        map_put(&run->queues, text_copy(&run->arena, key), queue);
    }
    return queue;
}

/* E1; NULL: nobody waits. */
static pd_task *next_waiter(struct event_queue *queue)
{
    pd_task *task;
    do {
        task = queue->waiters;
        if (task == NULL) {
            return NULL;
        }
        queue->waiters = task->next;
        if (queue->waiters == NULL) {
            queue->last_waiter = &queue->waiters;
        }
    } while (task->state != TASK_OPEN);
    return task;
}

void events_deliver(pd_orchestration *run, struct text name, struct text payload)
{
    struct event_queue *queue = find_queue(run, name);
    pd_task *task = next_waiter(queue);
    if (task != NULL) {
        task->payload = payload;
        run_task_ended(run, task, TASK_SUCCEEDED);
        return;
    }
    struct kept_event *kept = arena_alloc(&run->arena, sizeof *kept);
    kept->name = text_copy(&run->arena, name);
    kept->payload = text_copy(&run->arena, payload);
    *queue->last_event = kept;
    queue->last_event = &kept->next;
    list_push_back(&run->kept, &kept->node);
}

/* The oldest kept event of the queue; false: there is none. */
static bool take(struct event_queue *queue, struct text *ret)
{
    struct kept_event *kept = queue->events;
    if (kept == NULL) {
        return false;
    }
    queue->events = kept->next;
    if (queue->events == NULL) {
        queue->last_event = &queue->events;
    }
    list_remove(&kept->node);
    *ret = kept->payload;
    return true;
}

static pd_task *expect(pd_orchestration *run, const char *call, const char *name)
{
    struct text checked = ask_checked_name(&run->mem, call, "name of the event", name);
    struct event_queue *queue = find_queue(run, checked);
    pd_task *task = task_new(run, TASK_EVENT, text_copy(&run->arena, checked).at);
    if (take(queue, &task->payload)) {
        task->state = TASK_SUCCEEDED;
    } else {
        *queue->last_waiter = task;
        queue->last_waiter = &task->next;
    }
    return task;
}

pd_task *pd_expect_event(pd_orchestration *o, const char *name)
{
    run_check(o);
    return expect(o, "pd_expect_event", name);
}

pd_value pd_wait_event(pd_orchestration *o, const char *name)
{
    run_check(o);
    pd_task *task = expect(o, "pd_wait_event", name);
    return pd_await(o, task);
}

/* Whatever is not needed any more is cancelled at once: a timer would otherwise wake the instance
 * for nothing, and a waiter take an event that nobody looks at. */
bool pd_wait_event_for(pd_orchestration *o, const char *name, pd_duration limit, pd_value *ret)
{
    run_check(o);
    pd_task *event = expect(o, "pd_wait_event_for", name);
    if (!pd_task_is_done(event)) {
        pd_task *timer = pd_start_timer(o, limit);
        size_t first = pd_wait_any(o, PD_TASKS(event, timer));
        pd_cancel(o, first == 0 ? timer : event);
        if (first != 0) {
            return false;
        }
    }
    pd_value payload = pd_await(o, event);
    if (ret != NULL) {
        *ret = payload;
    }
    return true;
}

/* ---- what is left ---------------------------------------------------------------------------- */

static struct event raised(struct arena *arena, struct text name, struct text payload)
{
    return (struct event){ .kind = EVENT_EVENT_RAISED,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .name = text_copy(arena, name),
                           .payload = text_copy(arena, payload) };
}

const struct event *events_kept(pd_orchestration *run, size_t *ret_count)
{
    struct arena *arena = run->turn_arena;
    const struct turn *turn = run->shard->turn;
    size_t count = list_count(&run->kept), first = turn->event_count;
    for (; first > run->shard->delivered; first--) {
        count += turn->events[first - 1].kind == EVENT_EVENT_RAISED;
    }
    struct event *kept = arena_alloc_raw(arena, count * sizeof *kept);
    *ret_count = count;
    count = 0;
    LIST_EACH(node, &run->kept)
    {
        const struct kept_event *event = CONTAINER_OF(node, struct kept_event, node);
        kept[count++] = raised(arena, event->name, event->payload);
    }
    for (; first < turn->event_count; first++) {
        if (turn->events[first].kind == EVENT_EVENT_RAISED) {
            kept[count++] = raised(arena, turn->events[first].name, turn->events[first].payload);
        }
    }
    return kept;
}
