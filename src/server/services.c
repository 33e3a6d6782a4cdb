/* SPDX-License-Identifier: MIT
 *
 * Which services there are: TaskHubSidecarService, by theme, and perdure.v1.Hub; and what
 * describes it. */
#include "server/server_priv.h"
#include "wire/descriptors.h"

const struct rpc_service *const server_services[] = {
    &instances_service, &waits_service,
    &work_service,      &queries_service,
    &history_service,   &purge_service,
    &entities_service,  &hubs_service,
    &v1_calls_service,  &v1_load_service,
    &v1_pieces_service, &v1_waits_service,
    &v1_work_service,   NULL,
};

/* An encoded FileDescriptorSet, for reflection. */
struct text server_descriptors(void)
{
    return wire_descriptors;
}
