/* SPDX-License-Identifier: MIT
 *
 * Partitions without threads, for tests: the test is the driver (partition.h), and says what
 * happens when.
 *
 * Each step of a partition is one call here; hub_settle makes them all until nothing is left to do,
 * running activities as they are released. A crash throws away all that is in memory. */
#ifndef ENGINE_TEST_HUB_H
#define ENGINE_TEST_HUB_H

#include "chain_runner.h"
#include "core/core.h"
#include "engine/board.h"
#include "engine/partition.h"
#include "flaky_store.h"

enum { HUB_PARTITIONS_MAX = 4 };

/* A call of a client, to be answered. */
struct hub_call {
    struct command command;
    struct latch latch;
    pd_error error;
    pd_status fate;
    struct event event;
    struct event_extra extra;
    struct letter letter;
};

struct hub {
    struct flaky_store store;
    struct chain_runner runner;
    struct engine_board board;
    unsigned count;
    size_t slice_max; /* from the next crash on */
    struct partition *partitions[HUB_PARTITIONS_MAX];
    struct list activities; /* released, not run */
    time_us now;
    struct hub_call call; /* for the test's use */
    pd_error err;         /* of the last call that failed */
};

void hub_open(struct hub *hub, unsigned partitions);
void hub_close(struct hub *hub);
void hub_crash(struct hub *hub);

unsigned hub_home(const struct hub *hub, const char *id);
/* An id that begins so, and lives in this partition. Static memory, of four calls. */
const char *hub_id(const struct hub *hub, const char *prefix, unsigned partition);

/* One round of a partition: run, cut, commit, release, hear. False: there was nothing to do. */
bool hub_step(struct hub *hub, unsigned partition);
/* Runs the oldest activity that was released. False: none is. */
bool hub_run_activity(struct hub *hub);
void hub_settle(struct hub *hub);

/* What a client asks, to the end; settles. */
pd_status hub_start(struct hub *hub, const char *id, const char *input);
pd_status hub_tell(struct hub *hub, enum message_kind kind, const char *id, const char *payload);
pd_status hub_tell_letter(struct hub *hub, const struct letter *letter);

/* The same in two steps, for what happens in between. */
void hub_ask_letter(struct hub *hub, struct hub_call *call, const struct letter *letter);
void hub_ask(struct hub *hub, struct hub_call *call, enum message_kind kind, const char *id,
             const char *payload);
bool hub_is_answered(struct hub_call *call);
pd_status hub_end_call(struct hub_call *call);

/* As the store has it. Text in static memory. */
struct hub_look {
    bool exists;
    enum run_state state;
    uint64_t row;
    char output[64], failure[96], execution_id[64];
};
struct hub_look hub_look(struct hub *hub, const char *id);

/* Signals an entity; settles. */
pd_status hub_signal(struct hub *hub, const char *id, const char *operation, const char *input);
/* In two steps. request_id NULL: some. fire_at 0: at once. */
void hub_ask_signal(struct hub *hub, struct hub_call *call, const char *id, const char *operation,
                    const char *input, const char *request_id, time_us fire_at);

/* As the store has it. Text in static memory. */
struct hub_entity {
    bool exists, has_state;
    uint64_t row;
    time_us updated_at;
    size_t backlog;
    char state[64], locked_by[64];
};
struct hub_entity hub_look_entity(struct hub *hub, const char *id);
void hub_assert_entity(struct hub *hub, const char *id,
                       const char *state); /* NULL: there is none */

void hub_assert_state(struct hub *hub, const char *id, enum run_state state);
void hub_assert_completed(struct hub *hub, const char *id, const char *output);

/* The id of an instance, and of one that has it as its child; static memory, of four calls. The two
 * live in different partitions, or in one. */
const char *hub_child_id(const struct hub *hub, const char *prefix, bool is_elsewhere);
const char *hub_parent_of(const char *child);

#endif
