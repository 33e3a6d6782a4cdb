/* SPDX-License-Identifier: MIT
 *
 * A critical section around something that is no entity: a file that several orchestrations change,
 * each by reading it, thinking, and writing it. An entity without any function is the lock.
 *
 *     synchronize [ORCHESTRATIONS] [FILE] [URL] */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pd_result change_shared_thing(pd_activity *a, pd_value file)
{
    int number = 0;
    FILE *in = fopen(pd_text(file), "r");
    if (in) {
        if (fscanf(in, "%d", &number) != 1)
            number = 0;
        fclose(in);
    }
    usleep(5000); /* two of these at once would lose one of the changes */
    FILE *out = fopen(pd_text(file), "w");
    if (!out)
        return pd_fail(a, "NoFile", "%s cannot be written", pd_text(file));
    fprintf(out, "%d\n", number + 1);
    fclose(out);
    return pd_ok(a, number + 1);
}

static pd_result synchronize(pd_orchestration *o, pd_value file)
{
    PD_LOCKED(o, PD_ENTITY("LockEntity", "MyLockIdentifier")) {
        /* critical section: one orchestration at a time, in the order they asked */
        pd_call_activity(o, change_shared_thing, file);
    }
    return pd_ok(o, PD_NULL);
}

static const pd_function program[] = {
    PD_FUNCTION("Synchronize", synchronize),
    PD_FUNCTION("ChangeSharedThing", change_shared_thing),
};

int main(int argc, char **argv)
{
    enum { MOST = 100 };
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20;
    const char *file = argc > 2 ? argv[2] : "shared.txt";
    const char *url = argc > 3 ? argv[3] : "sqlite:synchronize.db";
    pd_value inputs[MOST];
    pd_id ids[MOST] = { 0 };
    pd_error err;
    count = count < MOST ? count : MOST;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    pd_worker_options options = { .threads = 8 }; /* so that they would meet */
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), &options, &err);
    if (!worker)
        return pd_error_report(&err);

    for (int i = 0; i < count; i++)
        inputs[i] = pd_of_text(file);
    if (pd_hub_start_many(hub, synchronize, (size_t)count, inputs, ids, &err) != PD_OK)
        return pd_error_report(&err);

    for (int i = 0; i < count; i++) {
        PD_AUTO(pd_instance) done = pd_hub_wait(hub, ids[i].text, pd_minutes(1), &err);
        if (!done)
            return pd_error_report(&err);
    }
    printf("%d orchestrations have changed %s\n", count, file);
    return 0;
}
