/* SPDX-License-Identifier: MIT
 *
 * TLS as the connections of this room see it. */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* For one connection, with the certificates of this moment. NULL: no memory. */
SSL *tls_accept(struct tls *tls);
SSL *tls_connect(struct tls *tls, const char *host); /* the name that must be in the certificate */

#endif
