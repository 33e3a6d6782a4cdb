/* SPDX-License-Identifier: MIT
 * A function in the program that is neither an orchestrator nor an activity.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

pd_result work(pd_activity *a, pd_value input);
int main(void);
extern const pd_function program[1];

#ifdef MISTAKE
const pd_function program[] = { PD_FUNCTION("Work", main) };
#else
const pd_function program[] = { PD_FUNCTION("Work", work) };
#endif
