/* SPDX-License-Identifier: MIT
 *
 * An engine in another process; see process_kit.h.
 */
#include "process_kit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int engine_main(const char *url, const pd_function *program, size_t n, int until, int ready)
{
    pd_error err;
    pd_hub *hub = pd_hub_open(url, &err);
    pd_worker *worker = hub != NULL ? pd_worker_start(hub, program, n, NULL, &err) : NULL;
    char word = worker != NULL ? 'r' : 'x';
    char end;
    if (write(ready, &word, 1) != 1) {
        return 2;
    }
    (void)!read(until, &end, 1);
    pd_worker_stop(worker);
    pd_hub_close(hub);
    return worker != NULL ? 0 : 1;
}

struct engine engine_begin(struct kit *kit, const pd_function *program, size_t n)
{
    int until[2], ready[2];
    char word = 0;
    pd_error err;
    pd_hub_close(kit->hub);
    kit->hub = NULL;
    assert_int_equal(pipe(until), 0);
    assert_int_equal(pipe(ready), 0);
    fflush(NULL);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        close(until[1]);
        close(ready[0]);
        _exit(engine_main(kit->url, program, n, until[0], ready[1]));
    }
    close(until[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &word, 1), 1);
    close(ready[0]);
    assert_int_equal(word, 'r');
    kit->program = program;
    kit->program_size = n;
    kit->hub = pd_hub_open(kit->url, &err);
    assert_non_null(kit->hub);
    return (struct engine){ process, until[1] };
}

void engine_end(struct engine *engine)
{
    int result = -1;
    close(engine->until);
    assert_int_equal(waitpid(engine->process, &result, 0), engine->process);
    assert_int_equal(result, 0);
}

void engine_kill(struct engine *engine)
{
    int result = -1;
    assert_int_equal(kill(engine->process, SIGKILL), 0);
    assert_int_equal(waitpid(engine->process, &result, 0), engine->process);
    close(engine->until);
}
