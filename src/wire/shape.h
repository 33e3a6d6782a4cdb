/* SPDX-License-Identifier: MIT
 *
 * Shapes: which fields the message of each kind of event has, and where in struct event they are.
 *
 * Measuring, writing and reading all walk this one table, so that they cannot disagree. What the
 * wire cannot say by leaving a field out is in read.c, H1.
 */
#ifndef WIRE_SHAPE_H
#define WIRE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"

enum { CHUNK_EVENTS = 1, EVENT_ID = 1, EVENT_TIMESTAMP = 2 };
enum { TIMESTAMP_SECONDS = 1, TIMESTAMP_NANOS = 2 };
enum { INSTANCE_ID = 1, INSTANCE_EXECUTION_ID = 2 };
enum { WRAPPED_VALUE = 1 };

enum shape_type {
    SHAPE_STRING,   /* string: left out when empty, so never absent */
    SHAPE_WRAPPED,  /* StringValue: absent is not empty */
    SHAPE_ID,       /* int32 */
    SHAPE_TIME,     /* Timestamp */
    SHAPE_STATUS,   /* OrchestrationStatus */
    SHAPE_FAILURE,  /* TaskFailureDetails */
    SHAPE_INSTANCE, /* OrchestrationInstance: instance_id and execution_id */
};

struct shape_field {
    uint8_t number; /* at most 15, so that tags are one byte */
    enum shape_type type;
    size_t offset; /* in struct event; SHAPE_INSTANCE also has execution_id */
};

enum { SHAPE_FIELDS_MAX = 4 };

/* The message of one kind; its fields end with number 0. */
struct shape {
    bool is_known;
    struct shape_field fields[SHAPE_FIELDS_MAX + 1];
};

enum { SHAPE_COUNT = EVENT_EVENT_RAISED + 1 };
extern const struct shape wire_shapes[SHAPE_COUNT];

/* NULL: a kind that we do not know. */
static inline const struct shape *shape_of(uint32_t kind)
{
    return kind < SHAPE_COUNT && wire_shapes[kind].is_known ? &wire_shapes[kind] : NULL;
}

static inline const void *shape_member(const struct event *event, const struct shape_field *field)
{
    return (const char *)event + field->offset;
}

static inline void *shape_member_for(struct event *event, const struct shape_field *field)
{
    return (char *)event + field->offset;
}

#endif
