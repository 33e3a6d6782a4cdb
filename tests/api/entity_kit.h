/* SPDX-License-Identifier: MIT
 *
 * What the tests of entities share, beside the hub's kit: a program, and short forms of calls that
 * are expected to succeed.
 *
 *   entities       Counter (one function): add n, get, set x, delete; each answers with the state.
 *                    spoil x: sets the state, signals @log@spoil "push" x, starts "Echo" under the
 *                    ID "spoiled", and fails with "Spoiled"
 *                  Log (a table): push x; its state is the list of all that was pushed. all: the
 *                    list
 *                  Relay (a table): pass {name, key, op, input?, in_ms?}: signals it on; the
 *                    answer is the signal's ID; drop {name, key, id}: cancels one; launch {name,
 *                    id?, input?}: starts an orchestration, the answer is its ID; echo: itself,
 *                    twice
 *                  Account (a table): deposit n, withdraw n ("NotEnough" below zero), balance
 *   orchestrators  Ask {name, key, op, input?} -> the operation's value; Send {name, key, op,
 *                    input?, in_ms?} -> the signal's ID; Echo x -> x
 *                  Hold {name, key, until?}: locks it, says so (status "held"), waits for the event
 *                    `until` ("go"), adds 1 and ends with the state: of a Counter
 *                  Transfer {from, to, amount}: between two accounts, under a lock; answers true,
 *                    or false when there is not enough */
#ifndef TESTS_API_ENTITY_KIT_H
#define TESTS_API_ENTITY_KIT_H

#include "hub_kit.h"

extern const pd_function entity_program[];
extern const size_t entity_program_size;

/* The worker with this program; and with rows of the test's own beside it. */
void ent_work(struct kit *kit, const pd_worker_options *options);
void ent_work_with(struct kit *kit, const pd_function *more, size_t n,
                   const pd_worker_options *options);

/* All of these fail the test when the call fails. */
void ent_signal(struct kit *kit, pd_entity_id entity, const char *op, pd_value input);
/* json NULL: any; the failure's type instead of the value begins with '!'. */
void ent_assert_call(struct kit *kit, pd_entity_id entity, const char *op, pd_value input,
                     const char *json);
pd_entity_view *ent_fetch(struct kit *kit, pd_entity_id entity);
bool ent_exists(struct kit *kit, pd_entity_id entity);

/* Its state as JSON, now, and when it has come to that; NULL: no such entity. */
void ent_assert_state(struct kit *kit, pd_entity_id entity, const char *json);
void ent_await_state(struct kit *kit, pd_entity_id entity, const char *json);
/* Until it is locked by this instance; NULL: by nobody. */
void ent_await_lock(struct kit *kit, pd_entity_id entity, const char *id);
void ent_await_backlog(struct kit *kit, pd_entity_id entity, size_t wanted);

/* Until the instance's status is this JSON. */
void ent_await_status(struct kit *kit, const char *id, const char *json);
/* It ends as failed, with this type, or with a task that did. */
void ent_assert_fails(struct kit *kit, const char *id, const char *type, const char *cause);

size_t ent_count(struct kit *kit, pd_entity_query query);

#endif
