/* SPDX-License-Identifier: MIT
 *
 * The checks of fuzz_history.c, for tests that bring their own bytes.
 */
#ifndef TESTS_UNIT_WIRE_FUZZ_HISTORY_H
#define TESTS_UNIT_WIRE_FUZZ_HISTORY_H

#include <stddef.h>
#include <stdint.h>

/* What the bytes held, read as a chunk, and as archives. */
struct fuzz_found {
    size_t events, archives;
};

/* Ends the process when a rule does not hold. */
struct fuzz_found fuzz_history_once(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
