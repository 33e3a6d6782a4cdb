/* SPDX-License-Identifier: MIT
 *
 * Rows in every format but the table, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "output.h"

static const struct column columns[] = { { "id", "ID", COLUMN_ID },
                                         { "count", NULL, 0 },
                                         { "value", "VALUE", 0 } };

static const struct cell rows[2][3] = {
    { { .kind = CELL_TEXT, .text = "a\tb" },
      { .kind = CELL_INT, .number = 7 },
      { .kind = CELL_JSON, .text = "{\"k\":\"x, y\"}" } },
    { { .kind = CELL_TEXT, .text = "c" }, { .kind = CELL_NONE }, { .kind = CELL_NONE } },
};

/* What goes to stdout while the rows are written. */
static void expect(enum format format, enum output_shape shape, size_t count, enum when headers,
                   const char *wanted)
{
    char got[1024];
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    struct options options = { .format = (int)format, .headers = (int)headers };
    struct output *out = output_begin(&options, shape, columns, 3);
    for (size_t i = 0; i < count; i++) {
        output_row(out, rows[i]);
    }
    int code = output_end(out, 5);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    got[fread(got, 1, sizeof got - 1, file)] = 0;
    fclose(file);
    assert_int_equal(code, 5);
    assert_string_equal(got, wanted);
}

static void json_of_many_is_an_array_also_when_empty(void **state)
{
    (void)state;
    expect(FORMAT_JSON, OUTPUT_MANY, 0, WHEN_AUTO, "[]\n");
    expect(FORMAT_JSON, OUTPUT_MANY, 2, WHEN_AUTO,
           "[\n  {\"id\":\"a\\tb\",\"count\":7,\"value\":{\"k\":\"x, y\"}},\n"
           "  {\"id\":\"c\",\"count\":null,\"value\":null}\n]\n");
}

static void json_of_one_is_an_object(void **state)
{
    (void)state;
    expect(FORMAT_JSON, OUTPUT_ONE, 1, WHEN_AUTO,
           "{\"id\":\"a\\tb\",\"count\":7,\"value\":{\"k\":\"x, y\"}}\n");
}

static void json_lines_have_an_object_each(void **state)
{
    (void)state;
    expect(FORMAT_JSONL, OUTPUT_MANY, 2, WHEN_AUTO,
           "{\"id\":\"a\\tb\",\"count\":7,\"value\":{\"k\":\"x, y\"}}\n"
           "{\"id\":\"c\",\"count\":null,\"value\":null}\n");
}

static void csv_has_names_crlf_and_doubled_quotes(void **state)
{
    (void)state;
    expect(FORMAT_CSV, OUTPUT_MANY, 2, WHEN_AUTO,
           "id,count,value\r\na\tb,7,\"{\"\"k\"\":\"\"x, y\"\"}\"\r\nc,,\r\n");
    expect(FORMAT_CSV, OUTPUT_MANY, 1, WHEN_NEVER, "a\tb,7,\"{\"\"k\"\":\"\"x, y\"\"}\"\r\n");
}

static void plain_shows_what_a_table_does_and_keeps_its_tabs_apart(void **state)
{
    (void)state;
    expect(FORMAT_PLAIN, OUTPUT_MANY, 2, WHEN_AUTO, "a\\tb\t{\"k\":\"x, y\"}\nc\t\n");
    expect(FORMAT_PLAIN, OUTPUT_MANY, 1, WHEN_ALWAYS, "id\tvalue\na\\tb\t{\"k\":\"x, y\"}\n");
    expect(FORMAT_PLAIN, OUTPUT_ONE, 1, WHEN_AUTO, "id\ta\\tb\nvalue\t{\"k\":\"x, y\"}\n");
}

static void id_prints_ids_and_none_nothing(void **state)
{
    (void)state;
    expect(FORMAT_ID, OUTPUT_MANY, 2, WHEN_AUTO, "a\\tb\nc\n");
    expect(FORMAT_NONE, OUTPUT_MANY, 2, WHEN_AUTO, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_of_many_is_an_array_also_when_empty),
        cmocka_unit_test(json_of_one_is_an_object),
        cmocka_unit_test(json_lines_have_an_object_each),
        cmocka_unit_test(csv_has_names_crlf_and_doubled_quotes),
        cmocka_unit_test(plain_shows_what_a_table_does_and_keeps_its_tabs_apart),
        cmocka_unit_test(id_prints_ids_and_none_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
