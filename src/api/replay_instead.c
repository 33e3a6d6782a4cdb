/* SPDX-License-Identifier: MIT
 *
 * Replaying instead of working: what PD_REPLAY_FROM in the environment makes of any program.
 *
 * Hubs that it opens are then empty ones in memory (hub.c), and its pd_worker_start replays the
 * program, says what it found and ends the process. So `perdure replay` needs nothing of a program
 * but that it gets as far as its worker.
 *
 *   Z1  PD_REPLAY_ID and PD_REPLAY_BREAK_AT are the options. What cannot be understood is trouble,
 *       not ignored.
 *   Z2  The process ends with 0: all are the same, 1: some differ, 2: trouble. That nothing was
 *       compared is trouble, so that a mistyped place does not pass for a success.
 *   Z3  What differs goes to stdout, a line each, and a summary to stderr. With PD_REPLAY_REPORT,
 *       the number of an open file (of `perdure replay`), it goes there, a JSON object a line:
 *       {"id", "name", "event", "text"} for what differs, and at the end {"same", "diverged",
 *       "unknown"} or {"status", "text"}: how it went, or why it did not. A program that reports
 *       neither has started no worker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "json/json.h"

enum { EXIT_SAME = 0, EXIT_DIVERGED = 1, EXIT_TROUBLE = 2 };

static const char where[] = "replay";

static const char *given(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool replay_is_wanted(void)
{
    return given("PD_REPLAY_FROM") != NULL;
}

/* 1 and up; 0 when the variable is not there. */
static pd_status read_number(const char *name, int64_t *ret, pd_error *err)
{
    const char *text = given(name);
    char *end = NULL;
    *ret = 0;
    if (text == NULL) {
        return PD_OK;
    }
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 && *ret > 0
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, where,
                           "%s is '%s' in the environment; it must be a number above 0", name,
                           text);
}

/* ---- reporting (Z3) -------------------------------------------------------------------------- */

struct report {
    FILE *file; /* NULL: for people */
};

static void write_line(FILE *file, pd_literal object)
{
    pd_error err;
    struct buffer line;
    buffer_init(&line);
    if (json_write(&line, object.value_, &err) == PD_OK) {
        buffer_add_byte(&line, '\n');
        (void)fwrite(line.at, 1, line.size, file);
    }
    buffer_done(&line);
}

static void report_one(const pd_divergence *divergence, void *argument)
{
    const struct report *report = argument;
    if (report->file != NULL) {
        write_line(report->file,
                   PD_OBJ("id", divergence->instance_id, "name", divergence->orchestrator, "event",
                          divergence->event, "text", divergence->text));
        return;
    }
    printf("%s (%s) event %lld: %s\n", divergence->instance_id, divergence->orchestrator,
           (long long)divergence->event, divergence->text);
}

static void report_counts(const struct report *report, const pd_replay_report *counts)
{
    if (report->file != NULL) {
        write_line(report->file, PD_OBJ("same", counts->same, "diverged", counts->diverged,
                                        "unknown", counts->unknown));
        return;
    }
    fflush(stdout);
    fprintf(stderr, "perdure: replay: %llu %s the same, %llu %s", (unsigned long long)counts->same,
            counts->same == 1 ? "is" : "are", (unsigned long long)counts->diverged,
            counts->diverged == 1 ? "differs" : "differ");
    if (counts->unknown > 0) {
        fprintf(stderr, ", %llu of orchestrators that this program has not",
                (unsigned long long)counts->unknown);
    }
    fputs("\n", stderr);
}

static int report_trouble(const struct report *report, const pd_error *err)
{
    if (report->file != NULL) {
        write_line(report->file, PD_OBJ("status", (int)err->status, "text", err->text));
    } else {
        pd_error_report(err);
    }
    return EXIT_TROUBLE;
}

/* ---- doing it -------------------------------------------------------------------------------- */

static pd_status begin(struct report *report, pd_replay_options *options, pd_error *err)
{
    int64_t file;
    pd_status status = read_number("PD_REPLAY_REPORT", &file, err);
    if (status == PD_OK && file != 0) {
        report->file = file <= INT32_MAX ? fdopen((int)file, "w") : NULL;
        if (report->file == NULL) {
            status = error_set(err, PD_E_INVALID, false, where,
                               "PD_REPLAY_REPORT in the environment is no open file");
        }
    }
    return status == PD_OK ? read_number("PD_REPLAY_BREAK_AT", &options->break_at, err) : status;
}

static int replay_all(const struct report *report, const pd_function *program, size_t n,
                      const pd_replay_options *options)
{
    pd_error err;
    pd_replay_report counts;
    const char *from = given("PD_REPLAY_FROM");
    pd_status status = pd_replay(program, n, from, options, &counts, &err);
    if (status == PD_OK && counts.same + counts.diverged + counts.unknown == 0) {
        status = error_set(&err, PD_E_NOT_FOUND, false, where, "there is no instance%s%s in '%s'",
                           options->id_prefix != NULL ? " whose id begins with " : "",
                           options->id_prefix != NULL ? options->id_prefix : "", from);
    } else if (status == PD_OK && counts.same + counts.diverged == 0) {
        status =
            error_set(&err, PD_E_NOT_FOUND, false, where,
                      "this program has none of the orchestrators of the instances in '%s'", from);
    }
    if (status != PD_OK) {
        return report_trouble(report, &err);
    }
    report_counts(report, &counts);
    return counts.diverged > 0 ? EXIT_DIVERGED : EXIT_SAME;
}

_Noreturn void replay_instead(const pd_function *program, size_t n, void *user)
{
    pd_error err;
    struct report report = { NULL };
    pd_replay_options options = {
        .id_prefix = given("PD_REPLAY_ID"),
        .tell = report_one,
        .argument = &report,
        .user = user,
    };
    int code = begin(&report, &options, &err) == PD_OK ? replay_all(&report, program, n, &options)
                                                       : report_trouble(&report, &err);
    if (report.file != NULL) {
        fclose(report.file);
    }
    exit(code);
}
