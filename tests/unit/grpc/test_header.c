/* SPDX-License-Identifier: MIT
 *
 * Time-outs, texts of statuses, statuses, and messages that come in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "grpc/header.h"
#include "grpc/message.h"

static void time_outs_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us; /* -1: it is none */
    } cases[] = {
        { "1S", 1000000 },   { "99999999H", INT64_C(99999999) * 3600000000 },
        { "250m", 250000 },  { "7u", 7 },
        { "1n", 1 },         { "1001n", 2 },
        { "2M", 120000000 }, { "0S", 0 },
        { "", -1 },          { "S", -1 },
        { "1", -1 },         { "1s", -1 },
        { "-1S", -1 },       { "+1S", -1 },
        { " 1S", -1 },       { "123456789S", -1 },
        { "1.5S", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t us = -1;
        bool is_read = header_parse_timeout(text_of(cases[i].text), &us);
        assert_int_equal(is_read, cases[i].us >= 0);
        assert_true(us == cases[i].us);
    }
    char out[16];
    assert_int_equal(header_format_timeout(99999999, out), 9);
    assert_string_equal(out, "99999999u");
    (void)header_format_timeout(100000000, out);
    assert_string_equal(out, "100000m");
    (void)header_format_timeout(INT64_C(99999999) * 1000 + 1, out); /* rounded up */
    assert_string_equal(out, "100000S");
    (void)header_format_timeout(INT64_MAX, out);
    assert_string_equal(out, "99999999H");
    (void)header_format_timeout(0, out);
    assert_string_equal(out, "0u");
}

static void texts_are_escaped_and_come_back(void **state)
{
    (void)state;
    struct buffer encoded = { 0 }, decoded = { 0 };
    header_encode(&encoded, TEXT(" 100% of \xc3\xa4\n~ "));
    buffer_add_byte(&encoded, 0);
    assert_string_equal((char *)encoded.at, "%20100%25 of %C3%A4%0A~%20");
    header_decode(&decoded, TEXT("%20100%25 of %c3%A4%0a~%20 %zz %4 %"));
    assert_true(text_equal(buffer_text(&decoded), TEXT(" 100% of \xc3\xa4\n~  %zz %4 %")));
    buffer_done(&encoded);
    buffer_done(&decoded);
}

static void details_that_are_too_long_or_no_utf8_are_left_out(void **state)
{
    (void)state;
    static char long_text[HEADER_DETAILS_MAX + 1];
    struct buffer out = { 0 };
    memset(long_text, 't', sizeof long_text);
    assert_false(header_encode_details(&out, 5, text_make(long_text, sizeof long_text)));
    assert_false(header_encode_details(&out, 5, TEXT("\xff")));
    assert_int_equal(out.size, 0);
    assert_true(header_encode_details(&out, 5, TEXT("no")));
    assert_true(text_equal(buffer_text(&out), TEXT("CAUSAm5v")));
    buffer_reset(&out);
    assert_true(header_encode_details(&out, 5, text_make(long_text, HEADER_DETAILS_MAX)));
    assert_int_equal(out.size, (5 + HEADER_DETAILS_MAX) / 3 * 4);
    buffer_done(&out);
}

static void our_statuses_survive_the_way(void **state)
{
    (void)state;
    bool retryable;
    /* What shares a status of gRPC with another one, or has none, comes back as that. */
    static const pd_status as_itself[] = { PD_OK,        PD_E_INVALID,   PD_E_NOT_FOUND,
                                           PD_E_EXISTS,  PD_E_STATE,     PD_E_LIMIT,
                                           PD_E_TIMEOUT, PD_E_CANCELLED, PD_E_LEASE_LOST,
                                           PD_E_DENIED,  PD_E_CORRUPT,   PD_E_UNAVAILABLE,
                                           PD_E_BUG };
    for (size_t i = 0; i < sizeof as_itself / sizeof as_itself[0]; i++) {
        assert_int_equal(grpc_status_to_pd(grpc_status_of(as_itself[i]), &retryable), as_itself[i]);
    }
    assert_int_equal(grpc_status_to_pd(grpc_status_of(PD_E_NOMEM), &retryable), PD_E_LIMIT);
    (void)grpc_status_to_pd(GRPC_UNAVAILABLE, &retryable);
    assert_true(retryable);
    (void)grpc_status_to_pd(GRPC_NOT_FOUND, &retryable);
    assert_false(retryable);
    assert_string_equal(grpc_status_name(GRPC_FAILED_PRECONDITION), "FAILED_PRECONDITION");
}

static void a_message_comes_in_pieces_of_one_byte(void **state)
{
    (void)state;
    static const char bytes[] = "\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\1x";
    struct messages messages;
    struct text got[3];
    char kept[3][8] = { "" };
    size_t count = 0;
    messages_init(&messages, 3);
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        struct text piece = text_make(bytes + i, 1), message;
        const char *text = NULL;
        assert_int_equal(messages_next(&messages, &piece, &message, &text), GRPC_OK);
        if (text_is_present(message)) {
            memcpy(kept[count], message.at, message.size);
            got[count] = text_make(kept[count], message.size);
            count++;
        }
    }
    assert_int_equal(count, 3);
    assert_true(text_equal(got[0], TEXT("abc")));
    assert_true(text_equal(got[1], TEXT("")));
    assert_true(text_equal(got[2], TEXT("x")));
    struct text piece = TEXT("\0\0\0\0\4"), message;
    const char *text = NULL;
    assert_int_equal(messages_next(&messages, &piece, &message, &text), GRPC_RESOURCE_EXHAUSTED);
    assert_non_null(text);
    messages_done(&messages);
}

static enum grpc_status only(struct text bytes, struct text *ret)
{
    static struct messages messages;
    const char *text = NULL;
    messages_done(&messages);
    messages_init(&messages, 100);
    enum grpc_status status = messages_keep(&messages, bytes, &text);
    return status == GRPC_OK ? messages_only(&messages, ret, &text) : status;
}

static void a_call_of_one_message_has_exactly_one(void **state)
{
    (void)state;
    struct text message = TEXT_ABSENT;
    assert_int_equal(only(TEXT("\0\0\0\0\2ab"), &message), GRPC_OK);
    assert_true(text_equal(message, TEXT("ab")));
    assert_int_equal(only(TEXT(""), &message), GRPC_INTERNAL);
    assert_int_equal(only(TEXT("\0\0\0\0"), &message), GRPC_INTERNAL);
    assert_int_equal(only(TEXT("\0\0\0\0\2a"), &message), GRPC_INTERNAL);
    assert_int_equal(only(TEXT("\0\0\0\0\2abc"), &message), GRPC_INTERNAL);
    assert_int_equal(only(TEXT("\1\0\0\0\2ab"), &message), GRPC_INTERNAL);
    assert_int_equal(only(TEXT("\0\0\0\0\x65"), &message), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(only(TEXT("\0\0\0\0\0"), &message), GRPC_OK);
    assert_true(text_is_present(message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_outs_are_read_and_written),
        cmocka_unit_test(texts_are_escaped_and_come_back),
        cmocka_unit_test(details_that_are_too_long_or_no_utf8_are_left_out),
        cmocka_unit_test(our_statuses_survive_the_way),
        cmocka_unit_test(a_message_comes_in_pieces_of_one_byte),
        cmocka_unit_test(a_call_of_one_message_has_exactly_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
