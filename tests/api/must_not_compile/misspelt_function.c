/* SPDX-License-Identifier: MIT
 * The name of a function that does not exist.
 * expect: say_helo */
#include <perdure.h>

pd_result say_hello(pd_activity *a, pd_value city);
pd_result hello(pd_orchestration *o, pd_value input);

pd_result hello(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, pd_call_activity(o, say_helo, input));
#else
    return pd_ok(o, pd_call_activity(o, say_hello, input));
#endif
}
