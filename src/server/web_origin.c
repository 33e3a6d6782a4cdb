/* SPDX-License-Identifier: MIT
 *
 * Where clients find us: what links begin with (M4).
 *
 *   O1  --public-url, if there is one, is what holds, whatever a request says.
 *   O2  With --trust-forwarded what the proxy before us says: Forwarded, else X-Forwarded-Proto,
 *       -Host and -Prefix, each for itself. Without it these are anybody's, and not looked at.
 *   O3  Else the Host of the request, which has to be one.
 *
 * And who might be talking through a browser, where no key says who asks (web_caller.c, A3):
 *
 *   O4  What a page of another origin than ours asks is refused (http_page.h, B1). Ours is what the
 *       request names as its Host, what a trusted proxy says that it did, or --public-url.
 *   O5  Where nobody is asked for anything, and only this machine can reach us, the Host is looked
 *       at, too (B2). Who trusts what a proxy says, or listens for others without keys, has decided
 *       otherwise. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net/http_page.h"
#include "server/web.h"

static bool is_name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

/* ---- what proxies say, O2 ------------------------------------------------------------------- */

static struct text trim(struct text text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text = text_make(text.at + 1, text.size - 1);
    }
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* Up to a byte, which is taken too, and is not within quotes. */
static struct text take_until(struct text *rest, char end)
{
    bool is_quoted = false;
    size_t size = 0;
    while (size < rest->size && (is_quoted || rest->at[size] != end)) {
        is_quoted ^= rest->at[size++] == '"';
    }
    struct text part = text_make(rest->at, size);
    size += size < rest->size;
    *rest = text_make(rest->at + size, rest->size - size);
    return trim(part);
}

/* Of "for=...;host=...;proto=..., for=..." the first element's. */
static struct text forwarded(struct text header, const char *name)
{
    struct text element = take_until(&header, ',');
    size_t size = strlen(name);
    while (element.size > 0) {
        struct text pair = take_until(&element, ';');
        if (pair.size > size && strncasecmp(pair.at, name, size) == 0 && pair.at[size] == '=') {
            struct text value = text_make(pair.at + size + 1, pair.size - size - 1);
            bool is_quoted =
                value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"';
            return is_quoted ? text_make(value.at + 1, value.size - 2) : value;
        }
    }
    return TEXT_ABSENT;
}

static struct text first_of(struct text header)
{
    return text_is_present(header) ? take_until(&header, ',') : header;
}

struct place {
    struct text scheme, authority, prefix;
};

static void hear_proxy(const struct http_request *http, struct place *place)
{
    struct text all = http_header(http, "Forwarded");
    struct text host = forwarded(all, "host");
    struct text scheme = forwarded(all, "proto");
    struct text prefix = first_of(http_header(http, "X-Forwarded-Prefix"));
    if (!text_is_present(all)) {
        host = first_of(http_header(http, "X-Forwarded-Host"));
        scheme = first_of(http_header(http, "X-Forwarded-Proto"));
    }
    if (http_is_authority(host)) {
        place->authority = host;
    }
    if (scheme.size == 5 && strncasecmp(scheme.at, "https", 5) == 0) {
        place->scheme = TEXT("https");
    } else if (scheme.size == 4 && strncasecmp(scheme.at, "http", 4) == 0) {
        place->scheme = TEXT("http");
    }
    bool is_path = prefix.size > 1 && prefix.at[0] == '/';
    for (size_t i = 0; is_path && i < prefix.size; i++) {
        is_path = is_name_byte(prefix.at[i]) || prefix.at[i] == '/' || prefix.at[i] == '~';
    }
    if (is_path) {
        prefix.size -= prefix.at[prefix.size - 1] == '/';
        place->prefix = prefix;
    }
}

/* ---- pages, O4 and O5 ----------------------------------------------------------------------- */

static bool is_page_ours(const struct config *config, const struct http_request *http,
                         struct text origin)
{
    struct place place = { .authority = http_header(http, "Host") };
    if (config->trust_forwarded) {
        hear_proxy(http, &place);
    }
    return http_is_page_ours(origin, place.authority, config->public_url);
}

bool web_may_ask(const struct server *server, const struct http_request *http,
                 const struct web_caller *caller, char why[256])
{
    const struct config *config = server->config;
    struct text origin = http_header(http, "Origin");
    bool is_open = server->tokens == NULL && config->tls_client_ca == NULL &&
                   !config->insecure_listen && !config->trust_forwarded;
    if (is_open && !http_is_host_ours(http_header(http, "Host"), config->public_url)) {
        snprintf(why, 256,
                 "the Host of the request is neither an address nor localhost: --public-url or "
                 "--tokens is needed");
        return false;
    }
    if (!caller->is_known_by_key && text_is_present(origin) &&
        !is_page_ours(config, http, origin)) {
        snprintf(why, 256, "a page of another origin may not ask this without a key");
        return false;
    }
    return true;
}

/* ---- where we are --------------------------------------------------------------------------- */

bool web_find_origin(struct rpc *rpc, struct text *ret, char why[256])
{
    const struct config *config = rpc->server->config;
    const struct http_request *http = rpc->web->http;
    struct text host = http_header(http, "Host");
    struct text own = text_of(http_listener_address(rpc->server->http));
    struct place place = {
        .scheme = rpc->server->http_tls != NULL ? TEXT("https") : TEXT("http"),
        .authority = host.size != 0           ? host
                     : http_is_authority(own) ? own
                                              : TEXT("localhost"),
        .prefix = TEXT(""),
    };
    if (!http_is_authority(place.authority)) {
        snprintf(why, 256, "the Host of the request is none");
        return false;
    }
    if (config->public_url != NULL) {
        *ret = text_of(config->public_url);
        while (ret->size > 0 && ret->at[ret->size - 1] == '/') {
            ret->size--;
        }
        return true;
    }
    if (config->trust_forwarded) {
        hear_proxy(http, &place);
    }
    *ret = text_of(arena_printf(&rpc->arena, "%.*s://%.*s%.*s", TEXT_ARGS(place.scheme),
                                TEXT_ARGS(place.authority), TEXT_ARGS(place.prefix)));
    return true;
}
