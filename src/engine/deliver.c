/* SPDX-License-Identifier: MIT
 *
 * Delivering: a letter meets the instance it is for.
 *
 * A letter comes from a client, from an instance of this partition, or out of the mailbox; here
 * that makes no difference. The instance is looked for first (P4), then the letter does what its
 * kind says, by a command of core. What the store's `accept` refuses in the state that it sees is
 * refused here in the state that is true, by the same rules and in the same words (store/judge.h).
 *
 * Letters between parents and children, answers, and results of transactional activities, are never
 * refused: what cannot be done is told to the parent as its child's failure, and what nobody waits
 * for is dropped.
 *
 * To rewind an instance, or to have an ended child report again, takes its history from the store.
 * One that ended just now is not there yet: then the letter waits. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "core/rewrite.h"
#include "engine/partition_priv.h"
#include "store/judge.h"
#include "wire/wire.h"

struct delivery {
    struct partition *partition;
    time_us now;
    const struct letter *letter;
    struct standing found;
    bool waits;
    pd_error *err;
};

static const char where[] = "engine";

bool deliver_is_refusal(pd_status status)
{
    return status == PD_E_EXISTS || status == PD_E_NOT_FOUND || status == PD_E_STATE ||
           status == PD_E_INVALID || status == PD_E_CORRUPT;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* The row that gives way while it runs is forgotten (P8); one that has ended is already. */
static pd_status start_over(struct partition *partition, time_us now, const struct standing *found,
                            struct start_command *start, pd_error *err)
{
    if (found->instance == NULL) {
        start->replaces_row = found->row;
        start->replaces_state = found->state;
    }
    pd_status status = core_start(partition->core, now, start, err);
    if (status == PD_OK && found->row != 0 && !run_state_is_final(found->state)) {
        turns_forget(partition, found->row);
    }
    return status;
}

pd_status deliver_start(struct partition *partition, time_us now,
                        const struct start_command *command, pd_error *err)
{
    struct start_command start = *command;
    struct standing found = { 0 };
    if (entity_id_is(start.id)) {
        return instance_id_check(start.id, err);
    }
    pd_status status = start.is_fresh ? PD_OK : residency_find(partition, start.id, &found, err);
    return status == PD_OK ? start_over(partition, now, &found, &start, err) : status;
}

static pd_status start(struct delivery *d, unsigned replaces)
{
    const struct event *event = d->letter->event;
    struct start_command start = {
        .id = d->letter->instance_id,
        .name = event->name,
        .version = event->version,
        .input = event->payload,
        .execution_id = event->execution_id,
        .extra = event->extra,
        .starts_at = event->fire_at,
        .replaces = replaces,
    };
    return start_over(d->partition, d->now, &d->found, &start, d->err);
}

/* ---- histories ------------------------------------------------------------------------------- */

/* What has ended and is resident is not durable yet, or we have not heard of it. */
static bool is_in_store(struct delivery *d)
{
    d->waits = d->found.instance != NULL;
    return !d->waits;
}

/* Of one that failed and is in the store. */
static pd_status rewind_row(struct delivery *d, const struct event *rewound)
{
    struct partition *partition = d->partition;
    struct stored_instance stored;
    struct adoption adoption;
    arena_reset(&partition->turn);
    pd_status status = residency_load(partition, d->found.row, &stored, d->err);
    if (status == PD_OK) {
        status = rewrite_rewind(&stored.record, stored.turns, stored.turn_count, rewound,
                                &partition->turn, &adoption, d->err);
    }
    if (status == PD_OK) {
        status = core_adopt(partition->core, d->now, &adoption, d->err);
    }
    if (status == PD_OK) {
        turns_forget(partition, d->found.row); /* some of its turns are undone (P8) */
    }
    arena_reset(&partition->turn);
    return status;
}

static pd_status read_archive(struct delivery *d, struct adoption *ret)
{
    struct arena *arena = &d->partition->turn;
    struct archive archive;
    struct wire_events waiting = { 0 };
    pd_status status = wire_read_archive(d->letter->bytes, arena, &archive, d->err);
    if (status != PD_OK) {
        return status;
    }
    if (!text_equal(archive.record.id, d->letter->instance_id)) {
        return error_set(d->err, PD_E_CORRUPT, false, where,
                         "the archive of '%.*s' holds an instance '%.*s'",
                         TEXT_ARGS(d->letter->instance_id), TEXT_ARGS(archive.record.id));
    }
    *ret = (struct adoption){ .turn_count = archive.turn_count };
    status = residency_read_turns(archive.turns, archive.turn_count, arena, &ret->turns, d->err);
    for (size_t i = 0; i < archive.inbox_count && status == PD_OK; i++) {
        status = wire_read_events(archive.inbox[i], arena, &waiting, d->err);
    }
    struct instance_record *record = arena_alloc(arena, sizeof *record);
    *record = archive.record;
    record->row = 0;
    record->partition = d->partition->options.number;
    ret->record = record;
    ret->waiting = waiting.at;
    ret->waiting_count = waiting.count;
    return status == PD_OK ? rewrite_check(ret, d->err) : status;
}

static pd_status adopt(struct delivery *d)
{
    struct adoption adoption;
    arena_reset(&d->partition->turn);
    pd_status status = read_archive(d, &adoption);
    if (status == PD_OK) {
        adoption.replaces_row = d->found.instance == NULL ? d->found.row : 0;
        status = core_adopt(d->partition->core, d->now, &adoption, d->err);
    }
    arena_reset(&d->partition->turn);
    return status;
}

/* ---- children -------------------------------------------------------------------------------- */

/* The parent hears that its child failed, which is not there to say so itself. */
static void fail_child(struct delivery *d, struct text type, const char *message)
{
    const struct event_extra *extra = d->letter->event->extra;
    assert_that(extra != NULL && extra->has_parent);
    struct instance_record child = {
        .id = d->letter->instance_id,
        .state = RUN_FAILED,
        .parent_id = extra->parent_id,
        .parent_execution_id = extra->parent_execution_id,
        .parent_step = extra->parent_step,
    };
    struct failure failure = { .type = type, .message = text_of(message) };
    core_report_child(d->partition->core, d->now, &child, &failure);
}

static bool is_child_of(const struct instance_record *child, const struct event_extra *extra)
{
    return text_equal(child->parent_id, extra->parent_id) &&
           text_equal(child->parent_execution_id, extra->parent_execution_id) &&
           child->parent_step == extra->parent_step;
}

static pd_status start_child(struct delivery *d)
{
    bool lives = d->found.row != 0 && !run_state_is_final(d->found.state);
    if (!lives) {
        return start(d, STATES_ENDED);
    }
    if (!instance_is_child_of(d->found.instance, d->letter->event->extra)) {
        char message[128];
        (void)snprintf(message, sizeof message, "the ID is taken by an instance that is %s",
                       run_state_name(d->found.state));
        fail_child(d, TEXT("OrchestrationAlreadyExists"), message);
    }
    return PD_OK;
}

/* An ended child that is in the store: as it stands to the step that wants it. */
static pd_status ensure_ended(struct delivery *d)
{
    struct partition *partition = d->partition;
    struct store *store = partition->options.store;
    struct instance_record record;
    bool found = false;
    arena_reset(&partition->turn);
    pd_status status = store->ops->load_instance(store, TEXT_ABSENT, d->found.row, &partition->turn,
                                                 &record, &found, d->err);
    if (status != PD_OK) {
        return status;
    }
    assert_that(found); /* nobody but us deletes it */
    bool is_mine = is_child_of(&record, d->letter->event->extra);
    if (is_mine && record.state == RUN_COMPLETED) {
        core_report_child(partition->core, d->now, &record, NULL);
    } else if (is_mine && record.state == RUN_FAILED) {
        struct event rewound = {
            .kind = EVENT_EXECUTION_REWOUND,
            .id = EVENT_NO_ID,
            .ref = EVENT_NO_ID,
            .payload = TEXT("\"its parent was rewound\""),
        };
        status = rewind_row(d, &rewound);
        return status == PD_E_STATE ? start(d, STATES_ENDED) : status;
    } else {
        status = start(d, STATES_ENDED);
    }
    arena_reset(&partition->turn);
    return status;
}

static pd_status ensure_child(struct delivery *d)
{
    if (d->found.row == 0 || !run_state_is_final(d->found.state)) {
        return start_child(d);
    }
    if (d->found.state == RUN_TERMINATED) {
        return start(d, STATES_ENDED);
    }
    return is_in_store(d) ? ensure_ended(d) : PD_OK;
}

/* A parent must hear of a child that cannot be read, or it would wait for ever. */
static pd_status make_child(struct delivery *d)
{
    pd_status status = d->letter->kind == MESSAGE_CHILD_START ? start_child(d) : ensure_child(d);
    if (status == PD_E_CORRUPT) {
        fail_child(d, TEXT("CorruptHistory"), d->err->text);
        return PD_OK;
    }
    return status;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

/* An execution that is named is not the one that took its place since. */
static pd_status purge(struct delivery *d)
{
    struct text wanted = d->letter->execution_id;
    if (text_is_present(wanted) && !text_equal(d->found.execution_id, wanted)) {
        return error_set(d->err, PD_E_STATE, false, where,
                         "instance '%.*s' is not the one that was meant",
                         TEXT_ARGS(d->letter->instance_id));
    }
    return core_purge(d->partition->core, d->found.instance, d->found.row, d->err);
}

/* ---- all kinds ------------------------------------------------------------------------------- */

/* A parent's order to its child, and this is none of it: the id is another's. */
static bool is_for_another(const struct delivery *d)
{
    struct text parent = d->letter->execution_id;
    return d->letter->kind == MESSAGE_TERMINATE && text_is_present(parent) &&
           !instance_is_child_of_execution(d->found.instance, parent);
}

/* Those that need an instance which has not ended. */
static pd_status tell(struct delivery *d)
{
    struct core *core = d->partition->core;
    struct instance *instance = d->found.instance;
    const struct event *event = d->letter->event;
    pd_status status;
    if (is_for_another(d)) {
        core_drop_letter(core);
        return PD_OK;
    }
    switch (d->letter->kind) {
    case MESSAGE_RAISE:
        return core_raise(core, d->now, instance, event->name, event->payload, d->err);
    case MESSAGE_TERMINATE:
        status = core_terminate(core, d->now, instance, event->payload,
                                event->extra != NULL && event->extra->recurses, d->err);
        if (status == PD_OK) {
            turns_forget(d->partition, d->found.row);
        }
        return status;
    case MESSAGE_SUSPEND: return core_suspend(core, d->now, instance, event->payload, NULL, d->err);
    case MESSAGE_RESUME: return core_resume(core, d->now, instance, event->payload, d->err);
    case MESSAGE_START:
    case MESSAGE_REWIND:
    case MESSAGE_PURGE:
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
    unreachable_state("a letter of another kind");
}

/* What a parent, a caller of an entity, or an instance whose activity wrote its result itself,
 * waits for. */
static void complete(struct delivery *d)
{
    struct core *core = d->partition->core;
    const struct letter *letter = d->letter;
    const struct event *event = letter->event;
    if (letter->kind == MESSAGE_TASK_ENDED) {
        apply_unclaim(d->partition, letter->execution_id, event->ref);
    }
    if (d->found.row == 0 || run_state_is_final(d->found.state)) {
        core_drop_letter(core);
    } else if (letter->kind == MESSAGE_CHILD_ENDED) {
        (void)core_complete_child(core, d->now, d->found.instance, letter->execution_id, event);
    } else if (letter->kind == MESSAGE_ANSWER) {
        (void)core_complete_call(core, d->now, d->found.instance, letter->execution_id, event);
    } else {
        struct activity_result result = { .payload = event->payload, .failure = event->failure };
        (void)core_complete_activity(core, d->now, d->found.instance, letter->execution_id,
                                     event->ref, &result);
    }
}

static pd_status check(const struct delivery *d)
{
    struct message message = {
        .kind = d->letter->kind,
        .flags = d->letter->flags,
        .instance_id = d->letter->instance_id,
    };
    struct addressee addressee = { .exists = d->found.row != 0, .state = d->found.state };
    return judge_message(&message, &addressee, where, d->err);
}

static pd_status act(struct delivery *d)
{
    switch (d->letter->kind) {
    case MESSAGE_START: return start(d, d->letter->flags);
    case MESSAGE_RAISE:
    case MESSAGE_TERMINATE:
    case MESSAGE_SUSPEND:
    case MESSAGE_RESUME: return tell(d);
    case MESSAGE_REWIND: return is_in_store(d) ? rewind_row(d, d->letter->event) : PD_OK;
    case MESSAGE_PURGE: return purge(d);
    case MESSAGE_ADOPT: return adopt(d);
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE: return make_child(d);
    case MESSAGE_CHILD_ENDED:
    case MESSAGE_ANSWER:
    case MESSAGE_TASK_ENDED: complete(d); return PD_OK;
    case MESSAGE_OPERATION:
    case MESSAGE_UNLOCK:
    case MESSAGE_CANCEL_SIGNAL: break; /* entities.c */
    }
    unreachable_state("a letter of no kind, or to an entity");
}

static bool is_about_child(enum message_kind kind)
{
    return kind == MESSAGE_CHILD_START || kind == MESSAGE_CHILD_ENSURE;
}

static bool makes_instance(enum message_kind kind)
{
    return kind == MESSAGE_START || kind == MESSAGE_ADOPT || is_about_child(kind);
}

/* No instance has the id of an entity. That of a child is whatever a worker said. */
static pd_status find(struct delivery *d)
{
    struct text id = d->letter->instance_id;
    if (makes_instance(d->letter->kind)) {
        pd_status status = instance_id_check(id, d->err);
        if (status != PD_OK) {
            return status;
        }
    }
    return entity_id_is(id) ? PD_OK : residency_find(d->partition, id, &d->found, d->err);
}

pd_status deliver(struct partition *partition, time_us now, const struct letter *letter,
                  bool *ret_waits, pd_error *err)
{
    *ret_waits = false;
    if (entities_are_meant(letter)) {
        return entities_deliver(partition, now, letter, err);
    }
    struct delivery d = { .partition = partition, .now = now, .letter = letter, .err = err };
    pd_status status = find(&d);
    bool is_nobody = status == PD_E_CORRUPT || status == PD_E_INVALID;
    if (is_nobody && is_about_child(letter->kind)) {
        fail_child(&d, status == PD_E_CORRUPT ? TEXT("CorruptHistory") : TEXT("Misuse"), err->text);
        status = PD_OK;
    } else if (status == PD_OK) {
        status = check(&d);
        status = status == PD_OK ? act(&d) : status;
    }
    *ret_waits = d.waits;
    return status;
}
