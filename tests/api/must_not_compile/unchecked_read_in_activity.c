/* SPDX-License-Identifier: MIT
 * pd_read in an activity, which is not left when it fails, and nobody looks.
 * expect: unused.result */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
    int year = 0;
#ifdef MISTAKE
    pd_read(a, input, "year", &year);
#else
    if (!pd_read(a, input, "year", &year)) {
        return PD_FAILED;
    }
#endif
    return pd_ok(a, year);
}
