/* SPDX-License-Identifier: MIT
 *
 * Words to options, by the table in commands.c.
 *
 * Options may stand before the command (those of all commands) and anywhere after it. A command's
 * own option hides one of all commands of the same long name: `show --output` is the output of the
 * instance, while -o stays the format. Abbreviated words are not accepted: scripts would break when
 * a word is added. A mistyped one gets a suggestion, but is never guessed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

enum { ROWS_MAX = 64, LONG_BASE = 256 };

/* ---- suggestions ---- */

/* Edits (a letter more, less, other, or two swapped) that make b of a. */
static size_t distance(const char *a, const char *b)
{
    enum { WORD_MAX = 40 };
    size_t n = strlen(a), m = strlen(b);
    if (n >= WORD_MAX || m >= WORD_MAX) {
        return WORD_MAX;
    }
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++) {
        last[j] = j;
        before[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[m];
}

const char *nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2; /* one past what still counts as near */
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        bool begins = strlen(word) >= 3 && strncmp(word, names[i], strlen(word)) == 0;
        if (begins) {
            d = 0; /* cut short, rather than mistyped */
        }
        if (d < best_distance && d < strlen(names[i])) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

/* ---- commands ---- */

const struct command *command_find(char *const *words, int count, int *ret_words)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        const char *space = strchr(c->name, ' ');
        size_t first = space != NULL ? (size_t)(space - c->name) : strlen(c->name);
        if (count < 1 || strlen(words[0]) != first || strncmp(words[0], c->name, first) != 0) {
            continue;
        }
        if (space == NULL || (count > 1 && strcmp(words[1], space + 1) == 0)) {
            *ret_words = space == NULL ? 1 : 2;
            return c;
        }
    }
    return NULL;
}

bool command_has_word(const char *word)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        size_t size = strlen(word);
        if (strncmp(c->name, word, size) == 0 && c->name[size] == ' ') {
            return true;
        }
    }
    return false;
}

int unknown_command(char *const *words, int count)
{
    bool group = count > 0 && command_has_word(words[0]);
    if (group && count == 1) {
        char hint[80];
        snprintf(hint, sizeof hint, "see: perdure help %s", words[0]);
        return problem(CODE_USAGE, hint, "%s what?", words[0]);
    }
    char first[ROWS_MAX][24];
    const char *names[ROWS_MAX];
    size_t n = 0;
    for (const struct command *c = commands; c->name != NULL && n < ROWS_MAX; c++) {
        const char *space = strchr(c->name, ' ');
        size_t size = space != NULL ? (size_t)(space - c->name) : strlen(c->name);
        if (!group) {
            snprintf(first[n], sizeof first[n], "%.*s", (int)size, c->name);
        } else if (space != NULL && strncmp(c->name, words[0], size) == 0) {
            snprintf(first[n], sizeof first[n], "%s", space + 1);
        } else {
            continue;
        }
        names[n] = first[n];
        n++;
    }
    const char *word = words[group];
    const char *near = nearest(word, names, n);
    char hint[128];
    if (near != NULL) {
        snprintf(hint, sizeof hint, "did you mean '%s%s%s'?", group ? words[0] : "",
                 group ? " " : "", near);
    } else {
        snprintf(hint, sizeof hint, "see: perdure help%s%s", group ? " " : "",
                 group ? words[0] : "");
    }
    return problem(CODE_USAGE, hint, "there is no command '%s%s%s'", group ? words[0] : "",
                   group ? " " : "", word);
}

/* ---- values of options ---- */

static const char *const format_names[] = { "auto",  "table", "plain", "json",
                                            "jsonl", "csv",   "id",    "none" };
/* In the order of pd_reuse. */
static const char *const reuse_names[] = { "replace-ended", "fail", "replace-failed", "replace",
                                           "skip" };
/* In the order of pd_overlap and pd_missed. */
static const char *const overlap_names[] = { "skip", "buffer", "allow" };
static const char *const missed_names[] = { "last", "none", "all" };
static const char *const when_names[] = { "auto", "always", "never" };

static int find_name(const char *word, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, names[i]) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool read_states(const char *text, unsigned *ret)
{
    if (*text == 0) {
        return false; /* a script's variable that is empty does not mean "all" */
    }
    while (*text != 0) {
        size_t size = strcspn(text, ",");
        unsigned found = 0;
        for (int s = PD_RUN_PENDING; s <= PD_RUN_TERMINATED; s++) {
            const char *name = pd_run_state_name((pd_run_state)s);
            if (strlen(name) == size && strncasecmp(text, name, size) == 0) {
                found = 1u << s;
            }
        }
        if (found == 0) {
            return false;
        }
        *ret |= found;
        text += size + (text[size] == ',');
    }
    return true;
}

static bool read_count(const char *text, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != 0 || errno != 0 || number < 1 || number > 1000000000) {
        return false;
    }
    *ret = number;
    return true;
}

/* Of a filter, for which 0 is no bound: what is before 1970 is not everything. */
static bool read_bound(const char *text, pd_time *ret)
{
    bool is_read = time_read(text, ret);
    ret->ms -= is_read && ret->ms == 0;
    return is_read;
}

static bool set_option(const struct option_row *row, const char *text, struct options *options)
{
    void *at = (char *)options + row->at;
    int found = 0;
    switch (row->kind) {
    case OPTION_FLAG: *(int *)at = row->value; return true;
    case OPTION_TEXT: *(const char **)at = text; return true;
    case OPTION_COUNT: return read_count(text, at);
    case OPTION_DURATION: return duration_read(text, at);
    case OPTION_TIME: return read_bound(text, at);
    case OPTION_STATES: return read_states(text, at);
    case OPTION_FUTURE: return time_read_future(text, at);
    case OPTION_WORDS: {
        struct words *words = at;
        if (words->count == (row->value != 0 ? (size_t)row->value : WORDS_ROOM)) {
            return false;
        }
        words->at[words->count++] = text;
        return true;
    }
    case OPTION_REUSE:
        found = find_name(text, reuse_names, sizeof reuse_names / sizeof reuse_names[0]);
        *(int *)at = found;
        return found >= 0;
    case OPTION_OVERLAP:
        found = find_name(text, overlap_names, sizeof overlap_names / sizeof overlap_names[0]);
        *(int *)at = found;
        return found >= 0;
    case OPTION_MISSED:
        found = find_name(text, missed_names, sizeof missed_names / sizeof missed_names[0]);
        *(int *)at = found;
        return found >= 0;
    case OPTION_FORMAT:
        found = find_name(text, format_names, sizeof format_names / sizeof format_names[0]);
        *(int *)at = found;
        return found > 0;
    case OPTION_WHEN:
        found = find_name(text, when_names, sizeof when_names / sizeof when_names[0]);
        *(int *)at = found;
        return found >= 0;
    }
    return false;
}

/* ---- getopt by the table ---- */

struct reader {
    const struct option_row *rows[ROWS_MAX];
    struct option longs[ROWS_MAX + 1];
    char shorts[2 * ROWS_MAX + 3];
    size_t count;
};

static void reader_add(struct reader *r, const struct option_row *rows)
{
    size_t before = r->count;
    for (const struct option_row *row = rows; row->name != NULL && r->count < ROWS_MAX; row++) {
        bool hidden = false;
        for (size_t i = 0; i < before; i++) {
            hidden = hidden || strcmp(r->rows[i]->name, row->name) == 0;
        }
        size_t i = r->count++;
        r->rows[i] = row;
        r->longs[i] = (struct option){ hidden ? "" : row->name,
                                       row->argument != NULL ? required_argument : no_argument,
                                       NULL, LONG_BASE + (int)i };
        if (row->letter != 0) {
            size_t at = strlen(r->shorts);
            r->shorts[at++] = row->letter;
            r->shorts[at] = row->argument != NULL ? ':' : 0;
        }
    }
}

static const struct option_row *reader_row(const struct reader *r, int got)
{
    for (size_t i = 0; i < r->count; i++) {
        if (got == LONG_BASE + (int)i || (got < LONG_BASE && r->rows[i]->letter == got)) {
            return r->rows[i];
        }
    }
    return NULL;
}

/* getopt itself accepts --lim for --limit. */
static bool is_abbreviated(const char *word, const struct option_row *row)
{
    if (strncmp(word, "--", 2) != 0) {
        return false;
    }
    size_t size = strcspn(word + 2, "=");
    return size != strlen(row->name) || strncmp(word + 2, row->name, size) != 0;
}

static int unknown_option(const struct reader *r, const char *word)
{
    const char *names[ROWS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (r->longs[i].name[0] != 0) {
            names[n++] = r->longs[i].name;
        }
    }
    char bare[64], hint[128];
    snprintf(bare, sizeof bare, "%s", word + strspn(word, "-"));
    bare[strcspn(bare, "=")] = 0;
    const char *near = strncmp(word, "--", 2) == 0 ? nearest(bare, names, n) : NULL;
    if (near != NULL) {
        snprintf(hint, sizeof hint, "did you mean '--%s'?", near);
    }
    int size = (int)strcspn(word, "=");
    return problem(CODE_USAGE, near != NULL ? hint : "-h shows the options",
                   "there is no option '%.*s' here", size, word);
}

/* Reads options from the word at optind on; stops as getopt does. */
static int read_options(const struct reader *r, int argc, char **argv, struct options *options)
{
    opterr = 0;
    for (;;) {
        int got = getopt_long(argc, argv, r->shorts, r->longs, NULL);
        if (got == -1) {
            return CODE_DONE;
        }
        /* The word just read: options that take the next word have moved optind by two. */
        const char *word = argv[optind - 1];
        if (optarg == word && optind >= 2) {
            word = argv[optind - 2];
        }
        if (got == '?' || got == ':') {
            char letter[3] = { '-', (char)optopt, 0 };
            bool is_letter = optopt > 0 && optopt < LONG_BASE;
            const struct option_row *row = optopt != 0 ? reader_row(r, optopt) : NULL;
            if (row != NULL && !(got == '?' && row->argument == NULL)) {
                return problem(CODE_USAGE, NULL, "--%s needs a value: %s", row->name,
                               row->argument);
            }
            if (row != NULL) {
                return problem(CODE_USAGE, NULL, "--%s takes no value", row->name);
            }
            return unknown_option(r, is_letter ? letter : argv[optind - 1]);
        }
        const struct option_row *row = reader_row(r, got);
        if (got >= LONG_BASE && is_abbreviated(word, row)) {
            return unknown_option(r, word);
        }
        if (!set_option(row, optarg, options)) {
            return problem(CODE_USAGE, row->help, "--%s: '%s' is not acceptable", row->name,
                           optarg);
        }
    }
}

/* Errors may be found before -o is read, and have to be in its form already. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char *value = NULL;
        if (strcmp(word, "--") == 0) {
            break;
        }
        if (strcmp(word, "-o") == 0 || strcmp(word, "--output") == 0) {
            value = i + 1 < argc ? argv[i + 1] : NULL;
        } else if (strncmp(word, "-o", 2) == 0) {
            value = word + 2;
        } else if (strncmp(word, "--output=", 9) == 0) {
            value = word + 9;
        }
        if (value != NULL && (strcmp(value, "json") == 0 || strcmp(value, "jsonl") == 0)) {
            return true;
        }
    }
    return false;
}

static int check_arguments(const struct invocation *in)
{
    const struct command *c = in->command;
    char hint[160];
    snprintf(hint, sizeof hint, "usage: perdure %s%s%s   (perdure help %s)", c->name,
             *c->arguments != 0 ? " " : "", c->arguments, c->name);
    if (in->argument_count < c->arguments_min) {
        return problem(CODE_USAGE, hint, "'%s' needs %s", c->name, c->arguments);
    }
    if (c->arguments_max >= 0 && in->argument_count > c->arguments_max) {
        const char *word = in->arguments[c->arguments_max];
        bool format = find_name(word, format_names, 8) > 0 && in->options.show_output;
        return problem(CODE_USAGE, format ? "the format is written -o FORMAT here" : hint,
                       "'%s' does not take '%s'", c->name, word);
    }
    return CODE_DONE;
}

int parse_words(int argc, char **argv, struct invocation *ret)
{
    const char *hub = getenv("PERDURE_HUB");
    *ret = (struct invocation){ 0 };
    ret->options.hub = hub != NULL && *hub != 0 ? hub : "sqlite:perdure.db";
    ret->options.timeout.ms = -1;
    problem_as_json(wants_json(argc, argv));

    static const struct option_row before[] = {
        { "version", 'V', OPTION_FLAG, NULL, "", offsetof(struct options, show_all), -1 },
        { NULL, 0, OPTION_FLAG, NULL, NULL, 0, 0 },
    };
    struct reader first = { .shorts = "+:" };
    reader_add(&first, before);
    reader_add(&first, options_of_all);
    optind = 0;
    int code = read_options(&first, argc, argv, &ret->options);
    if (code != CODE_DONE) {
        return code;
    }
    char **words = argv + optind;
    int count = argc - optind, taken = 0;
    bool only_version = ret->options.show_all == -1;
    if (count == 0 && !only_version) {
        return CODE_DONE; /* no command: main prints the overview */
    }
    char *version_word[] = { (char[]){ "version" }, NULL };
    ret->command =
        only_version ? command_find(version_word, 1, &taken) : command_find(words, count, &taken);
    ret->options.show_all = 0;
    if (only_version) {
        return CODE_DONE;
    }
    if (ret->command == NULL) {
        bool help_of_group = count > 1 && command_has_word(words[0]) &&
                             (strcmp(words[1], "-h") == 0 || strcmp(words[1], "--help") == 0);
        if (!help_of_group) {
            return unknown_command(words, count);
        }
        ret->arguments = words;
        ret->argument_count = 1;
        ret->options.help = 1;
        return CODE_DONE;
    }

    struct reader rest = { .shorts = ":" };
    reader_add(&rest, ret->command->options);
    reader_add(&rest, options_of_all);
    int at = optind + taken - 1; /* getopt skips one word, as if it were the program's name */
    argv += at;
    argc -= at;
    optind = 0;
    code = read_options(&rest, argc, argv, &ret->options);
    ret->arguments = argv + optind;
    ret->argument_count = argc - optind;
    if (code != CODE_DONE || ret->options.help) {
        return code;
    }
    return check_arguments(ret);
}
