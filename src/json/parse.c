/* SPDX-License-Identifier: MIT
 *
 * Reading: jansson makes a tree, and the tree becomes values in the arena.
 *
 * Parsing is jansson's, with all its care; this file only adds what jansson allows and we do not
 * (depth), and moves the result to where it belongs, so that the tree is gone when we return. Most
 * payloads are a single scalar, and one is parsed at every step, so those are first tried
 * without a tree: `simple` reads what it is sure of and leaves everything else, errors included, to
 * jansson.
 *
 * Sizes come from outside here: everything is allocated with a check. jansson reports most failed
 * allocations of its own as mistakes in the document; where it does not, we say PD_E_NOMEM.
 */
#include "json/json.h"

#include <jansson.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"

static const char where[] = "json: parse";

/* ---- without a tree ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct text trim(struct text json)
{
    while (json.size != 0 && is_space(json.at[0])) {
        json.at++;
        json.size--;
    }
    while (json.size != 0 && is_space(json.at[json.size - 1])) {
        json.size--;
    }
    return json;
}

/* -?(0|[1-9][0-9]{0,17}), which fits an int64 whatever its digits. */
static bool simple_integer(struct text json, pd_value *ret)
{
    bool is_negative = json.at[0] == '-';
    const char *digits = json.at + (is_negative ? 1 : 0);
    size_t count = json.size - (is_negative ? 1 : 0);
    if (count == 0 || count > 18 || (digits[0] == '0' && count > 1)) {
        return false;
    }
    int64_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        n = n * 10 + (digits[i] - '0');
    }
    *ret = (pd_value){ .kind_ = PD_IS_INT, .as_.integer = is_negative ? -n : n };
    return true;
}

/* What is between the quotes stands for itself: no escapes, nothing that would need one. */
static bool is_plain(struct text inner)
{
    for (size_t i = 0; i < inner.size; i++) {
        unsigned char c = (unsigned char)inner.at[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            return false;
        }
    }
    return text_is_utf8(inner);
}

/* True when json is a scalar of the simplest kind, then *ret is it. Text is borrowed from json. */
static bool simple(struct text json, pd_value *ret)
{
    switch (json.at[0]) {
    case 'n': *ret = PD_NULL; return text_equal(json, TEXT("null"));
    case 't': *ret = PD_TRUE; return text_equal(json, TEXT("true"));
    case 'f': *ret = PD_FALSE; return text_equal(json, TEXT("false"));
    case '"':
        if (json.size < 2 || json.at[json.size - 1] != '"' ||
            !is_plain(text_make(json.at + 1, json.size - 2))) {
            return false;
        }
        *ret = (pd_value){ .kind_ = PD_IS_TEXT,
                           .count_ = (uint32_t)(json.size - 2),
                           .as_.text = json.at + 1 };
        return true;
    default: return simple_integer(json, ret);
    }
}

/* ---- through a tree ---- */

static pd_status no_memory(pd_error *err)
{
    return error_set(err, PD_E_NOMEM, true, where, "no memory for the value");
}

static pd_status too_deep(pd_error *err)
{
    return error_set(err, PD_E_LIMIT, false, where,
                     "arrays and objects go deeper than the limit of %d", LIMIT_JSON_DEPTH);
}

static pd_status make_text(struct arena *arena, const char *at, size_t size, pd_value *ret,
                           pd_error *err)
{
    char *copy = arena_try_alloc(arena, size + 1);
    if (copy == NULL) {
        return no_memory(err);
    }
    memcpy(copy, at, size);
    *ret = (pd_value){ .kind_ = PD_IS_TEXT, .count_ = (uint32_t)size, .as_.text = copy };
    return PD_OK;
}

/* An array or object being made, and which of its children comes next. */
struct level {
    json_t *tree;
    void *pair;      /* of an object: where its iteration stands */
    pd_value *items; /* where the next child goes */
    size_t index, count;
};

/* Room for the children of an array or object, as many pd_values as its layout needs. */
static pd_status open_level(struct arena *arena, json_t *tree, struct level *level, pd_value *ret,
                            pd_error *err)
{
    bool is_object = json_is_object(tree);
    size_t count = is_object ? json_object_size(tree) : json_array_size(tree);
    pd_value *items = arena_try_alloc(arena, count * (is_object ? 2 : 1) * sizeof *items);
    if (items == NULL) {
        return no_memory(err);
    }
    *level = (struct level){
        .tree = tree,
        .pair = is_object ? json_object_iter(tree) : NULL,
        .items = items,
        .count = count,
    };
    *ret = (pd_value){
        .kind_ = is_object ? PD_IS_OBJECT : PD_IS_ARRAY,
        .count_ = (uint32_t)count,
        .as_.items = items,
    };
    return PD_OK;
}

static pd_status make_scalar(struct arena *arena, json_t *tree, pd_value *ret, pd_error *err)
{
    switch (json_typeof(tree)) {
    case JSON_NULL: *ret = PD_NULL; return PD_OK;
    case JSON_TRUE: *ret = PD_TRUE; return PD_OK;
    case JSON_FALSE: *ret = PD_FALSE; return PD_OK;
    case JSON_INTEGER:
        *ret = (pd_value){ .kind_ = PD_IS_INT, .as_.integer = json_integer_value(tree) };
        return PD_OK;
    case JSON_REAL:
        *ret = (pd_value){ .kind_ = PD_IS_REAL, .as_.real = json_real_value(tree) };
        return PD_OK;
    case JSON_STRING:
        return make_text(arena, json_string_value(tree), json_string_length(tree), ret, err);
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    unreachable_state("arrays and objects are opened");
}

/* Makes the key of the next child, when it has one; the answer is the child. */
static pd_status next_child(struct arena *arena, struct level *level, json_t **ret, pd_error *err)
{
    if (level->pair == NULL) {
        *ret = json_array_get(level->tree, level->index++);
        return PD_OK;
    }
    void *pair = level->pair;
    *ret = json_object_iter_value(pair);
    level->index++;
    level->pair = json_object_iter_next(level->tree, pair);
    return make_text(arena, json_object_iter_key(pair), json_object_iter_key_len(pair),
                     level->items++, err);
}

/* Without recursion: this may run on the small stack of an orchestration. Not inlined, so that its
 * levels are not on the stack while jansson parses. */
__attribute__((noinline)) static pd_status make_value(struct arena *arena, json_t *tree,
                                                      pd_value *ret, pd_error *err)
{
    struct level levels[LIMIT_JSON_DEPTH];
    int depth = 0;
    for (;;) {
        pd_status status;
        if (json_is_array(tree) || json_is_object(tree)) {
            assert_that(depth < LIMIT_JSON_DEPTH); /* see is_too_deep */
            status = open_level(arena, tree, &levels[depth++], ret, err);
        } else {
            status = make_scalar(arena, tree, ret, err);
        }
        while (status == PD_OK && depth > 0 && levels[depth - 1].index == levels[depth - 1].count) {
            depth--;
        }
        if (status != PD_OK || depth == 0) {
            return status; /* the outermost value is complete, or something is wrong */
        }
        struct level *level = &levels[depth - 1];
        status = next_child(arena, level, &tree, err);
        if (status != PD_OK) {
            return status;
        }
        ret = level->items++;
    }
}

/* jansson's finding, in our words where ours say more. */
static pd_status refuse(const json_error_t *found, pd_error *err)
{
    int line = found->line, column = found->column;
    if (found->text[0] == '\0') {
        return no_memory(err); /* jansson has something to say about everything else */
    }
    switch (json_error_code(found)) {
    case json_error_out_of_memory: return no_memory(err);
    case json_error_stack_overflow: return too_deep(err);
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return error_set(
            err, PD_E_INVALID, false, where,
            "line %d, column %d: a text contains \\u0000, which C strings cannot hold; "
            "encode binary data, as base64 for example",
            line, column);
    case json_error_duplicate_key:
        return error_set(err, PD_E_INVALID, false, where,
                         "line %d, column %d: a key comes twice in one object", line, column);
    case json_error_numeric_overflow:
        return error_set(err, PD_E_INVALID, false, where,
                         "line %d, column %d: a number is beyond what int64_t or double hold; send "
                         "it as a text",
                         line, column);
    case json_error_invalid_utf8:
        return error_set(err, PD_E_INVALID, false, where, "line %d, column %d: not UTF-8", line,
                         column);
    case json_error_unknown:
    case json_error_cannot_open_file:
    case json_error_invalid_argument:
    case json_error_premature_end_of_input:
    case json_error_end_of_input_expected:
    case json_error_invalid_syntax:
    case json_error_invalid_format:
    case json_error_wrong_type:
    case json_error_null_value:
    case json_error_item_not_found:
    case json_error_index_out_of_range: break;
    }
    return error_set(err, PD_E_INVALID, false, where, "line %d, column %d: %s", line, column,
                     found->text);
}

/* Looked at before parsing, because jansson goes down 2,048 levels, and payloads are parsed on the
 * small stack of an orchestration as well. Right for every correct document; for others it counts
 * at least as deep as the parser would go before it finds the mistake. */
static bool is_too_deep(struct text json)
{
    bool in_string = false;
    int depth = 0;
    for (size_t i = 0; i < json.size; i++) {
        char c = json.at[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            depth--;
        }
        if (depth > LIMIT_JSON_DEPTH) {
            return true;
        }
    }
    return false;
}

static pd_status parse_tree(struct arena *arena, struct text json, pd_value *ret, pd_error *err)
{
    if (is_too_deep(json)) {
        return too_deep(err);
    }
    json_error_t found;
    json_t *tree = json_loadb(json.at, json.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &found);
    if (tree == NULL) {
        return refuse(&found, err);
    }
    pd_value value;
    pd_status status = make_value(arena, tree, &value, err);
    json_decref(tree);
    if (status == PD_OK) {
        *ret = value;
    }
    return status;
}

pd_status json_parse(struct arena *arena, struct text json, pd_value *ret, pd_error *err)
{
    if (json.size >= UINT32_MAX) {
        return error_set(err, PD_E_LIMIT, false, where, "a document of %zu bytes is too long",
                         json.size);
    }
    if (json.size != 0 && memchr(json.at, '\0', json.size) != NULL) {
        /* jansson takes one after a number for the end: see malformed_documents_are_refused. */
        return error_set(err, PD_E_INVALID, false, where, "the document contains a NUL byte");
    }
    struct text trimmed = trim(json);
    if (trimmed.size == 0) {
        return error_set(err, PD_E_INVALID, false, where, "there is no value");
    }
    pd_value value;
    if (!simple(trimmed, &value)) {
        return parse_tree(arena, json, ret, err);
    }
    if (value.kind_ == PD_IS_TEXT) {
        return make_text(arena, value.as_.text, value.count_, ret, err);
    }
    *ret = value;
    return PD_OK;
}
