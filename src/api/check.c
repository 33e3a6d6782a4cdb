/* SPDX-License-Identifier: MIT
 *
 * Arguments: what every call checks before anything is done.
 */
#include "api/api_priv.h"
#include "json/json.h"

/* Of a name or a key; more cannot be in the limit of characters. */
enum { ENTITY_BYTES_MAX = 4 * LIMIT_INSTANCE_ID };

pd_status api_check_name(struct text name, const char *where, const char *what, pd_error *err)
{
    if (name.size == 0) {
        return error_set(err, PD_E_INVALID, false, where, "the %s is empty", what);
    }
    if (name.size > LIMIT_NAME) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the %s has %zu bytes, which is over the limit of %d", what, name.size,
                         LIMIT_NAME);
    }
    if (!text_is_utf8(name)) {
        return error_set(err, PD_E_INVALID, false, where, "the %s is not valid UTF-8", what);
    }
    return PD_OK;
}

pd_status api_check_id(const char *id, const char *where, struct text *ret, pd_error *err)
{
    if (id == NULL) {
        return error_set(err, PD_E_INVALID, false, where, "no instance id was given");
    }
    *ret = text_of(id);
    return instance_id_check(*ret, err);
}

pd_status api_check_entity_id(struct text id, struct arena *arena, struct text *ret, pd_error *err)
{
    pd_status status = entity_id_check(id, err);
    if (status == PD_OK) {
        char *copy = arena_copy(arena, id.at, id.size);
        entity_id_fold(copy, id.size);
        *ret = text_make(copy, id.size);
    }
    return status;
}

pd_status api_check_entity(pd_entity_id entity, struct arena *arena, const char *where,
                           struct text *ret, pd_error *err)
{
    struct text name = text_of(entity.name);
    struct text key = text_of(entity.key);
    if (!text_is_present(name) || !text_is_present(key)) {
        return error_set(err, PD_E_INVALID, false, where, "no %s of the entity was given",
                         text_is_present(name) ? "key (which may be \"\")" : "name");
    }
    if (memchr(name.at, '@', name.size) != NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the name of an entity may not hold '@', as '%.*s' does", TEXT_ARGS(name));
    }
    if (name.size > ENTITY_BYTES_MAX || key.size > ENTITY_BYTES_MAX) {
        return error_set(err, PD_E_INVALID, false, where,
                         "name and key of an entity of %zu bytes are over the limit of %d "
                         "characters",
                         name.size + key.size, LIMIT_INSTANCE_ID - 2);
    }
    size_t size = name.size + key.size + 2;
    char *id = arena_alloc_raw(arena, size);
    id[0] = id[1 + name.size] = '@';
    memcpy(id + 1, name.at, name.size);
    memcpy(id + 2 + name.size, key.at, key.size);
    *ret = text_make(id, size);
    pd_status status = entity_id_check(*ret, err);
    if (status == PD_OK) {
        entity_id_fold(id, size);
    }
    return status;
}

pd_status api_choose_id(const char *wanted, struct chosen_id *ret, pd_error *err)
{
    ret->is_fresh = wanted == NULL || wanted[0] == '\0';
    if (ret->is_fresh) {
        engine_new_id(ret->minted);
        ret->text = text_make(ret->minted, 32);
        return PD_OK;
    }
    ret->text = text_of(wanted);
    return instance_id_check(ret->text, err);
}

pd_status api_choose_id_of(const pd_id *wanted, const char *where, struct chosen_id *ret,
                           pd_error *err)
{
    const char *text = wanted != NULL ? wanted->text : NULL;
    if (text != NULL && memchr(text, '\0', sizeof(wanted->text)) == NULL) {
        return error_set(err, PD_E_INVALID, false, where, "the id that is wanted does not end");
    }
    return api_choose_id(text, ret, err);
}

_Static_assert(sizeof(pd_id) > 4 * LIMIT_INSTANCE_ID, "an id of the longest characters fits");

void api_write_id(pd_id *ret, struct text id)
{
    memmove(ret->text, id.at, id.size); /* it may be where it came from */
    ret->text[id.size] = '\0';
}

pd_status api_check_payload(const pd_hub *hub, struct buffer *buffer, pd_value value,
                            const char *where, pd_error *err)
{
    size_t before = buffer->size;
    pd_status status = json_write(buffer, value, err);
    if (status == PD_OK && buffer->size - before > hub->payload_max) {
        status = error_set(err, PD_E_LIMIT, false, where,
                           "a payload of %zu bytes of JSON is over the limit of %zu",
                           buffer->size - before, hub->payload_max);
        buffer->size = before;
    }
    return status;
}
