/* SPDX-License-Identifier: MIT
 *
 * See certificates.h. */
#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DAY_SECONDS = 86400 };

struct identity {
    const char *name;    /* of its files */
    const char *subject; /* NULL: none */
    const char *issuer;  /* NULL: itself */
    long begins, ends;   /* days from now */
};

static const struct identity identities[] = {
    { "ca", "Tests", NULL, -1, 2 },       { "other", "Others", NULL, -1, 2 },
    { "server", "server", "ca", -1, 2 },  { "alice", "alice", "ca", -1, 2 },
    { "bob", "bob", "ca", -1, 2 },        { "nameless", NULL, "ca", -1, 2 },
    { "expired", "alice", "ca", -3, -1 }, { "stranger", "alice", "other", -1, 2 },
};
enum { IDENTITIES = sizeof identities / sizeof identities[0] };

static char folder[] = "/tmp/perdure-certificates-XXXXXX";
static char files[IDENTITIES][2][64];
static EVP_PKEY *keys[IDENTITIES];
static X509 *certificates[IDENTITIES];
static long serial;
static bool is_made;

static size_t index_of(const char *name)
{
    size_t size = strcspn(name, ".");
    for (size_t i = 0; i < IDENTITIES; i++) {
        if (strlen(identities[i].name) == size && strncmp(identities[i].name, name, size) == 0) {
            return i;
        }
    }
    fail_msg("there is no certificate %s", name);
    return 0;
}

static void extend(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void write_files(size_t index)
{
    FILE *file = fopen(files[index][0], "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificates[index]), 1);
    assert_int_equal(fclose(file), 0);
    file = fopen(files[index][1], "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, keys[index], NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static void make(size_t index)
{
    const struct identity *identity = &identities[index];
    size_t issuer = identity->issuer != NULL ? index_of(identity->issuer) : index;
    X509_free(certificates[index]);
    EVP_PKEY_free(keys[index]);
    X509 *certificate = certificates[index] = X509_new();
    keys[index] = EVP_EC_gen("P-256");
    assert_true(certificate != NULL && keys[index] != NULL);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), identity->begins * DAY_SECONDS);
    X509_gmtime_adj(X509_getm_notAfter(certificate), identity->ends * DAY_SECONDS);
    X509_set_pubkey(certificate, keys[index]);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Perdure", -1, -1,
                               0);
    if (identity->subject != NULL) {
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const unsigned char *)identity->subject, -1, -1, 0);
    }
    X509_set_issuer_name(certificate, X509_get_subject_name(certificates[issuer]));
    if (issuer == index) {
        extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
    } else {
        extend(certificate, certificates[issuer], NID_subject_alt_name,
               "DNS:localhost,IP:127.0.0.1");
    }
    assert_true(X509_sign(certificate, keys[issuer], EVP_sha256()) > 0);
    write_files(index);
}

static void remove_all(void)
{
    for (size_t i = 0; i < IDENTITIES; i++) {
        (void)unlink(files[i][0]);
        (void)unlink(files[i][1]);
        X509_free(certificates[i]);
        EVP_PKEY_free(keys[i]);
    }
    (void)rmdir(folder);
}

static void make_all(void)
{
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < IDENTITIES; i++) {
        (void)snprintf(files[i][0], sizeof files[i][0], "%s/%s.pem", folder, identities[i].name);
        (void)snprintf(files[i][1], sizeof files[i][1], "%s/%s.key", folder, identities[i].name);
        make(i);
    }
    is_made = true;
    assert_int_equal(atexit(remove_all), 0);
}

const char *certificate_file(const char *name)
{
    if (!is_made) {
        make_all();
    }
    return files[index_of(name)][strstr(name, ".key") != NULL];
}

void certificate_renew(void)
{
    make(index_of("server"));
}
