/* SPDX-License-Identifier: MIT
 *
 * Three activities in a row. Kill it in the middle and run it again: it goes on where it was, and
 * no greeting that was recorded is asked for twice.
 *
 *     hello_cities [--slow] [URL]        --slow takes a second for each city */
#include <perdure.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pd_result say_hello(pd_activity *a, pd_value city)
{
    const bool *slow = pd_user(a);
    if (*slow)
        sleep(1);
    return pd_ok(a, pd_format(a, "Hello %s!", pd_text(city)));
}

static pd_result hello_cities(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_list *greetings = pd_list_new(o);

    pd_list_add(greetings, pd_call_activity(o, say_hello, "Tokyo"));
    pd_list_add(greetings, pd_call_activity(o, say_hello, "Seattle"));
    pd_list_add(greetings, pd_call_activity(o, say_hello, "London"));
    return pd_ok(o, greetings); /* ["Hello Tokyo!","Hello Seattle!","Hello London!"] */
}

static const pd_function program[] = {
    PD_FUNCTION("HelloCities", hello_cities),
    PD_FUNCTION("SayHello", say_hello),
};

int main(int argc, char **argv)
{
    bool slow = argc > 1 && strcmp(argv[1], "--slow") == 0;
    const char *url = argc > 1 + slow ? argv[1 + slow] : "sqlite:hello.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    pd_worker_options options = { .user = &slow };
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), &options, &err);
    if (!worker)
        return pd_error_report(&err);

    /* One that was interrupted is already going on again; one that has ended is started anew. */
    pd_start_options hello = { .id = "hello" };
    if (pd_hub_start(hub, hello_cities, PD_NULL, &hello, NULL, &err) && err.status != PD_E_EXISTS)
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, "hello", pd_seconds(30), &err);
    if (!done)
        return pd_error_report(&err);

    puts(pd_instance_output_json(done));
    return 0;
}
