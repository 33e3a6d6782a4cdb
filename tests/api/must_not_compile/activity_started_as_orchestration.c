/* SPDX-License-Identifier: MIT
 * An activity where an orchestration is to be started.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result other(pd_orchestration *o, pd_value input);
pd_result work(pd_activity *a, pd_value input);
pd_status start(pd_hub *hub, pd_error *err);

pd_status start(pd_hub *hub, pd_error *err)
{
#ifdef MISTAKE
    return pd_hub_start(hub, work, "x", NULL, NULL, err);
#else
    return pd_hub_start(hub, other, "x", NULL, NULL, err);
#endif
}
