/* SPDX-License-Identifier: MIT
 *
 * Clients: what they ask, and whether what they are told is true.
 *
 *   K1  PD_OK: it is in the ledger at that moment (an event may also have been dropped, when its
 *       instance ended after it was asked for).
 *   K2  A refusal (EXISTS, STATE, NOT_FOUND) is as durable as an answer: the ledger must bear it
 *       out at some moment between question and answer.
 *   K3  Any other error is excused only by trouble that was made on purpose since the question.
 *   K4  Of a call whose process died nothing is known.
 *   K5  What a mailbox has accepted takes effect, or cannot take effect any more. */
#include <inttypes.h>

#include "sim.h"

enum { CALL_ITEMS_MAX = 4 };

struct call {
    struct call *next;
    struct command command;
    pd_error error;
    struct latch latch;
    struct order *orders[CALL_ITEMS_MAX];
    struct start_command items[CALL_ITEMS_MAX];
    struct letter letters[CALL_ITEMS_MAX];
    pd_status statuses[CALL_ITEMS_MAX];
    size_t count;
    uint64_t asked;    /* how many commits there were */
    uint64_t troubles; /* likewise */
    bool is_doomed;    /* the partition was down when it was asked, or about to be */
};

/* ---- asking ---- */

static struct call *call_new(struct sim *sim, enum command_kind kind, unsigned partition)
{
    struct call *call = arena_alloc(&sim->arena, sizeof *call);
    latch_init(&call->latch, 1);
    call->command.kind = kind;
    call->command.latch = &call->latch;
    call->command.error = &call->error;
    call->asked = sim->ledger.commits;
    call->troubles = sim->troubles;
    const struct slot *slot = &sim->slots[partition];
    call->is_doomed = driver_is_down(slot) || residents_are_doubtful(slot) ||
                      (slot->work != NULL && slot->is_released && slot->work->status != PD_OK);
    call->next = sim->calls;
    sim->calls = call;
    return call;
}

static void add_order(struct sim *sim, struct call *call, struct order *order)
{
    const struct event *event = &order->event;
    struct start_command *item = &call->items[call->count];
    call->orders[call->count] = order;
    call->letters[call->count] = order->letter;
    *item = (struct start_command){
        .id = order->letter.instance_id,
        .name = event->name,
        .version = event->version,
        .input = event->payload,
        .execution_id = event->execution_id,
        .extra = event->extra,
        .starts_at = event->fire_at,
        .replaces = order->letter.flags,
        .is_fresh = text_has_prefix(order->letter.instance_id, TEXT("own-")),
    };
    call->count++;
    sim_trace(sim, "%s kind %d: %.*s %.*s %.*s",
              call->command.kind == COMMAND_START ? "start" : "tell", order->letter.kind,
              TEXT_ARGS(order->letter.instance_id), TEXT_ARGS(event->name),
              TEXT_ARGS(event->payload));
}

static void ask(struct sim *sim, struct call *call, unsigned partition)
{
    if (call->command.kind == COMMAND_START) {
        call->command.as.start.items = call->items;
        call->command.as.start.statuses = call->statuses;
        call->command.as.start.count = call->count;
    } else {
        call->command.as.tell.items = call->letters;
        call->command.as.tell.statuses = call->statuses;
        call->command.as.tell.count = call->count;
    }
    partition_apply(sim->slots[partition].partition, sim->now, &call->command);
    calls_look(sim);
}

/* As a start, or as letters: some of both. */
void calls_start(struct sim *sim)
{
    size_t count = sim_chance(sim, 1, 3) ? 1 + sim_below(sim, CALL_ITEMS_MAX) : 1;
    struct order *first = orders_start(sim);
    if (!driver_up(sim, first->partition)) {
        return;
    }
    bool is_start = sim_chance(sim, 3, 4);
    struct call *call = call_new(sim, is_start ? COMMAND_START : COMMAND_TELL, first->partition);
    add_order(sim, call, first);
    for (size_t i = 1; i < count; i++) {
        struct order *order = orders_start(sim);
        if (order->partition == first->partition) {
            add_order(sim, call, order);
        }
    }
    ask(sim, call, first->partition);
}

void calls_tell(struct sim *sim, struct order *order)
{
    if (order == NULL || !driver_up(sim, order->partition)) {
        return;
    }
    struct call *call = call_new(sim, COMMAND_TELL, order->partition);
    add_order(sim, call, order);
    struct order *more = sim->is_faulty && sim_chance(sim, 1, 8) ? orders_some(sim) : NULL;
    if (more != NULL && more->partition == order->partition) {
        add_order(sim, call, more);
    }
    ask(sim, call, order->partition);
}

/* ---- mail ---- */

static struct order *some_mail(struct sim *sim)
{
    switch (sim_below(sim, 4)) {
    case 0: return orders_start(sim);
    case 1: return wishes_some(sim, SENDER_MAIL);
    case 2: return orders_raise(sim, orders_some_id(sim), SENDER_MAIL);
    default: return orders_some(sim);
    }
}

/* What a store sees of an instance is what was committed. */
static void check_accepted(struct sim *sim, const struct order *order, pd_status status)
{
    const struct letter *letter = &order->letter;
    const struct ledger_row *row = ledger_find(&sim->ledger, letter->instance_id);
    bool is_there = row != NULL;
    bool makes = letter->kind == MESSAGE_START || letter->kind == MESSAGE_ADOPT;
    bool lives = ledger_is_alive(row);
    sim_check(sim,
              status == PD_OK || (makes ? status == PD_E_EXISTS
                                        : status == PD_E_STATE || status == PD_E_NOT_FOUND),
              "mail: kind %d gave %d", letter->kind, status);
    sim_check(sim, status != PD_OK || !makes || !is_there || (letter->flags >> row->state & 1) != 0,
              "mail: '%.*s' is there, and another was taken", TEXT_ARGS(letter->instance_id));
    sim_check(sim,
              status == PD_OK || makes || !lives || letter->kind == MESSAGE_REWIND ||
                  letter->kind == MESSAGE_PURGE,
              "mail: '%.*s' lives, and kind %d was refused", TEXT_ARGS(letter->instance_id),
              letter->kind);
    sim_check(sim,
              status != PD_OK || letter->kind != MESSAGE_PURGE || !lives ||
                  map_find(&sim->killable, letter->instance_id) != NULL,
              "mail: '%.*s' lives, and is to be purged", TEXT_ARGS(letter->instance_id));
}

/* Another process puts a message into the mailbox. */
void calls_mail(struct sim *sim)
{
    struct order *order = some_mail(sim);
    if (order == NULL) {
        return;
    }
    struct message message = {
        .kind = order->letter.kind,
        .partition = order->partition,
        .flags = order->letter.flags,
        .instance_id = order->letter.instance_id,
        .execution_id = order->letter.execution_id,
        .bytes = order->letter.bytes,
    };
    struct buffer bytes;
    buffer_init(&bytes);
    if (order->letter.event != NULL) {
        wire_write_event(&bytes, &order->event);
        message.bytes = buffer_text(&bytes);
    }
    pd_error err;
    pd_status status = sim->inner->ops->accept(sim->inner, &message, 1, &err);
    buffer_done(&bytes);
    sim_trace(sim, "mail %d %.*s %.*s: %d", message.kind, TEXT_ARGS(message.instance_id),
              TEXT_ARGS(order->event.payload), status);
    bool is_wish = entity_id_is(message.instance_id);
    if (is_wish) {
        wishes_accepted(sim, order, status);
        ledger_see_mail(&sim->ledger, sim->inner);
    } else {
        check_accepted(sim, order, status);
    }
    if (status == PD_OK && !is_wish) {
        struct sent *sent = arena_alloc(&sim->arena, sizeof *sent);
        *sent = (struct sent){ sim->sent, order, sim->ledger.commits };
        sim->sent = sent;
        ledger_see_mail(&sim->ledger, sim->inner);
    }
    driver_tell_of_mail(sim, order->partition);
}

/* ---- answers ---- */

/* K3. */
static void check_excused(struct sim *sim, const struct call *call, pd_status status)
{
    sim_check(sim,
              (status == PD_E_UNAVAILABLE || status == PD_E_CANCELLED) &&
                  (call->is_doomed || sim->troubles > call->troubles),
              "a call ended with status %d, and there was no trouble: %s", status,
              call->error.text);
}

/* K2, of what does not want one that exists: there was one, in a state that it does not replace. */
static bool was_there(struct sim *sim, const struct order *order, uint64_t since)
{
    struct ledger_row *row;
    unsigned flags = order->letter.flags;
    for (size_t cursor = sim->ledger.row_count;
         (row = ledger_next(&sim->ledger, order->letter.instance_id, &cursor)) != NULL;) {
        bool was_alive = row->ended == 0 || row->ended > since;
        bool was_here = row->deleted == 0 || row->deleted > since;
        bool may_stay = (row->ends & ~flags) != 0 || (row->ends == 0 && row->ended != 0);
        if (was_here && (was_alive ? (flags & 1u << RUN_RUNNING) == 0 : may_stay)) {
            return true;
        }
        if (was_here && may_stay) {
            return true;
        }
    }
    return false;
}

static bool has_ended_since(struct sim *sim, struct text id, uint64_t since)
{
    struct ledger_row *row;
    for (size_t cursor = sim->ledger.row_count;
         (row = ledger_next(&sim->ledger, id, &cursor)) != NULL;) {
        if (row->ended_last > since) {
            return true;
        }
    }
    return false;
}

/* K2: there was a time without any of this id. */
static bool was_absent(struct sim *sim, const struct call *call, struct text id)
{
    struct ledger_row *row;
    bool was_there = false;
    for (size_t cursor = sim->ledger.row_count;
         (row = ledger_next(&sim->ledger, id, &cursor)) != NULL;) {
        if (row->deleted > call->asked) {
            return true; /* it was replaced, or purged: the ledger cannot tell */
        }
        was_there = was_there || (row->begun <= call->asked && row->deleted == 0);
    }
    return !was_there;
}

/* K2: of one that is and stays as it must be for this, nobody can say that it is not. */
static bool may_be_refused(struct sim *sim, const struct call *call, const struct order *order)
{
    struct text id = order->letter.instance_id;
    const struct ledger_row *row = ledger_find(&sim->ledger, id);
    if (row == NULL || row->begun > call->asked || row->renewed > call->asked) {
        return true;
    }
    bool was_final = row->ended != 0 && row->ended <= call->asked;
    switch ((int)order->letter.kind) {
    case MESSAGE_REWIND:
        return !was_final || row->state != RUN_FAILED || ledger_has_failed_locked(row);
    case MESSAGE_PURGE: return !was_final;
    default: return has_ended_since(sim, id, call->asked) || was_final;
    }
}

static void check_answer(struct sim *sim, const struct call *call, size_t i)
{
    const struct order *order = call->orders[i];
    pd_status status = call->statuses[i];
    struct text id = order->letter.instance_id;
    sim_trace(sim, "answer: kind %d %.*s: %d", order->letter.kind, TEXT_ARGS(id), status);
    bool is_said = status == PD_OK || status == PD_E_NOT_FOUND || status == PD_E_STATE;
    if (entity_id_is(id) && is_said) {
        wishes_answered(sim, order, call->asked, status);
    } else if (status == PD_OK) {
        sim_check(sim, orders_are_done(sim, order, call->asked),
                  "kind %d for '%.*s' (%.*s) was acknowledged and is not durable",
                  order->letter.kind, TEXT_ARGS(id), TEXT_ARGS(order->event.payload));
    } else if (status == PD_E_EXISTS) {
        sim_check(sim, was_there(sim, order, call->asked),
                  "'%.*s' was refused as existing, and none is there", TEXT_ARGS(id));
    } else if (status == PD_E_NOT_FOUND) {
        sim_check(sim, was_absent(sim, call, id), "'%.*s' is there and was not found",
                  TEXT_ARGS(id));
    } else if (status == PD_E_STATE) {
        sim_check(sim, may_be_refused(sim, call, order),
                  "kind %d was refused by the state of '%.*s', which allows it", order->letter.kind,
                  TEXT_ARGS(id));
    } else {
        check_excused(sim, call, status);
    }
}

void calls_look(struct sim *sim)
{
    for (struct call **at = &sim->calls; *at != NULL;) {
        struct call *call = *at;
        if (call->latch.pending > 0) {
            at = &call->next;
            continue;
        }
        *at = call->next;
        latch_done(&call->latch);
        for (size_t i = 0; i < call->count; i++) {
            check_answer(sim, call, i);
        }
    }
}

/* K5. */
void calls_check_mail(struct sim *sim)
{
    for (const struct sent *sent = sim->sent; sent != NULL; sent = sent->next) {
        const struct order *order = sent->order;
        struct text id = order->letter.instance_id;
        bool makes = order->letter.kind == MESSAGE_START || order->letter.kind == MESSAGE_ADOPT;
        bool is_void =
            makes ? was_there(sim, order, sent->asked)
                  : has_ended_since(sim, id, sent->asked) || ledger_find(&sim->ledger, id) == NULL;
        struct ledger_row *row;
        for (size_t cursor = sim->ledger.row_count;
             !makes && (row = ledger_next(&sim->ledger, id, &cursor)) != NULL;) {
            /* Ended before: it was taken because of a start that waited, and was refused. */
            is_void = is_void || row->renewed > sent->asked || row->deleted > sent->asked ||
                      (row->ended != 0 && row->ended <= sent->asked);
        }
        sim_check(sim, is_void || orders_are_done(sim, order, sent->asked),
                  "mail: kind %d for '%.*s' (%.*s) was lost", order->letter.kind, TEXT_ARGS(id),
                  TEXT_ARGS(order->event.payload));
    }
}

void calls_lost(struct sim *sim)
{
    for (struct call *call = sim->calls; call != NULL; call = call->next) {
        latch_done(&call->latch);
    }
    sim->calls = NULL;
}
