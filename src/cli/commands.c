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
    { "at", 0, OPTION_FUTURE, "TIME", "not before then: 2026-01-31T10:00:00Z, or 2h from now",
      AT(at), 0 },
    { "tag", 0, OPTION_WORDS, "K=V", "a tag; may be given many times", AT(tags), 0 },
    { "if-exists", 0, OPTION_REUSE, "WHAT",
      "replace-ended (default), fail, skip, replace-failed or replace", AT(reuse), 0 },
    { "count", 0, OPTION_COUNT, "N", "start N of them", AT(count), 0 },
    { "id-template", 0, OPTION_TEXT, "TEXT", "with --count: their ids, {n} becomes 1 to N",
      AT(id_template), 0 },
    NO_MORE,
};

/* Which instances: what a pd_query asks. */
#define FILTERS                                                                               \
    { "status",                                                                               \
      's',                                                                                    \
      OPTION_STATES,                                                                          \
      "S,...",                                                                                \
      "pending, running, suspended, completed, failed or terminated",                         \
      AT(states),                                                                             \
      0 },                                                                                    \
        { "name", 'n', OPTION_TEXT, "NAME", "only of this orchestrator", AT(name), 0 },       \
        { "prefix", 0, OPTION_TEXT, "TEXT", "only ids that begin so", AT(prefix), 0 },        \
        { "tag", 0, OPTION_WORDS, "K=V", "only with this tag", AT(tags), 0 },                 \
        { "of-version", 0, OPTION_TEXT, "V", "only of this version", AT(of_version), 0 },     \
        { "parent", 0, OPTION_TEXT, "ID", "only children of this instance", AT(parent), 0 },  \
        { "roots", 0, OPTION_FLAG, NULL, "only those without a parent", AT(roots_only), 1 },  \
        { "since",                                                                            \
          0,                                                                                  \
          OPTION_TIME,                                                                        \
          "TIME",                                                                             \
          "created then or later: 2026-01-31T10:00:00Z, or 2h ago",                           \
          AT(since),                                                                          \
          0 },                                                                                \
        { "until", 0, OPTION_TIME, "TIME", "created then or earlier", AT(until), 0 },         \
        { "ended-since", 0, OPTION_TIME, "TIME", "ended then or later", AT(ended_since), 0 }, \
    {                                                                                         \
        "ended-until", 0, OPTION_TIME, "TIME", "ended then or earlier", AT(ended_until), 0    \
    }

static const struct option_row list_options[] = {
    FILTERS,
    { "limit", 'l', OPTION_COUNT, "N", "at most N (50 on a terminal, else all)", AT(limit), 0 },
    NO_MORE,
};

/* count, export */
static const struct option_row filter_options[] = { FILTERS, NO_MORE };

static const struct option_row history_options[] = {
    { "from", 'f', OPTION_TEXT, "SOURCE",
      "an archive, a folder of them (*.pda), or the URL of a hub", AT(from), 0 },
    { "id", 0, OPTION_TEXT, "PREFIX", "only instances whose ids begin so", AT(id), 0 },
    { "break-at", 0, OPTION_COUNT, "N", "in gdb, stop before this event of each instance",
      AT(event), 0 },
    NO_MORE,
};

static const struct option_row purge_options[] = {
    FILTERS,
    { "older-than", 0, OPTION_DURATION, "TIME", "ended longer ago than 12h, 30d", AT(older_than),
      0 },
    { "all", 0, OPTION_FLAG, NULL, "everything that has ended", AT(every), 1 },
    { "recursive", 'r', OPTION_FLAG, NULL, "with descendants that have ended", AT(recursive), 1 },
    { "dry-run", 0, OPTION_FLAG, NULL, "only say how many", AT(dry_run), 1 },
    { "yes", 'y', OPTION_FLAG, NULL, "do not ask; only who is at a terminal is asked", AT(yes), 1 },
    { "timeout", 't', OPTION_DURATION, "TIME", "stop after so long; the same command goes on",
      AT(timeout), 0 },
    NO_MORE,
};

#define REASON                                                                            \
    {                                                                                     \
        "reason", 'r', OPTION_TEXT, "TEXT", "why; recorded in the history", AT(reason), 0 \
    }

static const struct option_row order_options[] = { REASON, NO_MORE };

static const struct option_row terminate_options[] = {
    REASON,
    { "recursive", 0, OPTION_FLAG, NULL, "children that it waits for, too", AT(recursive), 1 },
    NO_MORE,
};

#define NEW_ID                                                                      \
    {                                                                               \
        "new-id", 0, OPTION_TEXT, "ID", "the id of the new instance", AT(new_id), 0 \
    }

static const struct option_row restart_options[] = {
    NEW_ID,
    { "new", 0, OPTION_FLAG, NULL, "under an id that is made", AT(make_id), 1 },
    NO_MORE,
};

static const struct option_row fork_options[] = {
    { "event", 'e', OPTION_COUNT, "N", "the first event that the new one does not have", AT(event),
      0 },
    NEW_ID,
    NO_MORE,
};

static const struct option_row watch_options[] = {
    { "timeout", 't', OPTION_DURATION, "TIME", "no longer than this: 500ms, 30s, 5m, 2h",
      AT(timeout), 0 },
    { "once", 0, OPTION_FLAG, NULL, "look once", AT(once), 1 },
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

static const struct option_row fanout_options[] = {
    { "count", 0, OPTION_COUNT, "N", "activities of the large one (100000); the small has a tenth",
      AT(count), 0 },
    BENCH_THREADS,
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

static const struct option_row timers_options[] = {
    { "count", 0, OPTION_COUNT, "N", "timers, 100 an instance (1000000)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

static const struct option_row events_options[] = {
    { "count", 0, OPTION_COUNT, "N", "events, one after the other (1000)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

static const struct option_row replay_options[] = {
    { "count", 0, OPTION_COUNT, "N", "events of the longest history (1000000)", AT(count), 0 },
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
#define ORDER                                                                                 \
    "When the command ends with 0, what you ask is on stable storage; the engine does it "    \
    "within\n"                                                                                \
    "milliseconds, or, when none runs, the next that does. Give ids, or - to read them from " \
    "stdin,\n"                                                                                \
    "one a line."
#define RESTART                                                                               \
    "Starts the same orchestrator again with the same input, version and tags: in its place " \
    "when\n"                                                                                  \
    "it has ended, or beside it with --new or --new-id. Prints the id."
#define FORK                                                                                      \
    "Makes a new instance that has the history of another up to an event, and goes on from "      \
    "there\n"                                                                                     \
    "with the code of today. `perdure history` shows the numbers of the events; without --event " \
    "it\n"                                                                                        \
    "has all of them, but for the end. Prints the id."
#define PURGE                                                                                  \
    "Instances that have ended, with their histories: those named, or those that a filter "    \
    "finds.\n"                                                                                 \
    "What has not ended is left. Prints how many. At a terminal it asks before it purges by\n" \
    "filter; a script is not asked."
#define WATCH                                                                             \
    "On a terminal a tree of the instance and its children, renewed until it has ended; " \
    "elsewhere\n"                                                                         \
    "a row for each change of a status or a custom status."
#define EXPORT                                                                                  \
    "What the store has of each is written, also of those that run, which go on meanwhile; a "  \
    "FILE\n"                                                                                    \
    "that is there is replaced when the new one is complete. Without filters: all instances.\n" \
    "`perdure import` reads it, and `perdure replay`; proto/history.proto describes it."
#define IMPORT                                                                                  \
    "Each comes under its own id: one that has ended to be looked at, another to go on, here "  \
    "and\n"                                                                                     \
    "where it was exported. All are Pending until a worker has run on this hub. Stops at the\n" \
    "first whose id is taken; what came before it stays. Makes the hub when there is none."
#define REPLAY_PROGRAM                                                                             \
    "Starts PROGRAM, which has to come to its pd_worker_start and is then run against histories\n" \
    "instead of working: does its code of today ask for the steps that are recorded, and end as\n" \
    "recorded? Nothing is written, no activity runs. Prints the first difference of each "         \
    "instance\n"                                                                                   \
    "with the number of the event, what history has and what the code asked for. Ends with 0 "     \
    "when\n"                                                                                       \
    "there is none, with 11 when there is one: so it can be a check before a new edition is\n"     \
    "deployed. PD_REPLAY_FROM in the environment does the same without this command."
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

#define FANOUT                                                                                 \
    "One orchestration that starts N activities and waits for all, after one with a tenth of " \
    "them.\n"                                                                                  \
    "linear is the time of the large one over ten times that of the small one; memory is the " \
    "most\n"                                                                                   \
    "that was resident meanwhile, above what was before."
#define TIMERS                                                                                 \
    "Instances of 100 timers each, all due at the same moment: how many are set in a second, " \
    "and\n"                                                                                    \
    "how many fired, each beside raw inserts of the same stored events into SQLite."
#define EVENTS                                                                                 \
    "One instance at a time that waits for an event: how long the call that raises it takes, " \
    "beside\n"                                                                                 \
    "commits of one row in plain SQLite, and how long until the instance has completed."
#define REPLAY                                                                                  \
    "Histories of N/100, N/10 and N events, replayed from the file with today's code. Beside "  \
    "it,\n"                                                                                     \
    "over the same rows: a SELECT and a bare walk over every field, which keeps nothing, and\n" \
    "pd_hub_fetch_history, which decodes the events and hands them out. linear compares the\n"  \
    "rates of the shortest and the longest."

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
    { "terminate",
      "ID...",
      "end instances at once",
      ORDER,
      { "perdure terminate order-7 --reason 'customer left'",
        "perdure list --name Import -s running -o id | perdure terminate -" },
      terminate_options,
      1,
      -1,
      cmd_terminate },
    { "suspend",
      "ID...",
      "let instances stand still until they are resumed",
      ORDER,
      { "perdure suspend order-7 --reason 'stock is being counted'" },
      order_options,
      1,
      -1,
      cmd_suspend },
    { "resume",
      "ID...",
      "let suspended instances go on",
      ORDER,
      { "perdure resume order-7", "perdure list -s suspended -o id | perdure resume -" },
      order_options,
      1,
      -1,
      cmd_resume },
    { "rewind",
      "ID...",
      "let failed instances go on from before their failure",
      ORDER,
      { "perdure rewind order-7 --reason 'the bank is back'",
        "perdure list -s failed --since 1h -o id | perdure rewind -" },
      order_options,
      1,
      -1,
      cmd_rewind },
    { "restart",
      "ID",
      "start an instance again with its input",
      RESTART,
      { "perdure restart order-7", "perdure restart order-7 --new" },
      restart_options,
      1,
      1,
      cmd_restart },
    { "fork",
      "ID",
      "a new instance that goes on from an event of another",
      FORK,
      { "perdure fork order-7 --event 12 --new-id order-7-again" },
      fork_options,
      1,
      1,
      cmd_fork },
    { "purge",
      "[ID...]",
      "forget instances that have ended",
      PURGE,
      { "perdure purge order-7", "perdure purge --status completed --older-than 30d --yes",
        "perdure purge --all --dry-run" },
      purge_options,
      0,
      -1,
      cmd_purge },
    { "export",
      "FILE",
      "write instances with their histories into an archive",
      EXPORT,
      { "perdure export all.pda", "perdure export --status failed --since 7d failed.pda" },
      filter_options,
      1,
      1,
      cmd_export },
    { "import",
      "FILE",
      "add the instances of an archive to a hub",
      IMPORT,
      { "perdure import --hub sqlite:copy.db all.pda" },
      none,
      1,
      1,
      cmd_import },
    { "replay",
      "-- PROGRAM...",
      "try a program's code against histories",
      REPLAY_PROGRAM,
      { "perdure replay --from sqlite:orders.db -- ./orders",
        "perdure replay --from tests/histories -o json -- ./orders --port 0",
        "perdure replay --from all.pda --id order-7 --break-at 12 -- ./orders" },
      history_options,
      1,
      -1,
      cmd_replay },
    { "count",
      "",
      "count instances by status",
      NULL,
      { "perdure count", "perdure count --name Order --since 1h -o json" },
      filter_options,
      0,
      0,
      cmd_count },
    { "tree",
      "ID",
      "show an instance with its children",
      NULL,
      { "perdure tree order-7" },
      none,
      1,
      1,
      cmd_tree },
    { "watch",
      "ID...",
      "look at instances until they have ended",
      WATCH,
      { "perdure watch order-7", "perdure watch order-7 -o jsonl" },
      watch_options,
      1,
      -1,
      cmd_watch },
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
    { "bench fanout",
      "",
      "a hundred thousand activities at once",
      FANOUT,
      { "perdure bench fanout" },
      fanout_options,
      0,
      0,
      bench_fanout },
    { "bench timers",
      "",
      "a million timers, set and fired",
      TIMERS,
      { "perdure bench timers" },
      timers_options,
      0,
      0,
      bench_timers },
    { "bench events",
      "",
      "from an event to the end of who waits for it",
      EVENTS,
      { "perdure bench events" },
      events_options,
      0,
      0,
      bench_events },
    { "bench replay",
      "",
      "replay of long histories",
      REPLAY,
      { "perdure bench replay" },
      replay_options,
      0,
      0,
      bench_replay },
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
