/* SPDX-License-Identifier: MIT
 *
 * Rewinds and forks of random programs: what is kept can be replayed, and leads on.
 *
 * A program is a list of operations of an orchestrator: ask for a task, a child, a timer, a call of
 * an entity, a task that is tried again; wait for all, for any, for an event; cancel; enter a
 * critical section and leave it; fail when something has failed.
 * A small machine runs it, as deterministic as user code has to be, and is given results in random
 * order, some of them failures, several in one turn. When the program has failed its history is
 * rewound (and again, when it has failed again), and
 *
 *   - a new machine, given the turns that stay, asks for the same, turn by turn, and does not end
 *   - what is then open to the machine is what is open in history, so nothing hangs
 *   - no success is lost, and no failure waits
 *   - a program that only waits for all, and so fails because of others only, completes when
 *     nothing fails any more
 *
 * A rewind is refused only for what has to do with locks: then the program failed inside a section,
 * or entered or left one in the turn in which it failed.
 *
 * Forks, at every event, hold the first of these, too, and are refused exactly where a machine that
 * has replayed the turns before is inside a section, or on its way into one.
 *
 * PERDURE_REWRITE_SEED=n tests one seed.
 */
/* clang-format off: cmocka needs these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "core/rewrite.h"

enum { SEEDS = 4000, OPS_MAX = 12, CALLS_MAX = 64, TURNS_MAX = 400, TURN_EVENTS = 64, LIVES = 4 };

/* ---- programs ---- */

enum op {
    OP_TASK,
    OP_RETRIED_TASK, /* three attempts, with a delay or without */
    OP_CHILD,
    OP_TIMER,
    OP_CALL,
    OP_SIGNAL,
    OP_SEND,
    OP_MARK,
    OP_ALL, /* fails when one of them has */
    /* Those below make a program answer what comes. */
    OP_SETTLED, /* waits for all, and asks for a task for each that failed */
    OP_ANY,     /* waits for one more end, and asks for a task when that was a failure */
    OP_IGNORE,  /* waits for one more end, whatever it was */
    OP_EVENT,
    OP_CANCEL, /* the first that is open */
    OP_LOCK,
    OP_UNLOCK,
    OP_COUNT,
};

struct program {
    enum op ops[OPS_MAX];
    size_t count;
    bool only_waits;
};

static struct program random_program(struct random *random)
{
    struct program program = { .count = 3 + random_below(random, OPS_MAX - 4) };
    program.only_waits = random_chance(random, 1, 3);
    for (size_t i = 0; i < program.count; i++) {
        program.ops[i] = (enum op)random_below(random, program.only_waits ? OP_ALL : OP_COUNT);
    }
    program.ops[program.count++] = OP_ALL;
    return program;
}

/* ---- the machine that runs one ---- */

struct call {
    enum event_kind kind; /* of the step that is open: an attempt, or a delay between two */
    enum event_kind asks; /* of its attempts */
    int32_t step;
    int attempts_left;
    enum { OPEN, SUCCEEDED, FAILED, CANCELLED } state;
    bool is_answered; /* its failure */
};

struct machine {
    const struct program *program;
    size_t at; /* op */
    struct call calls[CALLS_MAX];
    size_t call_count;
    int32_t steps;
    size_t ended, ended_before; /* ends seen; when the present op began */
    bool waits;                 /* it has begun */
    size_t raised;
    int32_t section; /* the step that asked for the locks; EVENT_NO_ID: none */
    bool is_locked;
    bool has_started, has_failed, has_completed;
    struct event *asked; /* of this turn */
    size_t asked_count;
    struct arena *arena;
};

static void ask(struct machine *machine, enum event_kind kind, int32_t id, int32_t ref,
                int32_t retry_of)
{
    struct event *event = &machine->asked[machine->asked_count++];
    *event = (struct event){ .kind = kind, .id = id, .ref = ref };
    assert_true(machine->asked_count < TURN_EVENTS);
    if (retry_of != EVENT_NO_ID) {
        struct event_extra *extra = arena_alloc(machine->arena, sizeof *extra);
        extra->retry_of = retry_of + 1;
        event->extra = extra;
    }
    if (kind == EVENT_CHILD_CREATED) {
        event->name = TEXT("Child");
        event->instance_id = TEXT("theirs");
    } else if (kind == EVENT_ENTITY_CALLED) {
        event->instance_id = TEXT("@account@x");
    }
}

static void ask_step(struct machine *machine, struct call *call, enum event_kind kind,
                     int32_t retry_of)
{
    call->kind = kind;
    call->step = machine->steps++;
    ask(machine, kind, call->step, EVENT_NO_ID, retry_of);
}

static void begin_call(struct machine *machine, enum event_kind kind, int attempts)
{
    assert_true(machine->call_count < CALLS_MAX);
    struct call *call = &machine->calls[machine->call_count++];
    *call = (struct call){ .asks = kind, .attempts_left = attempts - 1 };
    ask_step(machine, call, kind, EVENT_NO_ID);
}

static size_t count_open(const struct machine *machine)
{
    size_t open = 0;
    for (size_t i = 0; i < machine->call_count; i++) {
        open += machine->calls[i].state == OPEN;
    }
    return open;
}

/* Failures that the code has not looked at: it has now. */
static size_t take_failures(struct machine *machine)
{
    size_t count = 0;
    for (size_t i = 0; i < machine->call_count; i++) {
        struct call *call = &machine->calls[i];
        count += call->state == FAILED && !call->is_answered;
        call->is_answered = call->state == FAILED;
    }
    return count;
}

/* False: it has to wait. */
static bool wait_for_one(struct machine *machine)
{
    if (!machine->waits) {
        machine->waits = true;
        machine->ended_before = machine->ended;
    }
    return machine->ended > machine->ended_before || count_open(machine) == 0;
}

static void cancel_first(struct machine *machine)
{
    for (size_t i = 0; i < machine->call_count; i++) {
        struct call *call = &machine->calls[i];
        if (call->state == OPEN) {
            call->state = CANCELLED;
            ask(machine, EVENT_STEP_CANCELLED, EVENT_NO_ID, call->step, EVENT_NO_ID);
            return;
        }
    }
}

static struct text section_id(const struct machine *machine)
{
    return text_of(arena_printf(machine->arena, "section %d", (int)machine->section));
}

/* False: it has to wait. One that is in a section already goes on. */
static bool lock(struct machine *machine)
{
    static const struct event_extra both = { .lock_set = TEXT_INIT("@account@x\n@account@y\n") };
    if (machine->section == EVENT_NO_ID) {
        machine->section = machine->steps++;
        ask(machine, EVENT_LOCK_REQUESTED, machine->section, EVENT_NO_ID, EVENT_NO_ID);
        machine->asked[machine->asked_count - 1].request_id = section_id(machine);
        machine->asked[machine->asked_count - 1].extra = &both;
    }
    return machine->is_locked;
}

static void unlock(struct machine *machine)
{
    static const struct text ids[] = { TEXT_INIT("@account@x"), TEXT_INIT("@account@y") };
    for (size_t i = 0; machine->section != EVENT_NO_ID && i < 2; i++) {
        ask(machine, EVENT_UNLOCK_SENT, machine->steps++, EVENT_NO_ID, EVENT_NO_ID);
        machine->asked[machine->asked_count - 1].request_id = section_id(machine);
        machine->asked[machine->asked_count - 1].instance_id = ids[i];
    }
    machine->section = EVENT_NO_ID;
    machine->is_locked = false;
}

/* False: it has to wait, or has ended. */
static bool do_op(struct machine *machine)
{
    enum op op = machine->program->ops[machine->at];
    size_t failures;
    switch (op) {
    case OP_TASK: begin_call(machine, EVENT_TASK_SCHEDULED, 1); break;
    case OP_RETRIED_TASK: begin_call(machine, EVENT_TASK_SCHEDULED, 3); break;
    case OP_CHILD: begin_call(machine, EVENT_CHILD_CREATED, 2); break;
    case OP_TIMER: begin_call(machine, EVENT_TIMER_CREATED, 1); break;
    case OP_CALL: begin_call(machine, EVENT_ENTITY_CALLED, 1); break;
    case OP_SIGNAL:
        ask(machine, EVENT_ENTITY_SIGNALED, machine->steps++, EVENT_NO_ID, EVENT_NO_ID);
        break;
    case OP_SEND: ask(machine, EVENT_EVENT_SENT, machine->steps++, EVENT_NO_ID, EVENT_NO_ID); break;
    case OP_MARK: ask(machine, EVENT_CHANGE_MARKED, EVENT_NO_ID, EVENT_NO_ID, EVENT_NO_ID); break;
    case OP_ALL:
        if (count_open(machine) != 0) {
            return false;
        }
        machine->has_failed = take_failures(machine) != 0;
        break;
    case OP_SETTLED:
        if (count_open(machine) != 0) {
            return false;
        }
        for (failures = take_failures(machine); failures != 0; failures--) {
            begin_call(machine, EVENT_TASK_SCHEDULED, 1);
        }
        break;
    case OP_ANY:
        if (!wait_for_one(machine)) {
            return false;
        }
        if (take_failures(machine) != 0) {
            begin_call(machine, EVENT_TASK_SCHEDULED, 1);
        }
        break;
    case OP_IGNORE:
        if (!wait_for_one(machine)) {
            return false;
        }
        break;
    case OP_EVENT:
        if (machine->raised == 0) {
            return false;
        }
        machine->raised--;
        break;
    case OP_CANCEL: cancel_first(machine); break;
    case OP_LOCK:
        if (!lock(machine)) {
            return false;
        }
        break;
    case OP_UNLOCK: unlock(machine); break;
    case OP_COUNT: fail();
    }
    machine->waits = false;
    machine->at++;
    machine->has_completed = !machine->has_failed && machine->at == machine->program->count;
    return !machine->has_failed && !machine->has_completed;
}

static bool is_failure(const struct event *event)
{
    return event->kind == EVENT_TASK_FAILED || event->kind == EVENT_CHILD_FAILED ||
           event->kind == EVENT_ENTITY_FAILED;
}

static struct call *find_call(struct machine *machine, const struct event *event)
{
    for (size_t i = 0; i < machine->call_count; i++) {
        if (machine->calls[i].state == OPEN && machine->calls[i].step == event->ref) {
            return &machine->calls[i];
        }
    }
    return NULL;
}

static void deliver_end(struct machine *machine, const struct event *event)
{
    struct call *call = find_call(machine, event);
    bool has_failed = is_failure(event);
    if (event->ref == machine->section) {
        machine->is_locked = !has_failed;
        machine->has_failed = has_failed;
        machine->section = has_failed ? EVENT_NO_ID : machine->section;
        return;
    }
    if (call == NULL) {
        return; /* cancelled */
    }
    if (has_failed && call->attempts_left > 0) {
        call->attempts_left--;
        /* Every other delay is none. */
        ask_step(machine, call, call->step % 2 == 0 ? EVENT_TIMER_CREATED : call->asks, call->step);
    } else if (call->kind != call->asks) {
        ask_step(machine, call, call->asks, call->step);
    } else {
        call->state = has_failed ? FAILED : SUCCEEDED;
        machine->ended++;
    }
}

/* The code goes on after each event. */
static void deliver(struct machine *machine, const struct event *event)
{
    if (machine->has_failed || machine->has_completed) {
        return;
    }
    if (event->ref != EVENT_NO_ID) {
        deliver_end(machine, event);
    }
    machine->raised += event->kind == EVENT_EVENT_RAISED;
    machine->has_started = machine->has_started || event->kind == EVENT_EXECUTION_STARTED;
    while (machine->has_started && do_op(machine)) {}
}

/* ---- a world around it ---- */

struct world {
    struct random random;
    struct arena arena;
    struct program program;
    struct machine machine;
    struct turn_events turns[TURNS_MAX];
    size_t turn_count;
    bool never_fails;
};

static void machine_init(struct machine *machine, struct world *world)
{
    *machine = (struct machine){ .program = &world->program,
                                 .arena = &world->arena,
                                 .section = EVENT_NO_ID };
    machine->asked = arena_alloc(&world->arena, TURN_EVENTS * sizeof *machine->asked);
}

/* One turn with these inputs, live. */
static void live(struct world *world, const struct event *inputs, size_t count)
{
    struct machine *machine = &world->machine;
    assert_true(world->turn_count < TURNS_MAX);
    struct event *events = arena_alloc(&world->arena, (count + TURN_EVENTS) * sizeof *events);
    machine->asked_count = 0;
    events[0] =
        (struct event){ .kind = EVENT_ORCHESTRATOR_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID };
    size_t used = 1;
    for (size_t i = 0; i < count; i++) {
        events[used++] = inputs[i];
        deliver(machine, &inputs[i]);
    }
    memcpy(events + used, machine->asked, machine->asked_count * sizeof *events);
    used += machine->asked_count;
    if (machine->has_failed || machine->has_completed) {
        events[used++] =
            (struct event){ .kind = EVENT_EXECUTION_COMPLETED,
                            .id = machine->steps,
                            .ref = EVENT_NO_ID,
                            .outcome = machine->has_failed ? RUN_FAILED : RUN_COMPLETED };
    }
    world->turns[world->turn_count++] = (struct turn_events){ events, used };
}

/* What is open after these events, as core sees it: the event that asked, by step. */
struct open_steps {
    const struct event *at[512];
    size_t count;
};

static void fold(struct open_steps *open, const struct event *event)
{
    if (event->kind == EVENT_TASK_SCHEDULED || event->kind == EVENT_CHILD_CREATED ||
        event->kind == EVENT_TIMER_CREATED || event->kind == EVENT_ENTITY_CALLED ||
        event->kind == EVENT_LOCK_REQUESTED) {
        assert_true(event->id < 512 && open->at[event->id] == NULL);
        open->at[event->id] = event;
        open->count++;
    } else if (event->ref != EVENT_NO_ID && open->at[event->ref] != NULL) {
        open->at[event->ref] = NULL;
        open->count--;
    }
}

static struct open_steps open_after(const struct turn_events *turns, size_t turn_count,
                                    const struct event *waiting, size_t waiting_count)
{
    struct open_steps open = { .count = 0 };
    for (size_t i = 0; i < turn_count; i++) {
        for (size_t j = 0; j < turns[i].count; j++) {
            fold(&open, &turns[i].events[j]);
        }
    }
    for (size_t i = 0; i < waiting_count; i++) {
        fold(&open, &waiting[i]);
    }
    return open;
}

static struct event end_of_step(struct world *world, const struct event *asked)
{
    bool fails = !world->never_fails && random_chance(&world->random, 1, 2);
    struct event event = { .id = EVENT_NO_ID, .ref = asked->id };
    if (asked->kind == EVENT_TIMER_CREATED) {
        event.kind = EVENT_TIMER_FIRED;
    } else if (asked->kind == EVENT_CHILD_CREATED) {
        event.kind = fails ? EVENT_CHILD_FAILED : EVENT_CHILD_COMPLETED;
    } else if (asked->kind == EVENT_ENTITY_CALLED) {
        event.kind = fails ? EVENT_ENTITY_FAILED : EVENT_ENTITY_COMPLETED;
    } else if (asked->kind == EVENT_LOCK_REQUESTED) {
        bool cannot = fails && random_chance(&world->random, 1, 6);
        event.kind = cannot ? EVENT_ENTITY_FAILED : EVENT_LOCK_GRANTED;
    } else {
        event.kind = fails ? EVENT_TASK_FAILED : EVENT_TASK_COMPLETED;
    }
    return event;
}

/* Some results of what is open, in random order, perhaps an event between them. */
static size_t happen(struct world *world, struct event *ret)
{
    struct open_steps open = open_after(world->turns, world->turn_count, NULL, 0);
    size_t count = 0;
    for (int tries = 0; tries < 2000 && count < 1 + random_below(&world->random, 5); tries++) {
        const struct event *asked = open.at[random_below(&world->random, 512)];
        if (asked != NULL) {
            ret[count++] = end_of_step(world, asked);
            open.at[asked->id] = NULL;
        }
    }
    if (count == 0 || random_chance(&world->random, 1, 6)) {
        ret[count++] =
            (struct event){ .kind = EVENT_EVENT_RAISED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID };
    }
    return count;
}

static void live_to_the_end(struct world *world)
{
    struct event inputs[16];
    while (!world->machine.has_failed && !world->machine.has_completed) {
        live(world, inputs, happen(world, inputs));
    }
}

/* ---- what must hold ---- */

static bool is_same(const struct event *a, const struct event *b)
{
    int32_t x = a->extra != NULL ? a->extra->retry_of : 0;
    int32_t y = b->extra != NULL ? b->extra->retry_of : 0;
    return a->kind == b->kind && a->id == b->id && a->ref == b->ref && x == y;
}

/* A new machine asks for the same in each turn that stays. It is the world's from then on. */
static void replay(struct world *world, const struct adoption *adoption)
{
    struct machine *machine = &world->machine;
    machine_init(machine, world);
    for (size_t i = 0; i < adoption->turn_count; i++) {
        const struct turn_events *turn = &adoption->turns[i];
        size_t asked = 0;
        machine->asked_count = 0;
        for (size_t j = 0; j < turn->count; j++) {
            enum event_role role = event_role(turn->events[j].kind);
            assert_int_not_equal(role, ROLE_END);
            if (role == ROLE_INPUT) {
                deliver(machine, &turn->events[j]);
            }
        }
        for (size_t j = 0; j < turn->count; j++) {
            if (event_role(turn->events[j].kind) == ROLE_ASKED) {
                assert_true(asked < machine->asked_count);
                assert_true(is_same(&turn->events[j], &machine->asked[asked]));
                asked++;
            }
        }
        assert_int_equal(asked, machine->asked_count);
        assert_false(machine->has_failed || machine->has_completed);
    }
    struct open_steps open = open_after(adoption->turns, adoption->turn_count, NULL, 0);
    assert_int_equal(open.count, count_open(machine) +
                                     (machine->section != EVENT_NO_ID && !machine->is_locked));
    for (size_t i = 0; i < machine->call_count; i++) {
        assert_true(machine->calls[i].state != OPEN || open.at[machine->calls[i].step] != NULL);
    }
}

static bool is_there(const struct event *event, const struct event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (events[i].kind == event->kind && events[i].ref == event->ref) {
            return true;
        }
    }
    return false;
}

/* Of the steps that stay, successes are in a turn or wait. */
static void check_successes(const struct world *world, const struct adoption *adoption)
{
    bool stays[512] = { false };
    for (size_t i = 0; i < adoption->turn_count; i++) {
        for (size_t j = 0; j < adoption->turns[i].count; j++) {
            const struct event *event = &adoption->turns[i].events[j];
            if (event->id >= 0) {
                stays[event->id] = true;
            }
        }
    }
    for (size_t i = 0; i < world->turn_count; i++) {
        for (size_t j = 0; j < world->turns[i].count; j++) {
            const struct event *event = &world->turns[i].events[j];
            bool is_success = event->kind == EVENT_TASK_COMPLETED ||
                              event->kind == EVENT_CHILD_COMPLETED ||
                              event->kind == EVENT_ENTITY_COMPLETED;
            if (!is_success || !stays[event->ref]) {
                continue;
            }
            bool found = is_there(event, adoption->waiting, adoption->waiting_count);
            for (size_t k = 0; !found && k < adoption->turn_count; k++) {
                found = is_there(event, adoption->turns[k].events, adoption->turns[k].count);
            }
            assert_true(found);
        }
    }
}

static struct instance_record record_of(enum run_state state)
{
    return (struct instance_record){
        .row = 1,
        .id = TEXT("source"),
        .execution_id = TEXT("x"),
        .name = TEXT("Program"),
        .state = state,
        .created_at = 1,
        .ended_at = run_state_is_final(state) ? 2 : 0,
    };
}

/* The turn asked for locks, gave some back, or heard that there are none. */
static bool is_about_locks(const struct world *world, const struct turn_events *turn)
{
    struct open_steps open = open_after(world->turns, world->turn_count - 1, NULL, 0);
    for (size_t i = 0; i < turn->count; i++) {
        const struct event *event = &turn->events[i];
        if (event->kind == EVENT_LOCK_REQUESTED || event->kind == EVENT_UNLOCK_SENT ||
            (event->kind == EVENT_ENTITY_FAILED && open.at[event->ref] != NULL &&
             open.at[event->ref]->kind == EVENT_LOCK_REQUESTED)) {
            return true;
        }
    }
    return false;
}

/* False: it may not be rewound. */
static bool rewind_world(struct world *world)
{
    struct instance_record record = record_of(RUN_FAILED);
    struct event rewound = { .kind = EVENT_EXECUTION_REWOUND,
                             .id = EVENT_NO_ID,
                             .ref = EVENT_NO_ID };
    struct adoption adoption;
    pd_error err;
    bool is_inside = world->machine.section != EVENT_NO_ID;
    pd_status status = rewrite_rewind(&record, world->turns, world->turn_count, &rewound,
                                      &world->arena, &adoption, &err);
    if (status == PD_E_STATE) {
        assert_true(is_inside || is_about_locks(world, &world->turns[world->turn_count - 1]));
        return false;
    }
    assert_int_equal(status, PD_OK);
    assert_false(is_inside);
    assert_int_equal(rewrite_check(&adoption, &err), PD_OK);
    replay(world, &adoption);
    assert_int_equal(world->machine.section, EVENT_NO_ID);
    check_successes(world, &adoption);
    for (size_t i = 0; i < adoption.waiting_count; i++) {
        assert_false(is_failure(&adoption.waiting[i]));
    }
    memmove(world->turns, adoption.turns, adoption.turn_count * sizeof *world->turns);
    world->turn_count = adoption.turn_count;
    live(world, adoption.waiting, adoption.waiting_count);
    return true;
}

/* A machine that has lived the turns before the event is inside a section. */
static bool is_inside(struct world *world, uint64_t number)
{
    struct adoption lived = { .turns = world->turns };
    uint64_t shown = 0;
    if (number == 0) {
        lived.turn_count = world->turn_count - 1;
    }
    while (number != 0 && lived.turn_count < world->turn_count &&
           shown + world->turns[lived.turn_count].count + 1 < number) {
        shown += world->turns[lived.turn_count++].count + 1;
    }
    replay(world, &lived);
    return world->machine.section != EVENT_NO_ID;
}

/* At every event, and at none. The machine is not the world's afterwards. */
static void fork_world(struct world *world)
{
    bool has_failed = world->machine.has_failed;
    struct instance_record record = record_of(has_failed ? RUN_FAILED : RUN_COMPLETED);
    struct adoption adoption;
    pd_error err;
    uint64_t count = 0;
    for (size_t i = 0; i < world->turn_count; i++) {
        count += world->turns[i].count + 1;
    }
    for (uint64_t number = 0; number <= count; number++) {
        pd_status status = rewrite_fork(&record, world->turns, world->turn_count, number,
                                        TEXT("forked"), TEXT("y"), &world->arena, &adoption, &err);
        if (status != PD_OK) {
            assert_int_equal(status, PD_E_INVALID);
            assert_true(is_inside(world, number));
            continue;
        }
        assert_int_equal(rewrite_check(&adoption, &err), PD_OK);
        replay(world, &adoption);
        struct event denied = { .kind = EVENT_ENTITY_FAILED, .ref = world->machine.section };
        assert_true(denied.ref == EVENT_NO_ID ||
                    is_there(&denied, adoption.waiting, adoption.waiting_count));
        struct open_steps open = open_after(adoption.turns, adoption.turn_count, adoption.waiting,
                                            adoption.waiting_count);
        for (size_t i = 0; i < adoption.turn_count; i++) {
            for (size_t j = 0; j < adoption.turns[i].count; j++) {
                const struct event *event = &adoption.turns[i].events[j];
                if (event->kind == EVENT_CHILD_CREATED) {
                    assert_int_equal(text_equal(event->instance_id, TEXT("theirs")),
                                     open.at[event->id] == NULL);
                }
            }
        }
    }
}

static void run_seed(uint64_t seed, size_t *ret_rewound, size_t *ret_refused, size_t *ret_completed)
{
    struct world *world = calloc(1, sizeof *world);
    random_seed(&world->random, seed);
    world->program = random_program(&world->random);
    machine_init(&world->machine, world);
    struct event start = { .kind = EVENT_EXECUTION_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID };
    live(world, &start, 1);
    live_to_the_end(world);
    bool may_go_on = true;
    for (int life = 0; life < LIVES && world->machine.has_failed && may_go_on; life++) {
        world->never_fails = life == LIVES - 1;
        may_go_on = rewind_world(world);
        live_to_the_end(world);
        *ret_rewound += may_go_on;
        *ret_refused += !may_go_on;
    }
    if (world->machine.has_completed) {
        ++*ret_completed;
    }
    assert_true(world->machine.has_completed || !world->program.only_waits);
    fork_world(world);
    arena_done(&world->arena);
    free(world);
}

static void random_programs_go_on_after_rewinds_and_in_forks(void **state)
{
    (void)state;
    const char *only = getenv("PERDURE_REWRITE_SEED");
    size_t rewound = 0;
    size_t refused = 0;
    size_t completed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t this_seed = only != NULL ? strtoull(only, NULL, 10) : seed;
        print_message("seed %d\r",
                      (int)this_seed); /* the last one printed is the one that failed */
        run_seed(this_seed, &rewound, &refused, &completed);
        if (only != NULL) {
            return;
        }
    }
    /* Most programs fail at first, and most of those are helped. */
    assert_in_range(refused, SEEDS / 50, SEEDS / 2);
    assert_true(rewound > SEEDS / 2);
    assert_true(completed > SEEDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_go_on_after_rewinds_and_in_forks),
    };
    return cmocka_run_group_tests_name("rewrite, random", tests, NULL, NULL);
}
