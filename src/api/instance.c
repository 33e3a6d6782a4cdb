/* SPDX-License-Identifier: MIT
 *
 * pd_instance: an instance as it was when somebody looked.
 *
 *   I1  Immutable, and copied: it depends on no hub, store or thread.
 *   I2  The output is read into a value when first asked for, once, by whichever thread comes
 *       first; most callers want the text, or nothing.
 *   I3  One that belongs to a page lives in the page's arena and goes with it.
 */
#include "api/api_priv.h"
#include "base/assert.h"
#include "base/memory.h"
#include "json/json.h"
#include "wire/wire.h"

enum { INSTANCE_MAGIC = 0x696e7374 };
enum { COPY_UNCHECKED_MAX = 1024 };

/* What changes behind the const: the output as a value. */
struct lazy {
    pthread_mutex_t mutex;
    atomic_bool is_parsed;
    struct arena arena;
    pd_value value;
};

struct pd_instance {
    uint32_t magic;
    pd_run_state state;
    const char *id, *execution_id, *name, *version, *input, *output;
    size_t output_size;
    time_us created_at, updated_at, ended_at;
    const pd_failure *failure;
    struct lazy *lazy;
    struct arena *own; /* NULL: it belongs to a page */
};

bool api_copy_string(struct arena *arena, struct text t, const char **ret)
{
    if (!text_is_present(t)) {
        *ret = NULL;
        return true;
    }
    if (t.size <= COPY_UNCHECKED_MAX) {
        *ret = arena_copy(arena, t.at, t.size);
        return true;
    }
    char *copy = arena_try_alloc(arena, t.size + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, t.at, t.size);
    *ret = copy;
    return true;
}

const pd_failure *api_copy_failure(struct arena *arena, const struct failure *failure)
{
    const pd_failure *first = NULL;
    const pd_failure **link = &first;
    for (; failure != NULL; failure = failure->cause) {
        pd_failure *copy = arena_alloc(arena, sizeof(*copy));
        if (!api_copy_string(arena, failure->type, &copy->type) ||
            !api_copy_string(arena, failure->message, &copy->message)) {
            return NULL;
        }
        copy->final = failure->is_final;
        *link = copy;
        link = &copy->cause;
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

pd_status api_instance_init_in(pd_instance *i, struct arena *arena,
                               const struct instance_record *record, pd_error *err)
{
    bool is_completed = record->state == RUN_COMPLETED && text_is_present(record->output);
    struct text output = is_completed ? record->output : TEXT("null");
    struct text input = text_is_present(record->input) ? record->input : TEXT("null");
    *i = (pd_instance){
        .magic = INSTANCE_MAGIC,
        .state = (pd_run_state)record->state,
        .created_at = record->created_at,
        .updated_at = record->updated_at,
        .ended_at = record->ended_at,
        .output_size = output.size,
    };
    if (!api_copy_string(arena, record->id, &i->id) ||
        !api_copy_string(arena, record->execution_id, &i->execution_id) ||
        !api_copy_string(arena, record->name, &i->name) ||
        !api_copy_string(arena, record->version, &i->version) ||
        !api_copy_string(arena, input, &i->input) || !api_copy_string(arena, output, &i->output)) {
        return no_memory(err);
    }
    if (record->state == RUN_FAILED) {
        pd_status status = init_failure(i, arena, record->failure, err);
        if (status != PD_OK) {
            return status;
        }
    }
    i->lazy = arena_alloc(arena, sizeof(*i->lazy));
    pthread_mutex_init(&i->lazy->mutex, NULL);
    return PD_OK;
}

void api_instance_done_in(pd_instance *i)
{
    OBJECT_CHECK(i, INSTANCE_MAGIC);
    arena_done(&i->lazy->arena);
    pthread_mutex_destroy(&i->lazy->mutex);
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
    return checked(i)->output;
}

/* What other programs stored need not be JSON that we can read: that is null as a value, and still
 * there as text. */
static void parse_output(const pd_instance *i, struct lazy *lazy)
{
    pd_error unwanted;
    pthread_mutex_lock(&lazy->mutex);
    if (!atomic_load_explicit(&lazy->is_parsed, memory_order_relaxed)) {
        pd_value value = PD_NULL;
        if (json_parse(&lazy->arena, text_make(i->output, i->output_size), &value, &unwanted) ==
            PD_OK) {
            lazy->value = value;
        }
        atomic_store_explicit(&lazy->is_parsed, true, memory_order_release);
    }
    pthread_mutex_unlock(&lazy->mutex);
}

pd_value pd_instance_output(const pd_instance *i)
{
    struct lazy *lazy = checked(i)->lazy;
    if (!atomic_load_explicit(&lazy->is_parsed, memory_order_acquire)) {
        parse_output(i, lazy);
    }
    return lazy->value;
}

const pd_failure *pd_instance_failure(const pd_instance *i)
{
    return checked(i)->failure;
}
