/* SPDX-License-Identifier: MIT
 *
 * One look at one instance: the store first, the mailbox where that may know more.
 *
 *   L1  Whoever was told PD_OK for a start finds the instance from then on: as a row, or, while the
 *       start lies in the mailbox, as Pending.
 *   L2  A start in the mailbox hides the ended instance of the same id that it replaces. With the
 *       engine in this process and no start mailed from here, nobody here has been promised that,
 *       and the look into the mailbox is spared.
 *   L3  A start may leave the mailbox between the two looks: then the store has it, so that is
 *       asked once more.
 */
#include "api/api_priv.h"

static pd_status load(const struct call *call, struct text id, struct arena *arena,
                      struct instance_record *ret, bool *ret_found, pd_error *err)
{
    struct store *store = call->hub->store;
    *ret_found = false;
    return store->ops->load_instance(store, id, 0, arena, ret, ret_found, err);
}

static bool mailbox_may_know_more(const struct call *call, bool is_found,
                                  const struct instance_record *record)
{
    if (!is_found) {
        return true; /* L1 */
    }
    return run_state_is_final(record->state) &&
           (call_engine(call) == NULL || mail_may_hold_ours(&call->hub->starts)); /* L2 */
}

static pd_status not_found(struct text id, const char *where, pd_error *err)
{
    return error_set(err, PD_E_NOT_FOUND, false, where, "there is no instance '%.*s' in this hub",
                     TEXT_ARGS(id));
}

pd_status api_look(const struct call *call, struct text id, struct sighting *sighting,
                   struct arena *arena, struct instance_record *ret, const char *where,
                   pd_error *err)
{
    pd_error unwanted;
    if (id.size == 0 || instance_id_check(id, &unwanted) != PD_OK) {
        return not_found(id, where, err);
    }
    bool is_found;
    pd_status status = load(call, id, arena, ret, &is_found, err);
    if (status != PD_OK) {
        return status;
    }
    if (sighting->is_mailed && (!is_found || ret->row == sighting->old_row)) {
        *ret = (struct instance_record){ .id = id, .state = RUN_PENDING };
        return PD_OK;
    }
    if (!mailbox_may_know_more(call, is_found, ret)) {
        return PD_OK;
    }
    uint64_t old_row = is_found ? ret->row : 0;
    bool is_mailed;
    status = mail_find_start(call->hub, id, arena, ret, &is_mailed, err);
    if (status != PD_OK) {
        return status;
    }
    if (is_mailed) {
        *sighting = (struct sighting){ true, old_row };
        return PD_OK;
    }
    status = load(call, id, arena, ret, &is_found, err); /* L3 */
    if (status != PD_OK) {
        return status;
    }
    return is_found ? PD_OK : not_found(id, where, err);
}
