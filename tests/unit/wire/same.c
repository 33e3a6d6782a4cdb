/* SPDX-License-Identifier: MIT
 *
 * Whether two events, or two archives, are the same on the wire; see samples.h.
 */
#include "samples.h"

/* A proto3 string cannot be absent: compares bytes alone. */
static bool same_string(struct text a, struct text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* Recursive: what is compared is bounded by the limits of failures. */
static bool same_failure(const struct failure *a, const struct failure *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    const struct failure *x = a->cause;
    const struct failure *y = b->cause;
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        if (!same_failure(x, y)) {
            return false;
        }
    }
    return x == NULL && y == NULL && same_string(a->type, b->type) &&
           same_string(a->message, b->message) && a->is_final == b->is_final;
}

static bool same_extra(const struct event_extra *a, const struct event_extra *b)
{
    static const struct event_extra nothing;
    a = a != NULL ? a : &nothing;
    b = b != NULL ? b : &nothing;
    return text_equal(a->tags, b->tags) && text_equal(a->progress, b->progress) &&
           text_equal(a->trace, b->trace) && a->limits.start_ms == b->limits.start_ms &&
           a->limits.run_ms == b->limits.run_ms && a->limits.beat_ms == b->limits.beat_ms &&
           a->retry_of == b->retry_of && a->first == b->first && a->recurses == b->recurses &&
           a->has_parent == b->has_parent && a->parent_step == b->parent_step &&
           same_string(a->parent_id, b->parent_id) &&
           text_equal(a->parent_execution_id, b->parent_execution_id) &&
           text_equal(a->parent_name, b->parent_name) &&
           text_equal(a->parent_version, b->parent_version) &&
           text_equal(a->lock_set, b->lock_set) && a->position == b->position;
}

bool sample_is_same(const struct event *a, const struct event *b)
{
    /* To which entity: a message leaves it out. */
    bool is_wrapped = a->kind == EVENT_UNLOCK_SENT || a->kind == EVENT_SIGNAL_CANCELLED ||
                      a->kind == EVENT_ENTITY_SIGNALED || a->kind == EVENT_ENTITY_CALLED;
    return a->kind == b->kind && a->id == b->id && a->ref == b->ref && a->at == b->at &&
           a->fire_at == b->fire_at && same_string(a->name, b->name) &&
           text_equal(a->version, b->version) && text_equal(a->payload, b->payload) &&
           (is_wrapped ? text_equal(a->instance_id, b->instance_id)
                       : same_string(a->instance_id, b->instance_id)) &&
           text_equal(a->execution_id, b->execution_id) && a->outcome == b->outcome &&
           same_failure(a->failure, b->failure) && same_extra(a->extra, b->extra);
}

static bool same_list(const struct text *a, size_t a_count, const struct text *b, size_t b_count)
{
    bool is_same = a_count == b_count;
    for (size_t i = 0; is_same && i < a_count; i++) {
        is_same = same_string(a[i], b[i]);
    }
    return is_same;
}

bool archive_is_same(const struct archive *a, const struct archive *b)
{
    const struct instance_record *x = &a->record;
    const struct instance_record *y = &b->record;
    return same_string(x->id, y->id) && text_equal(x->execution_id, y->execution_id) &&
           same_string(x->name, y->name) && text_equal(x->version, y->version) &&
           text_equal(x->input, y->input) && x->state == y->state &&
           x->created_at == y->created_at && x->updated_at == y->updated_at &&
           x->ended_at == y->ended_at && x->starts_at == y->starts_at &&
           text_equal(x->output, y->output) && text_equal(x->failure, y->failure) &&
           text_equal(x->custom_status, y->custom_status) && text_equal(x->tags, y->tags) &&
           text_equal(x->parent_id, y->parent_id) &&
           text_equal(x->parent_execution_id, y->parent_execution_id) &&
           x->parent_step == y->parent_step &&
           same_list(a->turns, a->turn_count, b->turns, b->turn_count) &&
           same_list(a->inbox, a->inbox_count, b->inbox, b->inbox_count);
}
