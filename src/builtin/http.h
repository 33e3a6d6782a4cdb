/* SPDX-License-Identifier: MIT
 *
 * What a conversation over HTTP has to understand: URLs and times. Pure functions of texts. */
#ifndef BUILTIN_HTTP_H
#define BUILTIN_HTTP_H

#include <perdure.h>

#include "base/text.h"

/* ---- http_url.c ------------------------------------------------------------------------------ */

/* An absolute URL with a host, of http or https, without blanks and control characters. */
bool http_url_is_good(const char *url);

/* Scheme, host and port are the same; a port that is not named is the scheme's. False also when
 * one of the two is not good. */
bool http_url_is_same_origin(const char *a, const char *b);

/* What a reference means that was found at `base` (RFC 3986, 5.2). NULL: nothing that is good. */
const char *http_url_resolve(pd_orchestration *o, const char *base, const char *reference);

/* ---- http_time.c ----------------------------------------------------------------------------- */

bool http_is_name(const char *a, const char *b); /* case does not count (ASCII) */

/* When to ask again: Retry-After, seconds or a date, from now on; what is past is now. False: it
 * says nothing that can be understood. */
bool http_read_retry_after(const char *text, int64_t now_ms, int64_t *ret_at_ms);

#endif
