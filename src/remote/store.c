/* SPDX-License-Identifier: MIT
 *
 * The store of a hub that a server has: each operation is a call.
 *
 * It is one to look at and to tell things, not one to run an engine on: own, commit and what else
 * is the engine's are refused. The mailbox is always empty here, for the server's engine takes what
 * is accepted at once.
 */
#include <time.h>

#include "remote/remote_priv.h"

enum {
    OPEN_MS = 5000,   /* for the first answer of a server that is silent ... */
    REFUSED_MS = 500, /* ... and where nobody listens: it may be starting */
    CALL_MS = 30000,  /* for a call, with all its attempts */
    PAUSE_MIN_MS = 20,
    PAUSE_MAX_MS = 1000,
    ACCEPT_BYTES = 16 << 20, /* of one call: more messages go with the next */
    ACCEPT_MESSAGES = 10000,
    MESSAGE_MAX = 64 << 20, /* of servers that do not say */
};

static const char where[] = "remote";

struct remote_store *remote_of(struct store *store)
{
    struct remote_store *remote = CONTAINER_OF(store, struct remote_store, base);
    OBJECT_CHECK(remote, REMOTE_MAGIC);
    return remote;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void pause_ms(int64_t ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

static pd_status attempt(struct remote_store *store, const struct remote_call *call,
                         struct text request, int64_t max_ms, struct arena *arena, struct text *ret,
                         pd_error *err)
{
    pd_status status =
        grpc_channel_call(store->channel, call->path, request, max_ms, arena, ret, err);
    if (status == PD_E_TIMEOUT) { /* no answer: nobody knows */
        status =
            error_set(err, PD_E_UNAVAILABLE, true, where, "the server at %s:%u does not answer",
                      store->place.host, store->place.port);
    }
    return status;
}

/* R2 */
static pd_status insist(struct remote_store *store, const struct remote_call *call,
                        struct text request, struct arena *arena, struct text *ret, pd_error *err)
{
    int64_t until = remote_steady_us() + CALL_MS * TIME_MS;
    int64_t left_ms = CALL_MS;
    int64_t pause = PAUSE_MIN_MS;
    pd_error reason; /* the caller's is written on failure only */
    pd_status status = attempt(store, call, request, left_ms, arena, ret, &reason);
    while (status == PD_E_UNAVAILABLE && call->repeats &&
           (left_ms = (until - remote_steady_us()) / TIME_MS - pause) > 0) {
        pause_ms(pause);
        pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
        status = attempt(store, call, request, left_ms, arena, ret, &reason);
    }
    if (status != PD_OK) {
        *err = reason;
    }
    return status;
}

pd_status remote_call(struct remote_store *store, const struct remote_call *call,
                      struct arena *arena, void *ret_answer, pd_error *err)
{
    struct buffer request;
    struct text answer;
    buffer_init(&request);
    if (call->request != NULL) {
        message_write(call->request_type, &request, call->request);
    }
    pd_status status = insist(store, call, buffer_text(&request), arena, &answer, err);
    buffer_done(&request);
    if (status == PD_OK) {
        status = message_read(call->answer_type, answer, arena, ret_answer, err);
        if (status != PD_OK) {
            err->status = status = PD_E_UNAVAILABLE;
            err->retryable = false;
        }
    }
    return status;
}

/* ---- looking --------------------------------------------------------------------------------- */

static struct hub_load_request load_request(struct text id, uint64_t row)
{
    struct hub_load_request request;
    message_init(&hub_load_request_type, &request);
    request.id = text_is_present(id) ? id : TEXT("");
    request.row = (int64_t)row;
    return request;
}

static pd_status load_instance(struct store *store, struct text id, uint64_t row,
                               struct arena *arena, struct instance_record *ret, bool *ret_found,
                               pd_error *err)
{
    const struct hub_load_request request = load_request(id, row);
    const struct remote_call call = {
        REMOTE_PATH("LoadInstance"),
        &hub_load_request_type,
        &hub_load_instance_response_type,
        &request,
        true,
    };
    struct hub_load_instance_response answer;
    pd_status status = remote_call(remote_of(store), &call, arena, &answer, err);
    *ret_found = status == PD_OK && answer.instance != NULL;
    if (*ret_found) {
        *ret = hub_instance_record(answer.instance);
    }
    return status;
}

static pd_status load_entity(struct store *store, struct text id, uint64_t row, struct arena *arena,
                             struct entity_record *ret, bool *ret_found, pd_error *err)
{
    const struct hub_load_request request = load_request(id, row);
    const struct remote_call call = {
        REMOTE_PATH("LoadEntity"),
        &hub_load_request_type,
        &hub_load_entity_response_type,
        &request,
        true,
    };
    struct hub_load_entity_response answer;
    pd_status status = remote_call(remote_of(store), &call, arena, &answer, err);
    *ret_found = status == PD_OK && answer.entity != NULL;
    if (*ret_found) {
        *ret = hub_entity_record(answer.entity);
    }
    return status;
}

static pd_status load_progress(struct store *store, uint64_t row, struct arena *arena,
                               struct progress_rows *ret, pd_error *err)
{
    const struct hub_load_request request = load_request(TEXT_ABSENT, row);
    const struct remote_call call = {
        REMOTE_PATH("LoadProgress"),
        &hub_load_request_type,
        &hub_load_progress_response_type,
        &request,
        true,
    };
    struct hub_load_progress_response answer;
    pd_status status = remote_call(remote_of(store), &call, arena, &answer, err);
    if (status != PD_OK) {
        return status;
    }
    struct progress *items = arena_alloc(arena, answer.progress.count * sizeof *items);
    for (size_t i = 0; i < answer.progress.count; i++) {
        const struct hub_kept_progress *kept = &answer.progress.items[i];
        items[i] = (struct progress){ (int32_t)kept->id, kept->bytes };
    }
    *ret = (struct progress_rows){ items, answer.progress.count };
    return PD_OK;
}

static pd_status receive(struct store *store, unsigned partition, uint64_t after, size_t max,
                         struct arena *arena, struct message_page *ret, pd_error *err)
{
    (void)store, (void)partition, (void)after, (void)max, (void)arena, (void)err;
    *ret = (struct message_page){ NULL, 0 };
    return PD_OK;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* As many of them as one call takes; one at least. */
static size_t portion_of(const struct remote_store *store, const struct message *messages,
                         size_t count)
{
    enum { WORDS = 128 }; /* what else there is of one */
    size_t most = store->message_max / 2 < ACCEPT_BYTES ? store->message_max / 2 : ACCEPT_BYTES;
    size_t bytes = 0;
    size_t n = 0;
    while (n < count && n < ACCEPT_MESSAGES && (n == 0 || bytes + messages[n].bytes.size <= most)) {
        bytes += messages[n].bytes.size + messages[n].instance_id.size + WORDS;
        n++;
    }
    return n;
}

static pd_status fate_of(const struct hub_refusal *refusal, pd_error *err)
{
    pd_status status = (pd_status)refusal->status;
    bool is_one = status != PD_OK && status_name(status)[0] == 'P' &&
                  strcmp(status_name(status), "PD_E_?") != 0;
    return error_set(err, is_one ? status : PD_E_UNAVAILABLE, refusal->is_retryable, "server",
                     "%.*s", TEXT_ARGS(refusal->text));
}

static void fill(pd_status *statuses, size_t count, pd_status status)
{
    for (size_t i = 0; i < count; i++) {
        statuses[i] = status;
    }
}

/* *ret_away: the whole call failed, as the next one would, after as long. */
static pd_status accept_portion(struct store *store, const struct message *messages, size_t count,
                                pd_status *ret_statuses, bool *ret_away, pd_error *err)
{
    struct arena arena;
    arena_init(&arena);
    struct hub_saying *sayings = arena_alloc(&arena, count * sizeof *sayings);
    for (size_t i = 0; i < count; i++) {
        sayings[i] = (struct hub_saying){
            .kind = messages[i].kind,
            .flags = messages[i].flags,
            .instance_id = messages[i].instance_id,
            .execution_id = messages[i].execution_id,
            .bytes = messages[i].bytes,
        };
    }
    const struct hub_accept_request request = { .sayings = { sayings, count } };
    const struct remote_call call = {
        REMOTE_PATH("Accept"), &hub_accept_request_type, &hub_accept_response_type, &request, false,
    };
    struct hub_accept_response answer;
    pd_status status = remote_call(remote_of(store), &call, &arena, &answer, err);
    *ret_away = status == PD_E_UNAVAILABLE;
    fill(ret_statuses, count, status);
    size_t first = count;
    for (size_t i = 0; status == PD_OK && i < answer.refusals.count; i++) {
        const struct hub_refusal *refusal = &answer.refusals.items[i];
        pd_error reason;
        if (refusal->at >= 0 && (size_t)refusal->at < count) {
            size_t at = (size_t)refusal->at;
            ret_statuses[at] = fate_of(refusal, &reason);
            *err = at < first ? reason : *err;
            first = at < first ? at : first;
        }
    }
    status = first < count ? ret_statuses[first] : status;
    arena_done(&arena);
    return status;
}

static pd_status accept_each(struct store *store, const struct message *messages, size_t count,
                             pd_status *ret_statuses, pd_error *err)
{
    pd_status first = PD_OK;
    bool is_away = false;
    for (size_t from = 0; from < count;) {
        size_t portion = portion_of(remote_of(store), messages + from, count - from);
        pd_error reason;
        pd_status status = PD_E_UNAVAILABLE; /* as of those before */
        if (is_away) {
            fill(ret_statuses + from, portion, status);
        } else {
            status = accept_portion(store, messages + from, portion, ret_statuses + from, &is_away,
                                    &reason);
        }
        if (status != PD_OK && first == PD_OK) {
            first = status;
            *err = reason;
        }
        from += portion;
    }
    return first;
}

/* Of one: of several, which is all or none, a server has no such thing. */
static pd_status accept(struct store *store, const struct message *messages, size_t count,
                        pd_error *err)
{
    pd_status fate;
    if (count == 0) {
        return PD_OK;
    }
    return count == 1
               ? accept_each(store, messages, 1, &fate, err)
               : error_set(err, PD_E_STATE, false, where, "a server takes messages one by one");
}

/* ---- waiting --------------------------------------------------------------------------------- */

static pd_status wait(struct store *store, int64_t max_ms, pd_error *err)
{
    (void)err;
    struct remote_store *remote = remote_of(store);
    struct timespec until = remote_until(max_ms);
    pthread_mutex_lock(&remote->mutex);
    uint64_t wakes = remote->wakes;
    int answer = 0;
    while (wakes == remote->wakes && answer == 0) {
        answer = pthread_cond_timedwait(&remote->woken, &remote->mutex, &until);
    }
    pthread_mutex_unlock(&remote->mutex);
    return PD_OK;
}

static void wake(struct store *store)
{
    struct remote_store *remote = remote_of(store);
    pthread_mutex_lock(&remote->mutex);
    remote->wakes++;
    pthread_cond_broadcast(&remote->woken);
    pthread_mutex_unlock(&remote->mutex);
    waits_wake(&remote->waits);
}

/* ---- what is the engine's -------------------------------------------------------------------- */

static pd_status refuse(pd_error *err)
{
    return error_set(err, PD_E_STATE, false, where, "the engine of this hub is the server's");
}

static pd_status own(struct store *store, unsigned partition, time_us now, struct ownership *ret,
                     pd_error *err)
{
    (void)store, (void)partition, (void)now, (void)ret;
    return refuse(err);
}

static void disown(struct store *store, unsigned partition)
{
    (void)store, (void)partition;
}

static pd_status commit(struct store *store, const struct batch *const *batches, size_t count,
                        pd_error *err)
{
    (void)store, (void)batches, (void)count;
    return refuse(err);
}

static pd_status scan_busy(struct store *store, unsigned partition, uint64_t after, size_t max,
                           struct arena *arena, struct busy_page *ret, pd_error *err)
{
    (void)store, (void)partition, (void)after, (void)max, (void)arena, (void)ret;
    return refuse(err);
}

static pd_status due_timers(struct store *store, unsigned partition, time_us from, time_us until,
                            size_t max, struct arena *arena, struct timer_page *ret, pd_error *err)
{
    (void)store, (void)partition, (void)from, (void)until, (void)max, (void)arena, (void)ret;
    return refuse(err);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void free_store(struct remote_store *store)
{
    if (store->channel != NULL) {
        waits_stop(&store->waits);
        grpc_channel_free(store->channel);
        waits_done(&store->waits);
    }
    tls_free(store->tls);
    pthread_cond_destroy(&store->woken);
    pthread_mutex_destroy(&store->mutex);
    arena_done(&store->arena);
    OBJECT_FREE(store, REMOTE_MAGIC);
}

static void close_store(struct store *store)
{
    free_store(remote_of(store));
}

static const struct store_ops ops = {
    .version = 3,
    .close = close_store,
    .own = own,
    .disown = disown,
    .commit = commit,
    .load_instance = load_instance,
    .load_history = remote_load_history,
    .load_inbox = remote_load_inbox,
    .scan_busy = scan_busy,
    .due_timers = due_timers,
    .query = remote_query,
    .accept = accept,
    .receive = receive,
    .wait = wait,
    .wake = wake,
    .count = remote_count,
    .load_progress = load_progress,
    .load_entity = load_entity,
    .query_entities = remote_query_entities,
    .accept_each = accept_each,
};

static bool connect_store(struct remote_store *store, pd_error *err)
{
    const struct tls_options tls = {
        .certificate = store->place.certificate,
        .key = store->place.key,
        .authorities = store->place.authorities,
        .alpn = "h2",
    };
    if (store->place.has_tls && (store->tls = tls_new_client(&tls, err)) == NULL) {
        return false;
    }
    store->channel = place_connect(&store->place, store->tls, "client", err);
    if (store->channel != NULL) {
        waits_init(&store->waits, store->channel);
    }
    return store->channel != NULL;
}

/* A server that cannot be reached is told of soon: who asks may have mistyped its address. What no
 * waiting would mend, as a certificate that is not trusted, is no server that is away. */
static pd_status reach(struct remote_store *store, pd_error *err)
{
    int64_t wait_ms = store->place.wait_ms;
    pd_status status = grpc_channel_reach(store->channel, wait_ms >= 0 ? wait_ms : REFUSED_MS,
                                          wait_ms > OPEN_MS ? wait_ms : OPEN_MS, err);
    if (status == PD_E_TIMEOUT || (status == PD_E_UNAVAILABLE && err->retryable)) {
        pd_error why = *err;
        status = error_set(err, PD_E_UNAVAILABLE, true, "hub: open",
                           "no server answers at %s:%u; is perdured running? %s", store->place.host,
                           store->place.port, why.text);
    }
    return status;
}

static pd_status greet(struct remote_store *store, pd_error *err)
{
    struct hub_open_request request;
    message_init(&hub_open_request_type, &request);
    request.protocol = HUB_PROTOCOL;
    request.client = TEXT("perdure-c/" PERDURE_VERSION);
    struct hub_open_response answer;
    struct text bytes;
    struct arena arena;
    struct buffer buffer;
    arena_init(&arena);
    buffer_init(&buffer);
    message_write(&hub_open_request_type, &buffer, &request);
    pd_status status = grpc_channel_call(store->channel, REMOTE_PATH("Open"), buffer_text(&buffer),
                                         OPEN_MS, &arena, &bytes, err);
    if (status == PD_E_TIMEOUT) {
        status = error_set(err, PD_E_UNAVAILABLE, true, "hub: open",
                           "what listens at %s:%u took the question and did not answer in %d s",
                           store->place.host, store->place.port, OPEN_MS / 1000);
    }
    if (status == PD_OK &&
        message_read(&hub_open_response_type, bytes, &arena, &answer, err) != PD_OK) {
        status = error_set(err, PD_E_STATE, false, "hub: open",
                           "what listens at %s:%u answers, but not as perdured does",
                           store->place.host, store->place.port);
    }
    if (status == PD_OK && (answer.protocol != HUB_PROTOCOL || answer.partition_count < 1 ||
                            answer.partition_count > LIMIT_PARTITIONS)) {
        status = error_set(err, PD_E_STATE, false, "hub: open",
                           "the server is Perdure %.*s, this is %s: they do not understand each "
                           "other",
                           TEXT_ARGS(answer.version), PERDURE_VERSION);
    }
    if (status == PD_OK) {
        bool says_most = answer.message_max > 0 && answer.message_max <= INT32_MAX;
        store->base.partition_count = (unsigned)answer.partition_count;
        store->message_max = says_most ? (size_t)answer.message_max : MESSAGE_MAX;
    }
    buffer_done(&buffer);
    arena_done(&arena);
    return status;
}

struct store *remote_store_open(const char *url, pd_error *err)
{
    struct remote_store *store = OBJECT_NEW(struct remote_store, REMOTE_MAGIC);
    store->base.ops = &ops;
    arena_init(&store->arena);
    pthread_mutex_init(&store->mutex, NULL);
    remote_cond_init(&store->woken);
    if (place_read(url, &store->arena, &store->place, err) != PD_OK || !connect_store(store, err) ||
        reach(store, err) != PD_OK || greet(store, err) != PD_OK) {
        free_store(store);
        return NULL;
    }
    return &store->base;
}
