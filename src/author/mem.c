/* SPDX-License-Identifier: MIT
 *
 * The memory behind a function, and how functions end.
 *
 * All kinds of functions share these calls; they differ in what happens when one cannot be done. An
 * orchestrator or an operation of an entity is left. In an activity the call answers NULL and
 * records the failure for PD_FAILED; and after a call that has no answer to give (pd_list_add and
 * the like), pd_ok fails too, so that nothing incomplete is taken for a result.
 *
 * A result is written as JSON when it is made, so what it was made of may go. */
#include <stdio.h>

#include "author/author_priv.h"

_Noreturn static void leave(pd_mem *m, const pd_failure *failure)
{
    if (m->run != NULL) {
        run_leave(m->run, failure);
    }
    assert_that(m->entity != NULL);
    entity_leave(m->entity, failure);
}

void mem_refuse(pd_mem *m, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    m->recorded = failure_vnew(m->arena, type, true, NULL, format, args);
    va_end(args);
    if (m->run != NULL || m->entity != NULL) {
        leave(m, m->recorded);
    }
}

_Noreturn void mem_raise(pd_mem *m, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const pd_failure *failure = failure_vnew(m->arena, type, true, NULL, format, args);
    va_end(args);
    leave(m, failure);
}

/* Inline for the plain path: a frame less is a line of each run's stack that is not touched. */
static inline bool written_in_scratch(pd_mem *m, pd_value v, struct text *ret, pd_error *err)
{
    buffer_reset(m->scratch);
    if (json_write(m->scratch, v, err) != PD_OK) {
        return false;
    }
    size_t size = m->scratch->size;
    if (size > m->payload_max) {
        error_set(err, PD_E_LIMIT, false, "payload", "%zu bytes of JSON are over the limit of %zu",
                  size, m->payload_max);
        return false;
    }
    *ret = buffer_text(m->scratch);
    return true;
}

bool mem_write(pd_mem *m, pd_value v, struct text *ret, pd_error *err)
{
    return written_in_scratch(m, v, ret, err);
}

bool mem_payload(pd_mem *m, struct arena *arena, pd_value v, struct text *ret, pd_error *err)
{
    struct text written;
    if (v.kind_ == PD_IS_NULL) {
        *ret = TEXT("null");
        return true;
    }
    if (!written_in_scratch(m, v, &written, err)) {
        return false;
    }
    *ret = text_copy(arena, written);
    return true;
}

void *pd_alloc_(pd_mem *m, size_t size)
{
    void *p = arena_try_alloc(m->arena, size);
    if (p == NULL) {
        mem_refuse(m, "OutOfMemory", "pd_alloc: no memory for %zu bytes", size);
    }
    return p;
}

void pd_defer_(pd_mem *m, void (*release)(void *), void *thing)
{
    if (release == NULL) {
        mem_refuse(m, "Misuse", "pd_defer: the function to call is NULL");
        m->broken = m->recorded;
        return;
    }
    arena_defer(m->arena, release, thing);
}

const char *pd_format_(pd_mem *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(m->arena, format, args);
    va_end(args);
    return text;
}

const char *pd_json_(pd_mem *m, pd_value v)
{
    pd_error err;
    buffer_reset(m->scratch);
    if (json_write(m->scratch, v, &err) != PD_OK) {
        mem_refuse(m, "BadPayload", "pd_json: %s", err.text);
        return NULL;
    }
    return arena_copy(m->arena, m->scratch->at, m->scratch->size);
}

void *pd_user_(pd_mem *m)
{
    return m->user;
}

/* ---- results --------------------------------------------------------------------------------- */

struct outcome *mem_outcome_new(pd_mem *m, enum outcome_kind kind)
{
    struct outcome *outcome = arena_alloc(m->arena, sizeof *outcome);
    outcome->kind = kind;
    outcome->next = m->outcomes;
    m->outcomes = outcome;
    return outcome;
}

static pd_result failed(pd_mem *m, const pd_failure *failure)
{
    struct outcome *outcome = mem_outcome_new(m, OUTCOME_FAILED);
    outcome->failure = failure;
    return (pd_result){ OUTCOME_FAILED, outcome };
}

pd_result pd_ok_(pd_mem *m, pd_value v)
{
    pd_error err;
    struct text payload;
    if (m->broken != NULL) {
        return failed(m, m->broken);
    }
    if (!mem_payload(m, m->arena, v, &payload, &err)) {
        mem_refuse(m, "BadPayload", "the result: %s", err.text);
        return failed(m, m->recorded);
    }
    struct outcome *outcome = mem_outcome_new(m, OUTCOME_OK);
    outcome->payload = payload;
    return (pd_result){ OUTCOME_OK, outcome };
}

__attribute__((format(printf, 4, 0))) static pd_result
fail(pd_mem *m, const char *type, bool is_final, const char *format, va_list args)
{
    pd_failure *failure = failure_vnew(m->arena, type, is_final, NULL, format, args);
    if (failure->type[0] == '\0') {
        failure = failure_new(m->arena, "Misuse", true, failure, "pd_fail: the type is missing");
    }
    return failed(m, failure);
}

pd_result pd_fail_(pd_mem *m, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pd_result result = fail(m, type, false, format, args);
    va_end(args);
    return result;
}

pd_result pd_fail_final_(pd_mem *m, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pd_result result = fail(m, type, true, format, args);
    va_end(args);
    return result;
}

pd_result pd_fail_with(pd_orchestration *o, const pd_failure *f)
{
    run_check(o);
    if (f == NULL) {
        run_raise(o, "Misuse", true, "pd_fail_with: the failure is NULL");
    }
    return failed(&o->mem, failure_keep(&o->arena, f));
}

pd_result pd_continue_as_new_(pd_orchestration *o, const pd_continue_call *call)
{
    pd_error err;
    struct text input = TEXT("null");
    run_check(o);
    if (call != NULL && !mem_payload(&o->mem, &o->arena, call->input, &input, &err)) {
        run_raise(o, "BadPayload", true, "the next input: %s", err.text);
    }
    struct outcome *outcome = mem_outcome_new(&o->mem, OUTCOME_NEW);
    outcome->payload = input;
    if (call != NULL) {
        outcome->drops_events = call->drops_events;
        if (call->version != NULL) {
            outcome->version = text_copy(&o->arena, ask_checked_name(&o->mem, "pd_continue_as_new",
                                                                     "version", call->version));
        }
    }
    return (pd_result){ OUTCOME_NEW, outcome };
}

const struct outcome *mem_outcome(pd_mem *m, pd_result result)
{
    bool is_pd_failed = result.detail_ == NULL && result.outcome_ == OUTCOME_FAILED;
    if (is_pd_failed && m->recorded != NULL) {
        return failed(m, m->recorded).detail_;
    }
    for (const struct outcome *own = m->outcomes; own != NULL; own = own->next) {
        if (own == result.detail_ && result.outcome_ == (int)own->kind) {
            return own;
        }
    }
    const char *what = is_pd_failed ? "the function returned PD_FAILED, but no call had failed"
                                    : "the function returned something that pd_ok, pd_fail or "
                                      "pd_fail_with of its own context did not make";
    return failed(m, failure_new(m->arena, "Misuse", true, NULL, "%s", what)).detail_;
}
