/* SPDX-License-Identifier: MIT
 * A critical section in an entity, which cannot wait.
 * expect: incompatible.pointer */
#include <perdure.h>

pd_result operate(pd_entity *e, pd_value input);
pd_result work(pd_orchestration *o, pd_value input);

pd_result operate(pd_entity *e, pd_value input)
{
#ifdef MISTAKE
    PD_LOCKED(e, PD_ENTITY("counter", "1")) {
        return pd_ok(e, 1);
    }
#endif
    return pd_ok(e, input);
}

pd_result work(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, PD_ENTITY("counter", "1")) {
        return pd_ok(o, 1);
    }
    return pd_ok(o, input);
}
