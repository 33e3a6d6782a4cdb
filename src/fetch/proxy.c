/* SPDX-License-Identifier: MIT
 *
 * Proxies, as the environment names them: https_proxy, http_proxy, all_proxy, no_proxy.
 *
 * They are read here and not by libcurl, since the guard has to know who is connected to. The proxy
 * is the operator's, and may be anywhere. It looks for names by itself, so what a name leads to is
 * for the proxy to judge; an address is refused here, as it would be without a proxy. What no_proxy
 * names is connected to directly, and judged as everything else is. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/fetch_priv.h"

static const char *variable(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    value = value == NULL && upper != NULL ? getenv(upper) : value;
    return value != NULL && *value != '\0' ? value : NULL;
}

/* "a.example", ".example", "*". More than that, networks for example, goes through the proxy. */
static bool is_exempt(const char *list, const char *host)
{
    size_t length = strlen(host);
    for (list += strspn(list, ", \t."); *list != '\0'; list += strspn(list, ", \t.")) {
        size_t size = strcspn(list, ", \t");
        bool is_all = size == 1 && *list == '*';
        bool is_its_end = size <= length && strncasecmp(host + length - size, list, size) == 0 &&
                          (size == length || host[length - size - 1] == '.');
        if (is_all || is_its_end) {
            return true;
        }
        list += size;
    }
    return false;
}

static const char *named(const char *scheme)
{
    /* Not HTTP_PROXY: where a program is run by a web server, that is a header of whoever asks. */
    const char *proxy = strcmp(scheme, "https") == 0 ? variable("https_proxy", "HTTPS_PROXY")
                                                     : variable("http_proxy", NULL);
    return proxy != NULL ? proxy : variable("all_proxy", "ALL_PROXY");
}

bool proxy_find(struct fetch *fetch)
{
    char *scheme = NULL, *host = NULL;
    bool is_allowed = true;
    fetch->proxy = NULL;
    if (curl_url_get(fetch->url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(fetch->url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        const char *proxy = named(scheme), *exempt = variable("no_proxy", "NO_PROXY");
        if (proxy != NULL && (exempt == NULL || !is_exempt(exempt, host))) {
            fetch->proxy = text_copy(&fetch->arena, text_of(proxy)).at;
            is_allowed = guard_allows_host(&fetch->fetcher->guard, host);
        }
    }
    curl_free(scheme);
    curl_free(host);
    return is_allowed;
}
