/* SPDX-License-Identifier: MIT
 *
 * Work: what a turn, a batch of operations or an activity is on the wire, and its result; both
 * ways, for our server and for our workers. History is spliced from stored bytes.
 *
 *   K1  For workers of other makers (WORK_PLAIN) history holds only what all of them digest
 *       (specification 3.20): ends, suspending and resuming, rewinding and what is ours are left
 *       out. Ours get all of it.
 *   K2  What a worker answers may be anything. It is read with bounds, and judged by core before it
 *       counts (core_takes_result): here it only has to be a message. */
#ifndef WIRE_WORK_H
#define WIRE_WORK_H

#include "core/batch.h"
#include "core/turn.h"
#include "wire/messages.h"
#include "wire/wire.h"

enum work_dialect {
    WORK_PLAIN, /* the protocol as the SDKs know it */
    WORK_SHOWN, /* likewise, but a whole history, for people: ends, rewinds, suspensions too */
    WORK_OURS,  /* with our fields: rows, limits, retries ... */
};

/* ---- the server's side ----------------------------------------------------------------------- */

enum work_past {
    PAST_INLINE,   /* past events are in the item */
    PAST_STREAMED, /* the worker fetches them (requiresHistoryStreaming) */
    PAST_KNOWN,    /* the worker has the turns before: only new events (ours) */
};

/* Each appends a WorkItem without its completionToken. */
void work_write_turn(struct buffer *buffer, enum work_dialect dialect, const struct turn *turn,
                     enum work_past past, const struct text *chunks, size_t chunk_count,
                     struct text trace);
/* How many operations it holds, the first ones: for others 100 and a mebibyte at most, but one. The
 * rest is offered again when these have their results. */
size_t work_write_entity_turn(struct buffer *buffer, enum work_dialect dialect,
                              const struct turn *turn);
void work_write_activity(struct buffer *buffer, enum work_dialect dialect,
                         const struct activity *activity);
/* completionToken, to stand behind one of these. */
enum { WORK_TOKEN_SIZE = 32, WORK_TOKEN_FIELD_SIZE = WORK_TOKEN_SIZE + 2 };
void work_put_token(char ret[WORK_TOKEN_FIELD_SIZE], const char token[WORK_TOKEN_SIZE]);

/* The events of encoded HistoryChunks that a worker may see (K1), as fields `number` of another
 * message. Returns how many. */
size_t work_splice_events(struct buffer *buffer, unsigned number, enum work_dialect dialect,
                          struct text chunk);
/* The OrchestrationTraceContext that a history noted last; absent: none. */
struct text work_find_trace(const struct text *chunks, size_t count);

/* What the actions of OrchestratorResponses (one, or the chunks of one) ask for: core's actions in
 * core's order (the end is last; further ends are dropped; unset ones too, and rewinds). Child ids
 * that are empty are made of execution_id and step, request ids likewise; core folds ids of
 * entities. A new trace context becomes ACTION_NOTE_TRACE when it differs from `trace`. Text
 * borrows. PD_E_INVALID: a part is malformed; PD_E_NOMEM. */
struct work_context {
    struct text instance_id, execution_id, trace;
    enum work_dialect dialect; /* of the worker */
};
pd_status work_read_turn_result(const struct hub_orchestrator_response *const *parts, size_t count,
                                const struct work_context *context, struct arena *arena,
                                struct turn_result *ret, pd_error *err);
/* Of a batch that failed as a whole (its failure_details are present) nothing is read: there are no
 * results, and the state is kept. Signals and starts to ids that are none are left out. */
pd_status work_read_entity_result(const struct hub_entity_batch_result *result,
                                  enum work_dialect dialect, struct arena *arena,
                                  struct entity_result *ret, pd_error *err);
pd_status work_read_activity_result(const struct hub_activity_response *response,
                                    struct arena *arena, struct activity_result *ret,
                                    pd_error *err);

/* ---- the worker's side ----------------------------------------------------------------------- */

/* A WorkItem of ours, read: exactly one of the three is set. Lives in the arena and the bytes. */
struct work_item {
    struct text token;
    const struct turn *turn;        /* an orchestration's */
    const struct turn *entity_turn; /* an entity's */
    const struct activity *activity;
    bool is_past_known;        /* PAST_KNOWN: run it, or answer requiresHistory */
    const struct text *chunks; /* the past, one chunk a turn */
    size_t chunk_count;
};
pd_status work_read_item(struct text bytes, struct arena *arena, struct work_item *ret,
                         pd_error *err);

/* Append an OrchestratorResponse, EntityBatchResult, ActivityResponse. */
void work_write_turn_result(struct buffer *buffer, struct text token, const struct turn *turn,
                            const struct turn_result *result);
void work_write_needs_history(struct buffer *buffer, struct text token, const struct turn *turn);
void work_write_entity_result(struct buffer *buffer, struct text token, const struct turn *turn,
                              const struct entity_result *result);
void work_write_activity_result(struct buffer *buffer, struct text token,
                                const struct activity *activity,
                                const struct activity_result *result);

#endif
