/* SPDX-License-Identifier: MIT
 *
 * Loading an app: what can be said about it before any of it runs (but for its constructors). */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "host/child.h"

static const char where[] = "app: load";

static bool is_name(const char *name)
{
    size_t size = name != NULL ? strlen(name) : 0;
    return size >= 1 && size <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               size;
}

pd_status app_check(const pd_app *app, pd_error *err)
{
    if (app->abi != PD_APP_ABI || app->size < sizeof *app) {
        return error_set(err, PD_E_STATE, false, where,
                         "it was compiled with another perdure/app.h (ABI %u, this host has %d): "
                         "compile it anew",
                         app->abi, PD_APP_ABI);
    }
    if (!is_name(app->name)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "its name is not 1 to 64 letters, digits, '-', '_' or '.'");
    }
    pd_status status = routes_check(app->routes, app->route_count, err);
    return status == PD_OK ? timers_check(app, err) : status;
}

const pd_app *app_load(const char *file, pd_error *err)
{
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        const char *why = dlerror();
        why = why != NULL ? why : "no reason";
        size_t size = strlen(file); /* a copy's name, which nobody knows */
        if (strncmp(why, file, size) == 0 && strncmp(why + size, ": ", 2) == 0) {
            why += size + 2;
        }
        (void)error_set(err, PD_E_INVALID, false, where, "%.180s", why);
        return NULL;
    }
    const pd_app *app = dlsym(object, "pd_app_");
    if (app == NULL) {
        (void)error_set(err, PD_E_INVALID, false, where, "it has no PD_APP");
        return NULL;
    }
    if (app_check(app, err) != PD_OK) {
        return NULL;
    }
    symbols_read(file, app);
    return app;
}
