/* SPDX-License-Identifier: MIT
 *
 * Arguments: what every call checks before anything is done.
 */
#include "api/api_priv.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "json/json.h"

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

pd_status api_check_payload(struct buffer *buffer, pd_value value, const char *where, pd_error *err)
{
    size_t before = buffer->size;
    pd_status status = json_write(buffer, value, err);
    if (status == PD_OK && buffer->size - before > LIMIT_PAYLOAD_BYTES) {
        status = error_set(err, PD_E_LIMIT, false, where,
                           "a payload of %zu bytes of JSON is over the limit of %d",
                           buffer->size - before, LIMIT_PAYLOAD_BYTES);
        buffer->size = before;
    }
    return status;
}
