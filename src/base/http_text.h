/* SPDX-License-Identifier: MIT
 *
 * Texts that go with HTTP calls of the Durable Task SDKs: spans as .NET writes them, statuses as
 * its client names them. There are programs that look for these names, so they are .NET's, also
 * where RFC 9110 has others by now. And URLs, as failures name them. */
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

/* A URL for people: without what may be secret in it, all up to its last '@' but the scheme, and
 * what is behind '?'; and not longer than SHOWN_BYTES. It need not be a good one. */
enum { HTTP_SHOWN_BYTES = 200, HTTP_SHOWN_MAX = HTTP_SHOWN_BYTES + 16 };
const char *http_show_url(const char *url, char ret[HTTP_SHOWN_MAX]);

#endif
