/* SPDX-License-Identifier: MIT
 *
 * The board: what is running, written where the next process finds it, so that what ends the
 * process again and again is found out and put into quarantine.
 *
 * Each thread that runs user code has a slot, and writes there which step of which row it is about
 * to run: a few stores into memory that outlives the process (store.h), no system call. An engine
 * that starts finds the slots empty, unless the one before died. Then what is in them was running,
 * and is counted: one more death. A run that comes to its end takes its count away.
 *
 *   D1  A slot is written by one thread, and read by an engine that starts, when nobody writes.
 *   D2  Counts are looked at only while there are any: nothing is asked of a process whose
 *       predecessors ended well.
 *   D3  What has been put into quarantine begins without a count: who resumes it gives it another
 *       chance. */
#ifndef ENGINE_BOARD_H
#define ENGINE_BOARD_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"

/* Where one thread writes. A cache line of its own: its neighbours write as often. */
struct board_slot {
    _Alignas(64) _Atomic uint64_t row; /* 0: nothing */
    _Atomic int32_t step;              /* EVENT_NO_ID: a turn */
};

struct board_page;

struct engine_board {
    struct board_page *page; /* NULL: the store has none, and nothing is ever suspected */
    unsigned crashes_max;
    pthread_mutex_t mutex;      /* of the counts */
    _Atomic unsigned suspected; /* how many there are */
};

/* The caller owns all partitions of the store, and nothing runs yet. */
void board_open(struct engine_board *board, struct store *store, unsigned crashes_max);
void board_close(struct engine_board *board);

/* NULL, which is fine below: there is none. */
struct board_slot *board_thread_slot(struct engine_board *board, unsigned thread);
struct board_slot *board_partition_slot(struct engine_board *board, unsigned partition);

static inline void board_begin(struct board_slot *slot, uint64_t row, int32_t step)
{
    if (slot != NULL) {
        atomic_store_explicit(&slot->step, step, memory_order_relaxed);
        atomic_store_explicit(&slot->row, row, memory_order_release);
    }
}

static inline void board_end(struct board_slot *slot)
{
    if (slot != NULL) {
        atomic_store_explicit(&slot->row, 0, memory_order_release);
    }
}

static inline bool board_has_suspects(const struct engine_board *board)
{
    return atomic_load_explicit(&board->suspected, memory_order_relaxed) != 0;
}

/* Any thread. The rest is called when board_has_suspects.
 *
 * condemned   crashes_max deaths: it is not to be run
 * next_step   a condemned step of the row behind `after`, which begins as EVENT_NO_ID; false: none
 * absolve     it came to its end, or is in quarantine now */
bool board_is_condemned(struct engine_board *board, uint64_t row, int32_t step);
bool board_next_step(struct engine_board *board, uint64_t row, int32_t after, int32_t *ret);
void board_absolve(struct engine_board *board, uint64_t row, int32_t step);

#endif
