/* SPDX-License-Identifier: MIT
 *
 * A disk that can be made to fail: a VFS of SQLite named "fault", over the system's own.
 *
 * The model. A file has what is on the medium, and what was written since and not synced. Readers
 * of this process see both, as they do through a page cache. The medium changes when:
 *   - xSync succeeds: everything written to that file before it is on the medium, and so are all
 *     names made and deleted before (file systems journal names in order);
 *   - a crash comes: of what was not synced nothing is kept (FAULT_CRASH_LOSE), or each sector of
 *     512 bytes, each truncation and each name by lot (FAULT_CRASH_TEAR), in no order; bytes next
 *     to those written are never harmed.
 * A sync that fails (FAULT_IO) brings each sector to the medium by lot; what it left out is seen by
 * readers and brought there by no later sync, unless it is written again: so Linux does. A
 * write that fails has done half its work. A full disk (FAULT_FULL) fails every write that makes a
 * file longer, having done half of it, until disarmed. The log's index (-shm) goes in every crash.
 *
 * One operation is an xWrite, xSync, xTruncate or xDelete of a database, journal or log. After a
 * crash every further one fails, as a dead process makes none; reading still works, so that the
 * code under test can wind down. Then:
 *
 *   fault_arm(FAULT_CRASH_TEAR, 17, seed); ... work, close everything ...; fault_settle();
 *
 * and the files are what the crash left. All calls from any thread. */
#ifndef TESTS_FAULTS_FAULT_VFS_H
#define TESTS_FAULTS_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_CRASH_LOSE,
    FAULT_CRASH_TEAR,
    FAULT_IO,   /* once */
    FAULT_FULL, /* until disarmed; the n-th operation is the first that may fail */
};

#define FAULT_VFS "fault"

void fault_install(void); /* registers the VFS; again is fine */

/* The at-th operation from now (1: the next) is the one; seed decides what by lot is kept. */
void fault_arm(enum fault_kind kind, uint64_t at, uint64_t seed);
void fault_disarm(void);    /* no fault comes any more; what was not synced stays so */
bool fault_has_come(void);  /* since fault_arm */
uint64_t fault_count(void); /* operations since fault_arm */

/* A crash here and now, if none has come: nothing more reaches the medium. */
void fault_crash(enum fault_kind kind, uint64_t seed);

/* Nothing may be open. After a crash the files become what is left of them; without one, they stay.
 * What was is forgotten, and the next operation is the first. */
void fault_settle(void);

#endif
