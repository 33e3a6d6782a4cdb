/* SPDX-License-Identifier: MIT */
#include "schedule_kit.h"

#include <stdio.h>
#include <time.h>

pd_time sched_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (pd_time){ (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 };
}

void sched_put(struct kit *kit, const pd_schedule *schedule)
{
    pd_error err;
    kit_expect(pd_hub_put_schedule(kit->hub, schedule, &err), PD_OK, &err, "put");
}

void sched_order(struct kit *kit, const char *id, pd_schedule_order what)
{
    pd_error err;
    kit_expect(pd_hub_order_schedule(kit->hub, id, what, &err), PD_OK, &err, "order");
}

/* A number of its state; 0 also where there is none. */
int64_t sched_number(struct kit *kit, const char *id, const char *key)
{
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, id));
    int64_t got = pd_int(pd_get(pd_entity_view_state(view), key));
    pd_entity_view_free(view);
    return got;
}

bool sched_has_text(struct kit *kit, const char *id, const char *key, const char *wanted)
{
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, id));
    bool has = strcmp(pd_text(pd_get(pd_entity_view_state(view), key)), wanted) == 0;
    pd_entity_view_free(view);
    return has;
}

void sched_await_text(struct kit *kit, const char *id, const char *key, const char *wanted)
{
    for (int i = 0; i < 2000; i++) {
        if (ent_exists(kit, PD_ENTITY(PD_SCHEDULE, id)) && sched_has_text(kit, id, key, wanted)) {
            return;
        }
        kit_sleep_ms(5);
    }
    fail_msg("%s of %s does not become '%s'", key, id, wanted);
}

void sched_await_number(struct kit *kit, const char *id, const char *key, int64_t least)
{
    for (int i = 0; i < 4000; i++) {
        if (ent_exists(kit, PD_ENTITY(PD_SCHEDULE, id)) && sched_number(kit, id, key) >= least) {
            return;
        }
        kit_sleep_ms(5);
    }
    fail_msg("%s of %s does not come to %lld", key, id, (long long)least);
}

uint64_t sched_instances(struct kit *kit, const char *prefix)
{
    return kit_count(kit, (pd_query){ .id_prefix = prefix });
}

/* "s:2026-11-22T08:00:00Z" for the whole second after `from`. */
const char *sched_id_after(const char *schedule, pd_time from, int seconds)
{
    static char id[64];
    time_t at = (time_t)(from.ms / 1000) + seconds;
    struct tm tm;
    char text[32];
    assert_non_null(gmtime_r(&at, &tm));
    assert_true(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
    (void)snprintf(id, sizeof id, "%s:%s", schedule, text);
    return id;
}
