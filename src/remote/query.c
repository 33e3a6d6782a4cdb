/* SPDX-License-Identifier: MIT
 *
 * Queries. A server answers with fewer rows than were asked for when they are large; then it is
 * asked for those behind them, until there are as many as the caller wants, or as many bytes.
 */
#include "remote/remote_priv.h"

/* What is left of a bound, of which 0 is none; *ret_full: nothing is. */
static int64_t less(int64_t bytes_max, size_t bytes, bool *ret_full)
{
    *ret_full = bytes_max != 0 && (uint64_t)bytes_max <= bytes;
    return bytes_max == 0 || *ret_full ? bytes_max : bytes_max - (int64_t)bytes;
}

static struct hub_query_request write_query(const struct store_query *query)
{
    return (struct hub_query_request){
        .states = query->states,
        .id_prefix = query->id_prefix,
        .name = query->name,
        .version = query->version,
        .parent_id = query->parent_id,
        .tag = query->tag,
        .roots_only = query->roots_only,
        .created_from = query->created_from,
        .created_to = query->created_to,
        .ended_from = query->ended_from,
        .ended_to = query->ended_to,
        .after_row = (int64_t)query->after_row,
        .limit = (int64_t)query->limit,
        .with_payloads = query->with_payloads,
        .bytes_max = (int64_t)query->bytes_max,
        .hidden = query->hidden,
    };
}

pd_status remote_query(struct store *store, const struct store_query *query, struct arena *arena,
                       struct record_page *ret, pd_error *err)
{
    struct hub_query_request request = write_query(query);
    const struct remote_call call = {
        REMOTE_PATH("Query"), &hub_query_request_type, &hub_query_response_type, &request, true,
    };
    struct buffer records; /* of struct instance_record */
    bool has_more = true, is_full = false;
    pd_status status = PD_OK;
    buffer_init(&records);
    while (status == PD_OK && has_more && !is_full && request.limit > 0) {
        struct hub_query_response answer;
        size_t bytes = 0;
        status = remote_call(remote_of(store), &call, arena, &answer, err);
        has_more = status == PD_OK && answer.has_more && answer.instances.count != 0;
        for (size_t i = 0; status == PD_OK && i < answer.instances.count; i++) {
            struct instance_record record = hub_instance_record(&answer.instances.items[i]);
            buffer_add(&records, &record, sizeof record);
            request.after_row = (int64_t)record.row;
            request.limit--;
            bytes += record_payload_bytes(&record);
        }
        request.bytes_max = less(request.bytes_max, bytes, &is_full);
    }
    if (status == PD_OK) {
        void *items = arena_alloc_raw(arena, records.size);
        memcpy(items, records.at != NULL ? records.at : (const uint8_t *)"", records.size);
        *ret =
            (struct record_page){ items, records.size / sizeof(struct instance_record), has_more };
    }
    buffer_done(&records);
    return status;
}

pd_status remote_count(struct store *store, const struct store_query *query,
                       struct store_counts *ret, pd_error *err)
{
    const struct hub_query_request request = write_query(query);
    const struct remote_call call = {
        REMOTE_PATH("Count"), &hub_query_request_type, &hub_count_response_type, &request, true,
    };
    struct hub_count_response answer;
    struct arena arena;
    arena_init(&arena);
    pd_status status = remote_call(remote_of(store), &call, &arena, &answer, err);
    if (status == PD_OK) {
        *ret = (struct store_counts){ { 0 } };
        for (size_t i = 0; i < answer.of.count && i <= RUN_TERMINATED; i++) {
            ret->of[i] = (uint64_t)answer.of.items[i];
        }
    }
    arena_done(&arena);
    return status;
}

pd_status remote_query_entities(struct store *store, const struct entity_query *query,
                                struct arena *arena, struct entity_page *ret, pd_error *err)
{
    struct hub_entities_request request = {
        .id_prefix = query->id_prefix,
        .changed_from = query->changed_from,
        .changed_to = query->changed_to,
        .with_empty = query->with_empty,
        .locked_only = query->locked_only,
        .after_id = query->after_id,
        .by_row = query->by_row,
        .after_row = (int64_t)query->after_row,
        .limit = (int64_t)query->limit,
        .with_state = query->with_state,
        .bytes_max = (int64_t)query->bytes_max,
    };
    const struct remote_call call = {
        REMOTE_PATH("QueryEntities"),
        &hub_entities_request_type,
        &hub_entities_response_type,
        &request,
        true,
    };
    struct buffer records; /* of struct entity_record */
    bool has_more = true, is_full = false;
    pd_status status = PD_OK;
    buffer_init(&records);
    while (status == PD_OK && has_more && !is_full && request.limit > 0) {
        struct hub_entities_response answer;
        size_t bytes = 0;
        status = remote_call(remote_of(store), &call, arena, &answer, err);
        has_more = status == PD_OK && answer.has_more && answer.entities.count != 0;
        for (size_t i = 0; status == PD_OK && i < answer.entities.count; i++) {
            struct entity_record record = hub_entity_record(&answer.entities.items[i]);
            buffer_add(&records, &record, sizeof record);
            request.after_row = (int64_t)record.row;
            request.after_id = record.id;
            request.limit--;
            bytes += record.state.size;
        }
        request.bytes_max = less(request.bytes_max, bytes, &is_full);
    }
    if (status == PD_OK) {
        void *items = arena_alloc_raw(arena, records.size);
        memcpy(items, records.at != NULL ? records.at : (const uint8_t *)"", records.size);
        *ret = (struct entity_page){ items, records.size / sizeof(struct entity_record), has_more };
    }
    buffer_done(&records);
    return status;
}

/* ---- cleaning -------------------------------------------------------------------------------- */

pd_status remote_clean_entities(struct store *store, pd_cleaned *ret, pd_error *err)
{
    const struct remote_call call = {
        .path = REMOTE_PATH("CleanEntities"),
        .answer_type = &hub_clean_response_type,
    };
    struct hub_clean_response answer;
    struct arena arena;
    arena_init(&arena);
    pd_status status = remote_call(remote_of(store), &call, &arena, &answer, err);
    if (status == PD_OK) {
        ret->removed += (uint64_t)answer.removed;
        ret->unlocked += (uint64_t)answer.unlocked;
    }
    arena_done(&arena);
    return status;
}
