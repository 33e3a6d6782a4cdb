/* SPDX-License-Identifier: MIT
 * A call to an entity at a time: signals have one.
 * expect: pd_call_entity.*(passed|provided)|macro "pd_call_entity"|too many arguments */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
    pd_entity_id counter = PD_ENTITY("counter", "1");
#ifdef MISTAKE
    pd_call_entity(o, counter, "add", 1, .at = pd_now(o));
#else
    pd_signal_entity(o, counter, "add", 1, .at = pd_now(o));
#endif
    return pd_ok(o, input);
}
