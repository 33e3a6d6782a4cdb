/* SPDX-License-Identifier: MIT
 *
 * Messages -> structs, along their shapes; HistoryEvent -> struct event.
 *
 *   H1  What is not on the wire is what proto3 means by that: eventId and taskScheduledId 0, an
 *       empty string; but a kind that has no taskScheduledId reads as EVENT_NO_ID. Our own "ref"
 *       has a presence: without it, as others write an answer, it is EVENT_NO_ID too, not step 0.
 *   H2  Times beyond what a time_us can hold saturate; what is finer than a microsecond is cut off
 *       (and still in `raw`).
 *   H3  A known field with another wire type than ours is skipped like an unknown one; of a field
 *       that comes twice the last one counts.
 *   H4  An event without a kind that we know is EVENT_UNKNOWN. An ExecutionCompleted whose status
 *       is none of ours is PD_E_CORRUPT: ignoring it would bring an ended instance back to life.
 *   H5  A chunk is counted before it is decoded, so that its events take room once.
 */
#include "base/assert.h"
#include "base/error.h"
#include "base/tags.h"
#include "wire/small.h"
#include "wire/wire_priv.h"

static bool state_of_status(uint64_t number, enum run_state *ret)
{
    switch (number) {
    case 0: *ret = RUN_RUNNING; return true;
    case 1: *ret = RUN_COMPLETED; return true;
    case 3: *ret = RUN_FAILED; return true;
    case 5: *ret = RUN_TERMINATED; return true;
    case 6: *ret = RUN_PENDING; return true;
    case 7: *ret = RUN_SUSPENDED; return true;
    default: return false;
    }
}

bool wire_is_malformed(struct wire_trouble *trouble, const uint8_t *at)
{
    *trouble = (struct wire_trouble){ at, "the bytes are not protobuf" };
    return false;
}

/* Seconds and nanoseconds, both there, not negative, and in their order: nearly always. */
static bool read_plain_timestamp(struct text message, time_us *ret)
{
    enum { SECONDS = TIMESTAMP_SECONDS << 3 | PROTO_VARINT, NANOS = TIMESTAMP_NANOS << 3 };
    const uint8_t *at = (const uint8_t *)message.at;
    const uint8_t *end = at + message.size;
    uint64_t value[2];
    for (int i = 0; i < 2; i++) {
        if (at == end || *at++ != (i == 0 ? SECONDS : NANOS)) {
            return false;
        }
        unsigned shift = 0;
        for (value[i] = 0; at < end && *at >= 0x80 && shift < 35; shift += 7) {
            value[i] |= (uint64_t)(*at++ & 0x7f) << shift;
        }
        if (at == end || *at >= 0x80) {
            return false;
        }
        value[i] |= (uint64_t)*at++ << shift;
    }
    *ret = (time_us)value[0] * TIME_SECOND + (time_us)(value[1] / 1000);
    return at == end && value[1] <= INT32_MAX;
}

static bool read_timestamp(struct text message, time_us *ret, struct wire_trouble *trouble)
{
    if (__builtin_expect(read_plain_timestamp(message, ret), 1)) {
        return true;
    }
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    int64_t seconds = 0;
    int32_t nanos = 0;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_VARINT && field.number == TIMESTAMP_SECONDS) {
            seconds = (int64_t)field.value;
        } else if (field.type == PROTO_VARINT && field.number == TIMESTAMP_NANOS) {
            nanos = (int32_t)(uint32_t)field.value;
        }
    }
    if (answer == PROTO_BAD) {
        return wire_is_malformed(trouble, reader.at);
    }
    int64_t micros = nanos / 1000 - (nanos % 1000 < 0 ? 1 : 0);
    int64_t us;
    if (__builtin_mul_overflow(seconds, TIME_SECOND, &us)) {
        /* The second that INT64_MIN lies in begins before it. */
        bool is_first = seconds == INT64_MIN / TIME_SECOND - 1;
        *ret = seconds > 0 ? INT64_MAX
               : is_first  ? time_add(INT64_MIN / TIME_SECOND * TIME_SECOND, micros - TIME_SECOND)
                           : INT64_MIN;
        return true;
    }
    *ret = time_add(us, micros);
    return true;
}

/* All entries of the map `number` of a message that is not malformed. */
static bool read_tags(uint32_t number, struct text message, struct text *ret, struct arena *arena,
                      struct wire_trouble *trouble)
{
    struct tag tags[LIMIT_TAGS_INHERITED];
    size_t count = 0;
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.number != number || field.type != PROTO_BYTES) {
            continue;
        }
        if (count == LIMIT_TAGS_INHERITED) {
            *trouble = (struct wire_trouble){ (const uint8_t *)field.bytes.at, "too many tags" };
            return false;
        }
        const uint8_t *bad;
        if (!wire_read_tag(field.bytes, &tags[count], &bad)) {
            return wire_is_malformed(trouble, bad);
        }
        count += tag_is_valid(&tags[count]) ? 1 : 0;
    }
    *ret = tags_pack(arena, tags, count);
    return true;
}

/* All entries of the repeated string `number` of a message that is not malformed. Whether they are
 * ids of entities is not looked into beyond what makes the set a set. */
static bool read_lock_set(uint32_t number, struct text message, struct text *ret,
                          struct arena *arena, struct wire_trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    size_t count = 0;
    size_t size = 0;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.number != number || field.type != PROTO_BYTES) {
            continue;
        }
        struct text id = field.bytes;
        if (id.size == 0 || id.at[0] != '@' || memchr(id.at, '\n', id.size) != NULL) {
            *trouble = (struct wire_trouble){ (const uint8_t *)id.at, "no entity can be locked" };
            return false;
        }
        if (++count > LIMIT_LOCK_SET) {
            *trouble = (struct wire_trouble){ (const uint8_t *)id.at, "too many locks" };
            return false;
        }
        size += id.size + 1;
    }
    if (count == 0) {
        return true;
    }
    char *at = arena_alloc_raw(arena, size);
    *ret = text_make(at, size);
    for (reader = proto_reader_of(message); proto_next(&reader, &field) == PROTO_FIELD;) {
        if (field.number == number && field.type == PROTO_BYTES) {
            memcpy(at, field.bytes.at, field.bytes.size);
            at += field.bytes.size;
            *at++ = '\n';
        }
    }
    return true;
}

/* A field of the table that is no list. */
__attribute__((always_inline)) static inline bool read_field(const struct shape_field *shape,
                                                             const struct proto_field *field,
                                                             void *base, struct arena *arena,
                                                             struct wire_trouble *trouble)
{
    void *member = (char *)base + shape->offset;
    const uint8_t *bad;
    switch ((enum shape_type)shape->type) {
    case SHAPE_STRING:
    case SHAPE_RAW: *(struct text *)member = field->bytes; return true;
    case SHAPE_WRAPPED: {
        struct text *value = member;
        *value = wire_read_wrapped(field->bytes, &bad);
        return text_is_present(*value) || wire_is_malformed(trouble, bad);
    }
    case SHAPE_ENCODED:
        *(struct text *)member = field->bytes;
        return wire_decode_failure(field->bytes, arena, trouble) != NULL;
    case SHAPE_ID:
    case SHAPE_STEP: *(int32_t *)member = (int32_t)(uint32_t)field->value; return true;
    case SHAPE_NUMBER: *(int64_t *)member = (int64_t)field->value; return true;
    case SHAPE_FLAG: *(bool *)member = field->value != 0; return true;
    case SHAPE_STATUS:
        if (!state_of_status(field->value, member)) {
            trouble->text = "a status is none of ours";
        }
        return trouble->text == NULL;
    case SHAPE_TIME:
    case SHAPE_TIME_SET: return read_timestamp(field->bytes, member, trouble);
    case SHAPE_FAILURE: {
        const struct failure **failure = member;
        *failure = wire_decode_failure(field->bytes, arena, trouble);
        return *failure != NULL;
    }
    case SHAPE_INSTANCE:
        return wire_read_fields(wire_instance_shape, field->bytes, member, arena, trouble);
    case SHAPE_PARENT:
        *(bool *)member = true;
        return wire_read_fields(wire_parent_shape, field->bytes, base, arena, trouble);
    case SHAPE_SENDER: {
        struct event_extra *extra = base;
        extra->has_parent = true;
        extra->parent_id = wire_read_wrapped(field->bytes, &bad);
        return text_is_present(extra->parent_id) || wire_is_malformed(trouble, bad);
    }
    case SHAPE_TAGS:
    case SHAPE_LOCK_SET: break;
    }
    unreachable_state("a field type outside of the enumeration");
}

/* What fields are when they are not on the wire, where that is not zero. SHAPE_STEP: `ref` is
 * EVENT_NO_ID already, as of all kinds that say nothing of it. */
static void set_defaults(const struct shape_field *fields, void *base)
{
    for (; fields->tag != 0; fields++) {
        void *member = (char *)base + fields->offset;
        if (fields->type == SHAPE_STRING || fields->type == SHAPE_INSTANCE) {
            *(struct text *)member = TEXT("");
        } else if (fields->type == SHAPE_STATUS) {
            *(enum run_state *)member = RUN_RUNNING;
        } else if (fields->type == SHAPE_ID) {
            *(int32_t *)member = 0;
        }
    }
}

static inline const struct shape_field *find_field(const struct shape_field *fields,
                                                   const struct proto_field *field)
{
    uint64_t tag = proto_tag(field->number, field->type);
    while (fields->tag != 0 && fields->tag != tag) {
        fields++;
    }
    return fields->tag != 0 ? fields : NULL;
}

/* All fields of the table but lists. *ret_others: how many other fields there are. */
__attribute__((always_inline)) static inline bool
read_known(const struct shape_field *fields, struct text message, void *base, struct arena *arena,
           struct wire_trouble *trouble, size_t *ret_others)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    *ret_others = 0;
    set_defaults(fields, base);
    trouble->at = reader.at;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        const struct shape_field *known = find_field(fields, &field);
        if (known == NULL || known->type >= SHAPE_TAGS) {
            ++*ret_others;
        } else if (!read_field(known, &field, base, arena, trouble)) {
            return false;
        }
        trouble->at = reader.at;
    }
    return answer == PROTO_END || wire_is_malformed(trouble, reader.at);
}

bool wire_read_fields(const struct shape_field *fields, struct text message, void *base,
                      struct arena *arena, struct wire_trouble *trouble)
{
    size_t others;
    if (!read_known(fields, message, base, arena, trouble, &others)) {
        return false;
    }
    bool is_read = true;
    for (; others != 0 && is_read && fields->tag != 0; fields++) {
        struct text *list = (void *)((char *)base + fields->offset);
        if (fields->type == SHAPE_TAGS) {
            is_read = read_tags(fields->tag >> 3, message, list, arena, trouble);
        } else if (fields->type == SHAPE_LOCK_SET) {
            is_read = read_lock_set(fields->tag >> 3, message, list, arena, trouble);
        }
    }
    return is_read;
}

/* Of a message that is not malformed, what it has of extras; none: *ret stays as it is. */
static bool read_extra(const struct shape_field *extras, struct text body,
                       const struct event_extra **ret, struct arena *arena,
                       struct wire_trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(body);
    struct proto_field field;
    bool is_found = false;
    while (!is_found && proto_next(&reader, &field) == PROTO_FIELD) {
        is_found = find_field(extras, &field) != NULL;
    }
    if (!is_found) {
        return true;
    }
    struct event_extra *extra = arena_alloc(arena, sizeof *extra);
    *ret = extra;
    return wire_read_fields(extras, body, extra, arena, trouble);
}

/* The message of the event's kind. */
static bool read_body(struct text body, struct event *event, struct arena *arena,
                      struct wire_trouble *trouble)
{
    const struct shape *shape = shape_of((uint32_t)event->kind);
    size_t others;
    if (!read_known(shape->fields, body, event, arena, trouble, &others) ||
        (others != 0 && shape->extras != NULL &&
         !read_extra(shape->extras, body, &event->extra, arena, trouble))) {
        return false;
    }
    if (event->kind == EVENT_EXECUTION_COMPLETED && !run_state_is_final(event->outcome)) {
        trouble->text = "an ExecutionCompleted has no status that is an end";
        return false;
    }
    return true;
}

/* Nothing, of no kind. Field by field: for all at once compilers take an instruction that needs as
 * long as the rest of the decoding. */
static void clear_event(struct event *event)
{
    _Static_assert(sizeof *event == 4 * 4 + 2 * 8 + 6 * sizeof(struct text) + 3 * 8,
                   "a field is missing here");
    event->kind = EVENT_UNKNOWN;
    event->id = 0;
    event->ref = EVENT_NO_ID;
    event->at = event->fire_at = 0;
    event->name = event->version = event->payload = TEXT_ABSENT;
    event->instance_id = event->execution_id = TEXT_ABSENT;
    event->outcome = RUN_PENDING;
    event->failure = NULL;
    event->extra = NULL;
}

bool wire_read_event(struct text message, struct event *event, struct arena *arena,
                     struct wire_trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    struct text body = TEXT_ABSENT;
    clear_event(event);
    event->raw = message;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_VARINT && field.number == EVENT_ID) {
            event->id = (int32_t)(uint32_t)field.value;
        } else if (field.type == PROTO_BYTES && field.number == EVENT_TIMESTAMP) {
            if (!read_timestamp(field.bytes, &event->at, trouble)) {
                return false;
            }
        } else if (field.type == PROTO_BYTES && shape_of(field.number) != NULL) {
            event->kind = (enum event_kind)field.number;
            body = field.bytes;
        }
    }
    if (answer == PROTO_BAD) {
        return wire_is_malformed(trouble, reader.at);
    }
    return event->kind == EVENT_UNKNOWN || read_body(body, event, arena, trouble);
}

bool wire_count_events(struct text chunk, size_t *ret, struct wire_trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(chunk);
    struct proto_field field;
    enum proto_answer answer;
    *ret = 0;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        *ret += field.number == CHUNK_EVENTS && field.type == PROTO_BYTES ? 1 : 0;
    }
    return answer == PROTO_END || wire_is_malformed(trouble, reader.at);
}

static bool events_reserve(struct wire_events *events, size_t more, struct arena *arena)
{
    if (events->room - events->count >= more) {
        return true;
    }
    size_t room = events->count + more;
    room = room < events->room * 2 ? events->room * 2 : room;
    size_t size = room * sizeof(struct event);
    struct event *grown =
        size <= ARENA_BLOCK_MAX ? arena_alloc_raw(arena, size) : arena_try_alloc(arena, size);
    if (grown == NULL) {
        return false;
    }
    if (events->count != 0) {
        memcpy(grown, events->at, events->count * sizeof(*grown));
    }
    events->at = grown;
    events->room = room;
    return true;
}

static pd_status corrupt(struct text chunk, const struct wire_trouble *trouble, pd_error *err)
{
    return error_set(err, PD_E_CORRUPT, false, "wire: history",
                     "stored history is damaged at byte %zu of %zu: %s",
                     (size_t)(trouble->at - (const uint8_t *)chunk.at), chunk.size, trouble->text);
}

static pd_status no_memory(size_t count, pd_error *err)
{
    return error_set(err, PD_E_NOMEM, true, "wire: history", "no memory for %zu events of history",
                     count);
}

pd_status wire_read_events(struct text chunk, struct arena *arena, struct wire_events *events,
                           pd_error *err)
{
    struct wire_trouble trouble = { NULL, NULL };
    size_t expected;
    if (!wire_count_events(chunk, &expected, &trouble)) {
        return corrupt(chunk, &trouble, err);
    }
    if (!events_reserve(events, expected, arena)) {
        return no_memory(expected, err);
    }
    struct proto_reader reader = proto_reader_of(chunk);
    struct proto_field field;
    size_t count = events->count;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.number == CHUNK_EVENTS && field.type == PROTO_BYTES &&
            !wire_read_event(field.bytes, &events->at[count++], arena, &trouble)) {
            return corrupt(chunk, &trouble, err);
        }
    }
    events->count = count;
    return PD_OK;
}

/* ---- one turn after the other ---------------------------------------------------------------- */

/* Those that are there already are decoded over. */
static bool add_event(struct wire_past *past, struct text message, size_t at,
                      struct wire_trouble *trouble)
{
    size_t size = sizeof(struct event);
    if (past->events.size < (at + 1) * size) {
        if (!buffer_try_reserve(&past->events, size)) {
            trouble->text = NULL;
            return false;
        }
        past->events.size += size;
    }
    void *events = past->events.at;
    return wire_read_event(message, (struct event *)events + at, &past->arena, trouble);
}

static bool read_past(struct past *base, size_t at, struct turn_events *ret)
{
    struct wire_past *past = CONTAINER_OF(base, struct wire_past, base);
    assert_that(at < base->turn_count);
    struct wire_trouble trouble = { NULL, NULL };
    struct proto_reader reader = proto_reader_of(past->turns[at]);
    struct proto_field field;
    enum proto_answer answer;
    size_t count = 0;
    arena_rewind(&past->arena);
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.number != CHUNK_EVENTS || field.type != PROTO_BYTES) {
            continue;
        }
        if (!add_event(past, field.bytes, count++, &trouble)) {
            (void)(trouble.text != NULL ? corrupt(past->turns[at], &trouble, &past->err)
                                        : no_memory(count, &past->err));
            return false;
        }
    }
    if (answer == PROTO_BAD) {
        (void)wire_is_malformed(&trouble, reader.at);
        (void)corrupt(past->turns[at], &trouble, &past->err);
        return false;
    }
    const void *events = past->events.at;
    *ret = (struct turn_events){ events, count };
    return true;
}

void wire_past_init(struct wire_past *past, const struct text *turns, size_t turn_count)
{
    *past = (struct wire_past){ .base = { read_past, turn_count, turns }, .turns = turns };
    arena_init(&past->arena);
    buffer_init(&past->events);
}

void wire_past_done(struct wire_past *past)
{
    arena_done(&past->arena);
    buffer_done(&past->events);
}
