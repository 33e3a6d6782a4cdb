/* SPDX-License-Identifier: MIT
 *
 * A report at fixed times: how full a disk is, a line in a file. Here: whenever a cron expression
 * says, in a time zone, also while this program was down.
 *
 *     cron_report FILE [RULE] [ZONE] [URL] */
#include <perdure.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/statvfs.h>

static pd_result look_at_disk(pd_activity *a, pd_value folder)
{
    struct statvfs disk;
    if (statvfs(pd_text(folder), &disk) != 0)
        return pd_fail(a, "NoDisk", "%s cannot be looked at", pd_text(folder));
    return pd_ok(a, 100.0 - 100.0 * (double)disk.f_bavail / (double)disk.f_blocks);
}

static pd_result write_line(pd_activity *a, pd_value input)
{
    const char *file, *line;
    if (!pd_read(a, input, "file", &file, "line", &line))
        return PD_FAILED;
    FILE *report = fopen(file, "ae");
    if (report == NULL)
        return pd_fail(a, "NoFile", "%s cannot be written", file);
    fprintf(report, "%s\n", line);
    fclose(report);
    return pd_ok(a, PD_NULL);
}

static pd_result report(pd_orchestration *o, pd_value file)
{
    double full = pd_real(pd_call_activity(o, look_at_disk, "."));
    const char *due = pd_instance_id(o); /* "disk:2026-11-22T08:00:00Z" */
    const char *line = pd_format(o, "%s: %.0f%% full", due, full);
    pd_call_activity(o, write_line, PD_OBJ("file", pd_text(file), "line", line));
    return pd_ok(o, line);
}

static const pd_function program[] = {
    PD_FUNCTION("Report", report),
    PD_FUNCTION("LookAtDisk", look_at_disk),
    PD_FUNCTION("WriteLine", write_line),
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: cron_report FILE [RULE] [ZONE] [URL]\n", stderr);
        return 2;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);

    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(argc > 4 ? argv[4] : "sqlite:cron_report.db", &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_schedule disk = {
        .id = "disk",
        .rule = argc > 2 ? argv[2] : "0 8 * * 1-5",
        .zone = argc > 3 ? argv[3] : "Europe/Berlin",
        .orchestrator = "Report",
        .input = PD_VAL(argv[1]),
        .missed = PD_MISSED_LAST,
    };
    if (pd_hub_put_schedule(hub, &disk, &err))
        return pd_error_report(&err);

    fprintf(stderr, "cron_report: runs; see: perdure --hub sqlite:cron_report.db schedule list\n");
    int signal;
    return sigwait(&ends, &signal);
}
