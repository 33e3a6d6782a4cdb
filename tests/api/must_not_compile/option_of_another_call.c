/* SPDX-License-Identifier: MIT
 * An option of starting an instance on the call of an activity.
 * expect: 'id'|named .id. */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);
pd_status start(pd_hub *hub, pd_error *err);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, pd_call_activity(o, "A", input, .id = "order-7"));
#else
    return pd_ok(o, pd_call_activity(o, "A", input));
#endif
}

pd_status start(pd_hub *hub, pd_error *err)
{
    return pd_hub_start(hub, work, 1, (&(pd_start_options){ .id = "order-7" }), NULL, err);
}
