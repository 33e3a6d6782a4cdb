/* SPDX-License-Identifier: MIT
 *
 * The interpreter of stories. See story.h.
 */
#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

struct telling {
    struct rig rig;
    struct buffer *out;
    const struct turn *open;
};

enum { WORDS_MAX = 5 };

/* The command's words; the last takes the rest of the line. */
static size_t split(char *line, size_t most, char *words[WORDS_MAX])
{
    size_t count = 0;
    while (*line != 0 && count < most) {
        words[count++] = line;
        char *space = count < most ? strchr(line, ' ') : NULL;
        if (space == NULL) {
            break;
        }
        *space = 0;
        line = space + 1;
    }
    return count;
}

static void tell_status(struct telling *telling, pd_status status)
{
    if (status != PD_OK) {
        buffer_printf(telling->out, "    refused: %s\n",
                      status == PD_E_EXISTS      ? "it exists"
                      : status == PD_E_STATE     ? "not in its state"
                      : status == PD_E_INVALID   ? "not there"
                      : status == PD_E_NOT_FOUND ? "no such instance that has not ended"
                                                 : "?");
    }
}

static void tell_accepted(struct telling *telling, bool is_accepted)
{
    if (!is_accepted) {
        buffer_printf(telling->out, "    dropped\n");
    }
}

static void open_turn(struct telling *telling)
{
    struct rig *rig = &telling->rig;
    assert_true(core_next_turn(rig->core, rig->now, &telling->open));
    buffer_printf(telling->out, "    turn %d of '%.*s' is open\n", (int)telling->open->number,
                  TEXT_ARGS(telling->open->instance_id));
    for (size_t i = 0; i < telling->open->event_count; i++) {
        buffer_printf(telling->out, "        ");
        show_event(telling->out, &telling->open->events[i]);
        buffer_printf(telling->out, "\n");
    }
}

static void cut(struct telling *telling)
{
    struct batch *batch = rig_cut(&telling->rig);
    if (batch != NULL) {
        show_batch(telling->out, &telling->rig.scratch, batch);
    } else {
        buffer_printf(telling->out, "    nothing\n");
    }
}

static void tell_counters(struct telling *telling)
{
    struct core_counters counters = core_counters(telling->rig.core);
    buffer_printf(telling->out, "    dropped: %d completions, %d events, %d letters\n",
                  (int)counters.dropped_completions, (int)counters.dropped_events,
                  (int)counters.dropped_letters);
}

/* Commands of one word. */
static bool do_word(struct telling *telling, const char *word)
{
    struct rig *rig = &telling->rig;
    if (strcmp(word, "run") == 0) {
        rig_run(rig);
    } else if (strcmp(word, "open") == 0) {
        open_turn(telling);
    } else if (strcmp(word, "end") == 0) {
        rig_end_turn(rig, telling->open);
    } else if (strcmp(word, "cut") == 0) {
        cut(telling);
    } else if (strcmp(word, "commit") == 0) {
        rig_commit(rig);
    } else if (strcmp(word, "fire") == 0) {
        buffer_printf(telling->out, "    %zu fired\n", rig_fire(rig));
    } else if (strcmp(word, "crash") == 0) {
        rig_crash(rig);
    } else if (strcmp(word, "forgetful") == 0) {
        rig->is_forgetful = true;
    } else if (strcmp(word, "announce") == 0) {
        rig_announce(rig);
    } else if (strcmp(word, "deliver") == 0) {
        rig_deliver(rig);
    } else if (strcmp(word, "evict") == 0) {
        buffer_printf(telling->out, "    %zu went\n", core_evict(rig->core, 0, 0));
    } else if (strcmp(word, "counters") == 0) {
        tell_counters(telling);
    } else {
        return false;
    }
    return true;
}

/* What is said to entities. */
static bool do_entity(struct telling *telling, char *const *w)
{
    struct rig *rig = &telling->rig;
    if (strcmp(w[0], "signal") == 0) {
        rig_signal(rig, w[1], w[2], w[3]);
    } else if (strcmp(w[0], "signal-at") == 0) {
        time_us at = strtol(w[1], NULL, 10) * TIME_MS;
        rig_say(rig, &(struct said){ .to = w[2], .op = w[3], .payload = w[4], .at = at });
    } else if (strcmp(w[0], "cancel-signal") == 0) {
        tell_accepted(telling, rig_cancel_signal(rig, w[1], w[2]));
    } else if (strcmp(w[0], "unlock") == 0) {
        rig_unlock(rig, w[1], w[2]);
    } else if (strcmp(w[0], "purge-entity") == 0) {
        tell_status(telling, rig_purge_entity(rig, w[1], 0));
    } else {
        return false;
    }
    return true;
}

static void start(struct telling *telling, char *const *w, time_us at, unsigned replaces)
{
    char execution_id[16];
    snprintf(execution_id, sizeof execution_id, "e%u", ++telling->rig.started);
    struct start_command command = {
        .id = text_of(w[0]),
        .execution_id = text_of(execution_id),
        .name = text_of(w[1]),
        .input = text_of(w[2]),
        .starts_at = at,
        .replaces = replaces,
    };
    tell_status(telling, rig_start_as(&telling->rig, &command));
}

/* Orders to one instance. */
static bool do_order(struct telling *telling, char *const *w)
{
    struct rig *rig = &telling->rig;
    if (strcmp(w[0], "terminate") == 0 || strcmp(w[0], "terminate-all") == 0) {
        tell_status(telling, rig_terminate(rig, w[1], w[2], w[0][9] != 0));
    } else if (strcmp(w[0], "suspend") == 0) {
        tell_status(telling, rig_suspend(rig, w[1], w[2], NULL));
    } else if (strcmp(w[0], "quarantine") == 0) {
        struct failure failure = { .type = TEXT("Quarantined"), .message = text_of(w[2]) };
        tell_status(telling, rig_suspend(rig, w[1], NULL, &failure));
    } else if (strcmp(w[0], "resume") == 0) {
        tell_status(telling, rig_resume(rig, w[1], w[2]));
    } else if (strcmp(w[0], "rewind") == 0) {
        tell_status(telling, rig_rewind(rig, text_of(w[1]), w[2]));
    } else if (strcmp(w[0], "fork") == 0) {
        tell_status(telling, rig_fork(rig, w[1], strtoull(w[2], NULL, 10), w[3]));
    } else if (strcmp(w[0], "purge") == 0) {
        tell_status(telling, rig_purge(rig, w[1]));
    } else {
        return false;
    }
    return true;
}

/* The last one takes the rest of the line. */
static size_t count_words(const char *line)
{
    static const char *const three[] = { "terminate", "suspend", "resume", "quarantine", "rewind" };
    for (size_t i = 0; i < sizeof three / sizeof three[0]; i++) {
        if (strncmp(line, three[i], strlen(three[i])) == 0) {
            return 3;
        }
    }
    return strncmp(line, "fail ", 5) == 0 || strncmp(line, "later ", 6) == 0 ||
                   strncmp(line, "signal-at ", 10) == 0
               ? 5
               : 4;
}

static void do_command(struct telling *telling, char *line)
{
    struct rig *rig = &telling->rig;
    char *w[WORDS_MAX] = { NULL };
    if (do_word(telling, line)) {
        return;
    }
    size_t count = split(line, count_words(line), w);
    assert_true(count >= 2);
    if (do_order(telling, w) || do_entity(telling, w)) {
        return;
    }
    if (strcmp(w[0], "at") == 0) {
        rig->now = strtol(w[1], NULL, 10) * TIME_MS;
    } else if (strcmp(w[0], "horizon") == 0) {
        rig_set_horizon(rig, strtol(w[1], NULL, 10) * TIME_MS);
    } else if (strcmp(w[0], "start") == 0) {
        start(telling, w + 1, 0, STATES_ENDED);
    } else if (strcmp(w[0], "replace") == 0) {
        start(telling, w + 1, 0, STATES_ALL);
    } else if (strcmp(w[0], "later") == 0) {
        start(telling, w + 2, strtol(w[1], NULL, 10) * TIME_MS, STATES_ENDED);
    } else if (strcmp(w[0], "raise") == 0) {
        tell_status(telling, rig_raise(rig, w[1], w[2], w[3]));
    } else if (strcmp(w[0], "complete") == 0) {
        tell_accepted(telling, rig_complete(rig, w[1], (int32_t)strtol(w[2], NULL, 10), w[3]));
    } else if (strcmp(w[0], "fail") == 0) {
        tell_accepted(telling, rig_fail(rig, w[1], (int32_t)strtol(w[2], NULL, 10), w[3], w[4]));
    } else if (strcmp(w[0], "progress") == 0) {
        tell_accepted(telling, rig_progress(rig, w[1], (int32_t)strtol(w[2], NULL, 10), w[3]));
    } else {
        fail_msg("a story says '%s'", w[0]);
    }
}

void story_run(struct text story, struct buffer *out)
{
    struct telling telling = { .out = out };
    rig_init(&telling.rig);
    telling.rig.log = out;
    for (size_t at = 0; at < story.size;) {
        const char *end = memchr(story.at + at, '\n', story.size - at);
        assert_non_null(end);
        size_t size = (size_t)(end - story.at) - at;
        const char *line = story.at + at;
        at += size + 1;
        if (size != 0 && line[0] == ' ') {
            continue; /* what came of it the last time */
        }
        buffer_add(out, line, size);
        buffer_printf(out, "\n");
        if (size > 2 && line[0] == '>') {
            char *command = strndup(line + 2, size - 2);
            do_command(&telling, command);
            free(command);
        }
    }
    rig_done(&telling.rig);
}
