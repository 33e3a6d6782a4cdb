/* SPDX-License-Identifier: MIT
 *
 * Frames by hand (attacker.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attacker.h"
#include "base/assert.h"

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void attack(struct attacker *attacker, unsigned port)
{
    const int one = 1;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    attacker->heard_size = 0;
    attacker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_that(attacker->fd >= 0);
    (void)setsockopt(attacker->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int failed = connect(attacker->fd, (struct sockaddr *)&to, sizeof to);
    assert_that(failed == 0);
}

void attack_hello(struct attacker *attacker, unsigned port)
{
    attack(attacker, port);
    (void)say(attacker, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    (void)say_frame(attacker, SETTINGS, 0, 0, NULL, 0);
}

void attack_end(struct attacker *attacker)
{
    (void)close(attacker->fd);
}

static void keep(struct attacker *attacker, const uint8_t *bytes, size_t size)
{
    size_t room = sizeof attacker->heard - attacker->heard_size;
    size_t take = size < room ? size : room;
    memcpy(attacker->heard + attacker->heard_size, bytes, take);
    attacker->heard_size += take;
}

/* 1: something came, 0: nothing did, -1: the server has hung up. */
static int read_once(struct attacker *attacker, int ms)
{
    uint8_t bytes[65536];
    struct pollfd poller = { .fd = attacker->fd, .events = POLLIN };
    if (poll(&poller, 1, ms) <= 0) {
        return 0;
    }
    ssize_t n = recv(attacker->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
        keep(attacker, bytes, (size_t)n);
        return 1;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

bool say(struct attacker *attacker, const void *bytes, size_t size)
{
    size_t said = 0;
    int64_t until = now_ms() + 3000;
    while (said < size) {
        ssize_t n = send(attacker->fd, (const char *)bytes + said, size - said,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            said += (size_t)n;
        } else if (errno != EAGAIN || now_ms() > until) {
            return false;
        } else {
            struct pollfd poller = { .fd = attacker->fd, .events = POLLOUT };
            (void)poll(&poller, 1, 10);
        }
    }
    return true;
}

bool say_frame(struct attacker *attacker, unsigned type, unsigned flags, uint32_t stream,
               const void *payload, size_t size)
{
    uint8_t frame[9 + 65536] = { (uint8_t)(size >> 16),   (uint8_t)(size >> 8),
                                 (uint8_t)size,           (uint8_t)type,
                                 (uint8_t)flags,          (uint8_t)(stream >> 24),
                                 (uint8_t)(stream >> 16), (uint8_t)(stream >> 8),
                                 (uint8_t)stream };
    assert_that(size <= 65536);
    if (size != 0) {
        memcpy(frame + 9, payload, size);
    }
    return say(attacker, frame, 9 + size);
}

static size_t put_length(uint8_t *at, size_t size)
{
    size_t n = 0;
    if (size < 127) {
        at[n++] = (uint8_t)size;
        return n;
    }
    at[n++] = 127;
    for (size -= 127; size >= 128; size >>= 7) {
        at[n++] = (uint8_t)(size & 127) | 128;
    }
    at[n++] = (uint8_t)size;
    return n;
}

size_t block_add(uint8_t *at, const char *name, const char *value, size_t value_size)
{
    size_t n = 0;
    at[n++] = 0; /* literal, not indexed, new name */
    n += put_length(at + n, strlen(name));
    memcpy(at + n, name, strlen(name));
    n += strlen(name);
    n += put_length(at + n, value_size);
    if (value != NULL) {
        memcpy(at + n, value, value_size);
    } else {
        memset(at + n, 'x', value_size);
    }
    return n + value_size;
}

size_t block_of(uint8_t *room, const char *path, size_t more)
{
    size_t n = block_add(room, ":method", "POST", 4);
    n += block_add(room + n, ":scheme", "http", 4);
    n += block_add(room + n, ":path", path, strlen(path));
    n += block_add(room + n, ":authority", "localhost", 9);
    n += block_add(room + n, "content-type", "application/grpc", 16);
    n += block_add(room + n, "te", "trailers", 8);
    return more != 0 ? n + block_add(room + n, "x-more", NULL, more) : n;
}

bool say_call(struct attacker *attacker, uint32_t stream, const char *path, unsigned flags)
{
    uint8_t block[1024];
    return say_frame(attacker, HEADERS, END_HEADERS | flags, stream, block,
                     block_of(block, path, 0));
}

bool say_message(struct attacker *attacker, uint32_t stream, const char *text)
{
    uint8_t message[1024] = { 0, 0, 0, (uint8_t)(strlen(text) >> 8), (uint8_t)strlen(text) };
    memcpy(message + 5, text, strlen(text));
    return say_frame(attacker, DATA, END_STREAM, stream, message, 5 + strlen(text));
}

void hear(struct attacker *attacker, int ms)
{
    int64_t until = now_ms() + ms;
    while (now_ms() < until && read_once(attacker, 10) >= 0) {}
}

bool is_hung_up_on(struct attacker *attacker, int ms)
{
    int64_t until = now_ms() + ms;
    while (now_ms() < until) {
        if (read_once(attacker, 10) < 0) {
            return true;
        }
    }
    return false;
}

static uint32_t number(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The next frame from *at on; NULL: no whole one. */
static const uint8_t *next_frame(const struct attacker *attacker, size_t *at)
{
    if (attacker->heard_size - *at < 9) {
        return NULL;
    }
    const uint8_t *frame = attacker->heard + *at;
    size_t size = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
    if (attacker->heard_size - *at - 9 < size) {
        return NULL;
    }
    *at += 9 + size;
    return frame;
}

int heard_goaway(const struct attacker *attacker)
{
    const uint8_t *frame;
    int error = -1;
    for (size_t at = 0; (frame = next_frame(attacker, &at)) != NULL;) {
        error = frame[3] == GOAWAY ? (int)number(frame + 9 + 4) : error;
    }
    return error;
}

int heard_reset(const struct attacker *attacker, uint32_t stream)
{
    const uint8_t *frame;
    for (size_t at = 0; (frame = next_frame(attacker, &at)) != NULL;) {
        if (frame[3] == RST_STREAM && number(frame + 5) == stream) {
            return (int)number(frame + 9);
        }
    }
    return -1;
}

size_t heard_frames(const struct attacker *attacker, unsigned type)
{
    const uint8_t *frame;
    size_t count = 0;
    for (size_t at = 0; (frame = next_frame(attacker, &at)) != NULL;) {
        count += frame[3] == type;
    }
    return count;
}

bool hear_frame(struct attacker *attacker, unsigned type, int ms)
{
    int64_t until = now_ms() + ms;
    while (heard_frames(attacker, type) == 0) {
        if (now_ms() > until || read_once(attacker, 10) < 0) {
            return false;
        }
    }
    return true;
}
