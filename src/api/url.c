/* SPDX-License-Identifier: MIT
 *
 * The URL of a hub: where its store is, and settings.
 *
 *   scheme:place?setting=value&setting=value
 *
 * A setting is named once. Those of the store go on to it, those of a hub are taken out; what is
 * neither is refused here, because a setting that is mistyped must not be one that is ignored.
 */
#include <string.h>

#include "api/api_priv.h"

static const char where[] = "hub: open";

static pd_status read_payload_max(struct text value, size_t *ret, pd_error *err)
{
    size_t number = 0;
    size_t digits = 0;
    while (digits < value.size && value.at[digits] >= '0' && value.at[digits] <= '9' &&
           number <= LIMIT_PAYLOAD_MOST) {
        number = number * 10 + (size_t)(value.at[digits++] - '0');
    }
    if (digits != value.size || number < LIMIT_PAYLOAD_LEAST || number > LIMIT_PAYLOAD_MOST) {
        return error_set(err, PD_E_INVALID, false, where,
                         "payload_max='%.*s': %d to %d are possible", TEXT_ARGS(value),
                         LIMIT_PAYLOAD_LEAST, LIMIT_PAYLOAD_MOST);
    }
    *ret = number;
    return PD_OK;
}

/* Takes "key=" off the text when it begins with that. */
static bool takes(struct text *setting, struct text key)
{
    if (!text_has_prefix(*setting, key)) {
        return false;
    }
    *setting = text_make(setting->at + key.size, setting->size - key.size);
    return true;
}

static pd_status twice(const char *setting, pd_error *err)
{
    return error_set(err, PD_E_INVALID, false, where, "'%s' is there twice", setting);
}

static pd_status read_settings(const char *at, struct hub_url *url, pd_error *err)
{
    bool has_partitions = false;
    pd_status status = PD_OK;
    while (status == PD_OK && at != NULL) {
        const char *end = strchr(at, '&');
        struct text setting = text_make(at, end != NULL ? (size_t)(end - at) : strlen(at));
        struct text value = setting;
        if (takes(&value, TEXT("partitions="))) {
            status = has_partitions ? twice("partitions", err) : PD_OK;
            has_partitions = true;
            buffer_add_byte(&url->store, '?');
            buffer_add_text(&url->store, setting);
        } else if (takes(&value, TEXT("payload_max="))) {
            status = url->payload_max != 0 ? twice("payload_max", err)
                                           : read_payload_max(value, &url->payload_max, err);
        } else {
            status = error_set(err, PD_E_INVALID, false, where,
                               "'%.*s' is not a setting of a hub; there are partitions=N and "
                               "payload_max=BYTES",
                               TEXT_ARGS(setting));
        }
        at = end != NULL ? end + 1 : NULL;
    }
    return status;
}

pd_status api_read_url(const char *url, struct hub_url *ret, pd_error *err)
{
    *ret = (struct hub_url){ .payload_max = 0 };
    if (url == NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "no URL was given; try \"sqlite:FILE\" or \"memory:\"");
    }
    const char *mark = strchr(url, '?');
    buffer_add(&ret->store, url, mark != NULL ? (size_t)(mark - url) : strlen(url));
    pd_status status = mark != NULL ? read_settings(mark + 1, ret, err) : PD_OK;
    buffer_add_byte(&ret->store, '\0');
    if (ret->payload_max == 0) {
        ret->payload_max = LIMIT_PAYLOAD_BYTES;
    }
    return status;
}
