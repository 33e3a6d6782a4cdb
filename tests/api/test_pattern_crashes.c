/* SPDX-License-Identifier: MIT
 *
 * Functions that end the process they run in: they are run again, and not for ever. The process is
 * a child of ours, which is forked before the hub is opened; what it has run it leaves in a file of
 * one byte each.
 */
#include "hub_kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the program ---------------------------------------------------------------------------- */

enum { DIED = 77, ENDED = 0, TROUBLE = 2 };

static char log_path[128]; /* a byte for each run of what kills */
static bool is_mended;     /* nothing kills any more */

static void leave_byte(void)
{
    int file = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0 || write(file, "x", 1) != 1 || close(file) != 0) {
        _exit(TROUBLE);
    }
}

static size_t count_bytes(void)
{
    struct stat file;
    return stat(log_path, &file) == 0 ? (size_t)file.st_size : 0;
}

/* Ends the process so often. */
static pd_result kill_host(pd_activity *a, pd_value times)
{
    leave_byte();
    if (count_bytes() <= (size_t)pd_int(times)) {
        _exit(DIED);
    }
    return pd_ok(a, "alive");
}

static pd_result risky(pd_orchestration *o, pd_value times)
{
    static const pd_retry policy = { .attempts_max = 1 };
    pd_task *task = pd_start_activity(o, kill_host, times, .retry = &policy);
    if (pd_wait(o, task)) {
        return pd_ok(o, pd_task_value(task));
    }
    const pd_failure *f = pd_task_failure(task);
    return pd_ok(o, PD_ARR(f->type, f->final));
}

static pd_result nothing(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

/* An orchestrator that does it, behind its first step. */
static pd_result poison(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, nothing, input);
    if (!is_mended) {
        _exit(DIED);
    }
    return pd_ok(o, "mended");
}

static pd_result innocent(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, nothing, input);
    pd_value payload = pd_wait_event(o, "go");
    return pd_ok(o, payload);
}

static const pd_function program[] = {
    PD_FUNCTION("KillHost", kill_host), PD_FUNCTION("Risky", risky),
    PD_FUNCTION("Nothing", nothing),    PD_FUNCTION("Poison", poison),
    PD_FUNCTION("Innocent", innocent),
};

/* ---- the process ---------------------------------------------------------------------------- */

/* Runs the engine until the instance has ended or is suspended, or the process has died. */
static int live(const char *url, const char *id, unsigned crashes_max)
{
    pd_error err;
    pd_worker_options options = { .threads = 1, .crashes_max = crashes_max };
    pd_hub *hub = pd_hub_open(url, &err);
    pd_worker *worker =
        hub != NULL ? pd_worker_start(hub, PD_PROGRAM(program), &options, &err) : NULL;
    bool is_over = worker == NULL;
    while (!is_over) {
        kit_sleep_ms(2);
        pd_instance *i = pd_hub_fetch(hub, id, &err);
        is_over = i == NULL || pd_instance_is_ended(i) || pd_instance_state(i) == PD_RUN_SUSPENDED;
        pd_instance_free(i);
    }
    pd_worker_stop(worker);
    pd_hub_close(hub);
    return worker != NULL ? ENDED : TROUBLE;
}

/* So many lives of an engine; how many of them ended by death. The kit's hub is closed for that. */
static int lives(struct kit *kit, const char *id, unsigned crashes_max, int max)
{
    int deaths = 0;
    bool has_ended = false;
    pd_error err;
    pd_hub_close(kit->hub);
    kit->hub = NULL;
    snprintf(log_path, sizeof(log_path), "%s/log", kit->folder);
    for (int i = 0; i < max && !has_ended; i++) {
        int result = -1;
        fflush(NULL);
        pid_t process = fork();
        assert_true(process >= 0);
        if (process == 0) {
            _exit(live(kit->url, id, crashes_max));
        }
        assert_int_equal(waitpid(process, &result, 0), process);
        assert_true(WIFEXITED(result));
        has_ended = WEXITSTATUS(result) == ENDED;
        assert_true(has_ended || WEXITSTATUS(result) == DIED);
        deaths += !has_ended;
    }
    assert_true(has_ended);
    kit->hub = pd_hub_open(kit->url, &err);
    assert_non_null(kit->hub);
    kit->program = program;
    kit->program_size = sizeof(program) / sizeof(program[0]);
    return deaths;
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void an_activity_whose_process_dies_is_run_again(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Risky", PD_VAL(2), "i", NULL);
    assert_int_equal(lives(kit, "i", 3, 5), 2);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "\"alive\"");
    assert_int_equal(count_bytes(), 3);
    assert_int_equal(kit_count_events(kit, "i", "TaskScheduled"), 1); /* no attempt was used up */
}

static void a_poison_activity_is_quarantined_and_its_step_fails(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Risky", PD_VAL(99), "i", NULL);
    assert_int_equal(lives(kit, "i", 0, 9), 3); /* as often as is said in the header */
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[\"Quarantined\",true]");
    assert_int_equal(count_bytes(), 3);
}

static void how_often_is_a_setting(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Risky", PD_VAL(99), "i", NULL);
    assert_int_equal(lives(kit, "i", 1, 9), 1);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[\"Quarantined\",true]");
}

static void a_poison_orchestrator_is_suspended_and_goes_on_when_it_is_mended(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    is_mended = false;
    kit_start(kit, "Poison", PD_VAL(1), "poison", NULL);
    kit_start(kit, "Innocent", PD_VAL(1), "innocent", NULL);
    assert_int_equal(lives(kit, "poison", 2, 9), 2);
    pd_instance *i = kit_fetch(kit, "poison");
    assert_int_equal(pd_instance_state(i), PD_RUN_SUSPENDED);
    assert_non_null(pd_instance_failure(i));
    assert_string_equal(pd_instance_failure(i)->type, "Quarantined");
    assert_non_null(strstr(pd_instance_failure(i)->message, "2 times"));
    pd_instance_free(i);
    is_mended = true;
    kit_work_on(kit, PD_PROGRAM(program), NULL); /* the host lives, and others go on in it */
    kit_raise(kit, "innocent", "go", PD_VAL(5));
    kit_assert_ends(kit, "innocent", PD_RUN_COMPLETED, "5");
    kit_await_state(kit, "poison", PD_RUN_SUSPENDED);
    kit_expect(pd_hub_resume(kit->hub, "poison", "mended", &err), PD_OK, &err, "resume");
    kit_assert_ends(kit, "poison", PD_RUN_COMPLETED, "\"mended\"");
    i = kit_fetch(kit, "poison");
    assert_null(pd_instance_failure(i));
    pd_instance_free(i);
}

/* What a worker says here, a server is told when it begins. */
static int open_with(void **state, const char *crashes_max)
{
    setenv("PERDURE_CRASHES_MAX", crashes_max, 1);
    int result = kit_open_file(state);
    unsetenv("PERDURE_CRASHES_MAX");
    return result;
}

static int open_1(void **state)
{
    return open_with(state, "1");
}

static int open_2(void **state)
{
    return open_with(state, "2");
}

int main(void)
{
#define FILE_TEST(name) FILE_TEST_WITH(name, kit_open_file)
#define FILE_TEST_WITH(name, open) cmocka_unit_test_setup_teardown(name, open, kit_close)
    const struct CMUnitTest tests[] = {
        FILE_TEST(an_activity_whose_process_dies_is_run_again),
        FILE_TEST(a_poison_activity_is_quarantined_and_its_step_fails),
        FILE_TEST_WITH(how_often_is_a_setting, open_1),
        FILE_TEST_WITH(a_poison_orchestrator_is_suspended_and_goes_on_when_it_is_mended, open_2),
    };
    return cmocka_run_group_tests_name("pattern/crashes", tests, NULL, NULL);
}
