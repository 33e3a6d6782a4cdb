/* SPDX-License-Identifier: MIT
 *
 * What must be true of entities after the last crash: what they have in their states, set against
 * what was said to them by instances, which all have ended, and by the processes that were killed
 * (say.c). See entities.c for the states.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

/* Lower and upper bound of what may have been done. */
struct bounds {
    int64_t acked, tried;
};

/* ---- looking --------------------------------------------------------------------------------- */

/* The state, or NULL, which counts as none; to be freed with the view. */
static pd_value state_of(struct check *c, const char *name, int64_t number, pd_entity_view **ret)
{
    pd_error err;
    *ret = pd_hub_fetch_entity(c->hub, crash_entity(name, number), &err);
    if (*ret == NULL && err.status != PD_E_NOT_FOUND) {
        crash_find(c, NOTHING_LEFT_OF_ENTITIES, "@%s@%" PRId64 ": %s", name, number, err.text);
    }
    return *ret != NULL ? pd_entity_view_state(*ret) : PD_NULL;
}

static void check_bad(struct check *c, enum finding finding, const char *name, int64_t number,
                      const pd_entity_view *view, pd_value state)
{
    if (pd_int(pd_get(state, "bad")) != 0) {
        crash_find(c, finding, "@%s@%" PRId64 " saw something wrong: %s", name, number,
                   pd_entity_view_state_json(view));
    }
}

/* ---- nothing is left ------------------------------------------------------------------------- */

static const struct {
    const char *what, *sql;
} leftovers[] = {
    { "in the mailbox", "SELECT instance_id FROM mailbox" },
    { "in a line", "SELECT id FROM perdure_entity WHERE row IN(SELECT instance FROM inbox)" },
    { "in an inbox", "SELECT instance FROM inbox" },
    { "a lock", "SELECT id FROM perdure_entity JOIN perdure_lock USING(row)" },
    { "a timer", "SELECT instance FROM timer" },
    { "busy", "SELECT row FROM busy" },
    { "empty", "SELECT id FROM perdure_entity WHERE state IS NULL" },
    { "a flash", "SELECT id FROM perdure_entity WHERE id LIKE '@flash@%'" },
};

/* The first thing that is left, or NULL. */
static const char *look_for_one(sqlite3 *db, const char **ret_what)
{
    static char found[300];
    const char *one = NULL;
    for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0] && one == NULL; i++) {
        sqlite3_stmt *rows = NULL;
        *ret_what = leftovers[i].what;
        if (sqlite3_prepare_v2(db, leftovers[i].sql, -1, &rows, NULL) != SQLITE_OK) {
            one = sqlite3_errmsg(db);
        } else if (sqlite3_step(rows) == SQLITE_ROW) {
            snprintf(found, sizeof found, "%s", (const char *)sqlite3_column_text(rows, 0));
            one = found;
        }
        sqlite3_finalize(rows);
    }
    return one;
}

static void wait_until_nothing_is_left(struct check *c)
{
    enum { STEP_MS = 20 };
    sqlite3 *db = NULL;
    const char *what = "", *one = "it cannot be opened";
    int64_t left = c->patience_ms > 5000 ? c->patience_ms : 5000;
    if (sqlite3_open_v2(c->place->db, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 5000);
        for (; (one = look_for_one(db, &what)) != NULL && left > 0; left -= STEP_MS) {
            nanosleep(&(struct timespec){ 0, STEP_MS * 1000000 }, NULL);
        }
    }
    if (one != NULL) {
        crash_find(c, NOTHING_LEFT_OF_ENTITIES, "%s: %s", what, one);
    }
    sqlite3_close(db);
}

/* ---- signals --------------------------------------------------------------------------------- */

/* What is noted of the sender with this word. */
static int64_t put_most(const struct crash_place *place, const char *word, unsigned tally,
                        const char *name)
{
    char prefix[96];
    size_t all;
    int64_t most = 0;
    snprintf(prefix, sizeof prefix, "%s put %u %s ", word, tally, name);
    struct lines lines = lines_read(place->said, prefix, &all);
    for (size_t i = 0; i < lines.count; i++) {
        int64_t number = strtoll(lines.at[i], NULL, 10);
        most = number > most ? number : most;
    }
    lines_done(&lines);
    return most;
}

static bool is_completed(struct check *c, const char *id)
{
    pd_error err;
    PD_AUTO(pd_instance) instance = pd_hub_fetch(c->hub, id, &err);
    return instance != NULL && pd_instance_state(instance) == PD_RUN_COMPLETED;
}

/* What instances have told the tally. */
static int64_t count_puts(struct check *c, unsigned tally)
{
    int64_t count = 0, number = 0;
    for (size_t i = 0; i < c->tried.count; i++) {
        const char *id = c->tried.at[i];
        bool is_send = crash_is_kind(id, "send");
        if ((is_send || crash_is_kind(id, "lock")) && crash_expected(id, &number) &&
            number % CRASH_OTHERS == tally && is_completed(c, id)) {
            count += is_send ? 4 : 1;
        }
    }
    return count;
}

/* Of processes that were killed: what they sent last may have come or not. */
static int64_t check_senders(struct check *c, unsigned tally, pd_value from)
{
    int64_t sum = 0;
    size_t all;
    struct lines lines = lines_read(c->place->said, "ack put ", &all);
    for (size_t i = 0; i < pd_count(from); i++) {
        const char *name = pd_key_at(from, i);
        int64_t number = pd_int(pd_value_at(from, i));
        int64_t tried = put_most(c->place, "try", tally, name);
        if (number > tried) {
            crash_find(c, SIGNALS_ONCE_AND_IN_ORDER,
                       "tally %u was told %" PRId64 " by %s, who has sent %" PRId64, tally, number,
                       name, tried);
        }
        sum += number;
    }
    for (size_t i = 0; i < lines.count; i++) {
        unsigned which;
        char name[32];
        int64_t number;
        if (sscanf(lines.at[i], "%u %31s %" SCNd64, &which, name, &number) == 3 && which == tally &&
            pd_int(pd_get(from, name)) < number) {
            crash_find(c, SIGNALS_ONCE_AND_IN_ORDER,
                       "%" PRId64 " of %s to tally %u was acknowledged, and did not come", number,
                       name, tally);
        }
    }
    lines_done(&lines);
    return sum;
}

static int64_t check_tally(struct check *c, unsigned tally)
{
    pd_entity_view *view;
    pd_value state = state_of(c, "tally", tally, &view);
    int64_t good = pd_int(pd_get(state, "good"));
    check_bad(c, SIGNALS_ONCE_AND_IN_ORDER, "tally", tally, view, state);
    int64_t wanted = count_puts(c, tally) + check_senders(c, tally, pd_get(state, "from"));
    if (good != wanted) {
        crash_find(c, SIGNALS_ONCE_AND_IN_ORDER,
                   "tally %u was told %" PRId64 " times, instead of %" PRId64, tally, good, wanted);
    }
    pd_entity_view_free(view);
    return good;
}

static void add_flash(const struct lines *lines, struct bounds *number, struct bounds *count,
                      unsigned sum, bool is_ack)
{
    for (size_t i = 0; i < lines->count; i++) {
        int64_t light = strtoll(lines->at[i], NULL, 10);
        if (light % CRASH_SUMS == sum) {
            *(is_ack ? &number->acked : &number->tried) += light;
            *(is_ack ? &count->acked : &count->tried) += 1;
        }
    }
}

static void check_bounds(struct check *c, const char *what, int64_t is, struct bounds bounds)
{
    if (is < bounds.acked || is > bounds.tried) {
        crash_find(c, SIGNALS_ONCE_AND_IN_ORDER, "%s: %" PRId64 ", and not %" PRId64 " to %" PRId64,
                   what, is, bounds.acked, bounds.tried);
    }
}

/* What it heard of the tallies is what these have said; returns how much that was. */
static int64_t check_sum(struct check *c, unsigned sum)
{
    pd_entity_view *view;
    pd_value state = state_of(c, "sum", sum, &view);
    struct bounds light = { 0, 0 }, flashes = { 0, 0 };
    int64_t heard = 0;
    size_t all;
    struct lines tried = lines_read(c->place->said, "try flash ", &all);
    struct lines acked = lines_read(c->place->said, "ack flash ", &all);
    add_flash(&tried, &light, &flashes, sum, false);
    add_flash(&acked, &light, &flashes, sum, true);
    check_bad(c, SIGNALS_ONCE_AND_IN_ORDER, "sum", sum, view, state);
    check_bounds(c, "flashes", pd_int(pd_get(state, "flashes")), flashes);
    check_bounds(c, "light", pd_int(pd_get(state, "light")), light);
    for (size_t i = 0; i < pd_count(pd_get(state, "from")); i++) {
        heard += pd_int(pd_value_at(pd_get(state, "from"), i));
    }
    lines_done(&tried);
    lines_done(&acked);
    pd_entity_view_free(view);
    return heard;
}

/* ---- signals with a time --------------------------------------------------------------------- */

static void check_signed(struct check *c, pd_value roll, int64_t number, bool must, bool may)
{
    char key[32];
    snprintf(key, sizeof key, "%" PRId64, number);
    bool is_there = pd_int(pd_get(roll, key)) != 0;
    if (is_there ? !may : must) {
        crash_find(c, SIGNALS_IN_THEIR_TIME, "signal %s was %s", key,
                   is_there ? "taken back, and run" : "not run");
    }
}

static void check_roll(struct check *c, unsigned which)
{
    pd_entity_view *view;
    pd_value state = state_of(c, "roll", which, &view);
    size_t all;
    struct lines tried = lines_read(c->place->said, "try roll ", &all);
    struct lines acked = lines_read(c->place->said, "ack roll ", &all);
    struct lines undos = lines_read(c->place->said, "try undo ", &all);
    struct lines undone = lines_read(c->place->said, "ack undo ", &all);
    size_t signed_count = pd_count(state), known = 0;
    check_bad(c, SIGNALS_IN_THEIR_TIME, "roll", which, view, state);
    for (size_t i = 0; i < tried.count; i++) {
        const char *line = tried.at[i];
        int64_t number = strtoll(line, NULL, 10);
        if (number % CRASH_OTHERS == which) {
            check_signed(c, state, number, lines_have(&acked, line) && !lines_have(&undos, line),
                         !lines_have(&undone, line));
            known += pd_int(pd_get(state, line)) != 0;
        }
    }
    for (size_t i = 0; i < c->tried.count; i++) {
        int64_t number = 0;
        if (crash_is_kind(c->tried.at[i], "wake") && crash_expected(c->tried.at[i], &number) &&
            number % CRASH_OTHERS == which) {
            char key[32];
            bool has_run = is_completed(c, c->tried.at[i]);
            check_signed(c, state, number, has_run && number % 2 == 0, has_run);
            snprintf(key, sizeof key, "%" PRId64, number);
            known += pd_int(pd_get(state, key)) != 0;
        }
    }
    if (known != signed_count) {
        crash_find(c, SIGNALS_IN_THEIR_TIME, "roll %u was signed by %zu, of whom %zu are known",
                   which, signed_count, known);
    }
    lines_done(&tried);
    lines_done(&acked);
    lines_done(&undos);
    lines_done(&undone);
    pd_entity_view_free(view);
}

/* ---- calls ----------------------------------------------------------------------------------- */

struct tickets {
    struct lines given[CRASH_OTHERS];
};

static void add_ticket(struct tickets *tickets, unsigned which, const char *ticket)
{
    lines_add(&tickets->given[which % CRASH_OTHERS], ticket);
}

/* Of client calls that were answered, but to nobody. */
static void add_tickets_of_the_dead(struct check *c, struct tickets *tickets)
{
    pd_error err;
    pd_query query = { .name = "perdure.call", .page_size = 1000 };
    PD_AUTO(pd_page) page = pd_hub_query(c->hub, &query, &err);
    if (page == NULL || pd_page_token(page) != NULL) {
        crash_find(c, CALLS_ONCE, "calls cannot be listed: %s", page == NULL ? err.text : "many");
        return;
    }
    for (size_t i = 0; i < pd_page_count(page); i++) {
        const pd_instance *call = pd_page_at(page, i);
        const char *at = strstr(pd_instance_input_json(call), "@ticket@");
        if (!pd_instance_is_ended(call) || at == NULL) {
            crash_find(c, CALLS_ONCE, "call %s is %s", pd_instance_id_of(call),
                       pd_run_state_name(pd_instance_state(call)));
        } else if (pd_instance_state(call) == PD_RUN_COMPLETED) {
            add_ticket(tickets, (unsigned)(at[strlen("@ticket@")] - '0'),
                       pd_instance_output_json(call));
        }
    }
}

static void add_tickets_of_quizzes(struct check *c, struct tickets *tickets)
{
    for (size_t i = 0; i < c->tried.count; i++) {
        int64_t number = 0;
        pd_error err;
        if (!crash_is_kind(c->tried.at[i], "quiz") || !crash_expected(c->tried.at[i], &number)) {
            continue;
        }
        PD_AUTO(pd_instance) quiz = pd_hub_fetch(c->hub, c->tried.at[i], &err);
        for (size_t k = 0; quiz != NULL && k < pd_count(pd_instance_status(quiz)); k++) {
            char ticket[32];
            snprintf(ticket, sizeof ticket, "%" PRId64, pd_int(pd_at(pd_instance_status(quiz), k)));
            add_ticket(tickets, (unsigned)(number % CRASH_OTHERS), ticket);
        }
    }
}

static void check_ticket(struct check *c, struct lines *given, unsigned which)
{
    char prefix[32];
    size_t tried = 0, acked = 0;
    pd_entity_view *view;
    pd_value state = state_of(c, "ticket", which, &view);
    snprintf(prefix, sizeof prefix, "try call %u ", which);
    struct lines tries = lines_read(c->place->said, prefix, &tried);
    snprintf(prefix, sizeof prefix, "ack call %u ", which);
    struct lines acks = lines_read(c->place->said, prefix, &acked);
    if (acks.count != acked) {
        crash_find(c, CALLS_ONCE, "of ticket %u one was given twice", which);
    }
    for (size_t i = 0; i < acks.count; i++) {
        lines_add(given, acks.at[i]);
    }
    lines_sort(given);
    for (size_t i = 1; i < given->count; i++) {
        if (strcmp(given->at[i - 1], given->at[i]) == 0) {
            crash_find(c, CALLS_ONCE, "of ticket %u %s was given twice", which, given->at[i]);
        }
    }
    for (size_t i = 0; i < given->count; i++) {
        if (strtoll(given->at[i], NULL, 10) > pd_int(state)) {
            crash_find(c, CALLS_ONCE, "ticket %u has forgotten that it gave %s", which,
                       given->at[i]);
        }
    }
    /* Whoever died between the answer and his note of it has forgotten the call already. */
    int64_t unheard = pd_int(state) - (int64_t)given->count;
    if (unheard < 0 || unheard > (int64_t)(tried - acked)) {
        crash_find(c, CALLS_ONCE,
                   "ticket %u gave %" PRId64 ", of which %zu are known, and %zu calls are not",
                   which, pd_int(state), given->count, tried - acked);
    }
    lines_done(&tries);
    lines_done(&acks);
    pd_entity_view_free(view);
}

static void check_calls(struct check *c)
{
    struct tickets tickets = { 0 };
    add_tickets_of_the_dead(c, &tickets);
    add_tickets_of_quizzes(c, &tickets);
    for (unsigned i = 0; i < CRASH_OTHERS; i++) {
        check_ticket(c, &tickets.given[i], i);
        lines_done(&tickets.given[i]);
    }
}

/* ---- locks ----------------------------------------------------------------------------------- */

static int64_t count_completed(struct check *c, const char *kind)
{
    int64_t count = 0;
    for (size_t i = 0; i < c->tried.count; i++) {
        count += crash_is_kind(c->tried.at[i], kind) && is_completed(c, c->tried.at[i]);
    }
    return count;
}

/* Two accounts have one version more for each of those that moved money between them, and one for
 * each that touched it. */
static void check_accounts(struct check *c)
{
    int64_t sum = 0, versions = 0;
    size_t tried = 0, acked = 0;
    for (unsigned i = 0; i < CRASH_ACCOUNTS; i++) {
        pd_entity_view *view;
        pd_value state = state_of(c, "account", i, &view);
        sum += view != NULL ? pd_int(pd_at(state, 1)) : 1000;
        versions += pd_int(pd_at(state, 0));
        pd_entity_view_free(view);
    }
    struct lines touches = lines_read(c->place->said, "try touch ", &tried);
    struct lines touched = lines_read(c->place->said, "ack touch ", &acked);
    int64_t moves = count_completed(c, "lock");
    int64_t least =
        2 * moves + count_completed(c, "quiz") + count_completed(c, "send") + (int64_t)acked;
    int64_t most = least + (int64_t)(tried - acked);
    if (sum != 1000 * CRASH_ACCOUNTS || versions < least || versions > most) {
        crash_find(c, LOCKS_EXCLUDE,
                   "%" PRId64 " in all accounts, that were changed %" PRId64
                   " times, after %" PRId64 " transfers, and not %" PRId64 " to %" PRId64,
                   sum, versions, moves, least, most);
    }
    lines_done(&touches);
    lines_done(&touched);
}

/* ---- all ------------------------------------------------------------------------------------- */

void crash_check_entities(struct check *c)
{
    int64_t told = 0, heard = 0;
    wait_until_nothing_is_left(c);
    for (unsigned i = 0; i < CRASH_OTHERS; i++) {
        told += check_tally(c, i);
        check_roll(c, i);
    }
    for (unsigned i = 0; i < CRASH_SUMS; i++) {
        heard += check_sum(c, i);
    }
    if (told != heard) {
        crash_find(c, SIGNALS_ONCE_AND_IN_ORDER,
                   "tallies were told %" PRId64 " times, and sums heard %" PRId64, told, heard);
    }
    if (told == 0) {
        crash_find(c, SIGNALS_ONCE_AND_IN_ORDER, "nothing was said");
    }
    check_calls(c);
    check_accounts(c);
    printf("%" PRId64 " signals to tallies\n", told);
}
