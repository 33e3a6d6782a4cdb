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
/* After the handshake. The peer has a certificate of the authorities. */
bool tls_is_known(const SSL *ssl);
/* Likewise. The common name of the peer's certificate, for mem_free; NULL: none. */
char *tls_subject(const SSL *ssl);
bool tls_has_alpn(const SSL *ssl, const char *protocol);

#endif
