/* SPDX-License-Identifier: MIT
 *
 * The work that is done on a failing disk, and what is there of it.
 *
 * The work is fixed: a hub is made, owned, given COMMITS commits, PAYMENTS transactions of user
 * code between them, and MESSAGES messages, closed in the middle (which moves the log into the
 * file), opened and owned again. Commit k inserts instance k, appends turn k to instance 1, sets
 * timer k, wakes or ends others, renews a loop, says how far it is, puts a message into the
 * mailbox; payment k writes a table of its own and a message: so from what is there it can be told
 * whether exactly the first m commits and n payments are there, whole. */
#ifndef TESTS_FAULTS_WORK_H
#define TESTS_FAULTS_WORK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "base/base.h"
#include "store/sqlite/sqlite.h"

struct work {
    char folder[64], path[128];
    struct store *store;
    const char *vfs;
    struct ownership ownership;
    unsigned commits_done, commits_tried, messages_done, messages_tried, payments_done,
        payments_tried;
    char id[32];
    sqlite3 *witness; /* NULL: not needed so far */
    bool reopened;
    struct arena arena;
    pd_error err;
};

/* More operations of the disk than any work needs. */
enum { OPERATIONS_MAX = 2000 };

/* In a folder of its own, which goes with it. */
void work_begin(struct work *work);
void work_end(struct work *work);

pd_status work_open(struct work *work);
void work_close(struct work *work);

/* From where it is, to the end or to the first failure. */
pd_status work_go_on(struct work *work);

void work_must(struct work *work, pd_status status);
void work_assert_sound(struct work *work);
void work_assert_all_done(struct work *work);

/* Counts as done what is there, which is what was acknowledged, or one more. */
void work_take_stock(struct work *work);

/* work_entities.c: what commit k does to entities, and what there is of them after m commits. */
void work_add_entities(struct batch *batch, uint64_t k);
void work_assert_entities(struct work *work, uint64_t m);

#endif
