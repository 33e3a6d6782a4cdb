/* SPDX-License-Identifier: MIT
 *
 * Signatures of webhooks: id, time, body and key of an example of Standard Webhooks, and what
 * another implementation (hmac of Python) makes of them. */
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/webhooks.h"

static void a_signature_is_that_of_standard_webhooks(void **state)
{
    static const char secret[] = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    unsigned char key[sizeof secret];
    char signature[WEBHOOK_SIGNATURE];
    (void)state;
    int size = EVP_DecodeBlock(key, (const unsigned char *)secret, (int)sizeof secret - 1);
    assert_int_equal(size, 24);
    webhook_sign(text_make((const char *)key, (size_t)size), "msg_p5jXN8AQM9LWM0D4loKWxJek",
                 1614265330, TEXT("{\"test\": 2432232314}"), signature);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_that_of_standard_webhooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
