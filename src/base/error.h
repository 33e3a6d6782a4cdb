/* SPDX-License-Identifier: MIT
 *
 * Errors: filling in a pd_error, and what a status is called.
 *
 * The same pd_status and pd_error travel from the lowest room to the caller; nothing is translated
 * on the way. Inside, err is never NULL: api/ supplies one for callers who gave none. An error is
 * written only on failure, results only on success.
 *
 *   return error_set(err, PD_E_LIMIT, false, "json: parse",
 *                    "a payload of %zu bytes is over the limit of %zu", size, limit);
 *
 * The text is one sentence, lower case, no full stop, values in quotes, and says what to do when
 * that is known. What does not fit is cut at a character; bytes that are not UTF-8 become '?', and
 * control characters become spaces, so the text can go into any protocol and onto any terminal.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <perdure.h>
#include <stdarg.h>
#include <stdbool.h>

/* Returns status, which is not PD_OK. */
__attribute__((format(printf, 5, 6), nonnull(1, 4, 5))) pd_status
error_set(pd_error *err, pd_status status, bool retryable, const char *where, const char *format,
          ...);

__attribute__((format(printf, 5, 0), nonnull(1, 4, 5))) pd_status
error_vset(pd_error *err, pd_status status, bool retryable, const char *where, const char *format,
           va_list arguments);

const char *
status_name(pd_status status); /* "PD_E_TIMEOUT"; "PD_E_?" for a number not in the table */
const char *status_text(pd_status status); /* "the time allowed has passed" */

#endif
