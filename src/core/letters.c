/* SPDX-License-Identifier: MIT
 *
 * Letters: what this partition has to say to instances, its own or others'.
 *
 * A letter is copied into the arena of the open batch, whose fate it shares: what it is caused by
 * and what it says become durable together (C8), because the engine takes every letter before the
 * cut, and delivers it (into the same batch) or posts it (likewise). There is one line for all of
 * them, so letters of one sender stay in order, whoever they are for.
 *
 * Times of a letter's event are its sender's; the receiver gives it one of its own.
 */
#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/tags.h"
#include "core/core_priv.h"

struct letter *letter_send(struct core *core, enum message_kind kind, struct text instance_id,
                           struct text execution_id, const struct event *event)
{
    struct arena *arena = &core_open_batch(core)->arena;
    struct letter *letter = arena_alloc(arena, sizeof *letter);
    letter->kind = kind;
    letter->instance_id = text_copy(arena, instance_id);
    letter->execution_id = text_copy(arena, execution_id);
    letter->event = event_copy(arena, event);
    *core->letter_last = letter;
    core->letter_last = &letter->next;
    return letter;
}

const struct letter *core_next_letter(struct core *core)
{
    struct letter *letter = core->letter_first;
    if (letter != NULL) {
        core->letter_first = letter->next;
        if (core->letter_first == NULL) {
            core->letter_last = &core->letter_first;
        }
    }
    return letter;
}

void core_post_letter(struct core *core, const struct letter *letter, unsigned partition)
{
    assert_that(partition < core->partition_count);
    struct batch *batch = core_open_batch(core);
    struct message *message = arena_alloc(&batch->arena, sizeof *message);
    message->kind = letter->kind;
    message->partition = partition;
    message->flags = letter->flags;
    message->instance_id = text_copy(&batch->arena, letter->instance_id);
    message->execution_id = text_copy(&batch->arena, letter->execution_id);
    message->bytes = text_copy(&batch->arena, letter->bytes);
    if (letter->event != NULL) {
        buffer_reset(&core->scratch);
        core->codec->event(&core->scratch, letter->event);
        message->bytes = core_keep_scratch(core, 0);
    }
    batch_add(batch, MUTATION_MAILBOX_PUT, 0)->message = message;
    batch->mailed |= UINT64_C(1) << partition;
}

void core_drop_letter(struct core *core)
{
    core->counters.dropped_letters++;
}

/* ---- between parents and children ---- */

/* The tag says something of the one child that it was given to. */
static const struct text forgotten = TEXT_INIT("FireAndForget");

bool event_is_forgotten_child(const struct event *created)
{
    struct text value;
    return created->extra != NULL && tags_find(created->extra->tags, forgotten, &value);
}

/* Its own over those of its parent; its own alone when it would have too many. */
static struct text tags_of_child(struct arena *arena, const struct instance *parent,
                                 const struct event *created)
{
    struct text own = created->extra != NULL ? created->extra->tags : TEXT_ABSENT;
    struct text tags = parent->extra != NULL ? parent->extra->tags : TEXT_ABSENT;
    struct text value;
    if (!text_is_present(tags)) {
        return own;
    }
    if (tags_find(tags, forgotten, &value)) {
        tags = tags_without(arena, tags, forgotten);
    }
    struct text all = tags_merge(arena, own, tags);
    return tags_count(all) <= LIMIT_TAGS_INHERITED ? all : own;
}

void letter_start_child(struct core *core, enum message_kind kind, const struct instance *parent,
                        const struct event *created)
{
    bool is_forgotten = event_is_forgotten_child(created);
    struct event_extra extra = {
        .tags = tags_of_child(&core_open_batch(core)->arena, parent, created),
        .trace = created->extra != NULL ? created->extra->trace : TEXT_ABSENT,
    };
    if (!is_forgotten) {
        extra.has_parent = true;
        extra.parent_step = created->id;
        extra.parent_id = parent->id;
        extra.parent_execution_id = parent->execution_id;
        extra.parent_name = parent->name;
        extra.parent_version = parent->version;
    }
    struct event started = {
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = created->at,
        .name = created->name,
        .version = created->version,
        .payload = created->payload,
        .instance_id = created->instance_id,
        .extra = &extra,
    };
    struct letter *letter = letter_send(core, kind, created->instance_id, TEXT_ABSENT, &started);
    if (is_forgotten) { /* nobody hears whether the id was free */
        letter->kind = MESSAGE_START;
        letter->flags = STATES_ENDED;
    }
}

void letter_terminate_child(struct core *core, const struct instance *parent, const char *child,
                            struct text output)
{
    struct event_extra extra = { .recurses = true };
    struct event event = {
        .kind = EVENT_EXECUTION_TERMINATED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = parent->last_at,
        .payload = output,
        .extra = &extra,
    };
    letter_send(core, MESSAGE_TERMINATE, text_of(child), parent->execution_id, &event);
}

/* A parent can do nothing with one that was stopped from outside but fail, or go on without it. */
static void describe_termination(struct core *core, const struct instance_record *record,
                                 struct failure *ret)
{
    struct arena *arena = &core_open_batch(core)->arena;
    bool has_reason = text_is_present(record->output);
    *ret = (struct failure){
        .type = TEXT("OrchestrationTerminated"),
        .message = text_of(arena_printf(arena, "instance '%.*s' was terminated%s%.*s",
                                        TEXT_ARGS(record->id), has_reason ? ": " : "",
                                        TEXT_ARGS(record->output))),
    };
}

void letter_child_ended(struct core *core, time_us at, const struct instance_record *record,
                        const struct failure *failure)
{
    assert_that(text_is_present(record->parent_id) && run_state_is_final(record->state));
    struct failure terminated;
    struct event event = {
        .kind = EVENT_CHILD_FAILED,
        .id = EVENT_NO_ID,
        .ref = record->parent_step,
        .at = at,
        .failure = failure,
    };
    if (record->state == RUN_COMPLETED) {
        event.kind = EVENT_CHILD_COMPLETED;
        event.payload = record->output;
    } else if (record->state == RUN_TERMINATED) {
        describe_termination(core, record, &terminated);
        event.failure = &terminated;
    }
    letter_send(core, MESSAGE_CHILD_ENDED, record->parent_id, record->parent_execution_id, &event);
}

/* ---- between orchestrations and entities ---- */

void core_refuse_operation(struct core *core, time_us now, const struct event *operation,
                           const struct failure *failure)
{
    const struct event_extra *sender = operation->extra;
    if (operation->kind == EVENT_ENTITY_SIGNALED) {
        core_drop_letter(core);
        return;
    }
    assert_that(sender != NULL && sender->has_parent);
    struct event failed = {
        .kind = EVENT_ENTITY_FAILED,
        .id = EVENT_NO_ID,
        .ref = operation->id,
        .at = now,
        .request_id = operation->request_id,
        .failure = failure,
    };
    letter_send(core, MESSAGE_ANSWER, sender->parent_id, sender->parent_execution_id, &failed);
}
