/* SPDX-License-Identifier: MIT
 *
 * Cutting histories. See rewrite.h.
 *
 * Everything rests on one division of the events of a turn: what came in, and what the code asked
 * for then. A turn can be lived again when what came in waits again. So undoing turns needs no
 * knowledge of the code, while taking an event out of a turn that stays would: the code may have
 * asked for what follows because of it. Only one thing is ever taken out of such a turn: what no
 * retry policy answered, where nobody but retry policies asked for anything. There the code was
 * waiting from beginning to end, as it will be when the turn is replayed with less in it.
 *
 * It is not known here what any of it means to the code, and nothing here asks for time or ids.
 */
#include "core/rewrite.h"

#include <string.h>

#include "base/error.h"
#include "core/core_priv.h"

/* ---- what an event is to its turn ------------------------------------------------------------ */

static bool is_failure(const struct event *event)
{
    return event->kind == EVENT_TASK_FAILED || event->kind == EVENT_CHILD_FAILED ||
           event->kind == EVENT_ENTITY_FAILED;
}

/* The step that a retry policy answered with this one; EVENT_NO_ID: the code itself asked. */
static int32_t answered_by(const struct event *asked)
{
    return asked->extra != NULL && asked->extra->retry_of > 0 ? asked->extra->retry_of - 1
                                                              : EVENT_NO_ID;
}

/* The EXECUTION_COMPLETED that the turn ends with, or NULL. */
static const struct event *end_of(const struct turn_events *turn)
{
    for (size_t i = turn->count; i-- > 0;) {
        if (turn->events[i].kind != EVENT_ORCHESTRATOR_COMPLETED) {
            return turn->events[i].kind == EVENT_EXECUTION_COMPLETED ? &turn->events[i] : NULL;
        }
    }
    return NULL;
}

/* ---- lists of events ------------------------------------------------------------------------- */

/* Room was counted beforehand. */
struct events {
    struct event *at;
    size_t count;
};

static void add(struct events *list, const struct event *event)
{
    list->at[list->count++] = *event;
}

static struct events events_for(struct arena *arena, size_t room)
{
    return (struct events){ arena_alloc_raw(arena, room * sizeof(struct event)), 0 };
}

/* What the store will have of it when it goes on. */
static struct instance_record *going_on(const struct instance_record *record, enum run_state state,
                                        struct arena *arena)
{
    struct instance_record *copy = arena_alloc_raw(arena, sizeof *copy);
    *copy = *record;
    copy->state = state;
    copy->is_busy = false;
    copy->ended_at = 0;
    copy->output = copy->failure = TEXT_ABSENT;
    return copy;
}

/* ---- rewind ---------------------------------------------------------------------------------- */

/* The next thing that the turn asked for, or its end; the end of the events: nothing. */
static const struct event *next_asked(const struct event *event, const struct event *end)
{
    while (event < end &&
           (event_role(event->kind) == ROLE_MARK || event_role(event->kind) == ROLE_INPUT)) {
        event++;
    }
    return event;
}

/* Policies ask in the order in which what they answer comes in: one walk finds all pairs. */
static bool is_answered(const struct event *input, const struct event *asked,
                        const struct event *end)
{
    return asked < end && input->ref != EVENT_NO_ID && event_role(input->kind) == ROLE_INPUT &&
           answered_by(asked) == input->ref;
}

/* The code asked for nothing in this turn: at most, retry policies did. */
static bool is_quiet(const struct turn_events *turn)
{
    const struct event *end = turn->events + turn->count;
    const struct event *asked = next_asked(turn->events, end);
    for (const struct event *event = turn->events; event < end && asked < end; event++) {
        if (is_answered(event, asked, end)) {
            asked = next_asked(asked + 1, end);
        }
    }
    return asked == end;
}

/* Undoes a turn: what came in waits again, without failures. Of one where policies went on, what
 * they asked for stays, with what they answered. */
static void undo(const struct turn_events *turn, bool policies_stay, struct events *stay,
                 struct events *wait)
{
    const struct event *end = turn->events + turn->count;
    const struct event *asked = policies_stay ? next_asked(turn->events, end) : end;
    for (const struct event *event = turn->events; event < end; event++) {
        enum event_role role = event_role(event->kind);
        if (is_answered(event, asked, end)) {
            add(stay, event);
            asked = next_asked(asked + 1, end);
        } else if (role == ROLE_INPUT && !is_failure(event)) {
            add(wait, event);
        } else if (role != ROLE_INPUT && policies_stay) {
            add(stay, event);
        }
    }
}

/* Undoes the turns from `from` on, all but the last of which are quiet. */
static void undo_from(struct adoption *adoption, const struct turn_events *turns, size_t turn_count,
                      size_t from, struct arena *arena, struct events *wait)
{
    size_t policy_turns = 0;
    size_t policy_events = 0;
    for (size_t i = from; i + 1 < turn_count; i++) {
        const struct event *end = turns[i].events + turns[i].count;
        bool has_any = next_asked(turns[i].events, end) < end;
        policy_turns += has_any;
        policy_events += has_any ? turns[i].count : 0;
    }
    struct turn_events *kept = NULL;
    if (policy_turns != 0) {
        kept = arena_alloc_raw(arena, (from + policy_turns) * sizeof *kept);
        memcpy(kept, turns, from * sizeof *kept);
        adoption->turns = kept;
    }
    struct events all = events_for(arena, policy_events);
    for (size_t i = from; i < turn_count; i++) {
        const struct event *end = turns[i].events + turns[i].count;
        bool policies_stay = i + 1 < turn_count && next_asked(turns[i].events, end) < end;
        struct events stay = { all.at + all.count, 0 };
        undo(&turns[i], policies_stay, &stay, wait);
        if (policies_stay) {
            kept[adoption->turn_count++] = stay.count == turns[i].count
                                               ? turns[i]
                                               : (struct turn_events){ stay.at, stay.count };
            all.count += stay.count;
        }
    }
}

/* Behind the start and earlier ones of its kind, where those stand first. */
static void put_rewound(struct events *wait, const struct event *rewound)
{
    size_t at = 0;
    while (at < wait->count && (wait->at[at].kind == EVENT_EXECUTION_STARTED ||
                                wait->at[at].kind == EVENT_EXECUTION_REWOUND)) {
        at++;
    }
    memmove(wait->at + at + 1, wait->at + at, (wait->count - at) * sizeof *wait->at);
    wait->at[at] = *rewound;
    wait->count++;
}

pd_status rewrite_rewind(const struct instance_record *record, const struct turn_events *turns,
                         size_t turn_count, const struct event *rewound, struct arena *arena,
                         struct adoption *ret, pd_error *err)
{
    const struct event *end = turn_count != 0 ? end_of(&turns[turn_count - 1]) : NULL;
    if (record->state != RUN_FAILED || end == NULL || end->outcome != RUN_FAILED) {
        return error_set(err, PD_E_STATE, false, "core: rewind",
                         "the instance '%.*s' has not failed", TEXT_ARGS(record->id));
    }
    size_t from = turn_count - 1;
    while (from > 0 && is_quiet(&turns[from - 1])) {
        from--;
    }
    size_t room = 1;
    for (size_t i = from; i < turn_count; i++) {
        room += turns[i].count;
    }
    *ret = (struct adoption){
        .record = going_on(record, RUN_RUNNING, arena),
        .turns = turns,
        .turn_count = from,
    };
    struct events wait = events_for(arena, room);
    undo_from(ret, turns, turn_count, from, arena, &wait);
    put_rewound(&wait, rewound);
    ret->waiting = wait.at;
    ret->waiting_count = wait.count;
    /* Also the history as it is: a lock that was asked for in a turn that is undone may still be
     * granted, and would be taken for the one that is asked for then. */
    struct adoption lived = { .turns = turns, .turn_count = turn_count };
    if (rewrite_open_section(ret) != NULL || rewrite_open_section(&lived) != NULL) {
        return error_set(err, PD_E_STATE, false, "core: rewind",
                         "the instance '%.*s' failed inside a critical section, or on its way into "
                         "one or out of it: it does not have these locks any more",
                         TEXT_ARGS(record->id));
    }
    return PD_OK;
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* Turns before `turn` stay whole; of that one, what came in before `at` waits. */
struct cut {
    size_t turn, at;
};

/* OrchestratorCompleted is shown at the end of each turn, but not stored; what is noted of traces
 * is stored, but not shown. */
static bool is_shown(const struct event *event)
{
    return event->kind != EVENT_TRACE_NOTED;
}

static size_t shown_count(const struct turn_events *turn)
{
    bool is_stored =
        turn->count != 0 && turn->events[turn->count - 1].kind == EVENT_ORCHESTRATOR_COMPLETED;
    size_t count = is_stored ? 0 : 1;
    for (size_t i = 0; i < turn->count; i++) {
        count += is_shown(&turn->events[i]);
    }
    return count;
}

/* Where the event is before which so many are shown. */
static size_t place_of(const struct turn_events *turn, uint64_t shown)
{
    size_t at = 0;
    while (at < turn->count && (shown > 0 || !is_shown(&turn->events[at]))) {
        shown -= is_shown(&turn->events[at++]);
    }
    return at;
}

static bool find_cut(const struct turn_events *turns, size_t turn_count, uint64_t number,
                     struct cut *ret)
{
    if (number == 0) {
        bool has_ended = turn_count != 0 && end_of(&turns[turn_count - 1]) != NULL;
        *ret = (struct cut){ turn_count, 0 };
        if (has_ended) {
            *ret = (struct cut){ turn_count - 1, turns[turn_count - 1].count };
        }
        return true;
    }
    uint64_t left = number - 1;
    for (size_t i = 0; i < turn_count; i++) {
        size_t shown = shown_count(&turns[i]);
        if (left < shown) {
            *ret = (struct cut){ i, place_of(&turns[i], left) };
            return true;
        }
        left -= shown;
    }
    return false;
}

/* How it began: under the identity that it has kept since, through all forks. */
static struct event start_of(const struct instance_record *record, const struct turn_events *turns,
                             size_t turn_count, struct arena *arena)
{
    for (size_t i = 0; turn_count != 0 && i < turns[0].count; i++) {
        if (turns[0].events[i].kind == EVENT_EXECUTION_STARTED) {
            return turns[0].events[i];
        }
    }
    struct event_extra *extra = arena_alloc(arena, sizeof *extra);
    extra->tags = record->tags;
    return (struct event){
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = record->created_at,
        .fire_at = record->starts_at,
        .name = record->name,
        .version = record->version,
        .payload = record->input,
        .instance_id = record->id,
        .execution_id = record->execution_id,
        .extra = extra,
    };
}

static void take_inputs(const struct turn_events *turn, size_t before, struct events *wait)
{
    for (size_t i = 0; i < before && i < turn->count; i++) {
        const struct event *event = &turn->events[i];
        if (event_role(event->kind) == ROLE_INPUT && event->kind != EVENT_EXECUTION_STARTED) {
            add(wait, event);
        }
    }
}

/* A CHILD_CREATED among what stays. */
struct child {
    size_t turn, at;
    int32_t step;
    bool is_closed;
};

struct children {
    struct child *at; /* as they were asked for */
    size_t count;
    struct map64 open; /* by step */
};

static void look_at(struct children *children, const struct event *event, size_t turn, size_t at)
{
    if (event->kind == EVENT_CHILD_CREATED && !event_is_forgotten_child(event)) {
        struct child *child = &children->at[children->count++];
        *child = (struct child){ turn, at, event->id, false };
        map64_put(&children->open, (uint32_t)event->id, child);
    } else if (event->kind == EVENT_CHILD_COMPLETED || event->kind == EVENT_CHILD_FAILED ||
               event->kind == EVENT_STEP_CANCELLED) {
        struct child *child = map64_remove(&children->open, (uint32_t)event->ref);
        if (child != NULL) {
            child->is_closed = true;
        }
    }
}

static struct children children_of(const struct adoption *adoption, struct arena *arena)
{
    size_t count = 0;
    for (size_t i = 0; i < adoption->turn_count; i++) {
        for (size_t j = 0; j < adoption->turns[i].count; j++) {
            count += adoption->turns[i].events[j].kind == EVENT_CHILD_CREATED;
        }
    }
    struct children children = { .at = arena_alloc_raw(arena, count * sizeof(struct child)) };
    map64_init(&children.open);
    for (size_t i = 0; count != 0 && i < adoption->turn_count; i++) {
        for (size_t j = 0; j < adoption->turns[i].count; j++) {
            look_at(&children, &adoption->turns[i].events[j], i, j);
        }
    }
    for (size_t i = 0; i < adoption->waiting_count; i++) {
        look_at(&children, &adoption->waiting[i], 0, 0);
    }
    return children;
}

static void rename_open(struct adoption *adoption, const struct children *children,
                        struct arena *arena)
{
    size_t size = adoption->turn_count * sizeof(struct turn_events);
    struct turn_events *turns = memcpy(arena_alloc_raw(arena, size), adoption->turns, size);
    struct event *events = NULL; /* of the turn of the child before: a copy already */
    for (size_t i = 0; i < children->count; i++) {
        const struct child *child = &children->at[i];
        if (child->is_closed) {
            continue;
        }
        struct turn_events *turn = &turns[child->turn];
        if (turn->events != events) {
            size = turn->count * sizeof *events;
            events = memcpy(arena_alloc_raw(arena, size), turn->events, size);
            turn->events = events;
        }
        const char *id = arena_printf(arena, "%.*s:%04x", TEXT_ARGS(adoption->record->execution_id),
                                      (unsigned)child->step);
        events[child->at].instance_id = text_of(id);
        events[child->at].raw = TEXT_ABSENT;
    }
    adoption->turns = turns;
}

/* Two instances cannot have the same child: the ones that are open become others. */
static void rename_children(struct adoption *adoption, struct arena *arena)
{
    struct children children = children_of(adoption, arena);
    if (map64_count(&children.open) != 0) {
        rename_open(adoption, &children, arena);
    }
    map64_done(&children.open);
}

pd_status rewrite_fork(const struct instance_record *record, const struct turn_events *turns,
                       size_t turn_count, uint64_t number, struct text id, struct text execution_id,
                       struct arena *arena, struct adoption *ret, pd_error *err)
{
    struct cut cut;
    if (!find_cut(turns, turn_count, number, &cut)) {
        return error_set(err, PD_E_INVALID, false, "core: fork",
                         "the history of '%.*s' has no event %llu", TEXT_ARGS(record->id),
                         (unsigned long long)number);
    }
    struct instance_record *made =
        going_on(record, cut.turn != 0 ? RUN_RUNNING : RUN_PENDING, arena);
    made->row = 0;
    made->id = id;
    made->execution_id = execution_id;
    made->created_at = made->updated_at = made->starts_at = 0;
    made->parent_id = made->parent_execution_id = TEXT_ABSENT;
    made->parent_step = 0;
    if (number != 0) {
        made->custom_status = TEXT_ABSENT;
    }
    struct events wait = events_for(arena, cut.turn < turn_count ? turns[cut.turn].count + 1 : 1);
    if (cut.turn == 0) {
        struct event start = start_of(record, turns, turn_count, arena);
        add(&wait, &start);
    }
    if (cut.turn < turn_count) {
        take_inputs(&turns[cut.turn], cut.at, &wait);
    }
    *ret = (struct adoption){
        .record = made,
        .turns = turns,
        .turn_count = cut.turn,
        .waiting = wait.at,
        .waiting_count = wait.count,
    };
    if (rewrite_open_section(ret) != NULL) {
        return error_set(err, PD_E_INVALID, false, "core: fork",
                         "up to there '%.*s' is inside a critical section, whose locks are its own",
                         TEXT_ARGS(record->id));
    }
    rename_children(ret, arena);
    return PD_OK;
}

/* ---- turns of a whole history ---------------------------------------------------------------- */

void rewrite_split(const struct event *events, size_t count, struct arena *arena,
                   const struct turn_events **ret, size_t *ret_count)
{
    size_t turn_count = 0;
    for (size_t i = 0; i < count; i++) {
        turn_count += i == 0 || events[i].kind == EVENT_ORCHESTRATOR_STARTED;
    }
    struct turn_events *turns = arena_alloc_raw(arena, turn_count * sizeof *turns);
    struct turn_events *turn = turns;
    for (size_t i = 0; i < count; i++) {
        if (i != 0 && events[i].kind == EVENT_ORCHESTRATOR_STARTED) {
            turn++;
        }
        *turn = i == 0 || events[i].kind == EVENT_ORCHESTRATOR_STARTED
                    ? (struct turn_events){ &events[i], 1 }
                    : (struct turn_events){ turn->events, turn->count + 1 };
    }
    *ret = turns;
    *ret_count = turn_count;
}
