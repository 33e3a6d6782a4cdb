/* SPDX-License-Identifier: MIT
 *
 * Once more: the same again from its beginning (restart), or from a point of its history (fork).
 *
 * Both read what the store has and say something new to the engine: a start, or an archive to
 * adopt. The source is not touched, except that a restart under the same ID takes its place.
 */
#include "api/api_priv.h"
#include "api/archive.h"
#include "base/tags.h"
#include "core/rewrite.h"

/* ---- restart -------------------------------------------------------------------------------- */

static const char where_restart[] = "hub: restart";

static pd_status has_not_ended(struct text id, pd_error *err)
{
    return error_set(err, PD_E_STATE, false, where_restart,
                     "instance '%.*s' has not ended; give the new one another ID", TEXT_ARGS(id));
}

static pd_status start_again(const struct call *call, const struct instance_record *record,
                             const struct chosen_id *chosen, pd_error *err)
{
    const struct event_extra extra = { .tags = record->tags };
    struct start_command command = {
        .id = chosen != NULL ? chosen->text : record->id,
        .is_fresh = chosen != NULL && chosen->is_fresh,
        .name = record->name,
        .version = record->version,
        .input = record->input,
        .extra = text_is_present(record->tags) ? &extra : NULL,
        .replaces = chosen != NULL ? 0 : STATES_ENDED,
    };
    pd_status fate;
    if (chosen == NULL && !run_state_is_final(record->state)) {
        return has_not_ended(record->id, err);
    }
    pd_status status = api_start(call, &command, 1, &fate, err);
    bool is_overtaken = status == PD_E_EXISTS && chosen == NULL;
    return is_overtaken ? has_not_ended(record->id, err) : status;
}

static pd_status restart(struct call *call, const char *id, pd_id *new_id, struct arena *arena,
                         pd_error *err)
{
    struct text source;
    struct chosen_id chosen;
    struct sighting sighting = { false, 0 };
    struct instance_record record;
    pd_status status = api_check_id(id, where_restart, &source, err);
    if (status == PD_OK && new_id != NULL) {
        status = api_choose_id_of(new_id, where_restart, &chosen, err);
    }
    if (status == PD_OK) {
        status = api_look(call, source, &sighting, arena, &record, where_restart, err);
    }
    if (status == PD_OK) {
        status = start_again(call, &record, new_id != NULL ? &chosen : NULL, err);
    }
    if (status == PD_OK && new_id != NULL) {
        api_write_id(new_id, chosen.text);
    }
    return status;
}

pd_status pd_hub_restart(pd_hub *hub, const char *id, pd_id *new_id, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct arena arena;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where_restart, err);
    if (status == PD_OK) {
        status = restart(&call, id, new_id, &arena, err);
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}

/* ---- fork ----------------------------------------------------------------------------------- */

static const char where_fork[] = "hub: fork";

/* The source with all its events; without any while it waits in the mailbox. */
static pd_status load_source(const struct call *call, struct text id, struct arena *arena,
                             struct archive *ret, pd_error *err)
{
    struct sighting sighting = { false, 0 };
    bool is_found = true;
    *ret = (struct archive){ .turn_count = 0 };
    pd_status status = api_look(call, id, &sighting, arena, &ret->record, where_fork, err);
    if (status == PD_OK && ret->record.row != 0) {
        status = archive_load(call->hub->store, ret->record.row, arena, ret, &is_found, err);
    }
    if (status == PD_OK && !is_found) {
        status = error_set(err, PD_E_NOT_FOUND, true, where_fork,
                           "instance '%.*s' has been purged or replaced meanwhile", TEXT_ARGS(id));
    }
    return status;
}

static pd_status adopt(const struct call *call, const struct adoption *adoption,
                       struct arena *arena, pd_error *err)
{
    struct archive archive;
    struct buffer bytes;
    buffer_init(&bytes);
    archive_pack(adoption, arena, &archive);
    archive.record.created_at = archive.record.updated_at = api_now();
    pd_status status = wire_write_archive(&bytes, &archive, err);
    if (status == PD_OK) {
        const struct letter letter = {
            .kind = MESSAGE_ADOPT,
            .instance_id = adoption->record->id,
            .bytes = buffer_text(&bytes),
        };
        status = api_tell_one(call, &letter, err);
    }
    buffer_done(&bytes);
    return status;
}

static pd_status fork_at(const struct call *call, struct text id, int64_t event, struct text new_id,
                         struct arena *arena, pd_error *err)
{
    char execution_id[33];
    struct archive source;
    struct adoption lived;
    struct adoption fork;
    engine_new_id(execution_id);
    if (event < 0) {
        return error_set(err, PD_E_INVALID, false, where_fork, "events have numbers from 1");
    }
    pd_status status = load_source(call, id, arena, &source, err);
    if (status == PD_OK) {
        status = archive_unpack(&source, arena, &lived, err);
    }
    if (status == PD_OK) {
        status = rewrite_fork(&source.record, lived.turns, lived.turn_count, (uint64_t)event,
                              new_id, text_make(execution_id, 32), arena, &fork, err);
    }
    return status == PD_OK ? adopt(call, &fork, arena, err) : status;
}

pd_status pd_hub_fork(pd_hub *hub, const char *id, int64_t event, pd_id *new_id, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct text source;
    struct chosen_id chosen;
    struct arena arena;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where_fork, err);
    if (status == PD_OK) {
        status = api_check_id(id, where_fork, &source, err);
    }
    if (status == PD_OK) {
        status = api_choose_id_of(new_id, where_fork, &chosen, err);
    }
    if (status == PD_OK) {
        status = fork_at(&call, source, event, chosen.text, &arena, err);
    }
    if (status == PD_OK && new_id != NULL) {
        api_write_id(new_id, chosen.text);
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}
