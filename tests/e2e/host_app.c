/* SPDX-License-Identifier: MIT
 *
 * The app that test_host.sh runs. GENERATION says which version of it this is; CRASH_AT_LOADING,
 * WRONG_ABI, SAME_ROUTES and NO_TIMER make it one that cannot be used, or has changed. */
#include <perdure/app.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void crash_here(void)
{
    *(volatile int *)0 = 1;
}

static pd_result work(pd_activity *a, pd_value input)
{
    if (strcmp(pd_text(input), "crash in an activity") == 0) {
        crash_here();
    }
    usleep(2000);
    return pd_ok(a, pd_format(a, "%s done", pd_text(input)));
}

static pd_result tick(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

static pd_result job(pd_orchestration *o, pd_value input)
{
    if (strcmp(pd_text(input), "crash in an orchestrator") == 0) {
        crash_here();
    }
    if (strcmp(pd_text(input), "fail") == 0) {
        return pd_fail(o, "Wanted", "as was asked for");
    }
    if (strcmp(pd_text(input), "wait") == 0) {
        return pd_ok(o, pd_wait_event(o, "Go"));
    }
    if (strcmp(pd_text(input), "sleep") == 0) {
        pd_sleep(o, pd_seconds(1));
        return pd_ok(o, "slept");
    }
    return pd_ok(o, pd_call_activity(o, work, input));
}

static void show(pd_request *r)
{
    size_t size;
    const char *body = pd_request_body(r, &size);
    pd_answer_header(r, "X-Own", "yes");
    pd_answer_json(r, 200,
                   PD_OBJ("id", pd_request_parameter(r, "id"), "query", pd_request_query(r, "q"),
                          "method", pd_request_method(r), "path", pd_request_path(r), "agent",
                          pd_request_header(r, "x-agent"), "body", body, "size", size, "caller",
                          pd_request_caller(r)));
}

static void new_one(pd_request *r)
{
    pd_answer_text(r, 200, pd_request_format(r, "generation %d\n", GENERATION));
}

static void start(pd_request *r)
{
    const char *wait = pd_request_query(r, "wait");
    pd_error err;
    pd_value input;
    pd_id id;
    if (!pd_request_json(r, &input, &err) ||
        pd_hub_start(pd_request_hub(r), job, input, NULL, &id, &err) != PD_OK) {
        pd_answer_error(r, &err);
    } else {
        pd_answer_wait(r, id.text, pd_milliseconds(wait != NULL ? strtol(wait, NULL, 10) : 0));
    }
}

static void crash(pd_request *r)
{
    (void)r;
    abort();
}

static void slow(pd_request *r)
{
    sleep(1);
    pd_answer_text(r, 200, "slow, but there\n");
}

static int fall(volatile const char *above)
{
    volatile char here[4096];
    here[0] = above != NULL ? above[0] : '1';
    return here[0] == '0' ? 0 : fall(here) + here[0];
}

static void deep(pd_request *r)
{
    pd_answer_json(r, 200, fall(NULL));
}

static void silent(pd_request *r)
{
    (void)r;
}

static const pd_function functions[] = {
    PD_FUNCTION("Job", job),
    PD_FUNCTION("Work", work),
    PD_FUNCTION("Tick", tick),
};

static const pd_route routes[] = {
    { "GET", "/things/{id}", show, true },     { "PUT", "/things/{id}", show, false },
    { "GET", "/things/new", new_one, true },   { NULL, "/any/{id}/end", show, true },
    { "POST", "/jobs", start, false },         { "POST", "/crash", crash, false },
    { "GET", "/slow", slow, false },           { "GET", "/silent", silent, false },
    { "GET", "/deep", deep, false },
#ifdef SAME_ROUTES
    { "GET", "/things/{other}", show, false },
#endif
};

#ifndef NO_TIMER
static const pd_timer_trigger timers[] = {
    { .name = "second",
      .rule = "* * * * * *",
      .activity = "Tick",
      .input = "7",
      .missed = PD_MISSED_NONE },
#ifdef STRAY_TIMER
    { .name = "stray", .rule = "@yearly", .activity = "Tock" },
#endif
};
#endif

#ifdef CRASH_AT_LOADING
__attribute__((constructor)) static void begin(void)
{
    crash_here();
}
#endif

#ifdef WRONG_ABI
#undef PD_APP_ABI
#define PD_APP_ABI 77
#endif

PD_APP(.name = "tested", .version = "1", PD_FUNCTIONS(functions), PD_ROUTES(routes),
#ifndef NO_TIMER
       PD_TIMERS(timers)
#endif
)
