/* SPDX-License-Identifier: MIT
 *
 * The file of webhooks: its lines, and the table that comes of them. See webhooks.h.
 *
 *   F1  What is wrong is said with its line, and nothing of the file holds then: neither at the
 *       start nor when it is read again.
 *   F2  What would be cut, or overridden, is refused. */
#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "builtin/http.h"
#include "server/webhooks_priv.h"

enum { LINE_BYTES = 4096, FIRST_MS = 5000, TOTAL_MS = 3 * 86400 * 1000 };
enum { KEY_BYTES_MIN = 24, KEY_BYTES_MAX = 64, NAME_BYTES_SHOWN = 32 };

/* ---- the file -------------------------------------------------------------------------------- */

enum setting { URL, SECRET, EVENTS, NAMES, HUBS, INCLUDE_OUTPUT, RETRY_FIRST, GIVE_UP, SETTINGS };

static const char *const settings[SETTINGS] = {
    [URL] = "url",
    [SECRET] = "secret",
    [EVENTS] = "events",
    [NAMES] = "names",
    [HUBS] = "hubs",
    [INCLUDE_OUTPUT] = "include-output",
    [RETRY_FIRST] = "retry-first",
    [GIVE_UP] = "give-up",
};

struct reading {
    struct webhook_table *table;
    struct webhook *at; /* NULL: no section yet */
    struct webhook **last;
    unsigned said; /* settings of this section: 1u << enum setting */
    unsigned secrets;
};

static char *trim(char *at)
{
    at += strspn(at, " \t\r\n");
    size_t size = strlen(at);
    while (size > 0 && strchr(" \t\r\n", at[size - 1]) != NULL) {
        at[--size] = '\0';
    }
    return at;
}

static const char *read_section(struct reading *reading, char *line)
{
    size_t size = strlen(line);
    if (size < 3 || size > 66 || line[size - 1] != ']') {
        return "write a section as [name], of 1 to 64 letters, digits, - and _";
    }
    line[size - 1] = '\0';
    for (const char *c = line + 1; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_') {
            return "a name has letters, digits, - and _";
        }
    }
    if (webhook_find(reading->table, line + 1) != NULL) {
        return "there are two webhooks of this name";
    }
    if (reading->table->count++ == WEBHOOKS_MAX) {
        return "there are more than 64 webhooks";
    }
    struct webhook *webhook = arena_alloc(&reading->table->arena, sizeof *webhook);
    webhook->name = text_copy(&reading->table->arena, text_of(line + 1)).at;
    webhook->kinds = (1U << ANNOUNCEMENT_KINDS) - 1;
    webhook->first_ms = FIRST_MS;
    webhook->total_ms = TOTAL_MS;
    *reading->last = reading->at = webhook;
    reading->last = &webhook->next;
    reading->said = reading->secrets = 0;
    return NULL;
}

static const char *read_secret(struct reading *reading, const char *value)
{
    static const char what[] = "a secret is whsec_ and 24 to 64 bytes in base64";
    uint8_t key[(LINE_BYTES / 4 + 1) * 3];
    if (strncmp(value, "whsec_", 6) != 0) {
        return what;
    }
    value += 6;
    size_t size = strlen(value);
    int bytes = EVP_DecodeBlock(key, (const unsigned char *)value, (int)size);
    for (; bytes > 0 && size > 0 && value[size - 1] == '='; size--) {
        bytes--;
    }
    if (bytes < KEY_BYTES_MIN || bytes > KEY_BYTES_MAX) {
        return what;
    }
    if (reading->secrets++ == WEBHOOK_SECRETS_MAX) {
        return "a webhook has at most 8 secrets";
    }
    struct webhook_key *item = arena_alloc(&reading->table->arena, sizeof *item);
    item->bytes = text_copy(&reading->table->arena, text_make((const char *)key, (size_t)bytes));
    OPENSSL_cleanse(key, sizeof key);
    struct webhook_key **last = &reading->at->keys;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = item;
    return NULL;
}

static const char *read_events(struct webhook *webhook, char *value)
{
    char *save = NULL;
    webhook->kinds = 0;
    for (char *word = strtok_r(value, ", \t", &save); word != NULL;
         word = strtok_r(NULL, ", \t", &save)) {
        unsigned kind = 0;
        while (kind < ANNOUNCEMENT_KINDS &&
               strcmp(word, announcement_name((enum announcement_kind)kind)) != 0) {
            kind++;
        }
        if (kind == ANNOUNCEMENT_KINDS) {
            return "events are started, completed, failed, terminated, suspended and resumed";
        }
        webhook->kinds |= 1U << kind;
    }
    return webhook->kinds != 0 ? NULL : "no event is named";
}

static const char *read_ms(const char *value, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    char *end;
    long number = strtol(value, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (number > 0 && number <= 100000 && strcmp(end, units[i].name) == 0) {
            *ret = number * units[i].ms;
            return NULL;
        }
    }
    return "write a time, such as 5s or 3d";
}

static const char *read_patterns(struct arena *arena, const char *value, const char **ret)
{
    *ret = text_copy(arena, text_of(value)).at;
    return value[strspn(value, ", \t")] != '\0' ? NULL : "no pattern is named";
}

static const char *read_value(struct reading *reading, enum setting setting, char *value)
{
    struct webhook *webhook = reading->at;
    struct arena *arena = &reading->table->arena;
    switch (setting) {
    case URL:
        webhook->url = text_copy(arena, text_of(value)).at;
        return http_url_is_good(value) ? NULL : "write a URL that begins with https:// or http://";
    case SECRET: return read_secret(reading, value);
    case EVENTS: return read_events(webhook, value);
    case NAMES: return read_patterns(arena, value, &webhook->names);
    case HUBS: return read_patterns(arena, value, &webhook->hubs);
    case INCLUDE_OUTPUT:
        webhook->has_output = strcmp(value, "yes") == 0;
        return webhook->has_output || strcmp(value, "no") == 0 ? NULL : "write yes or no";
    case RETRY_FIRST: return read_ms(value, &webhook->first_ms);
    case GIVE_UP: return read_ms(value, &webhook->total_ms);
    case SETTINGS: break;
    }
    unreachable_state("there is no such setting");
}

/* A line that is a secret by mistake is not for the log. */
static const char *unknown(struct reading *reading, const char *name)
{
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz-");
    return name[size] == '\0' && size > 0 && size <= NAME_BYTES_SHOWN
               ? arena_printf(&reading->table->arena, "'%s' is no setting of a webhook", name)
               : "this is no setting of a webhook";
}

static const char *read_setting(struct reading *reading, const char *name, char *value)
{
    unsigned setting = 0;
    while (setting < SETTINGS && strcmp(settings[setting], name) != 0) {
        setting++;
    }
    if (setting == SETTINGS) {
        return unknown(reading, name);
    }
    if (setting != SECRET && (reading->said >> setting & 1) != 0) {
        return "it has been said already";
    }
    reading->said |= 1U << setting;
    return read_value(reading, (enum setting)setting, value);
}

static const char *read_line(struct reading *reading, char *line)
{
    line = trim(line);
    if (*line == '\0' || *line == '#') {
        return NULL;
    }
    if (*line == '[') {
        return read_section(reading, line);
    }
    char *equals = strchr(line, '=');
    if (equals == NULL || reading->at == NULL) {
        return equals == NULL ? "write 'name = value'" : "a [name] has to come first";
    }
    *equals = '\0';
    return read_setting(reading, trim(line), trim(equals + 1));
}

static pd_status check(const struct webhook_table *table, const char *file, pd_error *err)
{
    for (const struct webhook *w = table->first; w != NULL; w = w->next) {
        if (w->url == NULL || w->keys == NULL) {
            return error_set(err, PD_E_INVALID, false, "webhooks", "%s: '%s' has no %s", file,
                             w->name, w->url == NULL ? "url" : "secret");
        }
    }
    return PD_OK;
}

static void table_free(struct webhook_table *table)
{
    for (const struct webhook *w = table->first; w != NULL; w = w->next) {
        for (const struct webhook_key *key = w->keys; key != NULL; key = key->next) {
            OPENSSL_cleanse((void *)(uintptr_t)key->bytes.at, key->bytes.size);
        }
    }
    arena_done(&table->arena);
    mem_free(table);
}

/* A line that goes on behind the buffer, or behind a byte of zero, does not end here. */
static bool is_whole(const char *line, FILE *stream)
{
    size_t size = strlen(line);
    return (size > 0 && line[size - 1] == '\n') || feof(stream);
}

static pd_status read_lines(struct reading *reading, FILE *stream, const char *file, pd_error *err)
{
    char line[LINE_BYTES];
    pd_status status = PD_OK;
    for (unsigned n = 1; status == PD_OK && fgets(line, sizeof line, stream) != NULL; n++) {
        const char *wrong =
            is_whole(line, stream) ? read_line(reading, line) : "the line is too long, or no text";
        if (wrong != NULL) {
            status = error_set(err, PD_E_INVALID, false, "webhooks", "%s:%u: %s", file, n, wrong);
        }
    }
    OPENSSL_cleanse(line, sizeof line);
    if (status == PD_OK && ferror(stream) != 0) { /* a folder can be opened */
        status = error_set(err, PD_E_INVALID, false, "webhooks", "%s: %s", file, strerror(errno));
    }
    return status == PD_OK ? check(reading->table, file, err) : status;
}

static struct webhook_table *table_load(const char *file, pd_error *err)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        (void)error_set(err, PD_E_INVALID, false, "webhooks", "%s: %s", file, strerror(errno));
        return NULL;
    }
    struct webhook_table *table = mem_alloc(sizeof *table);
    arena_init(&table->arena);
    struct reading reading = { .table = table, .last = &table->first };
    pd_status status = read_lines(&reading, stream, file, err);
    (void)fclose(stream);
    if (status != PD_OK) {
        table_free(table);
        return NULL;
    }
    return table;
}

static void take(struct webhooks *webhooks, struct webhook_table *table)
{
    unsigned kinds = 0;
    for (const struct webhook *w = table->first; w != NULL; w = w->next) {
        kinds |= w->kinds;
    }
    pthread_rwlock_wrlock(&webhooks->lock);
    struct webhook_table *old = webhooks->table;
    webhooks->table = table;
    atomic_store(&webhooks->kinds, kinds);
    pthread_rwlock_unlock(&webhooks->lock);
    if (old != NULL) {
        table_free(old);
    }
}

struct webhooks *webhooks_load(const char *file, pd_error *err)
{
    struct webhook_table *table = table_load(file, err);
    if (table == NULL) {
        return NULL;
    }
    struct webhooks *webhooks = mem_alloc(sizeof *webhooks);
    pthread_rwlock_init(&webhooks->lock, NULL);
    take(webhooks, table);
    return webhooks;
}

pd_status webhooks_reload(struct webhooks *webhooks, const char *file, pd_error *err)
{
    struct webhook_table *table = table_load(file, err);
    if (table == NULL) {
        return err->status;
    }
    take(webhooks, table);
    return PD_OK;
}

void webhooks_free(struct webhooks *webhooks)
{
    if (webhooks != NULL) {
        table_free(webhooks->table);
        pthread_rwlock_destroy(&webhooks->lock);
        mem_free(webhooks);
    }
}

const struct webhook *webhook_find(const struct webhook_table *table, const char *name)
{
    const struct webhook *webhook = table->first;
    while (webhook != NULL && strcmp(webhook->name, name) != 0) {
        webhook = webhook->next;
    }
    return webhook;
}
