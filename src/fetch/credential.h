/* SPDX-License-Identifier: MIT
 *
 * Credentials: what a request says who we are by. Fetched when a request is made, kept here until
 * shortly before it ends, and nowhere else (F3).
 *
 *   AzureManagedIdentity     {"resource": scope, "options": {"authorityhost", "tenantid"}}: the
 *                            first that is configured of: AZURE_TENANT_ID, AZURE_CLIENT_ID and
 *                            AZURE_CLIENT_SECRET; these with AZURE_FEDERATED_TOKEN_FILE (workload
 *                            identity); IDENTITY_ENDPOINT with IDENTITY_HEADER, or MSI_ENDPOINT
 *                            with MSI_SECRET (App Service); IDENTITY_ENDPOINT with IMDS_ENDPOINT
 *                            (Arc); else the metadata of the virtual machine
 *   OAuth2ClientCredentials  {"resource": scope, "options": {"name": NAME}}: PERDURE_OAUTH2_NAME in
 *                            the environment is "ORIGIN TOKEN-URL CLIENT-ID CLIENT-SECRET"
 *   StaticSecret             {"resource": NAME}: PERDURE_SECRET_NAME is "ORIGIN SECRET"
 *
 *   V1  Of the last two an origin, https://api.example.com, is part of the setting: an
 *       orchestration may name a secret, but not send it anywhere else.
 *   V2  Secrets of Azure go to the authority of the settings, or one that is known to be Azure's.
 *   V3  One that is under way is waited for by all who want the same. */
#ifndef FETCH_CREDENTIAL_H
#define FETCH_CREDENTIAL_H

#include "fetch/fetch_priv.h"

/* Calls wait->ready, at once or later. url: of the request (V1). */
void credential_get(struct fetcher *fetcher, pd_value source, CURLU *url,
                    struct credential_wait *wait);
void credential_forget(struct credential_wait *wait); /* not called any more */
/* Those that were to be asked again by now are; the next time: TIME_NEVER: none. */
time_us credential_look(struct fetcher *fetcher, time_us now);
void credential_done(struct fetcher *fetcher); /* nobody waits */

/* ---- credential_ask.c ----------------------------------------------------------------------- */

/* How a token is asked for. */
struct token_order {
    const char *url, *body; /* body NULL: GET */
    struct curl_slist *fields;
    bool is_arc, is_imds;
};

/* Where it may be sent is decided when it is asked for (V1). */
bool token_is_of_origin(pd_value source);
/* False: *ret_why. */
bool token_order_make(struct arena *arena, pd_value source, CURLU *url, struct token_order *ret,
                      struct text *ret_ready, const char **ret_why);
/* The token in an answer, and for how many seconds it is good; absent: there is none. */
struct text token_read(struct arena *arena, struct text json, time_us now_unix,
                       int64_t *ret_seconds);
/* The key in the file that Arc names, which lies in that folder; NULL: it is none of Arc's. */
extern const char token_arc_folder[];
const char *token_arc_key(struct arena *arena, const char *folder, const char *authenticate);

#endif
