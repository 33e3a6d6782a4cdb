/* SPDX-License-Identifier: MIT
 *
 * Critical sections: PD_LOCKED, and what is not done inside.
 *
 * Asking for the locks is a step that is answered when all of them are held; giving them back is a
 * step for each entity, of which nothing is heard. A section lives in the run, and a pd_lock on the
 * stack of the code names it.
 *
 *   L1  The end of a section is said by the code, when it leaves the block: by the cleanup of the
 *       pd_lock, which runs on the run's own stack while the code runs, and at no other time. A
 *       stack that is dropped runs nothing, so an eviction gives nothing back; nor does code that
 *       is left by a failing call, whose end gives all back (core).
 *   L2  Of one section, once: whoever copies a pd_lock, or unlocks it by hand, unlocks nothing a
 *       second time.
 *   L3  What might wait in a circle is refused where it is asked for, as perdure.h says. So a
 *       section is never inside another, and each locked entity has one call at a time. */
#include "author/author_priv.h"
#include "core/core.h"
#include "core/lock_set.h"

struct held {
    struct text id;
    pd_task *call; /* the last one made in this section; NULL: none */
};

struct section {
    struct text id, set;
    size_t count;
    struct held held[]; /* in the order of the set */
};

/* ---- the rules ------------------------------------------------------------------------------- */

static const char *names_of(pd_orchestration *run, const struct section *section)
{
    return describe_lock_set(&run->arena, section->set);
}

static struct held *find_held(struct section *section, struct text id)
{
    for (size_t i = 0; i < section->count; i++) {
        if (text_equal(section->held[i].id, id)) {
            return &section->held[i];
        }
    }
    return NULL;
}

pd_task **critical_call(pd_orchestration *run, struct text entity)
{
    struct section *section = run->section;
    if (section == NULL) {
        return NULL;
    }
    struct held *held = find_held(section, entity);
    if (held == NULL) {
        run_raise(
            run, "Misuse", true,
            "pd_call_entity: %s is not locked; inside the critical section of %s only what is "
            "locked can be called",
            entity.at, names_of(run, section));
    }
    if (held->call != NULL && held->call->state == TASK_OPEN) {
        run_raise(run, "Misuse", true,
                  "pd_call_entity: %s has not answered '%s' (step %d) yet; inside a critical "
                  "section, await one call to an entity before the next",
                  entity.at, held->call->name, (int)held->call->step);
    }
    return &held->call;
}

void critical_signal(pd_orchestration *run, struct text entity)
{
    if (run->section != NULL && find_held(run->section, entity) != NULL) {
        run_raise(run, "Misuse", true,
                  "pd_signal_entity: %s is locked by this orchestration; inside the critical "
                  "section call it, or signal it behind the block",
                  entity.at);
    }
}

void critical_child(pd_orchestration *run, const char *name)
{
    if (run->section != NULL) {
        run_raise(run, "Misuse", true,
                  "pd_call_child: child '%s' is not started inside the critical section of %s: it "
                  "might wait for what is locked",
                  name, names_of(run, run->section));
    }
}

/* ---- locking --------------------------------------------------------------------------------- */

static struct text lock_set_of(pd_orchestration *run, const pd_entity_id *ids, size_t n)
{
    if (ids == NULL || n == 0) {
        run_raise(run, "Misuse", true, "PD_LOCKED: there is no entity to lock");
    }
    struct text *texts = pd_alloc_(&run->mem, n * sizeof *texts);
    for (size_t i = 0; i < n; i++) {
        texts[i] = ask_entity_id(&run->mem, &run->arena, "PD_LOCKED", ids[i]);
    }
    struct text set = lock_set_make(&run->arena, texts, n);
    size_t count = lock_set_count(set);
    if (count > LIMIT_LOCK_SET) {
        run_raise(run, "Misuse", true,
                  "PD_LOCKED: %zu entities are over the limit of %d, from %s to %s", count,
                  LIMIT_LOCK_SET, texts[0].at, texts[n - 1].at);
    }
    return set;
}

static struct section *section_new(pd_orchestration *run, struct text set)
{
    size_t count = lock_set_count(set), i = 0;
    struct text id;
    struct section *section =
        arena_alloc(&run->arena, sizeof *section + count * sizeof section->held[0]);
    section->set = set;
    section->count = count;
    for (size_t cursor = 0; lock_set_next(set, &cursor, &id); i++) {
        section->held[i].id = text_copy(&run->arena, id);
    }
    return section;
}

pd_lock pd_lock_(pd_orchestration *o, const pd_entity_id *ids, size_t n)
{
    run_check(o);
    struct text set = lock_set_of(o, ids, n);
    struct section *section = section_new(o, set);
    if (o->section != NULL) {
        run_raise(o, "Misuse", true,
                  "PD_LOCKED: %s cannot be locked inside the critical section of %s; lock all of "
                  "them in one PD_LOCKED",
                  names_of(o, section), names_of(o, o->section));
    }
    enum step_answer answer = replay_step_to(o, EVENT_LOCK_REQUESTED, TEXT_ABSENT, set);
    section->id = ask_request_id(o, answer);
    if (answer == STEP_NEW) {
        struct action *action = shard_add_action(o->shard);
        struct event_extra *extra = arena_alloc(o->turn_arena, sizeof *extra);
        extra->lock_set = text_copy(o->turn_arena, set);
        action->kind = ACTION_LOCK;
        action->id = (int32_t)o->step_count;
        action->request_id = text_copy(o->turn_arena, section->id);
        action->extra = extra;
    }
    pd_task *task = task_new(o, TASK_LOCK, "");
    task_take_step(o, task);
    o->open_work++;
    (void)pd_await(o, task);
    o->section = section;
    return (pd_lock){ .o_ = o, .section_ = section };
}

static void unlock_one(pd_orchestration *run, const struct section *section, struct text id)
{
    if (replay_step_to(run, EVENT_UNLOCK_SENT, TEXT_ABSENT, id) == STEP_NEW) {
        struct action *action = shard_add_action(run->shard);
        action->kind = ACTION_UNLOCK;
        action->id = (int32_t)run->step_count;
        action->instance_id = text_copy(run->turn_arena, id);
        action->request_id = text_copy(run->turn_arena, section->id);
    }
    task_take_step(run, NULL);
}

void pd_unlock_(pd_lock *lock)
{
    if (lock == NULL || lock->section_ == NULL) {
        return;
    }
    pd_orchestration *run = lock->o_;
    const struct section *section = lock->section_;
    run_check(run);
    lock->section_ = NULL;
    if (run->section != section) { /* L2 */
        return;
    }
    run->section = NULL;
    for (size_t i = 0; i < section->count; i++) {
        unlock_one(run, section, section->held[i].id);
    }
}
