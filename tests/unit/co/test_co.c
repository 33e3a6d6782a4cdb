/* SPDX-License-Identifier: MIT
 *
 * Coroutines: life and death, reuse of stacks, nesting, what a switch keeps, where unwinding ends,
 * the guard, sanitizers. Built twice, once for each way to switch (co_switch.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <execinfo.h>
#include <fcntl.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "co/co.h"
#include "co/co_switch.h"

struct story {
    struct co_pool *pool;
    char text[64];
    size_t size;
    double number;
    struct co *other;
};

static void tell(struct story *story, char what)
{
    story->text[story->size++] = what;
}

static void two_pauses(struct co *co, void *arg)
{
    struct story *story = arg;
    tell(story, 'a');
    co_pause(co);
    tell(story, 'b');
    co_pause(co);
    tell(story, 'c');
}

static void it_goes_on_where_it_paused(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    struct story story = { .pool = pool };
    struct co *co = co_new(pool, two_pauses, &story);
    assert_string_equal(story.text, "");
    assert_true(co_resume(co));
    assert_string_equal(story.text, "a");
    assert_true(co_resume(co));
    assert_string_equal(story.text, "ab");
    assert_false(co_is_finished(co));
    assert_false(co_resume(co));
    assert_string_equal(story.text, "abc");
    assert_true(co_is_finished(co));
    co_drop(co);
    co_pool_free(pool);
}

static void dropping_runs_nothing(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    struct story story = { .pool = pool };
    co_drop(NULL);
    co_drop(co_new(pool, two_pauses, &story)); /* never started */
    assert_string_equal(story.text, "");
    struct co *co = co_new(pool, two_pauses, &story);
    assert_true(co_resume(co));
    assert_int_equal(co_pool_count(pool), 1);
    co_drop(co);
    assert_string_equal(story.text, "a");
    assert_int_equal(co_pool_count(pool), 0);
    co_pool_free(pool);
    co_pool_free(NULL);
}

static void deep_leave(struct co *co, struct story *story, int depth)
{
    volatile char filler[64];
    memset((char *)(uintptr_t)filler, depth, sizeof filler);
    if (depth == 0) {
        tell(story, 'l');
        if (story->pool != NULL) {
            co_leave(co);
        }
        return;
    }
    deep_leave(co, story, depth - 1);
    tell(story, filler[3] == depth ? 'x' : 'y');
}

static void leaves_from_the_depth(struct co *co, void *arg)
{
    deep_leave(co, arg, 20);
    tell(arg, 'z');
}

static void leaving_is_finishing_from_any_depth(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    struct story story = { .pool = pool };
    struct co *co = co_new(pool, leaves_from_the_depth, &story);
    assert_false(co_resume(co));
    assert_true(co_is_finished(co));
    assert_string_equal(story.text, "l");
    co_drop(co);
    co_pool_free(pool);
}

static void computes_across_pauses(struct co *co, void *arg)
{
    struct story *story = arg;
    int local[50];
    double sum = 0.5;
    for (int i = 0; i < 50; i++) {
        local[i] = i;
        sum = sum * 1.25 + i;
        co_pause(co);
    }
    for (int i = 0; i < 50; i++) {
        sum += local[i];
    }
    story->number = sum;
}

static void locals_survive_among_many(void **state)
{
    (void)state;
    enum { MANY = 200 };
    struct co_pool *pool = co_pool_new(&(struct co_pool_options){ .idle_max = 10 });
    static struct story stories[MANY];
    struct co *all[MANY];
    memset(stories, 0, sizeof stories);
    for (int i = 0; i < MANY; i++) {
        all[i] = co_new(pool, computes_across_pauses, &stories[i]);
        assert_non_null(all[i]);
    }
    assert_int_equal(co_pool_count(pool), MANY);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < MANY; i++) {
            assert_true(co_resume(all[i]));
        }
    }
    double expected = 0.5;
    for (int i = 0; i < 50; i++) {
        expected = expected * 1.25 + i;
    }
    expected += 49 * 50 / 2;
    for (int i = 0; i < MANY; i++) {
        assert_false(co_resume(all[i]));
        assert_true(stories[i].number == expected);
        co_drop(all[i]);
    }
    assert_int_equal(co_pool_idle_count(pool), 10);
    co_pool_free(pool);
}

static void stack_given_back_last_is_used_first(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(&(struct co_pool_options){ .idle_max = 2 });
    struct story story = { .pool = pool };
    struct co *first = co_new(pool, two_pauses, &story);
    struct co *second = co_new(pool, two_pauses, &story);
    struct co *third = co_new(pool, two_pauses, &story);
    uintptr_t second_at = (uintptr_t)second;
    co_resume(first);
    co_resume(second);
    co_drop(first);
    co_drop(second);
    co_drop(third); /* one too many: unmapped */
    assert_int_equal(co_pool_idle_count(pool), 2);
    struct co *again = co_new(pool, two_pauses, &story);
    assert_true((uintptr_t)again == second_at);
    assert_int_equal(co_pool_idle_count(pool), 1);
    assert_true(co_resume(again));
    co_drop(again);
    co_pool_free(pool);
}

static void resumes_another(struct co *co, void *arg)
{
    struct story *story = arg;
    assert_ptr_equal(co_running(story->pool), co);
    while (co_resume(story->other)) {
        assert_ptr_equal(co_running(story->pool), co);
        tell(story, '-');
        co_pause(co);
    }
    tell(story, '.');
}

static void coroutine_may_resume_another(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    struct story story = { .pool = pool };
    struct co *outer = co_new(pool, resumes_another, &story);
    story.other = co_new(pool, two_pauses, &story);
    assert_null(co_running(pool));
    while (co_resume(outer)) {
        assert_null(co_running(pool));
        tell(&story, ' ');
    }
    assert_string_equal(story.text, "a- b- c.");
    co_drop(story.other);
    co_drop(outer);
    co_pool_free(pool);
}

/* Leaves red zones of the address sanitizer behind, in the middle of the stack. */
static void pauses_in_a_big_frame(struct co *co, void *arg)
{
    char frame[6000];
    memset(frame, 1, sizeof frame);
    *(char **)arg = frame;
    co_pause(co);
    frame[0] = 2;
}

static void uses_the_whole_stack(struct co *co, void *arg)
{
    (void)co;
    char frame[LIMIT_STACK_DEFAULT / 2];
    memset(frame, 3, sizeof frame);
    *(int *)arg = frame[100] + frame[sizeof frame - 1];
}

static void reused_stack_is_clean(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    for (int i = 0; i < 20; i++) {
        char *frame = NULL;
        int sum = 0;
        struct co *co = co_new(pool, pauses_in_a_big_frame, &frame);
        assert_true(co_resume(co));
        assert_int_equal(*frame, 1);
        co_drop(co);
        co = co_new(pool, uses_the_whole_stack, &sum);
        assert_false(co_resume(co));
        assert_int_equal(sum, 6);
        co_drop(co);
    }
    co_pool_free(pool);
}

static void keeps_a_piece_of_heap(struct co *co, void *arg)
{
    char *piece = malloc(100);
    *(char **)arg = piece;
    co_pause(co);
    free(piece);
}

static void heap_held_by_a_paused_stack_is_released_when_it_goes_on(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    char *piece = NULL;
    struct co *co = co_new(pool, keeps_a_piece_of_heap, &piece);
    assert_true(co_resume(co));
    piece[99] = 'x';
    assert_false(co_resume(co));
    co_drop(co);
    co_pool_free(pool);
}

static void stack_size_is_rounded_to_pages(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    assert_int_equal(co_pool_stack_size(pool), LIMIT_STACK_DEFAULT);
    co_pool_free(pool);
    pool = co_pool_new(&(struct co_pool_options){ .stack_size = LIMIT_STACK_MIN + 1 });
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(co_pool_stack_size(pool), (LIMIT_STACK_MIN / page + 1) * page);
    co_pool_free(pool);
}

/* ---- what a switch keeps ---- */

/* More values than there are registers to keep them in across a call, and all of them needed in
 * each round: those that are kept there are lost when a switch forgets one. This file is compiled
 * with optimisation, as without it they would all lie on the stack. */
struct tangle {
    uint64_t whole[8];
    double broken[10];
};

#define TANGLE_ROUNDS 20

static void tangle(struct tangle *t, uint64_t seed, void (*between)(struct co *), struct co *co)
{
    uint64_t a = seed, b = seed + 1, c = seed + 2, d = seed + 3, e = seed + 4, f = seed + 5;
    double p = (double)seed, q = p + 1, r = p + 2, s = p + 3, u = p + 4, v = p + 5, w = p + 6;
    double x = p + 7, y = p + 8;
    for (int i = 0; i < TANGLE_ROUNDS; i++) {
        between(co);
        a = a * 3 + b, b += c ^ a, c = c * 5 + d, d ^= e + c, e = e * 7 + f, f += a;
        p += q / 3, q -= r / 5, r += s / 7, s -= u / 9, u += v / 11, v -= w / 13, w += x / 15;
        x -= y / 17, y += p / 19;
    }
    *t = (struct tangle){ { a, b, c, d, e, f }, { p, q, r, s, u, v, w, x, y } };
}

static void nothing_between(struct co *co)
{
    (void)co;
}

static void resume_between(struct co *co)
{
    (void)co_resume(co);
}

static void tangles(struct co *co, void *arg)
{
    tangle(arg, 1000, co_pause, co);
}

static void registers_survive_on_both_sides(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    struct tangle inside = { 0 }, outside = { 0 }, expected = { 0 };
    struct co *co = co_new(pool, tangles, &inside);
    tangle(&outside, 7, resume_between, co);
    assert_false(co_resume(co));
    tangle(&expected, 7, nothing_between, NULL);
    assert_memory_equal(&outside, &expected, sizeof expected);
    tangle(&expected, 1000, nothing_between, NULL);
    assert_memory_equal(&inside, &expected, sizeof expected);
    co_drop(co);
    co_pool_free(pool);
}

/* What conversions do, which is the business of one unit, and what fegetround says, which is that
 * of another on x86-64; -1 when they do not agree. */
static int rounding_now(void)
{
    volatile double more = 1.7, less = -1.7;
    bool is_up = lrint(more) == 2, is_down = lrint(less) == -2;
    int now =
        is_up ? (is_down ? FE_TONEAREST : FE_UPWARD) : (is_down ? FE_DOWNWARD : FE_TOWARDZERO);
    return now == fegetround() ? now : -1;
}

struct rounding {
    int before, after;
};

static void rounds_upward(struct co *co, void *arg)
{
    struct rounding *rounding = arg;
    rounding->before = rounding_now();
    fesetround(FE_UPWARD);
    co_pause(co);
    rounding->after = rounding_now();
}

static void rounding_belongs_to_the_stack(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    struct rounding rounding = { 0 };
    fesetround(FE_TOWARDZERO);
    struct co *co = co_new(pool, rounds_upward, &rounding);
    assert_true(co_resume(co));
    assert_int_equal(rounding_now(), FE_TOWARDZERO);
    assert_int_equal(rounding.before, FE_TOWARDZERO); /* like a new thread: as whoever began it */
    fesetround(FE_DOWNWARD);
    assert_false(co_resume(co));
    assert_int_equal(rounding_now(), FE_DOWNWARD);
    assert_int_equal(rounding.after, FE_UPWARD);
    fesetround(FE_TONEAREST);
    co_drop(co);
    co_pool_free(pool);
}

/* ---- where unwinding ends ---- */

struct walk {
    void *frames[64];
    int frame_count;
    int link_count;
    bool is_inside; /* every frame pointer lay on the coroutine's stack, and the last was 0 */
};

/* Follows frame pointers, as fast unwinders do: a record is the next one and a return address. */
static void follow_links(struct walk *walk, uintptr_t low, uintptr_t high)
{
    uintptr_t at = (uintptr_t)__builtin_frame_address(0);
    while (at >= low && at < high) {
        low = at + 1;
        walk->link_count++;
        at = *(const uintptr_t *)at;
    }
    walk->is_inside = at == 0;
}

__attribute__((noinline)) static void walk_down(struct co *co, struct walk *walk, volatile int *n)
{
    if (--*n > 0) {
        walk_down(co, walk, n);
    } else {
        uintptr_t high = (uintptr_t)co; /* which lies at the high end of its stack */
        follow_links(walk, high - LIMIT_STACK_DEFAULT, high);
        walk->frame_count = backtrace(walk->frames, 64);
    }
    ++*n;
}

static void walks(struct co *co, void *arg)
{
    volatile int depth = 10;
    walk_down(co, arg, &depth);
}

/* Ten of walk_down, and a handful above and below them (interceptors of sanitizers among them). */
static void unwinding_ends_where_the_coroutine_begins(void **state)
{
    (void)state;
    struct co_pool *pool = co_pool_new(NULL);
    struct walk walk = { 0 };
    struct co *co = co_new(pool, walks, &walk);
    assert_false(co_resume(co));
    assert_true(walk.is_inside);
    assert_in_range(walk.link_count, 11, 18);
    assert_in_range(walk.frame_count, 12, 18);
    for (int i = 0; i < walk.frame_count; i++) {
        assert_true((uintptr_t)walk.frames[i] > 4096);
        assert_ptr_not_equal(walk.frames[i], __builtin_return_address(0));
    }
    co_drop(co);
    co_pool_free(pool);
}

/* ---- in a process of its own ---- */

static struct co_pool *guarded;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    _exit(co_guard_hit(guarded, info->si_addr) ? 42 : 43);
}

static int overrun(volatile char *above)
{
    volatile char frame[1000];
    frame[0] = above != NULL ? above[0] : 'x';
    return frame[0] != 'y' ? overrun(frame) + frame[1] : 0;
}

static void overruns(struct co *co, void *arg)
{
    (void)co;
    *(int *)arg = overrun(NULL);
}

static void faults_elsewhere(struct co *co, void *arg)
{
    (void)co;
    **(volatile int **)arg = 1;
}

static int exit_code_of(void (*fn)(struct co *, void *), void *arg)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static char alternate[64 * 1024];
        stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
        struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        sigaltstack(&stack, NULL);
        sigaction(SIGSEGV, &action, NULL);
        guarded = co_pool_new(NULL);
        co_resume(co_new(guarded, fn, arg));
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void overrun_hits_the_guard(void **state)
{
    (void)state;
    int result;
    assert_int_equal(exit_code_of(overruns, &result), 42);
}

static void other_faults_do_not(void **state)
{
    (void)state;
    /* A page nobody may touch, rather than address 0, which sanitizers take for their own. */
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    assert_int_equal(exit_code_of(faults_elsewhere, &page), 43);
    munmap(page, 4096);
}

static void resume_a_finished_one(void)
{
    struct co_pool *pool = co_pool_new(NULL);
    struct story story = { .pool = pool };
    struct co *co = co_new(pool, two_pauses, &story);
    while (co_resume(co)) {}
    co_resume(co);
}

static void drop_twice(void)
{
    struct co_pool *pool = co_pool_new(NULL);
    struct co *co = co_new(pool, two_pauses, NULL);
    co_drop(co);
    co_drop(co);
}

static void free_a_pool_in_use(void)
{
    struct co_pool *pool = co_pool_new(NULL);
    struct co *co = co_new(pool, two_pauses, NULL);
    co_pool_free(pool);
    co_drop(co);
}

static void pause_from_outside(void)
{
    struct co_pool *pool = co_pool_new(NULL);
    co_pause(co_new(pool, two_pauses, NULL));
}

static bool aborts(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void misuse_aborts(void **state)
{
    (void)state;
    assert_true(aborts(resume_a_finished_one));
    assert_true(aborts(drop_twice));
    assert_true(aborts(free_a_pool_in_use));
    assert_true(aborts(pause_from_outside));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_where_it_paused),
        cmocka_unit_test(dropping_runs_nothing),
        cmocka_unit_test(leaving_is_finishing_from_any_depth),
        cmocka_unit_test(locals_survive_among_many),
        cmocka_unit_test(stack_given_back_last_is_used_first),
        cmocka_unit_test(coroutine_may_resume_another),
        cmocka_unit_test(reused_stack_is_clean),
        cmocka_unit_test(heap_held_by_a_paused_stack_is_released_when_it_goes_on),
        cmocka_unit_test(stack_size_is_rounded_to_pages),
        cmocka_unit_test(registers_survive_on_both_sides),
        cmocka_unit_test(rounding_belongs_to_the_stack),
        cmocka_unit_test(unwinding_ends_where_the_coroutine_begins),
        cmocka_unit_test(overrun_hits_the_guard),
        cmocka_unit_test(other_faults_do_not),
        cmocka_unit_test(misuse_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
