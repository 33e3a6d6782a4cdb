/* SPDX-License-Identifier: MIT
 *
 * An engine with its threads, over the memory store, for tests: what there is to ask of it, and to
 * wait for. Whatever is waited for and does not come is a failure after PATIENCE_MS. */
#ifndef ENGINE_TEST_HOUSE_H
#define ENGINE_TEST_HOUSE_H

#include "chain_runner.h"
#include "engine/engine.h"
#include "flaky_store.h"

enum { PATIENCE_MS = 20000 };

struct house {
    struct flaky_store store; /* of two partitions */
    struct chain_runner runner;
    struct engine *engine;
    struct engine_options options;
};

void house_open(struct house *house, const struct engine_options *options);
void house_close(struct house *house); /* checks that nobody was in the store beside another */
void house_start_engine(struct house *house);
/* As far as the store knows: nothing is made durable from here to the next engine's beginning. */
void house_crash(struct house *house);

/* These must succeed. */
void house_start(struct house *house, const char *id);
void house_raise(struct house *house, const char *id);
void house_terminate(struct house *house, const char *id);

void house_signal(struct house *house, const char *entity, const char *operation,
                  const char *input);
/* Has the store the entity? Its state, at most 63 bytes. */
bool house_has_entity(struct house *house, const char *id, char ret_state[64]);

struct house_look {
    enum run_state state;
    uint64_t row;
    char output[64], failure[96];
};
/* As the store has it. False: there is none, or it has not ended. */
bool house_look(struct house *house, const char *id, struct house_look *ret);
struct house_look house_wait_ended(struct house *house, const char *id);
void house_assert_completes(struct house *house, const char *id, const char *output);
void house_wait_for(_Atomic int *count, int wanted);

#endif
