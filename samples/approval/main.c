/* SPDX-License-Identifier: MIT
 *
 * An expense waits for someone's yes or no: for days, through restarts, and not for ever; after
 * three questions the boss is asked. Runs as a service, until Ctrl-C or SIGTERM; expenses and
 * answers come from the command `perdure`.
 *
 *     approval [URL] */
#include <perdure.h>
#include <signal.h>
#include <stdio.h>

/* Would send a mail. */
static pd_result tell(pd_activity *a, pd_value text)
{
    pd_activity_log(a, "%s", pd_text(text));
    return pd_ok(a, PD_NULL);
}

static pd_result expense(pd_orchestration *o, pd_value input)
{
    const char *who;
    int amount, patience = 24 * 3600;
    pd_read(o, input, "who", &who, "amount", &amount, "patience?", &patience);

    const char *question = pd_format(o, "%s asks for %d: yes or no?", who, amount);
    pd_value answer;
    for (int asked = 1; asked <= 3; asked++) {
        pd_call_activity(o, tell, question);
        if (pd_wait_event_for(o, "Answer", pd_seconds(patience), &answer))
            return pd_ok(o, PD_OBJ("approved", answer, "asked", asked));
    }
    pd_call_activity(o, tell, pd_format(o, "to the boss: nobody has answered %s", who));
    if (pd_wait_event_for(o, "Answer", pd_seconds(patience), &answer))
        return pd_ok(o, PD_OBJ("approved", answer, "asked", "the boss"));

    return pd_fail(o, "NoAnswer", "%s still waits for %d", who, amount);
}

static const pd_function program[] = {
    PD_FUNCTION("Expense", expense),
    PD_FUNCTION("Tell", tell),
};

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "sqlite:approval.db";
    pd_error err;

    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* while there is one thread: the others inherit it */

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    fprintf(stderr, "approval: runs until Ctrl-C\n");
    int which;
    sigwait(&stop, &which);
    return 0; /* the worker is stopped here, and then the hub is closed */
}
