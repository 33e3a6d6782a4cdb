/* SPDX-License-Identifier: MIT
 * An orchestrator that reads the clock of the machine.
 * expect: time.* is unavailable: use pd_now */
#include <perdure.h>
#include <time.h>
#include <perdure/strict.h>

pd_result order(pd_orchestration *o, pd_value input);

pd_result order(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, (long)time(NULL));
#endif
    return pd_ok(o, input);
}
