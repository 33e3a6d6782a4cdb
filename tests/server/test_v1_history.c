/* SPDX-License-Identifier: MIT
 *
 * LoadHistory of perdure.v1.Hub: a history of many megabytes, in portions. */
#include "served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "wire/hub_calls.h"

enum { TURNS = 12, EVENT_BYTES = 1 << 20 }; /* three portions */

static struct served served;
static struct desk desk;

static int set_up(void **state)
{
    (void)state;
    static int64_t streams[] = { 1 };
    const struct hub_get_work_items_request request = { .capabilities = { streams, 1 } };
    served_start(&served, NULL);
    desk_open(&desk, &served, NULL, &request); /* it takes turns however long their past is */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    desk_close(&desk);
    served_stop(&served);
    return 0;
}

/* ---- a reader that can be made to wait ------------------------------------------------------- */

struct reader {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool may_go_on, has_ended;
    pd_status status;
    size_t pieces, turns, bytes;
    bool is_in_order;
};

static void came(void *argument, struct grpc_stream *stream, struct text message)
{
    struct reader *reader = argument;
    struct hub_load_piece piece;
    struct arena arena;
    pd_error err;
    (void)stream;
    arena_init(&arena);
    pthread_mutex_lock(&reader->mutex);
    if (message_read(&hub_load_piece_type, message, &arena, &piece, &err) == PD_OK) {
        reader->is_in_order &= (size_t)piece.first == 1 || piece.chunks.count != 0;
        for (size_t i = 0; i < piece.chunks.count; i++) {
            reader->bytes += piece.chunks.items[i].size;
            reader->turns++;
        }
        reader->pieces++;
    }
    pthread_cond_broadcast(&reader->changed);
    while (!reader->may_go_on) { /* its channel's thread: nothing more is read */
        pthread_cond_wait(&reader->changed, &reader->mutex);
    }
    pthread_mutex_unlock(&reader->mutex);
    arena_done(&arena);
}

static void ended(void *argument, struct grpc_stream *stream, pd_status status, const pd_error *err)
{
    struct reader *reader = argument;
    (void)stream, (void)err;
    pthread_mutex_lock(&reader->mutex);
    reader->has_ended = true;
    reader->status = status;
    pthread_cond_broadcast(&reader->changed);
    pthread_mutex_unlock(&reader->mutex);
}

static struct grpc_stream *load(struct reader *reader, struct grpc_channel *channel, int64_t row,
                                int64_t from)
{
    static const struct grpc_stream_handler handler = { .message = came, .ended = ended };
    struct hub_load_request request;
    struct buffer bytes;
    message_init(&hub_load_request_type, &request);
    request.row = row;
    request.from = from;
    buffer_init(&bytes);
    message_write(&hub_load_request_type, &bytes, &request);
    pthread_mutex_init(&reader->mutex, NULL);
    pthread_cond_init(&reader->changed, NULL);
    struct grpc_stream *stream = grpc_stream_open(channel, "/perdure.v1.Hub/LoadHistory",
                                                  buffer_text(&bytes), &handler, reader);
    buffer_done(&bytes);
    return stream;
}

static void wait_end(struct reader *reader)
{
    pthread_mutex_lock(&reader->mutex);
    reader->may_go_on = true;
    pthread_cond_broadcast(&reader->changed);
    while (!reader->has_ended) {
        pthread_cond_wait(&reader->changed, &reader->mutex);
    }
    pthread_mutex_unlock(&reader->mutex);
}

static void wait_piece(struct reader *reader)
{
    pthread_mutex_lock(&reader->mutex);
    while (reader->pieces == 0 && !reader->has_ended) {
        pthread_cond_wait(&reader->changed, &reader->mutex);
    }
    assert_false(reader->has_ended);
    pthread_mutex_unlock(&reader->mutex);
}

/* ---- a long history -------------------------------------------------------------------------- */

/* An instance whose turns took an event of a megabyte each; the first one in no portion's way. */
static void make_long(const char *id)
{
    char *data = mem_alloc(EVENT_BYTES + 1);
    memset(data, '1', EVENT_BYTES);
    assert_int_equal(served_start_instance(&served, id, "flow"), PD_OK);
    struct hub_work_item item = desk_take(&desk);
    desk_complete(&desk, &item, NULL, 0);
    for (int i = 0; i < TURNS; i++) {
        struct hub_raise_event_request raise;
        message_init(&hub_raise_event_request_type, &raise);
        raise.instance_id = text_of(id);
        raise.name = TEXT("e");
        raise.input = text_of(data);
        assert_int_equal(served_tell(&served, "RaiseEvent", &hub_raise_event_request_type, &raise),
                         PD_OK);
        item = desk_take(&desk);
        desk_complete(&desk, &item, NULL, 0);
    }
    mem_free(data);
}

static int64_t row_of(const char *id)
{
    struct hub_load_request request;
    struct hub_load_instance_response response;
    struct text answer;
    struct buffer bytes;
    pd_error err;
    message_init(&hub_load_request_type, &request);
    request.id = text_of(id);
    buffer_init(&bytes);
    message_write(&hub_load_request_type, &bytes, &request);
    assert_int_equal(grpc_channel_call(served.channel, "/perdure.v1.Hub/LoadInstance",
                                       buffer_text(&bytes), PATIENCE_MS, &served.arena, &answer,
                                       &err),
                     PD_OK);
    buffer_done(&bytes);
    assert_int_equal(
        message_read(&hub_load_instance_response_type, answer, &served.arena, &response, &err),
        PD_OK);
    assert_non_null(response.instance);
    return response.instance->row;
}

static void a_history_of_several_portions_comes_whole(void **state)
{
    (void)state;
    make_long("long");
    struct reader reader = { .may_go_on = true, .is_in_order = true };
    struct grpc_stream *stream = load(&reader, served.channel, row_of("long"), 0);
    wait_end(&reader);
    assert_int_equal(reader.status, PD_OK);
    assert_int_equal(reader.turns, TURNS + 1);
    assert_true(reader.bytes > (size_t)TURNS * EVENT_BYTES);
    assert_true(reader.is_in_order);
    grpc_stream_free(stream);
}

static void it_may_begin_anywhere_and_behind_its_end(void **state)
{
    (void)state;
    make_long("long");
    int64_t row = row_of("long");
    for (int64_t from = TURNS; from <= TURNS + 2; from++) {
        struct reader reader = { .may_go_on = true, .is_in_order = true };
        struct grpc_stream *stream = load(&reader, served.channel, row, from);
        wait_end(&reader);
        assert_int_equal(reader.status, PD_OK);
        assert_int_equal(reader.turns, TURNS + 2 - from);
        assert_int_equal(reader.pieces, from == TURNS ? 2 : 1); /* where it begins is told */
        grpc_stream_free(stream);
    }
}

/* Whoever has half of the one and half of the other would have a history that never was. */
static void one_that_becomes_another_meanwhile_ends_with_an_error(void **state)
{
    (void)state;
    const char *none[] = { NULL };
    make_long("long");
    int64_t row = row_of("long");
    struct grpc_channel *channel = served_connect(&served, none);
    struct reader reader = { 0 };
    struct grpc_stream *stream = load(&reader, channel, row, 0);
    wait_piece(&reader);
    const struct hub_raise_event_request raise = { .instance_id = TEXT("long"),
                                                   .name = TEXT("e"),
                                                   .input = TEXT_ABSENT };
    assert_int_equal(served_tell(&served, "RaiseEvent", &hub_raise_event_request_type, &raise),
                     PD_OK);
    (void)desk_end(&desk, 2 /* continued as new */, NULL);
    struct hub_work_item item = desk_take(&desk);
    desk_complete(&desk, &item, NULL, 0);
    wait_end(&reader);
    assert_int_equal(reader.status, PD_E_UNAVAILABLE);
    assert_true(reader.turns < TURNS);
    grpc_stream_free(stream);
    grpc_channel_free(channel);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(a_history_of_several_portions_comes_whole),
        ROW(it_may_begin_anywhere_and_behind_its_end),
        ROW(one_that_becomes_another_meanwhile_ends_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
