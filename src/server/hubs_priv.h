/* SPDX-License-Identifier: MIT
 *
 * What the files of a hub share: hubs.c, hub_life.c, hub_parts.c, hub_files.c. */
#ifndef SERVER_HUBS_PRIV_H
#define SERVER_HUBS_PRIV_H

#include "server/server_priv.h"

/* ---- hub_files.c ---- */

/* The URL of its store; or, without scheme and options, its file. Ends in NUL. */
void hub_write_url(const struct hub *hub, struct buffer *url, bool only_file);
bool hub_has_file(const struct hub *hub);
void hub_remove_files(const struct hub *hub); /* SQLite's three */

/* ---- hub_parts.c ---- */

/* What of it blocks; on any thread. hub->err when it fails, and nothing is open then. */
pd_status hub_open_parts(struct hub *hub);
void hub_close_parts(struct hub *hub); /* its engine is stopped, its broker freed */
void hub_run_broker(struct hub *hub);  /* or it is due, when it may not be run now */
void hub_broker_timer(void *hub);

/* ---- hub_life.c ---- */

void hub_begin_opening(struct hub *hub); /* closed */

#endif
