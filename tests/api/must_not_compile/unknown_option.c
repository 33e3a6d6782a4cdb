/* SPDX-License-Identifier: MIT
 * An option that a call does not have.
 * expect: verson */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, pd_call_activity(o, "A", input, .verson = "2"));
#else
    return pd_ok(o, pd_call_activity(o, "A", input, .version = "2"));
#endif
}
