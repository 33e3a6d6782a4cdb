/* SPDX-License-Identifier: MIT
 *
 * Wishes: what clients want of entities, and whether what they are told of it is true.
 *
 * Signals, at once and for a time, the taking back of signals (also of others'), purges, with the
 * time of the last change and without, unlockings; and what only instances do, which is refused. */
#include <inttypes.h>

#include "sim.h"

/* ---- making ---------------------------------------------------------------------------------- */

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

static struct text some_request_id(struct sim *sim)
{
    char hex[33];
    random_hex32(&sim->random, hex);
    return text_of(arena_printf(&sim->arena, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                                hex + 16, hex + 20));
}

static struct box_request some_request(struct sim *sim, int64_t from)
{
    static const enum how hows[] = { HOW_WELL, HOW_WELL, HOW_WELL, HOW_FAIL, HOW_LEAVE };
    return (struct box_request){
        .from = from,
        .n = ++sim->wish_number,
        .value = (int64_t)sim_below(sim, 1000),
        .how = (int)hows[sim_below(sim, sizeof hows / sizeof *hows)],
        .to = (int)sim_below(sim, SIM_BOXES),
        .hops = (int)sim_below(sim, HOPS_MAX + 1),
        .late_ms = sim_chance(sim, 1, 4) ? (int64_t)sim_below(sim, 3000) : 0,
    };
}

static struct order *some_signal(struct sim *sim, int64_t sender)
{
    static const enum deed deeds[] = { DEED_ADD,  DEED_ADD,   DEED_ADD,    DEED_TELL,
                                       DEED_TELL, DEED_START, DEED_DELETE, DEED_LOOK };
    static const time_us waits[] = { -1, 50 * TIME_MS, 2 * TIME_SECOND, 400 * TIME_SECOND };
    enum deed deed = deeds[sim_below(sim, sizeof deeds / sizeof *deeds)];
    bool is_stranger = sim_chance(sim, 1, 20);
    unsigned entity = is_stranger ? SIM_STRANGER : (unsigned)sim_below(sim, SIM_BOXES);
    struct order *order =
        order_new(sim, MESSAGE_OPERATION, EVENT_ENTITY_SIGNALED, text_of(sim_entities[entity].id));
    struct box_request request = some_request(sim, sender);
    struct event *event = &order->event;
    event->name = text_of(sim_chance(sim, 1, 2) ? sim_deeds[deed] : sim_deed_aliases[deed]);
    event->payload = box_request_write(&sim->arena, &request);
    event->request_id = some_request_id(sim);
    if (sim_chance(sim, 1, 3)) {
        event->fire_at = sim->now + waits[sim_below(sim, sizeof waits / sizeof *waits)];
    }
    struct ledger_saying saying = {
        .to = order->letter.instance_id,
        .sender = text_of(arena_printf(&sim->arena, "client %" PRId64, sender)),
        .payload = event->payload,
        .request_id = event->request_id,
        .fire_at = event->fire_at,
    };
    order->deed = ledger_say(&sim->ledger, &saying);
    return order;
}

static struct ledger_entity *some_entity(struct sim *sim)
{
    return sim->ledger.entity_count > 0
               ? sim->ledger.entities[sim_below(sim, sim->ledger.entity_count)]
               : NULL;
}

/* One that waits, if there is any; it may have gone when the order comes. */
static struct order *some_taking_back(struct sim *sim)
{
    const struct ledger_entity *entity = NULL;
    for (int i = 0; i < 8 && (entity == NULL || entity->inbox_count == 0); i++) {
        entity = some_entity(sim);
    }
    if (entity == NULL || entity->inbox_count == 0) {
        return NULL;
    }
    const struct event *event = entity->inbox[sim_below(sim, entity->inbox_count)].event;
    if (event->kind != EVENT_ENTITY_SIGNALED) {
        return NULL;
    }
    struct order *order = order_new(sim, MESSAGE_CANCEL_SIGNAL, EVENT_SIGNAL_CANCELLED, entity->id);
    order->event.request_id = event->request_id;
    order->deed = ledger_deed_find(&sim->ledger, event->payload);
    order->deed->is_taken_back = true;
    return order;
}

/* Of its signals that wait for their time. */
static uint64_t last_delayed(const struct ledger_entity *entity)
{
    return entity->timer_count > 0 ? entity->inbox[entity->inbox_count - 1].arrival : 0;
}

static struct order *some_purge(struct sim *sim)
{
    struct ledger_entity *entity = some_entity(sim);
    if (entity == NULL || sim_is_account(entity->model.entity)) {
        return NULL; /* money is not to be lost */
    }
    if (sim->has_away) {
        return NULL; /* what a turn elsewhere answers still counts, with the state that is gone */
    }
    if (!sim->user.may_purge && entity->updated_at == 0) {
        return NULL; /* it has never been changed */
    }
    struct order *order = order_new(sim, MESSAGE_PURGE, EVENT_UNKNOWN, entity->id);
    if (!sim->user.may_purge || sim_chance(sim, 1, 2)) {
        order->letter.execution_id =
            text_of(arena_printf(&sim->arena, "%" PRId64, entity->updated_at));
    }
    order->number = (int64_t)last_delayed(entity);
    order->event.fire_at = (time_us)entity->number; /* in which row */
    entity->purges++;
    entity->purged_in = sim->ledger.commits + 1;
    return order;
}

/* As whoever tidies up says it, of a lock whose owner is gone; of one that lives, the section or
 * the execution is another, and nothing may come of it. */
static struct order *some_unlocking(struct sim *sim)
{
    const struct ledger_entity *entity = some_entity(sim);
    for (int i = 0; i < 8 && entity != NULL && !text_is_present(entity->owner); i++) {
        entity = some_entity(sim);
    }
    if (entity == NULL || !text_is_present(entity->owner)) {
        return NULL;
    }
    struct order *order = order_new(sim, MESSAGE_UNLOCK, EVENT_UNLOCK_SENT, entity->id);
    const struct ledger_row *row = ledger_find(&sim->ledger, entity->owner);
    bool is_other = ledger_is_alive(row) && text_equal(row->execution_id, entity->execution);
    bool is_other_section = is_other && sim_chance(sim, 1, 2);
    order->event.request_id = is_other_section ? some_request_id(sim) : entity->section;
    order->extra.has_parent = true;
    order->extra.parent_id = entity->owner;
    order->extra.parent_execution_id =
        is_other && !is_other_section ? some_request_id(sim) : entity->execution;
    order->event.extra = &order->extra;
    return order;
}

struct order *wishes_some(struct sim *sim, int64_t sender)
{
    uint64_t kind = sim_below(sim, 22);
    if (kind >= 20) {
        return some_unlocking(sim);
    }
    if (kind < 14) {
        return some_signal(sim, sender);
    }
    if (kind < 17) {
        return some_taking_back(sim);
    }
    if (kind < 19) {
        return some_purge(sim);
    }
    struct text id = text_of(sim_entities[sim_below(sim, SIM_ENTITIES)].id);
    return order_new(sim, MESSAGE_TERMINATE, EVENT_EXECUTION_TERMINATED, id);
}

struct text wishes_call_input(struct sim *sim)
{
    struct box_request request = some_request(sim, 4);
    request.how = request.how == HOW_LEAVE ? HOW_FAIL : request.how;
    enum deed deed = sim_chance(sim, 1, 2) ? DEED_ADD : DEED_TELL;
    const struct sim_entity *entity = &sim_entities[sim_below(sim, SIM_BOXES)];
    struct text input = box_request_write(&sim->arena, &request);
    return text_of(arena_printf(&sim->arena, "{\"entity\":\"@%s@%s\",\"op\":\"%s\",\"input\":%.*s}",
                                entity->alias, entity->key, sim_deeds[deed], TEXT_ARGS(input)));
}

/* ---- what they are told ---------------------------------------------------------------------- */

bool wishes_are_done(struct sim *sim, const struct order *order)
{
    const struct ledger_deed *deed = order->deed;
    return deed->done > 0 || deed->void_since != 0 || ledger_deed_waits(&sim->ledger, deed) ||
           (deed->fire_at != 0 && ledger_entity(&sim->ledger, deed->to)->purged_in != 0);
}

static void check_taking_back(struct sim *sim, struct ledger_deed *deed, pd_status status)
{
    bool is_once = deed->said + deed->maybe == 1;
    if (status == PD_OK) {
        sim_check(sim, !is_once || deed->done == 0, "'%.*s': %.*s was taken back, and is done",
                  TEXT_ARGS(deed->to), TEXT_ARGS(deed->key));
        ledger_deed_void(&sim->ledger, deed);
        return;
    }
    /* One in a turn that is elsewhere waits, too, and cannot be taken back any more. */
    sim_check(sim, !is_once || sim->has_away || !ledger_deed_waits(&sim->ledger, deed),
              "'%.*s': %.*s waits, and was not found to be taken back", TEXT_ARGS(deed->to),
              TEXT_ARGS(deed->key));
}

/* What it was when the order came, before the commit, the ledger does not know. */
static void check_purge(struct sim *sim, const struct order *order, uint64_t asked,
                        pd_status status)
{
    const struct ledger_entity *entity = ledger_entity(&sim->ledger, order->letter.instance_id);
    sim_check(sim, status != PD_E_NOT_FOUND || entity->changed_in > asked || entity->number == 0,
              "'%.*s' is there, and was not found to be purged", TEXT_ARGS(entity->id));
    sim_check(sim, status != PD_E_STATE || text_is_present(order->letter.execution_id),
              "'%.*s' is not purged, and should be", TEXT_ARGS(entity->id));
    bool is_same = entity->number == (uint64_t)order->event.fire_at;
    for (size_t i = entity->inbox_count - entity->timer_count;
         status == PD_OK && is_same && i < entity->inbox_count; i++) {
        sim_check(sim, entity->inbox[i].arrival > (uint64_t)order->number,
                  "'%.*s' was purged, and a signal still waits for its time",
                  TEXT_ARGS(entity->id));
    }
}

void wishes_answered(struct sim *sim, const struct order *order, uint64_t asked, pd_status status)
{
    struct text id = order->letter.instance_id;
    switch ((int)order->letter.kind) {
    case MESSAGE_OPERATION:
        sim_check(sim, status == PD_OK && wishes_are_done(sim, order),
                  "a signal for '%.*s' (%.*s) was answered with %d, and is not durable",
                  TEXT_ARGS(id), TEXT_ARGS(order->event.payload), status);
        order->deed->maybe--;
        order->deed->said++;
        break;
    case MESSAGE_CANCEL_SIGNAL:
        sim_check(sim, status != PD_E_STATE, "a signal is in no state");
        check_taking_back(sim, order->deed, status);
        break;
    case MESSAGE_PURGE: check_purge(sim, order, asked, status); break;
    case MESSAGE_UNLOCK:
        sim_check(sim, status == PD_OK, "an unlocking of '%.*s' was refused", TEXT_ARGS(id));
        break;
    default:
        sim_check(sim, status == PD_E_NOT_FOUND, "'%.*s' was told what no entity does: %d",
                  TEXT_ARGS(id), status);
    }
}

/* A message that makes it, or has made it, waits. */
static bool is_on_its_way(const struct sim *sim, struct text id, unsigned partition)
{
    for (const struct ledger_mail *m = sim->ledger.mail[partition]; m != NULL; m = m->next) {
        if (m->due.kind == MESSAGE_OPERATION && text_equal(m->due.id, id)) {
            return true;
        }
    }
    return false;
}

void wishes_accepted(struct sim *sim, const struct order *order, pd_status status)
{
    struct text id = order->letter.instance_id;
    bool is_there =
        ledger_entity(&sim->ledger, id)->number != 0 || is_on_its_way(sim, id, order->partition);
    bool is_wrong = order->letter.kind == MESSAGE_TERMINATE;
    bool is_signal = order->letter.kind == MESSAGE_OPERATION;
    bool is_unlocking = order->letter.kind == MESSAGE_UNLOCK;
    pd_status expected =
        is_signal || is_unlocking || (is_there && !is_wrong) ? PD_OK : PD_E_NOT_FOUND;
    sim_check(sim, status == expected, "mail: kind %d for '%.*s' gave %d, not %d",
              order->letter.kind, TEXT_ARGS(id), status, expected);
    if (is_signal) {
        order->deed->maybe--;
        order->deed->said++;
    }
}
