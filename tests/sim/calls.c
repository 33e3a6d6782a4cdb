/* SPDX-License-Identifier: MIT
 *
 * Clients: what they ask, and whether what they are told is true.
 *
 *   K1  PD_OK: it is in the ledger at that moment (an event may also have been dropped, when its
 *       instance ended after it was asked for).
 *   K2  A refusal (EXISTS, STATE, NOT_FOUND) is as durable as an answer: the ledger must bear it
 *       out at some moment between question and answer.
 *   K3  Any other error is excused only by trouble that was made on purpose since the question.
 *   K4  Of a call whose process died nothing is known. */
#include <inttypes.h>
#include <stdio.h>

#include "sim.h"

enum { CALL_ITEMS_MAX = 4 };

struct call {
    struct call *next;
    struct command command;
    pd_error error;
    struct latch latch;
    struct start_command items[CALL_ITEMS_MAX];
    pd_status statuses[CALL_ITEMS_MAX];
    struct letter letter; /* of a raise */
    struct event event;
    int64_t number;
    uint64_t asked;       /* how many commits there were */
    uint64_t troubles;    /* likewise */
    bool is_doomed;       /* the partition was down when it was asked, or about to be */
    bool asked_of_living; /* a raise: the ledger had it living */
};

/* ---- ids ---- */

static struct text numbered(struct sim *sim, const char *prefix, uint64_t number)
{
    return text_of(arena_printf(&sim->arena, "%s%" PRIu64, prefix, number));
}

/* A few that everybody uses, so that they meet; or one that has been made for this. */
struct text calls_some_id(struct sim *sim)
{
    if (sim->ledger.row_count > 0 && sim_chance(sim, 1, 2)) {
        return sim->ledger.rows[sim_below(sim, sim->ledger.row_count)]->id;
    }
    return numbered(sim, "shared-", sim_below(sim, SIM_IDS));
}

static struct start_command some_start(struct sim *sim, unsigned *ret_partition, bool is_first)
{
    struct start_command start = { .name = TEXT("play"), .replaces = STATES_ENDED };
    do {
        start.is_fresh = sim_chance(sim, 1, 3);
        start.id = start.is_fresh ? numbered(sim, "own-", ++sim->id_number)
                                  : numbered(sim, "shared-", sim_below(sim, SIM_IDS));
    } while (!is_first && partition_of(start.id, sim->partition_count) != *ret_partition);
    *ret_partition = partition_of(start.id, sim->partition_count);
    char hex[33];
    random_hex32(&sim->random, hex);
    start.execution_id = text_copy(&sim->arena, text_of(hex));
    if (sim_chance(sim, 1, 40)) {
        start.name = TEXT("nobody");
    }
    if (sim_chance(sim, 1, 4)) {
        start.version = TEXT("1.5");
    }
    uint64_t seed = sim_below(sim, UINT64_C(1) << 53);
    start.input = text_of(arena_printf(&sim->arena, "{\"seed\":%" PRIu64 "}", seed));
    return start;
}

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
    call->is_doomed = driver_is_down(slot) ||
                      (slot->work != NULL && slot->is_released && slot->work->status != PD_OK);
    call->next = sim->calls;
    sim->calls = call;
    return call;
}

void calls_start(struct sim *sim)
{
    unsigned partition = 0;
    size_t count = sim_chance(sim, 1, 3) ? 1 + sim_below(sim, CALL_ITEMS_MAX) : 1;
    struct start_command first = some_start(sim, &partition, true);
    if (!driver_up(sim, partition)) {
        return;
    }
    struct call *call = call_new(sim, COMMAND_START, partition);
    call->items[0] = first;
    for (size_t i = 1; i < count; i++) {
        call->items[i] = some_start(sim, &partition, false);
    }
    for (size_t i = 0; i < count; i++) {
        sim_trace(sim, "start %.*s %.*s %.*s", TEXT_ARGS(call->items[i].id),
                  TEXT_ARGS(call->items[i].name), TEXT_ARGS(call->items[i].input));
    }
    call->command.as.start.items = call->items;
    call->command.as.start.statuses = call->statuses;
    call->command.as.start.count = count;
    partition_apply(sim->slots[partition].partition, sim->now, &call->command);
    calls_look(sim);
}

static struct text some_name(struct sim *sim)
{
    size_t name = (size_t)sim_below(sim, SIM_NAMES);
    return text_of(sim_chance(sim, 1, 2) ? sim_event_names[name] : sim_event_aliases[name]);
}

void calls_raise(struct sim *sim, struct text id)
{
    unsigned partition = partition_of(id, sim->partition_count);
    if (!driver_up(sim, partition)) {
        return;
    }
    struct call *call = call_new(sim, COMMAND_TELL, partition);
    const struct ledger_row *row = ledger_find(&sim->ledger, id);
    call->asked_of_living = row != NULL && !run_state_is_final(row->state);
    call->number = ++sim->raise_number;
    call->event = (struct event){
        .kind = EVENT_EVENT_RAISED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .name = some_name(sim),
        .payload = text_of(arena_printf(&sim->arena, "{\"from\":%d,\"n\":%" PRId64 "}",
                                        SENDER_DIRECT, call->number)),
    };
    call->letter =
        (struct letter){ .kind = MESSAGE_RAISE, .instance_id = id, .event = &call->event };
    call->command.as.tell.items = &call->letter;
    call->command.as.tell.count = 1;
    call->command.as.tell.statuses = call->statuses;
    sim_trace(sim, "raise %.*s %" PRId64, TEXT_ARGS(id), call->number);
    partition_apply(sim->slots[partition].partition, sim->now, &call->command);
    calls_look(sim);
}

/* Another process puts a message into the mailbox. */
void calls_mail(struct sim *sim)
{
    struct message message = { .kind = sim_chance(sim, 1, 2) ? MESSAGE_START : MESSAGE_RAISE };
    struct event event = { .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = sim->now };
    if (message.kind == MESSAGE_START) {
        struct start_command start = some_start(sim, &message.partition, true);
        message.flags = start.replaces;
        message.instance_id = start.id;
        event.kind = EVENT_EXECUTION_STARTED;
        event.instance_id = start.id;
        event.execution_id = start.execution_id;
        event.name = start.name;
        event.version = start.version;
        event.payload = start.input;
    } else {
        message.instance_id = calls_some_id(sim);
        message.partition = partition_of(message.instance_id, sim->partition_count);
        event.kind = EVENT_EVENT_RAISED;
        event.name = some_name(sim);
        event.payload = text_of(arena_printf(&sim->arena, "{\"from\":%d,\"n\":%" PRId64 "}",
                                             SENDER_MAIL, ++sim->mail_number));
    }
    struct buffer bytes;
    buffer_init(&bytes);
    wire_write_event(&bytes, &event);
    message.bytes = buffer_text(&bytes);
    pd_error err;
    pd_status status = sim->inner->ops->accept(sim->inner, &message, 1, &err);
    buffer_done(&bytes);
    sim_trace(sim, "mail %d %.*s %.*s: %d", message.kind, TEXT_ARGS(message.instance_id),
              TEXT_ARGS(event.payload), status);
    const struct ledger_row *row = ledger_find(&sim->ledger, message.instance_id);
    bool lives = row != NULL && !run_state_is_final(row->state);
    if (message.kind == MESSAGE_START) {
        sim_check(sim, status == PD_OK || status == PD_E_EXISTS, "mail: start gave %d", status);
        sim_check(sim, status != PD_OK || !lives, "mail: '%.*s' lives, and a start was taken",
                  TEXT_ARGS(message.instance_id));
    } else {
        sim_check(sim, status == PD_OK || status == PD_E_NOT_FOUND || status == PD_E_STATE,
                  "mail: raise gave %d", status);
        sim_check(sim, status == PD_OK || !lives, "mail: '%.*s' lives, and a raise was refused",
                  TEXT_ARGS(message.instance_id));
    }
    if (status == PD_OK) {
        struct sent *sent = arena_alloc(&sim->arena, sizeof *sent);
        *sent = (struct sent){ sim->sent,           message.kind == MESSAGE_START,
                               message.instance_id, event.execution_id,
                               sim->mail_number,    sim->ledger.commits };
        sim->sent = sent;
    }
    struct slot *slot = &sim->slots[message.partition];
    if (slot->partition != NULL && sim_chance(sim, 3, 4)) {
        partition_notice_mail(slot->partition);
    }
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

/* K2: somebody of this id was alive, durably, between question and answer. */
static bool was_alive(struct sim *sim, struct text id, uint64_t since)
{
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        if (text_equal(row->id, id) && (row->ended == 0 || row->ended > since)) {
            return true;
        }
    }
    return false;
}

static bool has_ended_since(struct sim *sim, struct text id, uint64_t since)
{
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        if (text_equal(row->id, id) && row->ended != 0 && row->ended > since) {
            return true;
        }
    }
    return false;
}

/* K2: there was a time without any of this id. */
static bool was_absent(struct sim *sim, const struct call *call, struct text id)
{
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        if (text_equal(row->id, id) && row->begun <= call->asked) {
            return false;
        }
    }
    return true;
}

static void check_started(struct sim *sim, const struct call *call)
{
    for (size_t i = 0; i < call->command.as.start.count; i++) {
        const struct start_command *item = &call->items[i];
        pd_status status = call->statuses[i];
        sim_trace(sim, "answer: start %.*s: %d", TEXT_ARGS(item->id), status);
        if (status == PD_OK) {
            const struct ledger_row *row = ledger_find_execution(&sim->ledger, item->execution_id);
            sim_check(sim,
                      row != NULL && text_equal(row->id, item->id) &&
                          text_equal(row->input, item->input) && text_equal(row->name, item->name),
                      "the start of '%.*s' was acknowledged and is not durable",
                      TEXT_ARGS(item->id));
        } else if (status == PD_E_EXISTS) {
            sim_check(sim, was_alive(sim, item->id, call->asked),
                      "'%.*s' was refused as existing, and none is alive", TEXT_ARGS(item->id));
        } else {
            check_excused(sim, call, status);
        }
    }
}

static void check_raised(struct sim *sim, const struct call *call)
{
    pd_status status = call->command.status;
    struct text id = call->letter.instance_id;
    sim_trace(sim, "answer: raise %.*s %" PRId64 ": %d", TEXT_ARGS(id), call->number, status);
    if (status == PD_OK) {
        sim_check(sim,
                  ledger_has_raised(&sim->ledger, SENDER_DIRECT, call->number) ||
                      has_ended_since(sim, id, call->asked),
                  "raise %" PRId64 " for '%.*s' was acknowledged and is not durable", call->number,
                  TEXT_ARGS(id));
    } else if (status == PD_E_STATE) {
        sim_check(sim, has_ended_since(sim, id, 0),
                  "'%.*s' has ended, says the answer, and it has not", TEXT_ARGS(id));
        sim_check(sim, !call->asked_of_living || has_ended_since(sim, id, call->asked),
                  "'%.*s' lived and is said to have ended", TEXT_ARGS(id));
    } else if (status == PD_E_NOT_FOUND) {
        sim_check(sim, was_absent(sim, call, id), "'%.*s' is there and was not found",
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
        if (call->command.kind == COMMAND_START) {
            check_started(sim, call);
        } else {
            check_raised(sim, call);
        }
    }
}

/* S6: a message takes effect once, or cannot take effect any more. */
void calls_check_mail(struct sim *sim)
{
    for (const struct sent *sent = sim->sent; sent != NULL; sent = sent->next) {
        if (sent->is_start) {
            sim_check(sim,
                      ledger_find_execution(&sim->ledger, sent->execution_id) != NULL ||
                          was_alive(sim, sent->id, sent->asked),
                      "mail: the start of '%.*s' was lost", TEXT_ARGS(sent->id));
        } else {
            sim_check(sim,
                      ledger_has_raised(&sim->ledger, SENDER_MAIL, sent->number) ||
                          has_ended_since(sim, sent->id, sent->asked),
                      "mail: raise %" PRId64 " for '%.*s' was lost", sent->number,
                      TEXT_ARGS(sent->id));
        }
    }
}

void calls_lost(struct sim *sim)
{
    for (struct call *call = sim->calls; call != NULL; call = call->next) {
        latch_done(&call->latch);
    }
    sim->calls = NULL;
}
