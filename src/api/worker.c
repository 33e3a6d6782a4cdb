/* SPDX-License-Identifier: MIT
 *
 * The worker: the user's program (author) and what runs it (engine), as one thing that is started
 * and stopped.
 *
 *   K1  A hub has one worker at most, from the beginning of pd_worker_start to the end of
 *       pd_worker_stop.
 *   K2  While it is being stopped, new commands go through the mailbox: they are durable, and take
 *       effect when an engine runs again. Waits go on by looking at the store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/http_activity.h"
#include "base/network.h"
#include "builtin/builtin.h"
#include "author/author.h"
#include "remote/remote.h"

enum { DRAIN_MAX_MS = 30000 };

static const char where[] = "worker: start";

static pd_status refused(const char *what, pd_error *err)
{
    return error_set(err, PD_E_INVALID, false, where, "%s makes no sense", what);
}

static pd_status check_options(const pd_worker_options *options, pd_error *err)
{
    if (options->threads < 0) {
        return error_set(err, PD_E_INVALID, false, where, "%d threads cannot be had",
                         options->threads);
    }
    if (options->drain_max.ms < 0) {
        return error_set(err, PD_E_INVALID, false, where, "drain_max is negative");
    }
    if (options->keep_completed.ms < 0 || options->keep_failed.ms < 0 ||
        options->keep_terminated.ms < 0) {
        return error_set(err, PD_E_INVALID, false, where,
                         "a negative time to keep ended instances");
    }
    if (options->keep_entities.ms < 0) {
        return error_set(err, PD_E_INVALID, false, where,
                         "a negative time to keep entities; 0 keeps them for ever");
    }
    if ((unsigned)options->version_match > PD_VERSION_SAME_OR_OLDER) {
        return refused("the value of version_match", err);
    }
    if ((unsigned)options->guard > PD_GUARD_FAIL) {
        return refused("the value of guard", err);
    }
    struct text version = text_of(options->version);
    return version.size == 0 ? PD_OK : api_check_name(version, where, "version", err);
}

/* A variable of the environment that is one of some words; unset or empty is the first, "". A
 * mistyped word must not count as none. */
static pd_status read_word(const char *name, const char *const *words, size_t count, size_t *ret,
                           pd_error *err)
{
    const char *word = getenv(name);
    for (*ret = 0; *ret < count; (*ret)++) {
        if (strcmp(word != NULL ? word : "", words[*ret]) == 0) {
            return PD_OK;
        }
    }
    char known[64] = "";
    for (size_t i = 1; i < count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s'%s'", i > 1 ? " or " : "", words[i]);
    }
    return error_set(err, PD_E_INVALID, false, where, "%s is '%s' in the environment; it can be %s",
                     name, word, known);
}

/* PD_REPLAY=always: every stack is dropped at every wait, so that code that cannot be replayed is
 * found in tests. */
static pd_status read_environment(pd_guard guard, struct author_options *ret, pd_error *err)
{
    static const char *const replays[] = { "", "always" };
    static const char *const guards[] = { "", "off", "report", "fail" };
    static const enum author_guard meanings[] = {
        [PD_GUARD_DEFAULT] = GUARD_OFF,
        [PD_GUARD_OFF] = GUARD_OFF,
        [PD_GUARD_REPORT] = GUARD_REPORT,
        [PD_GUARD_FAIL] = GUARD_FAIL,
    };
    size_t replay;
    size_t said;
    if (read_word("PD_REPLAY", replays, 2, &replay, err) != PD_OK ||
        read_word("PD_GUARD", guards, 4, &said, err) != PD_OK) {
        return err->status;
    }
    ret->is_drop_mode = replay != 0;
    ret->guard = meanings[guard != PD_GUARD_DEFAULT ? (size_t)guard : said];
    return PD_OK;
}

/* A whole number of the environment, in `ret`; unset or empty leaves it. */
static pd_status read_number(const char *name, int64_t *ret, pd_error *err)
{
    const char *word = getenv(name);
    char *end;
    if (word == NULL || *word == '\0') {
        return PD_OK;
    }
    long long number = strtoll(word, &end, 10);
    if (*end != '\0' || number <= 0 || number > INT64_MAX / 1000) {
        return error_set(err, PD_E_INVALID, false, where,
                         "%s is '%s' in the environment; it can be a number above 0", name, word);
    }
    *ret = number;
    return PD_OK;
}

static struct api_http *make_http(const pd_hub *hub, pd_error *err)
{
    struct api_http_options options = { .fetch.allow = getenv("PERDURE_HTTP_ALLOW"),
                                        .fetch.answer_max = (int64_t)hub->payload_max };
    int64_t poll_s = 0, timeout_s = 0;
    size_t unwanted;
    pd_error why;
    if (network_check_list(options.fetch.allow, &unwanted, &why) != PD_OK) {
        (void)error_set(err, PD_E_INVALID, false, where, "PERDURE_HTTP_ALLOW: %s", why.text);
        return NULL;
    }
    if (read_number("PERDURE_HTTP_BODY_MAX", &options.fetch.body_max, err) != PD_OK ||
        read_number("PERDURE_HTTP_TIMEOUT_MAX", &timeout_s, err) != PD_OK ||
        read_number("PERDURE_HTTP_POLL", &poll_s, err) != PD_OK) {
        return NULL;
    }
    options.fetch.timeout_max_ms = timeout_s * 1000;
    builtin_set_http_poll(poll_s * 1000);
    return api_http_new(&options);
}

/* How long entities are kept: by name, where a row says so (negative: for ever, which is 0 here),
 * and the others. The table was checked by the author. */
static void read_keeps(const pd_function *program, size_t n, pd_duration others,
                       struct arena *arena, struct engine_options *ret)
{
    size_t ours;
    const pd_function *builtin = builtin_functions(&ours);
    struct entity_keep *keeps = arena_alloc(arena, (n + ours + 1) * sizeof *keeps);
    size_t count = 0;
    keeps[count++].keep_ms = others.ms;
    for (size_t i = 0; i < n + ours; i++) {
        const pd_function *function = i < n ? &program[i] : &builtin[i - n];
        const pd_entity_rules *rules = function->rules;
        if (function->kind == PD_ENTITY_FUNCTION && rules != NULL && rules->keep.ms != 0) {
            struct text name = text_of(function->name);
            char *id = arena_printf(arena, "@%s@", function->name);
            entity_id_fold(id, name.size + 2);
            keeps[count].name = text_make(id + 1, name.size);
            keeps[count++].keep_ms = rules->keep.ms > 0 ? rules->keep.ms : 0;
        }
    }
    ret->entity_keeps = keeps;
    ret->entity_keep_count = count;
}

/* The names of one kind, or of either; NULL ends them. */
static const char *const *names_of(const pd_function *program, size_t n, pd_function_kind kind,
                                   pd_function_kind other, struct arena *arena)
{
    const char **names = arena_alloc(arena, (n + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (program[i].kind == kind || program[i].kind == other) {
            names[count++] = program[i].name;
        }
    }
    return names;
}

/* The engine is the server's: crashes, and how long things are kept, are its business. */
static bool start_remote(pd_worker *worker, const pd_function *program, size_t n, unsigned threads,
                         struct arena *arena, pd_error *err)
{
    const struct remote_worker_options options = {
        .runner = worker->author,
        .threads = threads,
        .partitions = worker->hub->store->partition_count,
        .version = worker->version[0] != '\0' ? worker->version : NULL,
        .orchestrators = names_of(program, n, PD_ORCHESTRATOR, PD_ORCHESTRATOR, arena),
        .activities = names_of(program, n, PD_ACTIVITY, PD_TRANSACTION_, arena),
        .entities = names_of(program, n, PD_ENTITY_FUNCTION, PD_ENTITY_FUNCTION, arena),
    };
    worker->remote = worker->hub->remote->worker_start(worker->hub->store, &options, err);
    return worker->remote != NULL;
}

static bool worker_init(pd_worker *worker, const pd_function *program, size_t n,
                        const pd_worker_options *options, pd_error *err)
{
    struct store *store = worker->hub->store;
    bool has_version = options->version != NULL;
    if (has_version) {
        snprintf(worker->version, sizeof(worker->version), "%s", options->version);
    }
    struct author_options authors = {
        .user = options->user,
        .stack_size = options->stack_size,
        .orchestrations_max = options->orchestrations_max,
        .partition_count = store->partition_count,
        .version = has_version ? worker->version : NULL,
        .version_match = options->version_match,
        .leaves_mismatch = options->leaves_mismatch,
        .payload_max = worker->hub->payload_max,
    };
    if (read_environment(options->guard, &authors, err) != PD_OK) {
        return false;
    }
    struct engine_options engines = {
        .activity_threads = (unsigned)options->threads,
        .crashes_max = options->crashes_max,
        .keep_ms = {
            [RUN_COMPLETED] = options->keep_completed.ms,
            [RUN_FAILED] = options->keep_failed.ms,
            [RUN_TERMINATED] = options->keep_terminated.ms,
        },
        .keeps_empty_entities = options->keeps_empty_entities,
        .passing_names = builtin_passing,
        .passing_name_count = BUILTIN_PASSING,
        .passing_completed = builtin_passing_completed,
        .passing_completed_count = 1,
    };
    worker->drain_ms = options->drain_max.ms != 0 ? options->drain_max.ms : DRAIN_MAX_MS;
    if (worker->hub->remote == NULL) {
        worker->http = make_http(worker->hub, err);
        if (worker->http == NULL) {
            return false;
        }
        authors.elsewhere = api_http_elsewhere(worker->http);
    }
    worker->author = author_new(program, n, &authors, err);
    if (worker->author == NULL) {
        api_http_free(worker->http);
        return false;
    }
    struct arena arena;
    arena_init(&arena);
    bool is_started;
    if (worker->hub->remote != NULL) {
        is_started = start_remote(worker, program, n, (unsigned)options->threads, &arena, err);
    } else {
        read_keeps(program, n, options->keep_entities, &arena, &engines);
        worker->engine = engine_start(store, worker->author, &engines, err);
        is_started = worker->engine != NULL;
        if (is_started) {
            api_http_set_engine(worker->http, worker->engine);
        }
    }
    arena_done(&arena);
    if (!is_started) {
        author_free(worker->author);
        api_http_free(worker->http);
    }
    return is_started;
}

/* K1 */
static pd_status reserve(pd_hub *hub, pd_error *err)
{
    pd_status status = PD_OK;
    pthread_mutex_lock(&hub->mutex);
    if (hub->worker != NULL || hub->is_worker_starting) {
        status = error_set(err, PD_E_STATE, false, where,
                           "this hub has a worker already; stop it first");
    } else {
        hub->is_worker_starting = true;
    }
    pthread_mutex_unlock(&hub->mutex);
    return status;
}

static void publish(pd_hub *hub, pd_worker *worker)
{
    pthread_mutex_lock(&hub->mutex);
    hub->worker = worker;
    hub->is_worker_starting = false;
    pthread_mutex_unlock(&hub->mutex);
    /* Waits that look at the store every now and then may use the engine from here on. */
    hub->store->ops->wake(hub->store);
}

pd_worker *pd_worker_start(pd_hub *hub, const pd_function *program, size_t n,
                           const pd_worker_options *options, pd_error *err)
{
    static const pd_worker_options defaults;
    pd_error unwanted;
    err = error_or(err, &unwanted);
    options = options != NULL ? options : &defaults;

    if (replay_is_wanted()) {
        replay_instead(program, n, options->user);
    }
    struct call call;
    pd_worker *worker = NULL;
    if (call_begin(&call, hub, where, err) != PD_OK || check_options(options, err) != PD_OK ||
        reserve(hub, err) != PD_OK) {
        call_end(&call);
        return NULL;
    }
    worker = OBJECT_NEW(pd_worker, WORKER_MAGIC);
    worker->hub = hub;
    if (!worker_init(worker, program, n, options, err)) {
        OBJECT_FREE(worker, WORKER_MAGIC);
        worker = NULL;
    }
    publish(hub, worker);
    call_end(&call);
    return worker;
}

int64_t pd_worker_silence_(pd_worker *worker)
{
    OBJECT_CHECK(worker, WORKER_MAGIC);
    return worker->remote != NULL ? worker->hub->remote->worker_silence(worker->remote) / 1000 : 0;
}

void pd_worker_stop(pd_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    OBJECT_CHECK(worker, WORKER_MAGIC);
    pd_hub *hub = worker->hub;
    pthread_mutex_lock(&hub->mutex);
    atomic_store(&worker->is_stopping, true);
    if (worker->engine != NULL) {
        engine_end_watches(worker->engine);
    }
    while (worker->users > 0) {
        pthread_cond_wait(&hub->changed, &hub->mutex);
    }
    pthread_mutex_unlock(&hub->mutex);

    if (worker->remote != NULL) {
        hub->remote->worker_stop(worker->remote, worker->drain_ms);
    }
    time_us begun = api_monotonic();
    if (worker->http != NULL) {
        api_http_end(worker->http, worker->drain_ms);
    }
    int64_t left_ms = worker->drain_ms - (api_monotonic() - begun) / 1000;
    engine_stop(worker->engine, left_ms > 0 ? left_ms : 0);
    api_http_free(worker->http);
    author_free(worker->author);

    pthread_mutex_lock(&hub->mutex);
    hub->worker = NULL;
    pthread_mutex_unlock(&hub->mutex);
    OBJECT_FREE(worker, WORKER_MAGIC);
}
