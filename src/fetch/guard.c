/* SPDX-License-Identifier: MIT
 *
 * The guard: whom a request may be made to.
 *
 * An orchestration's URL, and what a server redirects to, are words of somebody who may want us to
 * speak to what only we can reach: this machine, its network, the metadata of a cloud. So only
 * addresses of the public Internet are allowed, but for networks that the operator names. It is
 * asked about the address that a socket is about to connect to: no spelling of a name gets around
 * that, and no name that means one thing when it is judged and another when it is used.
 *
 *   W1  What is not known to be public is refused.
 *   W2  An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is judged as that one.
 *       A network that is allowed is compared with the address as it was, and as it stands for. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/memory.h"
#include "fetch/fetch_priv.h"

/* ---- what is not public ---------------------------------------------------------------------- */

struct range {
    unsigned char address[16];
    unsigned bits;
};

static const struct range not_public4[] = {
    { { 0 }, 8 },
    { { 10 }, 8 },
    { { 100, 64 }, 10 },
    { { 127 }, 8 },
    { { 168, 63, 129, 16 }, 32 }, /* of each machine of Azure, like 169.254.169.254 */
    { { 169, 254 }, 16 },
    { { 172, 16 }, 12 },
    { { 192, 0, 0 }, 24 },
    { { 192, 0, 2 }, 24 },
    { { 192, 88, 99 }, 24 },
    { { 192, 168 }, 16 },
    { { 198, 18 }, 15 },
    { { 198, 51, 100 }, 24 },
    { { 203, 0, 113 }, 24 },
    { { 224 }, 4 },
    { { 240 }, 4 },
};

/* 2000::/3 is where public ones are; of these not: */
static const struct range not_public6[] = {
    { { 0x20, 0x01, 0x00 }, 23 },       /* protocols: Teredo, ORCHID, benchmarks */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
    { { 0x3f, 0xff }, 20 },             /* documentation */
};

static bool is_within(const unsigned char *address, const unsigned char *network, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(address, network, whole) != 0) {
        return false;
    }
    unsigned mask = rest != 0 ? 0xffu << (8 - rest) & 0xffu : 0;
    return ((address[whole < 16 ? whole : 15] ^ network[whole < 16 ? whole : 15]) & mask) == 0;
}

static bool is_in_any(const unsigned char *address, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_within(address, ranges[i].address, ranges[i].bits)) {
            return true;
        }
    }
    return false;
}

static bool is_public4(const unsigned char *address)
{
    unsigned char padded[16] = { 0 };
    memcpy(padded, address, 4);
    return !is_in_any(padded, not_public4, sizeof not_public4 / sizeof not_public4[0]);
}

/* W2. NULL: it stands for none. */
static const unsigned char *stands_for(const unsigned char *address)
{
    static const unsigned char mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    static const unsigned char nat64[16] = { 0x00, 0x64, 0xff, 0x9b };
    if (is_within(address, mapped, 96) || is_within(address, nat64, 96)) {
        return address + 12;
    }
    return address[0] == 0x20 && address[1] == 0x02 ? address + 2 : NULL;
}

static bool is_public6(const unsigned char *address)
{
    const unsigned char *other = stands_for(address);
    if (other != NULL) {
        return is_public4(other);
    }
    return (address[0] & 0xe0) == 0x20 &&
           !is_in_any(address, not_public6, sizeof not_public6 / sizeof not_public6[0]);
}

/* ---- what is allowed ------------------------------------------------------------------------- */

static bool is_named(const struct guard *guard, int family, const unsigned char *address)
{
    for (size_t i = 0; i < guard->count; i++) {
        const struct network *network = &guard->networks[i];
        unsigned char padded[16] = { 0 };
        memcpy(padded, address, family == AF_INET ? 4 : 16);
        if (network->family == family && is_within(padded, network->address, network->bits)) {
            return true;
        }
    }
    return false;
}

bool guard_allows(const struct guard *guard, const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        const unsigned char *at = (const unsigned char *)&in.sin_addr;
        return guard->allows_all || is_public4(at) || is_named(guard, AF_INET, at);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        const unsigned char *at = (const unsigned char *)&in.sin6_addr;
        const unsigned char *other = stands_for(at);
        return guard->allows_all || is_public6(at) || is_named(guard, AF_INET6, at) ||
               (other != NULL && is_named(guard, AF_INET, other));
    }
    return false; /* W1 */
}

static bool ends_in(const char *host, size_t size, const char *name)
{
    size_t length = strlen(name);
    return size >= length && strncasecmp(host + size - length, name, length) == 0 &&
           (size == length || host[size - length - 1] == '.');
}

bool guard_allows_host(const struct guard *guard, const char *host)
{
    char bare[64] = "";
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    size_t size = strlen(host);
    while (size > 0 && host[size - 1] == '.') {
        size--;
    }
    bool is_ours = ends_in(host, size, "localhost") || ends_in(host, size, "internal") ||
                   ends_in(host, size, "local");
    if (guard->allows_all || is_ours) {
        return guard->allows_all;
    }
    const char *from = host[0] == '[' ? host + 1 : host;
    size_t inner = host[0] == '[' ? strcspn(from, "]%") : size;
    if (inner >= sizeof bare) {
        return true; /* longer than any address */
    }
    memcpy(bare, from, inner);
    if (inet_aton(bare, &in.sin_addr) != 0) { /* 127.1 and 0x7f000001, too */
        return guard_allows(guard, (const struct sockaddr *)&in);
    }
    return inet_pton(AF_INET6, bare, &in6.sin6_addr) != 1 ||
           guard_allows(guard, (const struct sockaddr *)&in6);
}

pd_status guard_init(struct guard *guard, const char *allow, pd_error *err)
{
    size_t count;
    *guard = (struct guard){ 0 };
    if (network_check_list(allow, &count, err) != PD_OK) {
        return err->status;
    }
    guard->allows_all = allow != NULL && strcmp(allow, "private") == 0;
    if (count != 0) {
        struct text rest = text_of(allow);
        guard->networks = mem_alloc(count * sizeof *guard->networks);
        while (guard->count < count) {
            bool is_one = network_next(&rest, &guard->networks[guard->count++]);
            assert_that(is_one);
        }
    }
    return PD_OK;
}

void guard_done(struct guard *guard)
{
    mem_free(guard->networks);
    guard->networks = NULL;
    guard->count = 0;
}
