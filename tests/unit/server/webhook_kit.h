/* SPDX-License-Identifier: MIT
 *
 * What the tests of webhooks share: a file of settings, a change, what is told of it, and the
 * request that comes of that. */
#ifndef TESTS_WEBHOOK_KIT_H
#define TESTS_WEBHOOK_KIT_H

#include "base/arena.h"
#include "json/json.h"
#include "server/webhooks.h"

/* 24 bytes, as the least may be; and 64. */
#define SECRET "secret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
#define AS_63                                                                  \
    "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh" \
    "YWFhYWFhYWFh"
#define LONGEST "secret = whsec_" AS_63 "YQ==\n"
#define URL "url = https://example.com/hook\n"
#define HOOK(name) "[" name "]\n" URL SECRET

/* Of the test that runs. */
extern char hook_file[64];
extern pd_error why;
extern struct arena arena;
int set_up(void **state);
int tear_down(void **state);

void write_file(const char *text, size_t size);
struct webhooks *load(const char *text); /* NULL: refused, why */

extern const struct announcement plain; /* order-7 has completed */
/* The input of perdure.notify; null: nobody wants it. */
pd_value told(struct webhooks *webhooks, const struct announcement *it);
const char *of(pd_value object, const char *key); /* a text, or the test fails */
/* The request to the first that is told, as JSON. */
pd_value asked(struct webhooks *webhooks, pd_value input);

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
