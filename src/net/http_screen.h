/* SPDX-License-Identifier: MIT
 *
 * What of a client's bytes the parser of HTTP/1.1 may see.
 *
 * evhttp takes much that RFC 9112 does not: lines that end in LF, sizes of chunks as strtoll reads
 * them, fields that go on in the next line, trailers that become headers. Each is a request that a
 * proxy before us may have understood differently, and where one ends is what must not be doubted.
 * So a screen is in front of it: it follows where lines, fields, bodies and chunks begin and end,
 * and says from which byte on nothing is taken any more. It understands nothing else of a request;
 * parsing is evhttp's.
 *
 *   S1  Whatever pieces bytes come in, the answer is the same.
 *   S2  What is let through ends for evhttp where it ends for the screen. What could end elsewhere
 *       for anybody is refused, and all that follows.
 *   S3  It keeps some bytes of state, and nothing of what it has seen. */
#ifndef NET_HTTP_SCREEN_H
#define NET_HTTP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_FIELDS_MAX = 100, HTTP_SCREEN_WORD = 24 };

struct http_screen {
    int state;
    int field;   /* whose value is being read */
    unsigned at; /* how far in a word or a number */
    char word[HTTP_SCREEN_WORD];
    uint64_t left; /* of a body or chunk */
    unsigned fields, hosts, lengths, codings;
    bool is_old;    /* HTTP/1.0 */
    bool is_bodily; /* of a method whose body evhttp reads */
    bool is_ended;  /* a number, or coding, with a space behind it */
};

/* Zeroes: before the first byte of a connection. How many of these may be seen: all, or it is
 * refused, for ever, from there on. */
size_t http_screen_look(struct http_screen *screen, const char *bytes, size_t size);
bool http_screen_refuses(const struct http_screen *screen);
/* What it has seen are whole requests, or nothing. */
bool http_screen_is_between(const struct http_screen *screen);

#endif
