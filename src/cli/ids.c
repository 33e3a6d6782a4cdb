/* SPDX-License-Identifier: MIT
 *
 * Which instances a command is about: ids on the command line or on stdin, filters, tags.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool add(struct ids *ids, const char *id)
{
    if (ids->count == ids->room) {
        size_t room = ids->room != 0 ? ids->room * 2 : 16;
        char **at = realloc(ids->at, room * sizeof *at);
        if (at == NULL) {
            return false;
        }
        ids->at = at;
        ids->room = room;
    }
    ids->at[ids->count] = strdup(id);
    return ids->at[ids->count++] != NULL;
}

static bool add_lines(struct ids *ids)
{
    char *line = NULL;
    size_t room = 0;
    bool ok = true;
    while (ok && getline(&line, &room, stdin) != -1) {
        line[strcspn(line, "\r\n")] = 0;
        ok = *line == 0 || add(ids, line);
    }
    free(line);
    return ok;
}

bool ids_read(const struct invocation *in, struct ids *ret, int *ret_code)
{
    *ret = (struct ids){ 0 };
    for (int i = 0; i < in->argument_count; i++) {
        const char *word = in->arguments[i];
        if (strcmp(word, "-") == 0 ? !add_lines(ret) : !add(ret, word)) {
            *ret_code = problem(CODE_OTHER, NULL, "out of memory");
            return false;
        }
    }
    return true;
}

void ids_done(struct ids *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        free(ids->at[i]);
    }
    free(ids->at);
    *ids = (struct ids){ 0 };
}

/* ---- filters --------------------------------------------------------------------------------- */

pd_query query_of(const struct options *o)
{
    pd_query query = {
        .states = o->states,
        .id_prefix = o->prefix,
        .name = o->name,
        .version = o->of_version,
        .parent_id = o->parent,
        .tag = o->tags.count > 0 ? o->tags.at[o->tags.count - 1] : NULL,
        .roots_only = o->roots_only != 0,
        .created_from = o->since,
        .created_to = o->until,
        .ended_from = o->ended_since,
        .ended_to = o->ended_until,
    };
    if (o->older_than.ms > 0) {
        query.ended_to.ms = clock_now_ms() - o->older_than.ms;
    }
    return query;
}

bool query_is_given(const struct options *o)
{
    return o->states != 0 || o->prefix != NULL || o->name != NULL || o->of_version != NULL ||
           o->parent != NULL || o->tags.count != 0 || o->roots_only || o->since.ms != 0 ||
           o->until.ms != 0 || o->ended_since.ms != 0 || o->ended_until.ms != 0 ||
           o->older_than.ms != 0;
}

/* ---- tags ------------------------------------------------------------------------------------ */

bool tags_read(const struct options *o, pd_document **ret_document, pd_value *ret_value,
               int *ret_code)
{
    *ret_value = PD_NULL;
    if (o->tags.count == 0) {
        return true;
    }
    AUTO_STRING json = { 0 };
    for (size_t i = 0; i < o->tags.count; i++) {
        const char *tag = o->tags.at[i];
        const char *equals = strchr(tag, '=');
        if (equals == NULL || equals == tag) {
            *ret_code = problem(CODE_USAGE, NULL, "--tag: '%s' is not KEY=VALUE", tag);
            return false;
        }
        for (size_t before = 0; before < i; before++) {
            if (strncmp(o->tags.at[before], tag, (size_t)(equals - tag) + 1) == 0) {
                *ret_code = problem(CODE_USAGE, NULL, "--tag: '%.*s' is given twice",
                                    (int)(equals - tag), tag);
                return false;
            }
        }
        AUTO_STRING key = { 0 };
        string_add(&key, tag, (size_t)(equals - tag));
        string_text(&json, i == 0 ? "{" : ",");
        string_quote(&json, key.at);
        string_text(&json, ":");
        string_quote(&json, equals + 1);
    }
    string_text(&json, "}");
    pd_error err;
    *ret_document = pd_document_parse(json.at, &err);
    if (*ret_document == NULL) {
        *ret_code = problem(code_of_status(err.status), NULL, "--tag: %s", err.text);
        return false;
    }
    *ret_value = pd_document_value(*ret_document);
    return true;
}
