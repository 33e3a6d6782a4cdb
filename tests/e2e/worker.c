/* SPDX-License-Identifier: MIT
 *
 * A worker for the tests of the command: runs what they start, until its stdin ends. Compiled by
 * the test, against the static library, as a user would. Prints "ready" when it is.
 */
#include <perdure.h>
#include <stdio.h>

static pd_result greet(pd_orchestration *o, pd_value name)
{
    return pd_ok(o, pd_format(o, "Hello %s!", pd_text(name)));
}

static pd_result echo(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static pd_result fail(pd_orchestration *o, pd_value input)
{
    return pd_fail(o, "CardDeclined", "%s", pd_text(input));
}

static pd_result ask(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, pd_wait_event(o, "Approval"));
}

static pd_result nap(pd_orchestration *o, pd_value ms)
{
    pd_sleep(o, pd_milliseconds(pd_int(ms)));
    return pd_ok(o, PD_NULL);
}

/* Waits for two children; an input names what they are. */
static pd_result family(pd_orchestration *o, pd_value name)
{
    const char *first = pd_format(o, "%s:a", pd_instance_id(o));
    const char *second = pd_format(o, "%s:b", pd_instance_id(o));
    pd_task *a = pd_start_child(o, pd_text(name), "a", .id = first);
    pd_task *b = pd_start_child(o, pd_text(name), "b", .id = second);
    pd_set_status(o, "waits for both");
    pd_await_all(o, PD_TASKS(a, b));
    return pd_ok(o, PD_ARR(pd_task_value(a), pd_task_value(b)));
}

/* Fails until a file is there. */
static pd_result need(pd_activity *a, pd_value file)
{
    FILE *found = fopen(pd_text(file), "re");
    if (found == NULL)
        return pd_fail(a, "NotThere", "%s is not there", pd_text(file));
    fclose(found);
    return pd_ok(a, PD_TRUE);
}

static pd_result needy(pd_orchestration *o, pd_value file)
{
    pd_call_activity(o, "Need", "/");
    return pd_ok(o, pd_call_activity(o, "Need", file));
}

static pd_result counter(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e));
    if (pd_op_is(e, "add"))
        n += pd_int(input);
    else if (pd_op_is(e, "delete"))
        return pd_delete_state(e), pd_ok(e, PD_NULL);
    else if (!pd_op_is(e, "get"))
        return pd_fail(e, "UnknownOperation", "a counter cannot '%s'", pd_op(e));
    pd_set_state(e, n);
    return pd_ok(e, n);
}

/* Holds the counter that is named, until it is told to let go. */
static pd_result hold(pd_orchestration *o, pd_value key)
{
    PD_LOCKED(o, PD_ENTITY("counter", pd_text(key))) {
        pd_call_entity(o, PD_ENTITY("counter", pd_text(key)), "add", 100);
        (void)pd_wait_event(o, "LetGo");
    }
    return pd_ok(o, PD_NULL);
}

static const pd_function program[] = {
    PD_FUNCTION("Hold", hold),   PD_FUNCTION("counter", counter), PD_FUNCTION("Greet", greet),
    PD_FUNCTION("Echo", echo),   PD_FUNCTION("Fail", fail),       PD_FUNCTION("Ask", ask),
    PD_FUNCTION("Nap", nap),     PD_FUNCTION("Family", family),   PD_FUNCTION("Need", need),
    PD_FUNCTION("Needy", needy),
};

int main(int argc, char **argv)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(argc > 1 ? argv[1] : "sqlite:perdure.db", &err);
    if (!hub)
        return pd_error_report(&err);
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
}
