/* SPDX-License-Identifier: MIT
 *
 * The tables of shapes: the numbers of each message's fields, as the protocol has them. Those from
 * 100 on are ours, in messages of the protocol too: other readers skip them.
 */
#include "wire/shape.h"

#include "core/batch.h"

/* SHAPE_INSTANCE takes the two texts to stand behind each other. */
#define NEXT_TO(type, first, second)                                                      \
    _Static_assert(offsetof(type, second) == offsetof(type, first) + sizeof(struct text), \
                   "adjacent")
NEXT_TO(struct event, instance_id, execution_id);
NEXT_TO(struct event_extra, parent_id, parent_execution_id);
_Static_assert(sizeof(enum run_state) == sizeof(int), "a run_state is written through its type");

/* clang-format off */
#define FIELDS(...)     (const struct shape_field[]){ __VA_ARGS__ { 0, 0, 0 } }
#define FIELD(number, kind, type, member) \
    { (number) << 3 | WIRE_OF_##kind, offsetof(type, member), SHAPE_##kind },
#define EVENT(number, kind, member)   FIELD(number, kind, struct event, member)
#define EXTRA(number, kind, member)   FIELD(number, kind, struct event_extra, member)
#define FAILURE(number, kind, member) FIELD(number, kind, struct failure, member)
#define RECORD(number, kind, member)  FIELD(number, kind, struct instance_record, member)

const struct shape wire_shapes[SHAPE_COUNT] = {
    [EVENT_EXECUTION_STARTED] = {
        FIELDS(EVENT(1, STRING, name)
               EVENT(2, WRAPPED, version)
               EVENT(3, WRAPPED, payload)
               EVENT(4, INSTANCE, instance_id)
               EVENT(6, TIME_SET, fire_at)),
        FIELDS(EXTRA(5, PARENT, has_parent)
               EXTRA(7, RAW, trace)
               EXTRA(9, TAGS, tags)) },
    [EVENT_EXECUTION_COMPLETED] = {
        FIELDS(EVENT(1, STATUS, outcome)
               EVENT(2, WRAPPED, payload)
               EVENT(3, FAILURE, failure)),
        NULL },
    [EVENT_EXECUTION_TERMINATED] = {
        FIELDS(EVENT(1, WRAPPED, payload)),
        FIELDS(EXTRA(2, FLAG, recurses)) },
    [EVENT_TASK_SCHEDULED] = {
        FIELDS(EVENT(1, STRING, name)
               EVENT(2, WRAPPED, version)
               EVENT(3, WRAPPED, payload)),
        FIELDS(EXTRA(4, RAW, trace)
               EXTRA(5, TAGS, tags)
               EXTRA(100, WRAPPED, progress)
               EXTRA(101, NUMBER, limits.start_ms)
               EXTRA(102, NUMBER, limits.run_ms)
               EXTRA(103, NUMBER, limits.beat_ms)
               EXTRA(104, ID, retry_of)
               EXTRA(105, ID, first)) },
    [EVENT_TASK_COMPLETED] = {
        FIELDS(EVENT(1, ID, ref)
               EVENT(2, WRAPPED, payload)),
        NULL },
    [EVENT_TASK_FAILED] = {
        FIELDS(EVENT(1, ID, ref)
               EVENT(2, FAILURE, failure)),
        FIELDS(EXTRA(100, WRAPPED, progress)) },
    [EVENT_CHILD_CREATED] = {
        FIELDS(EVENT(1, STRING, instance_id)
               EVENT(2, STRING, name)
               EVENT(3, WRAPPED, version)
               EVENT(4, WRAPPED, payload)),
        FIELDS(EXTRA(5, RAW, trace)
               EXTRA(6, TAGS, tags)
               EXTRA(100, ID, retry_of)) },
    [EVENT_CHILD_COMPLETED] = {
        FIELDS(EVENT(1, ID, ref)
               EVENT(2, WRAPPED, payload)),
        NULL },
    [EVENT_CHILD_FAILED] = {
        FIELDS(EVENT(1, ID, ref)
               EVENT(2, FAILURE, failure)),
        NULL },
    [EVENT_TIMER_CREATED] = {
        FIELDS(EVENT(1, TIME, fire_at)),
        FIELDS(EXTRA(100, ID, retry_of)) },
    [EVENT_TIMER_FIRED] = {
        FIELDS(EVENT(1, TIME, fire_at)
               EVENT(2, ID, ref)),
        NULL },
    [EVENT_ORCHESTRATOR_STARTED] = { FIELDS(), NULL },
    [EVENT_ORCHESTRATOR_COMPLETED] = { FIELDS(), NULL },
    [EVENT_EVENT_SENT] = {
        FIELDS(EVENT(1, STRING, instance_id)
               EVENT(2, STRING, name)
               EVENT(3, WRAPPED, payload)),
        NULL },
    [EVENT_EVENT_RAISED] = {
        FIELDS(EVENT(1, STRING, name)
               EVENT(2, WRAPPED, payload)),
        NULL },
    [EVENT_EXECUTION_SUSPENDED] = { FIELDS(EVENT(1, WRAPPED, payload)), NULL },
    [EVENT_EXECUTION_RESUMED] = { FIELDS(EVENT(1, WRAPPED, payload)), NULL },
    [EVENT_ENTITY_SIGNALED] = {
        FIELDS(EVENT(1, STRING, request_id)
               EVENT(2, STRING, name)
               EVENT(3, TIME_SET, fire_at)
               EVENT(4, WRAPPED, payload)
               EVENT(5, WRAPPED, instance_id)),
        FIELDS(EXTRA(100, SENDER, has_parent)
               EXTRA(101, WRAPPED, parent_execution_id)) },
    [EVENT_ENTITY_CALLED] = {
        FIELDS(EVENT(1, STRING, request_id)
               EVENT(2, STRING, name)
               EVENT(3, TIME_SET, fire_at)
               EVENT(4, WRAPPED, payload)
               EVENT(7, WRAPPED, instance_id)),
        FIELDS(EXTRA(5, SENDER, has_parent)
               EXTRA(6, WRAPPED, parent_execution_id)) },
    [EVENT_ENTITY_COMPLETED] = {
        FIELDS(EVENT(1, STRING, request_id)
               EVENT(2, WRAPPED, payload)
               EVENT(100, STEP, ref)),
        NULL },
    [EVENT_ENTITY_FAILED] = {
        FIELDS(EVENT(1, STRING, request_id)
               EVENT(2, FAILURE, failure)
               EVENT(100, STEP, ref)),
        NULL },
    [EVENT_LOCK_REQUESTED] = {
        FIELDS(EVENT(1, STRING, request_id)),
        FIELDS(EXTRA(2, LOCK_SET, lock_set)
               EXTRA(3, ID, position)
               EXTRA(4, SENDER, has_parent)
               EXTRA(100, WRAPPED, parent_execution_id)) },
    [EVENT_LOCK_GRANTED] = {
        FIELDS(EVENT(1, STRING, request_id)
               EVENT(100, STEP, ref)),
        NULL },
    [EVENT_UNLOCK_SENT] = {
        FIELDS(EVENT(1, STRING, request_id)
               EVENT(3, WRAPPED, instance_id)),
        FIELDS(EXTRA(2, SENDER, has_parent)
               EXTRA(100, WRAPPED, parent_execution_id)
               EXTRA(101, LOCK_SET, lock_set)
               EXTRA(102, ID, position)) },
    [EVENT_EXECUTION_REWOUND] = { FIELDS(EVENT(1, WRAPPED, payload)), NULL },
    [EVENT_STEP_CANCELLED] = { FIELDS(EVENT(1, ID, ref)), NULL },
    [EVENT_CHANGE_MARKED] = { FIELDS(EVENT(1, STRING, name)), NULL },
    [EVENT_TRACE_NOTED] = { FIELDS(EVENT(1, RAW, payload)), NULL },
    [EVENT_SIGNAL_CANCELLED] = {
        FIELDS(EVENT(1, STRING, request_id)
               EVENT(2, WRAPPED, instance_id)),
        NULL },
};

const struct shape_field wire_failure_shape[] = {
    FAILURE(1, STRING, type)
    FAILURE(2, STRING, message)
    FAILURE(5, FLAG, is_final)
    { 0, 0, 0 } };

const struct shape_field wire_record_shape[] = {
    RECORD(1, STRING, id)
    RECORD(2, STRING, name)
    RECORD(3, WRAPPED, version)
    RECORD(4, STATUS, state)
    RECORD(5, TIME_SET, starts_at)
    RECORD(6, TIME, created_at)
    RECORD(7, TIME, updated_at)
    RECORD(8, WRAPPED, input)
    RECORD(9, WRAPPED, output)
    RECORD(10, WRAPPED, custom_status)
    RECORD(11, ENCODED, failure)
    RECORD(12, WRAPPED, execution_id)
    RECORD(13, TIME_SET, ended_at)
    RECORD(14, WRAPPED, parent_id)
    RECORD(15, TAGS, tags)
    { 0, 0, 0 } };

const struct shape_field wire_instance_shape[] = {
    { 1 << 3 | WIRE_OF_STRING, 0, SHAPE_STRING },
    { 2 << 3 | WIRE_OF_WRAPPED, sizeof(struct text), SHAPE_WRAPPED },
    { 0, 0, 0 } };

const struct shape_field wire_parent_shape[] = {
    EXTRA(1, ID, parent_step)
    EXTRA(2, WRAPPED, parent_name)
    EXTRA(3, WRAPPED, parent_version)
    EXTRA(4, INSTANCE, parent_id)
    { 0, 0, 0 } };

const struct shape_field wire_parent_field[] = {
    EXTRA(ARCHIVE_PARENT, PARENT, has_parent)
    { 0, 0, 0 } };
/* clang-format on */
