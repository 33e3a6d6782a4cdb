/* SPDX-License-Identifier: MIT
 *
 * perdured --check: would a start with this configuration succeed, and mean what it says?
 *
 * What a value alone can say is looked at when it is read (config.c, config_check.c), files of
 * certificates, tokens and webhooks as at every start (security.c). Here is what a start would find
 * out by doing: whether hubs could be opened, and addresses listened on.
 *
 *   Q1  Nothing is made, opened to be used, or held: a server may run with the same configuration
 *       meanwhile, and it is fine that it does.
 *   Q2  What a start would make (files; the folder of a store that nobody named) is not missed. */
#include <string.h>

#include "net/h2.h"
#include "server/server_priv.h"

static const char *name_of(const struct config *config, size_t index)
{
    return index == 0 ? config->hub : config->hubs.items[index - 1];
}

static bool is_named_before(const struct config *config, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(name_of(config, i), name_of(config, index)) == 0) {
            return true;
        }
    }
    return false;
}

static pd_status check_hubs(struct server *server, pd_error *err)
{
    const struct config *config = server->config;
    pd_status status = PD_OK;
    size_t count = 0;
    for (size_t i = 0; status == PD_OK && i <= config->hubs.count; i++) {
        enum grpc_status unwanted;
        char text[256];
        count += !is_named_before(config, i);
        if (count > HUBS_MAX) {
            return error_set(err, PD_E_LIMIT, false, "server",
                             "at most %d task hubs may be open, the default one included",
                             HUBS_MAX);
        }
        const struct hub *hub = hub_find(server, text_of(name_of(config, i)), &unwanted, text);
        status = hub != NULL ? hub_probe(hub, err)
                             : error_set(err, PD_E_INVALID, false, "server", "%s", text);
    }
    return status;
}

static pd_status check_address(const char *name, const char *address, pd_error *err)
{
    pd_error why;
    return h2_probe_address(address, &why) == PD_OK
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, "config", "%s: %s", name, why.text);
}

pd_status server_check(struct server *server, pd_error *err)
{
    const struct config *config = server->config;
    pd_status status = check_hubs(server, err);
    for (size_t i = 0; status == PD_OK && i < config->listen.count; i++) {
        status = check_address("--listen", config->listen.items[i], err);
    }
    if (status == PD_OK && config->http[0] != '\0') {
        status = check_address("--http", config->http, err);
    }
    return status;
}
