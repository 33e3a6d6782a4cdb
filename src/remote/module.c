/* SPDX-License-Identifier: MIT
 *
 * What libperdure finds here, by its one name. */
#include "remote/remote_priv.h"

static pd_status wait_end(struct store *store, struct text id, int64_t max_ms, struct arena *arena,
                          struct instance_record *ret, bool *ret_found, bool *ret_is_over,
                          pd_error *err)
{
    return waits_wait(&remote_of(store)->waits, id, max_ms, arena, ret, ret_found, ret_is_over,
                      err);
}

__attribute__((visibility("default"))) extern const struct remote_module perdure_grpc_module;

const struct remote_module perdure_grpc_module = {
    .build = REMOTE_BUILD,
    .open = remote_store_open,
    .wait_end = wait_end,
    .clean_entities = remote_clean_entities,
    .worker_start = remote_worker_start,
    .worker_stop = remote_worker_stop,
};
