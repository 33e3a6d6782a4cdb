/* SPDX-License-Identifier: MIT
 *
 * A server for one test: perdured as another process, with the store that the test would have
 * opened itself. The same tests then show that the same API works across a network.
 *
 * PERDURE_TEST_SERVER names the program; without it nothing is served. The server ends with the
 * process that started it. PERDURE_TEST_LOG_LEVEL: what it tells of itself; warn. */
#ifndef TESTS_API_SERVED_KIT_H
#define TESTS_API_SERVED_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct served {
    pid_t pid;
    char address[64]; /* "127.0.0.1:1234" */
};

bool served_is_wanted(void);
/* For tests of what is so only without a server; `why` is for who reads the test. */
void served_skip(const char *why);
/* address: "127.0.0.1:0", or the one it had before. False: it did not begin, which was said. */
bool served_start(struct served *served, const char *store_url, const char *address);
void served_kill(struct served *served); /* SIGKILL, and waits until it is gone */
void served_stop(struct served *served); /* SIGTERM; 0 was its code, or this fails the test */

#endif
