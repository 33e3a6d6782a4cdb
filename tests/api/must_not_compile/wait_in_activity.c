/* SPDX-License-Identifier: MIT
 * An activity that sleeps durably: only orchestrators do.
 * expect: incompatible.pointer */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    pd_sleep(a, pd_seconds(1));
#endif
    return pd_ok(a, input);
}
