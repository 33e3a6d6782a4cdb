/* SPDX-License-Identifier: MIT
 *
 * Starting instances: arguments checked, payloads made JSON, ids made where none was given.
 *
 *   S1  All arguments are checked before anything is started.
 *   S2  Results are written only for what was started. pd_hub_start_many empties the ids of the
 *       others, so that an id that is there means a start that is durable.
 *   S3  PD_OK for an instance that is kept means that it is durable, too.
 *   S4  A start of an ID for which one waits in the mailbox, promised here before the engine ran,
 *       goes behind it, and the store judges. The engine knows rows, not the mailbox.
 */
#include <string.h>
#include <unistd.h>

#include "api/api_priv.h"
#include "author/author.h"
#include "base/memory.h"
#include "json/json.h"

static const char where[] = "hub: start";

static pd_status name_of_ref(const struct call *call, pd_ref ref, struct text *ret, pd_error *err)
{
    if (ref.name_ != NULL) {
        *ret = text_of(ref.name_);
        return api_check_name(*ret, where, "name of the orchestrator", err);
    }
    if (ref.run_ == NULL) {
        return error_set(err, PD_E_INVALID, false, where, "no orchestrator was given");
    }
    if (call->worker == NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "without a worker in this hub a function has no name; pass the name");
    }
    const char *name = author_name_of(call->worker->author, ref.run_, PD_ORCHESTRATOR);
    if (name == NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "this function is not an orchestrator of the worker's program");
    }
    *ret = text_of(name);
    return PD_OK;
}

static pd_status check_version(const char *version, struct text *ret, pd_error *err)
{
    *ret = text_of(version);
    return ret->size == 0 ? PD_OK : api_check_name(*ret, where, "version", err);
}

/* S4: one of them has been promised here already, before the engine ran. */
static pd_status one_waits(const struct call *call, const struct start_command *commands,
                           size_t count, bool *ret, pd_error *err)
{
    pd_status status = PD_OK;
    *ret = false;
    if (mail_may_hold_ours(&call->hub->starts)) {
        status = mail_holds(call->hub, &call->hub->starts, mail_is_start, ret, err);
    }
    if (status != PD_OK || !*ret) {
        return status;
    }
    *ret = false;
    for (size_t i = 0; status == PD_OK && !*ret && i < count; i++) {
        struct arena arena;
        struct instance_record record;
        arena_init(&arena);
        if (!commands[i].is_fresh) {
            status = mail_find_start(call->hub, commands[i].id, &arena, &record, ret, err);
        }
        arena_done(&arena);
    }
    return status;
}

pd_status api_start(const struct call *call, const struct start_command *commands, size_t count,
                    pd_status *statuses, pd_error *err)
{
    bool goes_behind = true;
    if (call_engine(call) != NULL) {
        pd_status status = one_waits(call, commands, count, &goes_behind, err);
        if (status != PD_OK) {
            for (size_t i = 0; i < count; i++) {
                statuses[i] = status;
            }
            return status;
        }
    }
    if (!goes_behind) {
        return engine_start_instances(call_engine(call), commands, count, statuses, err);
    }
    return mail_starts(call->hub, commands, count, statuses, err);
}

/* ---- one ------------------------------------------------------------------------------------ */

/* The states in which an instance gives way to a new one. */
static pd_status check_reuse(pd_reuse reuse, unsigned *ret, pd_error *err)
{
    switch (reuse) {
    case PD_REUSE_ENDED: *ret = STATES_ENDED; return PD_OK;
    case PD_REUSE_FAILED: *ret = 1u << RUN_FAILED | 1u << RUN_TERMINATED; return PD_OK;
    case PD_REUSE_ANY: *ret = STATES_ALL; return PD_OK;
    case PD_REUSE_NEVER:
    case PD_REUSE_KEEP: *ret = 0; return PD_OK;
    }
    return error_set(err, PD_E_INVALID, false, where, "%d is no pd_reuse", (int)reuse);
}

/* S3: the one that exists may be as new as this call, and not durable yet. Then it soon is, or it
 * has failed and another attempt starts one. */
static pd_status start_or_keep(const struct call *call, const struct start_command *command,
                               pd_error *err)
{
    pd_status status = PD_E_EXISTS;
    bool is_there = false;
    struct arena arena;
    arena_init(&arena);
    while (status == PD_E_EXISTS && !is_there) {
        pd_status fate;
        status = api_start(call, command, 1, &fate, err);
        if (status == PD_E_EXISTS) {
            struct sighting sighting = { false, 0 };
            struct instance_record record;
            arena_reset(&arena);
            pd_status seen = api_look(call, command->id, &sighting, &arena, &record, where, err);
            is_there = seen == PD_OK;
            if (seen == PD_E_NOT_FOUND) {
                usleep(1000);
            } else {
                status = seen;
            }
        }
    }
    arena_done(&arena);
    return status;
}

/* What a start is made of, checked (S1). Borrows from the options, the buffer and the arena. */
static pd_status read_options(const pd_start_options *options, struct arena *arena,
                              struct start_command *command, struct event_extra *extra,
                              pd_error *err)
{
    *extra = (struct event_extra){ .recurses = false };
    pd_status status = check_version(options->version, &command->version, err);
    if (status == PD_OK) {
        status = json_pack_tags(arena, options->tags, &extra->tags, err);
    }
    if (status == PD_OK) {
        status = check_reuse(options->reuse, &command->replaces, err);
    }
    command->starts_at = options->at.ms > 0 ? time_of_public(options->at) : 0;
    command->extra = text_is_present(extra->tags) ? extra : NULL;
    return status;
}

static pd_status start_one(const struct call *call, pd_ref orchestrator, pd_value input,
                           const pd_start_options *options, struct arena *arena, pd_id *id,
                           pd_error *err)
{
    struct start_command command = { .id = TEXT_ABSENT };
    struct event_extra extra;
    struct chosen_id chosen;
    struct buffer payload;
    buffer_init(&payload);
    pd_status status = name_of_ref(call, orchestrator, &command.name, err);
    if (status == PD_OK) {
        status = read_options(options, arena, &command, &extra, err);
    }
    if (status == PD_OK) {
        status = api_choose_id(options->id, &chosen, err);
    }
    if (status == PD_OK) {
        status = api_check_payload(call->hub, &payload, input, where, err);
    }
    if (status == PD_OK) {
        pd_status fate;
        command.id = chosen.text;
        command.is_fresh = chosen.is_fresh;
        command.input = buffer_text(&payload);
        status = options->reuse == PD_REUSE_KEEP ? start_or_keep(call, &command, err)
                                                 : api_start(call, &command, 1, &fate, err);
    }
    if (status == PD_OK && id != NULL) {
        api_write_id(id, command.id);
    }
    buffer_done(&payload);
    return status;
}

pd_status pd_hub_start_(pd_hub *hub, pd_ref orchestrator, pd_value input,
                        const pd_start_options *options, pd_id *id, pd_error *err)
{
    static const pd_start_options defaults;
    pd_error unwanted;
    struct call call;
    struct arena arena;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = start_one(&call, orchestrator, input, options != NULL ? options : &defaults,
                           &arena, id, err);
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}

/* ---- many ----------------------------------------------------------------------------------- */

/* A call's worth of starts. Inputs lie one after another in `payloads`, which moves while it
 * grows: so the texts are set when it is complete. */
struct crowd {
    size_t count;
    struct start_command *commands;
    struct chosen_id *chosen;
    size_t *ends;
    pd_status *statuses;
    struct buffer payloads;
};

static bool crowd_init(struct crowd *crowd, size_t count)
{
    *crowd = (struct crowd){ .count = count };
    buffer_init(&crowd->payloads);
    if (count > SIZE_MAX / sizeof(struct start_command)) {
        return false;
    }
    crowd->commands = mem_try_alloc(count * sizeof(*crowd->commands));
    crowd->chosen = mem_try_alloc(count * sizeof(*crowd->chosen));
    crowd->ends = mem_try_alloc(count * sizeof(*crowd->ends));
    crowd->statuses = mem_try_alloc(count * sizeof(*crowd->statuses));
    return crowd->commands != NULL && crowd->chosen != NULL && crowd->ends != NULL &&
           crowd->statuses != NULL;
}

static void crowd_done(struct crowd *crowd)
{
    buffer_done(&crowd->payloads);
    mem_free(crowd->statuses);
    mem_free(crowd->ends);
    mem_free(crowd->chosen);
    mem_free(crowd->commands);
}

static pd_status crowd_fill(struct crowd *crowd, const pd_hub *hub, struct text name,
                            const pd_value *inputs, const pd_id *ids, pd_error *err)
{
    for (size_t i = 0; i < crowd->count; i++) {
        pd_status status =
            api_choose_id_of(ids != NULL ? &ids[i] : NULL, where, &crowd->chosen[i], err);
        if (status == PD_OK && inputs != NULL) {
            status = api_check_payload(hub, &crowd->payloads, inputs[i], where, err);
        }
        if (status != PD_OK) {
            return status;
        }
        crowd->ends[i] = crowd->payloads.size;
    }
    const char *at = (const char *)crowd->payloads.at;
    for (size_t i = 0; i < crowd->count; i++) {
        size_t begin = i > 0 ? crowd->ends[i - 1] : 0;
        crowd->commands[i] = (struct start_command){
            .id = crowd->chosen[i].text,
            .is_fresh = crowd->chosen[i].is_fresh,
            .name = name,
            .input = inputs != NULL ? text_make(at + begin, crowd->ends[i] - begin) : TEXT("null"),
            .replaces = STATES_ENDED,
        };
    }
    return PD_OK;
}

static pd_status start_crowd(const struct call *call, struct crowd *crowd, struct text name,
                             const pd_value *inputs, pd_id *ids, pd_error *err)
{
    pd_status status = crowd_fill(crowd, call->hub, name, inputs, ids, err);
    bool is_tried = status == PD_OK;
    if (is_tried) {
        status = api_start(call, crowd->commands, crowd->count, crowd->statuses, err);
    }
    for (size_t i = 0; ids != NULL && i < crowd->count; i++) { /* S2 */
        bool is_started = is_tried && (status == PD_OK || crowd->statuses[i] == PD_OK);
        if (!is_started) {
            ids[i].text[0] = '\0';
        } else if (crowd->commands[i].is_fresh) {
            api_write_id(&ids[i], crowd->commands[i].id);
        }
    }
    return status;
}

pd_status pd_hub_start_many_(pd_hub *hub, pd_ref orchestrator, size_t n, const pd_value *inputs,
                             pd_id *ids, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct text name;
    err = error_or(err, &unwanted);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = name_of_ref(&call, orchestrator, &name, err);
    }
    if (status == PD_OK && n > 0) {
        struct crowd crowd;
        status = crowd_init(&crowd, n) ? start_crowd(&call, &crowd, name, inputs, ids, err)
                                       : error_set(err, PD_E_NOMEM, true, where,
                                                   "no memory to start %zu instances at once", n);
        crowd_done(&crowd);
    }
    call_end(&call);
    return status;
}
