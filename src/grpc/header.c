/* SPDX-License-Identifier: MIT
 *
 * Time-outs and texts of statuses (header.h). */
#include <stdio.h>

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
