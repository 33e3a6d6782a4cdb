/* SPDX-License-Identifier: MIT
 *
 * Reading a file of tzdata (RFC 8536). It has its data twice: with 32 bits for old readers, which
 * is passed over, and with 64 bits; then the line of zone_rule.h. Time here is POSIX time, as
 * in tzdata's own files; those under right/, which count leap seconds, are refused. */
#include "calendar/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "calendar/zone_rule.h"

static const char where[] = "calendar: zone";

enum { FILE_MAX = 256 * 1024, NAME_MAX_BYTES = 128, HEAD = 44 };

/* Seconds: some files begin with the Big Bang. Offsets can be added to them. */
#define AT_MAX (INT64_C(1) << 60)

struct zone {
    size_t count;
    int64_t *at;      /* ascending */
    int64_t *offsets; /* from at[i] on */
    int64_t first;    /* before at[0] */
    bool has_rule;    /* after the last: by it; else as after the last */
    struct zone_rule rule;
};

/* ---- the file ------------------------------------------------------------------------------- */

static uint64_t read_big(const unsigned char *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* Sizes of the parts of one of the two blocks. */
struct block {
    size_t utc, standard, leaps, times, types, letters, size;
};

static bool read_head(const unsigned char *at, size_t left, size_t width, struct block *block)
{
    if (left < HEAD || memcmp(at, "TZif", 4) != 0) {
        return false;
    }
    size_t *const parts[] = { &block->utc,   &block->standard, &block->leaps,
                              &block->times, &block->types,    &block->letters };
    for (size_t i = 0; i < 6; i++) {
        *parts[i] = (size_t)read_big(at + 20 + 4 * i, 4);
        if (*parts[i] > FILE_MAX) {
            return false;
        }
    }
    block->size = HEAD + block->times * (width + 1) + block->types * 6 + block->letters +
                  block->leaps * (width + 4) + block->standard + block->utc;
    return block->size <= left;
}

static bool read_offset(const unsigned char *types, size_t type, size_t count, int64_t *ret)
{
    if (type >= count) {
        return false;
    }
    *ret = (int32_t)(uint32_t)read_big(types + 6 * type, 4);
    return *ret > -26 * 3600 && *ret < 26 * 3600;
}

static bool read_times(struct zone *zone, const unsigned char *at, const struct block *block)
{
    const unsigned char *kinds = at + block->times * 8;
    const unsigned char *types = kinds + block->times;
    zone->count = block->times;
    zone->at = mem_alloc(block->times * sizeof *zone->at + 1);
    zone->offsets = mem_alloc(block->times * sizeof *zone->offsets + 1);
    if (!read_offset(types, 0, block->types, &zone->first)) {
        return false;
    }
    for (size_t i = 0; i < block->times; i++) {
        zone->at[i] = (int64_t)read_big(at + 8 * i, 8);
        if (!read_offset(types, kinds[i], block->types, &zone->offsets[i]) ||
            zone->at[i] < -AT_MAX || zone->at[i] > AT_MAX ||
            (i > 0 && zone->at[i] <= zone->at[i - 1])) {
            return false;
        }
    }
    return true;
}

static bool read_zone(struct zone *zone, const unsigned char *at, size_t size)
{
    struct block old, block;
    if (!read_head(at, size, 4, &old) || at[4] < '2' ||
        !read_head(at + old.size, size - old.size, 8, &block) || block.leaps != 0 ||
        !read_times(zone, at + old.size + HEAD, &block)) {
        return false;
    }
    const char *line = (const char *)at + old.size + block.size;
    size_t left = size - old.size - block.size;
    const char *end = left > 1 && line[0] == '\n' ? memchr(line + 1, '\n', left - 1) : NULL;
    if (end == NULL) {
        return false;
    }
    char rule[256];
    size_t length = (size_t)(end - line - 1);
    zone->has_rule = length > 0;
    if (length >= sizeof rule) {
        return false;
    }
    memcpy(rule, line + 1, length);
    rule[length] = '\0';
    return length == 0 || zone_rule_parse(&zone->rule, rule);
}

/* ---- by name -------------------------------------------------------------------------------- */

/* Also keeps names inside of the folder. */
static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size < NAME_MAX_BYTES && name[0] != '/' && strstr(name, "..") == NULL &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
               size;
}

static size_t read_file(const char *name, unsigned char *bytes, size_t size)
{
    char path[4096];
    const char *folder = getenv("TZDIR");
    folder = folder != NULL && folder[0] == '/' ? folder : "/usr/share/zoneinfo";
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "rbe") : NULL;
    if (file == NULL) {
        return 0;
    }
    size_t got = fread(bytes, 1, size, file);
    (void)fclose(file);
    return got;
}

struct zone *zone_open(const char *name, pd_error *err)
{
    struct zone *zone = mem_alloc(sizeof *zone);
    *zone = (struct zone){ 0 };
    if (name == NULL || name[0] == '\0' || strcmp(name, "UTC") == 0) {
        return zone;
    }
    unsigned char *bytes = mem_alloc(FILE_MAX);
    size_t size = is_name(name) ? read_file(name, bytes, FILE_MAX) : 0;
    bool is_read = size > 0 && read_zone(zone, bytes, size);
    mem_free(bytes);
    if (is_read) {
        return zone;
    }
    zone_free(zone);
    if (size > 0) {
        (void)error_set(err, PD_E_INVALID, false, where,
                        "the file of the time zone '%.100s' is damaged, or counts leap seconds; "
                        "install tzdata anew",
                        name);
    } else {
        (void)error_set(err, PD_E_INVALID, false, where,
                        "there is no time zone '%.100s'; write one as \"Europe/Berlin\", or "
                        "install tzdata",
                        name);
    }
    return NULL;
}

void zone_free(struct zone *zone)
{
    if (zone != NULL) {
        mem_free(zone->at);
        mem_free(zone->offsets);
        mem_free(zone);
    }
}

struct zone_span zone_span_at(const struct zone *zone, int64_t t)
{
    size_t low = 0, high = zone->count; /* how many changes are not after t */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->at[middle] <= t) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == zone->count && zone->has_rule) {
        struct zone_span span = zone_rule_span_at(&zone->rule, t);
        if (zone->count > 0 && span.from < zone->at[zone->count - 1]) {
            span.from = zone->at[zone->count - 1];
        }
        return span;
    }
    return (struct zone_span){ low > 0 ? zone->at[low - 1] : INT64_MIN,
                               low < zone->count ? zone->at[low] : INT64_MAX,
                               low > 0 ? zone->offsets[low - 1] : zone->first };
}
