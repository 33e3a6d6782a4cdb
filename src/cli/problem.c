/* SPDX-License-Identifier: MIT
 *
 * Remarks, and errors: one line on stderr, a hint on a second, an exit code. With -o json or jsonl
 * an error is one JSON object, so that a program that reads our stdout can read our stderr too.
 *
 * Both may hold the URL of a hub, and that a token: it is not shown, as stderr is what ends up in
 * logs. And names from the hub, which do not get to move the cursor.
 */
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"

static bool as_json;

void problem_as_json(bool json)
{
    as_json = json;
}

static void hide_tokens(char *text)
{
    static const char name[] = "token=";
    static const char hidden[] = "***";
    for (char *at = text; (at = strpbrk(at, "?&'")) != NULL;) {
        if (strncasecmp(++at, name, sizeof name - 1) == 0) {
            at += sizeof name - 1;
            size_t size = strcspn(at, "&;'\" \n");
            size_t shown = size < sizeof hidden - 1 ? size : sizeof hidden - 1;
            memcpy(at, hidden, shown);
            memmove(at + shown, at + size, strlen(at + size) + 1);
        }
    }
}

static void tame(char *text)
{
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        *text = c < 0x20 || c == 0x7f ? ' ' : *text;
    }
}

void remark(const struct options *options, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    if (options->quiet || !isatty(STDERR_FILENO)) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    hide_tokens(text);
    tame(text);
    fflush(stdout);
    fprintf(stderr, "%s\n", text);
}

int problem(enum code code, const char *hint, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    hide_tokens(text);
    fflush(stdout);
    if (!as_json) {
        tame(text);
        fprintf(stderr, "perdure: %s\n", text);
        if (hint != NULL) {
            fprintf(stderr, "  %s\n", hint);
        }
        return (int)code;
    }
    AUTO_STRING json = { 0 };
    string_text(&json, "{\"error\":");
    string_quote(&json, text);
    if (hint != NULL) {
        string_text(&json, ",\"hint\":");
        string_quote(&json, hint);
    }
    string_format(&json, ",\"code\":%d}\n", (int)code);
    fputs(json.at, stderr);
    return (int)code;
}

enum code code_of_status(pd_status status)
{
    switch (status) {
    case PD_OK: return CODE_DONE;
    case PD_E_INVALID: return CODE_USAGE;
    case PD_E_NOT_FOUND: return CODE_NOT_FOUND;
    case PD_E_EXISTS:
    case PD_E_STATE: return CODE_CONFLICT;
    case PD_E_DENIED: return CODE_DENIED;
    case PD_E_UNAVAILABLE: return CODE_UNREACHABLE;
    case PD_E_TIMEOUT: return CODE_TIMEOUT;
    case PD_E_CORRUPT: return CODE_DAMAGED;
    case PD_E_LIMIT: return CODE_LIMIT;
    case PD_E_CANCELLED:
    case PD_E_LEASE_LOST:
    case PD_E_NOMEM:
    case PD_E_BUG: return CODE_OTHER;
    }
    return CODE_OTHER;
}

int problem_of(const pd_error *err)
{
    return problem(code_of_status(err->status), NULL, "%s", err->text);
}

int problem_of_instance(const pd_error *err, const char *id, const char *hub)
{
    if (err->status == PD_E_NOT_FOUND) {
        const char *hint = *id == '@' ? "entities: perdure entity show, perdure entity list" : NULL;
        return problem(CODE_NOT_FOUND, hint, "instance '%s' not found in hub '%s'", id, hub);
    }
    if (err->status == PD_E_TIMEOUT) {
        return problem(CODE_TIMEOUT, "what stays Pending has no worker on this hub that runs it",
                       "instance '%s' has not ended in the time allowed", id);
    }
    return problem_of(err);
}

/* The file that a URL names, in path; false for other URLs. */
static bool file_of(const char *url, char *path, size_t size)
{
    static const char scheme[] = "sqlite:";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    snprintf(path, size, "%s", url + sizeof scheme - 1);
    path[strcspn(path, "?")] = 0;
    return true;
}

pd_hub *hub_open(const struct invocation *in, bool may_create, int *ret_code)
{
    const char *url = in->options.hub;
    char path[4096];
    if (strncmp(url, "memory:", strlen("memory:")) == 0) {
        *ret_code = problem(CODE_USAGE, "name a file with --hub sqlite:FILE, or PERDURE_HUB",
                            "'%s' is a hub within one process: nothing else can look into it", url);
        return NULL;
    }
    if (!may_create && file_of(url, path, sizeof path) && *path != 0 && access(path, F_OK) != 0) {
        *ret_code = problem(CODE_NOT_FOUND, "name another with --hub sqlite:FILE, or PERDURE_HUB",
                            "hub '%s' not found", url);
        return NULL;
    }
    pd_error err;
    pd_hub *hub = pd_hub_open(url, &err);
    if (hub == NULL) {
        /* The only state that can be wrong when opening is the version of the file. */
        *ret_code = err.status == PD_E_STATE ? problem(CODE_VERSION, NULL, "%s", err.text)
                                             : problem_of(&err);
    }
    return hub;
}
