/* SPDX-License-Identifier: MIT
 * A literal stored in a value that lives longer than its block.
 * expect: incompatible (result )?type|invalid initializer */
#include <perdure.h>

pd_result work(pd_orchestration *o, pd_value input);

pd_result work(pd_orchestration *o, pd_value input)
{
    pd_value kept = input;
    if (pd_count(input) == 0) {
#ifdef MISTAKE
        kept = PD_OBJ("n", 0);
#else
        kept = pd_keep(o, PD_OBJ("n", 0));
#endif
    }
    return pd_ok(o, kept);
}
