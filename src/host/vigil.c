/* SPDX-License-Identifier: MIT
 *
 * Children that hang: those that say so (pulse.c), and those that say nothing. They are asked where
 * their threads are, and then killed, so that another one is started.
 *
 *   G1  Silence is counted in steps of STEP_MS at most: when the machine slept, or was so busy that
 *       we did not run, the child could not run either.
 *   G2  One that looks for its hub is not hanging, however long the server is away. One that loads
 *       the app is.
 *   G3  One that a debugger holds is not hanging: people think longer than --hang. What it was late
 *       with meanwhile it may still say for a while after the debugger has gone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/supervisor.h"

enum { STEP_MS = 250, TELL_MS = 3000 };

void vigil_heard(struct child *child)
{
    child->silent_ms = 0;
}

/* The debugger's process; 0: none. */
static int tracer_of(pid_t pid)
{
    static const char name[] = "TracerPid:";
    char path[40], line[256];
    int tracer = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, sizeof name - 1) == 0) {
            tracer = (int)strtol(line + sizeof name - 1, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return tracer;
}

/* G3. Asked when it matters only, so as much as --hang may have passed since the debugger left. */
static bool is_excused(struct child *child, const char *why, int64_t hang_ms)
{
    int tracer = tracer_of(child->pid);
    if (tracer != 0) {
        if (child->excused_until_ms == 0) {
            say("the app (process %d) hangs: %s; but a debugger (process %d) has it",
                (int)child->pid, why, tracer);
        }
        child->excused_until_ms = now_ms() + 2 * hang_ms;
        child->silent_ms = 0;
    }
    return now_ms() < child->excused_until_ms;
}

/* It is asked where it hangs, and killed when it has told, or does not. */
static void doom(struct child *child, const char *why)
{
    if (!child->is_doomed) {
        say("the app (process %d) is killed: %s. Where it is:", (int)child->pid, why);
        child->is_doomed = true;
        child->kill_at_ms = now_ms() + TELL_MS;
        (void)kill(child->pid, SIGQUIT);
    }
}

void vigil_hangs(const struct supervisor *s, struct child *child, const char *what)
{
    if (!child->is_doomed && !is_excused(child, what, s->options->hang_ms)) {
        doom(child, what);
    }
}

void vigil_told(struct child *child)
{
    if (child->is_doomed) {
        child->kill_at_ms = now_ms();
    }
}

static void look(const struct supervisor *s, struct child *child, int64_t step_ms)
{
    int64_t hang_ms = s->options->hang_ms;
    bool is_watched =
        (child->role == ROLE_STARTING && !child->is_away) || child->role == ROLE_SERVING;
    child->silent_ms = is_watched ? child->silent_ms + step_ms : 0;
    if (is_watched && hang_ms != 0 && child->silent_ms >= hang_ms) {
        const char *why = child->role == ROLE_STARTING ? "loading it does not come to an end"
                                                       : "it does not answer";
        vigil_hangs(s, child, why);
    }
    if (child->role != ROLE_NONE && child->kill_at_ms > 0 && now_ms() >= child->kill_at_ms) {
        if (child->is_doomed) {
            child->kill_at_ms = -1;
            (void)kill(child->pid, SIGKILL);
        } else {
            doom(child, "it does not end");
        }
    }
}

void vigil_tick(struct supervisor *s)
{
    int64_t now = now_ms(), step = now - s->looked_at_ms;
    s->looked_at_ms = now;
    for (size_t i = 0; i < CHILDREN; i++) {
        look(s, &s->children[i], step < STEP_MS ? step : STEP_MS);
    }
}
