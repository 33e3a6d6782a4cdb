/* SPDX-License-Identifier: MIT
 *
 * A delivery as an HTTP request: the body, its signature in the manner of Standard Webhooks, and
 * what an answer means.
 *
 * The id is the event's, and the same at each attempt: so a receiver knows what it has had. Time
 * and signature are of the attempt. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "json/json.h"
#include "server/webhooks_priv.h"

enum { SHA256_BYTES = 32 };

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

/* Without what this receiver is not to have. */
static pd_value without_output(struct arena *arena, pd_value object, bool has_output)
{
    size_t count = pd_count(object), kept = 0;
    pd_value *items = arena_alloc(arena, (2 * count + 1) * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        const char *key = pd_key_at(object, i);
        pd_value value = pd_value_at(object, i);
        if (!has_output && (strcmp(key, "output") == 0 || strcmp(key, "failure") == 0)) {
            continue;
        }
        items[2 * kept] = pd_of_text(key);
        items[2 * kept++ + 1] =
            strcmp(key, "data") == 0 ? without_output(arena, value, has_output) : value;
    }
    return (pd_value){ .kind_ = PD_IS_OBJECT, .count_ = (uint32_t)kept, .as_.items = items };
}

static bool write_request(const struct webhook *webhook, struct arena *arena, pd_value event,
                          int64_t seconds, struct buffer *json)
{
    struct buffer body;
    struct buffer signatures;
    pd_error err;
    const char *id = pd_text(pd_get(event, "id"));
    buffer_init(&body);
    buffer_init(&signatures);
    bool is_good =
        json_write(&body, without_output(arena, event, webhook->has_output), &err) == PD_OK;
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
    is_good = webhook != NULL && write_request(webhook, &arena, event, seconds, json);
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

struct fetch_answer webhooks_judge(struct webhooks *webhooks, const struct fetch_answer *answer)
{
    struct fetch_answer ret = { .response = TEXT("null") };
    struct arena arena;
    pd_value response = PD_NULL;
    pd_error err;
    if (!text_is_present(answer->response)) {
        ret = *answer;
        ret.failure_details = TEXT_ABSENT;
        atomic_fetch_add(&webhooks->failed, 1);
        return ret;
    }
    arena_init(&arena);
    (void)json_parse(&arena, answer->response, &response, &err);
    int64_t code = pd_int(pd_get(response, "statusCode"));
    arena_done(&arena);
    bool is_taken = code >= 200 && code <= 299;
    if (!is_taken) {
        ret.response = TEXT_ABSENT;
        ret.failure_type = "WebhookRefused";
        ret.failure_message = code == 410   ? TEXT("the receiver answered 410: it is gone")
                              : code >= 500 ? TEXT("the receiver answered with a status of 500 "
                                                   "or more")
                                            : TEXT("the receiver answered with a status below "
                                                   "500 that is no success");
        ret.is_final = code == 410;
    }
    atomic_fetch_add(is_taken ? &webhooks->delivered : &webhooks->failed, 1);
    return ret;
}

struct webhooks_counts webhooks_counts(struct webhooks *webhooks)
{
    return (struct webhooks_counts){ .delivered = atomic_load(&webhooks->delivered),
                                     .failed = atomic_load(&webhooks->failed) };
}
