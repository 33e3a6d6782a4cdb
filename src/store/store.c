/* SPDX-License-Identifier: MIT
 *
 * From a URL to the provider that keeps it. */
#include "store/store.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "store/mem/mem.h"
#include "store/sqlite/sqlite.h"

static const char where[] = "store: open";

/* "partitions=N" or nothing. */
static pd_status read_options(const char *options, unsigned *ret, pd_error *err)
{
    static const char key[] = "partitions=";
    unsigned number = 0;
    if (strncmp(options, key, sizeof key - 1) != 0) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%s' is not an option of a store; there is partitions=N", options);
    }
    const char *digits = options + sizeof key - 1;
    size_t count = strspn(digits, "0123456789");
    for (size_t i = 0; i < count && number <= LIMIT_PARTITIONS; i++) {
        number = number * 10 + (unsigned)(digits[i] - '0');
    }
    if (count == 0 || digits[count] != '\0' || number == 0 || number > LIMIT_PARTITIONS) {
        return error_set(err, PD_E_INVALID, false, where, "partitions='%s': 1 to %d are possible",
                         digits, LIMIT_PARTITIONS);
    }
    *ret = number;
    return PD_OK;
}

static char *copy_of(const char *at, size_t size)
{
    char *copy = mem_alloc(size + 1);
    memcpy(copy, at, size);
    return copy;
}

/* A path, or the address of a server as an SDK has it: nearly every first attempt is one of them,
 * so they are told what to write. */
static pd_status not_a_store(const char *url, const char *from, const char *forms, pd_error *err)
{
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
    size_t name = strcspn(host, ":/");
    size_t port = host[name] == ':' ? strspn(host + name + 1, "0123456789") : 0;
    bool is_address = name > 0 && port > 0 && strchr("/?", host[name + 1 + port]) != NULL;
    if (is_address || host != url) {
        return error_set(err, PD_E_INVALID, false, from,
                         "'%s' is not the URL of a store: write %s; of a server, grpc://%.*s", url,
                         forms, (int)strcspn(host, "/?"), host);
    }
    return error_set(err, PD_E_INVALID, false, from, "'%s' is not the URL of a store: write %s",
                     url, forms);
}

/* *ret_size: up to the options. */
static pd_status read_url(const char *url, size_t *ret_size, unsigned *ret_partitions,
                          pd_error *err)
{
    size_t size = strcspn(url, "?");
    *ret_size = size;
    *ret_partitions = 1;
    if (url[size] == '?' && read_options(url + size + 1, ret_partitions, err) != PD_OK) {
        return err->status;
    }
    if ((size == 7 && strncmp(url, "memory:", 7) == 0) ||
        (size > 7 && strncmp(url, "sqlite:", 7) == 0)) {
        return PD_OK;
    }
    return not_a_store(url, where, "sqlite:FILE or memory:", err);
}

pd_status store_check_url(const char *url, pd_error *err)
{
    size_t size;
    unsigned partitions;
    return read_url(url, &size, &partitions, err);
}

struct store *store_open(const char *url, pd_error *err)
{
    size_t size;
    unsigned partitions;
    if (read_url(url, &size, &partitions, err) != PD_OK) {
        return NULL;
    }
    if (size == 7) {
        return store_mem_new(partitions);
    }
    char *file = copy_of(url + 7, size - 7);
    struct store *store = store_sqlite_open(file, partitions, NULL, err);
    mem_free(file);
    return store;
}

pd_status store_probe(const char *url, pd_error *err)
{
    size_t size;
    unsigned partitions;
    pd_status status = read_url(url, &size, &partitions, err);
    if (status != PD_OK || size == 7) {
        return status;
    }
    char *file = copy_of(url + 7, size - 7);
    status = store_sqlite_probe(file, NULL, err);
    mem_free(file);
    return status;
}

struct store *store_look(const char *url, pd_error *err)
{
    size_t size = strcspn(url, "?");
    unsigned partitions = 1;
    if (url[size] == '?' && read_options(url + size + 1, &partitions, err) != PD_OK) {
        return NULL;
    }
    if (size > 7 && strncmp(url, "sqlite:", 7) == 0) {
        char *file = copy_of(url + 7, size - 7);
        struct store *store = store_sqlite_look(file, NULL, err);
        mem_free(file);
        return store;
    }
    if (strcmp(url, "memory:") != 0) {
        (void)not_a_store(url, "store: look", "sqlite:FILE", err);
    } else {
        (void)error_set(err, PD_E_INVALID, false, "store: look",
                        "'memory:' is a store of its process: others cannot look at it");
    }
    return NULL;
}

void store_count_no_memory(void)
{
    store_sqlite_count_no_memory();
}

void store_close(struct store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}
