/* SPDX-License-Identifier: MIT
 *
 * Texts that go with HTTP calls of the Durable Task SDKs: spans as .NET writes them, statuses as
 * its client names them. There are programs that look for these names, so they are .NET's, also
 * where RFC 9110 has others by now. */
#ifndef BASE_HTTP_TEXT_H
#define BASE_HTTP_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* "[-][d.]hh:mm:ss[.fffffff]" in milliseconds, rounded up. False: it is something else. */
bool http_read_span(const char *text, int64_t *ret_ms);

/* "Internal Server Error"; NULL: there is no such status. */
const char *http_reason(int64_t status);

/* "InternalServerError", or the number; in `ret`, or for ever. */
enum { HTTP_STATUS_NAME_MAX = 40 };
const char *http_status_name(int64_t status, char ret[HTTP_STATUS_NAME_MAX]);

#endif
