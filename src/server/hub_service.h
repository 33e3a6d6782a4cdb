/* SPDX-License-Identifier: MIT
 *
 * perdure.v1.Hub: the calls that libperdure makes of a server (proto/perdure.proto), and the stream
 * on which its workers get their work.
 *
 * What the rest of the room owes to these files: the table among the methods of its grpc_server,
 * whose argument is the room's; hub_service_of; and a struct service_hub in each hub that is open.
 *
 *   S1  All on the loop's thread, but for hub_service_ended. What may take long goes to readers.
 *   S2  Whoever calls may do what his scope says, and nothing that is the engine's own business:
 *       kinds of messages that clients have no reason to send are refused. */
#ifndef SERVER_HUB_SERVICE_H
#define SERVER_HUB_SERVICE_H

#include "broker/broker.h"
#include "core/batch.h"
#include "engine/engine.h"
#include "grpc/grpc.h"
#include "net/loop.h"
#include "server/readers.h"
#include "store/store.h"

enum { HUB_SERVICE_METHODS = 12 };
extern const struct grpc_method hub_service_methods[HUB_SERVICE_METHODS];

/* A hub, as this service sees it. */
struct service_waits;
struct service_hub {
    const char *name;
    struct loop *loop;
    struct readers *readers;
    struct store *store;
    struct engine *engine;
    struct broker *broker;
    struct service_waits *waits; /* made by hub_service_attach */
};

/* The hub is open: from now on until detached calls may come for it. Detaching is done when all of
 * this service's calls have been ended (grpc_server_end_calls), before the broker is freed. */
void hub_service_attach(struct service_hub *hub);
void hub_service_detach(struct service_hub *hub);

/* For engine_options.ended: endings of a commit. Any thread, also before the hub is attached. */
void hub_service_ended(struct service_hub *hub, const struct ending *endings);

/* The room's: the hub that the call's metadata names, when the caller has one of the scopes (SCOPE_*,
 * tokens.h) there. NULL: the call has been ended. `argument` is that of the methods. */
struct service_hub *hub_service_of(void *argument, struct grpc_call *call, unsigned scopes);

#endif
