/* SPDX-License-Identifier: MIT
 *
 * A user's program with orchestrators that call what they must not, in the ways in which calls are
 * made; test_guard.sh links it in the ways in which programs are linked. Runs each by name, and
 * prints how it ended. */
#include <fcntl.h>
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "helper.h"

static pd_result calls(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, time(NULL) > 0);
}

static pd_result opens(pd_orchestration *o, pd_value input)
{
    int flags = (int)pd_int(input); /* not known to the compiler: __open_2 when it checks */
    int fd = open("/dev/null", flags);
    if (fd >= 0)
        close(fd);
    return pd_ok(o, fd >= 0);
}

static pd_result points(pd_orchestration *o, pd_value input)
{
    char *(*volatile look)(const char *) = getenv;
    (void)input;
    return pd_ok(o, look("PATH"));
}

static pd_result asks_a_library(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, helper_now() > 0);
}

static pd_result asks_chrono(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, helper_chrono() > 0);
}

/* Looks into the first JSON object that this process has seen. */
static pd_result behaves(pd_orchestration *o, pd_value input)
{
    pd_log(o, "behaves");
    pd_value seen = pd_call_activity(o, "Calls", input);
    return pd_ok(o, pd_get(seen, "well"));
}

static pd_result in_activity(pd_activity *a, pd_value input)
{
    (void)input;
    int well = helper_now() > 0 && helper_chrono() > 0 && time(NULL) > 0;
    return pd_ok(a, PD_OBJ("well", well));
}

static const pd_function program[] = {
    PD_FUNCTION("calls", calls),
    PD_FUNCTION("opens", opens),
    PD_FUNCTION("points", points),
    PD_FUNCTION("asks a library", asks_a_library),
    PD_FUNCTION("asks chrono", asks_chrono),
    PD_FUNCTION("behaves", behaves),
    PD_FUNCTION("Calls", in_activity),
};

int main(int argc, char **argv)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open("memory:", &err);
    if (!hub)
        return pd_error_report(&err);
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);
    for (int i = 1; i < argc; i++) {
        pd_id id = { "" };
        if (pd_hub_start(hub, argv[i], O_RDONLY, NULL, &id, &err) != PD_OK)
            return pd_error_report(&err);
        PD_AUTO(pd_instance) end = pd_hub_wait(hub, id.text, pd_seconds(30), &err);
        if (!end)
            return pd_error_report(&err);
        const pd_failure *failure = pd_instance_failure(end);
        printf("%s: %s\n", argv[i], failure ? failure->type : pd_instance_output_json(end));
    }
    return 0;
}
