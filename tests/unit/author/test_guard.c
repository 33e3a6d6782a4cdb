/* SPDX-License-Identifier: MIT
 *
 * The determinism guard: what an orchestrator must not call is noticed, by whatever name the
 * compiler calls it; nobody else's calls are; and afterwards everything is as it was. How programs
 * are linked is tried by tests/api/test_guard.sh. */
#include "batch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "author/guard.h"

/* ---- orchestrators that do what they must not ------------------------------------------------ */

static void *in_thread(void *argument)
{
    return argument;
}

static int in_thrd(void *argument)
{
    return argument != NULL;
}

/* Each does one thing, gives back what came of it, and cleans up after itself. The name is what
 * the guard calls it. */
#define DOES(id, ...)                                            \
    static pd_result does_##id(pd_orchestration *o, pd_value in) \
    {                                                            \
        long long ret = 0;                                       \
        struct timespec short_time = { .tv_nsec = 1 };           \
        (void)in, (void)short_time;                              \
        __VA_ARGS__;                                             \
        return pd_ok(o, ret);                                    \
    }

static int closed(int fd)
{
    (void)close(fd);
    return fd >= 0;
}

static int file_closed(FILE *file)
{
    return file != NULL && fclose(file) == 0;
}

static char line_room[64];

#define CASES(X)                                                                                   \
    X(time, ret = time(NULL) > 1000000)                                                            \
    X(clock, ret = clock() >= 0)                                                                   \
    X(gettimeofday, struct timeval t; ret = gettimeofday(&t, NULL) == 0)                           \
    X(clock_gettime, ret = clock_gettime(CLOCK_MONOTONIC, &short_time) == 0)                       \
    X(timespec_get, ret = timespec_get(&short_time, TIME_UTC) == TIME_UTC)                         \
    X(localtime_r, struct tm m; time_t t = 0; ret = localtime_r(&t, &m) != NULL)                   \
    X(mktime, struct tm t = { .tm_mday = 1 }; ret = mktime(&t) != 0)                               \
    X(lrand48, ret = lrand48() >= 0)                                                               \
    X(srandom, srandom(1); ret = 1)                                                                \
    X(random, ret = random() >= 0)                                                                 \
    X(drand48, ret = drand48() < 1)                                                                \
    X(getrandom, char c; ret = getrandom(&c, 1, 0) == 1)                                           \
    X(getentropy, char c; ret = getentropy(&c, 1) == 0)                                            \
    X(getenv, ret = getenv("PATH") != NULL)                                                        \
    X(setenv, ret = setenv("PERDURE_GUARD_TEST", "1", 1) == 0)                                     \
    X(getpid, ret = getpid() > 0)                                                                  \
    X(getcwd, char c[4096]; ret = getcwd(c, sizeof c) == c)                                        \
    X(isatty, ret = 1 + isatty(0) * 0)                                                             \
    X(sleep, ret = sleep(0) == 0)                                                                  \
    X(usleep, ret = usleep(1) == 0)                                                                \
    X(nanosleep, ret = nanosleep(&short_time, NULL) == 0)                                          \
    X(clock_nanosleep, ret = clock_nanosleep(CLOCK_MONOTONIC, 0, &short_time, NULL) == 0)          \
    X(thrd_sleep, ret = thrd_sleep(&short_time, NULL) == 0)                                        \
    X(poll, struct pollfd none = { .fd = -1 }; ret = poll(&none, 1, 0) == 0)                       \
    X(open, ret = closed(open("/dev/null", O_RDONLY)))                                             \
    X(openat, ret = closed(openat(AT_FDCWD, "/dev/null", O_RDONLY)))                               \
    X(fopen, ret = file_closed(fopen("/dev/null", "r")))                                           \
    X(access, ret = access("/dev/null", R_OK) == 0)                                                \
    X(stat, struct stat s; ret = stat("/dev/null", &s) == 0)                                       \
    X(unlink, ret = unlink("/nowhere/nothing") == -1)                                              \
    X(read, char c; ret = read(-1, &c, 1) == -1)                                                   \
    X(fgets, ret = fgets(line_room, sizeof line_room, stdin) == NULL)                              \
    X(socket, ret = closed(socket(AF_UNIX, SOCK_STREAM, 0)))                                       \
    X(connect, struct sockaddr s = { .sa_family = AF_UNIX };                                       \
      ret = connect(-1, &s, sizeof s) == -1)                                                       \
    X(getaddrinfo, struct addrinfo *a; ret = getaddrinfo(NULL, "no such service", NULL, &a) != 0)  \
    X(pthread_create, pthread_t t; ret = pthread_create(&t, NULL, in_thread, NULL) == 0;           \
      pthread_detach(t))                                                                           \
    X(thrd_create, thrd_t t; ret = thrd_create(&t, in_thrd, NULL) == thrd_success; thrd_detach(t)) \
    X(system, ret = system("exit 3") == 3 << 8)                                                    \
    X(popen, FILE *file = popen("true", "r"); ret = pclose(file) == 0)

#define X(name, ...) DOES(name, __VA_ARGS__)
CASES(X)
#undef X

/* ---- and some that do more ------------------------------------------------------------------- */

static pd_result twice_and_again(pd_orchestration *o, pd_value input)
{
    volatile int times = 3; /* so that the loop stays one place */
    (void)input;
    for (int i = 0; i < times; i++) {
        (void)random();
    }
    (void)random();
    return pd_ok(o, "came through");
}

/* Went to sleep when nobody watched. */
static pd_result late(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_sleep(o, pd_seconds(1));
    if (getenv("PATH") == NULL) {
        return pd_fail(o, "NoPath", "there is none");
    }
    pd_sleep(o, pd_seconds(1));
    return pd_ok(o, PD_TRUE);
}

/* What Perdure itself does for an orchestrator is not the orchestrator's. */
static pd_result well_behaved(pd_orchestration *o, pd_value input)
{
    char day[32];
    struct tm tm = { .tm_year = 126, .tm_mday = 1 };
    pd_log(o, "begins");
    pd_value made =
        pd_keep(o, PD_OBJ("now", pd_now(o).ms > 0 ? 1 : 0, "list", PD_ARR(1, "b", 2.5)));
    const char *text =
        pd_format(o, "%s %zu %s", pd_json(o, made), pd_count(input), pd_text(pd_get(input, "a")));
    (void)pd_alloc(o, 100000);
    pd_value result = pd_call_activity(o, "A", made);
    (void)strftime(day, sizeof day, "%Y", &tm);
    (void)printf("%s", "");
    return pd_ok(o, PD_OBJ("text", text, "result", result, "day", day));
}

static pd_result unwatched(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, getenv("PATH") != NULL);
}

static bool tosses(const pd_failure *failure, int attempt, void *argument)
{
    (void)failure, (void)attempt, (void)argument;
    return random() % 2 == 0;
}

static pd_result tries(pd_orchestration *o, pd_value input)
{
    pd_retry retry = { .attempts_max = 5, .handles = tosses };
    return pd_ok(o, pd_call_activity(o, "A", input, .retry = &retry));
}

static pd_result activity(pd_activity *a, pd_value input)
{
    (void)input;
    return pd_ok(a, random() >= 0 && time(NULL) > 0);
}

static const pd_function program[] = {
#define X(name, ...) PD_FUNCTION(#name, does_##name),
    CASES(X)
#undef X
        PD_FUNCTION("twice and again", twice_and_again),
    PD_FUNCTION("late", late),
    PD_FUNCTION("tries", tries),
    PD_FUNCTION("unwatched", unwatched),
    PD_FUNCTION("well behaved", well_behaved),
    PD_FUNCTION("A", activity),
};

static const char *const cases[] = {
#define X(name, ...) #name,
    CASES(X)
#undef X
};
enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

/* ---- the stage ------------------------------------------------------------------------------- */

static struct runner *guarded(enum author_guard guard)
{
    pd_error err;
    struct author_options options = { .partition_count = 2, .guard = guard };
    struct runner *runner = author_new(PD_PROGRAM(program), &options, &err);
    if (runner == NULL) {
        fail_msg("%s: %s", err.where, err.text);
    }
    return runner;
}

/* What was said on stderr from said_begin to said_end. */
static struct {
    FILE *file;
    int before;
    char text[65536];
} said;

static void said_begin(void)
{
    said.file = tmpfile();
    assert_non_null(said.file);
    (void)fflush(stderr);
    said.before = dup(STDERR_FILENO);
    assert_int_equal(dup2(fileno(said.file), STDERR_FILENO), STDERR_FILENO);
}

static const char *said_end(void)
{
    (void)fflush(stderr);
    assert_int_equal(dup2(said.before, STDERR_FILENO), STDERR_FILENO);
    close(said.before);
    rewind(said.file);
    size_t size = fread(said.text, 1, sizeof said.text - 1, said.file);
    said.text[size] = '\0';
    (void)fclose(said.file);
    return said.text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    while ((text = strstr(text, what)) != NULL) {
        n++;
        text++;
    }
    return n;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void each_forbidden_call_fails_the_instance_and_says_what_to_use(void **state)
{
    (void)state;
    struct runner *runner = guarded(GUARD_FAIL);
    for (size_t i = 0; i < CASE_COUNT; i++) {
        struct play p;
        play_join(&p, runner, 100 + i);
        said_begin();
        play_start(&p, cases[i], NULL);
        const char *report = said_end();
        char expected[64];
        (void)snprintf(expected, sizeof expected, "Forbidden: %s must not be called", cases[i]);
        if (strstr(play_transcript(&p), expected) == NULL) {
            fail_msg("%s: %s", cases[i], play_transcript(&p));
        }
        assert_true(p.is_ended);
        (void)snprintf(expected, sizeof expected, "orchestrator '%s' (instance '", cases[i]);
        assert_int_equal(count_of(report, expected), 1);
        (void)snprintf(expected, sizeof expected, "calls %s: ", cases[i]);
        assert_int_equal(count_of(report, expected), 1);
        assert_true(count_of(report, program_invocation_short_name) >=
                    1); /* the backtrace has the program's frames */
        play_end(&p);
    }
    author_free(runner);
}

static void a_report_changes_nothing_about_the_call(void **state)
{
    (void)state;
    struct runner *runner = guarded(GUARD_REPORT);
    for (size_t i = 0; i < CASE_COUNT; i++) {
        struct play p;
        play_join(&p, runner, 100 + i);
        said_begin();
        play_start(&p, cases[i], NULL);
        said_end();
        if (strstr(play_transcript(&p), "completed 1\n") == NULL) {
            fail_msg("%s: %s", cases[i], play_transcript(&p));
        }
        play_end(&p);
    }
    author_free(runner);
}

static void a_place_is_reported_once(void **state)
{
    (void)state;
    struct runner *runner = guarded(GUARD_REPORT);
    said_begin();
    for (uint64_t row = 1; row <= 3; row++) {
        struct play p;
        play_join(&p, runner, row);
        play_start(&p, "twice and again", NULL);
        assert_non_null(strstr(play_transcript(&p), "came through"));
        play_end(&p);
    }
    /* The loop is one place, the line behind it another. */
    assert_int_equal(count_of(said_end(), "calls random: use pd_random"), 2);
    author_free(runner);
}

static void activities_and_the_program_itself_may_call_anything(void **state)
{
    (void)state;
    struct activity_result result;
    struct arena arena;
    struct runner *runner = guarded(GUARD_FAIL);
    struct activity work = { .name = text_of("A"), .input = TEXT("null"), .id = 0 };
    work.instance_id = work.execution_id = text_of("i");
    arena_init(&arena);
    said_begin();
    runner->ops->activity(runner, &work, NULL, &arena, &result);
    assert_true(random() >= 0 && getenv("PATH") != NULL);
    assert_string_equal(said_end(), "");
    assert_null(result.failure);
    assert_memory_equal(result.payload.at, "1", 1);
    arena_done(&arena);
    author_free(runner);
}

static pd_result free_entity(pd_entity *e, pd_value input)
{
    (void)input;
    return pd_ok(e, pd_of_bool(random() >= 0 && getenv("PATH") != NULL && time(NULL) > 0));
}

/* It is never replayed. */
static void operations_of_entities_are_not_watched(void **state)
{
    (void)state;
    struct stand s;
    const pd_function rows[] = { PD_FUNCTION("Free", free_entity) };
    play_options.guard = GUARD_FAIL;
    stand_begin(&s, PD_PROGRAM(rows), "@free@x");
    play_options.guard = GUARD_OFF;
    said_begin();
    stand_call(&s, "x", NULL);
    const char *transcript = stand_run(&s);
    assert_string_equal(said_end(), "");
    assert_string_equal(transcript, "call x -> true\n");
    stand_end(&s);
}

static void what_perdure_does_for_an_orchestrator_is_not_reported(void **state)
{
    (void)state;
    struct runner *runner = guarded(GUARD_FAIL);
    struct play p;
    play_join(&p, runner, 1);
    said_begin();
    play_start(&p, "well behaved", "{\"a\":\"b\",\"c\":[{\"d\":1.5},null]}");
    play_complete(&p, 0, "{\"deep\":{\"er\":[1,2,3]}}");
    play_turn(&p);
    assert_string_equal(said_end(), "[order-7 well behaved] begins\n");
    assert_non_null(strstr(play_transcript(&p), "completed {\"text\":"));
    play_end(&p);
    author_free(runner);
}

static void an_author_without_guard_is_left_alone_by_that_of_another(void **state)
{
    (void)state;
    struct runner *watched = guarded(GUARD_FAIL), *free_one = guarded(GUARD_OFF);
    struct play p;
    play_join(&p, free_one, 1);
    said_begin();
    play_start(&p, "unwatched", NULL);
    assert_string_equal(said_end(), "");
    assert_non_null(strstr(play_transcript(&p), "completed 1\n"));
    play_end(&p);
    author_free(watched);
    author_free(free_one);
}

static void in_the_replay_of_an_instance_it_is_forbidden_as_well_and_called_that(void **state)
{
    (void)state;
    struct runner *runner = guarded(GUARD_OFF);
    struct play p;
    play_join(&p, runner, 1);
    play_start(&p, "late", NULL);
    play_fire(&p, 0);
    play_turn(&p);
    author_free(runner);
    p.runner = guarded(GUARD_FAIL);
    play_fire(&p, 1);
    said_begin();
    play_turn(&p);
    assert_int_equal(count_of(said_end(), "calls getenv: pass it in the input"), 1);
    assert_non_null(strstr(play_transcript(&p), "Forbidden: getenv"));
    assert_null(strstr(play_transcript(&p), "NonDeterminism"));
    author_free(p.runner);
    play_end(&p);
}

static void a_retry_policy_is_watched_like_the_orchestrator(void **state)
{
    (void)state;
    struct runner *runner = guarded(GUARD_FAIL);
    struct play p;
    play_join(&p, runner, 1);
    play_start(&p, "tries", NULL);
    play_fail(&p, 0, "Bad", "luck");
    said_begin();
    play_turn(&p);
    assert_int_equal(count_of(said_end(), "orchestrator 'tries' (instance 'order-7') calls random"),
                     1);
    assert_non_null(strstr(play_transcript(&p), "Forbidden: random"));
    play_end(&p);
    author_free(runner);
}

/* In code that is position-independent the address of a function is read from its slot. */
static __attribute__((noinline)) uintptr_t slot_of_getenv(void)
{
    __asm__ volatile("" ::: "memory");
    return (uintptr_t)getenv;
}

static void the_last_guard_puts_back_what_was_there(void **state)
{
    (void)state;
    uintptr_t before = slot_of_getenv();
    struct runner *one = guarded(GUARD_FAIL), *two = guarded(GUARD_REPORT);
    uintptr_t during = slot_of_getenv();
    author_free(one);
    assert_int_equal(slot_of_getenv(), during);
    author_free(two);
    assert_int_equal(slot_of_getenv(), before);
    assert_int_equal(before, (uintptr_t)dlsym(RTLD_DEFAULT, "getenv"));
    assert_int_not_equal(during, before);
    one = guarded(GUARD_FAIL);
    assert_int_equal(slot_of_getenv(), during);
    author_free(one);
}

static void everything_that_strict_h_forbids_is_watched(void **state)
{
    (void)state;
    FILE *file = fopen(PERDURE_SOURCE_DIR "/include/perdure/strict.h", "r");
    char line[256], name[64], missing[1024] = "";
    size_t count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "PD_STRICT_(%63[a-z0-9_],", name) != 1) {
            continue;
        }
        const struct guard_call *call = guard_calls;
        while (call->name != NULL && strcmp(call->name, name) != 0) {
            call++;
        }
        if (call->name == NULL) {
            (void)snprintf(missing + strlen(missing), sizeof missing - strlen(missing), " %s",
                           name);
        }
        count++;
    }
    (void)fclose(file);
    assert_string_equal(missing, "");
    assert_true(count > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_forbidden_call_fails_the_instance_and_says_what_to_use),
        cmocka_unit_test(a_report_changes_nothing_about_the_call),
        cmocka_unit_test(a_place_is_reported_once),
        cmocka_unit_test(activities_and_the_program_itself_may_call_anything),
        cmocka_unit_test(operations_of_entities_are_not_watched),
        cmocka_unit_test(what_perdure_does_for_an_orchestrator_is_not_reported),
        cmocka_unit_test(an_author_without_guard_is_left_alone_by_that_of_another),
        cmocka_unit_test(in_the_replay_of_an_instance_it_is_forbidden_as_well_and_called_that),
        cmocka_unit_test(a_retry_policy_is_watched_like_the_orchestrator),
        cmocka_unit_test(the_last_guard_puts_back_what_was_there),
        cmocka_unit_test(everything_that_strict_h_forbids_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
