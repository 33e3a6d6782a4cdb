/* SPDX-License-Identifier: MIT
 *
 * Failures: from user code to history and back.
 *
 *   F1  A failure that leaves here is UTF-8 throughout: a byte that is not becomes '?'.
 *   F2  Causes are at most LIMIT_FAILURE_DEPTH deep, at most LIMIT_FAILURE_CAUSES beside each
 *       other, and at most LIMIT_FAILURE_PARTS in all; others are left out. So also what bites its
 *       own tail comes to an end. */
#include <stdio.h>

#include "author/author_priv.h"

/* The text itself, or a copy in which every byte outside of ASCII is '?'. */
static struct text clean(struct arena *arena, struct text t)
{
    if (text_is_utf8(t)) {
        return t;
    }
    char *copy = arena_copy(arena, t.at, t.size);
    for (size_t i = 0; i < t.size; i++) {
        copy[i] = (unsigned char)copy[i] < 0x80 ? copy[i] : '?';
    }
    return text_make(copy, t.size);
}

static const char *keep_text(struct arena *arena, const char *text)
{
    struct text t = text_of(text != NULL ? text : "");
    struct text cleaned = clean(arena, t);
    return cleaned.at == t.at ? arena_copy(arena, t.at, t.size) : cleaned.at;
}

pd_failure *failure_vnew(struct arena *arena, const char *type, bool is_final,
                         const pd_failure *cause, const char *format, va_list args)
{
    pd_failure *failure = arena_alloc(arena, sizeof *failure);
    struct text message = text_of(arena_vprintf(arena, format, args));
    failure->type = keep_text(arena, type);
    failure->message = clean(arena, message).at;
    failure->cause = cause;
    failure->final = is_final;
    return failure;
}

pd_failure *failure_new(struct arena *arena, const char *type, bool is_final,
                        const pd_failure *cause, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pd_failure *failure = failure_vnew(arena, type, is_final, cause, format, args);
    va_end(args);
    return failure;
}

/* The failure and those beside it. Whoever made it of what is stored has seen to F2. */
const pd_failure *failure_of_core(struct arena *arena, const struct failure *failure)
{
    const pd_failure *first = NULL, **at = &first;
    for (; failure != NULL; failure = failure->next) {
        pd_failure *copy = arena_alloc(arena, sizeof *copy);
        copy->type = arena_copy(arena, failure->type.at, failure->type.size);
        copy->message = arena_copy(arena, failure->message.at, failure->message.size);
        copy->final = failure->is_final;
        copy->cause = failure_of_core(arena, failure->cause);
        *at = copy;
        at = &copy->next;
    }
    return first;
}

/* At most so many beside each other; the first is gone into before the second. */
static const struct failure *to_core(struct arena *arena, const pd_failure *failure, int beside,
                                     int depth, int *left)
{
    const struct failure *first = NULL, **at = &first;
    for (; failure != NULL && beside > 0 && *left > 0; beside--, failure = failure->next) {
        *left -= 1;
        struct failure *copy = arena_alloc(arena, sizeof *copy);
        copy->type = text_of(keep_text(arena, failure->type));
        copy->message = text_of(keep_text(arena, failure->message));
        copy->is_final = failure->final;
        if (depth > 0) {
            copy->cause = to_core(arena, failure->cause, LIMIT_FAILURE_CAUSES, depth - 1, left);
        }
        *at = copy;
        at = &copy->next;
    }
    return first;
}

const struct failure *failure_to_core(struct arena *arena, const pd_failure *failure)
{
    int left = 1 + LIMIT_FAILURE_PARTS;
    return to_core(arena, failure, 1, LIMIT_FAILURE_DEPTH, &left);
}

const pd_failure *failure_keep(struct arena *arena, const pd_failure *failure)
{
    return failure_of_core(arena, failure_to_core(arena, failure));
}
