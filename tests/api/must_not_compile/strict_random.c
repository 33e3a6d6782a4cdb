/* SPDX-License-Identifier: MIT
 * An orchestrator that throws dice.
 * expect: rand.* is unavailable: use pd_random */
#include <perdure.h>
#include <stdlib.h>
#include <perdure/strict.h>

pd_result order(pd_orchestration *o, pd_value input);

pd_result order(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, rand() % 6);
#endif
    return pd_ok(o, input);
}
