/* SPDX-License-Identifier: MIT
 *
 * See http_screen.h. An automaton over bytes, RFC 9112 at its strictest: a step says whether the
 * byte may be seen, and where the automaton is then. Bodies are skipped, not stepped through. */
#include "net/http_screen.h"

#include <string.h>
#include <strings.h>

enum state {
    METHOD,
    TARGET_SLASH, /* "/": neither a whole URL (whose host would count), nor CONNECT's, nor "*" */
    TARGET_FIRST, /* not another "/": "//host/path" is a host for some */
    TARGET,
    VERSION,
    VERSION_END,
    LINE_END, /* LF of the request line, or of a field */
    FIELD,    /* its first byte, or the CR of the line that ends them */
    NAME,
    VALUE_BEGIN,
    VALUE,
    HEAD_END,
    BODY,
    CHUNK_SIZE,
    CHUNK_SIZE_END,
    CHUNK,
    CHUNK_CR,
    CHUNK_LF,
    LAST_CR, /* no trailers: they would be taken for headers, behind everybody's back */
    LAST_LF,
    REFUSED,
};

enum field { OTHER, HOST, LENGTH, CODING };

enum { LENGTH_DIGITS = 18, CHUNK_DIGITS = 15 };

/* ---- bytes ---------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Of a value: text of any coding, blanks; neither NUL, nor CR or LF alone. */
static bool is_text(char c)
{
    unsigned char byte = (unsigned char)c;
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/* ---- words ---------------------------------------------------------------------------------- */

/* One that does not fit is none of those that are looked for, and stays so. */
static void keep(struct http_screen *screen, char c)
{
    if (screen->at < sizeof screen->word - 1) {
        screen->word[screen->at] = c;
        screen->word[screen->at + 1] = '\0';
    }
    screen->at += screen->at < sizeof screen->word;
}

static void begin_word(struct http_screen *screen)
{
    screen->at = 0;
    screen->word[0] = '\0';
}

static bool is_word(const struct http_screen *screen, const char *word)
{
    return strlen(word) == screen->at && strcasecmp(screen->word, word) == 0;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static int end_method(struct http_screen *screen)
{
    static const char *const bodily[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    screen->is_bodily = false;
    for (size_t i = 0; i < sizeof bodily / sizeof bodily[0]; i++) {
        screen->is_bodily |= strcmp(screen->word, bodily[i]) == 0;
    }
    screen->fields = screen->hosts = screen->lengths = screen->codings = 0;
    screen->left = 0;
    return screen->at != 0 ? TARGET_SLASH : REFUSED;
}

static int step_version(struct http_screen *screen, char c)
{
    static const char version[] = "HTTP/1.";
    unsigned at = screen->at++;
    if (at < sizeof version - 1) {
        return c == version[at] ? VERSION : REFUSED;
    }
    screen->is_old = c == '0';
    return c == '0' || c == '1' ? VERSION_END : REFUSED;
}

static int end_name(struct http_screen *screen)
{
    screen->field = is_word(screen, "Host")                ? HOST
                    : is_word(screen, "Content-Length")    ? LENGTH
                    : is_word(screen, "Transfer-Encoding") ? CODING
                                                           : OTHER;
    screen->hosts += screen->field == HOST;
    screen->lengths += screen->field == LENGTH;
    screen->codings += screen->field == CODING;
    screen->is_ended = false;
    begin_word(screen);
    return VALUE_BEGIN;
}

static int end_value(const struct http_screen *screen)
{
    bool is_fine = (screen->field != LENGTH || screen->at != 0) &&
                   (screen->field != CODING || is_word(screen, "chunked"));
    return is_fine ? LINE_END : REFUSED;
}

static int step_value(struct http_screen *screen, char c)
{
    bool is_number = screen->field == LENGTH;
    if (c == '\r') {
        return end_value(screen);
    }
    if (screen->state == VALUE_BEGIN && c == ' ') {
        return VALUE_BEGIN;
    }
    if (screen->field != LENGTH && screen->field != CODING) {
        return is_text(c) ? VALUE : REFUSED;
    }
    if (c == ' ') { /* behind it */
        screen->is_ended = true;
        return VALUE;
    }
    if (screen->is_ended || (is_number ? !is_digit(c) : !is_token(c)) ||
        screen->at == LENGTH_DIGITS) {
        return REFUSED;
    }
    keep(screen, c);
    screen->left = is_number ? screen->left * 10 + (unsigned)(c - '0') : screen->left;
    return VALUE;
}

static int step_field(struct http_screen *screen, char c)
{
    if (c == '\r') {
        return HEAD_END;
    }
    begin_word(screen);
    keep(screen, c);
    /* A blank would go on with the line before. */
    return is_token(c) && ++screen->fields <= HTTP_FIELDS_MAX ? NAME : REFUSED;
}

static int step_name(struct http_screen *screen, char c)
{
    if (c == ':') {
        return end_name(screen);
    }
    keep(screen, c);
    return is_token(c) ? NAME : REFUSED;
}

/* ---- bodies --------------------------------------------------------------------------------- */

static int end_request(struct http_screen *screen)
{
    begin_word(screen);
    return METHOD;
}

static int end_head(struct http_screen *screen)
{
    bool has_body = screen->codings != 0 || screen->left != 0;
    if (screen->hosts > 1 || (screen->hosts == 0 && !screen->is_old) ||
        screen->lengths + screen->codings > 1 || (screen->codings != 0 && screen->is_old) ||
        (has_body && !screen->is_bodily)) {
        return REFUSED;
    }
    begin_word(screen);
    return screen->codings != 0 ? CHUNK_SIZE : screen->left != 0 ? BODY : METHOD;
}

static int step_chunk_size(struct http_screen *screen, char c)
{
    if (c == '\r' && screen->at != 0) {
        return CHUNK_SIZE_END;
    }
    screen->left = screen->at == 0 ? 0 : screen->left;
    if (!is_hex(c) || screen->at++ == CHUNK_DIGITS) {
        return REFUSED;
    }
    screen->left = screen->left * 16 + (unsigned)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    return CHUNK_SIZE;
}

/* ---- all ------------------------------------------------------------------------------------ */

static int step_line(struct http_screen *screen, char c)
{
    switch (screen->state) {
    case METHOD:
        if (c == ' ') {
            return end_method(screen);
        }
        keep(screen, c);
        return is_token(c) ? METHOD : REFUSED;
    case TARGET_SLASH: return c == '/' ? TARGET_FIRST : REFUSED;
    case TARGET_FIRST:
    case TARGET:
        if (c == ' ') {
            screen->at = 0;
            return VERSION;
        }
        return is_text(c) && c != '\t' && c != '#' && (screen->state == TARGET || c != '/')
                   ? TARGET
                   : REFUSED;
    case VERSION: return step_version(screen, c);
    case VERSION_END: return c == '\r' ? LINE_END : REFUSED;
    case LINE_END: return c == '\n' ? FIELD : REFUSED;
    case FIELD: return step_field(screen, c);
    case NAME: return step_name(screen, c);
    case VALUE_BEGIN:
    case VALUE: return step_value(screen, c);
    case HEAD_END: return c == '\n' ? end_head(screen) : REFUSED;
    default: return REFUSED;
    }
}

static int step(struct http_screen *screen, char c)
{
    switch (screen->state) {
    case CHUNK_SIZE: return step_chunk_size(screen, c);
    case CHUNK_SIZE_END:
        screen->at = 0;
        return c != '\n' ? REFUSED : screen->left != 0 ? CHUNK : LAST_CR;
    case CHUNK_CR: return c == '\r' ? CHUNK_LF : REFUSED;
    case CHUNK_LF: return c == '\n' ? CHUNK_SIZE : REFUSED;
    case LAST_CR: return c == '\r' ? LAST_LF : REFUSED;
    case LAST_LF: return c == '\n' ? end_request(screen) : REFUSED;
    default: return step_line(screen, c);
    }
}

/* Of a body or chunk: how many of these bytes are its. */
static size_t skip(struct http_screen *screen, size_t size)
{
    size = screen->left < size ? (size_t)screen->left : size;
    screen->left -= size;
    if (screen->left == 0) {
        screen->state = screen->state == BODY ? end_request(screen) : CHUNK_CR;
    }
    return size;
}

size_t http_screen_look(struct http_screen *screen, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        if (screen->state == BODY || screen->state == CHUNK) {
            at += skip(screen, size - at);
            continue;
        }
        screen->state = screen->state == REFUSED ? REFUSED : step(screen, bytes[at]);
        if (screen->state == REFUSED) {
            return at;
        }
        at++;
    }
    return size;
}

bool http_screen_refuses(const struct http_screen *screen)
{
    return screen->state == REFUSED;
}

bool http_screen_is_between(const struct http_screen *screen)
{
    return screen->state == METHOD && screen->at == 0;
}
