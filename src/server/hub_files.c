/* SPDX-License-Identifier: MIT
 *
 * The files of hubs. That of the default hub is the one of --store; that of another one, NAME, is
 * FILE.NAME.db beside it, its name percent-encoded. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/hubs_priv.h"

static bool is_memory(const struct config *config)
{
    return strncmp(config->store, "memory:", 7) == 0;
}

static void add_encoded(struct buffer *url, const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        buffer_printf(url, is_plain ? "%c" : "%%%02X", c);
    }
}

void hub_write_url(const struct hub *hub, struct buffer *url, bool only_file)
{
    const struct config *config = hub->server->config;
    size_t size = strcspn(config->store, "?");
    size_t scheme = strcspn(config->store, ":") + 1;
    size_t from = only_file ? scheme : 0;
    buffer_add(url, config->store + from, size - from);
    if (strcmp(hub->name, config->hub) != 0 && !is_memory(config)) {
        buffer_add_byte(url, '.');
        add_encoded(url, hub->name);
        buffer_printf(url, ".db");
    }
    if (!only_file) {
        buffer_printf(url, "%s", config->store + size);
    }
    buffer_add_byte(url, '\0');
}

bool hub_has_file(const struct hub *hub)
{
    struct buffer file;
    buffer_init(&file);
    hub_write_url(hub, &file, true);
    bool has = !is_memory(hub->server->config) && access((const char *)file.at, F_OK) == 0;
    buffer_done(&file);
    return has;
}

pd_status hub_probe(const struct hub *hub, pd_error *err)
{
    struct buffer url;
    if (hub->server->config->is_store_default && !hub_has_file(hub)) {
        return PD_OK; /* a start makes its folder too */
    }
    buffer_init(&url);
    hub_write_url(hub, &url, false);
    pd_status status = store_probe((const char *)url.at, err);
    buffer_done(&url);
    return status;
}

void hub_sizes(const struct hub *hub, uint64_t *ret_file, uint64_t *ret_wal)
{
    uint64_t *const sizes[] = { ret_file, ret_wal };
    struct buffer file;
    buffer_init(&file);
    for (size_t i = 0; i < 2; i++) {
        struct stat of;
        buffer_reset(&file);
        hub_write_url(hub, &file, true);
        file.size--;
        buffer_add(&file, "-wal", i * 4);
        buffer_add_byte(&file, '\0');
        bool is_there = !is_memory(hub->server->config) && stat((const char *)file.at, &of) == 0;
        *sizes[i] = is_there ? (uint64_t)of.st_size : 0;
    }
    buffer_done(&file);
}

void hub_remove_files(const struct hub *hub)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    struct buffer file;
    buffer_init(&file);
    for (size_t i = 0; !is_memory(hub->server->config) && i < 3; i++) {
        buffer_reset(&file);
        hub_write_url(hub, &file, true);
        file.size--;
        buffer_printf(&file, "%s", ends[i]);
        buffer_add_byte(&file, '\0');
        (void)unlink((const char *)file.at);
    }
    buffer_done(&file);
}
