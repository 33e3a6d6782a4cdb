/* SPDX-License-Identifier: MIT
 * A heartbeat from an orchestrator, which has no use for one.
 * expect: incompatible pointer */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);
pd_result act(pd_activity *a, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    pd_activity_heartbeat(o, input);
#else
    pd_set_status(o, input);
#endif
    return pd_ok(o, input);
}

pd_result act(pd_activity *a, pd_value input)
{
    pd_activity_heartbeat(a, input);
    return pd_ok(a, input);
}
