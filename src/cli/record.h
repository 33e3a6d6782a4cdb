/* SPDX-License-Identifier: MIT
 *
 * An instance as a row: which columns, and what is in them. The first RECORD_LIST columns are what
 * a list knows of an instance; the whole row also has its payloads.
 */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include "output.h"

enum { RECORD_LIST = 8, RECORD_ALL = 15 };

extern const struct column record_columns[RECORD_ALL];

/* `made` must live as long as the cells: it holds what was made for them. With RECORD_ALL only. */
void record_fill(const pd_instance *instance, size_t count, struct cell *cells,
                 struct string *made);
struct cell record_status(pd_run_state state);

#endif
