/* SPDX-License-Identifier: MIT
 *
 * The messages of the task hub service (TaskHubSidecarService), as the tables of message.h. Events
 * of histories are not here: they are wire.h's, and in these messages they are bytes (RAW).
 *
 * The numbers are the protocol's. Fields from 100 on are ours, between our server and our workers:
 * other readers skip them. proto/task_hub.proto says the same to people and to protoc, and a test
 * compares the two. */
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

#include "wire/message.h"

/* clang-format off */
#define MESSAGE_TRACE_CONTEXT(F, S)   \
    F(S, 1, TEXT, trace_parent, none) \
    F(S, 2, TEXT, span_id, none)      \
    F(S, 3, WRAPPED, trace_state, none)

#define MESSAGE_ORCHESTRATION_TRACE_CONTEXT(F, S) \
    F(S, 1, WRAPPED, span_id, none)               \
    F(S, 2, TIME, span_start_time, none)

#define MESSAGE_TASK_FAILURE_DETAILS(F, S)            \
    F(S, 1, TEXT, error_type, none)                   \
    F(S, 2, TEXT, error_message, none)                \
    F(S, 3, WRAPPED, stack_trace, none)               \
    F(S, 4, RAW, inner_failure, task_failure_details) \
    F(S, 5, FLAG, is_non_retriable, none)             \
    F(S, 6, RAWS, properties, value_entry)            \
    F(S, 100, RAWS, other_failures, task_failure_details)

/* google.protobuf.Value, and what it is made of: they are looked into only to see that they are
 * what they should be. */
#define MESSAGE_VALUE(F, S)                  \
    F(S, 3, TEXT, string_value, none)        \
    F(S, 5, RAW, struct_value, value_object) \
    F(S, 6, RAW, list_value, value_array)

#define MESSAGE_VALUE_ENTRY(F, S) \
    F(S, 1, TEXT, key, none)      \
    F(S, 2, RAW, value, value)

#define MESSAGE_VALUE_OBJECT(F, S) \
    F(S, 1, RAWS, fields, value_entry)

#define MESSAGE_VALUE_ARRAY(F, S) \
    F(S, 1, RAWS, values, value)

#define MESSAGE_ORCHESTRATION_INSTANCE(F, S) \
    F(S, 1, TEXT, instance_id, none)         \
    F(S, 2, WRAPPED, execution_id, none)

#define MESSAGE_ORCHESTRATION_STATE(F, S)                \
    F(S, 1, TEXT, instance_id, none)                     \
    F(S, 2, TEXT, name, none)                            \
    F(S, 3, WRAPPED, version, none)                      \
    F(S, 4, NUMBER, orchestration_status, none)          \
    F(S, 5, TIME, scheduled_start_timestamp, none)       \
    F(S, 6, TIME, created_timestamp, none)               \
    F(S, 7, TIME, last_updated_timestamp, none)          \
    F(S, 8, WRAPPED, input, none)                        \
    F(S, 9, WRAPPED, output, none)                       \
    F(S, 10, WRAPPED, custom_status, none)               \
    F(S, 11, RAW, failure_details, task_failure_details) \
    F(S, 12, WRAPPED, execution_id, none)                \
    F(S, 13, TIME, completed_timestamp, none)            \
    F(S, 14, WRAPPED, parent_instance_id, none)          \
    F(S, 15, TAGS, tags, none)

#define MESSAGE_INSTANCE_BATCH(F, S) \
    F(S, 1, TEXTS, instance_ids, none)

#define MESSAGE_ENTITY_OPERATION_SIGNALED_EVENT(F, S) \
    F(S, 1, TEXT, request_id, none)                   \
    F(S, 2, TEXT, operation, none)                    \
    F(S, 3, TIME, scheduled_time, none)               \
    F(S, 4, WRAPPED, input, none)                     \
    F(S, 5, WRAPPED, target_instance_id, none)

#define MESSAGE_ENTITY_OPERATION_CALLED_EVENT(F, S) \
    F(S, 1, TEXT, request_id, none)                 \
    F(S, 2, TEXT, operation, none)                  \
    F(S, 3, TIME, scheduled_time, none)             \
    F(S, 4, WRAPPED, input, none)                   \
    F(S, 5, WRAPPED, parent_instance_id, none)      \
    F(S, 6, WRAPPED, parent_execution_id, none)     \
    F(S, 7, WRAPPED, target_instance_id, none)

#define MESSAGE_ENTITY_LOCK_REQUESTED_EVENT(F, S) \
    F(S, 1, TEXT, critical_section_id, none)      \
    F(S, 2, TEXTS, lock_set, none)                \
    F(S, 3, NUMBER, position, none)               \
    F(S, 4, WRAPPED, parent_instance_id, none)

#define MESSAGE_ENTITY_UNLOCK_SENT_EVENT(F, S) \
    F(S, 1, TEXT, critical_section_id, none)   \
    F(S, 2, WRAPPED, parent_instance_id, none) \
    F(S, 3, WRAPPED, target_instance_id, none)

#define MESSAGE_STREAM_INSTANCE_HISTORY_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)                  \
    F(S, 2, WRAPPED, execution_id, none)              \
    F(S, 3, FLAG, for_work_item_processing, none)

#define MESSAGE_HISTORY_CHUNK(F, S) \
    F(S, 1, RAWS, events, none)

#define MESSAGE_ORCHESTRATION_FILTER(F, S) \
    F(S, 1, TEXT, name, none)              \
    F(S, 2, TEXTS, versions, none)

#define MESSAGE_ACTIVITY_FILTER(F, S) \
    F(S, 1, TEXT, name, none)         \
    F(S, 2, TEXTS, versions, none)

#define MESSAGE_ENTITY_FILTER(F, S) \
    F(S, 1, TEXT, name, none)

#define MESSAGE_WORK_ITEM_FILTERS(F, S)                 \
    F(S, 1, MANY, orchestrations, orchestration_filter) \
    F(S, 2, MANY, activities, activity_filter)          \
    F(S, 3, MANY, entities, entity_filter)

#define MESSAGE_GET_WORK_ITEMS_REQUEST(F, S)                       \
    F(S, 1, NUMBER, max_concurrent_orchestration_work_items, none) \
    F(S, 2, NUMBER, max_concurrent_activity_work_items, none)      \
    F(S, 3, NUMBER, max_concurrent_entity_work_items, none)        \
    F(S, 10, NUMBERS, capabilities, none)                          \
    F(S, 11, ONE, work_item_filters, work_item_filters)            \
    F(S, 12, TEXT, worker_instance_id, none)

#define MESSAGE_ORCHESTRATOR_REQUEST(F, S)                                 \
    F(S, 1, TEXT, instance_id, none)                                       \
    F(S, 2, WRAPPED, execution_id, none)                                   \
    F(S, 3, RAWS, past_events, none)                                       \
    F(S, 4, RAWS, new_events, none)                                        \
    F(S, 5, RAW, entity_parameters, none)                                  \
    F(S, 6, FLAG, requires_history_streaming, none)                        \
    F(S, 7, RAWS, properties, none)                                        \
    F(S, 8, RAW, orchestration_trace_context, orchestration_trace_context) \
    F(S, 100, NUMBER, row, none)                                           \
    F(S, 101, NUMBER, partition, none)                                     \
    F(S, 102, NUMBER, number, none)                                        \
    F(S, 103, NUMBER, serial, none)                                        \
    F(S, 104, TEXT, name, none)                                            \
    F(S, 105, WRAPPED, version, none)                                      \
    F(S, 106, RAWS, past_turns, none)                                      \
    F(S, 107, FLAG, is_past_known, none)                                   \
    F(S, 108, FLAG, is_past_durable, none)

#define MESSAGE_ACTIVITY_REQUEST(F, S)                           \
    F(S, 1, TEXT, name, none)                                    \
    F(S, 2, WRAPPED, version, none)                              \
    F(S, 3, WRAPPED, input, none)                                \
    F(S, 4, ONE, orchestration_instance, orchestration_instance) \
    F(S, 5, NUMBER, task_id, none)                               \
    F(S, 6, RAW, parent_trace_context, trace_context)            \
    F(S, 7, TAGS, tags, none)                                    \
    F(S, 100, NUMBER, row, none)                                 \
    F(S, 101, NUMBER, partition, none)                           \
    F(S, 102, NUMBER, first, none)                               \
    F(S, 103, WRAPPED, progress, none)                           \
    F(S, 104, NUMBER, start_ms, none)                            \
    F(S, 105, NUMBER, run_ms, none)                              \
    F(S, 106, NUMBER, beat_ms, none)                             \
    F(S, 107, NUMBER, epoch, none)

#define MESSAGE_ENTITY_REQUEST(F, S)        \
    F(S, 1, TEXT, instance_id, none)        \
    F(S, 2, TEXT, execution_id, none)       \
    F(S, 3, WRAPPED, entity_state, none)    \
    F(S, 4, RAWS, operation_requests, none) \
    F(S, 100, NUMBER, row, none)            \
    F(S, 101, NUMBER, partition, none)      \
    F(S, 102, NUMBER, serial, none)

#define MESSAGE_WORK_ITEM(F, S)                              \
    F(S, 1, ONE, orchestrator_request, orchestrator_request) \
    F(S, 2, ONE, activity_request, activity_request)         \
    F(S, 3, RAW, entity_request, none)                       \
    F(S, 4, RAW, health_ping, none)                          \
    F(S, 5, ONE, entity_request_v2, entity_request)          \
    F(S, 10, TEXT, completion_token, none)

#define MESSAGE_SCHEDULE_TASK_ACTION(F, S)            \
    F(S, 1, TEXT, name, none)                         \
    F(S, 2, WRAPPED, version, none)                   \
    F(S, 3, WRAPPED, input, none)                     \
    F(S, 4, TAGS, tags, none)                         \
    F(S, 5, RAW, parent_trace_context, trace_context) \
    F(S, 100, NUMBER, start_ms, none)                 \
    F(S, 101, NUMBER, run_ms, none)                   \
    F(S, 102, NUMBER, beat_ms, none)                  \
    F(S, 103, NUMBER, retry_of, none)                 \
    F(S, 104, NUMBER, first, none)                    \
    F(S, 105, WRAPPED, progress, none)

#define MESSAGE_CREATE_SUB_ORCHESTRATION_ACTION(F, S) \
    F(S, 1, TEXT, instance_id, none)                  \
    F(S, 2, TEXT, name, none)                         \
    F(S, 3, WRAPPED, version, none)                   \
    F(S, 4, WRAPPED, input, none)                     \
    F(S, 5, RAW, parent_trace_context, trace_context) \
    F(S, 6, TAGS, tags, none)                         \
    F(S, 100, NUMBER, retry_of, none)

#define MESSAGE_CREATE_TIMER_ACTION(F, S) \
    F(S, 1, TIME, fire_at, none)          \
    F(S, 100, NUMBER, retry_of, none)

#define MESSAGE_SEND_EVENT_ACTION(F, S)            \
    F(S, 1, ONE, instance, orchestration_instance) \
    F(S, 2, TEXT, name, none)                      \
    F(S, 3, WRAPPED, data, none)

#define MESSAGE_COMPLETE_ORCHESTRATION_ACTION(F, S)     \
    F(S, 1, NUMBER, orchestration_status, none)         \
    F(S, 2, WRAPPED, result, none)                      \
    F(S, 3, WRAPPED, details, none)                     \
    F(S, 4, WRAPPED, new_version, none)                 \
    F(S, 5, RAWS, carryover_events, none)               \
    F(S, 6, RAW, failure_details, task_failure_details) \
    F(S, 7, TAGS, tags, none)

#define MESSAGE_TERMINATE_ORCHESTRATION_ACTION(F, S) \
    F(S, 1, TEXT, instance_id, none)                 \
    F(S, 2, WRAPPED, reason, none)                   \
    F(S, 3, FLAG, recurse, none)

#define MESSAGE_SEND_ENTITY_MESSAGE_ACTION(F, S)                             \
    F(S, 1, ONE, entity_operation_signaled, entity_operation_signaled_event) \
    F(S, 2, ONE, entity_operation_called, entity_operation_called_event)     \
    F(S, 3, ONE, entity_lock_requested, entity_lock_requested_event)         \
    F(S, 4, ONE, entity_unlock_sent, entity_unlock_sent_event)

#define MESSAGE_REWIND_ORCHESTRATION_ACTION(F, S) \
    F(S, 1, RAWS, new_history, none)

/* Ours: a signal that waits for its time is not wanted any more. */
#define MESSAGE_CANCEL_SIGNAL_ACTION(F, S) \
    F(S, 1, TEXT, instance_id, none)       \
    F(S, 2, TEXT, request_id, none)

#define MESSAGE_ORCHESTRATOR_ACTION(F, S)                                   \
    F(S, 1, NUMBER, id, none)                                               \
    F(S, 2, ONE, schedule_task, schedule_task_action)                       \
    F(S, 3, ONE, create_sub_orchestration, create_sub_orchestration_action) \
    F(S, 4, ONE, create_timer, create_timer_action)                         \
    F(S, 5, ONE, send_event, send_event_action)                             \
    F(S, 6, ONE, complete_orchestration, complete_orchestration_action)     \
    F(S, 7, ONE, terminate_orchestration, terminate_orchestration_action)   \
    F(S, 8, ONE, send_entity_message, send_entity_message_action)           \
    F(S, 9, ONE, rewind_orchestration, rewind_orchestration_action)         \
    F(S, 100, FLAG, cancels_step, none)                                     \
    F(S, 101, WRAPPED, mark_change, none)                                   \
    F(S, 102, ONE, cancel_signal, cancel_signal_action)

#define MESSAGE_ORCHESTRATOR_RESPONSE(F, S)                                \
    F(S, 1, TEXT, instance_id, none)                                       \
    F(S, 2, MANY, actions, orchestrator_action)                            \
    F(S, 3, WRAPPED, custom_status, none)                                  \
    F(S, 4, TEXT, completion_token, none)                                  \
    F(S, 5, NUMBER_SET, num_events_processed, none)                        \
    F(S, 6, RAW, orchestration_trace_context, orchestration_trace_context) \
    F(S, 7, FLAG, requires_history, none)                                  \
    F(S, 8, FLAG, is_partial, none)                                        \
    F(S, 9, NUMBER_SET, chunk_index, none)

#define MESSAGE_ACTIVITY_RESPONSE(F, S)                 \
    F(S, 1, TEXT, instance_id, none)                    \
    F(S, 2, NUMBER, task_id, none)                      \
    F(S, 3, WRAPPED, result, none)                      \
    F(S, 4, RAW, failure_details, task_failure_details) \
    F(S, 5, TEXT, completion_token, none)               \
    F(S, 100, FLAG, is_recorded, none)

#define MESSAGE_OPERATION_RESULT_SUCCESS(F, S) \
    F(S, 1, WRAPPED, result, none)             \
    F(S, 2, TIME, start_time_utc, none)        \
    F(S, 3, TIME, end_time_utc, none)

#define MESSAGE_OPERATION_RESULT_FAILURE(F, S)          \
    F(S, 1, RAW, failure_details, task_failure_details) \
    F(S, 2, TIME, start_time_utc, none)                 \
    F(S, 3, TIME, end_time_utc, none)

#define MESSAGE_OPERATION_RESULT(F, S)              \
    F(S, 1, ONE, success, operation_result_success) \
    F(S, 2, ONE, failure, operation_result_failure)

#define MESSAGE_SEND_SIGNAL_ACTION(F, S)              \
    F(S, 1, TEXT, instance_id, none)                  \
    F(S, 2, TEXT, name, none)                         \
    F(S, 3, WRAPPED, input, none)                     \
    F(S, 4, TIME, scheduled_time, none)               \
    F(S, 5, TIME, request_time, none)                 \
    F(S, 6, RAW, parent_trace_context, trace_context) \
    F(S, 100, WRAPPED, request_id, none)

#define MESSAGE_START_NEW_ORCHESTRATION_ACTION(F, S)  \
    F(S, 1, TEXT, instance_id, none)                  \
    F(S, 2, TEXT, name, none)                         \
    F(S, 3, WRAPPED, version, none)                   \
    F(S, 4, WRAPPED, input, none)                     \
    F(S, 5, TIME, scheduled_time, none)               \
    F(S, 6, TIME, request_time, none)                 \
    F(S, 7, RAW, parent_trace_context, trace_context) \
    F(S, 100, TAGS, tags, none)

#define MESSAGE_OPERATION_ACTION(F, S)                                    \
    F(S, 1, NUMBER, id, none)                                             \
    F(S, 2, ONE, send_signal, send_signal_action)                         \
    F(S, 3, ONE, start_new_orchestration, start_new_orchestration_action) \
    F(S, 100, ONE, cancel_signal, cancel_signal_action)

#define MESSAGE_OPERATION_INFO(F, S) \
    F(S, 1, TEXT, request_id, none)  \
    F(S, 2, ONE, response_destination, orchestration_instance)

#define MESSAGE_ENTITY_BATCH_RESULT(F, S)               \
    F(S, 1, MANY, results, operation_result)            \
    F(S, 2, MANY, actions, operation_action)            \
    F(S, 3, WRAPPED, entity_state, none)                \
    F(S, 4, RAW, failure_details, task_failure_details) \
    F(S, 5, TEXT, completion_token, none)               \
    F(S, 6, MANY, operation_infos, operation_info)      \
    F(S, 7, FLAG, requires_state, none)                 \
    F(S, 100, FLAG, keeps_state, none)

#define MESSAGE_ABANDON_ACTIVITY_TASK_REQUEST(F, S) \
    F(S, 1, TEXT, completion_token, none)

#define MESSAGE_ABANDON_ORCHESTRATION_TASK_REQUEST(F, S) \
    F(S, 1, TEXT, completion_token, none)

#define MESSAGE_ABANDON_ENTITY_TASK_REQUEST(F, S) \
    F(S, 1, TEXT, completion_token, none)

/* action: of old Go clients. */
#define MESSAGE_ORCHESTRATION_ID_REUSE_POLICY(F, S) \
    F(S, 1, NUMBERS, replaceable_status, none)      \
    F(S, 2, NUMBER, action, none)

#define MESSAGE_CREATE_INSTANCE_REQUEST(F, S)                                  \
    F(S, 1, TEXT, instance_id, none)                                           \
    F(S, 2, TEXT, name, none)                                                  \
    F(S, 3, WRAPPED, version, none)                                            \
    F(S, 4, WRAPPED, input, none)                                              \
    F(S, 5, TIME, scheduled_start_timestamp, none)                             \
    F(S, 6, ONE, orchestration_id_reuse_policy, orchestration_id_reuse_policy) \
    F(S, 7, WRAPPED, execution_id, none)                                       \
    F(S, 8, TAGS, tags, none)                                                  \
    F(S, 9, RAW, parent_trace_context, trace_context)                          \
    F(S, 10, TIME, request_time, none)

#define MESSAGE_CREATE_INSTANCE_RESPONSE(F, S) \
    F(S, 1, TEXT, instance_id, none)

#define MESSAGE_GET_INSTANCE_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)       \
    F(S, 2, FLAG, get_inputs_and_outputs, none)

#define MESSAGE_GET_INSTANCE_RESPONSE(F, S) \
    F(S, 1, FLAG, exists, none)             \
    F(S, 2, ONE, orchestration_state, orchestration_state)

#define MESSAGE_RAISE_EVENT_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)      \
    F(S, 2, TEXT, name, none)             \
    F(S, 3, WRAPPED, input, none)

#define MESSAGE_TERMINATE_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)    \
    F(S, 2, WRAPPED, output, none)      \
    F(S, 3, FLAG, recursive, none)

#define MESSAGE_SUSPEND_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)  \
    F(S, 2, WRAPPED, reason, none)

#define MESSAGE_RESUME_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none) \
    F(S, 2, WRAPPED, reason, none)

#define MESSAGE_REWIND_INSTANCE_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)          \
    F(S, 2, WRAPPED, reason, none)

#define MESSAGE_RESTART_INSTANCE_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)           \
    F(S, 2, FLAG, restart_with_new_instance_id, none)

#define MESSAGE_RESTART_INSTANCE_RESPONSE(F, S) \
    F(S, 1, TEXT, instance_id, none)

#define MESSAGE_INSTANCE_QUERY(F, S)           \
    F(S, 1, NUMBERS, runtime_status, none)     \
    F(S, 2, TIME, created_time_from, none)     \
    F(S, 3, TIME, created_time_to, none)       \
    F(S, 4, RAWS, task_hub_names, none)        \
    F(S, 5, NUMBER, max_instance_count, none)  \
    F(S, 6, WRAPPED, continuation_token, none) \
    F(S, 7, WRAPPED, instance_id_prefix, none) \
    F(S, 8, FLAG, fetch_inputs_and_outputs, none)

#define MESSAGE_QUERY_INSTANCES_REQUEST(F, S) \
    F(S, 1, ONE, query, instance_query)

#define MESSAGE_QUERY_INSTANCES_RESPONSE(F, S)              \
    F(S, 1, MANY, orchestration_state, orchestration_state) \
    F(S, 2, WRAPPED, continuation_token, none)

#define MESSAGE_LIST_INSTANCE_IDS_REQUEST(F, S) \
    F(S, 1, NUMBERS, runtime_status, none)      \
    F(S, 2, TIME, completed_time_from, none)    \
    F(S, 3, TIME, completed_time_to, none)      \
    F(S, 4, NUMBER, page_size, none)            \
    F(S, 5, WRAPPED, last_instance_key, none)

#define MESSAGE_LIST_INSTANCE_IDS_RESPONSE(F, S) \
    F(S, 1, TEXTS, instance_ids, none)           \
    F(S, 2, WRAPPED, last_instance_key, none)

#define MESSAGE_PURGE_INSTANCE_FILTER(F, S) \
    F(S, 1, TIME, created_time_from, none)  \
    F(S, 2, TIME, created_time_to, none)    \
    F(S, 3, NUMBERS, runtime_status, none)  \
    F(S, 4, DURATION, timeout, none)

#define MESSAGE_PURGE_INSTANCES_REQUEST(F, S)                  \
    F(S, 1, TEXT, instance_id, none)                           \
    F(S, 2, ONE, purge_instance_filter, purge_instance_filter) \
    F(S, 3, FLAG, recursive, none)                             \
    F(S, 4, ONE, instance_batch, instance_batch)               \
    F(S, 5, FLAG, is_orchestration, none)

#define MESSAGE_PURGE_INSTANCES_RESPONSE(F, S)    \
    F(S, 1, NUMBER, deleted_instance_count, none) \
    F(S, 2, FLAG_SET, is_complete, none)

#define MESSAGE_SKIP_GRACEFUL_ORCHESTRATION_TERMINATIONS_REQUEST(F, S) \
    F(S, 1, ONE, instance_batch, instance_batch)                       \
    F(S, 2, WRAPPED, reason, none)

#define MESSAGE_SKIP_GRACEFUL_ORCHESTRATION_TERMINATIONS_RESPONSE(F, S) \
    F(S, 1, TEXTS, unterminated_instance_ids, none)

#define MESSAGE_CREATE_TASK_HUB_REQUEST(F, S) \
    F(S, 1, FLAG, recreate_if_exists, none)

#define MESSAGE_SIGNAL_ENTITY_REQUEST(F, S)           \
    F(S, 1, TEXT, instance_id, none)                  \
    F(S, 2, TEXT, name, none)                         \
    F(S, 3, WRAPPED, input, none)                     \
    F(S, 4, TEXT, request_id, none)                   \
    F(S, 5, TIME, scheduled_time, none)               \
    F(S, 6, RAW, parent_trace_context, trace_context) \
    F(S, 7, TIME, request_time, none)

#define MESSAGE_GET_ENTITY_REQUEST(F, S) \
    F(S, 1, TEXT, instance_id, none)     \
    F(S, 2, FLAG, include_state, none)

#define MESSAGE_ENTITY_METADATA(F, S)         \
    F(S, 1, TEXT, instance_id, none)          \
    F(S, 2, TIME, last_modified_time, none)   \
    F(S, 3, NUMBER, backlog_queue_size, none) \
    F(S, 4, WRAPPED, locked_by, none)         \
    F(S, 5, WRAPPED, serialized_state, none)

#define MESSAGE_GET_ENTITY_RESPONSE(F, S) \
    F(S, 1, FLAG, exists, none)           \
    F(S, 2, ONE, entity, entity_metadata)

#define MESSAGE_ENTITY_QUERY(F, S)                  \
    F(S, 1, WRAPPED, instance_id_starts_with, none) \
    F(S, 2, TIME, last_modified_from, none)         \
    F(S, 3, TIME, last_modified_to, none)           \
    F(S, 4, FLAG, include_state, none)              \
    F(S, 5, FLAG, include_transient, none)          \
    F(S, 6, NUMBER_SET, page_size, none)            \
    F(S, 7, WRAPPED, continuation_token, none)

#define MESSAGE_QUERY_ENTITIES_REQUEST(F, S) \
    F(S, 1, ONE, query, entity_query)

#define MESSAGE_QUERY_ENTITIES_RESPONSE(F, S) \
    F(S, 1, MANY, entities, entity_metadata)  \
    F(S, 2, WRAPPED, continuation_token, none)

#define MESSAGE_CLEAN_ENTITY_STORAGE_REQUEST(F, S) \
    F(S, 1, WRAPPED, continuation_token, none)     \
    F(S, 2, FLAG, remove_empty_entities, none)     \
    F(S, 3, FLAG, release_orphaned_locks, none)

#define MESSAGE_CLEAN_ENTITY_STORAGE_RESPONSE(F, S) \
    F(S, 1, WRAPPED, continuation_token, none)      \
    F(S, 2, NUMBER, empty_entities_removed, none)   \
    F(S, 3, NUMBER, orphaned_locks_released, none)

/* Nested ones before those that hold them. */
#define MESSAGE_MAP(X)                                                        \
    X(orchestration_instance, ORCHESTRATION_INSTANCE)                         \
    X(trace_context, TRACE_CONTEXT)                                           \
    X(orchestration_trace_context, ORCHESTRATION_TRACE_CONTEXT)               \
    X(task_failure_details, TASK_FAILURE_DETAILS)                             \
    X(orchestration_state, ORCHESTRATION_STATE)                               \
    X(instance_batch, INSTANCE_BATCH)                                         \
    X(entity_operation_signaled_event, ENTITY_OPERATION_SIGNALED_EVENT)       \
    X(entity_operation_called_event, ENTITY_OPERATION_CALLED_EVENT)           \
    X(entity_lock_requested_event, ENTITY_LOCK_REQUESTED_EVENT)               \
    X(entity_unlock_sent_event, ENTITY_UNLOCK_SENT_EVENT)                     \
    X(stream_instance_history_request, STREAM_INSTANCE_HISTORY_REQUEST)       \
    X(history_chunk, HISTORY_CHUNK)                                           \
    X(orchestration_filter, ORCHESTRATION_FILTER)                             \
    X(activity_filter, ACTIVITY_FILTER)                                       \
    X(entity_filter, ENTITY_FILTER)                                           \
    X(work_item_filters, WORK_ITEM_FILTERS)                                   \
    X(get_work_items_request, GET_WORK_ITEMS_REQUEST)                         \
    X(orchestrator_request, ORCHESTRATOR_REQUEST)                             \
    X(activity_request, ACTIVITY_REQUEST)                                     \
    X(entity_request, ENTITY_REQUEST)                                         \
    X(work_item, WORK_ITEM)                                                   \
    X(schedule_task_action, SCHEDULE_TASK_ACTION)                             \
    X(create_sub_orchestration_action, CREATE_SUB_ORCHESTRATION_ACTION)       \
    X(create_timer_action, CREATE_TIMER_ACTION)                               \
    X(send_event_action, SEND_EVENT_ACTION)                                   \
    X(complete_orchestration_action, COMPLETE_ORCHESTRATION_ACTION)           \
    X(terminate_orchestration_action, TERMINATE_ORCHESTRATION_ACTION)         \
    X(send_entity_message_action, SEND_ENTITY_MESSAGE_ACTION)                 \
    X(rewind_orchestration_action, REWIND_ORCHESTRATION_ACTION)               \
    X(cancel_signal_action, CANCEL_SIGNAL_ACTION)                             \
    X(orchestrator_action, ORCHESTRATOR_ACTION)                               \
    X(orchestrator_response, ORCHESTRATOR_RESPONSE)                           \
    X(activity_response, ACTIVITY_RESPONSE)                                   \
    X(operation_result_success, OPERATION_RESULT_SUCCESS)                     \
    X(operation_result_failure, OPERATION_RESULT_FAILURE)                     \
    X(operation_result, OPERATION_RESULT)                                     \
    X(send_signal_action, SEND_SIGNAL_ACTION)                                 \
    X(start_new_orchestration_action, START_NEW_ORCHESTRATION_ACTION)         \
    X(operation_action, OPERATION_ACTION)                                     \
    X(operation_info, OPERATION_INFO)                                         \
    X(entity_batch_result, ENTITY_BATCH_RESULT)                               \
    X(abandon_activity_task_request, ABANDON_ACTIVITY_TASK_REQUEST)           \
    X(abandon_orchestration_task_request, ABANDON_ORCHESTRATION_TASK_REQUEST) \
    X(abandon_entity_task_request, ABANDON_ENTITY_TASK_REQUEST)               \
    X(orchestration_id_reuse_policy, ORCHESTRATION_ID_REUSE_POLICY)           \
    X(create_instance_request, CREATE_INSTANCE_REQUEST)                       \
    X(create_instance_response, CREATE_INSTANCE_RESPONSE)                     \
    X(get_instance_request, GET_INSTANCE_REQUEST)                             \
    X(get_instance_response, GET_INSTANCE_RESPONSE)                           \
    X(raise_event_request, RAISE_EVENT_REQUEST)                               \
    X(terminate_request, TERMINATE_REQUEST)                                   \
    X(suspend_request, SUSPEND_REQUEST)                                       \
    X(resume_request, RESUME_REQUEST)                                         \
    X(rewind_instance_request, REWIND_INSTANCE_REQUEST)                       \
    X(restart_instance_request, RESTART_INSTANCE_REQUEST)                     \
    X(restart_instance_response, RESTART_INSTANCE_RESPONSE)                   \
    X(instance_query, INSTANCE_QUERY)                                         \
    X(query_instances_request, QUERY_INSTANCES_REQUEST)                       \
    X(query_instances_response, QUERY_INSTANCES_RESPONSE)                     \
    X(list_instance_ids_request, LIST_INSTANCE_IDS_REQUEST)                   \
    X(list_instance_ids_response, LIST_INSTANCE_IDS_RESPONSE)                 \
    X(purge_instance_filter, PURGE_INSTANCE_FILTER)                           \
    X(purge_instances_request, PURGE_INSTANCES_REQUEST)                       \
    X(purge_instances_response, PURGE_INSTANCES_RESPONSE)                     \
    X(skip_graceful_orchestration_terminations_request,                       \
      SKIP_GRACEFUL_ORCHESTRATION_TERMINATIONS_REQUEST)                       \
    X(skip_graceful_orchestration_terminations_response,                      \
      SKIP_GRACEFUL_ORCHESTRATION_TERMINATIONS_RESPONSE)                      \
    X(create_task_hub_request, CREATE_TASK_HUB_REQUEST)                       \
    X(signal_entity_request, SIGNAL_ENTITY_REQUEST)                           \
    X(get_entity_request, GET_ENTITY_REQUEST)                                 \
    X(entity_metadata, ENTITY_METADATA)                                       \
    X(get_entity_response, GET_ENTITY_RESPONSE)                               \
    X(entity_query, ENTITY_QUERY)                                             \
    X(query_entities_request, QUERY_ENTITIES_REQUEST)                         \
    X(query_entities_response, QUERY_ENTITIES_RESPONSE)                       \
    X(clean_entity_storage_request, CLEAN_ENTITY_STORAGE_REQUEST)             \
    X(clean_entity_storage_response, CLEAN_ENTITY_STORAGE_RESPONSE)

#define VALUE_MAP(X)              \
    X(value, VALUE)               \
    X(value_entry, VALUE_ENTRY)   \
    X(value_object, VALUE_OBJECT) \
    X(value_array, VALUE_ARRAY)
/* clang-format on */

VALUE_MAP(MESSAGE_STRUCT)
MESSAGE_MAP(MESSAGE_STRUCT)

#endif
