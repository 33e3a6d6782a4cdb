/* SPDX-License-Identifier: MIT
 *
 * Letters between instances of the rig, delivered as an engine does. See rig.h.
 *
 * All instances are of one partition. With `posts` its letters to itself go through the mailbox, as
 * those to another do: so they are durable before they take effect.
 */
#include "rig.h"

#include "core/core_priv.h"

static void refuse_child(struct rig *rig, const struct letter *letter)
{
    const struct event_extra *extra = letter->event->extra;
    struct failure failure = { .type = TEXT("OrchestrationAlreadyExists"),
                               .message = letter->instance_id };
    struct event event = {
        .kind = EVENT_CHILD_FAILED,
        .id = EVENT_NO_ID,
        .ref = extra->parent_step,
        .failure = &failure,
    };
    struct instance *parent = rig_find(rig, extra->parent_id);
    if (parent != NULL) {
        core_complete_child(rig->core, rig->now, parent, extra->parent_execution_id, &event);
    } else {
        core_drop_letter(rig->core);
    }
}

static void start_child(struct rig *rig, const struct letter *letter)
{
    const struct event *event = letter->event;
    const struct instance *child = rig_find(rig, letter->instance_id);
    if (child != NULL && !run_state_is_final(child->state)) {
        /* Unless it is its child already: then the letter has come twice. */
        if (!instance_is_child_of(child, event->extra)) {
            refuse_child(rig, letter);
        }
        return;
    }
    struct start_command command = {
        .id = letter->instance_id,
        .name = event->name,
        .version = event->version,
        .input = event->payload,
        .extra = event->extra,
        .replaces = STATES_ENDED,
    };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
}

static void terminate(struct rig *rig, struct instance *instance, const struct letter *letter)
{
    pd_error err;
    uint64_t row = instance->row;
    const struct event *event = letter->event;
    if (text_is_present(letter->execution_id) &&
        !instance_is_child_of_execution(instance, letter->execution_id)) {
        core_drop_letter(rig->core);
        return;
    }
    bool recurses = event->extra != NULL && event->extra->recurses;
    if (core_terminate(rig->core, rig->now, instance, event->payload, recurses, &err) == PD_OK) {
        rig_forget(rig, row);
    } else {
        core_drop_letter(rig->core);
    }
}

static void deliver(struct rig *rig, const struct letter *letter)
{
    pd_error err;
    const struct event *event = letter->event;
    if (letter->kind == MESSAGE_CHILD_ENSURE && rig_ensure_child(rig, letter)) {
        return;
    }
    if (letter->kind == MESSAGE_CHILD_START || letter->kind == MESSAGE_CHILD_ENSURE) {
        start_child(rig, letter);
        return;
    }
    if (rig_deliver_entity(rig, letter)) {
        return;
    }
    struct instance *instance = rig_find(rig, letter->instance_id);
    if (instance == NULL) {
        core_drop_letter(rig->core);
        return;
    }
    switch (letter->kind) {
    case MESSAGE_RAISE:
        if (core_raise(rig->core, rig->now, instance, event->name, event->payload, &err) != PD_OK) {
            core_drop_letter(rig->core);
        }
        break;
    case MESSAGE_TERMINATE: terminate(rig, instance, letter); break;
    case MESSAGE_CHILD_ENDED:
        core_complete_child(rig->core, rig->now, instance, letter->execution_id, event);
        break;
    case MESSAGE_START:
    case MESSAGE_SUSPEND:
    case MESSAGE_RESUME:
    case MESSAGE_REWIND:
    case MESSAGE_PURGE:
    case MESSAGE_ADOPT:
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE:
    case MESSAGE_OPERATION:
    case MESSAGE_UNLOCK:
    case MESSAGE_ANSWER:
    case MESSAGE_CANCEL_SIGNAL:
    case MESSAGE_TASK_ENDED: fail_msg("a letter of kind %d", (int)letter->kind);
    }
}

static void log_letter(struct rig *rig, const struct letter *letter)
{
    if (rig->log != NULL) {
        buffer_printf(rig->log, "    letter to '%.*s': %s\n        ",
                      TEXT_ARGS(letter->instance_id), show_message_kind(letter->kind));
        show_event(rig->log, letter->event);
        buffer_add_text(rig->log, TEXT("\n"));
    }
}

bool rig_deliver(struct rig *rig)
{
    const struct letter *letter;
    bool has_some = false;
    while ((letter = core_next_letter(rig->core)) != NULL) {
        log_letter(rig, letter);
        if (rig->posts) {
            core_post_letter(rig->core, letter, 0);
        } else {
            has_some = true;
            deliver(rig, letter);
        }
    }
    return has_some;
}

void rig_receive(struct rig *rig)
{
    for (size_t i = 0; i < rig->model.mail_count; i++) {
        const struct message *message = rig->model.mail[i];
        if (message->number <= rig->received) {
            continue; /* its removal is not committed yet */
        }
        size_t count;
        struct arena arena = { 0 };
        struct letter letter = {
            .kind = message->kind,
            .flags = message->flags,
            .instance_id = message->instance_id,
            .execution_id = message->execution_id,
            .event = rig_decode(&arena, message->bytes, &count)[0],
        };
        deliver(rig, &letter);
        arena_done(&arena);
        rig->received = message->number;
        core_received(rig->core, rig->received);
    }
}
