/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding. See percent.h. */
#include "base/percent.h"

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool percent_decode(struct arena *arena, struct text encoded, bool is_form, struct text *ret)
{
    char *decoded = arena_alloc_raw(arena, encoded.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < encoded.size; i++) {
        char c = encoded.at[i];
        if (c == '%') {
            bool is_whole = encoded.size - i > 2;
            int high = is_whole ? hex(encoded.at[i + 1]) : -1;
            int low = is_whole ? hex(encoded.at[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && is_form) {
            c = ' ';
        }
        decoded[size++] = c;
    }
    decoded[size] = '\0';
    *ret = text_make(decoded, size);
    return true;
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

void percent_encode(struct buffer *out, struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_plain(text.at[i])) {
            buffer_add_byte(out, (uint8_t)text.at[i]);
        } else {
            buffer_printf(out, "%%%02X", (unsigned)(unsigned char)text.at[i]);
        }
    }
}
