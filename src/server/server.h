/* SPDX-License-Identifier: MIT
 *
 * The server, as main and the tests see it: made of a configuration, run by one thread.
 *
 *   V1  server_new opens what is to be open at the start and listens; nothing is served before
 *       server_run, which returns when the server has ended. Everything else that is here may be
 *       called from any thread while it runs, but for server_free, which comes after.
 *   V2  Draining: not ready any more; streams of workers end with UNAVAILABLE, and no new ones are
 *       taken; what is out may come back for as long as the configuration says; then connections
 *       are told to go away, waits end with UNAVAILABLE, hubs are closed, and server_run returns.
 *       */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <perdure.h>
#include <stdbool.h>

#include "server/config.h"

struct server;

/* The configuration is borrowed until server_free. Errors as those of what it opens. */
struct server *server_new(const struct config *config, pd_error *err);
void server_run(struct server *server);
void server_free(struct server *server); /* NULL is fine */

/* The addresses it got; index 0, 1 ... of those of gRPC; NULL: no more. */
const char *server_grpc_address(const struct server *server, size_t index);
const char *server_http_address(const struct server *server); /* NULL: none */

void server_drain(struct server *server); /* again: at once */
/* Tokens and certificates are read again, levels and limits are taken over. What is not right stays
 * as it was, and is logged. NULL: the levels and limits stay. What a peer was told when it
 * connected, how many streams it may have, holds for it as long as it is there. */
void server_reload(struct server *server, const struct config *config);
void server_log_state(struct server *server);

#endif
