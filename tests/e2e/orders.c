/* SPDX-License-Identifier: MIT
 *
 * A program for the tests of `perdure replay`, in two editions: -DCHANGED pays before it packs,
 * which the histories of the other one do not know. Runs until its stdin ends.
 */
#include <perdure.h>
#include <stdio.h>
#include <string.h>

static pd_result pack(pd_activity *a, pd_value item)
{
    return pd_ok(a, pd_format(a, "packed %s", pd_text(item)));
}

static pd_result order(pd_orchestration *o, pd_value item)
{
#ifdef CHANGED
    pd_call_activity(o, "Pay", item);
#endif
    pd_value packed = pd_call_activity(o, pack, item);
    pd_wait_event(o, "Collected");
    return pd_ok(o, packed);
}

static pd_result other(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static const pd_function program[] = {
    PD_FUNCTION("Order", order),
    PD_FUNCTION("Other", other),
    PD_FUNCTION("Pack", pack),
};

int main(int argc, char **argv)
{
    pd_error err;
    puts("orders: begins, says so on stdout");
    if (argc > 2 && strcmp(argv[2], "--lazy") == 0)
        return 0;
    PD_AUTO(pd_hub) hub = pd_hub_open(argc > 1 ? argv[1] : "sqlite:orders.db", &err);
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
