/* SPDX-License-Identifier: MIT
 *
 * Starting instances: arguments checked, payloads made JSON, ids made where none was given.
 *
 *   S1  All arguments are checked before anything is started.
 *   S2  Results are written only for what was started. pd_hub_start_many empties the ids of the
 *       others, so that an id that is there means a start that is durable.
 */

#include "api/api_priv.h"
#include "author/author.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/memory.h"

static const char where[] = "hub: start";

_Static_assert(sizeof(pd_id) > 4 * LIMIT_INSTANCE_ID, "an id of the longest characters fits");

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

/* The id that is wanted, or a new one. */
static pd_status choose_id(const char *wanted, char minted[33], struct start_command *command,
                           pd_error *err)
{
    if (wanted == NULL || wanted[0] == '\0') {
        engine_new_id(minted);
        command->id = text_make(minted, 32);
        command->is_fresh = true;
        return PD_OK;
    }
    command->id = text_of(wanted);
    return instance_id_check(command->id, err);
}

static pd_status start_all(struct call *call, const struct start_command *commands, size_t count,
                           pd_status *statuses, pd_error *err)
{
    if (call->worker != NULL) {
        return engine_start_instances(call->worker->engine, commands, count, statuses, err);
    }
    return mail_starts(call->hub, commands, count, statuses, err);
}

static void write_id(pd_id *ret, struct text id)
{
    memcpy(ret->text, id.at, id.size);
    ret->text[id.size] = '\0';
}

/* ---- one ------------------------------------------------------------------------------------ */

static pd_status start_one(struct call *call, pd_ref orchestrator, pd_value input,
                           const pd_start_options *options, pd_id *id, pd_error *err)
{
    static const pd_start_options defaults;
    options = options != NULL ? options : &defaults;
    struct start_command command = { .id = TEXT_ABSENT };
    char minted[33];
    struct buffer payload;
    buffer_init(&payload);
    pd_status status = name_of_ref(call, orchestrator, &command.name, err);
    if (status == PD_OK) {
        status = check_version(options->version, &command.version, err);
    }
    if (status == PD_OK) {
        status = choose_id(options->id, minted, &command, err);
    }
    if (status == PD_OK) {
        status = api_check_payload(&payload, input, where, err);
    }
    if (status == PD_OK) {
        pd_status fate;
        command.input = buffer_text(&payload);
        status = start_all(call, &command, 1, &fate, err);
    }
    if (status == PD_OK && id != NULL) {
        write_id(id, command.id);
    }
    buffer_done(&payload);
    return status;
}

pd_status pd_hub_start_(pd_hub *hub, pd_ref orchestrator, pd_value input,
                        const pd_start_options *options, pd_id *id, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    err = error_or(err, &unwanted);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = start_one(&call, orchestrator, input, options, id, err);
    }
    call_end(&call);
    return status;
}

/* ---- many ----------------------------------------------------------------------------------- */

/* A call's worth of starts. Inputs lie one after another in `payloads`, which moves while it
 * grows: so the texts are set when it is complete. */
struct crowd {
    size_t count;
    struct start_command *commands;
    char (*minted)[33];
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
    crowd->minted = mem_try_alloc(count * sizeof(*crowd->minted));
    crowd->ends = mem_try_alloc(count * sizeof(*crowd->ends));
    crowd->statuses = mem_try_alloc(count * sizeof(*crowd->statuses));
    return crowd->commands != NULL && crowd->minted != NULL && crowd->ends != NULL &&
           crowd->statuses != NULL;
}

static void crowd_done(struct crowd *crowd)
{
    buffer_done(&crowd->payloads);
    mem_free(crowd->statuses);
    mem_free(crowd->ends);
    mem_free(crowd->minted);
    mem_free(crowd->commands);
}

static pd_status crowd_fill(struct crowd *crowd, struct text name, const pd_value *inputs,
                            const pd_id *ids, pd_error *err)
{
    for (size_t i = 0; i < crowd->count; i++) {
        const char *wanted = ids != NULL ? ids[i].text : NULL;
        if (wanted != NULL && memchr(wanted, '\0', sizeof(ids[i].text)) == NULL) {
            return error_set(err, PD_E_INVALID, false, where, "id %zu does not end", i);
        }
        crowd->commands[i].name = name;
        pd_status status = choose_id(wanted, crowd->minted[i], &crowd->commands[i], err);
        if (status == PD_OK && inputs != NULL) {
            status = api_check_payload(&crowd->payloads, inputs[i], where, err);
        }
        if (status != PD_OK) {
            return status;
        }
        crowd->ends[i] = crowd->payloads.size;
    }
    const char *at = (const char *)crowd->payloads.at;
    for (size_t i = 0; i < crowd->count; i++) {
        size_t begin = i > 0 ? crowd->ends[i - 1] : 0;
        crowd->commands[i].input =
            inputs != NULL ? text_make(at + begin, crowd->ends[i] - begin) : TEXT("null");
    }
    return PD_OK;
}

static pd_status start_crowd(struct call *call, struct crowd *crowd, struct text name,
                             const pd_value *inputs, pd_id *ids, pd_error *err)
{
    pd_status status = crowd_fill(crowd, name, inputs, ids, err);
    bool is_tried = status == PD_OK;
    if (is_tried) {
        status = start_all(call, crowd->commands, crowd->count, crowd->statuses, err);
    }
    for (size_t i = 0; ids != NULL && i < crowd->count; i++) { /* S2 */
        bool is_started = is_tried && (status == PD_OK || crowd->statuses[i] == PD_OK);
        if (!is_started) {
            ids[i].text[0] = '\0';
        } else if (crowd->commands[i].is_fresh) {
            write_id(&ids[i], crowd->commands[i].id);
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
