/* SPDX-License-Identifier: MIT
 *
 * The checks of fuzz_history.c, for tests that bring their own bytes.
 */
#ifndef TESTS_UNIT_WIRE_FUZZ_HISTORY_H
#define TESTS_UNIT_WIRE_FUZZ_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the process when a rule does not hold. True: the bytes held at least one event. */
bool fuzz_history_once(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
