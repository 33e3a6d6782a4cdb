/* SPDX-License-Identifier: MIT
 *
 * A server that does what its paths say, well or badly; a thread for each connection.
 *
 *   /ok             200 "hello", X-Twice: a, X-Twice: b, Set-Cookie twice
 *   /echo           200, the request as it came
 *   /status/503     that status, "text"
 *   /to/303/URL     that redirection to URL; /loop redirects to itself
 *   /slow           nothing for a long time; /drip a byte now and then, for ever
 *   /controls       1024 bytes, each 1
 *   /big            10 MB; /fields header fields for ever
 *   /reset          a part of a body, and a reset
 *   /token...       {"access_token": "token-N", "expires_in": ...} for the N-th time; the request
 *                   is kept in `last_token`. /429-token the same, after a 429 (any status)
 *   /seen...        200 "fine"; /seen/202/URL that status, Location: URL, Retry-After: 0, and
 *                   /seen/202,2/URL after 2. Requests are kept in `seen`, one behind the other
 *   /latin          "grün" in ISO-8859-1; /charset/X the same bytes, as X
 *   /bad            bytes that are no UTF-8, and a NUL; /names headers that have no names */
#ifndef TESTS_UNIT_FETCH_SCRIPTED_H
#define TESTS_UNIT_FETCH_SCRIPTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct scripted {
    int listener;
    uint16_t port;
    char name[32]; /* of expires_..., in its answer for a token; "": expires_in is 3600 */
    char expires[64];
    pthread_t thread;
    atomic_int requests, open, tokens;
    char last_token[4096];
    char seen[64 * 1024];
    pthread_mutex_t mutex; /* of seen, for who looks while requests may come */
    atomic_bool is_ending;
};

void scripted_begin(struct scripted *server);
void scripted_end(struct scripted *server);

#endif
