/* SPDX-License-Identifier: MIT
 *
 * pd_instance: an instance as it was when somebody looked.
 *
 *   I1  Immutable, and copied: it depends on no hub, store or thread.
 *   I2  Output and status are read into values when first asked for, once, by whichever thread
 *       comes first; most callers want the text, or nothing.
 *   I3  One that belongs to a page lives in the page's arena and goes with it.
 */
#include "api/api_priv.h"
#include "base/assert.h"
#include "base/memory.h"
#include "base/tags.h"
#include "wire/wire.h"

enum { INSTANCE_MAGIC = 0x696e7374 };

/* What changes behind the const (I2). */
struct payloads {
    struct lazy lazy;
    struct payload output, status;
};

struct tag_string {
    const char *key, *value;
};

struct pd_instance {
    uint32_t magic;
    pd_run_state state;
    const char *id, *execution_id, *name, *version, *input, *parent_id;
    time_us created_at, updated_at, ended_at, starts_at;
    const pd_failure *failure;
    const struct tag_string *tags; /* keys ascend */
    size_t tag_count;
    struct payloads *payloads;
    struct arena *own; /* NULL: it belongs to a page */
};

/* NULL: no memory. Both ways of it are bounded where failures are read (wire.h). */
static pd_failure *copy_one(struct arena *arena, const struct failure *failure)
{
    pd_failure *copy = arena_alloc(arena, sizeof(*copy));
    copy->final = failure->is_final;
    return api_copy_string(arena, failure->type, &copy->type) &&
                   api_copy_string(arena, failure->message, &copy->message)
               ? copy
               : NULL;
}

const pd_failure *api_copy_failure(struct arena *arena, const struct failure *failure)
{
    const pd_failure *first = NULL;
    const pd_failure **link = &first;
    for (; failure != NULL; failure = failure->next) {
        pd_failure *copy = copy_one(arena, failure);
        if (copy == NULL) {
            return NULL;
        }
        if (failure->cause != NULL) {
            copy->cause = api_copy_failure(arena, failure->cause);
            if (copy->cause == NULL) {
                return NULL;
            }
        }
        *link = copy;
        link = &copy->next;
    }
    return first;
}

static pd_status no_memory(pd_error *err)
{
    return error_set(err, PD_E_NOMEM, true, "hub: instance", "no memory to hold the instance");
}

/* A failure has no bytes when it says nothing; a failed instance has one all the same. */
static pd_status init_failure(pd_instance *i, struct arena *arena, struct text bytes, pd_error *err)
{
    const struct failure *failure;
    pd_status status = wire_read_failure(bytes, arena, &failure, err);
    if (status != PD_OK) {
        return status;
    }
    i->failure = api_copy_failure(arena, failure);
    return i->failure != NULL ? PD_OK : no_memory(err);
}

static bool init_tags(pd_instance *i, struct arena *arena, struct text tags)
{
    struct tag tag;
    struct tag_string *all = arena_alloc(arena, tags_count(tags) * sizeof(*all));
    i->tags = all;
    for (size_t cursor = 0; tags_next(tags, &cursor, &tag);) {
        struct tag_string *one = &all[i->tag_count++];
        if (!api_copy_string(arena, tag.key, &one->key) ||
            !api_copy_string(arena, tag.value, &one->value)) {
            return false;
        }
    }
    return true;
}

static bool init_texts(pd_instance *i, struct arena *arena, const struct instance_record *record)
{
    bool has_output = record->state == RUN_COMPLETED || record->state == RUN_TERMINATED;
    struct text input = text_is_present(record->input) ? record->input : TEXT("null");
    return api_copy_string(arena, record->id, &i->id) &&
           api_copy_string(arena, record->execution_id, &i->execution_id) &&
           api_copy_string(arena, record->name, &i->name) &&
           api_copy_string(arena, record->version, &i->version) &&
           api_copy_string(arena, input, &i->input) &&
           api_copy_string(arena, record->parent_id, &i->parent_id) &&
           payload_init(&i->payloads->output, arena, has_output ? record->output : TEXT_ABSENT) &&
           payload_init(&i->payloads->status, arena, record->custom_status) &&
           init_tags(i, arena, record->tags);
}

pd_status api_instance_init_in(pd_instance *i, struct arena *arena,
                               const struct instance_record *record, pd_error *err)
{
    *i = (pd_instance){
        .magic = INSTANCE_MAGIC,
        .state = (pd_run_state)record->state,
        .created_at = record->created_at,
        .updated_at = record->updated_at,
        .ended_at = record->ended_at,
        .starts_at = record->starts_at,
        .payloads = arena_alloc(arena, sizeof(*i->payloads)),
    };
    pd_status status = init_texts(i, arena, record) ? PD_OK : no_memory(err);
    bool is_quarantined = record->state == RUN_SUSPENDED && text_is_present(record->failure);
    if (status == PD_OK && (record->state == RUN_FAILED || is_quarantined)) {
        status = init_failure(i, arena, record->failure, err);
    }
    if (status == PD_OK) { /* api_instance_done_in is for those that succeeded */
        lazy_init(&i->payloads->lazy);
    }
    return status;
}

void api_instance_done_in(pd_instance *i)
{
    OBJECT_CHECK(i, INSTANCE_MAGIC);
    lazy_done(&i->payloads->lazy);
}

size_t api_instance_size(void)
{
    return sizeof(pd_instance);
}

pd_instance *api_instance_at(pd_instance *first, size_t index)
{
    return first + index;
}

pd_instance *api_instance_new(const struct instance_record *record, pd_error *err)
{
    pd_instance *i = OBJECT_NEW(pd_instance, INSTANCE_MAGIC);
    struct arena *own = mem_alloc(sizeof(*own));
    if (api_instance_init_in(i, own, record, err) != PD_OK) {
        arena_done(own);
        mem_free(own);
        OBJECT_FREE(i, INSTANCE_MAGIC);
        return NULL;
    }
    i->own = own;
    return i;
}

void pd_instance_free(pd_instance *i)
{
    if (i == NULL) {
        return;
    }
    api_instance_done_in(i);
    assert_that(i->own != NULL);
    arena_done(i->own);
    mem_free(i->own);
    OBJECT_FREE(i, INSTANCE_MAGIC);
}

/* ---- reading it ----------------------------------------------------------------------------- */

static const pd_instance *checked(const pd_instance *i)
{
    OBJECT_CHECK(i, INSTANCE_MAGIC);
    return i;
}

const char *pd_instance_id_of(const pd_instance *i)
{
    return checked(i)->id;
}

const char *pd_instance_execution_id(const pd_instance *i)
{
    return checked(i)->execution_id;
}

const char *pd_instance_name(const pd_instance *i)
{
    return checked(i)->name;
}

const char *pd_instance_version(const pd_instance *i)
{
    return checked(i)->version;
}

pd_run_state pd_instance_state(const pd_instance *i)
{
    return checked(i)->state;
}

bool pd_instance_is_ended(const pd_instance *i)
{
    return run_state_is_final((enum run_state)checked(i)->state);
}

pd_time pd_instance_created_at(const pd_instance *i)
{
    return time_to_public(checked(i)->created_at);
}

pd_time pd_instance_updated_at(const pd_instance *i)
{
    return time_to_public(checked(i)->updated_at);
}

pd_time pd_instance_ended_at(const pd_instance *i)
{
    return time_to_public(checked(i)->ended_at);
}

const char *pd_instance_input_json(const pd_instance *i)
{
    return checked(i)->input;
}

const char *pd_instance_output_json(const pd_instance *i)
{
    return checked(i)->payloads->output.json;
}

const char *pd_instance_status_json(const pd_instance *i)
{
    return checked(i)->payloads->status.json;
}

pd_value pd_instance_output(const pd_instance *i)
{
    return payload_value(&checked(i)->payloads->lazy, &i->payloads->output);
}

pd_value pd_instance_status(const pd_instance *i)
{
    return payload_value(&checked(i)->payloads->lazy, &i->payloads->status);
}

const pd_failure *pd_instance_failure(const pd_instance *i)
{
    return checked(i)->failure;
}

const char *pd_instance_parent_id(const pd_instance *i)
{
    return checked(i)->parent_id;
}

pd_time pd_instance_starts_at(const pd_instance *i)
{
    return time_to_public(checked(i)->starts_at);
}

size_t pd_instance_tag_count(const pd_instance *i)
{
    return checked(i)->tag_count;
}

const char *pd_instance_tag_key(const pd_instance *i, size_t index)
{
    return index < checked(i)->tag_count ? i->tags[index].key : NULL;
}

const char *pd_instance_tag_value(const pd_instance *i, size_t index)
{
    return index < checked(i)->tag_count ? i->tags[index].value : NULL;
}

const char *pd_instance_tag(const pd_instance *i, const char *key)
{
    for (size_t t = 0; t < checked(i)->tag_count; t++) {
        if (strcmp(i->tags[t].key, key) == 0) {
            return i->tags[t].value;
        }
    }
    return NULL;
}
