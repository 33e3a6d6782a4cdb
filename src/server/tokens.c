/* SPDX-License-Identifier: MIT
 *
 * The file of tokens, and looking one up: see tokens.h. */
#include "server/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/memory.h"

enum { TOKEN_BYTES_MIN = 16, TOKEN_BYTES_MAX = 512, LINE_BYTES_MAX = 4096 };

struct grant {
    struct grant *next;
    struct text token;   /* or absent: */
    struct text subject; /* of a certificate */
    unsigned scopes;
    bool all_hubs;
    struct text hubs; /* with commas between */
};

struct tokens {
    struct grant *first;
    bool has_subjects;
    struct arena arena;
};

static bool read_scopes(char *at, unsigned *ret)
{
    *ret = 0;
    for (char *save = NULL, *word = strtok_r(at, ",", &save); word != NULL;
         word = strtok_r(NULL, ",", &save)) {
        unsigned scope = strcmp(word, "read") == 0      ? SCOPE_READ
                         : strcmp(word, "work") == 0    ? SCOPE_WORK
                         : strcmp(word, "operate") == 0 ? SCOPE_OPERATE
                                                        : 0;
        if (scope == 0) {
            return false;
        }
        *ret |= scope;
    }
    return *ret != 0;
}

const char *scopes_name(unsigned scopes)
{
    static const char *const names[] = {
        "nothing",
        "read",
        "work",
        "read or work",
        "operate",
        "read or operate",
        "work or operate",
        "read, work or operate",
    };
    return names[scopes & SCOPE_ANY];
}

static const char *read_line(struct tokens *tokens, char *line)
{
    static const char blanks[] = " \t\r\n";
    char *save = NULL;
    const char *name = strtok_r(line, blanks, &save);
    char *scopes = strtok_r(NULL, blanks, &save);
    const char *hubs = strtok_r(NULL, blanks, &save);
    if (name == NULL || name[0] == '#') {
        return NULL;
    }
    if (hubs == NULL || strtok_r(NULL, blanks, &save) != NULL) {
        return "write 'TOKEN scope[,scope] hub[,hub]'";
    }
    struct grant *grant = arena_alloc(&tokens->arena, sizeof *grant);
    bool is_subject = strncmp(name, "subject:", 8) == 0;
    if (!read_scopes(scopes, &grant->scopes)) {
        return "the scopes are read, work and operate";
    }
    if (is_subject && name[8] == '\0') {
        return "a subject has a name";
    }
    if (is_subject) {
        grant->subject = text_copy(&tokens->arena, text_of(name + 8));
        tokens->has_subjects = true;
    } else if (strlen(name) < TOKEN_BYTES_MIN || strlen(name) > TOKEN_BYTES_MAX) {
        return "a token has 16 to 512 characters";
    } else {
        grant->token = text_copy(&tokens->arena, text_of(name));
    }
    grant->hubs = text_copy(&tokens->arena, text_of(hubs));
    grant->all_hubs = strcmp(hubs, "*") == 0;
    grant->next = tokens->first;
    tokens->first = grant;
    return NULL;
}

struct tokens *tokens_load(const char *file, pd_error *err)
{
    char line[LINE_BYTES_MAX];
    unsigned number = 0;
    const char *wrong = NULL;
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        (void)error_set(err, PD_E_INVALID, false, "tokens", "%s: %s", file, strerror(errno));
        return NULL;
    }
    struct tokens *tokens = mem_alloc(sizeof *tokens);
    arena_init(&tokens->arena);
    while (wrong == NULL && fgets(line, sizeof line, stream) != NULL) {
        number++;
        wrong = strlen(line) == sizeof line - 1 ? "the line is too long" : read_line(tokens, line);
    }
    int code = ferror(stream) != 0 ? errno : 0; /* a folder can be opened */
    (void)fclose(stream);
    explicit_bzero(line, sizeof line);
    if (wrong == NULL && code == 0 && tokens->first != NULL) {
        return tokens;
    }
    if (wrong != NULL) {
        (void)error_set(err, PD_E_INVALID, false, "tokens", "%s:%u: %s", file, number, wrong);
    } else {
        (void)error_set(err, PD_E_INVALID, false, "tokens", "%s: %s", file,
                        code != 0 ? strerror(code) : "there is no token in it");
    }
    tokens_free(tokens);
    return NULL;
}

void tokens_free(struct tokens *tokens)
{
    if (tokens != NULL) {
        arena_done(&tokens->arena);
        mem_free(tokens);
    }
}

bool tokens_have_subjects(const struct tokens *tokens)
{
    return tokens->has_subjects;
}

/* T1. The time depends on the longest that a token may be, and on nothing else. */
static bool is_same(struct text a, struct text b)
{
    unsigned different = (unsigned)(a.size != b.size);
    for (size_t i = 0; i < TOKEN_BYTES_MAX; i++) {
        unsigned char x = a.size != 0 ? (unsigned char)a.at[i % a.size] : 0;
        unsigned char y = b.size != 0 ? (unsigned char)b.at[i % b.size] : 1;
        different |= (unsigned)(x ^ y);
    }
    return different == 0;
}

static bool has_hub(const struct grant *grant, struct text hub)
{
    const char *at = grant->hubs.at;
    if (grant->all_hubs || !text_is_present(hub)) {
        return true;
    }
    for (;;) {
        size_t size = strcspn(at, ",");
        if (text_equal(text_make(at, size), hub)) {
            return true;
        }
        if (at[size] == '\0') {
            return false;
        }
        at += size + 1;
    }
}

static struct text bearer(struct text authorization)
{
    if (authorization.size > 7 && strncasecmp(authorization.at, "Bearer ", 7) == 0 &&
        authorization.size - 7 <= TOKEN_BYTES_MAX) {
        return text_make(authorization.at + 7, authorization.size - 7);
    }
    return TEXT_ABSENT;
}

enum token_answer tokens_check(const struct tokens *tokens, struct text authorization,
                               const char *subject, struct text hub, unsigned scopes)
{
    return tokens_check_key(tokens, bearer(authorization), subject, hub, scopes);
}

enum token_answer tokens_check_key(const struct tokens *tokens, struct text token,
                                   const char *subject, struct text hub, unsigned scopes)
{
    bool is_known = false;
    bool is_good = false;
    for (const struct grant *grant = tokens->first; grant != NULL; grant = grant->next) {
        bool fits = text_is_present(grant->token)
                        ? is_same(grant->token, token)
                        : subject != NULL && text_equal(grant->subject, text_of(subject));
        is_known |= fits;
        is_good |= fits && (grant->scopes & scopes) != 0 && has_hub(grant, hub);
    }
    return is_good ? TOKEN_GOOD : is_known ? TOKEN_DENIED : TOKEN_UNKNOWN;
}
