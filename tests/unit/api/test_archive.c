/* SPDX-License-Identifier: MIT
 *
 * archive_load beside an instance that goes on: whatever happens between any two of its questions,
 * what it gives is how the instance stood at one moment. The store here is a script: an instance of
 * which something is changed after some of the questions, from any of them on.
 *
 * And a reader that believes nothing: archives that are well written, of instances that cannot be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/archive.h"
#include "base/error.h"
#include "base/limits.h"

enum { TURNS_MAX = 64, CHANGES_MAX = 12, PICTURE = 500 };

/* Events are letters: a turn holds those that it took, the inbox those that wait. */
struct fake {
    struct store store;
    enum run_state state;
    time_us updated_at;
    char execution_id[16];
    char turns[TURNS_MAX][32];
    size_t turn_count;
    char inbox[32];
    bool is_gone;
    void (*change)(struct fake *); /* after a question, while there are any left, */
    int changes_left, changes_done;
    int questions_before; /* from this one on */
    int questions;
    char pictures[CHANGES_MAX + 1][PICTURE]; /* how it stood, each time */
};

static struct fake *fake_of(struct store *store)
{
    return (struct fake *)store;
}

static void picture_of_fake(const struct fake *fake, char *ret)
{
    int size = snprintf(ret, PICTURE, "%s %d:", fake->execution_id, (int)fake->state);
    for (size_t i = 0; i < fake->turn_count; i++) {
        size += snprintf(ret + size, PICTURE - (size_t)size, " %s", fake->turns[i]);
    }
    snprintf(ret + size, PICTURE - (size_t)size, " + %s", fake->inbox);
}

static void picture_of_archive(const struct archive *archive, char *ret)
{
    const struct instance_record *record = &archive->record;
    int size =
        snprintf(ret, PICTURE, "%.*s %d:", TEXT_ARGS(record->execution_id), (int)record->state);
    for (size_t i = 0; i < archive->turn_count; i++) {
        size += snprintf(ret + size, PICTURE - (size_t)size, " %.*s", TEXT_ARGS(archive->turns[i]));
    }
    size += snprintf(ret + size, PICTURE - (size_t)size, " + ");
    for (size_t i = 0; i < archive->inbox_count; i++) {
        size += snprintf(ret + size, PICTURE - (size_t)size, "%.*s", TEXT_ARGS(archive->inbox[i]));
    }
}

static void asked(struct fake *fake)
{
    fake->questions++;
    if (fake->changes_left > 0 && fake->questions > fake->questions_before) {
        fake->changes_left--;
        fake->change(fake);
        fake->changes_done++;
        picture_of_fake(fake, fake->pictures[fake->changes_done]);
    }
}

static pd_status load_instance(struct store *store, struct text id, uint64_t row,
                               struct arena *arena, struct instance_record *ret, bool *ret_found,
                               pd_error *err)
{
    struct fake *fake = fake_of(store);
    (void)err;
    assert_false(text_is_present(id));
    assert_int_equal(row, 7);
    *ret_found = !fake->is_gone;
    *ret = (struct instance_record){
        .row = 7,
        .id = TEXT("id"),
        .execution_id = text_copy(arena, text_of(fake->execution_id)),
        .name = TEXT("F"),
        .state = fake->state,
        .updated_at = fake->updated_at,
    };
    asked(fake);
    return PD_OK;
}

static pd_status load_history(struct store *store, uint64_t row, uint64_t from, struct arena *arena,
                              struct history_rows *ret, pd_error *err)
{
    struct fake *fake = fake_of(store);
    (void)row;
    (void)err;
    size_t first = from != 0 ? (size_t)from - 1 : 0;
    size_t count = fake->turn_count > first ? fake->turn_count - first : 0;
    struct text *turns = arena_alloc(arena, count * sizeof *turns);
    for (size_t i = 0; i < count; i++) {
        turns[i] = text_copy(arena, text_of(fake->turns[first + i]));
    }
    *ret = (struct history_rows){ turns, count, first + 1 };
    asked(fake);
    return PD_OK;
}

static pd_status load_inbox(struct store *store, uint64_t row, struct arena *arena,
                            struct inbox_rows *ret, pd_error *err)
{
    struct fake *fake = fake_of(store);
    (void)row;
    (void)err;
    size_t count = strlen(fake->inbox);
    struct text *events = arena_alloc(arena, count * sizeof *events);
    for (size_t i = 0; i < count; i++) {
        events[i] = text_copy(arena, text_make(&fake->inbox[i], 1));
    }
    *ret = (struct inbox_rows){ events, NULL, count };
    asked(fake);
    return PD_OK;
}

static const struct store_ops fake_ops = {
    .load_instance = load_instance,
    .load_history = load_history,
    .load_inbox = load_inbox,
};

static struct fake fake_new(void (*change)(struct fake *), int changes, int questions_before)
{
    struct fake fake = {
        .store = { &fake_ops, 1 },
        .state = RUN_RUNNING,
        .updated_at = 1,
        .execution_id = "e1",
        .turns = { "a" },
        .turn_count = 1,
        .inbox = "bc",
        .change = change,
        .changes_left = changes,
        .questions_before = questions_before,
    };
    picture_of_fake(&fake, fake.pictures[0]);
    return fake;
}

/* ---- what may happen ------------------------------------------------------------------------ */

static void turn(struct fake *fake)
{
    assert_true(fake->turn_count < TURNS_MAX);
    snprintf(fake->turns[fake->turn_count++], sizeof(fake->turns[0]), "%s", fake->inbox);
    snprintf(fake->inbox, sizeof(fake->inbox), "%c", 'd' + fake->changes_done % 20);
}

static void arrival(struct fake *fake)
{
    size_t size = strlen(fake->inbox);
    fake->inbox[size] = (char)('d' + fake->changes_done % 20);
    fake->inbox[size + 1] = '\0';
}

static void suspension(struct fake *fake)
{
    arrival(fake);
    fake->state = fake->state == RUN_RUNNING ? RUN_SUSPENDED : RUN_RUNNING;
    fake->updated_at++;
}

/* Failed and rewound, unseen: the last turn became another one. */
static void rewind_unseen(struct fake *fake)
{
    snprintf(fake->turns[fake->turn_count - 1], sizeof(fake->turns[0]), "rewound%d",
             fake->changes_done);
    fake->updated_at++;
}

/* Likewise, and the turn has not been taken again yet. */
static void undoing(struct fake *fake)
{
    fake->turn_count -= fake->turn_count > 1;
    fake->updated_at++;
}

/* Continue as new: what waited is all there is. */
static void renewal(struct fake *fake)
{
    fake->turn_count = 0;
    snprintf(fake->execution_id, sizeof(fake->execution_id), "e%d", fake->changes_done + 2);
}

static void renewal_and_turns(struct fake *fake)
{
    renewal(fake);
    turn(fake);
    turn(fake);
}

static void end(struct fake *fake)
{
    turn(fake);
    fake->inbox[0] = '\0';
    fake->state = RUN_COMPLETED;
    fake->updated_at++;
}

static void purge(struct fake *fake)
{
    fake->is_gone = true;
}

static void all_in_turn(struct fake *fake)
{
    void (*const changes[])(struct fake *) = { turn,    suspension,    renewal_and_turns,
                                               arrival, rewind_unseen, undoing };
    changes[fake->changes_done % 6](fake);
}

/* ---- what is given -------------------------------------------------------------------------- */

static void load(struct fake *fake, struct arena *arena, struct archive *ret, bool *ret_found)
{
    pd_error err;
    assert_int_equal(archive_load(&fake->store, 7, arena, ret, ret_found, &err), PD_OK);
}

static void assert_is_as_of_a_moment(const struct fake *fake, const struct archive *archive)
{
    char got[PICTURE];
    picture_of_archive(archive, got);
    for (int i = 0; i <= fake->changes_done; i++) {
        if (strcmp(got, fake->pictures[i]) == 0) {
            return;
        }
    }
    fail_msg("it never stood so: %s", got);
}

static void what_is_loaded_is_as_of_one_moment_whatever_happens_meanwhile(void **state)
{
    (void)state;
    void (*const changes[])(struct fake *) = { turn,    suspension,        renewal,
                                               arrival, undoing,           rewind_unseen,
                                               end,     renewal_and_turns, all_in_turn };
    for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++) {
        int most = changes[c] == end ? 1 : CHANGES_MAX;
        for (int count = 0; count <= most; count++) {
            for (int before = 0; before <= 10; before++) {
                struct fake fake = fake_new(changes[c], count, before);
                turn(&fake);
                picture_of_fake(&fake, fake.pictures[0]);
                struct archive archive;
                struct arena arena;
                bool is_found;
                arena_init(&arena);
                load(&fake, &arena, &archive, &is_found);
                assert_true(is_found);
                assert_is_as_of_a_moment(&fake, &archive);
                assert_true(fake.questions <= 6 * (count + 1)); /* a change costs one attempt */
                arena_done(&arena);
            }
        }
    }
}

static void one_that_is_purged_meanwhile_is_not_found(void **state)
{
    (void)state;
    struct fake fake = fake_new(purge, 1, 2);
    struct archive archive;
    struct arena arena;
    bool is_found = true;
    arena_init(&arena);
    load(&fake, &arena, &archive, &is_found);
    assert_false(is_found);
    arena_done(&arena);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Written and read again: what the reader says of it. */
static pd_status read_back(const struct archive *archive)
{
    char path[] = "/tmp/pd-archive-XXXXXX";
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    close(handle);
    pd_error err;
    struct archive_writer writer;
    assert_int_equal(archive_writer_begin(&writer, path, &err), PD_OK);
    pd_status status = archive_writer_add(&writer, archive, &err);
    assert_int_equal(archive_writer_end(&writer, status, &err), PD_OK);

    struct archive_reader reader;
    struct archive got;
    struct arena arena;
    bool has_one = false;
    arena_init(&arena);
    status = archive_reader_begin(&reader, path, &err);
    if (status == PD_OK) {
        status = archive_reader_next(&reader, &arena, &got, &has_one, &err);
    }
    if (status == PD_OK) {
        assert_true(has_one);
        assert_int_equal(archive_reader_next(&reader, &arena, &got, &has_one, &err), PD_OK);
        assert_false(has_one);
    }
    archive_reader_end(&reader);
    arena_done(&arena);
    unlink(path);
    return status;
}

static void an_instance_that_cannot_be_is_corrupt(void **state)
{
    (void)state;
    struct buffer start;
    struct event event = {
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = 1,
        .name = TEXT("F"),
        .instance_id = TEXT("id"),
        .execution_id = TEXT("e1"),
    };
    buffer_init(&start);
    wire_write_event(&start, &event);
    char longer[LIMIT_NAME + 2];
    memset(longer, 'n', sizeof(longer));
    struct text inbox = buffer_text(&start);
    struct text garbage = TEXT("\x0a\x7f");
    const struct archive good = {
        .record = { .id = TEXT("id"), .execution_id = TEXT("e1"), .name = TEXT("F") },
        .inbox = &inbox,
        .inbox_count = 1,
    };
    assert_int_equal(read_back(&good), PD_OK);
    struct archive bad = good;
    bad.record.state = RUN_COMPLETED; /* and has had no turn */
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    bad = good;
    bad.inbox_count = 0; /* has not begun */
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    bad = good;
    bad.inbox = &garbage;
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    bad = good;
    bad.turns = &garbage;
    bad.turn_count = 1;
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    bad = good;
    bad.record.id = TEXT("@no");
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    bad = good;
    bad.record.failure = garbage;
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    bad = good;
    bad.record.name = text_make(longer, LIMIT_NAME);
    assert_int_equal(read_back(&bad), PD_OK);
    bad.record.name = text_make(longer, LIMIT_NAME + 1);
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    bad = good;
    bad.record.version = text_make(longer, LIMIT_NAME + 1);
    assert_int_equal(read_back(&bad), PD_E_CORRUPT);
    buffer_done(&start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_loaded_is_as_of_one_moment_whatever_happens_meanwhile),
        cmocka_unit_test(one_that_is_purged_meanwhile_is_not_found),
        cmocka_unit_test(an_instance_that_cannot_be_is_corrupt),
    };
    return cmocka_run_group_tests_name("api/archive", tests, NULL, NULL);
}
