/* SPDX-License-Identifier: MIT
 *
 * The file of webhooks, and what is told of a change. See webhooks.h; the requests that come of it
 * are webhook_send.c. */
#include "server/webhooks.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tags.h"
#include "json/json.h"
#include "server/webhooks_priv.h"

enum { LINE_BYTES = 4096, FIRST_MS = 5000, TOTAL_MS = 3 * 86400 * 1000 };
enum { KEY_BYTES_MIN = 24, KEY_BYTES_MAX = 64 };

/* ---- the file -------------------------------------------------------------------------------- */

struct reading {
    struct webhook_table *table;
    struct webhook *at; /* NULL: no section yet */
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
    struct webhook *webhook = arena_alloc(&reading->table->arena, sizeof *webhook);
    webhook->name = text_copy(&reading->table->arena, text_of(line + 1)).at;
    webhook->kinds = (1U << ANNOUNCEMENT_KINDS) - 1;
    webhook->first_ms = FIRST_MS;
    webhook->total_ms = TOTAL_MS;
    webhook->next = reading->table->first;
    reading->table->first = reading->at = webhook;
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
    struct webhook_key *item = arena_alloc(&reading->table->arena, sizeof *item);
    item->bytes = text_copy(&reading->table->arena, text_make((const char *)key, (size_t)bytes));
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

static const char *read_value(struct reading *reading, const char *name, char *value)
{
    struct webhook *webhook = reading->at;
    struct arena *arena = &reading->table->arena;
    if (strcmp(name, "url") == 0) {
        webhook->url = text_copy(arena, text_of(value)).at;
        return strncmp(value, "https://", 8) == 0 || strncmp(value, "http://", 7) == 0
                   ? NULL
                   : "a URL begins with https:// or http://";
    }
    if (strcmp(name, "secret") == 0) {
        return read_secret(reading, value);
    }
    if (strcmp(name, "events") == 0) {
        return read_events(webhook, value);
    }
    if (strcmp(name, "names") == 0) {
        webhook->names = text_copy(arena, text_of(value)).at;
        return NULL;
    }
    if (strcmp(name, "hubs") == 0) {
        webhook->hubs = text_copy(arena, text_of(value)).at;
        return NULL;
    }
    if (strcmp(name, "include-output") == 0) {
        webhook->has_output = strcmp(value, "yes") == 0;
        return webhook->has_output || strcmp(value, "no") == 0 ? NULL : "write yes or no";
    }
    if (strcmp(name, "retry-first") == 0) {
        return read_ms(value, &webhook->first_ms);
    }
    return strcmp(name, "give-up") == 0 ? read_ms(value, &webhook->total_ms)
                                        : "this is no setting of a webhook";
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
    return read_value(reading, trim(line), trim(equals + 1));
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
    arena_done(&table->arena);
    mem_free(table);
}

static struct webhook_table *table_load(const char *file, pd_error *err)
{
    char line[LINE_BYTES];
    pd_status status = PD_OK;
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        (void)error_set(err, PD_E_INVALID, false, "webhooks", "%s: %s", file, strerror(errno));
        return NULL;
    }
    struct webhook_table *table = mem_alloc(sizeof *table);
    arena_init(&table->arena);
    struct reading reading = { .table = table };
    for (unsigned n = 1; status == PD_OK && fgets(line, sizeof line, stream) != NULL; n++) {
        const char *wrong =
            strlen(line) == sizeof line - 1 ? "the line is too long" : read_line(&reading, line);
        if (wrong != NULL) {
            status = error_set(err, PD_E_INVALID, false, "webhooks", "%s:%u: %s", file, n, wrong);
        }
    }
    (void)fclose(stream);
    OPENSSL_cleanse(line, sizeof line);
    if (status != PD_OK || check(table, file, err) != PD_OK) {
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

/* ---- who wants it ---------------------------------------------------------------------------- */

/* patterns: with commas between; NULL: any. */
static bool matches(const char *patterns, const char *name)
{
    char copy[LINE_BYTES];
    char *save = NULL;
    if (patterns == NULL) {
        return true;
    }
    snprintf(copy, sizeof copy, "%s", patterns);
    for (char *word = strtok_r(copy, ", \t", &save); word != NULL;
         word = strtok_r(NULL, ", \t", &save)) {
        if (fnmatch(word, name, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the event ------------------------------------------------------------------------------- */

static pd_value text_in(struct arena *arena, struct text text)
{
    return pd_of_text(text_copy(arena, text).at);
}

/* So that it may be in a header, whatever a client chose as its execution's ID. */
static const char *event_id(struct arena *arena, const struct announcement *it)
{
    char *id = arena_printf(arena, "%.*s-%s-%lld", TEXT_ARGS(it->execution_id),
                            announcement_name(it->kind), (long long)it->at);
    for (char *c = id; *c != '\0'; c++) {
        *c = isalnum((unsigned char)*c) || *c == '-' ? *c : '_';
    }
    return id;
}

static const char *source_of(struct arena *arena, const char *hub)
{
    struct buffer source;
    buffer_init(&source);
    buffer_printf(&source, "/hubs/");
    for (; *hub != '\0'; hub++) {
        bool is_plain = isalnum((unsigned char)*hub) || strchr("-._~", *hub) != NULL;
        buffer_printf(&source, is_plain ? "%c" : "%%%02X", (unsigned char)*hub);
    }
    const char *copy = text_copy(arena, buffer_text(&source)).at;
    buffer_done(&source);
    return copy;
}

struct members {
    pd_value at[32];
    unsigned pairs;
};

static void put(struct members *members, const char *key, pd_value value)
{
    members->at[members->pairs * 2] = pd_of_text(key);
    members->at[members->pairs * 2 + 1] = value;
    members->pairs++;
}

static pd_value object_of(struct arena *arena, const struct members *members)
{
    size_t size = members->pairs * 2 * sizeof(pd_value);
    pd_value *items = arena_alloc(arena, size + sizeof *items);
    memcpy(items, members->at, size);
    return (pd_value){ .kind_ = PD_IS_OBJECT, .count_ = members->pairs, .as_.items = items };
}

static pd_value tags_of(struct arena *arena, struct text tags)
{
    size_t count = tags_count(tags), cursor = 0, i = 0;
    pd_value *items = arena_alloc(arena, (2 * count + 1) * sizeof *items);
    struct tag tag;
    while (i < count && tags_next(tags, &cursor, &tag)) {
        items[2 * i] = text_in(arena, tag.key);
        items[2 * i++ + 1] = text_in(arena, tag.value);
    }
    return (pd_value){ .kind_ = PD_IS_OBJECT, .count_ = (uint32_t)i, .as_.items = items };
}

static pd_value time_of(struct arena *arena, time_us at)
{
    char text[32];
    time_format(at, text);
    return text_in(arena, text_of(text));
}

static pd_value data_of(struct arena *arena, const struct announcement *it, bool has_output)
{
    struct members data = { .pairs = 0 };
    pd_value output;
    pd_error err;
    put(&data, "instanceId", text_in(arena, it->id));
    put(&data, "name", text_in(arena, it->name));
    if (it->version.size != 0) {
        put(&data, "version", text_in(arena, it->version));
    }
    put(&data, "executionId", text_in(arena, it->execution_id));
    put(&data, "runtimeStatus", pd_of_text(run_state_name(it->state)));
    if (it->extra != NULL && it->extra->has_parent) {
        put(&data, "parentId", text_in(arena, it->extra->parent_id));
    }
    if (it->extra != NULL && text_is_present(it->extra->tags)) {
        put(&data, "tags", tags_of(arena, it->extra->tags));
    }
    put(&data, "createdTime", time_of(arena, it->created_at));
    put(&data, "lastUpdatedTime", time_of(arena, it->at));
    if (has_output && it->output.size != 0 &&
        json_parse(arena, it->output, &output, &err) == PD_OK) {
        put(&data, "output", output);
    }
    if (has_output && it->failure != NULL) {
        struct members failure = { .pairs = 0 };
        put(&failure, "type", text_in(arena, it->failure->type));
        put(&failure, "message", text_in(arena, it->failure->message));
        put(&data, "failure", object_of(arena, &failure));
    }
    return object_of(arena, &data);
}

static pd_value event_of(struct arena *arena, const char *hub, const struct announcement *it,
                         bool has_output)
{
    struct members event = { .pairs = 0 };
    put(&event, "specversion", pd_of_text("1.0"));
    put(&event, "id", pd_of_text(event_id(arena, it)));
    put(&event, "source", pd_of_text(source_of(arena, hub)));
    put(&event, "type",
        pd_of_text(
            arena_printf(arena, "dev.perdure.orchestration.%s", announcement_name(it->kind))));
    put(&event, "subject", text_in(arena, it->id));
    put(&event, "time", time_of(arena, it->at));
    put(&event, "datacontenttype", pd_of_text("application/json"));
    put(&event, "data", data_of(arena, it, has_output));
    return object_of(arena, &event);
}

/* ---- a change -------------------------------------------------------------------------------- */

struct wanted {
    pd_value to[64];
    unsigned count;
    bool has_output;
    int64_t first_ms, total_ms; /* the shortest, and the longest */
};

static void look_who(const struct webhook_table *table, struct arena *arena, const char *hub,
                     const struct announcement *it, struct wanted *ret)
{
    const char *name = text_copy(arena, it->name).at;
    for (const struct webhook *w = table->first; w != NULL && ret->count < 64; w = w->next) {
        if ((w->kinds & 1U << it->kind) == 0 || !matches(w->hubs, hub) ||
            !matches(w->names, name)) {
            continue;
        }
        ret->to[ret->count++] = text_in(arena, text_of(w->name));
        ret->has_output |= w->has_output;
        if (ret->first_ms == 0 || w->first_ms < ret->first_ms) {
            ret->first_ms = w->first_ms;
        }
        ret->total_ms = w->total_ms > ret->total_ms ? w->total_ms : ret->total_ms;
    }
}

bool webhooks_write(struct webhooks *webhooks, const char *hub, const struct announcement *it,
                    struct buffer *json)
{
    struct wanted wanted = { .count = 0 };
    pd_error err;
    if ((atomic_load(&webhooks->kinds) & 1U << it->kind) == 0 ||
        text_has_prefix(it->name, TEXT("perdure.")) ||
        text_has_prefix(it->name, TEXT("BuiltIn__"))) {
        return false;
    }
    struct arena arena;
    arena_init(&arena);
    pthread_rwlock_rdlock(&webhooks->lock);
    look_who(webhooks->table, &arena, hub, it, &wanted);
    pthread_rwlock_unlock(&webhooks->lock);
    bool is_written = wanted.count != 0;
    if (is_written) {
        struct members input = { .pairs = 0 };
        put(&input, "to",
            (pd_value){ .kind_ = PD_IS_ARRAY, .count_ = wanted.count, .as_.items = wanted.to });
        put(&input, "event", event_of(&arena, hub, it, wanted.has_output));
        put(&input, "first", pd_of_int(wanted.first_ms));
        put(&input, "total", pd_of_int(wanted.total_ms));
        is_written = json_write(json, object_of(&arena, &input), &err) == PD_OK;
    }
    arena_done(&arena);
    return is_written;
}
