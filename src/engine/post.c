/* SPDX-License-Identifier: MIT
 *
 * The post: letters between instances, wherever they live (C8).
 *
 * Letters that core has made are taken in order. One for an instance of this partition is delivered
 * at once, into the batch in which it was made; one for another goes with that batch into the
 * mailbox of the other's partition, whose thread is told after the commit. A letter delivered may
 * make core write further ones: on it goes until there are none.
 *
 * A letter that must wait until something is durable cannot wait here, because what it waits for
 * may be in the batch that it holds up. It goes into our own mailbox. So that none overtakes it,
 * all that follow go there too until it has been received. */
#include "base/assert.h"
#include "base/error.h"
#include "engine/partition_priv.h"
#include "wire/wire.h"

/* In the flags of a message: it is one of ours that came home, and in which life it went; below
 * that stand those of the letter itself, which are a set of states. */
#define FLAG_HOME (1u << 31)
enum { LETTER_FLAG_BITS = 6, LETTER_FLAGS = (1 << LETTER_FLAG_BITS) - 1 };
_Static_assert(STATES_ALL <= LETTER_FLAGS, "sets of states fit");

static unsigned home_flags(const struct partition *partition)
{
    return FLAG_HOME | (unsigned)partition->epoch << LETTER_FLAG_BITS;
}

static bool is_of_this_life(const struct partition *partition, const struct message *message)
{
    return (message->flags & ~(unsigned)LETTER_FLAGS) == home_flags(partition);
}

static void send_home(struct partition *partition, const struct letter *letter)
{
    struct letter home = *letter;
    home.flags = home_flags(partition) | (letter->flags & LETTER_FLAGS);
    core_post_letter(partition->core, &home, partition->options.number);
    partition->homeward++;
}

/* What cannot be done is dropped: whoever said it has gone on. */
static void note_refusal(struct partition *partition, pd_status status)
{
    if (status == PD_E_CORRUPT) {
        partition->counters.corrupt++;
    } else if (status != PD_OK) {
        core_drop_letter(partition->core);
    }
}

/* False: the store is in trouble, and the letter stays the first in line. */
static bool post_one(struct partition *partition, time_us now, const struct letter *letter)
{
    unsigned count = partition->options.store->partition_count;
    unsigned target = partition_of(letter->instance_id, count);
    if (target != partition->options.number) {
        core_post_letter(partition->core, letter, target);
        return true;
    }
    if (partition->homeward > 0 || !partition->is_drained) {
        send_home(partition, letter);
        return true;
    }
    bool waits = false;
    pd_error err;
    pd_status status = deliver(partition, now, letter, &waits, &err);
    if (waits) {
        send_home(partition, letter);
    } else if (status != PD_OK && !deliver_is_refusal(status)) {
        partition_back_off(partition, now, &err);
        return false;
    } else {
        note_refusal(partition, status);
    }
    return true;
}

bool post_letters(struct partition *partition, time_us now)
{
    for (;;) {
        const struct letter *letter = partition->letter;
        letter = letter != NULL ? letter : core_next_letter(partition->core);
        if (letter == NULL) {
            return true;
        }
        partition->letter = letter;
        if (!post_one(partition, now, letter)) {
            return false;
        }
        partition->letter = NULL;
    }
}

/* ---- the mailbox ----------------------------------------------------------------------------- */

/* Does the event say what a message of the kind says? A kind of a newer version says nothing. */
static bool fits(enum message_kind kind, const struct event *event)
{
    switch (kind) {
    case MESSAGE_START: return event->kind == EVENT_EXECUTION_STARTED;
    case MESSAGE_RAISE: return event->kind == EVENT_EVENT_RAISED;
    case MESSAGE_TERMINATE: return event->kind == EVENT_EXECUTION_TERMINATED;
    case MESSAGE_SUSPEND: return event->kind == EVENT_EXECUTION_SUSPENDED;
    case MESSAGE_RESUME: return event->kind == EVENT_EXECUTION_RESUMED;
    case MESSAGE_REWIND: return event->kind == EVENT_EXECUTION_REWOUND;
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE:
        return event->kind == EVENT_EXECUTION_STARTED && event->extra != NULL &&
               event->extra->has_parent;
    case MESSAGE_CHILD_ENDED:
        return event->kind == EVENT_CHILD_COMPLETED || event->kind == EVENT_CHILD_FAILED;
    case MESSAGE_TASK_ENDED:
        return event->kind == EVENT_TASK_COMPLETED || event->kind == EVENT_TASK_FAILED;
    case MESSAGE_OPERATION: return event->kind != EVENT_UNLOCK_SENT && entities_take(event);
    case MESSAGE_UNLOCK: return event->kind == EVENT_UNLOCK_SENT && entities_take(event);
    case MESSAGE_ANSWER:
        return event->kind == EVENT_ENTITY_COMPLETED || event->kind == EVENT_ENTITY_FAILED ||
               event->kind == EVENT_LOCK_GRANTED;
    case MESSAGE_CANCEL_SIGNAL: return event->kind == EVENT_SIGNAL_CANCELLED;
    case MESSAGE_PURGE:
    case MESSAGE_ADOPT: break; /* have no event */
    }
    return false;
}

/* False: what is in it is no message of its kind. */
static bool read_message(struct partition *partition, const struct message *message,
                         struct letter *ret)
{
    *ret = (struct letter){
        .kind = message->kind,
        .flags = message->flags & LETTER_FLAGS,
        .instance_id = message->instance_id,
        .execution_id = message->execution_id,
    };
    if (message->kind == MESSAGE_ADOPT) {
        ret->bytes = message->bytes;
        return true;
    }
    if (message->kind == MESSAGE_PURGE) {
        return true;
    }
    struct wire_events events = { 0 };
    pd_error err;
    if (wire_read_events(message->bytes, &partition->scratch, &events, &err) != PD_OK ||
        events.count != 1 || !fits(message->kind, &events.at[0])) {
        return false;
    }
    ret->event = &events.at[0];
    return true;
}

enum receipt { RECEIPT_TAKEN, RECEIPT_WAITS, RECEIPT_TROUBLE };

/* S6: what cannot take effect any more (the instance lives, or has ended) is consumed all the
 * same. */
static enum receipt receive_one(struct partition *partition, time_us now,
                                const struct message *message)
{
    struct letter letter;
    if (!read_message(partition, message, &letter)) {
        partition->counters.corrupt++;
        return RECEIPT_TAKEN;
    }
    bool waits = false;
    pd_error err;
    pd_status status = deliver(partition, now, &letter, &waits, &err);
    if (waits) {
        return RECEIPT_WAITS;
    }
    if (status != PD_OK && !deliver_is_refusal(status)) {
        partition_back_off(partition, now, &err);
        return RECEIPT_TROUBLE;
    }
    note_refusal(partition, status);
    return RECEIPT_TAKEN;
}

bool post_receive(struct partition *partition, time_us now)
{
    if (!partition->has_mail) {
        return false;
    }
    struct store *store = partition->options.store;
    struct message_page page = { 0 };
    pd_error err;
    arena_reset(&partition->scratch);
    size_t most = slice_of(&partition->options, SLICE_MESSAGES);
    if (store->ops->receive(store, partition->options.number, partition->received, most,
                            &partition->scratch, &page, &err) != PD_OK) {
        partition_back_off(partition, now, &err);
        return false;
    }
    for (size_t i = 0; i < page.count; i++) {
        if (receive_one(partition, now, &page.items[i]) != RECEIPT_TAKEN) {
            return false; /* it stays the first, and has_mail holds */
        }
        partition->homeward -= is_of_this_life(partition, &page.items[i]);
        partition->received = page.items[i].number;
        core_received(partition->core, partition->received);
    }
    partition->has_mail = page.count == most;
    partition->is_drained |= !partition->has_mail;
    return partition->has_mail;
}
