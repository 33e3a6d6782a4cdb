/* SPDX-License-Identifier: MIT
 *
 * A singleton: at most one backup at a time, whoever asks for it and however often. The id is what
 * makes it one.
 *
 *     singleton [URL]        run it several times at once */
#include <perdure.h>
#include <stdio.h>
#include <unistd.h>

static pd_result copy_all(pd_activity *a, pd_value input)
{
    (void)input;
    for (int part = 1; part <= 10 && !pd_activity_is_cancelled(a); part++)
        usleep(100000); /* some of the work */
    return pd_ok(a, "all copied");
}

static pd_result backup(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_activity(o, copy_all, input));
}

static const pd_function program[] = {
    PD_FUNCTION("Backup", backup),
    PD_FUNCTION("CopyAll", copy_all),
};

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "sqlite:singleton.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    /* Started when none runs; one that has ended is replaced, one that runs is left alone. */
    pd_start_options options = { .id = "backup", .reuse = PD_REUSE_ENDED };
    pd_status started = pd_hub_start(hub, "Backup", PD_NULL, &options, NULL, &err);
    if (started != PD_OK && started != PD_E_EXISTS)
        return pd_error_report(&err);
    puts(started == PD_OK ? "started a backup" : "a backup is running already");

    /* The first process runs the engine; the others wait for what it does. */
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker && err.status != PD_E_STATE)
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, "backup", pd_minutes(1), &err);
    if (!done)
        return pd_error_report(&err);
    puts(pd_instance_output_json(done));
    return 0;
}
