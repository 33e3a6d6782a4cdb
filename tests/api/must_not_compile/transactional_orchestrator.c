/* SPDX-License-Identifier: MIT
 * An orchestrator registered as a transactional activity.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result act(pd_activity *a, pd_value input);
pd_result work(pd_orchestration *o, pd_value input);
extern const pd_function program[];

#ifdef MISTAKE
const pd_function program[] = { PD_TRANSACTION("Work", work) };
#else
const pd_function program[] = { PD_TRANSACTION("Work", act), PD_FUNCTION("Main", work) };
#endif
