/* SPDX-License-Identifier: MIT
 *
 * The rules: who must be there, and in which state. */
#include "store/judge.h"

#include "base/assert.h"
#include "base/error.h"

bool judge_makes_instance(enum message_kind kind)
{
    return kind == MESSAGE_START || kind == MESSAGE_ADOPT || kind == MESSAGE_CHILD_START;
}

static pd_status taken(const struct message *message, bool lives, const char *where, pd_error *err)
{
    return error_set(err, PD_E_EXISTS, false, where, "instance '%.*s' %s",
                     TEXT_ARGS(message->instance_id), lives ? "has not ended" : "exists");
}

static pd_status missing(const struct message *message, const char *where, pd_error *err)
{
    return error_set(err, PD_E_NOT_FOUND, false, where, "no instance '%.*s'",
                     TEXT_ARGS(message->instance_id));
}

static pd_status wrong(const struct message *message, const char *what, const char *where,
                       pd_error *err)
{
    return error_set(err, PD_E_STATE, false, where, "instance '%.*s' has %s",
                     TEXT_ARGS(message->instance_id), what);
}

pd_status judge_message(const struct message *message, const struct addressee *addressee,
                        const char *where, pd_error *err)
{
    bool exists = addressee->exists, waits = addressee->waits;
    bool has_ended = exists && !waits && run_state_is_final(addressee->state);
    switch (message->kind) {
    case MESSAGE_START:
    case MESSAGE_ADOPT:
        return waits || (exists && (message->flags >> addressee->state & 1) == 0)
                   ? taken(message, !has_ended, where, err)
                   : PD_OK;
    case MESSAGE_RAISE:
    case MESSAGE_TERMINATE:
    case MESSAGE_SUSPEND:
    case MESSAGE_RESUME:
        if (!exists && !waits) {
            return missing(message, where, err);
        }
        return has_ended ? wrong(message, "ended", where, err) : PD_OK;
    case MESSAGE_REWIND:
        if (!exists && !waits) {
            return missing(message, where, err);
        }
        return has_ended && addressee->state == RUN_FAILED
                   ? PD_OK
                   : wrong(message, "not failed", where, err);
    case MESSAGE_PURGE:
        if (!exists && !waits) {
            return missing(message, where, err);
        }
        return has_ended ? PD_OK : wrong(message, "not ended", where, err);
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE:
    case MESSAGE_CHILD_ENDED:
    case MESSAGE_TASK_ENDED: return PD_OK;
    }
    unreachable_state("a message of no kind");
}
