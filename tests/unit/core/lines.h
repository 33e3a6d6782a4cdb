/* SPDX-License-Identifier: MIT
 *
 * Histories as lines of text, for tests of what is made of them.
 *
 * A history is written as one line, turns divided by '|'; what waits comes behind '||'. A turn's
 * OrchestratorStarted is not written.
 *
 *   S          the start              T1  Z1  C1  E1   a task, timer, child, event sent: step 1
 *   +1  -1     task 1 has (not)       T3~1  Z3~1  C3~1 likewise, by a retry policy, which answers 1
 *   c+1 c-1    child 1 has (not)      X1  M            step 1 cancelled; a change marked
 *   f1         timer 1 has fired      F  K  Q          the end: failed, completed, terminated
 *   e          an event came          D                OrchestratorCompleted, stored
 *   s  r       suspended, resumed     ?                a kind of a newer version
 *   R          rewound; R! the one of this rewind
 *   A1  N1     an entity called, signaled: step 1
 *   a+1 a-1    that call has (not) been answered; a-1 also: the locks of step 1 cannot be had
 *   L1  g1     a critical section asked for, with @account@x and @account@y; the locks are there
 *   U1x U1y    of the section of step 1, one of the two is unlocked
 *   n          a signal cancelled
 */
#ifndef TESTS_UNIT_CORE_LINES_H
#define TESTS_UNIT_CORE_LINES_H

/* clang-format off: cmocka needs these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/rewrite.h"

struct lines {
    struct arena arena;
    struct instance_record record;
    struct event rewound;            /* the one of this rewind */
    const struct turn_events *turns; /* of the line read last */
    size_t turn_count;
    struct adoption made; /* of them */
    pd_error err;
};

int lines_setup(void **state);
int lines_teardown(void **state);

/* The history of the line, and a record that fits it. */
void lines_read(struct lines *lines, const char *line);
/* An event for each word, with the OrchestratorStarted of its turn where a turn begins. */
struct event *lines_read_events(struct lines *lines, const char *line, size_t *ret_count);
/* What was made reads as the line says. */
void lines_expect(const struct lines *lines, const char *line);
/* Of a CHILD_CREATED of what was made. */
struct text lines_child_id(const struct lines *lines, size_t turn, size_t at);

#endif
