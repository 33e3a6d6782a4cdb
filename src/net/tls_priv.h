/* SPDX-License-Identifier: MIT
 *
 * TLS as the connections of this room see it. */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* Handshakes keep about 48 KiB each, of OpenSSL's, for peers that nobody knows yet. So a listener
 * has room for so many at once; while it is full others wait at its door, which is shut, and who is
 * at it has less time than usual. */
enum { TLS_HANDSHAKES_MAX = 1000, TLS_HASTE_US = 1000 * 1000 };

/* For one connection, with the certificates of this moment. NULL: no memory. */
SSL *tls_accept(struct tls *tls);
SSL *tls_connect(struct tls *tls, const char *host); /* the name that must be in the certificate */
/* After the handshake. The peer has a certificate of the authorities. */
bool tls_is_known(const SSL *ssl);
/* Likewise. The common name of the peer's certificate, for mem_free; NULL: none. */
char *tls_subject(const SSL *ssl);
bool tls_has_alpn(const SSL *ssl, const char *protocol);

#endif
