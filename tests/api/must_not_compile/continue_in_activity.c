/* SPDX-License-Identifier: MIT
 * An activity that continues as new.
 * expect: incompatible pointer */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);
pd_result act(pd_activity *a, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
    return pd_continue_as_new(o, input, .drops_events = true);
}

pd_result act(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    return pd_continue_as_new(a, input);
#else
    return pd_ok(a, input);
#endif
}
