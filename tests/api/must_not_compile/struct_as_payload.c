/* SPDX-License-Identifier: MIT
 * A struct of one's own as a payload.
 * expect: not compatible with any (generic )?association */
#include <perdure.h>

struct student {
    const char *major;
    int year;
};

pd_result work(pd_activity *a, pd_value input);

pd_result work(pd_activity *a, pd_value input)
{
    struct student student = { pd_text(input), 2 };
#ifdef MISTAKE
    return pd_ok(a, student);
#else
    return pd_ok(a, PD_OBJ("major", student.major, "year", student.year));
#endif
}
