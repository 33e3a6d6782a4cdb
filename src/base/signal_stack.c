/* SPDX-License-Identifier: MIT
 *
 * See signal_stack.h. Mapped rather than allocated: a heap that is damaged shall not matter. */
#include "base/signal_stack.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

enum { SIZE = 64 * 1024 };

void *signal_stack_begin(void)
{
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0) {
        return NULL;
    }
    void *memory =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    stack = (stack_t){ .ss_sp = memory, .ss_size = SIZE };
    if (sigaltstack(&stack, NULL) != 0) {
        (void)munmap(memory, SIZE);
        return NULL;
    }
    return memory;
}

void signal_stack_end(void *memory)
{
    stack_t stack;
    if (memory == NULL) {
        return;
    }
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == memory) {
        stack = (stack_t){ .ss_flags = SS_DISABLE };
        (void)sigaltstack(&stack, NULL);
    }
    (void)munmap(memory, SIZE);
}
