/* SPDX-License-Identifier: MIT
 *
 * Origins: scheme, host and port of a URL, as a text that two of them are compared by. What is sent
 * to whom (F3), and whose turn it is (turn.c), hang on it.
 *
 *   O1  What cannot be read is of no origin, and that is the same as no other. */
#include <string.h>

#include "fetch/fetch_priv.h"

bool origin_write(struct buffer *ret, CURLU *url)
{
    static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
    static const char *const between[] = { "", "://", ":" };
    size_t from = ret->size;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *part = NULL;
        if (curl_url_get(url, parts[i], &part, CURLU_DEFAULT_PORT) != CURLUE_OK) {
            ret->size = from;
            return false;
        }
        buffer_printf(ret, "%s%s", between[i], part);
        curl_free(part);
    }
    for (; from < ret->size; from++) {
        uint8_t c = ret->at[from];
        ret->at[from] = (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return true;
}

bool origin_is_same(CURLU *a, CURLU *b)
{
    struct buffer of_a, of_b;
    buffer_init(&of_a);
    buffer_init(&of_b);
    bool is = origin_write(&of_a, a) && origin_write(&of_b, b) &&
              text_equal(buffer_text(&of_a), buffer_text(&of_b));
    buffer_done(&of_a);
    buffer_done(&of_b);
    return is;
}
