/* SPDX-License-Identifier: MIT
 *
 * A schedule when what it reads is not what it wrote: its state of another version, or mended by
 * hand; its zone's file; and when what is owed is more than an operation may do. */
#include "base/limits.h"
#include "schedule_stage.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct stage stage;
static struct starts got;

static int set_up(void **state)
{
    (void)state;
    stage_begin(&stage, 1);
    got.count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stage_end(&stage);
    return 0;
}

static const char every_second[] = "{\"rule\":\"* * * * * *\",\"orchestrator\":\"R\","
                                   "\"overlap\":\"allow\",\"missed\":\"all\"}";

static void put(const char *json)
{
    assert_null(stage_do(&stage, "put", json, &got));
}

static long long number(const char *key)
{
    char quoted[32];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr((const char *)stage.state.at, quoted);
    return at != NULL ? strtoll(at + strlen(quoted), NULL, 10) : 0;
}

/* Takes a member out of the state. */
static void take_out(const char *key)
{
    char json[4096], quoted[32];
    (void)snprintf(json, sizeof json, "%s", (const char *)stage.state.at);
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", key);
    char *at = strstr(json, quoted);
    assert_non_null(at);
    size_t size = strlen(quoted);
    size += at[size] == '"' ? strcspn(at + size + 1, "\"") + 2 : strcspn(at + size, ",}");
    size += at[size] == ',' ? 1 : 0;
    at -= at[size] == '}' ? 1 : 0; /* the comma before it */
    size += at[size + 1] == '}' && at[0] == ',' ? 1 : 0;
    memmove(at, at + size, strlen(at + size) + 1);
    stage_set_state(&stage, json);
}

/* ---- its state ------------------------------------------------------------------------------- */

static void what_a_state_has_beside_is_kept_until_it_is_put_anew(void **state)
{
    (void)state;
    char json[4096];
    put(every_second);
    (void)snprintf(json, sizeof json, "{\"jitter\":{\"ms\":5},%s",
                   (const char *)stage.state.at + 1);
    stage_set_state(&stage, json);
    stage.now += 3000;
    assert_true(stage_go_on(&stage, &got) > 0);
    assert_int_equal(got.count, 3);
    assert_true(stage_has(&stage, "\"jitter\":{\"ms\":5}"));
    assert_null(stage_do(&stage, "pause", "null", &got));
    assert_null(stage_do(&stage, "resume", "null", &got));
    assert_true(stage_has(&stage, "\"jitter\":{\"ms\":5}"));
    put(every_second);
    assert_false(stage_has(&stage, "jitter"));
}

/* Whatever is missing, what is due next is started, once, and what was met is not met again. */
static void a_state_without_one_of_its_members_goes_on(void **state)
{
    (void)state;
    static const char *const members[] = { "overlap", "missed",     "status", "started", "skipped",
                                           "late",    "generation", "signal", "anchor",  "next" };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        stage_end(&stage);
        stage_begin(&stage, 1);
        got.count = 0;
        put(i % 2 == 0 ? every_second
                       : "{\"rule\":\"@every 1s\",\"orchestrator\":\"R\",\"overlap\":\"allow\","
                         "\"missed\":\"all\"}");
        stage.now += 1000;
        (void)stage_go_on(&stage, &got);
        assert_int_equal(got.count, 1);
        take_out(members[i]);
        stage.generation = strcmp(members[i], "generation") == 0 ? 0 : stage.generation;
        stage.now += 1000;
        (void)stage_go_on(&stage, &got);
        if (got.count != 2 || stage.signal_count == 0) {
            fail_msg("without %s: %d starts, %d signals", members[i], got.count,
                     stage.signal_count);
        }
        assert_true(strcmp(got.ids[0], got.ids[1]) < 0);
        assert_null(stage_do(&stage, "pause", "null", &got));
        assert_null(stage_do(&stage, "delete", "null", &got));
        assert_int_equal(stage.state.size, 0);
    }
}

/* It cannot know what it has met; so it begins now, and not in 1970. */
static void a_state_that_does_not_say_what_was_met_begins_now(void **state)
{
    (void)state;
    put(every_second);
    stage.now += 1000;
    (void)stage_go_on(&stage, &got);
    take_out("met");
    take_out("next");
    stage.now += 5000;
    (void)stage_go_on(&stage, &got);
    assert_int_equal(number("late"), 0);
    assert_int_equal(got.count, 1);
    stage.now += 1000;
    (void)stage_go_on(&stage, &got);
    assert_int_equal(got.count, 2);
}

static void a_state_that_is_none_says_so_and_can_be_put_triggered_and_deleted(void **state)
{
    (void)state;
    static const char *const states[] = {
        "7",
        "[]",
        "{}",
        "\"x\"",
        "{\"rule\":5,\"status\":[],\"orchestrator\":{},\"signal\":1,\"met\":\"x\"}",
        "{\"last\":0}",
        "{\"rule\":\"* * * * * *\"}",
        "{\"orchestrator\":\"R\"}"
    };
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        stage_set_state(&stage, states[i]);
        assert_null(stage_do(&stage, "due", "0", &got));
        assert_true(stage_has(&stage, "\"problem\":\""));
        assert_true(stage_has(&stage, "\"status\":\"active\""));
        assert_int_equal(stage.signal_count, 1); /* it looks again */
        assert_null(stage_do(&stage, "ended", "\"x\"", &got));
        assert_null(stage_do(&stage, "pause", "null", &got));
        assert_null(stage_do(&stage, "resume", "null", &got));
        stage.signal_count = 0;
        put(every_second);
        assert_false(stage_has(&stage, "problem"));
        assert_null(stage_do(&stage, "trigger", "null", &got));
        assert_null(stage_do(&stage, "delete", "null", &got));
        stage.generation = 0;
        stage.signal_count = 0;
    }
}

static void what_is_put_and_not_understood_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "null",
        "[]",
        "7",
        "{}",
        "{\"rule\":\"@daily\"}",
        "{\"orchestrator\":\"R\"}",
        "{\"rule\":5,\"orchestrator\":\"R\"}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"\"}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"overlap\":\"often\"}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"missed\":\"some\"}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"zone\":1}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"begins\":\"x\"}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"ends\":1.5}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"missedMax\":[]}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"paused\":\"no\"}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"tags\":[1]}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"tags\":{\"a\":1}}",
        "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"tags\":{\"a\":\"\\n\"}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *failure = stage_do(&stage, "put", bad[i], &got);
        if (failure == NULL || strcmp(failure, "BadInput") != 0) {
            fail_msg("%s: %s", bad[i], failure != NULL ? failure : "is taken");
        }
        assert_int_equal(stage.state.size, 0);
    }
    char name[LIMIT_NAME + 2], json[LIMIT_NAME + 64]; /* at the limit, and past it */
    memset(name, 'n', sizeof name);
    name[LIMIT_NAME + 1] = '\0';
    (void)snprintf(json, sizeof json, "{\"rule\":\"@daily\",\"orchestrator\":\"%s\"}", name);
    assert_string_equal(stage_do(&stage, "put", json, &got), "BadInput");
    name[LIMIT_NAME] = '\0';
    (void)snprintf(json, sizeof json, "{\"rule\":\"@daily\",\"orchestrator\":\"%s\"}", name);
    put(json);
    put("{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"zone\":null,\"tags\":null,\"more\":1}");
    assert_false(stage_has(&stage, "more"));
}

/* ---- its zone -------------------------------------------------------------------------------- */

/* Of a zone of its own, "Zone", as that file of tzdata is; NULL: damaged. */
static void set_zone(const char *folder, const char *as)
{
    char path[128], source[128], bytes[8192];
    size_t size = 100;
    memset(bytes, 'x', sizeof bytes);
    if (as != NULL) {
        (void)snprintf(source, sizeof source, "/usr/share/zoneinfo/%s", as);
        FILE *file = fopen(source, "rb");
        assert_non_null(file);
        size = fread(bytes, 1, sizeof bytes, file);
        (void)fclose(file);
    }
    (void)snprintf(path, sizeof path, "%s/Zone", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(setenv("TZDIR", folder, 1), 0);
}

static void remove_zone(const char *folder)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/Zone", folder);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(unsetenv("TZDIR"), 0);
}

/* While nothing reads it, it makes no difference whether the process was a new one meanwhile: it
 * has nothing but its state. */
static void a_zone_that_is_gone_or_damaged_is_looked_for_again_and_no_time_is_lost(void **state)
{
    (void)state;
    char folder[] = "/tmp/zones-XXXXXX";
    assert_non_null(mkdtemp(folder));
    set_zone(folder, "Europe/Berlin");
    put("{\"rule\":\"* * * * * *\",\"zone\":\"Zone\",\"orchestrator\":\"R\","
        "\"overlap\":\"allow\",\"missed\":\"all\"}");
    stage.now += 3000;
    for (int i = 0; i < 4; i++) { /* as often as it looks */
        if (i < 2) {
            set_zone(folder, NULL);
        } else {
            assert_int_equal(setenv("TZDIR", "/nowhere", 1), 0);
        }
        assert_int_equal(stage_go_on(&stage, &got), 1);
        assert_true(stage_has(&stage, i < 2 ? "time zone 'Zone' is damaged"
                                            : "there is no time zone 'Zone'"));
        assert_true(stage_has(&stage, "\"status\":\"active\""));
        assert_int_equal(stage.signal_count, 1);
        assert_int_equal(stage.signals[0].at, stage.now + 60000);
        stage.now += 60000;
    }
    assert_int_equal(got.count, 0);
    set_zone(folder, "Europe/Berlin");
    assert_true(stage_go_on(&stage, &got) > 0);
    assert_int_equal(got.count, 243);
    assert_false(stage_has(&stage, "problem"));
    remove_zone(folder);
}

/* 2026-03-29T01:00Z: each day at nine, in a zone that is another one from the tenth day on. */
static void a_zone_whose_file_changes_is_gone_by_within_a_day(void **state)
{
    (void)state;
    char folder[] = "/tmp/zones-XXXXXX";
    assert_non_null(mkdtemp(folder));
    set_zone(folder, "Asia/Tokyo");
    put("{\"rule\":\"0 9 20 * *\",\"zone\":\"Zone\",\"orchestrator\":\"R\",\"overlap\":\"allow\","
        "\"missed\":\"none\"}"); /* at midnight UTC */
    long long planned = number("next");
    for (int hour = 0; hour < 30 * 24; hour++) {
        if (hour == 240) {
            set_zone(folder, "Etc/GMT-14"); /* at 19:00 UTC of the day before */
        }
        stage.now += 3600 * 1000;
        (void)stage_go_on(&stage, &got);
        assert_int_equal(stage.signal_count, 1);
        assert_true(stage.signals[0].at <= stage.now + 86400 * 1000);
    }
    assert_int_equal(got.count, 1);
    assert_string_equal(got.ids[0], "k:2026-04-19T19:00:00Z");
    assert_int_equal(planned, INT64_C(1776643200000)); /* 2026-04-20T00:00Z */
    assert_int_equal(number("late"), 0);
    remove_zone(folder);
}

/* ---- what is owed ---------------------------------------------------------------------------- */

/* As perdure.h says of pd_hub_put_schedule. */
static void of_what_a_rule_owes_that_is_changed_a_hundred_start_and_the_rest_is_late(void **state)
{
    (void)state;
    put(every_second);
    stage.now += 250 * 1000;
    put("{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"overlap\":\"allow\",\"missed\":\"all\"}");
    assert_int_equal(got.count, 100);
    assert_int_equal(number("started"), 100);
    assert_int_equal(number("late"), 150);
    assert_string_equal(got.ids[0], "k:2026-03-29T01:00:01Z");
    assert_string_equal(got.ids[99], "k:2026-03-29T01:01:40Z");
    got.count = 0;
    (void)stage_go_on(&stage, &got); /* none of them later */
    assert_int_equal(got.count, 0);
}

static void a_hundred_that_are_owed_are_all_started_when_the_rule_is_changed(void **state)
{
    (void)state;
    put(every_second);
    stage.now += 100 * 1000;
    put("{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"overlap\":\"allow\",\"missed\":\"all\"}");
    assert_int_equal(got.count, 100);
    assert_int_equal(number("late"), 0);
}

/* One operation sends 512 MiB at most: what would need more would never be done. */
static void of_a_large_input_fewer_are_started_at_once_and_all_in_the_end(void **state)
{
    (void)state;
    enum { SIZE = 6 * 1024 * 1024 };
    char *json = malloc(SIZE + 256);
    assert_non_null(json);
    int head = snprintf(json, 256,
                        "{\"rule\":\"* * * * * *\",\"orchestrator\":\"R\",\"overlap\":\"allow\","
                        "\"missed\":\"all\",\"input\":\"");
    memset(json + head, 'x', SIZE);
    (void)snprintf(json + head + SIZE, 3, "\"}");
    put(json);
    free(json);
    stage.now += 100 * 1000;
    assert_int_equal(stage_go_on(&stage, &got), 20); /* of 5 each: 32 MiB */
    assert_int_equal(got.count, 100);
    assert_int_equal(number("started"), 100);
}

#define ROW(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(what_a_state_has_beside_is_kept_until_it_is_put_anew),
        ROW(a_state_without_one_of_its_members_goes_on),
        ROW(a_state_that_does_not_say_what_was_met_begins_now),
        ROW(a_state_that_is_none_says_so_and_can_be_put_triggered_and_deleted),
        ROW(what_is_put_and_not_understood_is_refused_and_changes_nothing),
        ROW(a_zone_that_is_gone_or_damaged_is_looked_for_again_and_no_time_is_lost),
        ROW(a_zone_whose_file_changes_is_gone_by_within_a_day),
        ROW(of_what_a_rule_owes_that_is_changed_a_hundred_start_and_the_rest_is_late),
        ROW(a_hundred_that_are_owed_are_all_started_when_the_rule_is_changed),
        ROW(of_a_large_input_fewer_are_started_at_once_and_all_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
