/* SPDX-License-Identifier: MIT
 *
 * perdure start: one instance, or many of one orchestrator.
 *
 * Many are started CHUNK at a time, each chunk with one wait for the disk. Options go with one
 * instance only (the header's call for many has none), so with them they go one by one.
 */
#include <stdlib.h>
#include <string.h>

#include "output.h"

enum { CHUNK = 500 };

static const struct column columns[] = { { "id", "ID", COLUMN_ID }, { "name", "NAME", 0 } };

struct starting {
    struct invocation *in;
    pd_hub *hub;
    const char *name;
    pd_value input, tags;
    struct output *out;
    char **ids; /* of all that were started; each on the heap */
    size_t id_count;
};

static bool make_id(const char *template, int64_t n, pd_id *ret)
{
    AUTO_STRING id = { 0 };
    string_text(&id, "");
    for (const char *p = template; *p != 0;) {
        if (strncmp(p, "{n}", 3) == 0) {
            string_format(&id, "%lld", (long long)n);
            p += 3;
        } else {
            string_add(&id, p++, 1);
        }
    }
    if (id.size >= sizeof ret->text) {
        return false;
    }
    memcpy(ret->text, id.at, id.size + 1);
    return true;
}

static void started(struct starting *s, const char *id)
{
    if (*id == 0) {
        return;
    }
    if (s->out != NULL) {
        output_row(s->out, (struct cell[]){ cell_text(id), cell_text(s->name) });
    }
    if (s->ids != NULL) {
        s->ids[s->id_count] = strdup(id);
        s->id_count += s->ids[s->id_count] != NULL;
    }
}

static int start_one(struct starting *s, const char *id)
{
    const struct options *o = &s->in->options;
    pd_start_options options = {
        .id = id, .version = o->version, .at = o->at, .tags = s->tags, .reuse = (pd_reuse)o->reuse
    };
    pd_id made = { "" };
    pd_error err;
    if (pd_hub_start(s->hub, s->name, s->input, &options, &made, &err) != PD_OK) {
        if (err.status == PD_E_EXISTS) { /* the text says in which state */
            return problem(CODE_CONFLICT, "give another --id, or say with --if-exists what follows",
                           "%s", err.text);
        }
        return problem_of_instance(&err, id != NULL ? id : "", o->hub);
    }
    started(s, made.text);
    return CODE_DONE;
}

static int start_chunk(struct starting *s, int64_t first, size_t count)
{
    static pd_id ids[CHUNK];
    static pd_value inputs[CHUNK];
    const struct options *o = &s->in->options;
    for (size_t i = 0; i < count; i++) {
        inputs[i] = s->input;
        ids[i].text[0] = 0;
        if (o->id_template != NULL && !make_id(o->id_template, first + (int64_t)i, &ids[i])) {
            return problem(CODE_USAGE, NULL, "--id-template: the id is too long");
        }
    }
    if (o->version != NULL || o->at.ms != 0 || o->tags.count != 0 || o->reuse != PD_REUSE_ENDED) {
        int code = CODE_DONE;
        for (size_t i = 0; i < count && code == CODE_DONE; i++) {
            code = start_one(s, ids[i].text);
        }
        return code;
    }
    pd_error err;
    pd_status status = pd_hub_start_many(s->hub, s->name, count, inputs, ids, &err);
    if (status == PD_E_INVALID || status == PD_E_LIMIT) {
        return problem_of(&err); /* found before anything was started */
    }
    for (size_t i = 0; i < count; i++) {
        started(s, ids[i].text);
    }
    return status == PD_OK ? CODE_DONE : problem_of(&err);
}

static int start_all(struct starting *s)
{
    const struct options *o = &s->in->options;
    if (o->count == 0) {
        return start_one(s, o->id);
    }
    int code = CODE_DONE;
    for (int64_t n = 0; n < o->count && code == CODE_DONE; n += CHUNK) {
        int64_t left = o->count - n;
        code = start_chunk(s, n + 1, left < CHUNK ? (size_t)left : CHUNK);
    }
    return code;
}

static int check_options(const struct options *o)
{
    if (o->input != NULL && o->input_text != NULL) {
        return problem(CODE_USAGE, NULL, "--input and --input-text exclude each other");
    }
    if (o->id != NULL && *o->id == 0) { /* "$id" of a script that has none */
        return problem(CODE_USAGE, "without --id, one is made", "--id: the id is empty");
    }
    if (o->id != NULL && o->count > 1) {
        return problem(CODE_USAGE, "give --id-template 'job-{n}'",
                       "--id is one id, and --count asks for more");
    }
    if (o->id_template != NULL && o->count == 0) {
        return problem(CODE_USAGE, NULL, "--id-template goes with --count");
    }
    if (o->id_template != NULL && strstr(o->id_template, "{n}") == NULL) {
        return problem(CODE_USAGE, NULL, "--id-template needs {n} in it");
    }
    if (o->timeout.ms >= 0 && !o->wait) {
        return problem(CODE_USAGE, NULL, "--timeout goes with --wait");
    }
    return CODE_DONE;
}

/* Those of which nobody waits for the end, as not all could be started. */
static void show_ids(const struct options *o, const struct starting *s, int code)
{
    struct output *out = output_begin(o, OUTPUT_MANY, columns, 2);
    for (size_t i = 0; i < s->id_count; i++) {
        output_row(out, (struct cell[]){ cell_text(s->ids[i]), cell_text(s->name) });
    }
    (void)output_end(out, code);
}

/* The ids go out as soon as they are durable, or, with --wait, when their instances have ended. */
static int start_and_wait(struct starting *s)
{
    struct options shown = s->in->options;
    if (shown.format == FORMAT_AUTO) {
        shown.format = FORMAT_ID;
    }
    size_t count = s->in->options.count > 0 ? (size_t)s->in->options.count : 1;
    if (s->in->options.wait) {
        s->ids = calloc(count, sizeof *s->ids);
        if (s->ids == NULL) {
            return problem(CODE_OTHER, NULL, "out of memory");
        }
    } else {
        bool many = s->in->options.count > 0;
        s->out = output_begin(&shown, many ? OUTPUT_MANY : OUTPUT_ONE, columns, 2);
    }
    int code = start_all(s);
    if (s->out != NULL) {
        output_end(s->out, code);
    } else if (code == CODE_DONE) {
        code = wait_for_instances(s->in, s->hub, (const char *const *)s->ids, s->id_count, true);
    } else if (s->id_count > 0) {
        show_ids(&shown, s, code);
    }
    for (size_t i = 0; i < s->id_count; i++) {
        free(s->ids[i]);
    }
    free(s->ids);
    return code;
}

int cmd_start(struct invocation *in)
{
    const struct options *o = &in->options;
    int code = check_options(o);
    if (code != CODE_DONE) {
        return code;
    }
    struct starting s = { .in = in, .name = in->arguments[0], .input = PD_NULL, .tags = PD_NULL };
    PD_AUTO(pd_document) document = NULL;
    PD_AUTO(pd_document) tags = NULL;
    if (!payload_read("input", o->input, &document, &s.input, &code) ||
        !tags_read(o, &tags, &s.tags, &code)) {
        return code;
    }
    if (o->input_text != NULL) {
        s.input = pd_of_text(o->input_text);
    }
    PD_AUTO(pd_hub) hub = hub_open(in, true, &code);
    if (hub == NULL) {
        return code;
    }
    s.hub = hub;
    code = start_and_wait(&s);
    if (code == CODE_DONE && !o->wait) {
        remark(o, "started; see: perdure --hub %s list", o->hub);
    }
    return code;
}
