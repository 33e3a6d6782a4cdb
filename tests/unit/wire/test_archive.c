/* SPDX-License-Identifier: MIT
 *
 * Archives as bytes: golden bytes, the way back, files of them, their limit, and damage told with
 * its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/memory.h"
#include "samples.h"

static struct arena arena;
static struct buffer buffer;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    buffer_init(&buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    buffer_done(&buffer);
    return 0;
}

static void add_entry(const struct archive *archive)
{
    pd_error err;
    assert_int_equal(wire_write_archive_entry(&buffer, archive, &err), PD_OK);
}

/* A file of all samples in `buffer`. */
static struct text whole_file(void)
{
    wire_write_archive_header(&buffer);
    for (size_t i = 0; i < archive_sample_count; i++) {
        add_entry(&archive_samples[i].archive);
    }
    return buffer_text(&buffer);
}

static void each_archive_is_written_as_its_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < archive_sample_count; i++) {
        const struct archive_sample *sample = &archive_samples[i];
        pd_error err;
        buffer_reset(&buffer);
        assert_int_equal(wire_write_archive(&buffer, &sample->archive, &err), PD_OK);
        if (!text_equal(buffer_text(&buffer), sample_bytes(&arena, sample->hex))) {
            fail_msg("%s is written as other bytes", sample->name);
        }
    }
}

static void each_archive_is_read_back_from_its_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < archive_sample_count; i++) {
        const struct archive_sample *sample = &archive_samples[i];
        struct text bytes = sample_bytes(&arena, sample->hex);
        struct archive back;
        pd_error err;
        assert_int_equal(wire_read_archive(bytes, &arena, &back, &err), PD_OK);
        if (!archive_is_same(&back, &sample->archive)) {
            fail_msg("%s reads as something else", sample->name);
        }
        assert_true(text_equal(back.bytes, bytes));
        assert_int_equal(back.record.row, 0);
        assert_false(back.record.is_busy);
    }
}

static void a_file_gives_its_archives_in_order_and_then_no_more(void **state)
{
    (void)state;
    struct text file = whole_file();
    assert_memory_equal(file.at, "PDARCH1\n", 8);
    size_t offset = 0;
    struct archive back;
    bool found = false;
    pd_error err;
    for (size_t i = 0; i < archive_sample_count; i++) {
        assert_int_equal(wire_next_archive(file, &offset, &arena, &back, &found, &err), PD_OK);
        assert_true(found);
        assert_true(archive_is_same(&back, &archive_samples[i].archive));
    }
    assert_int_equal(offset, file.size);
    assert_int_equal(wire_next_archive(file, &offset, &arena, &back, &found, &err), PD_OK);
    assert_false(found);
}

static void a_file_of_no_archives_is_its_header(void **state)
{
    (void)state;
    wire_write_archive_header(&buffer);
    size_t offset = 0;
    struct archive back;
    bool found = true;
    pd_error err;
    assert_int_equal(wire_next_archive(buffer_text(&buffer), &offset, &arena, &back, &found, &err),
                     PD_OK);
    assert_false(found);
}

static void what_is_no_archive_file_is_corrupt(void **state)
{
    (void)state;
    static const char *const files[] = { "", "P", "PDARCH1", "PDARCH2\n", "SQLite format 3" };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        size_t offset = 0;
        struct archive back;
        bool found;
        pd_error err;
        struct text file = i == 0 ? TEXT_ABSENT : text_of(files[i]);
        assert_int_equal(wire_next_archive(file, &offset, &arena, &back, &found, &err),
                         PD_E_CORRUPT);
        assert_non_null(strstr(err.text, "at byte 0 of"));
        assert_int_equal(offset, 0);
    }
}

/* The error text of the second archive of a file, whose `at`th byte is changed to `byte`. */
static struct text trouble_of(const struct archive *second, size_t at, uint8_t byte, pd_error *err)
{
    buffer_reset(&buffer);
    wire_write_archive_header(&buffer);
    add_entry(&archive_samples[0].archive);
    size_t begin = buffer.size;
    add_entry(second);
    buffer.at[begin + at] = byte;
    size_t offset = 0;
    struct archive back;
    bool found;
    struct text file = buffer_text(&buffer);
    assert_int_equal(wire_next_archive(file, &offset, &arena, &back, &found, err), PD_OK);
    assert_int_equal(offset, begin);
    assert_int_equal(wire_next_archive(file, &offset, &arena, &back, &found, err), PD_E_CORRUPT);
    assert_int_equal(offset, begin);
    return text_of(err->text);
}

static void assert_place(const pd_error *err, size_t place)
{
    const char *wanted = arena_printf(&arena, "at byte %zu of %zu: ", place, buffer.size);
    if (strstr(err->text, wanted) == NULL) {
        fail_msg("'%s' is not in: %s", wanted, err->text);
    }
}

static void damage_is_told_with_its_place_in_the_file(void **state)
{
    (void)state;
    const struct archive *bare = &archive_sample_find("archive_of_what_ran")->archive;
    buffer_reset(&buffer);
    wire_write_archive_header(&buffer);
    add_entry(&archive_samples[0].archive);
    size_t second = buffer.size; /* 0c, 0a 0a, 0a 01 72, 12 01 52, 32 00, 3a 00 */
    pd_error err;
    trouble_of(bare, 0, 0x0d, &err); /* its length: cut off */
    assert_place(&err, second);
    trouble_of(bare, 2, 0x0b, &err); /* the state's */
    assert_place(&err, second + 1);
    trouble_of(bare, 7, 0x06, &err); /* the name's */
    assert_place(&err, second + 6);
    trouble_of(bare, 10, 0x01, &err); /* of a time that holds the tag of the next field */
    assert_place(&err, second + 11);
}

static void an_archive_needs_an_id_and_a_status_of_ours(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum run_state state;
        bool is_good;
    } cases[] = {
        { "", 0, false },                                 /* no state */
        { "1a00", 0, false },                             /* turns alone */
        { "0a00", 0, false },                             /* no id */
        { "0a03 0a0178", RUN_RUNNING, true },             /* "x" */
        { "0a05 0a0178 2006", RUN_PENDING, true },        /* status 6 */
        { "0a05 0a0178 2002", 0, false },                 /* continued as new */
        { "0a05 0a0178 2004", 0, false },                 /* canceled */
        { "0a05 0a0178 2008", 0, false },                 /* a newer one */
        { "0a03 0a0178 0a03 0a0179", RUN_RUNNING, true }, /* twice: the last one counts */
        { "0a06 0a0178 5a010a", 0, false },               /* a failure that is malformed */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct archive back;
        pd_error err;
        struct text bytes = sample_bytes(&arena, cases[i].hex);
        pd_status status = wire_read_archive(bytes, &arena, &back, &err);
        assert_int_equal(status, cases[i].is_good ? PD_OK : PD_E_CORRUPT);
        if (cases[i].is_good) {
            assert_int_equal(back.record.state, cases[i].state);
        }
    }
}

static void unknown_fields_are_skipped_and_still_in_the_bytes(void **state)
{
    (void)state;
    /* in the state, beside it, and a turn of another wire type */
    struct text bytes = sample_bytes(&arena, "0a07 0a0178 e2030158 fa0600 1801");
    struct archive back;
    pd_error err;
    assert_int_equal(wire_read_archive(bytes, &arena, &back, &err), PD_OK);
    assert_true(text_equal(back.record.id, TEXT("x")));
    assert_int_equal(back.turn_count, 0);
    assert_true(text_equal(back.bytes, bytes));
}

static void of_a_state_that_comes_twice_nothing_of_the_first_is_left(void **state)
{
    (void)state;
    /* "x" with version "v", then "y" without one */
    struct text bytes = sample_bytes(&arena, "0a08 0a0178 1a03 0a0176 0a03 0a0179");
    struct archive back;
    pd_error err;
    assert_int_equal(wire_read_archive(bytes, &arena, &back, &err), PD_OK);
    assert_true(text_equal(back.record.id, TEXT("y")));
    assert_false(text_is_present(back.record.version));
}

static void a_parent_that_only_the_state_names_counts(void **state)
{
    (void)state;
    struct text bytes = sample_bytes(&arena, "0a08 0a0178 7203 0a0170");
    struct archive back;
    pd_error err;
    assert_int_equal(wire_read_archive(bytes, &arena, &back, &err), PD_OK);
    assert_true(text_equal(back.record.parent_id, TEXT("p")));
    /* and the parent message counts before it, wherever it stands: step 3 of "q" */
    bytes = sample_bytes(&arena, "1207 0803 2203 0a0171 0a08 0a0178 7203 0a0170");
    assert_int_equal(wire_read_archive(bytes, &arena, &back, &err), PD_OK);
    assert_true(text_equal(back.record.parent_id, TEXT("q")));
    assert_int_equal(back.record.parent_step, 3);
}

/* Zeros that cost no memory while they are only read. */
static struct text zeros(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(at != MAP_FAILED);
    return text_make(at, size);
}

/* An archive of so many bytes, which has one turn. */
static struct archive archive_of_size(size_t size, struct text *ret_turn)
{
    enum { HEAD = 2 + 3 + 2 + 2 };          /* state with id "x" and two times */
    *ret_turn = zeros(size - HEAD - 1 - 5); /* a tag, and a length of five bytes */
    return (struct archive){ .record = { .id = TEXT("x"), .state = RUN_RUNNING },
                             .turns = ret_turn,
                             .turn_count = 1 };
}

static void an_archive_of_the_limit_is_written_and_read(void **state)
{
    (void)state;
    struct text turn;
    struct archive archive = archive_of_size(LIMIT_ARCHIVE_BYTES, &turn);
    pd_error err;
    wire_write_archive_header(&buffer);
    assert_int_equal(wire_write_archive_entry(&buffer, &archive, &err), PD_OK);
    struct archive back;
    bool found = false;
    size_t offset = 0;
    struct text file = buffer_text(&buffer);
    assert_int_equal(wire_next_archive(file, &offset, &arena, &back, &found, &err), PD_OK);
    assert_int_equal(back.bytes.size, LIMIT_ARCHIVE_BYTES);
    assert_int_equal(back.turns[0].size, turn.size);
    munmap((void *)(uintptr_t)turn.at, turn.size);
}

/* Two bytes each: what they take when they are read is a hundred times that. */
static void an_archive_has_as_many_events_as_it_may_and_not_one_more(void **state)
{
    (void)state;
    struct archive back;
    pd_error err;
    struct buffer turn;
    buffer_init(&turn);
    for (size_t i = 0; i < LIMIT_ARCHIVE_EVENTS; i++) {
        buffer_add(&turn, "\x0a\x00", 2);
    }
    struct text turns[] = { buffer_text(&turn), TEXT("") };
    struct archive archive = { .record = { .id = TEXT("a") }, .turns = turns, .turn_count = 1 };
    assert_int_equal(wire_write_archive(&buffer, &archive, &err), PD_OK);
    assert_int_equal(wire_read_archive(buffer_text(&buffer), &arena, &back, &err), PD_OK);
    assert_int_equal(back.turn_count, 1);
    buffer_add(&buffer, "\x1a\x00", 2); /* one more turn, of nothing */
    struct text bytes = buffer_text(&buffer);
    assert_int_equal(wire_read_archive(bytes, &arena, &back, &err), PD_E_CORRUPT);
    assert_non_null(strstr(err.text, "it has more events than an archive may"));
    archive.turn_count = 2;
    assert_int_equal(wire_write_archive(&turn, &archive, &err), PD_E_LIMIT);
    buffer_done(&turn);
}

static void an_archive_past_the_limit_is_refused_both_ways(void **state)
{
    (void)state;
    struct text turn;
    struct archive archive = archive_of_size((size_t)LIMIT_ARCHIVE_BYTES + 1, &turn);
    pd_error err;
    assert_int_equal(wire_write_archive(&buffer, &archive, &err), PD_E_LIMIT);
    assert_int_equal(wire_write_archive_entry(&buffer, &archive, &err), PD_E_LIMIT);
    assert_int_equal(buffer.size, 0);
    munmap((void *)(uintptr_t)turn.at, turn.size);

    struct text bytes = zeros((size_t)LIMIT_ARCHIVE_BYTES + 1);
    struct archive back;
    assert_int_equal(wire_read_archive(bytes, &arena, &back, &err), PD_E_CORRUPT);
    assert_non_null(strstr(err.text, "at byte 0 of 536870913: it is longer than an archive may"));
    munmap((void *)(uintptr_t)bytes.at, bytes.size);
}

static void without_memory_nothing_is_appended(void **state)
{
    (void)state;
    pd_error err;
    mem_fail_at(1);
    pd_status status = wire_write_archive(&buffer, &archive_samples[0].archive, &err);
    mem_fail_at(0);
    assert_int_equal(status, PD_E_NOMEM);
    assert_true(err.retryable);
    assert_int_equal(buffer.size, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_archive_is_written_as_its_golden_bytes),
        TEST(each_archive_is_read_back_from_its_golden_bytes),
        TEST(a_file_gives_its_archives_in_order_and_then_no_more),
        TEST(a_file_of_no_archives_is_its_header),
        TEST(what_is_no_archive_file_is_corrupt),
        TEST(damage_is_told_with_its_place_in_the_file),
        TEST(an_archive_needs_an_id_and_a_status_of_ours),
        TEST(unknown_fields_are_skipped_and_still_in_the_bytes),
        TEST(of_a_state_that_comes_twice_nothing_of_the_first_is_left),
        TEST(a_parent_that_only_the_state_names_counts),
        TEST(an_archive_of_the_limit_is_written_and_read),
        TEST(an_archive_has_as_many_events_as_it_may_and_not_one_more),
        TEST(an_archive_past_the_limit_is_refused_both_ways),
        TEST(without_memory_nothing_is_appended),
    };
    return cmocka_run_group_tests_name("wire/archive", tests, NULL, NULL);
}
