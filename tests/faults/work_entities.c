/* SPDX-License-Identifier: MIT
 *
 * The part of the work that is of entities. In commit k
 *
 *   the bank, which has a large state, is locked or unlocked, its state untouched;
 *   account k is opened: busy, with two operations in its inbox, and a timer;
 *   account k - 1 goes to rest, and has one operation left;
 *   account k - 2 is closed. */
#include "work.h"

#include <stdio.h>
#include <string.h>

enum { BANK = 2000, STATE_SIZE = 20000, DUE = 5000 /* after those of instances */ };

static struct entity_record *entity_of(struct batch *batch, uint64_t row, uint64_t k)
{
    struct entity_record *entity = arena_alloc(&batch->arena, sizeof *entity);
    *entity = (struct entity_record){
        .row = row,
        .id = row == BANK ? TEXT("@bank@")
                          : text_of(arena_printf(&batch->arena, "@account@%llu",
                                                 (unsigned long long)(row - BANK))),
        .updated_at = (time_us)k,
    };
    return entity;
}

static struct mutation *put(struct batch *batch, const struct entity_record *entity)
{
    struct mutation *mutation = batch_add(batch, MUTATION_ENTITY_PUT, entity->row);
    mutation->entity = entity;
    return mutation;
}

void work_add_entities(struct batch *batch, uint64_t k)
{
    static char filler[STATE_SIZE];
    memset(filler, 's', sizeof filler);
    struct entity_record *bank = entity_of(batch, BANK, k),
                         *account = entity_of(batch, BANK + k, k);
    bank->lock_owner = k % 2 == 0 ? account->id : TEXT_ABSENT;
    bank->state = k == 1 ? text_make(filler, sizeof filler) : TEXT("not to be seen");
    put(batch, bank)->keeps_state = k != 1;
    account->state = text_of(arena_printf(&batch->arena, "%llu", (unsigned long long)k));
    account->is_busy = true;
    put(batch, account);
    for (uint64_t arrival = 1; arrival <= 2; arrival++) {
        struct mutation *event = batch_add(batch, MUTATION_INBOX_PUT, account->row);
        event->number = arrival;
        event->bytes = account->id;
    }
    struct mutation *timer = batch_add(batch, MUTATION_TIMER_PUT, account->row);
    timer->id = (int32_t)k;
    timer->due = DUE;
    if (k > 1) {
        put(batch, entity_of(batch, BANK + k - 1, k))->keeps_state = true;
        struct mutation *taken = batch_add(batch, MUTATION_INBOX_REMOVE, BANK + k - 1);
        taken->first = taken->number = 2;
    }
    if (k > 2) {
        batch_add(batch, MUTATION_ENTITY_DELETE, BANK + k - 2);
    }
}

static void assert_account(struct work *work, const struct entity_record *account, uint64_t k,
                           uint64_t m)
{
    char text[40];
    struct inbox_rows inbox;
    work_must(work, work->store->ops->load_inbox(work->store, account->row, &work->arena, &inbox,
                                                 &work->err));
    (void)snprintf(text, sizeof text, "@account@%llu", (unsigned long long)k);
    assert_int_equal(account->row, BANK + k);
    assert_true(text_equal(account->id, text_of(text)));
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)k);
    assert_true(text_equal(account->state, text_of(text)));
    assert_int_equal(account->updated_at, m);
    assert_int_equal(account->is_busy, k == m);
    assert_int_equal(account->backlog, k == m ? 2 : 1);
    assert_int_equal(inbox.count, account->backlog);
    assert_int_equal(inbox.arrivals[0], 1);
}

void work_assert_entities(struct work *work, uint64_t m)
{
    const struct store_ops *ops = work->store->ops;
    struct entity_page page;
    struct timer_page timers;
    struct entity_query all = {
        .by_row = true, .with_state = true, .with_empty = true, .limit = 100
    };
    size_t accounts = m < 2 ? (size_t)m : 2; /* that are open */
    work_must(work, ops->query_entities(work->store, &all, &work->arena, &page, &work->err));
    work_must(work, ops->due_timers(work->store, 0, DUE - 1, DUE, 100, &work->arena, &timers,
                                    &work->err));
    assert_int_equal(page.count, accounts + (m != 0));
    assert_int_equal(timers.count, accounts);
    for (size_t i = 0; i < page.count; i++) {
        const struct entity_record *entity = &page.items[i];
        if (i == 0) {
            assert_int_equal(entity->row, BANK);
            assert_int_equal(entity->state.size, STATE_SIZE);
            assert_int_equal(entity->updated_at, m);
            assert_int_equal(text_is_present(entity->lock_owner), m % 2 == 0);
        } else {
            assert_account(work, entity, m - accounts + i, m);
            assert_int_equal(timers.items[i - 1].row, entity->row);
        }
    }
}
