/* SPDX-License-Identifier: MIT
 * The address of a number as a payload.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
    int year = (int)pd_int(input);
#ifdef MISTAKE
    return pd_ok(a, &year);
#else
    return pd_ok(a, year);
#endif
}
