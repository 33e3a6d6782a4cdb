/* SPDX-License-Identifier: MIT
 *
 * JSON of answers, written straight into a buffer, and telling what is JSON from what is not.
 *
 * The room json makes values of texts, at some 30 MB/s: a payload of 16 MiB would stop the loop for
 * half a second only to be thrown away. Here nothing is made: one pass over the bytes.
 *
 *   J1  What is_json accepts is RFC 8259 to the letter, in UTF-8, at most DEPTH_MAX deep. Numbers
 *       are of any size: they are text on their way through. */
#include <stdio.h>
#include <string.h>

#include "server/web.h"

enum { DEPTH_MAX = 512 };

/* ---- is it JSON? J1 ------------------------------------------------------------------------- */

struct scan {
    const char *at, *end;
    unsigned depth;
    uint8_t is_object[DEPTH_MAX / 8]; /* of each level */
};

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t')) {
        scan->at++;
    }
}

static bool take(struct scan *scan, char c)
{
    bool is_there = scan->at < scan->end && *scan->at == c;
    scan->at += is_there;
    return is_there;
}

static bool take_word(struct scan *scan, const char *word)
{
    size_t size = strlen(word);
    bool is_there = (size_t)(scan->end - scan->at) >= size && memcmp(scan->at, word, size) == 0;
    scan->at += is_there ? size : 0;
    return is_there;
}

static bool take_digits(struct scan *scan)
{
    const char *first = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        scan->at++;
    }
    return scan->at > first;
}

static bool take_number(struct scan *scan)
{
    (void)take(scan, '-');
    if (!take(scan, '0') && !take_digits(scan)) {
        return false;
    }
    if (take(scan, '.') && !take_digits(scan)) {
        return false;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        (void)(take(scan, '-') || take(scan, '+'));
        return take_digits(scan);
    }
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take_escape(struct scan *scan)
{
    if (scan->at == scan->end) {
        return false;
    }
    char c = *scan->at++;
    if (c != 'u') {
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    }
    for (int i = 0; i < 4; i++) {
        if (scan->at == scan->end || !is_hex(*scan->at++)) {
            return false;
        }
    }
    return true;
}

static bool take_string(struct scan *scan)
{
    if (!take(scan, '"')) {
        return false;
    }
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at++;
        if (c == '"') {
            return true;
        }
        if (c < 0x20 || (c == '\\' && !take_escape(scan))) {
            return false;
        }
    }
    return false;
}

static bool take_plain(struct scan *scan)
{
    switch (scan->at < scan->end ? *scan->at : '\0') {
    case '"': return take_string(scan);
    case 't': return take_word(scan, "true");
    case 'f': return take_word(scan, "false");
    case 'n': return take_word(scan, "null");
    default: return take_number(scan);
    }
}

static bool push(struct scan *scan, bool is_object)
{
    if (scan->depth == DEPTH_MAX) {
        return false;
    }
    uint8_t bit = (uint8_t)(1u << (scan->depth & 7));
    uint8_t *at = &scan->is_object[scan->depth++ / 8];
    *at = (uint8_t)(is_object ? *at | bit : *at & ~bit);
    return true;
}

static bool in_object(const struct scan *scan)
{
    return (scan->is_object[(scan->depth - 1) / 8] >> ((scan->depth - 1) & 7) & 1) != 0;
}

static bool take_key(struct scan *scan)
{
    skip_space(scan);
    if (!take_string(scan)) {
        return false;
    }
    skip_space(scan);
    return take(scan, ':');
}

/* A value's beginning; *ret_ends: it is a whole one. */
static bool begin_value(struct scan *scan, bool *ret_ends)
{
    skip_space(scan);
    *ret_ends = false;
    bool is_object = take(scan, '{');
    if (!is_object && !take(scan, '[')) {
        *ret_ends = true;
        return take_plain(scan);
    }
    if (!push(scan, is_object)) { /* an empty one is a level, too */
        return false;
    }
    skip_space(scan);
    *ret_ends = take(scan, is_object ? '}' : ']');
    scan->depth -= *ret_ends;
    return *ret_ends || !is_object || take_key(scan);
}

/* After a whole value; *ret_more: another one has to come. */
static bool end_value(struct scan *scan, bool *ret_more)
{
    *ret_more = false;
    while (scan->depth > 0) {
        skip_space(scan);
        if (take(scan, ',')) {
            *ret_more = true;
            return !in_object(scan) || take_key(scan);
        }
        if (!take(scan, in_object(scan) ? '}' : ']')) {
            return false;
        }
        scan->depth--;
    }
    return true;
}

bool web_is_json(struct text text)
{
    struct scan scan = { .at = text.at, .end = text.at + text.size };
    bool ends = false;
    bool more = true;
    if (!text_is_present(text) || !text_is_utf8(text)) {
        return false;
    }
    while (more) {
        if (!begin_value(&scan, &ends) || (ends && !end_value(&scan, &more))) {
            return false;
        }
    }
    skip_space(&scan);
    return scan.at == scan.end;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* How many bytes from here make one character; 0: none do. */
static size_t character(const char *at, size_t left)
{
    unsigned char c = (unsigned char)at[0];
    size_t size = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return size <= left && text_is_utf8(text_make(at, size)) ? size : 0;
}

static void put_escaped(struct buffer *json, char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(plain, c) : NULL;
    if (found != NULL) {
        const char pair[] = { '\\', letters[found - plain] };
        buffer_add(json, pair, 2);
    } else {
        buffer_printf(json, "\\u%04x", (unsigned)(unsigned char)c);
    }
}

void web_put_string(struct buffer *json, struct text text)
{
    bool is_clean = text_is_utf8(text);
    buffer_add_byte(json, '"');
    for (size_t i = 0; i < text.size;) {
        size_t from = i;
        while (i < text.size && (unsigned char)text.at[i] >= 0x20 && text.at[i] != '"' &&
               text.at[i] != '\\' && (is_clean || (unsigned char)text.at[i] < 0x80)) {
            i++;
        }
        buffer_add(json, text.at + from, i - from);
        if (i == text.size) {
            break;
        }
        size_t size = (unsigned char)text.at[i] < 0x80 ? 0 : character(text.at + i, text.size - i);
        if ((unsigned char)text.at[i] < 0x80) {
            put_escaped(json, text.at[i++]);
        } else if (size != 0) {
            buffer_add(json, text.at + i, size);
            i += size;
        } else {
            buffer_add_text(json, TEXT("\xef\xbf\xbd"));
            i++;
        }
    }
    buffer_add_byte(json, '"');
}

void web_put_text(struct buffer *json, struct text text)
{
    if (text_is_present(text)) {
        web_put_string(json, text);
    } else {
        buffer_add_text(json, TEXT("null"));
    }
}

void web_put_payload(struct buffer *json, struct text payload)
{
    if (web_is_json(payload)) {
        buffer_add_text(json, payload);
    } else {
        web_put_text(json, payload);
    }
}

void web_put_name(struct buffer *json, const char *name)
{
    uint8_t last = json->size != 0 ? json->at[json->size - 1] : '{';
    if (last != '{' && last != '[') {
        buffer_add_byte(json, ',');
    }
    buffer_printf(json, "\"%s\":", name);
}

void web_put_time(struct buffer *json, time_us at, bool with_fraction)
{
    char text[32];
    time_format(at, text);
    size_t size = strcspn(text, ".");
    if (with_fraction && text[size] == '.') {
        size_t end = size + strspn(text + size, ".0123456789");
        while (text[end - 1] == '0') {
            end--;
        }
        size = text[end - 1] == '.' ? end - 1 : end;
    }
    buffer_printf(json, "\"%.*sZ\"", (int)size, text);
}
