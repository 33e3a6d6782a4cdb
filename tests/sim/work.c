/* SPDX-License-Identifier: MIT
 *
 * The activities of random programs, and checksums of values.
 *
 * An activity that fails its first attempts must know which attempt it is, though it may run more
 * than once for the same step. Its heartbeats tell: the progress of the attempt before comes with
 * the step of that one (which only the simulator can know). So this also finds progress that was
 * lost on the way. */
#include <inttypes.h>
#include <string.h>

#include "play.h"
#include "program.h"

/* ---- checksums of values ---- */

uint64_t hash_value(pd_value v)
{
    uint64_t hash;
    switch (pd_kind_of(v)) {
    case PD_IS_NULL: return hash_null();
    case PD_IS_BOOL: return hash_bool(pd_bool(v));
    case PD_IS_INT: return hash_int(pd_int(v));
    case PD_IS_REAL: return hash_real(pd_real(v));
    case PD_IS_TEXT: return hash_text(pd_text(v));
    case PD_IS_ARRAY:
        hash = hash_many(PD_IS_ARRAY, pd_count(v));
        for (size_t i = 0; i < pd_count(v); i++) {
            hash = hash_mix(hash, hash_value(pd_at(v, i)));
        }
        return hash;
    case PD_IS_OBJECT:
        hash = hash_many(PD_IS_OBJECT, pd_count(v));
        for (size_t i = 0; i < pd_count(v); i++) {
            hash = hash_mix(hash, hash_text(pd_key_at(v, i)));
            hash = hash_mix(hash, hash_value(pd_value_at(v, i)));
        }
        return hash;
    }
    return 0;
}

uint64_t hash_outcome(const pd_task *task, bool is_child)
{
    static const char *const ours[] = { "SimFail", "SimEnd", "SimRaise" };
    const pd_failure *failure = pd_task_failure(task);
    if (failure == NULL && is_child) {
        return hash_mix(9, hash_value(pd_get(pd_task_value(task), "sure")));
    }
    if (failure == NULL) {
        return hash_value(pd_task_value(task));
    }
    int64_t number = 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        for (const char *at = failure->message; strcmp(failure->type, ours[i]) == 0 && *at != '\0';
             at++) {
            number = *at >= '0' && *at <= '9' ? number * 10 + (*at - '0') : number;
        }
    }
    return hash_failure(failure->type, number);
}

/* ---- activities ---- */

/* The answer of a number: every kind of value comes up. hash_answer in expect.c knows them. */
static pd_result answer(pd_activity *a, int64_t n)
{
    pd_list *list;
    pd_dict *dict;
    switch (n % 8) {
    case 0: return pd_ok(a, n);
    case 1: return pd_ok(a, pd_format(a, "text %" PRId64 " \xc3\xa9\n\"quoted\"", n));
    case 2:
        list = pd_list_new(a);
        for (int64_t i = 0; i < n % 5; i++) {
            pd_list_add(list, n + i);
        }
        return pd_ok(a, list);
    case 3: return pd_ok(a, PD_OBJ("n", n, "inner", PD_OBJ("t", "deep", "none", PD_NULL)));
    case 4: return pd_ok(a, PD_NULL);
    case 5: return pd_ok(a, pd_of_bool(n % 3 == 0));
    case 6: return pd_ok(a, (double)n / 2);
    default:
        dict = pd_dict_new(a);
        pd_dict_set(dict, "", "");
        pd_dict_set(dict, "list", PD_ARR(n, PD_ARR(n + 1)));
        return pd_ok(a, dict);
    }
}

/* Which attempt this is, from 0; said for those that follow. */
static bool count_attempt(pd_activity *a, long long *ret)
{
    const struct sim_user *user = pd_user(a);
    long long before = -1;
    pd_value progress = pd_activity_progress(a);
    *ret = 0;
    if (pd_kind_of(progress) == PD_IS_OBJECT) {
        if (!pd_read(a, progress, "step", &before, "attempt", ret)) {
            return false;
        }
        *ret += before != user->step;
    }
    (void)pd_activity_heartbeat(a, PD_OBJ("step", user->step, "attempt", *ret));
    return true;
}

pd_result work(pd_activity *a, pd_value input)
{
    long long n = 0;
    long long failures = 0;
    long long attempt = 0;
    bool fails = false;
    bool is_final = false;
    bool mends = false;
    if (!pd_read(a, input, "n", &n, "fails?", &fails, "final?", &is_final, "failures?", &failures,
                 "mends?", &mends)) {
        return PD_FAILED;
    }
    struct sim_user *user = pd_user(a);
    user->runs++;
    fails = fails && !(mends && user->is_mended);
    if (pd_activity_is_cancelled(a)) {
        return pd_fail(a, "SimUnwanted", "nobody wants it");
    }
    if (failures > 0 && !count_attempt(a, &attempt)) {
        return PD_FAILED;
    }
    if (failures == 0 && n % 5 == 0) {
        (void)pd_activity_heartbeat(a, PD_OBJ("n", n));
    }
    if (is_final) {
        return pd_fail_final(a, "SimFail", "the number is %lld", n);
    }
    return fails || attempt < failures ? pd_fail(a, "SimFail", "the number is %lld", n)
                                       : answer(a, n);
}

pd_result pay(pd_activity *a, pd_value input)
{
    long long n = 0;
    bool fails = false;
    if (!pd_read(a, input, "n", &n, "fails?", &fails)) {
        return PD_FAILED;
    }
    struct till *till = pd_activity_database(a);
    till->pay(till->owner, pd_activity_key(a));
    return fails ? pd_fail(a, "SimFail", "the number is %lld", n) : answer(a, n);
}
