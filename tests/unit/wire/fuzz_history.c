/* SPDX-License-Identifier: MIT
 *
 * Reading history from any bytes: the checks that the fuzzer and test_damage.c share.
 *
 * What must hold for every input: nothing outside of it is touched (the sanitizers see to that);
 * either an error with an offset inside of it, and no events, or events whose texts lie inside of
 * it, and which, written back, read the same.
 *
 * To fuzz, as long as you like, from the top folder:
 *
 *   clang -std=c17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Isrc -Iinclude \
 *       -Itests/unit/wire -o fuzz_history tests/unit/wire/fuzz_history.c src/wire/[a-z]*.c \
 *       src/base/[a-z]*.c && ./fuzz_history -max_len=4096
 */
#include "fuzz_history.h"

#include <stdlib.h>

#include "base/base.h"
#include "wire/wire.h"

/* Not assert: a finding must stop the fuzzer in every build. */
static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void must_lie_inside(struct text t, struct text whole)
{
    if (t.size != 0) {
        must(t.at >= whole.at && t.at + t.size <= whole.at + whole.size);
    }
}

static void check_event(const struct event *event, struct text chunk)
{
    must(text_is_present(event->raw));
    must_lie_inside(event->raw, chunk);
    must_lie_inside(event->name, chunk);
    must_lie_inside(event->version, chunk);
    must_lie_inside(event->payload, chunk);
    must_lie_inside(event->instance_id, chunk);
    must_lie_inside(event->execution_id, chunk);
    size_t depth = 0;
    for (const struct failure *f = event->failure; f != NULL; f = f->cause) {
        must_lie_inside(f->type, chunk);
        must_lie_inside(f->message, chunk);
        must(depth++ <= LIMIT_FAILURE_DEPTH);
    }
}

static bool same_text(struct text a, struct text b)
{
    return a.size == b.size && text_is_present(a) == text_is_present(b) &&
           (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* Written without `raw`, from what was understood, it is understood the same way. */
static void check_round_trip(const struct event *event, struct arena *arena)
{
    struct buffer buffer;
    buffer_init(&buffer);
    struct event plain = *event;
    if (event->kind != EVENT_UNKNOWN) {
        plain.raw = TEXT_ABSENT;
    }
    wire_write_event(&buffer, &plain);
    struct wire_events again = { NULL, 0, 0 };
    pd_error err;
    must(wire_read_events(buffer_text(&buffer), arena, &again, &err) == PD_OK);
    must(again.count == 1);
    const struct event *b = &again.at[0];
    must(b->kind == event->kind && b->id == event->id && b->ref == event->ref);
    must(b->at == event->at && b->fire_at == event->fire_at && b->outcome == event->outcome);
    must(same_text(b->version, event->version) && same_text(b->payload, event->payload));
    must(same_text(b->name, event->name));
    must(same_text(b->execution_id, event->execution_id));
    must((b->failure != NULL) == (event->failure != NULL));
    buffer_done(&buffer);
}

bool fuzz_history_once(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    struct text chunk = text_make((const char *)bytes, size);
    struct wire_events events = { NULL, 0, 0 };
    pd_error err = { 0 };
    pd_status status = wire_read_events(chunk, &arena, &events, &err);
    must(status == PD_OK || (status == PD_E_CORRUPT && err.status == status && events.count == 0));
    for (size_t i = 0; i < events.count; i++) {
        check_event(&events.at[i], chunk);
        check_round_trip(&events.at[i], &arena);
    }
    const struct failure *failure;
    status = wire_read_failure(chunk, &arena, &failure, &err);
    must(status == PD_OK || status == PD_E_CORRUPT);
    arena_done(&arena);
    return events.count != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_history_once(bytes, size);
    return 0;
}
