/* SPDX-License-Identifier: MIT
 *
 * An engine in another process, for tests of hubs in files.
 *
 * The child is the engine's process. It is forked before the parent opens the file, since what
 * SQLite holds must not be carried over a fork, and is told to stop by closing a pipe.
 */
#ifndef TESTS_API_PROCESS_KIT_H
#define TESTS_API_PROCESS_KIT_H

#include <sys/types.h>

#include "hub_kit.h"

struct engine {
    pid_t process;
    int until; /* closed by us: it stops */
};

/* Closes the kit's hub for the fork, and opens it again after. Returns when its worker runs. */
struct engine engine_begin(struct kit *kit, const pd_function *program, size_t n);
/* Stops it, and finds that it did so in good order. */
void engine_end(struct engine *engine);
/* Ends it at once, wherever it is. */
void engine_kill(struct engine *engine);

#endif
