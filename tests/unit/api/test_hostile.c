/* SPDX-License-Identifier: MIT
 *
 * Archives that an enemy wrote: well encoded, of instances that cannot be, or hardly. Imported into
 * a hub whose worker has functions of the names in them, and then used: whatever is refused is
 * refused with a status, and what is taken in can be looked at, told things, ended and forgotten.
 * An assertion that fails, memory that is not ours, or a thread that never answers, is the bug.
 *
 *   PERDURE_HOSTILE_CASES (400)   how many
 *   PERDURE_HOSTILE_SEED  (1)     the first one's; a case that ends the process says its own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "hostile_make.h"
#include "wire/wire.h"

enum { FAN = HOSTILE_FAN };

static uint64_t seed_now;

/* ---- what it finds here ---------------------------------------------------------------------- */

static pd_result nothing(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

static pd_result breaks(pd_activity *a, pd_value input)
{
    (void)input;
    return pd_fail(a, "Broken", "as ever");
}

/* Waits, then asks for more steps than histories of strangers have. */
static pd_result waits(pd_orchestration *o, pd_value input)
{
    pd_task *tasks[FAN];
    pd_wait_event(o, "go");
    for (int i = 0; i < FAN; i++) {
        tasks[i] = pd_start_activity(o, nothing, input);
    }
    pd_await_all(o, tasks, FAN);
    return pd_ok(o, PD_NULL);
}

static pd_result asks(pd_orchestration *o, pd_value input)
{
    pd_task *timer = pd_start_timer(o, pd_milliseconds(1));
    pd_task *task = pd_start_activity(o, nothing, input);
    pd_await(o, timer);
    pd_await(o, task);
    pd_cancel(o, pd_start_timer(o, pd_days(1)));
    pd_await(o, pd_start_child(o, "Ends", input));
    return pd_ok(o, pd_call_activity(o, breaks, input));
}

static pd_result counts(pd_entity *e, pd_value input)
{
    pd_set_state(e, pd_int(pd_state(e)) + 1);
    pd_signal_entity(e, PD_ENTITY("Nobody", "x"), "op", input);
    return pd_op_is(e, "break") ? pd_fail(e, "Broken", "as ever") : pd_ok(e, pd_state(e));
}

/* Entities that the archives name as well. */
static pd_result locks(pd_orchestration *o, pd_value input)
{
    pd_task *call = pd_start_entity(o, PD_ENTITY("Counts", "x"), "op", input);
    pd_signal_entity(o, PD_ENTITY("Counts", "y"), "op", input);
    PD_LOCKED(o, PD_ENTITY("Counts", "y"), PD_ENTITY("Counts", "x")) {
        pd_call_entity(o, PD_ENTITY("Counts", "x"), "op", input);
    }
    pd_await(o, call);
    pd_wait_event(o, "go");
    return pd_ok(o, pd_call_entity(o, PD_ENTITY("Counts", "z"), "break", input));
}

static pd_result ends(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static pd_result loops(pd_orchestration *o, pd_value input)
{
    pd_wait_event(o, "go");
    return pd_continue_as_new(o, input);
}

static const pd_function program[] = {
    PD_FUNCTION("Waits", waits), PD_FUNCTION("Asks", asks),       PD_FUNCTION("Ends", ends),
    PD_FUNCTION("Loops", loops), PD_FUNCTION("Nothing", nothing), PD_FUNCTION("Breaks", breaks),
    PD_FUNCTION("Locks", locks), PD_FUNCTION("Counts", counts),
};

/* ---- using it -------------------------------------------------------------------------------- */

struct place {
    char folder[64], path[96], url[128];
};

static struct place place_make(void)
{
    struct place place;
    (void)snprintf(place.folder, sizeof place.folder, "/tmp/pd-hostile-XXXXXX");
    assert_non_null(mkdtemp(place.folder));
    (void)snprintf(place.path, sizeof place.path, "%s/a.pda", place.folder);
    (void)snprintf(place.url, sizeof place.url, "sqlite:%s/h.db?partitions=2", place.folder);
    return place;
}

static void place_remove(const struct place *place)
{
    static const char *const files[] = { "a.pda",    "h.db",      "h.db-wal",  "h.db-shm",
                                         "h.db-run", "h.db-lock", "h.db-wake", "h.db-journal" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", place->folder, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(place->folder), 0);
}

static void write_archive(const struct place *place, const struct archive *archive)
{
    struct buffer file;
    pd_error err;
    buffer_init(&file);
    wire_write_archive_header(&file);
    assert_int_equal(wire_write_archive_entry(&file, archive, &err), PD_OK);
    FILE *to = fopen(place->path, "w");
    assert_non_null(to);
    assert_int_equal(fwrite(file.at, 1, file.size, to), file.size);
    assert_int_equal(fclose(to), 0);
    buffer_done(&file);
}

static bool is_refusal(pd_status status)
{
    return status == PD_OK || status == PD_E_CORRUPT || status == PD_E_INVALID ||
           status == PD_E_LIMIT || status == PD_E_EXISTS || status == PD_E_STATE ||
           status == PD_E_NOT_FOUND;
}

static pd_worker *work(pd_hub *hub)
{
    pd_error err;
    pd_worker *worker =
        pd_worker_start(hub, PD_PROGRAM(program), &(pd_worker_options){ .threads = 2 }, &err);
    assert_non_null(worker);
    return worker;
}

static void tell(pd_hub *hub, const char *id, uint64_t *random)
{
    pd_error err;
    pd_id fork = { "" };
    pd_status status = PD_OK;
    pd_entity_id entity = PD_ENTITY("Counts", hostile_once_in(random, 2) ? "x" : "y");
    switch (hostile_below(random, 12)) {
    case 0: status = pd_hub_suspend(hub, id, "why not", &err); break;
    case 1: status = pd_hub_resume(hub, id, NULL, &err); break;
    case 2: status = pd_hub_rewind(hub, id, "again", &err); break;
    case 3: status = pd_hub_fork(hub, id, (int64_t)hostile_below(random, 12), &fork, &err); break;
    case 4: status = pd_hub_restart(hub, id, NULL, &err); break;
    case 5: status = pd_hub_signal_entity(hub, entity, "break", 1, NULL, NULL, &err); break;
    case 6: status = pd_hub_purge_entity(hub, entity, &err); break;
    case 7: status = pd_hub_clean_entities(hub, NULL, &err); break;
    default: status = pd_hub_raise_event(hub, id, "go", 1, &err); break;
    }
    assert_true(is_refusal(status));
}

static void look(pd_hub *hub, const char *id)
{
    pd_error err;
    PD_AUTO(pd_instance) instance = pd_hub_fetch(hub, id, &err);
    if (instance != NULL) {
        (void)pd_instance_output(instance);
        (void)pd_instance_status(instance);
        (void)pd_instance_failure(instance);
    }
    PD_AUTO(pd_history) history = pd_hub_fetch_history(hub, id, &err);
    assert_true(history != NULL || is_refusal(err.status));
}

/* Whatever there is ends when it is terminated, and is gone when it is purged. */
static void put_away(pd_hub *hub)
{
    pd_error err;
    size_t left = 1;
    for (int round = 0; left > 0; round++) {
        PD_AUTO(pd_page) page = pd_hub_query(hub, &(pd_query){ .page_size = 1000 }, &err);
        assert_non_null(page);
        left = pd_page_count(page);
        for (size_t i = 0; i < left; i++) {
            const char *id = pd_instance_id_of(pd_page_at(page, i));
            pd_status status = pd_hub_terminate(hub, id, "enough", true, &err);
            assert_true(is_refusal(status));
            PD_AUTO(pd_instance) ended = pd_hub_wait(hub, id, pd_seconds(20), &err);
            if (ended == NULL && err.status != PD_E_NOT_FOUND) {
                fail_msg("seed %llu: '%s' does not end: %s", (unsigned long long)seed_now, id,
                         err.text);
            }
        }
        uint64_t purged = 0;
        assert_int_equal(pd_hub_purge_all(hub, NULL, NULL, &purged, &err), PD_OK);
        assert_true(round < 20); /* children may come while we look */
    }
}

/* Nothing of an archive, nor of how its instances ended, has kept an entity from its work. */
static void assert_entities_work(pd_hub *hub)
{
    static const char *const keys[] = { "x", "y", "z" };
    for (size_t i = 0; i < 3; i++) {
        pd_error err;
        PD_AUTO(pd_instance)
        answer =
            pd_hub_call_entity(hub, PD_ENTITY("Counts", keys[i]), "op", 1, pd_seconds(20), &err);
        if (answer == NULL || pd_instance_state(answer) != PD_RUN_COMPLETED) {
            fail_msg("seed %llu: '%s' does not answer", (unsigned long long)seed_now, keys[i]);
        }
    }
}

static bool try_one(const struct place *place, uint64_t seed, bool in_file)
{
    uint64_t random = seed_now = seed, count = 0;
    struct arena arena;
    pd_error err;
    arena_init(&arena);
    PD_AUTO(pd_hub) hub = pd_hub_open(in_file ? place->url : "memory:?partitions=2", &err);
    assert_non_null(hub);
    pd_worker *worker = hostile_once_in(&random, 2) ? work(hub) : NULL;
    for (int i = 0; i < 3; i++) {
        struct archive archive;
        hostile_make(&random, &arena, &archive);
        write_archive(place, &archive);
        uint64_t imported = 0;
        pd_status status = pd_hub_import(hub, place->path, &imported, &err);
        assert_true(is_refusal(status) && (status == PD_OK) == (imported == 1));
        count += imported;
    }
    if (worker != NULL && count > 0 && hostile_once_in(&random, 3)) { /* as the store has it */
        pd_worker_stop(worker);
        worker = NULL;
    }
    worker = worker != NULL ? worker : work(hub);
    for (uint64_t i = count > 0 ? 2 + hostile_below(&random, 8) : 0; i > 0; i--) {
        static const char *const ids[] = { "a", "b", "c", "d" };
        tell(hub, HOSTILE_PICK(&random, ids), &random);
        look(hub, HOSTILE_PICK(&random, ids));
    }
    put_away(hub);
    assert_entities_work(hub);
    pd_worker_stop(worker);
    arena_done(&arena);
    return count > 0;
}

static void say_seed(int signal_number)
{
    char text[64];
    int size = snprintf(text, sizeof text, "the case of seed %llu ended the process\n",
                        (unsigned long long)seed_now);
    (void)!write(STDERR_FILENO, text, (size_t)size);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static uint64_t number_of(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : usual;
}

static void archives_of_an_enemy_are_refused_or_do_no_harm(void **state)
{
    (void)state;
    struct place place = place_make();
    uint64_t cases = number_of("PERDURE_HOSTILE_CASES", 400), taken = 0;
    uint64_t first = number_of("PERDURE_HOSTILE_SEED", 1);
    (void)signal(SIGABRT, say_seed);
    for (uint64_t i = 0; i < cases; i++) {
        taken += try_one(&place, first + i, i % 8 == 7);
    }
    (void)signal(SIGABRT, SIG_DFL);
    assert_true(cases < 50 || taken > cases / 8); /* else it is all refused at the first look */
    place_remove(&place);
}

/* ---- one of them ----------------------------------------------------------------------------- */

/* A turn in which `kinds` happened, the steps numbered from `step` on. */
static struct text turn_of(struct arena *arena, const enum event_kind *kinds, size_t count,
                           int32_t step)
{
    struct buffer turn;
    buffer_init(&turn);
    for (size_t i = 0; i < count; i++) {
        struct event event = {
            .kind = kinds[i],
            .id = kinds[i] == EVENT_TIMER_CREATED ? step++ : EVENT_NO_ID,
            .ref = EVENT_NO_ID,
            .at = (time_us)(1000 + i),
            .fire_at = kinds[i] == EVENT_TIMER_CREATED ? INT64_MAX : 0,
            .name = kinds[i] == EVENT_EXECUTION_STARTED ? TEXT("Waits") : TEXT("Nothing"),
            .instance_id = TEXT("a"),
            .execution_id = TEXT("e1"),
        };
        wire_write_event(&turn, &event);
    }
    struct text ret = text_copy(arena, buffer_text(&turn));
    buffer_done(&turn);
    return ret;
}

/* Workers elsewhere number their steps as they like. The code here knows nothing of this one, as
 * replay does not, and asks for one of the same number. */
static void a_step_that_the_code_asks_for_again_fails_its_instance(void **state)
{
    (void)state;
    static const enum event_kind kinds[] = { EVENT_ORCHESTRATOR_STARTED, EVENT_EXECUTION_STARTED,
                                             EVENT_TIMER_CREATED };
    struct place place = place_make();
    struct arena arena;
    pd_error err;
    arena_init(&arena);
    struct text turn = turn_of(&arena, kinds, 3, 5);
    write_archive(&place, &(struct archive){ .record = { .id = TEXT("a"),
                                                         .execution_id = TEXT("e1"),
                                                         .name = TEXT("Waits"),
                                                         .state = RUN_RUNNING },
                                             .turns = &turn,
                                             .turn_count = 1 });
    PD_AUTO(pd_hub) hub = pd_hub_open("memory:", &err);
    assert_non_null(hub);
    pd_worker *worker = work(hub);
    assert_int_equal(pd_hub_import(hub, place.path, NULL, &err), PD_OK);
    assert_int_equal(pd_hub_raise_event(hub, "a", "go", 1, &err), PD_OK);
    pd_instance *ended = pd_hub_wait(hub, "a", pd_seconds(20), &err);
    assert_non_null(ended);
    assert_int_equal(pd_instance_state(ended), PD_RUN_FAILED);
    assert_string_equal(pd_instance_failure(ended)->type, "CorruptHistory");
    pd_instance_free(ended);
    pd_worker_stop(worker);
    arena_done(&arena);
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_of_an_enemy_are_refused_or_do_no_harm),
        cmocka_unit_test(a_step_that_the_code_asks_for_again_fails_its_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
