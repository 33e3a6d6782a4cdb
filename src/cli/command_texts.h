/* SPDX-License-Identifier: MIT
 *
 * What `perdure help COMMAND` says at length, for the table of commands, which alone includes this.
 */
#ifndef CLI_COMMAND_TEXTS_H
#define CLI_COMMAND_TEXTS_H

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
#define TREE                                                                                  \
    "Children first to last, those of executions before the last continue-as-new too, until " \
    "they\n"                                                                                  \
    "are purged: perdure purge --parent ID --status completed."
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
    "there is none, with 11 when there is one: so it can be a check before a new edition "         \
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

#endif
