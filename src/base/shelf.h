/* SPDX-License-Identifier: MIT
 *
 * Shelf: blocks of one size that come and go by the thousand, kept for the next one.
 *
 * For things whose lifetime is their own (no arena ends when they do), which are made and freed so
 * often, in such numbers and on one thread, that the heap's search for a place shows in a profile.
 * A block too large for the shelf comes from the heap and goes back there; whoever gives a block
 * back says how large it is. Blocks on the shelf are poisoned under the address sanitizer.
 *
 * Not thread-safe. */
#ifndef BASE_SHELF_H
#define BASE_SHELF_H

#include <stddef.h>

struct shelf_block;

struct shelf {
    struct shelf_block *first;
    size_t count;
    size_t most;       /* blocks kept, at most */
    size_t block_size; /* a request of at most so many bytes gets so many */
};

void shelf_init(struct shelf *shelf, size_t block_size, size_t most);
void shelf_done(struct shelf *shelf);
void shelf_trim(struct shelf *shelf); /* gives all it keeps back to the heap */

/* Not zeroed. NULL when there is no memory: counts as a checked allocation (mem_fail_at). */
void *shelf_try_take(struct shelf *shelf, size_t size);
void shelf_give(struct shelf *shelf, void *block, size_t size); /* as large as it was taken */

#endif
