/* SPDX-License-Identifier: MIT
 *
 * What kinds of events are called. The table is in event.h; nothing is decided here.
 */
#include "core/event.h"

const char *event_kind_name(enum event_kind kind)
{
    switch (kind) {
#define X(kind, wire, name) \
    case EVENT_##kind: return name;
        EVENT_MAP(X)
#undef X
    case EVENT_UNKNOWN: break;
    }
    return "Unknown"; /* also for numbers of a newer version */
}
