/* SPDX-License-Identifier: MIT
 * Rules of an entity for an activity.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result act(pd_activity *a, pd_value input);
pd_result operate(pd_entity *e, pd_value input);

pd_result act(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

pd_result operate(pd_entity *e, pd_value input)
{
    return pd_ok(e, input);
}

extern const pd_function program[1];
const pd_function program[1] = {
#ifdef MISTAKE
    PD_ENTITY_RULES("session", act, .keep = { 1000 }),
#else
    PD_ENTITY_RULES("session", operate, .keep = { 1000 }),
#endif
};
