/* SPDX-License-Identifier: MIT
 *
 * The tables of messages.h as data. */
#include "wire/messages.h"

static const struct message_field none_fields[] = { { 0, 0, 0, NULL } };
const struct message_type hub_none_type = { "none", 0, none_fields };

VALUE_MAP(MESSAGE_DATA)
MESSAGE_MAP(MESSAGE_DATA)
