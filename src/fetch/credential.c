/* SPDX-License-Identifier: MIT
 *
 * Tokens: those that are kept, those that are under way, and who waits for them.
 *
 * A token is known by the text of what it was asked by, the source and, where that decides (V1),
 * the origin. Asking is an exchange of its own on the fetcher's thread. What is busy or not there
 * yet (429, 5xx; of a machine's metadata 404 and 410 too) is asked again, three times. */
#include "fetch/credential.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/memory.h"
#include "json/json.h"

enum { ANSWER_BYTES_MAX = 64 * 1024, ASK_MS = 30 * 1000, IMDS_CONNECT_MS = 1000, ASKED_MAX = 4 };
enum { SOURCE_BYTES_MAX = 4096 }; /* with its origin: it is kept as long as the token */
static const int64_t early_us = 300 * TIME_SECOND; /* a token that ends so soon is not used */

struct token {
    struct transfer transfer; /* first; easy NULL: not under way */
    struct list_node among;   /* of fetcher->tokens */
    struct fetcher *fetcher;
    struct buffer key, value, answer;
    struct buffer authenticate; /* of a 401 */
    struct list waits;
    struct token_order order;
    struct arena arena; /* of the order */
    time_us good_until; /* steady */
    time_us again_at;   /* TIME_NEVER: it is not waiting to be asked again */
    unsigned asked;
    bool has_answered_arc;
};

static time_us now_unix(void)
{
    return (time_us)time(NULL) * TIME_SECOND;
}

static void write_key(struct buffer *key, pd_value source, CURLU *url)
{
    pd_error err;
    (void)json_write(key, source, &err);
    if (token_is_of_origin(source)) {
        buffer_add_byte(key, ' ');
        (void)origin_write(key, url);
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void stop_transfer(struct token *token)
{
    turn_end(&token->fetcher->turns, &token->transfer);
    curl_easy_cleanup(token->transfer.easy);
    token->transfer.easy = NULL;
}

static void stop_asking(struct token *token)
{
    stop_transfer(token);
    curl_slist_free_all(token->order.fields);
    token->order = (struct token_order){ 0 };
    token->again_at = TIME_NEVER;
    arena_reset(&token->arena);
}

static void tell(struct token *token, struct text value, const char *why, bool is_final)
{
    struct list now;
    struct list_node *node;
    list_init(&now);
    list_append(&now, &token->waits);
    while ((node = list_pop_front(&now)) != NULL) {
        struct credential_wait *wait = CONTAINER_OF(node, struct credential_wait, among);
        wait->ready(wait, value, why, is_final);
    }
}

static size_t on_body(char *at, size_t size, size_t count, void *argument)
{
    struct token *token = argument;
    if (token->answer.size + size * count > ANSWER_BYTES_MAX) {
        return CURL_WRITEFUNC_ERROR;
    }
    buffer_add(&token->answer, at, size * count);
    return size * count;
}

static size_t on_header(char *at, size_t size, size_t count, void *argument)
{
    static const char name[] = "www-authenticate:";
    struct token *token = argument;
    size_t bytes = size * count;
    if (bytes > sizeof name && strncasecmp(at, name, sizeof name - 1) == 0 && bytes < 4096) {
        buffer_reset(&token->authenticate);
        buffer_add(&token->authenticate, at, bytes);
        buffer_add_byte(&token->authenticate, '\0');
    }
    return bytes;
}

static bool ask(struct token *token)
{
    CURL *easy = curl_easy_init();
    const struct token_order *order = &token->order;
    token->again_at = TIME_NEVER;
    token->asked++;
    buffer_reset(&token->answer);
    if (easy == NULL) {
        return false;
    }
    curl_easy_setopt(easy, CURLOPT_URL, order->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    hop_trust(easy);
    if (order->body == NULL) { /* of this machine, or of its host */
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE,
                     1L); /* what is under no guard is for nobody else */
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ASK_MS);
    if (order->is_imds) {
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)IMDS_CONNECT_MS);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, order->fields);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &token->transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, token);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, token);
    if (order->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, order->body);
    }
    CURLU *url = curl_url();
    (void)curl_url_set(url, CURLUPART_URL, order->url, 0); /* else libcurl says so */
    token->transfer.easy = easy;
    turn_ask(&token->fetcher->turns, &token->transfer, url);
    curl_url_cleanup(url);
    return true;
}

static void fail(struct token *token, const char *why, bool is_final)
{
    char text[160];
    (void)snprintf(text, sizeof text, "%s", why);
    stop_asking(token);
    tell(token, TEXT_ABSENT, text, is_final);
}

static bool is_worth_another(const struct token *token, CURLcode code, long status)
{
    bool is_late = token->order.is_imds && (status == 404 || status == 410);
    return token->asked < ASKED_MAX &&
           (code == CURLE_OK ? status == 429 || status >= 500 || is_late : !token->order.is_imds);
}

/* Arc says which file to read first. */
static bool answers_arc(struct token *token, long status)
{
    const char *key = NULL;
    if (token->order.is_arc && status == 401 && !token->has_answered_arc &&
        token->authenticate.size > 0) {
        key = token_arc_key(&token->arena, token_arc_folder, (const char *)token->authenticate.at);
    }
    if (key == NULL) {
        return false;
    }
    token->has_answered_arc = true;
    token->order.fields = curl_slist_append(
        token->order.fields, arena_printf(&token->arena, "Authorization: Basic %s", key));
    return true;
}

static void take_token(struct token *token, long status)
{
    int64_t seconds = 0;
    struct text value =
        token_read(&token->arena, buffer_text(&token->answer), now_unix(), &seconds);
    if (status != 200 || !text_is_present(value)) {
        char why[160];
        (void)snprintf(why, sizeof why, "no token: the endpoint answered with status %ld", status);
        fail(token, why, status != 429 && status < 500);
        return;
    }
    buffer_reset(&token->value);
    buffer_add_text(&token->value, value);
    token->good_until = fetch_now() + seconds * TIME_SECOND - early_us;
    stop_asking(token);
    tell(token, buffer_text(&token->value), NULL, false);
}

static void on_over(struct transfer *transfer, CURLcode code)
{
    struct token *token = CONTAINER_OF(transfer, struct token, transfer);
    long status = 0;
    curl_easy_getinfo(token->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    stop_transfer(token);
    if (code == CURLE_OK && answers_arc(token, status)) {
        if (!ask(token)) {
            fail(token, "libcurl cannot take another request", false);
        }
    } else if (is_worth_another(token, code, status)) {
        token->again_at = fetch_now() + (TIME_SECOND << (token->asked - 1));
    } else if (code != CURLE_OK) {
        char why[160];
        (void)snprintf(why, sizeof why, "no token: its endpoint cannot be asked: %s",
                       curl_easy_strerror(code));
        fail(token, why, false);
    } else {
        take_token(token, status);
    }
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static struct token *find(struct fetcher *fetcher, const struct buffer *key)
{
    LIST_EACH(node, &fetcher->tokens)
    {
        struct token *token = CONTAINER_OF(node, struct token, among);
        if (text_equal(buffer_text(&token->key), buffer_text(key))) {
            return token;
        }
    }
    return NULL;
}

static void release(struct token *token)
{
    stop_asking(token);
    list_remove(&token->among);
    buffer_done(&token->key);
    buffer_done(&token->value);
    buffer_done(&token->answer);
    buffer_done(&token->authenticate);
    arena_done(&token->arena);
    mem_free(token);
}

static bool is_idle(const struct token *token)
{
    return token->transfer.easy == NULL && token->again_at == TIME_NEVER &&
           list_is_empty(&token->waits);
}

/* Those that are over make room: sources are few, unless somebody makes them up. */
static struct token *add(struct fetcher *fetcher, struct buffer *key)
{
    struct list_node *node = list_front(&fetcher->tokens);
    for (size_t count = list_count(&fetcher->tokens); count > 0; count--) {
        struct token *token = CONTAINER_OF(node, struct token, among);
        node = node->next;
        if (is_idle(token) && (token->good_until <= fetch_now() || count > 1000)) {
            release(token);
        }
    }
    struct token *token = mem_alloc(sizeof *token);
    token->transfer.over = on_over;
    token->fetcher = fetcher;
    token->key = *key;
    buffer_init(key);
    list_init(&token->waits);
    arena_init(&token->arena);
    token->again_at = TIME_NEVER;
    list_push_back(&fetcher->tokens, &token->among);
    return token;
}

void credential_get(struct fetcher *fetcher, pd_value source, CURLU *url,
                    struct credential_wait *wait)
{
    struct buffer key;
    buffer_init(&key);
    write_key(&key, source, url);
    if (key.size > SOURCE_BYTES_MAX) {
        buffer_done(&key);
        wait->ready(wait, TEXT_ABSENT, "the token source is longer than 4096 bytes", true);
        return;
    }
    struct token *token = find(fetcher, &key);
    token = token != NULL ? token : add(fetcher, &key);
    buffer_done(&key);
    if (token->value.size > 0 && fetch_now() < token->good_until) {
        wait->ready(wait, buffer_text(&token->value), NULL, false);
        return;
    }
    bool is_under_way = !is_idle(token); /* V3 */
    list_push_back(&token->waits, &wait->among);
    if (is_under_way) {
        return;
    }
    const char *why;
    struct text ready;
    token->asked = 0;
    token->has_answered_arc = false;
    if (!token_order_make(&token->arena, source, url, &token->order, &ready, &why)) {
        fail(token, why, true);
    } else if (text_is_present(ready)) {
        tell(token, ready, NULL, false);
        stop_asking(token);
    } else if (!ask(token)) {
        fail(token, "libcurl cannot take another request", false);
    }
}

void credential_forget(struct credential_wait *wait)
{
    if (list_is_linked(&wait->among)) {
        list_remove(&wait->among);
    }
}

time_us credential_look(struct fetcher *fetcher, time_us now)
{
    time_us next = TIME_NEVER;
    LIST_EACH(node, &fetcher->tokens)
    {
        struct token *token = CONTAINER_OF(node, struct token, among);
        if (token->again_at <= now && !ask(token)) {
            token->again_at = now + TIME_SECOND;
        }
        next = token->again_at < next ? token->again_at : next;
    }
    return next;
}

void credential_done(struct fetcher *fetcher)
{
    struct list_node *node;
    while ((node = list_front(&fetcher->tokens)) != NULL) {
        release(CONTAINER_OF(node, struct token, among));
    }
}
