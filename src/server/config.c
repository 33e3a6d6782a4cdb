/* SPDX-License-Identifier: MIT
 *
 * The table of settings, and how their values are read. See config.h; config_file.c reads the file.
 */
#include "server/config.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "net/h2.h"
#include "server/config_priv.h"
#include "server/log.h"

#define AT(member) offsetof(struct config, member)

static const char *const log_levels[] = { "debug", "info", "warn", "error", "none", NULL };
static const char *const log_formats[] = { "text", "logfmt", "json", NULL };

static const struct setting settings[] = {
    { "config", "FILE", KIND_TEXT, AT(file), 0, 0, NULL, "read settings from this file", false },
    { "store", "URL", KIND_TEXT, AT(store), 0, 0, NULL,
      "sqlite:FILE[?partitions=N], or memory: (nothing is kept)", false },
    { "default-hub", "NAME", KIND_TEXT, AT(hub), 0, 0, NULL, "the hub of clients that name none",
      false },
    { "hubs", "NAME", KIND_LIST, AT(hubs), 0, 0, NULL, "open this hub at the start; repeatable",
      false },
    { "dynamic-hubs", "YES|NO", KIND_FLAG, AT(dynamic_hubs), 0, 0, NULL,
      "make hubs that are not known when they are first named", false },
    { "listen", "ADDRESS", KIND_LIST, AT(listen), 0, 0, NULL,
      "host:port, [v6]:port, unix:PATH or fd:NAME for gRPC; repeatable", false },
    { "http", "ADDRESS", KIND_TEXT, AT(http), 0, 0, NULL,
      "likewise for health, metrics and the management API; none: nowhere", false },
    { "public-url", "URL", KIND_TEXT, AT(public_url), 0, 0, NULL,
      "where clients find the management API: what links begin with", false },
    { "trust-forwarded", "YES|NO", KIND_FLAG, AT(trust_forwarded), 0, 0, NULL,
      "or what Forwarded and X-Forwarded-* of a proxy say", false },
    { "http-compat", "YES|NO", KIND_FLAG, AT(http_compat), 0, 0, NULL,
      "answer conflicts with 500, as Durable Functions does", false },
    { "http-history-max", "SIZE", KIND_SIZE, AT(http_history_max), 4096, 512 << 20, NULL,
      "stored bytes of a history that the management API shows", false },
    { "http-allow", "NETWORKS", KIND_TEXT, AT(http_allow), 0, 0, NULL,
      "orchestrations may make HTTP requests to these, 10.0.0.0/8,::1; private: to all", false },
    { "http-body-max", "SIZE", KIND_SIZE, AT(http_body_max), 1024, LIMIT_PAYLOAD_MOST, NULL,
      "of an answer to one", false },
    { "http-timeout-max", "TIME", KIND_TIME, AT(http_timeout_max_ms), 100, 86400000, NULL,
      "for one, its redirects included", false },
    { "http-poll", "TIME", KIND_TIME, AT(http_poll_ms), 1, 86400000, NULL,
      "between polls where a 202 does not say", false },
    { "tls-cert", "FILE", KIND_TEXT, AT(tls_cert), 0, 0, NULL, "certificates, PEM", false },
    { "tls-key", "FILE", KIND_TEXT, AT(tls_key), 0, 0, NULL, "their key, PEM", false },
    { "tls-client-ca", "FILE", KIND_TEXT, AT(tls_client_ca), 0, 0, NULL,
      "clients need a certificate of one of these, PEM", false },
    { "tokens", "FILE", KIND_TEXT, AT(tokens), 0, 0, NULL,
      "lines 'TOKEN scope[,scope] hub[,hub]'; then calls need one", false },
    { "webhooks", "FILE", KIND_TEXT, AT(webhooks), 0, 0, NULL,
      "sections '[NAME]' with url, secret, events, names: who is told of changes", false },
    { "insecure-listen", "YES|NO", KIND_FLAG, AT(insecure_listen), 0, 0, NULL,
      "allow addresses of others without TLS and authentication", false },
    { "log-level", "LEVEL", KIND_CHOICE, AT(log_level), 0, 0, log_levels,
      "debug, info, warn, error or none", true },
    { "log-format", "FORMAT", KIND_CHOICE, AT(log_format), 0, 0, log_formats,
      "text, logfmt or json", true },
    { "drain", "TIME", KIND_TIME, AT(drain_ms), 0, 3600000, NULL,
      "on SIGTERM, wait so long for work that is out", true },
    { "message-max", "SIZE", KIND_SIZE, AT(message_max), 4096, 512 << 20, NULL,
      "of a message that comes in", true },
    { "past-max", "SIZE", KIND_SIZE, AT(past_max), 1 << 20, INT64_C(64) << 30, NULL,
      "histories kept in memory for workers", false },
    { "item-max", "SIZE", KIND_SIZE, AT(item_max), 64 << 10, 512 << 20, NULL,
      "of a work item that any worker takes", false },
    { "connections-max", "N", KIND_NUMBER, AT(connections), 1, 1000000, NULL, "of a listener",
      true },
    { "streams-max", "N", KIND_NUMBER, AT(streams), 1, 1000000, NULL, "of a connection, at once",
      true },
    { "header-max", "SIZE", KIND_SIZE, AT(header_bytes), 1024, 1 << 20, NULL, "of one request",
      true },
    { "resets-max", "N", KIND_NUMBER, AT(resets), 1, 1000000, NULL,
      "streams that a client may reset in a second", true },
    { "backlog-max", "SIZE", KIND_SIZE, AT(backlog), 64 << 10, 1 << 30, NULL,
      "for a client that does not read", true },
    { "lent-max", "SIZE", KIND_SIZE, AT(lent), 1 << 20, INT64_C(64) << 30, NULL,
      "for all clients together that do not read, or not end what they begin to say", true },
    { "idle", "TIME", KIND_TIME, AT(idle_ms), 1000, 86400000, NULL,
      "close connections without a call after", true },
    { "ping", "TIME", KIND_TIME, AT(ping_ms), 100, 3600000, NULL,
      "ask silent clients whether they live, every", true },
    { "ping-timeout", "TIME", KIND_TIME, AT(ping_timeout_ms), 100, 3600000, NULL,
      "and give them up after", true },
    { "handshake", "TIME", KIND_TIME, AT(handshake_ms), 100, 600000, NULL,
      "for TLS and the first frame", true },
    { "age-max", "TIME", KIND_TIME, AT(age_max_ms), 0, INT64_C(31622400000), NULL,
      "have clients connect again after; 0: never", true },
    { "health-ping", "TIME", KIND_TIME, AT(health_ping_ms), 100, 100000, NULL,
      "between HealthPings on streams of workers", true },
    { "turn-timeout", "TIME", KIND_TIME, AT(turn_timeout_ms), 1000, 86400000, NULL,
      "a worker that has a turn or a batch for longer loses it", false },
    { "lost-delay", "TIME", KIND_TIME, AT(lost_delay_ms), 1, 600000, NULL,
      "work of a worker that is gone waits so long for its answer", false },
    { "crashes-max", "N", KIND_NUMBER, AT(crashes), 1, 1000, NULL,
      "what runs each time that a worker of ours dies is quarantined after", false },
    { "residents-max", "N", KIND_NUMBER, AT(residents), 100, 100000000, NULL,
      "instances in memory, of a hub", false },
    { "readers", "N", KIND_NUMBER, AT(readers), 1, 16, NULL, "threads for queries", false },
    { "reflection", "YES|NO", KIND_FLAG, AT(reflection), 0, 0, NULL, "gRPC server reflection",
      false },
    { "check", NULL, KIND_SWITCH, AT(check), 0, 0, NULL, "look whether all is right, and leave",
      false },
    { "help", NULL, KIND_SWITCH, AT(help), 0, 0, NULL, "print this", false },
    { "version", NULL, KIND_SWITCH, AT(version), 0, 0, NULL, "print the version", false },
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

size_t setting_count(void)
{
    return SETTINGS;
}

const struct setting *setting_at(size_t index)
{
    return &settings[index];
}

/* ---- values --------------------------------------------------------------------------------- */

static pd_status refuse(const struct source *source, const char *name, const char *value,
                        const char *what, pd_error *err)
{
    return error_set(err, PD_E_INVALID, false, "config", "%s '%s'%s%s: %s", source->what, name,
                     value[0] != '\0' ? " = " : "", value, what);
}

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit times[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
                                     { "h", 3600000 }, { "d", 86400000 }, { "", 1000 },
                                     { NULL, 0 } };
static const struct unit sizes[] = { { "", 1 },          { "k", 1 << 10 },   { "KiB", 1 << 10 },
                                     { "m", 1 << 20 },   { "MiB", 1 << 20 }, { "g", 1 << 30 },
                                     { "GiB", 1 << 30 }, { NULL, 0 } };
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static bool read_number(const char *value, const struct unit *units, int64_t *ret)
{
    int64_t number = 0;
    size_t digits = strspn(value, "0123456789");
    for (size_t i = 0; i < digits; i++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, value[i] - '0', &number)) {
            return false;
        }
    }
    for (; digits != 0 && units->name != NULL; units++) {
        if (strcmp(value + digits, units->name) == 0) {
            return !__builtin_mul_overflow(number, units->factor, ret);
        }
    }
    return false;
}

static bool read_flag(const char *value, bool *ret)
{
    static const char *const yes[] = { "yes", "true", "on", "1" };
    static const char *const no[] = { "no", "false", "off", "0" };
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *ret = strcasecmp(value, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static pd_status set_number(const struct setting *s, int64_t *at, const char *value,
                            const struct source *source, pd_error *err)
{
    const struct unit *units = s->kind == KIND_TIME ? times : s->kind == KIND_SIZE ? sizes : plain;
    int64_t number;
    if (!read_number(value, units, &number)) {
        const char *what = s->kind == KIND_TIME   ? "write a time, such as 30s, 500ms or 10m"
                           : s->kind == KIND_SIZE ? "write a size, such as 4096, 64k or 16m"
                                                  : "write a number";
        return refuse(source, s->name, value, what, err);
    }
    if (number < s->least || number > s->most) {
        char least[32];
        char most[32];
        char bounds[96];
        setting_write_number(s, s->least, least);
        setting_write_number(s, s->most, most);
        snprintf(bounds, sizeof bounds, "%s to %s are possible", least, most);
        return refuse(source, s->name, value, bounds, err);
    }
    *at = number;
    return PD_OK;
}

static pd_status set_choice(const struct setting *s, int64_t *at, const char *value,
                            const struct source *source, pd_error *err)
{
    for (int64_t i = 0; s->choices[i] != NULL; i++) {
        if (strcasecmp(value, s->choices[i]) == 0) {
            *at = i;
            return PD_OK;
        }
    }
    return refuse(source, s->name, value, s->help, err);
}

static void list_add(struct config *config, struct config_list *list, const char *value)
{
    const char **items = arena_alloc(&config->arena, (list->count + 1) * sizeof *items);
    if (list->count != 0) {
        memcpy(items, list->items, list->count * sizeof *items);
    }
    items[list->count++] = arena_copy(&config->arena, value, strlen(value));
    list->items = items;
}

/* Of a file and the environment: several, with commas between. */
static void list_add_all(struct config *config, struct config_list *list, const char *value)
{
    while (*value != '\0') {
        size_t size = strcspn(value, ",");
        const char *at = value;
        size_t left = size;
        for (; left > 0 && *at == ' '; at++) {
            left--;
        }
        while (left > 0 && at[left - 1] == ' ') {
            left--;
        }
        if (left != 0) {
            list_add(config, list, arena_copy(&config->arena, at, left));
        }
        value += size + (value[size] == ',');
    }
}

pd_status setting_set(struct config *config, const struct setting *s, const char *value,
                      const struct source *source, pd_error *err)
{
    char *at = (char *)config + s->offset;
    switch (s->kind) {
    case KIND_SWITCH: *(bool *)(void *)at = true; return PD_OK;
    case KIND_FLAG:
        return read_flag(value, (bool *)(void *)at)
                   ? PD_OK
                   : refuse(source, s->name, value, "write yes or no", err);
    case KIND_TEXT:
        *(const char **)(void *)at = arena_copy(&config->arena, value, strlen(value));
        return PD_OK;
    case KIND_LIST: {
        struct config_list *list = (struct config_list *)(void *)at;
        if (!source->adds[s - settings]) {
            *list = (struct config_list){ NULL, 0 };
            source->adds[s - settings] = true;
        }
        list_add_all(config, list, value);
        return list->count != 0 ? PD_OK : refuse(source, s->name, value, "nothing is there", err);
    }
    case KIND_NUMBER:
    case KIND_TIME:
    case KIND_SIZE: return set_number(s, (int64_t *)(void *)at, value, source, err);
    case KIND_CHOICE: return set_choice(s, (int64_t *)(void *)at, value, source, err);
    }
    return PD_OK;
}

/* ---- options and environment ---------------------------------------------------------------- */

static pd_status no_option(const char *word, pd_error *err)
{
    size_t dashes = strspn(word, "-");
    char name[64] = "";
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(word + dashes, "="), word + dashes);
    const char *near = dashes != 0 ? setting_near(name, EDITS_MAX) : NULL;
    return near != NULL ? error_set(err, PD_E_INVALID, false, "config",
                                    "'%s' is not an option; is --%s meant?", word, near)
                        : error_set(err, PD_E_INVALID, false, "config",
                                    "'%s' is not an option; --help lists them", word);
}

/* Only --config, when is_first: the file is read before the other options. */
static pd_status read_options(struct config *config, int argc, char *const *argv, bool is_first,
                              pd_error *err)
{
    struct option options[SETTINGS + 1] = { 0 };
    bool adds[SETTINGS] = { false };
    const struct source source = { "option", adds };
    for (size_t i = 0; i < SETTINGS; i++) {
        int has = settings[i].kind == KIND_SWITCH ? no_argument : required_argument;
        options[i] = (struct option){ settings[i].name, has, NULL, 0 };
    }
    optind = 0;
    opterr = 0;
    int index = -1;
    for (int c; (c = getopt_long(argc, argv, ":h", options, &index)) != -1; index = -1) {
        if (c == ':') {
            return error_set(err, PD_E_INVALID, false, "config", "option '%s' wants a value",
                             argv[optind - 1]);
        }
        if (c == 'h') {
            config->help = true;
            continue;
        }
        if (c != 0) {
            return no_option(argv[optind - 1], err);
        }
        bool is_wanted = !is_first || strcmp(settings[index].name, "config") == 0;
        pd_status status =
            is_wanted ? setting_set(config, &settings[index], optarg, &source, err) : PD_OK;
        if (status != PD_OK) {
            return status;
        }
    }
    if (optind < argc) {
        return no_option(argv[optind], err);
    }
    return PD_OK;
}

static void name_in_environment(const char *name, char ret[64])
{
    int size = snprintf(ret, 64, "PERDURE_%s", name);
    for (int i = 8; i < size && i < 63; i++) {
        ret[i] = ret[i] == '-'                    ? '_'
                 : ret[i] >= 'a' && ret[i] <= 'z' ? (char)(ret[i] - 'a' + 'A')
                                                  : ret[i];
    }
}

/* PERDURE_TOKEN would be taken for no tokens at all. PERDURE_HUB is the command's. */
static void look_for_misspelt(struct config *config)
{
    static const char ours[] = "PERDURE_";
    for (char *const *at = environ; *at != NULL; at++) {
        char name[64];
        char meant[64];
        size_t size = strcspn(*at, "=");
        if (strncmp(*at, ours, sizeof ours - 1) != 0 || size >= sizeof name ||
            strncmp(*at, "PERDURE_HUB=", 12) == 0) {
            continue;
        }
        for (size_t i = sizeof ours - 1; i <= size; i++) {
            char c = (*at)[i];
            name[i - (sizeof ours - 1)] = i == size              ? '\0'
                                          : c == '_'             ? '-'
                                          : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a')
                                                                 : c;
        }
        const char *near = setting_near(name, 2);
        if (near != NULL && strcmp(near, name) != 0) {
            name_in_environment(near, meant);
            list_add(config, &config->misspelt,
                     arena_printf(&config->arena, "%.*s", (int)size, *at));
            list_add(config, &config->misspelt, meant);
        }
    }
}

/* As the emulator of Azure's scheduler has them; weaker than ours. */
static const char *foreign_name(const char *name)
{
    static const struct {
        const char *name, *theirs;
    } names[] = {
        { "hubs", "DTS_TASK_HUB_NAMES" },
        { "dynamic-hubs", "DTS_USE_DYNAMIC_TASK_HUBS" },
        { "log-level", "DTS_EMULATOR_LOG_LEVEL" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) == 0) {
            return names[i].theirs;
        }
    }
    return NULL;
}

/* .NET's names for levels. */
static const char *translate_level(const char *value)
{
    static const char *const names[][2] = {
        { "trace", "debug" },
        { "information", "info" },
        { "warning", "warn" },
        { "critical", "error" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(value, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return value;
}

static pd_status read_environment(struct config *config, pd_error *err)
{
    bool adds[SETTINGS] = { false };
    for (size_t i = 0; i < SETTINGS; i++) {
        char name[64];
        name_in_environment(settings[i].name, name);
        const char *value = getenv(name);
        const char *theirs = foreign_name(settings[i].name);
        const char *found = name;
        if (value == NULL && theirs != NULL) {
            found = theirs;
            value = getenv(theirs);
            if (value != NULL && settings[i].kind == KIND_CHOICE) {
                value = translate_level(value);
            }
        }
        bool is_config = strcmp(settings[i].name, "config") == 0; /* the variable is the client's */
        if (value == NULL || value[0] == '\0' || settings[i].kind == KIND_SWITCH || is_config) {
            continue;
        }
        const struct source source = { arena_printf(&config->arena, "%s, for", found), adds };
        pd_status status = setting_set(config, &settings[i], value, &source, err);
        if (status != PD_OK) {
            return status;
        }
    }
    return PD_OK;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void default_store(struct config *config)
{
    const char *state = getenv("STATE_DIRECTORY");
    const char *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    struct arena *arena = &config->arena;
    if (state != NULL && state[0] == '/') { /* systemd's: the first of several */
        config->store =
            arena_printf(arena, "sqlite:%.*s/perdure.db", (int)strcspn(state, ":"), state);
    } else if (xdg != NULL && xdg[0] == '/') {
        config->store = arena_printf(arena, "sqlite:%s/perdure/perdure.db", xdg);
    } else if (home != NULL && home[0] == '/') {
        config->store = arena_printf(arena, "sqlite:%s/.local/state/perdure/perdure.db", home);
    }
}

void config_defaults(struct config *config)
{
    const struct h2_limits limits = h2_limits_whole(NULL);
    *config = (struct config){
        .hub = "default",
        .dynamic_hubs = true,
        .http = "127.0.0.1:8082",
        .http_allow = "",
        .http_history_max = 32 << 20,
        .http_body_max = 4 << 20,
        .http_timeout_max_ms = 3600000,
        .http_poll_ms = 30000,
        .log_level = LOG_INFO,
        .log_format = LOG_TEXT,
        .drain_ms = 25000,
        .message_max = 64 << 20,
        .past_max = 64 << 20,
        .item_max = (4 << 20) - 4096, /* what most clients take, less what is around it */
        .connections = limits.connections,
        .streams = 10000, /* SDKs share a connection among all that waits and works */
        .header_bytes = limits.header_bytes,
        .resets = limits.resets_a_second,
        .backlog = limits.backlog,
        .lent = (int64_t)limits.lent,
        .idle_ms = limits.idle_ms,
        .ping_ms = limits.ping_ms,
        .ping_timeout_ms = limits.ping_timeout_ms,
        .handshake_ms = limits.handshake_ms,
        .health_ping_ms = 20000,
        .turn_timeout_ms = 600000,
        .lost_delay_ms = 700,
        .residents = 20000,
        .crashes = 3,
        .readers = 2,
        .reflection = true,
    };
    arena_init(&config->arena);
    list_add(config, &config->listen, "127.0.0.1:8080");
    default_store(config);
}

pd_status config_read(struct config *config, int argc, char *const *argv, pd_error *err)
{
    config_defaults(config);
    const char *unsaid = config->store;
    pd_status status = read_options(config, argc, argv, true, err);
    if (status == PD_OK && config->file != NULL) {
        status = config_read_file(config, config->file, err);
    }
    if (status == PD_OK) {
        status = read_environment(config, err);
    }
    if (status == PD_OK) {
        look_for_misspelt(config);
        status = read_options(config, argc, argv, false, err);
    }
    config->is_store_default = config->store == unsaid;
    config->http = strcmp(config->http, "none") == 0 ? "" : config->http; /* "" is hard to export */
    return status == PD_OK && !config->help && !config->version ? config_check(config, err)
                                                                : status;
}

void config_free(struct config *config)
{
    arena_done(&config->arena);
}
