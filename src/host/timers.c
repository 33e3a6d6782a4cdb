/* SPDX-License-Identifier: MIT
 *
 * Timer triggers become schedules, "app:APP:NAME". A schedule that is as the table says is not
 * touched: putting it would count its intervals from now, and resume what somebody has paused. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "builtin/builtin.h"
#include "calendar/calendar.h"
#include "host/child.h"
#include "json/json.h"

static const char where[] = "app: timers";

static bool is_name(const char *name)
{
    size_t size = name != NULL ? strlen(name) : 0;
    return size >= 1 && size <= 100 && strchr(name, '@') == NULL;
}

/* What its rule and its input say, so that nothing is left for timers_put to refuse half-way. */
static pd_status check_texts(const pd_timer_trigger *timer, pd_error *err)
{
    pd_error why;
    struct rule *rule = rule_parse(timer->rule, timer->zone, &why);
    pd_document *input =
        rule != NULL ? pd_document_parse(timer->input != NULL ? timer->input : "null", &why) : NULL;
    bool is_fine = input != NULL;
    pd_document_free(input);
    rule_free(rule);
    return is_fine ? PD_OK
                   : error_set(err, PD_E_INVALID, false, where, "timer '%.60s': %.130s",
                               timer->name, why.text);
}

pd_status timers_check(const pd_app *app, pd_error *err)
{
    if (app->timer_count > TIMERS_MAX) {
        return error_set(err, PD_E_LIMIT, false, where, "more than %d timers", TIMERS_MAX);
    }
    for (size_t i = 0; i < app->timer_count; i++) {
        const pd_timer_trigger *timer = &app->timers[i];
        const char *problem = NULL;
        if (!is_name(timer->name)) {
            problem = "its name is not 1 to 100 characters without '@'";
        } else if (timer->rule == NULL) {
            problem = "it has no rule";
        } else if ((timer->orchestrator == NULL) == (timer->activity == NULL)) {
            problem = "it names not one of orchestrator and activity";
        } else if ((unsigned)timer->overlap > PD_OVERLAP_ALLOW ||
                   (unsigned)timer->missed > PD_MISSED_ALL || timer->missed_max.ms < 0) {
            problem = "its overlap, missed or missed_max is none";
        }
        for (size_t j = 0; problem == NULL && j < i; j++) {
            problem = strcmp(app->timers[j].name, timer->name) == 0 ? "its name comes twice" : NULL;
        }
        if (problem != NULL) {
            return error_set(err, PD_E_INVALID, false, where, "timer %zu, '%.60s': %s", i,
                             timer->name != NULL ? timer->name : "", problem);
        }
        if (check_texts(timer, err) != PD_OK) {
            return PD_E_INVALID;
        }
    }
    return PD_OK;
}

/* ---- as it is there ------------------------------------------------------------------------- */

static bool is_text(pd_value state, const char *key, const char *wanted)
{
    return strcmp(pd_text(pd_get(state, key)), wanted != NULL ? wanted : "") == 0;
}

static bool is_same_json(pd_value a, pd_value b)
{
    struct buffer x, y;
    pd_error err;
    buffer_init(&x);
    buffer_init(&y);
    bool is_same = json_write(&x, a, &err) == PD_OK && json_write(&y, b, &err) == PD_OK &&
                   text_equal(buffer_text(&x), buffer_text(&y));
    buffer_done(&x);
    buffer_done(&y);
    return is_same;
}

static bool is_there(pd_hub *hub, const pd_schedule *schedule)
{
    static const char *const overlaps[] = { "skip", "buffer", "allow" };
    static const char *const missed[] = { "last", "none", "all" };
    PD_AUTO(pd_entity_view)
    view = pd_hub_fetch_entity(hub, PD_ENTITY(PD_SCHEDULE, schedule->id), NULL);
    if (view == NULL || !pd_entity_view_has_state(view)) {
        return false;
    }
    pd_value state = pd_entity_view_state(view);
    return is_text(state, "rule", schedule->rule) && is_text(state, "zone", schedule->zone) &&
           is_text(state, "orchestrator", schedule->orchestrator) &&
           is_text(state, "overlap", overlaps[schedule->overlap]) &&
           is_text(state, "missed", missed[schedule->missed]) &&
           pd_int(pd_get(state, "missedMax")) == schedule->missed_max.ms &&
           is_same_json(pd_get(state, "input"), schedule->input);
}

/* ---- as it should be ------------------------------------------------------------------------ */

static pd_status put(pd_hub *hub, const pd_app *app, const pd_timer_trigger *timer, pd_error *err)
{
    char id[256];
    (void)snprintf(id, sizeof id, "app:%s:%s", app->name, timer->name);
    PD_AUTO(pd_document)
    document = pd_document_parse(timer->input != NULL ? timer->input : "null", err);
    if (document == NULL) {
        return err->status;
    }
    pd_value input = pd_document_value(document);
    pd_literal run = PD_OBJ("activity", timer->activity, "input", input);
    pd_schedule schedule = {
        .id = id,
        .rule = timer->rule,
        .zone = timer->zone,
        .orchestrator = timer->activity != NULL ? BUILTIN_ACTIVITY : timer->orchestrator,
        .input = timer->activity != NULL ? PD_VAL(run) : input,
        .overlap = timer->overlap,
        .missed = timer->missed,
        .missed_max = timer->missed_max,
    };
    return is_there(hub, &schedule) ? PD_OK : pd_hub_put_schedule(hub, &schedule, err);
}

static bool is_wanted(const pd_app *app, const char *name)
{
    for (size_t i = 0; i < app->timer_count; i++) {
        if (strcmp(app->timers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Those of this app that its table does not have any more. */
static pd_status remove_others(pd_hub *hub, const pd_app *app, pd_error *err)
{
    char ours[128], token[2048] = "";
    int size = snprintf(ours, sizeof ours, "app:%s:", app->name);
    do {
        pd_entity_query query = { .name = PD_SCHEDULE,
                                  .key_prefix = ours,
                                  .page_token = token[0] != '\0' ? token : NULL };
        PD_AUTO(pd_entity_page) page = pd_hub_query_entities(hub, &query, err);
        if (page == NULL) {
            return err->status;
        }
        for (size_t i = 0; i < pd_entity_page_count(page); i++) {
            const char *key = pd_entity_view_key(pd_entity_page_at(page, i));
            pd_status status = is_wanted(app, key + size)
                                   ? PD_OK
                                   : pd_hub_order_schedule(hub, key, PD_SCHEDULE_DELETE, err);
            if (status != PD_OK && status != PD_E_NOT_FOUND) {
                return status;
            }
        }
        const char *next = pd_entity_page_token(page);
        (void)snprintf(token, sizeof token, "%s", next != NULL ? next : "");
    } while (token[0] != '\0');
    return PD_OK;
}

/* Another worker of the hub may have it; a name that is misspelt waits for ever. */
static void look_for_function(const pd_app *app, const pd_timer_trigger *timer)
{
    const char *wanted = timer->activity != NULL ? timer->activity : timer->orchestrator;
    for (size_t i = 0; i < app->function_count; i++) {
        if (strcmp(app->functions[i].name, wanted) == 0) {
            return;
        }
    }
    fprintf(stderr,
            "perdure-host: the timer '%s' runs '%s', which this app does not have: another worker "
            "has to\n",
            timer->name, wanted);
}

pd_status timers_put(pd_hub *hub, const pd_app *app, pd_error *err)
{
    pd_status status = PD_OK;
    for (size_t i = 0; status == PD_OK && i < app->timer_count; i++) {
        look_for_function(app, &app->timers[i]);
        status = put(hub, app, &app->timers[i], err);
    }
    return status == PD_OK ? remove_others(hub, app, err) : status;
}
