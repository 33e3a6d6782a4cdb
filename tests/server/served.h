/* SPDX-License-Identifier: MIT
 *
 * A whole server in this process, a client of it, and a worker that does what the test says.
 *
 * The worker is scripted: each item that comes is taken by the test, which answers it as it likes.
 * So nothing happens by itself, and nothing waits longer than it must. */
#ifndef TESTS_SERVED_H
#define TESTS_SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "base/arena.h"
#include "grpc/grpc.h"
#include "server/server.h"
#include "wire/messages.h"

enum { PATIENCE_MS = 20000 };

struct served {
    struct config config;
    struct server *server;
    pthread_t thread;
    struct arena arena;   /* of all answers of gRPC, also while they come */
    struct arena browsed; /* of those of HTTP: browser.h */
    struct grpc_channel *channel;
    struct tls *tls;   /* of its clients over gRPC; NULL: in the clear */
    const char *shows; /* whose certificate clients have (certificates.h); NULL: none */
    pd_error err;      /* of the last call */
};

/* With these options, NULL ends; on a free port, without HTTP, in memory, unless they say more.
 * SERVED_TLS of the environment has every server speak TLS ("server"), and ask for certificates
 * ("mutual"), of which clients show alice's: so tests of what they do are tests over TLS too. */
void served_start(struct served *served, const char *const *options);
/* Drains, and waits for the end. */
void served_stop(struct served *served);
void served_join(struct served *served); /* it has been told to end */

bool served_has_tls(const struct served *served);
/* A channel of its own, with metadata: names and values in turns, NULL ends. */
struct grpc_channel *served_connect(struct served *served, const char *const *metadata);

/* A call of TaskHubSidecarService; the answer lives in served->arena. */
pd_status served_call_on(struct served *served, struct grpc_channel *channel, const char *name,
                         const struct message_type *request_type, const void *request,
                         const struct message_type *type, void *ret, int64_t timeout_ms);
#define served_call(served, name, of, request, answer_of, ret)                 \
    served_call_on(served, (served)->channel, name, &hub_##of##_type, request, \
                   &hub_##answer_of##_type, ret, PATIENCE_MS)
/* Of those whose answer is empty. */
pd_status served_tell(struct served *served, const char *name, const struct message_type *type,
                      const void *request);

/* ---- often used ---- */

pd_status served_start_instance(struct served *served, const char *id, const char *name);
/* Its state, with payloads. */
struct hub_get_instance_response served_get(struct served *served, const char *id);
struct hub_get_instance_response served_wait(struct served *served, const char *id);
int64_t served_status(struct served *served, const char *id); /* -1: there is none */

/* ---- a worker ---- */

struct desk {
    struct served *served;
    struct grpc_stream *stream;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct text *items; /* bytes of WorkItems that nobody took, pings left out; on the heap */
    size_t count, taken, room, pings;
    bool has_ended;
    pd_status status; /* of the stream, when it has */
};

void desk_open(struct desk *desk, struct served *served, struct grpc_channel *channel,
               const struct hub_get_work_items_request *request);
/* Likewise of another call with a stream of answers. */
void desk_open_call(struct desk *desk, struct served *served, struct grpc_channel *channel,
                    const char *name, const struct message_type *type, const void *request);
void desk_close(struct desk *desk); /* cancels */
/* The next item; fails the test after a while. Lives in served->arena. */
struct hub_work_item desk_take(struct desk *desk);
bool desk_has_none(struct desk *desk, int64_t ms); /* for so long */
void desk_wait_end(struct desk *desk);
void desk_wait_pings(struct desk *desk, size_t count);

/* Takes a turn, and answers it with these actions. */
struct hub_work_item desk_answer(struct desk *desk, const struct hub_orchestrator_action *actions,
                                 size_t count);
/* Takes a turn, which ends as that. output NULL: none. */
struct hub_work_item desk_end(struct desk *desk, int64_t status, const char *output);
/* An instance that has ended so. */
void desk_run(struct desk *desk, const char *id, int64_t status, const char *output);
void desk_complete(struct desk *desk, const struct hub_work_item *item,
                   const struct hub_orchestrator_action *actions, size_t count);

enum { RUNNING = 0, COMPLETED = 1, FAILED = 3, TERMINATED = 5, PENDING = 6, SUSPENDED = 7 };

#define assert_text(t, string) assert_true(text_equal(t, text_of(string)))

#endif
