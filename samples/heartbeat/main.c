/* SPDX-License-Identifier: MIT
 *
 * A long activity that says how far it has come: an attempt that is lost (here: that hangs) is
 * noticed soon, and the next one goes on from where it was instead of from the beginning.
 *
 *     heartbeat [PAGES] [URL] */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pd_result print_pages(pd_activity *a, pd_value input)
{
    int pages = (int)pd_int(input);
    int first = (int)pd_int(pd_activity_progress(a)) + 1; /* null at the first attempt: 0 */
    if (first > 1)
        pd_activity_log(a, "goes on from page %d", first);

    for (int page = first; page <= pages; page++) {
        if (page == pages / 2 && first == 1) /* the paper is jammed, and nobody says so */
            while (!pd_activity_is_cancelled(a))
                usleep(10000);
        usleep(1000);
        if (!pd_activity_heartbeat(a, page))
            return pd_fail(a, "GaveUp", "stopped behind page %d", page);
    }
    return pd_ok(a, pages - first + 1);
}

static const pd_retry again = { .attempts_max = 3 };

static pd_result print(pd_orchestration *o, pd_value pages)
{
    return pd_ok(o, pd_call_activity(o, print_pages, pages, .retry = &again,
                                     .beat_max = pd_milliseconds(500), .run_max = pd_hours(1)));
}

static const pd_function program[] = {
    PD_FUNCTION("Print", print),
    PD_FUNCTION("PrintPages", print_pages),
};

int main(int argc, char **argv)
{
    int pages = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
    const char *url = argc > 2 ? argv[2] : "sqlite:heartbeat.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_id id;
    if (pd_hub_start(hub, print, pages, NULL, &id, &err))
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_minutes(5), &err);
    if (!done)
        return pd_error_report(&err);
    printf("pages of the last attempt: %s\n", pd_instance_output_json(done));
    return 0;
}
