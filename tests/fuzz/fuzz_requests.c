/* SPDX-License-Identifier: MIT
 *
 * HTTP requests: their JSON, which an orchestration's input may be part of, and what a server says.
 * What is read can be sent: names are tokens, values one line. What comes out is JSON that can be
 * read again, whatever bytes came; the first byte says whose. */
#define PERDURE_VERSION "0"
#include "fetch/hop.c" /* for what libcurl calls */

#include "base/assert.h"
#include "base/memory.h"
#include "json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* ---- what the rooms outside have, and nothing here calls ---- */

extern _Thread_local void *run_current, *run_judged, *entity_current;
_Thread_local void *run_current, *run_judged, *entity_current;

void mem_refuse(void);
void mem_refuse(void)
{
    abort();
}

_Noreturn void run_misused(void);
_Noreturn void run_misused(void)
{
    abort();
}

time_us fetch_now(void)
{
    return 0;
}

/* ---- requests ---- */

static void check_sendable(const char *text)
{
    assert_that(strpbrk(text, "\r\n") == NULL);
}

static void check_order(struct text input)
{
    struct arena arena;
    struct order order;
    const char *why = NULL;
    arena_init(&arena);
    if (order_read(input, &arena, &order, &why)) {
        assert_that(order.uri != NULL && order.timeout_ms >= 0 && order.method[0] != '\0');
        assert_that(strpbrk(order.method, " \t\r\n:") == NULL);
        for (size_t i = 0; i < pd_count(order.headers); i++) {
            pd_value value = pd_value_at(order.headers, i);
            assert_that(strpbrk(pd_key_at(order.headers, i), " \t\r\n:") == NULL);
            check_sendable(pd_text(value));
            for (size_t j = 0; j < pd_count(value); j++) {
                check_sendable(pd_text(pd_at(value, j)));
            }
        }
    } else {
        assert_that(why != NULL);
    }
    arena_done(&arena);
}

/* ---- answers ---- */

enum { ENOUGH = 1 << 24 };
static int answers;
static int64_t answer_max; /* of the one that is being given */

static void on_done(struct fetch_request *request, const struct fetch_answer *answer)
{
    struct arena arena;
    pd_value value;
    pd_error err;
    struct text json =
        text_is_present(answer->response) ? answer->response : answer->failure_details;
    (void)request;
    answers++;
    assert_that(!text_is_present(answer->response) || answer->response.size <= (size_t)answer_max);
    if (!text_is_present(json)) { /* nothing but being too long is wrong with it */
        assert_that(answer_max < ENOUGH);
        return;
    }
    arena_init(&arena);
    assert_that(json_parse(&arena, json, &value, &err) == PD_OK);
    assert_that(pd_kind_of(pd_get(value, "content")) == PD_IS_TEXT);
    assert_that(pd_kind_of(pd_get(value, "headers")) == PD_IS_OBJECT);
    arena_done(&arena);
}

/* Lines of the bytes as headers, up to an empty one; the rest as the body. */
static void take(struct fetch *fetch, char *at, size_t size)
{
    size_t used = 0;
    while (used < size) {
        char *end = memchr(at + used, '\n', size - used);
        size_t length = end != NULL ? (size_t)(end - at) - used + 1 : size - used;
        if (on_header(at + used, 1, length, fetch) != length) {
            return;
        }
        used += length;
        if (length == 1) {
            break;
        }
    }
    (void)on_body(at + used, 1, size - used, fetch);
}

static void check_answer(char *at, size_t size, unsigned dialect)
{
    static pd_value no_codes;
    answer_max = (dialect & 64) != 0 ? 200 : ENOUGH;
    struct fetcher fetcher = { .body_max = 1000, .answer_max = answer_max };
    struct fetch_request request = { .dialect = dialect % 4, .done = on_done };
    struct fetch fetch = { .fetcher = &fetcher, .request = &request };
    arena_init(&fetch.arena);
    fetch.transfer.easy = curl_easy_init();
    fetch.url = curl_url();
    fetch.order.has_retry = dialect >= 128;
    fetch.order.retry_codes = no_codes;
    take(&fetch, at, size);
    int before = answers;
    answer_give(&fetch, OUTCOME_ANSWER);
    assert_that(answers == before + 1);
    (void)location_of(&fetch);
    curl_easy_cleanup(fetch.transfer.easy);
    curl_url_cleanup(fetch.url);
    buffer_done(&fetch.headers);
    buffer_done(&fetch.body);
    arena_done(&fetch.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check_order(text_make((const char *)bytes, size));
    if (size > 0) {
        char *copy = mem_alloc(size);
        memcpy(copy, bytes + 1, size - 1);
        check_answer(copy, size - 1, bytes[0]);
        mem_free(copy);
    }
    return 0;
}
