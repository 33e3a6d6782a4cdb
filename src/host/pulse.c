/* SPDX-License-Identifier: MIT
 *
 * A child that serves says every second that it lives; or that it hangs, and what of it. Silence
 * says so, too: the supervisor counts it (vigil.c).
 *
 *   B1  What beats is the loop's thread, which runs no user code: who stops it has stopped the
 *       process, or holds what all threads need.
 *   B2  A turn of an orchestrator or an entity's operation takes no time: one that does not come
 *       back for --hang hangs, and all others behind it.
 *   B3  Routes may take as long as they like, while there is a thread for the next. Where requests
 *       wait and none has begun for --hang, the routes hang; but not while one of them is in a call
 *       of the library (pd_hub_wait, pd_answer_wait), as that ends.
 *   B4  An activity may take as long as it likes: nobody looks at those. */
#include "host/child.h"

enum { BEAT_MS = 1000 };

static void beat(void *argument)
{
    struct service *service = argument;
    int64_t hang_ms = service->options->hang_ms;
    size_t waiting;
    int64_t turn_ms = pd_worker_silence_(service->worker);
    int64_t routes_ms = threads_stuck_ms(service, &waiting);
    if (turn_ms >= hang_ms) {
        report(REPORT_HANGS, "a turn has not come back for %lld s", (long long)turn_ms / 1000);
    } else if (routes_ms >= hang_ms) {
        report(REPORT_HANGS, "all threads for routes are busy for %lld s, and %zu requests wait",
               (long long)routes_ms / 1000, waiting);
    } else {
        report(REPORT_BEAT, "%s", "");
    }
    loop_timer_set(service->pulse, (hang_ms / 4 < BEAT_MS ? hang_ms / 4 : BEAT_MS) * 1000);
}

void pulse_begin(struct service *service)
{
    service->pulse = loop_timer_new(service->loop, beat, service);
    if (service->options->hang_ms != 0) {
        beat(service);
    }
}

void pulse_end(struct service *service)
{
    loop_timer_free(service->pulse);
}
