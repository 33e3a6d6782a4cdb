/* SPDX-License-Identifier: MIT
 *
 * Children that hang: those that say so (pulse.c), and those that say nothing. They are asked where
 * their threads are, and then killed, so that another one is started.
 *
 *   G1  Silence is counted in steps of STEP_MS at most: when the machine slept, or was so busy that
 *       we did not run, the child could not run either.
 *   G2  One that looks for its hub is not hanging, however long the server is away. One that loads
 *       the app is. */
#include <signal.h>

#include "host/supervisor.h"

enum { STEP_MS = 250, TELL_MS = 3000 };

void vigil_heard(struct child *child)
{
    child->silent_ms = 0;
}

void vigil_doom(struct child *child, const char *why)
{
    if (!child->is_doomed) {
        say("the app (process %d) is killed: %s. Where it is:", (int)child->pid, why);
        child->is_doomed = true;
        child->kill_at_ms = now_ms() + TELL_MS;
        (void)kill(child->pid, SIGQUIT);
    }
}

void vigil_told(struct child *child)
{
    if (child->is_doomed) {
        child->kill_at_ms = now_ms();
    }
}

static void look(struct child *child, int64_t step_ms, int64_t hang_ms)
{
    bool is_watched =
        (child->role == ROLE_STARTING && !child->is_away) || child->role == ROLE_SERVING;
    child->silent_ms = is_watched ? child->silent_ms + step_ms : 0;
    if (is_watched && hang_ms != 0 && child->silent_ms >= hang_ms) {
        vigil_doom(child, child->role == ROLE_STARTING ? "loading it does not come to an end"
                                                       : "it does not answer");
    }
    if (child->role != ROLE_NONE && child->kill_at_ms > 0 && now_ms() >= child->kill_at_ms) {
        if (child->is_doomed) {
            child->kill_at_ms = -1;
            (void)kill(child->pid, SIGKILL);
        } else {
            vigil_doom(child, "it does not end");
        }
    }
}

void vigil_tick(struct supervisor *s)
{
    int64_t now = now_ms(), step = now - s->looked_at_ms;
    s->looked_at_ms = now;
    for (size_t i = 0; i < CHILDREN; i++) {
        look(&s->children[i], step < STEP_MS ? step : STEP_MS, s->options->hang_ms);
    }
}
