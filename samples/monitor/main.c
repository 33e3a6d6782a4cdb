/* SPDX-License-Identifier: MIT
 *
 * A monitor: looks at something again and again until it is as it should be, or the time is over.
 * Here: until a file exists.
 *
 *     monitor FILE [SECONDS] [URL] */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pd_result exists(pd_activity *a, pd_value file)
{
    bool is_there = access(pd_text(file), F_OK) == 0;
    return pd_ok(a, is_there);
}

static pd_result wait_for_file(pd_orchestration *o, pd_value input)
{
    const char *file;
    int seconds;
    pd_read(o, input, "file", &file, "seconds", &seconds);

    pd_time deadline = pd_after(pd_now(o), pd_seconds(seconds));
    pd_duration pause = pd_milliseconds(250);
    for (int looks = 1; pd_now(o).ms < deadline.ms; looks++) {
        pd_value found = pd_call_activity(o, exists, file);
        if (pd_bool(found))
            return pd_ok(o, looks);

        pd_set_status(o, PD_OBJ("looks", looks)); /* what `perdure show` says meanwhile */
        pd_sleep(o, pause);
        if (pause.ms < 60000)
            pause.ms *= 2; /* less often, the longer it takes */
    }
    return pd_fail(o, "NotFound", "%s is not there after %d seconds", file, seconds);
}

static const pd_function program[] = {
    PD_FUNCTION("WaitForFile", wait_for_file),
    PD_FUNCTION("Exists", exists),
};

int main(int argc, char **argv)
{
    const char *url = argc > 3 ? argv[3] : "sqlite:monitor.db";
    pd_error err;
    if (argc < 2) {
        fputs("usage: monitor FILE [SECONDS] [URL]\n", stderr);
        return 2;
    }

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_id id;
    int seconds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 60;
    if (pd_hub_start(hub, wait_for_file, PD_OBJ("file", argv[1], "seconds", seconds), NULL, &id,
                     &err))
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_days(1), &err);
    if (!done)
        return pd_error_report(&err);

    const pd_failure *failure = pd_instance_failure(done);
    if (failure) {
        fprintf(stderr, "monitor: %s\n", failure->message);
        return 1;
    }
    printf("%s is there, seen at look %s\n", argv[1], pd_instance_output_json(done));
    return 0;
}
