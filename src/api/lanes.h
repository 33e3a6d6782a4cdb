/* SPDX-License-Identifier: MIT
 *
 * Lanes: deliveries to one receiver go side by side, but only so many: one that does not answer
 * would have every connection, and nobody else a request.
 *
 *   A1  In a lane LANE_MOST are under way, the others wait in the order in which they came.
 *   A2  A lane is as long as what waits in it, and what waits is durable elsewhere: whoever ends
 *       just frees it.
 *
 * Not safe between threads: whoever has them has a mutex. */
#ifndef API_LANES_H
#define API_LANES_H

#include "base/arena.h"
#include "base/text.h"
#include "core/batch.h"

enum { LANE_MOST = 16 };

struct lane;
struct lanes {
    struct lane *first;
};

/* The lane, when it may go; made if need be, and as old as the arena. NULL: it waits. */
struct lane *lanes_enter(struct lanes *lanes, struct arena *arena, struct text name,
                         struct activity *activity);
/* One that was under way is not any more. Who goes instead; NULL: nobody waits. */
struct activity *lanes_leave(struct lane *lane);
/* One that waits, of that row and step, or of any step with EVENT_NO_ID, waits no more. NULL: there
 * is none. */
struct activity *lanes_take_out(struct lanes *lanes, unsigned partition, uint64_t row, int32_t id);
/* Any that waits; NULL: nobody does. */
struct activity *lanes_take_any(struct lanes *lanes);

#endif
