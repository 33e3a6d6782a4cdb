/* SPDX-License-Identifier: MIT
 *
 * A loop without end, in bounded space: after each round the orchestration continues as new, with
 * an empty history. Here: a counter that adds up what it is told, and says the sum every so often.
 * Runs as a service, until Ctrl-C or SIGTERM.
 *
 *     eternal_loop [URL] */
#include <perdure.h>
#include <signal.h>
#include <stdio.h>

static pd_result say(pd_activity *a, pd_value text)
{
    pd_activity_log(a, "%s", pd_text(text));
    return pd_ok(a, PD_NULL);
}

/* One round: an hour, or the next number. */
static pd_result add_up(pd_orchestration *o, pd_value input)
{
    int64_t sum = pd_int(pd_get(input, "sum"));
    int64_t round = pd_int(pd_get(input, "round")) + 1;
    pd_value number;

    if (pd_wait_event_for(o, "Number", pd_hours(1), &number))
        sum += pd_int(number);
    else
        pd_call_activity(o, say, pd_format(o, "%lld so far", (long long)sum));

    pd_set_status(o, PD_OBJ("sum", sum, "round", round));
    return pd_continue_as_new(o, PD_OBJ("sum", sum, "round", round));
}

static const pd_function program[] = {
    PD_FUNCTION("AddUp", add_up),
    PD_FUNCTION("Say", say),
};

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "sqlite:eternal_loop.db";
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

    /* One of them, whoever starts it first, in this run of the program or an earlier one. */
    pd_start_options options = { .id = "the-sum", .reuse = PD_REUSE_KEEP };
    if (pd_hub_start(hub, add_up, PD_OBJ("sum", 0, "round", 0), &options, NULL, &err))
        return pd_error_report(&err);

    fprintf(stderr, "eternal_loop: runs until Ctrl-C\n");
    int which;
    sigwait(&stop, &which);
    return 0;
}
