/* SPDX-License-Identifier: MIT
 *
 * Random messages. See random_message.h.
 */
#include "random_message.h"

#include <string.h>

#include "base/tags.h"

struct text random_text(struct arena *arena, struct random *random)
{
    static const char *const pieces[] = {
        "a", "Z", "0", "\"", "\n", "\xc3\xa4", "\xf0\x9f\x92\xa1"
    };
    char bytes[40];
    size_t size = 0;
    for (size_t n = (size_t)random_below(random, 10); n != 0; n--) {
        const char *piece = pieces[random_below(random, sizeof pieces / sizeof *pieces)];
        memcpy(bytes + size, piece, strlen(piece));
        size += strlen(piece);
    }
    return text_copy(arena, text_make(bytes, size));
}

static struct text random_tags(struct arena *arena, struct random *random)
{
    struct tag tags[3];
    size_t count = (size_t)random_below(random, 4);
    for (size_t i = 0; i < count; i++) {
        tags[i].key = text_of(arena_printf(arena, "key%zu", i));
        tags[i].value = text_of(arena_printf(arena, "%u", (unsigned)random_next(random)));
    }
    return tags_pack(arena, tags, count);
}

static int64_t random_number(struct random *random)
{
    int64_t number = (int64_t)(random_next(random) >> random_below(random, 64));
    return random_chance(random, 1, 4) ? ~number : number;
}

static void *random_list(const struct message_field *field, size_t count, struct arena *arena,
                         struct random *random)
{
    char *items = arena_alloc(arena, count * field->nested->size);
    for (size_t i = 0; i < count; i++) {
        memcpy(items + i * field->nested->size, random_message(field->nested, arena, random),
               field->nested->size);
    }
    return items;
}

/* The bytes of what it has to be, which may have itself inside of it: not deep. */
static struct text random_raw(const struct message_field *field, struct arena *arena,
                              struct random *random)
{
    static int depth;
    if (field->nested->fields[0].tag == 0) {
        return random_text(arena, random);
    }
    if (depth == 3) {
        return TEXT("");
    }
    struct buffer buffer;
    buffer_init(&buffer);
    depth++;
    message_write(field->nested, &buffer, random_message(field->nested, arena, random));
    depth--;
    struct text bytes = text_copy(arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return bytes;
}

static void fill(const struct message_field *field, void *member, struct arena *arena,
                 struct random *random)
{
    size_t count = 1 + (size_t)random_below(random, 3);
    switch ((enum message_field_kind)field->kind) {
    case FIELD_TEXT:
    case FIELD_WRAPPED: *(struct text *)member = random_text(arena, random); break;
    case FIELD_RAW: *(struct text *)member = random_raw(field, arena, random); break;
    case FIELD_TEXTS:
    case FIELD_RAWS: {
        struct text_list *list = member;
        list->items = arena_alloc(arena, count * sizeof *list->items);
        for (list->count = 0; list->count < count; list->count++) {
            list->items[list->count] = field->kind == FIELD_RAWS ? random_raw(field, arena, random)
                                                                 : random_text(arena, random);
        }
        break;
    }
    case FIELD_TAGS: *(struct text *)member = random_tags(arena, random); break;
    case FIELD_FLAG: *(bool *)member = true; break;
    case FIELD_NUMBER: *(int64_t *)member = random_number(random); break;
    case FIELD_NUMBERS: {
        struct number_list *list = member;
        list->items = arena_alloc(arena, count * sizeof *list->items);
        for (list->count = 0; list->count < count; list->count++) {
            list->items[list->count] = random_number(random);
        }
        break;
    }
    case FIELD_FLAG_SET:
        *(struct optional_flag *)member = (struct optional_flag){ true, count == 1 };
        break;
    case FIELD_NUMBER_SET:
        *(struct optional_number *)member =
            (struct optional_number){ true, count == 1 ? 0 : random_number(random) };
        break;
    case FIELD_TIME: *(time_us *)member = random_number(random) >> 8; break; /* of a date */
    case FIELD_DURATION: *(int64_t *)member = (int64_t)(random_next(random) >> 20); break;
    case FIELD_ONE: *(void **)member = random_message(field->nested, arena, random); break;
    case FIELD_MANY: {
        struct text_list *list = member;
        list->items = random_list(field, count, arena, random);
        list->count = count;
        break;
    }
    }
}

void *random_message(const struct message_type *type, struct arena *arena, struct random *random)
{
    void *message = arena_alloc(arena, type->size);
    message_init(type, message);
    for (const struct message_field *field = type->fields; field->tag != 0; field++) {
        if (random_chance(random, 1, 2)) {
            fill(field, (char *)message + field->offset, arena, random);
        }
    }
    return message;
}

static bool is_same_list(const struct message_field *field, const struct text_list *a,
                         const struct text_list *b)
{
    bool is_same = a->count == b->count;
    for (size_t i = 0; i < a->count && is_same; i++) {
        if (field->kind == FIELD_MANY) {
            size_t at = i * field->nested->size;
            is_same = message_is_same(field->nested, (const char *)a->items + at,
                                      (const char *)b->items + at);
        } else {
            is_same = text_equal(a->items[i], b->items[i]);
        }
    }
    return is_same;
}

static bool is_same_number(const struct optional_number *a, const struct optional_number *b)
{
    return a->is_set == b->is_set && a->value == b->value;
}

static bool is_same_flag(const struct optional_flag *a, const struct optional_flag *b)
{
    return a->is_set == b->is_set && a->value == b->value;
}

static bool is_same_field(const struct message_field *field, const void *a, const void *b)
{
    switch ((enum message_field_kind)field->kind) {
    case FIELD_TEXT: {
        const struct text *x = a, *y = b;
        return text_compare(*x, *y) == 0;
    }
    case FIELD_WRAPPED:
    case FIELD_RAW:
    case FIELD_TAGS: return text_equal(*(const struct text *)a, *(const struct text *)b);
    case FIELD_TEXTS:
    case FIELD_RAWS:
    case FIELD_MANY: return is_same_list(field, a, b);
    case FIELD_FLAG: return *(const bool *)a == *(const bool *)b;
    case FIELD_NUMBER:
    case FIELD_TIME:
    case FIELD_DURATION: return *(const int64_t *)a == *(const int64_t *)b;
    case FIELD_NUMBERS: {
        const struct number_list *x = a, *y = b;
        return x->count == y->count &&
               (x->count == 0 || memcmp(x->items, y->items, x->count * sizeof *x->items) == 0);
    }
    case FIELD_FLAG_SET: return is_same_flag(a, b);
    case FIELD_NUMBER_SET: return is_same_number(a, b);
    case FIELD_ONE: {
        const void *x = *(void *const *)a, *y = *(void *const *)b;
        return (x != NULL) == (y != NULL) && (x == NULL || message_is_same(field->nested, x, y));
    }
    }
    return false;
}

bool message_is_same(const struct message_type *type, const void *a, const void *b)
{
    for (const struct message_field *field = type->fields; field->tag != 0; field++) {
        if (!is_same_field(field, (const char *)a + field->offset,
                           (const char *)b + field->offset)) {
            return false;
        }
    }
    return true;
}
