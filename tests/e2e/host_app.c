/* SPDX-License-Identifier: MIT
 *
 * The app that test_host.sh and test_host_trouble.sh run. GENERATION says which version of it this
 * is; CRASH_AT_LOADING, SPIN_AT_LOADING, WRONG_ABI, SAME_ROUTES, BAD_TIMER and NO_TIMER make it one
 * that cannot be used, or has changed. */
#include <perdure/app.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void crash_here(void)
{
    *(volatile int *)0 = 1;
}

static int fall(volatile const char *above)
{
    volatile char here[4096];
    here[0] = above != NULL ? above[0] : '1';
    return here[0] == '0' ? 0 : fall(here) + here[0];
}

static void spin_here(long seconds) /* 0: for ever, without a call */
{
    volatile long still = seconds;
    while (still == 0) {}
    time_t begun = time(NULL);
    while (time(NULL) - begun < seconds) {}
}

/* All threads stand still, as a debugger holds them. */
static void be_held(long seconds)
{
    pid_t self = getpid();
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    if (fork() == 0) {
        bool is_held = ptrace(PTRACE_SEIZE, self, NULL, NULL) == 0 && kill(self, SIGSTOP) == 0 &&
                       waitpid(self, NULL, __WALL) == self;
        if (is_held) {
            (void)ptrace(PTRACE_CONT, self, NULL, (void *)(long)SIGSTOP);
            (void)sleep((unsigned)seconds);
            (void)kill(self, SIGCONT);
        }
        _exit(0);
    }
}

/* What nobody should do. What a program that is started has of us stands in helper.txt. */
static void misbehave(const char *what)
{
    char *volatile memory = malloc(10);
    if (strncmp(what, "exit ", 5) == 0) {
        exit((int)strtol(what + 5, NULL, 10));
    } else if (strcmp(what, "free twice") == 0) {
        free(memory);
        free(memory);
    } else if (strncmp(what, "spin ", 5) == 0) {
        spin_here(strtol(what + 5, NULL, 10));
    } else if (strncmp(what, "held ", 5) == 0) {
        be_held(strtol(what + 5, NULL, 10));
        usleep(500000);
    } else if (strcmp(what, "overrun") == 0) {
        (void)fall(NULL);
    } else if (strcmp(what, "helper") == 0 &&
               system("{ grep ^Sig /proc/self/status; ls -l /proc/self/fd; } >helper.txt") != 0) {
        abort();
    }
    free(memory);
}

static const char *after(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0 ? text + strlen(begin) : NULL;
}

static pd_result work(pd_activity *a, pd_value input)
{
    const char *what = after(pd_text(input), "activity: ");
    if (what != NULL) {
        misbehave(what);
    }
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
    const char *what = after(pd_text(input), "orchestrator: ");
    if (what != NULL) {
        misbehave(what);
    }
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
    const char *wait = pd_request_query(r, "wait"), *hold = pd_request_query(r, "hold");
    pd_error err;
    pd_value input;
    pd_id id;
    if (!pd_request_json(r, &input, &err) ||
        pd_hub_start(pd_request_hub(r), job, input, NULL, &id, &err) != PD_OK) {
        pd_answer_error(r, &err);
    } else {
        PD_AUTO(pd_instance) ended = NULL;
        if (hold != NULL) {
            pd_duration limit = pd_milliseconds(strtol(hold, NULL, 10));
            ended = pd_hub_wait(pd_request_hub(r), id.text, limit, NULL);
        }
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

static void deep(pd_request *r)
{
    pd_answer_json(r, 200, fall(NULL));
}

static void silent(pd_request *r)
{
    (void)r;
}

static void do_it(pd_request *r)
{
    misbehave(pd_request_parameter(r, "what"));
    pd_answer_empty(r, 204);
}

/* Answers three times, with headers that are not its to give, and in an order. */
static void thrice(pd_request *r)
{
    pd_answer_header(r, "Content-Length", "2");
    pd_answer_header(r, "Transfer-Encoding", "chunked");
    pd_answer_header(r, "X-Split", "a\r\nX-Evil: b");
    pd_answer_header(r, "X Y", "none");
    pd_answer_header(r, "X-Item", "1");
    pd_answer_links(r, "nobody");
    pd_answer_header(r, "X-Item", "2");
    pd_answer_json(r, 200, PD_OBJ("a", 1));
    pd_answer_text(r, 201, "the last");
}

/* As large as is asked for, in MiB: as text, or as JSON of one text. */
static void large(pd_request *r)
{
    size_t size = (size_t)strtol(pd_request_parameter(r, "mib"), NULL, 10) << 20;
    char *text = pd_request_alloc(r, size + 2);
    memset(text, 'x', size + 1);
    if (pd_request_query(r, "json") != NULL) {
        text[size - 2 + (pd_request_query(r, "more") != NULL)] = '\0'; /* and two quotes */
        pd_answer_json(r, 200, text);
    } else {
        pd_answer_bytes(r, 200, NULL, text, size + (pd_request_query(r, "more") != NULL));
    }
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
    { "GET", "/deep", deep, false },           { "GET", "/do/{what}", do_it, false },
    { "GET", "/thrice", thrice, true },        { "GET", "/large/{mib}", large, true },
#ifdef SAME_ROUTES
    { "GET", "/things/{other}", show, false },
#endif
};

#ifdef BAD_TIMER
static const pd_timer_trigger timers[] = {
    { .name = "third", .rule = "* * *", .activity = "Tick" },
};
#elif !defined(NO_TIMER)
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

#if defined(CRASH_AT_LOADING) || defined(SPIN_AT_LOADING)
__attribute__((constructor)) static void begin(void)
{
#ifdef SPIN_AT_LOADING
    spin_here(0);
#endif
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
