/* SPDX-License-Identifier: MIT
 * A function that does not say how it ended.
 * expect: return-type */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
#ifndef MISTAKE
    return pd_ok(o, input);
#endif
}
