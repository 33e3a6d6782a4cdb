/* SPDX-License-Identifier: MIT
 *
 * One connection's reading, writing and shaking hands (sock.h). Addresses are in address.c. */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/sock.h"

void sock_init(struct sock *sock, int fd, SSL *ssl)
{
    *sock = (struct sock){ .fd = fd, .ssl = ssl };
    if (ssl != NULL) {
        /* Fails for want of memory only: then the handshake fails. */
        (void)SSL_set_fd(ssl, fd);
        (void)SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    }
}

void sock_done(struct sock *sock)
{
    if (sock->ssl != NULL) {
        if (sock->is_ready) {
            ERR_clear_error();
            (void)SSL_shutdown(sock->ssl); /* says goodbye if there is room for it; no more */
        }
        SSL_free(sock->ssl);
        ERR_clear_error();
        sock->ssl = NULL;
    }
    if (sock->fd >= 0) {
        (void)close(sock->fd);
        sock->fd = -1;
    }
}

static enum sock_result fail_errno(struct sock *sock)
{
    (void)snprintf(sock->why, sizeof sock->why, "%s", strerror(errno));
    return SOCK_FAILED;
}

/* What a call of OpenSSL that did not succeed means. */
static enum sock_result ssl_result(struct sock *sock, int returned)
{
    int error = SSL_get_error(sock->ssl, returned);
    switch (error) {
    case SSL_ERROR_WANT_READ: sock->wants_write = false; return SOCK_AGAIN;
    case SSL_ERROR_WANT_WRITE: sock->wants_write = true; return SOCK_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return SOCK_END;
    default: break;
    }
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    if (error == SSL_ERROR_SYSCALL && code == 0) {
        reason = errno != 0 ? strerror(errno) : "the peer hung up";
    }
    long verified = SSL_get_verify_result(sock->ssl);
    (void)snprintf(sock->why, sizeof sock->why, "TLS: %s%s%s",
                   reason != NULL ? reason : "protocol error", verified != X509_V_OK ? ": " : "",
                   verified != X509_V_OK ? X509_verify_cert_error_string(verified) : "");
    ERR_clear_error();
    return SOCK_FAILED;
}

enum sock_result sock_handshake(struct sock *sock)
{
    if (sock->ssl == NULL) {
        sock->is_ready = true;
        return SOCK_DONE;
    }
    ERR_clear_error();
    errno = 0;
    int rc = SSL_do_handshake(sock->ssl);
    if (rc == 1) {
        sock->is_ready = true;
        return SOCK_DONE;
    }
    enum sock_result result = ssl_result(sock, rc);
    return result == SOCK_END ? SOCK_FAILED : result;
}

static enum sock_result plain_read(struct sock *sock, void *at, size_t room, size_t *ret)
{
    ssize_t n;
    do {
        n = recv(sock->fd, at, room, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        *ret = (size_t)n;
        return SOCK_DONE;
    }
    if (n == 0) {
        return SOCK_END;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        sock->wants_write = false;
        return SOCK_AGAIN;
    }
    return fail_errno(sock);
}

enum sock_result sock_read(struct sock *sock, void *at, size_t room, size_t *ret)
{
    assert_that(sock->is_ready);
    if (sock->ssl == NULL) {
        return plain_read(sock, at, room, ret);
    }
    /* Records are at most 16 KiB: several of them for one visit of the caller. */
    size_t have = 0;
    while (have < room) {
        size_t n = 0;
        ERR_clear_error();
        errno = 0;
        int rc = SSL_read_ex(sock->ssl, (char *)at + have, room - have, &n);
        if (rc != 1) {
            if (have != 0) {
                break; /* what went wrong is found again by the next call */
            }
            return ssl_result(sock, rc);
        }
        have += n;
    }
    *ret = have;
    return SOCK_DONE;
}

enum sock_result sock_write(struct sock *sock, const void *at, size_t size, size_t *ret)
{
    assert_that(sock->is_ready);
    if (sock->ssl != NULL) {
        ERR_clear_error();
        errno = 0;
        int rc = SSL_write_ex(sock->ssl, at, size, ret);
        return rc == 1 ? SOCK_DONE : ssl_result(sock, rc);
    }
    ssize_t n;
    do {
        n = send(sock->fd, at, size, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *ret = (size_t)n;
        return SOCK_DONE;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        sock->wants_write = true;
        return SOCK_AGAIN;
    }
    return fail_errno(sock);
}
