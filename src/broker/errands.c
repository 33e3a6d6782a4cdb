/* SPDX-License-Identifier: MIT
 *
 * Errands: requests to the engine, and what is done when they are answered.
 *
 * The engine answers on a thread of its own; the errand comes back through the inbox. They are used
 * again, with the memory of their requests. */
#include "base/memory.h"
#include "broker/broker_priv.h"

static void answered(struct request *request, pd_status status, const pd_error *err)
{
    struct errand *errand = request->argument;
    errand->status = status;
    if (status != PD_OK && err != NULL) {
        errand->err = *err;
    }
    inbox_put(errand->broker, ARRIVES_ANSWER, errand);
}

struct errand *errand_new(struct broker *broker, enum errand_kind kind)
{
    struct errand *errand = broker->errands;
    if (errand != NULL) {
        broker->errands = errand->next;
        broker->errand_count--;
    } else {
        errand = mem_alloc(sizeof *errand);
        errand->broker = broker;
        errand->request = request_new(answered, errand);
    }
    errand->kind = kind;
    errand->item = NULL;
    errand->status = PD_OK;
    return errand;
}

void errand_free(struct broker *broker, struct errand *errand)
{
    enum { KEPT = 8192 }; /* bytes of one */
    if (broker->errand_count == SPARES_MAX || arena_size(&errand->request->arena) > KEPT) {
        request_free(errand->request);
        mem_free(errand);
        return;
    }
    arena_reset(&errand->request->arena);
    errand->next = broker->errands;
    broker->errands = errand;
    broker->errand_count++;
}

/* What it is charged with stays with its row. */
static void give_back(struct broker *broker, struct item *item)
{
    struct row *row = item->row;
    if (row != NULL) {
        row->abandons = item->abandons;
        row->losses = item->losses;
        row->deaths = item->deaths;
        row->accused = item->accused;
        row->avoid = item->avoid;
        row->place = item->seq;
        atomic_store(&row->must_encode, true);
        if (item->pin != 0) {
            atomic_store(&row->holder, 0);
        }
    }
    item_end(broker, item);
}

void errand_return(struct broker *broker, struct item *item)
{
    struct turn_ticket ticket = item->ticket;
    give_back(broker, item);
    if (broker->engine == NULL) {
        return; /* it has been stopped, and the next one offers the turn */
    }
    struct errand *errand = errand_new(broker, ERRAND_RETURN);
    broker->returning++;
    engine_return_turn(broker->engine, errand->request, ticket);
}

/* Of one that has not begun nothing is known but what can be found again. That is said first: the
 * turn may come again as soon as it is left. */
void errand_leave(struct broker *broker, struct item *item)
{
    struct turn_ticket ticket = item->ticket;
    if (item->row != NULL && item->number == 1) {
        rows_over(&broker->sides[ticket.partition], item->row);
    }
    item_end(broker, item);
    struct errand *errand = errand_new(broker, ERRAND_LEAVE);
    engine_leave_turn(broker->engine, errand->request, ticket);
}

void errand_quarantine(struct broker *broker, struct item *item)
{
    struct errand *errand = errand_new(broker, ERRAND_RETURN);
    const struct failure *failure = suspect_word(broker, item, &errand->request->arena);
    struct turn_ticket ticket = item->ticket;
    item->losses = 0;
    give_back(broker, item);
    broker->returning++;
    engine_quarantine_turn(broker->engine, errand->request, ticket, failure);
}

static void ended(struct broker *broker, struct errand *errand)
{
    struct item *item = errand->item;
    struct broker_answer *answer = item->answer;
    item->state = ITEM_NEW;
    if (errand->status == PD_OK) {
        histogram_add(&broker->counters.took[item->kind], broker->now - item->handed_at);
    }
    if (errand->status == PD_OK && item->number == 1 && broker->options.begun != NULL) {
        broker->options.begun(broker->options.argument, item->instance_id);
    }
    if (answer != NULL) {
        answer->answered(answer, errand->status, errand->status != PD_OK ? &errand->err : NULL);
    }
    item_free(broker, item);
}

void errand_answered(struct broker *broker, struct errand *errand)
{
    switch (errand->kind) {
    case ERRAND_END: ended(broker, errand); break;
    case ERRAND_RETURN: broker->returning--; break;
    case ERRAND_CALL: aside_called(broker, errand); break;
    case ERRAND_LEAVE: break;
    case ERRAND_BEAT: activity_heard(broker, errand); break;
    case ERRAND_LATE: break;
    }
    errand_free(broker, errand);
}
