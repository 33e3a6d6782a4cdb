/* SPDX-License-Identifier: MIT
 *
 * The window of timers: which durable timers are in memory, and when they fire.
 *
 * A million sleeping instances are rows in the store. Core keeps only the timers that are due
 * soon: those set with due <= horizon, which it sees itself, and those loaded from the store.
 *
 *   W1  Every durable timer with due <= window_loaded is in core, or has fired.
 *   W2  window_loaded <= window_horizon, which is core's horizon.
 *   W3  The horizon is moved before the store is read. A timer set before and not committed yet is
 *       in neither; core remembers those, and brings them when the horizon moves over them. One
 *       committed in between is in both: core then drops the second firing (C3).
 *
 * Reading stops at a bound of rows, so that a million timers due in one minute come in pages. */
#include "engine/partition_priv.h"

#define WINDOW_LENGTH (300 * TIME_SECOND)
#define WINDOW_NEAR (50 * TIME_MS)
enum { WINDOW_ROWS = 4096 };

void window_open(struct partition *partition)
{
    partition->window_loaded = INT64_MIN;
    partition->window_horizon = INT64_MIN;
    partition->window_firing.row = 0;
    core_set_horizon(partition->core, INT64_MIN);
}

/* More is wanted when what is known ends soon, or when nothing is left in a part of the window
 * that was cut off by the bound on rows. */
static bool is_fill_due(const struct partition *partition, time_us now)
{
    if (partition->window_loaded <= time_add(now, WINDOW_NEAR)) {
        return true;
    }
    return core_next_due(partition->core) == TIME_NEVER &&
           partition->window_loaded < partition->window_horizon;
}

static void move_horizon(struct partition *partition, time_us now)
{
    time_us horizon = time_add(now, WINDOW_LENGTH);
    if (horizon > partition->window_horizon) {
        partition->window_horizon = horizon;
        core_set_horizon(partition->core, horizon);
    }
}

static bool load(struct partition *partition, time_us now)
{
    struct store *store = partition->options.store;
    struct timer_page page = { 0 };
    size_t most = slice_of(&partition->options, WINDOW_ROWS);
    pd_error err;
    arena_reset(&partition->scratch);
    if (store->ops->due_timers(store, partition->options.number, partition->window_loaded,
                               partition->window_horizon, most, &partition->scratch, &page,
                               &err) != PD_OK) {
        partition_back_off(partition, now, &err);
        return false;
    }
    for (size_t i = 0; i < page.count; i++) {
        core_add_timer(partition->core, page.items[i].row, page.items[i].id, page.items[i].due);
    }
    partition->window_loaded =
        page.count < most ? partition->window_horizon : page.items[page.count - 1].due;
    return true;
}

static bool fire(struct partition *partition, time_us now)
{
    struct timer_row *timer = &partition->window_firing;
    size_t most = slice_of(&partition->options, SLICE_TIMERS);
    for (size_t i = 0; i < most; i++) {
        struct due_timer due;
        if (timer->row == 0 && core_pop_due(partition->core, now, &due)) {
            *timer = (struct timer_row){ .due = due.due, .row = due.row, .id = due.id };
        }
        if (timer->row == 0) {
            return false;
        }
        struct instance *instance = NULL;
        pd_error err;
        pd_status status = residency_find_row(partition, timer->row, &instance, &err);
        if (status == PD_E_CORRUPT) {
            partition->counters.corrupt++;
        } else if (status != PD_OK) {
            /* It stays the first, ahead of those due with it (C7). */
            partition_back_off(partition, now, &err);
            return false;
        } else if (instance != NULL) {
            (void)core_fire_timer(partition->core, now, instance, timer->id, timer->due);
        }
        timer->row = 0;
    }
    return true;
}

bool window_run(struct partition *partition, time_us now)
{
    bool more = false;
    if (is_fill_due(partition, now)) {
        move_horizon(partition, now);
        more = load(partition, now);
    }
    return fire(partition, now) || more;
}

time_us window_wake_at(const struct partition *partition)
{
    time_us due = core_next_due(partition->core);
    time_us fill = time_add(partition->window_loaded, -WINDOW_NEAR);
    return due < fill ? due : fill;
}
