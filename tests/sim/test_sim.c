/* SPDX-License-Identifier: MIT
 *
 * The simulation: seeds, one after another, until time is up or one of them finds something.
 *
 *   test_sim --seconds 60            new seeds, for a minute
 *   test_sim --seed 1234567          one seed
 *   test_sim --seed 1234567 --trace  and every move of it
 *   test_sim --count 1000 --from 1   the seeds 1 to 1000
 *
 * Every sixteenth seed is run twice and must leave the same trace (V1). The first finding ends the
 * run: one line with the seed and the command that repeats it; so does a failed assertion. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#if ARENA_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { AGAIN_EVERY = 16 };

struct options {
    uint64_t seed, from, count;
    int64_t seconds;
    bool has_seed, is_traced;
};

static struct sim sim;
static volatile uint64_t passed, present_seed;

static void repeat_with(void)
{
    printf("     again:    make sim SEED=%" PRIu64 "\n", present_seed);
    printf("     in words: build/asan/tests/sim/test_sim --seed %" PRIu64 " --trace\n",
           present_seed);
    printf("%" PRIu64 " seeds ran\n", passed + 1);
    printf("%" PRIu64 " passed, 1 failed\n", passed);
    (void)fflush(stdout);
}

/* An assertion of the code under test, or a sanitizer: the report is on stderr already. */
static void on_death(void)
{
    printf("FAIL seed %" PRIu64 ": stopped by an assertion or a sanitizer\n", present_seed);
    repeat_with();
    _exit(1);
}

static void on_abort(int number)
{
    (void)number;
    on_death();
}

static _Noreturn void found(const char *what)
{
    printf("FAIL seed %" PRIu64 ": %s\n", present_seed, what);
    repeat_with();
    _exit(1); /* what the seed left behind is not freed */
}

static void run_seed(uint64_t seed, bool is_traced, bool is_twice)
{
    present_seed = seed;
    if (!sim_run(&sim, seed, is_traced)) {
        found(sim.finding);
    }
    uint64_t trace = sim.trace;
    if (is_twice) {
        if (!sim_run(&sim, seed, false)) {
            found(sim.finding);
        }
        if (sim.trace != trace) {
            found("it went another way the second time");
        }
    }
    passed++;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void run_many(const struct options *options)
{
    int64_t until = now_ms() + options->seconds * 1000;
    uint64_t first = options->from;
    if (options->from == 0 && getrandom(&first, sizeof first, 0) == (ssize_t)sizeof first) {
        first >>= 24; /* short enough to be typed */
    }
    for (uint64_t i = 0; options->count != 0 ? i < options->count : now_ms() < until; i++) {
        run_seed(first + i, options->is_traced, i % AGAIN_EVERY == 0);
    }
}

static bool read_options(int count, char **words, struct options *ret)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--trace") == 0) {
            ret->is_traced = true;
            continue;
        }
        char *end = NULL;
        uint64_t number = i + 1 < count ? strtoull(words[i + 1], &end, 10) : 0;
        if (end == NULL || *end != '\0' || end == words[i + 1]) {
            return false;
        }
        if (strcmp(words[i], "--seed") == 0) {
            ret->seed = number;
            ret->has_seed = true;
        } else if (strcmp(words[i], "--seconds") == 0) {
            ret->seconds = (int64_t)number;
        } else if (strcmp(words[i], "--count") == 0) {
            ret->count = number;
        } else if (strcmp(words[i], "--from") == 0) {
            ret->from = number;
        } else {
            return false;
        }
        i++;
    }
    return true;
}

int main(int count, char **words)
{
    struct options options = { .seconds = 10 };
    if (!read_options(count, words, &options)) {
        printf("usage: test_sim [--seconds N | --seed S | --count N [--from S]] [--trace]\n");
        return 2;
    }
    (void)signal(SIGABRT, on_abort);
#if ARENA_ASAN
    __sanitizer_set_death_callback(on_death);
#endif
    if (options.has_seed) {
        run_seed(options.seed, options.is_traced, true);
    } else {
        run_many(&options);
    }
    printf("%" PRIu64 " seeds ran\n", passed);
    printf("%" PRIu64 " passed, 0 failed\n", passed);
    return 0;
}
