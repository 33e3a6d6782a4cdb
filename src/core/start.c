/* SPDX-License-Identifier: MIT
 *
 * How an instance begins, and how all of it goes.
 *
 * Whoever takes an id that is in use replaces who has it. The row that gives way stays known by its
 * row until that is durable (C1): the store still has it as it was, and whoever comes with a timer
 * or a result of it must not find it there. The same holds of one that is purged.
 *
 * A start that is to wait for its time is a timer of step EVENT_NO_ID: until it fires, the instance
 * is on hold (C9) with its EXECUTION_STARTED waiting.
 */
#include "base/assert.h"
#include "base/error.h"
#include "core/core_priv.h"

void core_delete(struct core *core, struct instance *instance, uint64_t row)
{
    if (instance != NULL) {
        instance_check(instance);
        assert_that(!instance->is_replaced && (row == 0 || row == instance->row));
        if (!run_state_is_final(instance->state)) {
            instance_apply(core, instance, INSTANCE_REPLACED);
            if (instance_has_parent(instance) && instance_id_is_run(instance->extra->parent_id)) {
                instance_tell_parent(core, instance, NULL);
            }
        }
        core_close_record(core, instance);
        map_remove(&core->by_id, instance->id);
        row = instance->row;
    } else {
        assert_that(core_find_row(core, row) == NULL);
        instance = instance_new(row, &(struct identity){ 0 });
        assert_that(instance != NULL);
        instance->state = RUN_TERMINATED; /* however it ended */
        map64_put(&core->by_row, row, instance);
    }
    instance->is_replaced = true;
    core_touch(core, instance);
    batch_add(core_open_batch(core), MUTATION_INSTANCE_DELETE, row);
}

static pd_status exists(struct text id, enum run_state state, pd_error *err)
{
    return error_set(err, PD_E_EXISTS, false, "core: start", "an instance '%.*s' exists and has %s",
                     TEXT_ARGS(id),
                     run_state_is_final(state) ? "ended: it is not to be replaced" : "not ended");
}

static struct instance *make(struct core *core, const struct start_command *command)
{
    char minted[33];
    struct identity identity = {
        .id = command->id,
        .execution_id = command->execution_id,
        .name = command->name,
        .version = command->version,
        .extra = command->extra,
    };
    if (!text_is_present(identity.execution_id)) {
        random_hex32(&core->random, minted);
        identity.execution_id = text_of(minted);
    }
    return instance_new(core->row_next, &identity);
}

pd_status core_start(struct core *core, time_us now, const struct start_command *command,
                     pd_error *err)
{
    struct instance *resident = core_find(core, command->id);
    enum run_state state = resident != NULL ? resident->state : command->replaces_state;
    bool is_taken = resident != NULL || command->replaces_row != 0;
    unsigned replaces = command->replaces;
    if (instance_id_is_run(command->id)) {
        replaces &= STATES_ENDED;
    }
    if (is_taken && (replaces & 1u << state) == 0) {
        return exists(command->id, state, err);
    }
    struct instance *instance = make(core, command);
    if (instance == NULL) {
        return error_set(err, PD_E_NOMEM, true, "core: start", "no memory for an instance");
    }
    instance->created_at = instance_tick(instance, now);
    struct event event = {
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = instance->created_at,
        .fire_at = command->starts_at > now ? command->starts_at : 0,
        .name = instance->name,
        .version = instance->version,
        .payload = command->input,
        .instance_id = instance->id,
        .execution_id = instance->execution_id,
        .extra = instance->extra,
    };
    struct waiting_event *waiting = waiting_event_new(&core->waiting, &event);
    if (waiting == NULL) {
        instance_free(&core->waiting, instance);
        return error_set(err, PD_E_NOMEM, true, "core: start", "no memory for a payload");
    }
    /* From here on nothing fails. */
    if (is_taken) {
        core_delete(core, resident, command->replaces_row);
    }
    core->row_next += core->partition_count;
    core->counters.starts++;
    core_enter(core, instance);
    if (event.fire_at != 0) {
        instance->starts_at = event.fire_at;
        instance->holds = HOLD_TIME;
    }
    core_promise_record(core, instance, MUTATION_INSTANCE_INSERT, command->input);
    if (instance->starts_at != 0) {
        timers_set(core, instance, EVENT_NO_ID, instance->starts_at);
    }
    core_deliver(core, instance, waiting);
    return PD_OK;
}

pd_status core_purge(struct core *core, struct instance *instance, uint64_t row, pd_error *err)
{
    if (instance != NULL && !run_state_is_final(instance->state)) {
        return error_set(err, PD_E_STATE, false, "core: purge", "the instance '%.*s' has not ended",
                         TEXT_ARGS(instance->id));
    }
    core_delete(core, instance, row);
    return PD_OK;
}
