/* SPDX-License-Identifier: MIT
 * An object with a key that has no value.
 * expect: negative */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(a, PD_OBJ("major", input, "year"));
#else
    return pd_ok(a, PD_OBJ("major", input, "year", 2));
#endif
}
