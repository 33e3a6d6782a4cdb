/* SPDX-License-Identifier: MIT
 *
 * The screen in front of evhttp, on any bytes: it says the same whatever pieces they come in (S1),
 * and where it sees requests end, another reader, which has all the bytes before it and no states,
 * sees them end too (S2). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "net/http_screen.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The value of a field in a head, which ends with an empty line; NULL: it has none. */
static const char *field_of(const char *head, const char *end, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = head; (at = memmem(at, (size_t)(end - at), "\r\n", 2)) != NULL;) {
        at += 2;
        if ((size_t)(end - at) > size && strncasecmp(at, name, size) == 0 && at[size] == ':') {
            return at + size + 1 + strspn(at + size + 1, " ");
        }
    }
    return NULL;
}

/* Behind the chunks that begin there; NULL: they do not end. */
static const char *skip_chunks(const char *at, const char *end)
{
    for (;;) {
        char *line = NULL;
        uint64_t size = strtoull(at, &line, 16);
        assert_that(line > at || at == end);
        if (end - line < 4 || size > (uint64_t)(end - line) - 4) {
            return NULL;
        }
        assert_that(line[0] == '\r' && line[1] == '\n');
        at = line + 2 + size;
        assert_that(at[0] == '\r' && at[1] == '\n');
        at += 2;
        if (size == 0) {
            return at;
        }
    }
}

/* Of text that a screen took whole, with a NUL behind it: how much of it is whole requests. */
static size_t whole_requests(const char *text, size_t size)
{
    const char *at = text;
    const char *end = text + size;
    for (const char *head; (head = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)) != NULL;) {
        const char *length = field_of(at, head + 2, "Content-Length");
        const char *coding = field_of(at, head + 2, "Transfer-Encoding");
        const char *next = head + 4;
        assert_that(memchr(at, '\0', (size_t)(head - at)) == NULL);
        assert_that(length == NULL || coding == NULL);
        if (length != NULL) {
            uint64_t bytes = strtoull(length, NULL, 10);
            next = bytes <= (uint64_t)(end - next) ? next + bytes : NULL;
        } else if (coding != NULL) {
            next = next < end ? skip_chunks(next, end) : NULL;
        }
        if (next == NULL) {
            break;
        }
        at = next;
    }
    return (size_t)(at - text);
}

/* Behind a beginning that the first byte chooses: else whole heads are seldom found. */
static size_t begin(char ret[8192], const uint8_t *bytes, size_t size)
{
    static const char *const beginnings[] = {
        "",
        "POST /a HTTP/1.1\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ",
        "GET /a HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
    };
    enum { COUNT = sizeof beginnings / sizeof beginnings[0], PIECE = 4096 };
    const char *beginning = beginnings[size != 0 ? bytes[0] % COUNT : 0];
    size_t skipped = size != 0;
    size_t taken = size - skipped < PIECE ? size - skipped : PIECE;
    size_t before = strlen(beginning);
    memcpy(ret, beginning, before);
    memcpy(ret + before, bytes + skipped, taken);
    return before + taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct http_screen whole = { 0 };
    struct http_screen parts = { 0 };
    static char all[8192];
    static char copy[8192];
    size = begin(all, bytes, size);
    memcpy(copy, all, size);
    size_t fine = http_screen_look(&whole, copy, size);
    copy[fine] = '\0';
    assert_that(http_screen_refuses(&whole) == (fine < size));
    size_t seen = 0;
    size_t ended = 0; /* where the last whole request did */
    for (; seen < size && http_screen_look(&parts, all + seen, 1) == 1; seen++) {
        ended = http_screen_is_between(&parts) ? seen + 1 : ended;
    }
    assert_that(seen == fine);
    assert_that(whole_requests(copy, fine) == ended);
    return 0;
}
