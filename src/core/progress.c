/* SPDX-License-Identifier: MIT
 *
 * What activities say of themselves while they run.
 *
 * The last word of each open one is kept here and in the store. It goes when the activity ends:
 * into TASK_FAILED, from where the next attempt gets it, or nowhere. After a crash the attempt that
 * is run again begins with it.
 *
 *   N1  There is a note of a step only while that is an open activity; so in the store, at every
 *       commit.
 */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"

/* Where the note of this step is, or would be. */
static struct note **place_of(struct instance *instance, int32_t id)
{
    struct note **at = &instance->notes;
    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next;
    }
    return at;
}

struct text note_find(const struct instance *instance, int32_t id)
{
    for (const struct note *note = instance->notes; note != NULL; note = note->next) {
        if (note->id == id) {
            return text_make(note->bytes, note->size);
        }
    }
    return TEXT_ABSENT;
}

static void unlink_note(struct note **at)
{
    struct note *note = *at;
    *at = note->next;
    mem_free(note);
}

struct note *note_new(int32_t id, struct text bytes)
{
    struct note *note = mem_alloc(sizeof *note + bytes.size);
    note->id = id;
    note->size = bytes.size;
    if (bytes.size != 0) {
        memcpy(note->bytes, bytes.at, bytes.size);
    }
    return note;
}

void note_keep(struct instance *instance, int32_t id, struct text progress)
{
    struct note **at = place_of(instance, id);
    if (*at != NULL) {
        unlink_note(at);
    }
    struct note *note = note_new(id, progress);
    note->next = instance->notes;
    instance->notes = note;
}

void note_drop(struct core *core, struct instance *instance, int32_t id)
{
    struct note **at = place_of(instance, id);
    if (*at != NULL) {
        unlink_note(at);
        batch_add(core_open_batch(core), MUTATION_PROGRESS_REMOVE, instance->row)->id = id;
    }
}

void notes_free(struct instance *instance)
{
    while (instance->notes != NULL) {
        unlink_note(&instance->notes);
    }
}

bool core_note_progress(struct core *core, struct instance *instance, struct text execution_id,
                        int32_t id, struct text progress)
{
    instance_check(instance);
    struct step step;
    if (!text_equal(instance->execution_id, execution_id) ||
        !steps_find(&instance->steps, id, STEP_TASK, &step)) {
        return false;
    }
    if (text_is_present(progress)) {
        note_keep(instance, id, progress);
        struct batch *batch = core_open_batch(core);
        struct mutation *mutation = batch_add(batch, MUTATION_PROGRESS_PUT, instance->row);
        mutation->id = id;
        mutation->bytes = text_copy(&batch->arena, progress);
        core_touch(core, instance);
    }
    return true;
}
