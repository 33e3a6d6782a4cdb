/* SPDX-License-Identifier: MIT
 *
 * Loans: whose the memory is that peers make us keep.
 *
 * What lies here for a connection is of two kinds. Some of it is DUE: the peer could end it at any
 * time, by reading its answers, by sending the rest of a message it has begun. The rest is calls
 * that wait for us. Both are counted, and treated so:
 *
 *   B1  A connection has LOAN_OWN bytes of its own: with the session itself, and TLS, that is less
 *       than 64 KiB. All above is lent by a pool that all connections of a server share
 *       (h2_limits.lent).
 *   B2  When the pool is empty the costliest borrower loses its connection, so that a newcomer
 *       never finds it empty. What a loan costs is bytes times seconds: those for which less was
 *       moved than is due, from a tenth of one to sixty. Who only waits for us costs as little as
 *       one that has just come; who sends or reads what he owes is never older than that takes.
 *   B3  A loan has a term. Of a connection that has one, each stream must move a part (1 /
 *       TERM_PART) of what is due on it within h2_limits.term_ms, again and again, or it is reset
 *       (ENHANCE_YOUR_CALM): slow is fine, still is not. A peer whose socket takes nothing at all
 *       for as long as a silent one would have, is gone.
 *   B4  Streams whose writer asks first (h2_backlog) are paced: few bytes, which the writer bounds.
 *       They have no term: a worker that is busy for minutes leaves its work items lie, a program
 *       its history, and both are honest. They are in the pool, and B2 is for them, too.
 *   B5  Back-pressure: while answers of more than LOAN_PRESSURE bytes lie unread, those of paced
 *       streams aside, calls of the connection that are asked do not begin, and its windows do not
 *       grow. So answers do not pile up by asking for more of them; and a worker's completions come
 *       in however much work lies there.
 *
 * Not here: what is kept of a call above this room, which is bounded by the number of streams; but
 * for calls that keep many things, who answers them says how much that is (h2_weigh). */
#ifndef NET_LOANS_H
#define NET_LOANS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/time.h"

enum {
    LOAN_OWN = 16 * 1024,       /* in buffers that double: twice that, beside a session's 27 KiB */
    LOAN_PRESSURE = 256 * 1024, /* as much as a broker's stream has before it gets no more work */
    LOAN_CALL = 2048, /* an open call: the stream here and in nghttp2, headers, the call */
    LOAN_FRAME = 256, /* a frame that nghttp2 has queued */
};

struct loans {
    size_t most, lent;
    struct list borrowers;
};

/* A connection's. Zeroes are one that has none. */
struct loan {
    struct list_node among; /* borrowers */
    size_t due, calls;      /* bytes */
    size_t lent;            /* of the pool */
    size_t moved;           /* of what was due, since: */
    time_us since;
    bool is_forgiven; /* it is being closed: nothing counts any more */
};

void loans_init(struct loans *loans, size_t most);
/* due or calls were changed: `lent` follows. False: the pool is empty. */
bool loan_changed(struct loans *loans, struct loan *loan, time_us now);
void loan_moved(struct loan *loan, size_t bytes, time_us now);
struct loan *loans_costliest(struct loans *loans, time_us now); /* there is one */
void loan_forgive(struct loans *loans, struct loan *loan);      /* gives all back */

#endif
