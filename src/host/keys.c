/* SPDX-License-Identifier: MIT
 *
 * The file of keys: lines 'KEY [NAME]', '#' begins a comment. Comparing takes the same time
 * wherever two keys differ, and whichever fits: every line is compared to its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "host/child.h"

enum { KEY_BYTES_MIN = 16, KEY_BYTES_MAX = 512, KEY_LINE_MAX = 1024 };

struct entry {
    struct entry *next;
    const char *key, *name;
};

struct keys {
    struct entry *first;
    struct arena arena;
};

static const char *read_line(struct keys *keys, char *line)
{
    static const char blanks[] = " \t\r\n";
    char *save = NULL;
    const char *key = strtok_r(line, blanks, &save);
    const char *name = strtok_r(NULL, blanks, &save);
    if (key == NULL || key[0] == '#') {
        return NULL;
    }
    size_t size = strlen(key);
    if (size < KEY_BYTES_MIN || size > KEY_BYTES_MAX) {
        return "a key has 16 to 512 characters";
    }
    if (name != NULL && name[0] != '#' && strtok_r(NULL, blanks, &save) != NULL) {
        return "write 'KEY [NAME]'";
    }
    struct entry *entry = arena_alloc(&keys->arena, sizeof *entry);
    bool has_name = name != NULL && name[0] != '#';
    entry->key = arena_copy(&keys->arena, key, size);
    entry->name = has_name ? arena_copy(&keys->arena, name, strlen(name)) : "";
    entry->next = keys->first;
    keys->first = entry;
    return NULL;
}

struct keys *keys_read(const char *file, pd_error *err)
{
    FILE *from = fopen(file, "re");
    if (from == NULL) {
        (void)error_set(err, PD_E_INVALID, false, "host: keys", "%.120s cannot be read: %s", file,
                        strerror(errno));
        return NULL;
    }
    struct keys *keys = mem_alloc(sizeof *keys);
    char line[KEY_LINE_MAX];
    const char *problem = NULL;
    unsigned number = 0;
    while (problem == NULL && fgets(line, sizeof line, from) != NULL) {
        number++;
        problem =
            strchr(line, '\n') == NULL && !feof(from) ? "it is too long" : read_line(keys, line);
    }
    if (problem == NULL && (ferror(from) || keys->first == NULL)) {
        problem = "there is no key";
    }
    (void)fclose(from);
    if (problem != NULL) {
        (void)error_set(err, PD_E_INVALID, false, "host: keys", "%.120s, line %u: %s", file, number,
                        problem);
        keys_free(keys);
        return NULL;
    }
    return keys;
}

void keys_free(struct keys *keys)
{
    if (keys != NULL) {
        arena_done(&keys->arena);
        mem_free(keys);
    }
}

const char *keys_find(const struct keys *keys, const char *key)
{
    const char *found = NULL;
    size_t size = strlen(key);
    for (const struct entry *entry = keys->first; entry != NULL; entry = entry->next) {
        size_t length = strlen(entry->key);
        unsigned differs = length != size;
        for (size_t i = 0; i < length; i++) {
            differs |= (unsigned char)entry->key[i] ^ (unsigned char)(i < size ? key[i] : 0);
        }
        found = differs == 0 ? entry->name : found;
    }
    return found;
}
