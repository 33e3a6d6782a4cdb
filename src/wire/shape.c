/* SPDX-License-Identifier: MIT
 *
 * The table of shapes: the field numbers of each event's message.
 */
#include "wire/shape.h"

/* clang-format off */
#define SHAPE(...) { true, { __VA_ARGS__ { 0, SHAPE_STRING, 0 } } }
#define FIELD(number, type, member) { number, SHAPE_##type, offsetof(struct event, member) },

const struct shape wire_shapes[SHAPE_COUNT] = {
    [EVENT_EXECUTION_STARTED] = SHAPE(FIELD(1, STRING, name)
                                      FIELD(2, WRAPPED, version)
                                      FIELD(3, WRAPPED, payload)
                                      FIELD(4, INSTANCE, instance_id)),
    [EVENT_EXECUTION_COMPLETED] = SHAPE(FIELD(1, STATUS, outcome)
                                        FIELD(2, WRAPPED, payload)
                                        FIELD(3, FAILURE, failure)),
    [EVENT_EXECUTION_TERMINATED] = SHAPE(FIELD(1, WRAPPED, payload)),
    [EVENT_TASK_SCHEDULED] = SHAPE(FIELD(1, STRING, name)
                                   FIELD(2, WRAPPED, version)
                                   FIELD(3, WRAPPED, payload)),
    [EVENT_TASK_COMPLETED] = SHAPE(FIELD(1, ID, ref)
                                   FIELD(2, WRAPPED, payload)),
    [EVENT_TASK_FAILED] = SHAPE(FIELD(1, ID, ref)
                                FIELD(2, FAILURE, failure)),
    [EVENT_TIMER_CREATED] = SHAPE(FIELD(1, TIME, fire_at)),
    [EVENT_TIMER_FIRED] = SHAPE(FIELD(1, TIME, fire_at)
                                FIELD(2, ID, ref)),
    [EVENT_ORCHESTRATOR_STARTED] = SHAPE(),
    [EVENT_ORCHESTRATOR_COMPLETED] = SHAPE(),
    [EVENT_EVENT_RAISED] = SHAPE(FIELD(1, STRING, name)
                                 FIELD(2, WRAPPED, payload)),
};

#undef FIELD
#undef SHAPE
/* clang-format on */
