/* SPDX-License-Identifier: MIT
 *
 * One connection's reading, writing and shaking hands (sock.h). Addresses are in address.c. */
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/sock.h"

/* OpenSSL's sockets write without MSG_NOSIGNAL: a peer that hung up would end a process that does
 * not know of us. */
static int write_quietly(BIO *bio, const char *at, int size)
{
    int fd = (int)BIO_get_fd(bio, NULL);
    BIO_clear_retry_flags(bio);
    int n = (int)send(fd, at, (size_t)size, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_retry_write(bio);
    }
    return n;
}

static BIO_METHOD *quiet;
static pthread_once_t quiet_once = PTHREAD_ONCE_INIT;

static void make_quiet(void)
{
    const BIO_METHOD *socket = BIO_s_socket();
    quiet = BIO_meth_new(BIO_TYPE_SOCKET, "socket without signals");
    assert_that(quiet != NULL);
    (void)BIO_meth_set_write(quiet, write_quietly);
    (void)BIO_meth_set_read(quiet, BIO_meth_get_read(socket));
    (void)BIO_meth_set_ctrl(quiet, BIO_meth_get_ctrl(socket));
    (void)BIO_meth_set_create(quiet, BIO_meth_get_create(socket));
    (void)BIO_meth_set_destroy(quiet, BIO_meth_get_destroy(socket));
}

void sock_init(struct sock *sock, int fd, SSL *ssl)
{
    *sock = (struct sock){ .fd = fd, .ssl = ssl };
    if (ssl != NULL) {
        (void)pthread_once(&quiet_once, make_quiet);
        BIO *bio = BIO_new(quiet);
        assert_that(bio != NULL);
        (void)BIO_set_fd(bio, fd, BIO_NOCLOSE);
        SSL_set_bio(ssl, bio, bio);
        (void)SSL_set_mode(ssl,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
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

bool sock_is_distrusted(const struct sock *sock)
{
    return sock->ssl != NULL && !sock->is_ready && SSL_get_verify_result(sock->ssl) != X509_V_OK;
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
