/* SPDX-License-Identifier: MIT
 * A short as the target of pd_read.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    short year;
#else
    int year;
#endif
    pd_read(o, input, &year);
    return pd_ok(o, year);
}
