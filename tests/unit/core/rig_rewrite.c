/* SPDX-License-Identifier: MIT
 *
 * Rewinds and forks in the rig, from what the model store has, as an engine does. See rig.h.
 */
#include "core/rewrite.h"

#include "core/core_priv.h"
#include "rig.h"

/* The turns of a row of the store. */
static void read_turns(struct rig *rig, const struct model_row *row, struct arena *arena,
                       const struct turn_events **ret, size_t *ret_count)
{
    size_t count;
    const struct event **past = model_history(&rig->model, row, &count);
    struct event *events = arena_alloc(arena, count * sizeof *events);
    for (size_t i = 0; i < count; i++) {
        events[i] = *past[i];
    }
    rewrite_split(events, count, arena, ret, ret_count);
    assert_int_equal(*ret_count, row->turn_count);
}

pd_status rig_adopt(struct rig *rig, const struct adoption *adoption)
{
    pd_error err = { 0 };
    pd_status status = core_adopt(rig->core, rig->now, adoption, &err);
    assert_int_equal(status, err.status);
    if (status == PD_OK && adoption->record->row != 0) {
        rig_forget(rig, adoption->record->row);
    }
    return status;
}

static pd_status rewind_row(struct rig *rig, const struct model_row *row, const char *reason,
                            struct arena *arena)
{
    struct adoption adoption;
    const struct turn_events *turns;
    size_t count;
    pd_error err = { 0 };
    struct event rewound = {
        .kind = EVENT_EXECUTION_REWOUND,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = rig->now,
        .payload = text_of(reason),
    };
    read_turns(rig, row, arena, &turns, &count);
    pd_status status = rewrite_rewind(&row->record, turns, count, &rewound, arena, &adoption, &err);
    assert_int_equal(status, err.status);
    return status == PD_OK ? rig_adopt(rig, &adoption) : status;
}

pd_status rig_rewind(struct rig *rig, struct text id, const char *reason)
{
    const struct model_row *row = model_find(&rig->model, id);
    const struct instance *resident = core_find(rig->core, id);
    const struct instance *known = row != NULL ? core_find_row(rig->core, row->record.row) : NULL;
    if (row == NULL || resident != known) {
        return PD_E_NOT_FOUND; /* or it was replaced, or purged */
    }
    struct arena arena = { 0 };
    pd_status status = rewind_row(rig, row, reason, &arena);
    arena_done(&arena);
    return status;
}

pd_status rig_fork(struct rig *rig, const char *id, uint64_t event, const char *new_id)
{
    const struct model_row *row = model_find(&rig->model, text_of(id));
    if (row == NULL) {
        return PD_E_NOT_FOUND;
    }
    struct arena arena = { 0 };
    struct adoption adoption;
    const struct turn_events *turns;
    size_t count;
    pd_error err = { 0 };
    struct text execution_id = text_of(arena_printf(&arena, "e%u", ++rig->started));
    read_turns(rig, row, &arena, &turns, &count);
    pd_status status = rewrite_fork(&row->record, turns, count, event, text_of(new_id),
                                    execution_id, &arena, &adoption, &err);
    assert_int_equal(status, err.status);
    status = status == PD_OK ? rig_adopt(rig, &adoption) : status;
    arena_done(&arena);
    return status;
}

bool rig_ensure_child(struct rig *rig, const struct letter *letter)
{
    const struct instance *child = rig_find(rig, letter->instance_id);
    const struct model_row *row = rig_row(rig, letter->instance_id);
    if (child != NULL || row == NULL || row->record.state == RUN_TERMINATED) {
        return false; /* as if its parent started it */
    }
    if (row->record.state == RUN_COMPLETED) {
        core_report_child(rig->core, rig->now, &row->record, NULL);
    } else {
        assert_int_equal(rig_rewind(rig, letter->instance_id, NULL), PD_OK);
    }
    return true;
}

/* ---- looking into batches ---- */

const struct mutation *rig_mutation(const struct batch *batch, enum mutation_kind kind)
{
    const struct mutation *m = batch->first;
    while (m != NULL && m->kind != kind) {
        m = m->next;
    }
    assert_non_null(m);
    return m;
}

const struct activity *rig_activity(const struct batch *batch, size_t index)
{
    LIST_EACH(node, &batch->activities)
    {
        if (index-- == 0) {
            return CONTAINER_OF(node, struct activity, node);
        }
    }
    fail_msg("the batch has no such activity");
    return NULL;
}
