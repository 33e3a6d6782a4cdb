/* SPDX-License-Identifier: MIT
 *
 * Failures as bytes: chains of causes, their limit, and damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "samples.h"
#include "wire/proto.h"

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

static const struct failure *chain_of(size_t causes)
{
    const struct failure *inner = NULL;
    for (size_t i = causes + 1; i-- > 0;) {
        struct failure *f = arena_alloc(&arena, sizeof(*f));
        const char *type = arena_printf(&arena, "Type%zu", i);
        *f = (struct failure){ .type = text_of(type),
                               .message = TEXT("it broke"),
                               .cause = inner,
                               .is_final = i % 2 == 0 };
        inner = f;
    }
    return inner;
}

static size_t causes_of(const struct failure *f)
{
    size_t count = 0;
    while ((f = f->cause) != NULL) {
        count++;
    }
    return count;
}

static const struct failure *there_and_back(const struct failure *failure)
{
    struct buffer buffer;
    buffer_init(&buffer);
    wire_write_failure(&buffer, failure);
    struct text bytes = text_copy(&arena, buffer_text(&buffer));
    buffer_done(&buffer);
    const struct failure *back = NULL;
    pd_error err;
    assert_int_equal(wire_read_failure(bytes, &arena, &back, &err), PD_OK);
    return back;
}

static void a_chain_of_causes_comes_back_whole(void **state)
{
    (void)state;
    const struct failure *a = chain_of(LIMIT_FAILURE_DEPTH);
    const struct failure *b = there_and_back(a);
    assert_int_equal(causes_of(b), LIMIT_FAILURE_DEPTH);
    for (; a != NULL; a = a->cause, b = b->cause) {
        assert_true(text_equal(a->type, b->type));
        assert_true(text_equal(a->message, b->message));
        assert_int_equal(a->is_final, b->is_final);
    }
}

static void causes_past_the_limit_are_left_out(void **state)
{
    (void)state;
    const struct failure *b = there_and_back(chain_of(LIMIT_FAILURE_DEPTH + 1));
    assert_int_equal(causes_of(b), LIMIT_FAILURE_DEPTH);
}

static void causes_past_the_limit_are_not_written(void **state)
{
    (void)state;
    struct buffer whole;
    struct buffer cut;
    buffer_init(&whole);
    buffer_init(&cut);
    wire_write_failure(&whole, chain_of(LIMIT_FAILURE_DEPTH));
    wire_write_failure(&cut, chain_of(LIMIT_FAILURE_DEPTH + 1));
    assert_true(text_equal(buffer_text(&whole), buffer_text(&cut)));
    buffer_done(&whole);
    buffer_done(&cut);
}

static void a_failure_without_anything_is_no_bytes_and_comes_back(void **state)
{
    (void)state;
    const struct failure nothing = { .type = TEXT_ABSENT };
    const struct failure *back = there_and_back(&nothing);
    assert_int_equal(back->type.size, 0);
    assert_true(text_is_present(back->type));
    assert_null(back->cause);
}

/* As another implementation might send it: a million messages inside each other. */
static void a_bottomless_failure_costs_no_stack(void **state)
{
    (void)state;
    enum { LEVELS = 100000 };
    struct buffer buffer;
    buffer_init(&buffer);
    size_t *sizes = arena_alloc(&arena, LEVELS * sizeof(*sizes));
    for (size_t i = 1; i < LEVELS; i++) {
        size_t inner = sizes[i - 1];
        size_t length = 1;
        for (size_t rest = inner; rest >= 128; rest >>= 7) {
            length++;
        }
        sizes[i] = 1 + length + inner;
    }
    for (size_t i = LEVELS - 1; i > 0; i--) {
        buffer_add_byte(&buffer, 0x22);
        size_t rest = sizes[i - 1];
        for (; rest >= 128; rest >>= 7) {
            buffer_add_byte(&buffer, (uint8_t)(rest | 0x80));
        }
        buffer_add_byte(&buffer, (uint8_t)rest);
    }
    const struct failure *failure = NULL;
    pd_error err;
    assert_int_equal(wire_read_failure(buffer_text(&buffer), &arena, &failure, &err), PD_OK);
    assert_int_equal(causes_of(failure), LIMIT_FAILURE_DEPTH);
    buffer_done(&buffer);
}

static void a_damaged_failure_is_corrupt(void **state)
{
    (void)state;
    static const char *const chains[] = {
        "0a05 4142", "2203 0a05 41", "0b", "00", "ffffffffff", "a206 03 0a0541", "2200 a206 02 0a01"
    };
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
        const struct failure *failure = NULL;
        pd_error err;
        struct text bytes = sample_bytes(&arena, chains[i]);
        assert_int_equal(wire_read_failure(bytes, &arena, &failure, &err), PD_E_CORRUPT);
        assert_null(failure);
    }
}

static void what_other_sdks_add_is_skipped(void **state)
{
    (void)state;
    /* type A, stackTrace "st", properties {}, message B, not retriable as a two-byte varint */
    struct text bytes = sample_bytes(&arena, "0a0141 1a040a027374 3200 120142 288100");
    const struct failure *failure = NULL;
    pd_error err;
    assert_int_equal(wire_read_failure(bytes, &arena, &failure, &err), PD_OK);
    assert_true(text_equal(failure->type, TEXT("A")));
    assert_true(text_equal(failure->message, TEXT("B")));
    assert_true(failure->is_final);
}

/* ---- bytes that are kept ---- */

static struct text written(const struct failure *failure)
{
    struct buffer buffer;
    buffer_init(&buffer);
    wire_write_failure(&buffer, failure);
    struct text bytes = text_copy(&arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return bytes;
}

static void what_other_sdks_add_is_written_back_as_it_came(void **state)
{
    (void)state;
    /* A stack trace, a cause with a property and a stack trace of its own, an unknown field. */
    struct text bytes = sample_bytes(&arena, "0a0141 1a040a027374 2210 32090a016b12040a02080a"
                                             " 1a030a0173 7a0178");
    const struct failure *failure = NULL;
    pd_error err;
    assert_int_equal(wire_read_failure(bytes, &arena, &failure, &err), PD_OK);
    assert_true(text_equal(written(failure), bytes));
    /* As a cause of one that is ours, too. */
    const struct failure ours = { .type = TEXT("B"), .cause = failure };
    struct text whole = written(&ours);
    assert_int_equal(whole.size, 3 + 2 + bytes.size);
    assert_memory_equal(whole.at + 5, bytes.at, bytes.size);
}

/* The bytes of a failure with so many causes behind each other, each with a stack trace "s". */
static struct text deep(unsigned causes)
{
    struct buffer buffer, inner;
    buffer_init(&buffer);
    buffer_init(&inner);
    for (unsigned i = 0; i <= causes; i++) {
        buffer_reset(&buffer);
        buffer_add_text(&buffer, sample_bytes(&arena, "1a030a0173"));
        if (i != 0) {
            uint8_t *at = buffer_extend(&buffer, 1 + proto_size_bytes(inner.size));
            (void)proto_put_text(proto_put_tag(at, 4, PROTO_BYTES), buffer_text(&inner));
        }
        buffer_reset(&inner);
        buffer_add_text(&inner, buffer_text(&buffer));
    }
    struct text bytes = text_copy(&arena, buffer_text(&buffer));
    buffer_done(&buffer);
    buffer_done(&inner);
    return bytes;
}

static void bytes_are_kept_to_the_limit_of_depth_and_not_past_it(void **state)
{
    (void)state;
    const struct failure *failure = NULL;
    pd_error err;
    struct text bytes = deep(LIMIT_FAILURE_DEPTH);
    assert_int_equal(wire_read_failure(bytes, &arena, &failure, &err), PD_OK);
    assert_true(text_equal(written(failure), bytes));
    assert_int_equal(wire_read_failure(deep(LIMIT_FAILURE_DEPTH + 1), &arena, &failure, &err),
                     PD_OK);
    assert_false(text_is_present(failure->raw));
    assert_int_equal(causes_of(there_and_back(failure)), LIMIT_FAILURE_DEPTH);
}

/* Does the failure that is at the end of these causes still have its stack trace? */
static bool is_traced_at(const struct failure *failure, size_t causes)
{
    const struct failure *back = there_and_back(failure);
    for (; causes != 0; causes--) {
        back = back->cause;
    }
    return text_has_prefix(back->raw, sample_bytes(&arena, "1a030a0173"));
}

static void a_cause_is_spliced_while_it_is_not_too_deep_where_it_stands(void **state)
{
    (void)state;
    pd_error err;
    const struct failure *failure = NULL;
    struct text bytes = deep(LIMIT_FAILURE_DEPTH - 1);
    assert_int_equal(wire_read_failure(bytes, &arena, &failure, &err), PD_OK);
    const struct failure fits = { .type = TEXT("B"), .cause = failure };
    assert_true(is_traced_at(&fits, 1));
    bytes = deep(LIMIT_FAILURE_DEPTH);
    assert_int_equal(wire_read_failure(bytes, &arena, &failure, &err), PD_OK);
    const struct failure exceeds = { .type = TEXT("B"), .cause = failure };
    assert_false(is_traced_at(&exceeds, 1));
    assert_int_equal(causes_of(there_and_back(&exceeds)), LIMIT_FAILURE_DEPTH);
}

/* ---- several causes ---- */

/* A failure with so many causes, "0", "1" ..., each of which has one of its own. */
static const struct failure *wide(size_t causes)
{
    struct failure *top = arena_alloc(&arena, sizeof *top);
    top->type = TEXT("Several");
    const struct failure **link = &top->cause;
    for (size_t i = 0; i < causes; i++) {
        struct failure *below = arena_alloc(&arena, sizeof *below);
        struct failure *cause = arena_alloc(&arena, sizeof *cause);
        below->message = text_of(arena_printf(&arena, "below %zu", i));
        *cause = (struct failure){ .type = text_of(arena_printf(&arena, "%zu", i)),
                                   .cause = below,
                                   .is_final = i % 2 == 0 };
        *link = cause;
        link = &cause->next;
    }
    return top;
}

static void assert_wide(const struct failure *top, size_t causes)
{
    const struct failure *cause = top->cause;
    for (size_t i = 0; i < causes; i++, cause = cause->next) {
        assert_non_null(cause);
        assert_true(text_equal(cause->type, text_of(arena_printf(&arena, "%zu", i))));
        assert_int_equal(cause->is_final, i % 2 == 0);
        assert_non_null(cause->cause);
        assert_null(cause->cause->next);
        struct text below = text_of(arena_printf(&arena, "below %zu", i));
        assert_true(text_equal(cause->cause->message, below));
    }
    assert_null(cause);
    assert_null(top->next);
}

static void causes_beside_each_other_come_back_in_order_with_theirs(void **state)
{
    (void)state;
    for (size_t causes = 0; causes <= LIMIT_FAILURE_CAUSES; causes++) {
        assert_wide(there_and_back(wide(causes)), causes);
    }
}

static void causes_beside_each_other_past_the_limit_are_left_out(void **state)
{
    (void)state;
    assert_wide(there_and_back(wide(LIMIT_FAILURE_CAUSES + 1)), LIMIT_FAILURE_CAUSES);
}

/* As another implementation might send them: an inner failure, and one too many beside it. */
static void other_causes_past_the_limit_are_left_out_when_read(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_add_text(&buffer, sample_bytes(&arena, "2200"));
    for (size_t i = 0; i < LIMIT_FAILURE_CAUSES; i++) {
        buffer_add_text(&buffer, sample_bytes(&arena, "a20600"));
    }
    const struct failure *failure = NULL;
    pd_error err;
    assert_int_equal(wire_read_failure(buffer_text(&buffer), &arena, &failure, &err), PD_OK);
    size_t count = 0;
    for (const struct failure *cause = failure->cause; cause != NULL; cause = cause->next) {
        count++;
    }
    assert_int_equal(count, LIMIT_FAILURE_CAUSES);
    buffer_done(&buffer);
}

static void the_inner_failure_is_first_wherever_it_stands(void **state)
{
    (void)state;
    /* other B, inner A, other C */
    struct text bytes = sample_bytes(&arena, "a206030a0142 22030a0141 a206030a0143");
    const struct failure *failure = NULL;
    pd_error err;
    assert_int_equal(wire_read_failure(bytes, &arena, &failure, &err), PD_OK);
    assert_true(text_equal(failure->cause->type, TEXT("A")));
    assert_true(text_equal(failure->cause->next->type, TEXT("B")));
    assert_true(text_equal(failure->cause->next->next->type, TEXT("C")));
    assert_null(failure->cause->next->next->next);
}

/* Both limits at once: the deepest chain, below the last cause of the widest failure. */
static void depth_counts_through_causes_beside_each_other(void **state)
{
    (void)state;
    for (size_t below = LIMIT_FAILURE_DEPTH - 1; below <= LIMIT_FAILURE_DEPTH; below++) {
        struct failure last = *chain_of(below - 1);
        struct failure first = { .type = TEXT("first"), .next = &last };
        struct failure top = { .type = TEXT("top"), .cause = &first };
        const struct failure *back = there_and_back(&top);
        assert_int_equal(causes_of(back->cause->next), below - 1);
        last = *chain_of(below);
        back = there_and_back(&top);
        assert_int_equal(causes_of(back->cause->next), LIMIT_FAILURE_DEPTH - 1);
    }
}

static void an_event_holds_a_failure_of_several_causes(void **state)
{
    (void)state;
    struct event event = { .kind = EVENT_CHILD_FAILED, .failure = wide(3) };
    struct buffer buffer;
    buffer_init(&buffer);
    wire_write_event(&buffer, &event);
    struct wire_events events = { NULL, 0, 0 };
    pd_error err;
    assert_int_equal(wire_read_events(buffer_text(&buffer), &arena, &events, &err), PD_OK);
    assert_wide(events.at[0].failure, 3);
    buffer_done(&buffer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_chain_of_causes_comes_back_whole),
        TEST(causes_past_the_limit_are_left_out),
        TEST(causes_past_the_limit_are_not_written),
        TEST(a_failure_without_anything_is_no_bytes_and_comes_back),
        TEST(a_bottomless_failure_costs_no_stack),
        TEST(a_damaged_failure_is_corrupt),
        TEST(what_other_sdks_add_is_skipped),
        TEST(what_other_sdks_add_is_written_back_as_it_came),
        TEST(bytes_are_kept_to_the_limit_of_depth_and_not_past_it),
        TEST(a_cause_is_spliced_while_it_is_not_too_deep_where_it_stands),
        TEST(causes_beside_each_other_come_back_in_order_with_theirs),
        TEST(causes_beside_each_other_past_the_limit_are_left_out),
        TEST(other_causes_past_the_limit_are_left_out_when_read),
        TEST(the_inner_failure_is_first_wherever_it_stands),
        TEST(depth_counts_through_causes_beside_each_other),
        TEST(an_event_holds_a_failure_of_several_causes),
    };
    return cmocka_run_group_tests_name("wire/failure", tests, NULL, NULL);
}
