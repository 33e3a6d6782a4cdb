/* SPDX-License-Identifier: MIT
 *
 * TLS: certificates and rules for connections, by OpenSSL. TLS 1.2 and later, ALPN "h2" or
 * "http/1.1" as asked. Reloading swaps what new connections use; old ones keep theirs. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <perdure.h>
#include <stdbool.h>

#include "base/time.h"

struct tls;

struct tls_options {
    const char *certificate, *key; /* PEM files; servers need both, clients for mutual TLS */
    const char *authorities;       /* PEM file: whom we trust. NULL: clients the system's; servers
                                    * ask for no client certificate */
    const char *alpn;              /* "h2", "http/1.1" */
    bool may_be_nobody;            /* servers: who shows no certificate comes in all the same */
};

/* PD_E_INVALID with the file and what is wrong with it. */
struct tls *tls_new_server(const struct tls_options *options, pd_error *err);
struct tls *tls_new_client(const struct tls_options *options, pd_error *err);
void tls_free(struct tls *tls); /* connections keep what they use. NULL is fine */

/* Reads the files again. When they are not right nothing changes. Loop's thread. */
pd_status tls_reload(struct tls *tls, pd_error *err);
/* The certificate's time; 0: there is none. */
time_us tls_begins_at(const struct tls *tls);
time_us tls_expires_at(const struct tls *tls);

#endif
