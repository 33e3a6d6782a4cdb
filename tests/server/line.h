/* SPDX-License-Identifier: MIT
 *
 * A connection to a server's HTTP port, in the clear or over TLS as the server has it, that sends
 * and hears bytes and waits for them. */
#ifndef TESTS_LINE_H
#define TESTS_LINE_H

#include <openssl/ssl.h>

#include "served.h"

struct line {
    int fd;
    SSL_CTX *context;
    SSL *ssl; /* NULL: in the clear */
};

int line_dial(const struct served *served); /* a socket, without TLS in any case */
/* False: the other side does not want us. To be closed all the same. */
bool line_open(struct line *line, const struct served *served);
/* Likewise, with a version of TLS at most; 0: any. */
bool line_open_with(struct line *line, const struct served *served, int version);
ssize_t line_send(const struct line *line, const char *bytes, size_t size);
ssize_t line_hear(const struct line *line, char *bytes, size_t room);
void line_close(struct line *line);

#endif
