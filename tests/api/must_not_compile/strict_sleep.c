/* SPDX-License-Identifier: MIT
 * An orchestrator that sleeps, and keeps its partition from working.
 * expect: sleep.* is unavailable: use pd_sleep */
#include <perdure.h>
#include <unistd.h>
#include <perdure/strict.h>

pd_result order(pd_orchestration *o, pd_value input);

pd_result order(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    (void)sleep(1);
#endif
    return pd_ok(o, input);
}
