/* SPDX-License-Identifier: MIT
 *
 * CreateTaskHub and DeleteTaskHub, of the hub that the metadata name. */
#include "server/server_priv.h"

static void create_again(struct rpc *rpc)
{
    struct hub_create_task_hub_request *request = rpc->message;
    request->recreate_if_exists = false;
    hub_enter(rpc->hub, rpc);
}

/* First without the hub: to wipe it, or have it opened. Then with it. */
static void create(struct rpc *rpc)
{
    const struct hub_create_task_hub_request *request = rpc->message;
    if (rpc->is_user) {
        rpc_reply_empty(rpc);
    } else if (request->recreate_if_exists) {
        rpc->next = create_again;
        hub_close(rpc->hub, true, rpc);
    } else {
        hub_enter(rpc->hub, rpc);
    }
}

static void delete (struct rpc *rpc)
{
    rpc->next = rpc_reply_empty;
    hub_close(rpc->hub, true, rpc);
}

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("CreateTaskHub"),
      .scopes = SCOPE_OPERATE,
      .flags = METHOD_NO_HUB | METHOD_MAKES_HUB,
      .type = &hub_create_task_hub_request_type,
      .run = create },
    { .path = HUB_PATH("DeleteTaskHub"),
      .scopes = SCOPE_OPERATE,
      .flags = METHOD_NO_HUB,
      .run = delete },
};
const struct rpc_service hubs_service = { methods, sizeof methods / sizeof methods[0] };
