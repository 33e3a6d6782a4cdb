/* SPDX-License-Identifier: MIT
 *
 * What must hold of the file at any moment, looked at from outside, after each kill.
 *
 * Whoever is alive goes on meanwhile. So what was acknowledged is read first, then the file as of
 * one moment, and then what was tried: what had been acknowledged before has taken effect in the
 * file, or waits in its mailbox, unless somebody has at least tried since to do something else.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/archive.h"
#include "crash.h"

enum { SAMPLE = 40, SHOWN = 5 };

/* ---- the file as of one moment --------------------------------------------------------------- */

struct snapshot {
    sqlite3 *db;
    unsigned wrong;
};

static void complain(struct snapshot *s, const char *what, const char *text)
{
    if (s->wrong++ < SHOWN) {
        printf("  %s: %s\n", what, text);
    }
}

/* Rows of one text. */
static struct lines select_lines(struct snapshot *s, const char *sql)
{
    struct lines lines = { 0 };
    sqlite3_stmt *rows = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &rows, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(rows);
        if (code == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(rows, 0);
            lines_add(&lines, text != NULL ? text : "");
        }
    }
    if (code != SQLITE_DONE) {
        complain(s, sql, sqlite3_errmsg(s->db));
    }
    sqlite3_finalize(rows);
    lines_sort(&lines);
    return lines;
}

#define ALL_ROWS "(SELECT row FROM instance UNION ALL SELECT row FROM perdure_entity)"
/* Numbers of the inbox: what was said by the owner of the lock, and what waits for its time. */
#define OVERTAKES "(arrival>2305843009213693952 AND arrival<=4611686018427387904)"
#define DELAYED "(arrival>4611686018427387904)"

/* Each says what is wrong with each row that it finds. */
static const struct {
    const char *what, *sql;
} rules[] = {
    { "an orphan in busy", "SELECT row FROM busy WHERE row NOT IN " ALL_ROWS },
    { "an orphan in inbox", "SELECT instance FROM inbox WHERE instance NOT IN " ALL_ROWS },
    { "an orphan in timer", "SELECT instance FROM timer WHERE instance NOT IN " ALL_ROWS },
    { "an orphan in progress",
      "SELECT instance FROM progress WHERE instance NOT IN (SELECT row FROM instance)" },
    { "an orphan in history",
      "SELECT instance FROM history WHERE instance NOT IN (SELECT row FROM instance)" },
    { "an orphan in instance_extra",
      "SELECT row FROM instance_extra WHERE row NOT IN (SELECT row FROM instance)" },
    { "it has ended, and something is left",
      "SELECT id FROM instance WHERE state>=3 AND (row IN (SELECT row FROM busy) OR row IN "
      "(SELECT instance FROM inbox) OR row IN (SELECT instance FROM timer) OR row IN "
      "(SELECT instance FROM progress))" },
    { "it has ended at no time, or not and has a time",
      "SELECT id FROM instance WHERE (state>=3)<>(ended_at<>0)" },
    { "it has events, and recovery would not look at it",
      "SELECT id FROM instance WHERE row IN (SELECT instance FROM inbox) AND row NOT IN "
      "(SELECT row FROM busy) AND row NOT IN (SELECT row FROM instance_extra WHERE starts_at>0)" },
    { "it is pending and has had a turn",
      "SELECT id FROM instance WHERE state=0 AND row IN (SELECT instance FROM history)" },
    { "it waits, and is in no timer, inbox or mailbox",
      "SELECT id FROM instance WHERE state=0 AND row NOT IN (SELECT instance FROM inbox)" },
    { "turns are missing, or there twice",
      "SELECT instance FROM history GROUP BY instance HAVING min(turn)<>1 OR "
      "max(turn)<>count(*)" },
    { "an id is there twice", "SELECT id FROM instance GROUP BY id HAVING count(*)>1" },
    { "an execution is there twice",
      "SELECT execution_id FROM instance GROUP BY execution_id HAVING count(*)>1" },
    { "a row is of no partition",
      "SELECT row FROM instance JOIN partition ON number=row%3 WHERE row>row_high" },
    { "a timer is of another partition", "SELECT instance FROM timer WHERE partition<>instance%3" },
    { "a message has a number that was not given",
      "SELECT m.number FROM mailbox m LEFT JOIN partition p ON p.number=m.partition WHERE "
      "p.number IS NULL OR m.number>p.mailbox_high" },
    { "a child has no parent that was started",
      "SELECT i.id FROM instance i JOIN instance_extra x USING(row) WHERE x.parent_id IS NOT NULL "
      "AND x.parent_id NOT IN (SELECT id FROM instance)" },
    { "a parent has completed before its child",
      "SELECT c.id FROM instance c JOIN instance_extra x USING(row) JOIN instance p ON "
      "p.id=x.parent_id WHERE p.state=3 AND c.state<3" },
    { "an entity is an instance",
      "SELECT row FROM perdure_entity WHERE row IN (SELECT row FROM instance)" },
    { "an entity is of no partition",
      "SELECT row FROM perdure_entity JOIN partition ON number=row%3 WHERE row>row_high" },
    { "an orphan in perdure_lock",
      "SELECT row FROM perdure_lock WHERE row NOT IN (SELECT row FROM perdure_entity)" },
    { "an entity holds nothing",
      "SELECT id FROM perdure_entity WHERE state IS NULL AND row NOT IN (SELECT row FROM "
      "perdure_lock) AND row NOT IN (SELECT instance FROM inbox)" },
    { "an entity has operations to run, and recovery would not look at it",
      "SELECT id FROM perdure_entity WHERE row NOT IN (SELECT row FROM busy) AND row IN (SELECT "
      "instance FROM inbox WHERE " OVERTAKES " OR (NOT " DELAYED " AND instance NOT IN (SELECT row "
      "FROM perdure_lock)))" },
    { "an entity is busy, and has no operations",
      "SELECT id FROM perdure_entity WHERE row IN (SELECT row FROM busy) AND row NOT IN (SELECT "
      "instance FROM inbox WHERE NOT " DELAYED ")" },
    { "a signal waits for its time, and has no timer",
      "SELECT instance FROM inbox WHERE " DELAYED " AND NOT EXISTS(SELECT 1 FROM timer t WHERE "
      "t.instance=inbox.instance AND t.id=(arrival&2147483647))" },
    { "a timer of an entity is of no signal",
      "SELECT instance FROM timer WHERE instance IN (SELECT row FROM perdure_entity) AND NOT "
      "EXISTS(SELECT 1 FROM inbox i WHERE i.instance=timer.instance AND " DELAYED
      " AND (arrival&2147483647)=timer.id)" },
    { "a lock has outlived its owner, and no unlocking is on its way",
      "SELECT e.id FROM perdure_lock l JOIN perdure_entity e USING(row) WHERE NOT EXISTS(SELECT 1 "
      "FROM instance i WHERE i.id=l.owner AND i.execution_id=l.execution_id AND i.state<3) AND NOT "
      "EXISTS(SELECT 1 FROM mailbox WHERE kind=14)" },
};

static const struct {
    const char *what, *sql;
} money_rules[] = {
    { "money was made or lost",
      "SELECT sum(balance) FROM money_account HAVING sum(balance)<>10000" },
    { "a transfer was made twice",
      "SELECT key FROM money_transfer GROUP BY key HAVING count(*)>1" },
    { "an account does not have what was transferred",
      "SELECT number FROM money_account WHERE balance<>1000"
      "+(SELECT ifnull(sum(amount),0) FROM money_transfer WHERE taker=number)"
      "-(SELECT ifnull(sum(amount),0) FROM money_transfer WHERE giver=number)" },
    { "who has paid has not transferred three times",
      "SELECT i.id FROM instance i WHERE name='pay' AND state=3 AND "
      "(SELECT count(*) FROM money_transfer t WHERE t.id=i.id)<>3" },
    { "a transfer is of nobody",
      "SELECT id FROM money_transfer WHERE id NOT IN (SELECT id FROM instance)" },
};

static void check_rule(struct snapshot *s, const char *what, const char *sql)
{
    struct lines found = select_lines(s, sql);
    for (size_t i = 0; i < found.count; i++) {
        complain(s, what, found.at[i]);
    }
    lines_done(&found);
}

static void check_rules(struct snapshot *s)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        check_rule(s, rules[i].what, rules[i].sql);
    }
    struct lines tables =
        select_lines(s, "SELECT name FROM sqlite_master WHERE name='money_transfer'");
    for (size_t i = 0; tables.count > 0 && i < sizeof money_rules / sizeof money_rules[0]; i++) {
        check_rule(s, money_rules[i].what, money_rules[i].sql);
    }
    lines_done(&tables);
}

/* ---- what was acknowledged ------------------------------------------------------------------- */

struct words {
    struct lines starts, terminated, purged, rewound, suspended; /* acknowledged */
    struct lines purges, resumes;                                /* tried */
};

static struct words words_before(const struct crash_place *place)
{
    size_t all;
    return (struct words){
        .starts = lines_read(place->starts, "ack ", &all),
        .terminated = lines_read(place->orders, "ack terminate ", &all),
        .purged = lines_read(place->orders, "ack purge ", &all),
        .rewound = lines_read(place->orders, "ack rewind ", &all),
        .suspended = lines_read(place->orders, "ack suspend ", &all),
    };
}

static void words_done(struct words *words)
{
    lines_done(&words->starts);
    lines_done(&words->terminated);
    lines_done(&words->purged);
    lines_done(&words->rewound);
    lines_done(&words->suspended);
    lines_done(&words->purges);
    lines_done(&words->resumes);
}

/* Each of `all` is in `found`, or waits, or is excused. */
static void check_all(struct snapshot *s, const char *what, const struct lines *all,
                      const char *found_sql, const char *waits_sql, const struct lines *excused)
{
    struct lines found = select_lines(s, found_sql);
    struct lines waits = select_lines(s, waits_sql);
    for (size_t i = 0; i < all->count; i++) {
        const char *id = all->at[i];
        if (!lines_have(&found, id) && !lines_have(&waits, id) &&
            (excused == NULL || !lines_have(excused, id))) {
            complain(s, what, id);
        }
    }
    lines_done(&found);
    lines_done(&waits);
}

static void check_words(struct snapshot *s, const struct words *words)
{
    check_all(s, "an acknowledged start is not there", &words->starts, "SELECT id FROM instance",
              "SELECT instance_id FROM mailbox WHERE kind=1", &words->purges);
    check_all(s, "what was terminated lives", &words->terminated,
              "SELECT id FROM instance WHERE state>=3",
              "SELECT instance_id FROM mailbox WHERE kind=3", NULL);
    check_all(s, "what was rewound has failed", &words->rewound,
              "SELECT id FROM instance WHERE state<>4",
              "SELECT instance_id FROM mailbox WHERE kind=6", NULL);
    check_all(s, "what was suspended runs", &words->suspended,
              "SELECT id FROM instance WHERE state>=2",
              "SELECT instance_id FROM mailbox WHERE kind=4", &words->resumes);
    struct lines there = select_lines(
        s,
        "SELECT id FROM instance WHERE id NOT IN (SELECT instance_id FROM mailbox WHERE kind=7)");
    for (size_t i = 0; i < words->purged.count; i++) {
        if (lines_have(&there, words->purged.at[i])) {
            complain(s, "what was purged is there", words->purged.at[i]);
        }
    }
    lines_done(&there);
}

/* ---- histories ------------------------------------------------------------------------------- */

static void check_history(struct snapshot *s, struct store *store, uint64_t row)
{
    struct arena arena;
    struct archive archive;
    struct adoption adoption;
    bool is_found = false;
    pd_error err;
    arena_init(&arena);
    pd_status status = archive_load(store, row, &arena, &archive, &is_found, &err);
    if (status == PD_OK && is_found) {
        status = archive_unpack(&archive, &arena, &adoption, &err);
    }
    /* One that is inside a critical section is whole, though it could not be imported. */
    if (status == PD_OK && is_found && rewrite_open_section(&adoption) == NULL) {
        status = rewrite_check(&adoption, &err);
    }
    if (status != PD_OK) {
        complain(s, "a history does not hold together", err.text);
    }
    arena_done(&arena);
}

static void check_histories(struct snapshot *s, const struct crash_place *place, bool whole,
                            uint64_t *random)
{
    pd_error err;
    struct lines rows = select_lines(s, "SELECT row FROM instance");
    struct store *store = store_look(place->url, &err);
    size_t count = whole || rows.count < SAMPLE ? rows.count : SAMPLE;
    if (store == NULL) {
        complain(s, "it cannot be looked at", err.text);
    }
    for (size_t i = 0; store != NULL && i < count; i++) {
        size_t at = count == rows.count ? i : (size_t)(crash_random(random) % rows.count);
        check_history(s, store, strtoull(rows.at[at], NULL, 10));
    }
    store_close(store);
    lines_done(&rows);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* False: there is no hub in it yet. */
static bool begin(struct snapshot *s, const struct crash_place *place)
{
    struct lines tables = { 0 };
    if (sqlite3_open_v2(place->db, &s->db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(s->db, 5000);
        sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
        tables = select_lines(s, "SELECT name FROM sqlite_master WHERE name='instance_extra'");
    }
    bool has_hub = tables.count > 0;
    lines_done(&tables);
    return has_hub;
}

unsigned crash_look(const struct crash_place *place, bool whole, uint64_t *random)
{
    size_t all;
    struct snapshot s = { 0 };
    struct words words = words_before(place);
    if (begin(&s, place)) {
        words.purges = lines_read(place->orders, "try purge ", &all);
        words.resumes = lines_read(place->orders, "try resume ", &all);
        check_rules(&s);
        check_words(&s, &words);
        sqlite3_exec(s.db, "END", NULL, NULL, NULL);
        check_histories(&s, place, whole, random);
    } else if (words.starts.count > 0) {
        complain(&s, "there is no hub", place->db);
    }
    words_done(&words);
    sqlite3_close(s.db);
    return s.wrong;
}
