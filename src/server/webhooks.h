/* SPDX-License-Identifier: MIT
 *
 * Webhooks: who outside is told what happens to instances, and how he knows that it was us.
 *
 * Settings are a file, as that of tokens is: secrets are in it, and SIGHUP reads it again.
 *
 *     [billing]                         a name, which histories have
 *     url = https://example.com/hook
 *     secret = whsec_BASE64             24 to 64 bytes; several lines: each signs (rotation)
 *     events = completed, failed        default: all
 *     names = order*, ship              patterns of orchestrations; default: all
 *     hubs = default                    likewise; default: all
 *     include-output = yes              outputs and failures are sent; default: no
 *     retry-first = 5s, give-up = 3d
 *
 *   H1  Secrets and URLs are in memory only: no history and no answer has them; a log has a host
 *       at most.
 *   H2  A change whose kind no webhook wants costs a look at an atomic. */
#ifndef SERVER_WEBHOOKS_H
#define SERVER_WEBHOOKS_H

#include <perdure.h>

#include "base/buffer.h"
#include "core/core.h"
#include "fetch/fetch.h"

struct webhooks;

/* More are refused. */
enum { WEBHOOKS_MAX = 64, WEBHOOK_SECRETS_MAX = 8 };
/* Bytes of an output, or of a failure, in an event; of one that is longer the size is told. */
enum { WEBHOOK_OUTPUT_MAX = 64 * 1024 };

/* PD_E_INVALID: what the file says; with its line. */
struct webhooks *webhooks_load(const char *file, pd_error *err);
pd_status webhooks_reload(struct webhooks *webhooks, const char *file, pd_error *err);
void webhooks_free(struct webhooks *webhooks); /* NULL is fine */

/* The input of perdure.notify for a change in that hub. False: nobody wants it. Any thread. */
bool webhooks_write(struct webhooks *webhooks, const char *hub, const struct announcement *it,
                    struct buffer *json);

/* Of an input of BUILTIN_DELIVER: the request that it becomes, signed at that second, as
 * fetch_request.input. False: *ret_refusal. Any thread. */
bool webhooks_request(struct webhooks *webhooks, struct text input, int64_t seconds,
                      struct buffer *json, struct fetch_answer *ret_refusal);
/* Of such an input: the name of the webhook; empty when there is none. */
struct text webhooks_receiver(struct text input);
/* What an answer to it means; borrows from the answer and the arena. Counts. */
struct fetch_answer webhooks_judge(struct webhooks *webhooks, const struct fetch_answer *answer,
                                   struct arena *arena);

struct webhooks_counts {
    uint64_t delivered, failed; /* requests; a delivery may need several */
};
struct webhooks_counts webhooks_counts(struct webhooks *webhooks);

/* "v1,BASE64" of HMAC-SHA256 over "id.seconds.body". */
enum { WEBHOOK_SIGNATURE = 48 };
void webhook_sign(struct text key, const char *id, int64_t seconds, struct text body,
                  char ret[WEBHOOK_SIGNATURE]);

#endif
