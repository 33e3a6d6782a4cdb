/* SPDX-License-Identifier: MIT
 *
 * Lanes: deliveries to one receiver go side by side, but only so many: one that does not answer
 * would have every connection, and nobody else a request.
 *
 *   A1  In a lane LANE_MOST are under way, the others wait in the order in which they came.
 *   A2  What waits is durable elsewhere: whoever ends just frees it.
 *   A3  What waits has a bound in bytes, LANE_BYTES_MOST for all lanes. One in which others wait
 *       gets another while it has fewer than are left: so one receiver has half, and however many
 *       do not answer, there is room for others. Whoever finds none is to come again.
 *
 * Not safe between threads: whoever has them has a mutex. */
#ifndef API_LANES_H
#define API_LANES_H

#include "base/arena.h"
#include "base/text.h"
#include "core/batch.h"

enum { LANE_MOST = 16, LANE_BYTES_MOST = 64 << 20 };

struct lane;
struct lanes {
    struct lane *first;
    size_t bytes; /* of all that wait */
};

enum lane_answer {
    LANE_GOES,  /* under way, until lanes_leave */
    LANE_WAITS, /* until lanes_leave, lanes_take_out or lanes_take_any gives it back */
    LANE_FULL,  /* A3: it is the caller's still */
};

/* The lane is made if need be, and as old as the arena. */
enum lane_answer lanes_enter(struct lanes *lanes, struct arena *arena, struct text name,
                             struct activity *activity, struct lane **ret);
/* One that was under way is not any more. Who goes instead; NULL: nobody waits. */
struct activity *lanes_leave(struct lanes *lanes, struct lane *lane);
/* One that waits, of that row and step, or of any step with EVENT_NO_ID, waits no more. NULL: there
 * is none. */
struct activity *lanes_take_out(struct lanes *lanes, unsigned partition, uint64_t row, int32_t id);
/* Any that waits; NULL: nobody does. */
struct activity *lanes_take_any(struct lanes *lanes);

#endif
