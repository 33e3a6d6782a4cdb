/* SPDX-License-Identifier: MIT
 * An activity started as a child.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result act(pd_activity *a, pd_value input);
pd_result child(pd_orchestration *o, pd_value input);
pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, pd_call_child(o, act, input));
#else
    return pd_ok(o, pd_call_child(o, child, input));
#endif
}
