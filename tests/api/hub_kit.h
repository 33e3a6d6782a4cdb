/* SPDX-License-Identifier: MIT
 *
 * What the hub tests share: a hub for each store, the program its worker runs, and short forms of
 * calls that are expected to succeed.
 *
 * Each test gets its own hub as *state: struct kit. HUB_TEST(name) makes two tests of one function,
 * one in memory and one in a file, which is removed afterwards. At its end all its histories are
 * replayed with the kit's program, and have to be the same. With PERDURE_TEST_SERVER a perdured has
 * the store, for each test another (served_kit.h).
 */
#ifndef TESTS_API_HUB_KIT_H
#define TESTS_API_HUB_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <perdure.h>

#include "served_kit.h"

struct kit {
    char folder[64];
    char url[128];
    struct served server; /* with PERDURE_TEST_SERVER; then url is its */
    pd_hub *hub;
    pd_worker *worker;          /* NULL until kit_work */
    const pd_function *program; /* of the last worker; NULL: kit_program */
    size_t program_size;
};

int kit_open_memory(void **state);
int kit_open_file(void **state);
int kit_open_memory_3(void **state); /* three partitions */
int kit_open_file_3(void **state);
int kit_close(void **state);

/* The worker, started or stopped. Its program is below. */
void kit_work(struct kit *kit);
void kit_work_with(struct kit *kit, const pd_worker_options *options);
void kit_rest(struct kit *kit);

/* With a program of the test's own: kit_work_on(kit, PD_PROGRAM(program), options). */
void kit_work_on(struct kit *kit, const pd_function *program, size_t n,
                 const pd_worker_options *options);

/* All of these fail the test when the call fails. */
void kit_start(struct kit *kit, const char *name, pd_value input, const char *id, pd_id *ret);
pd_instance *kit_fetch(struct kit *kit, const char *id);
pd_instance *kit_wait(struct kit *kit, const char *id);
pd_instance *kit_run(struct kit *kit, const char *name, pd_value input);
void kit_raise(struct kit *kit, const char *id, const char *name, pd_value v);

/* Until it is seen in this state. */
void kit_await_state(struct kit *kit, const char *id, pd_run_state wanted);
/* Waits for its end, which has to be this one. */
void kit_assert_ends(struct kit *kit, const char *id, pd_run_state state, const char *output);
void kit_assert_json(const char *got, const char *wanted); /* NULL: none */
void kit_expect(pd_status got, pd_status wanted, const pd_error *err, const char *what);
uint64_t kit_count(struct kit *kit, pd_query query);

/* The history; the caller's. The n-th event of a kind in it, 1 and up, or NULL; and how many. */
pd_history *kit_history(struct kit *kit, const char *id);
const pd_history_event *kit_event(const pd_history *h, const char *kind, size_t n);
size_t kit_count_events(struct kit *kit, const char *id, const char *kind);

void kit_sleep_ms(int64_t ms);
int64_t kit_now_ms(void); /* monotonic */

/* The program:
 *   orchestrators  Hello ["Hello X!", ...] for each city; FanOut n -> sum of squares; Fails;
 *                  FailsInActivity; Echo (no step); WaitFor name -> the event's payload;
 *                  Collect n -> the payloads of n events "item"; Sleep ms -> null;
 *                  Slow ms (one activity that takes as long);
 *                  Trip x (SayHello, then Stumble); Parent {name, id?, input?, then?} -> what its
 *                  child gives, after an event `then`; Tree depth (two children each) -> how many
 *                  there are; Tell x (status x, and "gone" after the first of two events "go");
 *                  Loop n (continues as new so often, then waits for "go")
 *   activities     SayHello, Square, Break, Nap, Stumble (fails as often as kit_trip said) */
void kit_trip(int times);
pd_result kit_hello(pd_orchestration *o, pd_value cities);
extern const pd_function kit_program[];
extern const size_t kit_program_size;

#define HUB_TEST(name)                                             \
    { #name " [memory]", name, kit_open_memory, kit_close, NULL }, \
    {                                                              \
#name " [sqlite]", name, kit_open_file, kit_close, NULL    \
    }

/* Likewise, and each with three partitions. */
#define HUB_TEST_4(name)                                                                \
    HUB_TEST(name), { #name " [memory, 3]", name, kit_open_memory_3, kit_close, NULL }, \
    {                                                                                   \
#name " [sqlite, 3]", name, kit_open_file_3, kit_close, NULL                    \
    }

#endif
