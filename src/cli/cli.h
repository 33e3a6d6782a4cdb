/* SPDX-License-Identifier: MIT
 *
 * What the commands of `perdure` share: options, exit codes, errors, small text tools.
 *
 * A command is a row of the table in commands.c and a function that is given an invocation: its
 * options, already of the right type and within range, and its arguments, already as many as it
 * takes. It returns the exit code. It writes data through output.h and errors through problem().
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <perdure.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes: part of the promise to scripts, and tested. */
enum code {
    CODE_DONE = 0,
    CODE_OTHER = 1,
    CODE_USAGE = 2,
    CODE_NOT_FOUND = 3,
    CODE_CONFLICT = 4,
    CODE_DENIED = 5,
    CODE_UNREACHABLE = 6,
    CODE_TIMEOUT = 7,
    CODE_RUN_FAILED = 8,
    CODE_RUN_TERMINATED = 9,
    CODE_DIVERGED = 11,
    CODE_DAMAGED = 12,
    CODE_LIMIT = 13,
    CODE_VERSION = 14,
};

enum format {
    FORMAT_AUTO, /* table on a terminal, plain elsewhere */
    FORMAT_TABLE,
    FORMAT_PLAIN,
    FORMAT_JSON,
    FORMAT_JSONL,
    FORMAT_CSV,
    FORMAT_ID,
    FORMAT_NONE,
};

enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER };

/* An option that may be given many times. */
enum { WORDS_ROOM = 32 };
struct words {
    const char *at[WORDS_ROOM];
    size_t count;
};

/* All options of all commands. Which a command takes, and what they mean, says the table. Flags
 * are ints so that the parser can set them by offset. */
struct options {
    const char *hub;
    int format;         /* enum format */
    int headers, color; /* enum when */
    int quiet, help;
    pd_duration timeout; /* -1: none given */
    const char *id, *id_template, *version, *input, *input_text, *data;
    const char *name, *prefix;
    unsigned states;
    pd_time since, until;
    int64_t limit, count; /* 0: none given */
    int wait, exit_status;
    int show_input, show_output, show_failure, show_all;
    struct words tags; /* KEY=VALUE each */
    pd_time at;
    int reuse; /* pd_reuse */
    const char *parent, *reason, *new_id, *of_version;
    pd_time ended_since, ended_until;
    pd_duration older_than; /* 0: none given */
    int64_t event;          /* 0: none given */
    const char *from;       /* histories */
    int roots_only, recursive, every, dry_run, yes, once, make_id;
    int with_state, with_empty; /* of entities */
    const char *zone;           /* of schedules, from here on */
    int overlap, missed;        /* pd_overlap, pd_missed */
    pd_duration missed_max;
    pd_time begins, ends;
    int paused;
    const char *store;
    int64_t concurrent, threads, repeat, chunk, entities;
    pd_duration duration; /* 0: none given */
};

struct command;

struct invocation {
    const struct command *command;
    struct options options;
    char **arguments;
    int argument_count;
};

/* ---- commands.c, parse.c, help.c ---- */

enum option_kind {
    OPTION_FLAG,     /* int: becomes row.value */
    OPTION_TEXT,     /* const char * */
    OPTION_COUNT,    /* int64_t, 1 or more */
    OPTION_DURATION, /* pd_duration: 500ms, 30s, 5m, 2h, 7d */
    OPTION_TIME,     /* pd_time: 2026-01-31T10:00:00Z, or a duration before now; never 0 */
    OPTION_STATES,   /* unsigned: names with commas between */
    OPTION_WORDS,    /* struct words: one more each time, up to row.value (0: to their room) */
    OPTION_FUTURE,   /* pd_time: 2026-01-31T10:00:00Z, or a duration from now */
    OPTION_REUSE,    /* int: fail, skip, replace */
    OPTION_OVERLAP,  /* int: skip, buffer, allow */
    OPTION_MISSED,   /* int: last, none, all */
    OPTION_FORMAT,   /* int */
    OPTION_WHEN,     /* int */
};

struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    const char *argument; /* what help calls it; NULL for a flag */
    const char *help;
    size_t at; /* offset in struct options */
    int value;
};

struct command {
    const char *name;      /* one word, or two: "bench hello5" */
    const char *arguments; /* "ID EVENT" */
    const char *summary;
    const char *detail; /* paragraphs, wrapped; NULL: none */
    const char *examples[4];
    const struct option_row *options; /* ended by a row without name */
    int arguments_min, arguments_max; /* -1: any number */
    int (*run)(struct invocation *);
};

extern const struct command commands[]; /* ended by a row without name */
extern const struct option_row options_of_all[];

/* Fills in the invocation. Anything but CODE_DONE: a problem was printed. */
int parse_words(int argc, char **argv, struct invocation *ret);
/* The row for the first words; *ret_words is how many it took. NULL: there is none. */
const struct command *command_find(char *const *words, int count, int *ret_words);
bool command_has_word(const char *word); /* begins a command of two words */
/* The one of the names that is nearest; NULL when none is near. */
const char *nearest(const char *word, const char *const *names, size_t count);
/* A problem about a word that is no command. */
int unknown_command(char *const *words, int count);

void help_overview(FILE *to);
void help_group(FILE *to, const char *word);
void help_command(FILE *to, const struct command *command);

/* ---- problem.c ---- */

/* Errors become one JSON object on stderr. */
void problem_as_json(bool json);
/* Prints "perdure: ..." and, when there is one, the hint on a second line. Returns code. */
__attribute__((format(printf, 3, 4))) int problem(enum code code, const char *hint,
                                                  const char *format, ...);
/* A line on stderr for who looks on: none in a script, and none with --quiet. */
__attribute__((format(printf, 2, 3))) void remark(const struct options *options, const char *format,
                                                  ...);
enum code code_of_status(pd_status status);
int problem_of(const pd_error *err);
/* The same, for an error about one instance. */
int problem_of_instance(const pd_error *err, const char *id, const char *hub);

/* The hub that the options name; NULL after a problem, with its code in *ret_code. Unless it may
 * be created, a file that does not exist is not found. */
pd_hub *hub_open(const struct invocation *in, bool may_create, int *ret_code);

/* ---- text.c ---- */

/* A string that grows; at is never NULL after the first append. Starts as { 0 }. */
struct string {
    char *at;
    size_t size, room;
};
void string_add(struct string *s, const char *text, size_t size);
void string_text(struct string *s, const char *text);
__attribute__((format(printf, 2, 3))) void string_format(struct string *s, const char *format, ...);
void string_quote(struct string *s, const char *text);            /* as a JSON string; NULL: null */
void string_failure(struct string *s, const pd_failure *failure); /* as JSON; NULL: null */
void string_done(struct string *s);
#define AUTO_STRING PD_CLEANUP(string_done) struct string

struct time_text {
    char text[40];
};
struct time_text time_iso(int64_t us, bool with_micros); /* 2026-01-31T10:00:00.123Z */
struct time_text time_local(int64_t us);                 /* 2026-01-31 11:00:00 */
struct time_text time_clock(int64_t us);                 /* 11:00:00.123 */
bool duration_read(const char *text, pd_duration *ret);
bool time_read(const char *text, pd_time *ret);
bool time_read_future(const char *text, pd_time *ret); /* a duration is from now, not before it */
int64_t clock_now_ms(void);                            /* since 1970 */
int64_t clock_mono_ns(void);

/* ---- payload.c ---- */

/* The value of --input or --data: JSON, "@FILE" or "-" for stdin; absent: null. The document owns
 * it. False after a problem, with its code in *ret_code. */
bool payload_read(const char *option, const char *text, pd_document **ret_document,
                  pd_value *ret_value, int *ret_code);

/* ---- ids.c ---- */

/* The ids that a command is about: its arguments, "-" for those on stdin, one a line. */
struct ids {
    char **at;
    size_t count, room;
};
/* False after a problem. */
bool ids_read(const struct invocation *in, struct ids *ret, int *ret_code);
void ids_done(struct ids *ids);

/* What the filtering options ask for. */
pd_query query_of(const struct options *o);
/* Any of them was given. */
bool query_is_given(const struct options *o);

/* The tags of --tag as a value, which lives as long as the document; null without any. False after
 * a problem. */
bool tags_read(const struct options *o, pd_document **ret_document, pd_value *ret_value,
               int *ret_code);

/* ---- cmd_*.c ---- */

int cmd_start(struct invocation *in);
int cmd_list(struct invocation *in);
int cmd_show(struct invocation *in);
int cmd_history(struct invocation *in);
int cmd_wait(struct invocation *in);
int cmd_raise(struct invocation *in);
int cmd_count(struct invocation *in);
int cmd_tree(struct invocation *in);
int cmd_watch(struct invocation *in);
int cmd_terminate(struct invocation *in);
int cmd_suspend(struct invocation *in);
int cmd_resume(struct invocation *in);
int cmd_rewind(struct invocation *in);
int cmd_restart(struct invocation *in);
int cmd_fork(struct invocation *in);
int cmd_purge(struct invocation *in);
int cmd_export(struct invocation *in);
int cmd_import(struct invocation *in);
int cmd_replay(struct invocation *in);
int cmd_host(struct invocation *in);
/* perdure host WORDS...: argv[0] is "host". Returns after a problem only. */
int become_host(char **argv);
int cmd_entity_list(struct invocation *in);
int cmd_entity_show(struct invocation *in);
int cmd_entity_state(struct invocation *in);
int cmd_entity_call(struct invocation *in);
int cmd_entity_signal(struct invocation *in);
int cmd_entity_cancel(struct invocation *in);
int cmd_entity_delete(struct invocation *in);
int cmd_entity_clean(struct invocation *in);
int cmd_schedule_put(struct invocation *in);
int cmd_schedule_list(struct invocation *in);
int cmd_schedule_show(struct invocation *in);
int cmd_schedule_pause(struct invocation *in);
int cmd_schedule_resume(struct invocation *in);
int cmd_schedule_trigger(struct invocation *in);
int cmd_schedule_delete(struct invocation *in);
int cmd_version(struct invocation *in);
int cmd_help(struct invocation *in);
int bench_hello5(struct invocation *in);
int bench_latency(struct invocation *in);
int bench_sleepers(struct invocation *in);
int bench_fanout(struct invocation *in);
int bench_timers(struct invocation *in);
int bench_events(struct invocation *in);
int bench_replay(struct invocation *in);
int bench_entity(struct invocation *in);
int bench_lock(struct invocation *in);
int bench_help(struct invocation *in);

/* Waits for each and prints them; shared by `wait` and `start --wait`. */
int wait_for_instances(struct invocation *in, pd_hub *hub, const char *const *ids, size_t count,
                       bool exit_by_status);

#endif
