/* SPDX-License-Identifier: MIT
 *
 * The crash test: processes that are killed with SIGKILL again and again, and what must be true
 * afterwards. Three parts: workload.c is what gets killed, check.c looks at what is left, and
 * test_crash.c kills and restarts.
 *
 * Ids say everything: "KIND-ROUND-NUMBER" (chain-7-13). What an instance has to put out follows
 * from its id alone, so that the check needs to remember nothing.
 *
 * Files in the folder, each written by appending whole lines, which SIGKILL cannot undo:
 *
 *   starts    "try ID" before a start is asked for, "ack ID" when it was acknowledged
 *   raises    "ack ID" when an event was acknowledged
 *   runs      an activity's key, each time it runs
 */
#ifndef CRASH_CRASH_H
#define CRASH_CRASH_H

#include <perdure.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash_place {
    char folder[512];
    char url[600], starts[600], raises[600], runs[600];
};

/* What gets killed; these do not return unless something is wrong, and then with the exit code. */
int crash_worker(const struct crash_place *place, unsigned round, uint64_t seed);
int crash_second(const struct crash_place *place, unsigned round, uint64_t seed);

/* The program of all processes; user is the descriptor of `runs`. */
extern const pd_function crash_program[];
extern const size_t crash_program_size;

/* The output an instance of this id must have; false when the id is none of ours. */
bool crash_expected(const char *id, int64_t *ret);
bool crash_awaits_event(const char *id);
int64_t crash_event_data(const char *id);

/* Adds a line to one of the files. */
void crash_note(const char *file, const char *word, const char *id);

uint64_t crash_random(uint64_t *state); /* splitmix64 */

/* Lets everything end that can, and checks. Counts into the two; says what is wrong on stdout. */
void crash_check(const struct crash_place *place, unsigned *passed, unsigned *failed);

#endif
