/* SPDX-License-Identifier: MIT
 *
 * perdure replay: runs the orchestrators of a program against histories, to see whether its code of
 * today asks for what was recorded.
 *
 * The program is started as it is, and told by its environment to replay instead of working
 * (src/api/replay_instead.c); what it finds comes back through a pipe. What else it says goes to
 * stderr, so that stdout has the findings alone. With --break-at it is given to gdb instead, and
 * stops there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output.h"

static const struct column columns[] = {
    { "id", "ID", COLUMN_ID },
    { "name", "NAME", 0 },
    { "event", "EVENT", COLUMN_RIGHT },
    { "difference", "DIFFERENCE", COLUMN_CUT },
};

enum { NOT_STARTED = 127 };

/* ---- the program ----------------------------------------------------------------------------- */

static void set_number(const char *name, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    setenv(name, text, 1);
}

static void set_environment(const struct options *o)
{
    setenv("PD_REPLAY_FROM", o->from, 1);
    unsetenv("PD_REPLAY_ID");
    unsetenv("PD_REPLAY_BREAK_AT");
    unsetenv("PD_REPLAY_REPORT");
    unsetenv("PD_REPLAY"); /* all of it is replay */
    if (o->id != NULL) {
        setenv("PD_REPLAY_ID", o->id, 1);
    }
    if (o->event > 0) {
        set_number("PD_REPLAY_BREAK_AT", o->event);
    }
}

/* In the child; what it prints is for people. */
static _Noreturn void become(struct invocation *in, int report)
{
    set_number("PD_REPLAY_REPORT", report);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(in->arguments[0], in->arguments);
    _exit(NOT_STARTED);
}

static int in_debugger(struct invocation *in)
{
    enum { BEFORE = 5 };
    char **words = calloc((size_t)in->argument_count + BEFORE + 1, sizeof *words);
    static char gdb[] = "gdb", quiet[] = "-q", ex[] = "-ex", run[] = "run", args[] = "--args";
    char *const before[BEFORE] = { gdb, quiet, ex, run, args };
    if (words == NULL) {
        return problem(CODE_OTHER, NULL, "no memory");
    }
    memcpy(words, before, sizeof before);
    memcpy(words + BEFORE, in->arguments, (size_t)in->argument_count * sizeof *words);
    fflush(NULL);
    execvp(gdb, words);
    int why = errno;
    free(words);
    return problem(CODE_NOT_FOUND,
                   "install gdb; or set PD_REPLAY_FROM, PD_REPLAY_ID and PD_REPLAY_BREAK_AT, and "
                   "run the program in your debugger: it stops with SIGTRAP",
                   "gdb cannot be started: %s", strerror(why));
}

/* ---- what it reports ------------------------------------------------------------------------- */

struct outcome {
    const struct options *options;
    struct output *out; /* NULL: nothing was found yet */
    bool has_counts;
    int64_t same, diverged, unknown;
    pd_status status; /* PD_OK: no trouble was reported */
    char text[512];
};

/* Begun only when there is something in it, or the end is good: trouble has no data. */
static struct output *output_of(struct outcome *it)
{
    if (it->out == NULL) {
        it->out = output_begin(it->options, OUTPUT_MANY, columns, 4);
    }
    return it->out;
}

static void take_line(const char *line, struct outcome *ret)
{
    PD_AUTO(pd_document) document = pd_document_parse(line, NULL);
    if (document == NULL) {
        return; /* cut off: there is no end then, which is told */
    }
    pd_value v = pd_document_value(document);
    if (pd_kind_of(pd_get(v, "event")) != PD_IS_NULL) {
        output_row(output_of(ret), (struct cell[]){ cell_text(pd_text(pd_get(v, "id"))),
                                                    cell_text(pd_text(pd_get(v, "name"))),
                                                    cell_int(pd_int(pd_get(v, "event"))),
                                                    cell_text(pd_text(pd_get(v, "text"))) });
    } else if (pd_kind_of(pd_get(v, "same")) != PD_IS_NULL) {
        ret->has_counts = true;
        ret->same = pd_int(pd_get(v, "same"));
        ret->diverged = pd_int(pd_get(v, "diverged"));
        ret->unknown = pd_int(pd_get(v, "unknown"));
    } else {
        ret->status = (pd_status)pd_int(pd_get(v, "status"));
        snprintf(ret->text, sizeof ret->text, "%s", pd_text(pd_get(v, "text")));
    }
}

static void take_report(int report, struct outcome *ret)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fdopen(report, "r");
    while (file != NULL && getline(&line, &room, file) > 0) {
        take_line(line, ret);
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

/* How the program ended, when it did not say what it found. */
static int no_report(const struct invocation *in, int status)
{
    const char *program = in->arguments[0];
    if (WIFSIGNALED(status)) {
        return problem(CODE_OTHER, NULL, "'%s' was ended by a signal: %s", program,
                       strsignal(WTERMSIG(status)));
    }
    if (WEXITSTATUS(status) == NOT_STARTED) {
        return problem(CODE_NOT_FOUND, "name it as for a shell: ./orders, or one that is on PATH",
                       "'%s' cannot be started", program);
    }
    return problem(CODE_OTHER, "it has to come to pd_worker_start with these arguments",
                   "'%s' ended with %d and did not replay: it has started no worker", program,
                   WEXITSTATUS(status));
}

static int judge(const struct invocation *in, const struct outcome *outcome, int status)
{
    const struct options *o = &in->options;
    if (outcome->status != PD_OK) {
        return problem(code_of_status(outcome->status), NULL, "%s", outcome->text);
    }
    if (!outcome->has_counts) {
        return no_report(in, status);
    }
    if (!o->quiet) {
        fflush(stdout);
        fprintf(stderr, "%" PRId64 " the same, %" PRId64 " different", outcome->same,
                outcome->diverged);
        if (outcome->unknown > 0) {
            fprintf(stderr, ", %" PRId64 " of orchestrators that the program has not",
                    outcome->unknown);
        }
        fputs("\n", stderr);
    }
    return outcome->diverged > 0 ? CODE_DIVERGED : CODE_DONE;
}

static int run_program(struct invocation *in)
{
    int ends[2], status = 0;
    struct outcome outcome = { .options = &in->options, .status = PD_OK };
    fflush(NULL);
    if (pipe(ends) != 0) {
        return problem(CODE_OTHER, NULL, "no pipe: %s", strerror(errno));
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        become(in, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return problem(CODE_OTHER, NULL, "no process: %s", strerror(errno));
    }
    take_report(ends[0], &outcome);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (outcome.has_counts || outcome.out != NULL) {
        output_end(output_of(&outcome), CODE_DONE);
    }
    return judge(in, &outcome, status);
}

int cmd_replay(struct invocation *in)
{
    const struct options *o = &in->options;
    if (o->from == NULL) {
        return problem(CODE_USAGE,
                       "--from archive.pda, --from FOLDER with archives, or --from sqlite:FILE",
                       "against which histories?");
    }
    set_environment(o);
    return o->event > 0 ? in_debugger(in) : run_program(in);
}
