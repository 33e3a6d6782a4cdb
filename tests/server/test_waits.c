/* SPDX-License-Identifier: MIT
 *
 * Waiting for an instance to begin and to end, and what a wait outlives. */
#include "one_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/server_priv.h"
#include "wire/hub_calls.h"

/* ---- a wait that is open --------------------------------------------------------------------- */

struct open_wait {
    struct grpc_stream *stream;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct text answer; /* on the heap */
    bool has_ended;
    pd_status status;
};

static void came(void *argument, struct grpc_stream *stream, struct text message)
{
    struct open_wait *wait = argument;
    (void)stream;
    char *copy = mem_alloc(message.size + 1);
    memcpy(copy, message.at, message.size);
    pthread_mutex_lock(&wait->mutex);
    wait->answer = text_make(copy, message.size);
    pthread_mutex_unlock(&wait->mutex);
}

static void ended(void *argument, struct grpc_stream *stream, pd_status status, const pd_error *err)
{
    struct open_wait *wait = argument;
    (void)stream;
    (void)err;
    pthread_mutex_lock(&wait->mutex);
    wait->has_ended = true;
    wait->status = status;
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->mutex);
}

static void open_wait(struct open_wait *wait, const char *method, const char *id)
{
    static const struct grpc_stream_handler handler = { .message = came, .ended = ended };
    const struct hub_get_instance_request request = { text_of(id), true };
    char path[128];
    struct buffer bytes;
    *wait = (struct open_wait){ .status = PD_OK };
    pthread_mutex_init(&wait->mutex, NULL);
    pthread_cond_init(&wait->changed, NULL);
    buffer_init(&bytes);
    message_write(&hub_get_instance_request_type, &bytes, &request);
    snprintf(path, sizeof path, "/TaskHubSidecarService/%s", method);
    wait->stream = grpc_stream_open(served.channel, path, buffer_text(&bytes), &handler, wait);
    buffer_done(&bytes);
}

static void close_wait(struct open_wait *wait)
{
    grpc_stream_cancel(wait->stream);
    pthread_mutex_lock(&wait->mutex);
    while (!wait->has_ended) {
        pthread_cond_wait(&wait->changed, &wait->mutex);
    }
    pthread_mutex_unlock(&wait->mutex);
    grpc_stream_free(wait->stream);
    mem_free((void *)(uintptr_t)wait->answer.at);
    pthread_cond_destroy(&wait->changed);
    pthread_mutex_destroy(&wait->mutex);
}

/* The status of what it answered. */
static int64_t answer_of(struct open_wait *wait)
{
    struct hub_get_instance_response response;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&wait->mutex);
    while (!wait->has_ended && pthread_cond_timedwait(&wait->changed, &wait->mutex, &until) == 0) {}
    bool has_ended = wait->has_ended;
    pthread_mutex_unlock(&wait->mutex);
    assert_true(has_ended);
    assert_int_equal(wait->status, PD_OK);
    assert_int_equal(message_read(&hub_get_instance_response_type, wait->answer, &served.arena,
                                  &response, &served.err),
                     PD_OK);
    assert_true(response.exists);
    return response.orchestration_state->orchestration_status;
}

static bool is_open(struct open_wait *wait)
{
    usleep(150000);
    pthread_mutex_lock(&wait->mutex);
    bool open = !wait->has_ended;
    pthread_mutex_unlock(&wait->mutex);
    return open;
}

static size_t waits_now(void)
{
    return atomic_load(&served.server->waits);
}

static void await_waits(size_t count)
{
    for (int i = 0; waits_now() != count && i < PATIENCE_MS; i++) {
        usleep(1000);
    }
    assert_int_equal(waits_now(), count);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_wait_for_an_id_that_nobody_has_blocks_until_it_ends(void **state)
{
    (void)state;
    struct open_wait begins, ends;
    open_wait(&begins, "WaitForInstanceStart", "later");
    open_wait(&ends, "WaitForInstanceCompletion", "later");
    await_waits(2);
    assert_int_equal(served_start_instance(&served, "later", "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    assert_true(is_open(&begins)); /* PENDING until its first turn has been committed */
    desk_complete(&desk, &item, NULL, 0);
    assert_int_equal(answer_of(&begins), RUNNING);
    assert_true(is_open(&ends));
    const struct hub_terminate_request request = { TEXT("later"), TEXT_ABSENT, false };
    assert_int_equal(
        served_tell(&served, "TerminateInstance", &hub_terminate_request_type, &request), PD_OK);
    assert_int_equal(answer_of(&ends), TERMINATED);
    close_wait(&begins);
    close_wait(&ends);
    await_waits(0);
}

static void what_is_over_already_is_answered_at_once(void **state)
{
    (void)state;
    desk_run(&desk, "done", COMPLETED, "1");
    struct open_wait begins, ends;
    open_wait(&begins, "WaitForInstanceStart", "done");
    open_wait(&ends, "WaitForInstanceCompletion", "done");
    assert_int_equal(answer_of(&begins), COMPLETED);
    assert_int_equal(answer_of(&ends), COMPLETED);
    close_wait(&begins);
    close_wait(&ends);
    await_waits(0);
}

static void suspending_is_a_beginning(void **state)
{
    (void)state;
    struct open_wait begins;
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    open_wait(&begins, "WaitForInstanceStart", "a");
    await_waits(1);
    const struct hub_suspend_request request = { TEXT("a"), TEXT_ABSENT };
    assert_int_equal(served_tell(&served, "SuspendInstance", &hub_suspend_request_type, &request),
                     PD_OK);
    assert_int_equal(answer_of(&begins), SUSPENDED);
    close_wait(&begins);
}

static void a_deadline_ends_a_wait_and_frees_it(void **state)
{
    (void)state;
    const struct hub_get_instance_request request = { TEXT("never"), false };
    assert_int_equal(served_call_on(&served, served.channel, "WaitForInstanceCompletion",
                                    &hub_get_instance_request_type, &request, NULL, NULL, 200),
                     PD_E_TIMEOUT);
    await_waits(0);
}

static void whoever_goes_away_is_forgotten(void **state)
{
    (void)state;
    struct open_wait wait;
    open_wait(&wait, "WaitForInstanceCompletion", "never");
    await_waits(1);
    close_wait(&wait);
    await_waits(0);
}

/* After Rewind, Restart and a start that replaces, the old end is no end. */
static void a_new_wait_does_not_see_an_old_end(void **state)
{
    (void)state;
    struct open_wait wait;
    desk_run(&desk, "a", FAILED, NULL);
    const struct hub_rewind_instance_request rewind_it = { TEXT("a"), TEXT_ABSENT };
    assert_int_equal(
        served_tell(&served, "RewindInstance", &hub_rewind_instance_request_type, &rewind_it),
        PD_OK);
    open_wait(&wait, "WaitForInstanceCompletion", "a");
    assert_true(is_open(&wait));
    (void)desk_end(&desk, COMPLETED, "2");
    assert_int_equal(answer_of(&wait), COMPLETED);
    close_wait(&wait);
    const struct hub_restart_instance_request again = { TEXT("a"), false };
    assert_int_equal(
        served_tell(&served, "RestartInstance", &hub_restart_instance_request_type, &again), PD_OK);
    open_wait(&wait, "WaitForInstanceCompletion", "a");
    assert_true(is_open(&wait));
    (void)desk_end(&desk, COMPLETED, "3");
    assert_int_equal(answer_of(&wait), COMPLETED);
    close_wait(&wait);
}

static void a_wait_outlives_purge_and_replacement(void **state)
{
    (void)state;
    struct open_wait wait;
    assert_int_equal(served_start_instance(&served, "a", "flow"), PD_OK);
    struct hub_work_item old = desk_take(&desk);
    open_wait(&wait, "WaitForInstanceCompletion", "a");
    await_waits(1);
    struct hub_create_instance_request request;
    int64_t all[] = { 0, 1, 3, 5, 6, 7 };
    const struct hub_orchestration_id_reuse_policy policy = { .replaceable_status = { all, 6 } };
    message_init(&hub_create_instance_request_type, &request);
    request.instance_id = TEXT("a");
    request.name = TEXT("flow");
    request.orchestration_id_reuse_policy = &policy;
    assert_int_equal(
        served_tell(&served, "StartInstance", &hub_create_instance_request_type, &request), PD_OK);
    desk_complete(&desk, &old, NULL, 0); /* of the one before */
    assert_true(is_open(&wait));
    (void)desk_end(&desk, COMPLETED, "2");
    assert_int_equal(answer_of(&wait), COMPLETED);
    close_wait(&wait);
}

static void very_many_waits_for_one_and_for_many(void **state)
{
    (void)state;
    enum { MANY = 4000 };
    struct open_wait *waits = mem_alloc(MANY * sizeof *waits);
    for (int i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, i % 2 == 0 ? "one" : "n%d", i);
        open_wait(&waits[i], "WaitForInstanceCompletion", id);
    }
    await_waits(MANY);
    desk_run(&desk, "one", COMPLETED, "1");
    for (int i = 0; i < MANY; i += 2) {
        assert_int_equal(answer_of(&waits[i]), COMPLETED);
    }
    await_waits(MANY / 2);
    for (int i = 0; i < MANY; i++) {
        close_wait(&waits[i]);
    }
    await_waits(0);
    mem_free(waits);
}

static void an_id_that_nobody_can_have_is_not_waited_for(void **state)
{
    (void)state;
    char id[LIMIT_INSTANCE_ID * 4 + 2];
    struct hub_get_instance_response response;
    memset(id, 'i', sizeof id);
    id[LIMIT_INSTANCE_ID * 4 + 1] = '\0';
    const struct hub_get_instance_request request = { text_of(id), false };
    assert_int_equal(served_call(&served, "WaitForInstanceStart", get_instance_request, &request,
                                 get_instance_response, &response),
                     PD_E_INVALID);
    assert_int_equal(served_call(&served, "WaitForInstanceCompletion", get_instance_request,
                                 &request, get_instance_response, &response),
                     PD_E_INVALID);
}

/* ---- those of our own clients: many on one stream -------------------------------------------- */

enum { ASKED = 20000, GIVEN_UP = 500 };

struct many {
    struct grpc_stream *stream;
    struct grpc_stream *other; /* a call that is made at the first answer, when calls_other */
    bool calls_other;
    atomic_size_t answered, absent;
    atomic_size_t answered_before_the_other;
    atomic_bool other_has_ended, has_ended;
    pd_status status;
};

static void other_came(void *argument, struct grpc_stream *stream, struct text message)
{
    struct many *many = argument;
    (void)stream, (void)message;
    atomic_store(&many->answered_before_the_other, atomic_load(&many->answered));
}

static void other_ended(void *argument, struct grpc_stream *stream, pd_status status,
                        const pd_error *err)
{
    struct many *many = argument;
    (void)stream, (void)status, (void)err;
    atomic_store(&many->other_has_ended, true);
}

static void call_other(struct many *many)
{
    static const struct grpc_stream_handler handler = { .message = other_came,
                                                        .ended = other_ended };
    const struct hub_get_instance_request request = { TEXT("done"), true };
    struct buffer bytes;
    buffer_init(&bytes);
    message_write(&hub_get_instance_request_type, &bytes, &request);
    many->calls_other = false;
    many->other = grpc_stream_open(served.channel, "/TaskHubSidecarService/GetInstance",
                                   buffer_text(&bytes), &handler, many);
    buffer_done(&bytes);
}

static void many_came(void *argument, struct grpc_stream *stream, struct text message)
{
    struct many *many = argument;
    struct hub_wait_response response;
    struct arena arena;
    pd_error err;
    (void)stream;
    arena_init(&arena);
    if (message_read(&hub_wait_response_type, message, &arena, &response, &err) == PD_OK) {
        for (size_t i = 0; i < response.waited.count; i++) {
            bool is_there = text_is_present(response.waited.items[i].instance);
            (void)atomic_fetch_add(is_there ? &many->answered : &many->absent, 1);
        }
    }
    arena_done(&arena);
    if (many->calls_other) {
        call_other(many);
    }
}

static void many_ended(void *argument, struct grpc_stream *stream, pd_status status,
                       const pd_error *err)
{
    struct many *many = argument;
    (void)stream, (void)err;
    many->status = status;
    atomic_store(&many->has_ended, true);
}

static void await_true(const atomic_bool *is_so)
{
    for (int i = 0; !atomic_load(is_so) && i < PATIENCE_MS; i++) {
        usleep(1000);
    }
    assert_true(atomic_load(is_so));
}

static void await_count(const atomic_size_t *count, size_t wanted)
{
    for (int i = 0; atomic_load(count) < wanted && i < PATIENCE_MS; i++) {
        usleep(1000);
    }
    assert_int_equal(atomic_load(count), wanted);
}

static void ask_many(struct many *many, const char *id, size_t first, size_t count, bool gives_up)
{
    struct hub_wait *asked = mem_alloc(count * sizeof *asked);
    struct buffer bytes;
    for (size_t i = 0; i < count; i++) {
        message_init(&hub_wait_type, &asked[i]);
        asked[i].number = (int64_t)(first + i);
        asked[i].instance_id = text_of(id);
        asked[i].is_given_up = gives_up;
    }
    const struct hub_wait_request request = { .waits = { asked, count } };
    buffer_init(&bytes);
    message_write(&hub_wait_request_type, &bytes, &request);
    const struct text piece = buffer_text(&bytes);
    grpc_stream_send(many->stream, &piece, 1);
    buffer_done(&bytes);
    mem_free(asked);
}

static void open_many_on(struct many *many, struct grpc_channel *channel)
{
    static const struct grpc_stream_handler handler = { .message = many_came, .ended = many_ended };
    memset(many, 0, sizeof *many);
    many->stream =
        grpc_stream_open(channel, "/perdure.v1.Hub/WaitEnd", TEXT_ABSENT, &handler, many);
}

static void open_many(struct many *many)
{
    open_many_on(many, served.channel);
}

static void close_many(struct many *many)
{
    grpc_stream_cancel(many->stream);
    await_true(&many->has_ended);
    grpc_stream_free(many->stream);
}

/* WE1. All of them were looked at, and answered, before anything else was. */
static void who_waits_for_very_many_does_not_keep_others_waiting(void **state)
{
    struct many many;
    (void)state;
    desk_run(&desk, "done", COMPLETED, "1");
    open_many(&many);
    many.calls_other = true;
    ask_many(&many, "done", 1, ASKED, false);
    await_count(&many.answered, ASKED);
    await_true(&many.other_has_ended);
    assert_in_range(atomic_load(&many.answered_before_the_other), 1, ASKED - 1);
    await_waits(0);
    grpc_stream_free(many.other);
    close_many(&many);
}

static void of_many_what_is_not_there_is_told_and_what_is_given_up_is_not(void **state)
{
    struct many many;
    (void)state;
    assert_int_equal(served_start_instance(&served, "busy", "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    open_many(&many);
    ask_many(&many, "busy", 1, ASKED, false);
    ask_many(&many, "nobody", ASKED + 1, 10, false);
    ask_many(&many, "", 1, GIVEN_UP, true); /* most of them have not been looked at */
    await_count(&many.absent, 10);
    await_waits(ASKED - GIVEN_UP);
    const struct hub_terminate_request request = { TEXT("busy"), TEXT_ABSENT, false };
    assert_int_equal(
        served_tell(&served, "TerminateInstance", &hub_terminate_request_type, &request), PD_OK);
    desk_complete(&desk, &item, NULL, 0);
    await_count(&many.answered, ASKED - GIVEN_UP);
    await_waits(0);
    ask_many(&many, "nobody", 1, 1, false); /* a number may be used again */
    await_count(&many.absent, 11);
    close_many(&many);
}

static void who_leaves_while_many_are_looked_at_takes_them_along(void **state)
{
    struct many many;
    (void)state;
    assert_int_equal(served_start_instance(&served, "busy", "flow"), PD_OK);
    open_many(&many);
    ask_many(&many, "busy", 1, ASKED, false);
    ask_many(&many, "nobody", 0, 1, false);
    close_many(&many);
    await_waits(0);
    assert_int_equal(served_status(&served, "busy"), PENDING);
}

/* WE2. A MiB is some four thousand waits, with what is a connection's own. */
static void who_waits_for_more_than_others_leave_memory_for_is_hung_up_on(void **state)
{
    static const char *const options[] = { "--lent-max=1MiB", NULL };
    enum { FIT = 3000, TOO_MANY = 2000 }; /* a message that has not ended counts, too */
    struct many greedy, modest;
    (void)state;
    served_start(&served, options);
    assert_int_equal(served_start_instance(&served, "busy", "flow"), PD_OK);
    struct grpc_channel *channel = served_connect(&served, NULL);
    open_many(&modest);
    ask_many(&modest, "busy", 1, 10, false);
    open_many_on(&greedy, channel);
    ask_many(&greedy, "busy", 1, FIT, false);
    ask_many(&greedy, "", 1, FIT, true); /* what was given up does not count */
    ask_many(&greedy, "busy", 1, FIT, false);
    await_waits(FIT + 10);
    ask_many(&greedy, "busy", FIT + 1, TOO_MANY, false);
    await_true(&greedy.has_ended);
    assert_int_equal(greedy.status, PD_E_UNAVAILABLE);
    await_waits(10); /* the other's */
    assert_false(atomic_load(&modest.has_ended));
    grpc_stream_free(greedy.stream);
    close_many(&modest);
    grpc_channel_free(channel);
    served_stop(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_wait_for_an_id_that_nobody_has_blocks_until_it_ends),
        ROW(what_is_over_already_is_answered_at_once),
        ROW(suspending_is_a_beginning),
        ROW(a_deadline_ends_a_wait_and_frees_it),
        ROW(whoever_goes_away_is_forgotten),
        ROW(a_new_wait_does_not_see_an_old_end),
        ROW(a_wait_outlives_purge_and_replacement),
        ROW(an_id_that_nobody_can_have_is_not_waited_for),
        ROW(very_many_waits_for_one_and_for_many),
        ROW(who_waits_for_very_many_does_not_keep_others_waiting),
        ROW(of_many_what_is_not_there_is_told_and_what_is_given_up_is_not),
        ROW(who_leaves_while_many_are_looked_at_takes_them_along),
        cmocka_unit_test(who_waits_for_more_than_others_leave_memory_for_is_hung_up_on),
    };
    return cmocka_run_group_tests_name("server: waits", tests, NULL, NULL);
}
