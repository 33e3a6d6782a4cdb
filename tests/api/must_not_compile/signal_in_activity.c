/* SPDX-License-Identifier: MIT
 * An activity that signals an entity: only orchestrators, entities and clients do.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    pd_signal_entity(a, PD_ENTITY("counter", "1"), "add", 1);
#endif
    return pd_ok(a, input);
}
