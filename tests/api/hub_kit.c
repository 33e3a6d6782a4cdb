/* SPDX-License-Identifier: MIT
 *
 * The kit of the hub tests; see hub_kit.h.
 */
#include "hub_kit.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* ---- the program ---------------------------------------------------------------------------- */

static pd_result say_hello(pd_activity *a, pd_value city)
{
    return pd_ok(a, pd_format(a, "Hello %s!", pd_text(city)));
}

static pd_result square(pd_activity *a, pd_value n)
{
    return pd_ok(a, pd_int(n) * pd_int(n));
}

static pd_result break_it(pd_activity *a, pd_value input)
{
    return pd_fail(a, "Broken", "it broke at %s", pd_text(input));
}

static pd_result nap(pd_activity *a, pd_value ms)
{
    kit_sleep_ms(pd_int(ms));
    return pd_ok(a, ms);
}

pd_result kit_hello(pd_orchestration *o, pd_value cities)
{
    pd_list *greetings = pd_list_new(o);
    PD_EACH(city, cities) {
        pd_value greeting = pd_call_activity(o, say_hello, city);
        pd_list_add(greetings, greeting);
    }
    return pd_ok(o, greetings);
}

static pd_result fan_out(pd_orchestration *o, pd_value count)
{
    size_t n = (size_t)pd_int(count);
    pd_task **tasks = pd_alloc(o, (n + 1) * sizeof(*tasks));
    for (size_t i = 0; i < n; i++) {
        tasks[i] = pd_start_activity(o, square, (int64_t)i);
    }
    pd_await_all(o, tasks, n);
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += pd_int(pd_task_value(tasks[i]));
    }
    return pd_ok(o, sum);
}

static pd_result fails(pd_orchestration *o, pd_value input)
{
    return pd_fail(o, "Refused", "no %s today", pd_text(input));
}

static pd_result fails_in_activity(pd_orchestration *o, pd_value input)
{
    pd_value result = pd_call_activity(o, break_it, input);
    return pd_ok(o, result);
}

static pd_result echo(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static pd_result wait_for(pd_orchestration *o, pd_value name)
{
    pd_value payload = pd_wait_event(o, pd_text(name));
    return pd_ok(o, payload);
}

static pd_result collect(pd_orchestration *o, pd_value count)
{
    pd_list *items = pd_list_new(o);
    for (int64_t i = 0; i < pd_int(count); i++) {
        pd_value item = pd_wait_event(o, "item");
        pd_list_add(items, item);
    }
    return pd_ok(o, items);
}

static pd_result sleeper(pd_orchestration *o, pd_value ms)
{
    pd_sleep(o, pd_milliseconds(pd_int(ms)));
    return pd_ok(o, PD_NULL);
}

static pd_result slow(pd_orchestration *o, pd_value ms)
{
    pd_value result = pd_call_activity(o, nap, ms);
    return pd_ok(o, result);
}

static atomic_int trips_left;

void kit_trip(int times)
{
    atomic_store(&trips_left, times);
}

static pd_result stumble(pd_activity *a, pd_value input)
{
    if (atomic_fetch_sub(&trips_left, 1) > 0) {
        return pd_fail(a, "Stumbled", "over %s", pd_text(input));
    }
    return pd_ok(a, input);
}

static pd_result trip(pd_orchestration *o, pd_value input)
{
    pd_value greeting = pd_call_activity(o, say_hello, input);
    pd_value walked = pd_call_activity(o, stumble, greeting);
    return pd_ok(o, walked);
}

static pd_result parent(pd_orchestration *o, pd_value input)
{
    const char *name;
    const char *id = NULL;
    const char *then = NULL;
    pd_value of_child = PD_NULL;
    pd_read(o, input, "name", &name, "id?", &id, "input?", &of_child, "then?", &then);
    pd_value output = pd_call_child(o, name, of_child, .id = id);
    if (then != NULL) {
        pd_wait_event(o, then);
    }
    return pd_ok(o, output);
}

/* Two children each, down to depth 0; the number of instances below and here. */
static pd_result tree(pd_orchestration *o, pd_value depth)
{
    if (pd_int(depth) == 0) {
        return pd_ok(o, 1);
    }
    pd_task *left = pd_start_child(o, "Tree", pd_int(depth) - 1);
    pd_task *right = pd_start_child(o, "Tree", pd_int(depth) - 1);
    int64_t below = pd_int(pd_await(o, left));
    below += pd_int(pd_await(o, right));
    return pd_ok(o, below + 1);
}

static pd_result tell(pd_orchestration *o, pd_value status)
{
    pd_set_status(o, status);
    pd_wait_event(o, "go");
    pd_set_status(o, "gone");
    pd_value last = pd_wait_event(o, "go");
    return pd_ok(o, last);
}

/* Begins anew so many times, then waits. */
static pd_result loop(pd_orchestration *o, pd_value left)
{
    if (pd_int(left) > 0) {
        return pd_continue_as_new(o, pd_int(left) - 1);
    }
    pd_value last = pd_wait_event(o, "go");
    return pd_ok(o, last);
}

const pd_function kit_program[] = {
    PD_FUNCTION("Hello", kit_hello), PD_FUNCTION("FanOut", fan_out),
    PD_FUNCTION("Fails", fails),     PD_FUNCTION("FailsInActivity", fails_in_activity),
    PD_FUNCTION("Echo", echo),       PD_FUNCTION("WaitFor", wait_for),
    PD_FUNCTION("Collect", collect), PD_FUNCTION("Sleep", sleeper),
    PD_FUNCTION("Slow", slow),       PD_FUNCTION("SayHello", say_hello),
    PD_FUNCTION("Square", square),   PD_FUNCTION("Break", break_it),
    PD_FUNCTION("Nap", nap),         PD_FUNCTION("Trip", trip),
    PD_FUNCTION("Stumble", stumble), PD_FUNCTION("Parent", parent),
    PD_FUNCTION("Tree", tree),       PD_FUNCTION("Tell", tell),
    PD_FUNCTION("Loop", loop),
};
const size_t kit_program_size = sizeof(kit_program) / sizeof(kit_program[0]);

/* ---- hubs ----------------------------------------------------------------------------------- */

static void fail_with(const char *what, const pd_error *err)
{
    fail_msg("%s: %s: %s", what, err->where, err->text);
}

static int open_hub(void **state, bool is_file, const char *settings)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    assert_non_null(kit);
    snprintf(kit->url, sizeof(kit->url), "memory:%s", settings);
    if (is_file) {
        const char *temporary = getenv("TMPDIR");
        snprintf(kit->folder, sizeof(kit->folder), "%s/pd-hub-XXXXXX",
                 temporary != NULL && strlen(temporary) < 40 ? temporary : "/tmp");
        assert_non_null(mkdtemp(kit->folder));
        snprintf(kit->url, sizeof(kit->url), "sqlite:%s/hub.db%s", kit->folder, settings);
    }
    pd_error err;
    *state = kit;
    if (served_is_wanted()) {
        if (!served_start(&kit->server, kit->url, "127.0.0.1:0")) {
            return 1;
        }
        snprintf(kit->url, sizeof(kit->url), "grpc://%s", kit->server.address);
    }
    kit->hub = pd_hub_open(kit->url, &err);
    return kit->hub == NULL ? pd_error_report(&err) : 0;
}

int kit_open_memory(void **state)
{
    return open_hub(state, false, "");
}

int kit_open_file(void **state)
{
    return open_hub(state, true, "");
}

int kit_open_memory_3(void **state)
{
    return open_hub(state, false, "?partitions=3");
}

int kit_open_file_3(void **state)
{
    return open_hub(state, true, "?partitions=3");
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
    rmdir(path);
}

/* Whatever a test has made instances do, the same program does again. A hub in memory goes through
 * an archive. False: it does not, which was said. */
static bool has_replayed(struct kit *kit)
{
    pd_error err;
    pd_replay_report report = { 0 };
    char path[64] = "";
    pd_status status = PD_OK;
    const char *from = kit->url;
    if (kit->folder[0] == '\0' || served_is_wanted()) {
        snprintf(path, sizeof(path), "/tmp/pd-hub-%ld.pda", (long)getpid());
        from = path;
        status = pd_hub_export(kit->hub, NULL, path, NULL, &err);
    }
    if (status == PD_OK) {
        const pd_function *program = kit->program != NULL ? kit->program : kit_program;
        size_t n = kit->program != NULL ? kit->program_size : kit_program_size;
        status = pd_replay(program, n, from, NULL, &report, &err);
    }
    unlink(path);
    if (status != PD_OK) {
        pd_error_report(&err);
    }
    return status == PD_OK && report.diverged == 0;
}

int kit_close(void **state)
{
    struct kit *kit = *state;
    pd_worker_stop(kit->worker);
    bool is_same = kit->hub == NULL || has_replayed(kit);
    pd_hub_close(kit->hub);
    served_stop(&kit->server);
    if (kit->folder[0] != '\0') {
        remove_folder(kit->folder);
    }
    free(kit);
    return is_same ? 0 : 1;
}

void kit_work(struct kit *kit)
{
    kit_work_with(kit, NULL);
}

void kit_work_with(struct kit *kit, const pd_worker_options *options)
{
    kit_work_on(kit, kit_program, kit_program_size, options);
}

void kit_work_on(struct kit *kit, const pd_function *program, size_t n,
                 const pd_worker_options *options)
{
    pd_error err;
    assert_null(kit->worker);
    kit->program = program;
    kit->program_size = n;
    kit->worker = pd_worker_start(kit->hub, program, n, options, &err);
    if (kit->worker == NULL) {
        fail_with("pd_worker_start", &err);
    }
}

void kit_rest(struct kit *kit)
{
    pd_worker_stop(kit->worker);
    kit->worker = NULL;
}

/* ---- calls ---------------------------------------------------------------------------------- */

void kit_start(struct kit *kit, const char *name, pd_value input, const char *id, pd_id *ret)
{
    pd_error err;
    pd_start_options options = { .id = id };
    if (pd_hub_start(kit->hub, name, input, &options, ret, &err) != PD_OK) {
        fail_with("pd_hub_start", &err);
    }
}

pd_instance *kit_wait(struct kit *kit, const char *id)
{
    pd_error err;
    pd_instance *i = pd_hub_wait(kit->hub, id, pd_seconds(30), &err);
    if (i == NULL) {
        fail_with("pd_hub_wait", &err);
    }
    return i;
}

pd_instance *kit_run(struct kit *kit, const char *name, pd_value input)
{
    pd_id id;
    kit_start(kit, name, input, NULL, &id);
    return kit_wait(kit, id.text);
}

pd_instance *kit_fetch(struct kit *kit, const char *id)
{
    pd_error err;
    pd_instance *i = pd_hub_fetch(kit->hub, id, &err);
    if (i == NULL) {
        fail_with("pd_hub_fetch", &err);
    }
    return i;
}

void kit_raise(struct kit *kit, const char *id, const char *name, pd_value v)
{
    pd_error err;
    if (pd_hub_raise_event(kit->hub, id, name, v, &err) != PD_OK) {
        fail_with("pd_hub_raise_event", &err);
    }
}

void kit_await_state(struct kit *kit, const char *id, pd_run_state wanted)
{
    int64_t until = kit_now_ms() + 30000;
    const char *state = NULL;
    while (state == NULL || strcmp(state, pd_run_state_name(wanted)) != 0) {
        if (kit_now_ms() > until) {
            fail_msg("'%s' is %s and not %s", id, state, pd_run_state_name(wanted));
        }
        if (state != NULL) {
            kit_sleep_ms(2);
        }
        pd_error err;
        pd_instance *i = pd_hub_fetch(kit->hub, id, &err);
        state = i != NULL ? pd_run_state_name(pd_instance_state(i)) : "missing";
        pd_instance_free(i);
    }
}

void kit_expect(pd_status got, pd_status wanted, const pd_error *err, const char *what)
{
    if (got != wanted) {
        fail_msg("%s: %d instead of %d%s%s", what, (int)got, (int)wanted, got != PD_OK ? ": " : "",
                 got != PD_OK ? err->text : "");
    }
}

void kit_assert_json(const char *got, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
}

void kit_assert_ends(struct kit *kit, const char *id, pd_run_state state, const char *output)
{
    pd_instance *i = kit_wait(kit, id);
    if (pd_instance_state(i) != state) {
        const pd_failure *failure = pd_instance_failure(i);
        fail_msg("'%s' is %s: %s", id, pd_run_state_name(pd_instance_state(i)),
                 failure != NULL ? failure->message : pd_instance_output_json(i));
    }
    kit_assert_json(pd_instance_output_json(i), output);
    pd_instance_free(i);
}

uint64_t kit_count(struct kit *kit, pd_query query)
{
    pd_error err;
    pd_counts counts;
    kit_expect(pd_hub_count(kit->hub, &query, &counts, &err), PD_OK, &err, "pd_hub_count");
    return counts.all;
}

pd_history *kit_history(struct kit *kit, const char *id)
{
    pd_error err;
    pd_history *h = pd_hub_fetch_history(kit->hub, id, &err);
    if (h == NULL) {
        fail_with("pd_hub_fetch_history", &err);
    }
    return h;
}

const pd_history_event *kit_event(const pd_history *h, const char *kind, size_t n)
{
    for (size_t i = 0; i < pd_history_count(h); i++) {
        const pd_history_event *e = pd_history_at(h, i);
        if (strcmp(e->kind, kind) == 0 && --n == 0) {
            return e;
        }
    }
    return NULL;
}

size_t kit_count_events(struct kit *kit, const char *id, const char *kind)
{
    pd_history *h = kit_history(kit, id);
    size_t n = 0;
    while (kit_event(h, kind, n + 1) != NULL) {
        n++;
    }
    pd_history_free(h);
    return n;
}

void kit_sleep_ms(int64_t ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

int64_t kit_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
