/* SPDX-License-Identifier: MIT
 *
 * A feed: mutations in memory, seen by SQLite as a table.
 *
 * `INSERT INTO history SELECT row, number, bytes FROM feed_history` writes any number of rows in
 * one run of one statement: the cursor stays open, nothing is bound or reset between rows, and no
 * byte is copied before it reaches the page. That takes a third off what a row costs (measured:
 * docs/decisions/0003-history-layout.md).
 *
 *   F1  What is fed is borrowed until the statement has run.
 *   F2  Rows come out in the order they were fed. */
#ifndef STORE_SQLITE_FEED_H
#define STORE_SQLITE_FEED_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"

struct feed {
    const struct mutation **items;
    size_t count, room;
    int64_t partition;
    int64_t sequence; /* of the first item: column `sequence` counts up from it */
};

void feed_init(struct feed *feed);
void feed_done(struct feed *feed);
void feed_add(struct feed *feed, const struct mutation *mutation);

/* The record has what only few have, and needs a row of instance_extra. */
bool feed_has_extra(const struct instance_record *record);

/* Makes the feed readable as table `name` on this connection. A status of SQLite. */
int feed_register(sqlite3 *db, const char *name, struct feed *feed);

#endif
