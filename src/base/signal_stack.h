/* SPDX-License-Identifier: MIT
 *
 * A stack for the handlers of signals that this thread gets, so that one that has overrun its own
 * can still say so. A thread that has such a stack keeps the one it has. */
#ifndef BASE_SIGNAL_STACK_H
#define BASE_SIGNAL_STACK_H

/* NULL: it had one, or there is no memory. For signal_stack_end, on the same thread. */
void *signal_stack_begin(void);
void signal_stack_end(void *stack); /* NULL is fine */

#endif
