/* SPDX-License-Identifier: MIT
 * What pd_log is told to print and what it is given do not fit.
 * expect: -Wformat|-Werror=format */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    pd_log(o, "%s", 1);
#else
    pd_log(o, "%d", 1);
#endif
    return pd_ok(o, input);
}
