/* SPDX-License-Identifier: MIT
 *
 * What a child tells the supervisor: whole lines, so that those of several threads do not mix. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "host/child.h"

int report_fd = -1;

void report(enum report kind, const char *format, ...)
{
    char line[1000];
    va_list arguments;
    va_start(arguments, format);
    line[0] = (char)kind;
    int size = vsnprintf(line + 1, sizeof line - 2, format, arguments);
    va_end(arguments);
    size_t length = size < 0                         ? 1
                    : (size_t)size < sizeof line - 3 ? (size_t)size + 1
                                                     : sizeof line - 2;
    line[length++] = '\n';
    ssize_t written = write(report_fd, line, length);
    (void)written; /* there is nobody else to tell */
}
