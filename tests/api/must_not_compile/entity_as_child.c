/* SPDX-License-Identifier: MIT
 * The function of an entity as a child: it is none.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result operate(pd_entity *e, pd_value input);
pd_result work(pd_orchestration *o, pd_value input);

pd_result operate(pd_entity *e, pd_value input)
{
    return pd_ok(e, input);
}

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    pd_call_child(o, operate, 1);
#else
    pd_call_child(o, work, 1);
#endif
    return pd_ok(o, input);
}
