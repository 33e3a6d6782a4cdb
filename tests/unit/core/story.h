/* SPDX-License-Identifier: MIT
 *
 * Stories: commands in, everything that follows out, as a page of text.
 *
 * A line that begins with "> " is a command, one with "#" a remark; both are kept. What follows a
 * command, indented, is what came of it. Running a story writes it anew from its commands, so that
 * comparing it with the file is the test, and writing it back is --update.
 *
 *   > at MS                           the time it is now
 *   > start ID PROGRAM [INPUT]        programs: rig_programs.c; takes the place of one that ended
 *   > replace ID PROGRAM [INPUT]      likewise, and of one that has not
 *   > later MS ID PROGRAM [INPUT]     starts not before that time
 *   > raise ID NAME [PAYLOAD]
 *   > complete ID STEP [PAYLOAD]      a result of an activity
 *   > fail ID STEP TYPE MESSAGE
 *   > progress ID STEP JSON           a heartbeat
 *   > terminate ID [OUTPUT]           terminate-all: its children too
 *   > suspend ID [REASON]             quarantine: for this reason as a failure
 *   > resume ID [REASON]
 *   > purge ID
 *   > rewind ID [REASON]              one that failed, and is stored so
 *   > fork ID EVENT NEW_ID            from what is stored; 0: all of it
 *   > signal ENTITY OP [PAYLOAD]      from a client
 *   > signal-at MS ENTITY OP [PAYLOAD]   not before that time
 *   > cancel-signal ENTITY REQUEST
 *   > unlock ENTITY SECTION           whoever owns it
 *   > purge-entity ENTITY
 *   > fire                            timers that are due
 *   > horizon MS                      timers up to there come into memory
 *   > run                             all turns there are, and letters
 *   > open                            takes the next turn, and leaves it open
 *   > end                             ends the one left open
 *   > deliver                         letters; cut does so, too
 *   > cut                             takes the batch, and shows it
 *   > commit                          the oldest batch in flight is durable
 *   > evict                           lets go of all that may go
 *   > crash                           memory is lost; a new owner recovers
 *   > forgetful                       the runner remembers nothing from here on
 *   > counters                        what was dropped so far
 */
#ifndef TESTS_UNIT_CORE_STORY_H
#define TESTS_UNIT_CORE_STORY_H

#include "base/buffer.h"
#include "base/text.h"

void story_run(struct text story, struct buffer *out);

#endif
