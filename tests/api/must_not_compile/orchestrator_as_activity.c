/* SPDX-License-Identifier: MIT
 * An orchestrator where an activity is called for.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result other(pd_orchestration *o, pd_value input);
pd_result work(pd_activity *a, pd_value input);
pd_result caller(pd_orchestration *o, pd_value input);

pd_result caller(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, pd_call_activity(o, other, input));
#else
    return pd_ok(o, pd_call_activity(o, work, input));
#endif
}
