/* SPDX-License-Identifier: MIT
 *
 * Looking at a store that may be another's: it shows what is there, and leaves no trace. */
#include "rig.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "store/sqlite/sqlite.h"

static const char *path_in(const struct world *world, const char *name)
{
    static char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", world->folder, name);
    return path;
}

static struct store *look(struct world *world, const char *name)
{
    char url[500];
    (void)snprintf(url, sizeof url, "sqlite:%s", path_in(world, name));
    return store_look(url, &world->err);
}

static int compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* All files of the folder, with what is in them: "hub0.db=1234:....". Not SQLite's -shm, where
 * readers note that they read, nor an empty -wal, which it leaves behind with that. */
static struct buffer traces(const struct world *world)
{
    struct dirent **names;
    struct buffer all;
    int count = scandir(world->folder, &names, NULL, compare);
    assert_true(count > 0);
    buffer_init(&all);
    for (int i = 0; i < count; i++) {
        struct stat what;
        FILE *file = NULL;
        size_t size = strlen(names[i]->d_name);
        bool is_shm = size > 4 && strcmp(names[i]->d_name + size - 4, "-shm") == 0;
        if (!is_shm && stat(path_in(world, names[i]->d_name), &what) == 0 &&
            S_ISREG(what.st_mode) && what.st_size > 0) {
            buffer_printf(&all, "%s=%lld:", names[i]->d_name, (long long)what.st_size);
            file = fopen(path_in(world, names[i]->d_name), "rb");
            assert_non_null(file);
            for (int c; (c = getc(file)) != EOF;) {
                buffer_add_byte(&all, (uint8_t)c);
            }
            (void)fclose(file);
        }
        free(names[i]);
    }
    free(names);
    return all;
}

static void assert_same_traces(struct buffer before, struct buffer after)
{
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.at, after.at, before.size);
    buffer_done(&before);
    buffer_done(&after);
}

static size_t count_in(struct world *world, struct store *store)
{
    struct store_query all = { .limit = 100 };
    struct record_page page = { NULL, 0, false };
    assert_ok(world, store->ops->query(store, &all, &world->arena, &page, &world->err));
    return page.count;
}

static void add(struct world *world, const char *id)
{
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, id, RUN_RUNNING);
    append(batch, row, 1, TEXT("turn"));
    commit_ok(world, batch);
}

static void it_shows_what_is_there_also_what_comes_meanwhile(void **state)
{
    struct world *world = *state;
    add(world, "a");
    struct store *store = look(world, "hub0.db");
    assert_non_null(store);
    assert_int_equal(store->partition_count, world->store->partition_count);
    assert_int_equal(count_in(world, store), 1);
    add(world, "b");
    assert_int_equal(count_in(world, store), 2);
    struct history_rows rows = { NULL, 0, 0 };
    assert_ok(world, store->ops->load_history(store, world->rows[0] - world->store->partition_count,
                                              0, &world->arena, &rows, &world->err));
    assert_int_equal(rows.count, 1);
    assert_text(rows.turns[0], TEXT("turn"));
    store_close(store);
    add(world, "c"); /* the engine has not noticed */
}

static void it_shows_entities(void **state)
{
    struct world *world = *state;
    struct store *store = look(world, "hub0.db");
    struct batch *batch = batch_for(world, 1);
    struct entity_query all = { .with_state = true, .limit = 10 };
    struct entity_page page;
    struct entity_record got;
    bool found = false;
    uint64_t row = make_entity(world, batch, "@counter@x");
    commit_ok(world, batch);
    assert_ok(world, store->ops->query_entities(store, &all, &world->arena, &page, &world->err));
    assert_int_equal(page.count, 1);
    assert_ok(world, store->ops->load_entity(store, TEXT("@counter@x"), 0, &world->arena, &got,
                                             &found, &world->err));
    assert_true(found);
    assert_int_equal(got.row, row);
    assert_text(got.state, page.items[0].state);
    store_close(store);
}

static void beside_an_engine_it_writes_nothing(void **state)
{
    struct world *world = *state;
    add(world, "a");
    struct buffer before = traces(world);
    struct store *store = look(world, "hub0.db");
    assert_non_null(store);
    assert_int_equal(count_in(world, store), 1);
    assert_same_traces(before, traces(world));
    store_close(store);
}

static void alone_it_writes_nothing_and_leaves_nothing(void **state)
{
    struct world *world = *state;
    add(world, "a");
    store_close(world->store);
    struct buffer before = traces(world);
    struct store *store = look(world, "hub0.db");
    assert_non_null(store);
    assert_int_equal(count_in(world, store), 1);
    store_close(store);
    assert_same_traces(before, traces(world));
    world->store = store_sqlite_open(path_in(world, "hub0.db"), 1, NULL, &world->err);
    assert_non_null(world->store);
    world_own(world);
    add(world, "b");
}

static void what_is_not_there_is_not_found_and_not_made(void **state)
{
    struct world *world = *state;
    struct buffer before = traces(world);
    assert_null(look(world, "nothing.db"));
    assert_int_equal(world->err.status, PD_E_NOT_FOUND);
    assert_non_null(strstr(world->err.text, "nothing.db"));
    assert_null(store_look("memory:", &world->err));
    assert_int_equal(world->err.status, PD_E_INVALID);
    assert_null(store_look("sqlite:", &world->err));
    assert_int_equal(world->err.status, PD_E_INVALID);
    assert_same_traces(before, traces(world));
}

static void what_is_of_another_version_or_no_store_is_refused_and_untouched(void **state)
{
    static const struct {
        const char *sql;
        pd_status status;
    } cases[] = {
        { "PRAGMA user_version=1", PD_E_STATE },
        { "PRAGMA user_version=99", PD_E_STATE },
        { "PRAGMA application_id=1", PD_E_CORRUPT },
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sqlite3 *db;
        struct store *store = store_sqlite_open(path_in(world, "other.db"), 1, NULL, &world->err);
        assert_non_null(store);
        store_close(store);
        assert_int_equal(sqlite3_open(path_in(world, "other.db"), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, cases[i].sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        struct buffer before = traces(world);
        assert_null(look(world, "other.db"));
        assert_int_equal(world->err.status, cases[i].status);
        assert_same_traces(before, traces(world));
        assert_int_equal(unlink(path_in(world, "other.db")), 0);
    }
}

int main(void)
{
    union {
        const struct provider *given;
        void *state;
    } initial = { .given = &provider_sqlite };
#define LOOK(name) \
    cmocka_unit_test_prestate_setup_teardown(name, world_set_up, world_tear_down, initial.state)
    const struct CMUnitTest tests[] = {
        LOOK(it_shows_what_is_there_also_what_comes_meanwhile),
        LOOK(it_shows_entities),
        LOOK(beside_an_engine_it_writes_nothing),
        LOOK(alone_it_writes_nothing_and_leaves_nothing),
        LOOK(what_is_not_there_is_not_found_and_not_made),
        LOOK(what_is_of_another_version_or_no_store_is_refused_and_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
