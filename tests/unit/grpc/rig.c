/* SPDX-License-Identifier: MIT
 *
 * The server of these tests (rig.h). */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/assert.h"
#include "base/memory.h"
#include "rig.h"

struct rig_thread {
    pthread_t id;
};

struct later {
    struct rig *rig;
    uint64_t number;
    struct loop_timer *timer;
    char *message;
    size_t size;
};

static struct rig *rig_of(void *argument)
{
    return argument;
}

static void begin_echo(void *argument, struct grpc_call *call, struct text message)
{
    atomic_fetch_add(&rig_of(argument)->begun, 1);
    struct text status = grpc_call_metadata(call, "x-status");
    struct text say = grpc_call_metadata(call, "x-say-hex");
    if (!text_is_present(status)) {
        grpc_call_reply(call, message);
        return;
    }
    char text[256] = "";
    for (size_t i = 0; i + 1 < say.size && i / 2 < sizeof text - 1; i += 2) {
        char pair[3] = { say.at[i], say.at[i + 1], 0 };
        text[i / 2] = (char)strtol(pair, NULL, 16);
    }
    grpc_call_end(call, (enum grpc_status)strtol(status.at, NULL, 10), text);
}

static void later_fires(void *argument)
{
    struct later *later = argument;
    struct grpc_call *call = grpc_call_find(later->rig->server, later->number);
    if (call != NULL) {
        grpc_call_reply(call, text_make(later->message, later->size));
    }
    loop_timer_free(later->timer);
    mem_free(later->message);
    mem_free(later);
}

static void begin_later(void *argument, struct grpc_call *call, struct text message)
{
    struct later *later = mem_alloc(sizeof *later);
    later->rig = argument;
    later->number = grpc_call_number(call);
    later->message = mem_alloc(message.size + 1);
    later->size = message.size;
    memcpy(later->message, message.at, message.size);
    later->timer = loop_timer_new(later->rig->loop, later_fires, later);
    loop_timer_set(later->timer, 50000);
    atomic_fetch_add(&later->rig->begun, 1);
}

static void is_gone(struct grpc_call *call)
{
    struct rig *rig = grpc_call_get(call);
    atomic_fetch_add(&rig->gone, 1);
}

static void begin_never(void *argument, struct grpc_call *call, struct text message)
{
    (void)message;
    grpc_call_set(call, argument, is_gone);
    atomic_fetch_add(&rig_of(argument)->begun, 1);
}

static void begin_count(void *argument, struct grpc_call *call, struct text message)
{
    struct rig *rig = argument;
    struct text size_text = grpc_call_metadata(call, "x-size");
    size_t size = text_is_present(size_text) ? strtoul(size_text.at, NULL, 10) : 1;
    char number[32];
    (void)snprintf(number, sizeof number, "%.*s", TEXT_ARGS(message));
    char *bytes = mem_alloc(size + 1);
    memset(bytes, 'x', size);
    for (long i = 0, count = strtol(number, NULL, 10); i < count; i++) {
        grpc_call_send(call, &(struct text){ bytes, size }, 1);
    }
    mem_free(bytes);
    atomic_fetch_add(&rig->begun, 1);
    grpc_call_end(call, GRPC_OK, NULL);
}

struct paced {
    long left;
    size_t size;
};

static void go_on(struct grpc_call *call)
{
    struct paced *paced = grpc_call_get(call);
    char *bytes = mem_alloc(paced->size);
    while (paced->left > 0 && grpc_call_backlog(call) < (size_t)128 * 1024) {
        paced->left--;
        grpc_call_send(call, &(struct text){ bytes, paced->size }, 1);
    }
    mem_free(bytes);
    if (paced->left == 0) {
        mem_free(paced);
        grpc_call_set(call, NULL, NULL);
        grpc_call_end(call, GRPC_OK, NULL);
    }
}

static void paced_gone(struct grpc_call *call)
{
    mem_free(grpc_call_get(call));
}

static void begin_paced(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    char number[32];
    struct paced *paced = mem_alloc(sizeof *paced);
    struct text size = grpc_call_metadata(call, "x-size");
    (void)snprintf(number, sizeof number, "%.*s", TEXT_ARGS(message));
    paced->left = strtol(number, NULL, 10);
    paced->size = text_is_present(size) ? strtoul(size.at, NULL, 10) : 1;
    grpc_call_set(call, paced, paced_gone);
    grpc_call_on_drained(call, go_on);
    char *bytes = mem_alloc(paced->size);
    paced->left--;
    grpc_call_send(call, &(struct text){ bytes, paced->size }, 1); /* the first unasked */
    mem_free(bytes);
    go_on(call);
}

static void was_drained(struct grpc_call *call)
{
    struct rig *rig = grpc_call_get(call);
    atomic_fetch_add(&rig->drained, 1);
}

static void begin_watch(void *argument, struct grpc_call *call, struct text message)
{
    (void)message;
    grpc_call_set(call, argument, is_gone);
    grpc_call_on_drained(call, was_drained);
    atomic_fetch_add(&rig_of(argument)->begun, 1);
    grpc_call_open(call);
    grpc_call_send(call, &TEXT("hello"), 1);
    (void)grpc_call_backlog(call);
}

static void begin_talk(void *argument, struct grpc_call *call, struct text message)
{
    assert_that(!text_is_present(message));
    grpc_call_set(call, argument, is_gone);
    atomic_fetch_add(&rig_of(argument)->begun, 1);
    grpc_call_open(call);
}

static void talk_message(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    if (text_equal(message, TEXT("end"))) {
        grpc_call_end(call, GRPC_OK, NULL);
    } else {
        grpc_call_send(call, &message, 1);
    }
}

static void talk_half_closed(void *argument, struct grpc_call *call)
{
    (void)argument;
    grpc_call_end(call, GRPC_OK, NULL);
}

static void end_round(struct loop_job *job)
{
    struct rig *rig = (struct rig *)(void *)((char *)job - offsetof(struct rig, round));
    if (rig->in_round > atomic_load(&rig->swallowed_at_once)) {
        atomic_store(&rig->swallowed_at_once, rig->in_round);
    }
    rig->in_round = 0;
}

static void swallow(void *argument, struct grpc_call *call, struct text message)
{
    struct rig *rig = argument;
    (void)call;
    if (rig->in_round == 0) {
        rig->round.run = end_round;
        loop_late(rig->loop, &rig->round);
    }
    rig->in_round += message.size;
    atomic_fetch_add(&rig->swallowed, message.size);
}

static void begin_who(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument, (void)message;
    const char *subject = grpc_call_subject(call);
    assert_that(grpc_call_peer(call)[0] != 0);
    grpc_call_reply(call, text_of(subject != NULL ? subject : "nobody"));
}

static void begin_toggle(void *argument, struct grpc_call *call, struct text message)
{
    struct rig *rig = argument;
    (void)message;
    rig->is_serving = !rig->is_serving;
    grpc_server_set_serving(rig->server, rig->is_serving);
    grpc_call_reply(call, TEXT(""));
}

static const struct grpc_method methods[] = {
    { "/rig.Rig/Who", GRPC_UNARY, begin_who, NULL, NULL },
    { "/rig.Rig/Toggle", GRPC_UNARY, begin_toggle, NULL, NULL },
    { "/rig.Rig/Echo", GRPC_UNARY, begin_echo, NULL, NULL },
    { "/rig.Rig/Later", GRPC_UNARY, begin_later, NULL, NULL },
    { "/rig.Rig/Never", GRPC_UNARY, begin_never, NULL, NULL },
    { "/rig.Rig/Count", GRPC_SERVER_STREAM, begin_count, NULL, NULL },
    { "/rig.Rig/Paced", GRPC_SERVER_STREAM, begin_paced, NULL, NULL },
    { "/rig.Rig/Watch", GRPC_SERVER_STREAM, begin_watch, NULL, NULL },
    { "/rig.Rig/Talk", GRPC_BOTH_STREAM, begin_talk, talk_message, talk_half_closed },
    { "/rig.Rig/Swallow", GRPC_BOTH_STREAM, begin_talk, swallow, talk_half_closed },
};

static void is_counted(void *argument, const struct grpc_method *method, enum grpc_status status,
                       int64_t us)
{
    (void)method, (void)us;
    atomic_fetch_add(&rig_of(argument)->counted, 1);
    atomic_store(&rig_of(argument)->last_status, (int)status);
}

static void is_complained(void *argument, const char *peer, const char *what)
{
    assert_that(peer[0] != 0 && what[0] != 0);
    atomic_fetch_add(&rig_of(argument)->complaints, 1);
}

static void *run(void *argument)
{
    loop_run(((struct rig *)argument)->loop);
    return NULL;
}

void rig_start(struct rig *rig, const struct grpc_server_options *given, struct tls *tls)
{
    pd_error err;
    *rig = (struct rig){ 0 };
    struct grpc_server_options options = given != NULL ? *given : (struct grpc_server_options){ 0 };
    options.methods = methods;
    options.method_count = sizeof methods / sizeof methods[0];
    options.argument = rig;
    options.counted = is_counted;
    options.complained = is_complained;
    rig->loop = loop_new(&err);
    assert_that(rig->loop != NULL);
    rig->server = grpc_server_new(rig->loop, &options);
    rig->is_serving = true;
    grpc_server_set_serving(rig->server, true);
    const char *address = grpc_server_listen(rig->server, "127.0.0.1:0", tls, &err);
    assert_that(address != NULL);
    (void)snprintf(rig->address, sizeof rig->address, "%s", address);
    rig->port = (unsigned)strtoul(strrchr(rig->address, ':') + 1, NULL, 10);
    rig->thread = mem_alloc(sizeof *rig->thread);
    int failed = pthread_create(&rig->thread->id, NULL, run, rig);
    assert_that(failed == 0);
}

void rig_stop(struct rig *rig)
{
    loop_stop(rig->loop);
    (void)pthread_join(rig->thread->id, NULL);
    grpc_server_free(rig->server);
    loop_free(rig->loop);
    mem_free(rig->thread);
}

struct task {
    struct loop_job job;
    struct rig *rig;
    void (*what)(struct rig *);
    sem_t done;
};

static void run_task(struct loop_job *job)
{
    struct task *task = (struct task *)(void *)job; /* the first member */
    task->what(task->rig);
    (void)sem_post(&task->done);
}

void rig_do(struct rig *rig, void (*what)(struct rig *))
{
    struct task task = { .job.run = run_task, .rig = rig, .what = what };
    (void)sem_init(&task.done, 0, 0);
    loop_post(rig->loop, &task.job);
    while (sem_wait(&task.done) != 0) {}
    (void)sem_destroy(&task.done);
}

static void ask(struct rig *rig)
{
    atomic_store(&rig->connections, grpc_server_connections(rig->server));
    atomic_store(&rig->calls, grpc_server_calls(rig->server));
}

void rig_ask(struct rig *rig)
{
    rig_do(rig, ask);
}

bool rig_script(struct rig *rig, const char *script, const char *argument, bool *skipped)
{
    char command[1024];
    (void)snprintf(command, sizeof command,
                   "/usr/bin/python3 " PERDURE_SOURCE_DIR "/tests/unit/grpc/%s %u %s", script,
                   rig->port, argument != NULL ? argument : "");
    int status = system(command);
    *skipped = WIFEXITED(status) && WEXITSTATUS(status) == 77;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
