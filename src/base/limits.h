/* SPDX-License-Identifier: MIT
 *
 * Limits: every maximum, with its reason.
 *
 * A limit has a name, a number and a reason here, and a test at the number and one past it where
 * it is applied. Exceeding one is PD_E_LIMIT (or PD_E_INVALID for names and ids), never a crash and
 * never a silent cut. Numbers that relate to each other are compared below, at compile time.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* ---- names and payloads ---- */

/* Characters of an instance id, 1 to this; up to four bytes each. Fits an index key of every store,
 * and a URL; entity ids are "@name@key" and share it. */
#define LIMIT_INSTANCE_ID 256

/* Bytes of one that came from clients or workers of the Durable Task protocol, which says so. */
#define LIMIT_PLAIN_ID 100

/* Bytes of the name of a function, event, entity, operation or hub, and of a version. */
#define LIMIT_NAME 256

/* Bytes of one payload as JSON, unless configured otherwise. Larger things belong in a file or
 * an object store, with their address in the payload: each is held, sent and replayed whole. */
#define LIMIT_PAYLOAD_BYTES (16 * 1024 * 1024)

/* What a hub may be told to allow instead (pd_hub_open). Less than the smallest would refuse what
 * nearly every call sends; the largest still fits a turn, with what the turn takes in. */
#define LIMIT_PAYLOAD_LEAST 64
#define LIMIT_PAYLOAD_MOST (64 * 1024 * 1024)

/* Tags of an instance, and bytes of a key or a value. They are kept with the instance's row and
 * copied to its children: they say what it is about, and are not a payload. */
#define LIMIT_TAGS 64
#define LIMIT_TAG_BYTES 256

/* Tags of an instance with all that it has from its ancestors, and of one message that a worker of
 * whoever sends. More are corrupt when read, so that no bytes can make sorting them take too long:
 * nobody may write them. */
#define LIMIT_TAGS_INHERITED (4 * LIMIT_TAGS)

/* Arrays and objects inside each other. Bounds the parser's recursion, so that it fits the smallest
 * orchestration stack, and the room that walks over a value set aside. */
#define LIMIT_JSON_DEPTH 64

/* Causes that stand beside each other, such as all that failed of a fan-out; others are left out:
 * they mostly fail for the same reason, and each is in history as the end of its step anyway. */
#define LIMIT_FAILURE_CAUSES 16

/* Causes behind a failure; deeper ones are left out. A failure crosses sub-orchestrations, each of
 * which adds one, and is kept in full in every history on its way. */
#define LIMIT_FAILURE_DEPTH 32

/* Causes of one failure in all. The two above alone would let one that user code made, and that
 * leads back to itself, unfold without an end in sight. */
#define LIMIT_FAILURE_PARTS 1024

/* ---- stacks ---- */

/* Bytes of stack per orchestration in memory. Reserved, not touched: most use one or two pages. */
#define LIMIT_STACK_DEFAULT (64 * 1024)

/* Below this, parsing a payload of LIMIT_JSON_DEPTH does not fit. */
#define LIMIT_STACK_MIN (16 * 1024)

/* Bytes of stack one level of a JSON value may take while it is parsed; measured: 116, in jansson.
 * We do not recurse ourselves. See deepest_value_fits_the_smallest_stack. */
#define LIMIT_JSON_FRAME 160

/* ---- engine ---- */

/* Partitions of a hub: one bit each in a 64-bit set. */
#define LIMIT_PARTITIONS 64

/* New events one turn takes in; the rest waits for the next turn. Bounds what one commit holds and
 * how long one instance may keep its partition busy. */
#define LIMIT_TURN_EVENTS 10000

/* Likewise in bytes of payloads: a turn that has so many takes no further event. */
#define LIMIT_TURN_INTAKE_BYTES (64 * 1024 * 1024)

/* Bytes of what one turn asks for; more fails the instance. With the intake and one payload more it
 * has to fit into one value of a store: a turn that no store can keep would be tried for ever, and
 * bring down its partition each time. SQLite's bound is 1,000,000,000. */
#define LIMIT_TURN_ACTION_BYTES (512 * 1024 * 1024)

/* Rows of one page of a query, at most and unless asked otherwise. */
#define LIMIT_QUERY_PAGE 1000
#define LIMIT_QUERY_PAGE_DEFAULT 100
#define LIMIT_QUERY_BYTES (16 << 20) /* of payloads: ends a page */

/* ---- entities ---- */

/* Entities of one critical section. Its request has to travel to each, and carries all of them. */
#define LIMIT_LOCK_SET 256

/* In a partition's memory: entities that wait for nothing, however many residents it may have, and
 * bytes of their states and of what waits for them. They come back with one read of the store; a
 * stream of signals to so many finds all of them here. */
#define LIMIT_ENTITIES_RESIDENT 25000
#define LIMIT_ENTITY_BYTES_RESIDENT (64 * 1024 * 1024)

/* Of what waits for one entity so many bytes are counted at most. It comes back much slower than a
 * state does, so a few for which very much waits stay, whatever they take. */
#define LIMIT_ENTITY_WAITING_COUNTED (LIMIT_ENTITY_BYTES_RESIDENT / 64)

/* ---- managing ---- */

/* Instances that are forgotten in one commit: others wait no longer than for that. */
#define LIMIT_PURGE_BATCH 500

/* Bytes of an instance with its history in an archive. It is made and read in one piece, and has to
 * fit into one value of a store, which is how it gets to another engine. */
#define LIMIT_ARCHIVE_BYTES (512 * 1024 * 1024)

/* Its events, and its turns. Whoever takes it in has all of them before him, each some 200 bytes,
 * however short it is in the archive; those that were written by an engine are long enough for the
 * limit of bytes to come first. */
#define LIMIT_ARCHIVE_EVENTS 8000000

/* ---- how they relate ---- */

_Static_assert(LIMIT_STACK_MIN <= LIMIT_STACK_DEFAULT, "the default stack is allowed");
_Static_assert(LIMIT_STACK_DEFAULT % 4096 == 0 && LIMIT_STACK_MIN % 4096 == 0, "whole pages");
_Static_assert((LIMIT_JSON_DEPTH) * (LIMIT_JSON_FRAME) <= LIMIT_STACK_MIN * 3 / 4,
               "parsing the deepest value fits the smallest stack");
_Static_assert(LIMIT_QUERY_PAGE_DEFAULT <= LIMIT_QUERY_PAGE, "the default page is allowed");
_Static_assert(LIMIT_PARTITIONS <= 64, "a set of partitions is a uint64_t");
_Static_assert(LIMIT_NAME <= LIMIT_INSTANCE_ID, "an id can be made of a name");
_Static_assert(LIMIT_PAYLOAD_LEAST <= LIMIT_PAYLOAD_BYTES &&
                   LIMIT_PAYLOAD_BYTES <= LIMIT_PAYLOAD_MOST,
               "the default payload is allowed");
_Static_assert(LIMIT_TURN_ACTION_BYTES + LIMIT_TURN_INTAKE_BYTES + LIMIT_PAYLOAD_MOST < 1000000000,
               "a turn fits one value of a store");
_Static_assert(LIMIT_PAYLOAD_MOST < 0x7fffffff, "sizes of payloads fit an int32_t in protobuf");

#endif
