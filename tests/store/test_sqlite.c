/* SPDX-License-Identifier: MIT
 *
 * The SQLite provider: the contract, and what only files and processes can show. Each test has a
 * world with an open store in it; those about opening use other files of its folder. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/sqlite/sqlite.h"

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *path_in(const struct world *world, const char *name)
{
    static char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", world->folder, name);
    return path;
}

static bool exists_with(const struct world *world, const char *name, const char *suffix)
{
    char path[500];
    (void)snprintf(path, sizeof path, "%s%s", path_in(world, name), suffix);
    return access(path, F_OK) == 0;
}

static void execute(const struct world *world, const char *name, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_in(world, name), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static char *slurp(const struct world *world, const char *name, size_t *ret_size)
{
    FILE *file = fopen(path_in(world, name), "rb");
    assert_non_null(file);
    char *bytes = calloc(1, 1 << 20);
    *ret_size = fread(bytes, 1, 1 << 20, file);
    (void)fclose(file);
    return bytes;
}

/* Opening is refused with this status and text, and nothing is touched. */
static void assert_refused(struct world *world, const char *name, pd_status status,
                           const char *text)
{
    size_t size_before, size_after;
    char *before = slurp(world, name, &size_before);
    assert_null(store_sqlite_open(path_in(world, name), 1, NULL, &world->err));
    assert_int_equal(world->err.status, status);
    assert_non_null(strstr(world->err.text, text));
    char *after = slurp(world, name, &size_after);
    assert_int_equal(size_after, size_before);
    assert_memory_equal(after, before, size_before);
    assert_false(exists_with(world, name, "-wal"));
    assert_false(exists_with(world, name, "-shm"));
    assert_false(exists_with(world, name, "-lock"));
    assert_false(exists_with(world, name, "-journal"));
    free(before);
    free(after);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void a_file_that_is_no_database_is_corrupt_and_untouched(void **state)
{
    struct world *world = *state;
    FILE *file = fopen(path_in(world, "notes.txt"), "w");
    assert_non_null(file);
    for (int i = 0; i < 300; i++) {
        (void)fputs("remember the milk\n", file);
    }
    (void)fclose(file);
    assert_refused(world, "notes.txt", PD_E_CORRUPT, "is not a Perdure store");
    file = fopen(path_in(world, "short.txt"), "w");
    assert_non_null(file);
    (void)fputs("x", file);
    (void)fclose(file);
    assert_refused(world, "short.txt", PD_E_CORRUPT, "is not a Perdure store");
}

static void a_database_of_someone_else_is_corrupt_and_untouched(void **state)
{
    struct world *world = *state;
    execute(world, "plain.db", "CREATE TABLE mine(x); INSERT INTO mine VALUES(1)");
    assert_refused(world, "plain.db", PD_E_CORRUPT, "is not a Perdure store");
    execute(world, "wal.db", "PRAGMA journal_mode=WAL; CREATE TABLE mine(x)");
    assert_refused(world, "wal.db", PD_E_CORRUPT, "is not a Perdure store");
    execute(world, "app.db", "PRAGMA application_id=77; CREATE TABLE mine(x)");
    assert_refused(world, "app.db", PD_E_CORRUPT, "is not a Perdure store");
}

/* What a crash of its program left: a log that whoever opens the database would work off. */
static void a_log_of_someone_else_is_untouched_too(void **state)
{
    struct world *world = *state;
    sqlite3 *db;
    char line[900];
    size_t before_size, after_size;
    assert_int_equal(sqlite3_open(path_in(world, "theirs.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode=WAL; PRAGMA user_version=3;"
                                  "CREATE TABLE mine(x); INSERT INTO mine VALUES(1)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    (void)snprintf(line, sizeof line,
                   "cd '%s' && cp theirs.db left.db && cp theirs.db-wal left.db-wal",
                   world->folder);
    assert_int_equal(system(line), 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    char *before = slurp(world, "left.db-wal", &before_size);
    assert_true(before_size != 0);
    assert_null(store_sqlite_open(path_in(world, "left.db"), 1, NULL, &world->err));
    assert_int_equal(world->err.status, PD_E_CORRUPT);
    char *after = slurp(world, "left.db-wal", &after_size);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    assert_false(exists_with(world, "left.db", "-shm"));
    free(before);
    free(after);
}

static void a_newer_version_is_refused_and_untouched(void **state)
{
    struct world *world = *state;
    struct store *store = store_sqlite_open(path_in(world, "new.db"), 1, NULL, &world->err);
    assert_non_null(store);
    store_close(store);
    execute(world, "new.db", "PRAGMA journal_mode=DELETE; PRAGMA user_version=7");
    assert_int_equal(unlink(path_in(world, "new.db-lock")), 0);
    assert_refused(world, "new.db", PD_E_STATE,
                   "new.db' is version 7, this library reads up to 3; upgrade the library");
}

static void an_empty_file_becomes_a_store(void **state)
{
    struct world *world = *state;
    FILE *file = fopen(path_in(world, "empty.db"), "w");
    assert_non_null(file);
    (void)fclose(file);
    struct store *store = store_sqlite_open(path_in(world, "empty.db"), 5, NULL, &world->err);
    assert_non_null(store);
    assert_int_equal(store->partition_count, 5);
    store_close(store);
    store = store_sqlite_open(path_in(world, "empty.db"), 2, NULL, &world->err);
    assert_non_null(store);
    assert_int_equal(store->partition_count, 5);
    store_close(store);
}

/* Runs in a child that is nobody, as root may write anywhere; answers the status of opening. */
static pd_status status_as_nobody(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        pd_error err = { .status = PD_OK };
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(99);
        }
        struct store *store = store_sqlite_open(path, 1, NULL, &err);
        _exit(store != NULL ? PD_OK : (int)err.status);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (pd_status)WEXITSTATUS(status);
}

static void a_file_or_folder_that_cannot_be_written_is_denied(void **state)
{
    struct world *world = *state;
    struct store *store = store_sqlite_open(path_in(world, "ro.db"), 1, NULL, &world->err);
    assert_non_null(store);
    store_close(store);
    assert_int_equal(chmod(world->folder, 0755), 0);
    assert_int_equal(chmod(path_in(world, "ro.db"), 0444), 0);
    assert_int_equal(status_as_nobody(path_in(world, "ro.db")), PD_E_DENIED);
    assert_int_equal(chmod(path_in(world, "ro.db"), 0666), 0);
    assert_int_equal(chmod(world->folder, 0555), 0);
    assert_int_equal(status_as_nobody(path_in(world, "ro.db")), PD_E_DENIED);
    assert_int_equal(status_as_nobody(path_in(world, "missing.db")), PD_E_DENIED);
    assert_int_equal(chmod(path_in(world, "ro.db"), 0000), 0);
    assert_int_equal(status_as_nobody(path_in(world, "ro.db")), PD_E_DENIED);
    assert_int_equal(chmod(world->folder, 0755), 0);
}

static void a_folder_that_is_missing_is_denied(void **state)
{
    struct world *world = *state;
    assert_null(store_sqlite_open(path_in(world, "no/such/hub.db"), 1, NULL, &world->err));
    assert_int_equal(world->err.status, PD_E_DENIED);
    assert_null(store_sqlite_open(world->folder, 1, NULL, &world->err));
    assert_int_equal(world->err.status, PD_E_DENIED);
}

/* As root everything may be written, so it is done as somebody else. */
static void a_folder_that_may_not_be_written_is_not_called_missing(void **state)
{
    struct world *world = *state;
    bool is_root = geteuid() == 0;
    assert_int_equal(mkdir(path_in(world, "closed"), 0555), 0);
    assert_int_equal(chmod(world->folder, 0755), 0);
    assert_int_equal(is_root ? seteuid(65534) : 0, 0);
    struct store *store = store_sqlite_open(path_in(world, "closed/hub.db"), 1, NULL, &world->err);
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_null(store);
    assert_int_equal(world->err.status, PD_E_DENIED);
    assert_non_null(strstr(world->err.text, "cannot be opened for writing: Permission denied"));
    remove_folder(path_in(world, "closed"));
}

/* As the state folder of a service of systemd that has a user of its own. */
static void a_folder_may_be_behind_a_symbolic_link_and_the_file_may_not(void **state)
{
    struct world *world = *state;
    assert_int_equal(mkdir(path_in(world, "real"), 0755), 0);
    assert_int_equal(symlink("real", path_in(world, "link")), 0);
    struct store *store = store_sqlite_open(path_in(world, "link/hub.db"), 1, NULL, &world->err);
    assert_non_null(store);
    store_close(store);
    assert_int_equal(access(path_in(world, "real/hub.db"), F_OK), 0);
    assert_int_equal(symlink("real/hub.db", path_in(world, "hub.db")), 0);
    assert_null(store_sqlite_open(path_in(world, "hub.db"), 1, NULL, &world->err));
    assert_int_equal(world->err.status, PD_E_INVALID);
    assert_non_null(strstr(world->err.text, "symbolic link"));
    assert_int_equal(unlink(path_in(world, "link")), 0);
    remove_folder(path_in(world, "real"));
}

static void what_looks_like_a_server_is_told_how_to_write_it(void **state)
{
    struct world *world = *state;
    static const char *const rows[][2] = {
        { "localhost:8080", "; of a server, grpc://localhost:8080" },
        { "http://localhost:8080/", "; of a server, grpc://localhost:8080" },
        { "http://there/path", "; of a server, grpc://there" },
        { "127.0.0.1:1/", "; of a server, grpc://127.0.0.1:1" },
        { "orders.db", "write sqlite:FILE or memory:" },
        { "c:orders.db", "write sqlite:FILE or memory:" },
        { "there:8080x", "write sqlite:FILE or memory:" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(store_open(rows[i][0], &world->err));
        size_t said = strlen(world->err.text), size = strlen(rows[i][1]);
        assert_true(said > size);
        assert_string_equal(world->err.text + said - size, rows[i][1]);
    }
    assert_null(store_look("localhost:8080", &world->err));
    assert_non_null(strstr(world->err.text, "grpc://localhost:8080"));
}

static void urls_say_which_store_and_how_many_partitions(void **state)
{
    struct world *world = *state;
    char url[500];
    (void)snprintf(url, sizeof url, "sqlite:%s?partitions=64", path_in(world, "url.db"));
    struct store *store = store_open(url, &world->err);
    assert_non_null(store);
    assert_int_equal(store->partition_count, LIMIT_PARTITIONS);
    store_close(store);
    store = store_open("memory:", &world->err);
    assert_non_null(store);
    assert_int_equal(store->partition_count, 1);
    store_close(store);
    store_close(NULL);
    static const char *const wrong[] = { "",
                                         "sqlite:",
                                         "memory:x",
                                         "orders.db",
                                         "memory:?partitions=0",
                                         "memory:?partitions=65",
                                         "memory:?partitions=",
                                         "memory:?partitions=4x",
                                         "memory:?partitions=99999999999999999999",
                                         "memory:?mode=ro" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_null(store_open(wrong[i], &world->err));
        assert_int_equal(world->err.status, PD_E_INVALID);
    }
}

static void a_relative_path_still_holds_after_chdir(void **state)
{
    struct world *world = *state;
    char before[4096];
    struct instance_record record;
    bool found = true;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(world->folder), 0);
    struct store *store = store_sqlite_open(":memory:", 1, NULL, &world->err);
    assert_int_equal(chdir(before), 0);
    assert_non_null(store);
    assert_true(exists_with(world, ":memory:", ""));
    assert_ok(world, store->ops->load_instance(store, TEXT("a"), 0, &world->arena, &record, &found,
                                               &world->err));
    assert_false(found);
    store_close(store);
}

/* ---- processes ------------------------------------------------------------------------------- */

/* A child that owns the hub, says so through the pipe, and lives until it is killed. */
static pid_t start_owner(struct world *world)
{
    int said[2];
    char byte;
    assert_int_equal(pipe(said), 0);
    pid_t child = fork();
    if (child == 0) {
        pd_error err;
        struct ownership ownership;
        struct store *store = store_sqlite_open(path_in(world, "shared.db"), 1, NULL, &err);
        if (store == NULL || store->ops->own(store, 0, WORLD_NOW, &ownership, &err) != PD_OK) {
            _exit(1);
        }
        (void)!write(said[1], "", 1);
        for (;;) {
            pause();
        }
    }
    (void)close(said[1]);
    assert_int_equal(read(said[0], &byte, 1), 1);
    (void)close(said[0]);
    return child;
}

static void another_process_is_named_when_it_is_refused_and_freed_when_it_is_killed(void **state)
{
    struct world *world = *state;
    struct ownership ownership;
    char expected[64], host[64];
    pid_t child = start_owner(world);
    struct store *store = store_sqlite_open(path_in(world, "shared.db"), 1, NULL, &world->err);
    assert_non_null(store);
    assert_int_equal(store->ops->own(store, 0, WORLD_NOW, &ownership, &world->err), PD_E_STATE);
    (void)snprintf(expected, sizeof expected, "process %ld on host ", (long)child);
    assert_int_equal(gethostname(host, sizeof host), 0);
    assert_non_null(strstr(world->err.text, expected));
    assert_non_null(strstr(world->err.text, host));
    assert_non_null(strstr(world->err.text, "since 1970-01-01T00:00:01"));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_ok(world, store->ops->own(store, 0, WORLD_NOW, &ownership, &world->err));
    assert_int_equal(ownership.epoch, 2);
    store_close(store);
}

static void mail_from_another_process_ends_the_owners_wait_within_milliseconds(void **state)
{
    struct world *world = *state;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/hub0.db", world->folder);
    (void)world->store->ops->wait(world->store, 0, &world->err);
    pid_t child = fork();
    if (child == 0) {
        pd_error err;
        struct store *store = store_sqlite_open(path, 1, NULL, &err);
        struct message message = message_of(MESSAGE_START, 0, "from afar", "bytes");
        nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
        bool fine = store != NULL && store->ops->accept(store, &message, 1, &err) == PD_OK;
        _exit(fine ? 0 : 1);
    }
    int64_t before = now_ms();
    size_t count = 0;
    while (count == 0 && now_ms() - before < 10000) {
        assert_ok(world, world->store->ops->wait(world->store, 20000, &world->err));
        count = mail(world, 0, 0).count;
    }
    assert_int_equal(count, 1);
    assert_in_range(now_ms() - before, 100, 5000);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void starts_of_many_processes_and_commits_interleave(void **state)
{
    struct world *world = *state;
    enum { SENDERS = 3, EACH = 20 };
    char path[400];
    pid_t children[SENDERS];
    (void)snprintf(path, sizeof path, "%s/hub0.db", world->folder);
    for (int i = 0; i < SENDERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            pd_error err;
            int failed = 0;
            struct store *store = store_sqlite_open(path, 1, NULL, &err);
            for (int j = 0; store != NULL && j < EACH; j++) {
                char id[32];
                (void)snprintf(id, sizeof id, "s%d-%d", i, j);
                struct message message = message_of(MESSAGE_START, 0, id, "bytes");
                failed += store->ops->accept(store, &message, 1, &err) != PD_OK;
            }
            _exit(store == NULL || failed != 0);
        }
    }
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "busy writer", RUN_RUNNING);
    commit_ok(world, batch);
    for (uint64_t turn = 1; turn <= 30; turn++) {
        batch = batch_for(world, 0);
        append(batch, row, turn, TEXT("turn"));
        commit_ok(world, batch);
    }
    for (int i = 0; i < SENDERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    struct message_page page = mail(world, 0, 0);
    assert_int_equal(page.count, SENDERS * EACH);
    for (size_t i = 1; i < page.count; i++) {
        assert_true(page.items[i - 1].number < page.items[i].number);
    }
}

static void two_processes_may_make_the_file_at_once(void **state)
{
    struct world *world = *state;
    enum { MAKERS = 4 };
    pid_t children[MAKERS];
    for (int i = 0; i < MAKERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            pd_error err;
            struct store *store = store_sqlite_open(path_in(world, "race.db"), 2, NULL, &err);
            if (store == NULL) {
                (void)fprintf(stderr, "%s\n", err.text);
            }
            _exit(store == NULL || store->partition_count != 2);
        }
    }
    for (int i = 0; i < MAKERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

/* ---- what is left ---------------------------------------------------------------------------- */

static int note_count(void *aux, int columns, char **values, char **names)
{
    (void)columns, (void)names;
    *(long *)aux = strtol(values[0], NULL, 10);
    return 0;
}

static void assert_counts(const struct world *world, const char *const *tables, long expected)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_in(world, "hub0.db"), &db), SQLITE_OK);
    for (; *tables != NULL; tables++) {
        char sql[64];
        long count = -1;
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", *tables);
        assert_int_equal(sqlite3_exec(db, sql, note_count, &count, NULL), SQLITE_OK);
        assert_int_equal(count, expected);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Of the instance and of all that can be of it; whoever looks for it by its name would not see. */
static void a_deleted_instance_leaves_no_row_in_any_table(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    struct instance_record *record = record_of(batch, next_row(world, 0), "gone");
    make_child(record, "parent");
    put_record(batch, MUTATION_INSTANCE_INSERT, record);
    uint64_t row = record->row;
    append(batch, row, 1, TEXT("turn"));
    numbered(batch, MUTATION_INBOX_PUT, row, 1, TEXT("event"));
    set_timer(batch, MUTATION_TIMER_PUT, row, 1, 10);
    set_progress(batch, row, 1, TEXT("1"));
    commit_ok(world, batch);
    static const char *const tables[] = { "instance", "instance_extra", "busy",  "history",
                                          "progress", "inbox",          "timer", NULL };
    assert_counts(world, tables, 1);
    batch = batch_for(world, 0);
    batch_add(batch, MUTATION_INSTANCE_DELETE, row);
    commit_ok(world, batch);
    assert_counts(world, tables, 0);
}

static void a_deleted_entity_leaves_no_row_in_any_table(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    struct entity_record *entity = locked(batch, next_row(world, 0), "@counter@gone");
    uint64_t row = entity->row;
    entity->is_busy = true;
    put_entity(batch, entity);
    numbered(batch, MUTATION_INBOX_PUT, row, 1, TEXT("event"));
    set_timer(batch, MUTATION_TIMER_PUT, row, 1, 10);
    commit_ok(world, batch);
    static const char *const tables[] = { "perdure_entity", "perdure_lock", "busy",
                                          "inbox",          "timer",        NULL };
    assert_counts(world, tables, 1);
    batch = batch_for(world, 0);
    batch_add(batch, MUTATION_ENTITY_DELETE, row);
    commit_ok(world, batch);
    assert_counts(world, tables, 0);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void the_log_does_not_grow_without_end(void **state)
{
    struct world *world = *state;
    static char bytes[400000];
    struct stat stat_of;
    memset(bytes, 'x', sizeof bytes);
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "a", RUN_RUNNING);
    commit_ok(world, batch);
    for (uint64_t turn = 1; turn <= 100; turn++) {
        batch = batch_for(world, 0);
        append(batch, row, turn, text_make(bytes, sizeof bytes));
        commit_ok(world, batch);
    }
    assert_int_equal(stat(path_in(world, "hub0.db-wal"), &stat_of), 0);
    assert_in_range(stat_of.st_size, 1, 12 * 1000 * 1000);
    assert_int_equal(stat(path_in(world, "hub0.db"), &stat_of), 0);
    assert_in_range(stat_of.st_size, 20 * 1000 * 1000, 60 * 1000 * 1000);
}

int main(void)
{
    static const struct CMUnitTest own[] = {
        cmocka_unit_test(a_file_that_is_no_database_is_corrupt_and_untouched),
        cmocka_unit_test(a_database_of_someone_else_is_corrupt_and_untouched),
        cmocka_unit_test(a_log_of_someone_else_is_untouched_too),
        cmocka_unit_test(a_newer_version_is_refused_and_untouched),
        cmocka_unit_test(an_empty_file_becomes_a_store),
        cmocka_unit_test(a_file_or_folder_that_cannot_be_written_is_denied),
        cmocka_unit_test(a_folder_that_is_missing_is_denied),
        cmocka_unit_test(a_folder_that_may_not_be_written_is_not_called_missing),
        cmocka_unit_test(what_looks_like_a_server_is_told_how_to_write_it),
        cmocka_unit_test(a_folder_may_be_behind_a_symbolic_link_and_the_file_may_not),
        cmocka_unit_test(urls_say_which_store_and_how_many_partitions),
        cmocka_unit_test(a_relative_path_still_holds_after_chdir),
        cmocka_unit_test(another_process_is_named_when_it_is_refused_and_freed_when_it_is_killed),
        cmocka_unit_test(mail_from_another_process_ends_the_owners_wait_within_milliseconds),
        cmocka_unit_test(starts_of_many_processes_and_commits_interleave),
        cmocka_unit_test(two_processes_may_make_the_file_at_once),
        cmocka_unit_test(a_deleted_instance_leaves_no_row_in_any_table),
        cmocka_unit_test(a_deleted_entity_leaves_no_row_in_any_table),
        cmocka_unit_test(the_log_does_not_grow_without_end),
    };
    return run_suite(&provider_sqlite, own, sizeof own / sizeof own[0]);
}
