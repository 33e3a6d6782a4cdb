/* SPDX-License-Identifier: MIT
 *
 * The board's page, as it lies in the store's memory. See board.h.
 *
 * It is ours alone and has no version but its first word: what another build has left is thrown
 * away. It may have been torn by a death, but only between two words: a row without its step would
 * be one that was never begun, as the step is written first. */
#include "engine/board.h"

#include <string.h>

#include "base/limits.h"
#include "core/event.h"

/* Threads above that number are not watched. */
enum { THREADS = 512, SLOTS = LIMIT_PARTITIONS + THREADS, COUNTS = 512 };

#define PAGE_MAGIC UINT64_C(0x3164726f61624450) /* changes with the layout */

struct count {
    uint64_t row;
    int32_t step;
    uint32_t deaths;
    uint64_t seen; /* the death that counted last */
};

struct board_page {
    uint64_t magic;
    uint64_t deaths;      /* of processes, with something running */
    uint64_t count_count; /* counts in use: the first ones */
    struct count counts[COUNTS];
    struct board_slot slots[SLOTS];
};

/* ---- counts ---------------------------------------------------------------------------------- */

static struct count *find(struct board_page *page, uint64_t row, int32_t step)
{
    for (uint64_t i = 0; i < page->count_count; i++) {
        if (page->counts[i].row == row && page->counts[i].step == step) {
            return &page->counts[i];
        }
    }
    return NULL;
}

/* When there are too many, the one goes that was not running for the longest time. */
static struct count *make(struct board_page *page)
{
    if (page->count_count < COUNTS) {
        return &page->counts[page->count_count++];
    }
    struct count *oldest = &page->counts[0];
    for (uint64_t i = 1; i < COUNTS; i++) {
        oldest = page->counts[i].seen < oldest->seen ? &page->counts[i] : oldest;
    }
    return oldest;
}

static void count_death(struct board_page *page, uint64_t row, int32_t step)
{
    struct count *count = find(page, row, step);
    if (count == NULL) {
        count = make(page);
        *count = (struct count){ .row = row, .step = step };
    }
    count->deaths++;
    count->seen = page->deaths;
}

/* What was running when the process before this one died. */
static void read_slots(struct board_page *page)
{
    bool has_died = false;
    for (size_t i = 0; i < SLOTS; i++) {
        struct board_slot *slot = &page->slots[i];
        uint64_t row = atomic_load_explicit(&slot->row, memory_order_acquire);
        if (row != 0) {
            page->deaths += !has_died;
            has_died = true;
            count_death(page, row, atomic_load_explicit(&slot->step, memory_order_relaxed));
            board_end(slot);
        }
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static struct board_page *get_page(struct store *store)
{
    if (store->ops->board == NULL) {
        return NULL;
    }
    struct board memory = store->ops->board(store, sizeof(struct board_page) + 64);
    if (memory.at == NULL) {
        return NULL;
    }
    uintptr_t at = ((uintptr_t)memory.at + 63) & ~(uintptr_t)63; /* for the slots */
    struct board_page *page = (struct board_page *)at;
    if (page->magic != PAGE_MAGIC || page->count_count > COUNTS) {
        memset(page, 0, sizeof *page);
        page->magic = PAGE_MAGIC;
    }
    return page;
}

void board_open(struct engine_board *board, struct store *store, unsigned crashes_max)
{
    board->crashes_max = crashes_max;
    board->page = get_page(store);
    pthread_mutex_init(&board->mutex, NULL);
    if (board->page != NULL) {
        read_slots(board->page);
        atomic_store(&board->suspected, (unsigned)board->page->count_count);
    }
}

void board_close(struct engine_board *board)
{
    pthread_mutex_destroy(&board->mutex);
}

struct board_slot *board_thread_slot(struct engine_board *board, unsigned thread)
{
    return board->page != NULL && thread < THREADS ? &board->page->slots[LIMIT_PARTITIONS + thread]
                                                   : NULL;
}

struct board_slot *board_partition_slot(struct engine_board *board, unsigned partition)
{
    return board->page != NULL ? &board->page->slots[partition] : NULL;
}

/* ---- asking ---------------------------------------------------------------------------------- */

bool board_is_condemned(struct engine_board *board, uint64_t row, int32_t step)
{
    pthread_mutex_lock(&board->mutex);
    const struct count *count = find(board->page, row, step);
    bool is_condemned = count != NULL && count->deaths >= board->crashes_max;
    pthread_mutex_unlock(&board->mutex);
    return is_condemned;
}

bool board_next_step(struct engine_board *board, uint64_t row, int32_t after, int32_t *ret)
{
    bool found = false;
    pthread_mutex_lock(&board->mutex);
    for (uint64_t i = 0; i < board->page->count_count; i++) {
        const struct count *count = &board->page->counts[i];
        if (count->row == row && count->step > after && count->deaths >= board->crashes_max &&
            (!found || count->step < *ret)) {
            *ret = count->step;
            found = true;
        }
    }
    pthread_mutex_unlock(&board->mutex);
    return found;
}

void board_absolve(struct engine_board *board, uint64_t row, int32_t step)
{
    pthread_mutex_lock(&board->mutex);
    struct board_page *page = board->page;
    struct count *count = find(page, row, step);
    if (count != NULL) {
        *count = page->counts[--page->count_count];
        atomic_store(&board->suspected, (unsigned)page->count_count);
    }
    pthread_mutex_unlock(&board->mutex);
}
