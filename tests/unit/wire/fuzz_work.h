/* SPDX-License-Identifier: MIT
 *
 * The checks of fuzz_work.c, for tests that bring their own bytes.
 */
#ifndef TESTS_UNIT_WIRE_FUZZ_WORK_H
#define TESTS_UNIT_WIRE_FUZZ_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every message of the task hub service, by number. */
struct message_type;
extern const struct message_type *const fuzz_work_types[];
extern const size_t fuzz_work_type_count;

/* The first byte says as which of them the rest is read; beside, the rest is read as a work item.
 * Ends the process when a rule does not hold. Was it a message? */
bool fuzz_work_once(const uint8_t *bytes, size_t size);

#endif
