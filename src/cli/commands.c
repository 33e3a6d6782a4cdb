/* SPDX-License-Identifier: MIT
 *
 * The table of commands: the only definition of what `perdure` understands. parse.c reads words by
 * it, help.c prints it, suggestions for mistyped words come from it, and tests run through it.
 */
#include "cli.h"

#define AT(field) offsetof(struct options, field)
#define NO_MORE                                \
    {                                          \
        NULL, 0, OPTION_FLAG, NULL, NULL, 0, 0 \
    }

const struct option_row options_of_all[] = {
    { "hub", 'H', OPTION_TEXT, "URL",
      "the task hub: sqlite:FILE (PERDURE_HUB, or sqlite:perdure.db)", AT(hub), 0 },
    { "output", 'o', OPTION_FORMAT, "FORMAT", "table, plain, json, jsonl, csv, id or none",
      AT(format), 0 },
    { "headers", 0, OPTION_FLAG, NULL, "a first line of names, in plain too", AT(headers),
      WHEN_ALWAYS },
    { "no-headers", 0, OPTION_FLAG, NULL, "no first line of names", AT(headers), WHEN_NEVER },
    { "color", 0, OPTION_WHEN, "WHEN", "auto, always or never (NO_COLOR is honoured)", AT(color),
      0 },
    { "quiet", 'q', OPTION_FLAG, NULL, "no remarks on stderr, errors only", AT(quiet), 1 },
    { "help", 'h', OPTION_FLAG, NULL, "this text", AT(help), 1 },
    NO_MORE,
};

static const struct option_row none[] = { NO_MORE };

static const struct option_row start_options[] = {
    { "id", 0, OPTION_TEXT, "ID", "the instance id; one is made unless given", AT(id), 0 },
    { "input", 'i', OPTION_TEXT, "JSON", "the input: JSON, @FILE, or - for stdin", AT(input), 0 },
    { "input-text", 0, OPTION_TEXT, "TEXT", "the input as a plain text", AT(input_text), 0 },
    { "version", 0, OPTION_TEXT, "V", "recorded with the instance", AT(version), 0 },
    { "wait", 'w', OPTION_FLAG, NULL, "wait for its end; the exit code tells how it ended",
      AT(wait), 1 },
    { "timeout", 0, OPTION_DURATION, "TIME", "with --wait: no longer than 500ms, 30s, 5m, 2h",
      AT(timeout), 0 },
    { "count", 0, OPTION_COUNT, "N", "start N of them", AT(count), 0 },
    { "id-template", 0, OPTION_TEXT, "TEXT", "with --count: their ids, {n} becomes 1 to N",
      AT(id_template), 0 },
    NO_MORE,
};

static const struct option_row list_options[] = {
    { "status", 's', OPTION_STATES, "S,...",
      "pending, running, suspended, completed, failed or terminated", AT(states), 0 },
    { "name", 'n', OPTION_TEXT, "NAME", "only of this orchestrator", AT(name), 0 },
    { "prefix", 0, OPTION_TEXT, "TEXT", "only ids that begin so", AT(prefix), 0 },
    { "since", 0, OPTION_TIME, "TIME", "created then or later: 2026-01-31T10:00:00Z, or 2h ago",
      AT(since), 0 },
    { "until", 0, OPTION_TIME, "TIME", "created then or earlier", AT(until), 0 },
    { "limit", 'l', OPTION_COUNT, "N", "at most N (50 on a terminal, else all)", AT(limit), 0 },
    NO_MORE,
};

static const struct option_row show_options[] = {
    { "input", 0, OPTION_FLAG, NULL, "the bare input", AT(show_input), 1 },
    { "output", 0, OPTION_FLAG, NULL, "the bare output; the format is -o here", AT(show_output),
      1 },
    { "failure", 0, OPTION_FLAG, NULL, "the bare failure", AT(show_failure), 1 },
    { "all", 'a', OPTION_FLAG, NULL, "uncut, with input, output and failure", AT(show_all), 1 },
    NO_MORE,
};

static const struct option_row wait_options[] = {
    { "timeout", 't', OPTION_DURATION, "TIME", "no longer than this for all: 500ms, 30s, 5m, 2h",
      AT(timeout), 0 },
    { "exit-status", 0, OPTION_FLAG, NULL, "8 when one failed, 9 when one was terminated",
      AT(exit_status), 1 },
    NO_MORE,
};

static const struct option_row raise_options[] = {
    { "data", 'd', OPTION_TEXT, "JSON", "what comes with it: JSON, @FILE, or - for stdin", AT(data),
      0 },
    NO_MORE,
};

#define BENCH_STORE                                                                          \
    {                                                                                        \
        "store", 0, OPTION_TEXT, "FILE", "a new store here, and kept; else a temporary one", \
            AT(store), 0                                                                     \
    }
#define BENCH_REPEAT                                                                       \
    {                                                                                      \
        "repeat", 0, OPTION_COUNT, "N", "N runs in a row; prints the last over the first", \
            AT(repeat), 0                                                                  \
    }
#define BENCH_THREADS                                                                              \
    {                                                                                              \
        "threads", 0, OPTION_COUNT, "N", "that run activities (one per processor)", AT(threads), 0 \
    }

static const struct option_row hello5_options[] = {
    { "count", 0, OPTION_COUNT, "N", "orchestrations; else as many as --duration allows", AT(count),
      0 },
    { "duration", 0, OPTION_DURATION, "TIME", "of the engine, without the raw run (10s)",
      AT(duration), 0 },
    { "concurrent", 0, OPTION_COUNT, "N", "orchestrations in flight (5000)", AT(concurrent), 0 },
    { "chunk", 0, OPTION_COUNT, "N", "started by one call (250)", AT(chunk), 0 },
    BENCH_THREADS,
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

static const struct option_row latency_options[] = {
    { "count", 0, OPTION_COUNT, "N", "chains, one after the other (300)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

static const struct option_row sleepers_options[] = {
    { "count", 0, OPTION_COUNT, "N", "instances that sleep (100000)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

#define START                                                                                     \
    "Starts an instance of the orchestrator NAME, which need not be known here: any process that" \
    "\nruns a worker on this hub will run it, now or later. When the command ends with 0, the\n"  \
    "start is on stable storage. Prints the id. Makes the hub when there is none."
#define LIST                                                                                   \
    "What was started and not yet taken by an engine comes last, as Pending: it waits for a\n" \
    "process that runs a worker on this hub."
#define HISTORY                                                                                \
    "Prints every event of the instance's present execution, oldest first. Columns: number,\n" \
    "time, event type, id of the step, name, input, result, status (of a timer: when it is\n"  \
    "due); json, jsonl and csv also have the instance, the step that an event answers, the\n"  \
    "failure, and when a timer is due."
#define HELLO5                                                                                    \
    "Keeps 5,000 orchestrations in flight, each calling five activities one after the other,\n"   \
    "on a real file, every step durable. In the same run, in turns, it inserts the same stored\n" \
    "events into SQLite by itself (one row each, 500 to a commit, WAL, synchronous=FULL), and\n"  \
    "prints both rates and their ratio. Every output is checked."
#define LATENCY                                                                                 \
    "One orchestration of three activities at a time, and between them commits of one row in\n" \
    "plain SQLite on the same disk. The ratio is p50 over four such commits, as it has four "   \
    "turns."
#define SLEEPERS                                                                                \
    "Puts N instances to sleep for a year, measures the memory each of them takes, kills the\n" \
    "process with SIGKILL, and measures how soon a fresh one is at work again."

const struct command commands[] = {
    { "start",
      "NAME",
      "start an orchestration",
      START,
      { "perdure start HelloCities --wait",
        "perdure start Order --id order-7 --input '{\"item\":\"tea\",\"count\":2}'",
        "perdure start Import --input @rows.json --wait --timeout 5m",
        "perdure start Load --count 1000 --id-template 'load-{n}' -o none" },
      start_options,
      1,
      1,
      cmd_start },
    { "list",
      "",
      "list instances, oldest first",
      LIST,
      { "perdure list", "perdure list --status failed --since 2h",
        "perdure list --name Order --limit 10 -o json",
        "perdure list --prefix order- -o id | xargs perdure wait" },
      list_options,
      0,
      0,
      cmd_list },
    { "show",
      "ID",
      "show one instance",
      NULL,
      { "perdure show order-7", "perdure show order-7 --output", "perdure show order-7 -o json" },
      show_options,
      1,
      1,
      cmd_show },
    { "history",
      "ID",
      "show what an instance did, event by event",
      HISTORY,
      { "perdure history order-7", "perdure history order-7 -o jsonl | grep TaskFailed" },
      none,
      1,
      1,
      cmd_history },
    { "wait",
      "ID...",
      "wait until instances have ended",
      "Ends with 0 when all have ended, in whatever way; with 7 when the time is over.",
      { "perdure wait order-7 order-8 --timeout 30s", "perdure wait order-7 --exit-status -q" },
      wait_options,
      1,
      -1,
      cmd_wait },
    { "raise",
      "ID EVENT",
      "raise an event for an instance",
      "The event is kept until the instance asks for it. Names do not heed upper and lower case.",
      { "perdure raise order-7 Approval --data true",
        "perdure raise order-7 Note --data @note.json" },
      raise_options,
      2,
      2,
      cmd_raise },
    { "bench hello5",
      "",
      "throughput, beside raw SQLite inserts",
      HELLO5,
      { "perdure bench hello5", "perdure bench hello5 --duration 30s -o json",
        "perdure bench hello5 --store /mnt/disk/bench.db --repeat 10" },
      hello5_options,
      0,
      0,
      bench_hello5 },
    { "bench latency",
      "",
      "latency of a chain, beside one-row commits",
      LATENCY,
      { "perdure bench latency", "perdure bench latency --count 1000 -o json" },
      latency_options,
      0,
      0,
      bench_latency },
    { "bench sleepers",
      "",
      "memory of sleeping instances, and recovery",
      SLEEPERS,
      { "perdure bench sleepers --count 1000000" },
      sleepers_options,
      0,
      0,
      bench_sleepers },
    { "bench help",
      "",
      "what the benchmarks measure",
      NULL,
      { "perdure bench help" },
      none,
      0,
      0,
      bench_help },
    { "version",
      "",
      "print the version",
      NULL,
      { "perdure version -o json" },
      none,
      0,
      0,
      cmd_version },
    { "help",
      "[COMMAND]",
      "print help",
      NULL,
      { "perdure help start", "perdure help bench" },
      none,
      0,
      2,
      cmd_help },
    { NULL, NULL, NULL, NULL, { NULL }, NULL, 0, 0, NULL },
};
