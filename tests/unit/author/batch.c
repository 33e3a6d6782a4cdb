/* SPDX-License-Identifier: MIT
 *
 * See batch.h. */
#include "batch.h"

#include <stdio.h>
#include <string.h>

void stand_begin(struct stand *stand, const pd_function *program, size_t n, const char *id)
{
    pd_error err;
    struct author_options options = play_options;
    options.partition_count = 2;
    *stand = (struct stand){ .id = id, .now = 1000000 };
    stand->runner = author_new(program, n, &options, &err);
    assert_non_null(stand->runner);
    arena_init(&stand->arena);
    buffer_init(&stand->transcript);
}

void stand_end(struct stand *stand)
{
    author_free(stand->runner);
    mem_free(stand->line);
    buffer_done(&stand->transcript);
    arena_done(&stand->arena);
}

static struct event *stand_in_line(struct stand *stand, enum event_kind kind, const char *op,
                                   const char *json)
{
    if (stand->count == stand->room) {
        size_t room = stand->room != 0 ? 2 * stand->room : 16;
        stand->line =
            mem_grow(stand->line, stand->room * sizeof *stand->line, room * sizeof *stand->line);
        stand->room = room;
    }
    struct event *event = &stand->line[stand->count++];
    *event = (struct event){ .kind = kind, .id = EVENT_NO_ID, .ref = EVENT_NO_ID };
    event->at = ++stand->now;
    event->name = text_copy(&stand->arena, text_of(op));
    event->payload = text_copy(&stand->arena, text_of(json));
    return event;
}

struct event *stand_call(struct stand *stand, const char *op, const char *json)
{
    return stand_in_line(stand, EVENT_ENTITY_CALLED, op, json);
}

struct event *stand_signal(struct stand *stand, const char *op, const char *json)
{
    return stand_in_line(stand, EVENT_ENTITY_SIGNALED, op, json);
}

/* ---- writing down ---------------------------------------------------------------------------- */

static void add(struct buffer *to, const char *before, struct text text)
{
    if (text_is_present(text)) {
        buffer_add(to, before, strlen(before));
        buffer_add_text(to, text);
    }
}

static void write_result(struct stand *stand, const struct event *event,
                         const struct operation_result *result)
{
    struct buffer *to = &stand->transcript;
    bool is_call = event->kind == EVENT_ENTITY_CALLED;
    add(to, is_call ? "call " : "signal ", event->name);
    add(to, " -> ", result->payload);
    assert_true(is_call || !text_is_present(result->payload)); /* it is nobody's */
    if (result->failure != NULL) {
        assert_false(text_is_present(result->payload));
        add(to, " failed ", result->failure->type);
        add(to, ": ", result->failure->message);
        stand->failure = result->failure;
    }
    buffer_add_byte(to, '\n');
}

static void write_action(struct stand *stand, const struct action *action)
{
    struct buffer *to = &stand->transcript;
    struct tag tag;
    assert_int_equal(action->id, EVENT_NO_ID);
    assert_true(action->kind == ACTION_SIGNAL_ENTITY || action->kind == ACTION_CANCEL_SIGNAL ||
                action->kind == ACTION_START);
    buffer_printf(to, "  %s",
                  action->kind == ACTION_SIGNAL_ENTITY ? "signals"
                  : action->kind == ACTION_START       ? "starts"
                                                       : "cancels a signal");
    add(to, " ", action->name);
    add(to, " ", action->payload);
    add(to, action->kind == ACTION_START ? " as " : " to ", action->instance_id);
    add(to, " version ", action->version);
    if (action->fire_at != 0) {
        buffer_printf(to, " at %lld", (long long)action->fire_at);
    }
    for (size_t cursor = 0;
         action->extra != NULL && tags_next(action->extra->tags, &cursor, &tag);) {
        add(to, " #", tag.key);
        add(to, "=", tag.value);
    }
    buffer_add_byte(to, '\n');
}

/* ---- running --------------------------------------------------------------------------------- */

/* In heap blocks of their own. */
static char *lend(struct text *text)
{
    if (!text_is_present(*text)) {
        return NULL;
    }
    char *copy = mem_alloc(text->size + 1); /* nothing behind it is zero */
    if (text->size > 0) {
        memcpy(copy, text->at, text->size);
    }
    copy[text->size] = '!';
    text->at = copy;
    return copy;
}

static void scrap(char *bytes)
{
    if (bytes != NULL) {
        bytes[0] = '!';
        mem_free(bytes);
    }
}

static void run_batch(struct stand *stand)
{
    struct arena arena;
    struct entity_result result;
    size_t n = stand->count;
    struct event *events = mem_alloc((n + 1) * sizeof *events);
    char **lent = mem_alloc((2 * n + 2) * sizeof *lent);
    events[0] = (struct event){ .kind = EVENT_ORCHESTRATOR_STARTED, .at = stand->now };
    for (size_t i = 0; i < n; i++) {
        events[i + 1] = stand->line[i];
        lent[2 * i] = lend(&events[i + 1].name);
        lent[2 * i + 1] = lend(&events[i + 1].payload);
    }
    struct turn turn = { .row = 5, .partition = 1, .events = events, .event_count = n + 1 };
    turn.instance_id = text_of(stand->id);
    turn.state = stand->state;
    lent[2 * n] = lend(&turn.instance_id);
    lent[2 * n + 1] = lend(&turn.state);
    arena_init(&arena);
    assert_int_equal(stand->runner->ops->entity(stand->runner, &turn, &arena, &result),
                     RUNNER_DONE);
    assert_true(result.result_count > 0 && result.result_count <= n);
    for (size_t i = 0; i < result.result_count; i++) {
        write_result(stand, &stand->line[i], &result.results[i]);
    }
    for (size_t i = 0; i < result.action_count; i++) {
        write_action(stand, &result.actions[i]);
    }
    if (!result.keeps_state) {
        assert_false(text_is_present(result.state) && result.state.size == 0);
        stand->state = text_copy(&stand->arena, result.state);
        add(&stand->transcript, "state ",
            text_is_present(result.state) ? result.state : TEXT("deleted"));
        buffer_add_byte(&stand->transcript, '\n');
    }
    if (stand->failure != NULL) { /* that of the batch: it is in the arena, which goes */
        struct failure *kept = arena_alloc(&stand->arena, sizeof *kept);
        *kept = *stand->failure;
        kept->type = text_copy(&stand->arena, kept->type);
        kept->message = text_copy(&stand->arena, kept->message);
        stand->failure = kept;
    }
    for (size_t i = 0; i < 2 * n + 2; i++) {
        scrap(lent[i]);
    }
    mem_free(lent);
    mem_free(events);
    arena_done(&arena);
    stand->count -= result.result_count;
    for (size_t i = 0; i < stand->count; i++) {
        stand->line[i] = stand->line[result.result_count + i];
    }
    stand->batches++;
    stand->now += 1000;
}

const char *stand_run(struct stand *stand)
{
    buffer_reset(&stand->transcript);
    while (stand->count > 0) {
        run_batch(stand);
    }
    buffer_add_byte(&stand->transcript, '\0');
    return (const char *)stand->transcript.at;
}
