/* SPDX-License-Identifier: MIT
 *
 * The samples; see samples.h.
 */
#include "samples.h"

#define NO_ID EVENT_NO_ID
#define AT INT64_C(1767225600123456) /* 2026-01-01T00:00:00.123456Z */

static const struct failure root_cause = { .type = TEXT_INIT("Io"),
                                           .message = TEXT_INIT("disk"),
                                           .is_final = true };
static const struct failure failed = { .type = TEXT_INIT("Declined"),
                                       .message = TEXT_INIT("no money"),
                                       .cause = &root_cause };
static const struct failure nameless = { .type = TEXT_INIT(""), .message = TEXT_INIT("") };

const struct sample samples[] = {
    { "execution_started",
      { .kind = EVENT_EXECUTION_STARTED,
        .id = 0,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("Hello"),
        .version = TEXT_INIT("1.0"),
        .payload = TEXT_INIT("\"Tokyo\""),
        .instance_id = TEXT_INIT("order-1"),
        .execution_id = TEXT_INIT("e1") },
      "0a39120b0880f2d6ca06108094ef3a1a2a0a0548656c6c6f12050a03312e301a090a0722"
      "546f6b796f22220f0a076f726465722d3112040a026531" },
    { "execution_started_bare",
      { .kind = EVENT_EXECUTION_STARTED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("H"),
        .instance_id = TEXT_INIT("i") },
      "0a2208ffffffffffffffffff01120b0880f2d6ca06108094ef3a1a080a014822030a0169" },
    { "execution_completed",
      { .kind = EVENT_EXECUTION_COMPLETED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT("[1,2]"),
        .outcome = RUN_COMPLETED },
      "0a1c0805120b0880f2d6ca06108094ef3a220b080112070a055b312c325d" },
    { "execution_failed",
      { .kind = EVENT_EXECUTION_COMPLETED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .outcome = RUN_FAILED,
        .failure = &failed },
      "0a370805120b0880f2d6ca06108094ef3a222608031a220a084465636c696e656412086e"
      "6f206d6f6e6579220c0a02496f12046469736b2801" },
    { "execution_terminated",
      { .kind = EVENT_EXECUTION_TERMINATED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT("\"stop\"") },
      "0a2408ffffffffffffffffff01120b0880f2d6ca06108094ef3a2a0a0a080a062273746f"
      "7022" },
    { "completed_as_terminated",
      { .kind = EVENT_EXECUTION_COMPLETED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .outcome = RUN_TERMINATED },
      "0a1c08ffffffffffffffffff01120b0880f2d6ca06108094ef3a22020805" },
    { "task_scheduled",
      { .kind = EVENT_TASK_SCHEDULED,
        .id = 3,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("SayHello"),
        .version = TEXT_INIT(""),
        .payload = TEXT_INIT("null") },
      "0a250803120b0880f2d6ca06108094ef3a32140a0853617948656c6c6f12001a060a046e"
      "756c6c" },
    { "task_completed",
      { .kind = EVENT_TASK_COMPLETED,
        .id = NO_ID,
        .ref = 3,
        .at = AT,
        .payload = TEXT_INIT("\"Hello \xe6\x9d\xb1\xe4\xba\xac!\"") },
      "0a2f08ffffffffffffffffff01120b0880f2d6ca06108094ef3a3a15080312110a0f2248"
      "656c6c6f20e69db1e4baac2122" },
    { "task_completed_step_0",
      { .kind = EVENT_TASK_COMPLETED, .id = NO_ID, .ref = 0, .at = AT, .payload = TEXT_INIT("") },
      "0a1c08ffffffffffffffffff01120b0880f2d6ca06108094ef3a3a021200" },
    { "task_failed",
      { .kind = EVENT_TASK_FAILED, .id = NO_ID, .ref = 300, .at = AT, .failure = &failed },
      "0a4108ffffffffffffffffff01120b0880f2d6ca06108094ef3a422708ac0212220a0844"
      "65636c696e656412086e6f206d6f6e6579220c0a02496f12046469736b2801" },
    { "task_failed_nameless",
      { .kind = EVENT_TASK_FAILED, .id = NO_ID, .ref = 1, .at = AT, .failure = &nameless },
      "0a1e08ffffffffffffffffff01120b0880f2d6ca06108094ef3a420408011200" },
    { "timer_created",
      { .kind = EVENT_TIMER_CREATED,
        .id = 200,
        .ref = NO_ID,
        .at = AT,
        .fire_at = AT + INT64_C(3600000000) },
      "0a1f08c801120b0880f2d6ca06108094ef3a620d0a0b08908ed7ca06108094ef3a" },
    { "timer_before_1970",
      { .kind = EVENT_TIMER_CREATED, .id = 2, .ref = NO_ID, .at = -1, .fire_at = -1500000 },
      "0a2a0802121108ffffffffffffffffff0110988cebdc0362130a1108feffffffffffffff"
      "ff011080cab5ee01" },
    { "timer_fired",
      { .kind = EVENT_TIMER_FIRED, .id = NO_ID, .ref = 2, .at = AT, .fire_at = 0 },
      "0a1e08ffffffffffffffffff01120b0880f2d6ca06108094ef3a6a040a001002" },
    { "orchestrator_started",
      { .kind = EVENT_ORCHESTRATOR_STARTED, .id = NO_ID, .ref = NO_ID, .at = AT },
      "0a1a08ffffffffffffffffff01120b0880f2d6ca06108094ef3a7200" },
    { "orchestrator_completed",
      { .kind = EVENT_ORCHESTRATOR_COMPLETED, .id = NO_ID, .ref = NO_ID, .at = 0 },
      "0a0f08ffffffffffffffffff0112007a00" },
    { "event_raised",
      { .kind = EVENT_EVENT_RAISED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("Approved"),
        .payload = TEXT_INIT("{\"by\":\"ann\"}") },
      "0a3508ffffffffffffffffff01120b0880f2d6ca06108094ef3a8a011a0a08417070726f"
      "766564120e0a0c7b226279223a22616e6e227d" },
};

const size_t sample_count = sizeof(samples) / sizeof(samples[0]);

const struct sample *sample_find(const char *name)
{
    for (size_t i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, name) == 0) {
            return &samples[i];
        }
    }
    return NULL;
}

/* A proto3 string cannot be absent: compares bytes alone. */
static bool same_string(struct text a, struct text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

static bool same_failure(const struct failure *a, const struct failure *b)
{
    while (a != NULL && b != NULL) {
        if (!same_string(a->type, b->type) || !same_string(a->message, b->message) ||
            a->is_final != b->is_final) {
            return false;
        }
        a = a->cause;
        b = b->cause;
    }
    return a == b;
}

bool sample_is_same(const struct event *a, const struct event *b)
{
    return a->kind == b->kind && a->id == b->id && a->ref == b->ref && a->at == b->at &&
           a->fire_at == b->fire_at && same_string(a->name, b->name) &&
           text_equal(a->version, b->version) && text_equal(a->payload, b->payload) &&
           same_string(a->instance_id, b->instance_id) &&
           text_equal(a->execution_id, b->execution_id) && a->outcome == b->outcome &&
           same_failure(a->failure, b->failure);
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

struct text sample_bytes(struct arena *arena, const char *hex)
{
    size_t size = strlen(hex);
    char *bytes = arena_alloc(arena, size / 2 + 1);
    size_t count = 0;
    while (hex[0] != '\0' && hex[1] != '\0') {
        if (hex[0] == ' ') {
            hex++;
            continue;
        }
        bytes[count++] = (char)(digit(hex[0]) << 4 | digit(hex[1]));
        hex += 2;
    }
    return text_make(bytes, count);
}
