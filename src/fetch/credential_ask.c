/* SPDX-License-Identifier: MIT
 *
 * How a token is asked for, by each of the protocols, and what the answer says. */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "fetch/credential.h"
#include "json/json.h"

enum { NAME_BYTES_MAX = 64, FILE_BYTES_MAX = 64 * 1024, ARC_KEY_MAX = 4096 };
enum { KEEP_MAX_S = 86400 }; /* whatever its endpoint says */

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *encode(struct arena *arena, const char *text)
{
    char *encoded = curl_easy_escape(NULL, text, (int)strlen(text));
    const char *copy = encoded != NULL ? arena_copy(arena, encoded, strlen(encoded) + 1) : "";
    curl_free(encoded);
    return copy;
}

static const char *option(pd_value source, const char *name)
{
    pd_value value = pd_get(pd_get(source, "options"), name);
    return pd_kind_of(value) == PD_IS_TEXT && pd_text(value)[0] != '\0' ? pd_text(value) : NULL;
}

static const char *read_file(struct arena *arena, const char *path, size_t most)
{
    char *bytes = arena_alloc_raw(arena, most + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, bytes, most) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    while (size > 0 && isspace((unsigned char)bytes[size - 1])) {
        size--;
    }
    bytes[size > 0 ? size : 0] = '\0';
    return size > 0 ? bytes : NULL;
}

/* ---- scopes ---------------------------------------------------------------------------------- */

static const char suffix[] = "/.default";

static const char *without_suffix(struct arena *arena, const char *resource)
{
    size_t size = strlen(resource), end = sizeof suffix - 1;
    size -= size > end && strcmp(resource + size - end, suffix) == 0 ? end : 0;
    return arena_printf(arena, "%.*s", (int)size, resource);
}

static const char *as_scope(struct arena *arena, const char *resource)
{
    const char *plain = without_suffix(arena, resource);
    size_t size = strlen(plain);
    size -= size > 0 && plain[size - 1] == '/' ? 1 : 0;
    return arena_printf(arena, "%.*s%s", (int)size, plain, suffix);
}

/* ---- Azure ----------------------------------------------------------------------------------- */

/* V2 */
static bool is_azure(const char *authority)
{
    static const char *const hosts[] = { "https://login.microsoftonline.com",
                                         "https://login.microsoftonline.us",
                                         "https://login.chinacloudapi.cn",
                                         "https://login.partner.microsoftonline.cn" };
    size_t size = strlen(authority);
    size -= size > 0 && authority[size - 1] == '/' ? 1 : 0;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (strlen(hosts[i]) == size && strncasecmp(authority, hosts[i], size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_tenant(const char *tenant)
{
    size_t size = strlen(tenant);
    return size <= NAME_BYTES_MAX &&
           strspn(tenant, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               size;
}

static bool order_azure(struct arena *arena, pd_value source, const char *scope,
                        struct token_order *ret, const char **ret_why)
{
    const char *set = env("AZURE_AUTHORITY_HOST"), *wanted = option(source, "authorityhost");
    const char *authority = wanted != NULL ? wanted : set;
    const char *tenant = option(source, "tenantid");
    const char *secret = env("AZURE_CLIENT_SECRET"), *assertion = NULL;
    authority = authority != NULL ? authority : "https://login.microsoftonline.com";
    tenant = tenant != NULL ? tenant : env("AZURE_TENANT_ID");
    if (wanted != NULL && !is_azure(wanted) && (set == NULL || strcmp(set, wanted) != 0)) {
        *ret_why = "the authority is not one of Azure's, nor that of AZURE_AUTHORITY_HOST";
        return false;
    }
    if (!is_tenant(tenant)) {
        *ret_why = "the tenant is none";
        return false;
    }
    if (secret == NULL) {
        assertion = read_file(arena, env("AZURE_FEDERATED_TOKEN_FILE"), FILE_BYTES_MAX);
        if (assertion == NULL) {
            *ret_why = "the file of AZURE_FEDERATED_TOKEN_FILE cannot be read";
            return false;
        }
    }
    size_t size = strlen(authority);
    size -= authority[size - 1] == '/' ? 1 : 0;
    ret->url = arena_printf(arena, "%.*s/%s/oauth2/v2.0/token", (int)size, authority, tenant);
    const char *common = arena_printf(arena, "grant_type=client_credentials&client_id=%s&scope=%s",
                                      encode(arena, env("AZURE_CLIENT_ID")), encode(arena, scope));
    ret->body = secret != NULL
                    ? arena_printf(arena, "%s&client_secret=%s", common, encode(arena, secret))
                    : arena_printf(arena,
                                   "%s&client_assertion_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3A"
                                   "client-assertion-type%%3Ajwt-bearer&client_assertion=%s",
                                   common, encode(arena, assertion));
    return true;
}

static void add_field(struct token_order *ret, const char *line)
{
    ret->fields = curl_slist_append(ret->fields, line);
}

static void order_endpoint(struct arena *arena, const char *resource, struct token_order *ret)
{
    const char *endpoint = env("IDENTITY_ENDPOINT"), *header = env("IDENTITY_HEADER");
    const char *client = env("AZURE_CLIENT_ID");
    const char *of_client =
        client != NULL ? arena_printf(arena, "client_id=%s", encode(arena, client)) : NULL;
    resource = encode(arena, resource);
    if (endpoint != NULL && header != NULL) {
        ret->url = arena_printf(arena, "%s?api-version=2019-08-01&resource=%s", endpoint, resource);
        add_field(ret, arena_printf(arena, "X-IDENTITY-HEADER: %s", header));
    } else if (env("MSI_ENDPOINT") != NULL && env("MSI_SECRET") != NULL) {
        ret->url = arena_printf(arena, "%s?api-version=2017-09-01&resource=%s", env("MSI_ENDPOINT"),
                                resource);
        add_field(ret, arena_printf(arena, "secret: %s", env("MSI_SECRET")));
        of_client =
            client != NULL ? arena_printf(arena, "clientid=%s", encode(arena, client)) : NULL;
    } else if (endpoint != NULL && env("IMDS_ENDPOINT") != NULL) {
        ret->url = arena_printf(arena, "%s?api-version=2019-11-01&resource=%s", endpoint, resource);
        add_field(ret, "Metadata: true");
        ret->is_arc = true;
    } else {
        const char *host = env("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        ret->url = arena_printf(arena,
                                "%s/metadata/identity/oauth2/token?api-version=2018-02-01&"
                                "resource=%s",
                                host != NULL ? host : "http://169.254.169.254", resource);
        add_field(ret, "Metadata: true");
        ret->is_imds = true;
    }
    if (of_client != NULL) {
        ret->url = arena_printf(arena, "%s&%s", ret->url, of_client);
    }
}

/* ---- of the settings ------------------------------------------------------------------------- */

/* The words of PERDURE_<kind>_<NAME>; false: there is no such setting, or it has other words than
 * `form` says: *ret_why. */
static bool read_setting(struct arena *arena, const char *kind, const char *name, const char *form,
                         char **words, size_t count, const char **ret_why)
{
    if (name == NULL || strlen(name) > NAME_BYTES_MAX) {
        *ret_why = arena_printf(arena, "the token source names no PERDURE_%s_NAME", kind);
        return false;
    }
    char *variable = arena_printf(arena, "PERDURE_%s_%s", kind, name);
    for (char *at = variable; *at != '\0'; at++) {
        *at = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
    }
    *ret_why = arena_printf(arena, "%s is not '%s' in the environment of who makes the request",
                            variable, form);
    const char *value = env(variable);
    char *at = value != NULL ? arena_copy(arena, value, strlen(value) + 1) : NULL;
    for (size_t i = 0; at != NULL && i < count; i++) {
        at += strspn(at, " ");
        words[i] = at;
        at += i + 1 < count ? strcspn(at, " ") : strlen(at);
        if (at == words[i] || (i + 1 < count && *at == '\0')) {
            return false;
        }
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
    return at != NULL;
}

/* V1 */
static bool is_of_origin(CURLU *url, const char *origin)
{
    CURLU *other = curl_url();
    bool is = other != NULL && curl_url_set(other, CURLUPART_URL, origin, 0) == CURLUE_OK &&
              origin_is_same(url, other);
    curl_url_cleanup(other);
    return is;
}

static bool order_oauth2(struct arena *arena, pd_value source, CURLU *url, const char *scope,
                         struct token_order *ret, const char **ret_why)
{
    enum { ORIGIN, URL, CLIENT, SECRET, WORDS };
    char *words[WORDS];
    if (!read_setting(arena, "OAUTH2", option(source, "name"),
                      "ORIGIN TOKEN-URL CLIENT-ID CLIENT-SECRET", words, WORDS, ret_why)) {
        return false;
    }
    if (!is_of_origin(url, words[ORIGIN])) {
        *ret_why = "this credential is for another origin";
        return false;
    }
    ret->url = words[URL];
    ret->body = arena_printf(arena, "grant_type=client_credentials&client_id=%s&client_secret=%s",
                             encode(arena, words[CLIENT]), encode(arena, words[SECRET]));
    if (scope[0] != '\0') {
        ret->body = arena_printf(arena, "%s&scope=%s", ret->body, encode(arena, scope));
    }
    return true;
}

static bool read_secret(struct arena *arena, const char *name, CURLU *url, struct text *ret,
                        const char **ret_why)
{
    char *words[2];
    if (!read_setting(arena, "SECRET", name, "ORIGIN SECRET", words, 2, ret_why)) {
        return false;
    }
    *ret = text_of(words[1]);
    *ret_why = "this secret is for another origin";
    return is_of_origin(url, words[0]);
}

static const char managed[] = "AzureManagedIdentity";

static const char *kind_of(pd_value source)
{
    pd_value kind = pd_get(source, "kind");
    return pd_kind_of(kind) == PD_IS_TEXT ? pd_text(kind) : managed;
}

bool token_is_of_origin(pd_value source)
{
    return strcmp(kind_of(source), managed) != 0;
}

bool token_order_make(struct arena *arena, pd_value source, CURLU *url, struct token_order *ret,
                      struct text *ret_ready, const char **ret_why)
{
    pd_value resource = pd_get(source, "resource");
    const char *named = kind_of(source);
    *ret = (struct token_order){ 0 };
    *ret_ready = TEXT_ABSENT;
    if (pd_kind_of(pd_get(source, "$type")) != PD_IS_NULL) {
        *ret_why = "token sources of .NET's own types ($type) are not supported";
        return false;
    }
    if (strcmp(named, "StaticSecret") == 0) {
        return read_secret(arena, pd_text(resource), url, ret_ready, ret_why);
    }
    if (strcmp(named, "OAuth2ClientCredentials") == 0) {
        return order_oauth2(arena, source, url, pd_text(resource), ret, ret_why);
    }
    if (strcmp(named, managed) != 0) {
        *ret_why = arena_printf(arena, "The token source kind '%.100s' is not supported.", named);
        return false;
    }
    if (pd_kind_of(resource) != PD_IS_TEXT || pd_text(resource)[0] == '\0') {
        *ret_why = "the token source has no resource";
        return false;
    }
    bool has_client = env("AZURE_TENANT_ID") != NULL && env("AZURE_CLIENT_ID") != NULL;
    if (has_client &&
        (env("AZURE_CLIENT_SECRET") != NULL || env("AZURE_FEDERATED_TOKEN_FILE") != NULL)) {
        return order_azure(arena, source, as_scope(arena, pd_text(resource)), ret, ret_why);
    }
    order_endpoint(arena, without_suffix(arena, pd_text(resource)), ret);
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

static int64_t seconds_of(pd_value value)
{
    if (pd_kind_of(value) == PD_IS_INT) {
        return pd_int(value);
    }
    char *end = NULL;
    const char *text = pd_kind_of(value) == PD_IS_TEXT ? pd_text(value) : "";
    long long seconds = strtoll(text, &end, 10);
    return *end == '\0' ? seconds : 0;
}

/* Seconds since 1970; or, in the older dialect of App Service, "09/14/2017 01:02:03 PM +00:00". */
static int64_t end_of(pd_value value)
{
    const char *text = pd_kind_of(value) == PD_IS_TEXT ? pd_text(value) : "";
    if (strchr(text, '/') == NULL) {
        return seconds_of(value);
    }
    struct tm tm = { 0 };
    const char *zone = strptime(text, "%m/%d/%Y %I:%M:%S %p ", &tm);
    return zone != NULL && strcmp(zone, "+00:00") == 0 ? (int64_t)timegm(&tm) : 0;
}

struct text token_read(struct arena *arena, struct text json, time_us now_unix,
                       int64_t *ret_seconds)
{
    pd_value value;
    pd_error err;
    if (json_parse(arena, json, &value, &err) != PD_OK) {
        return TEXT_ABSENT;
    }
    pd_value token = pd_get(value, "access_token");
    int64_t in = seconds_of(pd_get(value, "expires_in")), on = end_of(pd_get(value, "expires_on"));
    int64_t now = now_unix / TIME_SECOND;
    int64_t left = in > 0 ? in : on > now ? on - now : 0;
    *ret_seconds = left < KEEP_MAX_S ? left : KEEP_MAX_S;
    bool is_one = pd_kind_of(token) == PD_IS_TEXT && pd_text(token)[0] != '\0' &&
                  strpbrk(pd_text(token), "\r\n") == NULL;
    return is_one ? text_of(pd_text(token)) : TEXT_ABSENT;
}

const char token_arc_folder[] = "/var/opt/azcmagent/tokens/";

const char *token_arc_key(struct arena *arena, const char *folder, const char *authenticate)
{
    const char *path = strstr(authenticate, "Basic realm=");
    if (path == NULL) {
        return NULL;
    }
    path += strlen("Basic realm=");
    size_t size = strcspn(path, "\r\n ");
    const char *name = arena_printf(arena, "%.*s", (int)size, path);
    bool is_one = strncmp(name, folder, strlen(folder)) == 0 && strstr(name, "..") == NULL &&
                  size > 4 && strcmp(name + size - 4, ".key") == 0;
    return is_one ? read_file(arena, name, ARC_KEY_MAX) : NULL;
}
