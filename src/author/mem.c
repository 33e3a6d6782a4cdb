/* SPDX-License-Identifier: MIT
 *
 * The memory behind a function, and how functions end.
 *
 * Orchestrators and activities share these calls; they differ in what happens when one cannot be
 * done. In an orchestrator the function is left. In an activity the call answers NULL and records
 * the failure for PD_FAILED; and after a call that has no answer to give (pd_list_add and the
 * like), pd_ok fails too, so that nothing incomplete is taken for a result.
 *
 * A result is written as JSON when it is made, so what it was made of may go. */
#include <stdio.h>

#include "author/author_priv.h"

void mem_refuse(pd_mem *m, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    m->recorded = failure_vnew(m->arena, type, true, NULL, format, args);
    va_end(args);
    if (m->run != NULL) {
        run_leave(m->run, m->recorded);
    }
}

bool mem_payload(pd_mem *m, struct arena *arena, pd_value v, struct text *ret, pd_error *err)
{
    if (v.kind_ == PD_IS_NULL) {
        *ret = TEXT("null");
        return true;
    }
    buffer_reset(m->scratch);
    if (json_write(m->scratch, v, err) != PD_OK) {
        return false;
    }
    size_t size = m->scratch->size;
    if (size > LIMIT_PAYLOAD_BYTES) {
        error_set(err, PD_E_LIMIT, false, "payload", "%zu bytes of JSON are over the limit of %d",
                  size, LIMIT_PAYLOAD_BYTES);
        return false;
    }
    *ret = text_make(arena_copy(arena, m->scratch->at, size), size);
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

static struct outcome *outcome_new(pd_mem *m)
{
    struct outcome *outcome = arena_alloc(m->arena, sizeof *outcome);
    outcome->next = m->outcomes;
    m->outcomes = outcome;
    return outcome;
}

static pd_result failed(pd_mem *m, const pd_failure *failure)
{
    struct outcome *outcome = outcome_new(m);
    outcome->failure = failure;
    return (pd_result){ 2, outcome };
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
    struct outcome *outcome = outcome_new(m);
    outcome->payload = payload;
    return (pd_result){ 1, outcome };
}

pd_result pd_fail_(pd_mem *m, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pd_failure *failure = failure_vnew(m->arena, type, false, NULL, format, args);
    va_end(args);
    if (failure->type[0] == '\0') {
        failure = failure_new(m->arena, "Misuse", true, failure, "pd_fail: the type is missing");
    }
    return failed(m, failure);
}

pd_result pd_fail_with(pd_orchestration *o, const pd_failure *f)
{
    run_check(o);
    if (f == NULL) {
        run_raise(o, "Misuse", true, "pd_fail_with: the failure is NULL");
    }
    return failed(&o->mem, failure_keep(&o->arena, f));
}

const struct outcome *mem_outcome(pd_mem *m, pd_result result)
{
    if (result.detail_ == NULL && result.outcome_ == 2 && m->recorded != NULL) {
        return failed(m, m->recorded).detail_;
    }
    for (const struct outcome *own = m->outcomes; own != NULL; own = own->next) {
        if (own == result.detail_ && result.outcome_ == (own->failure != NULL ? 2 : 1)) {
            return own;
        }
    }
    const char *what = result.detail_ == NULL && result.outcome_ == 2
                           ? "the function returned PD_FAILED, but no call had failed"
                           : "the function returned something that pd_ok, pd_fail or pd_fail_with "
                             "of its own context did not make";
    return failed(m, failure_new(m->arena, "Misuse", true, NULL, "%s", what)).detail_;
}
