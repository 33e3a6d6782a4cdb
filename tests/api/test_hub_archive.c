/* SPDX-License-Identifier: MIT
 *
 * Export and import: what has ended is there as it was, what runs goes on; what is read while it
 * changes fits together; files that are damaged, cut off or in the way.
 */
#include "hub_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---------------------------------------------------------------------------------- */

struct place {
    char folder[64], path[96];
};

static struct place place_make(void)
{
    struct place place;
    const char *temporary = getenv("TMPDIR");
    snprintf(place.folder, sizeof(place.folder), "%s/pd-pda-XXXXXX",
             temporary != NULL && strlen(temporary) < 40 ? temporary : "/tmp");
    assert_non_null(mkdtemp(place.folder));
    snprintf(place.path, sizeof(place.path), "%s/a.pda", place.folder);
    return place;
}

static void place_remove(struct place *place)
{
    unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0); /* nothing else was left there */
}

static char *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char bytes[1 << 20];
    *ret_size = fread(bytes, 1, sizeof(bytes), file);
    assert_true(*ret_size < sizeof(bytes));
    fclose(file);
    char *copy = malloc(*ret_size + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, *ret_size);
    return copy;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* ---- short forms ---------------------------------------------------------------------------- */

static uint64_t export_all(struct kit *kit, const char *path)
{
    pd_error err;
    uint64_t count = 99;
    kit_expect(pd_hub_export(kit->hub, NULL, path, &count, &err), PD_OK, &err, "export");
    return count;
}

/* Another hub, in memory. */
static struct kit other_open(void)
{
    pd_error err;
    struct kit other = { .hub = pd_hub_open("memory:?partitions=2", &err) };
    assert_non_null(other.hub);
    return other;
}

static void other_close(struct kit *other)
{
    pd_worker_stop(other->worker);
    pd_hub_close(other->hub);
}

static void import_all(struct kit *kit, const char *path, uint64_t wanted)
{
    pd_error err;
    uint64_t count = 99;
    kit_expect(pd_hub_import(kit->hub, path, &count, &err), PD_OK, &err, "import");
    assert_int_equal(count, wanted);
}

static void assert_same_history(struct kit *a, struct kit *b, const char *id)
{
    pd_error err;
    pd_history *left = pd_hub_fetch_history(a->hub, id, &err);
    pd_history *right = pd_hub_fetch_history(b->hub, id, &err);
    assert_non_null(left);
    assert_non_null(right);
    assert_int_equal(pd_history_count(left), pd_history_count(right));
    for (size_t i = 0; i < pd_history_count(left); i++) {
        const pd_history_event *l = pd_history_at(left, i);
        const pd_history_event *r = pd_history_at(right, i);
        assert_string_equal(l->kind, r->kind);
        assert_int_equal(l->at_us, r->at_us);
        kit_assert_json(r->input_json, l->input_json);
        kit_assert_json(r->result_json, l->result_json);
    }
    pd_history_free(left);
    pd_history_free(right);
}

/* ---- there and back ------------------------------------------------------------------------- */

static void fill(struct kit *kit)
{
    pd_error err;
    pd_start_options options = { .id = "done", .version = "3", .tags = PD_OBJ("k", "v").value_ };
    kit_work(kit);
    kit_expect(pd_hub_start(kit->hub, "Hello", PD_ARR("Rome"), &options, NULL, &err), PD_OK, &err,
               "start");
    kit_start(kit, "Fails", PD_VAL("x"), "failed", NULL);
    kit_start(kit, "Collect", PD_VAL(3), "runs", NULL);
    kit_start(kit, "Tell", PD_VAL("told"), "ended", NULL);
    kit_assert_ends(kit, "done", PD_RUN_COMPLETED, "[\"Hello Rome!\"]");
    kit_assert_ends(kit, "failed", PD_RUN_FAILED, "null");
    kit_raise(kit, "runs", "item", PD_VAL(1));
    kit_await_state(kit, "ended", PD_RUN_RUNNING);
    kit_expect(pd_hub_terminate(kit->hub, "ended", "r", false, &err), PD_OK, &err, "terminate");
    kit_expect(pd_hub_suspend(kit->hub, "runs", NULL, &err), PD_OK, &err, "suspend");
    kit_raise(kit, "runs", "item", PD_VAL(2)); /* in the inbox */
}

static void assert_arrived(struct kit *kit, struct kit *other)
{
    pd_error err;
    static const char *const ids[] = { "done", "failed", "ended" };
    for (size_t i = 0; i < 3; i++) {
        pd_instance *was = kit_wait(kit, ids[i]);
        pd_instance *is = kit_wait(other, ids[i]);
        assert_int_equal(pd_instance_state(is), pd_instance_state(was));
        assert_int_equal(pd_instance_created_at(is).ms, pd_instance_created_at(was).ms);
        assert_int_equal(pd_instance_ended_at(is).ms, pd_instance_ended_at(was).ms);
        assert_string_equal(pd_instance_execution_id(is), pd_instance_execution_id(was));
        assert_string_equal(pd_instance_output_json(is), pd_instance_output_json(was));
        assert_string_equal(pd_instance_input_json(is), pd_instance_input_json(was));
        assert_string_equal(pd_instance_status_json(is), pd_instance_status_json(was));
        if (pd_instance_failure(was) != NULL) {
            assert_string_equal(pd_instance_failure(is)->message,
                                pd_instance_failure(was)->message);
        }
        pd_instance_free(was);
        pd_instance_free(is);
        assert_same_history(kit, other, ids[i]);
    }
    pd_instance *done = kit_wait(other, "done");
    assert_string_equal(pd_instance_tag(done, "k"), "v");
    assert_string_equal(pd_instance_version(done), "3");
    pd_instance_free(done);
    kit_await_state(other, "runs", PD_RUN_SUSPENDED);
    kit_expect(pd_hub_resume(other->hub, "runs", NULL, &err), PD_OK, &err, "resume");
    kit_raise(other, "runs", "item", PD_VAL(33));
    kit_assert_ends(other, "runs", PD_RUN_COMPLETED, "[1,2,33]");
    kit_await_state(kit, "runs", PD_RUN_SUSPENDED); /* there nothing happened */
}

static void what_is_exported_arrives_in_another_hub_and_goes_on(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    fill(kit);
    assert_int_equal(export_all(kit, place.path), 4);
    struct kit with_engine = other_open();
    kit_work(&with_engine);
    import_all(&with_engine, place.path, 4);
    assert_arrived(kit, &with_engine);
    other_close(&with_engine);

    struct kit through_mail = other_open();
    import_all(&through_mail, place.path, 4);
    assert_int_equal(kit_count(&through_mail, (pd_query){ .states = 1u << PD_RUN_PENDING }), 4);
    kit_work(&through_mail);
    assert_arrived(kit, &through_mail);
    other_close(&through_mail);
    place_remove(&place);
}

static void an_export_that_was_imported_exports_the_same(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    pd_error err;
    fill(kit);
    pd_query ended = { .ended_from = { 1 } };
    kit_expect(pd_hub_export(kit->hub, &ended, place.path, NULL, &err), PD_OK, &err, "export");
    size_t size = 0;
    char *before = read_file(place.path, &size);
    struct kit other = { .hub = pd_hub_open("memory:", &err) }; /* rows as they come */
    kit_work(&other);
    import_all(&other, place.path, 3);
    assert_int_equal(export_all(&other, place.path), 3);
    size_t again = 0;
    char *after = read_file(place.path, &again);
    assert_int_equal(again, size);
    assert_memory_equal(after, before, size);
    free(before);
    free(after);
    other_close(&other);
    place_remove(&place);
}

static void only_what_a_query_finds_is_exported(void **state)
{
    struct kit *kit = *state;
    served_skip("its engine takes what was mailed at once");
    struct place place = place_make();
    pd_error err;
    fill(kit);
    kit_rest(kit);
    kit_start(kit, "Echo", PD_VAL(1), "mailed", NULL);
    assert_int_equal(export_all(kit, place.path), 4); /* nobody has taken it yet */
    pd_query q = { .tag = "k=v", .page_size = 1 };
    uint64_t count = 0;
    kit_expect(pd_hub_export(kit->hub, &q, place.path, &count, &err), PD_OK, &err, "export");
    assert_int_equal(count, 1);
    struct kit other = other_open();
    import_all(&other, place.path, 1);
    assert_int_equal(kit_count(&other, (pd_query){ .id_prefix = "done" }), 1);
    other_close(&other);
    q = (pd_query){ .id_prefix = "nobody" };
    kit_expect(pd_hub_export(kit->hub, &q, place.path, &count, &err), PD_OK, &err, "export");
    assert_int_equal(count, 0);
    import_all(kit, place.path, 0);
    place_remove(&place);
}

static void an_import_stops_at_the_first_id_that_is_taken(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    pd_error err;
    fill(kit);
    export_all(kit, place.path);
    for (int with_engine = 0; with_engine < 2; with_engine++) {
        struct kit other = other_open();
        kit_work(&other);
        kit_start(&other, "Echo", PD_VAL(1), "runs", NULL); /* the third; ended or not */
        pd_instance_free(kit_wait(&other, "runs"));
        if (!with_engine) {
            kit_rest(&other);
        }
        uint64_t count = 99;
        assert_int_equal(pd_hub_import(other.hub, place.path, &count, &err), PD_E_EXISTS);
        assert_int_equal(count, 2);
        assert_int_equal(kit_count(&other, (pd_query){ 0 }), 3);
        other_close(&other);
    }
    place_remove(&place);
}

/* ---- while it changes ----------------------------------------------------------------------- */

enum { COLLECTORS = 5, ITEMS = 60 };

static void *raise_all(void *argument)
{
    struct kit *kit = argument;
    for (int i = 0; i < ITEMS; i++) {
        for (int c = 0; c < COLLECTORS; c++) {
            char id[16];
            snprintf(id, sizeof(id), "c%d", c);
            kit_raise(kit, id, "item", PD_VAL(i));
        }
    }
    return NULL;
}

/* What was imported had taken 0, 1, ... k - 1; it is given 0, 1, ... and must collect both, without
 * a gap between them. */
static void assert_none_lost_or_twice(struct kit *other)
{
    for (int i = 0; i < ITEMS; i++) {
        for (int c = 0; c < COLLECTORS; c++) {
            char id[16];
            pd_error err;
            snprintf(id, sizeof(id), "c%d", c);
            pd_status status = pd_hub_raise_event(other->hub, id, "item", i, &err);
            assert_true(status == PD_OK || status == PD_E_STATE);
        }
    }
    for (int c = 0; c < COLLECTORS; c++) {
        char id[16];
        snprintf(id, sizeof(id), "c%d", c);
        pd_instance *i = kit_wait(other, id);
        pd_value output = pd_instance_output(i);
        assert_int_equal(pd_count(output), ITEMS);
        int64_t wanted = 0;
        bool has_turned = false;
        for (size_t at = 0; at < ITEMS; at++) {
            int64_t got = pd_int(pd_at(output, at));
            if (got != wanted && got == 0 && !has_turned) {
                has_turned = true;
                wanted = 0;
            }
            if (got != wanted) {
                fail_msg("%s: %s", id, pd_instance_output_json(i));
            }
            wanted++;
        }
        pd_instance_free(i);
    }
}

static void what_is_exported_while_it_changes_fits_together(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    pthread_t thread;
    kit_work(kit);
    for (int c = 0; c < COLLECTORS; c++) {
        char id[16];
        snprintf(id, sizeof(id), "c%d", c);
        kit_start(kit, "Collect", PD_VAL(ITEMS), id, NULL);
    }
    assert_int_equal(pthread_create(&thread, NULL, raise_all, kit), 0);
    for (int round = 0; round < 15; round++) {
        struct kit other = other_open();
        kit_work(&other);
        import_all(&other, place.path, export_all(kit, place.path));
        assert_none_lost_or_twice(&other);
        other_close(&other);
    }
    pthread_join(thread, NULL);
    place_remove(&place);
}

/* ---- files that are none -------------------------------------------------------------------- */

static void a_file_that_is_cut_off_anywhere_is_corrupt(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    pd_error err;
    fill(kit);
    export_all(kit, place.path);
    size_t size = 0;
    char *bytes = read_file(place.path, &size);
    uint64_t whole = 0;
    for (size_t cut = 0; cut <= size; cut++) {
        uint64_t count = 99;
        struct kit other = other_open();
        write_file(place.path, bytes, cut);
        pd_status status = pd_hub_import(other.hub, place.path, &count, &err);
        if (status == PD_OK) { /* a whole number of instances */
            assert_int_equal(count, cut == 8 ? 0 : whole + 1);
            whole = count;
        } else {
            assert_int_equal(status, PD_E_CORRUPT);
            assert_int_equal(count, 0); /* also of those that are whole */
        }
        assert_int_equal(kit_count(&other, (pd_query){ 0 }), count);
        other_close(&other);
    }
    assert_int_equal(whole, 4);
    free(bytes);
    place_remove(&place);
}

/* Whatever comes in, the engine that takes it goes on. */
static void a_file_that_is_damaged_does_no_harm(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    fill(kit);
    export_all(kit, place.path);
    size_t size = 0;
    char *bytes = read_file(place.path, &size);
    int taken = 0, refused = 0;
    for (size_t at = 8; at < size; at += 3) {
        pd_error err;
        uint64_t count = 0;
        char was = bytes[at];
        struct kit other = other_open();
        bytes[at] = (char)(was ^ (1 << at % 8));
        write_file(place.path, bytes, size);
        bytes[at] = was;
        pd_status status = pd_hub_import(other.hub, place.path, &count, &err);
        assert_true(status == PD_OK || status == PD_E_CORRUPT || status == PD_E_EXISTS);
        refused += status != PD_OK;
        taken += count > 0;
        if (count > 0) {
            kit_work(&other);
            kit_start(&other, "Echo", PD_VAL(1), "sane", NULL);
            kit_assert_ends(&other, "sane", PD_RUN_COMPLETED, "1");
        }
        other_close(&other);
    }
    assert_true(taken > 0 && refused > 0);
    free(bytes);
    place_remove(&place);
}

static void a_file_that_is_something_else_is_told(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    pd_error err;
    static const struct {
        const char *bytes;
        size_t size;
    } none[] = { { "", 0 },
                 { "PDARCH1", 7 },
                 { "PDARCH2\nxxxx", 12 },
                 { "{\"a\": 1}\n", 9 },
                 { "PDARCH1\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 19 },
                 { "PDARCH1\n\x80\x80\x80\x80\x08\x01", 14 } /* far more than there is */ };
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        write_file(place.path, none[i].bytes, none[i].size);
        assert_int_equal(pd_hub_import(kit->hub, place.path, NULL, &err), PD_E_CORRUPT);
    }
    unlink(place.path);
    assert_int_equal(pd_hub_import(kit->hub, place.path, NULL, &err), PD_E_DENIED);
    assert_int_equal(pd_hub_import(kit->hub, NULL, NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_import(kit->hub, "", NULL, &err), PD_E_INVALID);
    place_remove(&place);
}

/* As no hub writes it: two are each other's children. */
static void who_is_its_own_ancestor_is_imported_all_the_same(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    pd_error err;
    kit_work(kit);
    kit_start(kit, "Parent", PD_OBJ("name", "WaitFor", "id", "AAAA", "input", "x").value_, "BBBB",
              NULL);
    kit_start(kit, "Parent", PD_OBJ("name", "WaitFor", "id", "DDDD", "input", "x").value_, "CCCC",
              NULL);
    kit_await_state(kit, "AAAA", PD_RUN_RUNNING);
    kit_await_state(kit, "DDDD", PD_RUN_RUNNING);
    export_all(kit, place.path);
    size_t size = 0;
    char *bytes = read_file(place.path, &size);
    for (size_t i = 0; i + 4 <= size; i++) {
        if (memcmp(bytes + i, "BBBB", 4) == 0 || memcmp(bytes + i, "CCCC", 4) == 0) {
            memset(bytes + i, bytes[i] == 'B' ? 'D' : 'A', 4);
        }
    }
    write_file(place.path, bytes, size);
    struct kit other = other_open();
    uint64_t count = 99;
    /* The two that were their parents have their names now. */
    assert_int_equal(pd_hub_import(other.hub, place.path, &count, &err), PD_E_EXISTS);
    assert_int_equal(count, 2);
    other_close(&other);
    free(bytes);
    place_remove(&place);
}

static void an_export_leaves_what_is_there_until_it_is_complete(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    pd_error err;
    char nowhere[128];
    uint64_t count = 77;
    snprintf(nowhere, sizeof(nowhere), "%s/no/such.pda", place.folder);
    assert_int_equal(pd_hub_export(kit->hub, NULL, nowhere, &count, &err), PD_E_DENIED);
    assert_int_equal(pd_hub_export(kit->hub, NULL, place.folder, &count, &err), PD_E_DENIED);
    assert_int_equal(pd_hub_export(kit->hub, NULL, "/dev/null", &count, &err), PD_E_DENIED);
    assert_int_equal(pd_hub_export(kit->hub, NULL, NULL, &count, &err), PD_E_INVALID);
    assert_int_equal(count, 77);
    write_file(place.path, "old", 3);
    pd_query bad = { .tag = "none" };
    assert_int_equal(pd_hub_export(kit->hub, &bad, place.path, NULL, &err), PD_E_INVALID);
    size_t size = 0;
    char *bytes = read_file(place.path, &size);
    assert_int_equal(size, 3);
    free(bytes);
    assert_int_equal(export_all(kit, place.path), 0);
    bytes = read_file(place.path, &size);
    assert_int_equal(size, 8);
    free(bytes);
    place_remove(&place);
}

/* Three generations that wait: the youngest for an event, each other for its child. */
static void a_family_that_runs_is_imported_whole(void **state)
{
    struct kit *kit = *state;
    struct place place = place_make();
    kit_work(kit);
    pd_value youngest = PD_OBJ("name", "WaitFor", "id", "youngest", "input", "go").value_;
    pd_value middle = PD_OBJ("name", "Parent", "id", "middle", "input", youngest).value_;
    kit_start(kit, "Parent", middle, "oldest", NULL);
    kit_await_state(kit, "youngest", PD_RUN_RUNNING);
    assert_int_equal(export_all(kit, place.path), 3);
    for (int through_mail = 0; through_mail < 2; through_mail++) {
        struct kit other = other_open();
        if (!through_mail) {
            kit_work(&other);
        }
        import_all(&other, place.path, 3);
        if (through_mail) {
            kit_work(&other);
        }
        kit_await_state(&other, "youngest", PD_RUN_RUNNING);
        assert_same_history(kit, &other, "youngest"); /* it goes on, and was not begun anew */
        kit_raise(&other, "youngest", "go", PD_VAL(5));
        kit_assert_ends(&other, "oldest", PD_RUN_COMPLETED, "5");
        other_close(&other);
    }
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(what_is_exported_arrives_in_another_hub_and_goes_on),
        HUB_TEST(a_family_that_runs_is_imported_whole),
        HUB_TEST(an_export_that_was_imported_exports_the_same),
        HUB_TEST(only_what_a_query_finds_is_exported),
        HUB_TEST(an_import_stops_at_the_first_id_that_is_taken),
        HUB_TEST(what_is_exported_while_it_changes_fits_together),
        HUB_TEST(a_file_that_is_cut_off_anywhere_is_corrupt),
        HUB_TEST(a_file_that_is_damaged_does_no_harm),
        HUB_TEST(who_is_its_own_ancestor_is_imported_all_the_same),
        HUB_TEST(a_file_that_is_something_else_is_told),
        HUB_TEST(an_export_leaves_what_is_there_until_it_is_complete),
    };
    return cmocka_run_group_tests_name("hub/archive", tests, NULL, NULL);
}
