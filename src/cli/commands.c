/* SPDX-License-Identifier: MIT
 *
 * The table of commands: the only definition of what `perdure` understands. parse.c reads words by
 * it, help.c prints it, suggestions for mistyped words come from it, and tests run through it.
 */
#include "option_rows.h"

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
#define HOST                                                                                       \
    "Loads a shared object that has orchestrators, activities, entities, HTTP routes and timers\n" \
    "(perdure/app.h), runs it, starts it again when it crashes, and loads it anew when its file\n" \
    "changes. `perdure host --help` has the options."
#define REPLAY_PROGRAM                                                                             \
    "Starts PROGRAM, which has to come to its pd_worker_start and is then run against histories\n" \
    "instead of working: does its code of today ask for the steps that are recorded, and end as\n" \
    "recorded? Nothing is written, no activity runs. Prints the first difference of each "         \
    "instance\n"                                                                                   \
    "with the number of the event, what history has and what the code asked for. Ends with 0 "     \
    "when\n"                                                                                       \
    "there is no_options, with 11 when there is one: so it can be a check before a new edition "   \
    "is\n"                                                                                         \
    "deployed. PD_REPLAY_FROM in the environment does the same without this command."
#define HELLO5                                                                                    \
    "Keeps 5,000 orchestrations in flight, each calling five activities one after the other,\n"   \
    "on a real file, every step durable. In the same run, in turns, it inserts the same stored\n" \
    "events into SQLite by itself (one row each, 500 to a commit, WAL, synchronous=FULL), and\n"  \
    "prints both rates and their ratio. Every output is checked. With --hub grpc://HOST:PORT "    \
    "the\n"                                                                                       \
    "orchestrations are perdured's, and this process is its worker and client."
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

#define SCHEDULE_PUT                                                                              \
    "Makes the schedule ID, or changes it. RULE is a cron expression, '30 8 * * 1-5' (minute,\n"  \
    "hour, day, month, weekday) or with seconds before, or @hourly, @daily, @weekly, @monthly,\n" \
    "@yearly, or '@every 90s'. As long as an engine runs, each time that is due starts one\n"     \
    "instance of NAME, with the id ID:2026-01-31T08:30:00Z. Makes the hub when there is none."
#define SCHEDULE_ORDER                                                                             \
    "When the command ends with 0, what you ask is on stable storage; the engine does it within\n" \
    "milliseconds, or, when none runs, the next that does. Give ids, or - to read them from\n"     \
    "stdin, one a line."
#define SCHEDULE_TRIGGER                                                                  \
    "Whatever --overlap says, and also one that is paused; when it is due next does not " \
    "change.\n" SCHEDULE_ORDER
#define ENTITY                                                                                  \
    "ENTITY is @name@key, as `perdure entity list -o id` prints it; the first '@' may be left " \
    "out."
#define ENTITY_LIST                                                                             \
    "Entities by name and key: when they were changed last, how many operations wait, and who " \
    "has\n"                                                                                     \
    "locked them."
#define ENTITY_CALL                                                                                \
    "Runs one operation and prints what it answers, as JSON. Needs a process that runs a worker\n" \
    "on this hub. Ends with 8 when the operation failed, with 7 when it was not answered in "      \
    "time:\n"                                                                                      \
    "it may be run later.\n" ENTITY
#define ENTITY_SIGNAL                                                                            \
    "Sends an operation, and does not wait until it is run. When the command ends with 0 it is " \
    "on\n"                                                                                       \
    "stable storage, and is run once. Prints its id, for `perdure entity cancel`; with -o id\n"  \
    "that alone. Makes the entity, and the hub, when there is none.\n" ENTITY
#define ENTITY_CANCEL                                                                            \
    "Ends with 3 when no such signal waits; but where no worker runs, or another process runs\n" \
    "it, 0 says that it will be looked for.\n" ENTITY
#define ENTITY_DELETE                                                                             \
    "Forgets the state of each and the signals that wait for their time, whatever its function\n" \
    "says; `perdure entity signal ENTITY delete` asks the function.\n" ENTITY
#define ENTITY_CLEAN                                                                           \
    "Forgets entities without state that nothing waits for, and gives back locks whose owner " \
    "has\n"                                                                                    \
    "ended. Prints how many of both."
#define BENCH_ENTITY                                                                           \
    "N signals to one entity, a counter, and N to many of them: how many take effect in a "    \
    "second,\n"                                                                                \
    "beside raw inserts into SQLite of the events of such signals, one row each, 500 to a "    \
    "commit;\n"                                                                                \
    "and how much more memory is in use when all have come to rest. Every counter is read at " \
    "the\n"                                                                                    \
    "end."
#define BENCH_LOCK                                                                               \
    "Transfers between two of 1,000 accounts, each in a critical section of both: how many end " \
    "in\n"                                                                                       \
    "a second, and how long one takes, also when it is alone. The sum of all accounts is "       \
    "checked\n"                                                                                  \
    "at the end."

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
      no_options,
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
      no_options,
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
    { "host",
      "[OPTION]... APP.so",
      "run a function app",
      HOST,
      { "perdure host ./libapp.so", "perdure host --hub grpc://127.0.0.1:8080 ./libapp.so",
        "perdure host --http 0.0.0.0:80 --key keys ./libapp.so" },
      no_options,
      0,
      -1,
      cmd_host },
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
      no_options,
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
    { "entity list",
      "[NAME]",
      "list entities",
      ENTITY_LIST,
      { "perdure entity list", "perdure entity list counter --state",
        "perdure entity list --since 1h -o id" },
      entity_list_options,
      0,
      1,
      cmd_entity_list },
    { "entity show",
      "ENTITY",
      "show an entity",
      ENTITY,
      { "perdure entity show @counter@main" },
      no_options,
      1,
      1,
      cmd_entity_show },
    { "entity state",
      "ENTITY",
      "print an entity's state",
      ENTITY,
      { "perdure entity state @counter@main" },
      no_options,
      1,
      1,
      cmd_entity_state },
    { "entity call",
      "ENTITY OPERATION",
      "run an operation and print its answer",
      ENTITY_CALL,
      { "perdure entity call @counter@main add --input 5" },
      entity_call_options,
      2,
      2,
      cmd_entity_call },
    { "entity signal",
      "ENTITY OPERATION",
      "send an operation",
      ENTITY_SIGNAL,
      { "perdure entity signal @counter@main add --input 5",
        "perdure entity signal @counter@main reset --at 2h" },
      entity_signal_options,
      2,
      2,
      cmd_entity_signal },
    { "entity cancel",
      "ENTITY SIGNAL",
      "forget a signal that has not been run",
      ENTITY_CANCEL,
      { "perdure entity cancel @counter@main 0c5a1fd2-64f3-4b5c-9d53-3a1f5c5b4a2e" },
      no_options,
      2,
      2,
      cmd_entity_cancel },
    { "entity delete",
      "ENTITY...",
      "forget entities",
      ENTITY_DELETE,
      { "perdure entity delete @counter@main",
        "perdure entity list counter -o id | perdure entity delete -" },
      no_options,
      1,
      -1,
      cmd_entity_delete },
    { "entity clean",
      "",
      "remove empty entities, release orphaned locks",
      ENTITY_CLEAN,
      { "perdure entity clean" },
      no_options,
      0,
      0,
      cmd_entity_clean },
    { "schedule put",
      "ID RULE NAME",
      "start an orchestrator when a rule says",
      SCHEDULE_PUT,
      { "perdure schedule put nightly '0 3 * * *' Backup --zone Europe/Berlin",
        "perdure schedule put poll '@every 90s' Poll --overlap allow --missed none" },
      schedule_put_options,
      3,
      3,
      cmd_schedule_put },
    { "schedule list",
      "",
      "list schedules",
      NULL,
      { "perdure schedule list", "perdure schedule list -o id" },
      schedule_list_options,
      0,
      0,
      cmd_schedule_list },
    { "schedule show",
      "ID",
      "show a schedule",
      NULL,
      { "perdure schedule show nightly" },
      no_options,
      1,
      1,
      cmd_schedule_show },
    { "schedule pause",
      "ID...",
      "start nothing until they are resumed",
      SCHEDULE_ORDER,
      { "perdure schedule pause nightly" },
      no_options,
      1,
      -1,
      cmd_schedule_pause },
    { "schedule resume",
      "ID...",
      "go on from now; what was due meanwhile is not started",
      SCHEDULE_ORDER,
      { "perdure schedule resume nightly" },
      no_options,
      1,
      -1,
      cmd_schedule_resume },
    { "schedule trigger",
      "ID...",
      "start an instance of each now",
      SCHEDULE_TRIGGER,
      { "perdure schedule trigger nightly" },
      no_options,
      1,
      -1,
      cmd_schedule_trigger },
    { "schedule delete",
      "ID...",
      "forget schedules; what they started goes on",
      SCHEDULE_ORDER,
      { "perdure schedule delete nightly",
        "perdure schedule list -o id | perdure schedule delete -" },
      no_options,
      1,
      -1,
      cmd_schedule_delete },
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
    { "bench entity",
      "",
      "signals to one entity, and to ten thousand",
      BENCH_ENTITY,
      { "perdure bench entity", "perdure bench entity --count 200000 -o json" },
      entity_bench_options,
      0,
      0,
      bench_entity },
    { "bench lock",
      "",
      "transfers between two locked accounts",
      BENCH_LOCK,
      { "perdure bench lock" },
      lock_bench_options,
      0,
      0,
      bench_lock },
    { "bench help",
      "",
      "what the benchmarks measure",
      NULL,
      { "perdure bench help" },
      no_options,
      0,
      0,
      bench_help },
    { "version",
      "",
      "print the version",
      NULL,
      { "perdure version -o json" },
      no_options,
      0,
      0,
      cmd_version },
    { "help",
      "[COMMAND]",
      "print help",
      NULL,
      { "perdure help start", "perdure help bench" },
      no_options,
      0,
      2,
      cmd_help },
    { NULL, NULL, NULL, NULL, { NULL }, NULL, 0, 0, NULL },
};
