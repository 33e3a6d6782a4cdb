/* SPDX-License-Identifier: MIT
 *
 * The ledger: finding things, and applying batches, mutation by mutation (L1). See ledger.h. */
#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/lock_set.h"
#include "ledger_priv.h"
#include "sim.h"

/* ---- finding things ---- */

void ledger_init(struct ledger *ledger, struct sim *sim, struct arena *arena)
{
    *ledger = (struct ledger){ .sim = sim, .arena = arena };
    map64_init(&ledger->by_number);
    map_init(&ledger->raised);
    map_init(&ledger->runs);
    map64_init(&ledger->rewound_senders);
    map64_init(&ledger->entity_rows);
    map_init(&ledger->entities_by_id);
    map_init(&ledger->deeds_by_key);
    map_init(&ledger->deeds_by_request);
    map_init(&ledger->lanes);
    map_init(&ledger->sections);
    map_init(&ledger->notices_by_key);
}

void ledger_done(struct ledger *ledger)
{
    map64_done(&ledger->by_number);
    map_done(&ledger->raised);
    map_done(&ledger->runs);
    map64_done(&ledger->rewound_senders);
    map64_done(&ledger->entity_rows);
    map_done(&ledger->entities_by_id);
    map_done(&ledger->deeds_by_key);
    map_done(&ledger->deeds_by_request);
    map_done(&ledger->lanes);
    map_done(&ledger->sections);
    map_done(&ledger->notices_by_key);
    for (size_t i = 0; i < ledger->row_count; i++) {
        map_done(&ledger->rows[i]->taken);
    }
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

#define ROOM LEDGER_ROOM

struct text ledger_step_key(struct ledger *ledger, struct text execution_id, int32_t step)
{
    return text_of(arena_printf(ledger->arena, "%.*s %d", TEXT_ARGS(execution_id), step));
}

struct ledger_row *ledger_next(const struct ledger *ledger, struct text id, size_t *cursor)
{
    while (*cursor > 0) {
        struct ledger_row *row = ledger->rows[--*cursor];
        if (text_equal(row->id, id)) {
            return row;
        }
    }
    return NULL;
}

struct ledger_row *ledger_find(const struct ledger *ledger, struct text id)
{
    struct ledger_row *row;
    for (size_t cursor = ledger->row_count; (row = ledger_next(ledger, id, &cursor)) != NULL;) {
        if (!row->is_deleted) {
            return row;
        }
    }
    return NULL;
}

struct ledger_row *ledger_find_execution(const struct ledger *ledger, struct text execution_id)
{
    for (size_t i = 0; i < ledger->row_count; i++) {
        struct ledger_row *row = ledger->rows[i];
        if (text_equal(row->execution_id, execution_id)) {
            return row;
        }
        for (const struct ledger_life *life = row->past; life != NULL; life = life->before) {
            if (text_equal(life->execution_id, execution_id)) {
                return row;
            }
        }
    }
    return NULL;
}

bool ledger_is_alive(const struct ledger_row *row)
{
    return row != NULL && !row->is_deleted && !run_state_is_final(row->state);
}

bool ledger_is_held(const struct ledger_row *row)
{
    for (size_t i = 0; i < row->timer_count; i++) {
        if (row->timers[i].id == EVENT_NO_ID) {
            return true;
        }
    }
    return false;
}

bool ledger_is_answered(const struct ledger_row *row, int32_t step)
{
    for (size_t i = 0; i < row->inbox_count; i++) {
        if (row->inbox[i].event->ref == step) {
            return true;
        }
    }
    return false;
}

bool ledger_is_locking(const struct ledger_row *row)
{
    for (size_t i = 0; i < row->step_count; i++) {
        const struct ledger_step *step = &row->steps[i];
        if (step->kind == LEDGER_LOCK &&
            step->released != (1u << lock_set_count(step->event->extra->lock_set)) - 1) {
            return true;
        }
    }
    return false;
}

static bool is_of_retry(const struct event *event)
{
    return event->extra != NULL && event->extra->retry_of != 0;
}

bool ledger_has_failed_locked(const struct ledger_row *row)
{
    bool has_asked = false; /* in a turn before the last */
    for (size_t t = row->turn_count; t > 0 && !has_asked; t--) {
        const struct ledger_turn *turn = &row->turns[t - 1];
        for (size_t k = turn->inputs; k < turn->count; k++) {
            if (turn->events[k].kind == EVENT_UNLOCK_SENT) {
                return true;
            }
            has_asked = has_asked || (t < row->turn_count && !is_of_retry(&turn->events[k]));
        }
    }
    return ledger_is_locking(row);
}

const struct event *ledger_last_event(const struct ledger_turn *turns, size_t count)
{
    return count > 0 ? &turns[count - 1].events[turns[count - 1].count - 1] : NULL;
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

/* ---- instances (L1) ---- */

static void insert(struct ledger *ledger, const struct batch *batch,
                   const struct mutation *mutation)
{
    const struct instance_record *record = mutation->instance;
    struct arena *arena = ledger->arena;
    sim_check(ledger->sim,
              map64_find(&ledger->by_number, record->row) == NULL &&
                  map64_find(&ledger->entity_rows, record->row) == NULL,
              "row %" PRIu64 " was used before", record->row);
    sim_check(ledger->sim, ledger_find(ledger, record->id) == NULL, "'%.*s' is there already",
              TEXT_ARGS(record->id));
    sim_check(ledger->sim,
              record->partition == batch->partition &&
                  partition_of(record->id, ledger->sim->partition_count) == batch->partition,
              "'%.*s' is in the wrong partition", TEXT_ARGS(record->id));
    sim_check(ledger->sim, ledger_find_execution(ledger, record->execution_id) == NULL,
              "'%.*s' has an execution id that was used before", TEXT_ARGS(record->id));
    struct ledger_row *row = arena_alloc(arena, sizeof *row);
    row->number = record->row;
    row->partition = record->partition;
    row->id = text_copy(arena, record->id);
    row->execution_id = text_copy(arena, record->execution_id);
    row->name = text_copy(arena, record->name);
    row->version = text_copy(arena, record->version);
    row->input = text_copy(arena, record->input);
    row->status = row->status_said = text_copy(arena, record->custom_status);
    row->tags = text_copy(arena, record->tags);
    row->parent_id = text_copy(arena, record->parent_id);
    row->parent_execution_id = text_copy(arena, record->parent_execution_id);
    row->parent_step = record->parent_step;
    row->created_at = record->created_at;
    row->starts_at = record->starts_at;
    row->fired_due = INT64_MIN;
    row->begun = ledger->commits;
    map_init(&row->taken);
    const struct fork *fork = map_find(&ledger->sim->forks, record->execution_id);
    if (fork != NULL) {
        row->is_fork = true;
        row->copies = fork->turns;
        row->has_begun = fork->turns > 0;
    }
    const struct ledger_row *parent = ledger_find(ledger, record->parent_id);
    sim_check(ledger->sim,
              parent == NULL || !text_equal(parent->execution_id, record->parent_execution_id) ||
                  text_equal(parent->tags, record->tags),
              "'%.*s' has other tags than its parent", TEXT_ARGS(record->id));
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
        row->ended = row->ended_last = ledger->commits;
        row->ends |= 1u << row->state;
    }
}

/* Only what has ended is replaced or purged, if nobody said otherwise; its end may be in the same
 * batch, in history alone. */
static void delete_row(struct ledger *ledger, struct ledger_row *row)
{
    const struct event *last = ledger_last_event(row->turns, row->turn_count);
    bool has_ended = last != NULL && last->kind == EVENT_EXECUTION_COMPLETED;
    sim_check(ledger->sim, has_ended || map_find(&ledger->sim->killable, row->id) != NULL,
              "'%.*s' was replaced while it lived", TEXT_ARGS(row->id));
    sim_check(ledger->sim, row->timer_count == 0, "'%.*s' is gone, and its timers are not",
              TEXT_ARGS(row->id));
    row->is_deleted = true;
    row->deleted = ledger->commits;
    if (row->ended == 0) {
        row->state = has_ended ? last->outcome : RUN_TERMINATED;
        row->ends |= has_ended ? 1u << row->state : 0;
        row->ended = row->ended_last = ledger->commits;
        row->output = has_ended ? last->payload : TEXT_ABSENT;
        row->is_killed = !has_ended;
    }
    row->progress = NULL;
}

/* The last turn of the life before has left no history. */
static void continue_as_new(struct ledger *ledger, struct ledger_row *row,
                            const struct instance_record *record)
{
    const struct spy_turn *turn = spy_find(ledger->sim, row->execution_id, row->turn_count + 1);
    const struct action *last =
        turn != NULL && turn->action_count > 0 ? &turn->actions[turn->action_count - 1] : NULL;
    sim_check(ledger->sim, last != NULL && last->kind == ACTION_CONTINUE_AS_NEW,
              "'%.*s' continues as new, which its code did not ask for", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              text_equal(record->input, last->payload) &&
                  text_equal(record->version,
                             text_is_present(last->version) ? last->version : row->version),
              "'%.*s' continues with another input or version", TEXT_ARGS(row->id));
    ledger_check_last_turn(ledger, row, turn);
    ledger_owe(ledger, row, turn);
    ledger_expect_letters(ledger, row, turn);
    ledger_note_status(row, turn);
    ledger_begin_life(ledger, row, record, turn);
}

static void renew(struct ledger *ledger, struct ledger_row *row,
                  const struct instance_record *record)
{
    if (!text_equal(record->execution_id, row->execution_id)) {
        sim_check(ledger->sim, !run_state_is_final(row->state), "'%.*s' goes on after its end",
                  TEXT_ARGS(row->id));
        continue_as_new(ledger, row, record);
    } else {
        sim_check(ledger->sim, row->state == RUN_FAILED, "'%.*s' is rewound and has not failed",
                  TEXT_ARGS(row->id));
        sim_check(ledger->sim, !ledger_is_locking(row),
                  "'%.*s' failed inside a critical section, and is rewound", TEXT_ARGS(row->id));
        ledger_owe(ledger, row, NULL);
        ledger_begin_life(ledger, row, record, NULL);
        row->ended = 0;
        row->state = RUN_RUNNING;
    }
    row->renewed = ledger->commits;
    set_state(ledger, row, record);
}

/* ---- what is of an instance (L1) ---- */

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
        ledger_note_raise(ledger, row, &events.at[0]);
    }
    ledger_note_event(ledger, row, &events.at[0]);
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

static void progress_remove(struct ledger_row *row, int32_t id)
{
    struct ledger_progress **at = &row->progress;
    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = (*at)->next;
    }
}

static void progress_put(struct ledger *ledger, struct ledger_row *row,
                         const struct mutation *mutation)
{
    progress_remove(row, mutation->id);
    struct ledger_progress *progress = arena_alloc(ledger->arena, sizeof *progress);
    *progress =
        (struct ledger_progress){ row->progress, mutation->id,
                                  text_copy(ledger->arena, mutation->bytes), ledger->commits };
    row->progress = progress;
}

/* ---- batches ---- */

static void apply_to_row(struct ledger *ledger, struct ledger_row *row,
                         const struct mutation *mutation)
{
    switch (mutation->kind) {
    case MUTATION_INSTANCE_INSERT:
    case MUTATION_INSTANCE_UPDATE: set_state(ledger, row, mutation->instance); break;
    case MUTATION_INSTANCE_RENEW: renew(ledger, row, mutation->instance); break;
    case MUTATION_INSTANCE_DELETE: delete_row(ledger, row); break;
    case MUTATION_STATUS_SET:
        row->status = text_copy(ledger->arena, mutation->bytes);
        row->updated_at = mutation->due > row->updated_at ? mutation->due : row->updated_at;
        break;
    case MUTATION_HISTORY_APPEND:
        sim_check(ledger->sim, mutation->number == row->turn_count + 1,
                  "'%.*s': turn %" PRIu64 " after %zu", TEXT_ARGS(row->id), mutation->number,
                  row->turn_count);
        ledger_append_turn(ledger, row, mutation->bytes);
        break;
    case MUTATION_INBOX_PUT: inbox_put(ledger, row, mutation); break;
    case MUTATION_INBOX_REMOVE: inbox_remove(ledger, row, mutation->number); break;
    case MUTATION_TIMER_PUT:
        ROOM(ledger, row->timers, row->timer_count, row->timer_room);
        row->timers[row->timer_count++] = (struct ledger_timer){ mutation->due, mutation->id };
        break;
    case MUTATION_TIMER_REMOVE: timer_remove(row, mutation->due, mutation->id); break;
    case MUTATION_PROGRESS_PUT: progress_put(ledger, row, mutation); break;
    case MUTATION_PROGRESS_REMOVE: progress_remove(row, mutation->id); break;
    case MUTATION_MAILBOX_REMOVE:
    case MUTATION_MAILBOX_PUT: break;
    case MUTATION_ENTITY_PUT:
    case MUTATION_ENTITY_DELETE: break;
    }
}

static void apply_mutation(struct ledger *ledger, const struct batch *batch,
                           const struct mutation *mutation)
{
    if (mutation->kind == MUTATION_MAILBOX_PUT) {
        return; /* ledger_letter.c */
    }
    if (mutation->kind == MUTATION_MAILBOX_REMOVE) {
        ledger_receive(ledger, batch->partition, mutation->number);
        return;
    }
    if (ledger_is_of_entity(ledger, mutation)) {
        ledger_apply_to_entity(ledger, batch, mutation);
        return;
    }
    if (mutation->kind == MUTATION_INSTANCE_INSERT) {
        insert(ledger, batch, mutation);
    }
    apply_to_row(ledger, row_of(ledger, batch, mutation->row), mutation);
}

void ledger_apply(struct ledger *ledger, const struct batch *const *batches, size_t count)
{
    ledger->commits++;
    ledger->touched = NULL;
    ledger->touched_entities = NULL;
    ledger->heard = NULL;
    ledger->dues = NULL;
    ledger->due_last = &ledger->dues;
    for (size_t i = 0; i < count; i++) {
        const struct batch *batch = batches[i];
        sim_check(ledger->sim, batch->epoch == ledger->epochs[batch->partition],
                  "a batch of epoch %" PRIu64 " where %" PRIu64 " owns", batch->epoch,
                  ledger->epochs[batch->partition]);
        for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
            apply_mutation(ledger, batch, m);
        }
    }
    ledger_apply_runs(ledger, batches, count);
    struct ledger_entity *entity = ledger->touched_entities;
    for (; entity != NULL; entity = entity->next_touched) {
        entity->is_touched = false;
        ledger_check_entity(ledger, entity);
    }
    for (struct ledger_row *row = ledger->touched; row != NULL; row = row->next_touched) {
        row->is_touched = false;
        ledger_check_row(ledger, row);
        ledger_check_raises(ledger, row);
        row->removed_count = 0;
    }
    ledger_check_letters(ledger, batches, count);
    ledger_check_notices(ledger, batches, count);
}

/* ---- activities ---- */

static struct ledger_row *row_of_activity(struct ledger *ledger, const struct activity *activity)
{
    struct ledger_row *row = map64_find(&ledger->by_number, activity->row);
    sim_check(ledger->sim,
              row != NULL && text_equal(row->execution_id, activity->execution_id) &&
                  text_equal(row->id, activity->instance_id) && activity->id >= 0 &&
                  (size_t)activity->id < row->step_count,
              "step %d of '%.*s' is handed out and not durable", activity->id,
              TEXT_ARGS(activity->instance_id));
    return row;
}

static void check_progress(struct ledger *ledger, const struct ledger_row *row,
                           const struct activity *activity)
{
    const struct event_extra *extra = row->steps[activity->id].event->extra;
    struct text said = extra != NULL ? extra->progress : TEXT_ABSENT;
    for (const struct ledger_progress *p = row->progress; p != NULL; p = p->next) {
        if (p->id == activity->id) {
            if (p->since == ledger->commits) {
                return; /* it may have been said after this was made */
            }
            said = p->bytes;
        }
    }
    sim_check(ledger->sim, text_equal(said, activity_progress(activity)),
              "step %d of '%.*s' is handed out with progress %.*s, not %.*s", activity->id,
              TEXT_ARGS(row->id), TEXT_ARGS(activity_progress(activity)), TEXT_ARGS(said));
}

void ledger_dispatched(struct ledger *ledger, const struct activity *activity)
{
    const struct ledger_row *row = row_of_activity(ledger, activity);
    const struct ledger_step *step = &row->steps[activity->id];
    sim_check(ledger->sim,
              step->kind == LEDGER_TASK && text_equal(step->event->name, activity->name) &&
                  text_equal(step->event->version, activity->version) &&
                  text_equal(step->event->payload, activity->input),
              "step %d of '%.*s' is not what was asked for", activity->id, TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              ledger_is_alive(row) && !step->is_closed && !ledger_is_answered(row, activity->id),
              "step %d of '%.*s' is handed out, and nobody waits for it", activity->id,
              TEXT_ARGS(row->id));
    check_progress(ledger, row, activity);
}

void ledger_ran(struct ledger *ledger, const struct activity *activity)
{
    struct text key = ledger_step_key(ledger, activity->execution_id, activity->id);
    sim_put(&ledger->runs, key, ledger);
}
