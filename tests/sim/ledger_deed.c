/* SPDX-License-Identifier: MIT
 *
 * The ledger: operations of entities (L5).
 *
 * Every input of an operation has a number of its own. Who asks for it is known from histories,
 * from turns that left none, from the operations of other entities, and from clients' orders; when
 * it takes effect, from the batches of operations that the spy has seen run, which are in the batch
 * of the store that was cut next.
 *
 * An execution that was rewound may ask again, and is done again what it asks. What a rewound
 * execution or a fork has in its history may be asked for again, if it was open: then nothing is
 * said of orders, and only the bounds are known. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/lock_set.h"
#include "ledger_priv.h"
#include "sim.h"

struct text ledger_deed_key(struct arena *arena, struct text payload)
{
    struct box_request request;
    return box_request_read(payload, &request)
               ? text_of(arena_printf(arena, "%" PRId64 " %" PRId64, request.from, request.n))
               : TEXT_ABSENT;
}

struct ledger_deed *ledger_deed_find(const struct ledger *ledger, struct text payload)
{
    struct text key = ledger_deed_key(ledger->arena, payload);
    return text_is_present(key) ? map_find(&ledger->deeds_by_key, key) : NULL;
}

/* ---- said ------------------------------------------------------------------------------------ */

static struct text request_key(const struct ledger *ledger, struct text to, struct text request_id)
{
    return text_of(arena_printf(ledger->arena, "%.*s %.*s", TEXT_ARGS(to), TEXT_ARGS(request_id)));
}

struct ledger_deed *ledger_deed_of_request(const struct ledger *ledger, struct text to,
                                           struct text request_id)
{
    return map_find(&ledger->deeds_by_request, request_key(ledger, to, request_id));
}

static int64_t number_of(struct text payload)
{
    struct box_request request;
    (void)box_request_read(payload, &request);
    return request.n;
}

static struct ledger_deed *deed_new(struct ledger *ledger, struct text key,
                                    const struct ledger_saying *saying)
{
    struct ledger_deed *deed = arena_alloc(ledger->arena, sizeof *deed);
    *deed = (struct ledger_deed){
        .key = key,
        .to = text_copy(ledger->arena, saying->to),
        .sender = text_copy(ledger->arena, saying->sender),
        .is_call = saying->is_call,
        .number = number_of(saying->payload),
    };
    map_put(&ledger->deeds_by_key, key, deed);
    LEDGER_ROOM(ledger, ledger->deeds, ledger->deed_count, ledger->deed_room);
    return ledger->deeds[ledger->deed_count++] = deed;
}

struct ledger_deed *ledger_say(struct ledger *ledger, const struct ledger_saying *saying)
{
    struct text key = ledger_deed_key(ledger->arena, saying->payload);
    if (!text_is_present(key)) {
        sim_fail(ledger->sim, "'%.*s' is asked for what nobody knows: %.*s", TEXT_ARGS(saying->to),
                 TEXT_ARGS(saying->payload));
    }
    struct ledger_deed *deed = map_find(&ledger->deeds_by_key, key);
    deed = deed != NULL ? deed : deed_new(ledger, key, saying);
    deed->said += saying->is_sure;
    deed->maybe += !saying->is_sure;
    if (saying->is_sure || deed->order == 0) {
        deed->order = ++ledger->said;
        deed->void_since = 0;
        deed->fire_at = saying->fire_at;
        deed->is_of_history = saying->is_of_history;
        deed->is_inside = saying->is_inside;
        deed->request_id = text_copy(ledger->arena, saying->request_id);
        sim_put(&ledger->deeds_by_request, request_key(ledger, deed->to, deed->request_id), deed);
    }
    return deed;
}

static void expect(struct ledger *ledger, const struct ledger_due *due)
{
    struct ledger_due kept = *due;
    kept.id = text_copy(ledger->arena, due->id);
    kept.step = kept.kind == MESSAGE_ANSWER ? due->step : EVENT_NO_ID;
    ledger_expect(ledger, &kept);
}

static void take_back(struct ledger *ledger, struct text to, struct text request_id)
{
    struct ledger_deed *deed = ledger_deed_of_request(ledger, to, request_id);
    sim_check(ledger->sim, deed != NULL, "a signal to '%.*s' is cancelled that nobody has sent",
              TEXT_ARGS(to));
    deed->is_taken_back = true;
}

static void say_of(struct ledger *ledger, const struct ledger_row *row, const struct event *event,
                   bool is_copy)
{
    (void)ledger_say(
        ledger, &(struct ledger_saying){
                    .to = event->instance_id,
                    .sender = text_of(arena_printf(ledger->arena, "row %" PRIu64, row->number)),
                    .payload = event->payload,
                    .request_id = event->request_id,
                    .is_call = event->kind == EVENT_ENTITY_CALLED,
                    .is_of_history = event->at != 0,
                    .is_inside = ledger_is_locking(row),
                    .fire_at = event->fire_at,
                    .is_sure = !is_copy,
                });
}

void ledger_ask(struct ledger *ledger, const struct ledger_row *row, const struct event *event,
                bool is_copy)
{
    struct ledger_due due = { .from = row->partition, .id = event->instance_id };
    struct text key;
    switch ((int)event->kind) {
    case EVENT_ENTITY_CALLED:
    case EVENT_ENTITY_SIGNALED:
        if (!is_copy || event->kind == EVENT_ENTITY_CALLED) {
            say_of(ledger, row, event, is_copy);
        }
        due.kind = MESSAGE_OPERATION;
        break;
    case EVENT_LOCK_REQUESTED:
        key = text_of(arena_printf(ledger->arena, "%.*s %.*s", TEXT_ARGS(row->execution_id),
                                   TEXT_ARGS(event->request_id)));
        sim_put(&ledger->sections, key, (void *)(uintptr_t)event);
        due.kind = MESSAGE_OPERATION;
        (void)lock_set_at(event->extra->lock_set, 0, &due.id);
        break;
    case EVENT_UNLOCK_SENT: due.kind = MESSAGE_UNLOCK; break;
    case EVENT_SIGNAL_CANCELLED:
        due.kind = MESSAGE_CANCEL_SIGNAL;
        if (!is_copy) {
            take_back(ledger, event->instance_id, event->request_id);
        }
        break;
    default: return;
    }
    due.key = ledger_entity_key(ledger, event);
    if (!is_copy) {
        expect(ledger, &due);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

struct ledger_heard {
    struct ledger_heard *next;
    const struct ledger_row *row;
    const struct event *called, *answer;
};

void ledger_hear(struct ledger *ledger, const struct ledger_row *row, const struct event *called,
                 const struct event *answer)
{
    struct ledger_heard *heard = arena_alloc(ledger->arena, sizeof *heard);
    *heard = (struct ledger_heard){ ledger->heard, row, called, answer };
    ledger->heard = heard;
}

/* It is that of the operation; of one that was done more than once the ledger has the last. */
static void check_heard(struct ledger *ledger, const struct ledger_heard *heard)
{
    const struct event *answer = heard->answer;
    const struct ledger_deed *deed = ledger_deed_find(ledger, heard->called->payload);
    struct text type = answer->failure != NULL ? answer->failure->type : TEXT_ABSENT;
    sim_check(ledger->sim, deed != NULL && deed->done > 0,
              "'%.*s' hears of step %d, which nobody has done", TEXT_ARGS(heard->row->id),
              answer->ref);
    sim_check(ledger->sim,
              deed->done > 1 || (text_equal(answer->payload, deed->payload) &&
                                 text_equal(type, deed->failure_type)),
              "'%.*s' hears of step %d %.*s%.*s, and the answer was %.*s%.*s",
              TEXT_ARGS(heard->row->id), answer->ref, TEXT_ARGS(answer->payload), TEXT_ARGS(type),
              TEXT_ARGS(deed->payload), TEXT_ARGS(deed->failure_type));
}

/* ---- done ------------------------------------------------------------------------------------ */

struct running {
    struct ledger *ledger;
    struct sim *sim;
    struct ledger_entity *entity;
    const struct batch *batch;
    const struct spy_run *run;
    size_t actions; /* that have been accounted for */
};

/* What a sender has had done last, as it was then: it may be said again. */
struct lane {
    struct text key;
    uint64_t order;
};

/* Of what has no time and was said once, that of a sender comes in the order it was said. */
static void check_order(struct running *r, const struct ledger_deed *deed)
{
    struct ledger *ledger = r->ledger;
    if (deed->fire_at != 0 || deed->said + deed->maybe != 1) {
        return;
    }
    struct lane *lane = arena_alloc(ledger->arena, sizeof *lane);
    *lane = (struct lane){ deed->key, deed->order };
    struct text name = text_of(
        arena_printf(ledger->arena, "%.*s>%.*s", TEXT_ARGS(deed->sender), TEXT_ARGS(deed->to)));
    const struct lane *last = map_find(&ledger->lanes, name);
    sim_check(r->sim, last == NULL || last->order < deed->order,
              "'%.*s' does %.*s after %.*s, which the same sender (%.*s) has said later",
              TEXT_ARGS(deed->to), TEXT_ARGS(deed->key),
              TEXT_ARGS(last != NULL ? last->key : TEXT_ABSENT), TEXT_ARGS(deed->sender));
    sim_put(&ledger->lanes, name, lane);
}

static struct ledger_deed *check_deed(struct running *r, const struct event *operation)
{
    struct ledger_deed *deed = ledger_deed_find(r->ledger, operation->payload);
    uint64_t now = r->ledger->commits;
    sim_check(r->sim, deed != NULL && deed->done < deed->said + deed->maybe,
              "'%.*s' does %.*s %.*s %s", TEXT_ARGS(r->entity->id), TEXT_ARGS(operation->name),
              TEXT_ARGS(operation->payload),
              deed == NULL ? "that nobody has asked for" : "once more");
    sim_check(r->sim,
              text_equal(deed->to, r->entity->id) &&
                  deed->is_call == (operation->kind == EVENT_ENTITY_CALLED),
              "'%.*s' does what was asked of '%.*s'", TEXT_ARGS(r->entity->id),
              TEXT_ARGS(deed->to));
    sim_check(r->sim, deed->void_since == 0 || deed->void_since == now,
              "'%.*s' does %.*s, which was taken back", TEXT_ARGS(deed->to), TEXT_ARGS(deed->key));
    /* Said again, it may have another time than the one before, which comes all the same. */
    time_us due = deed->said + deed->maybe == 1 ? deed->fire_at : operation->fire_at;
    sim_check(r->sim,
              operation->at >= due && r->run->at > operation->at &&
                  (r->sim->has_clock_steps || r->run->now >= due),
              "'%.*s' does %.*s before its time", TEXT_ARGS(deed->to), TEXT_ARGS(deed->key));
    bool is_named = operation->extra != NULL && operation->extra->has_parent;
    bool is_known = deed->is_of_history && deed->said + deed->maybe == 1;
    sim_check(r->sim, !is_known || is_named == (deed->is_call || deed->is_inside),
              "'%.*s' is told %.*s, and %sby whom", TEXT_ARGS(deed->to), TEXT_ARGS(deed->key),
              is_named ? "" : "not ");
    check_order(r, deed);
    deed->done++;
    deed->done_in = now;
    return deed;
}

static const struct action *next_action(struct running *r, enum action_kind kind)
{
    sim_check(r->sim, r->actions < r->run->action_count && r->run->actions[r->actions].kind == kind,
              "'%.*s' has not asked for what it should, at %zu", TEXT_ARGS(r->entity->id),
              r->actions);
    return &r->run->actions[r->actions++];
}

/* At the time of the turn, in milliseconds. */
static time_us late(const struct running *r, const struct box_result *expected)
{
    return expected->late_ms != 0 ? (r->run->at / TIME_MS + expected->late_ms) * TIME_MS : 0;
}

static void check_tells(struct running *r, const struct box_result *expected)
{
    const struct action *action = next_action(r, ACTION_SIGNAL_ENTITY);
    struct text to = text_of(sim_entities[expected->to].id);
    sim_check(r->sim,
              text_equal(action->instance_id, to) && text_equal(action->name, expected->told_op) &&
                  text_equal(action->payload, expected->told_payload) &&
                  action->fire_at == late(r, expected),
              "'%.*s' tells '%.*s' something else: %.*s %.*s at %" PRId64, TEXT_ARGS(r->entity->id),
              TEXT_ARGS(action->instance_id), TEXT_ARGS(action->name), TEXT_ARGS(action->payload),
              action->fire_at);
    (void)ledger_say(r->ledger, &(struct ledger_saying){ .to = to,
                                                         .sender = r->entity->id,
                                                         .payload = action->payload,
                                                         .request_id = action->request_id,
                                                         .fire_at = action->fire_at,
                                                         .is_sure = true });
    struct ledger_due due = { .kind = MESSAGE_OPERATION,
                              .from = r->batch->partition,
                              .is_of_run = true,
                              .id = to,
                              .key = ledger_deed_key(r->ledger->arena, action->payload) };
    expect(r->ledger, &due);
    if (expected->takes_back) {
        action = next_action(r, ACTION_CANCEL_SIGNAL);
        take_back(r->ledger, action->instance_id, action->request_id);
        due.kind = MESSAGE_CANCEL_SIGNAL;
        due.key = action->request_id;
        expect(r->ledger, &due);
    }
}

static void check_starts(struct running *r, const struct box_result *expected)
{
    const struct action *action = next_action(r, ACTION_START);
    sim_check(r->sim,
              text_equal(action->name, TEXT("play")) &&
                  text_equal(action->payload, expected->start_payload) &&
                  (!text_is_present(expected->start_id) ||
                   text_equal(action->instance_id, expected->start_id)) &&
                  action->fire_at == late(r, expected),
              "'%.*s' starts something else: '%.*s' with %.*s", TEXT_ARGS(r->entity->id),
              TEXT_ARGS(action->instance_id), TEXT_ARGS(action->payload));
    if (!text_is_present(expected->start_id)) {
        struct ledger *ledger = r->ledger;
        LEDGER_ROOM(ledger, ledger->starts, ledger->start_count, ledger->start_room);
        ledger->starts[ledger->start_count++] = action->payload;
    }
    expect(r->ledger, &(struct ledger_due){ .kind = MESSAGE_START,
                                            .from = r->batch->partition,
                                            .is_of_run = true,
                                            .id = action->instance_id,
                                            .key = action->payload });
}

static void do_one(struct running *r, size_t at)
{
    const struct event *operation = &r->run->operations[at];
    const struct spy_answer *answer = &r->run->answers[at];
    struct ledger_deed *deed = check_deed(r, operation);
    struct box_result expected;
    box_model_do(&r->entity->model, operation->name, operation->payload, r->ledger->arena,
                 &expected);
    bool has_failed = expected.failure_type != NULL;
    sim_check(r->sim,
              text_equal(answer->failure_type, text_of(expected.failure_type)) &&
                  (has_failed || !deed->is_call || text_equal(answer->payload, expected.payload)),
              "'%.*s' answers %.*s with %.*s%.*s, not %.*s%s", TEXT_ARGS(deed->to),
              TEXT_ARGS(deed->key), TEXT_ARGS(answer->payload), TEXT_ARGS(answer->failure_type),
              TEXT_ARGS(expected.payload), has_failed ? expected.failure_type : "");
    if (!has_failed) {
        deed->amount += expected.amount;
    }
    deed->payload = answer->payload;
    deed->failure_type = answer->failure_type;
    if (!has_failed && expected.tells) {
        check_tells(r, &expected);
    }
    if (!has_failed && expected.starts) {
        check_starts(r, &expected);
    }
}

/* Before what they ask for, as core says it. */
static void expect_answers(struct running *r)
{
    for (size_t i = 0; i < r->run->count; i++) {
        const struct event *operation = &r->run->operations[i];
        if (operation->kind == EVENT_ENTITY_CALLED) {
            expect(r->ledger, &(struct ledger_due){
                                  .kind = MESSAGE_ANSWER,
                                  .from = r->batch->partition,
                                  .is_of_run = true,
                                  .id = operation->extra->parent_id,
                                  .execution_id = operation->extra->parent_execution_id,
                                  .step = operation->id,
                              });
        }
    }
}

static void apply_run(struct ledger *ledger, const struct batch *batch, const struct spy_run *run)
{
    struct running r = { .ledger = ledger,
                         .sim = ledger->sim,
                         .entity = ledger_entity(ledger, run->id),
                         .batch = batch,
                         .run = run };
    ledger_check_state(ledger, r.entity, run->state, "given to a turn");
    expect_answers(&r);
    for (size_t i = 0; i < run->count; i++) {
        do_one(&r, i);
    }
    sim_check(r.sim, r.actions == run->action_count, "'%.*s' has asked for more than it should",
              TEXT_ARGS(run->id));
}

void ledger_apply_runs(struct ledger *ledger, const struct batch *const *batches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct spy_run *run = spy_runs_of(ledger->sim, batches[i]);
        for (; run != NULL; run = run->next) {
            apply_run(ledger, batches[i], run);
        }
    }
    for (const struct ledger_heard *heard = ledger->heard; heard != NULL; heard = heard->next) {
        check_heard(ledger, heard);
    }
}

/* ---- taken back ------------------------------------------------------------------------------ */

bool ledger_deed_waits(const struct ledger *ledger, const struct ledger_deed *deed)
{
    const struct ledger_entity *entity = map_find(&ledger->entities_by_id, deed->to);
    for (size_t i = 0; entity != NULL && i < entity->inbox_count; i++) {
        if (text_equal(ledger_deed_key(ledger->arena, entity->inbox[i].event->payload),
                       deed->key)) {
            return true;
        }
    }
    return false;
}

void ledger_deed_void(struct ledger *ledger, struct ledger_deed *deed)
{
    if (deed->said + deed->maybe > 1) {
        return; /* which of them? */
    }
    sim_check(ledger->sim, !ledger_deed_waits(ledger, deed),
              "'%.*s': %.*s was taken back, and waits", TEXT_ARGS(deed->to), TEXT_ARGS(deed->key));
    deed->void_since = ledger->commits;
}

void ledger_void_request(struct ledger *ledger, const struct ledger_due *cancel)
{
    struct ledger_deed *deed = ledger_deed_of_request(ledger, cancel->id, cancel->key);
    if (deed != NULL && !ledger->sim->has_away) { /* else a turn elsewhere may have it already */
        ledger_deed_void(ledger, deed);
    }
}

/* ---- money ----------------------------------------------------------------------------------- */

/* Who asked for it was ended by others, or lives another life of which this is no part. */
static bool may_be_halved(const struct ledger *ledger, const struct ledger_deed *deed)
{
    uint64_t number = strtoull(deed->sender.at + 4, NULL, 10); /* "row 12" */
    const struct ledger_row *row = map64_find(&ledger->by_number, number);
    return row->is_killed || row->is_rewound || (row->ends & 1u << RUN_TERMINATED) != 0;
}

/* A transfer takes, and gives with its next number: both, if nobody has ended it in between. What
 * accounts have is what they had, but for such halves. */
void ledger_check_money(struct ledger *ledger)
{
    int64_t missing = 0;
    int64_t balance = 0;
    for (size_t i = 0; i < ledger->deed_count; i++) {
        const struct ledger_deed *take = ledger->deeds[i];
        if (take->amount >= 0) {
            continue;
        }
        const struct ledger_deed *give =
            map_find(&ledger->deeds_by_key,
                     text_of(arena_printf(ledger->arena, "2 %" PRId64, take->number + 1)));
        int64_t amount = take->amount + (give != NULL ? give->amount : 0);
        sim_check(ledger->sim, amount == 0 || may_be_halved(ledger, take),
                  "%" PRId64 " was taken from '%.*s' and given to nobody: %.*s", -amount,
                  TEXT_ARGS(take->to), TEXT_ARGS(take->key));
        missing += amount;
    }
    for (unsigned i = 0; i < SIM_ENTITIES; i++) {
        const struct ledger_entity *account =
            map_find(&ledger->entities_by_id, text_of(sim_entities[i].id));
        if (sim_is_account(i)) {
            balance += account != NULL && account->model.has_state ? account->model.balance : 100;
        }
    }
    sim_check(ledger->sim, balance == 100 * SIM_ACCOUNTS + missing,
              "the accounts have %" PRId64 " in all, and %" PRId64 " are missing", balance,
              -missing);
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool may_be_gone(struct ledger *ledger, const struct ledger_deed *deed)
{
    return deed->is_taken_back ||
           (deed->fire_at != 0 && ledger_entity(ledger, deed->to)->purged_in != 0);
}

/* Under whatever id; as its first execution. */
static size_t count_started(const struct ledger *ledger, struct text input)
{
    size_t count = 0;
    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct ledger_row *row = ledger->rows[i];
        struct text first = row->input;
        for (const struct ledger_life *life = row->past; life != NULL; life = life->before) {
            first = life->input;
        }
        count += !row->is_fork && text_equal(first, input);
    }
    return count;
}

void ledger_check_deeds(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->deed_count; i++) {
        const struct ledger_deed *deed = ledger->deeds[i];
        sim_check(ledger->sim, deed->done >= deed->said || may_be_gone(ledger, deed),
                  "'%.*s' was asked for %.*s %u times by %.*s, and has done it %u times",
                  TEXT_ARGS(deed->to), TEXT_ARGS(deed->key), deed->said, TEXT_ARGS(deed->sender),
                  deed->done);
    }
    for (size_t i = 0; i < ledger->start_count; i++) {
        size_t count = count_started(ledger, ledger->starts[i]);
        size_t asked = 0;
        for (size_t k = 0; k < ledger->start_count; k++) {
            asked += text_equal(ledger->starts[k], ledger->starts[i]);
        }
        sim_check(ledger->sim, count == asked,
                  "%.*s was started %zu times by entities, and is there %zu times",
                  TEXT_ARGS(ledger->starts[i]), asked, count);
    }
}
