/* SPDX-License-Identifier: MIT
 *
 * What is refused: each command on a missing instance, on one in a state that does not allow it,
 * with a bad ID, with text that is no JSON text, with a payload over the limit. A clear error, and
 * nothing changed; with the engine in this process, and through the mailbox.
 */
#include "hub_kit.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- every command -------------------------------------------------------------------------- */

static pd_status raise_it(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    return pd_hub_raise_event(hub, id, "e", text, err);
}

static pd_status terminate(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    return pd_hub_terminate(hub, id, text, false, err);
}

static pd_status terminate_all(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    return pd_hub_terminate(hub, id, text, true, err);
}

static pd_status purge(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    (void)text;
    return pd_hub_purge(hub, id, err);
}

static pd_status restart(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    (void)text;
    return pd_hub_restart(hub, id, NULL, err);
}

static pd_status restart_as_taken(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    (void)text;
    pd_id taken = { "completed" };
    return pd_hub_restart(hub, id, &taken, err);
}

static pd_status fork_as_taken(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    (void)text;
    pd_id taken = { "completed" };
    return pd_hub_fork(hub, id, 0, &taken, err);
}

static pd_status fork_behind_the_end(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    (void)text;
    return pd_hub_fork(hub, id, 1000, NULL, err);
}

static pd_status start_kept_from(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    pd_start_options options = { .id = id, .reuse = PD_REUSE_NEVER };
    return pd_hub_start(hub, "Echo", text, &options, NULL, err);
}

static pd_status start_over_failed(pd_hub *hub, const char *id, const char *text, pd_error *err)
{
    pd_start_options options = { .id = id, .reuse = PD_REUSE_FAILED };
    return pd_hub_start(hub, "Echo", text, &options, NULL, err);
}

enum { RUNNING, SUSPENDED, COMPLETED, FAILED, TERMINATED, STATES };

static const char *const ids[STATES] = { "running", "suspended", "completed", "failed",
                                         "terminated" };

#define OK PD_OK
#define STATE PD_E_STATE
#define EXISTS PD_E_EXISTS
#define MISSING PD_E_NOT_FOUND

static const struct command {
    const char *name;
    pd_status (*call)(pd_hub *hub, const char *id, const char *text, pd_error *err);
    bool has_text;
    pd_status when_missing, when[STATES];
} commands[] = {
    { "raise", raise_it, true, MISSING, { OK, OK, STATE, STATE, STATE } },
    { "terminate", terminate, true, MISSING, { OK, OK, STATE, STATE, STATE } },
    { "terminate -r", terminate_all, true, MISSING, { OK, OK, STATE, STATE, STATE } },
    { "suspend", pd_hub_suspend, true, MISSING, { OK, OK, STATE, STATE, STATE } },
    { "resume", pd_hub_resume, true, MISSING, { OK, OK, STATE, STATE, STATE } },
    { "rewind", pd_hub_rewind, true, MISSING, { STATE, STATE, STATE, OK, STATE } },
    { "purge", purge, false, MISSING, { STATE, STATE, OK, OK, OK } },
    { "restart", restart, false, MISSING, { STATE, STATE, OK, OK, OK } },
    { "restart as", restart_as_taken, false, MISSING, { EXISTS, EXISTS, EXISTS, EXISTS, EXISTS } },
    { "fork as", fork_as_taken, false, MISSING, { EXISTS, EXISTS, EXISTS, EXISTS, EXISTS } },
    { "fork at",
      fork_behind_the_end,
      false,
      MISSING,
      { PD_E_INVALID, PD_E_INVALID, PD_E_INVALID, PD_E_INVALID, PD_E_INVALID } },
    { "start", start_kept_from, true, OK, { EXISTS, EXISTS, EXISTS, EXISTS, EXISTS } },
    { "start over", start_over_failed, true, OK, { EXISTS, EXISTS, EXISTS, OK, OK } },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* ---- nothing changed ------------------------------------------------------------------------ */

static void fill(struct kit *kit)
{
    pd_error err;
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "running", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "suspended", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "terminated", NULL);
    kit_start(kit, "Fails", PD_VAL("x"), "failed", NULL);
    kit_start(kit, "Echo", PD_VAL("x"), "completed", NULL);
    pd_instance_free(kit_wait(kit, "failed"));
    pd_instance_free(kit_wait(kit, "completed"));
    kit_await_state(kit, "running", PD_RUN_RUNNING);
    kit_await_state(kit, "suspended", PD_RUN_RUNNING);
    kit_expect(pd_hub_suspend(kit->hub, "suspended", "wait", &err), PD_OK, &err, "suspend");
    kit_expect(pd_hub_terminate(kit->hub, "terminated", "no", false, &err), PD_OK, &err, "end");
}

/* All that can be seen of it. */
struct picture {
    char text[600];
};

static struct picture look(struct kit *kit, const char *id)
{
    pd_error err;
    struct picture picture;
    pd_instance *i = pd_hub_fetch(kit->hub, id, &err);
    pd_history *h = pd_hub_fetch_history(kit->hub, id, &err);
    if (i == NULL || h == NULL) {
        fail_msg("'%s': %s", id, err.text);
    }
    snprintf(picture.text, sizeof(picture.text),
             "%s %s %s v%s in %s out %s at %lld %lld %lld + %zu", pd_instance_name(i),
             pd_instance_execution_id(i), pd_run_state_name(pd_instance_state(i)),
             pd_instance_version(i) != NULL ? pd_instance_version(i) : "-",
             pd_instance_input_json(i), pd_instance_output_json(i),
             (long long)pd_instance_created_at(i).ms, (long long)pd_instance_updated_at(i).ms,
             (long long)pd_instance_ended_at(i).ms, pd_history_count(h));
    pd_history_free(h);
    pd_instance_free(i);
    return picture;
}

static struct picture pictures[STATES];

static void look_at_all(struct kit *kit)
{
    for (size_t s = 0; s < STATES; s++) {
        pictures[s] = look(kit, ids[s]);
    }
}

static void assert_nothing_changed(struct kit *kit)
{
    for (size_t s = 0; s < STATES; s++) {
        struct picture now = look(kit, ids[s]);
        assert_string_equal(now.text, pictures[s].text);
    }
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), STATES);
}

/* Refused, and the error says so in a sentence. */
static void assert_refused(struct kit *kit, const struct command *command, const char *id,
                           const char *text, pd_status wanted)
{
    pd_error err = { PD_OK, false, "", "" };
    pd_status got = command->call(kit->hub, id, text, &err);
    if (got != wanted) {
        fail_msg("%s of '%s': %d instead of %d: %s", command->name, id, (int)got, (int)wanted,
                 err.text);
    }
    assert_int_equal(err.status, wanted);
    assert_true(err.where[0] != '\0' && err.text[0] != '\0');
    assert_false(err.retryable);
    /* Who does not care gets the same answer. */
    assert_int_equal(command->call(kit->hub, id, text, NULL), wanted);
}

static void try_all(struct kit *kit)
{
    for (size_t c = 0; c < COMMANDS; c++) {
        if (commands[c].when_missing != PD_OK) {
            assert_refused(kit, &commands[c], "missing", "t", commands[c].when_missing);
        }
        for (size_t s = 0; s < STATES; s++) {
            if (commands[c].when[s] != PD_OK) {
                assert_refused(kit, &commands[c], ids[s], "t", commands[c].when[s]);
            }
        }
    }
}

static void a_command_that_the_state_does_not_allow_changes_nothing(void **state)
{
    struct kit *kit = *state;
    fill(kit);
    look_at_all(kit);
    try_all(kit);
    assert_nothing_changed(kit);
    kit_rest(kit); /* and now the store decides */
    try_all(kit);
    assert_nothing_changed(kit);
    kit_work(kit); /* and nothing was left in the mailbox */
    kit_start(kit, "Echo", PD_NULL, "last", NULL);
    pd_instance_free(kit_wait(kit, "last"));
    pd_error err;
    kit_expect(pd_hub_purge(kit->hub, "last", &err), PD_OK, &err, "purge");
    assert_nothing_changed(kit);
}

static char *repeated(char character, size_t count)
{
    char *text = malloc(count + 1);
    assert_non_null(text);
    memset(text, character, count);
    text[count] = '\0';
    return text;
}

static void a_bad_id_is_refused_by_every_command(void **state)
{
    struct kit *kit = *state;
    char *longer = repeated('x', 257);
    const char *const bad[] = { "", "@1", "@counter@a\tb", "a\x7f", "a\nb", "a\xff", longer };
    for (int with_engine = 0; with_engine < 2; with_engine++) {
        for (size_t c = 0; c < COMMANDS; c++) {
            bool is_start = commands[c].call == start_kept_from ||
                            commands[c].call == start_over_failed; /* which makes one */
            for (size_t b = is_start ? 1 : 0; b < sizeof(bad) / sizeof(bad[0]); b++) {
                assert_refused(kit, &commands[c], bad[b], "t", PD_E_INVALID);
            }
            if (!is_start) {
                assert_refused(kit, &commands[c], NULL, "t", PD_E_INVALID);
            }
            pd_error err;
            assert_int_equal(commands[c].call(NULL, "id", "t", &err), PD_E_INVALID);
        }
        if (!with_engine) {
            kit_work(kit);
        }
    }
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
    free(longer);
}

static void text_that_json_cannot_hold_is_refused_by_every_command(void **state)
{
    struct kit *kit = *state;
    fill(kit);
    look_at_all(kit);
    for (size_t c = 0; c < COMMANDS; c++) {
        for (size_t s = 0; commands[c].has_text && s < STATES; s++) {
            assert_refused(kit, &commands[c], ids[s], "\xff", PD_E_INVALID);
        }
    }
    assert_nothing_changed(kit);
}

static void a_payload_over_the_limit_of_the_hub_is_refused_by_every_command(void **state)
{
    struct kit *kit = *state;
    served_skip("that is the option of a server");
    char *largest = repeated('x', 62); /* and the quotes */
    char *larger = repeated('x', 63);
    char url[200];
    pd_error err;
    pd_hub_close(kit->hub);
    snprintf(url, sizeof(url), "%s?payload_max=64", kit->url);
    kit->hub = pd_hub_open(url, &err);
    assert_non_null(kit->hub);
    fill(kit);
    look_at_all(kit);
    for (size_t c = 0; c < COMMANDS; c++) {
        for (size_t s = 0; commands[c].has_text && s < STATES; s++) {
            assert_refused(kit, &commands[c], ids[s], larger, PD_E_LIMIT);
        }
    }
    assert_nothing_changed(kit);
    for (size_t c = 0; c < COMMANDS; c++) {
        for (size_t s = 0; commands[c].has_text && s < STATES; s++) {
            if (commands[c].when[s] != PD_OK) {
                assert_refused(kit, &commands[c], ids[s], largest, commands[c].when[s]);
            }
        }
    }
    kit_expect(pd_hub_terminate(kit->hub, "running", largest, false, &err), PD_OK, &err, "end");
    free(larger);
    free(largest);
}

/* ---- settings, options, queries ------------------------------------------------------------- */

static void settings_of_a_url_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "memory:?payload_max=63",
                                       "memory:?payload_max=67108865",
                                       "memory:?payload_max=",
                                       "memory:?payload_max=64x",
                                       "memory:?payload_max=99999999999999999999999",
                                       "memory:?payload_max=64&payload_max=64",
                                       "memory:?partitions=2&partitions=2",
                                       "memory:?partitions=2&",
                                       "memory:?Partitions=2",
                                       "memory:?" };
    static const char *const good[] = { "memory:?payload_max=64", "memory:?payload_max=67108864",
                                        "memory:?partitions=2&payload_max=64",
                                        "memory:?payload_max=64&partitions=64" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_error err = { .text = "" };
        assert_null(pd_hub_open(bad[i], &err));
        assert_int_equal(err.status, PD_E_INVALID);
        assert_true(err.text[0] != '\0');
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        pd_error err;
        pd_hub *hub = pd_hub_open(good[i], &err);
        assert_non_null(hub);
        pd_hub_close(hub);
    }
}

static void start_options_that_make_no_sense_start_nothing(void **state)
{
    struct kit *kit = *state;
    const pd_value bad[] = { PD_VAL(1), PD_VAL("a=b"), PD_OBJ("n", 1).value_,
                             PD_OBJ("", "x").value_, PD_OBJ("a\n", "x").value_ };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_error err;
        pd_id id = { "untouched" };
        pd_start_options options = { .tags = bad[i] };
        assert_int_equal(pd_hub_start(kit->hub, "Echo", 1, &options, &id, &err), PD_E_INVALID);
        assert_string_equal(id.text, "untouched");
    }
    pd_error err;
    pd_start_options options = { .reuse = (pd_reuse)17 };
    assert_int_equal(pd_hub_start(kit->hub, "Echo", 1, &options, NULL, &err), PD_E_INVALID);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
}

static void a_query_that_makes_no_sense_is_refused_by_all_that_take_one(void **state)
{
    struct kit *kit = *state;
    const pd_query bad[] = {
        { .states = 1u << 7 }, { .tag = "no sign" }, { .tag = "=x" }, { .tag = "a=\x1f" }
    };
    uint64_t count = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_error err;
        pd_counts counts = { .all = 77 };
        assert_null(pd_hub_query(kit->hub, &bad[i], &err));
        assert_int_equal(err.status, PD_E_INVALID);
        assert_int_equal(pd_hub_count(kit->hub, &bad[i], &counts, &err), PD_E_INVALID);
        assert_int_equal(counts.all, 77);
        assert_int_equal(pd_hub_purge_all(kit->hub, &bad[i], NULL, &count, &err), PD_E_INVALID);
        assert_int_equal(pd_hub_export(kit->hub, &bad[i], "x.pda", &count, &err), PD_E_INVALID);
        assert_int_equal(count, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(a_command_that_the_state_does_not_allow_changes_nothing),
        HUB_TEST(a_bad_id_is_refused_by_every_command),
        HUB_TEST(text_that_json_cannot_hold_is_refused_by_every_command),
        HUB_TEST(a_payload_over_the_limit_of_the_hub_is_refused_by_every_command),
        cmocka_unit_test(settings_of_a_url_that_cannot_be_are_refused),
        HUB_TEST(start_options_that_make_no_sense_start_nothing),
        HUB_TEST(a_query_that_makes_no_sense_is_refused_by_all_that_take_one),
    };
    return cmocka_run_group_tests_name("hub/refuse", tests, NULL, NULL);
}
