/* SPDX-License-Identifier: MIT
 *
 * Services that every server has: health (health.c) and reflection (reflection.c). They are methods
 * like others, but that their argument is not the caller's: they ask the call for its server. */
#ifndef GRPC_SERVICES_PRIV_H
#define GRPC_SERVICES_PRIV_H

#include "grpc/server_priv.h"

enum { HEALTH_METHODS = 2, REFLECTION_METHODS = 2 };

extern const struct grpc_method health_methods[HEALTH_METHODS];
void health_changed(struct grpc_server *server); /* tells those who watch */

extern const struct grpc_method reflection_methods[REFLECTION_METHODS];
/* NULL: the bytes are no FileDescriptorSet. Borrows them. */
struct reflection *reflection_new(struct text descriptors);
void reflection_free(struct reflection *reflection);

/* "/package.Service/Method" without the rest; absent: it is no such path. */
struct text service_of(struct text path);
bool server_has_service(const struct grpc_server *server, struct text service);

#endif
