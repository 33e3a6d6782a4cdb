/* SPDX-License-Identifier: MIT
 *
 * Kills a worker, and a second process beside it, with SIGKILL at random moments, again and again,
 * and then checks that nothing acknowledged was lost and nothing happened twice.
 *
 *   test_crash [--seed N] [--kills N] [--keep]
 *
 * PERDURE_CRASH_KILLS (100) is the default of --kills. The seed fixes what is started and when is
 * killed; what the machine does meanwhile it cannot fix, so a failure may need several tries.
 * SIGKILL loses nothing that was handed to the system, so this tests order and recovery, not fsync;
 * tests/faults loses power.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

enum { LIFE_MAX_MS = 500, SHORT_LIFE_MAX_MS = 30 };

typedef int process(const struct crash_place *place, unsigned round, uint64_t seed);

static pid_t begin(process *run, const struct crash_place *place, unsigned round, uint64_t seed)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        _exit(run(place, round, seed));
    }
    if (child < 0) {
        perror("fork");
        exit(1);
    }
    return child;
}

/* False when it had ended by itself: none of them should. */
static bool kill_one(pid_t child, const char *which, unsigned round)
{
    int status = 0;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        return true;
    }
    printf("  the %s of round %u ended by itself, with %s %d\n", which, round,
           WIFEXITED(status) ? "code" : "signal",
           WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return false;
}

/* Mostly long enough to get to work, often so short that opening and recovery are hit. */
static void live(uint64_t *random)
{
    uint64_t max = crash_random(random) % 3 == 0 ? SHORT_LIFE_MAX_MS : LIFE_MAX_MS;
    long us = (long)(crash_random(random) % (max * 1000));
    nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
}

/* *ret_wrong: what did not hold of the file between two lives. */
static unsigned rounds(const struct crash_place *place, unsigned kills, uint64_t seed,
                       unsigned *ret_wrong)
{
    unsigned alone = 0;
    uint64_t random = seed;
    pid_t second = 0;
    unsigned second_round = 0;
    for (unsigned round = 1; round <= kills; round++) {
        pid_t worker = begin(crash_worker, place, round, crash_random(&random));
        if (second == 0) {
            second_round = round;
            second = begin(crash_second, place, round, crash_random(&random));
        }
        live(&random);
        /* The second outlives some workers: then it writes while there is none. */
        bool both = crash_random(&random) % 2 == 0;
        alone += kill_one(worker, "worker", round) ? 0 : 1;
        if (both || round == kills) {
            alone += kill_one(second, "second process", second_round) ? 0 : 1;
            second = 0;
        }
        *ret_wrong += crash_look(place, false, &random);
    }
    return alone;
}

static void place_make(struct crash_place *place)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(place->folder, sizeof place->folder, "%.400s/perdure-crash-XXXXXX",
             tmp != NULL && *tmp != 0 ? tmp : "/tmp");
    if (mkdtemp(place->folder) == NULL) {
        perror(place->folder);
        exit(1);
    }
    snprintf(place->db, sizeof place->db, "%s/hub.db", place->folder);
    snprintf(place->url, sizeof place->url, "sqlite:%s?partitions=3", place->db);
    snprintf(place->orders, sizeof place->orders, "%s/orders", place->folder);
    snprintf(place->starts, sizeof place->starts, "%s/starts", place->folder);
    snprintf(place->raises, sizeof place->raises, "%s/raises", place->folder);
    snprintf(place->runs, sizeof place->runs, "%s/runs", place->folder);
    snprintf(place->said, sizeof place->said, "%s/said", place->folder);
}

static void place_remove(const struct crash_place *place)
{
    static const char *const files[] = { "hub.db",      "hub.db-wal",  "hub.db-shm",
                                         "hub.db-lock", "hub.db-wake", "hub.db-journal",
                                         "hub.db-run",  "starts",      "raises",
                                         "orders",      "runs",        "said" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[700];
        snprintf(path, sizeof path, "%s/%s", place->folder, files[i]);
        unlink(path);
    }
    rmdir(place->folder);
}

int main(int argc, char **argv)
{
    const char *kills_text = getenv("PERDURE_CRASH_KILLS");
    unsigned kills = kills_text != NULL ? (unsigned)strtoul(kills_text, NULL, 10) : 100;
    uint64_t seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    bool keep = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--kills") == 0 && i + 1 < argc) {
            kills = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--keep") == 0) {
            keep = true;
        } else {
            fprintf(stderr, "usage: %s [--seed N] [--kills N] [--keep]\n", argv[0]);
            return 2;
        }
    }
    struct crash_place place;
    place_make(&place);
    printf("%u kills, seed %llu; again: %s --seed %llu --kills %u\n", kills,
           (unsigned long long)seed, argv[0], (unsigned long long)seed, kills);

    unsigned passed = 0, failed = 0, wrong = 0;
    unsigned alone = rounds(&place, kills, seed, &wrong);
    printf("%s no process failed before it was killed\n", alone == 0 ? "ok  " : "FAIL");
    printf("%s after each kill the file was whole, with all that was acknowledged\n",
           wrong == 0 ? "ok  " : "FAIL");
    passed += (alone == 0 ? 1u : 0) + (wrong == 0 ? 1u : 0);
    failed += (alone != 0 ? 1u : 0) + (wrong != 0 ? 1u : 0);
    crash_check(&place, &passed, &failed);
    if (failed > 0 || keep) {
        printf("the files are in %s\n", place.folder);
    } else {
        place_remove(&place);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
