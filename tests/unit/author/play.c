/* SPDX-License-Identifier: MIT
 *
 * See play.h. */
#include "play.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"

enum { ROW = 7 };

struct author_options play_options;

static struct runner *new_runner(const pd_function *program, size_t n, enum play_mode mode)
{
    pd_error err;
    struct author_options options = play_options;
    options.partition_count = 2;
    options.is_drop_mode = mode == PLAY_DROPPED;
    struct runner *runner = author_new(program, n, &options, &err);
    assert_non_null(runner);
    return runner;
}

void play_join(struct play *play, struct runner *runner, uint64_t row)
{
    *play = (struct play){
        .runner = runner, .row = row, .now = 1000000, .partition = 1, .execution = 1
    };
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

struct failure *play_fail(struct play *play, int step, const char *type, const char *message)
{
    struct failure *failure = arena_alloc(&play->arena, sizeof *failure);
    struct event *event = play_coming(play, EVENT_TASK_FAILED);
    failure->type = keep(play, type);
    failure->message = keep(play, message);
    event->ref = step;
    event->failure = failure;
    return failure;
}

void play_child_complete(struct play *play, int step, const char *json)
{
    play_complete(play, step, json);
    play->coming[play->coming_count - 1].kind = EVENT_CHILD_COMPLETED;
}

struct failure *play_child_fail(struct play *play, int step, const char *type, const char *message)
{
    struct failure *failure = play_fail(play, step, type, message);
    play->coming[play->coming_count - 1].kind = EVENT_CHILD_FAILED;
    return failure;
}

void play_answer(struct play *play, int step, const char *json)
{
    play_complete(play, step, json);
    play->coming[play->coming_count - 1].kind = EVENT_ENTITY_COMPLETED;
}

struct failure *play_answer_fail(struct play *play, int step, const char *type, const char *message)
{
    struct failure *failure = play_fail(play, step, type, message);
    play->coming[play->coming_count - 1].kind = EVENT_ENTITY_FAILED;
    return failure;
}

void play_grant(struct play *play, int step)
{
    play_coming(play, EVENT_LOCK_GRANTED)->ref = step;
}

enum event_kind play_kind(const struct play *play, int step)
{
    for (size_t i = 0; i < play->history_count; i++) {
        if (play->history[i].id == step) {
            return play->history[i].kind;
        }
    }
    return EVENT_UNKNOWN;
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

/* Not by a printf, whose reading the address sanitizer does not check. */
static void add(struct buffer *to, const char *before, struct text text)
{
    if (text_is_present(text)) {
        buffer_add(to, before, strlen(before));
        buffer_add_text(to, text);
    }
}

static void write_failure(struct buffer *to, const struct failure *failure)
{
    add(to, "", failure->type);
    add(to, ": ", failure->message);
    buffer_printf(to, "%s", failure->is_final ? " (final)" : "");
    const struct failure *cause = failure->cause;
    bool are_many = cause != NULL && cause->next != NULL;
    for (; cause != NULL; cause = cause->next) {
        buffer_printf(to, are_many ? (cause == failure->cause ? " <- {" : " | ") : " <- ");
        write_failure(to, cause);
    }
    buffer_printf(to, are_many ? "}" : "");
}

static void write_extra(struct buffer *to, const struct event_extra *extra)
{
    struct tag tag;
    for (size_t cursor = 0; tags_next(extra->tags, &cursor, &tag);) {
        add(to, " #", tag.key);
        add(to, "=", tag.value);
    }
    add(to, " progress ", extra->progress);
    if (extra->retry_of > 0) {
        buffer_printf(to, " answers %d", extra->retry_of - 1);
    }
    const struct task_limits *l = &extra->limits;
    if ((l->start_ms | l->run_ms | l->beat_ms) != 0) {
        buffer_printf(to, " limits %lld %lld %lld", (long long)l->start_ms, (long long)l->run_ms,
                      (long long)l->beat_ms);
    }
}

static void write_end(struct buffer *to, const struct action *action)
{
    bool is_new = action->kind == ACTION_CONTINUE_AS_NEW;
    const char *how = action->outcome == RUN_COMPLETED ? "completed" : "failed";
    buffer_printf(to, "  %d %s ", action->id, is_new ? "continues" : how);
    buffer_add_text(to, action->payload);
    if (action->failure != NULL) {
        write_failure(to, action->failure);
    }
    add(to, " version ", action->version);
    for (size_t i = 0; i < action->kept_count; i++) {
        const struct event *event = &action->kept[i];
        assert_int_equal(event->kind, EVENT_EVENT_RAISED);
        add(to, " keeps ", event->name);
        add(to, " ", event->payload);
    }
}

/* The step that made the request; EVENT_NO_ID: none did. */
static int32_t step_of_request(const struct play *play, struct text request_id)
{
    for (size_t i = 0; i < play->history_count; i++) {
        if (play->history[i].id >= 0 && play->history[i].kind != EVENT_UNLOCK_SENT &&
            text_equal(play->history[i].request_id, request_id)) {
            return play->history[i].id;
        }
    }
    return EVENT_NO_ID;
}

/* A request has the id of its step. */
static void check_request_id(const struct play *play, const struct action *action)
{
    char execution_id[16], id[REQUEST_ID_SIZE];
    (void)snprintf(execution_id, sizeof execution_id, "e%d", play->execution);
    request_id_of_step(text_of(execution_id), action->id, id);
    assert_true(text_equal(action->request_id, text_of(id)));
}

static void write_operation(struct play *play, const struct action *action)
{
    struct buffer *to = &play->transcript;
    check_request_id(play, action);
    buffer_printf(to, "  %d %s ", action->id,
                  action->kind == ACTION_CALL_ENTITY ? "calls" : "signals");
    add(to, "", action->name);
    add(to, " ", action->payload);
    add(to, action->kind == ACTION_CALL_ENTITY ? " of " : " to ", action->instance_id);
    if (action->fire_at != 0) {
        buffer_printf(to, " at %lld", (long long)action->fire_at);
    }
}

static void write_lock(struct play *play, const struct action *action)
{
    struct buffer *to = &play->transcript;
    if (action->kind == ACTION_LOCK) {
        check_request_id(play, action);
        buffer_printf(to, "  %d locks", action->id);
        struct text set = action->extra->lock_set;
        for (size_t i = 0; i < set.size; i++) {
            bool is_first = i == 0 || set.at[i - 1] == '\n';
            buffer_printf(to, "%s", is_first ? " " : "");
            buffer_add(to, &set.at[i], set.at[i] != '\n');
        }
        return;
    }
    bool is_unlock = action->kind == ACTION_UNLOCK;
    assert_true(is_unlock ? action->id >= 0 : action->id == EVENT_NO_ID);
    if (is_unlock) {
        buffer_printf(to, "  %d unlocks ", action->id);
    } else {
        buffer_printf(to, "  cancels a signal to ");
    }
    add(to, "", action->instance_id);
    int32_t step = step_of_request(play, action->request_id);
    if (step >= 0) {
        buffer_printf(to, " of step %d", step);
    } else {
        add(to, " of ", action->request_id);
    }
}

static void write_action(struct play *play, const struct action *action)
{
    struct buffer *to = &play->transcript;
    switch (action->kind) {
    case ACTION_CALL_ENTITY:
    case ACTION_SIGNAL_ENTITY: write_operation(play, action); break;
    case ACTION_LOCK:
    case ACTION_UNLOCK:
    case ACTION_CANCEL_SIGNAL: write_lock(play, action); break;
    case ACTION_NOTE_TRACE: fail_msg("workers elsewhere note traces"); break;
    case ACTION_TERMINATE: fail_msg("workers elsewhere terminate others so"); break;
    case ACTION_START: fail_msg("an orchestration starts children only"); break;
    case ACTION_SCHEDULE_TASK:
    case ACTION_START_CHILD:
        buffer_printf(to, "  %d %s", action->id,
                      action->kind == ACTION_START_CHILD ? "child " : "");
        add(to, "", action->name);
        add(to, " ", action->payload);
        add(to, " as ", action->instance_id);
        add(to, " version ", action->version);
        break;
    case ACTION_CREATE_TIMER:
        buffer_printf(to, "  %d timer %lld", action->id, (long long)action->fire_at);
        break;
    case ACTION_SEND_EVENT:
        buffer_printf(to, "  %d sends ", action->id);
        add(to, "", action->name);
        add(to, " ", action->payload);
        add(to, " to ", action->instance_id);
        break;
    case ACTION_CANCEL: buffer_printf(to, "  cancels %d", action->id); break;
    case ACTION_MARK_CHANGE: add(to, "  marks ", action->name); break;
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: write_end(to, action); break;
    }
    if (action->extra != NULL) {
        write_extra(to, action->extra);
    }
    buffer_add_byte(to, '\n');
}

static enum event_kind kind_of(const struct action *action)
{
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK: return EVENT_TASK_SCHEDULED;
    case ACTION_START_CHILD: return EVENT_CHILD_CREATED;
    case ACTION_CREATE_TIMER: return EVENT_TIMER_CREATED;
    case ACTION_SEND_EVENT: return EVENT_EVENT_SENT;
    case ACTION_CALL_ENTITY: return EVENT_ENTITY_CALLED;
    case ACTION_SIGNAL_ENTITY: return EVENT_ENTITY_SIGNALED;
    case ACTION_LOCK: return EVENT_LOCK_REQUESTED;
    case ACTION_UNLOCK: return EVENT_UNLOCK_SENT;
    case ACTION_CANCEL_SIGNAL: return EVENT_SIGNAL_CANCELLED;
    case ACTION_START:
    case ACTION_CANCEL: return EVENT_STEP_CANCELLED;
    case ACTION_MARK_CHANGE: return EVENT_CHANGE_MARKED;
    case ACTION_NOTE_TRACE: return EVENT_TRACE_NOTED;
    case ACTION_TERMINATE:
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: break;
    }
    return EVENT_EXECUTION_COMPLETED;
}

/* The next execution, which gets what was kept before anything else. */
static void renew(struct play *play, const struct action *action)
{
    play->input = text_copy(&play->arena, action->payload);
    if (text_is_present(action->version)) {
        play->version = text_copy(&play->arena, action->version);
    }
    play->execution++;
    play->turn_number = play->history_count = play->coming_count = play->step_count = 0;
    for (size_t i = 0; i < action->kept_count; i++) {
        struct event *event = play_coming(play, EVENT_EVENT_RAISED);
        event->name = text_copy(&play->arena, action->kept[i].name);
        event->payload = text_copy(&play->arena, action->kept[i].payload);
    }
}

/* What the action leaves in history. */
static void record_action(struct play *play, const struct action *action)
{
    enum event_kind kind = kind_of(action);
    assert_false(play->is_ended || play->is_renewed);
    if (action->kind == ACTION_COMPLETE) {
        play->is_ended = true;
        assert_true(run_state_is_final(action->outcome));
        assert_int_equal(action->outcome == RUN_FAILED, action->failure != NULL);
        return;
    }
    if (action->kind == ACTION_CONTINUE_AS_NEW) {
        play->is_renewed = true;
        renew(play, action);
        return;
    }
    struct event *event =
        append(&play->history, &play->history_count, &play->history_room, kind, ++play->now);
    event->name = text_copy(&play->arena, action->name);
    event->payload = text_copy(&play->arena, action->payload);
    event->fire_at = action->fire_at;
    event->instance_id = text_copy(&play->arena, action->instance_id);
    event->request_id = text_copy(&play->arena, action->request_id);
    if (kind == EVENT_LOCK_REQUESTED) {
        struct event_extra *extra = arena_alloc(&play->arena, sizeof *extra);
        extra->lock_set = text_copy(&play->arena, action->extra->lock_set);
        event->extra = extra;
    }
    if (kind == EVENT_STEP_CANCELLED) {
        assert_true(action->id >= 0 && (size_t)action->id < play->step_count);
        event->ref = action->id;
    } else if (kind != EVENT_CHANGE_MARKED && kind != EVENT_SIGNAL_CANCELLED) {
        assert_int_equal(action->id, play->step_count); /* R1 */
        event->id = action->id;
        play->step_count++;
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Everything that events lend lies in heap blocks of its own, to be destroyed with scrap. */
struct lent {
    struct lent *next;
    size_t size;
    char bytes[];
};

static void *lend_bytes(struct lent **all, const void *bytes, size_t size)
{
    struct lent *lent = mem_alloc(sizeof *lent + size);
    lent->next = *all;
    lent->size = size;
    if (size > 0) {
        memcpy(lent->bytes, bytes, size);
    }
    *all = lent;
    return lent->bytes;
}

static void lend_text(struct lent **all, struct text *text)
{
    if (text_is_present(*text)) {
        text->at = lend_bytes(all, text->at, text->size);
    }
}

static const struct failure *lend_failure(struct lent **all, const struct failure *failure)
{
    if (failure == NULL) {
        return NULL;
    }
    struct failure *copy = lend_bytes(all, failure, sizeof *failure);
    lend_text(all, &copy->type);
    lend_text(all, &copy->message);
    copy->cause = lend_failure(all, copy->cause);
    copy->next = lend_failure(all, copy->next);
    return copy;
}

static const struct event_extra *lend_extra(struct lent **all, const struct event_extra *extra)
{
    if (extra == NULL) {
        return NULL;
    }
    struct event_extra *copy = lend_bytes(all, extra, sizeof *extra);
    lend_text(all, &copy->tags);
    lend_text(all, &copy->progress);
    lend_text(all, &copy->parent_id);
    lend_text(all, &copy->lock_set);
    return copy;
}

static const struct event *lend(struct lent **all, const struct event *events, size_t n)
{
    struct event *copies = lend_bytes(all, events, n * sizeof *copies);
    for (size_t i = 0; i < n; i++) {
        lend_text(all, &copies[i].name);
        lend_text(all, &copies[i].version);
        lend_text(all, &copies[i].payload);
        lend_text(all, &copies[i].instance_id);
        lend_text(all, &copies[i].request_id);
        copies[i].failure = lend_failure(all, copies[i].failure);
        copies[i].extra = lend_extra(all, copies[i].extra);
    }
    return copies;
}

static void scrap(struct lent *lent)
{
    while (lent != NULL) {
        struct lent *next = lent->next;
        memset(lent->bytes, '!', lent->size);
        mem_free(lent);
        lent = next;
    }
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
    struct lent *lent = NULL;
    struct told_past past;
    told_past_init(&past, lend(&lent, play->history, play->history_count), play->history_count);
    assert_int_equal(play->runner->ops->turn(play->runner, turn, &past.base, arena, ret),
                     RUNNER_DONE);
    told_past_done(&past);
    scrap(lent);
}

/* The first two events of turn 1 come before what was said already. */
static void begin(struct play *play)
{
    size_t n = play->coming_count;
    struct event *said = mem_alloc((n + 1) * sizeof *said);
    if (n > 0) {
        memcpy(said, play->coming, n * sizeof *said);
    }
    play->coming_count = 0;
    play_coming(play, EVENT_ORCHESTRATOR_STARTED);
    struct event *started = play_coming(play, EVENT_EXECUTION_STARTED);
    started->name = play->name;
    started->version = play->version;
    started->payload = play->input;
    started->extra = play->extra;
    started->instance_id = play->origin;
    for (size_t i = 0; i < n; i++) {
        *play_coming(play, EVENT_UNKNOWN) = said[i];
    }
    mem_free(said);
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
    char execution_id[16];
    (void)snprintf(execution_id, sizeof execution_id, "e%d", play->execution);
    struct lent *lent = NULL;
    struct turn turn = { .row = play->row,
                         .number = ++play->turn_number,
                         .partition = play->partition,
                         .instance_id = TEXT("order-7"),
                         .execution_id = text_of(execution_id),
                         .events = lend(&lent, play->coming, play->coming_count),
                         .event_count = play->coming_count,
                         .is_past_durable = true };
    call(play, &turn, &arena, &result);
    scrap(lent);
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
    if (text_is_present(result.custom_status)) {
        add(&play->transcript, "  status ", result.custom_status);
        buffer_add_byte(&play->transcript, '\n');
    }
    arena_done(&arena);
    play->now += 1000000;
    if (play->is_renewed) {
        play->is_renewed = false;
        begin(play);
    } else {
        play_coming(play, EVENT_ORCHESTRATOR_STARTED);
    }
}

void play_start(struct play *play, const char *name, const char *input)
{
    play->name = keep(play, name);
    play->input = keep(play, input);
    begin(play);
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
