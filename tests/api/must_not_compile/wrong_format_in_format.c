/* SPDX-License-Identifier: MIT
 * What pd_format is told to print and what it is given do not fit.
 * expect: -Wformat|-Werror=format */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(a, pd_format(a, "%d", pd_text(input)));
#else
    return pd_ok(a, pd_format(a, "%s", pd_text(input)));
#endif
}
