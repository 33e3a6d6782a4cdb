/* SPDX-License-Identifier: MIT
 * A status that nobody looks at.
 * expect: unused.result */
#include <perdure.h>

pd_status tell(pd_hub *hub, pd_error *err);

pd_status tell(pd_hub *hub, pd_error *err)
{
#ifdef MISTAKE
    pd_hub_raise_event(hub, "order-7", "Approval", PD_TRUE, err);
    return PD_OK;
#else
    return pd_hub_raise_event(hub, "order-7", "Approval", PD_TRUE, err);
#endif
}
