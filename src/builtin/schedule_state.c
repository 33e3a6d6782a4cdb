/* SPDX-License-Identifier: MIT */
#include "builtin/schedule.h"

#include <stddef.h>
#include <string.h>

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

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

const char *schedule_take(pd_entity *e, pd_value put, struct schedule *s)
{
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
    if (s->rule == NULL || s->orchestrator == NULL || s->orchestrator[0] == '\0') {
        return "a schedule is an object with a rule and an orchestrator";
    }
    if (!is_one_of(s->overlap, "skip", "buffer", "allow") ||
        !is_one_of(s->missed, "last", "none", "all")) {
        return "overlap is skip, buffer or allow, and missed is last, none or all";
    }
    pd_kind tags = pd_kind_of(s->tags);
    return tags == PD_IS_NULL || tags == PD_IS_OBJECT ? NULL : "'tags' of a schedule is no object";
}
