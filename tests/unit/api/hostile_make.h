/* SPDX-License-Identifier: MIT
 *
 * Archives that an enemy wrote: well encoded, of instances that cannot be, or hardly. The same seed
 * makes the same ones.
 */
#ifndef TESTS_UNIT_API_HOSTILE_MAKE_H
#define TESTS_UNIT_API_HOSTILE_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

enum { HOSTILE_FAN = 12 }; /* more steps than histories of strangers have */

uint64_t hostile_below(uint64_t *state, uint64_t limit);
bool hostile_once_in(uint64_t *state, uint64_t n);
#define HOSTILE_PICK(random, array) \
    ((array)[hostile_below((random), sizeof(array) / sizeof *(array))])

/* Lives until the next one; what it is made of also in the arena. */
void hostile_make(uint64_t *random, struct arena *arena, struct archive *ret);

#endif
