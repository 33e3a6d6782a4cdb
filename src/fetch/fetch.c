/* SPDX-License-Identifier: MIT
 *
 * The fetcher: one thread for all requests.
 *
 * libcurl says which sockets it watches and when it wants to be called; they are watched by epoll,
 * so a request that waits costs nothing. Requests come in from other threads as jobs, in a list
 * that is taken whole; an eventfd wakes the thread.
 *
 * A request's time is measured here: libcurl's does not pass for those that wait for a connection.
 *
 *   X1  A fetch belongs to the thread from the moment its job is taken until answer_give. A request
 *       that is cancelled is known by its address, which is compared and not followed: it may have
 *       been answered, and be gone. */
#include "fetch/credential.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/http_text.h"
#include "base/limits.h"
#include "base/memory.h"

enum { EVENTS_AT_ONCE = 64, CONNECTIONS_DEFAULT = 1000, WAIT_MAX_MS = 3600 * 1000 };

struct fetch_job {
    struct fetch_job *next;
    struct fetch_request *request;
    bool is_cancel;
};

struct fetcher *fetcher_open(const struct fetch_options *options, pd_error *err);
void fetcher_start(struct fetcher *fetcher, struct fetch_request *request);
void fetcher_cancel(struct fetcher *fetcher, struct fetch_request *request);
void fetcher_close(struct fetcher *fetcher);

time_us fetch_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (time_us)t.tv_sec * TIME_SECOND + t.tv_nsec / 1000;
}

/* ---- one request ----------------------------------------------------------------------------- */

static void hop_is_over(struct transfer *transfer, CURLcode code);

static void end(struct fetch *fetch, enum outcome outcome)
{
    fetch->is_unsent = turn_is_waited_for(&fetch->transfer) && fetch->redirects == 0;
    turn_end(&fetch->fetcher->turns, &fetch->transfer);
    credential_forget(&fetch->wait);
    list_remove(&fetch->among);
    answer_give(fetch, outcome);
    curl_easy_cleanup(fetch->transfer.easy);
    curl_slist_free_all(fetch->fields);
    curl_url_cleanup(fetch->origin);
    curl_url_cleanup(fetch->url);
    buffer_done(&fetch->headers);
    buffer_done(&fetch->body);
    arena_done(&fetch->arena);
    mem_free(fetch);
}

/* Its turn has come. */
static bool begin_hop(struct transfer *transfer)
{
    struct fetch *fetch = CONTAINER_OF(transfer, struct fetch, transfer);
    transfer->easy = transfer->easy != NULL ? transfer->easy : curl_easy_init();
    fetch->reason = "libcurl cannot take another request";
    if (transfer->easy == NULL || !hop_begin(fetch)) {
        end(fetch, fetch->is_refused ? OUTCOME_REFUSED : OUTCOME_FAILED);
        return false;
    }
    fetch->reason = NULL;
    return true;
}

static void ask_hop(struct fetch *fetch)
{
    turn_ask(&fetch->fetcher->turns, &fetch->transfer, fetch->url);
}

/* Absolute, http or https. */
static bool read_uri(struct fetch *fetch)
{
    char *scheme = NULL;
    fetch->origin = curl_url();
    bool is_read = fetch->origin != NULL &&
                   curl_url_set(fetch->origin, CURLUPART_URL, fetch->order.uri, 0) == CURLUE_OK &&
                   curl_url_get(fetch->origin, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                   (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    fetch->url = is_read ? curl_url_dup(fetch->origin) : NULL;
    char shown[HTTP_SHOWN_MAX];
    fetch->reason = is_read ? NULL
                            : arena_printf(&fetch->arena,
                                           "the uri '%s' is not an absolute one, of http or https",
                                           http_show_url(fetch->order.uri, shown));
    return fetch->url != NULL;
}

static void on_token(struct credential_wait *wait, struct text token, const char *why,
                     bool is_final)
{
    struct fetch *fetch = CONTAINER_OF(wait, struct fetch, wait);
    if (!text_is_present(token)) {
        fetch->reason = why;
        fetch->has_no_credential = is_final;
        end(fetch, OUTCOME_CREDENTIAL);
        return;
    }
    fetch->token = text_copy(&fetch->arena, token).at;
    ask_hop(fetch);
}

static void begin(struct fetcher *fetcher, struct fetch_request *request)
{
    struct fetch *fetch = mem_alloc(sizeof *fetch);
    fetch->transfer.begin = begin_hop;
    fetch->transfer.over = hop_is_over;
    fetch->wait.ready = on_token;
    fetch->fetcher = fetcher;
    fetch->request = request;
    request->state = fetch;
    arena_init(&fetch->arena);
    buffer_init(&fetch->headers);
    buffer_init(&fetch->body);
    list_push_back(&fetcher->all, &fetch->among);
    if (!order_read(request->input, &fetch->arena, &fetch->order, &fetch->reason) ||
        !read_uri(fetch)) {
        end(fetch, OUTCOME_BAD_INPUT);
        return;
    }
    fetch->reason = NULL;
    fetch->method = fetch->order.method;
    fetch->has_body = fetch->order.content != NULL;
    fetch->is_trusted = true;
    fetch->limit_ms = order_limit_ms(&fetch->order, fetcher->timeout_max_ms);
    fetch->ends_at = time_add(fetch_now(), fetch->limit_ms * TIME_MS);
    fetcher->look_at = fetch->ends_at < fetcher->look_at ? fetch->ends_at : fetcher->look_at;
    if (pd_kind_of(fetch->order.credential) != PD_IS_NULL) {
        credential_get(fetcher, fetch->order.credential, fetch->origin, &fetch->wait);
    } else {
        ask_hop(fetch);
    }
}

static void hop_is_over(struct transfer *transfer, CURLcode code)
{
    struct fetch *fetch = CONTAINER_OF(transfer, struct fetch, transfer);
    if (code == CURLE_OK && hop_redirects(fetch)) {
        turn_end(&fetch->fetcher->turns, &fetch->transfer);
        ask_hop(fetch);
        return;
    }
    if (code == CURLE_OK) {
        end(fetch, OUTCOME_ANSWER);
        return;
    }
    if (fetch->reason == NULL && fetch->error[0] == '\0') {
        fetch->reason = curl_easy_strerror(code);
    }
    end(fetch, code == CURLE_OPERATION_TIMEDOUT ? OUTCOME_TIMEOUT
               : fetch->is_refused              ? OUTCOME_REFUSED
                                                : OUTCOME_FAILED);
}

/* ---- libcurl --------------------------------------------------------------------------------- */

static int on_watch(CURL *easy, curl_socket_t socket, int what, void *argument, void *known)
{
    struct fetcher *fetcher = argument;
    struct epoll_event event = { .data.fd = socket };
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(fetcher->epoll, EPOLL_CTL_DEL, socket, NULL);
        return 0;
    }
    event.events = (what != CURL_POLL_OUT ? EPOLLIN : 0) | (what != CURL_POLL_IN ? EPOLLOUT : 0);
    if (known == NULL) {
        curl_multi_assign(fetcher->turns.multi, socket, fetcher);
    }
    if (epoll_ctl(fetcher->epoll, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) !=
            0 &&
        errno == EEXIST) {
        (void)epoll_ctl(fetcher->epoll, EPOLL_CTL_MOD, socket, &event);
    }
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *argument)
{
    struct fetcher *fetcher = argument;
    (void)multi;
    fetcher->due = ms < 0 ? TIME_NEVER : fetch_now() + ms * TIME_MS;
    return 0;
}

static void take_ended(struct fetcher *fetcher)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetcher->turns.multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE) {
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            transfer->over(transfer, code);
        }
    }
}

static void act(struct fetcher *fetcher, curl_socket_t socket, int what)
{
    int running;
    (void)curl_multi_socket_action(fetcher->turns.multi, socket, what, &running);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static struct fetch_job *take_jobs(struct fetcher *fetcher, bool *ret_is_closing)
{
    struct fetch_job *newest, *oldest = NULL;
    pthread_mutex_lock(&fetcher->mutex);
    newest = fetcher->jobs;
    fetcher->jobs = NULL;
    *ret_is_closing = fetcher->is_closing;
    pthread_mutex_unlock(&fetcher->mutex);
    while (newest != NULL) {
        struct fetch_job *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* X1 */
static void cancel(struct fetcher *fetcher, const struct fetch_request *request)
{
    LIST_EACH(node, &fetcher->all)
    {
        struct fetch *fetch = CONTAINER_OF(node, struct fetch, among);
        if (fetch->request == request) {
            end(fetch, OUTCOME_CANCELLED);
            return;
        }
    }
}

/* False: it is to end. */
static bool do_jobs(struct fetcher *fetcher)
{
    bool is_closing;
    struct fetch_job *job = take_jobs(fetcher, &is_closing);
    while (job != NULL) {
        struct fetch_job *next = job->next;
        if (job->is_cancel) {
            cancel(fetcher, job->request);
        } else {
            begin(fetcher, job->request);
        }
        mem_free(job);
        job = next;
    }
    return !is_closing;
}

/* Ends those whose time is over. */
static void look_at_times(struct fetcher *fetcher, time_us now)
{
    if (now < fetcher->look_at) {
        return;
    }
    fetcher->look_at = TIME_NEVER;
    LIST_EACH_SAFE(node, &fetcher->all)
    {
        struct fetch *fetch = CONTAINER_OF(node, struct fetch, among);
        if (fetch->ends_at <= now) {
            end(fetch, OUTCOME_TIMEOUT);
        } else if (fetch->ends_at < fetcher->look_at) {
            fetcher->look_at = fetch->ends_at;
        }
    }
}

static void wait_for_something(struct fetcher *fetcher)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    time_us again = credential_look(fetcher, fetch_now());
    turn_look(&fetcher->turns);
    time_us due = again < fetcher->due ? again : fetcher->due;
    due = fetcher->look_at < due ? fetcher->look_at : due;
    int64_t left = due == TIME_NEVER ? -1 : due - fetch_now();
    int ms = due == TIME_NEVER               ? -1
             : left <= 0                     ? 0
             : left >= WAIT_MAX_MS * TIME_MS ? (int)WAIT_MAX_MS
                                             : (int)(left / TIME_MS) + 1;
    int count = epoll_wait(fetcher->epoll, events, EVENTS_AT_ONCE, ms);
    for (int i = 0; i < count; i++) {
        uint64_t ignored;
        if (events[i].data.fd == fetcher->wake) {
            (void)!read(fetcher->wake, &ignored, sizeof ignored);
            continue;
        }
        uint32_t is = events[i].events;
        act(fetcher, events[i].data.fd,
            ((is & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                ((is & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                ((is & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0));
    }
    if (fetcher->due != TIME_NEVER && fetch_now() >= fetcher->due) {
        fetcher->due = TIME_NEVER;
        act(fetcher, CURL_SOCKET_TIMEOUT, 0);
    }
}

static void *run(void *argument)
{
    struct fetcher *fetcher = argument;
    while (do_jobs(fetcher)) {
        wait_for_something(fetcher);
        take_ended(fetcher);
        look_at_times(fetcher, fetch_now());
    }
    struct list_node *node;
    while ((node = list_front(&fetcher->all)) != NULL) {
        end(CONTAINER_OF(node, struct fetch, among), OUTCOME_CANCELLED);
    }
    credential_done(fetcher);
    return NULL;
}

static void give(struct fetcher *fetcher, struct fetch_request *request, bool is_cancel,
                 bool is_closing)
{
    struct fetch_job *job = request != NULL ? mem_alloc(sizeof *job) : NULL;
    const uint64_t one = 1;
    pthread_mutex_lock(&fetcher->mutex);
    if (job != NULL) {
        job->request = request;
        job->is_cancel = is_cancel;
        job->next = fetcher->jobs;
        fetcher->jobs = job;
    }
    fetcher->is_closing = fetcher->is_closing || is_closing;
    pthread_mutex_unlock(&fetcher->mutex);
    (void)!write(fetcher->wake, &one, sizeof one);
}

void fetcher_start(struct fetcher *fetcher, struct fetch_request *request)
{
    give(fetcher, request, false, false);
}

void fetcher_cancel(struct fetcher *fetcher, struct fetch_request *request)
{
    give(fetcher, request, true, false);
}

/* ---- from beginning to end ------------------------------------------------------------------- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void begin_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Signals are for the threads of the program that we are in. */
static bool start_thread(struct fetcher *fetcher)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    bool is_started = pthread_create(&fetcher->thread, NULL, run, fetcher) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_started;
}

static void release(struct fetcher *fetcher)
{
    turns_done(&fetcher->turns);
    (void)close(fetcher->epoll);
    (void)close(fetcher->wake);
    (void)pthread_mutex_destroy(&fetcher->mutex);
    guard_done(&fetcher->guard);
    mem_free(fetcher);
}

static bool set_up(struct fetcher *fetcher)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fetcher->wake };
    CURLM *multi = fetcher->turns.multi;
    long most = fetcher->turns.most;
    if (multi == NULL || fetcher->epoll < 0 || fetcher->wake < 0 ||
        epoll_ctl(fetcher->epoll, EPOLL_CTL_ADD, fetcher->wake, &event) != 0) {
        return false;
    }
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_watch);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, fetcher);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most < 100 ? most : 100); /* kept for later */
    return start_thread(fetcher);
}

struct fetcher *fetcher_open(const struct fetch_options *options, pd_error *err)
{
    struct fetcher *fetcher = mem_alloc(sizeof *fetcher);
    (void)pthread_once(&curl_once, begin_curl);
    list_init(&fetcher->all);
    list_init(&fetcher->tokens);
    turns_init(&fetcher->turns,
               options->connections != 0 ? options->connections : CONNECTIONS_DEFAULT,
               (uint64_t)fetch_now() ^ (uint64_t)(uintptr_t)fetcher);
    (void)pthread_mutex_init(&fetcher->mutex, NULL);
    fetcher->due = fetcher->look_at = TIME_NEVER;
    fetcher->body_max = options->body_max > 0 ? options->body_max : INT64_C(4) << 20;
    fetcher->answer_max = options->answer_max > 0 ? options->answer_max : LIMIT_PAYLOAD_BYTES;
    fetcher->timeout_max_ms = options->timeout_max_ms > 0 ? options->timeout_max_ms : 3600 * 1000;
    fetcher->epoll = epoll_create1(EPOLL_CLOEXEC);
    fetcher->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pd_status status = guard_init(&fetcher->guard, options->allow, err);
    if (status == PD_OK && (curl_ready != CURLE_OK || !set_up(fetcher))) {
        status = error_set(err, PD_E_UNAVAILABLE, true, "fetch: open",
                           "no thread, or no descriptors, for HTTP requests");
    }
    if (status != PD_OK) {
        release(fetcher);
        return NULL;
    }
    return fetcher;
}

void fetcher_close(struct fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    give(fetcher, NULL, false, true);
    (void)pthread_join(fetcher->thread, NULL);
    bool is_closing;
    assert_that(take_jobs(fetcher, &is_closing) == NULL);
    release(fetcher);
}
