/* SPDX-License-Identifier: MIT
 *
 * Schedules over HTTP: put, look at, list, pause, resume, trigger, delete. The reference has none;
 * members are called as in the state of a schedule (perdure.h), but times are texts.
 *
 * All of it is the public API's, called by a reader: what is put is judged there. */
#include <string.h>

#include "json/json.h"
#include "server/web.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

struct schedule_call {
    struct text id, body, prefix, token;
    size_t page_size;
    pd_schedule_order order;
    const char *bad; /* the member that is not right; NULL: none, or none of ours */
    struct buffer json;
    struct text next; /* of a page; absent: that was the last */
};

/* ---- JSON ----------------------------------------------------------------------------------- */

/* Members of the state that are shown as they are, as times, and not at all. */
static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(key, *names) == 0) {
            return true;
        }
    }
    return false;
}

static void put_value(struct buffer *json, pd_value value)
{
    pd_error unwanted;
    (void)json_write(json, value, &unwanted); /* it was read from JSON */
}

static void put_member(struct buffer *json, const char *key, pd_value value)
{
    static const char *const times[] = { "begins", "ends", "next", "due", "at", NULL };
    web_put_name(json, key);
    if (is_one_of(key, times)) {
        web_put_time(json, time_us_of_ms(pd_int(value)), true);
    } else if (strcmp(key, "last") == 0) {
        buffer_add_byte(json, '{');
        for (size_t i = 0; i < pd_count(value); i++) {
            const char *part = pd_key_at(value, i);
            web_put_name(json, part);
            if (strcmp(part, "id") == 0) {
                put_value(json, pd_value_at(value, i));
            } else {
                web_put_time(json, time_us_of_ms(pd_int(pd_value_at(value, i))), true);
            }
        }
        buffer_add_byte(json, '}');
    } else {
        put_value(json, value);
    }
}

static void put_schedule(struct buffer *json, const pd_entity_view *view)
{
    static const char *const inner[] = { "anchor",   "met",       "generation", "signal",
                                         "buffered", "triggered", NULL };
    pd_value state = pd_entity_view_state(view);
    buffer_add_byte(json, '{');
    web_put_name(json, "id");
    web_put_string(json, text_of(pd_entity_view_key(view)));
    for (size_t i = 0; i < pd_count(state); i++) {
        if (!is_one_of(pd_key_at(state, i), inner)) {
            put_member(json, pd_key_at(state, i), pd_value_at(state, i));
        }
    }
    buffer_add_byte(json, '}');
}

/* ---- putting -------------------------------------------------------------------------------- */

/* What a member has to be; NULL: a schedule has none of that name. */
static const char *form_of(const char *name)
{
    static const struct {
        const char *name, *form;
    } known[] = {
        { "rule", "a text, such as 30 8 * * 1-5" },
        { "zone", "a text, such as Europe/Berlin" },
        { "orchestrator", "a text, its name" },
        { "input", "anything" },
        { "version", "a text" },
        { "tags", "an object of texts" },
        { "begins", "a time, such as 2026-12-24T18:00:00Z" },
        { "ends", "a time, such as 2026-12-24T18:00:00Z" },
        { "overlap", "skip, buffer or allow" },
        { "missed", "last, none or all" },
        { "missedMax", "a whole number of milliseconds, not below 0" },
        { "paused", "true or false" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0) {
            return known[i].form;
        }
    }
    return NULL;
}

/* The number of a word; -1: it is none of them. Absent: the first. */
static int word_of(pd_value value, const char *const *words)
{
    if (pd_kind_of(value) == PD_IS_NULL) {
        return 0;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (pd_kind_of(value) == PD_IS_TEXT && strcmp(pd_text(value), words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static const char *text_member(struct schedule_call *call, pd_value object, const char *name)
{
    pd_value value = pd_get(object, name);
    if (pd_kind_of(value) == PD_IS_TEXT) {
        return pd_text(value);
    }
    call->bad = pd_kind_of(value) != PD_IS_NULL ? name : call->bad;
    return NULL;
}

static pd_time time_member(struct schedule_call *call, pd_value object, const char *name)
{
    const char *text = text_member(call, object, name);
    time_us at = text != NULL ? web_read_time(text_of(text)) : 0;
    call->bad = at == TIME_NEVER ? name : call->bad;
    return time_to_public(at);
}

static void read_schedule(struct schedule_call *call, pd_value object, pd_schedule *ret)
{
    static const char *const overlaps[] = { "skip", "buffer", "allow", NULL };
    static const char *const misses[] = { "last", "none", "all", NULL };
    int overlap = word_of(pd_get(object, "overlap"), overlaps);
    int missed = word_of(pd_get(object, "missed"), misses);
    pd_value most = pd_get(object, "missedMax"), paused = pd_get(object, "paused");
    *ret = (pd_schedule){
        .rule = text_member(call, object, "rule"),
        .zone = text_member(call, object, "zone"),
        .orchestrator = text_member(call, object, "orchestrator"),
        .input = pd_get(object, "input"),
        .version = text_member(call, object, "version"),
        .tags = pd_get(object, "tags"),
        .begins = time_member(call, object, "begins"),
        .ends = time_member(call, object, "ends"),
        .overlap = (pd_overlap)overlap,
        .missed = (pd_missed)missed,
        .missed_max = { pd_int(most) },
        .is_paused = pd_bool(paused),
    };
    call->bad = overlap < 0 ? "overlap" : missed < 0 ? "missed" : call->bad;
    if ((pd_kind_of(most) != PD_IS_INT && pd_kind_of(most) != PD_IS_NULL) || pd_int(most) < 0) {
        call->bad = "missedMax";
    }
    if (pd_kind_of(paused) != PD_IS_BOOL && pd_kind_of(paused) != PD_IS_NULL) {
        call->bad = "paused";
    }
    for (size_t i = 0; i < pd_count(object); i++) {
        const char *name = pd_key_at(object, i);
        call->bad = form_of(name) != NULL ? call->bad : name;
    }
}

/* What is wrong with call->bad. */
static pd_status refuse_member(struct schedule_call *call, pd_value object, pd_error *err)
{
    const char *form = form_of(call->bad);
    if (form == NULL) {
        return error_set(err, PD_E_INVALID, false, "schedule",
                         "a schedule has no '%.40s', but rule, zone, orchestrator, input, version, "
                         "tags, begins, ends, overlap, missed, missedMax, paused",
                         call->bad);
    }
    struct buffer json;
    buffer_init(&json);
    put_value(&json, pd_get(object, call->bad));
    pd_status status =
        error_set(err, PD_E_INVALID, false, "schedule", "'%s' of a schedule is %s; it was %.*s",
                  call->bad, form, json.size < 60 ? (int)json.size : 60, (const char *)json.at);
    buffer_done(&json);
    return status;
}

static void put_work(struct rpc *rpc)
{
    struct schedule_call *call = rpc->state;
    pd_value object;
    pd_schedule schedule;
    rpc->status = json_parse(&rpc->arena, call->body, &object, &rpc->err);
    if (rpc->status != PD_OK) {
        return;
    }
    if (pd_kind_of(object) != PD_IS_OBJECT) {
        rpc->status = error_set(&rpc->err, PD_E_INVALID, false, "schedule",
                                "a schedule is an object with a rule and an orchestrator, such as "
                                "{\"rule\": \"30 8 * * 1-5\", \"orchestrator\": \"Report\"}");
        return;
    }
    read_schedule(call, object, &schedule);
    schedule.id = call->id.at;
    rpc->status = call->bad == NULL ? pd_hub_put_schedule(rpc->hub->api, &schedule, &rpc->err)
                                    : refuse_member(call, object, &rpc->err);
}

static void put_done(struct rpc *rpc)
{
    if (rpc->status == PD_E_INVALID || rpc->status == PD_E_LIMIT) {
        web_refuse(rpc, 400, rpc->status, "%s", rpc->err.text);
    } else if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else {
        web_answer_empty(rpc, 202);
    }
}

/* ---- looking -------------------------------------------------------------------------------- */

static void show_work(struct rpc *rpc)
{
    struct schedule_call *call = rpc->state;
    pd_entity_view *view =
        pd_hub_fetch_entity(rpc->hub->api, PD_ENTITY(PD_SCHEDULE, call->id.at), &rpc->err);
    rpc->status = view == NULL                     ? rpc->err.status
                  : pd_entity_view_has_state(view) ? PD_OK
                                                   : PD_E_NOT_FOUND;
    if (rpc->status == PD_OK) {
        put_schedule(&call->json, view);
    }
    pd_entity_view_free(view);
}

static void list_work(struct rpc *rpc)
{
    struct schedule_call *call = rpc->state;
    const pd_entity_query query = {
        .name = PD_SCHEDULE,
        .key_prefix = call->prefix.at,
        .with_state = true,
        .page_token = call->token.size != 0 ? call->token.at : NULL,
        .page_size = call->page_size,
    };
    pd_entity_page *page = pd_hub_query_entities(rpc->hub->api, &query, &rpc->err);
    rpc->status = page == NULL ? rpc->err.status : PD_OK;
    buffer_add_byte(&call->json, '[');
    for (size_t i = 0; page != NULL && i < pd_entity_page_count(page); i++) {
        if (i > 0) {
            buffer_add_byte(&call->json, ',');
        }
        put_schedule(&call->json, pd_entity_page_at(page, i));
    }
    buffer_add_byte(&call->json, ']');
    if (page != NULL && pd_entity_page_token(page) != NULL) {
        call->next = text_copy(&rpc->arena, text_of(pd_entity_page_token(page)));
    }
    pd_entity_page_free(page);
}

static void look_done(struct rpc *rpc)
{
    struct schedule_call *call = rpc->state;
    if (rpc->status == PD_OK) {
        web_answer(rpc, 200, &call->json);
        return;
    }
    buffer_done(&call->json);
    if (rpc->status == PD_E_NOT_FOUND) {
        web_answer_empty(rpc, 404);
    } else {
        web_fail_as_told(rpc);
    }
}

static void list_done(struct rpc *rpc)
{
    struct schedule_call *call = rpc->state;
    if (rpc->status == PD_OK) {
        web_header(rpc, "x-ms-continuation-token",
                   text_is_present(call->next) ? call->next : TEXT(""));
    }
    look_done(rpc);
}

/* ---- orders --------------------------------------------------------------------------------- */

static void order_work(struct rpc *rpc)
{
    struct schedule_call *call = rpc->state;
    rpc->status = pd_hub_order_schedule(rpc->hub->api, call->id.at, call->order, &rpc->err);
}

static void order_done(struct rpc *rpc)
{
    if (rpc->status == PD_E_NOT_FOUND) {
        web_answer_empty(rpc, 404);
    } else {
        put_done(rpc);
    }
}

/* ---- routes --------------------------------------------------------------------------------- */

/* NULL: the id holds a NUL; answered. */
static struct schedule_call *call_new(struct rpc *rpc)
{
    struct schedule_call *call = arena_alloc(&rpc->arena, sizeof *call);
    struct text id = rpc->web->captured[0];
    rpc->state = call;
    if (text_is_present(id) && memchr(id.at, '\0', id.size) != NULL) {
        web_refuse(rpc, 400, PD_E_INVALID, "the id of a schedule has no NUL");
        return NULL;
    }
    call->id = text_copy(&rpc->arena, id);
    return call;
}

static void put(struct rpc *rpc)
{
    struct schedule_call *call = call_new(rpc);
    if (call == NULL) {
        return;
    }
    call->body = text_copy(&rpc->arena, http_body(rpc->web->http));
    if (web_is_json(call->body)) {
        rpc_read(rpc, put_work, put_done);
    } else {
        web_refuse_json(rpc);
    }
}

static void show(struct rpc *rpc)
{
    struct schedule_call *call = call_new(rpc);
    if (call != NULL) {
        buffer_init(&call->json);
        rpc_read(rpc, show_work, look_done);
    }
}

static void list(struct rpc *rpc)
{
    struct schedule_call *call = call_new(rpc);
    struct text top = web_parameter(rpc, "top");
    int64_t size = 0;
    for (size_t i = 0; i < top.size && size <= PAGE_MAX; i++) {
        bool is_digit = top.at[i] >= '0' && top.at[i] <= '9';
        size = is_digit ? size * 10 + (top.at[i] - '0') : PAGE_MAX + 1;
    }
    if (top.size != 0 && (size < 1 || size > PAGE_MAX)) {
        web_refuse(rpc, 400, PD_E_INVALID, "top is a number from 1 to %d", PAGE_MAX);
        return;
    }
    call->page_size = top.size != 0 ? (size_t)size : PAGE_DEFAULT;
    call->prefix = text_copy(&rpc->arena, web_parameter(rpc, "prefix"));
    call->token = text_copy(&rpc->arena, http_header(rpc->web->http, "x-ms-continuation-token"));
    buffer_init(&call->json);
    rpc_read(rpc, list_work, list_done);
}

static void order(struct rpc *rpc, pd_schedule_order what)
{
    struct schedule_call *call = call_new(rpc);
    if (call != NULL) {
        call->order = what;
        rpc_read(rpc, order_work, order_done);
    }
}

static void pause_one(struct rpc *rpc)
{
    order(rpc, PD_SCHEDULE_PAUSE);
}

static void resume_one(struct rpc *rpc)
{
    order(rpc, PD_SCHEDULE_RESUME);
}

static void trigger_one(struct rpc *rpc)
{
    order(rpc, PD_SCHEDULE_TRIGGER);
}

static void delete_one(struct rpc *rpc)
{
    order(rpc, PD_SCHEDULE_DELETE);
}

static const struct web_route routes[] = {
    WEB_ROUTE(GET, "/schedules", SCOPE_READ, list),
    WEB_ROUTE(GET, "/schedules/{}", SCOPE_READ, show),
    WEB_ROUTE(POST, "/schedules/{}", SCOPE_OPERATE, put),
    WEB_ROUTE(DELETE, "/schedules/{}", SCOPE_OPERATE, delete_one),
    WEB_ROUTE(POST, "/schedules/{}/pause", SCOPE_OPERATE, pause_one),
    WEB_ROUTE(POST, "/schedules/{}/resume", SCOPE_OPERATE, resume_one),
    WEB_ROUTE(POST, "/schedules/{}/trigger", SCOPE_OPERATE, trigger_one),
};
const struct web_routes web_schedule_routes = { routes, sizeof routes / sizeof routes[0] };
