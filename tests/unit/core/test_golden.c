/* SPDX-License-Identifier: MIT
 *
 * The stories of tests/golden, one test each: told anew, they read as they did, byte for byte.
 * `test_golden --update` writes them as they read now, to be reviewed as text.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "story.h"

static bool is_update;

static void read_file(const char *path, struct buffer *ret)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    int c;
    while ((c = getc(file)) != EOF) {
        buffer_add_byte(ret, (uint8_t)c);
    }
    fclose(file);
}

static void write_file(const char *path, const struct buffer *what)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(what->at, 1, what->size, file), what->size);
    assert_int_equal(fclose(file), 0);
}

static void story_reads_as_it_did(void **state)
{
    const char *path = *state;
    struct buffer before = { 0 };
    struct buffer now = { 0 };
    read_file(path, &before);
    story_run(buffer_text(&before), &now);
    if (is_update) {
        write_file(path, &now);
    } else {
        buffer_add_byte(&before, 0);
        buffer_add_byte(&now, 0);
        assert_string_equal(now.at, before.at);
    }
    buffer_done(&before);
    buffer_done(&now);
}

int main(int argc, char **argv)
{
    is_update = argc > 1 && strcmp(argv[1], "--update") == 0;
    glob_t found = { 0 };
    if (glob(PERDURE_SOURCE_DIR "/tests/golden/core_*.txt", 0, NULL, &found) != 0) {
        fprintf(stderr, "no stories in " PERDURE_SOURCE_DIR "/tests/golden\n");
        return 1;
    }
    struct CMUnitTest *tests = calloc(found.gl_pathc, sizeof *tests);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        tests[i] = (struct CMUnitTest){ .name = strrchr(found.gl_pathv[i], '/') + 1,
                                        .test_func = story_reads_as_it_did,
                                        .initial_state = found.gl_pathv[i] };
    }
    int failed = _cmocka_run_group_tests("golden", tests, found.gl_pathc, NULL, NULL);
    free(tests);
    globfree(&found);
    return failed;
}
