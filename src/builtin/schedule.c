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
 *   H3  One operation starts at most STARTS_MAX instances and passes at most PASSES_MAX times; the
 *       rest is left to the next signal, which is due at once; or out, if the rule is no more.
 *   H4  Each time up to `met` has been met: started, or counted. `met` never goes back, so no time
 *       starts another instance, which would replace that of its ID, when clocks go back; and none
 *       is lost by an order that comes before its signal. */
#include <perdure.h>
#include <string.h>

#include "base/time.h"
#include "builtin/builtin.h"
#include "calendar/calendar.h"
#include "calendar/civil.h"

enum { STARTS_MAX = 100, PASSES_MAX = 20000, AGAIN_MS = 60000 };

struct schedule {
    /* as it was put */
    const char *rule, *zone, *orchestrator, *version, *overlap, *missed;
    pd_value input, tags;
    long long begins, ends, missed_max;
    /* what it has come to */
    const char *status, *signal, *running, *problem;
    long long anchor, met, next, generation, buffered, triggered; /* 0: none */
    long long started, skipped, late;
    pd_value last;
};

/* ---- the state ------------------------------------------------------------------------------ */

static void read_rules(pd_entity *e, pd_value from, struct schedule *s)
{
    s->zone = s->version = NULL;
    s->begins = s->ends = s->missed_max = 0;
    s->overlap = "skip";
    s->missed = "last";
    pd_read(e, from, "rule", &s->rule, "zone?", &s->zone, "orchestrator", &s->orchestrator,
            "version?", &s->version, "overlap?", &s->overlap, "missed?", &s->missed, "begins?",
            &s->begins, "ends?", &s->ends, "missedMax?", &s->missed_max);
    s->input = pd_get(from, "input");
    s->tags = pd_get(from, "tags");
}

static struct schedule read_state(pd_entity *e)
{
    struct schedule s = { 0 };
    pd_value state = pd_state(e);
    read_rules(e, state, &s);
    pd_read(e, state, "status", &s.status, "signal?", &s.signal, "running?", &s.running, "problem?",
            &s.problem, "anchor", &s.anchor, "met?", &s.met, "next?", &s.next, "generation",
            &s.generation, "buffered?", &s.buffered, "triggered?", &s.triggered, "started",
            &s.started, "skipped", &s.skipped, "late", &s.late);
    s.met = s.met == 0 && s.next != 0 ? s.next - 1 : s.met; /* as builds before 0.1 had it */
    s.last = pd_get(state, "last");
    return s;
}

static void set_text(pd_dict *dict, const char *key, const char *text)
{
    if (text != NULL) {
        pd_dict_set(dict, key, text);
    }
}

static void set_number(pd_dict *dict, const char *key, long long number)
{
    if (number != 0) {
        pd_dict_set(dict, key, number);
    }
}

static void set_value(pd_dict *dict, const char *key, pd_value value)
{
    if (pd_kind_of(value) != PD_IS_NULL) {
        pd_dict_set(dict, key, value);
    }
}

static void write_state(pd_entity *e, const struct schedule *s)
{
    pd_dict *state = pd_dict_new(e);
    set_text(state, "rule", s->rule);
    set_text(state, "zone", s->zone);
    set_text(state, "orchestrator", s->orchestrator);
    set_value(state, "input", s->input);
    set_text(state, "version", s->version);
    set_value(state, "tags", s->tags);
    set_number(state, "begins", s->begins);
    set_number(state, "ends", s->ends);
    set_text(state, "overlap", s->overlap);
    set_text(state, "missed", s->missed);
    set_number(state, "missedMax", s->missed_max);
    set_text(state, "status", s->status);
    set_number(state, "next", s->next);
    set_text(state, "running", s->running);
    set_value(state, "last", s->last);
    pd_dict_set(state, "started", s->started);
    pd_dict_set(state, "skipped", s->skipped);
    pd_dict_set(state, "late", s->late);
    set_text(state, "problem", s->problem);
    pd_dict_set(state, "anchor", s->anchor);
    pd_dict_set(state, "generation", s->generation);
    set_text(state, "signal", s->signal);
    set_number(state, "met", s->met);
    set_number(state, "buffered", s->buffered);
    set_number(state, "triggered", s->triggered);
    pd_set_state(e, state);
}

/* ---- planning ------------------------------------------------------------------------------- */

static void release_rule(void *rule)
{
    rule_free(rule);
}

/* NULL: it cannot be read here; s->problem says why. */
static struct rule *rule_of(pd_entity *e, struct schedule *s)
{
    pd_error err;
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
    long long at = rule != NULL ? s->next : pd_entity_now(e).ms + AGAIN_MS;
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

/* H4. Meets what has come; if it is not to be started any more, it is counted as late. */
static void settle(pd_entity *e, struct schedule *s, const struct rule *rule, bool is_for_start)
{
    long long now = pd_entity_now(e).ms, before = s->started;
    long long time = next_after(s, rule, s->met);
    for (int passed = 0; time != 0 && time <= now; passed++) {
        if (passed == PASSES_MAX || s->started - before == STARTS_MAX) {
            break; /* H3 */
        }
        long long next = next_after(s, rule, time);
        if (is_for_start && is_wanted(s, now - time, next == 0 || next > now)) {
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
static void end_plan(pd_entity *e, struct schedule *s, bool is_for_start)
{
    struct rule *rule = is_paused(s) ? NULL : rule_of(e, s);
    if (rule != NULL) {
        settle(e, s, rule, is_for_start);
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
    bool wants_pause = false;
    struct schedule s = { .status = "paused" }, new = { 0 };
    read_rules(e, input, &new);
    pd_read(e, input, "paused?", &wants_pause);
    new.status = wants_pause ? "paused" : "active";
    if (builtin_is_own(pd_entity_key(e)) || !may_run(new.orchestrator)) {
        return pd_fail(e, "Misuse", "it is Perdure's own"); /* and trusts who starts it */
    }
    if (pd_has_state(e)) {
        s = read_state(e);
    }
    if (!goes_on(&s, &new)) {
        end_plan(e, &s, !wants_pause);
        s.anchor = new.begins != 0 ? new.begins : pd_entity_now(e).ms;
    }
    read_rules(e, input, &s);
    s.status = new.status;
    if (is_allowed(&s)) {
        meet_buffered(e, &s);
    }
    plan(e, &s, rule_of(e, &s));
    write_state(e, &s);
    return pd_ok(e, PD_NULL);
}

static pd_result due(pd_entity *e, pd_value generation)
{
    struct schedule s = { 0 };
    if (pd_has_state(e)) {
        s = read_state(e);
    }
    if (!pd_has_state(e) || pd_int(generation) != s.generation || is_paused(&s)) {
        return pd_ok(e, PD_NULL); /* H2 */
    }
    s.signal = NULL; /* it is this one */
    struct rule *rule = rule_of(e, &s);
    if (rule != NULL) {
        settle(e, &s, rule, true);
    }
    plan(e, &s, rule);
    write_state(e, &s);
    return pd_ok(e, PD_NULL);
}

/* From perdure.run. */
static pd_result ended(pd_entity *e, pd_value id)
{
    struct schedule s = { 0 };
    if (pd_has_state(e)) {
        s = read_state(e);
    }
    if (s.running == NULL || strcmp(s.running, pd_text(id)) != 0) {
        return pd_ok(e, PD_NULL);
    }
    meet_buffered(e, &s);
    write_state(e, &s);
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
    struct schedule s = read_state(e);
    if (wants_pause != is_paused(&s)) {
        end_plan(e, &s, false);
        s.status = wants_pause ? "paused" : "active";
        plan(e, &s, wants_pause ? NULL : rule_of(e, &s));
        write_state(e, &s);
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
    struct schedule s = read_state(e);
    s.triggered = trigger_time(e, &s);
    start(e, &s, s.triggered, false);
    write_state(e, &s);
    return pd_ok(e, pd_get(s.last, "id"));
}

static pd_result delete_(pd_entity *e, pd_value input)
{
    (void)input;
    if (!pd_has_state(e)) {
        return no_such(e);
    }
    struct schedule s = read_state(e);
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
    pd_task *child =
        pd_start_child(o, orchestrator, pd_get(input, "input"), .id = id, .version = version);
    (void)pd_wait(o, child); /* however it ended */
    (void)pd_signal_entity(o, PD_ENTITY(PD_SCHEDULE, schedule), "ended", id);
    return pd_ok(o, PD_NULL);
}
