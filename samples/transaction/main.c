/* SPDX-License-Identifier: MIT
 *
 * Money moves exactly once: the activities write to a table of their own in the hub's file, in the
 * transaction that records that they have run. Kill the program as often as you like: the sum of
 * the accounts stays what it was.
 *
 *     transaction [TRANSFERS] [FILE] */
#include <perdure.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { ACCOUNTS = 10, START_WITH = 1000 };

static pd_result failed(pd_activity *a, sqlite3 *db)
{
    return pd_fail(a, "Database", "%s", sqlite3_errmsg(db));
}

static pd_result open_accounts(pd_activity *a, pd_value input)
{
    sqlite3 *db = pd_activity_database(a);
    (void)input;
    const char *sql = pd_format(a,
                                "CREATE TABLE IF NOT EXISTS account(id INTEGER PRIMARY KEY,"
                                " balance INTEGER NOT NULL CHECK(balance >= 0));"
                                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
                                " WHERE i<%d) INSERT OR IGNORE INTO account SELECT i,%d FROM n",
                                ACCOUNTS, START_WITH);
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? pd_ok(a, PD_NULL) : failed(a, db);
}

static pd_result move_money(pd_activity *a, pd_value input)
{
    sqlite3 *db = pd_activity_database(a);
    int from, to, amount;
    if (!pd_read(a, input, "from", &from, "to", &to, "amount", &amount))
        return PD_FAILED;

    /* The first of the two may succeed and the second fail: then neither has happened. */
    const char *sql = pd_format(a,
                                "UPDATE account SET balance=balance+%d WHERE id=%d;"
                                "UPDATE account SET balance=balance-%d WHERE id=%d",
                                amount, to, amount, from);
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? pd_ok(a, amount) : failed(a, db);
}

static pd_result sum_accounts(pd_activity *a, pd_value input)
{
    sqlite3 *db = pd_activity_database(a);
    long long sum = 0;
    (void)input;
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, "SELECT sum(balance) FROM account", -1, &query, NULL) != SQLITE_OK)
        return failed(a, db);
    if (sqlite3_step(query) == SQLITE_ROW)
        sum = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return pd_ok(a, sum);
}

static pd_result transfers(pd_orchestration *o, pd_value count)
{
    pd_call_activity(o, open_accounts, PD_NULL);
    int64_t refused = 0;
    for (int64_t i = 0; i < pd_int(count); i++) {
        int64_t from = (int64_t)(pd_random(o) % ACCOUNTS);
        int64_t to = (int64_t)(pd_random(o) % ACCOUNTS);
        int64_t amount = (int64_t)(pd_random(o) % 500);
        pd_task *move = pd_start_activity(o, move_money,
                                          PD_OBJ("from", from + 1, "to", to + 1, "amount", amount));
        if (!pd_wait(o, move))
            refused++; /* the account has not so much */
    }
    pd_value sum = pd_call_activity(o, sum_accounts, PD_NULL);
    return pd_ok(o, PD_OBJ("sum", sum, "refused", refused));
}

static const pd_function program[] = {
    PD_FUNCTION("Transfers", transfers),
    PD_TRANSACTION("OpenAccounts", open_accounts),
    PD_TRANSACTION("MoveMoney", move_money),
    PD_TRANSACTION("SumAccounts", sum_accounts),
};

int main(int argc, char **argv)
{
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
    const char *file = argc > 2 ? argv[2] : "transaction.db";
    char url[1024];
    pd_error err;
    snprintf(url, sizeof url, "sqlite:%s", file);

    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (!hub)
        return pd_error_report(&err);

    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (!worker)
        return pd_error_report(&err);

    /* Where an earlier run was killed, this one goes on. */
    pd_start_options options = { .id = "transfers" };
    pd_status started = pd_hub_start(hub, transfers, count, &options, NULL, &err);
    if (started != PD_OK && started != PD_E_EXISTS)
        return pd_error_report(&err);

    PD_AUTO(pd_instance) done = pd_hub_wait(hub, "transfers", pd_minutes(5), &err);
    if (!done)
        return pd_error_report(&err);

    int64_t sum = pd_int(pd_get(pd_instance_output(done), "sum"));
    puts(pd_instance_output_json(done));
    return sum == ACCOUNTS * START_WITH ? 0 : 1;
}
