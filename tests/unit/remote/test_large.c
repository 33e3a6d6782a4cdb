/* SPDX-License-Identifier: MIT
 *
 * Answers of a worker that are large: many together, which no message holds, and one that none can
 * hold. Neither may end the stream again and again; the server takes messages of a mebibyte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"

enum { COUNT = 40, EACH = 200 * 1000, MOST = 1 << 20, TOO_LARGE = MOST + 1000 };

/* ---- the program ----------------------------------------------------------------------------- */

static const char *fill(char *text, int64_t size)
{
    memset(text, 'x', (size_t)size);
    return text; /* which was zeroed */
}

static pd_result act(pd_activity *a, pd_value size)
{
    return pd_ok(a, fill(pd_alloc(a, (size_t)pd_int(size) + 1), pd_int(size)));
}

static pd_result told(pd_orchestration *o, pd_value size)
{
    return pd_ok(o, fill(pd_alloc(o, (size_t)pd_int(size) + 1), pd_int(size)));
}

static pd_result asked(pd_orchestration *o, pd_value size)
{
    pd_task *task = pd_start_activity(o, act, size);
    if (pd_wait(o, task)) {
        return pd_ok(o, (int64_t)strlen(pd_text(pd_task_value(task))));
    }
    return pd_ok(o, pd_task_failure(task)->cause != NULL ? pd_task_failure(task)->cause->message
                                                         : pd_task_failure(task)->message);
}

static pd_result store(pd_entity *e, pd_value size)
{
    if (strcmp(pd_op(e), "read") == 0) {
        return pd_ok(e, pd_state(e));
    }
    pd_set_state(e, 7);
    return pd_ok(e, fill(pd_alloc(e, (size_t)pd_int(size) + 1), pd_int(size)));
}

static const pd_function program[] = {
    PD_FUNCTION("Act", act),
    PD_FUNCTION("Told", told),
    PD_FUNCTION("Asked", asked),
    PD_FUNCTION("Store", store),
};

/* ---- tests ----------------------------------------------------------------------------------- */

struct stage {
    struct bed *bed;
    pd_hub *hub;
    pd_worker *worker;
};

static void begin(struct stage *stage, void **state)
{
    *stage = (struct stage){ .bed = *state };
    stage->hub = bed_hub(stage->bed);
}

static void start_worker(struct stage *stage)
{
    pd_error err;
    const pd_worker_options options = { .threads = 8 };
    stage->worker = pd_worker_start(stage->hub, PD_PROGRAM(program), &options, &err);
    assert_non_null(stage->worker);
}

static void end(struct stage *stage)
{
    pd_worker_stop(stage->worker);
    pd_hub_close(stage->hub);
}

static void expect_message(const char *message)
{
    if (strstr(message, "--message-max") == NULL) {
        fail_msg("'%s' does not name the limit", message);
    }
}

/* They are there before the worker, so that it gets them, and answers them, in few messages. */
static void start_all(struct stage *stage, const char *name, int64_t size, pd_id *ids)
{
    pd_value inputs[COUNT];
    pd_error err;
    for (int i = 0; i < COUNT; i++) {
        inputs[i] = pd_of_int(size);
    }
    if (pd_hub_start_many(stage->hub, name, COUNT, inputs, ids, &err) != PD_OK) {
        fail_msg("%s", err.text);
    }
}

static void expect_all(struct stage *stage, const pd_id *ids)
{
    pd_instance *ended[COUNT];
    pd_error err;
    if (pd_hub_wait_many(stage->hub, COUNT, ids, pd_seconds(60), ended, &err) != PD_OK) {
        fail_msg("%s", err.text);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pd_instance_state(ended[i]), PD_RUN_COMPLETED);
        pd_instance_free(ended[i]);
    }
}

static void answers_that_no_message_holds_together_go_in_several(void **state)
{
    struct stage stage;
    pd_id turns[COUNT] = { { "" } }, activities[COUNT] = { { "" } };
    begin(&stage, state);
    start_all(&stage, "Told", EACH, turns);
    start_all(&stage, "Asked", EACH, activities);
    start_worker(&stage);
    expect_all(&stage, turns);
    expect_all(&stage, activities);
    end(&stage);
}

static void an_answer_of_a_turn_that_no_message_holds_fails_the_orchestration(void **state)
{
    struct stage stage;
    pd_error err;
    pd_id id = { "large" };
    begin(&stage, state);
    start_worker(&stage);
    assert_int_equal(pd_hub_start(stage.hub, told, TOO_LARGE, NULL, &id, &err), PD_OK);
    pd_instance *i = pd_hub_wait(stage.hub, id.text, pd_seconds(60), &err);
    assert_non_null(i);
    assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
    assert_string_equal(pd_instance_failure(i)->type, "Misuse");
    expect_message(pd_instance_failure(i)->message);
    pd_instance_free(i);
    end(&stage);
}

static void an_answer_of_an_activity_that_no_message_holds_fails_the_step(void **state)
{
    struct stage stage;
    pd_error err;
    pd_id id = { "large" };
    begin(&stage, state);
    start_worker(&stage);
    assert_int_equal(pd_hub_start(stage.hub, asked, TOO_LARGE, NULL, &id, &err), PD_OK);
    pd_instance *i = pd_hub_wait(stage.hub, id.text, pd_seconds(60), &err);
    assert_non_null(i);
    assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    expect_message(pd_text(pd_instance_output(i)));
    pd_instance_free(i);
    end(&stage);
}

static void an_answer_of_an_entity_that_no_message_holds_fails_and_changes_nothing(void **state)
{
    struct stage stage;
    pd_error err;
    pd_entity_id entity = PD_ENTITY("Store", "a");
    begin(&stage, state);
    start_worker(&stage);
    pd_instance *i =
        pd_hub_call_entity(stage.hub, entity, "write", TOO_LARGE, pd_seconds(60), &err);
    assert_non_null(i);
    assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
    expect_message(pd_instance_failure(i)->message);
    pd_instance_free(i);
    i = pd_hub_call_entity(stage.hub, entity, "read", PD_NULL, pd_seconds(60), &err);
    assert_non_null(i);
    assert_int_equal(pd_kind_of(pd_instance_output(i)), PD_IS_NULL);
    pd_instance_free(i);
    end(&stage);
}

int main(void)
{
    bed_find_programs();
    setenv("PERDURE_MESSAGE_MAX", "1m", 1);
    const struct CMUnitTest tests[] = {
        BED_TEST(answers_that_no_message_holds_together_go_in_several),
        BED_TEST(an_answer_of_a_turn_that_no_message_holds_fails_the_orchestration),
        BED_TEST(an_answer_of_an_activity_that_no_message_holds_fails_the_step),
        BED_TEST(an_answer_of_an_entity_that_no_message_holds_fails_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("remote/large", tests, NULL, NULL);
}
