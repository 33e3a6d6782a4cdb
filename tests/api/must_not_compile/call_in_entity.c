/* SPDX-License-Identifier: MIT
 * An entity that calls another one and waits for it: it can only signal.
 * expect: incompatible.pointer */
#include <perdure.h>

pd_result operate(pd_entity *e, pd_value input);

pd_result operate(pd_entity *e, pd_value input)
{
#ifdef MISTAKE
    pd_call_entity(e, PD_ENTITY("counter", "1"), "add", 1);
#else
    pd_signal_entity(e, PD_ENTITY("counter", "1"), "add", 1);
#endif
    return pd_ok(e, input);
}
