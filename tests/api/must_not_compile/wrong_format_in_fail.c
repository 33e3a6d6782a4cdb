/* SPDX-License-Identifier: MIT
 * What pd_fail is told to print and what it is given do not fit.
 * expect: -Wformat|-Werror=format */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    return pd_fail(a, "NotEnough", "%s has %d", pd_text(input));
#else
    return pd_fail(a, "NotEnough", "%s has %d", pd_text(input), 0);
#endif
}
