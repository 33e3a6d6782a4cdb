/* SPDX-License-Identifier: MIT
 *
 * See http_page.h. */
#include "net/http_page.h"

#include <string.h>
#include <strings.h>

static bool is_name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

/* How much of it is the host; 0: it is none. */
static size_t host_size(struct text authority)
{
    size_t size = 0;
    if (authority.size > 2 && authority.at[0] == '[') {
        const char *end = memchr(authority.at, ']', authority.size);
        size = end != NULL ? (size_t)(end - authority.at) + 1 : 0;
        for (size_t i = 1; i + 1 < size; i++) {
            char c = authority.at[i];
            bool is_hex =
                (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
            size = is_hex || c == ':' || c == '.' ? size : 0;
        }
        return size > 2 ? size : 0;
    }
    while (size < authority.size && is_name_byte(authority.at[size])) {
        size++;
    }
    return size;
}

bool http_is_authority(struct text authority)
{
    size_t size = host_size(authority);
    if (size == 0 || size > 255) {
        return false;
    }
    if (size == authority.size) {
        return true;
    }
    size_t digits = authority.size - size - 1;
    unsigned port = 0;
    for (size_t i = size + 1; i < authority.size && digits <= 5; i++) {
        char c = authority.at[i];
        if (c < '0' || c > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(c - '0');
    }
    return authority.at[size] == ':' && digits >= 1 && digits <= 5 && port <= 65535;
}

/* An address, or localhost: nobody else decides where that leads. */
static bool is_fixed(struct text authority)
{
    size_t size = host_size(authority);
    static const char name[] = "localhost";
    bool is_number = http_is_authority(authority);
    for (size_t i = 0; i < size && authority.at[0] != '['; i++) {
        is_number &= authority.at[i] == '.' || (authority.at[i] >= '0' && authority.at[i] <= '9');
    }
    return is_number || (http_is_authority(authority) && size == sizeof name - 1 &&
                         strncasecmp(authority.at, name, size) == 0);
}

/* Of a URL: between its scheme and its path. Absent: it has no scheme. */
static struct text authority_of(struct text url)
{
    const char *at = url.size != 0 ? memmem(url.at, url.size, "://", 3) : NULL;
    if (at == NULL) {
        return TEXT_ABSENT;
    }
    size_t left = url.size - (size_t)(at + 3 - url.at);
    const char *end = memchr(at + 3, '/', left);
    return text_make(at + 3, end != NULL ? (size_t)(end - at) - 3 : left);
}

static bool is_same(struct text a, struct text b)
{
    return a.size != 0 && a.size == b.size && strncasecmp(a.at, b.at, a.size) == 0;
}

bool http_is_page_ours(struct text origin, struct text host, const char *public_url)
{
    struct text page = authority_of(origin);
    return is_same(page, host) || is_same(page, authority_of(text_of(public_url)));
}

bool http_is_host_ours(struct text host, const char *public_url)
{
    struct text published = authority_of(text_of(public_url));
    bool is_plain =
        text_is_present(published) && host.size != 0 && memchr(host.at, '.', host.size) == NULL;
    return host.size == 0 || is_fixed(host) || is_plain || is_same(host, published);
}
