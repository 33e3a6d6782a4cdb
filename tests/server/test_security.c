/* SPDX-License-Identifier: MIT
 *
 * Tokens on every call, and against every hub that a message names; limits of messages; what the
 * logs
 * do not say. */
#include "served.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/server_priv.h"

#define READER "reader-token-0000000001"
#define WORKER "worker-token-0000000001"
#define OPERATOR "operator-token-00000001"

static struct served served;
static char file[64];

static void write_tokens(const char *text)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    (void)fputs(text, stream);
    (void)fclose(stream);
}

static int set_up(void **state)
{
    static char option[96];
    static const char *const options[] = { option, NULL };
    (void)state;
    snprintf(file, sizeof file, "/tmp/perdure-tokens-XXXXXX");
    int fd = mkstemp(file);
    write_tokens(READER " read mine\n" WORKER " work mine\n" OPERATOR " operate mine\n");
    snprintf(option, sizeof option, "--tokens=%s", file);
    served_start(&served, options);
    return close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    served_stop(&served);
    return unlink(file);
}

/* token NULL: none. */
static struct grpc_channel *as(const char *token, const char *hub)
{
    char header[128];
    snprintf(header, sizeof header, "Bearer %s", token != NULL ? token : "");
    const char *metadata[] = { "taskhub", hub, "authorization", header, NULL };
    metadata[2] = token != NULL ? metadata[2] : NULL;
    return served_connect(&served, metadata);
}

/* "needed", "denied", or NULL: it was let in, whatever became of it. */
static const char *refusal_of(struct grpc_channel *channel, const char *path)
{
    struct text unwanted;
    pd_status status =
        grpc_channel_call(channel, path, TEXT(""), 500, &served.arena, &unwanted, &served.err);
    return status == PD_OK                                                 ? NULL
           : strstr(served.err.text, "a token is needed") != NULL          ? "needed"
           : strstr(served.err.text, "the token does not allow '") != NULL ? "denied"
                                                                           : NULL;
}

static void assert_let_in(struct grpc_channel *channel, const struct rpc_method *method, bool is)
{
    const char *refusal = refusal_of(channel, method->path);
    if ((refusal == NULL) != is) {
        fail_msg("%s: %s", method->path, refusal != NULL ? refusal : "let in");
    }
}

static void every_call_asks_for_a_token_with_its_scope(void **state)
{
    (void)state;
    struct grpc_channel *nobody = as(NULL, "mine");
    struct grpc_channel *reader = as(READER, "mine");
    struct grpc_channel *worker = as(WORKER, "mine");
    struct grpc_channel *manager = as(OPERATOR, "mine");
    struct grpc_channel *elsewhere = as(READER, "others");
    size_t count = 0;
    for (size_t i = 0; server_services[i] != NULL; i++) {
        for (size_t j = 0; j < server_services[i]->count; j++) {
            const struct rpc_method *method = &server_services[i]->methods[j];
            if (method->shape != GRPC_UNARY) {
                continue; /* the same gate; see below */
            }
            const char *refusal = refusal_of(nobody, method->path);
            assert_non_null(refusal);
            assert_string_equal(refusal, "needed");
            assert_string_equal(refusal_of(elsewhere, method->path), "denied");
            assert_let_in(reader, method, (method->scopes & SCOPE_READ) != 0);
            assert_let_in(worker, method, (method->scopes & SCOPE_WORK) != 0);
            assert_let_in(manager, method, (method->scopes & SCOPE_OPERATE) != 0);
            count++;
        }
    }
    assert_true(count >= 27);
    grpc_channel_free(nobody);
    grpc_channel_free(reader);
    grpc_channel_free(worker);
    grpc_channel_free(manager);
    grpc_channel_free(elsewhere);
}

static void streams_of_work_ask_too(void **state)
{
    (void)state;
    struct desk desk;
    struct grpc_channel *nobody = as(NULL, "mine");
    struct grpc_channel *reader = as(READER, "mine");
    struct grpc_channel *worker = as(WORKER, "mine");
    desk_open(&desk, &served, nobody, NULL);
    desk_wait_end(&desk);
    assert_int_equal(desk.status, PD_E_DENIED);
    desk_close(&desk);
    desk_open(&desk, &served, reader, NULL);
    desk_wait_end(&desk);
    assert_int_equal(desk.status, PD_E_DENIED);
    desk_close(&desk);
    desk_open(&desk, &served, worker, NULL);
    desk_wait_pings(&desk, 1);
    desk_close(&desk);
    grpc_channel_free(nobody);
    grpc_channel_free(reader);
    grpc_channel_free(worker);
}

static void hubs_that_a_query_names_are_looked_at(void **state)
{
    (void)state;
    struct grpc_channel *reader = as(READER, "mine");
    struct text mine = TEXT("\x0a\x04mine");
    struct text others = TEXT("\x0a\x06others");
    struct hub_instance_query query;
    message_init(&hub_instance_query_type, &query);
    query.task_hub_names = (struct text_list){ &mine, 1 };
    const struct hub_query_instances_request request = { &query };
    assert_int_equal(served_call_on(&served, reader, "QueryInstances",
                                    &hub_query_instances_request_type, &request, NULL, NULL,
                                    PATIENCE_MS),
                     PD_OK);
    query.task_hub_names = (struct text_list){ &others, 1 };
    assert_int_equal(served_call_on(&served, reader, "QueryInstances",
                                    &hub_query_instances_request_type, &request, NULL, NULL,
                                    PATIENCE_MS),
                     PD_E_DENIED);
    grpc_channel_free(reader);
}

/* How StreamInstanceHistory ends, of an instance that is not there. */
static pd_status history_as(const char *token, bool for_work)
{
    struct desk end; /* only to hear of the end */
    struct grpc_channel *channel = as(token, "mine");
    const struct hub_stream_instance_history_request request = {
        .instance_id = TEXT("nobody"),
        .for_work_item_processing = for_work,
    };
    desk_open_call(&end, &served, channel, "StreamInstanceHistory",
                   &hub_stream_instance_history_request_type, &request);
    desk_wait_end(&end);
    pd_status status = end.status;
    desk_close(&end);
    grpc_channel_free(channel);
    return status;
}

static void workers_get_histories_for_their_work_only(void **state)
{
    (void)state;
    for (int for_work = 0; for_work < 2; for_work++) {
        assert_int_equal(history_as(READER, for_work), PD_E_NOT_FOUND);
        assert_int_equal(history_as(WORKER, for_work), for_work ? PD_E_NOT_FOUND : PD_E_DENIED);
        assert_int_equal(history_as(OPERATOR, for_work), PD_E_DENIED);
    }
}

static void tokens_are_read_again_and_wrong_ones_are_not(void **state)
{
    (void)state;
    struct grpc_channel *reader = as(READER, "mine");
    struct grpc_channel *fresh = as("fresh-token-000000000001", "mine");
    static const char path[] = "/TaskHubSidecarService/Hello";
    assert_null(refusal_of(reader, path));
    assert_string_equal(refusal_of(fresh, path), "needed");
    write_tokens("not right\n");
    server_reload(served.server, NULL);
    for (int i = 0; i < 20; i++) {
        assert_null(refusal_of(reader, path)); /* as it was */
    }
    write_tokens("fresh-token-000000000001 read mine\n");
    server_reload(served.server, NULL);
    for (int i = 0; refusal_of(fresh, path) != NULL; i++) {
        assert_true(i < 1000);
    }
    assert_string_equal(refusal_of(reader, path), "needed");
    grpc_channel_free(reader);
    grpc_channel_free(fresh);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static pd_status start_sized(size_t size)
{
    struct hub_create_instance_request request;
    char *input = mem_alloc(size);
    memset(input, '1', size);
    message_init(&hub_create_instance_request_type, &request);
    request.name = TEXT("flow");
    request.input = text_make(input, size);
    size_t all = message_size(&hub_create_instance_request_type, &request);
    request.input.size -= all - size; /* the message is as long as is asked for */
    pd_status status =
        served_tell(&served, "StartInstance", &hub_create_instance_request_type, &request);
    mem_free(input);
    return status;
}

static void a_message_at_its_limit_is_taken_and_one_past_it_is_not(void **state)
{
    static const char *const options[] = { "--message-max=64k", NULL };
    (void)state;
    served_start(&served, options);
    assert_int_equal(start_sized(64 << 10), PD_OK);
    assert_int_equal(start_sized((64 << 10) + 1), PD_E_LIMIT);
    assert_int_equal(start_sized(64), PD_OK);
    served_stop(&served);
}

/* ---- logs ------------------------------------------------------------------------------------ */

static void neither_payloads_nor_tokens_are_logged(void **state)
{
    char log[64] = "/tmp/perdure-log-XXXXXX";
    char text[65536];
    int fd = mkstemp(log);
    int old = dup(STDERR_FILENO);
    (void)state;
    assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    static const char *const options[] = { "--log-level=debug", "--log-format=json", NULL };
    served_start(&served, options);
    const char *metadata[] = { "authorization", "Bearer planted-secret-token", NULL };
    struct grpc_channel *channel = served_connect(&served, metadata);
    struct hub_create_instance_request request;
    struct desk desk;
    message_init(&hub_create_instance_request_type, &request);
    request.name = TEXT("flow");
    request.input = TEXT("\"planted-secret-input\"");
    desk_open(&desk, &served, channel, NULL);
    assert_int_equal(served_call_on(&served, channel, "StartInstance",
                                    &hub_create_instance_request_type, &request, NULL, NULL,
                                    PATIENCE_MS),
                     PD_OK);
    (void)desk_end(&desk, FAILED, "\"planted-secret-output\"");
    desk_close(&desk);
    grpc_channel_free(channel);
    served_stop(&served);
    (void)dup2(old, STDERR_FILENO);
    (void)close(old);
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    assert_true(size > 0);
    text[size] = '\0';
    assert_non_null(strstr(text, "\"msg\":\"worker connected\""));
    assert_null(strstr(text, "planted-secret"));
    (void)close(fd);
    (void)unlink(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_call_asks_for_a_token_with_its_scope, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(streams_of_work_ask_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(workers_get_histories_for_their_work_only, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(hubs_that_a_query_names_are_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_are_read_again_and_wrong_ones_are_not, set_up,
                                        tear_down),
        cmocka_unit_test(a_message_at_its_limit_is_taken_and_one_past_it_is_not),
        cmocka_unit_test(neither_payloads_nor_tokens_are_logged),
    };
    return cmocka_run_group_tests_name("server: security", tests, NULL, NULL);
}
