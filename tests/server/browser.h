/* SPDX-License-Identifier: MIT
 *
 * A client of HTTP/1.1 that sends what it is told to the byte, and a look into JSON. */
#ifndef TESTS_BROWSER_H
#define TESTS_BROWSER_H

#include "served.h"

struct reply {
    int code;            /* 0: the connection was closed without an answer */
    struct text headers; /* each line ends in CRLF */
    struct text body;
    struct text rest; /* whatever came behind it: nothing, or more answers */
};

/* Sends the bytes, and reads until the other side has closed. Lives in served->browsed. */
struct text browser_send(struct served *served, struct text bytes);
/* Sends the bytes, and hangs up. */
void browser_leave(struct served *served, struct text bytes);
/* How many the server says that wait (perdured_waits of /metrics). */
long browser_waits(struct served *served);
struct reply browser_parse(struct served *served, struct text bytes);
/* One request; path: behind the base path, or with '!' before it a whole one. headers: lines that
 * end in CRLF; NULL: none. body NULL: none. */
struct reply browser_ask(struct served *served, const char *method, const char *path,
                         const char *headers, const char *body);
const char *browser_scheme(const struct served *served); /* of its links */
/* A header's value; absent. */
struct text browser_header(const struct reply *reply, const char *name);
/* Its code is that, and the body that text: "..." stands for anything. */
void browser_expect(const struct reply *reply, int code, const char *body);
bool browser_is_like(struct text text, const char *pattern);
/* The whole number, or the text, that is in the body behind "name":; absent. */
struct text browser_member(const struct reply *reply, const char *name);

#define WEB "/runtime/webhooks/durabletask"
#define AS_JSON "Content-Type: application/json\r\n"

#endif
