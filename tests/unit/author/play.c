/* SPDX-License-Identifier: MIT
 *
 * See play.h. */
#include "play.h"

#include <stdio.h>
#include <string.h>

enum { ROW = 7 };

static struct runner *new_runner(const pd_function *program, size_t n, enum play_mode mode)
{
    pd_error err;
    struct author_options options = { .partition_count = 2, .is_drop_mode = mode == PLAY_DROPPED };
    struct runner *runner = author_new(program, n, &options, &err);
    assert_non_null(runner);
    return runner;
}

void play_join(struct play *play, struct runner *runner, uint64_t row)
{
    *play = (struct play){ .runner = runner, .row = row, .now = 1000000, .partition = 1 };
    arena_init(&play->arena);
    buffer_init(&play->transcript);
    random_seed(&play->random, row);
}

void play_begin(struct play *play, const pd_function *program, size_t n, enum play_mode mode)
{
    play_join(play, new_runner(program, n, mode), ROW);
    play->mode = mode;
    play->program = program;
    play->program_size = n;
}

void play_end(struct play *play)
{
    if (play->program != NULL) {
        author_free(play->runner);
    }
    mem_free(play->history);
    mem_free(play->coming);
    buffer_done(&play->transcript);
    arena_done(&play->arena);
}

void play_restart(struct play *play, const pd_function *program, size_t n)
{
    author_free(play->runner);
    play->program = program != NULL ? program : play->program;
    play->program_size = program != NULL ? n : play->program_size;
    play->runner = new_runner(play->program, play->program_size, play->mode);
}

/* ---- events ---------------------------------------------------------------------------------- */

static struct event *append(struct event **events, size_t *count, size_t *room,
                            enum event_kind kind, time_us at)
{
    if (*count == *room) {
        size_t more = *room != 0 ? *room * 2 : 16;
        *events = mem_grow(*events, *room * sizeof **events, more * sizeof **events);
        *room = more;
    }
    struct event *event = &(*events)[(*count)++];
    *event = (struct event){ .kind = kind, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = at };
    return event;
}

static struct text keep(struct play *play, const char *text)
{
    return text_copy(&play->arena, text_of(text));
}

struct event *play_coming(struct play *play, enum event_kind kind)
{
    return append(&play->coming, &play->coming_count, &play->coming_room, kind, ++play->now);
}

void play_complete(struct play *play, int step, const char *json)
{
    struct event *event = play_coming(play, EVENT_TASK_COMPLETED);
    event->ref = step;
    event->payload = keep(play, json);
}

void play_fail(struct play *play, int step, const char *type, const char *message)
{
    struct failure *failure = arena_alloc(&play->arena, sizeof *failure);
    struct event *event = play_coming(play, EVENT_TASK_FAILED);
    failure->type = keep(play, type);
    failure->message = keep(play, message);
    event->ref = step;
    event->failure = failure;
}

void play_fire(struct play *play, int step)
{
    play_coming(play, EVENT_TIMER_FIRED)->ref = step;
}

void play_raise(struct play *play, const char *name, const char *json)
{
    struct event *event = play_coming(play, EVENT_EVENT_RAISED);
    event->name = keep(play, name);
    event->payload = keep(play, json);
}

/* ---- writing down ---------------------------------------------------------------------------- */

static void write_failure(struct buffer *to, const struct failure *failure)
{
    for (; failure != NULL; failure = failure->cause) {
        buffer_printf(to, "%.*s: %.*s%s%s", TEXT_ARGS(failure->type), TEXT_ARGS(failure->message),
                      failure->is_final ? " (final)" : "", failure->cause != NULL ? " <- " : "");
    }
}

static void write_action(struct play *play, const struct action *action)
{
    struct buffer *to = &play->transcript;
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK:
        buffer_printf(to, "  %d %.*s %.*s", action->id, TEXT_ARGS(action->name),
                      TEXT_ARGS(action->payload));
        if (text_is_present(action->version)) {
            buffer_printf(to, " version %.*s", TEXT_ARGS(action->version));
        }
        break;
    case ACTION_CREATE_TIMER:
        buffer_printf(to, "  %d timer %lld", action->id, (long long)action->fire_at);
        break;
    case ACTION_COMPLETE:
        buffer_printf(to, "  %d %s ", action->id,
                      action->outcome == RUN_COMPLETED ? "completed" : "failed");
        buffer_add_text(to, action->payload);
        write_failure(to, action->failure);
        break;
    }
    buffer_add_byte(to, '\n');
}

/* What the action leaves in history. */
static void record_action(struct play *play, const struct action *action)
{
    enum event_kind kind =
        action->kind == ACTION_SCHEDULE_TASK ? EVENT_TASK_SCHEDULED : EVENT_TIMER_CREATED;
    assert_false(play->is_ended);
    if (action->kind == ACTION_COMPLETE) {
        play->is_ended = true;
        assert_true(run_state_is_final(action->outcome));
        assert_int_equal(action->outcome == RUN_FAILED, action->failure != NULL);
        return;
    }
    struct event *event =
        append(&play->history, &play->history_count, &play->history_room, kind, ++play->now);
    event->id = action->id;
    event->name = text_copy(&play->arena, action->name);
    event->payload = text_copy(&play->arena, action->payload);
    event->fire_at = action->fire_at;
    assert_int_equal(action->id, play->step_count); /* R1 */
    play->step_count++;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Events whose text lies in a heap block of its own, to be destroyed with scrap. */
static struct event *lend(const struct event *events, size_t n)
{
    struct event *copies = mem_alloc((n + 1) * sizeof *copies);
    for (size_t i = 0; i < n; i++) {
        copies[i] = events[i];
        if (events[i].payload.size > 0) {
            char *payload = mem_alloc(events[i].payload.size);
            memcpy(payload, events[i].payload.at, events[i].payload.size);
            copies[i].payload.at = payload;
        }
    }
    return copies;
}

static void scrap(struct event *copies, const struct event *events, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (events[i].payload.size > 0) {
            union {
                const char *in;
                char *out;
            } payload = { copies[i].payload.at };
            memset(payload.out, '!', events[i].payload.size);
            mem_free(payload.out);
        }
    }
    memset(copies, 0x5a, n * sizeof *copies);
    mem_free(copies);
}

static void call(struct play *play, const struct turn *turn, struct arena *arena,
                 struct turn_result *ret)
{
    play->needed_history = false;
    if (play->runner->ops->turn(play->runner, turn, NULL, arena, ret) == RUNNER_DONE) {
        return;
    }
    play->needed_history = true;
    assert_true(turn->number > 1);
    struct event *past_events = lend(play->history, play->history_count);
    struct past past = { past_events, play->history_count };
    assert_int_equal(play->runner->ops->turn(play->runner, turn, &past, arena, ret), RUNNER_DONE);
    scrap(past_events, play->history, play->history_count);
}

void play_turn(struct play *play)
{
    struct turn_result result;
    struct arena arena;
    assert_false(play->is_ended);
    if (play->mode == PLAY_FORGOTTEN && random_chance(&play->random, 1, 2)) {
        play->runner->ops->forget(play->runner, play->partition, play->row);
    }
    arena_init(&arena);
    struct event *lent = lend(play->coming, play->coming_count);
    struct turn turn = { .row = play->row,
                         .number = ++play->turn_number,
                         .partition = play->partition,
                         .instance_id = TEXT("order-7"),
                         .execution_id = TEXT("e1"),
                         .events = lent,
                         .event_count = play->coming_count,
                         .is_past_durable = true };
    call(play, &turn, &arena, &result);
    scrap(lent, play->coming, play->coming_count);
    for (size_t i = 0; i < play->coming_count; i++) {
        *append(&play->history, &play->history_count, &play->history_room, EVENT_UNKNOWN, 0) =
            play->coming[i];
    }
    play->coming_count = 0;
    buffer_printf(&play->transcript, "turn %llu\n", (unsigned long long)turn.number);
    for (size_t i = 0; i < result.action_count; i++) {
        write_action(play, &result.actions[i]);
        record_action(play, &result.actions[i]);
    }
    arena_done(&arena);
    play->now += 1000000;
    play_coming(play, EVENT_ORCHESTRATOR_STARTED);
}

void play_start(struct play *play, const char *name, const char *input)
{
    /* The first two of turn 1 come before what was said already. */
    size_t n = play->coming_count;
    struct event *said = mem_alloc((n + 1) * sizeof *said);
    if (n > 0) {
        memcpy(said, play->coming, n * sizeof *said);
    }
    play->coming_count = 0;
    play_coming(play, EVENT_ORCHESTRATOR_STARTED);
    struct event *started = play_coming(play, EVENT_EXECUTION_STARTED);
    started->name = keep(play, name);
    started->payload = keep(play, input);
    for (size_t i = 0; i < n; i++) {
        *play_coming(play, EVENT_UNKNOWN) = said[i];
    }
    mem_free(said);
    play_turn(play);
}

const char *play_transcript(struct play *play)
{
    buffer_add_byte(&play->transcript, '\0');
    play->transcript.size--;
    return (const char *)play->transcript.at;
}

void play_all(const pd_function *program, size_t n, void (*script)(struct play *),
              const char *expected)
{
    char *first = NULL;
    for (int mode = 0; mode < PLAY_MODES; mode++) {
        struct play play;
        play_begin(&play, program, n, (enum play_mode)mode);
        script(&play);
        const char *transcript = play_transcript(&play);
        if (expected != NULL) {
            assert_string_equal(transcript, expected);
        } else if (first != NULL) {
            assert_string_equal(transcript, first);
        } else {
            size_t size = strlen(transcript) + 1;
            first = mem_alloc(size);
            memcpy(first, transcript, size);
        }
        play_end(&play);
    }
    mem_free(first);
}
