/* SPDX-License-Identifier: MIT
 *
 * How many instances there are, in which state: counted by a reader when somebody looks at the
 * metrics, and told from then on, so that looking costs the loop nothing.
 *
 *   M1  Counting has to read every row, so it is not done again before five seconds, nor before
 *       twenty times as long as it took: a hub with millions is counted a twentieth of the time at
 *       most, by one reader. */
#include "server/server_priv.h"

enum { PAUSE_US = 5 * 1000 * 1000, SHARE = 20 };

static void count_work(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, census.job);
    const struct store_query all = { 0 };
    pd_error err;
    hub->census.status = hub->store->ops->count(hub->store, &all, &hub->census.found, &err);
}

static void count_done(struct reader_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, census.job);
    struct census *census = &hub->census;
    time_us now = loop_steady(hub->server->loop);
    census->took_us = now - census->counted_at;
    census->counted_at = now;
    census->is_counting = false;
    if (census->status == PD_OK) {
        census->counts = census->found;
        census->is_known = true;
    }
    hub->reading--;
    hub_leave(hub);
}

void census_look(struct hub *hub)
{
    struct census *census = &hub->census;
    time_us now = loop_steady(hub->server->loop);
    int64_t pause = census->took_us * SHARE > PAUSE_US ? census->took_us * SHARE : PAUSE_US;
    if (census->is_counting || (census->counted_at != 0 && now - census->counted_at < pause)) {
        return;
    }
    census->is_counting = true;
    census->counted_at = now;
    hub->reading++;
    hub->users++;
    census->job.work = count_work;
    census->job.done = count_done;
    readers_give(hub->server->readers, &census->job);
}
