/* SPDX-License-Identifier: MIT
 *
 * Turns and operations of entities: run on the loop's thread, by the author, as they come (W1).
 *
 * Those that may end the process wait here until the server knows that they are about to be run
 * (W6). An answer that no message to the server can hold is not sent, for it would end the stream
 * that it is on, and each one behind that: the orchestration, or the operations, fail instead, with
 * a sentence. */
#include "remote/worker_priv.h"
#include "wire/proto.h"

enum { FLUSH_AFTER = 64 /* answers */, FIELD_TOKEN = 10, FIELD_SUSPECT = 100 };

struct work_head work_head_of(struct text item)
{
    struct proto_reader reader = proto_reader_of(item);
    struct proto_field field;
    struct work_head head = { 0, TEXT_ABSENT, false };
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES && field.number == FIELD_TOKEN) {
            head.token = field.bytes;
        } else if (field.type == PROTO_BYTES) {
            head.kind = field.number;
        } else if (field.type == PROTO_VARINT && field.number == FIELD_SUSPECT) {
            head.is_suspect = field.value != 0;
        }
    }
    head.kind = text_is_present(head.token) ? head.kind : 0;
    return head;
}

/* ---- answers --------------------------------------------------------------------------------- */

const struct failure *work_failure_too_large(struct arena *arena, struct text name, size_t size,
                                             size_t most)
{
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    failure->type = TEXT("Misuse");
    failure->message = text_of(arena_printf(
        arena, "%.*s answered with %zu bytes; the server takes messages of %zu (--message-max)",
        TEXT_ARGS(name), size, most));
    failure->is_final = true;
    return failure;
}

static const struct failure *too_large(struct turns *turns, const struct turn *turn)
{
    size_t size = turns->scratch.size;
    buffer_reset(&turns->scratch);
    turns->runner->ops->forget(turns->runner, turn->partition, turn->row);
    return work_failure_too_large(&turns->arena, turn->instance_id, size,
                                  outbox_takes(turns->outbox));
}

static void write_turn(struct turns *turns, const struct work_item *item,
                       const struct turn_result *result)
{
    work_write_turn_result(&turns->scratch, item->token, item->turn, result);
    if (turns->scratch.size > outbox_takes(turns->outbox)) {
        const struct action end = { .kind = ACTION_COMPLETE,
                                    .id = EVENT_NO_ID,
                                    .outcome = RUN_FAILED,
                                    .failure = too_large(turns, item->turn) };
        const struct turn_result failed = { .actions = &end, .action_count = 1 };
        work_write_turn_result(&turns->scratch, item->token, item->turn, &failed);
    }
}

/* Nothing that was done came about: the state is as it was, and nobody was told anything. */
static void write_operations(struct turns *turns, const struct work_item *item,
                             const struct entity_result *result)
{
    const struct turn *turn = item->entity_turn;
    work_write_entity_result(&turns->scratch, item->token, turn, result);
    if (turns->scratch.size > outbox_takes(turns->outbox)) {
        const struct failure *failure = too_large(turns, turn);
        struct operation_result *results =
            arena_alloc(&turns->arena, result->result_count * sizeof *results);
        for (size_t i = 0; i < result->result_count; i++) {
            results[i].failure = failure;
        }
        const struct entity_result failed = { .results = results,
                                              .result_count = result->result_count,
                                              .keeps_state = true };
        work_write_entity_result(&turns->scratch, item->token, turn, &failed);
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void add_result(struct turns *turns, enum result_kind kind)
{
    outbox_add_result(turns->outbox, kind, buffer_text(&turns->scratch));
    buffer_reset(&turns->scratch);
    if (++turns->unflushed >= FLUSH_AFTER) {
        turns->unflushed = 0; /* so that the server has something to do meanwhile */
        outbox_flush(turns->outbox);
    }
}

static enum runner_answer run_with_past(struct turns *turns, const struct work_item *item,
                                        struct turn_result *ret)
{
    struct runner *runner = turns->runner;
    const struct turn *turn = item->turn;
    if (item->is_past_known) {
        return runner->ops->turn(runner, turn, NULL, &turns->arena, ret);
    }
    runner->ops->forget(runner, turn->partition, turn->row); /* W3 */
    if (turn->number == 1) {
        return runner->ops->turn(runner, turn, NULL, &turns->arena, ret);
    }
    struct wire_past past;
    wire_past_init(&past, item->chunks, item->chunk_count);
    enum runner_answer answer = runner->ops->turn(runner, turn, &past.base, &turns->arena, ret);
    wire_past_done(&past);
    return answer;
}

static void run_turn(struct turns *turns, const struct work_item *item)
{
    struct turn_result result = { .action_count = 0 };
    switch (run_with_past(turns, item, &result)) {
    case RUNNER_DONE:
        write_turn(turns, item, &result);
        add_result(turns, RESULT_TURN);
        break;
    case RUNNER_NEEDS_HISTORY:
        if (item->is_past_known) {
            work_write_needs_history(&turns->scratch, item->token, item->turn);
            add_result(turns, RESULT_TURN);
            break;
        }
        outbox_give_back(turns->outbox, item->token); /* its past cannot be read here */
        break;
    case RUNNER_LEAVES:
    case RUNNER_LATER: outbox_give_back(turns->outbox, item->token); break;
    }
}

static void run_operations(struct turns *turns, const struct work_item *item)
{
    struct runner *runner = turns->runner;
    struct entity_result result = { .result_count = 0 };
    if (runner->ops->entity(runner, item->entity_turn, &turns->arena, &result) == RUNNER_DONE) {
        write_operations(turns, item, &result);
        add_result(turns, RESULT_ENTITY);
    } else {
        outbox_give_back(turns->outbox, item->token);
    }
}

static void run_now(struct turns *turns, struct text bytes, struct text token)
{
    struct work_item item;
    pd_error err;
    arena_reset(&turns->arena);
    bool is_read = work_read_item(bytes, &turns->arena, &item, &err) == PD_OK;
    const struct turn *turn = !is_read ? NULL : item.turn != NULL ? item.turn : item.entity_turn;
    if (turn == NULL || turn->partition >= turns->partitions) {
        outbox_give_back(turns->outbox, token);
    } else if (item.turn != NULL) {
        run_turn(turns, &item);
    } else {
        run_operations(turns, &item);
    }
}

/* ---- suspects -------------------------------------------------------------------------------- */

/* A turn that may end the process, as its bytes came. The first of them waits for the server to
 * know that it is about to be run; what it answers goes with the question for the next (W6). */
struct suspect {
    struct list_node node;
    size_t size;
    char bytes[];
};

static struct text first_suspect(struct turns *turns, struct text *ret_token)
{
    struct list_node *node = list_front(&turns->suspects);
    struct work_head head;
    if (node == NULL) {
        return TEXT_ABSENT;
    }
    const struct suspect *suspect = CONTAINER_OF(node, struct suspect, node);
    struct text bytes = text_make(suspect->bytes, suspect->size);
    head = work_head_of(bytes);
    *ret_token = head.token;
    return bytes;
}

static void ask_for_first(struct turns *turns)
{
    struct text token;
    if (text_is_present(first_suspect(turns, &token))) {
        outbox_say_begins(turns->outbox, token);
    }
}

static void put_suspect(struct turns *turns, struct text bytes)
{
    struct suspect *suspect = mem_alloc_raw(sizeof *suspect + bytes.size);
    suspect->node = (struct list_node){ NULL, NULL };
    suspect->size = bytes.size;
    memcpy(suspect->bytes, bytes.at, bytes.size);
    bool is_first = list_is_empty(&turns->suspects);
    list_push_back(&turns->suspects, &suspect->node);
    if (is_first) {
        ask_for_first(turns);
    }
}

static void drop_first(struct turns *turns)
{
    mem_free(CONTAINER_OF(list_pop_front(&turns->suspects), struct suspect, node));
}

bool turns_let_begin(struct turns *turns, struct text token)
{
    struct text first;
    struct text bytes = first_suspect(turns, &first);
    if (!text_is_present(bytes) || !text_equal(first, token)) {
        return false;
    }
    run_now(turns, bytes, first);
    drop_first(turns);
    ask_for_first(turns);
    return true;
}

void turns_give(struct turns *turns, struct text item, const struct work_head *head)
{
    if (head->is_suspect) {
        put_suspect(turns, item);
    } else {
        run_now(turns, item, head->token);
    }
}

/* It is offered again, perhaps here, under another token. */
void turns_cancel(struct turns *turns, struct text token)
{
    bool is_first = true;
    LIST_EACH_SAFE(node, &turns->suspects)
    {
        struct suspect *suspect = CONTAINER_OF(node, struct suspect, node);
        if (text_equal(work_head_of(text_make(suspect->bytes, suspect->size)).token, token)) {
            list_remove(node);
            mem_free(suspect);
            if (is_first) {
                ask_for_first(turns);
            }
            return;
        }
        is_first = false;
    }
}

static void drop_all(struct turns *turns)
{
    while (!list_is_empty(&turns->suspects)) {
        drop_first(turns);
    }
}

/* ---- coming and going ------------------------------------------------------------------------ */

void turns_drop(struct turns *turns)
{
    drop_all(turns);
    for (unsigned i = 0; i < turns->partitions; i++) {
        turns->runner->ops->forget_all(turns->runner, i);
    }
}

void turns_init(struct turns *turns, struct runner *runner, unsigned partitions,
                struct outbox *outbox)
{
    *turns = (struct turns){ .runner = runner, .partitions = partitions, .outbox = outbox };
    list_init(&turns->suspects);
    arena_init(&turns->arena);
}

void turns_done(struct turns *turns)
{
    drop_all(turns);
    buffer_done(&turns->scratch);
    arena_done(&turns->arena);
}
