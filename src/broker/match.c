/* SPDX-License-Identifier: MIT
 *
 * Matching: may this stream have this item? The rules of section 2.5 of the service's
 * specification. */
#include "broker/broker_priv.h"

bool match_takes_kind(const struct broker_stream *stream, enum work_kind kind)
{
    return kind != KIND_ENTITY || !stream->options.has_no_entities;
}

bool match_is_filtered(const struct broker_stream *stream, enum work_kind kind)
{
    return stream->filters[kind].is_filtered;
}

/* "@name@key" */
static struct text entity_name(struct text id)
{
    if (id.size == 0) {
        return id;
    }
    struct text rest = text_make(id.at + 1, id.size - 1);
    const char *end = rest.size != 0 ? memchr(rest.at, '@', rest.size) : NULL;
    return end != NULL ? text_make(rest.at, (size_t)(end - rest.at)) : rest;
}

struct text match_name(const struct item *item)
{
    return item->kind == KIND_ENTITY ? entity_name(item->instance_id) : item->name;
}

/* A version that is missing is as an empty one. */
static bool lists(const struct stream_filter *filter, struct text version)
{
    for (size_t i = 0; i < filter->version_count; i++) {
        if (text_compare(filter->versions[i], version) == 0) {
            return true;
        }
    }
    return false;
}

/* An activity that was asked for without a version is also as one with that of its
 * orchestration. */
static bool takes_version(const struct stream_filter *filter, const struct item *item)
{
    if (filter->version_count == 0 || lists(filter, item->version)) {
        return true;
    }
    return item->kind == KIND_ACTIVITY && !text_is_present(item->version) &&
           lists(filter, item->activity->owner_version);
}

bool match_takes(const struct broker_stream *stream, const struct item *item)
{
    if (!match_takes_kind(stream, item->kind)) {
        return false;
    }
    const struct stream_filters *filters = &stream->filters[item->kind];
    struct text name = match_name(item);
    for (size_t i = 0; i < filters->count; i++) {
        if (text_compare(filters->items[i].name, name) == 0 &&
            takes_version(&filters->items[i], item)) {
            return true;
        }
    }
    return !filters->is_filtered;
}

static bool lists_name(const struct stream_filters *filters, struct text name)
{
    for (size_t i = 0; i < filters->count; i++) {
        if (text_compare(filters->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool broker_may_run(const struct broker *broker, struct text name, bool is_entity)
{
    enum work_kind kind = is_entity ? KIND_ENTITY : KIND_TURN;
    bool is_known = broker->options.is_own != NULL &&
                    broker->options.is_own(broker->options.argument, name, false);
    bool all_say = false;
    LIST_EACH(node, &broker->streams)
    {
        const struct broker_stream *stream = CONTAINER_OF(node, struct broker_stream, all);
        const struct stream_filters *filters = &stream->filters[kind];
        if (match_takes_kind(stream, kind) && (!filters->is_filtered || filters->count > 0)) {
            is_known |= !filters->is_filtered || lists_name(filters, name);
            all_say = true;
        }
    }
    return is_known || !all_say;
}
