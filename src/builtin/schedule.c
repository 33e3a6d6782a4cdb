/* SPDX-License-Identifier: MIT
 *
 * perdure.schedule  an entity for each schedule: its state says what is due next, and a signal to
 *                   itself, for that time, is what wakes it
 * perdure.run       an orchestration around an instance whose end a schedule has to hear of
 *
 *   H1  What an operation starts, and that it was started, are committed together: so each time
 *       that is due starts one instance, whatever dies in between.
 *   H2  One signal waits at a time. It carries the generation of the plan that it belongs to; one
 *       of an earlier plan, which could not be taken back any more, is ignored.
 *   H3  One operation starts at most STARTS_MAX instances, of BYTES_MAX in all, and passes at most
 *       PASSES_MAX times; the rest is left to the next signal, which is due at once. If the rule
 *       is no more by then, none of the rest is started; it is late, as far as it was passed.
 *   H4  Each time up to `met` has been met: started, or counted. `met` never goes back, so no time
 *       starts another instance, which would replace that of its ID, when clocks go back; and none
 *       is lost by an order that comes before its signal.
 *   H5  It looks at its rule once a day: what the zone's file said when the next time was found may
 *       not be what it says when that comes. */
#include <perdure.h>
#include <string.h>

#include "base/time.h"
#include "builtin/builtin.h"
#include "builtin/schedule.h"
#include "calendar/calendar.h"
#include "calendar/civil.h"

enum { STARTS_MAX = 100, PASSES_MAX = 20000, AGAIN_MS = 60000, FAR_MS = 24 * 3600 * 1000 };
enum { BYTES_MAX = 32 * 1024 * 1024 };

/* ---- planning ------------------------------------------------------------------------------- */

static void release_rule(void *rule)
{
    rule_free(rule);
}

/* NULL: it cannot be read here; s->problem says why. */
static struct rule *rule_of(pd_entity *e, struct schedule *s)
{
    pd_error err;
    if (s->orchestrator[0] == '\0') {
        s->problem = "it does not say what it starts; put it again";
        return NULL;
    }
    struct rule *rule = rule_parse(s->rule, s->zone, &err);
    s->problem = rule == NULL ? pd_format(e, "%s", err.text) : NULL;
    if (rule != NULL) {
        pd_defer(e, release_rule, rule);
    }
    return rule;
}

static long long next_after(const struct schedule *s, const struct rule *rule, long long after)
{
    if (s->begins != 0 && after < s->begins) {
        after = s->begins - 1;
    }
    time_us next = rule_next(rule, time_us_of_ms(s->anchor), time_us_of_ms(after));
    if (next == TIME_NEVER || (s->ends != 0 && time_ms_of_us(next) > s->ends)) {
        return 0;
    }
    return time_ms_of_us(next);
}

static bool is_paused(const struct schedule *s)
{
    return strcmp(s->status, "paused") == 0;
}

static void cancel(pd_entity *e, struct schedule *s)
{
    if (s->signal != NULL) {
        pd_cancel_signal(e, PD_ENTITY(PD_SCHEDULE, pd_entity_key(e)), s->signal);
    }
    s->signal = NULL;
    s->generation++;
}

/* H2. What is due next. A rule that cannot be read here is tried again later: its zone may be
 * installed by then, and nothing is met meanwhile. */
static void plan(pd_entity *e, struct schedule *s, const struct rule *rule)
{
    cancel(e, s);
    s->next = 0;
    if (is_paused(s)) {
        return;
    }
    s->next = rule != NULL ? next_after(s, rule, s->met) : 0;
    s->status = s->next != 0 || rule == NULL ? "active" : "over";
    long long now = pd_entity_now(e).ms, at = rule != NULL ? s->next : now + AGAIN_MS;
    at = at < now + FAR_MS ? at : now + FAR_MS; /* H5 */
    if (at != 0) {
        s->signal = pd_signal_entity(e, PD_ENTITY(PD_SCHEDULE, pd_entity_key(e)), "due",
                                     s->generation, .at = { at });
    }
}

/* ---- starting ------------------------------------------------------------------------------- */

static const char *iso(pd_entity *e, long long ms)
{
    int64_t days = floor_div(ms, DAY_SECONDS * INT64_C(1000));
    int of_day = (int)(ms - days * DAY_SECONDS * 1000);
    struct civil civil = civil_of(days);
    const char *text =
        pd_format(e, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)civil.year, civil.month,
                  civil.day, of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60);
    return of_day % 1000 == 0 ? pd_format(e, "%sZ", text)
                              : pd_format(e, "%s.%03dZ", text, of_day % 1000);
}

static pd_value tags_of(pd_entity *e, const struct schedule *s)
{
    pd_dict *tags = pd_dict_new(e);
    for (size_t i = 0; i < pd_count(s->tags); i++) {
        pd_dict_set(tags, pd_key_at(s->tags, i), pd_value_at(s->tags, i));
    }
    pd_dict_set(tags, PD_SCHEDULE, pd_entity_key(e));
    return pd_of_dict(tags);
}

static void start(pd_entity *e, struct schedule *s, long long due, bool is_watched)
{
    const char *id = pd_format(e, "%s:%s", pd_entity_key(e), iso(e, due));
    pd_value tags = tags_of(e, s);
    if (is_watched) {
        pd_value run = pd_keep(e, PD_OBJ("schedule", pd_entity_key(e), "id", id, "orchestrator",
                                         s->orchestrator, "version",
                                         s->version != NULL ? s->version : "", "input", s->input));
        (void)pd_start_from_entity(e, BUILTIN_RUN, run, .id = pd_format(e, BUILTIN_RUN ":%s", id),
                                   .tags = tags);
        s->running = id;
    } else {
        (void)pd_start_from_entity(e, s->orchestrator, s->input, .id = id, .version = s->version,
                                   .tags = tags);
    }
    s->started++;
    s->last = pd_keep(e, PD_OBJ("due", due, "at", pd_entity_now(e).ms, "id", id));
}

static bool is_allowed(const struct schedule *s)
{
    return strcmp(s->overlap, "allow") == 0;
}

/* A time has come. */
static void meet(pd_entity *e, struct schedule *s, long long due)
{
    if (is_allowed(s) || s->running == NULL) {
        start(e, s, due, !is_allowed(s));
    } else if (strcmp(s->overlap, "buffer") == 0 && s->buffered == 0) {
        s->buffered = due;
    } else {
        s->skipped++;
    }
}

/* Is it to be started, so late? is_last: no later one has come yet. */
static bool is_wanted(const struct schedule *s, long long late, bool is_last)
{
    if (late < 1000) {
        return true;
    }
    if (s->missed_max != 0 && late > s->missed_max) {
        return false;
    }
    return strcmp(s->missed, "all") == 0 || (is_last && strcmp(s->missed, "last") == 0);
}

/* H3 */
static long long starts_max(pd_entity *e, const struct schedule *s)
{
    long long fit = BYTES_MAX / (1 + (long long)strlen(pd_json(e, s->input)));
    return fit < 1 ? 1 : fit < STARTS_MAX ? fit : STARTS_MAX;
}

/* Of times that have come: met one after the other; met now or never; or left out. */
enum settling { SETTLE_ON, SETTLE_FOR_GOOD, SETTLE_AS_LATE };

/* H4. What is not to be started is counted as late. */
static void settle(pd_entity *e, struct schedule *s, const struct rule *rule, enum settling how)
{
    long long now = pd_entity_now(e).ms, before = s->started;
    long long time = next_after(s, rule, s->met);
    long long most = time != 0 && time <= now ? starts_max(e, s) : 0;
    for (int passed = 0; time != 0 && time <= now && passed < PASSES_MAX; passed++) {
        bool is_full = s->started - before >= most;
        if (is_full && how == SETTLE_ON) {
            break;
        }
        long long next = next_after(s, rule, time);
        bool may_start = !is_full && how != SETTLE_AS_LATE;
        if (may_start && is_wanted(s, now - time, next == 0 || next > now)) {
            meet(e, s, time);
        } else {
            s->late++;
        }
        s->met = time;
        time = next;
    }
}

/* Nothing until now is met any more, nor what has the ID of a trigger, should clocks go back. */
static void leave_behind(pd_entity *e, struct schedule *s)
{
    long long now = pd_entity_now(e).ms, from = now > s->triggered ? now : s->triggered;
    s->met = s->met > from ? s->met : from;
}

/* ---- operations ----------------------------------------------------------------------------- */

/* Anybody may put a schedule, or start a perdure.run. */
static bool may_run(const char *orchestrator)
{
    return !builtin_is_for_us(orchestrator) || strcmp(orchestrator, BUILTIN_ACTIVITY) == 0;
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* A program puts its schedules each time it starts: the times of the same rule go on then. */
static bool goes_on(const struct schedule *old, const struct schedule *new)
{
    return strcmp(old->status, "active") == 0 && !is_paused(new) &&
           is_same_text(old->rule, new->rule) && is_same_text(old->zone, new->zone) &&
           old->begins == new->begins;
}

/* The times of a plan end now: those that have come are met, or left out by a pause. */
static void end_plan(pd_entity *e, struct schedule *s, enum settling how)
{
    struct rule *rule = is_paused(s) ? NULL : rule_of(e, s);
    if (rule != NULL) {
        settle(e, s, rule, how);
    }
    leave_behind(e, s);
}

static void meet_buffered(pd_entity *e, struct schedule *s)
{
    long long buffered = s->buffered;
    s->buffered = 0;
    s->running = NULL;
    if (buffered != 0) {
        meet(e, s, buffered);
    }
}

static pd_result put(pd_entity *e, pd_value input)
{
    struct schedule s = { .status = "paused" }, new = { 0 };
    pd_value paused = pd_get(input, "paused");
    const char *wrong = schedule_take(e, input, &new);
    if (wrong == NULL && pd_kind_of(paused) != PD_IS_NULL && pd_kind_of(paused) != PD_IS_BOOL) {
        wrong = "'paused' of a schedule is neither true nor false";
    }
    if (wrong != NULL) {
        return pd_fail(e, "BadInput", "%s", wrong);
    }
    new.status = pd_bool(paused) ? "paused" : "active";
    if (builtin_is_own(pd_entity_key(e)) || !may_run(new.orchestrator)) {
        return pd_fail(e, "Misuse", "it is Perdure's own"); /* and trusts who starts it */
    }
    if (pd_has_state(e)) {
        s = schedule_read(e);
    }
    if (!goes_on(&s, &new)) {
        end_plan(e, &s, is_paused(&new) ? SETTLE_AS_LATE : SETTLE_FOR_GOOD);
        s.anchor = new.begins != 0 ? new.begins : pd_entity_now(e).ms;
    }
    (void)schedule_take(e, input, &s);
    s.status = new.status;
    if (is_allowed(&s)) {
        meet_buffered(e, &s);
    }
    plan(e, &s, rule_of(e, &s));
    schedule_write(e, &s);
    return pd_ok(e, PD_NULL);
}

static pd_result due(pd_entity *e, pd_value generation)
{
    struct schedule s = { 0 };
    if (pd_has_state(e)) {
        s = schedule_read(e);
    }
    bool is_old = s.generation != 0 && pd_int(generation) != s.generation;
    if (!pd_has_state(e) || is_old || is_paused(&s)) {
        return pd_ok(e, PD_NULL); /* H2 */
    }
    s.signal = NULL; /* it is this one */
    struct rule *rule = rule_of(e, &s);
    if (rule != NULL) {
        settle(e, &s, rule, SETTLE_ON);
    }
    plan(e, &s, rule);
    schedule_write(e, &s);
    return pd_ok(e, PD_NULL);
}

/* From perdure.run. */
static pd_result ended(pd_entity *e, pd_value id)
{
    struct schedule s = { 0 };
    if (pd_has_state(e)) {
        s = schedule_read(e);
    }
    if (s.running == NULL || strcmp(s.running, pd_text(id)) != 0) {
        return pd_ok(e, PD_NULL);
    }
    meet_buffered(e, &s);
    schedule_write(e, &s);
    return pd_ok(e, PD_NULL);
}

static pd_result no_such(pd_entity *e)
{
    return pd_fail(e, "NotFound", "there is no schedule '%s'", pd_entity_key(e));
}

static pd_result set_paused(pd_entity *e, bool wants_pause)
{
    if (!pd_has_state(e)) {
        return no_such(e);
    }
    struct schedule s = schedule_read(e);
    if (wants_pause != is_paused(&s)) {
        end_plan(e, &s, SETTLE_AS_LATE);
        s.status = wants_pause ? "paused" : "active";
        plan(e, &s, wants_pause ? NULL : rule_of(e, &s));
        schedule_write(e, &s);
    }
    return pd_ok(e, PD_NULL);
}

static pd_result pause_(pd_entity *e, pd_value input)
{
    (void)input;
    return set_paused(e, true);
}

static pd_result resume(pd_entity *e, pd_value input)
{
    (void)input;
    return set_paused(e, false);
}

/* A millisecond whose ID neither a time of the rule nor another trigger has. */
static long long trigger_time(pd_entity *e, struct schedule *s)
{
    struct rule *rule = rule_of(e, s);
    long long taken = s->met > s->triggered ? s->met : s->triggered, at = pd_entity_now(e).ms;
    at = at > taken ? at : taken + 1;
    while (rule != NULL && next_after(s, rule, at - 1) == at) {
        at++;
    }
    return at;
}

static pd_result trigger(pd_entity *e, pd_value input)
{
    (void)input;
    if (!pd_has_state(e)) {
        return no_such(e);
    }
    struct schedule s = schedule_read(e);
    s.triggered = trigger_time(e, &s);
    start(e, &s, s.triggered, false);
    schedule_write(e, &s);
    return pd_ok(e, pd_get(s.last, "id"));
}

static pd_result delete_(pd_entity *e, pd_value input)
{
    (void)input;
    if (!pd_has_state(e)) {
        return no_such(e);
    }
    struct schedule s = schedule_read(e);
    cancel(e, &s);
    pd_delete_state(e);
    return pd_ok(e, PD_NULL);
}

static const pd_operation operations[] = {
    { "put", put },       { "due", due },         { "ended", ended },    { "pause", pause_ },
    { "resume", resume }, { "trigger", trigger }, { "delete", delete_ },
};

const pd_entity_rules schedule_rules = {
    .operations = operations,
    .operation_count = sizeof operations / sizeof operations[0],
    .keep = { -1 },
};

/* ---- perdure.run ---------------------------------------------------------------------------- */

pd_result schedule_run(pd_orchestration *o, pd_value input)
{
    const char *schedule, *id, *orchestrator, *version;
    pd_read(o, input, "schedule", &schedule, "id", &id, "orchestrator", &orchestrator, "version",
            &version);
    if (!may_run(orchestrator)) {
        return pd_fail_final(o, "Misuse", "'%s' is Perdure's own", orchestrator);
    }
    /* Another, such as one that was restarted under a new ID, would say what is not so. */
    if (strcmp(pd_instance_id(o), pd_format(o, BUILTIN_RUN ":%s", id)) != 0) {
        return pd_fail_final(o, "Misuse", "only a schedule starts '" BUILTIN_RUN "', and once");
    }
    pd_task *child =
        pd_start_child(o, orchestrator, pd_get(input, "input"), .id = id, .version = version);
    (void)pd_wait(o, child); /* however it ended */
    (void)pd_signal_entity(o, PD_ENTITY(PD_SCHEDULE, schedule), "ended", id);
    return pd_ok(o, PD_NULL);
}
