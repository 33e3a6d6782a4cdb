/* SPDX-License-Identifier: MIT
 *
 * See line.h. */
#include "line.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificates.h"

int line_dial(const struct served *served)
{
    const char *address = server_http_address(served->server);
    const char *colon = strrchr(address, ':');
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

bool line_open_with(struct line *line, const struct served *served, int version)
{
    *line = (struct line){ .fd = line_dial(served) };
    if (!served_has_tls(served)) {
        return true;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to who has hung up */
    line->context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_file(line->context, certificate_file("ca.pem")), 1);
    if (version != 0) { /* old ones want ciphers that are not offered by themselves */
        (void)SSL_CTX_set_min_proto_version(line->context, version);
        (void)SSL_CTX_set_max_proto_version(line->context, version);
        assert_int_equal(SSL_CTX_set_cipher_list(line->context, "ALL:@SECLEVEL=0"), 1);
    }
    SSL_CTX_set_verify(line->context, SSL_VERIFY_PEER, NULL);
    if (served->shows != NULL) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s.pem", served->shows);
        assert_int_equal(SSL_CTX_use_certificate_chain_file(line->context, certificate_file(name)),
                         1);
        (void)snprintf(name, sizeof name, "%s.key", served->shows);
        assert_int_equal(
            SSL_CTX_use_PrivateKey_file(line->context, certificate_file(name), SSL_FILETYPE_PEM),
            1);
    }
    line->ssl = SSL_new(line->context);
    assert_int_equal(SSL_set_fd(line->ssl, line->fd), 1);
    return SSL_connect(line->ssl) == 1;
}

bool line_open(struct line *line, const struct served *served)
{
    return line_open_with(line, served, 0);
}

ssize_t line_send(const struct line *line, const char *bytes, size_t size)
{
    return line->ssl != NULL ? SSL_write(line->ssl, bytes, (int)size)
                             : send(line->fd, bytes, size, MSG_NOSIGNAL);
}

ssize_t line_hear(const struct line *line, char *bytes, size_t room)
{
    return line->ssl != NULL ? SSL_read(line->ssl, bytes, (int)room)
                             : recv(line->fd, bytes, room, 0);
}

void line_close(struct line *line)
{
    SSL_free(line->ssl);
    SSL_CTX_free(line->context);
    close(line->fd);
}
