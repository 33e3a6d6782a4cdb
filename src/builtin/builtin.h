/* SPDX-License-Identifier: MIT
 *
 * Builtin: the functions that Perdure itself runs, wherever the author room does: in a worker of a
 * file, and in perdured. */
#ifndef BUILTIN_BUILTIN_H
#define BUILTIN_BUILTIN_H

#include <perdure.h>

#include "base/text.h"

/* Rows for ever. */
const pd_function *builtin_functions(size_t *ret_count);

#define BUILTIN_CALL "perdure.call"
#define BUILTIN_RUN "perdure.run"

/* Orchestrations that are means to an end: nobody looks for them once they have ended. */
enum { BUILTIN_PASSING = 2 };
extern const struct text builtin_passing[BUILTIN_PASSING];

/* schedule.c */
extern const pd_entity_rules schedule_rules;
pd_result schedule_run(pd_orchestration *o, pd_value input);

#endif
