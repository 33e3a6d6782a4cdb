/* SPDX-License-Identifier: MIT
 * An orchestrator that opens a file.
 * expect: fopen.* is unavailable: do it in an activity */
#include <perdure.h>
#include <stdio.h>
#include <perdure/strict.h>

pd_result order(pd_orchestration *o, pd_value input);

pd_result order(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    return pd_ok(o, fopen("order.txt", "r") != NULL);
#endif
    return pd_ok(o, input);
}
