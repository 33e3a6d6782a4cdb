/* SPDX-License-Identifier: MIT
 *
 * Asking the module, loaded as libperdure loads it, for a server that does what a test wants.
 */
#ifndef TESTS_UNIT_FETCH_ASKING_H
#define TESTS_UNIT_FETCH_ASKING_H

#include "fetch/fetch_priv.h"
#include "scripted.h"

extern const struct fetch_module *const module;
extern struct scripted server;

struct asked {
    struct fetch_request request; /* first */
    pthread_mutex_t mutex;
    pthread_cond_t told;
    int times;
    char *response, *type, *message, *details; /* NULL: absent */
    bool is_final;
};

void asked_init(struct asked *asked, const char *input, enum fetch_dialect dialect);
void asked_wait(struct asked *asked);
void asked_done(struct asked *asked);
struct fetcher *open_with(const char *allow, int64_t body_max);
struct fetcher *open_by(const struct fetch_options *options);
/* '@' in the format is the server. One at a time. */
const char *with_server(const char *format);
/* By a fetcher of its own, which may ask this machine. */
void ask(struct asked *asked, const char *input, enum fetch_dialect dialect);
void assert_has(const char *text, const char *wanted);
void assert_fails(const char *input, enum fetch_dialect dialect, const char *type,
                  const char *message);
void assert_answers(const char *input, enum fetch_dialect dialect, const char *part);
int begin_server(void **state);
int end_server(void **state);

#endif
