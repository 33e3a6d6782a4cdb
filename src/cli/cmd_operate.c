/* SPDX-License-Identifier: MIT
 *
 * perdure entity call, signal, cancel, delete: what is said to an entity.
 */
#include <string.h>

#include "entity.h"

/* ---- call ------------------------------------------------------------------------------------ */

/* The answer, or why there is none. */
static int print_answer(const struct options *o, const pd_instance *answer)
{
    if (pd_instance_state(answer) == PD_RUN_COMPLETED) {
        if (output_format(o) != FORMAT_NONE) {
            puts(pd_instance_output_json(answer));
        }
        return CODE_DONE;
    }
    const pd_failure *why = pd_instance_failure(answer);
    if (why == NULL) {
        return problem(CODE_RUN_TERMINATED, NULL, "the call was terminated");
    }
    return problem(CODE_RUN_FAILED, NULL, "%s: %s", why->type, why->message);
}

int cmd_entity_call(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *word = in->arguments[0], *operation = in->arguments[1];
    pd_duration timeout = o->timeout.ms >= 0 ? o->timeout : pd_seconds(30);
    int code = CODE_DONE;
    struct entity_word entity;
    pd_error err;
    pd_value value;
    PD_AUTO(pd_document) document = NULL;
    if (!entity_read(word, &entity, &code) ||
        !payload_read("input", o->input, &document, &value, &code)) {
        return code;
    }
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    PD_AUTO(pd_instance)
    answer = pd_hub_call_entity(hub, entity.id, operation, value, timeout, &err);
    if (answer == NULL) {
        return err.status == PD_E_TIMEOUT
                   ? problem(CODE_TIMEOUT, "does a worker run on this hub?", "%s", err.text)
                   : problem_of(&err);
    }
    return print_answer(o, answer);
}

/* ---- signal, cancel -------------------------------------------------------------------------- */

static const struct column signal_columns[] = {
    { "signal", "SIGNAL", COLUMN_ID },
    { "id", "ENTITY", COLUMN_CUT },
    { "operation", "OPERATION", COLUMN_CUT },
};

int cmd_entity_signal(struct invocation *in)
{
    const struct options *o = &in->options;
    const char *word = in->arguments[0], *operation = in->arguments[1];
    pd_signal_options options = { .at = o->at };
    int code = CODE_DONE;
    struct entity_word entity;
    pd_error err;
    pd_value value;
    pd_id id;
    PD_AUTO(pd_document) document = NULL;
    if (!entity_read(word, &entity, &code) ||
        !payload_read("input", o->input, &document, &value, &code)) {
        return code;
    }
    PD_AUTO(pd_hub) hub = hub_open(in, true, &code);
    if (hub == NULL) {
        return code;
    }
    if (pd_hub_signal_entity(hub, entity.id, operation, value, &options, &id, &err) != PD_OK) {
        return problem_of(&err);
    }
    struct output *out = output_begin(o, OUTPUT_ONE, signal_columns, 3);
    output_row(out, (struct cell[]){ cell_text(id.text), cell_text(word), cell_text(operation) });
    return output_end(out, CODE_DONE);
}

int cmd_entity_cancel(struct invocation *in)
{
    const char *word = in->arguments[0], *signal = in->arguments[1];
    int code = CODE_DONE;
    struct entity_word entity;
    pd_error err;
    if (!entity_read(word, &entity, &code)) {
        return code;
    }
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    if (pd_hub_cancel_signal(hub, entity.id, signal, &err) != PD_OK) {
        return err.status == PD_E_NOT_FOUND
                   ? problem(CODE_NOT_FOUND, NULL, "no signal '%s' waits at '%s'", signal, word)
                   : problem_of(&err);
    }
    return CODE_DONE;
}

/* ---- delete ---------------------------------------------------------------------------------- */

static const struct column deleted_columns[] = { { "id", "ID", COLUMN_ID }, { "done", "DONE", 0 } };

static int delete_one(struct invocation *in, pd_hub *hub, const char *word)
{
    int code = CODE_DONE;
    struct entity_word entity;
    pd_error err;
    if (!entity_read(word, &entity, &code)) {
        return code;
    }
    return pd_hub_purge_entity(hub, entity.id, &err) == PD_OK
               ? CODE_DONE
               : problem_of_entity(&err, word, in->options.hub);
}

static int delete_all(struct invocation *in, pd_hub *hub, const struct ids *ids)
{
    const struct options *o = &in->options;
    bool wants_data = o->format != FORMAT_AUTO; /* nothing was asked, so there is no data */
    struct output *out = wants_data ? output_begin(o, OUTPUT_MANY, deleted_columns, 2) : NULL;
    int code = CODE_DONE;
    size_t count = 0;
    for (size_t i = 0; i < ids->count; i++) {
        int found = delete_one(in, hub, ids->at[i]);
        code = code == CODE_DONE ? found : code;
        if (found == CODE_DONE) {
            count++;
            if (out != NULL) {
                output_row(out, (struct cell[]){ cell_text(ids->at[i]), cell_text("deleted") });
            }
        }
    }
    if (out != NULL) {
        return output_end(out, code);
    }
    if (count > 0) {
        remark(o, "deleted %zu of %zu", count, ids->count);
    }
    return code;
}

int cmd_entity_delete(struct invocation *in)
{
    int code = CODE_DONE;
    struct ids ids;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    if (ids_read(in, &ids, &code)) {
        code = delete_all(in, hub, &ids);
    }
    ids_done(&ids);
    return code;
}
