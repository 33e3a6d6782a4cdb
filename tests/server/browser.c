/* SPDX-License-Identifier: MIT
 *
 * See browser.h. */
#include "browser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buffer.h"
#include "line.h"
#include "server/web.h"

struct text browser_send(struct served *served, struct text bytes)
{
    struct line line;
    struct buffer all;
    ssize_t size = line_open(&line, served) ? 1 : 0;
    buffer_init(&all);
    for (size_t sent = 0; sent < bytes.size && size > 0; sent += (size_t)size) {
        size = line_send(&line, bytes.at + sent, bytes.size - sent);
        size = size > 0 ? size : 0;
    }
    for (char piece[4096]; (size = line_hear(&line, piece, sizeof piece)) > 0;) {
        buffer_add(&all, piece, (size_t)size);
    }
    line_close(&line);
    struct text answer = text_copy(&served->browsed, buffer_text(&all));
    buffer_done(&all);
    return answer;
}

void browser_leave(struct served *served, struct text bytes)
{
    struct line line;
    assert_true(line_open(&line, served));
    assert_int_equal(line_send(&line, bytes.at, bytes.size), bytes.size);
    usleep(20000); /* or the server may take the end before the request */
    line_close(&line);
}

const char *browser_scheme(const struct served *served)
{
    return served_has_tls(served) ? "https" : "http";
}

long browser_waits(struct served *served)
{
    struct text page = browser_send(
        served, TEXT("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"));
    const char *at = page.size != 0 ? strstr(page.at, "\nperdure_waits{") : NULL;
    at = at != NULL ? strstr(at, "} ") : NULL;
    assert_non_null(at);
    return strtol(at + 2, NULL, 10);
}

struct reply browser_parse(struct served *served, struct text bytes)
{
    struct reply reply = { 0 };
    const char *end = bytes.size != 0 ? memmem(bytes.at, bytes.size, "\r\n\r\n", 4) : NULL;
    (void)served;
    if (end == NULL || sscanf(bytes.at, "HTTP/1.1 %d", &reply.code) != 1) {
        return reply;
    }
    const char *first = strstr(bytes.at, "\r\n") + 2;
    reply.headers = text_make(first, (size_t)(end + 2 - first));
    struct text length = browser_header(&reply, "Content-Length");
    size_t left = (size_t)(bytes.at + bytes.size - end) - 4;
    size_t size = text_is_present(length) ? strtoul(length.at, NULL, 10) : left;
    assert_true(size <= left);
    reply.body = text_make(end + 4, size);
    reply.rest = text_make(end + 4 + size, left - size);
    return reply;
}

/* For test_web_openapi.sh: what was asked and answered, a line of JSON each. */
static void note(const char *method, const char *path, const struct reply *reply)
{
    const char *file = getenv("WEB_TRANSCRIPT");
    struct buffer line;
    if (file == NULL) {
        return;
    }
    buffer_init(&line);
    buffer_printf(&line, "{\"method\":\"%s\",\"path\":", method);
    web_put_string(&line, text_of(path));
    buffer_printf(&line, ",\"code\":%d,\"headers\":", reply->code);
    web_put_string(&line, reply->headers);
    buffer_printf(&line, ",\"body\":");
    web_put_string(&line, reply->body);
    buffer_printf(&line, "}\n");
    FILE *to = fopen(file, "ae");
    assert_non_null(to);
    assert_int_equal(fwrite(line.at, 1, line.size, to), line.size);
    assert_int_equal(fclose(to), 0);
    buffer_done(&line);
}

struct reply browser_ask(struct served *served, const char *method, const char *path,
                         const char *headers, const char *body)
{
    struct buffer bytes;
    bool is_whole = path[0] == '!';
    buffer_init(&bytes);
    buffer_printf(&bytes, "%s %s%s HTTP/1.1\r\n", method, is_whole ? "" : WEB, path + is_whole);
    if (headers == NULL || strcasestr(headers, "Host:") == NULL) {
        buffer_printf(&bytes, "Host: %s\r\n", server_http_address(served->server));
    }
    buffer_printf(&bytes, "Connection: close\r\n%s", headers != NULL ? headers : "");
    if (body != NULL) {
        buffer_printf(&bytes, "Content-Length: %zu\r\n", strlen(body));
    }
    buffer_printf(&bytes, "\r\n%s", body != NULL ? body : "");
    struct reply reply = browser_parse(served, browser_send(served, buffer_text(&bytes)));
    buffer_done(&bytes);
    assert_int_equal(reply.rest.size, 0);
    note(method, path, &reply);
    return reply;
}

struct text browser_header(const struct reply *reply, const char *name)
{
    size_t size = strlen(name);
    const char *at = reply->headers.at;
    while (at < reply->headers.at + reply->headers.size) {
        size_t line = strcspn(at, "\r");
        if (line > size && strncasecmp(at, name, size) == 0 && at[size] == ':') {
            size_t skipped = size + 1 + strspn(at + size + 1, " ");
            return text_make(at + skipped, line - skipped);
        }
        at += line + 2;
    }
    return TEXT_ABSENT;
}

bool browser_is_like(struct text text, const char *pattern)
{
    const char *gap = strstr(pattern, "...");
    size_t size = gap != NULL ? (size_t)(gap - pattern) : strlen(pattern);
    if (text.size < size || memcmp(text.at, pattern, size) != 0) {
        return false;
    }
    text = text_make(text.at + size, text.size - size);
    if (gap == NULL) {
        return text.size == 0;
    }
    for (size_t i = 0; i <= text.size; i++) {
        if (browser_is_like(text_make(text.at + i, text.size - i), gap + 3)) {
            return true;
        }
    }
    return false;
}

void browser_expect(const struct reply *reply, int code, const char *body)
{
    if (reply->code != code || !browser_is_like(reply->body, body)) {
        fail_msg("%d %.*s\nand not %d %s", reply->code, TEXT_ARGS(reply->body), code, body);
    }
}

struct text browser_member(const struct reply *reply, const char *name)
{
    char key[64];
    int size = snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = memmem(reply->body.at, reply->body.size, key, (size_t)size);
    if (at == NULL) {
        return TEXT_ABSENT;
    }
    at += size;
    return at[0] == '"' ? text_make(at + 1, strcspn(at + 1, "\""))
                        : text_make(at, strcspn(at, ",}]"));
}
