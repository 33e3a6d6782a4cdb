/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "webhook_kit.h"

char hook_file[64];
pd_error why;
struct arena arena;

int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    snprintf(hook_file, sizeof hook_file, "/tmp/perdure-webhooks-XXXXXX");
    return close(mkstemp(hook_file));
}

int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return unlink(hook_file);
}

void write_file(const char *text, size_t size)
{
    FILE *stream = fopen(hook_file, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(text, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

struct webhooks *load(const char *text)
{
    write_file(text, strlen(text));
    struct webhooks *webhooks = webhooks_load(hook_file, &why);
    if (webhooks == NULL) {
        assert_int_equal(why.status, PD_E_INVALID);
    }
    return webhooks;
}

const struct announcement plain = {
    .kind = ANNOUNCE_COMPLETED,
    .state = RUN_COMPLETED,
    .id = TEXT_INIT("order-7"),
    .execution_id = TEXT_INIT("e1"),
    .name = TEXT_INIT("Order"),
    .version = TEXT_INIT(""),
    .created_at = INT64_C(1700000000000000),
    .at = INT64_C(1700000001500000),
};

pd_value told(struct webhooks *webhooks, const struct announcement *it)
{
    pd_value value = PD_NULL;
    struct buffer json;
    buffer_init(&json);
    if (webhooks_write(webhooks, "default", it, &json)) {
        pd_status status = json_parse(&arena, text_copy(&arena, buffer_text(&json)), &value, &why);
        if (status != PD_OK) {
            fail_msg("%s: %.*s", why.text, TEXT_ARGS(buffer_text(&json)));
        }
    }
    buffer_done(&json);
    return value;
}

const char *of(pd_value object, const char *key)
{
    assert_int_equal(pd_kind_of(pd_get(object, key)), PD_IS_TEXT);
    return pd_text(pd_get(object, key));
}

pd_value asked(struct webhooks *webhooks, pd_value input)
{
    struct fetch_answer refusal;
    struct buffer json;
    pd_value request;
    buffer_init(&json);
    pd_literal delivery =
        PD_OBJ("webhook", pd_get(pd_at(pd_get(input, "to"), 0), "webhook"), "event",
               pd_get(input, "event"), "result", pd_get(input, "result"));
    assert_int_equal(json_write(&json, pd_of_literal(delivery), &why), PD_OK);
    struct text text = text_copy(&arena, buffer_text(&json));
    buffer_reset(&json);
    assert_true(webhooks_request(webhooks, text, 1700000002, &json, &refusal));
    assert_int_equal(json_parse(&arena, text_copy(&arena, buffer_text(&json)), &request, &why),
                     PD_OK);
    buffer_done(&json);
    return request;
}
