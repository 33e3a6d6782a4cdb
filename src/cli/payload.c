/* SPDX-License-Identifier: MIT
 *
 * Payloads on the command line: JSON, @FILE, or - for stdin.
 */
#include <errno.h>
#include <string.h>

#include "cli.h"

static bool read_all(FILE *from, struct string *ret)
{
    char block[16384];
    size_t size;
    while ((size = fread(block, 1, sizeof block, from)) > 0) {
        string_add(ret, block, size);
    }
    return !ferror(from);
}

static bool read_file(const char *path, struct string *ret)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool ok = read_all(file, ret);
    int why = errno;
    fclose(file);
    errno = why;
    return ok;
}

bool payload_read(const char *option, const char *text, pd_document **ret_document,
                  pd_value *ret_value, int *ret_code)
{
    AUTO_STRING content = { 0 };
    string_text(&content, "");
    if (text == NULL) {
        *ret_value = PD_NULL;
        return true;
    }
    if (strcmp(text, "-") == 0 ? !read_all(stdin, &content)
                               : *text == '@' && !read_file(text + 1, &content)) {
        *ret_code =
            problem(CODE_USAGE, NULL, "--%s %s cannot be read: %s", option, text, strerror(errno));
        return false;
    }
    bool from_file = *text == '@' || strcmp(text, "-") == 0;
    if (from_file && strlen(content.at) != content.size) {
        *ret_code =
            problem(CODE_USAGE, NULL, "--%s %s is not JSON: it has a NUL in it", option, text);
        return false;
    }
    pd_error err;
    pd_document *document = pd_document_parse(from_file ? content.at : text, &err);
    if (document == NULL) {
        const char *hint = err.status == PD_E_INVALID && !from_file
                               ? "a text is written in quotes of its own: '\"TEXT\"'"
                               : NULL;
        *ret_code = problem(code_of_status(err.status), hint, "--%s is not acceptable: %s", option,
                            err.text);
        return false;
    }
    *ret_document = document;
    *ret_value = pd_document_value(document);
    return true;
}
