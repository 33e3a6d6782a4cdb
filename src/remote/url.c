/* SPDX-License-Identifier: MIT
 *
 * Where a hub is: URLs, and the connection strings of the SDKs.
 *
 *   grpc://HOST[:PORT][?setting&setting]     in the clear; grpcs:// with TLS; port 8080
 *   Endpoint=http[s]://HOST[:PORT];TaskHub=NAME;Authentication=None     port 80, 443
 *
 * A setting that is not known is refused, and so is one that is there twice, as in URLs of files:
 * one that is mistyped must not be one that is ignored. Of a connection string the keys that say
 * how a cloud is to be asked for a token are refused too: we have none to ask.
 */
#include <string.h>
#include <strings.h>

#include "base/percent.h"
#include "remote/remote_priv.h"

/* An instance with its past is one message, and would be asked for again and again if it were
 * refused. Memory is taken for what comes, not for what is announced. */
enum { ANSWER_MAX = 1 << 30 };

static const char where[] = "hub: open";

static pd_status refuse(pd_error *err, const char *what, struct text found)
{
    return error_set(err, PD_E_INVALID, false, where, "%s: '%.*s'", what, TEXT_ARGS(found));
}

/* Takes what stands before the first `end` off the text, and the end; all when there is none. */
static struct text take(struct text *rest, char end)
{
    const char *at = rest->size != 0 ? memchr(rest->at, end, rest->size) : NULL;
    size_t size = at != NULL ? (size_t)(at - rest->at) : rest->size;
    struct text taken = text_make(rest->at, size);
    size_t gone = at != NULL ? size + 1 : size;
    *rest = text_make(rest->at + gone, rest->size - gone);
    return taken;
}

static bool is_word(struct text t, const char *word)
{
    return t.size == strlen(word) && strncasecmp(t.at, word, t.size) == 0;
}

/* No header may have others. */
static bool is_plain(struct text t)
{
    for (size_t i = 0; i < t.size; i++) {
        if ((unsigned char)t.at[i] < 0x20 || t.at[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* NULL: it is not encoded as it should be, or has a character that no header and no path may. */
static const char *decode(struct text t, struct arena *arena)
{
    struct text decoded;
    bool is_read = percent_decode(arena, t, false, &decoded);
    return is_read && is_plain(decoded) ? decoded.at : NULL;
}

/* ---- host and port --------------------------------------------------------------------------- */

static bool read_port(struct text t, unsigned *ret)
{
    unsigned port = 0;
    for (size_t i = 0; i < t.size; i++) {
        if (t.at[i] < '0' || t.at[i] > '9' || port > 65535) {
            return false;
        }
        port = port * 10 + (unsigned)(t.at[i] - '0');
    }
    *ret = port;
    return t.size != 0 && port >= 1 && port <= 65535;
}

/* A name or an address, and nothing else that a URL may have (a path, a user): that would be looked
 * up as a part of the name. */
static bool is_host(struct text t, bool is_v6)
{
    static const char digits_and_letters[] = "0123456789abcdefABCDEFghijklmnopqrstuvwxyz"
                                             "GHIJKLMNOPQRSTUVWXYZ-._";
    for (size_t i = 0; i < t.size; i++) {
        bool is_one = t.at[i] != '\0' && strchr(digits_and_letters, t.at[i]) != NULL;
        if (!is_one && !(is_v6 && (t.at[i] == ':' || t.at[i] == '%'))) {
            return false;
        }
    }
    return true;
}

/* "host", "host:1", "[::1]", "[::1]:1". */
static pd_status read_authority(struct text t, unsigned port, struct arena *arena,
                                struct place *ret, pd_error *err)
{
    struct text rest = t;
    struct text host;
    if (t.size != 0 && t.at[0] == '[') {
        rest = text_make(t.at + 1, t.size - 1);
        host = take(&rest, ']');
        bool is_closed = host.size + 1 < t.size;
        if (!is_closed || (rest.size != 0 && rest.at[0] != ':')) {
            return refuse(err, "no address of a server", t);
        }
        rest = rest.size != 0 ? text_make(rest.at + 1, rest.size - 1) : TEXT_ABSENT;
    } else {
        host = take(&rest, ':');
        rest = host.size < t.size ? rest : TEXT_ABSENT;
    }
    ret->port = port;
    if (host.size == 0 || host.size > 253 || !is_host(host, t.at[0] == '[') ||
        (text_is_present(rest) && !read_port(rest, &ret->port))) {
        return refuse(err, "no address of a server", t);
    }
    ret->host = arena_copy(arena, host.at, host.size);
    return PD_OK;
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static pd_status read_wait(struct text value, struct place *ret, pd_error *err)
{
    enum { MOST = 86400 };
    int64_t seconds = 0;
    bool is_number = value.size != 0 && value.size <= 5;
    for (size_t i = 0; i < value.size && is_number; i++) {
        is_number = value.at[i] >= '0' && value.at[i] <= '9';
        seconds = seconds * 10 + (value.at[i] - '0');
    }
    if (!is_number || seconds > MOST || ret->wait_ms >= 0) {
        return refuse(err, "wait=SECONDS is there once, and is a number up to 86400", value);
    }
    ret->wait_ms = seconds * 1000;
    return PD_OK;
}

static pd_status read_setting(struct text setting, struct arena *arena, struct place *ret,
                              pd_error *err)
{
    struct {
        const char *name;
        const char **value;
    } const known[] = {
        { "taskhub", &ret->hub },      { "token", &ret->token }, { "ca", &ret->authorities },
        { "cert", &ret->certificate }, { "key", &ret->key },
    };
    struct text value = setting;
    struct text name = take(&value, '=');
    if (is_word(name, "wait")) {
        return read_wait(value, ret, err);
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!is_word(name, known[i].name)) {
            continue;
        }
        if (*known[i].value != NULL) {
            return refuse(err, "a setting is there twice", name);
        }
        *known[i].value = decode(value, arena);
        return *known[i].value != NULL && value.size != 0
                   ? PD_OK
                   : refuse(err, "a setting has no value that can be", name);
    }
    return error_set(
        err, PD_E_INVALID, false, where,
        "'%.*s' is not a setting of a served hub; there are taskhub=NAME, token=TOKEN, "
        "ca=FILE, cert=FILE, key=FILE and wait=SECONDS",
        TEXT_ARGS(name));
}

static pd_status read_url(struct text rest, struct arena *arena, struct place *ret, pd_error *err)
{
    struct text authority = take(&rest, '?');
    while (authority.size != 0 && authority.at[authority.size - 1] == '/') {
        authority.size--;
    }
    pd_status status = read_authority(authority, PLACE_PORT, arena, ret, err);
    while (status == PD_OK && rest.size != 0) {
        status = read_setting(take(&rest, '&'), arena, ret, err);
    }
    return status;
}

/* ---- connection strings ---------------------------------------------------------------------- */

static pd_status read_endpoint(struct text t, struct arena *arena, struct place *ret, pd_error *err)
{
    static const struct {
        const char *scheme;
        unsigned port;
        bool has_tls;
    } schemes[] = {
        { "http://", 80, false },
        { "https://", 443, true },
        { "grpc://", PLACE_PORT, false },
        { "grpcs://", PLACE_PORT, true },
    };
    unsigned port = 443;
    ret->has_tls = true; /* without a scheme, as the SDKs have it */
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t size = strlen(schemes[i].scheme);
        if (t.size > size && strncasecmp(t.at, schemes[i].scheme, size) == 0) {
            t = text_make(t.at + size, t.size - size);
            port = schemes[i].port;
            ret->has_tls = schemes[i].has_tls;
            break;
        }
    }
    while (t.size != 0 && t.at[t.size - 1] == '/') {
        t.size--;
    }
    return read_authority(t, port, arena, ret, err);
}

static pd_status read_pair(struct text pair, struct arena *arena, struct place *ret, bool *ret_none,
                           pd_error *err)
{
    struct text value = pair;
    struct text key = take(&value, '=');
    if (is_word(key, "Endpoint")) {
        return ret->host == NULL ? read_endpoint(value, arena, ret, err)
                                 : refuse(err, "a key is there twice", key);
    }
    if (is_word(key, "TaskHub")) {
        bool is_new = ret->hub == NULL && value.size != 0 && is_plain(value);
        ret->hub = arena_copy(arena, value.at, value.size);
        return is_new ? PD_OK
                      : refuse(err, "a key is there twice, or has no value that can be", key);
    }
    if (is_word(key, "Authentication")) {
        if (*ret_none) {
            return refuse(err, "a key is there twice", key);
        }
        *ret_none = is_word(value, "None");
        return *ret_none ? PD_OK
                         : refuse(err,
                                  "only Authentication=None can be; a token is a setting of "
                                  "grpcs:// URLs",
                                  value);
    }
    return refuse(err, "not a key of a connection string that we know", key);
}

static pd_status read_pairs(struct text rest, struct arena *arena, struct place *ret, pd_error *err)
{
    bool is_none = false;
    pd_status status = PD_OK;
    while (status == PD_OK && rest.size != 0) {
        struct text pair = take(&rest, ';');
        status = pair.size != 0 ? read_pair(pair, arena, ret, &is_none, err) : PD_OK;
    }
    if (status == PD_OK && (ret->host == NULL || ret->hub == NULL || !is_none)) {
        status = error_set(err, PD_E_INVALID, false, where,
                           "a connection string has Endpoint, TaskHub and Authentication");
    }
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

pd_status place_read(const char *url, struct arena *arena, struct place *ret, pd_error *err)
{
    struct text t = text_of(url);
    *ret = (struct place){ .wait_ms = -1 };
    pd_status status;
    if (text_has_prefix(t, TEXT("grpc://"))) {
        status = read_url(text_make(t.at + 7, t.size - 7), arena, ret, err);
    } else if (text_has_prefix(t, TEXT("grpcs://"))) {
        ret->has_tls = true;
        status = read_url(text_make(t.at + 8, t.size - 8), arena, ret, err);
    } else if (text_has_prefix(t, TEXT("grpc:")) || text_has_prefix(t, TEXT("grpcs:"))) {
        t.size = t.size < 6 ? t.size : 6; /* what follows may be a token */
        status = refuse(err, "write grpc://HOST:PORT", t);
    } else {
        status = read_pairs(t, arena, ret, err);
    }
    bool has_files = ret->authorities != NULL || ret->certificate != NULL || ret->key != NULL;
    if (status == PD_OK && has_files && !ret->has_tls) {
        status = error_set(err, PD_E_INVALID, false, where,
                           "certificates are for grpcs://, which encrypts");
    }
    if (status == PD_OK && (ret->certificate == NULL) != (ret->key == NULL)) {
        status = error_set(err, PD_E_INVALID, false, where, "cert=FILE and key=FILE come together");
    }
    return status;
}

struct grpc_channel *place_connect(const struct place *place, struct tls *tls, const char *role,
                                   pd_error *err)
{
    struct arena arena;
    arena_init(&arena);
    struct grpc_header metadata[3];
    size_t count = 0;
    metadata[count++] =
        (struct grpc_header){ "x-user-agent",
                              arena_printf(&arena, "perdure-c/%s (%s)", PERDURE_VERSION, role) };
    if (place->hub != NULL) {
        metadata[count++] = (struct grpc_header){ "taskhub", place->hub };
    }
    if (place->token != NULL) {
        metadata[count++] = (struct grpc_header){ "authorization",
                                                  arena_printf(&arena, "Bearer %s", place->token) };
    }
    const struct grpc_channel_options options = {
        .host = place->host,
        .port = place->port,
        .tls = tls,
        .metadata = metadata,
        .metadata_count = count,
        .backoff_min_ms = 50,
        .backoff_max_ms = 5000,
        .message_max = ANSWER_MAX,
    };
    struct grpc_channel *channel = grpc_channel_new(&options, err);
    arena_done(&arena);
    return channel;
}
