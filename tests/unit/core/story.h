/* SPDX-License-Identifier: MIT
 *
 * Stories: commands in, everything that follows out, as a page of text.
 *
 * A line that begins with "> " is a command, one with "#" a remark; both are kept. What follows a
 * command, indented, is what came of it. Running a story writes it anew from its commands, so that
 * comparing it with the file is the test, and writing it back is --update.
 *
 *   > at MS                           the time it is now
 *   > start ID PROGRAM [INPUT]        programs: rig.c
 *   > raise ID NAME [PAYLOAD]
 *   > complete ID STEP [PAYLOAD]      a result of an activity
 *   > fail ID STEP TYPE MESSAGE
 *   > rewind ID [REASON]              one that failed, and is stored so
 *   > fork ID EVENT NEW_ID            from what is stored; 0: all of it
 *   > fire                            timers that are due
 *   > run                             all turns there are
 *   > open                            takes the next turn, and leaves it open
 *   > end                             ends the one left open
 *   > cut                             takes the batch, and shows it
 *   > commit                          the oldest batch in flight is durable
 *   > crash                           memory is lost; a new owner recovers
 *   > forgetful                       the runner remembers nothing from here on
 */
#ifndef TESTS_UNIT_CORE_STORY_H
#define TESTS_UNIT_CORE_STORY_H

#include "base/buffer.h"
#include "base/text.h"

void story_run(struct text story, struct buffer *out);

#endif
