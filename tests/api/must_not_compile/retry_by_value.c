/* SPDX-License-Identifier: MIT
 * A retry policy that is not pointed to.
 * expect: incompatible type */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
    const pd_retry often = { .attempts_max = 3 };
#ifdef MISTAKE
    return pd_ok(o, pd_call_activity(o, "A", input, .retry = often));
#else
    return pd_ok(o, pd_call_activity(o, "A", input, .retry = &often));
#endif
}
