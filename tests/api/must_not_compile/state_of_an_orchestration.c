/* SPDX-License-Identifier: MIT
 * The state of an orchestration: it has variables.
 * expect: incompatible.pointer */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    pd_set_state(o, input);
#endif
    return pd_ok(o, input);
}
