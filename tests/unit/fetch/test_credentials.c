/* SPDX-License-Identifier: MIT
 *
 * Credentials: each protocol against an endpoint that writes down how it was asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "asking.h"
#include "fetch/credential.h"

static const char *const variables[] = {
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "IMDS_ENDPOINT",
    "PERDURE_SECRET_KEY",
    "PERDURE_OAUTH2_SHOP",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
};

static int forget_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        (void)unsetenv(variables[i]);
    }
    (void)unsetenv("http_proxy");
    atomic_store(&server.tokens, 0);
    server.last_token[0] = '\0';
    server.name[0] = '\0';
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, with_server(value), 1), 0);
}

#define MANAGED "\"tokenSource\":{\"kind\":\"AzureManagedIdentity\",\"resource\":\"https://vault\"}"

static void app_service_is_asked_with_its_header_and_the_callers_is_replaced(void **state)
{
    (void)state;
    set("IDENTITY_ENDPOINT", "@/token");
    set("IDENTITY_HEADER", "the-header");
    assert_answers("{\"uri\":\"@/echo\",\"headers\":{\"Authorization\":\"mine\"}," MANAGED "}",
                   FETCH_OURS, "Authorization: Bearer token-1\\u000d");
    assert_has(server.last_token,
               "GET /token?api-version=2019-08-01&resource=https%3A%2F%2Fvault ");
    assert_has(server.last_token, "X-IDENTITY-HEADER: the-header\r\n");
    struct asked asked;
    ask(&asked, "{\"uri\":\"@/echo\",\"headers\":{\"Authorization\":\"mine\"}," MANAGED "}",
        FETCH_OURS);
    assert_null(strstr(asked.response, "mine"));
    asked_done(&asked);
}

static void a_resource_with_a_scope_is_asked_for_without(void **state)
{
    (void)state;
    set("IDENTITY_ENDPOINT", "@/token");
    set("IDENTITY_HEADER", "h");
    set("AZURE_CLIENT_ID", "me");
    assert_answers("{\"uri\":\"@/echo\",\"tokenSource\":{\"resource\":\"https://v/.default\"}}",
                   FETCH_OURS, "Bearer token-1");
    assert_has(server.last_token, "&resource=https%3A%2F%2Fv&client_id=me ");
}

static void the_older_dialect_of_app_service(void **state)
{
    (void)state;
    set("MSI_ENDPOINT", "@/token");
    set("MSI_SECRET", "s3");
    set("AZURE_CLIENT_ID", "me");
    assert_answers("{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS, "Bearer token-1");
    assert_has(server.last_token,
               "?api-version=2017-09-01&resource=https%3A%2F%2Fvault&clientid=me ");
    assert_has(server.last_token, "secret: s3\r\n");
}

static void a_client_secret_is_posted_to_the_authority(void **state)
{
    (void)state;
    set("AZURE_AUTHORITY_HOST", "@/token");
    set("AZURE_TENANT_ID", "tenant");
    set("AZURE_CLIENT_ID", "me");
    set("AZURE_CLIENT_SECRET", "s e&cret");
    assert_answers("{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS, "Bearer token-1");
    assert_has(server.last_token, "POST /token/tenant/oauth2/v2.0/token ");
    assert_has(server.last_token,
               "grant_type=client_credentials&client_id=me&"
               "scope=https%3A%2F%2Fvault%2F.default&client_secret=s%20e%26cret");
    assert_answers("{\"uri\":\"@/echo\",\"tokenSource\":{\"kind\":\"AzureManagedIdentity\","
                   "\"resource\":\"https://v/\",\"options\":{\"tenantid\":\"other\"}}}",
                   FETCH_OURS, "Bearer token-2");
    assert_has(server.last_token, "POST /token/other/oauth2/v2.0/token ");
    assert_has(server.last_token, "scope=https%3A%2F%2Fv%2F.default");
}

static void the_authority_may_be_named_where_it_is_that_of_the_settings(void **state)
{
    char input[512];
    (void)state;
    set("AZURE_AUTHORITY_HOST", "@/token");
    set("AZURE_TENANT_ID", "tenant");
    set("AZURE_CLIENT_ID", "me");
    set("AZURE_CLIENT_SECRET", "s");
    (void)snprintf(input, sizeof input, "%s",
                   with_server("{\"uri\":\"@/echo\",\"tokenSource\":{\"kind\":"
                               "\"AzureManagedIdentity\",\"resource\":\"https://v\",\"options\":{"
                               "\"authorityhost\":\"@/token\"}}}"));
    assert_answers(input, FETCH_OURS, "Bearer token-1");
    assert_has(server.last_token, "POST /token/tenant/oauth2/v2.0/token ");
}

static void workload_identity_reads_its_file_each_time(void **state)
{
    (void)state;
    char path[] = "/tmp/pd-federated-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "jwt.1\n", 6), 6);
    set("AZURE_AUTHORITY_HOST", "@/short-token");
    set("AZURE_TENANT_ID", "tenant");
    set("AZURE_CLIENT_ID", "me");
    set("AZURE_FEDERATED_TOKEN_FILE", path);
    assert_answers("{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS, "Bearer token-1");
    assert_has(server.last_token, "client_assertion=jwt.1");
    assert_has(server.last_token,
               "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A"
               "jwt-bearer");
    assert_int_equal(pwrite(fd, "jwt.2\n", 6, 0), 6);
    assert_answers("{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS, "Bearer token-2");
    assert_has(server.last_token, "client_assertion=jwt.2");
    (void)close(fd);
    (void)unlink(path);
    assert_fails("{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS, "HttpCredential",
                 "cannot be read");
}

static void the_metadata_of_a_machine_is_asked_again_when_it_is_busy_or_not_there_yet(void **state)
{
    static const char *const statuses[] = { "404", "410", "429", "503" };
    char text[128];
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        (void)snprintf(text, sizeof text, "@/%s-token", statuses[i]);
        set("AZURE_POD_IDENTITY_AUTHORITY_HOST", text);
        atomic_store(&server.tokens, 0);
        assert_answers("{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS, "Bearer token-2");
        (void)snprintf(text, sizeof text,
                       "GET /%s-token/metadata/identity/oauth2/token?api-version=2018-02-01&"
                       "resource=https%%3A%%2F%%2Fvault ",
                       statuses[i]);
        assert_has(server.last_token, text);
        assert_has(server.last_token, "Metadata: true\r\n");
    }
}

/* 3.4: what trying again cannot help is not tried again. */
static void
an_endpoint_that_refuses_is_asked_once_and_one_that_is_not_there_may_be_again(void **state)
{
    struct asked asked;
    (void)state;
    set("IDENTITY_ENDPOINT", "@/404-token");
    set("IDENTITY_HEADER", "h");
    ask(&asked, "{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS);
    assert_string_equal(asked.type, "HttpCredential");
    assert_has(asked.message, "status 404");
    assert_true(asked.is_final);
    assert_int_equal(atomic_load(&server.tokens), 1);
    asked_done(&asked);
    set("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
    (void)unsetenv("IDENTITY_ENDPOINT");
    ask(&asked, "{\"uri\":\"@/echo\"," MANAGED "}", FETCH_OURS);
    assert_string_equal(asked.type, "HttpCredential");
    assert_has(asked.message, "cannot be asked");
    assert_false(asked.is_final);
    asked_done(&asked);
}

/* By one fetcher: whether the second request finds the token of the first. */
static void ask_twice(const char *first, const char *second, struct asked *ret)
{
    struct fetcher *fetcher = open_with("private", 0);
    struct asked asked;
    asked_init(&asked, first, FETCH_OURS);
    module->start(fetcher, &asked.request);
    asked_wait(&asked);
    assert_non_null(asked.response);
    asked_done(&asked);
    asked_init(ret, second, FETCH_OURS);
    module->start(fetcher, &ret->request);
    asked_wait(ret);
    module->close(fetcher);
}

static void how_long_one_is_good_is_said_in_several_ways(void **state)
{
    static const struct {
        const char *name, *expires;
        int asked; /* for two requests */
    } rows[] = {
        { "expires_in", "3600", 1 },
        { "expires_in", "9223372036854775807", 1 },
        { "expires_in", "-9223372036854775808", 2 },
        { "expires_on", "4102444800", 1 },
        { "expires_on", "9223372036854775807", 1 },
        { "expires_on", "-9223372036854775808", 2 },
        { "expires_on", "1000000000", 2 },
        { "expires_on", "09/14/2099 01:02:03 PM +00:00", 1 },
        { "expires_on", "9/14/2099 1:02:03 AM +00:00", 1 },
        { "expires_on", "09/14/2017 01:02:03 PM +00:00", 2 },
        { "expires_on", "99/14/2099 01:02:03 PM +00:00", 2 },
        { "other", "3600", 2 },
    };
    char input[512];
    (void)state;
    set("MSI_ENDPOINT", "@/token");
    set("MSI_SECRET", "s");
    (void)snprintf(input, sizeof input, "%s", with_server("{\"uri\":\"@/echo\"," MANAGED "}"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked asked;
        atomic_store(&server.tokens, 0);
        (void)snprintf(server.name, sizeof server.name, "%s", rows[i].name);
        (void)snprintf(server.expires, sizeof server.expires, "%s", rows[i].expires);
        ask_twice(input, input, &asked);
        asked_done(&asked);
        if (atomic_load(&server.tokens) != rows[i].asked) {
            fail_msg("%s %s: asked for %d times", rows[i].name, rows[i].expires,
                     atomic_load(&server.tokens));
        }
    }
}

static void an_authority_is_reached_by_the_proxy_and_what_is_of_this_machine_is_not(void **state)
{
    (void)state;
    set("AZURE_AUTHORITY_HOST", "http://authority.example/token");
    set("AZURE_TENANT_ID", "tenant");
    set("AZURE_CLIENT_ID", "me");
    set("AZURE_CLIENT_SECRET", "secret");
    set("http_proxy", "@");
    struct asked asked;
    ask(&asked, "{\"uri\":\"http://far.example/token\"," MANAGED "}", FETCH_OURS);
    assert_has(asked.response, "token-2"); /* the answer is one, as the proxy is what it is */
    asked_done(&asked);
    assert_has(server.last_token, "GET http://far.example/token ");
    assert_has(server.last_token, "Authorization: Bearer token-1\r\n");
    (void)unsetenv("AZURE_CLIENT_SECRET");
    set("IDENTITY_ENDPOINT", "http://127.0.0.1:1/token");
    set("IDENTITY_HEADER", "h");
    ask(&asked, "{\"uri\":\"http://far.example/token\",\"timeout\":\"00:00:01\"," MANAGED "}",
        FETCH_OURS);
    assert_non_null(asked.type); /* nobody is there, and the proxy was not asked */
    asked_done(&asked);
    assert_int_equal(atomic_load(&server.tokens), 2);
}

static void a_token_goes_to_its_origin_only_and_into_no_answer(void **state)
{
    (void)state;
    set("IDENTITY_ENDPOINT", "@/token");
    set("IDENTITY_HEADER", "h");
    char input[512];
    (void)snprintf(input, sizeof input,
                   "{\"uri\":\"@/to/307/http://localhost:%u/echo\"," MANAGED "}", server.port);
    struct asked asked;
    ask(&asked, input, FETCH_OURS);
    assert_has(asked.response, "GET /echo");
    assert_null(strstr(asked.response, "token-"));
    asked_done(&asked);
    assert_answers("{\"uri\":\"@/to/307//echo\"," MANAGED "}", FETCH_OURS, "Bearer token-");
}

static void one_is_asked_for_once_by_many_and_kept(void **state)
{
    (void)state;
    enum { MANY = 50 };
    set("IDENTITY_ENDPOINT", "@/token");
    set("IDENTITY_HEADER", "h");
    struct asked asked[MANY], late;
    char input[512];
    (void)snprintf(input, sizeof input, "%s", with_server("{\"uri\":\"@/echo\"," MANAGED "}"));
    struct fetcher *fetcher = open_with("private", 0);
    for (int i = 0; i < MANY; i++) {
        asked_init(&asked[i], input, FETCH_OURS);
        module->start(fetcher, &asked[i].request);
    }
    for (int i = 0; i < MANY; i++) {
        asked_wait(&asked[i]);
        assert_has(asked[i].response, "Bearer token-1");
        asked_done(&asked[i]);
    }
    asked_init(&late, input, FETCH_OURS);
    module->start(fetcher, &late.request);
    asked_wait(&late);
    assert_has(late.response, "Bearer token-1");
    asked_done(&late);
    assert_int_equal(atomic_load(&server.tokens), 1);
    module->close(fetcher);
}

static void one_that_ends_in_five_minutes_is_not_kept(void **state)
{
    (void)state;
    set("IDENTITY_ENDPOINT", "@/short-token");
    set("IDENTITY_HEADER", "h");
    struct asked asked;
    char input[512];
    (void)snprintf(input, sizeof input, "%s", with_server("{\"uri\":\"@/echo\"," MANAGED "}"));
    struct fetcher *fetcher = open_with("private", 0);
    for (int i = 1; i <= 2; i++) {
        asked_init(&asked, input, FETCH_OURS);
        module->start(fetcher, &asked.request);
        asked_wait(&asked);
        assert_non_null(asked.response);
        asked_done(&asked);
        if (i == 1) {
            (void)usleep(1100000); /* it was good for 301 s */
        }
    }
    assert_int_equal(atomic_load(&server.tokens), 2);
    module->close(fetcher);
}

/* V1, also of a token that is there already, or is on its way. */
static void a_token_that_is_kept_goes_to_no_other_origin(void **state)
{
#define SHOP                                                                                 \
    "\"tokenSource\":{\"kind\":\"OAuth2ClientCredentials\",\"resource\":\"r\",\"options\":{" \
    "\"name\":\"shop\"}}}"
    static const char *const others[] = { "http://127.0.0.1", "https://127.0.0.1",
                                          "http://127.0.0.2" };
    char first[512], second[512];
    (void)state;
    set("PERDURE_OAUTH2_SHOP", "@ @/token the-client the-secret");
    (void)snprintf(first, sizeof first, "%s", with_server("{\"uri\":\"@/echo\"," SHOP));
    for (unsigned i = 0; i < 3; i++) {
        struct asked asked;
        (void)snprintf(second, sizeof second, "{\"uri\":\"%s:%u/echo\"," SHOP, others[i],
                       server.port + (i == 0 ? 1U : 0U));
        ask_twice(first, second, &asked);
        assert_non_null(asked.type);
        assert_string_equal(asked.type, "HttpCredential");
        assert_has(asked.message, "for another origin");
        asked_done(&asked);
    }
    struct asked again;
    int before = atomic_load(&server.tokens);
    ask_twice(first, first, &again);
    assert_has(again.response, "Bearer token-");
    asked_done(&again);
    assert_int_equal(atomic_load(&server.tokens) - before, 1);
}

static void one_of_azure_is_asked_for_once_for_all_hosts(void **state)
{
    struct asked asked;
    char first[512], second[512];
    (void)state;
    set("IDENTITY_ENDPOINT", "@/token");
    set("IDENTITY_HEADER", "h");
    (void)snprintf(first, sizeof first, "%s", with_server("{\"uri\":\"@/echo\"," MANAGED "}"));
    (void)snprintf(second, sizeof second, "{\"uri\":\"http://localhost:%u/echo\"," MANAGED "}",
                   server.port);
    ask_twice(first, second, &asked);
    assert_has(asked.response, "Bearer token-1");
    asked_done(&asked);
    assert_int_equal(atomic_load(&server.tokens), 1);
}

static void secrets_of_the_settings_go_where_the_setting_says(void **state)
{
    (void)state;
    set("PERDURE_SECRET_KEY", "@ s3cr3t");
    assert_answers("{\"uri\":\"@/echo\",\"tokenSource\":{\"kind\":\"StaticSecret\",\"resource\":"
                   "\"key\"}}",
                   FETCH_OURS, "Bearer s3cr3t");
    char input[256];
    (void)snprintf(
        input, sizeof input,
        "{\"uri\":\"http://localhost:%u/echo\",\"tokenSource\":{\"kind\":\"StaticSecret\""
        ",\"resource\":\"key\"}}",
        server.port);
    int before = atomic_load(&server.requests);
    assert_fails(input, FETCH_OURS, "HttpCredential", "for another origin");
    assert_fails("{\"uri\":\"@/echo\",\"tokenSource\":{\"kind\":\"StaticSecret\",\"resource\":"
                 "\"other\"}}",
                 FETCH_OURS, "HttpCredential", "PERDURE_SECRET_OTHER is not 'ORIGIN SECRET'");
    assert_int_equal(atomic_load(&server.requests), before);
    set("PERDURE_OAUTH2_SHOP", "@ @/token the-client the-secret");
    assert_answers("{\"uri\":\"@/echo\",\"tokenSource\":{\"kind\":\"OAuth2ClientCredentials\","
                   "\"resource\":\"read write\",\"options\":{\"name\":\"shop\"}}}",
                   FETCH_OURS, "Bearer token-1");
    assert_has(server.last_token, "grant_type=client_credentials&client_id=the-client&"
                                  "client_secret=the-secret&scope=read%20write");
    (void)snprintf(input, sizeof input,
                   "{\"uri\":\"http://localhost:%u/echo\",\"tokenSource\":{\"kind\":"
                   "\"OAuth2ClientCredentials\",\"resource\":\"read write\",\"options\":{\"name\":"
                   "\"shop\"}}}",
                   server.port);
    assert_fails(input, FETCH_OURS, "HttpCredential", "for another origin");
}

static void what_is_no_token_source_fails_and_nothing_is_asked(void **state)
{
    (void)state;
    set("AZURE_TENANT_ID", "tenant");
    set("AZURE_CLIENT_ID", "me");
    set("AZURE_CLIENT_SECRET", "secret");
    static const struct {
        const char *source, *says;
    } rows[] = {
        { "{\"kind\":\"Other\",\"resource\":\"r\"}",
          "The token source kind 'Other' is not supported." },
        { "{\"kind\":\"AzureManagedIdentity\"}", "no resource" },
        { "{\"$type\":\"x\",\"resource\":\"r\"}", "$type" },
        { "{\"resource\":\"r\",\"options\":{\"authorityhost\":\"http://127.0.0.1\"}}",
          "authority" },
        { "{\"resource\":\"r\",\"options\":{\"authorityhost\":\"https://"
          "login.microsoftonline.com.x\"}}",
          "authority" },
        { "{\"resource\":\"r\",\"options\":{\"tenantid\":\"a/../b\"}}", "tenant" },
        { "{\"kind\":\"OAuth2ClientCredentials\",\"resource\":\"r\"}", "PERDURE_OAUTH2_NAME" },
    };
    int before = atomic_load(&server.requests);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char input[512];
        (void)snprintf(input, sizeof input, "{\"uri\":\"@/echo\",\"tokenSource\":%s}",
                       rows[i].source);
        assert_fails(input, FETCH_OURS, "HttpCredential", rows[i].says);
    }
    assert_int_equal(atomic_load(&server.requests), before);
}

/* They are kept, a thousand of them. */
static void a_source_has_4096_bytes_and_not_one_more(void **state)
{
    static const char before[] = "{\"resource\":\"r\",\"x\":\"", after[] = "\"}";
    const size_t around = sizeof before - 1 + sizeof after - 1;
    (void)state;
    set("IDENTITY_ENDPOINT", "@/token");
    set("IDENTITY_HEADER", "h");
    for (size_t size = 4096; size <= 4097; size++) {
        char pad[4100] = "", input[4300];
        memset(pad, 'x', size - around);
        (void)snprintf(input, sizeof input, "{\"uri\":\"@/echo\",\"tokenSource\":%s%s%s}", before,
                       pad, after);
        if (size == 4096) {
            assert_answers(input, FETCH_OURS, "Bearer token-");
        } else {
            assert_fails(input, FETCH_OURS, "HttpCredential", "longer than 4096 bytes");
        }
    }
}

static void files_that_arc_may_name_are_its_own(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    assert_null(
        token_arc_key(&arena, token_arc_folder, "WWW-Authenticate: Basic realm=/etc/passwd\r\n"));
    assert_null(token_arc_key(&arena, token_arc_folder,
                              "Basic realm=/var/opt/azcmagent/tokens/../../x.key"));
    assert_null(token_arc_key(&arena, token_arc_folder,
                              "Basic realm=/var/opt/azcmagent/tokens/missing.key"));
    assert_null(token_arc_key(&arena, token_arc_folder, "Bearer"));
    char folder[] = "/tmp/pd-arc-XXXXXX", path[64], says[128];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.key", folder);
    FILE *file = fopen(path, "w");
    (void)fputs("the-key\n", file);
    (void)fclose(file);
    (void)snprintf(says, sizeof says, "WWW-Authenticate: Basic realm=%s\r\n", path);
    const char *key = token_arc_key(&arena, folder, says);
    assert_non_null(key);
    assert_string_equal(key, "the-key");
    assert_null(token_arc_key(&arena, token_arc_folder, says));
    assert_int_equal(truncate(path, 0), 0);
    assert_null(token_arc_key(&arena, folder, says));
    (void)unlink(path);
    (void)rmdir(folder);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(app_service_is_asked_with_its_header_and_the_callers_is_replaced,
                               forget_all),
        cmocka_unit_test_setup(a_resource_with_a_scope_is_asked_for_without, forget_all),
        cmocka_unit_test_setup(the_older_dialect_of_app_service, forget_all),
        cmocka_unit_test_setup(a_client_secret_is_posted_to_the_authority, forget_all),
        cmocka_unit_test_setup(the_authority_may_be_named_where_it_is_that_of_the_settings,
                               forget_all),
        cmocka_unit_test_setup(workload_identity_reads_its_file_each_time, forget_all),
        cmocka_unit_test_setup(
            the_metadata_of_a_machine_is_asked_again_when_it_is_busy_or_not_there_yet, forget_all),
        cmocka_unit_test_setup(
            an_endpoint_that_refuses_is_asked_once_and_one_that_is_not_there_may_be_again,
            forget_all),
        cmocka_unit_test_setup(how_long_one_is_good_is_said_in_several_ways, forget_all),
        cmocka_unit_test_setup(
            an_authority_is_reached_by_the_proxy_and_what_is_of_this_machine_is_not, forget_all),
        cmocka_unit_test_setup(a_token_that_is_kept_goes_to_no_other_origin, forget_all),
        cmocka_unit_test_setup(one_of_azure_is_asked_for_once_for_all_hosts, forget_all),
        cmocka_unit_test_setup(a_token_goes_to_its_origin_only_and_into_no_answer, forget_all),
        cmocka_unit_test_setup(one_is_asked_for_once_by_many_and_kept, forget_all),
        cmocka_unit_test_setup(one_that_ends_in_five_minutes_is_not_kept, forget_all),
        cmocka_unit_test_setup(secrets_of_the_settings_go_where_the_setting_says, forget_all),
        cmocka_unit_test_setup(a_source_has_4096_bytes_and_not_one_more, forget_all),
        cmocka_unit_test_setup(what_is_no_token_source_fails_and_nothing_is_asked, forget_all),
        cmocka_unit_test(files_that_arc_may_name_are_its_own),
    };
    return cmocka_run_group_tests(tests, begin_server, end_server);
}
