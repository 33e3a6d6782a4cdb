/* SPDX-License-Identifier: MIT
 *
 * Histories as lines; see lines.h.
 */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

/* ---- the notation ---- */

struct spelling {
    const char *text;
    enum event_kind kind;
    enum { PLAIN, STEP, REF, UNLOCK } number;
};

/* The longer of two that begin alike comes first. */
static const struct spelling spellings[] = {
    { "a+", EVENT_ENTITY_COMPLETED, REF },
    { "a-", EVENT_ENTITY_FAILED, REF },
    { "c+", EVENT_CHILD_COMPLETED, REF },
    { "c-", EVENT_CHILD_FAILED, REF },
    { "+", EVENT_TASK_COMPLETED, REF },
    { "-", EVENT_TASK_FAILED, REF },
    { "f", EVENT_TIMER_FIRED, REF },
    { "g", EVENT_LOCK_GRANTED, REF },
    { "X", EVENT_STEP_CANCELLED, REF },
    { "T", EVENT_TASK_SCHEDULED, STEP },
    { "Z", EVENT_TIMER_CREATED, STEP },
    { "C", EVENT_CHILD_CREATED, STEP },
    { "E", EVENT_EVENT_SENT, STEP },
    { "A", EVENT_ENTITY_CALLED, STEP },
    { "N", EVENT_ENTITY_SIGNALED, STEP },
    { "L", EVENT_LOCK_REQUESTED, STEP },
    { "U", EVENT_UNLOCK_SENT, UNLOCK },
    { "S", EVENT_EXECUTION_STARTED, PLAIN },
    { "e", EVENT_EVENT_RAISED, PLAIN },
    { "s", EVENT_EXECUTION_SUSPENDED, PLAIN },
    { "r", EVENT_EXECUTION_RESUMED, PLAIN },
    { "R", EVENT_EXECUTION_REWOUND, PLAIN },
    { "M", EVENT_CHANGE_MARKED, PLAIN },
    { "Q", EVENT_EXECUTION_TERMINATED, PLAIN },
    { "F", EVENT_EXECUTION_COMPLETED, PLAIN },
    { "K", EVENT_EXECUTION_COMPLETED, PLAIN },
    { "n", EVENT_SIGNAL_CANCELLED, PLAIN },
    { "D", EVENT_ORCHESTRATOR_COMPLETED, PLAIN },
    { "?", EVENT_UNKNOWN, PLAIN },
};

static const struct spelling *spelling_of(const char *word)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (strncmp(word, spellings[i].text, strlen(spellings[i].text)) == 0) {
            return &spellings[i];
        }
    }
    fail_msg("a history says '%s'", word);
    return NULL;
}

static const struct event_extra both_accounts = { .lock_set =
                                                      TEXT_INIT("@account@x\n@account@y\n") };

/* What an event to entities says of them. */
static void address(struct lines *lines, struct event *event, long number, char entity)
{
    event->request_id = text_of(arena_printf(&lines->arena, "%ld", number));
    if (event->kind == EVENT_LOCK_REQUESTED) {
        event->extra = &both_accounts;
    } else if (event->kind == EVENT_UNLOCK_SENT || event->kind == EVENT_ENTITY_CALLED) {
        event->instance_id = entity == 'y' ? TEXT("@account@y") : TEXT("@account@x");
    }
}

static struct event event_of(struct lines *lines, const char *word, time_us at)
{
    const struct spelling *spelling = spelling_of(word);
    struct event event = {
        .kind = spelling->kind,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = at,
        .raw = text_of(arena_printf(&lines->arena, "raw %d", (int)at)),
    };
    char *rest = NULL;
    long number = strtol(word + strlen(spelling->text), &rest, 10);
    event.id = spelling->number == STEP ? (int32_t)number : event.id;
    event.ref = spelling->number == REF ? (int32_t)number : event.ref;
    if (*rest == '~') {
        struct event_extra *extra = arena_alloc(&lines->arena, sizeof *extra);
        extra->retry_of = (int32_t)strtol(rest + 1, NULL, 10) + 1;
        event.extra = extra;
    }
    if (event.kind == EVENT_EXECUTION_COMPLETED) {
        event.outcome = *word == 'F' ? RUN_FAILED : RUN_COMPLETED;
    }
    address(lines, &event, number, *rest);
    if (event.kind == EVENT_CHILD_CREATED) {
        event.name = TEXT("Child");
        event.instance_id = text_of(arena_printf(&lines->arena, "old-%ld", number));
    }
    return event;
}

/* An event for each word, with the OrchestratorStarted of its turn where a turn begins. */
struct event *lines_read_events(struct lines *lines, const char *line, size_t *ret_count)
{
    char *words = arena_printf(&lines->arena, "| %s", line);
    struct event *events = arena_alloc(&lines->arena, (strlen(words) + 2) * sizeof *events);
    size_t count = 0;
    char *state = NULL;
    for (char *word = strtok_r(words, " ", &state); word != NULL;
         word = strtok_r(NULL, " ", &state)) {
        time_us at = (time_us)count + 1;
        if (strcmp(word, "|") == 0) {
            events[count++] = (struct event){
                .kind = EVENT_ORCHESTRATOR_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = at
            };
            continue;
        }
        events[count++] = event_of(lines, word, at);
        if (*word == 'Q') { /* how an instance ends that is terminated */
            events[count++] = (struct event){ .kind = EVENT_EXECUTION_COMPLETED,
                                              .id = EVENT_NO_ID,
                                              .ref = EVENT_NO_ID,
                                              .at = at + 1,
                                              .outcome = RUN_TERMINATED };
        }
    }
    *ret_count = count;
    return events;
}

/* The history of the line, and a record that fits it. */
void lines_read(struct lines *lines, const char *line)
{
    size_t count;
    struct event *events = lines_read_events(lines, line, &count);
    rewrite_split(events, count, &lines->arena, &lines->turns, &lines->turn_count);
    const struct event *last = &events[count - 1];
    last -= last->kind == EVENT_ORCHESTRATOR_COMPLETED;
    bool has_ended = last->kind == EVENT_EXECUTION_COMPLETED;
    lines->record = (struct instance_record){
        .row = 7,
        .id = TEXT("source"),
        .execution_id = TEXT("x"),
        .name = TEXT("Work"),
        .state = has_ended ? last->outcome : RUN_RUNNING,
        .created_at = 1,
        .updated_at = (time_us)count,
        .ended_at = has_ended ? (time_us)count : 0,
        .output = TEXT("1"),
        .failure = TEXT("bad"),
        .custom_status = TEXT("2"),
        .parent_id = TEXT("parent"),
        .parent_execution_id = TEXT("p"),
        .parent_step = 3,
        .starts_at = 1,
    };
}

static void show(const struct lines *lines, struct buffer *out, const struct event *event)
{
    const struct spelling *spelling = spellings;
    while (spelling->kind != event->kind) {
        spelling++;
    }
    buffer_printf(out, "%s%s", out->size != 0 ? " " : "",
                  event->kind == EVENT_EXECUTION_COMPLETED && event->outcome == RUN_COMPLETED
                      ? "K"
                      : spelling->text);
    if (spelling->number == UNLOCK) {
        buffer_printf(out, "%.*s%c", TEXT_ARGS(event->request_id),
                      event->instance_id.at[event->instance_id.size - 1]);
    } else if (spelling->number != PLAIN) {
        buffer_printf(out, "%d", spelling->number == STEP ? event->id : event->ref);
    }
    if (event->extra != NULL && event->extra->retry_of != 0) {
        buffer_printf(out, "~%d", event->extra->retry_of - 1);
    }
    if (event->kind == EVENT_EXECUTION_REWOUND && event->at == lines->rewound.at) {
        buffer_printf(out, "!");
    }
}

/* What was made reads as the line says. */
void lines_expect(const struct lines *lines, const char *line)
{
    struct buffer out = { 0 };
    for (size_t i = 0; i < lines->made.turn_count; i++) {
        const struct turn_events *turn = &lines->made.turns[i];
        assert_int_equal(turn->events[0].kind, EVENT_ORCHESTRATOR_STARTED);
        if (i != 0) {
            buffer_printf(&out, " |");
        }
        for (size_t j = 1; j < turn->count; j++) {
            show(lines, &out, &turn->events[j]);
        }
    }
    buffer_printf(&out, "%s||", out.size != 0 ? " " : "");
    for (size_t i = 0; i < lines->made.waiting_count; i++) {
        show(lines, &out, &lines->made.waiting[i]);
    }
    buffer_add_byte(&out, 0);
    assert_string_equal(out.at, line);
    buffer_done(&out);
}

int lines_setup(void **state)
{
    struct lines *lines = calloc(1, sizeof *lines);
    lines->rewound = (struct event){ .kind = EVENT_EXECUTION_REWOUND,
                                     .id = EVENT_NO_ID,
                                     .ref = EVENT_NO_ID,
                                     .at = 1000000,
                                     .payload = TEXT("\"again\"") };
    *state = lines;
    return 0;
}

int lines_teardown(void **state)
{
    struct lines *lines = *state;
    arena_done(&lines->arena);
    free(lines);
    return 0;
}

struct text lines_child_id(const struct lines *lines, size_t turn, size_t at)
{
    assert_int_equal(lines->made.turns[turn].events[at].kind, EVENT_CHILD_CREATED);
    return lines->made.turns[turn].events[at].instance_id;
}
