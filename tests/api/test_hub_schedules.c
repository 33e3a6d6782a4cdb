/* SPDX-License-Identifier: MIT
 *
 * Schedules, in real time: every second.
 */
#include "entity_kit.h"
#include "process_kit.h"
#include "schedule_kit.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what is due ----------------------------------------------------------------------------- */

static void each_time_that_is_due_starts_one_instance_with_its_input_and_tags(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    sched_put(kit, &(pd_schedule){ .id = "s",
                                   .rule = "* * * * * *",
                                   .orchestrator = "Echo",
                                   .input = PD_VAL(PD_OBJ("a", 1)),
                                   .version = "2.1",
                                   .tags = PD_VAL(PD_OBJ("team", "x")) });
    sched_await_number(kit, "s", "started", 3);
    sched_order(kit, "s", PD_SCHEDULE_PAUSE);
    sched_await_text(kit, "s", "status", "paused");
    int64_t started = sched_number(kit, "s", "started");
    assert_int_equal(sched_number(kit, "s", "next"), 0);
    assert_int_equal(sched_instances(kit, "s:"), started);
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, "s"));
    pd_value last = pd_get(pd_entity_view_state(view), "last");
    const char *id = pd_text(pd_get(last, "id"));
    pd_time due = { pd_int(pd_get(last, "due")) };
    assert_int_equal(due.ms % 1000, 0);
    assert_string_equal(id, sched_id_after("s", due, 0));
    for (int i = 0; i < started; i++) {
        kit_assert_ends(kit, sched_id_after("s", due, -i), PD_RUN_COMPLETED, "{\"a\":1}");
    }
    pd_instance *instance = kit_fetch(kit, id);
    assert_string_equal(pd_instance_version(instance), "2.1");
    assert_string_equal(pd_instance_tag(instance, "team"), "x");
    assert_string_equal(pd_instance_tag(instance, PD_SCHEDULE), "s");
    pd_instance_free(instance);
    pd_entity_view_free(view);
}

static void an_interval_counts_from_where_it_begins_and_ends_where_it_is_said(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    pd_time begins = pd_after(sched_now(), pd_milliseconds(700));
    sched_put(kit, &(pd_schedule){ .id = "i",
                                   .rule = "@every 1s",
                                   .orchestrator = "Echo",
                                   .begins = begins,
                                   .ends = pd_after(begins, pd_milliseconds(1000)) });
    sched_await_text(kit, "i", "status", "over");
    assert_int_equal(sched_number(kit, "i", "started"), 2); /* at its end too */
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, "i"));
    pd_value last = pd_get(pd_entity_view_state(view), "last");
    assert_int_equal(pd_int(pd_get(last, "due")), begins.ms + 1000);
    pd_entity_view_free(view);
}

static void a_paused_one_is_resumed_from_then_on_triggered_and_deleted(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work(kit, NULL);
    sched_put(kit,
              &(pd_schedule){
                  .id = "p", .rule = "* * * * * *", .orchestrator = "Echo", .is_paused = true });
    sched_await_text(kit, "p", "status", "paused");
    kit_sleep_ms(2100);
    assert_int_equal(sched_number(kit, "p", "started"), 0);
    sched_order(kit, "p", PD_SCHEDULE_TRIGGER);
    sched_await_number(kit, "p", "started", 1);
    sched_order(kit, "p", PD_SCHEDULE_RESUME);
    sched_await_number(kit, "p", "started", 2);
    assert_int_equal(sched_number(kit, "p", "late"), 0);
    sched_order(kit, "p", PD_SCHEDULE_DELETE);
    for (int i = 0; i < 1000 && ent_exists(kit, PD_ENTITY(PD_SCHEDULE, "p")); i++) {
        kit_sleep_ms(5);
    }
    uint64_t count = sched_instances(kit, "p:");
    kit_sleep_ms(1500);
    assert_int_equal(sched_instances(kit, "p:"), count);
    assert_false(ent_exists(kit, PD_ENTITY(PD_SCHEDULE, "p")));
    assert_int_equal(pd_hub_order_schedule(kit->hub, "p", PD_SCHEDULE_PAUSE, &err), PD_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "'p'"));
}

static void one_that_is_put_again_goes_by_its_new_rule_only(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    sched_put(kit, &(pd_schedule){ .id = "r", .rule = "* * * * * *", .orchestrator = "Echo" });
    sched_await_number(kit, "r", "started", 1);
    sched_put(kit, &(pd_schedule){ .id = "r",
                                   .rule = "30 8 * * 1",
                                   .zone = "Europe/Berlin",
                                   .orchestrator = "Hello" });
    sched_await_text(kit, "r", "orchestrator", "Hello");
    int64_t started = sched_number(kit, "r", "started");
    pd_time next = { sched_number(kit, "r", "next") };
    assert_true(next.ms > sched_now().ms && next.ms < sched_now().ms + 8 * INT64_C(86400000));
    kit_sleep_ms(1500);
    assert_int_equal(sched_number(kit, "r", "started"), started);
}

/* ---- overlap --------------------------------------------------------------------------------- */

static void of_times_that_meet_one_that_runs_none_one_or_all_are_started(void **state)
{
    struct kit *kit = *state;
    ent_work_with(kit, kit_program, 0, NULL);
    static const pd_overlap overlaps[] = { PD_OVERLAP_SKIP, PD_OVERLAP_BUFFER, PD_OVERLAP_ALLOW };
    static const char *const ids[] = { "skip", "buffer", "allow" };
    for (int i = 0; i < 3; i++) {
        sched_put(kit, &(pd_schedule){
                           .id = ids[i],
                           .rule = "* * * * * *",
                           .orchestrator = "Hold",
                           .input = PD_VAL(PD_OBJ("name", "Counter", "key", ids[i])),
                           .overlap = overlaps[i],
                       });
    }
    sched_await_number(kit, "skip", "skipped", 2);
    sched_await_number(kit, "buffer", "skipped", 1);
    sched_await_number(kit, "allow", "started", 3);
    assert_int_equal(sched_number(kit, "skip", "started"), 1);
    assert_int_equal(sched_number(kit, "buffer", "started"), 1);
    assert_int_equal(sched_number(kit, "allow", "skipped"), 0);
    for (int i = 0; i < 3; i++) {
        sched_order(kit, ids[i], PD_SCHEDULE_PAUSE);
        sched_await_text(kit, ids[i], "status", "paused");
    }
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, "buffer"));
    char first[64];
    (void)snprintf(first, sizeof first, "%s",
                   pd_text(pd_get(pd_entity_view_state(view), "running")));
    pd_entity_view_free(view);
    assert_int_equal(strncmp(first, "buffer:", 7), 0);
    kit_raise(kit, first, "go", PD_NULL);
    kit_assert_ends(kit, first, PD_RUN_COMPLETED, "1");
    sched_await_number(kit, "buffer", "started",
                       2); /* the one that was kept, though it is paused */
    view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, "skip"));
    (void)snprintf(first, sizeof first, "%s",
                   pd_text(pd_get(pd_entity_view_state(view), "running")));
    pd_entity_view_free(view);
    kit_raise(kit, first, "go", PD_NULL);
    sched_await_text(kit, "skip", "running", "");
    sched_order(kit, "skip", PD_SCHEDULE_RESUME);
    sched_await_number(kit, "skip", "started", 2);
}

static void one_that_failed_makes_way_as_well(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    sched_put(kit, &(pd_schedule){ .id = "f", .rule = "* * * * * *", .orchestrator = "Nobody" });
    if (served_is_wanted()) {
        served_skip("what no worker knows waits");
        return;
    }
    sched_await_number(kit, "f", "started", 2);
    sched_order(kit, "f", PD_SCHEDULE_DELETE);
}

/* ---- what was missed ------------------------------------------------------------------------- */

static void of_what_was_missed_the_last_none_or_all_are_started(void **state)
{
    struct kit *kit = *state;
    if (served_is_wanted()) {
        served_skip("the engine of a server is always there");
        return;
    }
    ent_work(kit, NULL);
    static const pd_missed misses[] = { PD_MISSED_LAST, PD_MISSED_NONE, PD_MISSED_ALL,
                                        PD_MISSED_ALL };
    static const char *const ids[] = { "last", "none", "all", "young" };
    pd_time begins = pd_after(sched_now(), pd_milliseconds(400));
    for (int i = 0; i < 4; i++) {
        sched_put(kit, &(pd_schedule){
                           .id = ids[i],
                           .rule = "@every 1s",
                           .orchestrator = "Echo",
                           .begins = begins,
                           .ends = pd_after(begins, pd_milliseconds(4000)), /* 5 times */
                           .overlap = PD_OVERLAP_ALLOW,
                           .missed = misses[i],
                           .missed_max = pd_milliseconds(i == 3 ? 3000 : 0),
                       });
        sched_await_text(kit, ids[i], "status", "active");
    }
    kit_rest(kit);
    kit_sleep_ms(begins.ms + 5500 - sched_now().ms); /* late by 5.5, 4.5, 3.5, 2.5, 1.5 s */
    ent_work(kit, NULL);
    static const int started[] = { 1, 0, 5, 2 };
    for (int i = 0; i < 4; i++) {
        sched_await_text(kit, ids[i], "status", "over");
        char prefix[16];
        (void)snprintf(prefix, sizeof prefix, "%s:", ids[i]);
        assert_int_equal(sched_number(kit, ids[i], "started"), started[i]);
        assert_int_equal(sched_number(kit, ids[i], "late"), 5 - started[i]);
        assert_int_equal(sched_instances(kit, prefix), started[i]);
    }
}

static void nothing_is_started_twice_or_left_out_by_an_engine_that_dies(void **state)
{
    struct kit *kit = *state;
    if (served_is_wanted()) {
        served_skip("an engine of its own is killed");
        return;
    }
    /* It counts from when it is put, by an engine: so before it begins, or a time is left out. */
    pd_time begins = pd_after(sched_now(), pd_milliseconds(3000));
    ent_work(kit, NULL);
    sched_put(kit, &(pd_schedule){ .id = "k",
                                   .rule = "@every 1s",
                                   .orchestrator = "Echo",
                                   .begins = begins,
                                   .ends = pd_after(begins, pd_milliseconds(5000)),
                                   .missed = PD_MISSED_ALL });
    sched_await_text(kit, "k", "status", "active");
    assert_int_equal(sched_number(kit, "k", "next"), begins.ms);
    kit_rest(kit);
    int64_t first_death = begins.ms - 300;
    kit_sleep_ms(first_death > sched_now().ms ? first_death - sched_now().ms : 0);
    for (int i = 0; i < 12; i++) {
        struct engine engine = engine_begin(kit, entity_program, entity_program_size);
        kit_sleep_ms(20 + 97 * (i % 5));
        engine_kill(&engine);
    }
    ent_work(kit, NULL);
    sched_await_text(kit, "k", "status", "over");
    for (int i = 0; i < 2000 && !sched_has_text(kit, "k", "running", ""); i++) {
        kit_sleep_ms(5);
    }
    int64_t started = sched_number(kit, "k", "started"),
            skipped = sched_number(kit, "k", "skipped");
    assert_int_equal(started + skipped, 6);
    assert_int_equal(sched_number(kit, "k", "late"), 0);
    assert_int_equal(sched_instances(kit, "k:"), started);
}

/* Clients may start it: with an HTTP request, or a delivery, they would speak as the server. */
static void an_activity_of_perdures_own_is_called_for_nobody(void **state)
{
    struct kit *kit = *state;
    static const char *const names[] = { "perdure.deliver", "perdure.request",
                                         "BuiltIn::HttpActivity", "BuiltIn__HttpActivity" };
    ent_work(kit, NULL);
    for (int i = 0; i < 4; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "%s:%d", served_is_wanted() ? "n" : "perdure.notify", i);
        kit_start(kit, "perdure.activity", PD_VAL(PD_OBJ("activity", names[i])), id, NULL);
        ent_assert_fails(kit, id, "Misuse", NULL);
    }
}

/* ---- what is no schedule --------------------------------------------------------------------- */

static void what_is_no_schedule_is_refused_and_changes_nothing(void **state)
{
    struct kit *kit = *state;
    char longest[202];
    memset(longest, 'x', sizeof longest - 1);
    longest[200] = longest[201] = '\0';
    const pd_schedule good = { .id = longest, .rule = "@yearly", .orchestrator = "Echo" };
    sched_put(kit, &good);
    longest[200] = 'x';
    static const char *const says[] = { "'xxx",
                                        "'' is empty",
                                        "'a@b' has an '@'",
                                        "no rule; write one such as",
                                        "minute '61'",
                                        "'Mars/Olympus'",
                                        "has no orchestrator; give the name",
                                        "ends (1970-01-01T00:00:02.000000Z)",
                                        "missed_max is -1 ms",
                                        "tags",
                                        "3 is no pd_overlap",
                                        "-1 is no pd_missed",
                                        "'perdure.notify' is Perdure's own",
                                        "'perdure.notify' is Perdure's own",
                                        "'begins' is -1 ms",
                                        "9999",
                                        "a control character" };
    enum { BAD = sizeof says / sizeof says[0] };
    pd_schedule bad[BAD];
    for (int i = 0; i < BAD; i++) {
        bad[i] = good;
        bad[i].id = "b";
    }
    bad[0].id = longest;
    bad[1].id = "";
    bad[2].id = "a@b";
    bad[3].rule = NULL;
    bad[4].rule = "61 * * * *";
    bad[5].zone = "Mars/Olympus";
    bad[6].orchestrator = "";
    bad[7].begins = (pd_time){ 2000 };
    bad[7].ends = (pd_time){ 2000 };
    bad[8].missed_max = pd_milliseconds(-1);
    bad[9].tags = PD_VAL(PD_OBJ("n", 1));
    bad[10].overlap = (pd_overlap)3;
    bad[11].missed = (pd_missed)-1;
    bad[12].id = "perdure.notify";
    bad[13].orchestrator = "perdure.notify";
    bad[14].begins = (pd_time){ -1 };
    bad[15].ends = (pd_time){ INT64_C(253402300800000) };
    bad[16].id = "a\nb";
    for (int i = 0; i < BAD; i++) {
        pd_error err = { 0 };
        assert_int_equal(pd_hub_put_schedule(kit->hub, &bad[i], &err), PD_E_INVALID);
        if (strstr(err.text, says[i]) == NULL) {
            fail_msg("%d is refused with: %s", i, err.text);
        }
    }
    pd_error err;
    assert_int_equal(pd_hub_order_schedule(kit->hub, "a@b", PD_SCHEDULE_PAUSE, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_order_schedule(kit->hub, "b", (pd_schedule_order)4, &err),
                     PD_E_INVALID);
    assert_int_equal(pd_hub_order_schedule(kit->hub, "b", PD_SCHEDULE_PAUSE, &err), PD_E_NOT_FOUND);
    ent_work(kit, NULL);
    longest[200] = '\0';
    sched_await_text(kit, longest, "status", "active");
    assert_false(ent_exists(kit, PD_ENTITY(PD_SCHEDULE, "b")));
}

/* The instances have one tag more: an operation that cannot start them would never be due again. */
static void what_would_keep_its_instances_from_starting_is_refused(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    char id[258], value[258], keys[65][16];
    pd_value tags[130];
    memset(value, 'v', sizeof value);
    value[256] = value[257] = '\0';
    for (int i = 0; i < 65; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%d", i);
        tags[2 * i] = PD_VAL(keys[i]);
        tags[2 * i + 1] = PD_VAL(value);
    }
    for (int i = 0; i < 257; i += 2) { /* 128 characters of two bytes */
        memcpy(id + i, "\xc3\xa4", 2);
    }
    id[256] = '\0';
    pd_schedule schedule = { .id = id, .rule = "* * * * * *", .orchestrator = "Echo" };
    schedule.tags = (pd_value){ .kind_ = PD_IS_OBJECT, .count_ = 63, .as_.items = tags };
    sched_put(kit, &schedule);
    schedule.tags.count_ = 64;
    assert_int_equal(pd_hub_put_schedule(kit->hub, &schedule, &err), PD_E_LIMIT);
    assert_non_null(strstr(err.text, "63"));
    tags[0] = PD_VAL(PD_SCHEDULE); /* its own, which it replaces */
    schedule.tags.count_ = 64;
    assert_int_equal(pd_hub_put_schedule(kit->hub, &schedule, NULL), PD_OK);
    schedule.tags.count_ = 1;
    value[256] = 'v';
    assert_int_equal(pd_hub_put_schedule(kit->hub, &schedule, &err), PD_E_LIMIT);
    assert_non_null(strstr(err.text, "256"));
    value[256] = '\0';
    schedule.tags.kind_ = PD_IS_ARRAY;
    assert_int_equal(pd_hub_put_schedule(kit->hub, &schedule, &err), PD_E_INVALID);
    schedule.tags = PD_NULL;
    id[256] = 'x';
    id[257] = '\0';
    assert_int_equal(pd_hub_put_schedule(kit->hub, &schedule, &err), PD_E_INVALID);
    assert_non_null(strstr(err.text, "256"));
    id[256] = '\0';
    ent_work(kit, NULL);
    sched_await_number(kit, id, "started", 1);
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, id));
    pd_value last = pd_get(pd_entity_view_state(view), "last");
    pd_instance *instance = NULL; /* perdure.run starts it, a moment later */
    for (int i = 0; i < 4000 && instance == NULL; i++) {
        instance = pd_hub_fetch(kit->hub, pd_text(pd_get(last, "id")), &err);
        kit_sleep_ms(instance == NULL ? 5 : 0);
    }
    assert_non_null(instance);
    assert_string_equal(pd_instance_tag(instance, PD_SCHEDULE), id);
    assert_string_equal(pd_instance_tag(instance, "k63"), value);
    pd_instance_free(instance);
    pd_entity_view_free(view);
    sched_order(kit, id, PD_SCHEDULE_DELETE);
}

/* What is added to it, by the entity and for its instances, is a payload too. */
static void the_largest_schedule_is_kept_and_started_and_a_larger_one_is_refused(void **state)
{
    enum { PAYLOAD = 65536, OWN = 4096 };
    struct kit *kit = *state;
    char id[201], url[200], input[PAYLOAD];
    pd_error err;
    if (served_is_wanted()) {
        served_skip("payload_max is the option of a server");
        return;
    }
    memset(id, '"', 200); /* two bytes each, as JSON */
    id[200] = '\0';
    memset(input, 'x', sizeof input);
    pd_hub_close(kit->hub);
    (void)snprintf(url, sizeof url, "%s?payload_max=65536", kit->url);
    kit->hub = pd_hub_open(url, &err);
    assert_non_null(kit->hub);
    pd_schedule schedule = { .id = id, .rule = "* * * * * *", .orchestrator = "Echo" };
    size_t rest = strlen("{\"rule\":\"* * * * * *\",\"orchestrator\":\"Echo\",\"input\":\"\","
                         "\"overlap\":\"skip\",\"missed\":\"last\"}");
    input[PAYLOAD - OWN - rest + 1] = '\0';
    schedule.input = PD_VAL(input);
    assert_int_equal(pd_hub_put_schedule(kit->hub, &schedule, &err), PD_E_LIMIT);
    assert_non_null(strstr(err.text, "61441 bytes of JSON with its input, and may have 61440"));
    input[PAYLOAD - OWN - rest] = '\0';
    sched_put(kit, &schedule);
    ent_work(kit, NULL);
    sched_await_number(kit, id, "started", 2);
    sched_order(kit, id, PD_SCHEDULE_TRIGGER);
    sched_await_number(kit, id, "triggered", 1);
    sched_order(kit, id, PD_SCHEDULE_DELETE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(each_time_that_is_due_starts_one_instance_with_its_input_and_tags),
        HUB_TEST(an_interval_counts_from_where_it_begins_and_ends_where_it_is_said),
        HUB_TEST(a_paused_one_is_resumed_from_then_on_triggered_and_deleted),
        HUB_TEST(one_that_is_put_again_goes_by_its_new_rule_only),
        HUB_TEST(of_times_that_meet_one_that_runs_none_one_or_all_are_started),
        HUB_TEST(one_that_failed_makes_way_as_well),
        HUB_TEST(of_what_was_missed_the_last_none_or_all_are_started),
        cmocka_unit_test_setup_teardown(nothing_is_started_twice_or_left_out_by_an_engine_that_dies,
                                        kit_open_file, kit_close),
        HUB_TEST(an_activity_of_perdures_own_is_called_for_nobody),
        HUB_TEST(what_is_no_schedule_is_refused_and_changes_nothing),
        HUB_TEST(what_would_keep_its_instances_from_starting_is_refused),
        cmocka_unit_test_setup_teardown(
            the_largest_schedule_is_kept_and_started_and_a_larger_one_is_refused, kit_open_file,
            kit_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
