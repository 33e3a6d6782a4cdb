/* SPDX-License-Identifier: MIT
 *
 * Rows: what a partition's thread knows of its instances: the past of those whose workers need it
 * whole, and which stream has the stack of which.
 *
 * All of it is only kept for speed. What was used longest ago goes first, when a partition has more
 * than its share of bytes; a turn whose past is gone is given it from the store.
 *
 *   R1  A row whose turn is open stays: the loop finds the turn by it, when it is forgotten. Its
 *       past may go all the same.
 *   R3  Only so many are looked at each time, and those that stay go to the end: there may be a
 *       million whose turn is open, as there is nobody to take it.
 *   R2  A past is that of the turns 1 .. turn_count, without a gap, or there is none. */
#include "base/assert.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

enum { LOOKS_MAX = 8 };

void side_init(struct side *side, struct broker *broker, size_t bytes_max)
{
    side->broker = broker;
    side->bytes_max = bytes_max;
    map64_init(&side->rows);
    list_init(&side->used);
    buffer_init(&side->scratch);
}

void row_unref(struct row *row)
{
    if (atomic_fetch_sub(&row->refs, 1) == 1) {
        buffer_done(&row->past);
        buffer_done(&row->ends);
        buffer_done(&row->trace);
        mem_free(row);
    }
}

struct row *row_find(struct side *side, uint64_t row)
{
    return map64_find(&side->rows, row);
}

struct row *row_get(struct side *side, uint64_t number, unsigned partition)
{
    struct row *row = map64_find(&side->rows, number);
    if (row == NULL) {
        row = mem_alloc(sizeof *row);
        row->row = number;
        row->partition = partition;
        atomic_init(&row->refs, 1);
        map64_put(&side->rows, number, row);
        list_push_back(&side->used, &row->used);
        side->bytes += sizeof *row;
    }
    return row;
}

static size_t past_size(const struct row *row)
{
    return row->past.room + row->ends.room + row->trace.room;
}

static void drop_past(struct side *side, struct row *row)
{
    side->bytes -= past_size(row);
    buffer_done(&row->past);
    buffer_done(&row->ends);
    buffer_done(&row->trace);
    row->turn_count = 0;
    row->keeps = false;
}

void row_drop(struct side *side, struct row *row)
{
    drop_past(side, row);
    side->bytes -= sizeof *row;
    (void)map64_remove(&side->rows, row->row);
    list_remove(&row->used);
    row_unref(row);
}

bool row_has_past(const struct row *row, uint64_t number)
{
    return row->turn_count == number - 1 && (row->keeps || number == 1);
}

static void note_trace(struct row *row, const struct text *chunks, size_t count)
{
    struct text trace = work_find_trace(chunks, count);
    if (text_is_present(trace)) {
        buffer_reset(&row->trace);
        buffer_add_text(&row->trace, trace);
    }
}

static void append(struct row *row, struct text bytes)
{
    buffer_add_text(&row->past, bytes);
    size_t end = row->past.size;
    buffer_add(&row->ends, &end, sizeof end);
    row->turn_count++;
}

void row_take_past(struct side *side, struct row *row, const struct past *past)
{
    drop_past(side, row);
    for (size_t i = 0; i < past->turn_count; i++) {
        append(row, past->chunks[i]);
    }
    note_trace(row, past->chunks, past->turn_count);
    row->keeps = true;
    side->bytes += past_size(row);
}

void row_append(struct side *side, struct row *row, uint64_t number, struct text bytes)
{
    if (!row->keeps || row->turn_count != number - 1) {
        drop_past(side, row); /* R2 */
        return;
    }
    side->bytes -= past_size(row);
    append(row, bytes);
    note_trace(row, &bytes, 1);
    side->bytes += past_size(row);
}

/* R1 */
static bool is_open(struct row *row)
{
    return atomic_load(&row->refs) > 1;
}

/* R3 */
static void use(struct side *side, struct row *row)
{
    list_remove(&row->used);
    list_push_back(&side->used, &row->used);
}

void row_used(struct side *side, struct row *row)
{
    use(side, row);
    for (int looks = 0; looks < LOOKS_MAX && side->bytes > side->bytes_max; looks++) {
        struct row *other = CONTAINER_OF(list_front(&side->used), struct row, used);
        if (other == row) {
            return;
        }
        if (is_open(other)) {
            drop_past(side, other);
            use(side, other);
        } else {
            row_drop(side, other);
        }
    }
}

void rows_over(struct side *side, struct row *row)
{
    atomic_fetch_add(&row->refs, 1);
    row->next_over = atomic_load(&side->over);
    while (!atomic_compare_exchange_weak(&side->over, &row->next_over, row)) {}
}

void rows_forget_over(struct side *side)
{
    if (atomic_load_explicit(&side->over, memory_order_relaxed) == NULL) {
        return;
    }
    struct row *row = atomic_exchange(&side->over, NULL);
    while (row != NULL) {
        struct row *next = row->next_over;
        if (map64_find(&side->rows, row->row) == row) {
            row_drop(side, row);
        }
        row_unref(row);
        row = next;
    }
}

void side_done(struct side *side)
{
    rows_forget_over(side);
    struct list_node *node;
    while ((node = list_front(&side->used)) != NULL) {
        row_drop(side, CONTAINER_OF(node, struct row, used));
    }
    map64_done(&side->rows);
    buffer_done(&side->scratch);
}
