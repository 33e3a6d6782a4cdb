/* SPDX-License-Identifier: MIT
 *
 * Schedules from outside: signals to the entity that a schedule is (builtin/schedule.c). What is
 * put is judged here, as it was said by somebody who can mend it; the entity may run elsewhere. */
#include "api/api_priv.h"
#include "base/limits.h"
#include "base/tags.h"
#include "builtin/builtin.h"
#include "calendar/calendar.h"
#include "json/json.h"

enum { ID_CHARACTERS_MAX = 200, RULE_BYTES_MAX = 512 };

static const char where_put[] = "hub: put schedule", where_order[] = "hub: order schedule";

static pd_status check_id(const char *id, const char *where, pd_error *err)
{
    struct text text = text_of(id);
    size_t characters = 0;
    for (size_t i = 0; i < text.size; i++) {
        characters += (text.at[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    const struct tag tag = { TEXT(PD_SCHEDULE), text }; /* of each of its instances */
    if (text.size == 0 || characters > ID_CHARACTERS_MAX || text.size > LIMIT_TAG_BYTES ||
        memchr(text.at, '@', text.size) || !tag_is_valid(&tag)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the id of a schedule has 1 to %d characters of UTF-8, in %d bytes at "
                         "most, none of them '@' or a control character",
                         ID_CHARACTERS_MAX, LIMIT_TAG_BYTES);
    }
    return PD_OK;
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
        return error_set(err, status, false, where_put, "the tags: %s", why.text);
    }
    bool has_own = pd_kind_of(pd_get(tags, PD_SCHEDULE)) != PD_IS_NULL;
    return pd_count(tags) < LIMIT_TAGS || has_own
               ? PD_OK
               : error_set(err, PD_E_LIMIT, false, where_put,
                           "a schedule has at most %d tags: one more of its instances is its own",
                           LIMIT_TAGS - 1);
}

/* What has a year of four digits. */
static bool is_time(pd_time time)
{
    return time.ms >= 0 && time.ms <= INT64_C(253402300799999);
}

static const char *word_of(int value, const char *const *words, int count)
{
    return value >= 0 && value < count ? words[value] : NULL;
}

static pd_status check_rule(const pd_schedule *schedule, pd_error *err)
{
    if (schedule->rule == NULL) {
        return error_set(err, PD_E_INVALID, false, where_put, "the schedule has no rule");
    }
    struct rule *rule = rule_parse(schedule->rule, schedule->zone, err);
    if (rule == NULL) {
        return err->status;
    }
    rule_free(rule);
    if (!is_time(schedule->begins) || !is_time(schedule->ends)) {
        return error_set(err, PD_E_INVALID, false, where_put,
                         "begins and ends are times from 1970 to 9999");
    }
    if (schedule->ends.ms != 0 && schedule->ends.ms <= schedule->begins.ms) {
        return error_set(err, PD_E_INVALID, false, where_put, "the schedule ends before it begins");
    }
    if (schedule->missed_max.ms < 0) {
        return error_set(err, PD_E_INVALID, false, where_put, "missed_max is below zero");
    }
    return PD_OK;
}

static pd_status check(const pd_schedule *schedule, const char *overlap, const char *missed,
                       pd_error *err)
{
    pd_status status = check_id(schedule->id, where_put, err);
    if (status == PD_OK) {
        status = check_rule(schedule, err);
    }
    if (status == PD_OK) {
        status = api_check_name(text_of(schedule->orchestrator), where_put,
                                "name of the orchestrator", err);
    }
    if (status == PD_OK &&
        (builtin_is_own(schedule->id) || (builtin_is_for_us(schedule->orchestrator) &&
                                          strcmp(schedule->orchestrator, BUILTIN_ACTIVITY) != 0))) {
        status =
            error_set(err, PD_E_INVALID, false, where_put,
                      "ids and names that begin with 'perdure.', and names with 'BuiltIn', are "
                      "Perdure's own");
    }
    if (status == PD_OK && schedule->version != NULL && schedule->version[0] != '\0') {
        status = api_check_name(text_of(schedule->version), where_put, "version", err);
    }
    if (status == PD_OK && (overlap == NULL || missed == NULL)) {
        status = error_set(err, PD_E_INVALID, false, where_put, "there is no such %s",
                           overlap == NULL ? "pd_overlap" : "pd_missed");
    }
    return status == PD_OK ? check_tags(schedule->tags, err) : status;
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
    return pd_hub_signal_entity(hub, PD_ENTITY(PD_SCHEDULE, schedule->id), "put", spec, NULL, NULL,
                                err);
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
