/* SPDX-License-Identifier: MIT
 *
 * What every test of a store needs: a world with one store in it, whichever provider's, and short
 * ways to say what a batch holds and what is expected back.
 *
 * A provider is tested through three doors: a new hub, a second handle on it (as another process
 * has one), and a crash, after which only what was durable is there. */
#ifndef TESTS_STORE_RIG_H
#define TESTS_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "store/store.h"

struct world;

struct provider {
    const char *name;
    struct store *(*make)(struct world *, unsigned partitions);
    struct store *(*second)(struct world *);
    struct store *(*crash)(struct world *); /* world->store is dead; answers a new handle */
};

enum { WORLD_PARTITIONS = 3, WORLD_NOW = 1000000 };

struct world {
    const struct provider *provider;
    char folder[64]; /* of this test alone; removed at its end */
    struct store *store;
    struct store *dead; /* after a crash: closed at the end */
    int crashes;
    uint64_t epochs[WORLD_PARTITIONS], rows[WORLD_PARTITIONS], numbers[WORLD_PARTITIONS];
    struct arena arena;
    pd_error err;
};

extern const struct provider provider_mem, provider_sqlite;

/* cmocka fixtures; the initial state of a test is its provider. */
int world_set_up(void **state);
int world_tear_down(void **state);

void world_own(struct world *world);   /* every partition */
void world_crash(struct world *world); /* and owns again */
void remove_folder(const char *folder);

/* ---- saying ---------------------------------------------------------------------------------- */

struct batch *batch_for(struct world *world, unsigned partition);
uint64_t next_row(struct world *world, unsigned partition);

/* A record with every field filled from the row and the id; change what the test is about. */
struct instance_record *record_of(struct batch *batch, uint64_t row, const char *id);
void put_record(struct batch *batch, enum mutation_kind kind, const struct instance_record *record);
uint64_t insert(struct world *world, struct batch *batch, const char *id, enum run_state state);
void append(struct batch *batch, uint64_t row, uint64_t turn, struct text bytes);
void set_timer(struct batch *batch, enum mutation_kind kind, uint64_t row, int32_t id, time_us due);
void set_progress(struct batch *batch, uint64_t row, int32_t id, struct text bytes);
void post(struct batch *batch, const struct message *message);
/* Makes the record a child of `parent`, started by its step 7, with tags and a time to begin. */
void make_child(struct instance_record *record, const char *parent);
void numbered(struct batch *batch, enum mutation_kind kind, uint64_t row, uint64_t number,
              struct text bytes);

/* An entity with state, idle, and not locked or locked by "transfer-1". */
struct entity_record *entity_of(struct batch *batch, uint64_t row, const char *id);
struct entity_record *locked(struct batch *batch, uint64_t row, const char *id); /* likewise */
struct mutation *put_entity(struct batch *batch, const struct entity_record *entity);
/* The same of the partition's next row; answers it. */
uint64_t make_entity(struct world *world, struct batch *batch, const char *id);

pd_status commit(struct world *world, struct batch *batch); /* frees it */
void commit_ok(struct world *world, struct batch *batch);

/* ---- expecting ------------------------------------------------------------------------------- */

#define assert_ok(world, call) assert_ok_((world), (call), __FILE__, __LINE__)
void assert_ok_(struct world *world, pd_status status, const char *file, int line);
void assert_text(struct text got, struct text expected);
void assert_same_message(const struct message *got, const struct message *expected);
void assert_same_record(const struct instance_record *got, const struct instance_record *expected);

bool find(struct world *world, const char *id, struct instance_record *ret);
/* But for the backlog. */
void assert_same_entity(const struct entity_record *got, const struct entity_record *expected);
bool find_entity(struct world *world, const char *id, struct entity_record *ret);
struct entity_page entities(struct world *world, const struct entity_query *query);
struct history_rows history(struct world *world, uint64_t row, uint64_t from);
struct inbox_rows inbox(struct world *world, uint64_t row);
struct busy_page busy(struct world *world, unsigned partition, uint64_t after, size_t max);
struct timer_page due(struct world *world, unsigned partition, time_us from, time_us until,
                      size_t max);
struct progress_rows progress(struct world *world, uint64_t row);
struct message_page mail(struct world *world, unsigned partition, uint64_t after);
struct record_page query(struct world *world, const struct store_query *query);
struct message message_of(enum message_kind kind, unsigned partition, const char *id,
                          const char *bytes);

/* The tests that every provider passes. */
extern const struct CMUnitTest conformance[], conformance_life[], conformance_query[],
    conformance_mail[], conformance_entity[], conformance_entity_look[];
extern const size_t conformance_count, conformance_life_count, conformance_query_count,
    conformance_mail_count, conformance_entity_count, conformance_entity_look_count;

/* Runs them, and the provider's own, as one group. */
int run_suite(const struct provider *provider, const struct CMUnitTest *own, size_t own_count);

#endif
