/* SPDX-License-Identifier: MIT
 *
 * A counter: state with a name and a key, which outlives every process. Operations on it never
 * overlap, whoever sends them.
 *
 *     counter add 5 | counter reset | counter get | counter reset-in 10     [KEY [URL]] */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pd_result counter(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e)); /* 0 when new */

    if (pd_op_is(e, "get"))
        return pd_ok(e, n);

    if (pd_op_is(e, "add"))
        n += pd_int(input);
    else if (pd_op_is(e, "reset"))
        n = 0;
    else
        return pd_fail(e, "UnknownOperation", "a counter cannot '%s'", pd_op(e));

    pd_set_state(e, n);
    return pd_ok(e, n);
}

static const pd_function program[] = { PD_FUNCTION("counter", counter) };

/* A call waits for its answer. */
static int ask(pd_hub *hub, pd_entity_id id, const char *operation, pd_value input)
{
    pd_error err;
    PD_AUTO(pd_instance)
    answer = pd_hub_call_entity(hub, id, operation, input, pd_seconds(30), &err);
    if (!answer)
        return pd_error_report(&err);

    const pd_failure *failure = pd_instance_failure(answer);
    puts(failure ? failure->message : pd_instance_output_json(answer));
    return failure != NULL;
}

/* A signal does not, and may be for later: then some process has to run the engine. */
static int reset_in(pd_hub *hub, pd_entity_id id, int seconds)
{
    pd_error err;
    pd_id signal;
    pd_time now = { (int64_t)time(NULL) * 1000 };
    pd_signal_options options = { .at = pd_after(now, pd_seconds(seconds)) };
    if (pd_hub_signal_entity(hub, id, "reset", PD_NULL, &options, &signal, &err) != PD_OK)
        return pd_error_report(&err);
    printf("as signal %s\n", signal.text);
    return 0;
}

int main(int argc, char **argv)
{
    const char *operation = argc > 1 ? argv[1] : "get";
    bool has_number = strcmp(operation, "add") == 0 || strcmp(operation, "reset-in") == 0;
    int number = has_number && argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    int rest = has_number ? 3 : 2;
    pd_entity_id id = PD_ENTITY("counter", argc > rest ? argv[rest] : "main");
    const char *url = argc > rest + 1 ? argv[rest + 1] : "sqlite:counter.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    /* The first process runs the engine; the others ask it. */
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker && err.status != PD_E_STATE)
        return pd_error_report(&err);

    if (strcmp(operation, "reset-in") == 0)
        return reset_in(hub, id, number);
    return ask(hub, id, operation, pd_of_int(number));
}
