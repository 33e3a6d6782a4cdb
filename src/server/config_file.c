/* SPDX-License-Identifier: MIT
 *
 * The configuration file: lines "name = value", comments after '#', sections that stand for the
 * beginning of a name ("[tls]", "cert = FILE"). Values may be in double quotes.
 *
 * Our own reader, because it is this short, and knows the line that it has to complain about. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "server/config_priv.h"

enum { LINE_MAX_BYTES = 4096, NAME_MAX_BYTES = 64 };

struct file {
    struct config *config;
    const char *name;
    unsigned line;
    char section[NAME_MAX_BYTES];
    bool *adds;
    bool *is_set;
};

static pd_status refuse(const struct file *file, const char *what, pd_error *err)
{
    return error_set(err, PD_E_INVALID, false, "config", "%s:%u: %s", file->name, file->line, what);
}

static char *trim(char *at)
{
    at += strspn(at, " \t\r\n");
    size_t size = strlen(at);
    while (size > 0 && strchr(" \t\r\n", at[size - 1]) != NULL) {
        at[--size] = '\0';
    }
    return at;
}

/* ---- names that are nearly right ------------------------------------------------------------ */

static unsigned least_of(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's, of names no longer than NAME_MAX_BYTES. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_BYTES + 1];
    size_t size = strlen(b);
    if (strlen(a) > NAME_MAX_BYTES || size > NAME_MAX_BYTES) {
        return NAME_MAX_BYTES;
    }
    for (unsigned j = 0; j <= size; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= size; j++) {
            unsigned above = row[j];
            row[j] = least_of(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[size];
}

const char *setting_near(const char *name, unsigned most)
{
    unsigned best = most + 1;
    const char *near = NULL;
    for (size_t i = 0; i < setting_count(); i++) {
        unsigned here = distance(name, setting_at(i)->name);
        if (here < best) {
            best = here;
            near = setting_at(i)->name;
        }
    }
    return near;
}

static pd_status unknown(const struct file *file, const char *name, pd_error *err)
{
    char what[256];
    const char *near = setting_near(name, EDITS_MAX);
    if (near != NULL && strcmp(near, name) == 0) { /* --config, --check and the like */
        snprintf(what, sizeof what,
                 "'%.64s' is not a setting of a file: it is an option of the command line", name);
    } else {
        snprintf(what, sizeof what, "'%.64s' is not a setting%s%s%s", name,
                 near != NULL ? "; is '" : "", near != NULL ? near : "",
                 near != NULL ? "' meant?" : "");
    }
    return refuse(file, what, err);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static pd_status read_section(struct file *file, char *line, pd_error *err)
{
    size_t size = strlen(line);
    if (size < 3 || line[size - 1] != ']' || size - 2 >= sizeof file->section) {
        return refuse(file, "write a section as [name]", err);
    }
    line[size - 1] = '\0';
    snprintf(file->section, sizeof file->section, "%s", trim(line + 1));
    return PD_OK;
}

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < setting_count(); i++) {
        const struct setting *setting = setting_at(i);
        if (strcmp(setting->name, name) == 0 && setting->kind != KIND_SWITCH &&
            strcmp(name, "config") != 0) {
            return setting;
        }
    }
    return NULL;
}

/* In quotes: up to the closing one, \" and \\ inside. Else up to a '#'. */
static pd_status read_value(const struct file *file, char *at, char **ret, pd_error *err)
{
    *ret = at;
    if (*at != '"') {
        at[strcspn(at, "#")] = '\0';
        *ret = trim(at);
        return PD_OK;
    }
    char *to = at;
    for (at++; *at != '"'; at++) {
        at += *at == '\\' && (at[1] == '"' || at[1] == '\\');
        if (*at == '\0') {
            return refuse(file, "a quote is not closed", err);
        }
        *to++ = *at;
    }
    char *rest = trim(at + 1);
    if (*rest != '\0' && *rest != '#') {
        return refuse(file, "something stands behind the closing quote", err);
    }
    *to = '\0';
    return PD_OK;
}

static pd_status read_line(struct file *file, char *line, pd_error *err)
{
    char name[2 * NAME_MAX_BYTES];
    char *value;
    line = trim(line);
    if (*line == '\0' || *line == '#') {
        return PD_OK;
    }
    if (*line == '[') {
        return read_section(file, line, err);
    }
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        return refuse(file, "write 'name = value'", err);
    }
    *equals = '\0';
    bool is_in = file->section[0] != '\0' && strcmp(file->section, "perdured") != 0;
    snprintf(name, sizeof name, "%s%s%.63s", is_in ? file->section : "", is_in ? "-" : "",
             trim(line));
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '_' ? '-' : *at;
    }
    const struct setting *setting = find(name);
    if (setting == NULL) {
        return unknown(file, name, err);
    }
    size_t index = (size_t)(setting - setting_at(0));
    if (file->is_set[index] && setting->kind != KIND_LIST) {
        return refuse(file, "this setting is there twice", err);
    }
    file->is_set[index] = true;
    pd_status status = read_value(file, trim(equals + 1), &value, err);
    if (status == PD_OK) {
        const struct source source = {
            arena_printf(&file->config->arena, "%s:%u:", file->name, file->line),
            file->adds,
        };
        status = setting_set(file->config, setting, value, &source, err);
    }
    return status;
}

pd_status config_read_file(struct config *config, const char *name, pd_error *err)
{
    struct file file = { .config = config, .name = name };
    char line[LINE_MAX_BYTES];
    pd_status status = PD_OK;
    FILE *stream = fopen(name, "re");
    if (stream == NULL) {
        return error_set(err, PD_E_INVALID, false, "config", "--config %s: %s", name,
                         strerror(errno));
    }
    file.adds = mem_alloc(2 * setting_count() * sizeof(bool));
    file.is_set = file.adds + setting_count();
    while (status == PD_OK && fgets(line, sizeof line, stream) != NULL) {
        file.line++;
        if (strlen(line) == sizeof line - 1) {
            status = refuse(&file, "the line is too long", err);
        } else {
            status = read_line(&file, line, err);
        }
    }
    if (status == PD_OK && ferror(stream)) {
        status = error_set(err, PD_E_INVALID, false, "config", "--config %s: %s", name,
                           strerror(errno)); /* a folder can be opened */
    }
    mem_free(file.adds);
    (void)fclose(stream);
    return status;
}
