/* SPDX-License-Identifier: MIT
 *
 * The options of each command: what they are called, what they hold, and what help says of them.
 */
#include "option_rows.h"

#define AT(field) offsetof(struct options, field)
#define NO_MORE                                \
    {                                          \
        NULL, 0, OPTION_FLAG, NULL, NULL, 0, 0 \
    }

const struct option_row options_of_all[] = {
    { "hub", 'H', OPTION_TEXT, "URL",
      "sqlite:FILE or grpc://HOST:PORT (PERDURE_HUB, or sqlite:perdure.db)", AT(hub), 0 },
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

const struct option_row no_options[] = { NO_MORE };

const struct option_row start_options[] = {
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
        { "tag", 0, OPTION_WORDS, "K=V", "only with this tag, one at most", AT(tags), 1 },    \
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

const struct option_row list_options[] = {
    FILTERS,
    { "limit", 'l', OPTION_COUNT, "N", "at most N (50 on a terminal, else all)", AT(limit), 0 },
    NO_MORE,
};

/* count, export */
const struct option_row filter_options[] = { FILTERS, NO_MORE };

const struct option_row history_options[] = {
    { "from", 'f', OPTION_TEXT, "SOURCE",
      "an archive, a folder of them (*.pda), or the URL of a hub", AT(from), 0 },
    { "id", 0, OPTION_TEXT, "PREFIX", "only instances whose ids begin so", AT(id), 0 },
    { "break-at", 0, OPTION_COUNT, "N", "in gdb, stop before this event of each instance",
      AT(event), 0 },
    NO_MORE,
};

const struct option_row purge_options[] = {
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

const struct option_row order_options[] = { REASON, NO_MORE };

const struct option_row terminate_options[] = {
    REASON,
    { "recursive", 0, OPTION_FLAG, NULL, "children that it waits for, too", AT(recursive), 1 },
    NO_MORE,
};

#define NEW_ID                                                                      \
    {                                                                               \
        "new-id", 0, OPTION_TEXT, "ID", "the id of the new instance", AT(new_id), 0 \
    }

const struct option_row restart_options[] = {
    NEW_ID,
    { "new", 0, OPTION_FLAG, NULL, "under an id that is made", AT(make_id), 1 },
    NO_MORE,
};

const struct option_row fork_options[] = {
    { "event", 'e', OPTION_COUNT, "N", "the first event that the new one does not have", AT(event),
      0 },
    NEW_ID,
    NO_MORE,
};

const struct option_row watch_options[] = {
    { "timeout", 't', OPTION_DURATION, "TIME", "no longer than this: 500ms, 30s, 5m, 2h",
      AT(timeout), 0 },
    { "once", 0, OPTION_FLAG, NULL, "look once", AT(once), 1 },
    NO_MORE,
};

const struct option_row show_options[] = {
    { "input", 0, OPTION_FLAG, NULL, "the bare input", AT(show_input), 1 },
    { "output", 0, OPTION_FLAG, NULL, "the bare output; the format is -o here", AT(show_output),
      1 },
    { "failure", 0, OPTION_FLAG, NULL, "the bare failure", AT(show_failure), 1 },
    { "all", 'a', OPTION_FLAG, NULL, "uncut, with input, output and failure", AT(show_all), 1 },
    NO_MORE,
};

const struct option_row wait_options[] = {
    { "timeout", 't', OPTION_DURATION, "TIME", "no longer than this for all: 500ms, 30s, 5m, 2h",
      AT(timeout), 0 },
    { "exit-status", 0, OPTION_FLAG, NULL, "8 when one failed, 9 when one was terminated",
      AT(exit_status), 1 },
    NO_MORE,
};

const struct option_row raise_options[] = {
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

const struct option_row hello5_options[] = {
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

const struct option_row latency_options[] = {
    { "count", 0, OPTION_COUNT, "N", "chains, one after the other (300)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

const struct option_row sleepers_options[] = {
    { "count", 0, OPTION_COUNT, "N", "instances that sleep (100000)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

const struct option_row fanout_options[] = {
    { "count", 0, OPTION_COUNT, "N", "activities of the large one (100000); the small has a tenth",
      AT(count), 0 },
    BENCH_THREADS,
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

const struct option_row timers_options[] = {
    { "count", 0, OPTION_COUNT, "N", "timers, 100 an instance (1000000)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

const struct option_row events_options[] = {
    { "count", 0, OPTION_COUNT, "N", "events, one after the other (1000)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

const struct option_row replay_options[] = {
    { "count", 0, OPTION_COUNT, "N", "events of the longest history (1000000)", AT(count), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

/* ---- entities ---- */

const struct option_row entity_list_options[] = {
    { "prefix", 0, OPTION_TEXT, "TEXT", "only keys that begin so", AT(prefix), 0 },
    { "since", 0, OPTION_TIME, "TIME", "changed then or later: 2026-01-31T10:00:00Z, or 2h ago",
      AT(since), 0 },
    { "until", 0, OPTION_TIME, "TIME", "changed then or earlier", AT(until), 0 },
    { "state", 0, OPTION_FLAG, NULL, "with their states", AT(with_state), 1 },
    { "empty", 0, OPTION_FLAG, NULL, "also those without state: locked, waited for, or kept",
      AT(with_empty), 1 },
    { "limit", 'l', OPTION_COUNT, "N", "at most N (50 on a terminal, else all)", AT(limit), 0 },
    NO_MORE,
};

const struct option_row entity_call_options[] = {
    { "input", 'i', OPTION_TEXT, "JSON", "the input: JSON, @FILE, or - for stdin", AT(input), 0 },
    { "timeout", 't', OPTION_DURATION, "TIME", "wait no longer than this (30s)", AT(timeout), 0 },
    NO_MORE,
};

const struct option_row entity_signal_options[] = {
    { "input", 'i', OPTION_TEXT, "JSON", "the input: JSON, @FILE, or - for stdin", AT(input), 0 },
    { "at", 0, OPTION_FUTURE, "TIME", "not before then: 2026-01-31T10:00:00Z, or 2h from now",
      AT(at), 0 },
    NO_MORE,
};

/* ---- schedules ---- */

const struct option_row schedule_put_options[] = {
    { "zone", 'z', OPTION_TEXT, "ZONE", "its time zone: Europe/Berlin (UTC)", AT(zone), 0 },
    { "input", 'i', OPTION_TEXT, "JSON", "the input: JSON, @FILE, or - for stdin", AT(input), 0 },
    { "version", 0, OPTION_TEXT, "TEXT", "the version of what it starts", AT(version), 0 },
    { "tag", 0, OPTION_WORDS, "KEY=VALUE", "a tag of what it starts; may be given again", AT(tags),
      0 },
    { "overlap", 0, OPTION_OVERLAP, "WORD",
      "while one runs: skip (the default), buffer one, or allow more", AT(overlap), 0 },
    { "missed", 0, OPTION_MISSED, "WORD",
      "of times while no engine ran start: the last (the default), none, or all", AT(missed), 0 },
    { "missed-max", 0, OPTION_DURATION, "TIME", "start nothing that is later than this, such as 5m",
      AT(missed_max), 0 },
    { "begins", 0, OPTION_FUTURE, "TIME", "not before then: 2026-01-31T10:00:00Z, or 2h from now",
      AT(begins), 0 },
    { "ends", 0, OPTION_FUTURE, "TIME", "not after then", AT(ends), 0 },
    { "paused", 0, OPTION_FLAG, NULL, "paused until it is resumed", AT(paused), 1 },
    NO_MORE,
};

const struct option_row schedule_list_options[] = {
    { "prefix", 0, OPTION_TEXT, "TEXT", "only ids that begin so", AT(prefix), 0 },
    { "limit", 'l', OPTION_COUNT, "N", "at most N (50 on a terminal, else all)", AT(limit), 0 },
    NO_MORE,
};

const struct option_row entity_bench_options[] = {
    { "count", 0, OPTION_COUNT, "N", "signals to one entity, and to many (1000000)", AT(count), 0 },
    { "entities", 0, OPTION_COUNT, "N", "how many the many are (10000)", AT(entities), 0 },
    { "chunk", 0, OPTION_COUNT, "N", "sent by one call (1000)", AT(chunk), 0 },
    { "threads", 0, OPTION_COUNT, "N", "that send (4)", AT(threads), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};

const struct option_row lock_bench_options[] = {
    { "count", 0, OPTION_COUNT, "N", "transfers (20000)", AT(count), 0 },
    { "concurrent", 0, OPTION_COUNT, "N", "transfers in flight (500)", AT(concurrent), 0 },
    BENCH_STORE,
    BENCH_REPEAT,
    NO_MORE,
};
