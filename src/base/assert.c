/* SPDX-License-Identifier: MIT
 *
 * What a failed assertion says before it ends the process. Standard error only: whatever is wrong,
 * the logs of the host program may be part of it.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *what, const char *file, int line, const char *function)
{
    fprintf(stderr, "perdure: this must hold and does not: %s\n  at %s:%d, in %s\n", what, file,
            line, function);
    fflush(stderr);
    abort();
}
