/* SPDX-License-Identifier: MIT
 *
 * Several values in one payload: an object goes to the activity, another comes back.
 *
 *     course_recommendations [YEAR] [URL]        the year at university is 3 unless given */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>

static pd_result course_recommendations(pd_activity *a, pd_value input)
{
    const char *major;
    int year;
    if (!pd_read(a, input, "major", &major, "universityYear", &year))
        return PD_FAILED;

    pd_literal courses = PD_ARR("Introduction to C", "Introduction to Linux", "Databases");
    return pd_ok(a, PD_OBJ("major", major, "universityYear", year, "courses", courses));
}

static pd_result get_course_recommendations(pd_orchestration *o, pd_value input)
{
    const char *major = "ComputerScience";
    int year;
    pd_read(o, input, &year);

    return pd_ok(o, pd_call_activity(o, course_recommendations,
                                     PD_OBJ("major", major, "universityYear", year)));
}

static const pd_function program[] = {
    PD_FUNCTION("GetCourseRecommendations", get_course_recommendations),
    PD_FUNCTION("CourseRecommendations", course_recommendations),
};

int main(int argc, char **argv)
{
    long year = argc > 1 ? strtol(argv[1], NULL, 10) : 3;
    const char *url = argc > 2 ? argv[2] : "memory:";
    pd_error err;

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    pd_id id = { "" };
    if (pd_hub_start(hub, get_course_recommendations, year, NULL, &id, &err))
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_seconds(30), &err);
    if (!done)
        return pd_error_report(&err);

    puts(pd_instance_output_json(done));
    return 0;
}
