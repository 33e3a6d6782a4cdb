/* SPDX-License-Identifier: MIT
 * An orchestrator that starts a thread; the header declares it by itself.
 * expect: pthread_create.* is unavailable: start activities */
#include <perdure.h>
#include <perdure/strict.h>

pd_result order(pd_orchestration *o, pd_value input);

pd_result order(pd_orchestration *o, pd_value input)
{
#ifdef MISTAKE
    pthread_t thread;
    return pd_ok(o, pthread_create(&thread, NULL, NULL, o));
#endif
    return pd_ok(o, input);
}
