/* SPDX-License-Identifier: MIT
 *
 * The program: the table of functions that a worker can run, checked and found by name.
 *
 *   N1  A name is there once, whatever its kind. Names of entities are compared in lower case
 *       (ASCII), in ids too; others as they are.
 *   N2  Names that begin with "perdure." are ours: the builtin room has them, the user's table does
 *       not.
 *
 * Rows are borrowed; nothing here changes once the author was made. */
#include "author/author_priv.h"
#include "builtin/builtin.h"
#include "core/core.h"

static const char where[] = "program";

/* The maps hold pointers that are not const; this is the row again, as it was given. */
union row {
    const pd_function *function;
    void *value;
};

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_is_like(struct text a, struct text b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (to_lower(a.at[i]) != to_lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    struct text t = text_of(name);
    return t.size > 0 && t.size <= LIMIT_NAME && text_is_utf8(t);
}

static pd_status operations_check(const pd_function *function, pd_error *err)
{
    const pd_operation *operations = function->rules->operations;
    for (size_t i = 0; i < function->rules->operation_count; i++) {
        if (!is_name(operations[i].name)) {
            return error_set(err, PD_E_INVALID, false, where,
                             "the name of operation %zu of entity '%s' must be 1 to %d bytes of "
                             "UTF-8",
                             i, function->name, LIMIT_NAME);
        }
        if (operations[i].run == NULL) {
            return error_set(err, PD_E_INVALID, false, where,
                             "operation '%s' of entity '%s' has no function", operations[i].name,
                             function->name);
        }
        for (size_t j = 0; j < i; j++) {
            if (text_is_like(text_of(operations[i].name), text_of(operations[j].name))) {
                return error_set(err, PD_E_INVALID, false, where,
                                 "entity '%s' has the operation '%s' twice (case does not count)",
                                 function->name, operations[i].name);
            }
        }
    }
    return PD_OK;
}

static pd_status entity_check_row(const pd_function *function, pd_error *err)
{
    char id[LIMIT_NAME + 3];
    pd_error why;
    const pd_entity_rules *rules = function->rules;
    size_t size = strlen(function->name);
    memcpy(id + 1, function->name, size);
    id[0] = id[size + 1] = '@';
    if (memchr(function->name, '@', size) != NULL ||
        entity_id_check(text_make(id, size + 2), &why) != PD_OK) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%s' cannot be the name of an entity: as an ID, '@name@key', it would "
                         "be too long, or hold a '@' or a control character",
                         function->name);
    }
    bool has_operations = rules != NULL && rules->operations != NULL && rules->operation_count > 0;
    if (function->run == NULL && !has_operations) {
        return error_set(err, PD_E_INVALID, false, where,
                         "entity '%s' has neither a function nor operations", function->name);
    }
    if (function->run != NULL && rules != NULL &&
        (rules->operations != NULL || rules->operation_count > 0)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "entity '%s' has both a function and operations; use PD_ENTITY_TABLE "
                         "for one function each",
                         function->name);
    }
    return has_operations ? operations_check(function, err) : PD_OK;
}

static pd_status row_check(const pd_function *function, size_t i, pd_error *err)
{
    if (function->name == NULL || function->name[0] == '\0') {
        return error_set(err, PD_E_INVALID, false, where, "row %zu has no name", i);
    }
    if (!is_name(function->name)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the name of row %zu must be 1 to %d bytes of UTF-8", i, LIMIT_NAME);
    }
    if (function->kind == PD_ENTITY_FUNCTION) {
        return entity_check_row(function, err);
    }
    if (function->run == NULL) {
        return error_set(err, PD_E_INVALID, false, where, "'%s' has no function", function->name);
    }
    if (function->kind != PD_ORCHESTRATOR && function->kind != PD_ACTIVITY &&
        function->kind != PD_TRANSACTION_) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%s' is neither an orchestrator nor an activity nor an entity; use "
                         "PD_FUNCTION",
                         function->name);
    }
    if (function->rules != NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%s' has the rules of an entity, and is none", function->name);
    }
    return PD_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint64_t code_key(pd_any_fn *run, pd_function_kind kind)
{
    return ((uint64_t)(uintptr_t)run << 1) ^ (kind == PD_ORCHESTRATOR ? 0 : 1);
}

static pd_status add(struct program *program, const pd_function *function, pd_error *err)
{
    union row row = { function };
    struct text name = text_of(function->name), folded = TEXT_ABSENT;
    bool is_entity = function->kind == PD_ENTITY_FUNCTION;
    if (is_entity) {
        char *copy = arena_copy(&program->folded, name.at, name.size);
        for (size_t i = 0; i < name.size; i++) {
            copy[i] = to_lower(copy[i]);
        }
        folded = text_make(copy, name.size);
    }
    if (map_find(&program->names, name) != NULL ||
        (is_entity && map_find(&program->entities, folded) != NULL)) {
        return error_set(err, PD_E_INVALID, false, where, "the name '%s' is there twice%s",
                         function->name, is_entity ? " (of entities, case does not count)" : "");
    }
    map_put(&program->names, name, row.value);
    if (is_entity) {
        map_put(&program->entities, folded, row.value);
        return PD_OK;
    }
    uint64_t key = code_key(function->run, function->kind);
    if (map64_find(&program->by_code, key) == NULL) {
        map64_put(&program->by_code, key, row.value);
    }
    return PD_OK;
}

void program_init(struct program *program)
{
    size_t count;
    pd_error err;
    const pd_function *ours = builtin_functions(&count);
    map_init(&program->names);
    map_init(&program->entities);
    map64_init(&program->by_code);
    arena_init(&program->folded);
    for (size_t i = 0; i < count; i++) {
        pd_status status = add(program, &ours[i], &err);
        assert_that(status == PD_OK);
    }
}

pd_status program_add(struct program *program, const pd_function *table, size_t n, pd_error *err)
{
    static const struct text ours = TEXT_INIT("perdure.");
    if (table == NULL && n > 0) {
        return error_set(err, PD_E_INVALID, false, where, "there is no table of functions");
    }
    for (size_t i = 0; i < n; i++) {
        pd_status status = row_check(&table[i], i, err);
        if (status != PD_OK) {
            return status;
        }
        struct text name = text_of(table[i].name);
        if (name.size >= ours.size && text_is_like(text_make(name.at, ours.size), ours)) {
            return error_set(err, PD_E_INVALID, false, where, /* N2 */
                             "'%s': names that begin with '%s' are kept for Perdure itself",
                             table[i].name, ours.at);
        }
        status = add(program, &table[i], err);
        if (status != PD_OK) {
            return status;
        }
    }
    return PD_OK;
}

void program_done(struct program *program)
{
    map_done(&program->names);
    map_done(&program->entities);
    map64_done(&program->by_code);
    arena_done(&program->folded);
}

/* ---- finding --------------------------------------------------------------------------------- */

const pd_function *author_find(const struct author *author, struct text name, pd_function_kind kind)
{
    if (kind == PD_ENTITY_FUNCTION) {
        return map_find(&author->program.entities, name);
    }
    const pd_function *function = map_find(&author->program.names, name);
    return function != NULL && function->kind != PD_ENTITY_FUNCTION &&
                   (function->kind == PD_ORCHESTRATOR) == (kind == PD_ORCHESTRATOR)
               ? function
               : NULL;
}

const char *author_name_of(const struct runner *runner, pd_any_fn *run, pd_function_kind kind)
{
    const struct author *author = author_of(runner);
    const pd_function *function = map64_find(&author->program.by_code, code_key(run, kind));
    return function != NULL ? function->name : NULL;
}
