/* SPDX-License-Identifier: MIT
 *
 * A random life of a hub, from a seed, against a model that knows what may be: streams come and go
 * with limits and filters, work is completed, completed twice, given back, lost, cancelled,
 * forgotten.
 *
 *   - what the engine hears of is open, and it hears of it once;
 *   - no instance and no entity is out twice at a time;
 *   - no stream has more unfinished than it said, or what its filters leave out;
 *   - in the end, when there is a worker for everything, everything has been completed. */
#include "desk.h"

#include <stdio.h>

#include "base/random.h"

enum {
    SEEDS = 150,
    STEPS = 500,
    INSTANCES = 16, /* the last of them are entities */
    ENTITIES = 4,
    ACTIVITIES_MAX = 2000,
    WORKERS = 5,
    NAMES = 3,
};

static const char *const names[NAMES] = { "hello", "other", "third" };

/* One handing out. */
struct out {
    struct worker *worker; /* NULL: it is known that it came to nothing */
    size_t got;
    bool is_live; /* its token ought to be good */
};

struct thing {
    bool is_open; /* the engine waits for a result */
    bool is_activity, is_cancelled, has_token;
    uint64_t row, number;
    int32_t id;
    unsigned partition;
    size_t offered; /* of a turn: in desk.offered */
    const char *name;
    struct out out;
};

struct model {
    struct desk desk;
    struct random random;
    struct worker workers[WORKERS];
    struct broker_stream_options options[WORKERS];
    bool is_connected[WORKERS];
    size_t seen[WORKERS];           /* gots that have been looked at */
    int64_t busy[WORKERS][3];       /* unfinished, as the worker sees it */
    bool is_done[WORKERS][GOT_MAX]; /* answered by the worker */
    struct hub_orchestration_filter turn_filters[WORKERS];
    struct hub_activity_filter activity_filters[WORKERS];
    struct hub_work_item_filters filters[WORKERS];
    size_t filter_name[WORKERS];
    struct thing things[INSTANCES + ACTIVITIES_MAX];
    size_t thing_count, asked_seen, open_activities;
    int32_t next_id;
    uint64_t serial;
};

static struct model model;

static uint64_t roll(uint64_t n)
{
    return random_below(&model.random, n);
}

/* ---- what the engine hears ------------------------------------------------------------------- */

static struct thing *find_activity(uint64_t row, int32_t id)
{
    for (size_t i = INSTANCES; i < model.thing_count; i++) {
        if (model.things[i].row == row && model.things[i].id == id) {
            return &model.things[i];
        }
    }
    return NULL;
}

static void hear_end(struct turn_ticket ticket, bool is_entity)
{
    for (size_t i = 0; i < INSTANCES; i++) {
        struct thing *thing = &model.things[i];
        if (thing->row == ticket.row) {
            assert_true(thing->is_open);
            assert_int_equal(model.desk.offered[thing->offered].turn.serial, ticket.serial);
            assert_int_equal(is_entity, i >= INSTANCES - ENTITIES);
            thing->is_open = false;
            thing->number++;
            thing->out.is_live = false;
            return;
        }
    }
    fail_msg("row %llu is nobody's", (unsigned long long)ticket.row);
}

static void hear(void)
{
    for (; model.asked_seen < model.desk.asked_count; model.asked_seen++) {
        const struct asked *asked = &model.desk.asked[model.asked_seen];
        struct thing *thing;
        switch (asked->kind) {
        case ASKED_END: hear_end(asked->ticket, false); break;
        case ASKED_END_ENTITY: hear_end(asked->ticket, true); break;
        case ASKED_ACTIVITY:
            thing = find_activity(asked->row, asked->id);
            assert_non_null(thing);
            assert_true(thing->is_open);
            assert_false(thing->is_cancelled);
            thing->is_open = thing->out.is_live = false;
            model.open_activities--;
            break;
        case ASKED_RETURN: /* the desk offers it again */
        case ASKED_LEAVE:
        case ASKED_CALL:
        case ASKED_CALL_ACTIVITIES:
        case ASKED_BEAT: break;
        case ASKED_QUARANTINE: fail_msg("no worker of these says that it begins"); break;
        }
    }
    /* Room for more. */
    bool all_answered = true;
    for (size_t i = 0; i < model.desk.asked_count; i++) {
        all_answered = all_answered && model.desk.asked[i].request == NULL;
    }
    if (all_answered) {
        model.desk.asked_count = model.asked_seen = 0;
    }
}

/* ---- what workers get ------------------------------------------------------------------------ */

static int kind_of(const struct got *got)
{
    return got->item->orchestrator_request != NULL ? 0
           : got->item->entity_request_v2 != NULL  ? 1
                                                   : 2;
}

static struct thing *thing_of(const struct got *got)
{
    if (kind_of(got) == 2) {
        unsigned long long row = 0;
        assert_int_equal(sscanf(got->instance_id, "i%llu", &row), 1);
        return find_activity(row, (int32_t)got->item->activity_request->task_id);
    }
    for (size_t i = 0; i < INSTANCES; i++) {
        struct text id = model.desk.offered[model.things[i].offered].turn.instance_id;
        if (model.things[i].is_open && text_equal(id, text_of(got->instance_id))) {
            return &model.things[i];
        }
    }
    return NULL;
}

static void check_filter(size_t w, int kind, const struct thing *thing)
{
    const struct hub_work_item_filters *filters = model.options[w].filters;
    if (filters == NULL) {
        return;
    }
    if (kind == 1) {
        assert_true(model.options[w].entities_max > 0);
    } else {
        assert_string_equal(thing->name, names[model.filter_name[w]]);
    }
}

static void look_at_got(size_t w, size_t at)
{
    struct worker *worker = &model.workers[w];
    const struct got *got = &worker->got[at];
    int kind = kind_of(got);
    struct thing *thing = thing_of(got);
    const int64_t most[3] = { model.options[w].turns_max, model.options[w].entities_max,
                              model.options[w].activities_max };
    assert_non_null(thing);
    assert_true(thing->is_open);
    assert_false(thing->is_cancelled);
    assert_false(thing->out.is_live); /* not out twice */
    model.busy[w][kind]++;
    assert_true(most[kind] == 0 || model.busy[w][kind] <= most[kind]);
    check_filter(w, kind, thing);
    thing->out = (struct out){ .worker = worker, .got = at, .is_live = true };
    thing->has_token = true;
}

static void look(void)
{
    hear();
    for (size_t w = 0; w < WORKERS; w++) {
        for (; model.is_connected[w] && model.seen[w] < model.workers[w].count; model.seen[w]++) {
            look_at_got(w, model.seen[w]);
        }
    }
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void offer(struct thing *thing)
{
    struct desk *desk = &model.desk;
    if (thing->is_open || desk->offered_count + 10 > GOT_MAX) {
        return;
    }
    thing->is_open = true;
    thing->out.is_live = false;
    thing->offered = desk->offered_count;
    if (thing - model.things >= INSTANCES - ENTITIES) {
        (void)desk_offer_entity(desk, thing->row, 1 + roll(2), roll(2));
    } else {
        char *id = arena_printf(&desk->arena, "i%llu", (unsigned long long)thing->row);
        struct turn turn = desk_turn(desk, thing->row, thing->number, id);
        turn.name = text_of(thing->name);
        desk_offer(desk, &turn);
    }
}

static void dispatch(void)
{
    if (model.thing_count == INSTANCES + ACTIVITIES_MAX) {
        return;
    }
    struct thing *thing = &model.things[model.thing_count++];
    *thing = (struct thing){ .is_open = true,
                             .is_activity = true,
                             .row = 1 + roll(5),
                             .id = ++model.next_id,
                             .name = names[roll(NAMES)] };
    thing->partition = (unsigned)(thing->row % PARTITIONS);
    model.open_activities++;
    desk_dispatch(&model.desk, &(struct activity_wish){ .row = thing->row,
                                                        .id = thing->id,
                                                        .name = thing->name,
                                                        .partition = thing->partition });
}

static void connect(size_t w, bool takes_all)
{
    if (model.is_connected[w]) {
        return;
    }
    struct broker_stream_options *options = &model.options[w];
    *options = (struct broker_stream_options){
        .dialect = roll(3) == 0 ? WORK_OURS : WORK_PLAIN,
        .can_stream_history = roll(2) == 0,
        .turns_max = takes_all ? 0 : (int64_t)roll(4),
        .activities_max = takes_all ? 0 : (int64_t)roll(4),
        .entities_max = takes_all ? 0 : (int64_t)roll(3),
    };
    if (!takes_all && roll(3) == 0) {
        size_t name = model.filter_name[w] = (size_t)roll(NAMES);
        model.turn_filters[w] = (struct hub_orchestration_filter){ .name = text_of(names[name]) };
        model.activity_filters[w] = (struct hub_activity_filter){ .name = text_of(names[name]) };
        model.filters[w] = (struct hub_work_item_filters){
            .orchestrations = { &model.turn_filters[w], 1 },
            .activities = { &model.activity_filters[w], 1 },
        };
        options->filters = &model.filters[w];
    }
    model.seen[w] = 0;
    memset(model.busy[w], 0, sizeof model.busy[w]);
    memset(model.is_done[w], 0, sizeof model.is_done[w]);
    model.is_connected[w] = true;
    worker_open(&model.workers[w], &model.desk, options);
}

/* What it has can be handed out again. Half of them say a last word before they are forgotten. */
static void disconnect(size_t w)
{
    if (!model.is_connected[w]) {
        return;
    }
    for (size_t i = 0; i < model.thing_count; i++) {
        if (model.things[i].out.worker == &model.workers[w]) {
            model.things[i].out.is_live = false;
        }
    }
    worker_hang_up(&model.workers[w]);
    for (size_t i = 0; i < model.thing_count; i++) {
        struct thing *thing = &model.things[i];
        if (thing->out.worker == &model.workers[w]) {
            const struct got *got = &model.workers[w].got[thing->out.got];
            if (roll(2) == 0 && kind_of(got) == 2) {
                desk_complete_activity(&model.desk, &(struct completion){ .token = got->token });
            }
            thing->out.worker = NULL;
        }
    }
    look();
    worker_close(&model.workers[w]);
    model.is_connected[w] = false;
}

/* The worker answers it: before the broker hears of it, as it may hand out more at once. */
static void answered(size_t w, size_t at)
{
    if (!model.is_done[w][at]) {
        model.is_done[w][at] = true;
        model.busy[w][kind_of(&model.workers[w].got[at])]--;
    }
}

static void let_go(const struct worker *worker, size_t at, bool keeps_token)
{
    for (size_t i = 0; i < model.thing_count; i++) {
        struct out *out = &model.things[i].out;
        if (out->worker == worker && out->got == at && out->is_live) {
            out->is_live = false;
            model.things[i].has_token = keeps_token;
        }
    }
}

static void complete(size_t w, size_t at)
{
    const struct got *got = &model.workers[w].got[at];
    answered(w, at);
    switch (kind_of(got)) {
    case 0:
        desk_complete_turn(&model.desk,
                           &(struct completion){ .token = got->token, .actions = roll(3) });
        break;
    case 1:
        desk_complete_entity(&model.desk,
                             &(struct batch_completion){ .token = got->token, .results = 1 });
        break;
    default:
        desk_complete_activity(&model.desk,
                               &(struct completion){ .token = got->token, .result = "1" });
        break;
    }
    assert_true(heard.status == PD_OK || heard.times == 0);
}

static void act_on_got(size_t w)
{
    if (!model.is_connected[w] || model.workers[w].count == 0) {
        return;
    }
    size_t count = model.workers[w].count;
    size_t at =
        roll(4) == 0 ? (size_t)roll(count) : count - 1 - (size_t)roll(count < 6 ? count : 6);
    const struct got *got = &model.workers[w].got[at];
    switch (roll(8)) {
    case 0:
        answered(w, at);
        let_go(&model.workers[w], at, false);
        broker_abandon(model.desk.broker, text_of(got->token));
        desk_run(&model.desk);
        break;
    case 1:
        if (kind_of(got) == 0) {
            answered(w, at);
            let_go(&model.workers[w], at, false);
            desk_complete_turn(
                &model.desk, &(struct completion){ .token = got->token, .requires_history = true });
        }
        break;
    case 2:
        if (kind_of(got) == 0 && !model.is_done[w][at]) {
            desk_complete_turn(
                &model.desk,
                &(struct completion){ .token = got->token, .actions = 1, .is_partial = true });
        }
        break;
    default: complete(w, at); break;
    }
}

static void forget(struct thing *thing)
{
    struct runner *runner = model.desk.runner;
    if (thing - model.things >= INSTANCES - ENTITIES) {
        return;
    }
    thing->is_open = thing->out.is_live = false;
    runner->ops->forget(runner, thing->partition, thing->row);
    model.desk.offered[thing->offered].is_left = false;
    thing->row += 100 * PARTITIONS; /* another instance */
    thing->number = 1;
    desk_run(&model.desk);
}

static void begin_again(unsigned partition)
{
    for (size_t i = 0; i < model.thing_count; i++) {
        struct thing *thing = &model.things[i];
        if (thing->partition != partition || !thing->is_open) {
            continue;
        }
        if (!thing->is_activity) {
            thing->is_open = thing->out.is_live = false;
            model.desk.offered[thing->offered].is_left = false;
        } else if (!thing->has_token && !thing->is_cancelled) {
            thing->is_cancelled = true; /* it would come again under another name */
            model.open_activities--;
        }
    }
    model.desk.runner->ops->forget_all(model.desk.runner, partition);
    desk_run(&model.desk);
}

static void cancel(void)
{
    size_t count = model.thing_count - INSTANCES;
    if (count == 0) {
        return;
    }
    struct thing *thing = &model.things[INSTANCES + roll(count)];
    if (thing->is_open && !thing->is_cancelled) {
        thing->is_cancelled = true;
        thing->out.is_live = false;
        model.open_activities--;
        desk_cancel(&model.desk, thing->row, thing->id);
    }
}

static void step(void)
{
    model.desk.answers_late = roll(2) == 0;
    switch (roll(16)) {
    case 0:
    case 1:
    case 2: offer(&model.things[roll(INSTANCES)]); break;
    case 3:
    case 4: dispatch(); break;
    case 5: connect((size_t)roll(WORKERS), false); break;
    case 6:
        if (roll(3) == 0) {
            disconnect((size_t)roll(WORKERS));
        }
        break;
    case 7: desk_pass(&model.desk, (int64_t)roll(1000000)); break;
    case 8:
        if (roll(4) == 0) {
            forget(&model.things[roll(INSTANCES)]);
        } else if (roll(8) == 0) {
            begin_again((unsigned)roll(PARTITIONS));
        } else {
            cancel();
        }
        break;
    case 9: desk_answer_all(&model.desk); break;
    default: act_on_got((size_t)roll(WORKERS)); break;
    }
    look();
}

static size_t open_turns(void)
{
    size_t count = 0;
    for (size_t i = 0; i < INSTANCES; i++) {
        count += model.things[i].is_open;
    }
    return count;
}

/* A worker for everything, and time. */
static void finish(void)
{
    for (size_t w = 0; w < WORKERS; w++) {
        disconnect(w);
    }
    model.desk.answers_late = false;
    desk_answer_all(&model.desk);
    connect(0, true);
    look();
    for (int i = 0; i < 5 && (open_turns() != 0 || model.open_activities != 0); i++) {
        desk_pass(&model.desk, 60 * TIME_SECOND);
        look();
        for (size_t at = 0; at < model.workers[0].count; at++) {
            complete(0, at);
            look();
        }
    }
    assert_int_equal(open_turns(), 0);
    assert_int_equal(model.open_activities, 0);
    struct broker_counters counters = broker_counters(model.desk.broker);
    for (int kind = 0; kind < 3; kind++) {
        assert_int_equal(counters.waiting[kind], 0);
        assert_int_equal(counters.aside[kind], 0);
        assert_int_equal(counters.unfinished[kind], 0);
    }
    worker_close(&model.workers[0]);
}

static void live(uint64_t seed)
{
    memset(&model, 0, sizeof model);
    random_seed(&model.random, seed);
    /* In every other life not all that waits may do so here. */
    enum { THREE = 6000 }; /* activities, about */
    desk_open(&model.desk, &(struct broker_options){ .waiting_max = seed % 2 != 0 ? 0 : 2,
                                                     .activity_bytes = seed % 2 != 0 ? 0 : THREE });
    model.thing_count = INSTANCES;
    for (size_t i = 0; i < INSTANCES; i++) {
        model.things[i] = (struct thing){ .row = 100 + i, .number = 1, .name = names[i % NAMES] };
        model.things[i].partition = (unsigned)(model.things[i].row % PARTITIONS);
    }
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    finish();
    desk_close(&model.desk);
}

static void every_item_is_completed_once_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        live(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_completed_once_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
