/* SPDX-License-Identifier: MIT
 *
 * Quarantine (P9): what was running each time the process died, and what becomes of it. Deaths are
 * simulated on the memory store's board, and real ones happen to children of this process. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "hub.h"

/* The process dies while a thread runs this. */
static void die_running(struct hub *hub, uint64_t row, int32_t step)
{
    board_begin(board_thread_slot(&hub->board, 5), row, step);
    hub_crash(hub);
}

static void die_in_turn(struct hub *hub, const char *id)
{
    struct board_slot *slot = board_partition_slot(&hub->board, hub_home(hub, id));
    board_begin(slot, hub_look(hub, id).row, EVENT_NO_ID);
    hub_crash(hub);
}

/* Its first activity is open, and not run. */
static uint64_t start_open(struct hub *hub, const char *id)
{
    struct hub_call call;
    hub_ask(hub, &call, MESSAGE_START, id, "1");
    while (hub_step(hub, hub_home(hub, id))) {}
    assert_int_equal(hub_end_call(&call), PD_OK);
    return hub_look(hub, id).row;
}

static void an_activity_is_quarantined_at_the_third_death_and_not_before(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    uint64_t bad = start_open(&hub, "F:bad"), twice = start_open(&hub, "F:twice");
    die_running(&hub, bad, 0);
    die_running(&hub, twice, 0);
    die_running(&hub, bad, 0);
    die_running(&hub, twice, 0);
    die_running(&hub, bad, 0);
    hub_settle(&hub);
    assert_string_equal(hub_look(&hub, "F:bad").failure,
                        "Quarantined: the activity was running 3 times when the process died");
    assert_string_equal(hub_look(&hub, "F:twice").output, "\"end of chain\"");
    assert_int_equal(hub.runner.activities_run, 1);
    hub_close(&hub);
}

/* Only its step: the others of its instance are run. */
static void a_quarantined_step_is_one_step(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    uint64_t row = start_open(&hub, "2:a");
    for (int i = 0; i < 3; i++) {
        die_running(&hub, row, 1); /* not open yet */
    }
    hub_settle(&hub);
    assert_string_equal(hub_look(&hub, "2:a").output, "\"end of chain\"");
    hub_close(&hub);
}

static void an_orchestrator_is_suspended_and_has_another_chance_when_resumed(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    for (int i = 0; i < 3; i++) {
        die_in_turn(&hub, "E:a");
    }
    int turns = hub.runner.turns;
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "E:a", "8"), PD_OK);
    struct hub_look look = hub_look(&hub, "E:a");
    assert_int_equal(look.state, RUN_SUSPENDED);
    assert_string_equal(look.failure,
                        "Quarantined: the orchestrator was running 3 times when the process died");
    assert_int_equal(hub.runner.turns, turns);
    hub_crash(&hub);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "E:a").state, RUN_SUSPENDED);
    assert_int_equal(hub_tell(&hub, MESSAGE_RESUME, "E:a", NULL), PD_OK);
    look = hub_look(&hub, "E:a");
    assert_string_equal(look.output, "8");
    assert_string_equal(look.failure, "");
    hub_close(&hub);
}

static void a_turn_that_ends_well_takes_its_deaths_away(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "R:a", "1"), PD_OK);
    die_in_turn(&hub, "R:a");
    die_in_turn(&hub, "R:a");
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "R:a", "1"), PD_OK);
    assert_false(board_has_suspects(&hub.board));
    die_in_turn(&hub, "R:a");
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "R:a", "2"), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "R:a", "3"), PD_OK);
    assert_string_equal(hub_look(&hub, "R:a").output, "123");
    hub_close(&hub);
}

static void who_was_not_running_is_not_suspected(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    uint64_t row = start_open(&hub, "1:a");
    for (int i = 0; i < 5; i++) {
        struct board_slot *slot = board_thread_slot(&hub.board, 0);
        board_begin(slot, row, 0);
        board_end(slot);
        hub_crash(&hub);
    }
    assert_false(board_has_suspects(&hub.board));
    die_running(&hub, row, 0);
    hub_crash(&hub);
    hub_crash(&hub);
    assert_false(board_is_condemned(&hub.board, row, 0)); /* it was running once */
    hub_settle(&hub);
    assert_string_equal(hub_look(&hub, "1:a").output, "\"end of chain\"");
    hub_close(&hub);
}

/* As many as there can be are all remembered; one more, and the one goes that was running the
 * longest time ago. */
static void a_board_remembers_so_many_and_forgets_the_oldest(void **state)
{
    (void)state;
    enum { REMEMBERED = 512 };
    struct hub hub;
    hub_open(&hub, 1);
    for (uint64_t row = 1; row <= REMEMBERED + 1; row++) {
        bool has_first = true;
        for (int i = 0; i < (row == 1 ? 3 : 1); i++) {
            board_begin(board_thread_slot(&hub.board, 0), row, 0);
            board_close(&hub.board);
            board_open(&hub.board, &hub.store.base, 3);
        }
        has_first = board_is_condemned(&hub.board, 1, 0);
        assert_int_equal(has_first, row <= REMEMBERED);
    }
    hub_close(&hub);
}

static void a_board_of_another_build_is_begun_anew(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    for (int i = 0; i < 3; i++) {
        board_begin(board_thread_slot(&hub.board, 0), 7, 0);
        board_close(&hub.board);
        board_open(&hub.board, &hub.store.base, 3);
    }
    assert_true(board_is_condemned(&hub.board, 7, 0));
    board_close(&hub.board);
    struct store *store = hub.store.real;
    struct board memory = store->ops->board(store, 1);
    char *page = (char *)memory.at + (64 - (uintptr_t)memory.at % 64) % 64;
    *page = (char)(*page + 1); /* its first word */
    board_open(&hub.board, &hub.store.base, 3);
    assert_false(board_has_suspects(&hub.board));
    hub_close(&hub);
}

/* ---- real deaths ----------------------------------------------------------------------------- */

enum { PATIENCE_MS = 20000 };

struct story {
    const char *id, *input;
    enum run_state state; /* with "Quarantined" as its failure */
};

/* In a process of its own: runs the engine until the instance is in a state at which it stays. */
static void live(const char *url, const struct story *story, bool starts)
{
    struct chain_runner runner;
    pd_error err;
    struct engine_options options = { .activity_threads = 1 };
    struct start_command command = { .id = text_of(story->id),
                                     .name = TEXT("x"),
                                     .input = text_of(story->input) };
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
    struct store *store = store_open(url, &err);
    chain_runner_init(&runner);
    runner.is_deadly = true;
    struct engine *engine = engine_start(store, &runner.base, &options, &err);
    if (starts && engine_start_instances(engine, &command, 1, NULL, &err) != PD_OK) {
        _exit(2);
    }
    for (int i = 0; i < PATIENCE_MS; i++) {
        struct instance_record record;
        struct arena arena;
        bool found = false;
        arena_init(&arena);
        if (store->ops->load_instance(store, command.id, 0, &arena, &record, &found, &err) !=
                PD_OK ||
            !found) {
            _exit(3);
        }
        if (record.state == story->state) {
            bool is_quarantined =
                memmem(record.failure.at, record.failure.size, "Quarantined", 11) != NULL;
            engine_stop(engine, PATIENCE_MS);
            store_close(store);
            _exit(is_quarantined ? 0 : 4);
        }
        arena_done(&arena);
        usleep(1000);
    }
    _exit(5);
}

static int run_life(const char *url, const struct story *story, bool starts)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        live(url, story, starts);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void what_kills_its_process_three_times_does_not_a_fourth_time(void **state)
{
    (void)state;
    static const struct story stories[] = {
        { "F:poison", "1", RUN_FAILED },
        { "Z:poison", "1", RUN_SUSPENDED },
        { "A:@poison@elsewhere", "\"die\"", RUN_FAILED },
    };
    /* Else it would die before it is known that there is such an instance. */
    assert_int_not_equal(partition_of(text_of(stories[2].id), 2),
                         partition_of(text_of(stories[2].id + 2), 2));
    for (size_t s = 0; s < sizeof stories / sizeof stories[0]; s++) {
        char folder[] = "/tmp/perdure-board-XXXXXX", url[64], command[64];
        assert_non_null(mkdtemp(folder));
        (void)snprintf(url, sizeof url, "sqlite:%s/hub.db?partitions=2", folder);
        for (int life = 0; life < 4; life++) {
            int status = run_life(url, &stories[s], life == 0);
            if (life < 3) {
                assert_true(WIFSIGNALED(status));
                assert_int_equal(WTERMSIG(status), SIGABRT);
            } else {
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
            }
        }
        (void)snprintf(command, sizeof command, "rm -r %s", folder);
        assert_int_equal(system(command), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activity_is_quarantined_at_the_third_death_and_not_before),
        cmocka_unit_test(a_quarantined_step_is_one_step),
        cmocka_unit_test(an_orchestrator_is_suspended_and_has_another_chance_when_resumed),
        cmocka_unit_test(a_turn_that_ends_well_takes_its_deaths_away),
        cmocka_unit_test(who_was_not_running_is_not_suspected),
        cmocka_unit_test(a_board_remembers_so_many_and_forgets_the_oldest),
        cmocka_unit_test(a_board_of_another_build_is_begun_anew),
        cmocka_unit_test(what_kills_its_process_three_times_does_not_a_fourth_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
