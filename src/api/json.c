/* SPDX-License-Identifier: MIT
 *
 * Documents: JSON text as a value, for programs that get their payloads as text (the command, a
 * gateway). A document owns one arena that holds the value and all its texts.
 *
 *   I1  What comes out is what a function of the user would be given for the same text: the same
 *       reader, the same limits.
 *   I2  Immutable after parsing, so any thread may read it.
 */
#include <perdure.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/object.h"
#include "base/text.h"
#include "json/json.h"

enum { DOCUMENT_MAGIC = 0x646f635f };

struct pd_document {
    uint32_t magic;
    struct arena arena;
    pd_value value;
};

pd_document *pd_document_parse(const char *json, pd_error *err)
{
    pd_error unwanted;
    if (err == NULL) {
        err = &unwanted;
    }
    struct text text = text_of(json);
    if (text.size > LIMIT_PAYLOAD_BYTES) {
        error_set(err, PD_E_LIMIT, false, "json: parse",
                  "a payload of %zu bytes is over the limit of %d", text.size, LIMIT_PAYLOAD_BYTES);
        return NULL;
    }
    pd_document *d = OBJECT_NEW(pd_document, DOCUMENT_MAGIC);
    arena_init(&d->arena);
    if (json_parse(&d->arena, text, &d->value, err) != PD_OK) {
        pd_document_free(d);
        return NULL;
    }
    return d;
}

pd_value pd_document_value(const pd_document *d)
{
    OBJECT_CHECK(d, DOCUMENT_MAGIC);
    return d->value;
}

void pd_document_free(pd_document *d)
{
    if (d == NULL) {
        return;
    }
    OBJECT_CHECK(d, DOCUMENT_MAGIC);
    arena_done(&d->arena);
    OBJECT_FREE(d, DOCUMENT_MAGIC);
}
