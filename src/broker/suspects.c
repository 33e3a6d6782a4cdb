/* SPDX-License-Identifier: MIT
 *
 * Suspects: what ends the processes of our workers again and again is found out, and put into
 * quarantine, as an engine does with what ends its own (engine/board.h).
 *
 * A worker whose stream breaks off had many items in hand, most of which it had not begun. So all
 * of them are suspects from then on: a worker that is handed one says so when it is about to run
 * it, and waits until that has been heard (WorkUp.begins). Of a stream that breaks off then, only
 * what had begun is one death nearer; the first death is taken from all, as nobody knew.
 *
 * Whoever has one more death to be put into quarantine is begun when no other such one runs at the
 * same worker: else two that begin together would be condemned together, though one did it. What is
 * taken back while it waits for that is cancelled: its worker begins suspects one after the
 * other.
 *
 *   S1  A worker that said that it leaves has not died. Nor has one that comes back: its process is
 *       known by a number of its own, and what it was charged with is taken back.
 *   S2  Who comes to an end is no suspect any more; nor who is in quarantine: whoever resumes it
 *       gives it another chance.
 *   S3  Counts live with their items, and are gone with the server: then it was not the worker that
 *       died. They go with a turn that is written again (row).
 *   S4  Workers of other makers say nothing of what they begin, and nothing of theirs is ever put
 *       into quarantine (specification 3.18): it waits longer and longer (rest.c). */
#include <stdio.h>

#include "broker/broker_priv.h"

bool suspect_must_say(const struct broker *broker, const struct item *item,
                      const struct broker_stream *stream)
{
    return stream->options.dialect == WORK_OURS &&
           (item->deaths != 0 || broker->options.crashes_max == 1);
}

/* It is the next death that decides. Where the first one does there is nobody to be told apart. */
static bool is_last_chance(const struct broker *broker, const struct item *item)
{
    return item->deaths != 0 && item->deaths + 1 >= broker->options.crashes_max;
}

static void begin(struct broker *broker, struct item *item)
{
    item->has_begun = true;
    if (is_last_chance(broker, item)) {
        item->stream->alone = item;
    }
}

bool broker_begins(struct broker *broker, struct text token)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    struct item *item = token_find(broker, token);
    if (item == NULL || item->state != ITEM_OUT || item->has_begun ||
        !suspect_must_say(broker, item, item->stream) || list_is_linked(&item->chance)) {
        return true; /* it is of no account, or was asked twice */
    }
    if (is_last_chance(broker, item) && item->stream->alone != NULL) {
        list_push_back(&item->stream->chances, &item->chance);
        return false;
    }
    begin(broker, item);
    return true;
}

void suspect_leave(struct broker *broker, struct item *item)
{
    struct broker_stream *stream = item->stream;
    char token[WORK_TOKEN_SIZE];
    if (list_is_linked(&item->chance)) {
        list_remove(&item->chance);
        token_write(item, token);
        stream->options.cancel(stream->options.argument, text_make(token, sizeof token));
    }
    if (stream->alone != item) {
        return;
    }
    stream->alone = NULL;
    struct list_node *node = list_pop_front(&stream->chances);
    if (node != NULL) {
        struct item *next = CONTAINER_OF(node, struct item, chance);
        begin(broker, next);
        token_write(next, token);
        stream->options.let_begin(stream->options.argument, text_make(token, sizeof token));
    }
}

void broker_leaves(struct broker_stream *stream)
{
    OBJECT_CHECK(stream, BROKER_STREAM_MAGIC);
    stream->is_leaving = true;
}

void suspect_charge(struct broker *broker, struct item *item)
{
    const struct broker_stream *stream = item->stream;
    bool may_have_begun = item->has_begun || !suspect_must_say(broker, item, stream);
    if (stream->options.dialect == WORK_OURS && !stream->is_leaving && may_have_begun) {
        item->deaths++;
        item->accused = stream->process;
    }
    item->has_begun = false;
}

/* S1 */
void suspect_pardon(struct broker *broker, uint64_t process)
{
    for (size_t i = 0; i < broker->slots.count; i++) {
        struct item *item = broker->slots.items[i];
        if (item != NULL && item->deaths != 0 && item->accused == process) {
            item->deaths--;
            item->accused = 0;
        }
    }
}

/* ---- quarantine ------------------------------------------------------------------------------ */

const struct failure *suspect_word(const struct broker *broker, const struct item *item,
                                   struct arena *arena)
{
    static const char *const names[KIND_COUNT] = { "orchestrator", "entity", "activity" };
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    *failure = (struct failure){
        .type = TEXT("Quarantined"),
        .message = text_of(arena_printf(arena, "the %s was running %u times when its worker died",
                                        names[item->kind], broker->options.crashes_max)),
        .is_final = true,
    };
    return failure;
}

static void condemn(struct broker *broker, struct item *item)
{
    struct errand *errand;
    struct arena *arena;
    broker_say(broker, "%.*s of %.*s is in quarantine: its worker died %u times while it ran",
               TEXT_ARGS(match_name(item)), TEXT_ARGS(item->instance_id),
               broker->options.crashes_max);
    broker->counters.quarantined++;
    item->deaths = 0; /* S2 */
    switch (item->kind) {
    case KIND_TURN: errand_quarantine(broker, item); break;
    case KIND_ENTITY:
        errand = errand_new(broker, ERRAND_END);
        arena = &errand->request->arena;
        complete_failed(broker, errand, item, suspect_word(broker, item, arena), NULL);
        break;
    case KIND_ACTIVITY:
        errand = errand_new(broker, ERRAND_LATE);
        arena = &errand->request->arena;
        activity_give_up(broker, errand, item, suspect_word(broker, item, arena));
        break;
    case KIND_COUNT: break;
    }
}

bool suspect_condemn(struct broker *broker, struct item *item)
{
    if (item->deaths < broker->options.crashes_max) {
        return false;
    }
    condemn(broker, item);
    return true;
}
