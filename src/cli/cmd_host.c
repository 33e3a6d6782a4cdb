/* SPDX-License-Identifier: MIT
 *
 * perdure host: becomes perdure-host, which is beside this program or in PATH, and understands the
 * rest of the line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

int become_host(char **argv)
{
    static const char name[] = "perdure-host";
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof name);
    char *slash = NULL;
    if (size > 0) {
        path[size] = '\0';
        slash = strrchr(path, '/');
    }
    fflush(stdout);
    if (slash != NULL) {
        memcpy(slash + 1, name, sizeof name);
        (void)execv(path, argv);
    }
    (void)execvp(name, argv);
    return problem(CODE_NOT_FOUND, "it comes with perdured: is the server installed?",
                   "%s cannot be started: %s", name, strerror(errno));
}

/* Options of ours came first: those of perdure-host can stand behind. */
int cmd_host(struct invocation *in)
{
    char **argv = calloc((size_t)in->argument_count + 2, sizeof *argv);
    if (argv == NULL) {
        return problem(CODE_OTHER, NULL, "out of memory");
    }
    char name[] = "perdure-host";
    argv[0] = name;
    memcpy(argv + 1, in->arguments, (size_t)in->argument_count * sizeof *argv);
    (void)setenv("PERDURE_HUB", in->options.hub, 1);
    int code = become_host(argv);
    free(argv);
    return code;
}
