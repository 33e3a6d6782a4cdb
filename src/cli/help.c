/* SPDX-License-Identifier: MIT
 *
 * Help: the table of commands as text. Nothing about a command is written here.
 */
#include <string.h>

#include "cli.h"

enum { HELP_AT = 26 };

/* Where summaries begin, so that they stand below each other. */
static int summaries_at(void)
{
    int at = HELP_AT;
    for (const struct command *c = commands; c->name != NULL; c++) {
        int needed = 2 + (int)(strlen(c->name) + 1 + strlen(c->arguments)) + 2;
        at = needed > at ? needed : at;
    }
    return at;
}

void help_overview(FILE *to)
{
    fputs("perdure: durable orchestrations, from the shell\n\n"
          "usage: perdure [OPTIONS] COMMAND ...\n\n",
          to);
    int at = summaries_at();
    for (const struct command *c = commands; c->name != NULL; c++) {
        int used = fprintf(to, "  %s %s", c->name, c->arguments);
        fprintf(to, "%*s%s\n", at - used, "", c->summary);
    }
    fputs("\nexamples:\n"
          "  perdure --hub sqlite:orders.db list --status running\n"
          "  perdure start HelloCities --wait\n"
          "  perdure help start\n",
          to);
}

static bool says_the_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Neighbours whose details are the same have it once, below the last of them. */
void help_group(FILE *to, const char *word)
{
    size_t size = strlen(word);
    fprintf(to, "usage: perdure %s ...\n\n", word);
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strncmp(c->name, word, size) == 0 && c->name[size] == ' ') {
            fprintf(to, "  %-*s%s\n", HELP_AT - 2, c->name, c->summary);
            if (c->detail != NULL && !says_the_same(c->detail, c[1].detail)) {
                fprintf(to, "\n%s\n\n", c->detail);
            }
        }
    }
    fprintf(to, "Options of each: perdure help %s NAME\n\nexamples:\n", word);
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strncmp(c->name, word, size) == 0 && c->name[size] == ' ') {
            fprintf(to, "  %s\n", c->examples[0]);
        }
    }
}

static void print_rows(FILE *to, const struct option_row *rows, const struct option_row *hiding)
{
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        bool hidden = false;
        for (const struct option_row *h = hiding; h != NULL && h->name != NULL; h++) {
            hidden = hidden || strcmp(h->name, row->name) == 0;
        }
        char text[64] = "", letter[8] = "    ";
        if (row->letter != 0) {
            snprintf(letter, sizeof letter, hidden ? "-%c" : "-%c, ", row->letter);
        }
        snprintf(text, sizeof text, "%s%s%s%s%s", letter, hidden ? "" : "--",
                 hidden ? "" : row->name, row->argument != NULL ? " " : "",
                 row->argument != NULL ? row->argument : "");
        fprintf(to, "  %-*s %s\n", HELP_AT - 3, text, row->help);
    }
}

void help_command(FILE *to, const struct command *c)
{
    bool has_options = c->options[0].name != NULL;
    fprintf(to, "perdure %s: %s\n\nusage: perdure %s%s%s%s\n", c->name, c->summary, c->name,
            has_options ? " [OPTIONS]" : "", *c->arguments != 0 ? " " : "", c->arguments);
    if (c->detail != NULL) {
        fprintf(to, "\n%s\n", c->detail);
    }
    fputs("\nexamples:\n", to);
    for (size_t i = 0; i < sizeof c->examples / sizeof c->examples[0]; i++) {
        if (c->examples[i] != NULL) {
            fprintf(to, "  %s\n", c->examples[i]);
        }
    }
    if (has_options) {
        fputs("\noptions:\n", to);
        print_rows(to, c->options, NULL);
    }
    fputs("\noptions of all commands:\n", to);
    print_rows(to, options_of_all, c->options);
}

int cmd_help(struct invocation *in)
{
    if (in->argument_count == 0) {
        help_overview(stdout);
        return CODE_DONE;
    }
    int taken = 0;
    const struct command *c = command_find(in->arguments, in->argument_count, &taken);
    if (c != NULL && taken == in->argument_count) {
        help_command(stdout, c);
        return CODE_DONE;
    }
    if (in->argument_count == 1 && command_has_word(in->arguments[0])) {
        help_group(stdout, in->arguments[0]);
        return CODE_DONE;
    }
    return unknown_command(in->arguments, in->argument_count);
}

int bench_help(struct invocation *in)
{
    (void)in;
    help_group(stdout, "bench");
    return CODE_DONE;
}
