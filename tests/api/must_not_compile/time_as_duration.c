/* SPDX-License-Identifier: MIT
 * A point in time where a duration is asked for.
 * expect: incompatible (result )?type */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
    pd_time later = pd_after(pd_now(o), pd_hours(1));
#ifdef MISTAKE
    pd_sleep(o, later);
#else
    pd_sleep_until(o, later);
#endif
    return pd_ok(o, input);
}
