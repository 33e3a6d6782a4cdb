/* SPDX-License-Identifier: MIT
 *
 * Who asks over HTTP, and may he? The same tokens and certificates as gRPC's (tokens.h).
 *
 *   A1  A key that the request carries (x-functions-key, `code`, Bearer) counts before a
 *       certificate; who has both is whoever of them may.
 *   A2  Where certificates are asked for, and there are no tokens, one is enough for all, and none
 *       is nobody. A key is enough without one: it is optional on this port, health needs none.
 *   A3  A key is in the hands of who sends it. Where none is asked for, or a certificate is enough,
 *       a browser on the client's machine opens the door for any page that it shows, because it
 *       sends what is needed by itself. So these callers are judged by their page too
 *       (web_may_ask). */
#include "server/web.h"

#include <stdio.h>

enum token_answer web_judge(const struct server *server, const struct http_request *request,
                            struct text code, struct text hub, unsigned scopes,
                            struct web_caller *ret)
{
    struct text authorization = http_header(request, "Authorization");
    const char *subject = NULL;
    bool is_certified = http_is_certified(request, &subject);
    ret->key = http_header(request, "x-functions-key");
    ret->key = ret->key.size != 0 ? ret->key : code;
    ret->is_known_by_key = false;
    if (server->tokens == NULL) {
        bool is_enough = server->config->tls_client_ca == NULL || is_certified;
        return is_enough ? TOKEN_GOOD : TOKEN_UNKNOWN;
    }
    enum token_answer by_key = ret->key.size != 0
                                   ? tokens_check_key(server->tokens, ret->key, NULL, hub, scopes)
                                   : tokens_check(server->tokens, authorization, NULL, hub, scopes);
    ret->is_known_by_key = by_key == TOKEN_GOOD;
    if (by_key == TOKEN_GOOD || subject == NULL) {
        return by_key;
    }
    enum token_answer by_subject =
        tokens_check_key(server->tokens, TEXT_ABSENT, subject, hub, scopes);
    return by_subject == TOKEN_UNKNOWN ? by_key : by_subject;
}
