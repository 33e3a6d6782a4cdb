/* SPDX-License-Identifier: MIT
 *
 * Timers: those due before the horizon, in a heap.
 *
 * The store holds every timer, the window only the near ones, so that a million that are due next
 * month cost nothing. The engine moves the horizon and adds what the store has in between. But a
 * timer beyond the horizon whose batch is not committed is known to no store; were the horizon
 * moved over it now, neither would ever bring it. Those are kept in `far` until their batch is
 * committed, and moved into the heap when the horizon passes them. Where the store, read a little
 * later, has one as well, it comes out twice and is recognised as stale the second time.
 *
 *   D1  Ties come out in the order they were set (C7): those the engine adds were set before those
 *       that were set here, within one stretch between two horizons. So their orders lie below.
 *   D2  A timer that is no longer open is not taken out of the heap; it is passed over when due.
 */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "core/entity.h"

static const uint64_t order_set_here = UINT64_C(1) << 62;

static void push(struct timer_window *window, uint64_t order, uint64_t row, int32_t id, time_us due)
{
    heap_push(&window->heap, (struct heap_item){ due, order, row, (uint64_t)(uint32_t)id });
}

static void far_add(struct timer_window *window, struct far_timer timer)
{
    if (window->far_used == window->far_room && window->far_first > window->far_room / 2) {
        window->far_used -= window->far_first;
        memmove(window->far, window->far + window->far_first, window->far_used * sizeof timer);
        window->far_first = 0;
    }
    if (window->far_used == window->far_room) {
        size_t room = window->far_room != 0 ? window->far_room * 2 : 16;
        window->far = mem_grow(window->far, window->far_room * sizeof timer, room * sizeof timer);
        window->far_room = room;
    }
    window->far[window->far_used++] = timer;
}

void timers_init(struct timer_window *window)
{
    *window = (struct timer_window){ .horizon = INT64_MIN };
    heap_init(&window->heap);
}

void timers_done(struct timer_window *window)
{
    heap_done(&window->heap);
    mem_free(window->far);
}

void timers_set(struct core *core, struct instance *instance, int32_t id, time_us due)
{
    struct mutation *mutation = batch_add(core_open_batch(core), MUTATION_TIMER_PUT, instance->row);
    mutation->due = due;
    mutation->id = id;
    timers_await(core, instance, id, due);
}

void timers_await(struct core *core, struct instance *instance, int32_t id, time_us due)
{
    struct timer_window *window = &core->timers;
    uint64_t order = order_set_here + window->set++;
    if (due <= window->horizon) {
        push(window, order, instance->row, id, due);
    } else {
        far_add(window, (struct far_timer){ core->batch_number, order, instance->row, due, id });
    }
}

void timers_unset(struct core *core, struct instance *instance, int32_t id, time_us due)
{
    struct mutation *mutation =
        batch_add(core_open_batch(core), MUTATION_TIMER_REMOVE, instance->row);
    mutation->due = due;
    mutation->id = id;
}

void timers_committed(struct timer_window *window, uint64_t batch)
{
    while (window->far_first < window->far_used && window->far[window->far_first].batch <= batch) {
        window->far_first++;
    }
    if (window->far_first == window->far_used) {
        window->far_first = window->far_used = 0;
    }
}

void core_set_horizon(struct core *core, time_us horizon)
{
    struct timer_window *window = &core->timers;
    assert_that(horizon >= window->horizon);
    window->horizon = horizon;
    size_t kept = window->far_first;
    for (size_t i = window->far_first; i < window->far_used; i++) {
        const struct far_timer *timer = &window->far[i];
        if (timer->due <= horizon) {
            push(window, timer->order, timer->row, timer->id, timer->due);
        } else {
            window->far[kept++] = *timer;
        }
    }
    window->far_used = kept;
}

void core_add_timer(struct core *core, uint64_t row, int32_t id, time_us due)
{
    push(&core->timers, core->timers.added++, row, id, due);
}

time_us core_next_due(const struct core *core)
{
    const struct heap_item *first = heap_peek(&core->timers.heap);
    return first != NULL ? first->key : TIME_NEVER;
}

/* It is known not to be open any more. Of one that is not resident nothing is known. */
static bool is_stale(struct core *core, const struct heap_item *item)
{
    struct instance *instance = core_find_row(core, item->a);
    int32_t id = (int32_t)(uint32_t)item->b;
    struct step step;
    if (instance == NULL) {
        return false;
    }
    if (instance->entity != NULL) {
        return !delayed_awaits(instance, id, item->key);
    }
    if (id == EVENT_NO_ID) {
        return instance->starts_at != item->key;
    }
    return !steps_find(&instance->steps, id, STEP_TIMER, &step) || step.due != item->key;
}

bool core_pop_due(struct core *core, time_us now, struct due_timer *ret)
{
    struct heap *heap = &core->timers.heap;
    while (heap_count(heap) != 0 && heap_peek(heap)->key <= now) {
        struct heap_item item;
        heap_pop(heap, &item);
        if (!is_stale(core, &item)) {
            *ret = (struct due_timer){ item.a, item.key, (int32_t)(uint32_t)item.b };
            return true;
        }
    }
    return false;
}
