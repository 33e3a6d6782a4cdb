/* SPDX-License-Identifier: MIT
 *
 * Messages of any table (wire/message.h) filled at random, and compared. */
#ifndef TESTS_UNIT_WIRE_RANDOM_MESSAGE_H
#define TESTS_UNIT_WIRE_RANDOM_MESSAGE_H

#include "base/random.h"
#include "wire/message.h"

/* In the arena. About half of the fields are set, extremes among them. */
void *random_message(const struct message_type *type, struct arena *arena, struct random *random);

/* Absent is not empty, but where the wire does not say. */
bool message_is_same(const struct message_type *type, const void *a, const void *b);

/* Text of 0 to 9 characters, some of them not ASCII; present. */
struct text random_text(struct arena *arena, struct random *random);

#endif
