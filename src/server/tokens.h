/* SPDX-License-Identifier: MIT
 *
 * Tokens: who may do what in which hub. A file of lines
 *
 *     TOKEN scope[,scope] hub[,hub]        scopes: read, work, operate; hub *: all
 *     subject:NAME scope[,scope] hub[,hub] the common name of a client's certificate
 *
 *   T1  Comparing takes the same time wherever two tokens differ, and whichever line fits: every
 *       line is compared to its end.
 *   T2  A file that is not right is refused with the line, and what was there before stays. */
#ifndef SERVER_TOKENS_H
#define SERVER_TOKENS_H

#include <perdure.h>
#include <stdbool.h>

#include "base/text.h"

struct tokens;

enum {
    SCOPE_READ = 1u << 0,
    SCOPE_WORK = 1u << 1,
    SCOPE_OPERATE = 1u << 2,
    SCOPE_ANY = SCOPE_READ | SCOPE_WORK | SCOPE_OPERATE,
};

/* "read", or "read or work". */
const char *scopes_name(unsigned scopes);

struct tokens *tokens_load(const char *file, pd_error *err);
void tokens_free(struct tokens *tokens); /* NULL is fine */
bool tokens_have_subjects(const struct tokens *tokens);

enum token_answer {
    TOKEN_UNKNOWN, /* nobody we know */
    TOKEN_DENIED,  /* known, but not for this */
    TOKEN_GOOD,
};

/* authorization: the header, "Bearer TOKEN"; absent: none. subject: NULL: none. hub absent: any.
 * scopes: one of them is enough. */
enum token_answer tokens_check(const struct tokens *tokens, struct text authorization,
                               const char *subject, struct text hub, unsigned scopes);
/* Likewise, of a token that came in another way; absent: none. */
enum token_answer tokens_check_key(const struct tokens *tokens, struct text token,
                                   const char *subject, struct text hub, unsigned scopes);

#endif
