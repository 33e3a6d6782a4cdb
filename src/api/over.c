/* SPDX-License-Identifier: MIT
 *
 * A hub over what somebody else has: see over.h. */
#include "api/over.h"

#include "api/api_priv.h"

pd_hub *api_hub_over(struct store *store, struct engine *engine)
{
    pd_hub *hub = OBJECT_NEW(pd_hub, HUB_MAGIC);
    pd_worker *worker = OBJECT_NEW(pd_worker, WORKER_MAGIC);
    hub->store = store;
    hub->payload_max = LIMIT_PAYLOAD_MOST;
    pthread_mutex_init(&hub->mutex, NULL);
    pthread_cond_init(&hub->changed, NULL);
    worker->hub = hub;
    worker->engine = engine;
    hub->worker = worker;
    return hub;
}

void api_hub_over_close(pd_hub *hub)
{
    OBJECT_CHECK(hub, HUB_MAGIC);
    atomic_store(&hub->is_closing, true);
}

void api_hub_over_end(pd_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    OBJECT_CHECK(hub, HUB_MAGIC);
    pd_worker *worker = hub->worker;
    OBJECT_FREE(worker, WORKER_MAGIC);
    pthread_cond_destroy(&hub->changed);
    pthread_mutex_destroy(&hub->mutex);
    OBJECT_FREE(hub, HUB_MAGIC);
}
