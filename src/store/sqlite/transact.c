/* SPDX-License-Identifier: MIT
 *
 * Transactions of others: user code that writes its own tables of this file, and in the same
 * transaction the result of its activity is put into the mailbox.
 *
 * The handle that user code gets is not the one that commits, but a guest's: what is done to it (a
 * statement left in the middle, a temporary table, a hook, a limit) does not reach the engine, and
 * after anything doubtful it is closed and another one opened. It is refused what is not its own:
 *
 *   U1  Tables, indexes and views of ours can be read, and not changed. Nothing is attached, and no
 *       setting changed that outlives the transaction or is part of the file (user_version!).
 *   U2  While body runs, nothing is committed: not by COMMIT, which is refused, nor by a statement
 *       that finds itself outside a transaction because an earlier one rolled it back (OR ROLLBACK,
 *       a full disk). The commit hook sees to that; the rollback hook remembers it.
 *   U3  The message is put in only when the transaction in which body ran is still the same.
 *
 * This keeps out mistakes, not malice: who has the handle may do anything to his own file. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "store/sqlite/sqlite_store.h"

static const char where[] = "sqlite: transact";

struct guest {
    struct connection *connection;
    bool is_inside;   /* body runs */
    bool has_ended;   /* the transaction, while it ran */
    bool is_doubtful; /* not to be used again */
};

/* ---- what is refused ------------------------------------------------------------------------- */

/* Those that ask, and one that ends with the transaction. */
static bool is_harmless(const char *pragma, const char *argument)
{
    static const char *const prefixes[] = { "table_", "index_", "foreign_key_",
                                            "defer_foreign_keys" };
    bool is_fine = argument == NULL;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0] && !is_fine; i++) {
        is_fine = sqlite3_strnicmp(pragma, prefixes[i], (int)strlen(prefixes[i])) == 0;
    }
    return is_fine;
}

static bool is_allowed(int action, const char *first, const char *second)
{
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return false;
    case SQLITE_PRAGMA: return is_harmless(first, second);
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VIEW:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_ANALYZE:
    case SQLITE_REINDEX: return !schema_is_ours(first);
    case SQLITE_ALTER_TABLE: /* database, table */
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_DROP_INDEX: return !schema_is_ours(second);
    default: return true;
    }
}

static int authorize(void *aux, int action, const char *first, const char *second,
                     const char *schema, const char *inner)
{
    const struct guest *guest = aux;
    (void)schema, (void)inner;
    return !guest->is_inside || is_allowed(action, first, second) ? SQLITE_OK : SQLITE_DENY;
}

static int refuse_commit(void *aux)
{
    const struct guest *guest = aux;
    return guest->is_inside; /* which makes a rollback of it */
}

static void note_rollback(void *aux)
{
    struct guest *guest = aux;
    guest->has_ended = guest->has_ended || guest->is_inside;
}

/* ---- the guest ------------------------------------------------------------------------------- */

static struct guest *guest_of(struct sqlite_store *store, pd_error *err)
{
    if (store->guest != NULL) {
        return store->guest;
    }
    struct connection *connection =
        connection_open(store->path, store->name, store->vfs, false, err);
    if (connection == NULL) {
        return NULL;
    }
    store->guest = mem_alloc(sizeof *store->guest);
    *store->guest = (struct guest){ .connection = connection };
    (void)sqlite3_set_authorizer(connection->db, authorize, store->guest);
    (void)sqlite3_commit_hook(connection->db, refuse_commit, store->guest);
    (void)sqlite3_rollback_hook(connection->db, note_rollback, store->guest);
    return store->guest;
}

void sqlite_guest_done(struct sqlite_store *store)
{
    if (store->guest != NULL) {
        struct guest *guest = store->guest;
        (void)sqlite3_set_authorizer(guest->connection->db, NULL, NULL);
        connection_close(guest->connection);
        mem_free(guest);
        store->guest = NULL;
    }
}

/* Statements that user code has left in the middle of their rows: they would hold the transaction,
 * or make COMMIT wait. */
static void put_to_rest(struct guest *guest)
{
    sqlite3_stmt *statement = NULL;
    while ((statement = sqlite3_next_stmt(guest->connection->db, statement)) != NULL) {
        if (sqlite3_stmt_busy(statement) != 0) {
            (void)sqlite3_reset(statement);
        }
    }
}

/* What user code has put in the place of ours: then nothing is known of what happened. */
static bool has_our_hooks(struct guest *guest)
{
    sqlite3 *db = guest->connection->db;
    return sqlite3_commit_hook(db, refuse_commit, guest) == guest &&
           sqlite3_rollback_hook(db, note_rollback, guest) == guest;
}

/* ---- one transaction ------------------------------------------------------------------------- */

static pd_status begin(struct guest *guest, unsigned partition, uint64_t epoch, pd_error *err)
{
    uint64_t row_high, timer_high;
    struct connection *connection = guest->connection;
    pd_status status = connection_do(connection, STATEMENT_BEGIN_WRITE, where, err);
    return status != PD_OK ? status
                           : sqlite_check_epoch(connection, partition, epoch, &row_high,
                                                &timer_high, where, err);
}

/* Body has run, and says that its result is to be recorded. */
static pd_status record(struct guest *guest, const struct message *message, pd_error *err)
{
    struct connection *connection = guest->connection;
    if (guest->has_ended || guest->is_doubtful || sqlite3_get_autocommit(connection->db) != 0) {
        guest->is_doubtful = true;
        return error_set(err, PD_E_STATE, false, where,
                         "the transaction was ended by what ran in it; nothing of it was kept");
    }
    pd_status status = sqlite_mailbox_put(connection, message, where, err);
    return status != PD_OK ? status : connection_do(connection, STATEMENT_COMMIT, where, err);
}

pd_status sqlite_transact(struct store *base, unsigned partition, uint64_t epoch,
                          bool (*body)(void *argument, void *database, struct message *message),
                          void *argument, pd_error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct guest *guest = guest_of(store, err);
    if (guest == NULL) {
        return err->status;
    }
    struct message message = { 0 };
    pd_status status = begin(guest, partition, epoch, err);
    bool has_begun = status == PD_OK;
    if (has_begun) {
        guest->has_ended = false;
        guest->is_inside = true;
        bool is_fine = body(argument, guest->connection->db, &message);
        guest->is_doubtful = !has_our_hooks(guest);
        put_to_rest(guest);
        guest->is_inside = false;
        assert_that(!is_fine || message.partition < base->partition_count);
        status = is_fine ? record(guest, &message, err)
                         : error_set(err, PD_E_CANCELLED, false, where, "nothing was to be kept");
    }
    if (status == PD_OK) {
        sqlite_owner_note_commit(store);
        return PD_OK;
    }
    connection_rollback(guest->connection);
    if (guest->is_doubtful || (status != PD_E_CANCELLED && status != PD_E_LEASE_LOST)) {
        sqlite_guest_done(store);
    }
    return status;
}
