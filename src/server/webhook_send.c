/* SPDX-License-Identifier: MIT
 *
 * A delivery as an HTTP request: the body, its signature in the manner of Standard Webhooks, and
 * what an answer means.
 *
 *   D1  The id is the event's, and the same at each attempt: so a receiver knows what it has had.
 *       Time and signature are of the attempt.
 *   D2  Only a status from 200 to 299 of the URL itself takes it. A redirection is followed by
 *       nobody: a GET of something would be no delivery, and a POST would tell another what was
 *       signed for this receiver.
 *   D3  All but 410, and a webhook that is not in the file any more, can get better: they are tried
 *       again.
 *   D4  What libcurl says of a failure names the host: it is in a log, once a minute, and not in
 *       the failure, which a history keeps (H1). */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json/json.h"
#include "server/log.h"
#include "server/web.h"
#include "server/webhooks_priv.h"

enum { SHA256_BYTES = 32, RETRY_AFTER_BYTES = 64 };

void webhook_sign(struct text key, const char *id, int64_t seconds, struct text body,
                  char ret[WEBHOOK_SIGNATURE])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = sizeof sum;
    struct buffer said;
    buffer_init(&said);
    buffer_printf(&said, "%s.%lld.", id, (long long)seconds);
    buffer_add_text(&said, body);
    (void)HMAC(EVP_sha256(), key.at, (int)key.size, said.at, said.size, sum, &size);
    buffer_done(&said);
    memcpy(ret, "v1,", 3);
    (void)EVP_EncodeBlock((unsigned char *)ret + 3, sum, SHA256_BYTES);
}

/* What is only for those who want outputs, behind all that `data` has: its end, and that of the
 * event, are the last two bytes. */
static void add_result(struct buffer *body, pd_value result)
{
    struct text output = text_of(pd_text(pd_get(result, "output")));
    pd_value failure = pd_get(result, "failure");
    static const char *const sizes[] = { "outputBytes", "failureBytes" };
    body->size -= 2;
    if (pd_kind_of(pd_get(result, "output")) == PD_IS_TEXT) {
        web_put_name(body, "output");
        web_put_payload(body, output);
    }
    if (pd_kind_of(failure) == PD_IS_OBJECT) {
        web_put_name(body, "failure");
        buffer_add_byte(body, '{');
        web_put_name(body, "type");
        web_put_string(body, text_of(pd_text(pd_get(failure, "type"))));
        web_put_name(body, "message");
        web_put_string(body, text_of(pd_text(pd_get(failure, "message"))));
        buffer_add_byte(body, '}');
    }
    for (size_t i = 0; i < 2; i++) {
        pd_value size = pd_get(result, sizes[i]);
        if (pd_kind_of(size) == PD_IS_INT) {
            web_put_name(body, sizes[i]);
            buffer_printf(body, "%lld", (long long)pd_int(size));
        }
    }
    buffer_add_text(body, TEXT("}}"));
}

static bool write_body(const struct webhook *webhook, pd_value delivery, struct buffer *body)
{
    pd_value event = pd_get(delivery, "event"), result = pd_get(delivery, "result");
    size_t count = pd_count(event);
    pd_error err;
    bool is_good = count != 0 && strcmp(pd_key_at(event, count - 1), "data") == 0 &&
                   pd_count(pd_value_at(event, count - 1)) != 0 &&
                   json_write(body, event, &err) == PD_OK;
    if (is_good && webhook->has_output && pd_kind_of(result) == PD_IS_OBJECT) {
        add_result(body, result);
    }
    return is_good;
}

static bool write_request(const struct webhook *webhook, struct arena *arena, pd_value delivery,
                          int64_t seconds, struct buffer *json)
{
    struct buffer body;
    struct buffer signatures;
    pd_error err;
    const char *id = pd_text(pd_get(pd_get(delivery, "event"), "id"));
    buffer_init(&body);
    buffer_init(&signatures);
    bool is_good = write_body(webhook, delivery, &body);
    for (const struct webhook_key *key = webhook->keys; key != NULL; key = key->next) {
        char signature[WEBHOOK_SIGNATURE];
        webhook_sign(key->bytes, id, seconds, buffer_text(&body), signature);
        buffer_printf(&signatures, "%s%s", key == webhook->keys ? "" : " ", signature);
    }
    pd_value request = pd_of_literal(PD_OBJ(
        "method", "POST", "uri", webhook->url, "timeout", "00:00:30", "headers",
        pd_of_literal(PD_OBJ(
            "content-type", "application/cloudevents+json; charset=utf-8", "webhook-id", id,
            "webhook-timestamp", (const char *)arena_printf(arena, "%lld", (long long)seconds),
            "webhook-signature", (const char *)text_copy(arena, buffer_text(&signatures)).at)),
        "content", (const char *)text_copy(arena, buffer_text(&body)).at));
    is_good = is_good && json_write(json, request, &err) == PD_OK;
    buffer_done(&signatures);
    buffer_done(&body);
    return is_good;
}

bool webhooks_request(struct webhooks *webhooks, struct text input, int64_t seconds,
                      struct buffer *json, struct fetch_answer *ret_refusal)
{
    struct arena arena;
    pd_value delivery = PD_NULL;
    pd_error err;
    arena_init(&arena);
    bool is_good = json_parse(&arena, input, &delivery, &err) == PD_OK;
    pd_value name = pd_get(delivery, "webhook"), event = pd_get(delivery, "event");
    is_good = is_good && pd_kind_of(name) == PD_IS_TEXT && pd_kind_of(event) == PD_IS_OBJECT &&
              pd_kind_of(pd_get(event, "id")) == PD_IS_TEXT;
    pthread_rwlock_rdlock(&webhooks->lock);
    const struct webhook *webhook = is_good ? webhook_find(webhooks->table, pd_text(name)) : NULL;
    is_good = webhook != NULL && write_request(webhook, &arena, delivery, seconds, json);
    pthread_rwlock_unlock(&webhooks->lock);
    arena_done(&arena);
    if (!is_good) {
        *ret_refusal = (struct fetch_answer){
            .failure_type = "WebhookUnknown",
            .failure_message = TEXT("the server has no webhook of this name any more"),
            .is_final = true,
        };
        atomic_fetch_add(&webhooks->failed, 1);
    }
    return is_good;
}

/* perdure.notify writes it first (builtin/notify.c). */
struct text webhooks_receiver(struct text input)
{
    static const char before[] = "{\"webhook\":\"";
    const char *from = input.at + sizeof before - 1;
    if (!text_has_prefix(input, TEXT("{\"webhook\":\""))) {
        return TEXT("");
    }
    const char *to = memchr(from, '"', (size_t)(input.at + input.size - from));
    return text_make(from, to != NULL ? (size_t)(to - from) : 0);
}

/* D4 */
static struct fetch_answer without_answer(struct webhooks *webhooks,
                                          const struct fetch_answer *answer, struct arena *arena)
{
    bool is_late = strcmp(answer->failure_type, "HttpTimeout") == 0;
    bool is_refused = strcmp(answer->failure_type, "HttpRefused") == 0;
    int64_t now = (int64_t)time(NULL), before = atomic_load(&webhooks->logged_at);
    if (now - before >= 60 && atomic_compare_exchange_strong(&webhooks->logged_at, &before, now)) {
        log_say(LOG_WARN, "a webhook does not answer", "part", "webhooks", "why",
                text_copy(arena, answer->failure_message).at);
    }
    return (struct fetch_answer){
        .failure_type = answer->failure_type,
        .failure_message = is_late      ? TEXT("there was no whole answer in time")
                           : is_refused ? TEXT("the address is not public; the server's "
                                               "http-allow says what else may be asked")
                                        : TEXT("the receiver cannot be reached; the server's log "
                                               "says why"),
    };
}

/* Its header, however many it has sent; a failure with it is in a history, so none that is long. */
static const char *retry_after(pd_value response)
{
    pd_value value = pd_get(pd_get(response, "headers"), "retry-after");
    bool is_one = pd_kind_of(value) == PD_IS_TEXT && strlen(pd_text(value)) <= RETRY_AFTER_BYTES;
    return is_one ? pd_text(value) : NULL;
}

struct fetch_answer webhooks_judge(struct webhooks *webhooks, const struct fetch_answer *answer,
                                   struct arena *arena)
{
    struct fetch_answer ret = { .response = TEXT("null") };
    pd_value response = PD_NULL;
    pd_error err;
    if (!text_is_present(answer->response)) {
        atomic_fetch_add(&webhooks->failed, 1);
        return without_answer(webhooks, answer, arena);
    }
    (void)json_parse(arena, answer->response, &response, &err);
    int64_t code = pd_int(pd_get(response, "statusCode"));
    bool is_taken = code >= 200 && code <= 299; /* D2 */
    if (!is_taken) {
        ret.response = TEXT_ABSENT;
        ret.failure_type = "WebhookRefused";
        ret.failure_message =
            text_of(arena_printf(arena, "the receiver answered with status %lld", (long long)code));
        ret.failure_details = text_of(retry_after(response));
        ret.is_final = code == 410; /* D3 */
    }
    atomic_fetch_add(is_taken ? &webhooks->delivered : &webhooks->failed, 1);
    return ret;
}

struct webhooks_counts webhooks_counts(struct webhooks *webhooks)
{
    return (struct webhooks_counts){ .delivered = atomic_load(&webhooks->delivered),
                                     .failed = atomic_load(&webhooks->failed) };
}
