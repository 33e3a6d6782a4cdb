/* SPDX-License-Identifier: MIT
 *
 * Mutations applied to maps and arrays. */
#include "store/mem/contents.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "store/judge.h"

static struct text keep(struct text text)
{
    if (!text_is_present(text)) {
        return TEXT_ABSENT;
    }
    char *copy = mem_alloc(text.size + 1);
    if (text.size != 0) {
        memcpy(copy, text.at, text.size);
    }
    return text_make(copy, text.size);
}

static void drop(struct text *text)
{
    char *at = NULL;
    memcpy(&at, &text->at, sizeof at); /* ours, whatever its type says */
    mem_free(at);
    *text = TEXT_ABSENT;
}

static void replace(struct text *text, struct text with)
{
    drop(text);
    *text = keep(with);
}

/* Room for one more at the end. */
static void *grow(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return items;
    }
    size_t more = *room != 0 ? *room * 2 : 4;
    items = mem_grow(items, *room * size, more * size);
    *room = more;
    return items;
}

/* Instance or entity. */
static struct mem_instance *either_at(const struct contents *contents, uint64_t row)
{
    struct mem_instance *instance = contents_at(contents, row);
    assert_that(instance != NULL);
    return instance;
}

static struct mem_instance *instance_at(const struct contents *contents, uint64_t row)
{
    struct mem_instance *instance = either_at(contents, row);
    assert_that(!instance->is_entity);
    return instance;
}

size_t contents_row_above(const struct contents *contents, uint64_t after)
{
    size_t low = 0, high = contents->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (contents->rows[middle]->record.row > after) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* ---- instances ------------------------------------------------------------------------------- */

static void enter(struct contents *contents, struct mem_instance *instance)
{
    const struct instance_record *kept = &instance->record; /* or an entity's: alike so far */
    assert_that(kept->row != 0 && kept->row % contents->partition_count == kept->partition);
    assert_that(map_find(&contents->by_id, kept->id) == NULL);
    map_put(&contents->by_id, kept->id, instance);
    map64_put(&contents->by_row, kept->row, instance);
    size_t at = contents_row_above(contents, kept->row);
    contents->rows = grow(contents->rows, contents->row_count, &contents->row_room,
                          sizeof(struct mem_instance *));
    memmove(&contents->rows[at + 1], &contents->rows[at],
            (contents->row_count - at) * sizeof(struct mem_instance *));
    contents->rows[at] = instance;
    contents->row_count++;
    struct mem_partition *home = &contents->partitions[kept->partition];
    home->row_high = kept->row > home->row_high ? kept->row : home->row_high;
}

static void insert_instance(struct contents *contents, unsigned partition,
                            const struct instance_record *record)
{
    assert_that(contents_at(contents, record->row) == NULL);
    struct mem_instance *instance = mem_alloc(sizeof *instance);
    struct instance_record *kept = &instance->record;
    *kept = *record;
    kept->partition = partition;
    kept->id = keep(record->id);
    kept->execution_id = keep(record->execution_id);
    kept->name = keep(record->name);
    kept->version = keep(record->version);
    kept->input = keep(record->input);
    kept->output = keep(record->output);
    kept->failure = keep(record->failure);
    kept->custom_status = keep(record->custom_status);
    kept->tags = keep(record->tags);
    kept->parent_id = keep(record->parent_id);
    kept->parent_execution_id = keep(record->parent_execution_id);
    enter(contents, instance);
}

static void update_instance(struct instance_record *kept, const struct instance_record *record)
{
    kept->state = record->state;
    kept->is_busy = record->is_busy;
    kept->updated_at = record->updated_at;
    kept->ended_at = record->ended_at;
    replace(&kept->output, record->output);
    replace(&kept->failure, record->failure);
}

static void forget_progress(struct mem_instance *instance)
{
    while (instance->progress_count != 0) {
        drop(&instance->progress[--instance->progress_count].bytes);
    }
}

static void forget_history(struct mem_instance *instance)
{
    while (instance->turn_count != 0) {
        drop(&instance->turns[--instance->turn_count]);
    }
}

static void renew_instance(struct mem_instance *instance, const struct instance_record *record)
{
    struct instance_record *kept = &instance->record;
    update_instance(kept, record);
    replace(&kept->execution_id, record->execution_id);
    replace(&kept->version, record->version);
    replace(&kept->input, record->input);
    forget_history(instance);
    forget_progress(instance);
}

static void set_status(struct contents *contents, const struct mutation *mutation)
{
    struct instance_record *kept = &instance_at(contents, mutation->row)->record;
    replace(&kept->custom_status, mutation->bytes);
    kept->updated_at = mutation->due > kept->updated_at ? mutation->due : kept->updated_at;
}

static void free_record(struct instance_record *record)
{
    struct text *const texts[] = { &record->id,
                                   &record->execution_id,
                                   &record->name,
                                   &record->version,
                                   &record->input,
                                   &record->output,
                                   &record->failure,
                                   &record->custom_status,
                                   &record->tags,
                                   &record->parent_id,
                                   &record->parent_execution_id };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        drop(texts[i]);
    }
}

static void free_entity(struct entity_record *entity)
{
    drop(&entity->id);
    drop(&entity->state);
    drop(&entity->lock_owner);
    drop(&entity->lock_execution);
    drop(&entity->lock_section);
}

static void free_instance(struct contents *contents, struct mem_instance *instance)
{
    unsigned partition = instance->record.partition;
    if (instance->is_entity) {
        free_entity(&instance->entity);
    } else {
        free_record(&instance->record);
    }
    forget_history(instance);
    forget_progress(instance);
    for (size_t i = 0; i < instance->inbox_count; i++) {
        drop(&instance->inbox[i].event);
    }
    while (instance->timers != NULL) {
        struct timer_node *timer = instance->timers;
        instance->timers = timer->next;
        timers_remove(&contents->partitions[partition].timers, timer);
        mem_free(timer);
    }
    mem_free(instance->turns);
    mem_free(instance->progress);
    mem_free(instance->inbox);
    mem_free(instance);
}

static void delete_instance(struct contents *contents, uint64_t row)
{
    struct mem_instance *instance = contents_at(contents, row);
    if (instance == NULL) {
        return;
    }
    size_t at = contents_row_above(contents, row) - 1;
    memmove(&contents->rows[at], &contents->rows[at + 1],
            (contents->row_count - at - 1) * sizeof(struct mem_instance *));
    contents->row_count--;
    (void)map64_remove(&contents->by_row, row);
    (void)map_remove(&contents->by_id, instance->record.id);
    free_instance(contents, instance);
}

/* ---- entities -------------------------------------------------------------------------------- */

static void put_entity(struct contents *contents, unsigned partition,
                       const struct mutation *mutation)
{
    const struct entity_record *entity = mutation->entity;
    struct mem_instance *instance = contents_at(contents, entity->row);
    assert_that(mutation->row == entity->row);
    if (instance == NULL) {
        instance = mem_alloc(sizeof *instance);
        instance->is_entity = true;
        instance->entity.row = entity->row;
        instance->entity.partition = partition;
        instance->entity.id = keep(entity->id);
        enter(contents, instance);
    }
    struct entity_record *kept = &instance->entity;
    assert_that(instance->is_entity && text_equal(kept->id, entity->id));
    kept->is_busy = entity->is_busy;
    kept->updated_at = entity->updated_at;
    replace(&kept->lock_owner, entity->lock_owner);
    replace(&kept->lock_execution, entity->lock_execution);
    replace(&kept->lock_section, entity->lock_section);
    if (!mutation->keeps_state) {
        replace(&kept->state, entity->state);
    }
}

/* ---- what belongs to an instance or entity --------------------------------------------------- */

static void append_history(struct contents *contents, const struct mutation *mutation)
{
    struct mem_instance *instance = instance_at(contents, mutation->row);
    assert_that(mutation->number == instance->turn_count + 1);
    instance->turns =
        grow(instance->turns, instance->turn_count, &instance->turn_room, sizeof *instance->turns);
    instance->turns[instance->turn_count++] = keep(mutation->bytes);
}

static void put_inbox(struct contents *contents, const struct mutation *mutation)
{
    struct mem_instance *instance = either_at(contents, mutation->row);
    size_t at = instance->inbox_count;
    instance->inbox = grow(instance->inbox, at, &instance->inbox_room, sizeof *instance->inbox);
    while (at != 0 && instance->inbox[at - 1].arrival > mutation->number) {
        instance->inbox[at] = instance->inbox[at - 1];
        at--;
    }
    instance->inbox[at] =
        (struct mem_inbox_item){ .arrival = mutation->number, .event = keep(mutation->bytes) };
    instance->inbox_count++;
}

static void remove_inbox(struct contents *contents, const struct mutation *mutation)
{
    struct mem_instance *instance = contents_at(contents, mutation->row);
    if (instance == NULL) {
        return;
    }
    size_t from = 0;
    while (from < instance->inbox_count && instance->inbox[from].arrival < mutation->first) {
        from++;
    }
    size_t to = from;
    while (to < instance->inbox_count && instance->inbox[to].arrival <= mutation->number) {
        drop(&instance->inbox[to++].event);
    }
    if (to != from && to != instance->inbox_count) {
        memmove(instance->inbox + from, instance->inbox + to,
                (instance->inbox_count - to) * sizeof *instance->inbox);
    }
    instance->inbox_count -= to - from;
}

static void put_progress(struct contents *contents, const struct mutation *mutation)
{
    struct mem_instance *instance = instance_at(contents, mutation->row);
    struct progress *items = instance->progress =
        grow(instance->progress, instance->progress_count, &instance->progress_room,
             sizeof *instance->progress);
    size_t at = instance->progress_count;
    while (at != 0 && items[at - 1].id > mutation->id) {
        at--;
    }
    if (at != 0 && items[at - 1].id == mutation->id) {
        replace(&items[at - 1].bytes, mutation->bytes);
        return;
    }
    memmove(&items[at + 1], &items[at], (instance->progress_count - at) * sizeof *items);
    items[at] = (struct progress){ .id = mutation->id, .bytes = keep(mutation->bytes) };
    instance->progress_count++;
}

static void remove_progress(struct contents *contents, const struct mutation *mutation)
{
    struct mem_instance *instance = contents_at(contents, mutation->row);
    size_t count = instance != NULL ? instance->progress_count : 0;
    for (size_t i = 0; i < count; i++) {
        if (instance->progress[i].id == mutation->id) {
            drop(&instance->progress[i].bytes);
            memmove(&instance->progress[i], &instance->progress[i + 1],
                    (count - i - 1) * sizeof *instance->progress);
            instance->progress_count--;
            return;
        }
    }
}

static struct timer_node **find_timer(struct contents *contents, const struct mutation *mutation)
{
    struct mem_instance *instance = contents_at(contents, mutation->row);
    if (instance == NULL) {
        return NULL;
    }
    for (struct timer_node **at = &instance->timers; *at != NULL; at = &(*at)->next) {
        if ((*at)->id == mutation->id && (*at)->due == mutation->due) {
            return at;
        }
    }
    return NULL;
}

static void remove_timer(struct contents *contents, unsigned partition,
                         const struct mutation *mutation)
{
    struct timer_node **at = find_timer(contents, mutation);
    if (at != NULL) {
        struct timer_node *timer = *at;
        *at = timer->next;
        timers_remove(&contents->partitions[partition].timers, timer);
        mem_free(timer);
    }
}

static void put_timer(struct contents *contents, unsigned partition,
                      const struct mutation *mutation)
{
    struct mem_instance *instance = either_at(contents, mutation->row);
    struct mem_partition *home = &contents->partitions[partition];
    remove_timer(contents, partition, mutation);
    struct timer_node *timer = mem_alloc(sizeof *timer);
    timer->due = mutation->due;
    timer->row = mutation->row;
    timer->id = mutation->id;
    timer->number = ++home->timer_high;
    timer->next = instance->timers;
    instance->timers = timer;
    timers_insert(&home->timers, timer);
}

/* ---- the mailbox ----------------------------------------------------------------------------- */

static void free_message(struct mem_message *message)
{
    drop(&message->message.instance_id);
    drop(&message->message.execution_id);
    drop(&message->message.bytes);
    mem_free(message);
}

void contents_post(struct contents *contents, const struct message *message)
{
    struct mem_partition *home = &contents->partitions[message->partition];
    struct mem_message *kept = mem_alloc(sizeof *kept);
    kept->message = *message;
    kept->message.number = ++home->mailbox_high;
    kept->message.instance_id = keep(message->instance_id);
    kept->message.execution_id = keep(message->execution_id);
    kept->message.bytes = keep(message->bytes);
    *home->mailbox_last = kept;
    home->mailbox_last = &kept->next;
}

bool contents_waits(const struct contents *contents, struct text id)
{
    for (unsigned i = 0; i < contents->partition_count; i++) {
        for (const struct mem_message *m = contents->partitions[i].mailbox; m; m = m->next) {
            if (judge_makes(m->message.kind) && text_equal(m->message.instance_id, id)) {
                return true;
            }
        }
    }
    return false;
}

static void remove_mail(struct mem_partition *home, uint64_t last)
{
    while (home->mailbox != NULL && home->mailbox->message.number <= last) {
        struct mem_message *message = home->mailbox;
        home->mailbox = message->next;
        free_message(message);
    }
    if (home->mailbox == NULL) {
        home->mailbox_last = &home->mailbox;
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

void contents_apply(struct contents *contents, const struct batch *batch)
{
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        switch (m->kind) {
        case MUTATION_INSTANCE_INSERT:
            insert_instance(contents, batch->partition, m->instance);
            break;
        case MUTATION_INSTANCE_UPDATE:
            update_instance(&instance_at(contents, m->row)->record, m->instance);
            break;
        case MUTATION_INSTANCE_RENEW:
            renew_instance(instance_at(contents, m->row), m->instance);
            break;
        case MUTATION_INSTANCE_DELETE: delete_instance(contents, m->row); break;
        case MUTATION_HISTORY_APPEND: append_history(contents, m); break;
        case MUTATION_INBOX_PUT: put_inbox(contents, m); break;
        case MUTATION_INBOX_REMOVE: remove_inbox(contents, m); break;
        case MUTATION_TIMER_PUT: put_timer(contents, batch->partition, m); break;
        case MUTATION_TIMER_REMOVE: remove_timer(contents, batch->partition, m); break;
        case MUTATION_STATUS_SET: set_status(contents, m); break;
        case MUTATION_MAILBOX_PUT: contents_post(contents, m->message); break;
        case MUTATION_ENTITY_PUT: put_entity(contents, batch->partition, m); break;
        case MUTATION_ENTITY_DELETE: delete_instance(contents, m->row); break;
        case MUTATION_PROGRESS_PUT: put_progress(contents, m); break;
        case MUTATION_PROGRESS_REMOVE: remove_progress(contents, m); break;
        case MUTATION_MAILBOX_REMOVE:
            remove_mail(&contents->partitions[batch->partition], m->number);
            break;
        }
    }
}

struct mem_instance *contents_at(const struct contents *contents, uint64_t row)
{
    return map64_find(&contents->by_row, row);
}

static struct mem_instance *find(const struct contents *contents, struct text id, uint64_t row,
                                 bool is_entity)
{
    struct mem_instance *found =
        text_is_present(id) ? map_find(&contents->by_id, id) : contents_at(contents, row);
    return found != NULL && found->is_entity == is_entity ? found : NULL;
}

struct mem_instance *contents_find(const struct contents *contents, struct text id, uint64_t row)
{
    return find(contents, id, row, false);
}

struct mem_instance *contents_find_entity(const struct contents *contents, struct text id,
                                          uint64_t row)
{
    return find(contents, id, row, true);
}

bool contents_is_busy(const struct mem_instance *instance)
{
    return instance->is_entity ? instance->entity.is_busy : instance->record.is_busy;
}

void contents_init(struct contents *contents, unsigned partition_count)
{
    *contents = (struct contents){ .partition_count = partition_count };
    map_init(&contents->by_id);
    map64_init(&contents->by_row);
    contents->partitions = mem_alloc(partition_count * sizeof *contents->partitions);
    for (unsigned i = 0; i < partition_count; i++) {
        contents->partitions[i].mailbox_last = &contents->partitions[i].mailbox;
    }
}

void contents_done(struct contents *contents)
{
    for (size_t i = 0; i < contents->row_count; i++) {
        free_instance(contents, contents->rows[i]);
    }
    for (unsigned i = 0; i < contents->partition_count; i++) {
        remove_mail(&contents->partitions[i], UINT64_MAX);
    }
    map_done(&contents->by_id);
    map64_done(&contents->by_row);
    mem_free(contents->rows);
    mem_free(contents->partitions);
}
