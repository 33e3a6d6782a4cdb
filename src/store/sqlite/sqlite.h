/* SPDX-License-Identifier: MIT
 *
 * The SQLite provider: a hub in one file. See README.md for what lies beside it. */
#ifndef STORE_SQLITE_SQLITE_H
#define STORE_SQLITE_SQLITE_H

#include <perdure.h>

#include "store/store.h"

/* Opens or makes the file. partitions counts when it is made. vfs NULL: SQLite's own; tests name
 * one that fails. */
struct store *store_sqlite_open(const char *file, unsigned partitions, const char *vfs,
                                pd_error *err);
/* See store_probe. */
pd_status store_sqlite_probe(const char *file, const char *vfs, pd_error *err);
/* See store_look. */
struct store *store_sqlite_look(const char *file, const char *vfs, pd_error *err);
/* See store_count_no_memory. */
void store_sqlite_count_no_memory(void);

#endif
