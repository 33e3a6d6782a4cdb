/* SPDX-License-Identifier: MIT
 *
 * See bed.h. */
#include "bed.h"

#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bed_sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

int bed_open(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    *state = bed;
    snprintf(bed->folder, sizeof bed->folder, "/tmp/pd-remote-XXXXXX");
    assert_non_null(mkdtemp(bed->folder));
    snprintf(bed->store, sizeof bed->store, "sqlite:%s/hub.db", bed->folder);
    if (!served_start(&bed->server, bed->store, "127.0.0.1:0")) {
        return 1;
    }
    snprintf(bed->url, sizeof bed->url, "grpc://%s", bed->server.address);
    return 0;
}

int bed_close(void **state)
{
    struct bed *bed = *state;
    static const char *const ends[] = { "", "-wal", "-shm", "-lock", "-wake", "-run" };
    served_stop(&bed->server);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/hub.db%s", bed->folder, ends[i]);
        unlink(path);
    }
    rmdir(bed->folder);
    free(bed);
    return 0;
}

void bed_restart(struct bed *bed)
{
    char address[64];
    memcpy(address, bed->server.address, sizeof address);
    served_kill(&bed->server);
    bed_sleep_ms(300);
    assert_true(served_start(&bed->server, bed->store, address));
}

pd_hub *bed_hub(const struct bed *bed)
{
    pd_error err;
    pd_hub *hub = pd_hub_open(bed->url, &err);
    if (hub == NULL) {
        fail_msg("%s: %s", bed->url, err.text);
    }
    return hub;
}

pid_t bed_fork_worker(const struct bed *bed, const pd_function *program, size_t n, int threads)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pd_error err;
        pd_hub *hub = pd_hub_open(bed->url, &err);
        const pd_worker_options options = { .threads = threads,
                                            .guard = PD_GUARD_OFF /* some end their process */ };
        if (hub == NULL || pd_worker_start(hub, program, n, &options, &err) == NULL) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    return pid;
}

void bed_kill(pid_t process)
{
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
}

void bed_expect_end(pd_hub *hub, const char *id, int64_t output)
{
    pd_error err;
    pd_instance *i = pd_hub_wait(hub, id, pd_seconds(60), &err);
    if (i == NULL) {
        fail_msg("%s: %s", id, err.text);
    }
    if (pd_instance_state(i) != PD_RUN_COMPLETED) {
        const pd_failure *failure = pd_instance_failure(i);
        fail_msg("%s is %s: %s", id, pd_run_state_name(pd_instance_state(i)),
                 failure != NULL ? failure->message : "");
    }
    assert_int_equal(pd_int(pd_instance_output(i)), output);
    pd_instance_free(i);
}

/* Beside this test: BUILD/tests/unit/remote/test_crashes. */
static void find_program(const char *more, const char *name)
{
    char path[1024];
    ssize_t size = readlink("/proc/self/exe", path, 900);
    assert_true(size > 0);
    path[size] = '\0';
    char *folder = dirname(path);
    memmove(path, folder, strlen(folder) + 1);
    memcpy(path + strlen(path), more, strlen(more) + 1);
    setenv(name, path, 0);
}

void bed_find_programs(void)
{
    find_program("/../../../bin/perdured", "PERDURE_TEST_SERVER");
    find_program("/../../../lib", "PERDURE_MODULES");
}
