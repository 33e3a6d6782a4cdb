/* SPDX-License-Identifier: MIT
 *
 * Servers that are none: nobody listens, or what listens says nothing, or answers what cannot be.
 * The answers are chosen by each test, and go by our own gRPC. What the caller hears is one
 * sentence, soon; nothing is written past an end, and nothing waits for ever. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bed.h"
#include "base/buffer.h"
#include "remote/remote_priv.h"

/* ---- the server ------------------------------------------------------------------------------ */

struct fake {
    struct loop *loop;
    struct grpc_server *server;
    pthread_t thread;
    struct loop_job stop;
    char url[96];
    struct buffer answer; /* of Open */
    struct buffer load;   /* of LoadInstance, Query, Count, LoadHistory */
    struct buffer waited; /* of WaitEnd */
    atomic_int begun, given_back;
};

static void open_hub(void *argument, struct grpc_call *call, struct text message)
{
    (void)message;
    grpc_call_reply(call, buffer_text(&((struct fake *)argument)->answer));
}

static void load(void *argument, struct grpc_call *call, struct text message)
{
    (void)message;
    grpc_call_reply(call, buffer_text(&((struct fake *)argument)->load));
}

static void begin_wait(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument, (void)message;
    grpc_call_open(call);
}

static void wait(void *argument, struct grpc_call *call, struct text message)
{
    (void)message;
    const struct text piece = buffer_text(&((struct fake *)argument)->waited);
    grpc_call_send(call, &piece, 1);
}

static void send_down(struct grpc_call *call, const struct hub_work_down *down)
{
    struct buffer bytes;
    buffer_init(&bytes);
    message_write(&hub_work_down_type, &bytes, down);
    const struct text piece = buffer_text(&bytes);
    grpc_call_send(call, &piece, 1);
    buffer_done(&bytes);
}

/* Hands out one activity, a suspect; takes it back when its leave to begin is asked for. */
static void work(void *argument, struct grpc_call *call, struct text message)
{
    struct fake *fake = argument;
    static const struct text token = TEXT_INIT("T");
    static const struct text item = TEXT_INIT("\x12\x00\x52\x01T\xa0\x06\x01");
    struct hub_work_up up;
    struct arena arena;
    pd_error err;
    arena_init(&arena);
    assert_int_equal(message_read(&hub_work_up_type, message, &arena, &up, &err), PD_OK);
    struct text lists[] = { up.hello != NULL ? item : token };
    struct hub_work_down down;
    message_init(&hub_work_down_type, &down);
    atomic_fetch_add(&fake->begun, (int)up.begins.count);
    atomic_fetch_add(&fake->given_back, (int)up.abandoned.count);
    if (up.hello != NULL) {
        down.items.items = lists;
        down.items.count = 1;
    } else if (up.begins.count != 0) {
        down.cancelled.items = lists;
        down.cancelled.count = 1;
    }
    send_down(call, &down);
    arena_done(&arena);
}

static void half_closed(void *argument, struct grpc_call *call)
{
    (void)argument;
    grpc_call_end(call, GRPC_OK, NULL);
}

static const struct grpc_method methods[] = {
    { .path = REMOTE_PATH("Open"), .shape = GRPC_UNARY, .begin = open_hub },
    { .path = REMOTE_PATH("LoadInstance"), .shape = GRPC_UNARY, .begin = load },
    { .path = REMOTE_PATH("Query"), .shape = GRPC_UNARY, .begin = load },
    { .path = REMOTE_PATH("Count"), .shape = GRPC_UNARY, .begin = load },
    { .path = REMOTE_PATH("Accept"), .shape = GRPC_UNARY, .begin = load },
    { .path = REMOTE_PATH("WaitEnd"),
      .shape = GRPC_BOTH_STREAM,
      .begin = begin_wait,
      .message = wait,
      .half_closed = half_closed },
    { .path = REMOTE_PATH("Work"),
      .shape = GRPC_BOTH_STREAM,
      .begin = begin_wait,
      .message = work,
      .half_closed = half_closed },
};

static void *run(void *argument)
{
    loop_run(((struct fake *)argument)->loop);
    return NULL;
}

static void stop(struct loop_job *job)
{
    struct fake *fake = CONTAINER_OF(job, struct fake, stop);
    grpc_server_free(fake->server);
    loop_stop(fake->loop);
}

static void say_open(struct fake *fake, int64_t protocol, int64_t partitions)
{
    struct hub_open_response response;
    message_init(&hub_open_response_type, &response);
    response.protocol = protocol;
    response.partition_count = partitions;
    response.version = TEXT("%s%n");
    response.message_max = -1;
    message_write(&hub_open_response_type, &fake->answer, &response);
}

static int open_fake(void **state)
{
    static const struct grpc_server_options none = { .methods = methods,
                                                     .method_count =
                                                         sizeof methods / sizeof methods[0] };
    struct fake *fake = calloc(1, sizeof *fake);
    struct grpc_server_options options = none;
    pd_error err;
    assert_non_null(fake);
    options.argument = fake;
    fake->loop = loop_new(&err);
    fake->stop.run = stop;
    fake->server = grpc_server_new(fake->loop, &options);
    const char *address = grpc_server_listen(fake->server, "127.0.0.1:0", NULL, &err);
    assert_non_null(address);
    snprintf(fake->url, sizeof fake->url, "grpc://%s", address);
    assert_int_equal(pthread_create(&fake->thread, NULL, run, fake), 0);
    *state = fake;
    return 0;
}

static int close_fake(void **state)
{
    struct fake *fake = *state;
    loop_post(fake->loop, &fake->stop);
    pthread_join(fake->thread, NULL);
    loop_free(fake->loop);
    buffer_done(&fake->answer);
    buffer_done(&fake->load);
    buffer_done(&fake->waited);
    free(fake);
    return 0;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    return remote_steady_us() / 1000;
}

static pd_hub *hub_of(struct fake *fake)
{
    pd_error err;
    say_open(fake, HUB_PROTOCOL, 4);
    pd_hub *hub = pd_hub_open(fake->url, &err);
    if (hub == NULL) {
        fail_msg("%s", err.text);
    }
    return hub;
}

static void expect_refused(const char *url, pd_status status, const char *word, int64_t most_ms)
{
    pd_error err;
    int64_t began = now_ms();
    assert_null(pd_hub_open(url, &err));
    if (err.status != status || strstr(err.text, word) == NULL) {
        fail_msg("status %d: %s", (int)err.status, err.text);
    }
    assert_in_range(now_ms() - began, 0, most_ms);
}

/* A socket with a port; it listens or not. */
static int socket_at(char *url, size_t size, const char *settings, bool listens)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t length = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&at, &length), 0);
    assert_int_equal(listens ? listen(s, 8) : 0, 0);
    snprintf(url, size, "grpc://127.0.0.1:%u%s", ntohs(at.sin_port), settings);
    return s;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void where_nobody_listens_is_told_within_a_second_or_two_with_the_address(void **state)
{
    (void)state;
    char url[96];
    int s = socket_at(url, sizeof url, "", false);
    expect_refused(url, PD_E_UNAVAILABLE, url + strlen("grpc://"), 2000);
    close(s);
}

static void who_says_wait_waits_for_a_server_that_is_not_there_yet(void **state)
{
    (void)state;
    char url[96];
    int s = socket_at(url, sizeof url, "?wait=3", false);
    int64_t began = now_ms();
    expect_refused(url, PD_E_UNAVAILABLE, "no server answers", 9000);
    assert_true(now_ms() - began >= 2900);
    close(s);
}

static void who_does_not_want_to_wait_tries_once(void **state)
{
    (void)state;
    char url[96];
    int s = socket_at(url, sizeof url, "?wait=0", false);
    expect_refused(url, PD_E_UNAVAILABLE, "no server answers", 400);
    close(s);
}

static void what_listens_and_says_nothing_is_given_up(void **state)
{
    (void)state;
    char url[96];
    int s = socket_at(url, sizeof url, "", true);
    expect_refused(url, PD_E_UNAVAILABLE, "127.0.0.1", 12000);
    close(s);
}

static void an_answer_that_is_no_message_is_no_server_of_ours(void **state)
{
    struct fake *fake = *state;
    buffer_add(&fake->answer, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11);
    expect_refused(fake->url, PD_E_STATE, "not as perdured does", 2000);
}

static void a_server_of_another_protocol_is_refused_with_its_version(void **state)
{
    struct fake *fake = *state;
    say_open(fake, HUB_PROTOCOL + 1, 4);
    expect_refused(fake->url, PD_E_STATE, "do not understand each other", 2000);
}

static void a_server_of_absurdly_many_partitions_is_refused(void **state)
{
    struct fake *fake = *state;
    say_open(fake, HUB_PROTOCOL, INT64_MAX);
    expect_refused(fake->url, PD_E_STATE, "do not understand", 2000);
}

static void garbage_for_an_instance_is_an_error_with_a_sentence(void **state)
{
    struct fake *fake = *state;
    pd_hub *hub = hub_of(fake);
    pd_error err = { .status = PD_OK };
    buffer_add(&fake->load, "\x0a\xff\xff\xff\xff\x0f", 6); /* longer than there is */
    assert_null(pd_hub_fetch(hub, "x", &err));
    assert_int_equal(err.status, PD_E_UNAVAILABLE);
    assert_false(err.retryable);
    assert_true(err.text[0] != '\0');
    assert_null(pd_hub_query(hub, NULL, &err));
    pd_counts counts;
    assert_int_equal(pd_hub_count(hub, NULL, &counts, &err), PD_E_UNAVAILABLE);
    pd_hub_close(hub);
}

static void a_record_without_anything_in_it_is_harmless(void **state)
{
    struct fake *fake = *state;
    pd_hub *hub = hub_of(fake);
    pd_error err;
    buffer_add(&fake->load, "\x0a\x02\x40\x63", 4); /* of state 99 */
    pd_instance *i = pd_hub_fetch(hub, "x", &err);
    if (i != NULL) {
        assert_in_range(pd_instance_state(i), PD_RUN_PENDING, PD_RUN_TERMINATED);
        assert_non_null(pd_instance_id_of(i));
        assert_non_null(pd_instance_output_json(i));
        pd_instance_free(i);
    }
    pd_hub_close(hub);
}

static void refusals_of_messages_that_were_not_sent_are_not_taken_for_ours(void **state)
{
    struct fake *fake = *state;
    pd_hub *hub = hub_of(fake);
    pd_error err;
    struct hub_refusal refusals[] = {
        { .at = -1, .status = PD_E_EXISTS, .text = TEXT("a") },
        { .at = INT64_MAX, .status = PD_E_EXISTS, .text = TEXT("b") },
        { .at = 0, .status = INT64_MAX, .text = TEXT("c") },
    };
    const struct hub_accept_response response = { .refusals = { refusals, 3 } };
    message_write(&hub_accept_response_type, &fake->load, &response);
    assert_int_equal(pd_hub_raise_event(hub, "x", "e", PD_NULL, &err), PD_E_UNAVAILABLE);
    assert_string_equal(err.text, "c");
    pd_hub_close(hub);
}

/* They have numbers that were never asked for: the time allowed ends the wait. */
static void answers_to_waits_that_nobody_asked_for_end_none(void **state)
{
    struct fake *fake = *state;
    pd_hub *hub = hub_of(fake);
    pd_error err;
    struct hub_waited waited[] = { { .number = 0 }, { .number = 77 }, { .number = -1 } };
    const struct hub_wait_response response = { .waited = { waited, 3 } };
    message_write(&hub_wait_response_type, &fake->waited, &response);
    buffer_add(&fake->load, "\x0a\x05\x1a\x01x\x40\x01", 7); /* "x" runs */
    int64_t began = now_ms();
    const pd_id ids[] = { { "x" }, { "x" } };
    pd_instance *instances[2];
    assert_int_equal(pd_hub_wait_many(hub, 2, ids, pd_milliseconds(300), instances, &err),
                     PD_E_TIMEOUT);
    assert_in_range(now_ms() - began, 250, 5000);
    assert_null(instances[0]);
    assert_null(instances[1]);
    pd_hub_close(hub);
}

static pd_result act(pd_activity *a, pd_value n)
{
    return pd_ok(a, n);
}

/* Its thread waits for leave, which nobody gives any more. */
static void an_activity_that_is_taken_back_before_it_may_begin_holds_no_thread(void **state)
{
    static const pd_function program[] = { PD_FUNCTION("Act", act) };
    const pd_worker_options options = { .threads = 1, .drain_max = pd_seconds(20) };
    struct fake *fake = *state;
    pd_hub *hub = hub_of(fake);
    pd_error err;
    pd_worker *worker = pd_worker_start(hub, PD_PROGRAM(program), &options, &err);
    assert_non_null(worker);
    for (int i = 0; i < 500 && atomic_load(&fake->given_back) == 0; i++) {
        bed_sleep_ms(10);
    }
    assert_int_equal(atomic_load(&fake->begun), 1);
    assert_int_equal(atomic_load(&fake->given_back), 1);
    int64_t began = now_ms();
    pd_worker_stop(worker);
    assert_in_range(now_ms() - began, 0, 5000);
    pd_hub_close(hub);
}

#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, open_fake, close_fake)

int main(void)
{
    bed_find_programs();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nobody_listens_is_told_within_a_second_or_two_with_the_address),
        cmocka_unit_test(who_says_wait_waits_for_a_server_that_is_not_there_yet),
        cmocka_unit_test(who_does_not_want_to_wait_tries_once),
        cmocka_unit_test(what_listens_and_says_nothing_is_given_up),
        FAKE_TEST(an_answer_that_is_no_message_is_no_server_of_ours),
        FAKE_TEST(a_server_of_another_protocol_is_refused_with_its_version),
        FAKE_TEST(a_server_of_absurdly_many_partitions_is_refused),
        FAKE_TEST(garbage_for_an_instance_is_an_error_with_a_sentence),
        FAKE_TEST(a_record_without_anything_in_it_is_harmless),
        FAKE_TEST(refusals_of_messages_that_were_not_sent_are_not_taken_for_ours),
        FAKE_TEST(answers_to_waits_that_nobody_asked_for_end_none),
        FAKE_TEST(an_activity_that_is_taken_back_before_it_may_begin_holds_no_thread),
    };
    return cmocka_run_group_tests_name("remote/garbage", tests, NULL, NULL);
}
