/* SPDX-License-Identifier: MIT
 *
 * Completions: what workers answer, read, judged by the token, and given to the engine.
 *
 * A completion is read into the memory of the request that it becomes. Its item keeps to it until
 * the engine has answered: names and ids of the result may lie in it. The stream has room again at
 * once.
 *
 *   C1  What does not count is told that all is well (D2): an error would make workers drop their
 *       streams.
 *   C2  A worker that sends no tokens (Go) means the oldest handing out of that instance, and of
 *       that task. Those that nobody wants any more are among these: their answer comes, too. In
 *       its first minute a broker may hear of turns that the process before it handed out, perhaps
 *       with less in them than what it has handed out itself since. They come over another
 *       connection: the turn is offered again then, as it is, because it cannot be known who was
 *       meant.
 *   C3  A completion in parts is one when the last part is there. When its item is taken back
 *       before that, its token is good no more: the last part alone is not what the code asked. */
#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "broker/broker_priv.h"

/* ---- which one is it of ---------------------------------------------------------------------- */

/* C2 */
static struct item *find_oldest(struct broker *broker, enum work_kind kind, struct text instance_id,
                                int64_t task_id)
{
    struct item *oldest = NULL;
    uint64_t key = index_key(instance_id, broker->instance_seed);
    struct index_node *node = index_first(&broker->by_instance, key);
    for (; node != NULL; node = index_next(node)) {
        struct item *item = CONTAINER_OF(node, struct item, by_instance);
        if (item->kind == kind && item->has_token && item->is_plain &&
            (kind != KIND_ACTIVITY || item->task_id == task_id) &&
            text_compare(item->instance_id, instance_id) == 0 &&
            (oldest == NULL || item->handed < oldest->handed)) {
            oldest = item;
        }
    }
    return oldest;
}

/* C2: to whom was it handed out? */
static bool is_of_another(const struct broker *broker, const struct item *item, uint64_t peer)
{
    return item->kind == KIND_TURN && item->handed_at < broker->young_until && peer != 0 &&
           item->peer != 0 && item->peer != peer;
}

/* NULL: it does not count. */
static struct item *find(struct broker *broker, enum work_kind kind, struct text token,
                         struct text instance_id, int64_t task_id, bool is_whole, uint64_t peer)
{
    struct item *item = NULL;
    if (token.size != 0) {
        item = token_find(broker, token);
    } else if (kind != KIND_ENTITY) {
        item = find_oldest(broker, kind, instance_id, task_id);
        if (item != NULL && item->state != ITEM_GHOST && is_of_another(broker, item, peer)) {
            broker->counters.abandoned++;
            rest_abandoned(broker, item);
            item = NULL;
        }
    }
    if (item != NULL && item->kind == kind && item->state == ITEM_GHOST) {
        if (is_whole) {
            item_end(broker, item);
        }
        item = NULL;
    }
    if (item == NULL || item->kind != kind) {
        broker->counters.stale++;
        return NULL;
    }
    return item;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Answers, and NULL, when it cannot be read. The message is in the errand's memory. */
static struct errand *read(struct broker *broker, const struct message_type *type, void **ret,
                           struct text bytes, struct broker_answer *answer)
{
    pd_error err;
    OBJECT_CHECK(broker, BROKER_MAGIC);
    if (broker->engine == NULL) {
        pd_status status =
            error_set(&err, PD_E_CANCELLED, true, "broker", "the hub is being closed");
        answer->answered(answer, status, &err);
        return NULL;
    }
    struct errand *errand = errand_new(broker, ERRAND_END);
    struct arena *arena = &errand->request->arena;
    struct text kept = text_copy(arena, bytes);
    *ret = arena_alloc(arena, type->size);
    pd_status status = message_read(type, kept, arena, *ret, &err);
    if (status != PD_OK) {
        errand_free(broker, errand);
        answer->answered(answer, status, &err);
        return NULL;
    }
    return errand;
}

/* Nothing is to become of it. */
static void dismiss(struct broker *broker, struct errand *errand, struct broker_answer *answer)
{
    errand_free(broker, errand);
    answer->answered(answer, PD_OK, NULL);
}

/* It is a message, but no answer: somebody else may know better. */
static void refuse(struct broker *broker, struct errand *errand, struct item *item,
                   struct broker_answer *answer, const pd_error *err)
{
    broker->counters.abandoned++;
    rest_abandoned(broker, item);
    errand_free(broker, errand);
    answer->answered(answer, PD_E_INVALID, err);
}

/* The item waits for the engine's answer. */
static void end(struct broker *broker, struct errand *errand, struct item *item,
                struct broker_answer *answer)
{
    broker->counters.completed[item->kind]++;
    item_detach(broker, item);
    item->state = ITEM_ENDING;
    item->answer = answer;
    errand->item = item;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Who has the stack now; and whether there will be another turn. */
static void note_row(struct broker *broker, struct item *item, const struct turn_result *result)
{
    struct row *row = item->row;
    const struct broker_stream *stream = item->stream;
    bool holds = stream != NULL && stream->id % STREAM_SLOTS != 0;
    bool ends = result->action_count != 0 &&
                result->actions[result->action_count - 1].kind == ACTION_COMPLETE;
    row->abandons = row->losses = row->deaths = 0;
    row->avoid = 0;
    atomic_store(&row->holder_number, item->number);
    atomic_store(&row->holder, holds ? stream->id : 0);
    if (ends) {
        rows_over(&broker->sides[item->ticket.partition], row);
    }
}

static void keep_part(struct item *item, struct errand *errand, size_t size)
{
    struct errand **last = &item->parts;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = errand;
    errand->next = NULL;
    item->part_count++;
    item->part_bytes += size;
}

static const struct hub_orchestrator_response *const *
all_parts(const struct item *item, const struct hub_orchestrator_response *last,
          struct arena *arena)
{
    const struct hub_orchestrator_response **parts =
        arena_alloc(arena, (item->part_count + 1) * sizeof *parts);
    size_t count = 0;
    for (const struct errand *part = item->parts; part != NULL; part = part->next) {
        parts[count++] = part->part;
    }
    parts[count] = last;
    return parts;
}

/* The worker has not got what it needs. Who was not sent it is sent it; who was needs a while. */
static void lack(struct broker *broker, struct errand *errand, struct item *item, bool was_sent,
                 struct broker_answer *answer)
{
    if (was_sent) {
        broker->counters.abandoned++;
        rest_abandoned(broker, item);
    } else {
        errand_return(broker, item);
    }
    dismiss(broker, errand, answer);
}

static void end_turn(struct broker *broker, struct errand *errand, struct item *item,
                     const struct hub_orchestrator_response *response, struct broker_answer *answer)
{
    pd_error err;
    struct arena *arena = &errand->request->arena;
    struct turn_result *result = arena_alloc(arena, sizeof *result);
    struct work_context context = { .instance_id = item->instance_id,
                                    .execution_id = item->execution_id,
                                    .trace = item->trace,
                                    .dialect = item->is_plain ? WORK_PLAIN : WORK_OURS };
    pd_status status = work_read_turn_result(all_parts(item, response, arena), item->part_count + 1,
                                             &context, arena, result, &err);
    if (status != PD_OK) {
        refuse(broker, errand, item, answer, &err);
        return;
    }
    note_row(broker, item, result);
    end(broker, errand, item, answer);
    engine_end_turn(broker->engine, errand->request, item->ticket, result);
}

void broker_complete_turn(struct broker *broker, struct text bytes, struct broker_answer *answer)
{
    void *message = NULL;
    struct errand *errand = read(broker, &hub_orchestrator_response_type, &message, bytes, answer);
    if (errand == NULL) {
        return;
    }
    const struct hub_orchestrator_response *response = message;
    struct item *item = find(broker, KIND_TURN, response->completion_token, response->instance_id,
                             EVENT_NO_ID, !response->is_partial, answer->peer);
    if (item == NULL) {
        dismiss(broker, errand, answer);
    } else if (response->requires_history) {
        lack(broker, errand, item, item->pin == 0, answer);
    } else if (item->part_bytes + bytes.size > LIMIT_TURN_ACTION_BYTES) {
        pd_error err;
        (void)error_set(&err, PD_E_INVALID, false, "broker",
                        "one turn asks for more than 512 MiB at once");
        refuse(broker, errand, item, answer, &err);
    } else if (response->is_partial) {
        errand->part = response;
        keep_part(item, errand, bytes.size);
        answer->answered(answer, PD_OK, NULL);
    } else {
        end_turn(broker, errand, item, response, answer);
    }
}

/* ---- entities -------------------------------------------------------------------------------- */

static void end_batch(struct broker *broker, struct errand *errand, struct item *item,
                      const struct entity_result *result, struct broker_answer *answer)
{
    end(broker, errand, item, answer);
    engine_end_entity_turn(broker->engine, errand->request, item->ticket, result);
}

/* The worker could not run any of it, often enough: those who called hear of it, what was only sent
 * is dropped, the state stays. */
static void fail_batch(struct broker *broker, struct errand *errand, struct item *item,
                       struct text details, struct broker_answer *answer)
{
    pd_error err;
    const struct failure *failure;
    if (wire_read_failure(details, &errand->request->arena, &failure, &err) == PD_OK) {
        complete_failed(broker, errand, item, failure, answer);
    } else {
        refuse(broker, errand, item, answer, &err);
    }
}

void complete_failed(struct broker *broker, struct errand *errand, struct item *item,
                     const struct failure *failure, struct broker_answer *answer)
{
    struct arena *arena = &errand->request->arena;
    struct operation_result *results = arena_alloc(arena, item->operation_count * sizeof *results);
    for (size_t i = 0; i < item->operation_count; i++) {
        results[i].failure = failure;
    }
    struct entity_result *result = arena_alloc(arena, sizeof *result);
    *result = (struct entity_result){ .results = results,
                                      .result_count = item->operation_count,
                                      .keeps_state = true };
    end_batch(broker, errand, item, result, answer);
}

void broker_complete_entity(struct broker *broker, struct text bytes, struct broker_answer *answer)
{
    pd_error err;
    void *message = NULL;
    struct errand *errand = read(broker, &hub_entity_batch_result_type, &message, bytes, answer);
    if (errand == NULL) {
        return;
    }
    const struct hub_entity_batch_result *said = message;
    struct item *item = find(broker, KIND_ENTITY, said->completion_token, TEXT_ABSENT, EVENT_NO_ID,
                             true, answer->peer);
    if (item == NULL) {
        dismiss(broker, errand, answer);
    } else if (said->requires_state) {
        lack(broker, errand, item, true, answer);
    } else if (text_is_present(said->failure_details) && ++item->failures < FAILURES_MAX) {
        broker->counters.abandoned++;
        rest_abandoned(broker, item);
        dismiss(broker, errand, answer);
    } else if (text_is_present(said->failure_details)) {
        fail_batch(broker, errand, item, said->failure_details, answer);
    } else {
        struct arena *arena = &errand->request->arena;
        struct entity_result *result = arena_alloc(arena, sizeof *result);
        if (work_read_entity_result(said, item->is_plain ? WORK_PLAIN : WORK_OURS, arena, result,
                                    &err) == PD_OK) {
            end_batch(broker, errand, item, result, answer);
        } else {
            refuse(broker, errand, item, answer, &err);
        }
    }
}

/* ---- activities ------------------------------------------------------------------------------ */

void broker_complete_activity(struct broker *broker, struct text bytes,
                              struct broker_answer *answer)
{
    pd_error err;
    void *message = NULL;
    struct errand *errand = read(broker, &hub_activity_response_type, &message, bytes, answer);
    if (errand == NULL) {
        return;
    }
    const struct hub_activity_response *said = message;
    struct item *item = find(broker, KIND_ACTIVITY, said->completion_token, said->instance_id,
                             said->task_id, true, answer->peer);
    if (item == NULL) {
        dismiss(broker, errand, answer);
        return;
    }
    struct arena *arena = &errand->request->arena;
    struct activity_result *result = arena_alloc(arena, sizeof *result);
    if (work_read_activity_result(said, arena, result, &err) != PD_OK) {
        refuse(broker, errand, item, answer, &err);
        return;
    }
    struct activity *activity = item->activity;
    activity_say_last(broker, item);
    end(broker, errand, item, answer);
    item->activity = NULL;
    engine_end_activity(broker->engine, errand->request, activity, result);
}

/* ---- given back ------------------------------------------------------------------------------ */

void broker_abandon(struct broker *broker, struct text token)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    struct item *item = token_find(broker, token);
    if (item == NULL) {
        broker->counters.stale++;
    } else if (item->state == ITEM_GHOST) {
        item_end(broker, item);
    } else {
        broker->counters.abandoned++;
        rest_abandoned(broker, item);
    }
}
