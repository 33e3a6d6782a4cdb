/* SPDX-License-Identifier: MIT
 * An activity that calls an activity: only orchestrators do.
 * expect: incompatible.pointer */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(a, pd_call_activity(a, "Other", input));
#else
    return pd_ok(a, input);
#endif
}
