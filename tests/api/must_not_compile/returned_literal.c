/* SPDX-License-Identifier: MIT
 * A literal handed out of its block as if it were a value.
 * expect: incompatible (result )?type */
#include <perdure.h>

pd_value pair(pd_orchestration *o);

pd_value pair(pd_orchestration *o)
{
#ifdef MISTAKE
    (void)o;
    return PD_ARR(1, 2);
#else
    return pd_keep(o, PD_ARR(1, 2));
#endif
}
