/* SPDX-License-Identifier: MIT
 * A retry policy on a timer: only what can fail is tried again.
 * expect: too many arguments */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    static const pd_retry often = { .attempts_max = 3 };
    pd_task *timer = pd_start_timer(o, pd_seconds(1), &often);
#else
    pd_task *timer = pd_start_timer(o, pd_seconds(1));
#endif
    pd_await(o, timer);
    return pd_ok(o, input);
}
