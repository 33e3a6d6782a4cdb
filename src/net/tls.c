/* SPDX-License-Identifier: MIT
 *
 * TLS: contexts made of files, replaced by a reload.
 *
 * A connection holds its context (SSL_new counts), so replacing it changes new connections only.
 * Old versions, compression and renegotiation are off; ciphers are OpenSSL's choice. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "net/tls_priv.h"

enum { TLS_MAGIC = 0x746c7363 };

struct tls {
    uint32_t magic;
    bool is_server, may_be_nobody;
    char *certificate, *key, *authorities, *alpn;
    unsigned char wire_alpn[32]; /* with its length before it */
    unsigned wire_alpn_size;
    SSL_CTX *context;
    time_us begins_at, expires_at;
};

static char *copy(const char *s)
{
    return s != NULL ? memcpy(mem_alloc(strlen(s) + 1), s, strlen(s)) : NULL;
}

static const char *reason(void)
{
    unsigned long code = ERR_peek_error(); /* the first is the cause: of a file, errno */
    const char *text = ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code))
                                                        : ERR_reason_error_string(code);
    return text != NULL ? text : "it cannot be used";
}

static pd_status bad(pd_error *err, const char *what, const char *file)
{
    pd_status status = error_set(err, PD_E_INVALID, false, "tls: read files", "%s \"%.200s\": %s",
                                 what, file != NULL ? file : "", reason());
    ERR_clear_error();
    return status;
}

/* A server's: speaks our protocol or none. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *in, unsigned in_size, void *argument)
{
    (void)ssl;
    struct tls *tls = argument;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_size, tls->wire_alpn, tls->wire_alpn_size, in,
                              in_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Nobody is asked: files are read again while a server runs, on the thread that serves all. */
static int note_pass_phrase(char *ret, int room, int is_written, void *asked)
{
    (void)ret, (void)room, (void)is_written;
    *(bool *)asked = true;
    return -1;
}

static pd_status load_key(struct tls *tls, SSL_CTX *context, pd_error *err)
{
    bool is_asked = false;
    SSL_CTX_set_default_passwd_cb(context, note_pass_phrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &is_asked);
    int code = SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    SSL_CTX_set_default_passwd_cb(context, NULL);
    if (code != 1 && is_asked) {
        ERR_clear_error();
        return error_set(
            err, PD_E_INVALID, false, "tls: read files",
            "the key \"%.200s\" has a pass phrase, which nobody is asked for: write "
            "it without one (openssl pkey -in KEY -out NEW), readable to its user only",
            tls->key);
    }
    return code == 1 ? PD_OK : bad(err, "the key", tls->key);
}

static pd_status load_own(struct tls *tls, SSL_CTX *context, pd_error *err)
{
    if (tls->certificate == NULL && tls->key == NULL && !tls->is_server) {
        return PD_OK;
    }
    if (tls->certificate == NULL || tls->key == NULL) {
        return error_set(err, PD_E_INVALID, false, "tls: read files",
                         "a certificate and its key go together: one of them is missing");
    }
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1) {
        return bad(err, "the certificate", tls->certificate);
    }
    if (load_key(tls, context, err) != PD_OK) {
        return err->status;
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        return bad(err, "the key does not belong to the certificate:", tls->key);
    }
    return PD_OK;
}

static pd_status load_authorities(struct tls *tls, SSL_CTX *context, pd_error *err)
{
    if (tls->authorities == NULL) {
        if (!tls->is_server) {
            (void)SSL_CTX_set_default_verify_paths(context);
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        }
        return PD_OK;
    }
    if (SSL_CTX_load_verify_file(context, tls->authorities) != 1) {
        return bad(err, "the authorities", tls->authorities);
    }
    int mode = SSL_VERIFY_PEER;
    if (tls->is_server) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(tls->authorities);
        if (names == NULL) {
            return bad(err, "the authorities", tls->authorities);
        }
        SSL_CTX_set_client_CA_list(context, names);
        mode |= tls->may_be_nobody ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(context, mode, NULL);
    return PD_OK;
}

static time_us time_of(const X509 *certificate, const ASN1_TIME *(*get)(const X509 *))
{
    struct tm tm;
    return certificate != NULL && ASN1_TIME_to_tm(get(certificate), &tm) == 1
               ? (time_us)timegm(&tm) * TIME_SECOND
               : 0;
}

static pd_status load(struct tls *tls, pd_error *err)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(tls->is_server ? TLS_server_method() : TLS_client_method());
    if (context == NULL) {
        return bad(err, "OpenSSL", NULL);
    }
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Buffers of 16 KiB only while there is something in them. */
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    static const unsigned char session_context[] = "perdure";
    (void)SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1);
    if (tls->is_server) {
        SSL_CTX_set_alpn_select_cb(context, choose_alpn, tls);
    } else {
        (void)SSL_CTX_set_alpn_protos(context, tls->wire_alpn, tls->wire_alpn_size);
    }
    pd_status status = load_own(tls, context, err);
    status = status == PD_OK ? load_authorities(tls, context, err) : status;
    if (status != PD_OK) {
        SSL_CTX_free(context);
        return status;
    }
    SSL_CTX_free(tls->context);
    tls->context = context;
    tls->begins_at = time_of(SSL_CTX_get0_certificate(context), X509_get0_notBefore);
    tls->expires_at = time_of(SSL_CTX_get0_certificate(context), X509_get0_notAfter);
    return PD_OK;
}

static struct tls *make(const struct tls_options *options, bool is_server, pd_error *err)
{
    struct tls *tls = OBJECT_NEW(struct tls, TLS_MAGIC);
    tls->is_server = is_server;
    tls->may_be_nobody = options->may_be_nobody;
    tls->certificate = copy(options->certificate);
    tls->key = copy(options->key);
    tls->authorities = copy(options->authorities);
    const char *alpn = options->alpn != NULL ? options->alpn : "h2";
    size_t size = strlen(alpn);
    assert_that(size > 0 && size < sizeof tls->wire_alpn);
    tls->wire_alpn[0] = (unsigned char)size;
    memcpy(tls->wire_alpn + 1, alpn, size);
    tls->wire_alpn_size = (unsigned)size + 1;
    if (load(tls, err) != PD_OK) {
        tls_free(tls);
        return NULL;
    }
    return tls;
}

struct tls *tls_new_server(const struct tls_options *options, pd_error *err)
{
    return make(options, true, err);
}

struct tls *tls_new_client(const struct tls_options *options, pd_error *err)
{
    return make(options, false, err);
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_CTX_free(tls->context);
    mem_free(tls->certificate);
    mem_free(tls->key);
    mem_free(tls->authorities);
    OBJECT_FREE(tls, TLS_MAGIC);
}

pd_status tls_reload(struct tls *tls, pd_error *err)
{
    OBJECT_CHECK(tls, TLS_MAGIC);
    return load(tls, err);
}

time_us tls_begins_at(const struct tls *tls)
{
    return tls->begins_at;
}

time_us tls_expires_at(const struct tls *tls)
{
    return tls->expires_at;
}

/* ---- connections ---- */

SSL *tls_accept(struct tls *tls)
{
    OBJECT_CHECK(tls, TLS_MAGIC);
    SSL *ssl = SSL_new(tls->context);
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* What SSL_set_tlsext_host_name is, which casts a const away. */
static bool set_server_name(SSL *ssl, const char *host)
{
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1;
}

SSL *tls_connect(struct tls *tls, const char *host)
{
    OBJECT_CHECK(tls, TLS_MAGIC);
    SSL *ssl = SSL_new(tls->context);
    if (ssl == NULL) {
        return NULL;
    }
    SSL_set_connect_state(ssl);
    bool is_fine = true;
    if (is_address(host)) {
        is_fine = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    } else {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        is_fine = SSL_set1_host(ssl, host) == 1 && set_server_name(ssl, host);
    }
    if (!is_fine) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

bool tls_is_known(const SSL *ssl)
{
    return SSL_get0_peer_certificate(ssl) != NULL && SSL_get_verify_result(ssl) == X509_V_OK;
}

char *tls_subject(const SSL *ssl)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == NULL) {
        return NULL;
    }
    const X509_NAME *name = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = at >= 0 ? X509_NAME_get_entry(name, at) : NULL;
    unsigned char *utf8 = NULL;
    int size = entry != NULL ? ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry)) : -1;
    /* A name with a NUL in it would be read as another one. */
    char *subject =
        size >= 0 && memchr(utf8, 0, (size_t)size) == NULL ? copy((const char *)utf8) : NULL;
    OPENSSL_free(utf8);
    return subject;
}

bool tls_has_alpn(const SSL *ssl, const char *protocol)
{
    const unsigned char *at = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &at, &size);
    return size == strlen(protocol) && memcmp(at, protocol, size) == 0;
}
