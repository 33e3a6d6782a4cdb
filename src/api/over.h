/* SPDX-License-Identifier: MIT
 *
 * A hub over a store and an engine that somebody else has: so that the server need not write again
 * what takes many steps here, and blocks. */
#ifndef API_OVER_H
#define API_OVER_H

#include <perdure.h>

#include "engine/engine.h"
#include "store/store.h"

/* Both are borrowed until api_hub_over_end. For the calls below, and those of perdure.h that say
 * something or look. */
pd_hub *api_hub_over(struct store *store, struct engine *engine);
/* Calls that last end soon, with PD_E_CANCELLED. */
void api_hub_over_close(pd_hub *hub);
void api_hub_over_end(pd_hub *hub); /* when all calls have returned; NULL is fine */

/* Leaves what Perdure itself runs out of a list or a count, unless it is asked for: by name, as a
 * child, or by a prefix of IDs that only it has. */
void api_hide_builtin(struct store_query *query);
/* pd_hub_purge_all, to the microsecond. PD_E_TIMEOUT after max_us; 0: no limit. */
pd_status api_purge_query(pd_hub *hub, const struct store_query *query, bool recursive,
                          int64_t max_us, uint64_t *purged, pd_error *err);
/* Forgets instances that have ended, and entities; of others, and of what is not there, nothing is
 * said. recursive: descendants that have ended too. */
pd_status api_purge_ids(pd_hub *hub, const struct text *ids, size_t count, bool recursive,
                        uint64_t *purged, pd_error *err);

#endif
