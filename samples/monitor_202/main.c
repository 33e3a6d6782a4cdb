/* SPDX-License-Identifier: MIT
 *
 * A monitor of jobs elsewhere: each is ordered by a POST, which is answered by 202 and where to
 * look. That is looked at, as often as it says, until the job is done, or the time is over. For
 * hours, if need be; this program may end meanwhile, and be run again: nothing is ordered twice.
 *
 *     monitor_202 SECONDS URL [URL...]
 *
 * The hub is PERDURE_HUB, or sqlite:jobs.db. */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>

static pd_result do_job(pd_orchestration *o, pd_value input)
{
    const char *url;
    int seconds;
    pd_read(o, input, "url", &url, "seconds", &seconds);

    const pd_http_request order = {
        .method = "POST",
        .url = url,
        .headers = PD_VAL(PD_OBJ("idempotency-key", pd_instance_id(o))),
        .body = PD_VAL(PD_OBJ("job", "nightly")),
    };
    pd_task *job = pd_start_http(o, &order);
    pd_task *over = pd_start_timer(o, pd_seconds(seconds));
    if (pd_wait_any(o, PD_TASKS(job, over)) == 1) {
        pd_cancel(o, job); /* nobody looks any more */
        return pd_fail(o, "TooLate", "%s is not done after %d seconds", url, seconds);
    }
    pd_cancel(o, over);

    pd_value answer = pd_await(o, job);
    return pd_ok(o, PD_OBJ("url", url, "status", pd_get(answer, "statusCode")));
}

static pd_result do_jobs(pd_orchestration *o, pd_value input)
{
    int seconds;
    pd_value urls;
    pd_read(o, input, "seconds", &seconds, "urls", &urls);

    size_t n = pd_count(urls);
    pd_task **jobs = pd_alloc(o, n * sizeof *jobs);
    for (size_t i = 0; i < n; i++)
        jobs[i] = pd_start_child(o, do_job, PD_OBJ("url", pd_at(urls, i), "seconds", seconds));
    pd_wait_all(o, jobs, n);

    pd_list *report = pd_list_new(o);
    for (size_t i = 0; i < n; i++) {
        const pd_failure *failure = pd_task_failure(jobs[i]);
        while (failure && failure->cause)
            failure = failure->cause;
        if (failure)
            pd_list_add(report, PD_OBJ("url", pd_at(urls, i), "failure", failure->type));
        else
            pd_list_add(report, pd_task_value(jobs[i]));
    }
    return pd_ok(o, report);
}

static const pd_function program[] = {
    PD_FUNCTION("DoJobs", do_jobs),
    PD_FUNCTION("DoJob", do_job),
};

/* {"seconds": ..., "urls": [...]} from the command line. */
static const char *input_of(int argc, char **argv)
{
    static char json[16384];
    size_t size = (size_t)snprintf(json, sizeof json, "{\"seconds\":%ld,\"urls\":[",
                                   strtol(argv[1], NULL, 10));
    for (int i = 2; i < argc && size < sizeof json; i++)
        size += (size_t)snprintf(json + size, sizeof json - size, "%s\"%s\"", i > 2 ? "," : "",
                                 argv[i]);
    if (size < sizeof json)
        snprintf(json + size, sizeof json - size, "]}");
    return json;
}

int main(int argc, char **argv)
{
    const char *url = getenv("PERDURE_HUB");
    pd_error err;
    if (argc < 3) {
        fputs("usage: monitor_202 SECONDS URL [URL...]\n", stderr);
        return 2;
    }

    PD_AUTO(pd_hub) hub = pd_hub_open(url ? url : "sqlite:jobs.db", &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    PD_AUTO(pd_document) input = pd_document_parse(input_of(argc, argv), &err);
    if (!input)
        return pd_error_report(&err);

    /* One that runs already, from before a crash, is gone on with. */
    pd_id id;
    pd_start_options options = { .id = "jobs", .reuse = PD_REUSE_ENDED };
    pd_status status = pd_hub_start(hub, do_jobs, pd_document_value(input), &options, &id, &err);
    if (status != PD_OK && status != PD_E_EXISTS)
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, "jobs", pd_days(7), &err);
    if (!done)
        return pd_error_report(&err);
    puts(pd_instance_output_json(done));
    return 0;
}
