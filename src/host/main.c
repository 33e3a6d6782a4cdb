/* SPDX-License-Identifier: MIT
 *
 * perdure-host: runs a function app. Started by people, or by `perdure host`, it is the supervisor;
 * started by that, a child: see host.h. */
#include <stdlib.h>

#include "host/host.h"

int main(int argc, char **argv)
{
    struct options options;
    int code = options_read(&options, argc, argv);
    if (code >= 0) {
        return code;
    }
    char *place = getenv(CHILD_VARIABLE);
    return place != NULL ? child_run(&options, place) : supervisor_run(&options, argv);
}
