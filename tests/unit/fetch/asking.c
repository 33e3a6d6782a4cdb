/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asking.h"

extern const struct fetch_module perdure_http_module;
const struct fetch_module *const module = &perdure_http_module;
struct scripted server;

static char *copy(struct text text)
{
    return text.at != NULL ? strndup(text.at, text.size) : NULL;
}

static void on_done(struct fetch_request *request, const struct fetch_answer *answer)
{
    struct asked *asked = (struct asked *)request;
    pthread_mutex_lock(&asked->mutex);
    asked->response = copy(answer->response);
    asked->type = answer->failure_type != NULL ? strdup(answer->failure_type) : NULL;
    asked->message = copy(answer->failure_message);
    asked->details = copy(answer->failure_details);
    asked->is_final = answer->is_final;
    asked->times++;
    pthread_cond_signal(&asked->told);
    pthread_mutex_unlock(&asked->mutex);
}

void asked_init(struct asked *asked, const char *input, enum fetch_dialect dialect)
{
    memset(asked, 0, sizeof *asked);
    (void)pthread_mutex_init(&asked->mutex, NULL);
    (void)pthread_cond_init(&asked->told, NULL);
    asked->request.input = text_of(input);
    asked->request.dialect = dialect;
    asked->request.done = on_done;
}

void asked_wait(struct asked *asked)
{
    pthread_mutex_lock(&asked->mutex);
    while (asked->times == 0) {
        pthread_cond_wait(&asked->told, &asked->mutex);
    }
    pthread_mutex_unlock(&asked->mutex);
}

void asked_done(struct asked *asked)
{
    free(asked->response);
    free(asked->type);
    free(asked->message);
    free(asked->details);
    memset(asked, 0, sizeof *asked);
}

struct fetcher *open_by(const struct fetch_options *options)
{
    pd_error err;
    struct fetcher *fetcher = module->open(options, &err);
    assert_non_null(fetcher);
    return fetcher;
}

struct fetcher *open_with(const char *allow, int64_t body_max)
{
    return open_by(&(struct fetch_options){ .allow = allow, .body_max = body_max });
}

const char *with_server(const char *format)
{
    static char text[8192];
    size_t size = 0;
    for (; *format != '\0' && size < sizeof text - 40; format++) {
        size += *format == '@'
                    ? (size_t)snprintf(text + size, 40, "http://127.0.0.1:%u", server.port)
                    : (size_t)snprintf(text + size, 2, "%c", *format);
    }
    text[size] = '\0';
    return text;
}

void ask(struct asked *asked, const char *input, enum fetch_dialect dialect)
{
    struct fetcher *fetcher = open_with("127.0.0.0/8", 0);
    asked_init(asked, with_server(input), dialect);
    module->start(fetcher, &asked->request);
    asked_wait(asked);
    module->close(fetcher);
    assert_int_equal(asked->times, 1);
}

void assert_has(const char *text, const char *wanted)
{
    if (text == NULL || strstr(text, wanted) == NULL) {
        fail_msg("'%s' is not in: %s", wanted, text != NULL ? text : "(nothing)");
    }
}

void assert_fails(const char *input, enum fetch_dialect dialect, const char *type,
                  const char *message)
{
    struct asked asked;
    ask(&asked, input, dialect);
    if (asked.type == NULL) {
        fail_msg("%s: answered: %.200s", input, asked.response);
    }
    assert_string_equal(asked.type, type);
    assert_has(asked.message, message);
    asked_done(&asked);
}

void assert_answers(const char *input, enum fetch_dialect dialect, const char *part)
{
    struct asked asked;
    ask(&asked, input, dialect);
    if (asked.response == NULL) {
        fail_msg("%s: %s: %s", input, asked.type, asked.message);
    }
    assert_has(asked.response, part);
    asked_done(&asked);
}

int begin_server(void **state)
{
    (void)state;
    scripted_begin(&server);
    return 0;
}

int end_server(void **state)
{
    (void)state;
    scripted_end(&server);
    return 0;
}
