/* SPDX-License-Identifier: MIT
 *
 * perdured: reads its configuration, says that it is ready, and ends when it is told to.
 *
 * Signals are taken by a thread that does nothing else: SIGTERM and SIGINT drain (the second time:
 * at once), SIGHUP reads again what can change, SIGUSR1 logs how things stand. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "server/log.h"
#include "server/server.h"
#include "store/store.h"

struct process {
    struct server *server;
    sigset_t signals;
    int argc;
    char *const *argv;
    atomic_bool is_over;
};

static void reload(const struct process *process)
{
    struct config config;
    pd_error err;
    if (config_read(&config, process->argc, process->argv, &err) == PD_OK) {
        server_reload(process->server, &config);
    } else {
        log_error("the configuration stays as it was", &err, "part", "config");
    }
    config_free(&config);
}

static void *take_signals(void *argument)
{
    struct process *process = argument;
    for (;;) {
        int number = 0;
        if (sigwait(&process->signals, &number) != 0) {
            continue;
        }
        if (atomic_load(&process->is_over)) {
            return NULL;
        }
        if (number == SIGHUP) {
            reload(process);
        } else if (number == SIGUSR1) {
            server_log_state(process->server);
        } else {
            server_drain(process->server);
        }
    }
}

/* Connections are files; there may be as many as the system lets us have. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* What it makes is for its user, and for the group when the umask lets it: in its files are inputs
 * and results, and who can open the one with the lock can keep it. */
static void keep_others_out(void)
{
    (void)umask(umask(S_IRWXO) | S_IRWXO);
}

static void print_ready(const struct server *server)
{
    const char *address;
    printf("ready grpc=");
    for (size_t i = 0; (address = server_grpc_address(server, i)) != NULL; i++) {
        printf("%s%s", i != 0 ? "," : "", address);
    }
    address = server_http_address(server);
    printf("%s%s\n", address != NULL ? " http=" : "", address != NULL ? address : "");
    fflush(stdout);
}

static int run(struct process *process)
{
    pthread_t thread;
    int code = pthread_create(&thread, NULL, take_signals, process);
    if (code != 0) {
        fprintf(stderr, "perdured: no thread for signals: %s\n", strerror(code));
        return 1;
    }
    print_ready(process->server);
    server_run(process->server);
    atomic_store(&process->is_over, true);
    pthread_kill(thread, SIGTERM); /* it may be in the middle of a reload, so no cancellation */
    pthread_join(thread, NULL);
    return 0;
}

static int start(const struct config *config, int argc, char *const *argv)
{
    struct process process = { .argc = argc, .argv = argv };
    pd_error err;
    sigemptyset(&process.signals);
    sigaddset(&process.signals, SIGTERM);
    sigaddset(&process.signals, SIGINT);
    sigaddset(&process.signals, SIGHUP);
    sigaddset(&process.signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &process.signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_limit();
    keep_others_out();
    store_count_no_memory();
    process.server = server_new(config, &err);
    if (process.server == NULL) {
        fprintf(stderr, "perdured: %s: %s\n", err.where, err.text);
        return 1;
    }
    int code = config->check ? 0 : run(&process);
    server_free(process.server);
    return code;
}

int main(int argc, char **argv)
{
    struct config config;
    pd_error err;
    int code = 0;
    if (config_read(&config, argc, argv, &err) != PD_OK) {
        fprintf(stderr, "perdured: %s\n", err.text);
        code = 2;
    } else if (config.help) {
        config_print_help();
    } else if (config.version) {
        printf("perdured %s\n", PERDURE_VERSION);
    } else {
        code = start(&config, argc, argv);
    }
    config_free(&config);
    return code;
}
