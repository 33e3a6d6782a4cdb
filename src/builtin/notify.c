/* SPDX-License-Identifier: MIT
 *
 * perdure.notify: tells somebody outside what has happened to an instance. The core starts one for
 * each change that a server's settings want told (core/announce.c), in the batch of the change.
 *
 * Its input: {"to": [names of webhooks], "event": a CloudEvent, "first": ms, "total": ms}. Each of
 * them is an activity of its own, which the server makes a request of (server/webhooks.c): URL,
 * secret and signature are not here, and so in no history.
 *
 * A delivery is tried again, ever less often, for as long as `total` says. When one is given up the
 * instance has failed, and a rewind tries it again. */
#include <limits.h>

#include "builtin/builtin.h"

enum { DELAY_MOST_MS = 3600 * 1000 };

pd_result notify_run(pd_orchestration *o, pd_value input)
{
    pd_value to, event;
    long long first, total;
    if (pd_parent_id(o) != NULL) {
        return pd_fail_final(o, "Misuse", BUILTIN_NOTIFY " is the server's own");
    }
    pd_read(o, input, "to", &to, "event", &event, "first", &first, "total", &total);
    pd_retry patiently = { .attempts_max = INT_MAX,
                           .delay_first = pd_milliseconds(first),
                           .backoff = 2,
                           .delay_max = { DELAY_MOST_MS },
                           .total_max = pd_milliseconds(total),
                           .jitter = 0.2 };
    size_t count = pd_count(to);
    pd_task **deliveries = pd_alloc(o, (count + 1) * sizeof *deliveries);
    for (size_t i = 0; i < count; i++) {
        deliveries[i] =
            pd_start_activity(o, BUILTIN_DELIVER, PD_OBJ("webhook", pd_at(to, i), "event", event),
                              .retry = &patiently);
    }
    (void)pd_wait_all(o, deliveries, count);
    for (size_t i = 0; i < count; i++) {
        if (!pd_wait(o, deliveries[i])) {
            const pd_failure *failure = pd_task_failure(deliveries[i]);
            pd_log(o, "webhook '%s' is given up: %s", pd_text(pd_at(to, i)), failure->message);
            return pd_fail_with(o, failure);
        }
    }
    return pd_ok(o, PD_NULL);
}
