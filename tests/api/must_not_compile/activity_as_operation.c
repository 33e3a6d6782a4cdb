/* SPDX-License-Identifier: MIT
 * An activity in the table of an entity.
 * expect: incompatible.*pointer */
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

static const pd_operation operations[] = {
#ifdef MISTAKE
    { "add", act },
#endif
    { "get", operate },
};

extern const pd_function program[1];
const pd_function program[1] = { PD_ENTITY_TABLE("counter", operations) };
