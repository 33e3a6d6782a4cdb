/* SPDX-License-Identifier: MIT
 *
 * A list of networks, read. */
#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "base/network.h"

enum { WORD_MAX = 64 };

/* Decimal, without a sign; one above `most`: it is none, or more. */
static unsigned read_bits(const char *digits, unsigned most)
{
    unsigned bits = 0;
    for (const char *at = digits; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || bits > most) {
            return most + 1;
        }
        bits = bits * 10 + (unsigned)(*at - '0');
    }
    return digits[0] != '\0' ? bits : most + 1;
}

bool network_next(struct text *list, struct network *ret)
{
    char word[WORD_MAX] = "";
    const char *comma = list->size != 0 ? memchr(list->at, ',', list->size) : NULL;
    size_t size = comma != NULL ? (size_t)(comma - list->at) : list->size;
    if (size < sizeof word) {
        memcpy(word, list->at, size);
    }
    size_t skipped = size + (comma != NULL);
    *list = text_make(list->at + skipped, list->size - skipped);
    char *slash = strchr(word, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    *ret = (struct network){ .family = strchr(word, ':') != NULL ? AF_INET6 : AF_INET };
    unsigned most = ret->family == AF_INET6 ? 128 : 32;
    ret->bits = slash != NULL ? read_bits(slash + 1, most) : most;
    return ret->bits <= most && inet_pton(ret->family, word, ret->address) == 1;
}

pd_status network_check_list(const char *list, size_t *ret_count, pd_error *err)
{
    struct text rest = list != NULL ? text_of(list) : TEXT("");
    struct network unwanted;
    *ret_count = 0;
    if (rest.size == 0 || text_equal(rest, TEXT("private"))) {
        return PD_OK;
    }
    for (bool goes_on = true; goes_on; ++*ret_count) {
        struct text word = rest;
        if (!network_next(&rest, &unwanted)) {
            size_t size = strcspn(word.at, ",");
            return error_set(err, PD_E_INVALID, false, "networks",
                             "'%.*s' is no network; write private, or 10.0.0.0/8,::1", (int)size,
                             word.at);
        }
        goes_on = rest.at[-1] == ',';
    }
    return PD_OK;
}
