/* SPDX-License-Identifier: MIT
 * A format that does not fit its argument.
 * expect: format */
#include <perdure.h>

pd_result act(pd_activity *a, pd_value input);

pd_result act(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    return pd_fail_final(a, "Odd", "%s", pd_count(input));
#else
    return pd_fail_final(a, "Odd", "%zu", pd_count(input));
#endif
}
