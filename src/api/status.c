/* SPDX-License-Identifier: MIT
 *
 * Words for people: the version, the states, an error on one line.
 */
#include <perdure.h>
#include <stdio.h>

#include "core/event.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

const char *pd_version(void)
{
    return STRING(PD_VERSION_MAJOR) "." STRING(PD_VERSION_MINOR) "." STRING(PD_VERSION_PATCH);
}

/* One enumeration inside and one outside, with the same numbers: casts rest on that. */
_Static_assert((int)PD_RUN_PENDING == (int)RUN_PENDING, "numbers agree");
_Static_assert((int)PD_RUN_RUNNING == (int)RUN_RUNNING, "numbers agree");
_Static_assert((int)PD_RUN_SUSPENDED == (int)RUN_SUSPENDED, "numbers agree");
_Static_assert((int)PD_RUN_COMPLETED == (int)RUN_COMPLETED, "numbers agree");
_Static_assert((int)PD_RUN_FAILED == (int)RUN_FAILED, "numbers agree");
_Static_assert((int)PD_RUN_TERMINATED == (int)RUN_TERMINATED, "numbers agree");

const char *pd_run_state_name(pd_run_state s)
{
    return run_state_name((enum run_state)s);
}

int pd_error_report(const pd_error *err)
{
    if (err == NULL) {
        fputs("perdure: it failed, and nobody kept the reason\n", stderr);
    } else {
        fprintf(stderr, "perdure: %s: %s\n", err->where, err->text);
    }
    return 1;
}
