/* SPDX-License-Identifier: MIT
 *
 * Entities on the command line.
 */
#ifndef CLI_ENTITY_H
#define CLI_ENTITY_H

#include "output.h"

/* "@name@key" or "name@key", taken apart. */
struct entity_word {
    char name[1025];
    pd_entity_id id; /* borrows name, and the word */
};
/* False after a problem: it is none. */
bool entity_read(const char *word, struct entity_word *ret, int *ret_code);

/* The same, for an error about one entity. */
int problem_of_entity(const pd_error *err, const char *word, const char *hub);

#endif
