/* SPDX-License-Identifier: MIT
 *
 * Certificates, tokens and webhooks: read at the start, on SIGHUP, and certificates also when their
 * files are others than before.
 *
 *   K1  What cannot be used is refused at the start, and left alone later: the old ones stay.
 *   K2  A certificate that is over, or has not begun, is used all the same: which clients mind is
 *       not known here, and a server that does not start helps nobody. But the log says so, when it
 *       is read and when its time comes; and before, while there is time for a new one.
 *   K3  Who is refused is told of in the log: a token that was mistyped, or somebody who tries. Not
 *       the token; and no more lines than G3 lets through, however many try.
 *   K4  Another file is one whose inode, size or time is another, be the time older: certificates
 *       are often moved into place with the time they were made at. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "server/server_priv.h"

enum { DAYS_AHEAD = 21 };
#define DAY (86400 * TIME_SECOND)

static void stamp(const struct config *config, struct file_stamp ret[TLS_FILES])
{
    const char *const files[TLS_FILES] = { config->tls_cert, config->tls_key,
                                           config->tls_client_ca };
    for (size_t i = 0; i < TLS_FILES; i++) {
        struct stat of;
        ret[i] = (struct file_stamp){ 0 };
        if (files[i] != NULL && stat(files[i], &of) == 0) {
            ret[i] = (struct file_stamp){
                .device = of.st_dev,
                .inode = of.st_ino,
                .size = of.st_size,
                .changed_at = (time_us)of.st_mtim.tv_sec * TIME_SECOND + of.st_mtim.tv_nsec / 1000,
            };
        }
    }
}

static bool is_same(const struct file_stamp a[TLS_FILES], const struct file_stamp b[TLS_FILES])
{
    bool same = true;
    for (size_t i = 0; i < TLS_FILES; i++) {
        same = same && a[i].device == b[i].device && a[i].inode == b[i].inode &&
               a[i].size == b[i].size && a[i].changed_at == b[i].changed_at;
    }
    return same;
}

/* Those that live for days only have a quarter of that. */
static enum certificate_age age_of(const struct tls *tls, time_us now)
{
    time_us begins = tls_begins_at(tls);
    time_us ends = tls_expires_at(tls);
    int64_t ahead = (ends - begins) / 4 < DAYS_AHEAD * DAY ? (ends - begins) / 4 : DAYS_AHEAD * DAY;
    return now >= ends           ? CERTIFICATE_OVER
           : now < begins        ? CERTIFICATE_EARLY
           : now >= ends - ahead ? CERTIFICATE_SOON_OVER
                                 : CERTIFICATE_GOOD;
}

/* K2. Of one that was just read, or that has another age than when it was looked at last. */
static void look_at_certificate(struct server *server, bool is_new)
{
    static const char *const words[] = {
        [CERTIFICATE_EARLY] = "the certificate does not hold yet: clients will refuse it",
        [CERTIFICATE_SOON_OVER] = "the certificate ends soon",
        [CERTIFICATE_OVER] = "the certificate has ended: clients will refuse it",
    };
    enum certificate_age age = age_of(server->tls, loop_now(server->loop));
    char from[32];
    char until[32];
    if (age != CERTIFICATE_GOOD && (is_new || age != server->certificate_age)) {
        time_format(tls_begins_at(server->tls), from);
        time_format(tls_expires_at(server->tls), until);
        log_say(LOG_WARN, words[age], "part", "tls", "file", server->config->tls_cert, "from", from,
                "until", until);
    }
    server->certificate_age = age;
}

/* K3 */
void security_tell_of_refused(const char *peer, const struct rpc_method *method,
                              enum token_answer answer, struct text hub)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s", hub.size < 100 ? (int)hub.size : 100, hub.at);
    log_say(LOG_WARN, "a caller is refused", "why",
            answer == TOKEN_DENIED ? "its token does not allow it" : "no token that is known",
            "needs", scopes_name(method->scopes), "hub", name, "method", method->path, "peer",
            peer);
}

/* Who names certificates has to ask for them: else these lines would be nobody's. */
static struct tokens *load_tokens(const struct config *config, pd_error *err)
{
    struct tokens *tokens = tokens_load(config->tokens, err);
    if (tokens != NULL && tokens_have_subjects(tokens) && config->tls_client_ca == NULL) {
        (void)error_set(
            err, PD_E_INVALID, false, "tokens",
            "%s: its subject: lines are about certificates of clients, and no client is "
            "asked for one: name their authority with --tls-client-ca, or take these "
            "lines out",
            config->tokens);
        tokens_free(tokens);
        return NULL;
    }
    return tokens;
}

pd_status security_open(struct server *server, pd_error *err)
{
    const struct config *config = server->config;
    if (config->tokens != NULL) {
        server->tokens = load_tokens(config, err);
        if (server->tokens == NULL) {
            return err->status;
        }
    }
    if (config->webhooks != NULL) {
        server->webhooks = webhooks_load(config->webhooks, err);
        if (server->webhooks == NULL) {
            return err->status;
        }
    }
    if (config->tls_cert != NULL) {
        struct tls_options options = {
            .certificate = config->tls_cert,
            .key = config->tls_key,
            .authorities = config->tls_client_ca,
            .alpn = "h2",
        };
        stamp(config, server->tls_files);
        server->tls = tls_new_server(&options, err);
        options.alpn = "http/1.1";
        options.may_be_nobody = true; /* health is everybody's, and keys are enough */
        server->http_tls = server->tls != NULL ? tls_new_server(&options, err) : NULL;
        if (server->http_tls == NULL) {
            return err->status;
        }
        look_at_certificate(server, true);
    }
    return PD_OK;
}

static bool reload_tls(struct server *server)
{
    pd_error err;
    stamp(server->config, server->tls_files);
    if (tls_reload(server->tls, &err) != PD_OK || tls_reload(server->http_tls, &err) != PD_OK) {
        log_error("certificates stay as they were", &err, "part", "tls");
        return false;
    }
    look_at_certificate(server, true);
    return true;
}

bool security_reload(struct server *server)
{
    pd_error err;
    bool is_new = server->tls == NULL || reload_tls(server);
    if (server->tokens != NULL) {
        struct tokens *tokens = load_tokens(server->config, &err);
        if (tokens != NULL) {
            tokens_free(server->tokens);
            server->tokens = tokens;
        } else {
            log_error("tokens stay as they were", &err, "part", "tokens");
            is_new = false;
        }
    }
    if (server->webhooks != NULL &&
        webhooks_reload(server->webhooks, server->config->webhooks, &err) != PD_OK) {
        log_error("webhooks stay as they were", &err, "part", "webhooks");
        is_new = false;
    }
    return is_new;
}

void security_look(struct server *server)
{
    struct file_stamp files[TLS_FILES];
    if (server->tls == NULL) {
        return;
    }
    stamp(server->config, files);
    if (is_same(files, server->tls_files)) {
        look_at_certificate(server, false);
    } else {
        (void)reload_tls(server);
    }
}
