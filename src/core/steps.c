/* SPDX-License-Identifier: MIT
 *
 * Open steps: what an execution has asked for and has not got yet.
 *
 * An array, ascending by id, searched by halves. A completed step is only marked dead; when more
 * than half are dead they are squeezed out together. So a fan-out of n activities that complete in
 * any order costs n log n comparisons and moves each entry a bounded number of times.
 *
 *   O1  Ids are ascending and different. Steps are nearly always opened in that order; one that is
 *       not is inserted where it belongs, or takes the place of a dead one of its id.
 *   O2  At most half of the entries are dead, except while they are few enough to lie inline.
 *   O3  Up to STEPS_INLINE entries need no memory of their own.
 */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"

static struct step *entries(struct steps *steps)
{
    return steps->many != NULL ? steps->many : steps->few;
}

/* The first entry whose id is not below. */
static uint32_t lower_bound(const struct steps *steps, int32_t id)
{
    const struct step *at = steps_at(steps);
    uint32_t low = 0;
    uint32_t high = steps->used;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void squeeze(struct steps *steps)
{
    struct step *at = entries(steps);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < steps->used; i++) {
        if (at[i].kind != STEP_DEAD) {
            at[kept++] = at[i];
        }
    }
    steps->used = kept;
    steps->dead = 0;
    if (steps->many != NULL && kept <= STEPS_INLINE) {
        memcpy(steps->few, steps->many, kept * sizeof *steps->many);
        mem_free(steps->many);
        steps->many = NULL;
        steps->room = STEPS_INLINE;
    }
}

static void make_room(struct steps *steps)
{
    if (steps->dead != 0) {
        squeeze(steps);
        /* Unless there are hardly any more free now: then squeezing would soon be due again. */
        if (steps->used < (steps->many == NULL ? steps->room : steps->room / 4 * 3)) {
            return;
        }
    }
    size_t old_size = steps->room * sizeof(struct step);
    if (steps->many == NULL) {
        steps->many = mem_alloc(old_size * 4);
        memcpy(steps->many, steps->few, steps->used * sizeof(struct step));
        steps->room *= 4;
        return;
    }
    assert_that(steps->room <= UINT32_MAX / 2);
    steps->many = mem_grow(steps->many, old_size, old_size * 2);
    steps->room *= 2;
}

void steps_init(struct steps *steps)
{
    *steps = (struct steps){ .room = STEPS_INLINE };
}

void steps_done(struct steps *steps)
{
    struct step *at = entries(steps);
    for (uint32_t i = 0; i < steps->used; i++) {
        if (at[i].kind == STEP_CHILD) {
            mem_free(at[i].child);
        } else if (at[i].kind == STEP_LOCK || at[i].kind == STEP_SECTION) {
            mem_free(at[i].section);
        }
    }
    mem_free(steps->many);
    steps_init(steps);
}

bool steps_may_open(const struct steps *steps, int32_t id)
{
    const struct step *at = steps_at(steps);
    if (steps->used == 0 || at[steps->used - 1].id < id) {
        return true;
    }
    uint32_t place = lower_bound(steps, id);
    return at[place].id != id || at[place].kind == STEP_DEAD;
}

/* One of the id was open before, and is here still. */
static bool revive(struct steps *steps, struct step step)
{
    struct step *at = entries(steps);
    if (steps->used == 0 || at[steps->used - 1].id < step.id) {
        return false;
    }
    uint32_t place = lower_bound(steps, step.id);
    if (at[place].id != step.id) {
        return false;
    }
    assert_that(at[place].kind == STEP_DEAD); /* it is open once at a time */
    at[place] = step;
    steps->dead--;
    return true;
}

void steps_open(struct steps *steps, struct step step)
{
    assert_that(step.kind != STEP_DEAD);
    steps->tasks += step.kind == STEP_TASK;
    if (revive(steps, step)) {
        return;
    }
    if (steps->used == steps->room) {
        make_room(steps);
    }
    struct step *at = entries(steps);
    uint32_t place = steps->used;
    if (place != 0 && at[place - 1].id >= step.id) {
        place = lower_bound(steps, step.id);
        memmove(&at[place + 1], &at[place], (steps->used - place) * sizeof *at);
    }
    at[place] = step;
    steps->used++;
}

void steps_open_child(struct steps *steps, int32_t id, struct text child)
{
    struct step step = { .id = id, .kind = STEP_CHILD, .child = mem_alloc(child.size + 1) };
    memcpy(step.child, child.at, child.size);
    steps_open(steps, step);
}

void steps_open_lock(struct steps *steps, int32_t id, struct section *section)
{
    steps_open(steps, (struct step){ .id = id, .kind = STEP_LOCK, .section = section });
    section->step = id;
    section->next = steps->sections;
    steps->sections = section;
}

bool steps_get(const struct steps *steps, int32_t id, struct step *ret)
{
    uint32_t place = lower_bound(steps, id);
    const struct step *at = steps_at(steps);
    if (place == steps->used || at[place].id != id || at[place].kind == STEP_DEAD) {
        return false;
    }
    *ret = at[place];
    return true;
}

static bool find(const struct steps *steps, int32_t id, enum step_kind kind, uint32_t *ret)
{
    uint32_t place = lower_bound(steps, id);
    const struct step *at = steps_at(steps);
    if (place == steps->used || at[place].id != id || at[place].kind != kind) {
        return false;
    }
    *ret = place;
    return true;
}

bool steps_find(const struct steps *steps, int32_t id, enum step_kind kind, struct step *ret)
{
    uint32_t place;
    if (!find(steps, id, kind, &place)) {
        return false;
    }
    *ret = steps_at(steps)[place];
    return true;
}

bool steps_grant(struct steps *steps, int32_t id)
{
    uint32_t place;
    if (!find(steps, id, STEP_LOCK, &place)) {
        return false;
    }
    entries(steps)[place].kind = STEP_SECTION;
    return true;
}

bool steps_close_section(struct steps *steps, int32_t id, enum step_kind kind)
{
    struct step step;
    assert_that(kind == STEP_LOCK || kind == STEP_SECTION);
    if (!steps_close(steps, id, kind, &step)) {
        return false;
    }
    struct section **at = &steps->sections;
    while (*at != step.section) {
        at = &(*at)->next;
    }
    *at = step.section->next;
    mem_free(step.section);
    return true;
}

bool steps_close(struct steps *steps, int32_t id, enum step_kind kind, struct step *ret)
{
    uint32_t place;
    if (!find(steps, id, kind, &place)) {
        return false;
    }
    struct step *at = entries(steps);
    *ret = at[place];
    steps->tasks -= kind == STEP_TASK;
    at[place].kind = STEP_DEAD;
    steps->dead++;
    if (steps->dead > steps->used / 2) {
        squeeze(steps);
    }
    return true;
}
