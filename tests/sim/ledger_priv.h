/* SPDX-License-Identifier: MIT
 *
 * What the files of the ledger share. */
#ifndef SIM_LEDGER_PRIV_H
#define SIM_LEDGER_PRIV_H

#include "ledger.h"

/* L3. */
void ledger_check_row(struct ledger *ledger, const struct ledger_row *row);

void *ledger_room(struct arena *arena, void *old, size_t count, size_t *room, size_t size);

#endif
