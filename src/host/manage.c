/* SPDX-License-Identifier: MIT
 *
 * What the links of an instance lead to: the part of the management API that looks after one
 * instance, over pd_hub_*. The whole of it is perdured's; its shapes are the same here.
 *
 * On the pool's threads: all of it may block. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/percent.h"
#include "host/child.h"
#include "json/json.h"

/* ---- links ---------------------------------------------------------------------------------- */

static const char *encode(struct request *r, const char *text)
{
    struct buffer out;
    buffer_init(&out);
    percent_encode(&out, text_of(text));
    const char *encoded = arena_copy(&r->arena, out.at, out.size);
    buffer_done(&out);
    return encoded;
}

/* The hub's name, where its server has several; NULL: none is said. */
static const char *hub_name(struct request *r)
{
    const char *at = strcasestr(r->service->options->hub, "taskhub=");
    return at != NULL ? arena_printf(&r->arena, "%.*s", (int)strcspn(at + 8, "&;"), at + 8) : NULL;
}

struct link {
    const char *name, *path, *query;
};
static const struct link all_links[] = {
    { "statusQueryGetUri", "", "" },
    { "sendEventPostUri", "/raiseEvent/{eventName}", "" },
    { "terminatePostUri", "/terminate", "reason={text}" },
    { "purgeHistoryDeleteUri", "", "" },
    { "rewindPostUri", "/rewind", "reason={text}" },
    { "restartPostUri", "/restart", "" },
    { "suspendPostUri", "/suspend", "reason={text}" },
    { "resumePostUri", "/resume", "reason={text}" },
};

static void put_string(struct buffer *out, const char *text)
{
    pd_error err;
    if (json_write(out, pd_of_text(text), &err) != PD_OK) {
        buffer_printf(out, text == NULL ? "null" : "\"\"");
    }
}

static const char *link_to(struct request *r, const struct link *link, const char *id)
{
    const char *server = r->service->options->management;
    const char *suffix = "";
    if (server != NULL && hub_name(r) != NULL) {
        suffix = arena_printf(&r->arena, "taskHub=%s", hub_name(r));
    } else if (server == NULL && r->key != NULL) {
        suffix = arena_printf(&r->arena, "code=%s", encode(r, r->key));
    }
    bool has_both = link->query[0] != '\0' && suffix[0] != '\0';
    return arena_printf(&r->arena, "%s" MANAGE_BASE "/instances/%s%s%s%s%s%s",
                        server != NULL ? server : request_origin(r), encode(r, id), link->path,
                        link->query[0] != '\0' || suffix[0] != '\0' ? "?" : "", link->query,
                        has_both ? "&" : "", suffix);
}

void manage_links(struct request *r, const char *id)
{
    struct buffer out;
    buffer_init(&out);
    buffer_printf(&out, "{\"id\":");
    put_string(&out, id);
    for (size_t i = 0; i < sizeof all_links / sizeof all_links[0]; i++) {
        buffer_printf(&out, ",\"%s\":", all_links[i].name);
        put_string(&out, link_to(r, &all_links[i], id));
    }
    buffer_add_byte(&out, '}');
    pd_answer_bytes(&r->face, 202, "application/json", out.at, out.size);
    request_header(r, "Location", link_to(r, &all_links[0], id));
    request_header(r, "Retry-After", "10");
    buffer_done(&out);
}

/* ---- an instance ---------------------------------------------------------------------------- */

static void put_time(struct buffer *out, pd_time at)
{
    struct tm civil;
    char text[40];
    time_t seconds = (time_t)(at.ms / 1000);
    (void)gmtime_r(&seconds, &civil);
    (void)strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%SZ\"", &civil);
    buffer_printf(out, "%s", text);
}

void manage_put_state(struct request *r, const pd_instance *instance)
{
    const pd_failure *failure = pd_instance_failure(instance);
    struct buffer *out = &r->out;
    buffer_printf(out, "{\"name\":");
    put_string(out, pd_instance_name(instance));
    buffer_printf(out, ",\"instanceId\":");
    put_string(out, pd_instance_id_of(instance));
    buffer_printf(out, ",\"runtimeStatus\":\"%s\",\"input\":%s,\"customStatus\":%s,\"output\":",
                  pd_run_state_name(pd_instance_state(instance)), pd_instance_input_json(instance),
                  pd_instance_status_json(instance));
    if (failure != NULL) {
        put_string(out, arena_printf(&r->arena, "%s: %s", failure->type, failure->message));
    } else {
        buffer_printf(out, "%s", pd_instance_output_json(instance));
    }
    buffer_printf(out, ",\"createdTime\":");
    put_time(out, pd_instance_created_at(instance));
    buffer_printf(out, ",\"lastUpdatedTime\":");
    put_time(out, pd_instance_updated_at(instance));
    buffer_add_byte(out, '}');
}

/* ---- routes --------------------------------------------------------------------------------- */

static const char *id_of(struct request *r)
{
    return pd_request_parameter(&r->face, "id");
}

static void finish(struct request *r, pd_status status, const pd_error *err)
{
    if (status == PD_OK) {
        pd_answer_empty(&r->face, 202);
    } else if (status == PD_E_NOT_FOUND) {
        pd_answer_empty(&r->face, 404);
    } else if (status == PD_E_STATE) {
        PD_AUTO(pd_instance) now = pd_hub_fetch(r->service->hub, id_of(r), NULL);
        if (now != NULL && pd_instance_is_ended(now)) {
            pd_answer_empty(&r->face, 410);
        } else {
            request_fail(r, err);
        }
    } else {
        request_fail(r, err);
    }
}

static void show(struct request *r)
{
    pd_error err;
    PD_AUTO(pd_instance) instance = pd_hub_fetch(r->service->hub, id_of(r), &err);
    if (instance == NULL) {
        finish(r, err.status, &err);
        return;
    }
    bool is_ended = pd_instance_is_ended(instance);
    manage_put_state(r, instance);
    pd_answer_bytes(&r->face, is_ended ? 200 : 202, "application/json", r->out.at, r->out.size);
    if (!is_ended) {
        const char *self =
            arena_printf(&r->arena, "%s%s%s%s", request_origin(r), r->raw_path.at,
                         r->query.size != 0 ? "?" : "", r->query.size != 0 ? r->query.at : "");
        request_header(r, "Location", self);
        request_header(r, "Retry-After", "5");
    }
}

static void raise_event(struct request *r)
{
    const char *type = pd_request_header(&r->face, "Content-Type");
    pd_error err;
    pd_value value;
    pd_status status;
    if (type == NULL || strncasecmp(type, "application/json", 16) != 0 ||
        (type[16] != '\0' && type[16] != ';' && type[16] != ' ')) {
        request_refuse(r, 400, "Only application/json request content is supported");
    } else if (!pd_request_json(&r->face, &value, &err)) {
        request_refuse(r, err.status == PD_E_LIMIT ? 413 : 400, "Invalid JSON content");
    } else {
        status = pd_hub_raise_event(r->service->hub, id_of(r),
                                    pd_request_parameter(&r->face, "event"), value, &err);
        finish(r, status, &err);
    }
}

static void terminate(struct request *r)
{
    pd_error err;
    finish(r,
           pd_hub_terminate(r->service->hub, id_of(r), pd_request_query(&r->face, "reason"), false,
                            &err),
           &err);
}

static void suspend(struct request *r)
{
    pd_error err;
    const char *reason = pd_request_query(&r->face, "reason");
    finish(r, pd_hub_suspend(r->service->hub, id_of(r), reason, &err), &err);
}

static void resume(struct request *r)
{
    pd_error err;
    const char *reason = pd_request_query(&r->face, "reason");
    finish(r, pd_hub_resume(r->service->hub, id_of(r), reason, &err), &err);
}

static void rewind_(struct request *r)
{
    pd_error err;
    const char *reason = pd_request_query(&r->face, "reason");
    finish(r, pd_hub_rewind(r->service->hub, id_of(r), reason, &err), &err);
}

static void restart(struct request *r)
{
    pd_error err;
    pd_id id = { "" };
    const char *word = pd_request_query(&r->face, "restartWithNewInstanceId");
    bool is_new = word == NULL || strcasecmp(word, "false") != 0;
    pd_status status = pd_hub_restart(r->service->hub, id_of(r), is_new ? &id : NULL, &err);
    if (status == PD_OK) {
        manage_links(r, is_new ? id.text : id_of(r));
    } else {
        finish(r, status, &err);
    }
}

static void purge(struct request *r)
{
    pd_error err;
    pd_status status = pd_hub_purge(r->service->hub, id_of(r), &err);
    if (status == PD_OK) {
        pd_answer_bytes(&r->face, 200, "application/json", "{\"instancesDeleted\":1}", 22);
    } else if (status == PD_E_STATE) {
        request_fail(r, &err); /* it has not ended */
    } else {
        finish(r, status, &err);
    }
}

/* Routes as an app's, with functions of ours: rows of the same number. */
static void never(pd_request *face)
{
    (void)face;
}
#define ONE MANAGE_BASE "/instances/{id}"
static const pd_route routes[] = {
    { "GET", ONE, never, false },
    { "DELETE", ONE, never, false },
    { "POST", ONE "/raiseEvent/{event}", never, false },
    { "POST", ONE "/terminate", never, false },
    { "POST", ONE "/suspend", never, false },
    { "POST", ONE "/resume", never, false },
    { "POST", ONE "/rewind", never, false },
    { "POST", ONE "/restart", never, false },
};
static void (*const functions[])(struct request *) = { show,    purge,  raise_event, terminate,
                                                       suspend, resume, rewind_,     restart };

bool manage_takes(struct request *r)
{
    if (!text_has_prefix(r->raw_path, TEXT("/runtime/"))) {
        return false;
    }
    routes_find(routes, sizeof routes / sizeof routes[0], http_method(r->http), r->raw_path,
                &r->arena, &r->match);
    if (r->match.route != NULL) {
        r->own = functions[r->match.route - routes];
        r->match.route = NULL;
    } else {
        pd_answer_empty(&r->face, 404);
    }
    return true;
}
