/* SPDX-License-Identifier: MIT
 *
 * Shapes: which fields a message has, and where in a struct of ours they are.
 *
 * Measuring, writing and reading all walk these tables, so that they cannot disagree. What the wire
 * cannot say by leaving a field out is in read.c, H1.
 *
 *   S1  A field of a table is found by its tag: number and wire type together. So one that comes
 *       with another wire type is as unknown as one of another number.
 *   S2  Numbers are at most 2047, so that tags are one byte or two.
 */
#ifndef WIRE_SHAPE_H
#define WIRE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"

enum { CHUNK_EVENTS = 1, EVENT_ID = 1, EVENT_TIMESTAMP = 2 };
enum { TIMESTAMP_SECONDS = 1, TIMESTAMP_NANOS = 2 };
enum { WRAPPED_VALUE = 1 };
enum { TAG_KEY = 1, TAG_VALUE = 2 };
enum { ARCHIVE_STATE = 1, ARCHIVE_PARENT = 2, ARCHIVE_TURNS = 3, ARCHIVE_INBOX = 4 };

enum shape_type {
    SHAPE_STRING,   /* struct text; string: left out when empty, so never absent */
    SHAPE_WRAPPED,  /* struct text; StringValue: absent is not empty */
    SHAPE_ENCODED,  /* struct text; a TaskFailureDetails that is bytes already, or absent */
    SHAPE_RAW,      /* struct text; another message that is bytes, not looked into, or absent */
    SHAPE_ID,       /* int32_t; int32 */
    SHAPE_STEP,     /* int32_t; optional int32: left out when EVENT_NO_ID, so 0 is written */
    SHAPE_NUMBER,   /* int64_t; int64 */
    SHAPE_FLAG,     /* bool; bool */
    SHAPE_STATUS,   /* enum run_state; OrchestrationStatus */
    SHAPE_TIME,     /* time_us; Timestamp, always there */
    SHAPE_TIME_SET, /* time_us; Timestamp, left out when 0 */
    SHAPE_FAILURE,  /* const struct failure *; TaskFailureDetails */
    SHAPE_INSTANCE, /* two texts, id and execution id; OrchestrationInstance */
    SHAPE_PARENT,   /* has_parent of struct event_extra, and the rest; ParentInstanceInfo */
    SHAPE_SENDER,   /* likewise, of the rest only parent_id; StringValue */
    /* From here on lists: their entries belong together. */
    SHAPE_TAGS,     /* struct text, packed as base/tags.h says; map<string, string> */
    SHAPE_LOCK_SET, /* struct text, as core/lock_set.h says; repeated string */
};

/* Wire types, so that a table can be made of constants. */
enum {
    WIRE_OF_STRING = 2,
    WIRE_OF_WRAPPED = 2,
    WIRE_OF_ENCODED = 2,
    WIRE_OF_RAW = 2,
    WIRE_OF_ID = 0,
    WIRE_OF_STEP = 0,
    WIRE_OF_NUMBER = 0,
    WIRE_OF_FLAG = 0,
    WIRE_OF_STATUS = 0,
    WIRE_OF_TIME = 2,
    WIRE_OF_TIME_SET = 2,
    WIRE_OF_FAILURE = 2,
    WIRE_OF_INSTANCE = 2,
    WIRE_OF_PARENT = 2,
    WIRE_OF_SENDER = 2,
    WIRE_OF_TAGS = 2,
    WIRE_OF_LOCK_SET = 2,
};

struct shape_field {
    uint16_t tag;    /* 0 ends a table */
    uint16_t offset; /* in the struct of the table */
    uint8_t type;    /* enum shape_type */
};

/* The message of one kind of event. */
struct shape {
    const struct shape_field *fields; /* of struct event; NULL: a kind that we do not know */
    const struct shape_field *extras; /* of struct event_extra; NULL: the kind has none */
};

enum { SHAPE_COUNT = EVENT_TRACE_NOTED + 1 };
extern const struct shape wire_shapes[SHAPE_COUNT];

extern const struct shape_field wire_failure_shape[];  /* of struct failure, but for its causes */
extern const struct shape_field wire_record_shape[];   /* OrchestrationState: instance_record */
extern const struct shape_field wire_parent_field[];   /* of an archive: struct event_extra */
extern const struct shape_field wire_instance_shape[]; /* of two texts */
extern const struct shape_field wire_parent_shape[];   /* ParentInstanceInfo: struct event_extra */

/* NULL: a kind that we do not know. */
static inline const struct shape *shape_of(uint32_t kind)
{
    return kind < SHAPE_COUNT && wire_shapes[kind].fields != NULL ? &wire_shapes[kind] : NULL;
}

#endif
