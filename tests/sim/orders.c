/* SPDX-License-Identifier: MIT
 *
 * Orders: what clients want of instances, made up at random; given by a call, or by mail.
 *
 * An order that is carried out can make things come out otherwise than the model has it; then it
 * says so (disturbed), whether it is carried out or not. */
#include <inttypes.h>

#include "api/archive.h"
#include "core/lock_set.h"
#include "sim.h"

/* ---- ids ---- */

static struct text numbered(struct sim *sim, const char *prefix, uint64_t number)
{
    return text_of(arena_printf(&sim->arena, "%s%" PRIu64, prefix, number));
}

static struct text random_hex(struct sim *sim)
{
    char hex[33];
    random_hex32(&sim->random, hex);
    return text_copy(&sim->arena, text_of(hex));
}

/* A few that everybody uses, so that they meet; or one that has been made for this. */
struct text orders_some_id(struct sim *sim)
{
    if (sim->ledger.row_count > 0 && sim_chance(sim, 1, 2)) {
        return sim->ledger.rows[sim_below(sim, sim->ledger.row_count)]->id;
    }
    return numbered(sim, "shared-", sim_below(sim, SIM_IDS));
}

/* ---- making ---- */

static struct order *order_new(struct sim *sim, enum message_kind kind, enum event_kind event,
                               struct text id)
{
    struct order *order = arena_alloc(&sim->arena, sizeof *order);
    order->event =
        (struct event){ .kind = event, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = sim->now };
    order->letter = (struct letter){ .kind = kind,
                                     .instance_id = id,
                                     .event = event != EVENT_UNKNOWN ? &order->event : NULL };
    order->partition = partition_of(id, sim->partition_count);
    return order;
}

struct order *orders_raise(struct sim *sim, struct text id, int64_t sender)
{
    struct order *order = order_new(sim, MESSAGE_RAISE, EVENT_EVENT_RAISED, id);
    size_t name = (size_t)sim_below(sim, SIM_NAMES);
    order->number = sender == SENDER_DIRECT ? ++sim->raise_number : ++sim->mail_number;
    order->event.name =
        text_of(sim_chance(sim, 1, 2) ? sim_event_names[name] : sim_event_aliases[name]);
    order->event.payload = text_of(
        arena_printf(&sim->arena, "{\"from\":%d,\"n\":%" PRId64 "}", (int)sender, order->number));
    return order;
}

static unsigned some_replaced(struct sim *sim, struct text id)
{
    if (sim_chance(sim, 1, 8)) {
        sim_put(&sim->killable, text_copy(&sim->arena, id), sim);
        sim_disturb(sim, id);
        return STATES_ALL;
    }
    return sim_chance(sim, 1, 8) ? 1u << RUN_FAILED : sim_chance(sim, 1, 8) ? 0 : STATES_ENDED;
}

struct order *orders_start(struct sim *sim)
{
    static const time_us waits[] = { 0, 100 * TIME_MS, 10 * TIME_SECOND, 400 * TIME_SECOND };
    bool is_own = sim_chance(sim, 1, 3);
    struct text id = is_own ? numbered(sim, "own-", ++sim->id_number)
                            : numbered(sim, "shared-", sim_below(sim, SIM_IDS));
    struct order *order = order_new(sim, MESSAGE_START, EVENT_EXECUTION_STARTED, id);
    struct event *event = &order->event;
    order->letter.flags = some_replaced(sim, id);
    event->instance_id = id;
    event->execution_id = random_hex(sim);
    event->name = sim_chance(sim, 1, 40) ? TEXT("nobody") : TEXT("play");
    if (sim_chance(sim, 1, 4)) {
        event->version = TEXT("1.5");
    }
    if (sim_chance(sim, 1, 4)) {
        struct tag tag = { TEXT("who"), id };
        order->extra.tags = tags_pack(&sim->arena, &tag, 1);
        event->extra = &order->extra;
    }
    if (sim_chance(sim, 1, 5)) {
        event->fire_at = sim->now + waits[sim_below(sim, sizeof waits / sizeof *waits)];
    }
    uint64_t seed = sim_below(sim, UINT64_C(1) << 53);
    if (sim_chance(sim, 1, 16)) {
        event->name = TEXT("perdure.call");
        event->payload = wishes_call_input(sim);
        return order;
    }
    event->payload = text_of(arena_printf(&sim->arena, "{\"seed\":%" PRIu64 "}", seed));
    return order;
}

/* What had come in before event `number`, in a turn that is cut there, waits again; 0: the turn
 * that ended it is cut behind its end. A start that no turn keeps waits as well. */
static size_t count_waiting(const struct adoption *life, uint64_t number)
{
    const struct turn_events *turns = life->turns;
    size_t count = 0;
    uint64_t left = number == 0 ? UINT64_MAX : number - 1;
    for (size_t i = 0; i < life->turn_count; i++) {
        const struct event *last = &turns[i].events[turns[i].count - 1];
        bool is_end = number == 0 && last->kind == EVENT_EXECUTION_COMPLETED;
        if (!is_end && left > turns[i].count) { /* OrchestratorCompleted counts */
            left -= turns[i].count + 1;
            continue;
        }
        for (size_t k = 1; k < turns[i].count && k < left; k++) {
            enum event_kind kind = turns[i].events[k].kind;
            count += event_role(kind) == ROLE_INPUT && kind != EVENT_EXECUTION_STARTED;
        }
        return count + (i == 0);
    }
    return life->turn_count == 0;
}

/* What stays of it ends inside a critical section, or on the way into one. */
static bool ends_locked(const struct adoption *life, uint64_t number)
{
    const struct turn_events *turns = life->turns;
    size_t open = 0;
    uint64_t left = number == 0 ? UINT64_MAX : number - 1;
    for (size_t i = 0; i < life->turn_count; i++) {
        const struct event *last = &turns[i].events[turns[i].count - 1];
        bool is_end = number == 0 && last->kind == EVENT_EXECUTION_COMPLETED;
        if (is_end || left <= turns[i].count) {
            break;
        }
        left -= turns[i].count + 1;
        for (size_t k = 0; k < turns[i].count; k++) {
            const struct event *event = &turns[i].events[k];
            open +=
                event->kind == EVENT_LOCK_REQUESTED ? lock_set_count(event->extra->lock_set) : 0;
            open -= event->kind == EVENT_UNLOCK_SENT;
        }
    }
    return open > 0;
}

/* The life of some instance, up to some event of it, as another one's. */
static struct order *fork_of(struct sim *sim, const struct ledger_row *row)
{
    struct arena *arena = &sim->arena;
    struct order *order =
        order_new(sim, MESSAGE_ADOPT, EVENT_UNKNOWN, numbered(sim, "fork-", sim_below(sim, 12)));
    struct text execution_id = random_hex(sim);
    struct archive source;
    struct archive made;
    struct adoption life;
    struct adoption adoption;
    struct buffer bytes;
    pd_error err;
    bool found = false;
    sim_check(sim, archive_load(sim->inner, row->number, arena, &source, &found, &err) == PD_OK,
              "'%.*s' cannot be archived: %s", TEXT_ARGS(row->id), err.text);
    sim_check(sim, found && archive_unpack(&source, arena, &life, &err) == PD_OK,
              "'%.*s' cannot be unpacked: %s", TEXT_ARGS(row->id), err.text);
    uint64_t events = 0;
    for (size_t i = 0; i < life.turn_count; i++) {
        events += life.turns[i].count + 1;
    }
    uint64_t number = sim_chance(sim, 1, 3) || events == 0 ? 0 : 1 + sim_below(sim, events);
    pd_status status =
        rewrite_fork(&source.record, life.turns, life.turn_count, number, order->letter.instance_id,
                     execution_id, arena, &adoption, &err);
    bool is_locked = ends_locked(&life, number);
    sim_check(sim, status == (is_locked ? PD_E_INVALID : PD_OK),
              "'%.*s' can%s be forked at %" PRIu64 ": %s", TEXT_ARGS(row->id),
              is_locked ? "" : "not", number, err.text);
    if (is_locked) {
        return NULL;
    }
    sim_check(sim, adoption.waiting_count == count_waiting(&life, number),
              "of '%.*s', forked at %" PRIu64 ", %zu events wait, not %zu", TEXT_ARGS(row->id),
              number, adoption.waiting_count, count_waiting(&life, number));
    struct fork *fork = arena_alloc(arena, sizeof *fork);
    fork->turns = adoption.turn_count;
    sim_put(&sim->forks, execution_id, fork);
    archive_pack(&adoption, arena, &made);
    buffer_init(&bytes);
    sim_check(sim, wire_write_archive(&bytes, &made, &err) == PD_OK, "no archive: %s", err.text);
    order->letter.bytes = text_copy(arena, buffer_text(&bytes));
    order->letter.flags = sim_chance(sim, 1, 2) ? STATES_ENDED : 0;
    order->event.execution_id = execution_id;
    buffer_done(&bytes);
    return order;
}

struct order *orders_for(struct sim *sim, struct text id, enum message_kind kind)
{
    static const enum event_kind events[] = {
        [MESSAGE_TERMINATE] = EVENT_EXECUTION_TERMINATED,
        [MESSAGE_SUSPEND] = EVENT_EXECUTION_SUSPENDED,
        [MESSAGE_RESUME] = EVENT_EXECUTION_RESUMED,
        [MESSAGE_REWIND] = EVENT_EXECUTION_REWOUND,
        [MESSAGE_PURGE] = EVENT_UNKNOWN,
    };
    struct order *order = order_new(sim, kind, events[kind], id);
    order->event.payload =
        text_of(arena_printf(&sim->arena, "\"order %" PRId64 "\"", ++sim->order_number));
    if (kind == MESSAGE_TERMINATE) {
        sim_put(&sim->stops, order->event.payload, order);
        order->extra.recurses = sim_chance(sim, 1, 2);
        order->event.extra = &order->extra;
    }
    const struct ledger_row *row = ledger_find(&sim->ledger, id);
    bool is_child = row == NULL || text_is_present(row->parent_id);
    if (kind == MESSAGE_TERMINATE || (kind == MESSAGE_REWIND && is_child)) {
        sim_disturb(sim, id); /* a child's parent may be about to try it again */
    }
    return order;
}

/* ---- whom it may concern ---- */

static bool is_fit(const struct ledger_row *row, enum message_kind kind)
{
    switch ((int)kind) {
    case MESSAGE_RESUME: return row->state == RUN_SUSPENDED;
    case MESSAGE_REWIND: return row->state == RUN_FAILED;
    case MESSAGE_PURGE: return run_state_is_final(row->state);
    case MESSAGE_ADOPT: return true;
    default: return !run_state_is_final(row->state);
    }
}

static bool has_open_child(const struct ledger_row *row)
{
    for (size_t i = 0; i < row->step_count; i++) {
        if (row->steps[i].kind == LEDGER_CHILD && !row->steps[i].is_closed) {
            return true;
        }
    }
    return false;
}

/* Of those that have failed: one of whose children has ended just now, one that has left some
 * behind, or the one of the longest history. */
static const struct ledger_row *some_failed(struct sim *sim)
{
    const struct ledger_row *best = residents_parent_of_ended(sim);
    for (int i = 0; i < 16 && best == NULL && sim->ledger.row_count > 0; i++) {
        const struct ledger_row *row = sim->ledger.rows[sim_below(sim, sim->ledger.row_count)];
        if (!row->is_deleted && row->state == RUN_FAILED && has_open_child(row)) {
            best = row;
        }
    }
    for (int i = 0; i < 16 && sim->ledger.row_count > 0; i++) {
        const struct ledger_row *row = sim->ledger.rows[sim_below(sim, sim->ledger.row_count)];
        if (!row->is_deleted && row->state == RUN_FAILED &&
            (best == NULL || (!has_open_child(best) && row->turn_count > best->turn_count))) {
            best = row;
        }
    }
    return best;
}

struct order *orders_some(struct sim *sim)
{
    static const enum message_kind kinds[] = {
        MESSAGE_TERMINATE, MESSAGE_SUSPEND, MESSAGE_SUSPEND, MESSAGE_RESUME, MESSAGE_RESUME,
        MESSAGE_REWIND,    MESSAGE_REWIND,  MESSAGE_PURGE,   MESSAGE_ADOPT,
    };
    enum message_kind kind = kinds[sim_below(sim, sizeof kinds / sizeof *kinds)];
    const struct ledger_row *row = kind == MESSAGE_REWIND ? some_failed(sim) : NULL;
    for (int i = 0; i < 8 && row == NULL && sim->ledger.row_count > 0; i++) {
        const struct ledger_row *one = sim->ledger.rows[sim_below(sim, sim->ledger.row_count)];
        if (!one->is_deleted && is_fit(one, kind)) {
            row = one;
        }
    }
    if (kind == MESSAGE_ADOPT) {
        return row != NULL ? fork_of(sim, row) : NULL;
    }
    return orders_for(sim, row != NULL ? row->id : orders_some_id(sim), kind);
}

/* ---- effects ---- */

/* Somebody has heard of a suspension, or it cannot be told any more. */
static bool has_heard(const struct ledger_row *row, enum event_kind kind)
{
    for (size_t i = 0; i < row->inbox_count; i++) {
        if (row->inbox[i].event->kind == kind) {
            return true;
        }
    }
    for (size_t t = 0; t < row->turn_count; t++) {
        for (size_t k = 1; k < row->turns[t].inputs; k++) {
            if (row->turns[t].events[k].kind == kind) {
                return true;
            }
        }
    }
    return false;
}

bool orders_are_done(struct sim *sim, const struct order *order, uint64_t asked)
{
    struct ledger_row *row;
    struct text id = order->letter.instance_id;
    if (order->letter.kind == MESSAGE_START || order->letter.kind == MESSAGE_ADOPT) {
        return ledger_find_execution(&sim->ledger, order->event.execution_id) != NULL;
    }
    if (order->letter.kind == MESSAGE_RAISE) {
        int64_t sender = 0;
        int64_t number = 0;
        (void)ledger_read_raise(&order->event, &sender, &number);
        if (ledger_has_raised(&sim->ledger, sender, number)) {
            return true;
        }
    }
    for (size_t cursor = sim->ledger.row_count;
         (row = ledger_next(&sim->ledger, id, &cursor)) != NULL;) {
        bool has_ended = row->ended_last > asked;
        bool is_renewed = row->renewed > asked;
        bool is_done = false;
        switch ((int)order->letter.kind) {
        case MESSAGE_RAISE: is_done = has_ended || is_renewed; break;
        case MESSAGE_TERMINATE:
            is_done = text_equal(row->output, order->event.payload) || row->is_killed;
            break;
        case MESSAGE_SUSPEND:
            is_done = has_ended || is_renewed || has_heard(row, EVENT_EXECUTION_SUSPENDED);
            break;
        case MESSAGE_RESUME: is_done = true; break;
        case MESSAGE_REWIND: is_done = is_renewed || row->deleted > asked; break;
        case MESSAGE_PURGE: is_done = row->deleted > asked; break;
        default: break;
        }
        if (is_done) {
            return true;
        }
    }
    return false;
}
