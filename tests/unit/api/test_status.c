/* SPDX-License-Identifier: MIT
 *
 * The words for people: version, states, errors on one line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <perdure.h>

static void the_version_is_the_one_of_the_header(void **state)
{
    (void)state;
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "%d.%d.%d", PD_VERSION_MAJOR, PD_VERSION_MINOR,
             PD_VERSION_PATCH);
    assert_string_equal(pd_version(), wanted);
    assert_string_equal(pd_version(), PERDURE_VERSION);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(pd_run_state_name(PD_RUN_PENDING), "Pending");
    assert_string_equal(pd_run_state_name(PD_RUN_RUNNING), "Running");
    assert_string_equal(pd_run_state_name(PD_RUN_SUSPENDED), "Suspended");
    assert_string_equal(pd_run_state_name(PD_RUN_COMPLETED), "Completed");
    assert_string_equal(pd_run_state_name(PD_RUN_FAILED), "Failed");
    assert_string_equal(pd_run_state_name(PD_RUN_TERMINATED), "Terminated");
    int number = 77;
    assert_string_equal(pd_run_state_name((pd_run_state)number), "Unknown");
}

/* What pd_error_report writes to stderr, up to size - 1 bytes. */
static int report(const pd_error *err, char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    int result = pd_error_report(err);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    ssize_t count = read(ends[0], text, size - 1);
    close(ends[0]);
    assert_true(count >= 0);
    text[count] = '\0';
    return result;
}

static void an_error_is_reported_on_one_line_and_main_can_return_it(void **state)
{
    (void)state;
    char text[300];
    pd_error err = { PD_E_INVALID, false, "hub: open", "'x' is not a URL" };
    assert_int_equal(report(&err, text, sizeof(text)), 1);
    assert_string_equal(text, "perdure: hub: open: 'x' is not a URL\n");
    assert_int_equal(report(NULL, text, sizeof(text)), 1);
    assert_non_null(strchr(text, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_is_the_one_of_the_header),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(an_error_is_reported_on_one_line_and_main_can_return_it),
    };
    return cmocka_run_group_tests_name("api/status", tests, NULL, NULL);
}
