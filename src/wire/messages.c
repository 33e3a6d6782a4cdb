/* SPDX-License-Identifier: MIT
 *
 * The tables of messages.h as data. */
#include "wire/messages.h"

MESSAGE_MAP(MESSAGE_DATA)
