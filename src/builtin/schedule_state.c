/* SPDX-License-Identifier: MIT */
#include "builtin/schedule.h"

#include <stddef.h>
#include <string.h>

#include "base/limits.h"
#include "base/tags.h"

enum form { FORM_TEXT, FORM_NUMBER, FORM_COUNT, FORM_VALUE };

/* In the order in which they are shown. A count is there also when it is 0. */
static const struct field {
    const char *name;
    size_t at;
    enum form form;
    bool is_put;
} fields[] = {
#define FIELD(name, member, form, is_put)                     \
    {                                                         \
        name, offsetof(struct schedule, member), form, is_put \
    }
    FIELD("rule", rule, FORM_TEXT, true),
    FIELD("zone", zone, FORM_TEXT, true),
    FIELD("orchestrator", orchestrator, FORM_TEXT, true),
    FIELD("input", input, FORM_VALUE, true),
    FIELD("version", version, FORM_TEXT, true),
    FIELD("tags", tags, FORM_VALUE, true),
    FIELD("begins", begins, FORM_NUMBER, true),
    FIELD("ends", ends, FORM_NUMBER, true),
    FIELD("overlap", overlap, FORM_TEXT, true),
    FIELD("missed", missed, FORM_TEXT, true),
    FIELD("missedMax", missed_max, FORM_NUMBER, true),
    FIELD("status", status, FORM_TEXT, false),
    FIELD("next", next, FORM_NUMBER, false),
    FIELD("running", running, FORM_TEXT, false),
    FIELD("last", last, FORM_VALUE, false),
    FIELD("started", started, FORM_COUNT, false),
    FIELD("skipped", skipped, FORM_COUNT, false),
    FIELD("late", late, FORM_COUNT, false),
    FIELD("problem", problem, FORM_TEXT, false),
    FIELD("anchor", anchor, FORM_NUMBER, false),
    FIELD("generation", generation, FORM_NUMBER, false),
    FIELD("signal", signal, FORM_TEXT, false),
    FIELD("met", met, FORM_NUMBER, false),
    FIELD("buffered", buffered, FORM_NUMBER, false),
    FIELD("triggered", triggered, FORM_NUMBER, false),
#undef FIELD
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

/* ---- one field ------------------------------------------------------------------------------- */

/* False: it is of another form. What is null was not said. */
static bool read_field(struct schedule *s, const struct field *field, pd_value value)
{
    void *at = (char *)s + field->at;
    bool is_said = pd_kind_of(value) != PD_IS_NULL;
    switch (field->form) {
    case FORM_TEXT:
        *(const char **)at = pd_kind_of(value) == PD_IS_TEXT ? pd_text(value) : NULL;
        return !is_said || pd_kind_of(value) == PD_IS_TEXT;
    case FORM_NUMBER:
    case FORM_COUNT:
        *(long long *)at = pd_int(value);
        return !is_said || pd_kind_of(value) == PD_IS_INT;
    case FORM_VALUE: break;
    }
    *(pd_value *)at = value;
    return true;
}

static void write_field(pd_dict *state, const struct schedule *s, const struct field *field)
{
    const void *at = (const char *)s + field->at;
    const char *text;
    long long number;
    pd_value value;
    switch (field->form) {
    case FORM_TEXT:
        text = *(const char *const *)at;
        if (text != NULL) {
            pd_dict_set(state, field->name, text);
        }
        return;
    case FORM_NUMBER:
    case FORM_COUNT:
        number = *(const long long *)at;
        if (number != 0 || field->form == FORM_COUNT) {
            pd_dict_set(state, field->name, number);
        }
        return;
    case FORM_VALUE: break;
    }
    value = *(const pd_value *)at;
    if (pd_kind_of(value) != PD_IS_NULL) {
        pd_dict_set(state, field->name, value);
    }
}

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void set_default(const char **text, const char *otherwise)
{
    *text = *text != NULL ? *text : otherwise;
}

/* ---- the whole ------------------------------------------------------------------------------- */

struct schedule schedule_read(pd_entity *e)
{
    pd_value state = pd_state(e);
    struct schedule s = { .other = state };
    for (size_t i = 0; i < FIELDS; i++) {
        (void)read_field(&s, &fields[i], pd_get(state, fields[i].name));
    }
    set_default(&s.rule, "");
    set_default(&s.orchestrator, "");
    set_default(&s.overlap, "skip");
    set_default(&s.missed, "last");
    set_default(&s.status, "active");
    if (s.met == 0) { /* builds before 0.1 had only the next; with neither nothing is known */
        s.met = s.next != 0 ? s.next - 1 : pd_entity_now(e).ms;
    }
    s.anchor = s.anchor != 0 ? s.anchor : s.met; /* which an interval has met */
    return s;
}

void schedule_write(pd_entity *e, const struct schedule *s)
{
    pd_dict *state = pd_dict_new(e);
    for (size_t i = 0; i < FIELDS; i++) {
        write_field(state, s, &fields[i]);
    }
    for (size_t i = 0; i < pd_count(s->other); i++) { /* F2 */
        const char *name = pd_key_at(s->other, i);
        if (name != NULL && !is_ours(name)) {
            pd_dict_set(state, name, pd_value_at(s->other, i));
        }
    }
    pd_set_state(e, state);
}

/* ---- what is put ----------------------------------------------------------------------------- */

const char *schedule_id_flaw(struct text id)
{
    size_t characters = 0;
    for (size_t i = 0; i < id.size; i++) {
        characters += (id.at[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    const struct tag tag = { TEXT(PD_SCHEDULE), id }; /* of each of its instances */
    return id.size == 0                          ? "is empty"
           : characters > SCHEDULE_ID_CHARACTERS ? "is too long"
           : id.size > LIMIT_TAG_BYTES           ? "is too long"
           : memchr(id.at, '@', id.size) != NULL ? "has an '@'"
           : !tag_is_valid(&tag)                 ? "has a control character, or is no UTF-8"
                                                 : NULL;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* An instance can have them, and the schedule's besides. */
static bool are_tags(pd_value tags)
{
    pd_kind kind = pd_kind_of(tags);
    for (size_t i = 0; i < pd_count(tags); i++) {
        pd_value value = pd_value_at(tags, i);
        const struct tag tag = { text_of(pd_key_at(tags, i)), text_of(pd_text(value)) };
        if (pd_kind_of(value) != PD_IS_TEXT || !tag_is_valid(&tag) ||
            tag.key.size > LIMIT_TAG_BYTES || tag.value.size > LIMIT_TAG_BYTES) {
            return false;
        }
    }
    return kind == PD_IS_NULL || (kind == PD_IS_OBJECT && pd_count(tags) < LIMIT_TAGS) ||
           (pd_count(tags) == LIMIT_TAGS && pd_kind_of(pd_get(tags, PD_SCHEDULE)) != PD_IS_NULL);
}

static bool is_name(const char *text)
{
    struct text name = text_of(text);
    return name.size > 0 && name.size <= LIMIT_NAME && text_is_utf8(name);
}

/* As schedule_take, of what has the right forms. */
static const char *flaw_of(const struct schedule *s)
{
    bool has_version = s->version != NULL && s->version[0] != '\0';
    if (s->rule == NULL || s->orchestrator == NULL) {
        return "a schedule is an object with a rule and an orchestrator";
    }
    if (!is_name(s->orchestrator) || (has_version && !is_name(s->version))) {
        return "the orchestrator or its version is empty, too long, or no UTF-8";
    }
    if (!is_one_of(s->overlap, "skip", "buffer", "allow") ||
        !is_one_of(s->missed, "last", "none", "all")) {
        return "overlap is skip, buffer or allow, and missed is last, none or all";
    }
    return are_tags(s->tags) ? NULL : "'tags' of a schedule is no object of texts, or too large";
}

const char *schedule_take(pd_entity *e, pd_value put, struct schedule *s)
{
    const char *flaw = schedule_id_flaw(text_of(pd_entity_key(e)));
    if (flaw != NULL) {
        return pd_format(e, "the id of the schedule %s", flaw);
    }
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *field = &fields[i];
        if (field->is_put && !read_field(s, field, pd_get(put, field->name))) {
            return pd_format(e, "'%s' of a schedule is no %s", field->name,
                             field->form == FORM_TEXT ? "text" : "whole number");
        }
    }
    s->other = PD_NULL;
    set_default(&s->overlap, "skip");
    set_default(&s->missed, "last");
    return flaw_of(s);
}
