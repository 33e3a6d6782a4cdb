/* SPDX-License-Identifier: MIT
 *
 * The world of a test, and its providers. */
#include "rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/mem/mem.h"
#include "store/sqlite/sqlite.h"

/* ---- providers ------------------------------------------------------------------------------- */

static struct store *make_mem(struct world *world, unsigned partitions)
{
    (void)world;
    return store_mem_new(partitions);
}

static struct store *second_mem(struct world *world)
{
    return store_mem_open(world->store);
}

static struct store *crash_mem(struct world *world)
{
    return store_mem_reopen(world->store);
}

const struct provider provider_mem = { "mem", make_mem, second_mem, crash_mem };

static struct store *open_sqlite(struct world *world, unsigned partitions)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/hub%d.db", world->folder, world->crashes);
    return store_sqlite_open(path, partitions, NULL, &world->err);
}

static struct store *second_sqlite(struct world *world)
{
    return open_sqlite(world, 1);
}

/* The files as they are at this moment, copied while the store is open: what a crash leaves. */
static struct store *crash_sqlite(struct world *world)
{
    static const char *const suffixes[] = { "", "-wal", "-run" };
    char from[400], to[400], line[1400];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)snprintf(from, sizeof from, "%s/hub%d.db%s", world->folder, world->crashes,
                       suffixes[i]);
        (void)snprintf(to, sizeof to, "%s/hub%d.db%s", world->folder, world->crashes + 1,
                       suffixes[i]);
        (void)snprintf(line, sizeof line, "test ! -e '%s' || cp -p '%s' '%s'", from, from, to);
        assert_int_equal(system(line), 0);
    }
    world->crashes++;
    return open_sqlite(world, 1);
}

const struct provider provider_sqlite = { "sqlite", open_sqlite, second_sqlite, crash_sqlite };

/* ---- the world ------------------------------------------------------------------------------- */

void remove_folder(const char *folder)
{
    char path[400];
    DIR *files = opendir(folder);
    for (struct dirent *file; files != NULL && (file = readdir(files)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
        (void)unlink(path);
    }
    if (files != NULL) {
        (void)closedir(files);
    }
    (void)rmdir(folder);
}

int world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->provider = *state;
    (void)snprintf(world->folder, sizeof world->folder, "/tmp/perdure-store.XXXXXX");
    if (mkdtemp(world->folder) == NULL) {
        return -1;
    }
    arena_init(&world->arena);
    world->store = world->provider->make(world, WORLD_PARTITIONS);
    if (world->store == NULL) {
        (void)fprintf(stderr, "%s\n", world->err.text);
        return -1;
    }
    world_own(world);
    *state = world;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;
    store_close(world->store);
    store_close(world->dead);
    arena_done(&world->arena);
    remove_folder(world->folder);
    *state = NULL;
    free(world);
    return 0;
}

void world_own(struct world *world)
{
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        struct ownership ownership;
        assert_ok(world,
                  world->store->ops->own(world->store, i, WORLD_NOW, &ownership, &world->err));
        world->epochs[i] = ownership.epoch;
        world->rows[i] = ownership.row_next;
        world->numbers[i] = 0;
    }
}

void world_crash(struct world *world)
{
    struct store *again = world->provider->crash(world);
    assert_non_null(again);
    store_close(world->dead);
    world->dead = world->store;
    world->store = again;
    assert_int_equal(again->partition_count, WORLD_PARTITIONS);
    world_own(world);
}

/* ---- saying ---------------------------------------------------------------------------------- */

struct batch *batch_for(struct world *world, unsigned partition)
{
    return batch_new(partition, world->epochs[partition], ++world->numbers[partition]);
}

uint64_t next_row(struct world *world, unsigned partition)
{
    uint64_t row = world->rows[partition];
    world->rows[partition] += WORLD_PARTITIONS;
    return row;
}

struct instance_record *record_of(struct batch *batch, uint64_t row, const char *id)
{
    struct instance_record *record = arena_alloc(&batch->arena, sizeof *record);
    *record = (struct instance_record){
        .row = row,
        .partition = batch->partition,
        .id = text_of(arena_printf(&batch->arena, "%s", id)),
        .execution_id = text_of(arena_printf(&batch->arena, "execution-%s", id)),
        .name = TEXT("Greet"),
        .version = TEXT("1.0"),
        .input = TEXT("{\"city\":\"Tokyo\"}"),
        .state = RUN_RUNNING,
        .is_busy = true,
        .created_at = WORLD_NOW + (time_us)row,
        .updated_at = WORLD_NOW + (time_us)row,
    };
    return record;
}

void put_record(struct batch *batch, enum mutation_kind kind, const struct instance_record *record)
{
    batch_add(batch, kind, record->row)->instance = record;
}

uint64_t insert(struct world *world, struct batch *batch, const char *id, enum run_state state)
{
    struct instance_record *record = record_of(batch, next_row(world, batch->partition), id);
    record->state = state;
    record->is_busy = !run_state_is_final(state);
    put_record(batch, MUTATION_INSTANCE_INSERT, record);
    return record->row;
}

void numbered(struct batch *batch, enum mutation_kind kind, uint64_t row, uint64_t number,
              struct text bytes)
{
    struct mutation *mutation = batch_add(batch, kind, row);
    mutation->number = number;
    mutation->bytes = bytes;
}

void append(struct batch *batch, uint64_t row, uint64_t turn, struct text bytes)
{
    numbered(batch, MUTATION_HISTORY_APPEND, row, turn, bytes);
}

void set_timer(struct batch *batch, enum mutation_kind kind, uint64_t row, int32_t id, time_us at)
{
    struct mutation *mutation = batch_add(batch, kind, row);
    mutation->id = id;
    mutation->due = at;
}

void set_progress(struct batch *batch, uint64_t row, int32_t id, struct text bytes)
{
    struct mutation *mutation = batch_add(batch, MUTATION_PROGRESS_PUT, row);
    mutation->id = id;
    mutation->bytes = bytes;
}

void post(struct batch *batch, const struct message *message)
{
    struct message *kept = arena_alloc(&batch->arena, sizeof *kept);
    *kept = *message;
    batch_add(batch, MUTATION_MAILBOX_PUT, 0)->message = kept;
    batch->mailed |= UINT64_C(1) << message->partition;
}

void make_child(struct instance_record *record, const char *parent)
{
    record->starts_at = WORLD_NOW + 5000;
    record->parent_id = text_of(parent);
    record->parent_execution_id = TEXT("execution of the parent");
    record->parent_step = 7;
    record->tags = TEXT("\x1e"
                        "colour\x1f"
                        "red\x1e"
                        "shape\x1f\x1e");
}

struct entity_record *entity_of(struct batch *batch, uint64_t row, const char *id)
{
    struct entity_record *entity = arena_alloc(&batch->arena, sizeof *entity);
    *entity = (struct entity_record){
        .row = row,
        .partition = batch->partition,
        .id = text_of(arena_printf(&batch->arena, "%s", id)),
        .updated_at = WORLD_NOW + (time_us)row,
        .state = TEXT("{\"n\":1}"),
    };
    return entity;
}

struct entity_record *locked(struct batch *batch, uint64_t row, const char *id)
{
    struct entity_record *entity = entity_of(batch, row, id);
    entity->lock_owner = TEXT("transfer-1");
    entity->lock_execution = TEXT("execution of it");
    entity->lock_section = TEXT("section of it");
    return entity;
}

struct mutation *put_entity(struct batch *batch, const struct entity_record *entity)
{
    struct mutation *mutation = batch_add(batch, MUTATION_ENTITY_PUT, entity->row);
    mutation->entity = entity;
    return mutation;
}

uint64_t make_entity(struct world *world, struct batch *batch, const char *id)
{
    return put_entity(batch, entity_of(batch, next_row(world, batch->partition), id))->row;
}

pd_status commit(struct world *world, struct batch *batch)
{
    const struct batch *const batches[] = { batch };
    struct store *store = world->store;
    pd_status status = store->ops->commit(store, batches, 1, &world->err);
    if (status == PD_OK && store->ops->tend != NULL) {
        store->ops->tend(store); /* as the engine does */
    }
    batch_free(batch);
    return status;
}

void commit_ok(struct world *world, struct batch *batch)
{
    assert_ok(world, commit(world, batch));
}

struct message message_of(enum message_kind kind, unsigned partition, const char *id,
                          const char *bytes)
{
    return (struct message){
        .kind = kind, .partition = partition, .instance_id = text_of(id), .bytes = text_of(bytes)
    };
}

/* ---- expecting ------------------------------------------------------------------------------- */

void assert_ok_(struct world *world, pd_status status, const char *file, int line)
{
    if (status != PD_OK) {
        print_error("%s: %s\n", world->err.where, world->err.text);
        _fail(file, line);
    }
}

void assert_text(struct text got, struct text expected)
{
    assert_int_equal(text_is_present(got), text_is_present(expected));
    assert_int_equal(got.size, expected.size);
    if (got.size != 0) {
        assert_memory_equal(got.at, expected.at, got.size);
    }
}

void assert_same_record(const struct instance_record *got, const struct instance_record *expected)
{
    assert_int_equal(got->row, expected->row);
    assert_int_equal(got->partition, expected->partition);
    assert_int_equal(got->state, expected->state);
    assert_int_equal(got->is_busy, expected->is_busy);
    assert_int_equal(got->created_at, expected->created_at);
    assert_int_equal(got->updated_at, expected->updated_at);
    assert_int_equal(got->ended_at, expected->ended_at);
    assert_int_equal(got->starts_at, expected->starts_at);
    assert_int_equal(got->parent_step, expected->parent_step);
    assert_text(got->parent_id, expected->parent_id);
    assert_text(got->parent_execution_id, expected->parent_execution_id);
    assert_text(got->tags, expected->tags);
    assert_text(got->id, expected->id);
    assert_text(got->execution_id, expected->execution_id);
    assert_text(got->name, expected->name);
    assert_text(got->version, expected->version);
    assert_text(got->input, expected->input);
    assert_text(got->output, expected->output);
    assert_text(got->failure, expected->failure);
    assert_text(got->custom_status, expected->custom_status);
}

void assert_same_entity(const struct entity_record *got, const struct entity_record *expected)
{
    assert_int_equal(got->row, expected->row);
    assert_int_equal(got->partition, expected->partition);
    assert_int_equal(got->is_busy, expected->is_busy);
    assert_int_equal(got->updated_at, expected->updated_at);
    assert_text(got->id, expected->id);
    assert_text(got->state, expected->state);
    assert_text(got->lock_owner, expected->lock_owner);
    assert_text(got->lock_execution, expected->lock_execution);
    assert_text(got->lock_section, expected->lock_section);
}

void assert_same_message(const struct message *got, const struct message *expected)
{
    assert_int_equal(got->kind, expected->kind);
    assert_int_equal(got->partition, expected->partition);
    assert_int_equal(got->flags, expected->flags);
    assert_text(got->instance_id, expected->instance_id);
    assert_text(got->execution_id, expected->execution_id);
    assert_text(got->bytes, expected->bytes);
}

bool find(struct world *world, const char *id, struct instance_record *ret)
{
    bool found = false;
    assert_ok(world, world->store->ops->load_instance(world->store, text_of(id), 0, &world->arena,
                                                      ret, &found, &world->err));
    return found;
}

bool find_entity(struct world *world, const char *id, struct entity_record *ret)
{
    bool found = false;
    assert_ok(world, world->store->ops->load_entity(world->store, text_of(id), 0, &world->arena,
                                                    ret, &found, &world->err));
    return found;
}

struct entity_page entities(struct world *world, const struct entity_query *what)
{
    struct entity_page page;
    assert_ok(world, world->store->ops->query_entities(world->store, what, &world->arena, &page,
                                                       &world->err));
    return page;
}

struct history_rows history(struct world *world, uint64_t row, uint64_t from)
{
    struct history_rows rows;
    assert_ok(world, world->store->ops->load_history(world->store, row, from, &world->arena, &rows,
                                                     &world->err));
    return rows;
}

struct inbox_rows inbox(struct world *world, uint64_t row)
{
    struct inbox_rows rows;
    assert_ok(world,
              world->store->ops->load_inbox(world->store, row, &world->arena, &rows, &world->err));
    return rows;
}

struct busy_page busy(struct world *world, unsigned partition, uint64_t after, size_t max)
{
    struct busy_page page;
    assert_ok(world, world->store->ops->scan_busy(world->store, partition, after, max,
                                                  &world->arena, &page, &world->err));
    return page;
}

struct timer_page due(struct world *world, unsigned partition, time_us from, time_us until,
                      size_t max)
{
    struct timer_page page;
    assert_ok(world, world->store->ops->due_timers(world->store, partition, from, until, max,
                                                   &world->arena, &page, &world->err));
    return page;
}

struct progress_rows progress(struct world *world, uint64_t row)
{
    struct progress_rows rows;
    assert_ok(world, world->store->ops->load_progress(world->store, row, &world->arena, &rows,
                                                      &world->err));
    return rows;
}

struct message_page mail(struct world *world, unsigned partition, uint64_t after)
{
    struct message_page page;
    assert_ok(world, world->store->ops->receive(world->store, partition, after, 100, &world->arena,
                                                &page, &world->err));
    return page;
}

struct record_page query(struct world *world, const struct store_query *what)
{
    struct record_page page;
    assert_ok(world,
              world->store->ops->query(world->store, what, &world->arena, &page, &world->err));
    return page;
}

/* ---- running --------------------------------------------------------------------------------- */

int run_suite(const struct provider *provider, const struct CMUnitTest *own, size_t own_count)
{
    union {
        const struct provider *given;
        void *state;
    } initial = { .given = provider };
    const struct {
        const struct CMUnitTest *tests;
        size_t count;
    } groups[] = { { conformance, conformance_count },
                   { conformance_life, conformance_life_count },
                   { conformance_query, conformance_query_count },
                   { conformance_mail, conformance_mail_count },
                   { conformance_entity, conformance_entity_count },
                   { conformance_entity_look, conformance_entity_look_count },
                   { own, own_count } };
    struct CMUnitTest *tests = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        tests = realloc(tests, (count + groups[i].count) * sizeof *tests);
        memcpy(tests + count, groups[i].tests, groups[i].count * sizeof *tests);
        count += groups[i].count;
    }
    for (size_t i = 0; i < count; i++) {
        tests[i].setup_func = world_set_up;
        tests[i].teardown_func = world_tear_down;
        tests[i].initial_state = initial.state;
    }
    int failed = _cmocka_run_group_tests(provider->name, tests, count, NULL, NULL);
    free(tests);
    return failed;
}
