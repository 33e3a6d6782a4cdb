/* SPDX-License-Identifier: MIT
 *
 * What libperdure finds here, by its one name. */
#include "remote/remote_priv.h"

static pd_status wait_ends(struct store *store, struct remote_wait *waits, size_t count,
                           int64_t max_ms, struct arena *arena, pd_error *err)
{
    return waits_wait(&remote_of(store)->waits, waits, count, max_ms, arena, err);
}

__attribute__((visibility("default"))) extern const struct remote_module perdure_grpc_module;

const struct remote_module perdure_grpc_module = {
    .build = REMOTE_BUILD,
    .open = remote_store_open,
    .wait_ends = wait_ends,
    .clean_entities = remote_clean_entities,
    .worker_start = remote_worker_start,
    .worker_stop = remote_worker_stop,
    .worker_silence = remote_worker_silence,
};
