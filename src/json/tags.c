/* SPDX-License-Identifier: MIT
 *
 * Tags, as people give them: an object of texts. Inside they are packed (base/tags.h).
 *
 * Like writing, this checks everything that the user's program could have got wrong. Of a key that
 * comes twice the later one counts.
 */
#include "base/tags.h"

#include "base/error.h"
#include "base/limits.h"
#include "json/json.h"

static const char where[] = "json: tags";

static pd_status read_tag(const pd_value *pair, struct tag *ret, pd_error *err)
{
    struct text key = text_of(pair[0].kind_ == PD_IS_TEXT ? pair[0].as_.text : NULL);
    struct text value = text_of(pair[1].kind_ == PD_IS_TEXT ? pair[1].as_.text : NULL);
    if (!text_is_present(key) || !text_is_present(value)) {
        return error_set(err, PD_E_INVALID, false, where, "the tag '%.*s' is not a text",
                         TEXT_ARGS(key));
    }
    if (key.size > LIMIT_TAG_BYTES || value.size > LIMIT_TAG_BYTES) {
        bool is_key = key.size > LIMIT_TAG_BYTES;
        return error_set(err, PD_E_LIMIT, false, where,
                         "the %s of a tag has %zu bytes, which is over the limit of %d",
                         is_key ? "key" : "value", is_key ? key.size : value.size, LIMIT_TAG_BYTES);
    }
    *ret = (struct tag){ key, value };
    if (!tag_is_valid(ret)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the tag '%.*s' has an empty key, a control character, or bytes that are "
                         "not UTF-8",
                         TEXT_ARGS(key));
    }
    return PD_OK;
}

pd_status json_pack_tags(struct arena *arena, pd_value tags, struct text *ret, pd_error *err)
{
    struct tag all[LIMIT_TAGS];
    if (tags.kind_ == PD_IS_NULL) {
        *ret = TEXT_ABSENT;
        return PD_OK;
    }
    if (tags.kind_ != PD_IS_OBJECT) {
        return error_set(err, PD_E_INVALID, false, where, "tags are an object of texts");
    }
    if (tags.count_ > LIMIT_TAGS) {
        return error_set(err, PD_E_LIMIT, false, where, "%u tags are over the limit of %d",
                         tags.count_, LIMIT_TAGS);
    }
    for (size_t i = 0; i < tags.count_; i++) {
        pd_status status = read_tag(&tags.as_.items[2 * i], &all[i], err);
        if (status != PD_OK) {
            return status;
        }
    }
    *ret = tags_pack(arena, all, tags.count_);
    return PD_OK;
}
