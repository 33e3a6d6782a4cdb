/* SPDX-License-Identifier: MIT
 *
 * The messages of our own service, perdure.v1.Hub (proto/perdure.proto): tables of the same make as
 * those of messages.h. What the columns mean is in message.h; hub_calls.c makes types of them.
 *
 * Times are NUMBERs: microseconds since 1970, 0 where the struct of the store has 0. What is RAW
 * here is `bytes` in the .proto file: encoded messages of task_hub.proto or history.proto, and
 * payloads of whoever. Both ends are of one version or near it (open_request.protocol). */
#ifndef WIRE_HUB_CALLS_H
#define WIRE_HUB_CALLS_H

#include "wire/messages.h"

/* Grows when an older peer would misunderstand; both ends refuse another one. */
enum { HUB_PROTOCOL = 1 };

/* clang-format off */
#define MESSAGE_OPEN_REQUEST(F, S)  \
    F(S, 1, NUMBER, protocol, none) \
    F(S, 2, TEXT, client, none)

#define MESSAGE_OPEN_RESPONSE(F, S)        \
    F(S, 1, NUMBER, protocol, none)        \
    F(S, 2, NUMBER, partition_count, none) \
    F(S, 3, TEXT, version, none)           \
    F(S, 4, TEXT, hub, none)               \
    F(S, 5, NUMBER, message_max, none)

/* struct message of core/batch.h, of the kinds that clients send. */
#define MESSAGE_SAYING(F, S)             \
    F(S, 1, NUMBER, kind, none)          \
    F(S, 2, NUMBER, flags, none)         \
    F(S, 3, TEXT, instance_id, none)     \
    F(S, 4, WRAPPED, execution_id, none) \
    F(S, 5, RAW, bytes, none)

#define MESSAGE_ACCEPT_REQUEST(F, S) \
    F(S, 1, MANY, sayings, saying)

/* Of one that was not accepted; `at` counts from 0, status is a pd_status. */
#define MESSAGE_REFUSAL(F, S)         \
    F(S, 1, NUMBER, at, none)         \
    F(S, 2, NUMBER, status, none)     \
    F(S, 3, FLAG, is_retryable, none) \
    F(S, 4, TEXT, text, none)

#define MESSAGE_ACCEPT_RESPONSE(F, S) \
    F(S, 1, MANY, refusals, refusal)

/* By id, or by row when that is empty. */
#define MESSAGE_LOAD_REQUEST(F, S) \
    F(S, 1, TEXT, id, none)        \
    F(S, 2, NUMBER, row, none)     \
    F(S, 3, NUMBER, from, none)

#define MESSAGE_KEPT_INSTANCE(F, S)              \
    F(S, 1, NUMBER, row, none)                   \
    F(S, 2, NUMBER, partition, none)             \
    F(S, 3, TEXT, id, none)                      \
    F(S, 4, WRAPPED, execution_id, none)         \
    F(S, 5, WRAPPED, name, none)                 \
    F(S, 6, WRAPPED, version, none)              \
    F(S, 7, WRAPPED, input, none)                \
    F(S, 8, NUMBER, state, none)                 \
    F(S, 9, FLAG, is_busy, none)                 \
    F(S, 10, NUMBER, created_at, none)           \
    F(S, 11, NUMBER, updated_at, none)           \
    F(S, 12, NUMBER, ended_at, none)             \
    F(S, 13, NUMBER, starts_at, none)            \
    F(S, 14, WRAPPED, output, none)              \
    F(S, 15, RAW, failure, none)                 \
    F(S, 16, WRAPPED, custom_status, none)       \
    F(S, 17, RAW, tags, none)                    \
    F(S, 18, WRAPPED, parent_id, none)           \
    F(S, 19, WRAPPED, parent_execution_id, none) \
    F(S, 20, NUMBER, parent_step, none)

#define MESSAGE_LOAD_INSTANCE_RESPONSE(F, S) \
    F(S, 1, ONE, instance, kept_instance)

#define MESSAGE_KEPT_ENTITY(F, S)          \
    F(S, 1, NUMBER, row, none)             \
    F(S, 2, NUMBER, partition, none)       \
    F(S, 3, TEXT, id, none)                \
    F(S, 4, FLAG, is_busy, none)           \
    F(S, 5, NUMBER, updated_at, none)      \
    F(S, 6, WRAPPED, state, none)          \
    F(S, 7, WRAPPED, lock_owner, none)     \
    F(S, 8, WRAPPED, lock_execution, none) \
    F(S, 9, WRAPPED, lock_section, none)   \
    F(S, 10, NUMBER, backlog, none)

#define MESSAGE_LOAD_ENTITY_RESPONSE(F, S) \
    F(S, 1, ONE, entity, kept_entity)

/* Pieces of a stream: histories (a HistoryChunk a turn, `first` is the number of the first turn of
 * the whole answer) and inboxes (a HistoryChunk an event, with its arrival). */
#define MESSAGE_LOAD_PIECE(F, S) \
    F(S, 1, NUMBER, first, none) \
    F(S, 2, RAWS, chunks, none)  \
    F(S, 3, NUMBERS, arrivals, none)

#define MESSAGE_KEPT_PROGRESS(F, S) \
    F(S, 1, NUMBER, id, none)       \
    F(S, 2, RAW, bytes, none)

#define MESSAGE_LOAD_PROGRESS_RESPONSE(F, S) \
    F(S, 1, MANY, progress, kept_progress)

/* struct store_query. */
#define MESSAGE_QUERY_REQUEST(F, S)     \
    F(S, 1, NUMBER, states, none)       \
    F(S, 2, WRAPPED, id_prefix, none)   \
    F(S, 3, WRAPPED, name, none)        \
    F(S, 4, WRAPPED, version, none)     \
    F(S, 5, WRAPPED, parent_id, none)   \
    F(S, 6, RAW, tag, none)             \
    F(S, 7, FLAG, roots_only, none)     \
    F(S, 8, NUMBER, created_from, none) \
    F(S, 9, NUMBER, created_to, none)   \
    F(S, 10, NUMBER, ended_from, none)  \
    F(S, 11, NUMBER, ended_to, none)    \
    F(S, 12, NUMBER, after_row, none)   \
    F(S, 13, NUMBER, limit, none)       \
    F(S, 14, FLAG, with_payloads, none) \
    F(S, 15, NUMBER, bytes_max, none)   \
    F(S, 16, WRAPPED, hidden, none)

/* Perhaps fewer than there are, and than were asked for: then has_more. */
#define MESSAGE_QUERY_RESPONSE(F, S)        \
    F(S, 1, MANY, instances, kept_instance) \
    F(S, 2, FLAG, has_more, none)

/* By enum run_state. */
#define MESSAGE_COUNT_RESPONSE(F, S) \
    F(S, 1, NUMBERS, of, none)

/* struct entity_query. */
#define MESSAGE_ENTITIES_REQUEST(F, S)  \
    F(S, 1, WRAPPED, id_prefix, none)   \
    F(S, 2, NUMBER, changed_from, none) \
    F(S, 3, NUMBER, changed_to, none)   \
    F(S, 4, FLAG, with_empty, none)     \
    F(S, 5, FLAG, locked_only, none)    \
    F(S, 6, WRAPPED, after_id, none)    \
    F(S, 7, FLAG, by_row, none)         \
    F(S, 8, NUMBER, after_row, none)    \
    F(S, 9, NUMBER, limit, none)        \
    F(S, 10, FLAG, with_state, none)    \
    F(S, 11, NUMBER, bytes_max, none)

#define MESSAGE_ENTITIES_RESPONSE(F, S)  \
    F(S, 1, MANY, entities, kept_entity) \
    F(S, 2, FLAG, has_more, none)

/* WaitEnd: all waits of a client are on one stream, each with a number of its own. */
#define MESSAGE_WAIT(F, S)           \
    F(S, 1, NUMBER, number, none)    \
    F(S, 2, TEXT, instance_id, none) \
    F(S, 3, FLAG, is_given_up, none)

#define MESSAGE_WAIT_REQUEST(F, S) \
    F(S, 1, MANY, waits, wait)

/* It has ended, a kept_instance, or there is none. */
#define MESSAGE_WAITED(F, S)      \
    F(S, 1, NUMBER, number, none) \
    F(S, 2, RAW, instance, none)

#define MESSAGE_WAIT_RESPONSE(F, S) \
    F(S, 1, MANY, waited, waited)

#define MESSAGE_CLEAN_RESPONSE(F, S) \
    F(S, 1, NUMBER, removed, none)   \
    F(S, 2, NUMBER, unlocked, none)

/* Work. The first message of a worker has the hello. */
#define MESSAGE_WORK_HELLO(F, S)          \
    F(S, 1, NUMBER, protocol, none)       \
    F(S, 2, TEXT, worker_id, none)        \
    F(S, 3, NUMBER, turns_max, none)      \
    F(S, 4, NUMBER, activities_max, none) \
    F(S, 5, NUMBER, entities_max, none)   \
    F(S, 6, ONE, filters, work_item_filters)

/* Exactly one: OrchestratorResponse, EntityBatchResult, ActivityResponse. */
#define MESSAGE_WORK_RESULT(F, S) \
    F(S, 1, RAW, turn, none)      \
    F(S, 2, RAW, entity, none)    \
    F(S, 3, RAW, activity, none)

#define MESSAGE_WORK_BEAT(F, S) \
    F(S, 1, TEXT, token, none)  \
    F(S, 2, WRAPPED, progress, none)

/* The first result of the stream has number 1, the next 2. Beats come before results. is_draining:
 * it wants no more work. begins: tokens of suspects (WorkItem.isSuspect), which are run when the
 * server has heard that they are about to be. */
#define MESSAGE_WORK_UP(F, S)           \
    F(S, 1, ONE, hello, work_hello)     \
    F(S, 2, MANY, beats, work_beat)     \
    F(S, 3, MANY, results, work_result) \
    F(S, 4, TEXTS, abandoned, none)     \
    F(S, 5, FLAG, is_draining, none)    \
    F(S, 6, TEXTS, begins, none)

/* Items are WorkItems; cancelled are tokens of activities that nobody waits for, and of suspects
 * that were taken back before they might begin; acknowledged are numbers of results: durable, or of
 * no account; may_begin are suspects. is_draining: what has not begun is to be given back, as the
 * server ends. */
#define MESSAGE_WORK_DOWN(F, S)          \
    F(S, 1, RAWS, items, none)           \
    F(S, 2, TEXTS, cancelled, none)      \
    F(S, 3, NUMBERS, acknowledged, none) \
    F(S, 4, TEXTS, may_begin, none)      \
    F(S, 5, FLAG, is_draining, none)

#define HUB_CALL_MAP(X)                               \
    X(open_request, OPEN_REQUEST)                     \
    X(open_response, OPEN_RESPONSE)                   \
    X(saying, SAYING)                                 \
    X(accept_request, ACCEPT_REQUEST)                 \
    X(refusal, REFUSAL)                               \
    X(accept_response, ACCEPT_RESPONSE)               \
    X(load_request, LOAD_REQUEST)                     \
    X(kept_instance, KEPT_INSTANCE)                   \
    X(load_instance_response, LOAD_INSTANCE_RESPONSE) \
    X(kept_entity, KEPT_ENTITY)                       \
    X(load_entity_response, LOAD_ENTITY_RESPONSE)     \
    X(load_piece, LOAD_PIECE)                         \
    X(kept_progress, KEPT_PROGRESS)                   \
    X(load_progress_response, LOAD_PROGRESS_RESPONSE) \
    X(query_request, QUERY_REQUEST)                   \
    X(query_response, QUERY_RESPONSE)                 \
    X(count_response, COUNT_RESPONSE)                 \
    X(entities_request, ENTITIES_REQUEST)             \
    X(entities_response, ENTITIES_RESPONSE)           \
    X(wait, WAIT)                                     \
    X(wait_request, WAIT_REQUEST)                     \
    X(waited, WAITED)                                 \
    X(wait_response, WAIT_RESPONSE)                   \
    X(clean_response, CLEAN_RESPONSE)                 \
    X(work_hello, WORK_HELLO)                         \
    X(work_result, WORK_RESULT)                       \
    X(work_beat, WORK_BEAT)                           \
    X(work_up, WORK_UP)                               \
    X(work_down, WORK_DOWN)
/* clang-format on */

HUB_CALL_MAP(MESSAGE_STRUCT)

/* Between these and what stores know; borrow. */
struct instance_record;
struct entity_record;
struct hub_kept_instance hub_kept_instance_of(const struct instance_record *record);
struct instance_record hub_instance_record(const struct hub_kept_instance *kept);
struct hub_kept_entity hub_kept_entity_of(const struct entity_record *record);
struct entity_record hub_entity_record(const struct hub_kept_entity *kept);

#endif
