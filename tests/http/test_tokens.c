/* SPDX-License-Identifier: MIT
 *
 * Credentials from end to end: an orchestration names a source, whoever runs the engine gets a
 * token from an endpoint of the test, and a server of the test is told it. With the real module; in
 * a process that has the file, and with a perdured; by pd_call_http, and by the names of SDKs.
 *
 * What is secret must be nowhere afterwards: each test ends by looking through the files of the hub
 * and what the server logged. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>
#include <perdure.h>

#include "../api/served_kit.h"
#include "../unit/fetch/scripted.h"

/* ---- the program ----------------------------------------------------------------------------- */

/* {"uri", "tokenSource": {"kind", "resource", "options"?}} */
static pd_result call(pd_orchestration *o, pd_value input)
{
    pd_value source = pd_get(input, "tokenSource");
    const pd_credential credential = { .kind = pd_text(pd_get(source, "kind")),
                                       .resource = pd_text(pd_get(source, "resource")),
                                       .options = pd_get(source, "options") };
    return pd_ok(o, pd_call_http(o, &(pd_http_request){ .url = pd_text(pd_get(input, "uri")),
                                                        .credential = &credential }));
}

/* As SDKs of .NET and Java ask. */
static pd_result dotnet(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_activity(o, "BuiltIn::HttpActivity", PD_ARR(input)));
}

/* As those of JavaScript and Python. */
static pd_result worker(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_child(o, "BuiltIn__HttpPollOrchestrator", input));
}

static const pd_function program[] = {
    PD_FUNCTION("Call", call),
    PD_FUNCTION("DotNet", dotnet),
    PD_FUNCTION("Worker", worker),
};
static const char *const callers[] = { "Call", "DotNet", "Worker" };
enum { CALLERS = 3 };

/* ---- the sources ----------------------------------------------------------------------------- */

#define MANAGED(more) "{\"kind\":\"AzureManagedIdentity\",\"resource\":\"https://vault\"" more "}"

/* @: the server that has the tokens; ^: the one that is asked; %: a file with a secret. */
static const struct source {
    const char *name, *json;
    const char *variables[4][2];
    const char *asked; /* a part of how the token was asked for; NULL: it is not */
} sources[] = {
    { .name = "managed identity",
      .json = MANAGED(""),
      .variables = { { "IDENTITY_ENDPOINT", "@/short-token" },
                     { "IDENTITY_HEADER", "hidden-header" } },
      .asked = "resource=https%3A%2F%2Fvault " },
    { .name = "workload identity",
      .json = MANAGED(",\"options\":{\"tenantid\":\"t2\"}"),
      .variables = { { "AZURE_AUTHORITY_HOST", "@/short-token" },
                     { "AZURE_TENANT_ID", "t1" },
                     { "AZURE_CLIENT_ID", "me" },
                     { "AZURE_FEDERATED_TOKEN_FILE", "%" } },
      .asked = "client_assertion=hidden-jwt" },
    { .name = "client credentials of Azure",
      .json = MANAGED(""),
      .variables = { { "AZURE_AUTHORITY_HOST", "@/short-token" },
                     { "AZURE_TENANT_ID", "t1" },
                     { "AZURE_CLIENT_ID", "me" },
                     { "AZURE_CLIENT_SECRET", "hidden-secret" } },
      .asked = "client_secret=hidden-secret" },
    { .name = "client credentials",
      .json = "{\"kind\":\"OAuth2ClientCredentials\",\"resource\":\"read\",\"options\":{\"name\":"
              "\"shop\"}}",
      .variables = { { "PERDURE_OAUTH2_SHOP", "^ @/short-token me hidden-secret" } },
      .asked = "client_secret=hidden-secret" },
    { .name = "a secret",
      .json = "{\"kind\":\"StaticSecret\",\"resource\":\"key\"}",
      .variables = { { "PERDURE_SECRET_KEY", "^ hidden-key" } } },
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

/* ---- the stage ------------------------------------------------------------------------------- */

static struct scripted tokens, home, other;

static struct stage {
    char folder[64], store[128], url[160], secret[128], log[128];
    bool is_served;
    struct served served;
    pd_hub *hub;
    pd_worker *worker;
    int stderr_of_test;
} stage;

/* In a ring of four. */
static const char *expand(const char *format)
{
    static char texts[4][1024];
    static unsigned next;
    char *text = texts[next++ % 4];
    size_t size = 0;
    for (; *format != '\0' && size < 900; format++) {
        const struct scripted *server = *format == '@'   ? &tokens
                                        : *format == '^' ? &home
                                        : *format == '~' ? &other
                                                         : NULL;
        size += server != NULL
                    ? (size_t)snprintf(text + size, 40, "http://127.0.0.1:%u", server->port)
                : *format == '%' ? (size_t)snprintf(text + size, 100, "%s", stage.secret)
                                 : (size_t)snprintf(text + size, 2, "%c", *format);
    }
    text[size] = '\0';
    return text;
}

static void set(const struct source *source, bool is_set)
{
    for (size_t i = 0; i < 4 && source->variables[i][0] != NULL; i++) {
        (void)(is_set ? setenv(source->variables[i][0], expand(source->variables[i][1]), 1)
                      : unsetenv(source->variables[i][0]));
    }
}

/* What is logged from now on is in the file. */
static void log_to_file(void)
{
    int fd = open(stage.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    stage.stderr_of_test = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(fd >= 0 && stage.stderr_of_test >= 0);
    (void)dup2(fd, STDERR_FILENO);
    (void)close(fd);
}

static void log_as_before(void)
{
    (void)dup2(stage.stderr_of_test, STDERR_FILENO);
    (void)close(stage.stderr_of_test);
}

static void forget_seen(struct scripted *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->seen[0] = server->last_token[0] = '\0';
    atomic_store(&server->tokens, 0);
    (void)pthread_mutex_unlock(&server->mutex);
}

static void begin(const struct source *source, bool is_served)
{
    pd_error err;
    stage = (struct stage){ .is_served = is_served };
    (void)snprintf(stage.folder, sizeof stage.folder, "/tmp/perdure-tokens-XXXXXX");
    assert_non_null(mkdtemp(stage.folder));
    (void)snprintf(stage.store, sizeof stage.store, "sqlite:%s/hub.db", stage.folder);
    (void)snprintf(stage.log, sizeof stage.log, "%s/log", stage.folder);
    (void)snprintf(stage.secret, sizeof stage.secret, "%s.jwt", stage.folder);
    FILE *file = fopen(stage.secret, "w");
    (void)fputs("hidden-jwt\n", file);
    (void)fclose(file);
    forget_seen(&tokens);
    forget_seen(&home);
    forget_seen(&other);
    set(source, true);
    log_to_file();
    bool is_up = !is_served || served_start(&stage.served, stage.store, "127.0.0.1:0");
    if (is_served) {
        (void)snprintf(stage.url, sizeof stage.url, "grpc://%s", stage.served.address);
    }
    stage.hub = is_up ? pd_hub_open(is_served ? stage.url : stage.store, &err) : NULL;
    stage.worker =
        stage.hub != NULL ? pd_worker_start(stage.hub, PD_PROGRAM(program), NULL, &err) : NULL;
    log_as_before();
    assert_non_null(stage.worker);
}

static bool has(const char *path, const char *what)
{
    static char all[8 << 20];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(all, 1, sizeof all, file);
    (void)fclose(file);
    assert_true(size < sizeof all);
    return memmem(all, size, what, strlen(what)) != NULL;
}

/* Also that what is to be there is found: the resource is. */
static void assert_nothing_secret_is_left(const char *resource)
{
    static const char *const secrets[] = { "token-1", "token-2", "token-3", "hidden-", "Bearer" };
    char path[512];
    bool is_there = false;
    struct dirent *entry;
    DIR *folder = opendir(stage.folder);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", stage.folder, entry->d_name);
        if (entry->d_type != DT_REG) {
            continue;
        }
        is_there |= has(path, resource);
        for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
            if (has(path, secrets[i])) {
                fail_msg("%s is in %s", secrets[i], path);
            }
        }
    }
    (void)closedir(folder);
    assert_true(is_there);
}

static void end(const struct source *source)
{
    char command[256];
    pd_worker_stop(stage.worker);
    pd_hub_close(stage.hub);
    if (stage.is_served) {
        served_stop(&stage.served);
    }
    set(source, false);
    assert_nothing_secret_is_left("tokenSource");
    (void)snprintf(command, sizeof command, "rm -r %s %s", stage.folder, stage.secret);
    assert_int_equal(system(command), 0);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static pd_instance *ask(const char *caller, const struct source *source, const char *url)
{
    char input[2048];
    pd_error err;
    pd_id id;
    (void)snprintf(input, sizeof input,
                   "{\"method\":\"GET\",\"uri\":\"%s\",\"tokenSource\":%s,"
                   "\"asynchronousPatternEnabled\":true}",
                   expand(url), source->json);
    pd_instance *instance = NULL;
    pd_document *document = pd_document_parse(input, &err);
    if (document != NULL &&
        pd_hub_start(stage.hub, caller, pd_document_value(document), NULL, &id, &err) == PD_OK) {
        instance = pd_hub_wait(stage.hub, id.text, pd_seconds(30), &err);
    }
    pd_document_free(document);
    if (instance == NULL) {
        fail_msg("%s", err.text);
    }
    return instance;
}

static void expect_fine(const char *caller, const struct source *source, const char *url)
{
    pd_instance *instance = ask(caller, source, url);
    if (pd_instance_state(instance) != PD_RUN_COMPLETED) {
        const pd_failure *failure = pd_instance_failure(instance);
        failure = failure->cause != NULL ? failure->cause : failure;
        fail_msg("%s, %s: %s: %s", caller, source->name, failure->type, failure->message);
    }
    assert_non_null(strstr(pd_instance_output_json(instance), "\"content\":\"fine\""));
    assert_null(strstr(pd_instance_output_json(instance), "effectiveUri"));
    pd_instance_free(instance);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text++) {
        n++;
    }
    return n;
}

static void assert_told(const struct source *source, const char *token, size_t times)
{
    char line[128];
    (void)snprintf(line, sizeof line, "Authorization: Bearer %s\r\n",
                   source->asked != NULL ? token : "hidden-key");
    if (count(home.seen, line) != times) {
        fail_msg("%s: not %zu times '%s' in:\n%s", source->name, times, line, home.seen);
    }
    if (source->asked != NULL && strstr(tokens.last_token, source->asked) == NULL) {
        fail_msg("%s: not '%s' in:\n%s", source->name, source->asked, tokens.last_token);
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void try_each(bool is_served)
{
    for (size_t i = 0; i < SOURCES; i++) {
        begin(&sources[i], is_served);
        for (size_t j = 0; j < CALLERS; j++) {
            forget_seen(&home);
            expect_fine(callers[j], &sources[i], "^/seen");
            assert_int_equal(count(home.seen, "Authorization: "), 1);
            assert_int_equal(
                count(home.seen, sources[i].asked != NULL ? "Bearer token-" : "Bearer hidden-key"),
                1);
        }
        end(&sources[i]);
    }
}

static void a_token_is_got_and_told_and_left_nowhere(void **state)
{
    (void)state;
    try_each(false);
}

static void a_server_gets_and_tells_it_and_leaves_it_nowhere(void **state)
{
    (void)state;
    try_each(true);
}

/* One that ends in 301 s is kept for one: a poll after two has another. */
static void try_polls(bool is_served)
{
    for (size_t i = 0; i < SOURCES; i++) {
        begin(&sources[i], is_served);
        expect_fine(is_served ? callers[i % CALLERS] : "Call", &sources[i], "^/seen/202,2//seen");
        assert_told(&sources[i], "token-2", sources[i].asked != NULL ? 1 : 2);
        assert_int_equal(count(home.seen, "GET /seen"), 2);
        assert_int_equal(atomic_load(&tokens.tokens), sources[i].asked != NULL ? 2 : 0);
        end(&sources[i]);
    }
}

static void a_poll_is_made_with_a_token_that_is_good_then(void **state)
{
    (void)state;
    try_polls(false);
}

static void a_server_polls_with_a_token_that_is_good_then(void **state)
{
    (void)state;
    try_polls(true);
}

static void try_others(bool is_served)
{
    for (size_t i = 0; i < SOURCES; i++) {
        begin(&sources[i], is_served);
        for (size_t j = 0; j < (is_served ? CALLERS : 1); j++) {
            forget_seen(&home);
            forget_seen(&other);
            expect_fine(callers[j], &sources[i], "^/seen/302/~/seen");
            assert_int_equal(count(home.seen, "Authorization: Bearer "), 1);
            assert_int_equal(count(other.seen, "GET /seen "), 1);
            forget_seen(&tokens);
            expect_fine(callers[j], &sources[i], "^/seen/202/~/seen");
            assert_int_equal(count(home.seen, "Authorization: Bearer "), 2);
            assert_int_equal(count(other.seen, "GET /seen "), 2);
            assert_null(strcasestr(other.seen, "authorization"));
            assert_null(strstr(other.seen, "token-"));
            assert_null(strstr(other.seen, "hidden-"));
            assert_true(atomic_load(&tokens.tokens) <= 1); /* of the first request, at most */
        }
        end(&sources[i]);
    }
}

static void another_origin_is_not_told_it(void **state)
{
    (void)state;
    try_others(false);
}

static void a_server_does_not_tell_it_to_another_origin(void **state)
{
    (void)state;
    try_others(true);
}

/* 6: relative to the URL that was asked last, by whomever the conversation is begun. */
static void a_relative_location_is_of_who_said_it(void **state)
{
    (void)state;
    begin(&sources[0], true);
    for (size_t j = 0; j < CALLERS; j++) {
        forget_seen(&home);
        forget_seen(&other);
        expect_fine(callers[j], &sources[0], "^/seen/302/~/seen/202//seen-it");
        assert_int_equal(count(other.seen, "GET /seen-it "), 1);
        assert_int_equal(count(home.seen, "GET /seen-it "), 0);
        assert_null(strstr(other.seen, "Bearer"));
    }
    end(&sources[0]);
}

static void an_endpoint_that_refuses_fails_the_call_and_nothing_is_sent(void **state)
{
    static const struct source refusing = { .name = "one that refuses",
                                            .json = MANAGED(""),
                                            .variables = {
                                                { "IDENTITY_ENDPOINT", "@/401-token" },
                                                { "IDENTITY_HEADER", "hidden-header" } } };
    (void)state;
    for (int is_served = 0; is_served <= 1; is_served++) {
        begin(&refusing, is_served != 0);
        pd_instance *instance = ask("Call", &refusing, "^/seen");
        assert_int_equal(pd_instance_state(instance), PD_RUN_FAILED);
        const pd_failure *failure = pd_instance_failure(instance);
        while (failure->cause != NULL) {
            failure = failure->cause;
        }
        assert_string_equal(failure->type, "HttpCredential");
        assert_string_equal(home.seen, "");
        pd_instance_free(instance);
        end(&refusing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_got_and_told_and_left_nowhere),
        cmocka_unit_test(a_server_gets_and_tells_it_and_leaves_it_nowhere),
        cmocka_unit_test(a_poll_is_made_with_a_token_that_is_good_then),
        cmocka_unit_test(a_server_polls_with_a_token_that_is_good_then),
        cmocka_unit_test(another_origin_is_not_told_it),
        cmocka_unit_test(a_server_does_not_tell_it_to_another_origin),
        cmocka_unit_test(a_relative_location_is_of_who_said_it),
        cmocka_unit_test(an_endpoint_that_refuses_fails_the_call_and_nothing_is_sent),
    };
    (void)setenv("PERDURE_TEST_SERVER", BUILT_SERVER, 1);
    (void)setenv("PERDURE_TEST_LOG_LEVEL", "debug", 1);
    (void)setenv("PERDURE_MODULES", BUILT_MODULES, 1);
    (void)setenv("PERDURE_HTTP_ALLOW", "127.0.0.1", 1);
    scripted_begin(&tokens);
    scripted_begin(&home);
    scripted_begin(&other);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scripted_end(&tokens);
    scripted_end(&home);
    scripted_end(&other);
    return failed;
}
