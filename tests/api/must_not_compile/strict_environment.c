/* SPDX-License-Identifier: MIT
 * An orchestrator that reads the environment, through a pointer.
 * expect: getenv.* is unavailable: pass it in the input */
#include <perdure.h>
#include <stdlib.h>
#include <perdure/strict.h>

pd_result order(pd_orchestration *o, pd_value input);

pd_result order(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    char *(*look)(const char *) = getenv;
    return pd_ok(o, look("HOME"));
#endif
    return pd_ok(o, input);
}
