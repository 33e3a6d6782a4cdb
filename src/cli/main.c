/* SPDX-License-Identifier: MIT
 *
 * perdure: the command. See README.md of this folder, and commands.c for what it understands.
 */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "cli.h"
#include "output.h"

/* Character widths need a UTF-8 locale; numbers stay as in C. */
static void set_locale(void)
{
    if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
        if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
            setlocale(LC_CTYPE, "C");
        }
    }
}

int cmd_version(struct invocation *in)
{
    static const struct column columns[] = { { "version", "", COLUMN_PLAIN },
                                             { "header", NULL, 0 } };
    char header[32];
    snprintf(header, sizeof header, "%d.%d.%d", PD_VERSION_MAJOR, PD_VERSION_MINOR,
             PD_VERSION_PATCH);
    if (in->options.format == FORMAT_AUTO) {
        printf("perdure %s\n", pd_version());
        return CODE_DONE;
    }
    struct output *out = output_begin(&in->options, OUTPUT_ONE, columns, 2);
    output_row(out, (struct cell[]){ cell_text(pd_version()), cell_text(header) });
    return output_end(out, CODE_DONE);
}

static int run(int argc, char **argv)
{
    struct invocation in;
    int code = parse_words(argc, argv, &in);
    if (code != CODE_DONE) {
        return code;
    }
    if (in.command == NULL && in.argument_count == 1) {
        help_group(stdout, in.arguments[0]);
        return CODE_DONE;
    }
    if (in.command == NULL) {
        help_overview(in.options.help ? stdout : stderr);
        return in.options.help ? CODE_DONE : CODE_USAGE;
    }
    if (in.options.help) {
        help_command(stdout, in.command);
        return CODE_DONE;
    }
    return in.command->run(&in);
}

int main(int argc, char **argv)
{
    set_locale();
    /* A reader that went away is found by writing to it, and is no failure. */
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "host") == 0) {
        return become_host(argv + 1); /* its options are its own */
    }
    return output_finish(run(argc, argv));
}
