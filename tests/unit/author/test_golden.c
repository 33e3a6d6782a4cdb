/* SPDX-License-Identifier: MIT
 *
 * Stories of what the programming model does of itself: retries, versions, changes, causes, events
 * with a limit of time, executions. The pages are tests/golden/author_*.txt: what comes (">"), and
 * what the code asks for then. Each is told with stacks kept, dropped at every wait, and forgotten
 * now and then; all three read the same. `test_golden --update` writes them anew. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_update;

__attribute__((format(printf, 2, 3))) static void say(struct play *p, const char *format, ...)
{
    char line[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buffer_printf(&p->transcript, "> %s\n", line);
}

static void completes(struct play *p, int step, const char *json)
{
    say(p, "step %d completes with %s", step, json);
    play_complete(p, step, json);
}

static void fails(struct play *p, int step, const char *type)
{
    say(p, "step %d fails: %s", step, type);
    play_fail(p, step, type, "it did");
}

static void fires(struct play *p, int step)
{
    say(p, "the timer of step %d fires", step);
    play_fire(p, step);
}

static void answers(struct play *p, int step, const char *json)
{
    say(p, "the entity answers step %d with %s", step, json);
    play_answer(p, step, json);
}

static void grants(struct play *p, int step)
{
    say(p, "all locks of step %d are held", step);
    play_grant(p, step);
}

static void raises(struct play *p, const char *name, const char *json)
{
    say(p, "event %s comes: %s", name, json);
    play_raise(p, name, json);
}

/* ---- retries side by side, and new work behind them ------------------------------------------ */

static const pd_retry gently = { .attempts_max = 3, .delay_first = { 5000 }, .backoff = 2 };

static pd_result side_by_side(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input, .retry = &gently);
    pd_task *b = pd_start_activity(o, "B", input, .retry = &gently);
    pd_call_activity(o, "C", input);
    pd_call_activity(o, "New", input);
    pd_await_all(o, PD_TASKS(a, b));
    return pd_ok(o, pd_task_value(a));
}

static void script_side_by_side(struct play *p)
{
    play_start(p, "SideBySide", "1");
    fails(p, 0, "Down");
    fails(p, 1, "Down");
    play_turn(p);
    completes(p, 2, "0");
    play_turn(p);
    fires(p, 3);
    fires(p, 4);
    play_turn(p);
    fails(p, 6, "Down");
    completes(p, 7, "\"b\"");
    completes(p, 5, "\"new\"");
    play_turn(p);
    fires(p, 8);
    play_turn(p);
    completes(p, 9, "\"a\"");
    play_turn(p);
}

/* ---- all that fail --------------------------------------------------------------------------- */

static pd_result all_causes(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_task *b = pd_start_activity(o, "B", input);
    pd_task *c = pd_start_activity(o, "C", input);
    pd_await_all(o, PD_TASKS(a, b, c));
    return pd_ok(o, PD_NULL);
}

static void script_all_causes(struct play *p)
{
    play_start(p, "AllCauses", "1");
    fails(p, 2, "Third");
    play_turn(p);
    completes(p, 1, "0");
    play_turn(p);
    fails(p, 0, "First");
    play_turn(p);
}

/* ---- an event, but not for ever -------------------------------------------------------------- */

static pd_result patient(pd_orchestration *o, pd_value input)
{
    pd_value answer = PD_NULL;
    for (int asked = 1; asked <= 2; asked++) {
        pd_call_activity(o, "Ask", input);
        if (pd_wait_event_for(o, "Answer", pd_seconds(60), &answer))
            return pd_ok(o, answer);
    }
    return pd_fail(o, "NoAnswer", "nobody said anything");
}

static void script_patient(struct play *p)
{
    play_start(p, "Patient", "1");
    completes(p, 0, "null");
    play_turn(p);
    fires(p, 1);
    play_turn(p);
    raises(p, "ANSWER", "\"yes\"");
    completes(p, 2, "null");
    play_turn(p);
}

/* ---- one execution after the other ----------------------------------------------------------- */

static pd_result rounds(pd_orchestration *o, pd_value input)
{
    int64_t sum = pd_int(input);
    pd_set_status(o, sum);
    sum += pd_int(pd_wait_event(o, "Number"));
    if (sum > 9)
        return pd_ok(o, sum);
    return pd_continue_as_new(o, sum, .version = "2");
}

static void script_rounds(struct play *p)
{
    play_start(p, "Rounds", "0");
    raises(p, "Number", "4");
    raises(p, "Other", "\"kept\"");
    raises(p, "number", "5");
    play_turn(p);
    say(p, "the next execution begins");
    play_turn(p);
    play_turn(p);
    raises(p, "Number", "6");
    play_turn(p);
}

/* ---- code that has changed ------------------------------------------------------------------- */

static pd_result before(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    pd_call_activity(o, "B", input);
    return pd_ok(o, PD_NULL);
}

static pd_result after(pd_orchestration *o, pd_value input)
{
    if (pd_changed(o, "first-x"))
        pd_call_activity(o, "X", input);
    pd_call_activity(o, "A", input);
    if (pd_changed(o, "then-y"))
        pd_call_activity(o, "Y", input);
    pd_call_activity(o, "B", input);
    return pd_ok(o, PD_NULL);
}

static const pd_function program_before[] = { PD_FUNCTION("Changed", before) };
static const pd_function program_after[] = { PD_FUNCTION("Changed", after) };

static void script_changed(struct play *p)
{
    play_restart(p, PD_PROGRAM(program_before));
    play_start(p, "Changed", "1");
    say(p, "the code changes");
    play_restart(p, PD_PROGRAM(program_after));
    completes(p, 0, "null");
    play_turn(p);
    completes(p, 1, "null");
    play_turn(p);
    completes(p, 2, "null");
    play_turn(p);
}

/* ---- two accounts ---------------------------------------------------------------------------- */

#define ACCOUNT(key) PD_ENTITY("Account", key)

static pd_result transfer(pd_orchestration *o, pd_value input)
{
    const char *from, *to;
    int amount;
    pd_read(o, input, "from", &from, "to", &to, "amount", &amount);
    PD_LOCKED(o, ACCOUNT(from), ACCOUNT(to)) {
        if (pd_int(pd_call_entity(o, ACCOUNT(from), "get", PD_NULL)) < amount)
            return pd_fail(o, "NotEnough", "%s has too little", from);
        pd_task *taken = pd_start_entity(o, ACCOUNT(from), "add", -amount);
        pd_task *given = pd_start_entity(o, ACCOUNT(to), "add", amount);
        pd_await_all(o, PD_TASKS(taken, given));
    }
    pd_signal_entity(o, PD_ENTITY("Log", ""), "transferred", amount);
    return pd_ok(o, PD_TRUE);
}

static void script_transfer(struct play *p)
{
    play_start(p, "Transfer", "{\"from\":\"b\",\"to\":\"a\",\"amount\":3}");
    say(p, "somebody else holds @account@b; later:");
    grants(p, 0);
    play_turn(p);
    answers(p, 1, "5");
    play_turn(p);
    answers(p, 3, "3");
    play_turn(p);
    answers(p, 2, "2");
    play_turn(p);
}

static void script_transfer_too_little(struct play *p)
{
    play_start(p, "Transfer", "{\"from\":\"b\",\"to\":\"a\",\"amount\":3}");
    grants(p, 0);
    play_turn(p);
    answers(p, 1, "2");
    play_turn(p);
}

static void script_transfer_fails(struct play *p)
{
    play_start(p, "Transfer", "{\"from\":\"b\",\"to\":\"a\",\"amount\":3}");
    grants(p, 0);
    play_turn(p);
    say(p, "the entity fails step 1");
    play_answer_fail(p, 1, "OperationNotFound", "entity 'Account' has no operation 'get'");
    play_turn(p);
}

/* ---- a reminder ------------------------------------------------------------------------------ */

static pd_result reminds(pd_orchestration *o, pd_value input)
{
    pd_entity_id inbox = PD_ENTITY("Inbox", "ann");
    pd_signal_entity(o, inbox, "add", input);
    const char *reminder =
        pd_signal_entity(o, inbox, "remind", input, .at = pd_after(pd_now(o), pd_hours(24)));
    if (!pd_wait_event_for(o, "Read", pd_hours(1), NULL))
        return pd_ok(o, "will be reminded");
    pd_cancel_signal(o, inbox, reminder);
    return pd_ok(o, "has read it");
}

static void script_reminds(struct play *p)
{
    play_start(p, "Reminds", "\"lunch\"");
    raises(p, "read", "null");
    play_turn(p);
}

/* ---- the pages ------------------------------------------------------------------------------- */

static const pd_function program[] = {
    PD_FUNCTION("SideBySide", side_by_side), PD_FUNCTION("AllCauses", all_causes),
    PD_FUNCTION("Patient", patient),         PD_FUNCTION("Rounds", rounds),
    PD_FUNCTION("Transfer", transfer),       PD_FUNCTION("Reminds", reminds),
};

struct story {
    const char *file, *title;
    const pd_function *program;
    size_t count;
    void (*script)(struct play *);
};

static const struct story stories[] = {
    { "author_retries_side_by_side.txt",
      "# Two retry policies side by side, and new work while they wait: steps keep their numbers.",
      PD_PROGRAM(program), script_side_by_side },
    { "author_all_causes.txt", "# All are waited for; then there is one failure with all causes.",
      PD_PROGRAM(program), script_all_causes },
    { "author_event_with_a_limit.txt",
      "# Nobody answers in time; the second time the answer was there before the question.",
      PD_PROGRAM(program), script_patient },
    { "author_executions.txt", "# A loop by continue-as-new: events are kept, the version is new.",
      PD_PROGRAM(program), script_rounds },
    { "author_transfer.txt",
      "# Two accounts change together: both are locked, in one order, whoever pays whom.",
      PD_PROGRAM(program), script_transfer },
    { "author_transfer_too_little.txt",
      "# The code returns from inside of the critical section, which gives the locks back.",
      PD_PROGRAM(program), script_transfer_too_little },
    { "author_transfer_fails.txt",
      "# A failing call leaves the function: the end gives the locks back, no step does.",
      PD_PROGRAM(program), script_transfer_fails },
    { "author_reminder.txt", "# A signal for tomorrow is cancelled when it is not needed.",
      PD_PROGRAM(program), script_reminds },
    { "author_changed.txt",
      "# Code changes while it waits: what was passed stays as it was, what comes is new.",
      PD_PROGRAM(program_after), script_changed },
};

static void path_of(const struct story *story, char path[512])
{
    (void)snprintf(path, 512, "%s/tests/golden/%s", PERDURE_SOURCE_DIR, story->file);
}

static void tell(const struct story *story, struct buffer *ret)
{
    for (int mode = 0; mode < PLAY_MODES; mode++) {
        struct play play;
        play_begin(&play, story->program, story->count, (enum play_mode)mode);
        story->script(&play);
        struct buffer now = { 0 };
        buffer_printf(&now, "%s\n\n%s", story->title, play_transcript(&play));
        buffer_add_byte(&now, 0);
        if (ret->size != 0) {
            assert_string_equal(now.at, ret->at);
            buffer_done(&now);
        } else {
            *ret = now;
        }
        play_end(&play);
    }
}

static void story_reads_as_it_did(void **state)
{
    const struct story *story = *state;
    struct buffer now = { 0 };
    char path[512], page[16384] = "";
    path_of(story, path);
    tell(story, &now);
    FILE *file = fopen(path, is_update ? "wb" : "rb");
    assert_non_null(file);
    if (is_update) {
        assert_int_equal(fwrite(now.at, 1, now.size - 1, file), now.size - 1);
    } else {
        page[fread(page, 1, sizeof page - 1, file)] = '\0';
        assert_string_equal(now.at, page);
    }
    assert_int_equal(fclose(file), 0);
    buffer_done(&now);
}

int main(int argc, char **argv)
{
    enum { COUNT = sizeof stories / sizeof stories[0] };
    is_update = argc > 1 && strcmp(argv[1], "--update") == 0;
    struct CMUnitTest tests[COUNT];
    union {
        const struct story *in;
        void *out;
    } state;
    for (size_t i = 0; i < COUNT; i++) {
        state.in = &stories[i];
        tests[i] = (struct CMUnitTest){ .name = stories[i].file,
                                        .test_func = story_reads_as_it_did,
                                        .initial_state = state.out };
    }
    return _cmocka_run_group_tests("author's stories", tests, COUNT, NULL, NULL);
}
