/* SPDX-License-Identifier: MIT
 *
 * The programs that instances of the rig run. The input of most is a number, n:
 *   hello_cities   five activities, one after another
 *   fan_out        n activities at once
 *   approval       waits for an event
 *   race           an activity and a timer of a minute; ends when either has come
 *   sleepers       n timers at once, all of a minute
 *   broken         fails in its first turn, with a cause
 *   mixed          keeps three steps open, activities and timers, until n have come
 *   forever        an activity, and another whenever it has an event; never ends
 *   parent         n children of program mixed, ends when all have ended
 *   strict         n activities at once; fails when all have ended and one has failed
 *   hasty          likewise, but fails as soon as one has failed
 *   strict_parent, hasty_parent   likewise with children of program strict, of one activity each
 *   first          an activity, a timer and a child; cancels all when one has come, and ends with
 *                  what comes next
 *   rounds         an activity, then continues as new with n - 1, until n is 0
 *
 * The input of `script` says what it asks for in each of its turns, which are divided by bars:
 *   task              timer:SECONDS       child:ID:PROGRAM[:INPUT]     send:ID:EVENT
 *   task:PROGRESS     cancel:STEP         change:NAME          status:JSON
 *   end  end:JSON     fail:TYPE
 *   call:ENTITY:OP[:PAYLOAD]         signal:ENTITY:OP[:PAYLOAD]     forget:ENTITY:REQUEST
 *   later:SECONDS:ENTITY:OP[:PAYLOAD]   lock:SECTION:ENTITY,ENTITY...   unlock:SECTION:ENTITY
 *   new  new:EVENT    continues as new, with the turns that follow for a script; keeps an event
 * After the last of its turns it asks for nothing.
 */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const time_us minute = 60 * TIME_SECOND;

void tally_event(struct tally *tally, const struct event *event)
{
    switch (event->kind) {
    case EVENT_ORCHESTRATOR_STARTED:
        tally->now = event->at;
        tally->turn++;
        break;
    case EVENT_EXECUTION_STARTED:
        memcpy(tally->program, event->name.at, event->name.size);
        memset(tally->script, 0, sizeof tally->script);
        assert_true(event->payload.size < sizeof tally->script);
        if (event->payload.size != 0) {
            memcpy(tally->script, event->payload.at, event->payload.size);
        }
        tally->n = (int)strtol(tally->script, NULL, 10);
        break;
    case EVENT_TASK_COMPLETED: tally->completed++; break;
    case EVENT_TASK_FAILED: tally->failed++; break;
    case EVENT_TIMER_FIRED: tally->fired++; break;
    case EVENT_EVENT_RAISED: tally->raised++; break;
    case EVENT_CHILD_COMPLETED:
    case EVENT_ENTITY_COMPLETED: tally->completed++; break;
    case EVENT_CHILD_FAILED:
    case EVENT_ENTITY_FAILED: tally->failed++; break;
    case EVENT_TASK_SCHEDULED:
    case EVENT_TIMER_CREATED:
    case EVENT_CHILD_CREATED:
    case EVENT_EVENT_SENT:
    case EVENT_ENTITY_CALLED:
    case EVENT_ENTITY_SIGNALED:
    case EVENT_LOCK_REQUESTED:
    case EVENT_UNLOCK_SENT:
        tally->steps++;
        break; /* in a past; what is asked for now counts itself */
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED:
    case EVENT_LOCK_GRANTED:
    case EVENT_SIGNAL_CANCELLED:
    case EVENT_TRACE_NOTED:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_UNKNOWN: break;
    }
}

struct asking {
    struct arena *arena;
    struct text instance_id;
    struct action *actions;
    size_t count;
    struct text status;
};

static struct action *ask(struct asking *asking, struct tally *tally, enum action_kind kind)
{
    struct action *action = &asking->actions[asking->count++];
    *action = (struct action){ .kind = kind, .id = tally->steps++ };
    return action;
}

static void ask_task(struct asking *asking, struct tally *tally)
{
    struct action *action = ask(asking, tally, ACTION_SCHEDULE_TASK);
    char *input = arena_printf(asking->arena, "%d", action->id);
    action->name = TEXT("Work");
    action->payload = text_of(input);
}

static void ask_timer(struct asking *asking, struct tally *tally, int64_t in)
{
    ask(asking, tally, ACTION_CREATE_TIMER)->fire_at = tally->now + in;
}

static void ask_end(struct asking *asking, struct tally *tally)
{
    struct action *action = ask(asking, tally, ACTION_COMPLETE);
    action->outcome = RUN_COMPLETED;
    action->payload = text_of(arena_printf(asking->arena, "[%d,%d,%d,%d]", tally->completed,
                                           tally->failed, tally->fired, tally->raised));
}

static void ask_failure(struct asking *asking, struct tally *tally)
{
    static const struct failure cause = { .type = TEXT_INIT("Disk"),
                                          .message = TEXT_INIT("full"),
                                          .is_final = true };
    static const struct failure failure = { .type = TEXT_INIT("Broken"),
                                            .message = TEXT_INIT("as ever"),
                                            .cause = &cause };
    struct action *action = ask(asking, tally, ACTION_COMPLETE);
    action->outcome = RUN_FAILED;
    action->failure = &failure;
}

static void ask_child(struct asking *asking, struct tally *tally, const char *id,
                      const char *program, const char *input)
{
    struct action *action = ask(asking, tally, ACTION_START_CHILD);
    action->instance_id = text_of(id);
    action->name = text_of(program);
    action->payload = text_of(input);
}

static void ask_new(struct asking *asking, struct tally *tally, const char *input)
{
    ask(asking, tally, ACTION_CONTINUE_AS_NEW)->payload = text_of(input);
}

static void ask_mixed(struct asking *asking, struct tally *tally)
{
    int come = tally->completed + tally->failed + tally->fired;
    if (come >= tally->n) {
        ask_end(asking, tally);
        return;
    }
    while (tally->steps < come + 3) {
        if (tally->steps % 3 == 1) {
            ask_timer(asking, tally, (tally->steps * 7 % 50) * TIME_MS);
        } else {
            ask_task(asking, tally);
        }
    }
}

static void cancel_first(struct asking *asking, struct tally *tally)
{
    while (asking->count < 3) {
        struct action *action = &asking->actions[asking->count];
        *action = (struct action){ .kind = ACTION_CANCEL, .id = (int32_t)asking->count };
        asking->count++;
    }
    ask_task(asking, tally);
}

static void ask_first(struct asking *asking, struct tally *tally)
{
    int come = tally->completed + tally->failed + tally->fired;
    if (tally->steps == 0) {
        ask_task(asking, tally);
        ask_timer(asking, tally, 100 * TIME_MS);
        ask_child(asking, tally,
                  arena_printf(asking->arena, "%.*s.0", TEXT_ARGS(asking->instance_id)), "mixed",
                  "1");
    } else if (tally->steps == 3 && come != 0) {
        cancel_first(asking, tally);
    } else if (come >= 2) {
        ask_end(asking, tally);
    }
}

static void ask_children(struct asking *asking, struct tally *tally, const char *program,
                         const char *input)
{
    while (tally->steps < tally->n) {
        ask_child(
            asking, tally,
            arena_printf(asking->arena, "%.*s.%d", TEXT_ARGS(asking->instance_id), tally->steps),
            program, input);
    }
}

/* All have ended: how well? */
static void ask_verdict(struct asking *asking, struct tally *tally)
{
    if (tally->failed != 0) {
        ask_failure(asking, tally);
    } else {
        ask_end(asking, tally);
    }
}

/* strict and hasty, of activities or children. */
static void ask_all(struct asking *asking, struct tally *tally, bool is_hasty, bool of_children)
{
    if (tally->steps == 0 && of_children) {
        ask_children(asking, tally, "strict", "1");
    }
    while (tally->steps < tally->n) {
        ask_task(asking, tally);
    }
    if (tally->completed + tally->failed == tally->n || (is_hasty && tally->failed != 0)) {
        ask_verdict(asking, tally);
    }
}

/* ---- scripts ---- */

/* What the word says behind its colon; NULL: it has none, or is another word. */
static const char *argument(const char *word, const char *verb)
{
    size_t size = strlen(verb);
    return strncmp(word, verb, size) == 0 && word[size] == ':' ? word + size + 1 : NULL;
}

/* The text up to the next colon, which is passed over. */
static char *next_part(struct asking *asking, const char **at)
{
    size_t size = strcspn(*at, ":");
    char *part = arena_copy(asking->arena, *at, size);
    *at += size + ((*at)[size] == ':');
    return part;
}

static void ask_noted(struct asking *asking, struct tally *tally, const char *progress)
{
    struct event_extra *extra = arena_alloc(asking->arena, sizeof *extra);
    extra->progress = text_of(arena_copy(asking->arena, progress, strlen(progress)));
    extra->tags = TEXT("\x1e"
                       "kind\x1f"
                       "task\x1e");
    extra->limits = (struct task_limits){ 1, 2, 3 };
    ask_task(asking, tally);
    asking->actions[asking->count - 1].extra = extra;
}

static void keep_event(struct asking *asking, const char *name)
{
    struct event *kept = arena_alloc(asking->arena, sizeof *kept);
    *kept = (struct event){ .kind = EVENT_EVENT_RAISED,
                            .id = EVENT_NO_ID,
                            .ref = EVENT_NO_ID,
                            .at = 1,
                            .name = text_of(arena_copy(asking->arena, name, strlen(name))) };
    asking->actions[asking->count - 1].kept = kept;
    asking->actions[asking->count - 1].kept_count = 1;
}

static void ask_end_with(struct asking *asking, struct tally *tally, const char *output)
{
    ask_end(asking, tally);
    asking->actions[asking->count - 1].payload =
        text_of(arena_copy(asking->arena, output, strlen(output)));
}

static void ask_failure_of(struct asking *asking, struct tally *tally, const char *type)
{
    struct failure *failure = arena_alloc(asking->arena, sizeof *failure);
    failure->type = text_of(arena_copy(asking->arena, type, strlen(type)));
    failure->message = TEXT("as told");
    struct action *action = ask(asking, tally, ACTION_COMPLETE);
    action->outcome = RUN_FAILED;
    action->failure = failure;
}

/* What is said to an entity: NAME:ENTITY:... */
static struct action *ask_entity(struct asking *asking, struct tally *tally, enum action_kind kind,
                                 const char **at)
{
    struct action *action = ask(asking, tally, kind);
    action->instance_id = text_of(next_part(asking, at));
    action->name = text_of(next_part(asking, at));
    action->payload = **at != 0 ? text_of(next_part(asking, at)) : TEXT_ABSENT;
    action->request_id = text_of(arena_printf(asking->arena, "r%d", action->id));
    return action;
}

static void ask_lock(struct asking *asking, struct tally *tally, const char *at)
{
    struct event_extra *extra = arena_alloc(asking->arena, sizeof *extra);
    struct action *action = ask(asking, tally, ACTION_LOCK);
    action->request_id = text_of(next_part(asking, &at));
    char *set = arena_printf(asking->arena, "%s,", at);
    for (char *comma = set; (comma = strchr(comma, ',')) != NULL;) {
        *comma = '\n';
    }
    extra->lock_set = text_of(set);
    action->extra = extra;
}

static bool ask_of_entities(struct asking *asking, struct tally *tally, const char *word)
{
    const char *at;
    if ((at = argument(word, "call")) != NULL) {
        ask_entity(asking, tally, ACTION_CALL_ENTITY, &at);
    } else if ((at = argument(word, "signal")) != NULL) {
        ask_entity(asking, tally, ACTION_SIGNAL_ENTITY, &at);
    } else if ((at = argument(word, "later")) != NULL) {
        time_us in = strtol(next_part(asking, &at), NULL, 10) * TIME_SECOND;
        ask_entity(asking, tally, ACTION_SIGNAL_ENTITY, &at)->fire_at = tally->now + in;
    } else if ((at = argument(word, "forget")) != NULL) {
        struct action *action = &asking->actions[asking->count++];
        *action = (struct action){ .kind = ACTION_CANCEL_SIGNAL };
        action->instance_id = text_of(next_part(asking, &at));
        action->request_id = text_of(next_part(asking, &at));
    } else if ((at = argument(word, "lock")) != NULL) {
        ask_lock(asking, tally, at);
    } else if ((at = argument(word, "unlock")) != NULL) {
        struct action *action = ask(asking, tally, ACTION_UNLOCK);
        action->request_id = text_of(next_part(asking, &at));
        action->instance_id = text_of(next_part(asking, &at));
    } else {
        return false;
    }
    return true;
}

/* Words that ask for steps. */
static bool ask_step(struct asking *asking, struct tally *tally, const char *word)
{
    const char *at;
    if (strcmp(word, "task") == 0) {
        ask_task(asking, tally);
    } else if ((at = argument(word, "task")) != NULL) {
        ask_noted(asking, tally, at);
    } else if ((at = argument(word, "timer")) != NULL) {
        ask_timer(asking, tally, strtol(at, NULL, 10) * TIME_SECOND);
    } else if ((at = argument(word, "child")) != NULL) {
        const char *id = next_part(asking, &at);
        const char *program = next_part(asking, &at);
        ask_child(asking, tally, id, program, *at != 0 ? next_part(asking, &at) : NULL);
    } else if ((at = argument(word, "send")) != NULL) {
        struct action *action = ask(asking, tally, ACTION_SEND_EVENT);
        action->instance_id = text_of(next_part(asking, &at));
        action->name = text_of(next_part(asking, &at));
    } else {
        return ask_of_entities(asking, tally, word);
    }
    return true;
}

static void ask_word(struct asking *asking, struct tally *tally, const char *word, const char *rest)
{
    const char *at;
    struct action *action = &asking->actions[asking->count];
    if (ask_step(asking, tally, word)) {
        return;
    }
    if ((at = argument(word, "cancel")) != NULL) {
        *action = (struct action){ .kind = ACTION_CANCEL, .id = (int32_t)strtol(at, NULL, 10) };
        asking->count++;
    } else if ((at = argument(word, "change")) != NULL) {
        *action = (struct action){ .kind = ACTION_MARK_CHANGE };
        action->name = text_of(next_part(asking, &at));
        asking->count++;
    } else if ((at = argument(word, "status")) != NULL) {
        asking->status = text_of(arena_copy(asking->arena, at, strlen(at)));
    } else if (strcmp(word, "end") == 0) {
        ask_end(asking, tally);
    } else if ((at = argument(word, "end")) != NULL) {
        ask_end_with(asking, tally, at);
    } else if ((at = argument(word, "fail")) != NULL) {
        ask_failure_of(asking, tally, at);
    } else if (strcmp(word, "new") == 0) {
        ask_new(asking, tally, rest);
    } else if ((at = argument(word, "new")) != NULL) {
        ask_new(asking, tally, rest);
        keep_event(asking, at);
    } else {
        fail_msg("a script says '%s'", word);
    }
}

static void run_script(struct asking *asking, struct tally *tally)
{
    const char *turn = tally->script;
    for (uint64_t i = 1; i < tally->turn && turn != NULL; i++) {
        turn = strchr(turn, '|');
        turn = turn != NULL ? turn + 1 : NULL;
    }
    if (turn == NULL) {
        return;
    }
    const char *bar = strchr(turn, '|');
    const char *rest = bar != NULL ? arena_copy(asking->arena, bar + 1, strlen(bar + 1)) : "";
    size_t size = bar != NULL ? (size_t)(bar - turn) : strlen(turn);
    char *words = arena_copy(asking->arena, turn, size);
    char *saved;
    for (char *word = strtok_r(words, " ", &saved); word != NULL;
         word = strtok_r(NULL, " ", &saved)) {
        ask_word(asking, tally, word, rest);
    }
}

/* ---- all ---- */

static bool is(const struct tally *tally, const char *program)
{
    return strcmp(tally->program, program) == 0;
}

static void ask_for_program(struct asking *asking, struct tally *tally)
{
    bool is_first = tally->steps == 0;
    if (is(tally, "hello_cities") && tally->completed == 5) {
        ask_end(asking, tally);
    } else if (is(tally, "hello_cities") && tally->steps == tally->completed) {
        ask_task(asking, tally);
    } else if (is(tally, "fan_out") && is_first) {
        while (tally->steps < tally->n) {
            ask_task(asking, tally);
        }
    } else if (is(tally, "fan_out") && tally->completed + tally->failed == tally->n) {
        ask_end(asking, tally);
    } else if (is(tally, "approval") && tally->raised != 0) {
        ask_end(asking, tally);
    } else if (is(tally, "race") && is_first) {
        ask_task(asking, tally);
        ask_timer(asking, tally, minute);
    } else if (is(tally, "race") && tally->completed + tally->fired != 0) {
        ask_end(asking, tally);
    } else if (is(tally, "sleepers") && is_first) {
        while (tally->steps < tally->n) {
            ask_timer(asking, tally, minute);
        }
    } else if (is(tally, "sleepers") && tally->fired == tally->n) {
        ask_end(asking, tally);
    } else if (is(tally, "broken")) {
        ask_failure(asking, tally);
    } else if (is(tally, "mixed")) {
        ask_mixed(asking, tally);
    } else if (is(tally, "forever")) {
        ask_task(asking, tally);
    } else if (is(tally, "parent") && tally->completed + tally->failed == tally->n) {
        ask_end(asking, tally);
    } else if (is(tally, "parent") && is_first) {
        ask_children(asking, tally, "mixed", "2");
    } else if (is(tally, "first")) {
        ask_first(asking, tally);
    } else if (is(tally, "rounds") && tally->n == 0) {
        ask_end(asking, tally);
    } else if (is(tally, "rounds") && is_first) {
        ask_task(asking, tally);
    } else if (is(tally, "rounds") && tally->completed != 0) {
        ask_new(asking, tally, arena_printf(asking->arena, "%d", tally->n - 1));
    } else if (is(tally, "strict") || is(tally, "strict_parent")) {
        ask_all(asking, tally, false, is(tally, "strict_parent"));
    } else if (is(tally, "hasty") || is(tally, "hasty_parent")) {
        ask_all(asking, tally, true, is(tally, "hasty_parent"));
    } else if (is(tally, "script")) {
        run_script(asking, tally);
    }
}

struct turn_result run_program(struct tally *tally, const struct turn *turn, struct arena *arena)
{
    struct asking asking = { .arena = arena, .instance_id = turn->instance_id };
    size_t room = (size_t)tally->n + strlen(tally->script) + 8;
    asking.actions = arena_alloc(arena, room * sizeof *asking.actions);
    ask_for_program(&asking, tally);
    return (struct turn_result){ asking.actions, asking.count, asking.status };
}
