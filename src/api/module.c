/* SPDX-License-Identifier: MIT
 *
 * Modules: what only some programs need, with libraries of its own. Finding and loading them.
 *
 *   perdure-grpc.so  hubs that servers have (remote/remote.h)
 *   perdure-http.so  HTTP requests (fetch/fetch.h)
 *
 * One is looked for where libperdure is, or the program that has it inside, then in ../lib and
 * ../lib/perdure from there, then where it is installed. PERDURE_MODULES names one folder that is
 * looked into instead. Once loaded it stays: its threads and what it registered have no end that is
 * earlier than the process's.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api_priv.h"
#include "api/http_activity.h"
#include "remote/remote.h"

struct kind {
    const char *where, *file, *symbol, *use, *libraries;
};

bool api_is_remote(const char *url)
{
    static const char *const schemes[] = { "grpc:", "grpcs:" };
    if (url == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0) {
            return true;
        }
    }
    /* "Endpoint=http://...;TaskHub=...": what stands before the first '=' is a word. */
    size_t word = strspn(url, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    return word > 0 && url[word] == '=';
}

/* ---- where ---------------------------------------------------------------------------------- */

struct search {
    const struct kind *kind;
    char tried[512]; /* for the error: files that were there, and why they could not be loaded */
    void *module;
};

static void try_file(struct search *search, const char *folder, size_t size, const char *more)
{
    char path[4096];
    int length =
        snprintf(path, sizeof path, "%.*s%s/%s", (int)size, folder, more, search->kind->file);
    if (search->module != NULL || length < 0 || (size_t)length >= sizeof path ||
        access(path, F_OK) != 0) {
        return;
    }
    search->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (search->module == NULL && search->tried[0] == '\0') {
        const char *why = dlerror(); /* names the file, and the library that is missing */
        snprintf(search->tried, sizeof search->tried, "%.500s", why != NULL ? why : path);
    }
}

static void try_beside(struct search *search, const char *file)
{
    const char *end = strrchr(file, '/');
    if (end != NULL) {
        size_t size = (size_t)(end - file);
        try_file(search, file, size, "");
        try_file(search, file, size, "/../lib");
        try_file(search, file, size, "/../lib/perdure");
        try_file(search, file, size, "/perdure");
    }
}

static const char self_mark; /* lies where libperdure is, or the program that has it inside */

static void try_all(struct search *search)
{
    const char *named = getenv("PERDURE_MODULES");
    if (named != NULL && *named != '\0') {
        try_file(search, named, strlen(named), "");
        return;
    }
    Dl_info self;
    if (dladdr(&self_mark, &self) != 0 && self.dli_fname != NULL) {
        try_beside(search, self.dli_fname);
    }
    char program[4096];
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    if (size > 0) {
        program[size] = '\0';
        try_beside(search, program);
    }
    try_file(search, PERDURE_MODULE_DIR, sizeof PERDURE_MODULE_DIR - 1, "");
}

/* ---- loading -------------------------------------------------------------------------------- */

/* What it exports; it stays. */
static const void *load(const struct kind *kind, void **ret_module, pd_error *err)
{
    struct search search = { .kind = kind, .tried = "" };
    const char *named = getenv("PERDURE_MODULES");
    try_all(&search);
    if (search.module == NULL && search.tried[0] != '\0') {
        (void)error_set(err, PD_E_UNAVAILABLE, false, kind->where,
                        "%s cannot be loaded: %s; it needs %s", kind->file, search.tried,
                        kind->libraries);
        return NULL;
    }
    if (search.module == NULL && named != NULL && *named != '\0') {
        (void)error_set(err, PD_E_UNAVAILABLE, false, kind->where,
                        "%s need %s, which is not in '%.300s', the folder that PERDURE_MODULES "
                        "names",
                        kind->use, kind->file, named);
        return NULL;
    }
    if (search.module == NULL) {
        (void)error_set(err, PD_E_UNAVAILABLE, false, kind->where,
                        "%s need %s, which is neither beside libperdure or the program, nor in "
                        "../lib of it, nor in %s; PERDURE_MODULES can name its folder",
                        kind->use, kind->file, PERDURE_MODULE_DIR);
        return NULL;
    }
    *ret_module = search.module;
    return dlsym(search.module, kind->symbol);
}

static void refuse(const struct kind *kind, const char *build, void *module, pd_error *err)
{
    (void)error_set(err, PD_E_STATE, false, kind->where,
                    "%s is of Perdure %s, this is %s: install both from one build", kind->file,
                    build, REMOTE_BUILD);
    dlclose(module);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const struct remote_module *remote;
static const struct fetch_module *fetch;

const struct remote_module *api_remote_module(pd_error *err)
{
    static const struct kind kind = {
        .where = "hub: open",
        .file = REMOTE_MODULE_FILE,
        .symbol = REMOTE_MODULE_SYMBOL,
        .use = "grpc: URLs",
        .libraries = "libnghttp2, libevent 2.1 and OpenSSL 3 (Debian: libnghttp2-14 "
                     "libevent-openssl-2.1-7 libevent-pthreads-2.1-7 libssl3)",
    };
    void *module = NULL;
    pthread_mutex_lock(&mutex);
    const struct remote_module *found = remote != NULL ? remote : load(&kind, &module, err);
    if (module != NULL && (found == NULL || strcmp(found->build, REMOTE_BUILD) != 0)) {
        refuse(&kind, found != NULL ? found->build : "?", module, err);
        found = NULL;
    }
    remote = found;
    pthread_mutex_unlock(&mutex);
    return found;
}

const struct fetch_module *api_fetch_module(pd_error *err)
{
    static const struct kind kind = {
        .where = "http",
        .file = FETCH_MODULE_FILE,
        .symbol = FETCH_MODULE_SYMBOL,
        .use = "HTTP requests",
        .libraries = "libcurl 4 (Debian: libcurl4)",
    };
    void *module = NULL;
    pthread_mutex_lock(&mutex);
    const struct fetch_module *found = fetch != NULL ? fetch : load(&kind, &module, err);
    if (module != NULL && (found == NULL || found->version != FETCH_MODULE_VERSION)) {
        refuse(&kind, "another version", module, err);
        found = NULL;
    }
    fetch = found;
    pthread_mutex_unlock(&mutex);
    return found;
}
