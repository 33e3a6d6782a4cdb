/* SPDX-License-Identifier: MIT
 *
 * Orchestrations that call orchestrations: a parcel for each city, all at once, each with steps and
 * a history of its own; one that fails does not hold up the others.
 *
 *     sub_orchestrations [URL] ['["CITY",...]'] */
#include <perdure.h>
#include <stdio.h>
#include <string.h>

static pd_result pack(pd_activity *a, pd_value city)
{
    return pd_ok(a, pd_format(a, "parcel for %s", pd_text(city)));
}

static pd_result hand_over(pd_activity *a, pd_value parcel)
{
    if (strstr(pd_text(parcel), "Atlantis"))
        return pd_fail_final(a, "NoSuchPlace", "nobody delivers there: %s", pd_text(parcel));
    return pd_ok(a, pd_format(a, "%s handed over", pd_text(parcel)));
}

static pd_result deliver(pd_orchestration *o, pd_value city)
{
    pd_value parcel = pd_call_activity(o, pack, city);
    return pd_ok(o, pd_call_activity(o, hand_over, parcel));
}

static pd_result deliver_all(pd_orchestration *o, pd_value cities)
{
    size_t n = pd_count(cities);
    pd_task **parcels = pd_alloc(o, n * sizeof *parcels);
    for (size_t i = 0; i < n; i++) {
        const char *id = pd_format(o, "%s:%s", pd_instance_id(o), pd_text(pd_at(cities, i)));
        parcels[i] = pd_start_child(o, deliver, pd_at(cities, i), .id = id);
    }
    pd_wait_all(o, parcels, n);

    pd_list *lines = pd_list_new(o);
    for (size_t i = 0; i < n; i++) {
        const pd_failure *failure = pd_task_failure(parcels[i]);
        while (failure && failure->cause) /* the activity's, behind the child's */
            failure = failure->cause;
        if (failure)
            pd_list_add(lines, failure->message);
        else
            pd_list_add(lines, pd_task_value(parcels[i]));
    }
    return pd_ok(o, lines);
}

static const pd_function program[] = {
    PD_FUNCTION("DeliverAll", deliver_all),
    PD_FUNCTION("Deliver", deliver),
    PD_FUNCTION("Pack", pack),
    PD_FUNCTION("HandOver", hand_over),
};

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "sqlite:sub_orchestrations.db";
    const char *cities = argc > 2 ? argv[2] : "[\"Tokyo\",\"Atlantis\",\"London\"]";
    pd_error err;

    PD_AUTO(pd_document) input = pd_document_parse(cities, &err);
    if (!input)
        return pd_error_report(&err);

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_id id;
    pd_start_options options = { .id = "parcels" };
    if (pd_hub_start(hub, deliver_all, pd_document_value(input), &options, &id, &err))
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_minutes(5), &err);
    if (!done)
        return pd_error_report(&err);

    puts(pd_instance_output_json(done));
    return pd_instance_state(done) == PD_RUN_COMPLETED ? 0 : 1;
}
