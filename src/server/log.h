/* SPDX-License-Identifier: MIT
 *
 * Log: one line per event on stderr, for people (text) or for machines (logfmt, json).
 *
 * A line says what happened in fixed words, and what it happened to in fields. Payloads, tokens and
 * ids that could hold either are no fields.
 *
 *   G1  Any thread; a line is one write, so lines do not mix.
 *   G2  Values may be anything: what is not printable is escaped, what is long is cut.
 *   G3  The same words more than LOG_BURST times in a second are left out, and counted: the first
 *       line of the next second says how many were. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <perdure.h>
#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };
enum log_format { LOG_TEXT, LOG_LOGFMT, LOG_JSON };

enum { LOG_BURST = 20 };

void log_set(enum log_level least, enum log_format format);
bool log_is_on(enum log_level level);

/* Names and values in turns, all const char *; a value NULL leaves its field out. */
#define log_say(level, ...) log_say_(level, __VA_ARGS__, (const char *)0)
__attribute__((sentinel)) void log_say_(enum log_level level, const char *words, ...);

/* With what went wrong: code and err. */
#define log_error(words, error, ...) \
    log_say(LOG_ERROR, words, "code", log_code(error), "err", (error)->text, __VA_ARGS__)
const char *log_code(const pd_error *err); /* "PD_E_UNAVAILABLE" */

#endif
