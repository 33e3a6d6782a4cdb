/* SPDX-License-Identifier: MIT
 *
 * Errors: the texts, cut and cleaned so that they may go anywhere.
 */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* The length of the character at p: 1 to 4, or 0 when it is not well formed. */
static size_t character_size(const char *p)
{
    size_t left = strnlen(p, 4);
    for (size_t size = 1; size <= left; size++) {
        if (text_is_utf8(text_make(p, size))) {
            return size;
        }
    }
    return 0;
}

/* In place. What was cut leaves the beginning of a character at the end, which goes. */
static void clean(char *text, bool was_cut)
{
    char *p = text;
    while (*p != '\0') {
        size_t size = character_size(p);
        if (size == 0) {
            bool is_tail = was_cut && strnlen(p, 4) < 4 && ((unsigned char)*p & 0xc0u) == 0xc0u;
            if (is_tail) {
                *p = '\0';
                return;
            }
            *p = '?';
            size = 1;
        } else if (size == 1 && ((unsigned char)*p < 0x20 || *p == 0x7f)) {
            *p = ' ';
        }
        p += size;
    }
}

pd_status error_set(pd_error *err, pd_status status, bool retryable, const char *where,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_vset(err, status, retryable, where, format, arguments);
    va_end(arguments);
    return status;
}

pd_status error_vset(pd_error *err, pd_status status, bool retryable, const char *where,
                     const char *format, va_list arguments)
{
    assert_that(status != PD_OK);
    /* Through a second struct: where and the arguments may point into *err. */
    pd_error made = { .status = status, .retryable = retryable };
    int where_size = snprintf(made.where, sizeof made.where, "%s", where);
    int text_size = vsnprintf(made.text, sizeof made.text, format, arguments);
    assert_that(where_size >= 0 && text_size >= 0);
    clean(made.where, (size_t)where_size >= sizeof made.where);
    clean(made.text, (size_t)text_size >= sizeof made.text);
    *err = made;
    return status;
}

const char *status_name(pd_status status)
{
    switch (status) {
#define X(name, number, grpc, http, text) \
    case PD_##name: return "PD_" #name;
        PD_STATUS_MAP(X)
#undef X
    }
    return "PD_E_?"; /* a number that came from outside */
}

const char *status_text(pd_status status)
{
    switch (status) {
#define X(name, number, grpc, http, text) \
    case PD_##name: return text;
        PD_STATUS_MAP(X)
#undef X
    }
    return "a status this library does not know";
}
