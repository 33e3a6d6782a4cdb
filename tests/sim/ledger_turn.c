/* SPDX-License-Identifier: MIT
 *
 * The ledger: turns (L2).
 *
 * A turn is one that was run (the spy has seen it), one in which core ended the instance
 * (terminate), or a copy: history that an instance was rewound to, or forked from. Of copies only
 * the fold is made: what they say was checked when they were made. */
#include <inttypes.h>

#include "core/lock_set.h"
#include "ledger_priv.h"
#include "sim.h"

bool ledger_is_input(enum event_kind kind)
{
    return event_role(kind) == ROLE_INPUT;
}

struct taking {
    struct ledger *ledger;
    struct sim *sim;
    struct ledger_row *row;
    const struct event *events;
    size_t count, inputs;
    bool is_copy, is_stop; /* stop: terminated */
    const struct spy_turn *run;
};

/* ---- what came in ---- */

bool ledger_may_come_late(const struct ledger *ledger, const struct ledger_step *step)
{
    return ledger->sim->has_away && step->is_cancelled && !step->came_late;
}

static struct ledger_step *open_step(struct taking *t, const struct event *event,
                                     enum ledger_kind kind)
{
    struct ledger_row *row = t->row;
    sim_check(t->sim, event->ref >= 0 && (size_t)event->ref < row->step_count,
              "'%.*s': %s of step %d, which nobody asked for", TEXT_ARGS(row->id),
              event_kind_name(event->kind), event->ref);
    struct ledger_step *step = &row->steps[event->ref];
    if (ledger_may_come_late(t->ledger, step)) {
        step->came_late = true;
        return step;
    }
    sim_check(t->sim, !step->is_cancelled, "'%.*s': %s of step %d, which was cancelled",
              TEXT_ARGS(row->id), event_kind_name(event->kind), event->ref);
    sim_check(t->sim, !step->is_closed, "'%.*s': step %d ends twice in history", TEXT_ARGS(row->id),
              event->ref);
    sim_check(t->sim, step->kind == kind, "'%.*s': step %d ends as another kind",
              TEXT_ARGS(row->id), event->ref);
    step->is_closed = true;
    step->closed_in = row->turn_count;
    return step;
}

static void take_started(struct taking *t, const struct event *event, size_t at)
{
    const struct ledger_row *row = t->row;
    sim_check(t->sim, row->turn_count == 0 && at == 1, "'%.*s': started again", TEXT_ARGS(row->id));
    sim_check(t->sim,
              row->is_fork || (text_equal(event->execution_id, row->execution_id) &&
                               text_equal(event->instance_id, row->id)),
              "'%.*s': the start in history is another's", TEXT_ARGS(row->id));
    sim_check(t->sim,
              text_equal(event->name, row->name) && text_equal(event->version, row->version) &&
                  text_equal(event->payload, row->input),
              "'%.*s': the start in history is another", TEXT_ARGS(row->id));
    sim_check(t->sim, t->run == NULL || t->sim->has_clock_steps || t->run->now >= event->fire_at,
              "'%.*s' begins before its time", TEXT_ARGS(row->id));
}

static void take_task(struct taking *t, const struct event *event)
{
    struct ledger *ledger = t->ledger;
    struct ledger_row *row = t->row;
    struct ledger_step *step = open_step(t, event, LEDGER_TASK);
    bool is_timeout = event->failure != NULL && text_equal(event->failure->type, TEXT("Timeout"));
    bool has_run =
        map_find(&ledger->runs, ledger_step_key(ledger, row->execution_id, event->ref)) != NULL;
    sim_check(t->sim, has_run || is_timeout || t->is_copy || row->is_fork,
              "'%.*s': a result of step %d, which never ran", TEXT_ARGS(row->id), event->ref);
    bool is_unwanted =
        event->failure != NULL && text_equal(event->failure->type, TEXT("SimUnwanted"));
    if (is_unwanted) {
        sim_disturb(t->sim, row->id);
    }
    sim_check(t->sim, row->is_rewound || row->is_fork || !is_unwanted,
              "'%.*s': a result of step %d, though it was told that nobody wants it",
              TEXT_ARGS(row->id), event->ref);
    sim_check(t->sim, !is_timeout || !sim_has_paid(t->sim, row->execution_id, event->ref),
              "'%.*s': step %d is over its time, and has paid (P7)", TEXT_ARGS(row->id),
              event->ref);
    bool is_paid = text_equal(step->event->name, TEXT("pay")) &&
                   event->kind == EVENT_TASK_COMPLETED && !row->is_fork;
    sim_check(t->sim, !is_paid || sim_has_paid(t->sim, row->execution_id, event->ref),
              "'%.*s': step %d says it has paid, and has not", TEXT_ARGS(row->id), event->ref);
}

static void take_timer(struct taking *t, const struct event *event)
{
    struct ledger_row *row = t->row;
    struct ledger_step *step = open_step(t, event, LEDGER_TIMER);
    sim_check(t->sim, step->fire_at == event->fire_at, "a timer fired for another time");
    sim_check(t->sim,
              event->at >= event->fire_at &&
                  (t->run == NULL || t->sim->has_clock_steps || t->run->now >= event->fire_at),
              "'%.*s': timer %d fired early", TEXT_ARGS(row->id), event->ref);
    /* Of a rewound one, a timer that the window knew before may come before its elders. */
    sim_check(t->sim,
              row->fired_due != event->fire_at || row->fired_id < event->ref || row->is_rewound,
              "'%.*s': timers %d and %d, due together, fired in the wrong order (C7)",
              TEXT_ARGS(row->id), event->ref, row->fired_id);
    row->fired_due = event->fire_at;
    row->fired_id = event->ref;
}

/* A child ends so (its row says it at the end of this commit, or has said it). */
static void take_child(struct taking *t, const struct event *event)
{
    struct ledger_row *row = t->row;
    struct ledger_step *step = open_step(t, event, LEDGER_CHILD);
    bool is_refused = event->failure != NULL &&
                      text_equal(event->failure->type, TEXT("OrchestrationAlreadyExists"));
    if (!t->is_copy && !is_refused && !row->is_fork) {
        ledger_expect(t->ledger, &(struct ledger_due){
                                     .kind = MESSAGE_CHILD_ENSURE,
                                     .id = step->event->instance_id,
                                     .execution_id = row->execution_id,
                                     .step = event->ref,
                                     .event = event,
                                 });
    }
}

static void take_answer(struct taking *t, const struct event *event)
{
    struct ledger_row *row = t->row;
    bool is_grant = event->kind == EVENT_LOCK_GRANTED;
    const struct ledger_step *step = open_step(t, event, is_grant ? LEDGER_LOCK : LEDGER_CALL);
    sim_check(t->sim, text_equal(step->event->request_id, event->request_id),
              "'%.*s': step %d is answered as another", TEXT_ARGS(row->id), event->ref);
    if (!is_grant && !t->is_copy && !row->is_fork) {
        ledger_hear(t->ledger, row, step->event, event);
    }
}

static void take_raise(struct taking *t, const struct event *event)
{
    struct ledger_row *row = t->row;
    int64_t sender;
    int64_t number;
    ledger_note_raise(t->ledger, row, event);
    (void)ledger_read_raise(event, &sender, &number);
    if (sender == SENDER_PROGRAM) {
        return;
    }
    sim_check(t->sim, number > row->raised_last[sender],
              "'%.*s': raise %" PRId64 " of sender %" PRId64 " after %" PRId64, TEXT_ARGS(row->id),
              number, sender, row->raised_last[sender]);
    row->raised_last[sender] = number;
}

static void take_input(struct taking *t, const struct event *event, size_t at)
{
    struct ledger_row *row = t->row;
    switch ((int)event->kind) {
    case EVENT_EXECUTION_STARTED: take_started(t, event, at); break;
    case EVENT_TASK_COMPLETED:
    case EVENT_TASK_FAILED: take_task(t, event); break;
    case EVENT_TIMER_FIRED: take_timer(t, event); break;
    case EVENT_CHILD_COMPLETED:
    case EVENT_CHILD_FAILED: take_child(t, event); break;
    case EVENT_EVENT_RAISED: take_raise(t, event); break;
    case EVENT_ENTITY_COMPLETED:
    case EVENT_ENTITY_FAILED:
    case EVENT_LOCK_GRANTED: take_answer(t, event); break;
    case EVENT_EXECUTION_SUSPENDED: row->is_on_hold = true; break;
    case EVENT_EXECUTION_RESUMED: row->is_on_hold = false; break;
    case EVENT_EXECUTION_REWOUND:
        sim_check(t->sim, row->is_rewound || row->is_fork, "'%.*s' was never rewound",
                  TEXT_ARGS(row->id));
        break;
    default: sim_fail(t->sim, "a turn took in %s", event_kind_name(event->kind));
    }
    sim_check(t->sim, event->at > row->input_at || t->is_copy,
              "'%.*s': events came in at %" PRId64 " and then at %" PRId64 " (C6)",
              TEXT_ARGS(row->id), row->input_at, event->at);
    sim_check(t->sim,
              event->at < t->events[0].at &&
                  (event->kind != EVENT_TIMER_FIRED || event->fire_at < t->events[0].at),
              "'%.*s': a turn earlier than what it took in (C6)", TEXT_ARGS(row->id));
    row->input_at = event->at > row->input_at ? event->at : row->input_at;
}

/* ---- what was asked for ---- */

static void expect_raise(struct ledger *ledger, const struct ledger_row *row, struct text to,
                         struct text name, struct text payload)
{
    struct event raise = { .kind = EVENT_EVENT_RAISED, .name = name, .payload = payload };
    ledger_expect(ledger, &(struct ledger_due){
                              .kind = MESSAGE_RAISE,
                              .from = row->partition,
                              .id = text_copy(ledger->arena, to),
                              .key = ledger_raise_key(ledger, &raise),
                          });
}

static void expect_child(struct ledger *ledger, const struct ledger_row *row,
                         enum message_kind kind, struct text id, int32_t step)
{
    ledger_expect(ledger, &(struct ledger_due){
                              .kind = kind,
                              .from = row->partition,
                              .id = text_copy(ledger->arena, id),
                              .execution_id = row->execution_id,
                              .step = step,
                          });
}

/* It may have ended in this very turn, behind what made the code give it up. */
static void take_cancel(struct taking *t, const struct event *event)
{
    struct ledger_row *row = t->row;
    sim_check(t->sim, event->ref >= 0 && (size_t)event->ref < row->step_count,
              "'%.*s': step %d is cancelled, which nobody asked for", TEXT_ARGS(row->id),
              event->ref);
    struct ledger_step *step = &row->steps[event->ref];
    sim_check(t->sim, !step->is_closed || step->closed_in == row->turn_count,
              "'%.*s': step %d is cancelled, and has ended", TEXT_ARGS(row->id), event->ref);
    if (step->kind == LEDGER_CHILD && !t->is_copy && !step->is_closed) {
        expect_child(t->ledger, row, MESSAGE_TERMINATE, step->event->instance_id, event->ref);
    }
    step->is_closed = step->is_cancelled = true;
}

/* Of a section that was granted; an entity once, though it may be said twice. */
static void take_unlock(struct taking *t, const struct event *event)
{
    struct ledger_row *row = t->row;
    for (size_t i = 0; i < row->step_count; i++) {
        struct ledger_step *step = &row->steps[i];
        struct text id;
        unsigned at = 0;
        if (step->kind != LEDGER_LOCK || !text_equal(step->event->request_id, event->request_id)) {
            continue;
        }
        for (size_t cursor = 0; lock_set_next(step->event->extra->lock_set, &cursor, &id); at++) {
            step->released |= text_equal(id, event->instance_id) ? 1u << at : 0;
        }
        return;
    }
    sim_fail(t->sim, "'%.*s' gives back what it has not locked", TEXT_ARGS(row->id));
}

static void take_step(struct taking *t, const struct event *event)
{
    struct ledger *ledger = t->ledger;
    struct ledger_row *row = t->row;
    sim_check(t->sim, event->id == (int64_t)row->step_count, "'%.*s': step %d after %zu others",
              TEXT_ARGS(row->id), event->id, row->step_count);
    LEDGER_ROOM(ledger, row->steps, row->step_count, row->step_room);
    struct ledger_step *step = &row->steps[row->step_count++];
    *step = (struct ledger_step){ .fire_at = event->fire_at, .event = event };
    switch ((int)event->kind) {
    case EVENT_TASK_SCHEDULED: step->kind = LEDGER_TASK; break;
    case EVENT_TIMER_CREATED: step->kind = LEDGER_TIMER; break;
    case EVENT_CHILD_CREATED:
        step->kind = LEDGER_CHILD;
        expect_child(ledger, row, t->is_copy ? MESSAGE_CHILD_ENSURE : MESSAGE_CHILD_START,
                     event->instance_id, event->id);
        break;
    case EVENT_ENTITY_CALLED: step->kind = LEDGER_CALL; break;
    case EVENT_LOCK_REQUESTED: step->kind = LEDGER_LOCK; break;
    case EVENT_UNLOCK_SENT:
    case EVENT_ENTITY_SIGNALED:
        if (event->kind == EVENT_UNLOCK_SENT) {
            take_unlock(t, event);
        }
        step->kind = LEDGER_OTHER;
        step->is_closed = true;
        break;
    default:
        step->kind = LEDGER_OTHER;
        step->is_closed = true;
        if (!t->is_copy) {
            expect_raise(ledger, row, event->instance_id, event->name, event->payload);
        }
        break;
    }
    ledger_ask(ledger, row, event, t->is_copy);
}

/* Its children end with it. */
static void take_stop(struct taking *t, const struct event *event)
{
    struct ledger_row *row = t->row;
    bool recurses = event->extra != NULL && event->extra->recurses;
    for (size_t i = 0; recurses && i < row->step_count; i++) {
        const struct ledger_step *step = &row->steps[i];
        if (step->kind == LEDGER_CHILD && !step->is_closed &&
            !ledger_is_answered(row, (int32_t)i)) {
            expect_child(t->ledger, row, MESSAGE_TERMINATE, step->event->instance_id, (int32_t)i);
        }
    }
}

static void take_action(struct taking *t, const struct event *event, bool is_last)
{
    struct ledger_row *row = t->row;
    sim_check(t->sim, event->at > row->made_at || t->is_copy, "'%.*s': times do not increase (C6)",
              TEXT_ARGS(row->id));
    row->made_at = event->at > row->made_at ? event->at : row->made_at;
    switch ((int)event->kind) {
    case EVENT_EXECUTION_COMPLETED:
        sim_check(t->sim, is_last && (event->outcome == RUN_TERMINATED) == t->is_stop,
                  "'%.*s': something after the end, or another end", TEXT_ARGS(row->id));
        if (text_is_present(row->parent_id)) {
            ledger_expect_end(t->ledger, row);
        }
        break;
    case EVENT_EXECUTION_TERMINATED: take_stop(t, event); break;
    case EVENT_STEP_CANCELLED: take_cancel(t, event); break;
    case EVENT_CHANGE_MARKED: break;
    case EVENT_SIGNAL_CANCELLED: ledger_ask(t->ledger, row, event, t->is_copy); break;
    default:
        sim_check(t->sim, event_role(event->kind) == ROLE_ASKED, "'%.*s': input after actions",
                  TEXT_ARGS(row->id));
        take_step(t, event);
        break;
    }
}

/* ---- a turn ---- */

void ledger_note_status(struct ledger_row *row, const struct spy_turn *turn)
{
    if (text_is_present(turn->status)) {
        row->status_said = turn->status.size > 0 ? turn->status : TEXT_ABSENT;
    }
}

static struct taking begin(struct ledger *ledger, struct ledger_row *row,
                           const struct wire_events *events)
{
    struct taking t = { .ledger = ledger,
                        .sim = ledger->sim,
                        .row = row,
                        .events = events->at,
                        .count = events->count };
    sim_check(t.sim,
              t.count >= 2 && t.events[0].kind == EVENT_ORCHESTRATOR_STARTED &&
                  (t.events[1].kind == EVENT_EXECUTION_STARTED) == (row->turn_count == 0),
              "'%.*s': turn %zu begins wrongly (T1)", TEXT_ARGS(row->id), row->turn_count + 1);
    t.inputs = 1;
    while (t.inputs < t.count && ledger_is_input(t.events[t.inputs].kind)) {
        t.inputs++;
    }
    t.is_copy = row->copies > 0 || t.events[0].at <= row->copied_until;
    row->copies -= row->copies > 0;
    t.is_stop = t.inputs < t.count && t.events[t.inputs].kind == EVENT_EXECUTION_TERMINATED;
    if (!t.is_copy && !t.is_stop) {
        struct spy_turn *run = spy_find(t.sim, row->execution_id, row->turn_count + 1);
        sim_check(t.sim, run != NULL && run->event_count == t.inputs,
                  "'%.*s': turn %zu was not run with these %zu events", TEXT_ARGS(row->id),
                  row->turn_count + 1, t.inputs);
        ledger_note_status(row, run);
        t.run = run;
    }
    return t;
}

void ledger_append_turn(struct ledger *ledger, struct ledger_row *row, struct text bytes)
{
    struct wire_events events = { 0 };
    pd_error err;
    struct text kept = text_copy(ledger->arena, bytes);
    sim_check(ledger->sim, wire_read_events(kept, ledger->arena, &events, &err) == PD_OK,
              "'%.*s': a turn that cannot be read: %s", TEXT_ARGS(row->id), err.text);
    struct taking t = begin(ledger, row, &events);
    for (size_t i = 1; i < t.inputs; i++) {
        take_input(&t, &t.events[i], i);
    }
    sim_check(ledger->sim,
              t.is_copy || ((t.inputs > 1 || t.is_stop) && t.events[0].at > row->made_at),
              "'%.*s': turn %zu took in nothing, or is earlier than the one before",
              TEXT_ARGS(row->id), row->turn_count + 1);
    sim_check(ledger->sim, !row->is_on_hold || t.is_stop || t.is_copy || row->is_fork,
              "'%.*s': turn %zu was taken while it was suspended (C9)", TEXT_ARGS(row->id),
              row->turn_count + 1);
    row->made_at = t.events[0].at > row->made_at ? t.events[0].at : row->made_at;
    for (size_t i = t.inputs; i < t.count; i++) {
        take_action(&t, &t.events[i], i + 1 == t.count);
    }
    for (size_t i = 1; i < t.count && !t.is_copy; i++) {
        ledger_note_event(ledger, row, &t.events[i]);
    }
    if (!t.is_copy && !t.is_stop && !row->has_begun) {
        ledger_note_change(ledger, row, ANNOUNCE_STARTED, 0);
    }
    row->has_begun |= !t.is_stop;
    LEDGER_ROOM(ledger, row->turns, row->turn_count, row->turn_room);
    row->turns[row->turn_count++] = (struct ledger_turn){ kept, t.events, t.count, t.inputs };
}

/* ---- what leaves no history ---- */

void ledger_check_last_turn(struct ledger *ledger, const struct ledger_row *row,
                            const struct spy_turn *turn)
{
    bool is_on_hold = row->is_on_hold;
    for (size_t i = 1; i < turn->event_count; i++) {
        const struct event *event = &turn->events[i];
        bool is_end = event->ref != EVENT_NO_ID && event->kind != EVENT_UNKNOWN;
        sim_check(ledger->sim,
                  !is_end || ((size_t)event->ref < row->step_count &&
                              (!row->steps[event->ref].is_closed ||
                               ledger_may_come_late(ledger, &row->steps[event->ref]))),
                  "'%.*s': the last turn took in the end of step %d, which is not open",
                  TEXT_ARGS(row->id), event->ref);
        is_on_hold = event->kind == EVENT_EXECUTION_SUSPENDED ||
                     (is_on_hold && event->kind != EVENT_EXECUTION_RESUMED);
        if (event->kind == EVENT_EVENT_RAISED) {
            ledger_note_raise(ledger, (struct ledger_row *)(uintptr_t)row, event);
        }
    }
    sim_check(ledger->sim, !is_on_hold || row->is_fork,
              "'%.*s': the last turn was taken while it was suspended (C9)", TEXT_ARGS(row->id));
}

/* As history would have it. */
static void ask_in_last_turn(struct ledger *ledger, const struct ledger_row *row,
                             const struct action *action)
{
    static const enum event_kind kinds[] = {
        [ACTION_CALL_ENTITY] = EVENT_ENTITY_CALLED,
        [ACTION_SIGNAL_ENTITY] = EVENT_ENTITY_SIGNALED,
        [ACTION_CANCEL_SIGNAL] = EVENT_SIGNAL_CANCELLED,
        [ACTION_UNLOCK] = EVENT_UNLOCK_SENT,
        [ACTION_CONTINUE_AS_NEW] = EVENT_UNKNOWN,
    };
    struct event event = {
        .kind = kinds[action->kind],
        .id = action->id,
        .ref = EVENT_NO_ID,
        .fire_at = action->fire_at,
        .name = action->name,
        .payload = action->payload,
        .instance_id = action->instance_id,
        .request_id = action->request_id,
    };
    sim_check(ledger->sim, action->kind != ACTION_LOCK, "'%.*s' locks, and does not wait",
              TEXT_ARGS(row->id));
    ledger_ask(ledger, row, &event, false);
}

void ledger_expect_letters(struct ledger *ledger, const struct ledger_row *row,
                           const struct spy_turn *turn)
{
    if (!row->has_begun) {
        ledger_note_change(ledger, row, ANNOUNCE_STARTED, 0);
    }
    for (size_t i = 1; i < turn->event_count; i++) {
        ledger_note_event(ledger, row, &turn->events[i]);
    }
    for (size_t i = 0; i < turn->action_count; i++) {
        const struct action *action = &turn->actions[i];
        if (action->kind == ACTION_SEND_EVENT) {
            expect_raise(ledger, row, action->instance_id, action->name, action->payload);
        } else if (action->kind == ACTION_START_CHILD) {
            expect_child(ledger, row, MESSAGE_CHILD_START, action->instance_id, action->id);
        } else {
            ask_in_last_turn(ledger, row, action);
        }
    }
}

void ledger_begin_life(struct ledger *ledger, struct ledger_row *row,
                       const struct instance_record *record, const struct spy_turn *last)
{
    struct arena *arena = ledger->arena;
    struct ledger_life *life = arena_alloc(arena, sizeof *life);
    *life = (struct ledger_life){
        .before = row->past,
        .execution_id = row->execution_id,
        .name = row->name,
        .version = row->version,
        .input = row->input,
        .turns = row->turns,
        .turn_count = row->turn_count,
        .last = last,
    };
    row->past = life;
    row->execution_id = text_copy(arena, record->execution_id);
    row->version = text_copy(arena, record->version);
    row->input = text_copy(arena, record->input);
    row->turns = NULL;
    row->turn_count = row->turn_room = 0;
    row->steps = NULL;
    row->step_count = row->step_room = 0;
    row->progress = NULL;
    row->is_on_hold = false;
    row->raised_last[SENDER_DIRECT] = row->raised_last[SENDER_MAIL] = 0;
    row->fired_due = INT64_MIN;
    row->removed_count = 0;
    if (last != NULL) {
        row->has_begun = true;
        return;
    }
    /* Times of the life before are all earlier than those to come; what is kept of it has them. */
    time_us until = row->made_at > row->input_at ? row->made_at : row->input_at;
    row->is_rewound = true;
    row->copied_until = until > row->updated_at ? until : row->updated_at;
    row->made_at = row->input_at = row->copied_until;
    (void)map64_remove(&ledger->rewound_senders, sim_sender_of(row->execution_id));
    map64_put(&ledger->rewound_senders, sim_sender_of(row->execution_id), ledger);
}
