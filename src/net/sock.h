/* SPDX-License-Identifier: MIT
 *
 * Sockets of this room: addresses, and a connection that reads and writes at once what it can, in
 * the clear or through OpenSSL, and says when it would have to wait.
 *
 * Not libevent's buffered sockets: those write when the kernel says that there is room, which is
 * another round of the loop and two changes of what epoll watches for each batch, and keep buffers
 * for every connection, idle ones too. Here a connection that is idle is a descriptor. */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <perdure.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { SOCK_NAME_MAX = 128 }; /* an address as text */

enum sock_result {
    SOCK_DONE,   /* some bytes, or the handshake */
    SOCK_AGAIN,  /* not now: wait for sock_wants */
    SOCK_END,    /* the peer has sent all it will */
    SOCK_FAILED, /* errno, or OpenSSL's words in `why` */
};

struct sock {
    int fd;           /* -1: none */
    SSL *ssl;         /* NULL: in the clear */
    bool is_ready;    /* connected, and shaken hands */
    bool wants_write; /* the last SOCK_AGAIN waits for room */
    char why[96];
};

/* Takes the descriptor and ssl (which has no descriptor yet; may be NULL). */
void sock_init(struct sock *sock, int fd, SSL *ssl);
void sock_done(struct sock *sock); /* closes */
enum sock_result sock_handshake(struct sock *sock);
/* It failed because of who the other is: trying again does not help. */
bool sock_is_distrusted(const struct sock *sock);
enum sock_result sock_read(struct sock *sock, void *at, size_t room, size_t *ret);
enum sock_result sock_write(struct sock *sock, const void *at, size_t size, size_t *ret);

/* "1.2.3.4:80", "[::1]:80", "unix:/path"; port 0: any free one. A descriptor that listens; -1 with
 * err. name: the address it got. */
int sock_listen(const char *address, char name[SOCK_NAME_MAX], pd_error *err);
/* Begins to connect to the n-th of the addresses that the name has; waits for the name server. -1
 * with err, PD_E_NOT_FOUND: there are not so many. */
int sock_connect(const char *host, unsigned port, unsigned n, pd_error *err);

void sock_peer_name(const struct sockaddr *address, socklen_t size, char name[SOCK_NAME_MAX]);

#endif
