/* SPDX-License-Identifier: MIT
 *
 * The ledger: applying batches, mutation by mutation (L1), and turn by turn (L2). See ledger.h;
 * what must hold of an instance after each commit is in ledger_check.c. */
#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>

#include "ledger_priv.h"
#include "sim.h"

/* ---- finding things ---- */

void ledger_init(struct ledger *ledger, struct sim *sim, struct arena *arena)
{
    *ledger = (struct ledger){ .sim = sim, .arena = arena };
    map64_init(&ledger->by_number);
    map_init(&ledger->raised);
}

void ledger_done(struct ledger *ledger)
{
    map64_done(&ledger->by_number);
    map_done(&ledger->raised);
}

void *ledger_room(struct arena *arena, void *old, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return old;
    }
    *room = *room != 0 ? *room * 2 : 8;
    void *new = arena_alloc(arena, *room * size);
    if (count != 0) {
        memcpy(new, old, count * size);
    }
    return new;
}

#define ROOM(ledger, array, count, room) \
    ((array) = ledger_room((ledger)->arena, (array), (count), &(room), sizeof *(array)))

struct ledger_row *ledger_find(const struct ledger *ledger, struct text id)
{
    for (size_t i = ledger->row_count; i > 0; i--) {
        struct ledger_row *row = ledger->rows[i - 1];
        if (!row->is_deleted && text_equal(row->id, id)) {
            return row;
        }
    }
    return NULL;
}

struct ledger_row *ledger_find_execution(const struct ledger *ledger, struct text execution_id)
{
    for (size_t i = 0; i < ledger->row_count; i++) {
        if (text_equal(ledger->rows[i]->execution_id, execution_id)) {
            return ledger->rows[i];
        }
    }
    return NULL;
}

static struct ledger_row *row_of(struct ledger *ledger, const struct batch *batch, uint64_t number)
{
    struct ledger_row *row = map64_find(&ledger->by_number, number);
    sim_check(ledger->sim, row != NULL && !row->is_deleted,
              "a mutation of row %" PRIu64 ", which is not there", number);
    sim_check(ledger->sim, row->partition == batch->partition,
              "row %" PRIu64 " of partition %u in a batch of %u", number, row->partition,
              batch->partition);
    if (!row->is_touched) {
        row->is_touched = true;
        row->next_touched = ledger->touched;
        ledger->touched = row;
    }
    return row;
}

/* ---- raises ---- */

bool ledger_read_raise(const struct event *event, int64_t *ret_sender, int64_t *ret_number)
{
    char text[64];
    if (event->payload.size >= sizeof text) {
        return false;
    }
    memcpy(text, event->payload.at, event->payload.size);
    text[event->payload.size] = '\0';
    return sscanf(text, "{\"from\":%" SCNd64 ",\"n\":%" SCNd64 "}", ret_sender, ret_number) == 2;
}

static struct text raise_key(struct arena *arena, int64_t sender, int64_t number)
{
    return text_of(arena_printf(arena, "%" PRId64 " %" PRId64, sender, number));
}

bool ledger_has_raised(const struct ledger *ledger, int64_t sender, int64_t number)
{
    return map_find(&ledger->raised, raise_key(ledger->arena, sender, number)) != NULL;
}

static void note_raise(struct ledger *ledger, struct ledger_row *row, const struct event *event)
{
    int64_t sender;
    int64_t number;
    sim_check(ledger->sim, ledger_read_raise(event, &sender, &number),
              "an event with the payload %.*s", TEXT_ARGS(event->payload));
    struct text key = raise_key(ledger->arena, sender, number);
    struct ledger_row *before = map_find(&ledger->raised, key);
    sim_check(ledger->sim, before == NULL || before == row, "one raise for two executions");
    if (before == NULL) {
        map_put(&ledger->raised, key, row);
    }
}

/* ---- one turn (L2) ---- */

bool ledger_is_input(enum event_kind kind)
{
    return kind != EVENT_TASK_SCHEDULED && kind != EVENT_TIMER_CREATED &&
           kind != EVENT_EXECUTION_COMPLETED;
}

static struct ledger_step *open_step(struct ledger *ledger, struct ledger_row *row,
                                     const struct event *event)
{
    sim_check(ledger->sim, event->ref >= 0 && (size_t)event->ref < row->step_count,
              "'%.*s': %s of step %d, which nobody asked for", TEXT_ARGS(row->id),
              event_kind_name(event->kind), event->ref);
    struct ledger_step *step = &row->steps[event->ref];
    sim_check(ledger->sim, !step->is_closed, "'%.*s': step %d ends twice in history",
              TEXT_ARGS(row->id), event->ref);
    sim_check(ledger->sim, step->is_timer == (event->kind == EVENT_TIMER_FIRED),
              "'%.*s': step %d ends as another kind", TEXT_ARGS(row->id), event->ref);
    return step;
}

static void take_started(struct ledger *ledger, struct ledger_row *row, const struct event *event,
                         size_t at)
{
    sim_check(ledger->sim, row->turn_count == 0 && at == 1, "'%.*s': started again",
              TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              text_equal(event->execution_id, row->execution_id) &&
                  text_equal(event->instance_id, row->id) && text_equal(event->name, row->name) &&
                  text_equal(event->version, row->version) &&
                  text_equal(event->payload, row->input),
              "'%.*s': the start in history is another", TEXT_ARGS(row->id));
}

static void take_input(struct ledger *ledger, struct ledger_row *row, const struct event *event,
                       size_t at)
{
    struct ledger_step *step;
    int64_t sender;
    int64_t number;
    if (event->kind == EVENT_EXECUTION_STARTED) {
        take_started(ledger, row, event, at);
    } else if (event->kind == EVENT_TASK_COMPLETED || event->kind == EVENT_TASK_FAILED) {
        step = open_step(ledger, row, event);
        sim_check(ledger->sim, step->runs > 0, "'%.*s': a result of step %d, which never ran",
                  TEXT_ARGS(row->id), event->ref);
        step->is_closed = true;
    } else if (event->kind == EVENT_TIMER_FIRED) {
        step = open_step(ledger, row, event);
        sim_check(ledger->sim, step->fire_at == event->fire_at, "a timer fired for another time");
        sim_check(ledger->sim, event->at >= event->fire_at, "'%.*s': timer %d fired early",
                  TEXT_ARGS(row->id), event->ref);
        sim_check(ledger->sim, row->fired_due != event->fire_at || row->fired_id < event->ref,
                  "'%.*s': timers %d and %d, due together, fired in the wrong order (C7)",
                  TEXT_ARGS(row->id), event->ref, row->fired_id);
        row->fired_due = event->fire_at;
        row->fired_id = event->ref;
        step->is_closed = true;
    } else if (event->kind == EVENT_EVENT_RAISED) {
        note_raise(ledger, row, event);
        (void)ledger_read_raise(event, &sender, &number);
        sim_check(ledger->sim, number > row->raised_last[sender],
                  "'%.*s': raise %" PRId64 " of sender %" PRId64 " after %" PRId64,
                  TEXT_ARGS(row->id), number, sender, row->raised_last[sender]);
        row->raised_last[sender] = number;
    } else {
        sim_fail(ledger->sim, "'%.*s': a turn took in %s", TEXT_ARGS(row->id),
                 event_kind_name(event->kind));
    }
    sim_check(ledger->sim, event->at > row->input_at,
              "'%.*s': events came in at %" PRId64 " and then at %" PRId64 " (C6)",
              TEXT_ARGS(row->id), row->input_at, event->at);
    row->input_at = event->at;
}

static void take_action(struct ledger *ledger, struct ledger_row *row, const struct event *event,
                        bool is_last)
{
    sim_check(ledger->sim, event->at > row->made_at, "'%.*s': times do not increase (C6)",
              TEXT_ARGS(row->id));
    row->made_at = event->at;
    if (event->kind == EVENT_EXECUTION_COMPLETED) {
        sim_check(ledger->sim, is_last, "'%.*s': something after the end", TEXT_ARGS(row->id));
        return;
    }
    sim_check(ledger->sim, event->id == (int64_t)row->step_count,
              "'%.*s': step %d after %zu others", TEXT_ARGS(row->id), event->id, row->step_count);
    ROOM(ledger, row->steps, row->step_count, row->step_room);
    row->steps[row->step_count++] = (struct ledger_step){
        .is_timer = event->kind == EVENT_TIMER_CREATED,
        .fire_at = event->fire_at,
        .event = event,
    };
}

static void append_turn(struct ledger *ledger, struct ledger_row *row, struct text bytes)
{
    struct wire_events events = { 0 };
    pd_error err;
    struct text kept = text_copy(ledger->arena, bytes);
    sim_check(ledger->sim, wire_read_events(kept, ledger->arena, &events, &err) == PD_OK,
              "'%.*s': a turn that cannot be read: %s", TEXT_ARGS(row->id), err.text);
    sim_check(ledger->sim,
              events.count >= 2 && events.at[0].kind == EVENT_ORCHESTRATOR_STARTED &&
                  (events.at[1].kind == EVENT_EXECUTION_STARTED) == (row->turn_count == 0),
              "'%.*s': turn %zu begins wrongly (T1)", TEXT_ARGS(row->id), row->turn_count + 1);
    size_t inputs = 1;
    while (inputs < events.count && ledger_is_input(events.at[inputs].kind)) {
        take_input(ledger, row, &events.at[inputs], inputs);
        sim_check(ledger->sim,
                  events.at[inputs].at < events.at[0].at &&
                      (events.at[inputs].kind != EVENT_TIMER_FIRED ||
                       events.at[inputs].fire_at < events.at[0].at),
                  "'%.*s': a turn earlier than what it took in (C6)", TEXT_ARGS(row->id));
        inputs++;
    }
    sim_check(ledger->sim, inputs > 1 && events.at[0].at > row->made_at,
              "'%.*s': turn %zu took in nothing, or is earlier than the one before",
              TEXT_ARGS(row->id), row->turn_count + 1);
    row->made_at = events.at[0].at;
    for (size_t i = inputs; i < events.count; i++) {
        sim_check(ledger->sim, !ledger_is_input(events.at[i].kind), "'%.*s': input after actions",
                  TEXT_ARGS(row->id));
        take_action(ledger, row, &events.at[i], i + 1 == events.count);
    }
    ROOM(ledger, row->turns, row->turn_count, row->turn_room);
    row->turns[row->turn_count++] = (struct ledger_turn){ kept, events.at, events.count, inputs };
}

/* ---- mutations (L1) ---- */

static void insert(struct ledger *ledger, const struct batch *batch,
                   const struct mutation *mutation)
{
    const struct instance_record *record = mutation->instance;
    struct arena *arena = ledger->arena;
    sim_check(ledger->sim, map64_find(&ledger->by_number, record->row) == NULL,
              "row %" PRIu64 " was used before", record->row);
    sim_check(ledger->sim, ledger_find(ledger, record->id) == NULL, "'%.*s' is there already",
              TEXT_ARGS(record->id));
    sim_check(ledger->sim,
              record->partition == batch->partition &&
                  partition_of(record->id, ledger->sim->partition_count) == batch->partition,
              "'%.*s' is in the wrong partition", TEXT_ARGS(record->id));
    struct ledger_row *row = arena_alloc(arena, sizeof *row);
    row->number = record->row;
    row->partition = record->partition;
    row->id = text_copy(arena, record->id);
    row->execution_id = text_copy(arena, record->execution_id);
    row->name = text_copy(arena, record->name);
    row->version = text_copy(arena, record->version);
    row->input = text_copy(arena, record->input);
    row->created_at = record->created_at;
    row->fired_due = INT64_MIN;
    row->begun = ledger->commits;
    map64_put(&ledger->by_number, row->number, row);
    ROOM(ledger, ledger->rows, ledger->row_count, ledger->row_room);
    ledger->rows[ledger->row_count++] = row;
}

static void set_state(struct ledger *ledger, struct ledger_row *row,
                      const struct instance_record *record)
{
    struct arena *arena = ledger->arena;
    sim_check(ledger->sim, !run_state_is_final(row->state), "'%.*s' changes after its end",
              TEXT_ARGS(row->id));
    row->state = record->state;
    row->is_busy = record->is_busy;
    row->updated_at = record->updated_at;
    row->ended_at = record->ended_at;
    row->output = text_copy(arena, record->output);
    row->failure = text_copy(arena, record->failure);
    if (run_state_is_final(row->state)) {
        row->ended = ledger->commits;
    }
}

static void inbox_put(struct ledger *ledger, struct ledger_row *row,
                      const struct mutation *mutation)
{
    struct wire_events events = { 0 };
    pd_error err;
    struct text kept = text_copy(ledger->arena, mutation->bytes);
    sim_check(ledger->sim,
              wire_read_events(kept, ledger->arena, &events, &err) == PD_OK && events.count == 1,
              "'%.*s': an inbox row that cannot be read", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              row->inbox_count == 0 || mutation->number > row->inbox[row->inbox_count - 1].arrival,
              "'%.*s': inbox numbers do not increase", TEXT_ARGS(row->id));
    if (events.at[0].kind == EVENT_EVENT_RAISED) {
        note_raise(ledger, row, &events.at[0]);
    }
    ROOM(ledger, row->inbox, row->inbox_count, row->inbox_room);
    row->inbox[row->inbox_count++] = (struct ledger_inbox){ mutation->number, kept, &events.at[0] };
}

static void inbox_remove(struct ledger *ledger, struct ledger_row *row, uint64_t number)
{
    size_t n = 0;
    while (n < row->inbox_count && row->inbox[n].arrival <= number) {
        ROOM(ledger, row->removed, row->removed_count, row->removed_room);
        row->removed[row->removed_count++] = row->inbox[n++];
    }
    sim_check(ledger->sim, n > 0, "'%.*s': nothing to remove from the inbox", TEXT_ARGS(row->id));
    row->inbox_count -= n;
    memmove(row->inbox, row->inbox + n, row->inbox_count * sizeof *row->inbox);
}

static void timer_remove(struct ledger_row *row, time_us due, int32_t id)
{
    for (size_t i = 0; i < row->timer_count; i++) {
        if (row->timers[i].due == due && row->timers[i].id == id) {
            row->timers[i] = row->timers[--row->timer_count];
            return;
        }
    }
}

/* Only what has ended is replaced; its end may be in the same batch, in history alone. */
static void delete_row(struct ledger *ledger, struct ledger_row *row)
{
    const struct ledger_turn *turn = row->turn_count > 0 ? &row->turns[row->turn_count - 1] : NULL;
    const struct event *last = turn != NULL ? &turn->events[turn->count - 1] : NULL;
    sim_check(ledger->sim, last != NULL && last->kind == EVENT_EXECUTION_COMPLETED,
              "'%.*s' was replaced while it lived", TEXT_ARGS(row->id));
    row->is_deleted = true;
    if (row->ended == 0) {
        row->state = last->outcome;
        row->ended = ledger->commits;
        row->output = last->payload;
    }
}

static void apply_mutation(struct ledger *ledger, const struct batch *batch,
                           const struct mutation *mutation)
{
    struct sim *sim = ledger->sim;
    if (mutation->kind == MUTATION_MAILBOX_REMOVE) {
        sim_check(sim, mutation->number > ledger->mail_removed[batch->partition],
                  "messages up to %" PRIu64 " are received again", mutation->number);
        ledger->mail_removed[batch->partition] = mutation->number;
        return;
    }
    if (mutation->kind == MUTATION_INSTANCE_INSERT) {
        insert(ledger, batch, mutation);
    }
    struct ledger_row *row = row_of(ledger, batch, mutation->row);
    switch (mutation->kind) {
    case MUTATION_INSTANCE_INSERT:
    case MUTATION_INSTANCE_UPDATE: set_state(ledger, row, mutation->instance); break;
    case MUTATION_INSTANCE_DELETE: delete_row(ledger, row); break;
    case MUTATION_HISTORY_APPEND:
        sim_check(sim, mutation->number == row->turn_count + 1,
                  "'%.*s': turn %" PRIu64 " after %zu", TEXT_ARGS(row->id), mutation->number,
                  row->turn_count);
        append_turn(ledger, row, mutation->bytes);
        break;
    case MUTATION_INBOX_PUT: inbox_put(ledger, row, mutation); break;
    case MUTATION_INBOX_REMOVE: inbox_remove(ledger, row, mutation->number); break;
    case MUTATION_TIMER_PUT:
        ROOM(ledger, row->timers, row->timer_count, row->timer_room);
        row->timers[row->timer_count++] = (struct ledger_timer){ mutation->due, mutation->id };
        break;
    case MUTATION_TIMER_REMOVE: timer_remove(row, mutation->due, mutation->id); break;
    case MUTATION_MAILBOX_REMOVE: break;
    case MUTATION_INSTANCE_RENEW:
    case MUTATION_STATUS_SET:
    case MUTATION_MAILBOX_PUT:
    case MUTATION_PROGRESS_PUT:
    case MUTATION_PROGRESS_REMOVE: sim_fail(sim, "no program here makes such a mutation");
    }
}

void ledger_apply(struct ledger *ledger, const struct batch *const *batches, size_t count)
{
    ledger->commits++;
    ledger->touched = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct batch *batch = batches[i];
        sim_check(ledger->sim, batch->epoch == ledger->epochs[batch->partition],
                  "a batch of epoch %" PRIu64 " where %" PRIu64 " owns", batch->epoch,
                  ledger->epochs[batch->partition]);
        for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
            apply_mutation(ledger, batch, m);
        }
    }
    for (struct ledger_row *row = ledger->touched; row != NULL; row = row->next_touched) {
        row->is_touched = false;
        ledger_check_row(ledger, row);
        row->removed_count = 0;
    }
}

/* ---- activities ---- */

static struct ledger_step *step_of(struct ledger *ledger, const struct activity *activity)
{
    struct ledger_row *row = map64_find(&ledger->by_number, activity->row);
    sim_check(ledger->sim,
              row != NULL && text_equal(row->execution_id, activity->execution_id) &&
                  text_equal(row->id, activity->instance_id) && activity->id >= 0 &&
                  (size_t)activity->id < row->step_count,
              "step %d of '%.*s' is handed out and not durable", activity->id,
              TEXT_ARGS(activity->instance_id));
    struct ledger_step *step = &row->steps[activity->id];
    sim_check(ledger->sim,
              !step->is_timer && text_equal(step->event->name, activity->name) &&
                  text_equal(step->event->version, activity->version) &&
                  text_equal(step->event->payload, activity->input),
              "step %d of '%.*s' is not what was asked for", activity->id, TEXT_ARGS(row->id));
    return step;
}

void ledger_dispatched(struct ledger *ledger, const struct activity *activity)
{
    (void)step_of(ledger, activity);
}

void ledger_ran(struct ledger *ledger, const struct activity *activity)
{
    step_of(ledger, activity)->runs++;
}
