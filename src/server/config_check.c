/* SPDX-License-Identifier: MIT
 *
 * What settings have to do with each other: above all, who can reach what without being known (C3).
 */
#include <string.h>

#include "base/error.h"
#include "base/network.h"
#include "net/h2.h"
#include "net/http_page.h"
#include "server/config_priv.h"
#include "store/store.h"

static const char where[] = "config";

bool config_is_loopback(const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon != NULL ? (size_t)(colon - address) : strlen(address);
    static const char *const names[] = { "localhost", "[::1]", "::1" };
    if (strncmp(address, "unix:", 5) == 0 || strncmp(address, "fd:", 3) == 0) {
        return true; /* of a socket that is handed over, its own address is looked at */
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == size && strncmp(address, names[i], size) == 0) {
            return true;
        }
    }
    return strncmp(address, "127.", 4) == 0 && strspn(address, "0123456789.") == size;
}

pd_status config_may_listen(const struct config *config, const char *name, const char *address,
                            pd_error *err)
{
    bool knows_clients = config->tokens != NULL || config->tls_client_ca != NULL;
    bool is_safe = config->tls_cert != NULL && knows_clients;
    if (config_is_loopback(address) || is_safe || config->insecure_listen) {
        return PD_OK;
    }
    return error_set(err, PD_E_INVALID, false, where,
                     "others can reach %s %.60s: that wants --tls-cert and --tokens (or "
                     "--tls-client-ca), or --insecure-listen=yes",
                     name, address);
}

static pd_status check_hub_name(const char *name, pd_error *err)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        if (name[i] < 0x20 || name[i] > 0x7e) {
            size = 0;
        }
    }
    return size != 0 && size <= 100
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, where,
                           "hub '%.100s': a name has 1 to 100 printable ASCII characters", name);
}

/* First whether it is an address: what is none is not one of others, either. */
static pd_status check_address(const struct config *config, const char *name, const char *address,
                               pd_error *err)
{
    pd_error why;
    if (h2_check_address(address, &why) != PD_OK) {
        return error_set(err, PD_E_INVALID, false, where, "%s: %s", name, why.text);
    }
    return config_may_listen(config, name, address, err);
}

/* The same twice: the second could not be listened on. Of port 0 each is another. */
static pd_status check_apart(const char *name, const char *address, const char *other,
                             pd_error *err)
{
    size_t size = strlen(address);
    bool is_any = size >= 2 && strcmp(address + size - 2, ":0") == 0;
    return is_any || strcmp(address, other) != 0
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, where, "%s %.100s: it is there twice", name,
                           address);
}

static pd_status check_addresses(const struct config *config, pd_error *err)
{
    const struct config_list *listen = &config->listen;
    pd_status status = PD_OK;
    for (size_t i = 0; status == PD_OK && i < listen->count; i++) {
        status = check_address(config, "--listen", listen->items[i], err);
        for (size_t j = 0; status == PD_OK && j < i; j++) {
            status = check_apart("--listen", listen->items[i], listen->items[j], err);
        }
    }
    if (status == PD_OK && config->http[0] != '\0') {
        /* Health needs no authentication; metrics ask for the token, where there are any. */
        status = check_address(config, "--http", config->http, err);
        for (size_t i = 0; status == PD_OK && i < listen->count; i++) {
            status = check_apart("--http", config->http, listen->items[i], err);
        }
    }
    return status;
}

/* What links begin with: a scheme, a host, perhaps a path. */
static pd_status check_public_url(const char *url, pd_error *err)
{
    const char *host = url == NULL                        ? NULL
                       : strncmp(url, "http://", 7) == 0  ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : "";
    if (url == NULL) {
        return PD_OK;
    }
    size_t size = strcspn(host, "/");
    bool is_plain =
        http_is_authority(text_make(host, size)) && strcspn(host, "?#@\\\" <>") == strlen(host);
    for (const char *at = host; *at != '\0'; at++) {
        is_plain &= *at > 0x20 && *at < 0x7f;
    }
    return is_plain ? PD_OK
                    : error_set(err, PD_E_INVALID, false, where,
                                "--public-url '%.100s': write http(s)://host[:port][/prefix]", url);
}

static pd_status check_networks(const char *networks, pd_error *err)
{
    size_t unwanted;
    pd_error why;
    return network_check_list(networks, &unwanted, &why) == PD_OK
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, where, "--http-allow: %s", why.text);
}

pd_status config_check(const struct config *config, pd_error *err)
{
    if (config->store == NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "where is the store? Pass --store=sqlite:FILE");
    }
    if (store_check_url(config->store, err) != PD_OK) {
        return PD_E_INVALID;
    }
    if ((config->tls_cert == NULL) != (config->tls_key == NULL)) {
        return error_set(err, PD_E_INVALID, false, where, "--tls-cert and --tls-key go together");
    }
    if (config->tls_client_ca != NULL && config->tls_cert == NULL) {
        return error_set(err, PD_E_INVALID, false, where, "--tls-client-ca wants --tls-cert");
    }
    pd_status status = check_hub_name(config->hub, err);
    if (status == PD_OK) {
        status = check_networks(config->http_allow, err);
    }
    for (size_t i = 0; status == PD_OK && i < config->hubs.count; i++) {
        status = check_hub_name(config->hubs.items[i], err);
    }
    if (status == PD_OK) {
        status = check_addresses(config, err);
    }
    if (status == PD_OK) {
        status = check_public_url(config->public_url, err);
    }
    return status;
}

/* ---- other settings than before -------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_same(const struct setting *s, const struct config *a, const struct config *b)
{
    const void *x = (const char *)a + s->offset;
    const void *y = (const char *)b + s->offset;
    switch (s->kind) {
    case KIND_SWITCH: return true;
    case KIND_FLAG: return *(const bool *)x == *(const bool *)y;
    case KIND_TEXT: return is_same_text(*(const char *const *)x, *(const char *const *)y);
    case KIND_LIST: {
        const struct config_list *p = x;
        const struct config_list *q = y;
        bool same = p->count == q->count;
        for (size_t i = 0; same && i < p->count; i++) {
            same = is_same_text(p->items[i], q->items[i]);
        }
        return same;
    }
    case KIND_NUMBER:
    case KIND_TIME:
    case KIND_SIZE:
    case KIND_CHOICE: return *(const int64_t *)x == *(const int64_t *)y;
    }
    return true;
}

const char *config_next_stuck(const struct config *a, const struct config *b, size_t *cursor)
{
    while (*cursor < setting_count()) {
        const struct setting *s = setting_at((*cursor)++);
        if (!s->is_live && !is_same(s, a, b)) {
            return s->name;
        }
    }
    return NULL;
}
