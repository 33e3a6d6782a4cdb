/* SPDX-License-Identifier: MIT
 *
 * Schedules from outside: signals to the entity that a schedule is (builtin/schedule.c). What is
 * put is judged here, as it was said by somebody who can mend it; the entity may run elsewhere. */
#include "api/api_priv.h"
#include "base/limits.h"
#include "base/tags.h"
#include "builtin/builtin.h"
#include "builtin/schedule.h"
#include "calendar/calendar.h"
#include "json/json.h"

enum { OWN_BYTES = 4096 };

static const char where_put[] = "hub: put schedule", where_order[] = "hub: order schedule";

static pd_status check_id(const char *id, const char *where, pd_error *err)
{
    const char *flaw = schedule_id_flaw(text_of(id));
    return flaw == NULL
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, where,
                           "'%.40s' %s; the id of a schedule has 1 to %d characters, in %d bytes "
                           "at most, none of them '@' or a control character",
                           id != NULL ? id : "", flaw, SCHEDULE_ID_CHARACTERS, LIMIT_TAG_BYTES);
}

/* Each instance has them, and that of the schedule. */
static pd_status check_tags(pd_value tags, pd_error *err)
{
    struct arena arena;
    struct text packed;
    pd_error why;
    arena_init(&arena);
    pd_status status = json_pack_tags(&arena, tags, &packed, &why);
    arena_done(&arena);
    if (status != PD_OK) {
        return error_set(err, status, false, where_put, "%s (in the tags of the schedule)",
                         why.text);
    }
    bool has_own = pd_kind_of(pd_get(tags, PD_SCHEDULE)) != PD_IS_NULL;
    return pd_count(tags) < LIMIT_TAGS || has_own
               ? PD_OK
               : error_set(
                     err, PD_E_LIMIT, false, where_put,
                     "the schedule has %zu tags, and may have %d: one more of its instances is "
                     "its own",
                     pd_count(tags), LIMIT_TAGS - 1);
}

static const char *word_of(int value, const char *const *words, int count)
{
    return value >= 0 && value < count ? words[value] : NULL;
}

static pd_status check_time(pd_time time, const char *name, pd_error *err)
{
    return time.ms >= 0 && time.ms <= INT64_C(253402300799999)
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, where_put,
                           "'%s' is %lld ms after 1970; it is a time from 1970 to 9999, or 0", name,
                           (long long)time.ms);
}

static pd_status check_span(const pd_schedule *schedule, pd_error *err)
{
    char begins[32], ends[32];
    pd_status status = check_time(schedule->begins, "begins", err);
    if (status == PD_OK) {
        status = check_time(schedule->ends, "ends", err);
    }
    if (status == PD_OK && schedule->ends.ms != 0 && schedule->ends.ms <= schedule->begins.ms) {
        time_format(time_of_public(schedule->begins), begins);
        time_format(time_of_public(schedule->ends), ends);
        status =
            error_set(err, PD_E_INVALID, false, where_put,
                      "the schedule ends (%s) before anything is due (it begins %s)", ends, begins);
    }
    if (status == PD_OK && schedule->missed_max.ms < 0) {
        status = error_set(err, PD_E_INVALID, false, where_put,
                           "missed_max is %lld ms; it may not be below 0",
                           (long long)schedule->missed_max.ms);
    }
    return status;
}

static pd_status check_rule(const pd_schedule *schedule, pd_error *err)
{
    if (schedule->rule == NULL) {
        return error_set(err, PD_E_INVALID, false, where_put,
                         "the schedule has no rule; write one such as \"30 8 * * 1-5\", \"@daily\" "
                         "or \"@every 90s\"");
    }
    struct rule *rule = rule_parse(schedule->rule, schedule->zone, err);
    if (rule == NULL) {
        return err->status;
    }
    rule_free(rule);
    return check_span(schedule, err);
}

/* Ours may not be started by anybody. */
static pd_status check_own(const pd_schedule *schedule, pd_error *err)
{
    bool is_activity = strcmp(schedule->orchestrator, BUILTIN_ACTIVITY) == 0;
    bool is_id = builtin_is_own(schedule->id);
    if (!is_id && (is_activity || !builtin_is_for_us(schedule->orchestrator))) {
        return PD_OK;
    }
    return error_set(err, PD_E_INVALID, false, where_put,
                     "'%.60s' is Perdure's own, as all %s; choose another",
                     is_id ? schedule->id : schedule->orchestrator,
                     is_id ? "ids that begin with 'perdure.' are"
                           : "names that begin with 'perdure.' or 'BuiltIn' are");
}

static pd_status check(const pd_schedule *schedule, const char *overlap, const char *missed,
                       pd_error *err)
{
    pd_status status = check_id(schedule->id, where_put, err);
    if (status == PD_OK) {
        status = check_rule(schedule, err);
    }
    if (status == PD_OK && text_of(schedule->orchestrator).size == 0) {
        status = error_set(err, PD_E_INVALID, false, where_put,
                           "the schedule has no orchestrator; give the name of what it starts");
    }
    if (status == PD_OK) {
        status = api_check_name(text_of(schedule->orchestrator), where_put,
                                "name of the orchestrator", err);
    }
    if (status == PD_OK) {
        status = check_own(schedule, err);
    }
    if (status == PD_OK && schedule->version != NULL && schedule->version[0] != '\0') {
        status = api_check_name(text_of(schedule->version), where_put, "version", err);
    }
    if (status == PD_OK && (overlap == NULL || missed == NULL)) {
        status = error_set(err, PD_E_INVALID, false, where_put, "%d is no %s",
                           overlap == NULL ? (int)schedule->overlap : (int)schedule->missed,
                           overlap == NULL ? "pd_overlap" : "pd_missed");
    }
    return status == PD_OK ? check_tags(schedule->tags, err) : status;
}

/* Its state is more than what is put, and so is what perdure.run is told: what no payload can hold
 * would never be due. */
static pd_status check_size(const pd_hub *hub, pd_value spec, pd_error *err)
{
    struct buffer json;
    buffer_init(&json);
    pd_status status = api_check_payload(hub, &json, spec, where_put, err);
    size_t most = hub->payload_max > OWN_BYTES ? hub->payload_max - OWN_BYTES : 0;
    if (status == PD_OK && json.size > most) {
        status = error_set(err, PD_E_LIMIT, false, where_put,
                           "the schedule has %zu bytes of JSON with its input, and may have %zu "
                           "here; put what is large into a file, and its path into the input",
                           json.size, most);
    }
    buffer_done(&json);
    return status;
}

pd_status pd_hub_put_schedule(pd_hub *hub, const pd_schedule *schedule, pd_error *err)
{
    static const char *const overlaps[] = { "skip", "buffer", "allow" };
    static const char *const misses[] = { "last", "none", "all" };
    pd_error unwanted;
    err = error_or(err, &unwanted);
    const char *overlap = word_of((int)schedule->overlap, overlaps, 3);
    const char *missed = word_of((int)schedule->missed, misses, 3);
    pd_status status = check(schedule, overlap, missed, err);
    if (status != PD_OK) {
        return status;
    }
    const char *version =
        schedule->version != NULL && schedule->version[0] != '\0' ? schedule->version : NULL;
    struct {
        const char *key;
        pd_value value;
        bool is_there;
    } rows[] = {
        { "rule", PD_VAL(schedule->rule), true },
        { "zone", PD_VAL(schedule->zone), schedule->zone != NULL && schedule->zone[0] != '\0' },
        { "orchestrator", PD_VAL(schedule->orchestrator), true },
        { "input", schedule->input, true },
        { "version", PD_VAL(version), version != NULL },
        { "tags", schedule->tags, pd_kind_of(schedule->tags) != PD_IS_NULL },
        { "begins", PD_VAL(schedule->begins.ms), schedule->begins.ms != 0 },
        { "ends", PD_VAL(schedule->ends.ms), schedule->ends.ms != 0 },
        { "overlap", PD_VAL(overlap), true },
        { "missed", PD_VAL(missed), true },
        { "missedMax", PD_VAL(schedule->missed_max.ms), schedule->missed_max.ms != 0 },
        { "paused", PD_VAL(schedule->is_paused), schedule->is_paused },
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    pd_value items[2 * ROWS];
    uint32_t count = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].is_there) {
            items[2 * count] = PD_VAL(rows[i].key);
            items[2 * count++ + 1] = rows[i].value;
        }
    }
    const pd_value spec = { .kind_ = PD_IS_OBJECT, .count_ = count, .as_.items = items };
    status = check_size(hub, spec, err);
    return status == PD_OK ? pd_hub_signal_entity(hub, PD_ENTITY(PD_SCHEDULE, schedule->id), "put",
                                                  spec, NULL, NULL, err)
                           : status;
}

pd_status pd_hub_order_schedule(pd_hub *hub, const char *id, pd_schedule_order order, pd_error *err)
{
    static const char *const names[] = { "pause", "resume", "trigger", "delete" };
    pd_error unwanted;
    err = error_or(err, &unwanted);
    const char *name = word_of((int)order, names, 4);
    pd_status status = check_id(id, where_order, err);
    if (status == PD_OK && name == NULL) {
        status = error_set(err, PD_E_INVALID, false, where_order, "there is no such order");
    }
    if (status != PD_OK) {
        return status;
    }
    pd_entity_id entity = PD_ENTITY(PD_SCHEDULE, id);
    pd_entity_view *view = pd_hub_fetch_entity(hub, entity, err);
    bool is_known = view != NULL && (pd_entity_view_has_state(view) ||
                                     pd_entity_view_backlog(view) > 0); /* a put that waits */
    pd_entity_view_free(view);
    if (!is_known) {
        return view != NULL || err->status == PD_E_NOT_FOUND
                   ? error_set(err, PD_E_NOT_FOUND, false, where_order,
                               "there is no schedule '%.100s'", id)
                   : err->status;
    }
    return pd_hub_signal_entity(hub, entity, name, PD_NULL, NULL, NULL, err);
}
