/* SPDX-License-Identifier: MIT
 *
 * A saga: three bookings that belong together; when a later one fails, the earlier ones are undone,
 * the last first.
 *
 *     saga [CITY] [URL]        no hotel has a room in Atlantis */
#include <perdure.h>
#include <stdio.h>
#include <string.h>

static pd_result book_flight(pd_activity *a, pd_value city)
{
    pd_activity_log(a, "a flight to %s", pd_text(city));
    return pd_ok(a, pd_format(a, "flight-%s", pd_text(city)));
}

static pd_result book_hotel(pd_activity *a, pd_value city)
{
    if (strcmp(pd_text(city), "Atlantis") == 0)
        return pd_fail_final(a, "NoRoom", "there is no room in %s", pd_text(city));
    pd_activity_log(a, "a room in %s", pd_text(city));
    return pd_ok(a, pd_format(a, "room-%s", pd_text(city)));
}

static pd_result book_car(pd_activity *a, pd_value city)
{
    pd_activity_log(a, "a car in %s", pd_text(city));
    return pd_ok(a, pd_format(a, "car-%s", pd_text(city)));
}

static pd_result cancel(pd_activity *a, pd_value booking)
{
    pd_activity_log(a, "gives back %s", pd_text(booking));
    return pd_ok(a, PD_NULL);
}

/* Nothing is given up because a line is busy. */
static const pd_retry patiently = { .attempts_max = 5, .delay_first = { 200 }, .backoff = 2 };

static pd_result trip(pd_orchestration *o, pd_value city)
{
    pd_activity_fn *const steps[] = { book_flight, book_hotel, book_car };
    enum { STEPS = sizeof steps / sizeof steps[0] };
    pd_value booked[STEPS];

    for (size_t i = 0; i < STEPS; i++) {
        pd_task *booking = pd_start_activity(o, steps[i], city, .retry = &patiently);
        if (pd_wait(o, booking)) {
            booked[i] = pd_task_value(booking);
            continue;
        }
        while (i-- > 0)
            pd_call_activity(o, cancel, booked[i], .retry = &patiently);
        return pd_fail_with(o, pd_task_failure(booking));
    }
    return pd_ok(o, PD_ARR(booked[0], booked[1], booked[2]));
}

static const pd_function program[] = {
    PD_FUNCTION("Trip", trip),
    PD_FUNCTION("BookFlight", book_flight),
    PD_FUNCTION("BookHotel", book_hotel),
    PD_FUNCTION("BookCar", book_car),
    PD_FUNCTION("Cancel", cancel),
};

int main(int argc, char **argv)
{
    const char *city = argc > 1 ? argv[1] : "Lisbon";
    const char *url = argc > 2 ? argv[2] : "sqlite:saga.db";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_id id;
    if (pd_hub_start(hub, trip, city, NULL, &id, &err))
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_minutes(5), &err);
    if (!done)
        return pd_error_report(&err);

    const pd_failure *failure = pd_instance_failure(done);
    if (failure) {
        fprintf(stderr, "saga: %s: %s\n", failure->type, failure->message);
        return 1;
    }
    puts(pd_instance_output_json(done));
    return 0;
}
