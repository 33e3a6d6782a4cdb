/* SPDX-License-Identifier: MIT
 *
 * The model store, and the codec by reference. See rig.h.
 */
#include <string.h>

#include "base/memory.h"
#include "core/core_priv.h"
#include "rig.h"

/* ---- codec: an event is the number of its copy ---- */

static struct waiting_event **all_events;
static size_t event_count, event_room;
static struct shelf none; /* keeps nothing */

static void codec_event(struct buffer *buffer, const struct event *event)
{
    if (event_count == event_room) {
        size_t room = event_room != 0 ? event_room * 2 : 64;
        all_events =
            mem_grow(all_events, event_room * sizeof *all_events, room * sizeof *all_events);
        event_room = room;
    }
    uint32_t number = (uint32_t)event_count;
    all_events[event_count++] = waiting_event_must(&none, event);
    buffer_add(buffer, &number, sizeof number);
}

void rig_write_failure(struct buffer *buffer, const struct failure *failure)
{
    for (; failure != NULL; failure = failure->cause) {
        buffer_printf(buffer, "%.*s: %.*s%s", TEXT_ARGS(failure->type), TEXT_ARGS(failure->message),
                      failure->cause != NULL ? " <- " : "");
    }
}

const struct codec rig_codec = { codec_event, rig_write_failure };

const struct event **rig_decode(struct arena *arena, struct text bytes, size_t *ret_count)
{
    assert_int_equal(bytes.size % sizeof(uint32_t), 0);
    size_t count = bytes.size / sizeof(uint32_t);
    const struct event **events = arena_alloc(arena, count * sizeof *events);
    for (size_t i = 0; i < count; i++) {
        uint32_t number;
        memcpy(&number, bytes.at + i * sizeof number, sizeof number);
        assert_true(number < event_count);
        events[i] = &all_events[number]->event;
    }
    *ret_count = count;
    return events;
}

static void forget_events(void)
{
    for (size_t i = 0; i < event_count; i++) {
        mem_free(all_events[i]);
    }
    mem_free(all_events);
    all_events = NULL;
    event_count = event_room = 0;
}

/* ---- the model ---- */

void *model_one_more(struct model *model, void *at, size_t count, size_t size)
{
    struct arena *arena = &model->arena;
    if ((count & (count - 1)) != 0) {
        return at; /* room doubles at powers of two */
    }
    void *grown = arena_alloc(arena, (count != 0 ? count * 2 : 1) * size);
    if (count != 0) {
        memcpy(grown, at, count * size);
    }
    return grown;
}

struct model_row *model_find(const struct model *model, struct text id)
{
    for (size_t i = model->row_count; i-- > 0;) {
        if (!model->rows[i]->is_deleted && text_equal(model->rows[i]->record.id, id)) {
            return model->rows[i];
        }
    }
    return NULL;
}

struct model_row *model_find_row(const struct model *model, uint64_t row)
{
    for (size_t i = 0; i < model->row_count; i++) {
        if (model->rows[i]->record.row == row && !model->rows[i]->is_deleted) {
            return model->rows[i];
        }
    }
    return NULL;
}

static struct model_row *row_of(const struct model *model, uint64_t row)
{
    struct model_row *found = model_find_row(model, row);
    assert_non_null(found);
    return found;
}

static void insert(struct model *model, const struct instance_record *record)
{
    struct arena *arena = &model->arena;
    assert_null(model_find(model, record->id));
    for (size_t i = 0; i < model->row_count; i++) {
        assert_int_not_equal(model->rows[i]->record.row, record->row); /* never used again */
    }
    struct model_row *row = arena_alloc(arena, sizeof *row);
    row->record = *record;
    row->record.id = text_copy(arena, record->id);
    row->record.execution_id = text_copy(arena, record->execution_id);
    row->record.name = text_copy(arena, record->name);
    row->record.version = text_copy(arena, record->version);
    row->record.input = text_copy(arena, record->input);
    row->record.tags = text_copy(arena, record->tags);
    row->record.parent_id = text_copy(arena, record->parent_id);
    row->record.parent_execution_id = text_copy(arena, record->parent_execution_id);
    row->record.custom_status = text_copy(arena, record->custom_status);
    row->record.output = text_copy(arena, record->output);
    row->record.failure = text_copy(arena, record->failure);
    model->rows = model_one_more(model, model->rows, model->row_count, sizeof *model->rows);
    model->rows[model->row_count++] = row;
}

static void update(struct model *model, const struct instance_record *record)
{
    struct model_row *row = row_of(model, record->row);
    assert_false(run_state_is_final(row->record.state));
    assert_true(text_equal(row->record.execution_id, record->execution_id));
    assert_true(record->updated_at >= row->record.updated_at);
    row->record.state = record->state;
    row->record.is_busy = record->is_busy;
    row->record.updated_at = record->updated_at;
    row->record.ended_at = record->ended_at;
    row->record.output = text_copy(&model->arena, record->output);
    row->record.failure = text_copy(&model->arena, record->failure);
    model->updates++;
}

/* due 0: all of the row. */
static void timer_remove(struct model *model, uint64_t row, int32_t id, time_us due)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->timer_count; i++) {
        const struct model_timer *timer = &model->timers[i];
        if (timer->row != row || (due != 0 && (timer->id != id || timer->due != due))) {
            model->timers[kept++] = *timer;
        }
    }
    assert_true(due == 0 || kept + 1 == model->timer_count);
    model->timer_count = kept;
}

static void timer_put(struct model *model, const struct mutation *m)
{
    row_of(model, m->row);
    struct model_timer *grown =
        arena_alloc(&model->arena, (model->timer_count + 1) * sizeof *grown);
    if (model->timer_count != 0) {
        memcpy(grown, model->timers, model->timer_count * sizeof *grown);
    }
    grown[model->timer_count++] =
        (struct model_timer){ m->due, m->row, model->timer_order++, m->id };
    model->timers = grown;
}

static void inbox_put(struct model *model, const struct mutation *m)
{
    struct model_row *row = row_of(model, m->row);
    size_t count = row->inbox_count;
    assert_true(m->number > 0);
    struct model_event *grown = arena_alloc(&model->arena, (count + 1) * sizeof *grown);
    if (count != 0) {
        memcpy(grown, row->inbox, count * sizeof *grown);
    }
    while (count != 0 && grown[count - 1].arrival >= m->number) {
        assert_true(row->entity != NULL && grown[count - 1].arrival != m->number);
        grown[count] = grown[count - 1];
        count--;
    }
    grown[count] = (struct model_event){ m->number, text_copy(&model->arena, m->bytes) };
    row->inbox = grown;
    row->inbox_count++;
    model->inbox_puts++;
}

static void inbox_remove(struct model *model, const struct mutation *m)
{
    struct model_row *row = row_of(model, m->row);
    size_t kept = 0;
    for (size_t i = 0; i < row->inbox_count; i++) {
        if (row->inbox[i].arrival < m->first || row->inbox[i].arrival > m->number) {
            row->inbox[kept++] = row->inbox[i];
        }
    }
    assert_true(kept < row->inbox_count); /* core knows what is there */
    assert_true(row->entity == NULL || row->inbox_count - kept == m->number - m->first + 1);
    row->inbox_count = kept;
}

static void append(struct model *model, const struct mutation *m)
{
    struct model_row *row = row_of(model, m->row);
    assert_int_equal(m->number, row->turn_count + 1);
    row->turns = model_one_more(model, row->turns, row->turn_count, sizeof *row->turns);
    row->turns[row->turn_count++] = text_copy(&model->arena, m->bytes);
    model->history_events += m->bytes.size / sizeof(uint32_t);
}

static void renew(struct model *model, const struct instance_record *record)
{
    struct model_row *row = row_of(model, record->row);
    bool is_rewound = row->record.state == RUN_FAILED;
    assert_int_equal(text_equal(row->record.execution_id, record->execution_id), is_rewound);
    if (is_rewound) {
        row->record.state = RUN_RUNNING;
    }
    row->record.execution_id = text_copy(&model->arena, record->execution_id);
    row->record.version = text_copy(&model->arena, record->version);
    row->record.input = text_copy(&model->arena, record->input);
    update(model, record);
    row->turn_count = row->progress_count = 0;
}

static void set_status(struct model *model, const struct mutation *m)
{
    struct model_row *row = row_of(model, m->row);
    row->record.updated_at = m->due > row->record.updated_at ? m->due : row->record.updated_at;
    row->record.custom_status = text_copy(&model->arena, m->bytes);
}

static struct progress *find_progress(struct model_row *row, int32_t id)
{
    for (size_t i = 0; i < row->progress_count; i++) {
        if (row->progress[i].id == id) {
            return &row->progress[i];
        }
    }
    return NULL;
}

static void progress_put(struct model *model, const struct mutation *m)
{
    struct model_row *row = row_of(model, m->row);
    struct progress *progress = find_progress(row, m->id);
    if (progress == NULL) {
        row->progress =
            model_one_more(model, row->progress, row->progress_count, sizeof *row->progress);
        progress = &row->progress[row->progress_count++];
    }
    *progress = (struct progress){ m->id, text_copy(&model->arena, m->bytes) };
}

static void progress_remove(struct model *model, const struct mutation *m)
{
    struct model_row *row = row_of(model, m->row);
    struct progress *progress = find_progress(row, m->id);
    assert_non_null(progress); /* core knows what is there */
    *progress = row->progress[--row->progress_count];
}

static void mailbox_put(struct model *model, const struct message *message)
{
    struct message *copy = arena_alloc(&model->arena, sizeof *copy);
    *copy = *message;
    copy->number = ++model->mailed;
    copy->instance_id = text_copy(&model->arena, message->instance_id);
    copy->execution_id = text_copy(&model->arena, message->execution_id);
    copy->bytes = text_copy(&model->arena, message->bytes);
    model->mail = model_one_more(model, model->mail, model->mail_count, sizeof *model->mail);
    model->mail[model->mail_count++] = copy;
}

static void mailbox_remove(struct model *model, uint64_t number)
{
    size_t kept = 0;
    assert_true(number > model->mailbox_last);
    model->mailbox_last = number;
    for (size_t i = 0; i < model->mail_count; i++) {
        if (model->mail[i]->number > number) {
            model->mail[kept++] = model->mail[i];
        }
    }
    model->mail_count = kept;
}

static void apply(struct model *model, const struct mutation *m)
{
    switch (m->kind) {
    case MUTATION_INSTANCE_INSERT: insert(model, m->instance); break;
    case MUTATION_INSTANCE_UPDATE: update(model, m->instance); break;
    case MUTATION_INSTANCE_RENEW: renew(model, m->instance); break;
    case MUTATION_STATUS_SET: set_status(model, m); break;
    case MUTATION_PROGRESS_PUT: progress_put(model, m); break;
    case MUTATION_PROGRESS_REMOVE: progress_remove(model, m); break;
    case MUTATION_MAILBOX_PUT: mailbox_put(model, m->message); break;
    case MUTATION_ENTITY_PUT: model_entity_put(model, m); break;
    case MUTATION_INSTANCE_DELETE:
    case MUTATION_ENTITY_DELETE:
        assert_int_equal(row_of(model, m->row)->entity != NULL, m->kind == MUTATION_ENTITY_DELETE);
        row_of(model, m->row)->is_deleted = true;
        timer_remove(model, m->row, 0, 0);
        break;
    case MUTATION_HISTORY_APPEND: append(model, m); break;
    case MUTATION_INBOX_PUT: inbox_put(model, m); break;
    case MUTATION_INBOX_REMOVE: inbox_remove(model, m); break;
    case MUTATION_TIMER_PUT: timer_put(model, m); break;
    case MUTATION_TIMER_REMOVE:
        row_of(model, m->row);
        timer_remove(model, m->row, m->id, m->due);
        break;
    case MUTATION_MAILBOX_REMOVE: mailbox_remove(model, m->number); break;
    }
}

enum { CLOSED, TASK, TIMER }; /* what a step is, as far as the store shows it */

/* What is open as history and inbox tell. */
static void fold_steps(struct model *model, const struct model_row *row, uint8_t steps[MODEL_STEPS])
{
    size_t count;
    const struct event **history = model_history(model, row, &count);
    memset(steps, CLOSED, MODEL_STEPS);
    for (size_t i = 0; i < count + row->inbox_count; i++) {
        size_t one;
        const struct event *event =
            i < count ? history[i]
                      : rig_decode(&model->arena, row->inbox[i - count].bytes, &one)[0];
        if (event->kind == EVENT_TASK_SCHEDULED || event->kind == EVENT_TIMER_CREATED) {
            assert_true(event->id < MODEL_STEPS);
            steps[event->id] = event->kind == EVENT_TASK_SCHEDULED ? TASK : TIMER;
        } else if (event->ref != EVENT_NO_ID && event->ref < MODEL_STEPS) {
            steps[event->ref] = CLOSED;
        }
    }
}

static void check_timers(const struct model *model, const struct model_row *row,
                         const uint8_t steps[MODEL_STEPS], bool *ret_starts_later)
{
    size_t count = 0;
    for (size_t i = 0; i < model->timer_count; i++) {
        const struct model_timer *timer = &model->timers[i];
        if (timer->row != row->record.row) {
            continue;
        }
        if (timer->id == EVENT_NO_ID) {
            *ret_starts_later = true;
        } else {
            assert_int_equal(steps[timer->id], TIMER);
            count++;
        }
    }
    for (size_t i = 0; i < MODEL_STEPS; i++) {
        count -= steps[i] == TIMER;
    }
    assert_int_equal(count, 0); /* those that are open, and no others */
}

/* What must hold of every row after every commit: C4, and nothing left behind by an ending. */
static void check_row(struct model *model, const struct model_row *row)
{
    static uint8_t steps[MODEL_STEPS];
    bool starts_later = false;
    if (row->entity != NULL) {
        model_check_entity(model, row);
        return;
    }
    if (run_state_is_final(row->record.state)) {
        assert_false(row->record.is_busy);
        assert_int_equal(row->inbox_count, 0);
        assert_int_equal(row->progress_count, 0);
        memset(steps, CLOSED, sizeof steps);
        check_timers(model, row, steps, &starts_later);
        assert_false(starts_later);
        return;
    }
    fold_steps(model, row, steps);
    check_timers(model, row, steps, &starts_later);
    bool has_task = memchr(steps, TASK, sizeof steps) != NULL;
    assert_int_equal(row->record.is_busy, !starts_later && (has_task || row->inbox_count != 0));
    for (size_t i = 0; i < row->progress_count; i++) {
        assert_int_equal(steps[row->progress[i].id], TASK);
    }
}

void model_apply(struct model *model, const struct batch *batch)
{
    assert_int_equal(batch->number, model->batch_last + 1);
    model->batch_last = batch->number;
    size_t count = 0;
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        apply(model, m);
        count++;
    }
    assert_int_equal(count, batch->mutation_count);
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        const struct model_row *row = model_find_row(model, m->row);
        if (row != NULL) {
            check_row(model, row);
        }
    }
}

const struct event **model_history(struct model *model, const struct model_row *row,
                                   size_t *ret_count)
{
    struct buffer all = { 0 };
    for (size_t i = 0; i < row->turn_count; i++) {
        buffer_add_text(&all, row->turns[i]);
    }
    const struct event **events = rig_decode(&model->arena, buffer_text(&all), ret_count);
    buffer_done(&all);
    return events;
}

void model_done(struct model *model)
{
    arena_done(&model->arena);
    forget_events();
}
