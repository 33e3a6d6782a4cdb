/* SPDX-License-Identifier: MIT
 *
 * The rules: who must be there, and in which state. */
#include "store/judge.h"

#include "base/assert.h"
#include "base/error.h"
#include "core/core.h"

bool judge_takes_all(enum message_kind kind)
{
    switch (kind) {
    case MESSAGE_START:
    case MESSAGE_RAISE:
    case MESSAGE_TERMINATE:
    case MESSAGE_SUSPEND:
    case MESSAGE_RESUME:
    case MESSAGE_REWIND:
    case MESSAGE_PURGE:
    case MESSAGE_ADOPT:
    case MESSAGE_CANCEL_SIGNAL: return false;
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE:
    case MESSAGE_CHILD_ENDED:
    case MESSAGE_TASK_ENDED:
    case MESSAGE_OPERATION:
    case MESSAGE_UNLOCK:
    case MESSAGE_ANSWER: break;
    }
    return true;
}

bool judge_asks_entity(const struct message *message)
{
    return message->kind == MESSAGE_CANCEL_SIGNAL ||
           (entity_id_is(message->instance_id) && message->kind != MESSAGE_START &&
            message->kind != MESSAGE_ADOPT);
}

bool judge_makes(enum message_kind kind)
{
    return kind == MESSAGE_START || kind == MESSAGE_ADOPT || kind == MESSAGE_CHILD_START ||
           kind == MESSAGE_OPERATION;
}

struct judgement {
    const struct message *message;
    const struct addressee *addressee;
    const char *where;
    pd_error *err;
};

/* As whoever looks would see it. */
static const char *state_of(const struct addressee *addressee)
{
    return run_state_name(addressee->waits ? RUN_PENDING : addressee->state);
}

static pd_status taken(const struct judgement *j)
{
    return error_set(j->err, PD_E_EXISTS, false, j->where,
                     "instance '%.*s' exists, and is %s: it is not to be replaced",
                     TEXT_ARGS(j->message->instance_id), state_of(j->addressee));
}

static pd_status missing(const struct judgement *j, const char *what)
{
    return error_set(j->err, PD_E_NOT_FOUND, false, j->where, "there is no %s '%.*s'", what,
                     TEXT_ARGS(j->message->instance_id));
}

static pd_status wrong(const struct judgement *j, const char *doing)
{
    return error_set(j->err, PD_E_STATE, false, j->where,
                     "instance '%.*s' is %s, which does not allow %s",
                     TEXT_ARGS(j->message->instance_id), state_of(j->addressee), doing);
}

/* A schedule waits for its word (instance_id_is_run). */
static pd_status needed(const struct judgement *j)
{
    struct text id = j->message->instance_id;
    size_t size = sizeof CORE_RUN; /* with the colon */
    return error_set(j->err, PD_E_INVALID, false, j->where,
                     "a schedule waits for this instance, which ends by itself: terminate the one "
                     "it waits for, '%.*s'",
                     (int)(id.size - size), id.at + size);
}

static pd_status of_entity(const struct judgement *j)
{
    bool is_for_entities =
        j->message->kind == MESSAGE_PURGE || j->message->kind == MESSAGE_CANCEL_SIGNAL;
    bool is_there = j->addressee->exists || j->addressee->waits;
    return is_for_entities && is_there ? PD_OK
                                       : missing(j, is_for_entities ? "entity" : "instance");
}

static const char *doing(enum message_kind kind)
{
    switch (kind) {
    case MESSAGE_RAISE: return "raising events";
    case MESSAGE_TERMINATE: return "terminating";
    case MESSAGE_SUSPEND: return "suspending";
    case MESSAGE_RESUME: return "resuming";
    case MESSAGE_REWIND: return "rewinding";
    case MESSAGE_PURGE: return "purging";
    case MESSAGE_START:
    case MESSAGE_ADOPT:
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE:
    case MESSAGE_CHILD_ENDED:
    case MESSAGE_OPERATION:
    case MESSAGE_UNLOCK:
    case MESSAGE_ANSWER:
    case MESSAGE_CANCEL_SIGNAL:
    case MESSAGE_TASK_ENDED: break;
    }
    unreachable_state("a message that needs no instance");
}

pd_status judge_message(const struct message *message, const struct addressee *addressee,
                        const char *where, pd_error *err)
{
    struct judgement j = { message, addressee, where, err };
    bool exists = addressee->exists, waits = addressee->waits;
    if (judge_takes_all(message->kind)) {
        return PD_OK;
    }
    if (judge_asks_entity(message)) {
        return of_entity(&j);
    }
    bool has_ended = exists && !waits && run_state_is_final(addressee->state);
    bool is_fit = false;
    enum run_state state = waits ? RUN_PENDING : addressee->state;
    bool is_run = instance_id_is_run(message->instance_id);
    unsigned flags = is_run ? message->flags & STATES_ENDED : message->flags;
    switch (message->kind) {
    case MESSAGE_START:
    case MESSAGE_ADOPT:
        is_fit = (!exists && !waits) || (flags >> state & 1) != 0;
        return is_fit ? PD_OK : taken(&j);
    case MESSAGE_RAISE:
    case MESSAGE_TERMINATE:
    case MESSAGE_SUSPEND:
    case MESSAGE_RESUME: is_fit = !has_ended; break;
    case MESSAGE_REWIND: is_fit = has_ended && addressee->state == RUN_FAILED; break;
    case MESSAGE_PURGE: is_fit = has_ended; break;
    case MESSAGE_CANCEL_SIGNAL:
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE:
    case MESSAGE_CHILD_ENDED:
    case MESSAGE_OPERATION:
    case MESSAGE_UNLOCK:
    case MESSAGE_ANSWER:
    case MESSAGE_TASK_ENDED: break;
    }
    if (!exists && !waits) {
        return missing(&j, "instance");
    }
    if (is_fit && is_run && message->kind == MESSAGE_TERMINATE) {
        return needed(&j);
    }
    return is_fit ? PD_OK : wrong(&j, doing(message->kind));
}
