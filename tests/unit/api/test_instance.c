/* SPDX-License-Identifier: MIT
 *
 * pd_instance, made from a record: every field, what is shown in which state, and the output as a
 * value, from many threads at once.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/api_priv.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "wire/wire.h"

static const struct instance_record completed = {
    .row = 7,
    .id = TEXT_INIT("order-1"),
    .execution_id = TEXT_INIT("e1"),
    .name = TEXT_INIT("Order"),
    .version = TEXT_INIT("2"),
    .input = TEXT_INIT("{\"n\":1}"),
    .state = RUN_COMPLETED,
    .created_at = 1999,
    .updated_at = 3000,
    .ended_at = 3001,
    .output = TEXT_INIT("[1,\"two\"]"),
    .starts_at = 5000,
    .custom_status = TEXT_INIT("{\"at\":\"London\"}"),
    .tags = TEXT_INIT("\x1e"
                      "city\x1f"
                      "Bern\x1ewho\x1f\x1e"),
    .parent_id = TEXT_INIT("order"),
};

static pd_instance *make(const struct instance_record *record)
{
    pd_error err = { .text = "" };
    pd_instance *i = api_instance_new(record, &err);
    if (i == NULL) {
        fail_msg("%s", err.text);
    }
    return i;
}

static void every_field_is_shown(void **state)
{
    (void)state;
    pd_instance *i = make(&completed);
    assert_string_equal(pd_instance_id_of(i), "order-1");
    assert_string_equal(pd_instance_execution_id(i), "e1");
    assert_string_equal(pd_instance_name(i), "Order");
    assert_string_equal(pd_instance_version(i), "2");
    assert_string_equal(pd_instance_input_json(i), "{\"n\":1}");
    assert_string_equal(pd_instance_output_json(i), "[1,\"two\"]");
    assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    assert_true(pd_instance_is_ended(i));
    assert_int_equal(pd_instance_created_at(i).ms, 1); /* towards the past */
    assert_int_equal(pd_instance_updated_at(i).ms, 3);
    assert_int_equal(pd_instance_ended_at(i).ms, 3);
    assert_null(pd_instance_failure(i));
    assert_int_equal(pd_instance_starts_at(i).ms, 5);
    assert_string_equal(pd_instance_parent_id(i), "order");
    assert_string_equal(pd_instance_status_json(i), "{\"at\":\"London\"}");
    assert_string_equal(pd_text(pd_get(pd_instance_status(i), "at")), "London");
    assert_int_equal(pd_int(pd_at(pd_instance_output(i), 0)), 1); /* not mixed up with it */
    pd_instance_free(i);
}

static void tags_are_listed_and_found_by_key(void **state)
{
    (void)state;
    pd_instance *i = make(&completed);
    assert_int_equal(pd_instance_tag_count(i), 2);
    assert_string_equal(pd_instance_tag_key(i, 0), "city");
    assert_string_equal(pd_instance_tag_value(i, 0), "Bern");
    assert_string_equal(pd_instance_tag_key(i, 1), "who");
    assert_string_equal(pd_instance_tag_value(i, 1), "");
    assert_null(pd_instance_tag_key(i, 2));
    assert_null(pd_instance_tag_value(i, 2));
    assert_string_equal(pd_instance_tag(i, "city"), "Bern");
    assert_null(pd_instance_tag(i, "City"));
    assert_null(pd_instance_tag(i, "cit"));
    pd_instance_free(i);
}

static void what_is_absent_is_null(void **state)
{
    (void)state;
    struct instance_record record = completed;
    record.state = RUN_RUNNING;
    record.ended_at = 0;
    record.version = TEXT_ABSENT;
    record.input = TEXT_ABSENT;
    record.custom_status = record.tags = record.parent_id = TEXT_ABSENT;
    record.starts_at = 0;
    record.output = TEXT("\"early\""); /* not shown: it has not completed */
    pd_instance *i = make(&record);
    assert_null(pd_instance_version(i));
    assert_string_equal(pd_instance_input_json(i), "null");
    assert_string_equal(pd_instance_output_json(i), "null");
    assert_int_equal(pd_kind_of(pd_instance_output(i)), PD_IS_NULL);
    assert_false(pd_instance_is_ended(i));
    assert_int_equal(pd_instance_ended_at(i).ms, 0);
    assert_string_equal(pd_instance_status_json(i), "null");
    assert_int_equal(pd_kind_of(pd_instance_status(i)), PD_IS_NULL);
    assert_null(pd_instance_parent_id(i));
    assert_int_equal(pd_instance_starts_at(i).ms, 0);
    assert_int_equal(pd_instance_tag_count(i), 0);
    assert_null(pd_instance_tag(i, ""));
    pd_instance_free(i);
    pd_instance_free(NULL);
}

static void an_empty_version_is_not_none(void **state)
{
    (void)state;
    struct instance_record record = completed;
    record.version = TEXT("");
    pd_instance *i = make(&record);
    assert_string_equal(pd_instance_version(i), "");
    pd_instance_free(i);
}

static void a_failure_is_shown_with_its_causes(void **state)
{
    (void)state;
    const struct failure deeper = { .type = TEXT("Worn"), .message = TEXT("out") };
    const struct failure other = { .type = TEXT("Net"), .message = TEXT("down"), .cause = &deeper };
    const struct failure cause = {
        .type = TEXT("Io"), .message = TEXT("disk"), .next = &other, .is_final = true
    };
    const struct failure failure = { .type = TEXT("Declined"),
                                     .message = TEXT("no money"),
                                     .cause = &cause };
    struct buffer bytes;
    buffer_init(&bytes);
    wire_write_failure(&bytes, &failure);
    struct instance_record record = completed;
    record.state = RUN_FAILED;
    record.output = TEXT_ABSENT;
    record.failure = buffer_text(&bytes);
    pd_instance *i = make(&record);
    buffer_done(&bytes);
    const pd_failure *f = pd_instance_failure(i);
    assert_string_equal(f->type, "Declined");
    assert_string_equal(f->message, "no money");
    assert_false(f->final);
    assert_string_equal(f->cause->type, "Io");
    assert_string_equal(f->cause->message, "disk");
    assert_true(f->cause->final);
    assert_null(f->cause->cause);
    assert_null(f->next);
    assert_string_equal(f->cause->next->type, "Net");
    assert_false(f->cause->next->final);
    assert_string_equal(f->cause->next->cause->type, "Worn");
    assert_null(f->cause->next->next);
    assert_string_equal(pd_instance_output_json(i), "null");
    pd_instance_free(i);
}

static void a_failed_instance_has_a_failure_even_when_it_says_nothing(void **state)
{
    (void)state;
    struct instance_record record = completed;
    record.state = RUN_FAILED;
    record.failure = TEXT_ABSENT;
    pd_instance *i = make(&record);
    assert_string_equal(pd_instance_failure(i)->type, "");
    pd_instance_free(i);
}

static void a_quarantined_instance_shows_why_it_is_suspended(void **state)
{
    (void)state;
    const struct failure failure = { .type = TEXT("Quarantined"), .message = TEXT("again") };
    struct buffer bytes;
    buffer_init(&bytes);
    wire_write_failure(&bytes, &failure);
    struct instance_record record = completed;
    record.state = RUN_SUSPENDED;
    record.failure = buffer_text(&bytes);
    pd_instance *i = make(&record);
    assert_string_equal(pd_instance_failure(i)->type, "Quarantined");
    pd_instance_free(i);
    record.failure = TEXT_ABSENT; /* suspended by somebody */
    i = make(&record);
    assert_null(pd_instance_failure(i));
    pd_instance_free(i);
    buffer_done(&bytes);
}

static void the_output_of_a_terminated_instance_is_the_reason(void **state)
{
    (void)state;
    struct instance_record record = completed;
    record.state = RUN_TERMINATED;
    record.output = TEXT("\"enough\"");
    pd_instance *i = make(&record);
    assert_string_equal(pd_text(pd_instance_output(i)), "enough");
    assert_null(pd_instance_failure(i));
    pd_instance_free(i);
}

static void a_damaged_failure_is_corrupt(void **state)
{
    (void)state;
    struct instance_record record = completed;
    record.state = RUN_FAILED;
    record.failure = TEXT("\x0a\x55");
    pd_error err;
    assert_null(api_instance_new(&record, &err));
    assert_int_equal(err.status, PD_E_CORRUPT);
}

static void output_that_is_not_json_is_null_as_a_value_and_there_as_text(void **state)
{
    (void)state;
    struct instance_record record = completed;
    record.output = TEXT("blob:v1:a:b");
    pd_instance *i = make(&record);
    assert_int_equal(pd_kind_of(pd_instance_output(i)), PD_IS_NULL);
    assert_string_equal(pd_instance_output_json(i), "blob:v1:a:b");
    pd_instance_free(i);
}

static void a_large_payload_without_memory_is_told(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    char *large = mem_alloc(size);
    memset(large, ' ', size);
    large[0] = '1';
    struct instance_record record = completed;
    record.output = text_make(large, size);
    pd_error err;
    mem_fail_at(1);
    assert_null(api_instance_new(&record, &err));
    mem_fail_at(0);
    assert_int_equal(err.status, PD_E_NOMEM);
    assert_true(err.retryable);
    pd_instance *i = make(&record);
    assert_int_equal(pd_int(pd_instance_output(i)), 1);
    pd_instance_free(i);
    mem_free(large);
}

enum { THREADS = 8, ROUNDS = 200 };

struct reader {
    pthread_t thread;
    pthread_barrier_t *together;
    const pd_instance *instance;
    pd_value value;
};

static void *read_output(void *argument)
{
    struct reader *reader = argument;
    pthread_barrier_wait(reader->together);
    reader->value = pd_instance_output(reader->instance);
    return NULL;
}

static void the_output_is_read_once_by_many_threads(void **state)
{
    (void)state;
    pthread_barrier_t together;
    assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
    for (int round = 0; round < ROUNDS; round++) {
        pd_instance *i = make(&completed);
        struct reader readers[THREADS];
        for (size_t t = 0; t < THREADS; t++) {
            readers[t] = (struct reader){ .together = &together, .instance = i };
            assert_int_equal(pthread_create(&readers[t].thread, NULL, read_output, &readers[t]), 0);
        }
        for (size_t t = 0; t < THREADS; t++) {
            pthread_join(readers[t].thread, NULL);
            assert_string_equal(pd_text(pd_at(readers[t].value, 1)), "two");
            /* The same value, not another that was read from the same text. */
            assert_ptr_equal(readers[t].value.as_.items, readers[0].value.as_.items);
        }
        pd_instance_free(i);
    }
    pthread_barrier_destroy(&together);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_shown),
        cmocka_unit_test(what_is_absent_is_null),
        cmocka_unit_test(an_empty_version_is_not_none),
        cmocka_unit_test(a_failure_is_shown_with_its_causes),
        cmocka_unit_test(a_failed_instance_has_a_failure_even_when_it_says_nothing),
        cmocka_unit_test(tags_are_listed_and_found_by_key),
        cmocka_unit_test(a_quarantined_instance_shows_why_it_is_suspended),
        cmocka_unit_test(the_output_of_a_terminated_instance_is_the_reason),
        cmocka_unit_test(a_damaged_failure_is_corrupt),
        cmocka_unit_test(output_that_is_not_json_is_null_as_a_value_and_there_as_text),
        cmocka_unit_test(a_large_payload_without_memory_is_told),
        cmocka_unit_test(the_output_is_read_once_by_many_threads),
    };
    return cmocka_run_group_tests_name("api/instance", tests, NULL, NULL);
}
