/* SPDX-License-Identifier: MIT
 *
 * What perdure-host understands: one table, which is also its help. */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"

enum kind { TEXT_OPTION, URL_OPTION, NUMBER_OPTION, FLAG_OPTION };

struct row {
    const char *name, *argument;
    enum kind kind;
    size_t at;
    int64_t from, to, unit;
    const char *help;
};

#define AT(field) offsetof(struct options, field)
static const struct row rows[] = {
    { "hub", "URL", TEXT_OPTION, AT(hub), 0, 0, 0,
      "sqlite:FILE, memory: or grpc://... (PERDURE_HUB, or sqlite:perdure.db)" },
    { "http", "ADDRESS", TEXT_OPTION, AT(http), 0, 0, 0,
      "host:port, [v6]:port or unix:PATH for routes (127.0.0.1:7071); empty: none" },
    { "key", "FILE", TEXT_OPTION, AT(key), 0, 0, 0,
      "lines 'KEY [NAME]'; then routes need one, but for anonymous ones" },
    { "public-url", "URL", URL_OPTION, AT(public_url), 0, 0, 0,
      "where clients find this host; else as their requests say" },
    { "management", "URL", URL_OPTION, AT(management), 0, 0, 0,
      "the server that links of instances lead to; else this host" },
    { "body-max", "BYTES", NUMBER_OPTION, AT(body_max), 1, 64 << 20, 1, "of a request (4194304)" },
    { "threads", "N", NUMBER_OPTION, AT(route_threads), 1, 1000, 1, "for routes (16)" },
    { "activities", "N", NUMBER_OPTION, AT(activity_threads), 1, 10000, 1,
      "at once (one per processor)" },
    { "drain", "SECONDS", NUMBER_OPTION, AT(drain_ms), 0, 3600, 1000,
      "at the end, wait so long for requests, then for activities (30)" },
    { "hang", "SECONDS", NUMBER_OPTION, AT(hang_ms), 0, 86400, 1000,
      "an app that does not answer for so long is started anew (60); 0: never" },
    { "stay", NULL, FLAG_OPTION, AT(stays), 0, 0, 0,
      "do not load the app anew when its file changes" },
    { "perdured", "FILE", TEXT_OPTION, AT(perdured), 0, 0, 0,
      "the server that runs the engine of a file" },
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void print_help(void)
{
    printf("Runs a function app: orchestrators, activities, entities, HTTP routes and timers of a\n"
           "shared object, which is loaded anew when its file changes.\n\n"
           "  perdure host [OPTION]... APP.so\n\n");
    for (size_t i = 0; i < ROWS; i++) {
        char left[40];
        (void)snprintf(left, sizeof left, "--%s%s%s", rows[i].name,
                       rows[i].argument != NULL ? " " : "",
                       rows[i].argument != NULL ? rows[i].argument : "");
        printf("  %-20s  %s\n", left, rows[i].help);
    }
    printf(
        "\nSignals: SIGHUP loads the app anew; SIGTERM and SIGINT end it when what is under way\n"
        "is done, the second time at once. Chapter 19 of the guide has more.\n");
}

static int refuse(const char *option, const char *text, const char *why)
{
    fprintf(stderr, "perdure-host: --%s %s: %s\n", option, text, why);
    return 2;
}

/* What getopt_long does not know (which '?') or finds without a value (':'). */
static int refuse_word(int which, const char *word)
{
    fprintf(stderr, "perdure-host: '%s' %s; --help lists them\n", word,
            which == ':' ? "wants a value" : "is not an option");
    return 2;
}

/* Links are put together from it: "http://host[:port][/path]", without the '/' at its end. */
static char *read_url(const char *text)
{
    bool has_host = (strncmp(text, "http://", 7) == 0 && text[7] != '\0' && text[7] != '/') ||
                    (strncmp(text, "https://", 8) == 0 && text[8] != '\0' && text[8] != '/');
    for (const char *at = text; has_host && *at != '\0'; at++) {
        has_host = *at > ' ' && *at < 0x7f && strchr("\"<>\\^`{|}?#", *at) == NULL;
    }
    char *url = has_host ? strdup(text) : NULL;
    if (url != NULL && url[strlen(url) - 1] == '/') {
        url[strlen(url) - 1] = '\0';
    }
    return url;
}

static int take(struct options *options, const struct row *row, const char *text)
{
    char *at = (char *)options + row->at;
    if (row->kind == FLAG_OPTION) {
        *(bool *)at = true;
    } else if (row->kind == TEXT_OPTION) {
        *(const char **)(void *)at = text;
    } else if (row->kind == URL_OPTION) {
        const char *url = read_url(text); /* for as long as we live */
        *(const char **)(void *)at = url;
        return url != NULL ? -1 : refuse(row->name, text, "write http(s)://HOST[:PORT][/PATH]");
    } else {
        char *end = NULL;
        errno = 0;
        long long number = strtoll(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0') {
            return refuse(row->name, text, "is no number");
        }
        if (number < row->from || number > row->to) {
            char why[64];
            (void)snprintf(why, sizeof why, "%lld to %lld are possible", (long long)row->from,
                           (long long)row->to);
            return refuse(row->name, text, why);
        }
        *(int64_t *)(void *)at = number * row->unit;
    }
    return -1;
}

static void set_defaults(struct options *options)
{
    const char *hub = getenv("PERDURE_HUB");
    *options = (struct options){
        .hub = hub != NULL && *hub != '\0' ? hub : "sqlite:perdure.db",
        .http = "127.0.0.1:7071",
        .body_max = 4 << 20,
        .drain_ms = 30000,
        .hang_ms = 60000,
        .route_threads = 16,
    };
}

int options_read(struct options *ret, int argc, char **argv)
{
    struct option names[ROWS + 3] = { 0 };
    for (size_t i = 0; i < ROWS; i++) {
        names[i] = (struct option){ rows[i].name, rows[i].argument != NULL, NULL, (int)i + 256 };
    }
    names[ROWS] = (struct option){ "help", 0, NULL, 'h' };
    names[ROWS + 1] = (struct option){ "version", 0, NULL, 'V' };
    set_defaults(ret);
    int which, code = -1;
    while (code < 0 && (which = getopt_long(argc, argv, ":hV", names, NULL)) != -1) {
        if (which == 'h') {
            print_help();
            return 0;
        }
        if (which == 'V') {
            printf("perdure-host %s\n", pd_version());
            return 0;
        }
        code = which < 256 ? refuse_word(which, argv[optind - 1])
                           : take(ret, &rows[which - 256], optarg);
    }
    if (code < 0 && argc - optind != 1) {
        fprintf(stderr, "perdure-host: name one shared object; --help tells more\n");
        code = 2;
    }
    if (code < 0) {
        ret->app = argv[optind];
    }
    return code;
}
