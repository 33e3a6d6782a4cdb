/* SPDX-License-Identifier: MIT
 *
 * The file of webhooks: each setting, each mistake with its line, limits at them and one past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "webhook_kit.h"

/* Refused, in words that have this. */
static void refuses(const char *text, const char *words)
{
    why.text[0] = '\0';
    assert_null(load(text));
    if (strstr(why.text, words) == NULL) {
        fail_msg("'%s' and not '%s' of: %s", why.text, words, text);
    }
}

static void a_file_may_have_comments_empty_lines_and_those_of_windows(void **state)
{
    (void)state;
    struct webhooks *webhooks = load("# ours\r\n\r\n  [a]  \r\n\turl=https://example.com\r\n"
                                     "secret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\r\n"
                                     "events = completed,failed\t started\r\n"
                                     "include-output = yes\r\n# end");
    assert_non_null(webhooks);
    assert_string_equal(of(asked(webhooks, told(webhooks, &plain)), "uri"), "https://example.com");
    webhooks_free(webhooks);
    webhooks = load("# nobody yet\n");
    assert_non_null(webhooks);
    assert_int_equal(pd_kind_of(told(webhooks, &plain)), PD_IS_NULL);
    webhooks_free(webhooks);
}

static void what_is_wrong_in_the_file_is_said_with_its_line(void **state)
{
    (void)state;
    refuses("\nurl = https://example.com\n", ":2: a [name] has to come first");
    refuses(HOOK("a") "nonsense\n", ":4: write 'name = value'");
    refuses(HOOK("a") "colour = red\n", ":4: 'colour' is no setting of a webhook");
    refuses(HOOK("a") "whsec_AAAA==\n", ":4: this is no setting of a webhook"); /* not in a log */
    refuses(HOOK("a") "[a]\n", ":4: there are two webhooks of this name");
    refuses("[a b]\n", ":1: a name has letters, digits, - and _");
    refuses("[]\n", ":1: write a section as [name]");
    refuses("[a\n", ":1: write a section as [name]");
    refuses(HOOK("a") "events = completed, ended\n", ":4: events are started, completed");
    refuses(HOOK("a") "events = ,\n", ":4: no event is named");
    refuses(HOOK("a") "names =\n", ":4: no pattern is named");
    refuses(HOOK("a") "hubs = ,\n", ":4: no pattern is named");
    refuses(HOOK("a") "include-output = maybe\n", ":4: write yes or no");
    refuses(HOOK("a") "retry-first = soon\n", ":4: write a time");
    refuses(HOOK("a") "retry-first = 0s\n", ":4: write a time");
    refuses(HOOK("a") "give-up = 3 weeks\n", ":4: write a time");
    refuses(HOOK("a") "give-up = 100001d\n", ":4: write a time");
    refuses("[a]\n" SECRET, "'a' has no url");
    refuses("[a]\n" URL, "'a' has no secret");
}

static void a_url_is_absolute_and_of_http(void **state)
{
    (void)state;
    refuses("[a]\n" SECRET "url = ftp://example.com\n", ":3: write a URL");
    refuses("[a]\n" SECRET "url = https://\n", ":3: write a URL");
    refuses("[a]\n" SECRET "url = https:///hook\n", ":3: write a URL");
    refuses("[a]\n" SECRET "url = https://example.com/a b\n", ":3: write a URL");
    refuses("[a]\n" SECRET "url = /hook\n", ":3: write a URL");
    refuses("[a]\n" SECRET "url =\n", ":3: write a URL");
}

static void what_is_said_twice_is_refused_but_for_secrets(void **state)
{
    static const char *const lines[] = {
        "url = https://example.org\n", "events = failed\n",  "names = a\n",   "hubs = a\n",
        "include-output = no\n",       "retry-first = 1s\n", "give-up = 1d\n"
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "[a]\n" SECRET "%s%s", lines[i], lines[i]);
        refuses(text, ":4: it has been said already");
    }
    struct webhooks *webhooks = load(HOOK("a") SECRET "[b]\n" URL SECRET);
    assert_non_null(webhooks);
    webhooks_free(webhooks);
}

static void a_secret_has_24_to_64_bytes_and_there_are_up_to_8(void **state)
{
    char many[1024] = "[a]\n" URL;
    (void)state;
    struct webhooks *webhooks = load("[a]\n" URL LONGEST SECRET);
    assert_non_null(webhooks);
    webhooks_free(webhooks);
    refuses("[a]\n" URL "secret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ=\n", ":3: a secret is");
    refuses("[a]\n" URL "secret = whsec_" AS_63 "YWE=\n", ":3: a secret is");
    refuses("[a]\n" URL "secret = MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", ":3: a secret is");
    refuses("[a]\n" URL "secret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!\n", ":3: a secret is");
    refuses("[a]\n" URL "secret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\n", ":3: a secret is");
    for (int i = 0; i < WEBHOOK_SECRETS_MAX; i++) {
        snprintf(many + strlen(many), sizeof many - strlen(many), SECRET);
    }
    webhooks = load(many);
    assert_non_null(webhooks);
    webhooks_free(webhooks);
    snprintf(many + strlen(many), sizeof many - strlen(many), SECRET);
    refuses(many, ":11: a webhook has at most 8 secrets");
}

static void no_word_of_a_secret_is_in_an_error(void **state)
{
    (void)state;
    refuses("[a]\n" URL "secret = whsec_hunter2\n", ":3:");
    assert_null(strstr(why.text, "hunter2"));
}

static void there_are_64_webhooks_and_one_more_is_refused(void **state)
{
    enum { SIZE = 65 * 256 };
    char *text = arena_alloc(&arena, SIZE), *at = text;
    (void)state;
    for (int i = 0; i < WEBHOOKS_MAX; i++) {
        at += snprintf(at, SIZE - (size_t)(at - text), "[hook%d]\n" URL SECRET, i);
    }
    struct webhooks *webhooks = load(text);
    assert_non_null(webhooks);
    pd_value to = pd_get(told(webhooks, &plain), "to");
    assert_int_equal(pd_count(to), 64);
    assert_string_equal(of(pd_at(to, 0), "webhook"), "hook0");
    assert_string_equal(of(pd_at(to, 63), "webhook"), "hook63");
    webhooks_free(webhooks);
    snprintf(at, SIZE - (size_t)(at - text), "[last]\n" URL SECRET);
    refuses(text, ":193: there are more than 64 webhooks");
}

static void a_name_has_64_characters_and_no_more(void **state)
{
    char text[512];
    (void)state;
    snprintf(text, sizeof text, "[%064d]\n" URL SECRET, 0);
    struct webhooks *webhooks = load(text);
    assert_non_null(webhooks);
    webhooks_free(webhooks);
    snprintf(text, sizeof text, "[%065d]\n" URL SECRET, 0);
    refuses(text, ":1: write a section as [name]");
}

static void a_line_has_4094_bytes_and_no_zero(void **state)
{
    static const char zero[] = HOOK("a") "names = a\0b\nhubs = c\n";
    char text[8192];
    (void)state;
    snprintf(text, sizeof text, HOOK("a") "names = %04086d\nhubs = b\n", 0);
    struct webhooks *webhooks = load(text);
    assert_non_null(webhooks);
    webhooks_free(webhooks);
    snprintf(text, sizeof text, HOOK("a") "names = %04087d\nhubs = b\n", 0);
    refuses(text, ":4: the line is too long");
    write_file(zero, sizeof zero - 1);
    assert_null(webhooks_load(hook_file, &why));
    assert_non_null(strstr(why.text, ":4: the line is too long, or no text"));
}

static void a_file_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    assert_null(webhooks_load("/nowhere/webhooks", &why));
    assert_non_null(strstr(why.text, "/nowhere/webhooks: No such file"));
    assert_null(webhooks_load("/tmp", &why)); /* which can be opened */
    assert_non_null(strstr(why.text, "/tmp: Is a directory"));
}

static void a_file_that_is_wrong_when_it_is_read_again_changes_nothing(void **state)
{
    (void)state;
    struct webhooks *webhooks = load(HOOK("a"));
    assert_non_null(webhooks);
    write_file("[b]\n", 4);
    assert_int_equal(webhooks_reload(webhooks, hook_file, &why), PD_E_INVALID);
    pd_value to = pd_get(told(webhooks, &plain), "to");
    assert_int_equal(pd_count(to), 1);
    assert_string_equal(of(pd_at(to, 0), "webhook"), "a");
    write_file(HOOK("b"), strlen(HOOK("b")));
    assert_int_equal(webhooks_reload(webhooks, hook_file, &why), PD_OK);
    assert_string_equal(of(pd_at(pd_get(told(webhooks, &plain), "to"), 0), "webhook"), "b");
    webhooks_free(webhooks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_file_may_have_comments_empty_lines_and_those_of_windows),
        T(what_is_wrong_in_the_file_is_said_with_its_line),
        T(a_url_is_absolute_and_of_http),
        T(what_is_said_twice_is_refused_but_for_secrets),
        T(a_secret_has_24_to_64_bytes_and_there_are_up_to_8),
        T(no_word_of_a_secret_is_in_an_error),
        T(there_are_64_webhooks_and_one_more_is_refused),
        T(a_name_has_64_characters_and_no_more),
        T(a_line_has_4094_bytes_and_no_zero),
        T(a_file_that_cannot_be_read_is_refused),
        T(a_file_that_is_wrong_when_it_is_read_again_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
