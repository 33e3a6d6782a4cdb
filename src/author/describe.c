/* SPDX-License-Identifier: MIT
 *
 * Describing: what history has, and what the code asks for, as sentences about a difference name
 * them. */
#include "author/author_priv.h"
#include "core/lock_set.h"

enum event_kind action_event_kind(const struct action *action)
{
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK: return EVENT_TASK_SCHEDULED;
    case ACTION_CREATE_TIMER: return EVENT_TIMER_CREATED;
    case ACTION_START_CHILD: return EVENT_CHILD_CREATED;
    case ACTION_SEND_EVENT: return EVENT_EVENT_SENT;
    case ACTION_CALL_ENTITY: return EVENT_ENTITY_CALLED;
    case ACTION_SIGNAL_ENTITY: return EVENT_ENTITY_SIGNALED;
    case ACTION_CANCEL_SIGNAL: return EVENT_SIGNAL_CANCELLED;
    case ACTION_LOCK: return EVENT_LOCK_REQUESTED;
    case ACTION_UNLOCK: return EVENT_UNLOCK_SENT;
    case ACTION_CANCEL: return EVENT_STEP_CANCELLED;
    case ACTION_MARK_CHANGE: return EVENT_CHANGE_MARKED;
    case ACTION_NOTE_TRACE: return EVENT_TRACE_NOTED;
    case ACTION_START:
    case ACTION_TERMINATE:
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: break;
    }
    return EVENT_UNKNOWN;
}

struct text action_target(const struct action *action)
{
    return action->kind == ACTION_LOCK ? action->extra->lock_set : action->instance_id;
}

struct text event_target(const struct event *event)
{
    if (event->kind != EVENT_LOCK_REQUESTED) {
        return event->instance_id;
    }
    return event->extra != NULL ? event->extra->lock_set : TEXT_ABSENT;
}

/* "@a@1, @b@2 and 7 more" */
const char *describe_lock_set(struct arena *arena, struct text set)
{
    enum { TOLD = 3 };
    struct text id;
    size_t count = 0;
    const char *text = "nothing";
    for (size_t cursor = 0; count < TOLD && lock_set_next(set, &cursor, &id); count++) {
        text = count == 0 ? text_copy(arena, id).at
                          : arena_printf(arena, "%s, %.*s", text, TEXT_ARGS(id));
    }
    size_t all = lock_set_count(set);
    return all == count ? text : arena_printf(arena, "%s and %zu more", text, all - count);
}

struct wording {
    enum event_kind kind;
    const char *asked;
    bool has_name;
    const char *of; /* its target; NULL: it has none that counts */
};

/* NULL: none of what an orchestrator asks for. */
static const struct wording *wording_of(enum event_kind kind)
{
    static const struct wording all[] = {
        { EVENT_TASK_SCHEDULED, "activity", true, NULL },
        { EVENT_CHILD_CREATED, "child", true, NULL },
        { EVENT_EVENT_SENT, "the sending of event", true, NULL },
        { EVENT_TIMER_CREATED, "a timer", false, NULL },
        { EVENT_ENTITY_CALLED, "the call", true, " of " },
        { EVENT_ENTITY_SIGNALED, "the signal", true, " to " },
        { EVENT_LOCK_REQUESTED, "the locking", false, " of " },
        { EVENT_UNLOCK_SENT, "the unlocking", false, " of " },
        { EVENT_SIGNAL_CANCELLED, "the cancelling of a signal", false, " to " },
        { EVENT_STEP_CANCELLED, "its cancelling", false, NULL },
        { EVENT_CHANGE_MARKED, "a mark of a change", false, NULL },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].kind == kind) {
            return &all[i];
        }
    }
    return NULL;
}

/* " 'add' of @counter@a" */
static const char *details(struct arena *arena, enum event_kind kind, struct text name,
                           struct text target)
{
    const struct wording *wording = wording_of(kind);
    const char *of = wording != NULL && wording->of != NULL ? wording->of : "", *whom = "";
    if (*of != '\0') {
        whom = kind == EVENT_LOCK_REQUESTED ? describe_lock_set(arena, target)
                                            : arena_printf(arena, "%.*s", TEXT_ARGS(target));
    }
    bool has_name = text_is_present(name);
    return arena_printf(arena, "%s%.*s%s%s%s", has_name ? " '" : "", TEXT_ARGS(name),
                        has_name ? "'" : "", of, whom);
}

const char *describe_event(struct arena *arena, const struct event *event, uint64_t number)
{
    if (event == NULL) {
        return "an event that this version does not know";
    }
    return arena_printf(arena, "%s%s (event %llu)", event_kind_name(event->kind),
                        details(arena, event->kind, event->name, event_target(event)),
                        (unsigned long long)number);
}

const char *describe_asked(struct arena *arena, enum event_kind kind, struct text name,
                           struct text target)
{
    const struct wording *wording = wording_of(kind);
    if (wording == NULL) {
        return "something";
    }
    return arena_printf(arena, "%s%s", wording->asked,
                        details(arena, kind, wording->has_name ? name : TEXT_ABSENT, target));
}
