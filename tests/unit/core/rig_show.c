/* SPDX-License-Identifier: MIT
 *
 * How batches and events look as text: stories are made of it. See rig.h.
 */
#include <inttypes.h>

#include "base/tags.h"
#include "core/entity.h"
#include "core/lock_set.h"
#include "rig.h"

const char *show_state(enum run_state state)
{
    static const char *const names[] = { "Pending",   "Running", "Suspended",
                                         "Completed", "Failed",  "Terminated" };
    return names[state];
}

const char *show_message_kind(enum message_kind kind)
{
    static const char *const names[] = {
        "",           "start",     "raise",  "terminate",   "suspend",      "resume",
        "rewind",     "purge",     "adopt",  "child start", "child ensure", "child ended",
        "task ended", "operation", "unlock", "answer",      "cancel signal"
    };
    return names[kind];
}

void show_time(struct buffer *out, time_us t)
{
    buffer_printf(out, "%" PRId64 ".%03" PRId64, t / TIME_MS, t % TIME_MS);
}

static void show_text(struct buffer *out, const char *before, struct text text)
{
    if (text_is_present(text)) {
        buffer_printf(out, "%s%.*s", before, TEXT_ARGS(text));
    }
}

static void show_tags(struct buffer *out, struct text tags)
{
    struct tag tag;
    for (size_t cursor = 0; tags_next(tags, &cursor, &tag);) {
        buffer_printf(out, ", tag %.*s=%.*s", TEXT_ARGS(tag.key), TEXT_ARGS(tag.value));
    }
}

static void show_extra(struct buffer *out, const struct event_extra *extra)
{
    show_tags(out, extra->tags);
    show_text(out, ", progress ", extra->progress);
    if (extra->has_parent) {
        buffer_printf(out, ", child of step %" PRId32 " of '%.*s' execution %.*s (%.*s)",
                      extra->parent_step, TEXT_ARGS(extra->parent_id),
                      TEXT_ARGS(extra->parent_execution_id), TEXT_ARGS(extra->parent_name));
    }
    if (extra->recurses) {
        buffer_add_text(out, TEXT(", children too"));
    }
}

static bool is_about_entity(enum event_kind kind)
{
    return (kind >= EVENT_ENTITY_SIGNALED && kind <= EVENT_UNLOCK_SENT) ||
           kind == EVENT_SIGNAL_CANCELLED;
}

static void show_request(struct buffer *out, const struct event *event)
{
    if (is_about_entity(event->kind)) {
        show_text(out, " ", event->request_id);
    }
}

/* Ids of a set are shown with commas. */
static void show_set(struct buffer *out, const struct event_extra *extra)
{
    struct text id;
    const char *before = " of ";
    for (size_t cursor = 0; lock_set_next(extra->lock_set, &cursor, &id); before = ", ") {
        show_text(out, before, id);
    }
    if (text_is_present(extra->lock_set) && extra->has_parent) {
        buffer_printf(out, ", at number %" PRId32, extra->position);
    }
}

void show_event(struct buffer *out, const struct event *event)
{
    show_time(out, event->at);
    buffer_printf(out, "  %s", event_kind_name(event->kind));
    if (event->id != EVENT_NO_ID) {
        buffer_printf(out, " step %" PRId32, event->id);
    }
    if (event->ref != EVENT_NO_ID) {
        buffer_printf(out, " of step %" PRId32, event->ref);
    }
    show_request(out, event);
    show_text(out, " ", event->name);
    show_text(out, " ", event->payload);
    if (event->kind == EVENT_EXECUTION_COMPLETED) {
        buffer_printf(out, " %s", show_state(event->outcome));
    }
    if (event->failure != NULL) {
        buffer_add_text(out, TEXT(" ! "));
        rig_write_failure(out, event->failure);
    }
    if (event->fire_at != 0) {
        buffer_add_text(out, TEXT(" due "));
        show_time(out, event->fire_at);
    }
    if (event->kind == EVENT_CHILD_CREATED || event->kind == EVENT_EVENT_SENT ||
        is_about_entity(event->kind)) {
        show_text(out, " for ", event->instance_id);
    }
    if (event->extra != NULL && is_about_entity(event->kind)) {
        show_set(out, event->extra);
        show_text(out, ", from ", event->extra->parent_id);
        show_text(out, " execution ", event->extra->parent_execution_id);
    } else if (event->extra != NULL) {
        show_extra(out, event->extra);
    }
}

static void show_events(struct buffer *out, struct arena *scratch, struct text bytes)
{
    size_t count;
    const struct event **events = rig_decode(scratch, bytes, &count);
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(out, TEXT("        "));
        show_event(out, events[i]);
        buffer_add_text(out, TEXT("\n"));
    }
}

static void show_record(struct buffer *out, const struct mutation *m)
{
    const struct instance_record *record = m->instance;
    const char *verb = m->kind == MUTATION_INSTANCE_INSERT  ? "insert"
                       : m->kind == MUTATION_INSTANCE_RENEW ? "renew"
                                                            : "update";
    buffer_printf(out, "      %s row %" PRIu64 " '%.*s' %s%s", verb, record->row,
                  TEXT_ARGS(record->id), show_state(record->state), record->is_busy ? " busy" : "");
    show_text(out, ", name ", record->name);
    show_text(out, ", execution ", record->execution_id);
    show_text(out, ", input ", record->input);
    show_text(out, ", version ", record->version);
    if (record->starts_at != 0) {
        buffer_add_text(out, TEXT(", not before "));
        show_time(out, record->starts_at);
    }
    show_text(out, ", child of ", record->parent_id);
    show_text(out, " execution ", record->parent_execution_id);
    show_tags(out, record->tags);
    show_text(out, ", output ", record->output);
    show_text(out, ", failure ", record->failure);
    buffer_add_text(out, TEXT("\n"));
}

static void show_entity(struct buffer *out, const struct mutation *m)
{
    const struct entity_record *entity = m->entity;
    buffer_printf(out, "      entity row %" PRIu64 " '%.*s'%s, changed ", entity->row,
                  TEXT_ARGS(entity->id), entity->is_busy ? " busy" : "");
    show_time(out, entity->updated_at);
    if (m->keeps_state) {
        buffer_add_text(out, TEXT(", state as it was"));
    } else {
        show_text(out, ", state ", entity->state);
    }
    show_text(out, ", locked by ", entity->lock_owner);
    show_text(out, " execution ", entity->lock_execution);
    show_text(out, " section ", entity->lock_section);
    buffer_add_text(out, TEXT("\n"));
}

/* Numbers of entities' inboxes tell where an event stands. */
static void show_arrival(struct buffer *out, uint64_t arrival)
{
    bool is_delayed = arrival > ARRIVAL_DELAYED;
    bool overtakes = !is_delayed && arrival > ARRIVAL_OVERTAKES;
    buffer_printf(out, "%s%" PRIu64,
                  is_delayed  ? "delayed "
                  : overtakes ? "overtaking "
                              : "",
                  is_delayed  ? arrival - ARRIVAL_DELAYED
                  : overtakes ? arrival - ARRIVAL_OVERTAKES
                              : arrival);
}

static void show_mutation(struct buffer *out, struct arena *scratch, const struct mutation *m)
{
    switch (m->kind) {
    case MUTATION_INSTANCE_INSERT:
    case MUTATION_INSTANCE_RENEW:
    case MUTATION_INSTANCE_UPDATE: show_record(out, m); break;
    case MUTATION_STATUS_SET:
        buffer_printf(out, "      status row %" PRIu64, m->row);
        show_text(out, " ", m->bytes);
        buffer_add_text(out, TEXT("\n"));
        break;
    case MUTATION_PROGRESS_PUT:
    case MUTATION_PROGRESS_REMOVE:
        buffer_printf(out, "      progress row %" PRIu64 " step %" PRId32, m->row, m->id);
        show_text(out, " ", m->kind == MUTATION_PROGRESS_PUT ? m->bytes : TEXT("removed"));
        buffer_add_text(out, TEXT("\n"));
        break;
    case MUTATION_MAILBOX_PUT:
        buffer_printf(out, "      mailbox of partition %u: %s for '%.*s'\n", m->message->partition,
                      show_message_kind(m->message->kind), TEXT_ARGS(m->message->instance_id));
        show_events(out, scratch, m->message->bytes);
        break;
    case MUTATION_INSTANCE_DELETE:
    case MUTATION_ENTITY_DELETE:
        buffer_printf(out, "      delete row %" PRIu64 "\n", m->row);
        break;
    case MUTATION_HISTORY_APPEND:
        buffer_printf(out, "      history row %" PRIu64 " turn %" PRIu64 "\n", m->row, m->number);
        show_events(out, scratch, m->bytes);
        break;
    case MUTATION_INBOX_PUT:
        buffer_printf(out, "      inbox row %" PRIu64 " arrival ", m->row);
        show_arrival(out, m->number);
        buffer_add_text(out, TEXT("\n"));
        show_events(out, scratch, m->bytes);
        break;
    case MUTATION_INBOX_REMOVE:
        buffer_printf(out, "      inbox row %" PRIu64 " remove ", m->row);
        if (m->first != 0 && m->first != m->number) {
            show_arrival(out, m->first);
        }
        buffer_add_text(out, m->first == m->number ? TEXT("") : TEXT("to "));
        show_arrival(out, m->number);
        buffer_add_text(out, TEXT("\n"));
        break;
    case MUTATION_TIMER_PUT:
    case MUTATION_TIMER_REMOVE:
        buffer_printf(out, "      timer row %" PRIu64 " step %" PRId32 " %s ", m->row, m->id,
                      m->kind == MUTATION_TIMER_PUT ? "set for" : "removed from");
        show_time(out, m->due);
        buffer_add_text(out, TEXT("\n"));
        break;
    case MUTATION_ENTITY_PUT: show_entity(out, m); break;
    case MUTATION_MAILBOX_REMOVE:
        buffer_printf(out, "      mailbox remove to %" PRIu64 "\n", m->number);
        break;
    }
}

void show_batch(struct buffer *out, struct arena *scratch, const struct batch *batch)
{
    buffer_printf(out, "    batch %" PRIu64 "\n", batch->number);
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        show_mutation(out, scratch, m);
    }
    LIST_EACH(node, &batch->activities)
    {
        const struct activity *activity = CONTAINER_OF(node, struct activity, node);
        buffer_printf(out, "      > activity of '%.*s' step %" PRId32 " %.*s",
                      TEXT_ARGS(activity->instance_id), activity->id, TEXT_ARGS(activity->name));
        show_text(out, " ", activity->input);
        show_text(out, ", from ", activity_progress(activity));
        show_tags(out, activity_tags(activity));
        buffer_add_text(out, TEXT("\n"));
    }
    const struct cancellation *cancelled = batch->cancellations;
    for (; cancelled != NULL; cancelled = cancelled->next) {
        buffer_printf(out, "      > cancelled: row %" PRIu64, cancelled->row);
        if (cancelled->id != EVENT_NO_ID) {
            buffer_printf(out, " step %" PRId32, cancelled->id);
        }
        buffer_add_text(out, TEXT("\n"));
    }
    for (const struct ending *ending = batch->endings; ending != NULL; ending = ending->next) {
        buffer_printf(out, "      > '%.*s' has ended: %s\n", TEXT_ARGS(ending->instance_id),
                      show_state(ending->state));
    }
}
