/* SPDX-License-Identifier: MIT
 *
 * Log lines: see log.h. */
#include "server/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"

enum { VALUE_BYTES_MAX = 1024, KEPT_WORDS = 32 };

static atomic_int least_level = LOG_INFO;
static atomic_int line_format = LOG_TEXT;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_set(enum log_level least, enum log_format format)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&line_format, (int)format);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

const char *log_code(const pd_error *err)
{
    return status_name(err->status);
}

/* ---- G3 ------------------------------------------------------------------------------------- */

struct count {
    const char *words;
    time_us second;
    unsigned said, left_out;
};

static pthread_mutex_t counts_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct count counts[KEPT_WORDS];

/* Words are literals: their address is their name. Two that share a place only count together. */
static bool may_say(const char *words, time_us now, unsigned *ret_left_out)
{
    time_us second = now / TIME_SECOND;
    struct count *count = &counts[((size_t)words >> 3) % KEPT_WORDS];
    pthread_mutex_lock(&counts_mutex);
    *ret_left_out = 0;
    if (count->words != words || count->second != second) {
        *ret_left_out = count->words == words ? count->left_out : 0;
        *count = (struct count){ .words = words, .second = second };
    }
    bool may = count->said < LOG_BURST;
    count->said += may;
    count->left_out += !may;
    pthread_mutex_unlock(&counts_mutex);
    return may;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* Bytes of the character there; 0: it is none, or not all of it is there. */
static size_t character_at(const char *at, size_t left)
{
    unsigned char c = (unsigned char)*at;
    size_t size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return size <= left && text_is_utf8(text_make(at, size)) ? size : 0;
}

/* G2. C1, which terminals obey as they do C0, is U+0080 to U+009F. */
static void put_escaped(struct buffer *line, const char *value)
{
    size_t all = strlen(value);
    size_t i = 0;
    for (size_t size; i < all && i < VALUE_BYTES_MAX; i += size) {
        unsigned char c = (unsigned char)value[i];
        size = character_at(value + i, all - i);
        if (c == '"' || c == '\\') {
            buffer_printf(line, "\\%c", c);
        } else if (size == 0 || c < 0x20 || c == 0x7f) {
            buffer_printf(line, "\\u%04x", c);
            size = 1;
        } else if (c == 0xc2 && (unsigned char)value[i + 1] < 0xa0) {
            buffer_printf(line, "\\u%04x", (unsigned char)value[i + 1]);
        } else {
            buffer_add(line, value + i, size);
        }
    }
    if (i < all) {
        buffer_printf(line, "...");
    }
}

static bool is_plain(const char *value)
{
    return value[0] != '\0' && strpbrk(value, " \"\\=\t\r\n") == NULL;
}

static void put_field(struct buffer *line, enum log_format format, const char *name,
                      const char *value)
{
    if (format == LOG_JSON) {
        buffer_printf(line, ",\"%s\":\"", name);
        put_escaped(line, value);
        buffer_add_byte(line, '"');
        return;
    }
    bool quotes = !is_plain(value);
    buffer_printf(line, " %s=%s", name, quotes ? "\"" : "");
    put_escaped(line, value);
    buffer_printf(line, "%s", quotes ? "\"" : "");
}

static void put_head(struct buffer *line, enum log_format format, enum log_level level, time_us now,
                     const char *words)
{
    char at[32];
    time_format(now, at);
    switch (format) {
    case LOG_JSON:
        buffer_printf(line, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":\"", at, level_names[level]);
        put_escaped(line, words);
        buffer_add_byte(line, '"');
        return;
    case LOG_LOGFMT:
        buffer_printf(line, "ts=%s level=%s", at, level_names[level]);
        put_field(line, format, "msg", words);
        return;
    case LOG_TEXT: buffer_printf(line, "%s %-5s %s", at, level_names[level], words); return;
    }
}

void log_say_(enum log_level level, const char *words, ...)
{
    struct timespec clock;
    unsigned left_out;
    if (!log_is_on(level) || level >= LOG_NONE) {
        return;
    }
    clock_gettime(CLOCK_REALTIME, &clock);
    time_us now = (time_us)clock.tv_sec * TIME_SECOND + clock.tv_nsec / 1000;
    if (!may_say(words, now, &left_out)) {
        return;
    }
    enum log_format format = (enum log_format)atomic_load(&line_format);
    struct buffer line;
    buffer_init(&line);
    put_head(&line, format, level, now, words);
    va_list fields;
    va_start(fields, words);
    for (const char *name; (name = va_arg(fields, const char *)) != NULL;) {
        const char *value = va_arg(fields, const char *);
        if (value != NULL) {
            put_field(&line, format, name, value);
        }
    }
    va_end(fields);
    if (left_out != 0) {
        char number[16];
        snprintf(number, sizeof number, "%u", left_out);
        put_field(&line, format, "left_out", number);
    }
    buffer_printf(&line, format == LOG_JSON ? "}\n" : "\n");
    ssize_t written = write(STDERR_FILENO, line.at, line.size);
    (void)written; /* there is nowhere to say that */
    buffer_done(&line);
}
