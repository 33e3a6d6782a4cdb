/* SPDX-License-Identifier: MIT
 *
 * What the tests of schedules share, beside the kit of entities: putting one, and how it stands. */
#ifndef TESTS_API_SCHEDULE_KIT_H
#define TESTS_API_SCHEDULE_KIT_H

#include "entity_kit.h"

pd_time sched_now(void);

/* Fail the test when the call fails. */
void sched_put(struct kit *kit, const pd_schedule *schedule);
void sched_order(struct kit *kit, const char *id, pd_schedule_order what);

/* A number of its state; 0 also where there is none. */
int64_t sched_number(struct kit *kit, const char *id, const char *key);
/* "": also where there is none. */
bool sched_has_text(struct kit *kit, const char *id, const char *key, const char *wanted);
void sched_await_text(struct kit *kit, const char *id, const char *key, const char *wanted);
void sched_await_number(struct kit *kit, const char *id, const char *key, int64_t least);

uint64_t sched_instances(struct kit *kit, const char *prefix);

/* "s:2026-11-22T08:00:00Z" for the whole second after `from`; of the last call. */
const char *sched_id_after(const char *schedule, pd_time from, int seconds);

#endif
