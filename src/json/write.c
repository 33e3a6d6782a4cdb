/* SPDX-License-Identifier: MIT
 *
 * Writing: straight from pd_value to bytes, without a tree in between.
 *
 * Values come from the user's program, so everything they could have got wrong is checked here and
 * returned, not asserted: what was accepted once is replayed for ever. What is written reads back
 * as the same value, kind included: a real always shows a point or an exponent.
 *
 * Numbers do not depend on the locale of the host program.
 */
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/map.h"

static const char where[] = "json: write";

/* ---- texts ---- */

/* What follows the backslash; 0: the byte stands for itself; 'u': \u00XX. */
static char escape_of(unsigned char c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return c < 0x20 ? 'u' : 0;
    }
}

static pd_status write_text(struct buffer *buffer, struct text t, pd_error *err)
{
    static const char digits[] = "0123456789abcdef";
    if (t.at == NULL) {
        return error_set(err, PD_E_INVALID, false, where, "a text is NULL");
    }
    if (!text_is_utf8(t)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "a text is not UTF-8; encode binary data, as base64 for example");
    }
    buffer_add_byte(buffer, '"');
    size_t written = 0; /* what lies before this is in the buffer */
    for (size_t i = 0; i < t.size; i++) {
        unsigned char c = (unsigned char)t.at[i];
        char escape = escape_of(c);
        if (escape == 0) {
            continue;
        }
        buffer_add(buffer, t.at + written, i - written);
        buffer_add_byte(buffer, '\\');
        buffer_add_byte(buffer, (uint8_t)escape);
        if (escape == 'u') {
            const char code[4] = { '0', '0', digits[c >> 4], digits[c & 15] };
            buffer_add(buffer, code, sizeof code);
        }
        written = i + 1;
    }
    buffer_add(buffer, t.at + written, t.size - written);
    buffer_add_byte(buffer, '"');
    return PD_OK;
}

/* ---- numbers ---- */

static void write_integer(struct buffer *buffer, int64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (n < 0) {
        digits[--at] = '-';
    }
    buffer_add(buffer, digits + at, sizeof digits - at);
}

/* Prints x with as few digits as read back as x, as the locale has it. */
static void print_real(double x, char *out, size_t size)
{
    /* 15 digits are never more than needed for ordinary numbers, since %g drops zeros at the end;
     * numbers near zero have fewer digits to lose and are tried from one. 17 always do. */
    for (int digits = fabs(x) < 2.3e-308 ? 1 : 15; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, x);
        if (strtod(out, NULL) == x) {
            return;
        }
    }
}

static pd_status write_real(struct buffer *buffer, double x, pd_error *err)
{
    if (!isfinite(x)) {
        return error_set(err, PD_E_INVALID, false, where, "JSON has no %s",
                         isnan(x) ? "NaN" : "infinity");
    }
    char printed[64];
    print_real(x, printed, sizeof printed);
    bool is_real = false;
    bool in_point = false;
    for (const char *p = printed; *p != '\0'; p++) {
        bool is_kept = (*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == 'e';
        if (is_kept) {
            buffer_add_byte(buffer, (uint8_t)*p);
        } else if (!in_point) {
            buffer_add_byte(buffer, '.'); /* the locale's point may be several bytes */
        }
        is_real = is_real || !is_kept || *p == 'e';
        in_point = !is_kept;
    }
    if (!is_real) {
        buffer_add(buffer, ".0", 2);
    }
    return PD_OK;
}

/* ---- arrays and objects ---- */

static struct text text_of_key(const pd_value *pairs, size_t i)
{
    return pairs[2 * i].kind_ == PD_IS_TEXT ? text_of(pairs[2 * i].as_.text) : TEXT_ABSENT;
}

static size_t repeated_among_few(const pd_value *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct text key = text_of_key(pairs, i);
        for (size_t j = 0; j < i; j++) {
            if (text_equal(key, text_of_key(pairs, j))) {
                return i;
            }
        }
    }
    return count;
}

static size_t repeated_among_many(const pd_value *pairs, size_t count)
{
    static char present[1];
    struct map seen;
    map_init(&seen);
    size_t i = 0;
    for (; i < count; i++) {
        struct text key = text_of_key(pairs, i);
        if (map_find(&seen, key) != NULL) {
            break;
        }
        map_put(&seen, key, present);
    }
    map_done(&seen);
    return i;
}

static pd_status check_keys(const pd_value *pairs, size_t count, pd_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!text_is_present(text_of_key(pairs, i))) {
            return error_set(err, PD_E_INVALID, false, where, "a key of an object is not a text");
        }
    }
    size_t repeated =
        count <= 16 ? repeated_among_few(pairs, count) : repeated_among_many(pairs, count);
    if (repeated != count) {
        return error_set(err, PD_E_INVALID, false, where, "the key '%s' comes twice in one object",
                         pairs[2 * repeated].as_.text);
    }
    return PD_OK;
}

/* An array or object being written, and which of its items or pairs comes next. */
struct level {
    const pd_value *value;
    uint32_t next;
};

static pd_status write_scalar(struct buffer *buffer, const pd_value *value, pd_error *err)
{
    switch ((pd_kind)value->kind_) {
    case PD_IS_NULL: buffer_add(buffer, "null", 4); return PD_OK;
    case PD_IS_BOOL:
        buffer_add_text(buffer, value->as_.boolean ? TEXT("true") : TEXT("false"));
        return PD_OK;
    case PD_IS_INT: write_integer(buffer, value->as_.integer); return PD_OK;
    case PD_IS_REAL: return write_real(buffer, value->as_.real, err);
    case PD_IS_TEXT: return write_text(buffer, text_of(value->as_.text), err);
    case PD_IS_ARRAY:
    case PD_IS_OBJECT: unreachable_state("arrays and objects are opened");
    }
    return error_set(err, PD_E_INVALID, false, where, "a value was never made, or was overwritten");
}

static pd_status open_level(struct buffer *buffer, const pd_value *value, int depth,
                            struct level *levels, pd_error *err)
{
    bool is_object = value->kind_ == PD_IS_OBJECT;
    if (depth == LIMIT_JSON_DEPTH) {
        return error_set(err, PD_E_LIMIT, false, where,
                         "arrays and objects go deeper than the limit of %d", LIMIT_JSON_DEPTH);
    }
    levels[depth] = (struct level){ .value = value };
    buffer_add_byte(buffer, is_object ? '{' : '[');
    return is_object ? check_keys(value->as_.items, value->count_, err) : PD_OK;
}

/* Writes what stands before the next item, and its key; *ret is the item itself. */
static pd_status next_item(struct buffer *buffer, struct level *level, const pd_value **ret,
                           pd_error *err)
{
    const pd_value *items = level->value->as_.items;
    uint32_t i = level->next++;
    pd_status status = PD_OK;
    if (i != 0) {
        buffer_add_byte(buffer, ',');
    }
    if (level->value->kind_ == PD_IS_ARRAY) {
        *ret = &items[i];
    } else {
        status = write_text(buffer, text_of_key(items, i), err);
        buffer_add_byte(buffer, ':');
        *ret = &items[2 * (size_t)i + 1];
    }
    return status;
}

/* Without recursion: this may run on the small stack of an orchestration. */
static pd_status write_value(struct buffer *buffer, const pd_value *value, pd_error *err)
{
    struct level levels[LIMIT_JSON_DEPTH];
    int depth = 0;
    for (;;) {
        pd_status status;
        if (value->kind_ == PD_IS_ARRAY || value->kind_ == PD_IS_OBJECT) {
            status = open_level(buffer, value, depth, levels, err);
            depth++;
        } else {
            status = write_scalar(buffer, value, err);
        }
        while (status == PD_OK && depth > 0 &&
               levels[depth - 1].next == levels[depth - 1].value->count_) {
            depth--;
            buffer_add_byte(buffer, levels[depth].value->kind_ == PD_IS_OBJECT ? '}' : ']');
        }
        if (status == PD_OK && depth > 0) {
            status = next_item(buffer, &levels[depth - 1], &value, err);
        } else {
            return status; /* the outermost value is complete, or something is wrong */
        }
        if (status != PD_OK) {
            return status;
        }
    }
}

pd_status json_write(struct buffer *buffer, pd_value value, pd_error *err)
{
    size_t size = buffer->size;
    pd_status status = write_value(buffer, &value, err);
    if (status != PD_OK) {
        buffer->size = size;
    }
    return status;
}
