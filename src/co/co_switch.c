/* SPDX-License-Identifier: MIT
 *
 * Where a stack begins, and the switch in assembly. co_switch.h says what both must keep.
 *
 * Our switch pushes the registers that a called function preserves, leaves the stack pointer in
 * *from, takes the other one, pops, and goes on where the other stack called the switch. All other
 * registers are the compiler's business around an ordinary call. A new stack is given what a
 * stopped one has, by hand, with co_begin as the place to return to.
 *
 *   A1  What lies at a point has one layout, written above each half. It is the same on the stack
 *       left and on the stack entered, so that one set of CFI lines is true before and after the
 *       stack pointer changes, and a profiler may interrupt anywhere.
 *   A2  co_begin is where unwinding ends: by CFI, as its own return address is undefined, and by
 *       frame pointers, as the first is 0. On x86-64 a word of 0 lies above it as well, where its
 *       return address would be. One instruction comes before it, as unwinders look up the address
 *       before the one returned to.
 *   A3  The assembly calls nothing and is called directly only, by names that are hidden rather
 *       than local, as link-time optimisation may part it from the C beside it.
 *   A4  Control words of floating point are set only when they differ, as setting them may stall. A
 *       new stack has those of whoever begins it, like a new thread.
 */
#include "co/co_switch.h"

#include <stdint.h>
#include <string.h>

#if CO_SWITCH_OURS

void co_begin(void);

#define FUNCTION(name) ".globl " #name "\n .hidden " #name "\n .type " #name ", %function\n"

#if defined(__x86_64__)

/* In words from the point: 0 mxcsr (low half) and x87 control word, 1 r15, 2 r14, 3 r13, 4 r12,
 * 5 rbx, 6 rbp, 7 return address; then, on a new stack, two words of 0 that keep it aligned. */
enum { POINT_WORDS = 10, CONTROL = 0, R13 = 3, R12 = 4, RETURN = 7 };

/* Out by a jump, as a return would be predicted to go where the last call came from, on the other
 * stack: a third of the cost. Only with branch tracking may a jump not go behind a call. */
#if defined(__CET__)
#define LEAVE "ret\n"
#else
#define LEAVE "popq %rcx\n .cfi_adjust_cfa_offset -8\n .cfi_register rip, rcx\n jmp *%rcx\n"
#endif

/* clang-format off */
#define PUSH(reg) "pushq %" #reg "\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset " #reg ", 0\n"
#define POP(reg) "popq %" #reg "\n .cfi_adjust_cfa_offset -8\n .cfi_restore " #reg "\n"

/* rdi: from, rsi: to. */
__asm__(".pushsection .text.co_switch, \"ax\", %progbits\n"
        ".balign 16\n" FUNCTION(co_switch)
        "co_switch:\n .cfi_startproc\n"
        PUSH(rbp) PUSH(rbx) PUSH(r12) PUSH(r13) PUSH(r14) PUSH(r15)
        "subq $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
        "stmxcsr (%rsp)\n"
        "fnstcw 4(%rsp)\n"
        "movl (%rsp), %eax\n"
        "movzwl 4(%rsp), %ecx\n"
        "movq %rsp, (%rdi)\n"
        "movq %rsi, %rsp\n"
        "cmpl (%rsp), %eax\n"
        "je 1f\n"
        "ldmxcsr (%rsp)\n"
        "1: cmpw 4(%rsp), %cx\n"
        "je 2f\n"
        "fldcw 4(%rsp)\n"
        "2: addq $8, %rsp\n .cfi_adjust_cfa_offset -8\n"
        POP(r15) POP(r14) POP(r13) POP(r12) POP(rbx) POP(rbp)
        LEAVE
        " .cfi_endproc\n .size co_switch, . - co_switch\n"

        /* r12(r13) */
        ".balign 16\n" FUNCTION(co_begin)
        " .cfi_startproc\n .cfi_undefined rip\n nop\n"
        "co_begin:\n"
        "movq %r13, %rdi\n"
        "callq *%r12\n"
        "ud2\n .cfi_endproc\n .size co_begin, . - co_begin\n"
        ".popsection\n");
/* clang-format on */

static void point_fill(uint64_t *point, uint64_t entry, uint64_t arg)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr), "=m"(x87));
    point[CONTROL] = mxcsr | (uint64_t)x87 << 32;
    point[R12] = entry;
    point[R13] = arg;
    point[RETURN] = (uint64_t)(uintptr_t)co_begin;
}

#else /* aarch64 */

/* In words from the point: 0 to 9 x19 to x28, 10 x29, 11 x30, 12 to 19 d8 to d15, 20 fpcr. */
enum { POINT_WORDS = 22, X19 = 0, X20 = 1, X30 = 11, CONTROL = 20 };

/* clang-format off */
#define SAVE(a, b, at) \
    "stp " #a ", " #b ", [sp, #" #at "]\n" \
    " .cfi_rel_offset " #a ", " #at "\n .cfi_rel_offset " #b ", " #at " + 8\n"
#define LOAD(a, b, at) \
    "ldp " #a ", " #b ", [sp, #" #at "]\n .cfi_restore " #a "\n .cfi_restore " #b "\n"

/* x0: from, x1: to. */
__asm__(".pushsection .text.co_switch, \"ax\", %progbits\n"
        ".balign 16\n" FUNCTION(co_switch)
        "co_switch:\n .cfi_startproc\n"
        "hint #34\n" /* bti c: a linker's veneer may come by register */
        "sub sp, sp, #176\n .cfi_adjust_cfa_offset 176\n"
        SAVE(x19, x20, 0) SAVE(x21, x22, 16) SAVE(x23, x24, 32) SAVE(x25, x26, 48)
        SAVE(x27, x28, 64) SAVE(x29, x30, 80)
        SAVE(d8, d9, 96) SAVE(d10, d11, 112) SAVE(d12, d13, 128) SAVE(d14, d15, 144)
        "mrs x9, fpcr\n"
        "str x9, [sp, #160]\n"
        "mov x10, sp\n"
        "str x10, [x0]\n"
        "mov sp, x1\n"
        "ldr x10, [sp, #160]\n"
        "cmp x9, x10\n"
        "b.eq 1f\n"
        "msr fpcr, x10\n"
        "1:\n"
        LOAD(x19, x20, 0) LOAD(x21, x22, 16) LOAD(x23, x24, 32) LOAD(x25, x26, 48)
        LOAD(x27, x28, 64) LOAD(x29, x30, 80)
        LOAD(d8, d9, 96) LOAD(d10, d11, 112) LOAD(d12, d13, 128) LOAD(d14, d15, 144)
        "add sp, sp, #176\n .cfi_adjust_cfa_offset -176\n"
        "ret\n .cfi_endproc\n .size co_switch, . - co_switch\n"

        /* x19(x20) */
        ".balign 16\n" FUNCTION(co_begin)
        " .cfi_startproc\n .cfi_undefined x30\n nop\n"
        "co_begin:\n"
        "mov x0, x20\n"
        "blr x19\n"
        "brk #1\n .cfi_endproc\n .size co_begin, . - co_begin\n"
        ".popsection\n");
/* clang-format on */

static void point_fill(uint64_t *point, uint64_t entry, uint64_t arg)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(point[CONTROL]));
    point[X19] = entry;
    point[X20] = arg;
    point[X30] = (uint64_t)(uintptr_t)co_begin;
}

#endif

struct co_point *co_point_new(void *low, size_t size, void (*entry)(void *arg), void *arg)
{
    char *high = (char *)low + size;
    uint64_t *point = (uint64_t *)(void *)(high - (uintptr_t)high % 16) - POINT_WORDS;
    memset(point, 0, POINT_WORDS * sizeof *point);
    point_fill(point, (uint64_t)(uintptr_t)entry, (uint64_t)(uintptr_t)arg);
    return (struct co_point *)point;
}

#else /* ucontext */

struct start {
    ucontext_t context; /* first: the point */
    void (*entry)(void *arg);
    void *arg;
};

/* makecontext passes ints only, so an address travels in two. */
CO_REAL_STACK static void begin(unsigned high, unsigned low)
{
    uint64_t address = (uint64_t)high << 32 | low;
    const struct start *start = (const struct start *)(uintptr_t)address;
    start->entry(start->arg);
    unreachable_state("the first function of a stack does not return");
}

/* What the stack starts with lies at its high end. */
struct co_point *co_point_new(void *low, size_t size, void (*entry)(void *arg), void *arg)
{
    char *high = (char *)low + size - sizeof(struct start);
    high -= (uintptr_t)high % 64;
    struct start *start = (struct start *)(void *)high;
    int failed = getcontext(&start->context);
    assert_that(failed == 0);
    start->entry = entry;
    start->arg = arg;
    start->context.uc_stack.ss_sp = low;
    start->context.uc_stack.ss_size = (size_t)(high - (char *)low);
    start->context.uc_link = NULL;
#if defined(__x86_64__) && defined(REG_RBP)
    start->context.uc_mcontext.gregs[REG_RBP] = 0; /* else frame pointers lead off the stack */
#endif
    uint64_t address = (uint64_t)(uintptr_t)start;
    makecontext(&start->context, (void (*)(void))begin, 2, (unsigned)(address >> 32),
                (unsigned)address);
    return (struct co_point *)start;
}

#endif
