/* SPDX-License-Identifier: MIT
 *
 * Time-outs, texts of statuses and their details (header.h). */
#include <stdio.h>
#include <string.h>

#include "grpc/header.h"

static const struct {
    char unit;
    int64_t us; /* 0: less than one */
} units[] = { { 'n', 0 },       { 'u', 1 },        { 'm', 1000 },
              { 'S', 1000000 }, { 'M', 60000000 }, { 'H', 3600000000 } };
enum { UNITS = sizeof units / sizeof units[0] };

bool header_parse_timeout(struct text t, int64_t *ret_us)
{
    int64_t number = 0;
    if (t.size < 2 || t.size > 9) {
        return false;
    }
    for (size_t i = 0; i < t.size - 1; i++) {
        if (t.at[i] < '0' || t.at[i] > '9') {
            return false;
        }
        number = number * 10 + (t.at[i] - '0');
    }
    for (size_t i = 0; i < UNITS; i++) {
        if (t.at[t.size - 1] == units[i].unit) {
            *ret_us = units[i].us != 0 ? number * units[i].us : (number + 999) / 1000;
            return true;
        }
    }
    return false;
}

int header_format_timeout(int64_t us, char out[16])
{
    for (size_t i = 1; i < UNITS; i++) {
        int64_t number = us / units[i].us + (us % units[i].us != 0 ? 1 : 0);
        if (number <= 99999999) {
            return snprintf(out, 16, "%lld%c", (long long)number, units[i].unit);
        }
    }
    return snprintf(out, 16, "99999999H");
}

void header_encode(struct buffer *into, struct text t)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < t.size; i++) {
        unsigned char c = (unsigned char)t.at[i];
        bool is_edge = i == 0 || i + 1 == t.size;
        if (c >= 0x20 && c <= 0x7e && c != '%' && !(c == ' ' && is_edge)) {
            buffer_add_byte(into, c);
        } else {
            buffer_add_byte(into, '%');
            buffer_add_byte(into, (uint8_t)digits[c >> 4]);
            buffer_add_byte(into, (uint8_t)digits[c & 15]);
        }
    }
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void header_decode(struct buffer *into, struct text t)
{
    for (size_t i = 0; i < t.size; i++) {
        int high = t.at[i] == '%' && i + 2 < t.size ? digit(t.at[i + 1]) : -1;
        int low = high >= 0 ? digit(t.at[i + 2]) : -1;
        if (low >= 0) {
            buffer_add_byte(into, (uint8_t)(high * 16 + low));
            i += 2;
        } else {
            buffer_add_byte(into, (uint8_t)t.at[i]);
        }
    }
}

/* Three bytes are four characters; what is left over at the end fewer. */
static void add_base64(struct buffer *into, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i < 3 ? size - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes[i + 2] : 0;
        for (size_t k = 0; k <= left; k++) {
            buffer_add_byte(into, (uint8_t)digits[group >> (18 - 6 * k) & 63]);
        }
    }
}

bool header_encode_details(struct buffer *into, uint32_t code, struct text message)
{
    uint8_t head[5] = { 0x08, (uint8_t)code, 0x12 }; /* code: 1, message: 2 */
    uint8_t all[sizeof head + HEADER_DETAILS_MAX];
    size_t size = 3;
    if (code > 127 || message.size > HEADER_DETAILS_MAX || !text_is_utf8(message)) {
        return false;
    }
    if (message.size > 127) {
        head[size++] = (uint8_t)(message.size | 0x80);
        head[size++] = (uint8_t)(message.size >> 7);
    } else {
        head[size++] = (uint8_t)message.size;
    }
    memcpy(all, head, size);
    memcpy(all + size, message.at, message.size);
    add_base64(into, all, size + message.size);
    return true;
}
