/* SPDX-License-Identifier: MIT
 *
 * Work that nobody takes: how much memory of the server it holds, and that it is all done when
 * somebody comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bed.h"

#ifdef __SANITIZE_THREAD__ /* which takes a megabyte for each stack that a worker keeps */
enum { COUNT = 1000 };
#else
enum { COUNT = 20000 };
#endif
enum { AT_ONCE = 1000, BYTES_EACH = 4000 };

/* ---- the program ----------------------------------------------------------------------------- */

static pd_result act(pd_activity *a, pd_value n)
{
    return pd_ok(a, n);
}

static pd_result flow(pd_orchestration *o, pd_value n)
{
    return pd_ok(o, pd_call_activity(o, "Act", n));
}

static pd_result echo(pd_orchestration *o, pd_value n)
{
    return pd_ok(o, n);
}

static const pd_function whole[] = {
    PD_FUNCTION("Flow", flow),
    PD_FUNCTION("Act", act),
    PD_FUNCTION("Echo", echo),
};

/* ---- measuring ------------------------------------------------------------------------------- */

static int64_t bytes_of(pid_t process)
{
    char path[64], line[256];
    int64_t kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kb = strtoll(line + 6, NULL, 10);
        }
    }
    fclose(file);
    assert_true(kb > 0);
    return kb * 1024;
}

static void start_all(pd_hub *hub, const char *name, pd_id *ids)
{
    static pd_value inputs[AT_ONCE];
    pd_error err;
    for (int i = 0; i < COUNT; i += AT_ONCE) {
        for (int n = 0; n < AT_ONCE; n++) {
            inputs[n] = pd_of_int(i + n);
        }
        assert_int_equal(pd_hub_start_many(hub, name, AT_ONCE, inputs, ids + i, &err), PD_OK);
    }
}

/* Sanitizers have memory of their own beside each byte. */
static void expect_few_bytes(const struct bed *bed, int64_t before)
{
    int64_t each = (bytes_of(bed->server.pid) - before) / COUNT;
    print_message("%lld bytes each\n", (long long)each);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(each < BYTES_EACH);
#else
    (void)each;
#endif
}

static void expect_all(pd_hub *hub, const pd_id *ids)
{
    for (int i = 0; i < COUNT; i++) {
        bed_expect_end(hub, ids[i].text, i);
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_start_without_a_worker_holds_few_bytes_and_runs_when_one_comes(void **state)
{
    struct bed *bed = *state;
    pd_error err;
    pd_id *ids = calloc(COUNT, sizeof *ids);
    pd_hub *hub = bed_hub(bed);
    int64_t before = bytes_of(bed->server.pid);
    start_all(hub, "Echo", ids);
    expect_few_bytes(bed, before);
    pd_worker *worker = pd_worker_start(hub, PD_PROGRAM(whole), NULL, &err);
    assert_non_null(worker);
    expect_all(hub, ids);
    pd_worker_stop(worker);
    pd_hub_close(hub);
    free(ids);
}

static void an_activity_without_a_worker_holds_few_bytes_and_runs_when_one_comes(void **state)
{
    struct bed *bed = *state;
    pd_error err;
    pd_query wanted = { .name = "Flow", .states = 1u << PD_RUN_RUNNING };
    pd_counts counts = { .all = 0 };
    pd_id *ids = calloc(COUNT, sizeof *ids);
    pid_t other = bed_fork_worker(bed, whole, 1, 1); /* it has no activity */
    pd_hub *hub = bed_hub(bed);
    int64_t before = bytes_of(bed->server.pid);
    start_all(hub, "Flow", ids);
    for (int i = 0; i < 2000 && counts.all < COUNT; i++) {
        bed_sleep_ms(20);
        assert_int_equal(pd_hub_count(hub, &wanted, &counts, &err), PD_OK);
    }
    assert_int_equal(counts.all, COUNT);
    expect_few_bytes(bed, before);
    pd_worker *worker = pd_worker_start(hub, PD_PROGRAM(whole), NULL, &err);
    assert_non_null(worker);
    expect_all(hub, ids);
    pd_worker_stop(worker);
    bed_kill(other);
    pd_hub_close(hub);
    free(ids);
}

int main(void)
{
    bed_find_programs();
    const struct CMUnitTest tests[] = {
        BED_TEST(an_activity_without_a_worker_holds_few_bytes_and_runs_when_one_comes),
        BED_TEST(a_start_without_a_worker_holds_few_bytes_and_runs_when_one_comes),
    };
    return cmocka_run_group_tests_name("remote/unserved", tests, NULL, NULL);
}
