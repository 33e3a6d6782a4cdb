/* SPDX-License-Identifier: MIT
 *
 * CheckSiteAvailable: an HTTP request from an orchestration, made durably. Whatever the answer is,
 * it is a value; only that there was none is a failure.
 *
 *     check_site_available SITE [HUB]
 *
 * A site of this machine or network has to be allowed: PERDURE_HTTP_ALLOW=private */
#include <perdure.h>
#include <stdio.h>

static const pd_retry three_times = { .attempts_max = 3, .delay_first = { 1000 }, .backoff = 2 };

static pd_result check_site_available(pd_orchestration *o, pd_value site)
{
    const pd_http_request request = {
        .url = pd_text(site),
        .time_max = pd_seconds(20),
        .retry = &three_times, /* of what has no answer, and of 503, "come again" */
        .retry_statuses = (const int[]){ 503 },
        .retry_status_count = 1,
    };
    pd_value answer = pd_call_http(o, &request);

    int64_t status = pd_int(pd_get(answer, "statusCode"));
    if (status >= 400)
        return pd_ok(o, pd_format(o, "answers %d", (int)status));
    return pd_ok(o, "is available");
}

static const pd_function program[] = {
    PD_FUNCTION("CheckSiteAvailable", check_site_available),
};

int main(int argc, char **argv)
{
    const char *url = argc > 2 ? argv[2] : "sqlite:sites.db";
    pd_error err;
    if (argc < 2) {
        fputs("usage: check_site_available SITE [HUB]\n", stderr);
        return 2;
    }

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_id id;
    if (pd_hub_start(hub, check_site_available, argv[1], NULL, &id, &err))
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_minutes(5), &err);
    if (!done)
        return pd_error_report(&err);

    const pd_failure *failure = pd_instance_failure(done);
    while (failure && failure->cause)
        failure = failure->cause;
    if (failure) {
        fprintf(stderr, "%s: %s (%s)\n", argv[1], failure->message, failure->type);
        return 1;
    }
    printf("%s %s\n", argv[1], pd_text(pd_instance_output(done)));
    return 0;
}
