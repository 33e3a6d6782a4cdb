/* SPDX-License-Identifier: MIT
 *
 * Events as bytes: the golden bytes of each kind, the way back, and what may differ from our own
 * writing and must still be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/tags.h"
#include "samples.h"
#include "wire/shape.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct wire_events read_ok(struct text chunk)
{
    struct wire_events events = { NULL, 0, 0 };
    pd_error err = { .text = "" };
    if (wire_read_events(chunk, &arena, &events, &err) != PD_OK) {
        fail_msg("%s", err.text);
    }
    return events;
}

static struct event read_one(const char *hex)
{
    struct wire_events events = read_ok(sample_bytes(&arena, hex));
    assert_int_equal(events.count, 1);
    return events.at[0];
}

static struct text write_one(const struct event *event)
{
    struct buffer buffer;
    buffer_init(&buffer);
    wire_write_event(&buffer, event);
    struct text bytes = text_copy(&arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return bytes;
}

static void assert_bytes(struct text got, struct text wanted, const char *what)
{
    if (!text_equal(got, wanted)) {
        for (size_t i = 0; i < got.size; i++) {
            print_error("%02x", (unsigned char)got.at[i]);
        }
        fail_msg(": that is what %s became", what);
    }
}

static void each_kind_is_written_as_its_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct text wanted = sample_bytes(&arena, samples[i].hex);
        assert_bytes(write_one(&samples[i].event), wanted, samples[i].name);
    }
}

static void each_kind_is_read_back_from_its_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct event event = read_one(samples[i].hex);
        if (!sample_is_same(&event, &samples[i].event)) {
            fail_msg("%s reads as something else", samples[i].name);
        }
    }
}

static void each_kind_of_the_map_has_a_sample(void **state)
{
    (void)state;
#define X(kind_, wire, name_)                            \
    {                                                    \
        bool is_found = false;                           \
        for (size_t i = 0; i < sample_count; i++) {      \
            is_found |= samples[i].event.kind == (wire); \
        }                                                \
        if (!is_found) {                                 \
            fail_msg("no sample of kind " name_);        \
        }                                                \
    }
    EVENT_MAP(X)
#undef X
}

static void a_decoded_event_is_written_back_as_the_bytes_it_came_from(void **state)
{
    (void)state;
    /* TaskCompleted of step 1 with an unknown field 60 in the event and 9 in its body. */
    const char *hex = "0a11 1200 3a09 0801 12020a00 4a0101 e20301 7a";
    struct event event = read_one(hex);
    assert_int_equal(event.kind, EVENT_TASK_COMPLETED);
    assert_int_equal(event.ref, 1);
    assert_bytes(write_one(&event), sample_bytes(&arena, hex), "an event with unknown fields");
    event.raw = TEXT_ABSENT;
    assert_bytes(write_one(&event), sample_bytes(&arena, "0a08 1200 3a04 0801 1200"),
                 "the same without raw");
}

static void a_kind_of_a_newer_version_is_unknown_and_survives(void **state)
{
    (void)state;
    const char *hex = "0a0f 0807 1203089a05 920105 0a03414243"; /* kind 18 */
    struct event event = read_one(hex);
    assert_int_equal(event.kind, EVENT_UNKNOWN);
    assert_int_equal(event.id, 7);
    assert_int_equal(event.ref, EVENT_NO_ID);
    assert_int_equal(event.at, INT64_C(666000000));
    assert_bytes(write_one(&event), sample_bytes(&arena, hex), "an unknown kind");
}

static void absent_and_empty_payloads_stay_apart(void **state)
{
    (void)state;
    struct event event = { .kind = EVENT_EVENT_RAISED, .id = -1, .ref = -1, .name = TEXT("e") };
    struct wire_events events = read_ok(write_one(&event));
    assert_false(text_is_present(events.at[0].payload));
    event.payload = TEXT("");
    events = read_ok(write_one(&event));
    assert_true(text_is_present(events.at[0].payload));
    assert_int_equal(events.at[0].payload.size, 0);
}

static void negative_ids_take_ten_bytes_and_come_back(void **state)
{
    (void)state;
    static const int32_t ids[] = { INT32_MIN, -2, -1, 0, 1, 127, 128, INT32_MAX };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct event event = { .kind = EVENT_TASK_COMPLETED, .id = ids[i], .ref = ids[i] };
        struct text bytes = write_one(&event);
        if (ids[i] < 0) { /* element, eventId, timestamp, kind, taskScheduledId */
            assert_int_equal(bytes.size, 2 + 11 + 2 + 2 + 11);
        }
        struct wire_events events = read_ok(bytes);
        assert_int_equal(events.at[0].id, ids[i]);
        assert_int_equal(events.at[0].ref, ids[i]);
    }
}

static void every_time_comes_back_as_it_was(void **state)
{
    (void)state;
    static const time_us times[] = {
        INT64_MIN, INT64_MIN + 1, -TIME_SECOND - 1, -TIME_SECOND,   -999999,   -1, 0,
        1,         999999,        TIME_SECOND,      TIME_NEVER - 1, TIME_NEVER
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct event event = { .kind = EVENT_TIMER_FIRED, .at = times[i], .fire_at = times[i] };
        struct wire_events events = read_ok(write_one(&event));
        assert_true(events.at[0].at == times[i]);
        assert_true(events.at[0].fire_at == times[i]);
    }
}

static void a_time_reads_the_same_however_it_is_written(void **state)
{
    (void)state;
    /* OrchestratorStarted at 1.000002 s: in order; turned round; twice; one byte too long. */
    assert_int_equal(read_one("0a09 1205 080110d00f 7200").at, TIME_SECOND + 2);
    assert_int_equal(read_one("0a09 1205 10d00f0801 7200").at, TIME_SECOND + 2);
    assert_int_equal(read_one("0a0d 1209 08091007080110d00f 7200").at, TIME_SECOND + 2);
    assert_int_equal(read_one("0a0a 1206 08810010d00f 7200").at, TIME_SECOND + 2);
    /* One of the two alone, and what is finer than ours. */
    assert_int_equal(read_one("0a06 1202 0801 7200").at, TIME_SECOND);
    assert_int_equal(read_one("0a07 1203 10d00f 7200").at, 2);
    assert_int_equal(read_one("0a09 1205 080110cf0f 7200").at, TIME_SECOND + 1);
}

static void times_beyond_ours_saturate(void **state)
{
    (void)state;
    /* OrchestratorStarted at seconds INT64_MAX, then INT64_MIN, then with nanos -1. */
    struct event event = read_one("0a0e 120a 08ffffffffffffffff7f 7200");
    assert_true(event.at == INT64_MAX);
    event = read_one("0a0f 120b 0880808080808080808001 7200");
    assert_true(event.at == INT64_MIN);
    event = read_one("0a0f 120b 10ffffffffffffffffff01 7200");
    assert_true(event.at == -1);
}

static void a_chunk_of_many_events_keeps_their_order(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    for (int32_t i = 0; i < 3000; i++) {
        struct event event = { .kind = EVENT_TASK_SCHEDULED, .id = i, .name = TEXT("n") };
        wire_write_event(&buffer, &event);
    }
    struct wire_events events = { NULL, 0, 0 };
    pd_error err;
    /* Twice, so that the second appends to the first. */
    assert_int_equal(wire_read_events(buffer_text(&buffer), &arena, &events, &err), PD_OK);
    assert_int_equal(wire_read_events(buffer_text(&buffer), &arena, &events, &err), PD_OK);
    assert_int_equal(events.count, 6000);
    for (int32_t i = 0; i < 6000; i++) {
        assert_int_equal(events.at[i].id, i % 3000);
    }
    buffer_done(&buffer);
}

static void fields_in_another_order_and_twice_read_the_same(void **state)
{
    (void)state;
    /* kind first, payload before step, the payload twice, eventId last */
    struct event event = read_one("0a14 3a0c 12030a0161 12030a0162 0805 12020801 0809");
    assert_int_equal(event.kind, EVENT_TASK_COMPLETED);
    assert_int_equal(event.id, 9);
    assert_int_equal(event.ref, 5);
    assert_true(text_equal(event.payload, TEXT("b")));
    assert_true(event.at == TIME_SECOND);
}

static void an_ending_without_a_final_status_is_corrupt(void **state)
{
    (void)state;
    static const char *const chunks[] = { "0a04 1200 2200", "0a06 1200 22020802",
                                          "0a06 1200 22020807" };
    for (size_t i = 0; i < 3; i++) {
        struct wire_events events = { NULL, 0, 0 };
        pd_error err;
        pd_status status = wire_read_events(sample_bytes(&arena, chunks[i]), &arena, &events, &err);
        assert_int_equal(status, PD_E_CORRUPT);
        assert_int_equal(events.count, 0);
    }
}

static void damage_is_told_with_its_place_and_appends_nothing(void **state)
{
    (void)state;
    struct wire_events events = read_ok(sample_bytes(&arena, samples[0].hex));
    pd_error err;
    /* A good event, then one whose TaskScheduled has a field, at byte 12, that is cut off. */
    struct text chunk = sample_bytes(&arena, "0a04 1200 7200 0a08 1200 3204 0a09 6162");
    assert_int_equal(wire_read_events(chunk, &arena, &events, &err), PD_E_CORRUPT);
    assert_int_equal(err.status, PD_E_CORRUPT);
    assert_false(err.retryable);
    assert_non_null(strstr(err.text, "at byte 12 of 16"));
    assert_int_equal(events.count, 1);
    assert_true(sample_is_same(&events.at[0], &samples[0].event));
}

static void an_empty_or_absent_chunk_has_no_events(void **state)
{
    (void)state;
    assert_int_equal(read_ok(TEXT("")).count, 0);
    assert_int_equal(read_ok(TEXT_ABSENT).count, 0);
}

/* ---- what few events have ---- */

static void an_event_without_extras_has_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct event event = read_one(samples[i].hex);
        if ((event.extra != NULL) != (samples[i].event.extra != NULL)) {
            fail_msg("%s: extra is %s", samples[i].name, event.extra != NULL ? "made" : "lost");
        }
    }
}

static void unknown_fields_alone_make_no_extras(void **state)
{
    (void)state;
    /* TaskScheduled with field 9; with tags that are a number */
    assert_null(read_one("0a07 1200 3203 4a0141").extra);
    assert_null(read_one("0a06 1200 3202 2801").extra);
}

static void extras_of_a_kind_that_has_none_are_not_written(void **state)
{
    (void)state;
    struct event_extra extra = { .tags = TEXT("\x1ek\x1fv\x1e"),
                                 .progress = TEXT("1"),
                                 .limits = { 1, 2, 3 },
                                 .recurses = true,
                                 .has_parent = true };
    struct event event = { .kind = EVENT_TASK_COMPLETED, .id = -1, .ref = 4 };
    struct text plain = write_one(&event);
    event.extra = &extra;
    assert_bytes(write_one(&event), plain, "a completion with extras");
}

static void extras_of_nothing_are_no_bytes(void **state)
{
    (void)state;
    const struct event_extra nothing = { .parent_step = 3,
                                         .parent_id = TEXT("no sender"),
                                         .parent_name = TEXT("no parent") };
    static const enum event_kind kinds[] = { EVENT_EXECUTION_STARTED, EVENT_EXECUTION_TERMINATED,
                                             EVENT_TASK_SCHEDULED,    EVENT_TASK_FAILED,
                                             EVENT_CHILD_CREATED,     EVENT_ENTITY_CALLED,
                                             EVENT_ENTITY_SIGNALED,   EVENT_LOCK_REQUESTED,
                                             EVENT_UNLOCK_SENT };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct event event = { .kind = kinds[i] };
        struct text plain = write_one(&event);
        event.extra = &nothing;
        assert_bytes(write_one(&event), plain, event_kind_name(kinds[i]));
    }
}

/* ---- entities ---- */

static void an_answer_that_names_no_step_is_not_one_to_step_0(void **state)
{
    (void)state;
    /* EntityOperationCompleted, EntityOperationFailed, EntityLockGranted: without a ref, as other
     * backends write them; with 0; with -1, which is none; with 5 */
    static const char *const kinds[] = { "ca01", "d201", "e201" };
    for (size_t i = 0; i < 3; i++) {
        static const struct {
            const char *size, *body;
            int32_t ref;
        } cases[] = {
            { "0a05 1200", "00", EVENT_NO_ID },
            { "0a08 1200", "03 a00600", 0 },
            { "0a11 1200", "0c a006ffffffffffffffffff01", EVENT_NO_ID },
            { "0a08 1200", "03 a00605", 5 },
        };
        for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++) {
            struct event event =
                read_one(arena_printf(&arena, "%s %s %s", cases[j].size, kinds[i], cases[j].body));
            assert_int_equal(event.ref, cases[j].ref);
            event.raw = TEXT_ABSENT;
            assert_int_equal(read_ok(write_one(&event)).at[0].ref, cases[j].ref);
        }
    }
}

static void a_call_in_a_history_has_no_sender_and_in_a_message_no_target(void **state)
{
    (void)state;
    struct event event = read_one(sample_find("entity_called")->hex);
    assert_null(event.extra);
    assert_true(text_equal(event.instance_id, TEXT("@counter@")));
    event = read_one(sample_find("entity_called_by_an_order")->hex);
    assert_false(text_is_present(event.instance_id));
    assert_true(event.extra->has_parent);
    /* EntityOperationCalled with a parentExecutionId alone, which says nothing of a sender */
    assert_false(read_one("0a0c 1200 c20107 32050a03 6530 31").extra->has_parent);
    /* with a parentInstanceId that is there and empty */
    event = read_one("0a07 1200 c201022a00");
    assert_true(event.extra->has_parent);
    assert_true(text_equal(event.extra->parent_id, TEXT("")));
    assert_false(text_is_present(event.extra->parent_execution_id));
}

static void fields_of_a_newer_version_survive_in_each_kind(void **state)
{
    (void)state;
    static const struct text field_999 = TEXT_INIT("\xba\x3e\x03new");
    for (size_t i = 0; i < sample_count; i++) {
        struct text raw = read_one(samples[i].hex).raw;
        char *at = arena_alloc_raw(&arena, raw.size + field_999.size);
        memcpy(at, raw.at, raw.size);
        memcpy(at + raw.size, field_999.at, field_999.size);
        struct event longer = { .raw = text_make(at, raw.size + field_999.size) };
        struct text chunk = write_one(&longer);
        struct wire_events events = read_ok(chunk);
        assert_true(sample_is_same(&events.at[0], &samples[i].event));
        assert_bytes(write_one(&events.at[0]), chunk, samples[i].name);
    }
    /* And in the message of a kind: of an EntityOperationCompleted. */
    struct event event = read_one("0a0e 1200 ca0109 ba3e036e6577 a00605");
    assert_int_equal(event.ref, 5);
    assert_bytes(write_one(&event), sample_bytes(&arena, "0a0e1200ca0109ba3e036e6577a00605"),
                 "a completion");
}

/* An EntityLockRequested for @a@ and what else is given. */
static pd_status read_lock(const char *id_hex, unsigned size, struct wire_events *events,
                           pd_error *err)
{
    const char *hex = arena_printf(&arena, "0a%02x 1200 da01%02x 1203406140 12%02x %s", 12 + size,
                                   7 + size, size, id_hex);
    *events = (struct wire_events){ NULL, 0, 0 };
    return wire_read_events(sample_bytes(&arena, hex), &arena, events, err);
}

static void what_is_no_entity_cannot_get_into_a_lock_set(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        unsigned size;
    } bad[] = {
        { "", 0 },         /* nothing */
        { "61", 1 },       /* an instance: a */
        { "400a4062", 4 }, /* @, then a line feed, then @b */
        { "4061400a", 4 }, /* @a@, with one at the end */
        { "0a", 1 },
    };
    struct wire_events events;
    pd_error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_lock(bad[i].hex, bad[i].size, &events, &err), PD_E_CORRUPT);
        assert_non_null(strstr(err.text, "no entity can be locked"));
        assert_int_equal(events.count, 0);
    }
    /* Nothing, and behind it what could be taken for the '@': a field 8. */
    struct text chunk = sample_bytes(&arena, "0a09 1200 da0104 1200 4001");
    assert_int_equal(wire_read_events(chunk, &arena, &events, &err), PD_E_CORRUPT);
    assert_int_equal(read_lock("406240", 3, &events, &err), PD_OK);
    assert_true(text_equal(events.at[0].extra->lock_set, TEXT("@a@\n@b@\n")));
}

static pd_status read_many_locks(size_t count, struct wire_events *events, pd_error *err)
{
    struct buffer set;
    buffer_init(&set);
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&set, text_of(arena_printf(&arena, "@a@%zu\n", i)));
    }
    const struct event_extra extra = { .lock_set = buffer_text(&set), .position = INT32_MAX };
    struct event event = { .kind = EVENT_UNLOCK_SENT, .extra = &extra };
    pd_status status = wire_read_events(write_one(&event), &arena, events, err);
    if (status == PD_OK) {
        assert_true(text_equal(events->at[0].extra->lock_set, extra.lock_set));
        assert_int_equal(events->at[0].extra->position, INT32_MAX);
    }
    buffer_done(&set);
    return status;
}

static void lock_sets_up_to_a_bound_are_read_and_one_more_is_corrupt(void **state)
{
    (void)state;
    struct wire_events events = { NULL, 0, 0 };
    pd_error err;
    assert_int_equal(read_many_locks(LIMIT_LOCK_SET, &events, &err), PD_OK);
    assert_int_equal(read_many_locks(LIMIT_LOCK_SET + 1, &events, &err), PD_E_CORRUPT);
    assert_non_null(strstr(err.text, "too many locks"));
}

static void a_start_of_1970_is_a_start_at_once(void **state)
{
    (void)state;
    /* ExecutionStarted with scheduledStartTimestamp {}; absent; one microsecond later */
    assert_int_equal(read_one("0a06 1200 1a02 3200").fire_at, 0);
    assert_int_equal(read_one("0a04 1200 1a00").fire_at, 0);
    assert_int_equal(read_one("0a09 1200 1a05 3203 10e807").fire_at, 1);
}

static void a_parent_without_an_instance_is_one_without_a_name(void **state)
{
    (void)state;
    struct event event = read_one("0a06 1200 1a02 2a00");
    assert_non_null(event.extra);
    assert_true(event.extra->has_parent);
    assert_true(text_equal(event.extra->parent_id, TEXT("")));
    assert_false(text_is_present(event.extra->parent_execution_id));
    assert_false(text_is_present(event.extra->parent_name));
}

static struct text tags_of(const char *hex)
{
    struct event event = read_one(hex);
    assert_non_null(event.extra);
    return event.extra->tags;
}

static void tags_are_sorted_and_of_a_key_that_comes_twice_the_last_counts(void **state)
{
    (void)state;
    /* ChildCreated with b=1, a=2, b=3, and another field between them */
    struct text tags = tags_of("0a1f 1200 4a1b 32060a01621201 31 32060a01611201 32 120163"
                               "32060a01621201 33");
    assert_true(text_equal(tags, TEXT("\x1e"
                                      "a\x1f"
                                      "2\x1e"
                                      "b\x1f"
                                      "3\x1e")));
}

static void an_entry_may_leave_out_its_value_or_turn_its_fields_round(void **state)
{
    (void)state;
    struct text tags = tags_of("0a11 1200 4a0d 32030a0161 3206 120131 0a0162");
    assert_true(text_equal(tags, TEXT("\x1e"
                                      "a\x1f\x1e"
                                      "b\x1f"
                                      "1\x1e")));
}

static void tags_that_nobody_may_give_are_dropped(void **state)
{
    (void)state;
    /* no key; a key with 1e; a value with 1f; one that is not UTF-8; a=1 */
    struct text tags = tags_of("0a23 1200 4a1f 3203120131 32030a011e 3206 0a016212011f"
                               "32030a01ff 32060a0161120131");
    assert_true(text_equal(tags, TEXT("\x1e"
                                      "a\x1f"
                                      "1\x1e")));
    assert_false(text_is_present(tags_of("0a09 1200 4a05 3203120131")));
}

/* A ChildCreated with so many tags, descending. */
static pd_status read_many_tags(size_t count, struct wire_events *events, pd_error *err)
{
    struct tag *tags = arena_alloc(&arena, count * sizeof *tags);
    for (size_t i = 0; i < count; i++) {
        tags[i].key = text_of(arena_printf(&arena, "key%05zu", count - i));
        tags[i].value = TEXT("v");
    }
    const struct event_extra extra = { .tags = tags_pack(&arena, tags, count) };
    struct event event = { .kind = EVENT_CHILD_CREATED, .extra = &extra };
    return wire_read_events(write_one(&event), &arena, events, err);
}

static void tags_up_to_a_bound_are_read_and_one_more_is_corrupt(void **state)
{
    (void)state;
    enum { BOUND = 4 * LIMIT_TAGS };
    struct wire_events events = { NULL, 0, 0 };
    pd_error err;
    assert_int_equal(read_many_tags(BOUND, &events, &err), PD_OK);
    assert_int_equal(tags_count(events.at[0].extra->tags), BOUND);
    assert_int_equal(read_many_tags(BOUND + 1, &events, &err), PD_E_CORRUPT);
    assert_non_null(strstr(err.text, "too many tags"));
}

static void damage_in_what_few_events_have_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        const char *place;
    } cases[] = {
        { "0a08 1200 1a04 2a02 080b", NULL },                    /* a parent, step 11 */
        { "0a08 1200 1a04 2a02 0880", "at byte 8 of 10" },       /* a step without an end */
        { "0a0a 1200 1a06 2a04 2202 0a05", "at byte 10 of 12" }, /* its instance's id */
        { "0a08 1200 1a04 4a02 0a05", "at byte 8 of 10" },       /* a tag's key */
        { "0a0a 1200 3206 a20603 0a0541", "at byte 9 of 12" },   /* progress */
        { "0a09 1200 c20104 2a02 0a05", "at byte 9 of 11" },     /* who calls */
        { "0a0a 1200 da0105 2203 0a0341", "at byte 9 of 12" },   /* who locks */
        { "0a08 1200 da0103 120141", "at byte 9 of 10" },        /* an entity */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wire_events events = { NULL, 0, 0 };
        pd_error err = { .text = "" };
        struct text bytes = sample_bytes(&arena, cases[i].hex);
        pd_status status = wire_read_events(bytes, &arena, &events, &err);
        assert_int_equal(status, cases[i].place == NULL ? PD_OK : PD_E_CORRUPT);
        if (cases[i].place != NULL && strstr(err.text, cases[i].place) == NULL) {
            fail_msg("'%s' is not in: %s", cases[i].place, err.text);
        }
    }
}

/* ---- the tables ---- */

static void check_table(const struct shape_field *fields, const struct shape_field *others)
{
    for (; fields->tag != 0; fields++) {
        assert_in_range(fields->tag, 8, 0x3fff); /* one byte or two */
        for (const struct shape_field *next = fields + 1; next->tag != 0; next++) {
            assert_true(next->tag >> 3 > fields->tag >> 3);
        }
        for (const struct shape_field *o = others; o != NULL && o->tag != 0; o++) {
            assert_int_not_equal(o->tag >> 3, fields->tag >> 3);
        }
    }
}

static void tables_ascend_and_their_tags_are_two_bytes_at_most(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < SHAPE_COUNT; kind++) {
        const struct shape *shape = shape_of(kind);
        if (shape != NULL) {
            check_table(shape->fields, shape->extras);
        }
        if (shape != NULL && shape->extras != NULL) {
            check_table(shape->extras, NULL);
        }
    }
    check_table(wire_failure_shape, NULL);
    check_table(wire_record_shape, NULL);
    check_table(wire_instance_shape, NULL);
    check_table(wire_parent_shape, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_kind_is_written_as_its_golden_bytes),
        TEST(each_kind_is_read_back_from_its_golden_bytes),
        TEST(each_kind_of_the_map_has_a_sample),
        TEST(a_decoded_event_is_written_back_as_the_bytes_it_came_from),
        TEST(a_kind_of_a_newer_version_is_unknown_and_survives),
        TEST(absent_and_empty_payloads_stay_apart),
        TEST(negative_ids_take_ten_bytes_and_come_back),
        TEST(every_time_comes_back_as_it_was),
        TEST(a_time_reads_the_same_however_it_is_written),
        TEST(times_beyond_ours_saturate),
        TEST(a_chunk_of_many_events_keeps_their_order),
        TEST(fields_in_another_order_and_twice_read_the_same),
        TEST(an_ending_without_a_final_status_is_corrupt),
        TEST(damage_is_told_with_its_place_and_appends_nothing),
        TEST(an_empty_or_absent_chunk_has_no_events),
        TEST(an_event_without_extras_has_none),
        TEST(unknown_fields_alone_make_no_extras),
        TEST(extras_of_a_kind_that_has_none_are_not_written),
        TEST(extras_of_nothing_are_no_bytes),
        TEST(an_answer_that_names_no_step_is_not_one_to_step_0),
        TEST(a_call_in_a_history_has_no_sender_and_in_a_message_no_target),
        TEST(fields_of_a_newer_version_survive_in_each_kind),
        TEST(what_is_no_entity_cannot_get_into_a_lock_set),
        TEST(lock_sets_up_to_a_bound_are_read_and_one_more_is_corrupt),
        TEST(a_start_of_1970_is_a_start_at_once),
        TEST(a_parent_without_an_instance_is_one_without_a_name),
        TEST(tags_are_sorted_and_of_a_key_that_comes_twice_the_last_counts),
        TEST(an_entry_may_leave_out_its_value_or_turn_its_fields_round),
        TEST(tags_that_nobody_may_give_are_dropped),
        TEST(tags_up_to_a_bound_are_read_and_one_more_is_corrupt),
        TEST(damage_in_what_few_events_have_is_told_with_its_place),
        TEST(tables_ascend_and_their_tags_are_two_bytes_at_most),
    };
    return cmocka_run_group_tests_name("wire/history", tests, NULL, NULL);
}
