/* SPDX-License-Identifier: MIT
 * An entity named by a text: it has a name and a key.
 * expect: incompatible type */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    pd_call_entity(o, "@counter@1", "add", 1);
#else
    pd_call_entity(o, PD_ENTITY("counter", "1"), "add", 1);
#endif
    return pd_ok(o, input);
}
