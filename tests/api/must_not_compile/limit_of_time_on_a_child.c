/* SPDX-License-Identifier: MIT
 * A limit of time, which activities have, on the call of a child.
 * expect: 'run_max'|named .run_max. */
#include <perdure.h>

pd_result child(pd_orchestration *o, pd_value input);
pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
    const pd_duration minute = pd_minutes(1);
#ifdef MISTAKE
    return pd_ok(o, pd_call_child(o, child, input, .run_max = minute));
#else
    return pd_ok(o, pd_call_activity(o, "A", input, .run_max = minute));
#endif
}

pd_result child(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}
