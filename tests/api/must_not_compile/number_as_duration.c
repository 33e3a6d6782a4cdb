/* SPDX-License-Identifier: MIT
 * A bare number where a duration is asked for: of what?
 * expect: incompatible (result )?type */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    pd_sleep(o, 5);
#else
    pd_sleep(o, pd_seconds(5));
#endif
    return pd_ok(o, input);
}
