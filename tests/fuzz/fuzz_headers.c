/* SPDX-License-Identifier: MIT
 *
 * What gRPC writes into headers: every text comes back as it was and may stand in a header; no time
 * gets shorter; and the descriptors of reflection may be any bytes. */
#include <string.h>

#include "base/assert.h"
#include "grpc/header.h"
#include "grpc/services_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_text(struct text t)
{
    struct buffer encoded = { 0 }, decoded = { 0 }, other = { 0 };
    header_encode(&encoded, t);
    for (size_t i = 0; i < encoded.size; i++) {
        assert_that(encoded.at[i] >= 0x20 && encoded.at[i] <= 0x7e);
    }
    assert_that(encoded.size == 0 || (encoded.at[0] != ' ' && encoded.at[encoded.size - 1] != ' '));
    header_decode(&decoded, buffer_text(&encoded));
    assert_that(decoded.size == t.size && (t.size == 0 || memcmp(decoded.at, t.at, t.size) == 0));
    header_decode(&other, t);
    assert_that(other.size <= t.size);
    buffer_done(&encoded);
    buffer_done(&decoded);
    buffer_done(&other);
}

static void check_timeouts(struct text t)
{
    int64_t us = 0, again = 0;
    char out[16];
    if (header_parse_timeout(t, &us)) {
        assert_that(us >= 0);
        int length = header_format_timeout(us, out);
        assert_that(length >= 2 && length <= 9);
        assert_that(header_parse_timeout(text_make(out, (size_t)length), &again));
        assert_that(again >= us && again - us <= us / 1000 + 1);
    }
    if (t.size >= sizeof us) {
        memcpy(&us, t.at, sizeof us);
        us &= INT64_MAX / 1000;
        assert_that(
            header_parse_timeout(text_make(out, (size_t)header_format_timeout(us, out)), &again));
        assert_that(again >= us || again == INT64_C(99999999) * 3600000000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct text t = text_make((const char *)bytes, size);
    check_text(t);
    check_timeouts(t);
    reflection_free(reflection_new(t));
    return 0;
}
