/* SPDX-License-Identifier: MIT
 *
 * The crash test: processes that are killed with SIGKILL again and again, and what must be true
 * afterwards. Its parts: program.c is what instances do, entities.c what entities do and those that
 * use them; workload.c are the processes that get killed, say.c what they say to entities;
 * test_crash.c kills and restarts them, look.c looks at the file after each kill, and check.c and
 * check_entities.c at all of it in the end.
 *
 * Ids say everything: "KIND-ROUND-NUMBER" (chain-7-13); children are "PARENT:0", "PARENT:1". What
 * an instance has to put out, and what is done to it from outside, follows from its id alone, so
 * that the check needs to remember nothing.
 *
 * Files in the folder, each written by appending whole lines, which SIGKILL cannot undo:
 *
 *   starts    "try ID" before a start is asked for, "ack ID" when it was acknowledged; "told ID"
 *             when the signal was that has an entity start it
 *   raises    "ack ID" when an event was acknowledged; "ack1", "ack2" and "ack4" for those of loops
 *   orders    "try WORD ID" and "ack WORD ID", where WORD is terminate, suspend, resume, rewind or
 *             purge
 *   runs      an activity's key and instance, each time it runs
 *   said      to entities: say.c says how
 */
#ifndef CRASH_CRASH_H
#define CRASH_CRASH_H

#include <perdure.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash_place {
    char folder[512];
    char db[600], url[640], starts[600], raises[600], orders[600], runs[600], said[600];
};

/* What gets killed; these do not return unless something is wrong, and then with the exit code. */
int crash_worker(const struct crash_place *place, unsigned round, uint64_t seed);
int crash_second(const struct crash_place *place, unsigned round, uint64_t seed);

/* The program of all processes, and what its functions are given. */
struct crash_user {
    const struct crash_place *place;
    int runs; /* descriptor */
};
const pd_function *crash_program(size_t *ret_count);
extern const pd_function crash_entities[];
extern const size_t crash_entities_size;

/* Of those of that name, one; any number names one. */
enum { CRASH_ACCOUNTS = 4, CRASH_SUMS = 3, CRASH_OTHERS = 6 };
pd_entity_id crash_entity(const char *name, int64_t number);

int64_t crash_input(unsigned round, unsigned number);
bool crash_is_kind(const char *id, const char *kind);
/* The output an instance of this id must have; false when it never completes. */
bool crash_expected(const char *id, int64_t *ret);
int64_t crash_event_data(const char *id);

/* Adds a line to one of the files. */
void crash_note(const char *file, const char *word, const char *id);
/* How many lines "WORD ID" there are. */
size_t crash_count(const char *file, const char *word, const char *id);
/* Is there a line "WORDS ID" among the orders? */
bool crash_has_order(const struct crash_place *place, const char *words, const char *id);
/* Gives an order, with notes before and behind. The status of the call. */
pd_status crash_order(const struct crash_place *place, pd_hub *hub, const char *word,
                      const char *id, pd_error *err);

/* Somebody who says things to entities, one after another. */
struct crash_sayer {
    const struct crash_place *place;
    pd_hub *hub;
    char name[24];   /* no other has it */
    bool has_worker; /* in this process */
    unsigned round;
    int64_t puts;    /* how many he has sent to his tally */
    int64_t numbers; /* how many he has used up; below 10,000 */
    uint64_t random;
};
/* Something; the exit code when that is wrong. */
int crash_say(struct crash_sayer *sayer);

/* The exit code. */
int crash_wrong(const char *what, const pd_error *err);

uint64_t crash_random(uint64_t *state); /* splitmix64 */

/* ---- lines of the files (lines.c) ---- */

struct lines {
    char **at;
    size_t count, room;
};
void lines_add(struct lines *lines, const char *text);
/* Lines that begin with the word, without it; "" takes whole lines. Sorted, each once. */
struct lines lines_read(const char *file, const char *word, size_t *ret_all);
bool lines_have(const struct lines *lines, const char *text);
void lines_sort(struct lines *lines);
void lines_done(struct lines *lines);

/* ---- looking ---- */

/* What must hold of the file at any moment, whoever else has it open. How many things do not; says
 * which on stdout. whole: of every history, else of some. */
unsigned crash_look(const struct crash_place *place, bool whole, uint64_t *random);

/* Lets everything end that can, and checks. Counts into the two; says what is wrong on stdout. */
void crash_check(const struct crash_place *place, unsigned *passed, unsigned *failed);

#endif
