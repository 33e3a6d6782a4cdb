/* SPDX-License-Identifier: MIT
 *
 * The parts that can be tested alone: ids and partitions, open steps, names of events, batches.
 */
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/random.h"
#include "core/core_priv.h"
#include "rig.h"

/* ---- ids ---- */

static void accept(struct text id)
{
    pd_error err = { 0 };
    assert_int_equal(instance_id_check(id, &err), PD_OK);
    assert_int_equal(err.status, PD_OK); /* untouched */
}

static void refuse(struct text id, const char *sentence_has)
{
    pd_error err = { 0 };
    assert_int_equal(instance_id_check(id, &err), PD_E_INVALID);
    assert_int_equal(err.status, PD_E_INVALID);
    assert_false(err.retryable);
    assert_non_null(strstr(err.text, sentence_has));
}

static void ids_have_1_to_256_characters(void **state)
{
    (void)state;
    char ascii[LIMIT_INSTANCE_ID + 1];
    char wide[(LIMIT_INSTANCE_ID + 1) * 2];
    memset(ascii, 'a', sizeof ascii);
    for (size_t i = 0; i < sizeof wide; i += 2) {
        memcpy(wide + i, "\xc3\xa9", 2); /* e with an acute accent: one character, two bytes */
    }
    refuse(TEXT(""), "empty");
    refuse(TEXT_ABSENT, "empty");
    accept(TEXT("a"));
    accept(text_make(ascii, LIMIT_INSTANCE_ID));
    refuse(text_make(ascii, LIMIT_INSTANCE_ID + 1), "257 characters");
    accept(text_make(wide, LIMIT_INSTANCE_ID * 2));
    refuse(text_make(wide, sizeof wide), "257 characters");
}

static void ids_are_utf8_without_what_terminals_stumble_over(void **state)
{
    (void)state;
    accept(TEXT("order-1:a@b c~%&=+!"));
    accept(TEXT("\xe6\x9d\xb1\xe4\xba\xac"));
    accept(TEXT("\xc2\xa0")); /* the first behind the C1 controls */
    refuse(TEXT("@counter@1"), "entities");
    accept(TEXT("/a\\b#c?"));
    refuse(TEXT("a\tb"), "at byte 1");
    refuse(TEXT("a\x1f"), "control character");
    refuse(TEXT("a\x7f"), "control character");
    refuse(TEXT("a\xc2\x80"), "control character");
    refuse(TEXT("a\xc2\x9f"), "control character");
    refuse(TEXT("a\0b"), "control character");
    refuse(TEXT("a\xff"), "UTF-8");
    refuse(TEXT("a\xc2"), "UTF-8");
}

static void what_is_wrong_with_an_id_is_said_however_long_it_is(void **state)
{
    (void)state;
    char ascii[LIMIT_INSTANCE_ID], wide[LIMIT_INSTANCE_ID * 3];
    memset(ascii, 'a', sizeof ascii);
    for (size_t i = 0; i < sizeof wide; i += 3) {
        memcpy(wide + i, "\xe2\x82\xac", 3);
    }
    accept(text_make(ascii, sizeof ascii));
    accept(text_make(wide, sizeof wide));
    ascii[sizeof ascii - 1] = wide[sizeof wide - 3] = wide[sizeof wide - 2] =
        wide[sizeof wide - 1] = '\t';
    refuse(text_make(ascii, sizeof ascii), "...' has a control character");
    refuse(text_make(ascii, sizeof ascii), "at byte 255");
    refuse(text_make(wide, 768 - 2), "\xe2\x82\xac...' has a control character");
    ascii[0] = '@';
    ascii[sizeof ascii - 1] = 'a';
    refuse(text_make(ascii, sizeof ascii), "entities");
    pd_error err;
    assert_int_equal(entity_id_check(text_make(ascii, sizeof ascii), &err), PD_E_INVALID);
    assert_non_null(strstr(err.text, "...' is not the id of an entity, which is \"@name@key\""));
}

static void partitions_are_xxh64_modulo_count(void **state)
{
    (void)state;
    /* XXH64 with seed 0: of nothing ef46db3751d8e999, of "a" d24ec4f1a98c6e5b, of "abc"
     * 44bc2cf5ad770999: the published vectors. Stored data depends on these. */
    assert_int_equal(partition_of(TEXT("a"), 64), 0xd24ec4f1a98c6e5bULL % 64);
    assert_int_equal(partition_of(TEXT("abc"), 64), 0x44bc2cf5ad770999ULL % 64);
    assert_int_equal(partition_of(TEXT("a"), 7), 0xd24ec4f1a98c6e5bULL % 7);
    assert_int_equal(partition_of(TEXT("abc"), 7), 0x44bc2cf5ad770999ULL % 7);
    assert_int_equal(partition_of(TEXT("order-1"), 1), 0);
}

static void partitions_get_about_the_same_number_of_ids(void **state)
{
    (void)state;
    struct arena arena = { 0 };
    int counts[16] = { 0 };
    for (int i = 0; i < 16000; i++) {
        counts[partition_of(text_of(arena_printf(&arena, "order-%d", i)), 16)]++;
    }
    for (int i = 0; i < 16; i++) {
        assert_in_range(counts[i], 880, 1120);
    }
    arena_done(&arena);
}

/* ---- steps ---- */

static void steps_of_a_few_need_no_heap(void **state)
{
    (void)state;
    struct steps steps;
    struct step step;
    steps_init(&steps);
    for (int i = 0; i < 1000; i++) {
        steps_open(&steps, (struct step){ .id = i, .kind = STEP_TASK });
        if (i >= STEPS_INLINE - 1) {
            assert_true(steps_close(&steps, i - (STEPS_INLINE - 1), STEP_TASK, &step));
        }
        assert_null(steps.many);
    }
    assert_int_equal(steps_count(&steps), STEPS_INLINE - 1);
    steps_done(&steps);
}

static void steps_are_found_by_id_and_kind_and_close_once(void **state)
{
    (void)state;
    struct steps steps;
    struct step step;
    steps_init(&steps);
    for (int i = 0; i < 20; i++) { /* not in order */
        int id = i * 7 % 20;
        steps_open(&steps, (struct step){ .id = id,
                                          .kind = id % 2 != 0 ? STEP_TIMER : STEP_TASK,
                                          .due = id * TIME_MS });
    }
    assert_int_equal(steps.tasks, 10);
    for (uint32_t i = 1; i < steps.used; i++) {
        assert_true(steps_at(&steps)[i - 1].id < steps_at(&steps)[i].id);
    }
    assert_false(steps_find(&steps, 5, STEP_TASK, &step));
    assert_true(steps_find(&steps, 5, STEP_TIMER, &step));
    assert_int_equal(step.due, 5 * TIME_MS);
    assert_true(steps_close(&steps, 5, STEP_TIMER, &step));
    assert_false(steps_close(&steps, 5, STEP_TIMER, &step));
    assert_false(steps_find(&steps, 20, STEP_TASK, &step));
    assert_false(steps_find(&steps, -1, STEP_TASK, &step));
    assert_int_equal(steps.tasks, 10);
    steps_done(&steps);
    assert_int_equal(steps_count(&steps), 0);
}

/* Against a plain array of flags, in random order. */
static void steps_agree_with_a_set_of_flags(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static bool is_open[COUNT];
    struct random random;
    struct steps steps;
    struct step step;
    random_seed(&random, 5);
    steps_init(&steps);
    int32_t next = 0;
    uint32_t open = 0;
    while (next < COUNT || open != 0) {
        if (next < COUNT && random_chance(&random, 1, 2)) {
            is_open[next] = true;
            open++;
            steps_open(&steps, (struct step){ .id = next++, .kind = STEP_TASK });
        }
        for (int tries = 0; tries < 2 && next != 0; tries++) {
            int32_t id = (int32_t)random_below(&random, (uint64_t)next);
            assert_int_equal(steps_close(&steps, id, STEP_TASK, &step), is_open[id]);
            open -= is_open[id];
            is_open[id] = false;
        }
        assert_int_equal(steps_count(&steps), open);
        assert_int_equal(steps.tasks, open);
        assert_true(steps.dead <= steps.used / 2); /* O2 */
    }
    assert_null(steps.many); /* given back */
    steps_done(&steps);
}

/* ---- waiting events ---- */

static void a_waiting_event_has_its_own_copy_of_everything(void **state)
{
    (void)state;
    char text[] = "abcdefgh";
    struct failure cause = { .type = text_make(text, 1),
                             .message = text_make(text + 1, 1),
                             .is_final = true };
    struct failure failure = { .type = text_make(text + 2, 1),
                               .message = text_make(text + 3, 0),
                               .cause = &cause };
    struct event event = {
        .kind = EVENT_TASK_FAILED,
        .ref = 4,
        .name = text_make(text + 4, 1),
        .payload = text_make(text + 5, 0),
        .failure = &failure,
    };
    struct shelf none = { 0 };
    struct waiting_event *copy = waiting_event_new(&none, &event);
    memset(text, 'x', sizeof text);
    memset(&cause, 0, sizeof cause);
    memset(&failure, 0, sizeof failure);
    assert_true(text_equal(copy->event.name, TEXT("e")));
    assert_true(text_equal(copy->event.payload, TEXT(""))); /* empty, not absent */
    assert_false(text_is_present(copy->event.version));
    assert_true(text_equal(copy->event.failure->type, TEXT("c")));
    assert_true(text_equal(copy->event.failure->message, TEXT("")));
    assert_true(text_equal(copy->event.failure->cause->type, TEXT("a")));
    assert_true(copy->event.failure->cause->is_final);
    assert_null(copy->event.failure->cause->cause);
    mem_free(copy);
}

static struct failure *chain(struct failure *failures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        failures[i] = (struct failure){ .type = TEXT("T"), .message = TEXT("m") };
        failures[i].next = i + 1 < count ? &failures[i + 1] : NULL;
    }
    return failures;
}

static size_t count_causes(const struct failure *failure)
{
    size_t count = 0;
    for (const struct failure *f = failure->cause; f != NULL; f = f->next) {
        assert_true(text_equal(f->type, TEXT("T")));
        count++;
    }
    return count;
}

static void causes_beside_each_other_are_kept_up_to_the_limit(void **state)
{
    (void)state;
    struct failure causes[LIMIT_FAILURE_CAUSES + 1];
    struct failure below[2];
    struct failure failure = { .type = TEXT("All"), .message = TEXT("") };
    struct event event = { .kind = EVENT_TASK_FAILED, .failure = &failure };
    struct shelf none = { 0 };
    for (size_t count = LIMIT_FAILURE_CAUSES - 1; count <= LIMIT_FAILURE_CAUSES + 1; count++) {
        failure.cause = chain(causes, count);
        causes[count - 1].cause = chain(below, 2); /* of the last, also */
        struct waiting_event *copy = waiting_event_new(&none, &event);
        size_t kept = count < LIMIT_FAILURE_CAUSES ? count : LIMIT_FAILURE_CAUSES;
        assert_int_equal(count_causes(copy->event.failure), kept);
        const struct failure *last = copy->event.failure->cause;
        while (last->next != NULL) {
            last = last->next;
        }
        assert_int_equal(count_causes(last), count <= LIMIT_FAILURE_CAUSES ? 2 : 0);
        mem_free(copy);
    }
}

static void a_copy_of_what_few_events_have_borrows_nothing(void **state)
{
    (void)state;
    char text[] = "tags progress parent execution name version";
    struct event_extra extra = {
        .tags = text_make(text, 4),
        .progress = text_make(text + 5, 8),
        .limits = { 1, 2, 3 },
        .retry_of = 4,
        .first = 3,
        .recurses = true,
        .has_parent = true,
        .parent_step = 5,
        .parent_id = text_make(text + 14, 6),
        .parent_execution_id = text_make(text + 21, 9),
        .parent_name = text_make(text + 31, 4),
        .parent_version = text_make(text + 36, 0),
    };
    struct failure failure = { .type = text_make(text, 3), .message = text_make(text, 1) };
    struct event event = { .kind = EVENT_TASK_FAILED,
                           .payload = text_make(text + 36, 7),
                           .failure = &failure,
                           .extra = &extra };
    struct arena arena = { 0 };
    const struct event *copy = event_copy(&arena, &event);
    memset(text, 'x', sizeof text);
    memset(&extra, 0, sizeof extra);
    memset(&failure, 0, sizeof failure);
    assert_true(text_equal(copy->payload, TEXT("version")));
    assert_true(text_equal(copy->failure->type, TEXT("tag")));
    assert_true(text_equal(copy->extra->tags, TEXT("tags")));
    assert_true(text_equal(copy->extra->progress, TEXT("progress")));
    assert_int_equal(copy->extra->limits.beat_ms, 3);
    assert_int_equal(copy->extra->retry_of, 4);
    assert_int_equal(copy->extra->first, 3);
    assert_true(copy->extra->recurses && copy->extra->has_parent);
    assert_int_equal(copy->extra->parent_step, 5);
    assert_true(text_equal(copy->extra->parent_id, TEXT("parent")));
    assert_true(text_equal(copy->extra->parent_execution_id, TEXT("execution")));
    assert_true(text_equal(copy->extra->parent_name, TEXT("name")));
    assert_true(text_equal(copy->extra->parent_version, TEXT(""))); /* empty, not absent */
    arena_done(&arena);
}

/* ---- batches, names ---- */

static void a_batch_keeps_its_mutations_in_order(void **state)
{
    (void)state;
    struct batch *batch = batch_new(3, 4, 5);
    assert_int_equal(batch->partition, 3);
    assert_int_equal(batch->epoch, 4);
    assert_int_equal(batch->number, 5);
    for (uint64_t row = 1; row <= 100; row++) {
        batch_add(batch, MUTATION_HISTORY_APPEND, row)->number = row * 2;
    }
    uint64_t row = 0;
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        assert_int_equal(m->row, ++row);
        assert_int_equal(m->number, row * 2);
        assert_int_equal(m->id, 0);
    }
    assert_int_equal(row, 100);
    assert_int_equal(batch->mutation_count, 100);
    batch_free(batch);
    batch_free(NULL);
    activity_free(NULL);
}

static void a_batch_that_is_used_again_says_nothing_of_before(void **state)
{
    (void)state;
    struct batch *batch = batch_new(0, 1, 2);
    struct ending ending = { 0 };
    struct cancellation cancellation = { 0 };
    batch_add(batch, MUTATION_HISTORY_APPEND, 1);
    batch->endings = &ending;
    batch->ending_count = 1;
    batch->cancellations = &cancellation;
    batch->mailed = 4;
    batch_renew(batch, 3);
    assert_true(batch->number == 3 && batch->mutation_count == 0 && batch->first == NULL);
    assert_true(batch->endings == NULL && batch->ending_count == 0);
    assert_true(batch->cancellations == NULL && batch->mailed == 0);
    batch_free(batch);
}

static void kinds_have_names_also_those_of_a_newer_version(void **state)
{
    (void)state;
    assert_string_equal(event_kind_name(EVENT_TASK_SCHEDULED), "TaskScheduled");
    assert_string_equal(event_kind_name(EVENT_EVENT_RAISED), "EventRaised");
    assert_string_equal(event_kind_name(EVENT_UNKNOWN), "Unknown");
    assert_string_equal(event_kind_name((enum event_kind)99), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_1_to_256_characters),
        cmocka_unit_test(ids_are_utf8_without_what_terminals_stumble_over),
        cmocka_unit_test(what_is_wrong_with_an_id_is_said_however_long_it_is),
        cmocka_unit_test(partitions_are_xxh64_modulo_count),
        cmocka_unit_test(partitions_get_about_the_same_number_of_ids),
        cmocka_unit_test(steps_of_a_few_need_no_heap),
        cmocka_unit_test(steps_are_found_by_id_and_kind_and_close_once),
        cmocka_unit_test(steps_agree_with_a_set_of_flags),
        cmocka_unit_test(a_waiting_event_has_its_own_copy_of_everything),
        cmocka_unit_test(causes_beside_each_other_are_kept_up_to_the_limit),
        cmocka_unit_test(a_copy_of_what_few_events_have_borrows_nothing),
        cmocka_unit_test(a_batch_keeps_its_mutations_in_order),
        cmocka_unit_test(a_batch_that_is_used_again_says_nothing_of_before),
        cmocka_unit_test(kinds_have_names_also_those_of_a_newer_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
