/* SPDX-License-Identifier: MIT
 *
 * The messages of perdure.v1.Hub: their types, and what records of a store are among them. */
#include "wire/hub_calls.h"

#include "core/batch.h"

HUB_CALL_MAP(MESSAGE_DATA)

struct hub_kept_instance hub_kept_instance_of(const struct instance_record *record)
{
    return (struct hub_kept_instance){
        .row = (int64_t)record->row,
        .partition = record->partition,
        .id = record->id,
        .execution_id = record->execution_id,
        .name = record->name,
        .version = record->version,
        .input = record->input,
        .state = record->state,
        .is_busy = record->is_busy,
        .created_at = record->created_at,
        .updated_at = record->updated_at,
        .ended_at = record->ended_at,
        .starts_at = record->starts_at,
        .output = record->output,
        .failure = record->failure,
        .custom_status = record->custom_status,
        .tags = record->tags,
        .parent_id = record->parent_id,
        .parent_execution_id = record->parent_execution_id,
        .parent_step = record->parent_step,
    };
}

struct instance_record hub_instance_record(const struct hub_kept_instance *kept)
{
    return (struct instance_record){
        .row = (uint64_t)kept->row,
        .partition = (unsigned)kept->partition,
        .id = kept->id,
        .execution_id = kept->execution_id,
        .name = kept->name,
        .version = kept->version,
        .input = kept->input,
        .state = kept->state >= RUN_PENDING && kept->state <= RUN_TERMINATED
                     ? (enum run_state)kept->state
                     : RUN_PENDING,
        .is_busy = kept->is_busy,
        .created_at = kept->created_at,
        .updated_at = kept->updated_at,
        .ended_at = kept->ended_at,
        .starts_at = kept->starts_at,
        .output = kept->output,
        .failure = kept->failure,
        .custom_status = kept->custom_status,
        .tags = kept->tags,
        .parent_id = kept->parent_id,
        .parent_execution_id = kept->parent_execution_id,
        .parent_step = (int32_t)kept->parent_step,
    };
}

struct hub_kept_entity hub_kept_entity_of(const struct entity_record *record)
{
    return (struct hub_kept_entity){
        .row = (int64_t)record->row,
        .partition = record->partition,
        .id = record->id,
        .is_busy = record->is_busy,
        .updated_at = record->updated_at,
        .state = record->state,
        .lock_owner = record->lock_owner,
        .lock_execution = record->lock_execution,
        .lock_section = record->lock_section,
        .backlog = (int64_t)record->backlog,
    };
}

struct entity_record hub_entity_record(const struct hub_kept_entity *kept)
{
    return (struct entity_record){
        .row = (uint64_t)kept->row,
        .partition = (unsigned)kept->partition,
        .id = kept->id,
        .is_busy = kept->is_busy,
        .updated_at = kept->updated_at,
        .state = kept->state,
        .lock_owner = kept->lock_owner,
        .lock_execution = kept->lock_execution,
        .lock_section = kept->lock_section,
        .backlog = (size_t)kept->backlog,
    };
}
