/* SPDX-License-Identifier: MIT
 *
 * The mailbox: messages from any process to the engine that owns a partition.
 *
 * Accepting is a short write transaction of its own, beside the engine's commits: it judges each
 * message by what is committed and by the starts that wait, numbers it, and is durable when it
 * returns. Then the owner is told (owner.c). */
#include "base/assert.h"
#include "base/error.h"
#include "store/judge.h"
#include "store/sqlite/sqlite_store.h"

static const char where[] = "sqlite: accept";

/* The first integer of the answer to a statement that takes the id; false: no row, or err. */
static bool ask(struct connection *connection, enum statement which, struct text id, int64_t *ret,
                pd_status *status, pd_error *err)
{
    sqlite3_stmt *statement = connection_statement(connection, which, where, err);
    if (statement == NULL) {
        *status = err->status;
        return false;
    }
    connection_bind_text(statement, 1, id);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret = sqlite3_column_int64(statement, 0);
    } else if (code != SQLITE_DONE) {
        *status = connection_error(connection, where, err);
    }
    (void)sqlite3_reset(statement);
    return code == SQLITE_ROW;
}

static pd_status judge(struct connection *connection, const struct message *message, pd_error *err)
{
    pd_status status = PD_OK;
    int64_t state = 0, one = 0;
    struct addressee addressee = { 0 };
    if (judge_takes_all(message->kind)) {
        return PD_OK;
    }
    if (judge_asks_entity(message)) {
        struct text id = message->instance_id;
        addressee.exists = ask(connection, STATEMENT_ENTITY_HAS, id, &one, &status, err);
        addressee.waits = status == PD_OK && !addressee.exists &&
                          ask(connection, STATEMENT_MAILBOX_HAS_OPERATION, id, &one, &status, err);
        return status != PD_OK ? status : judge_message(message, &addressee, where, err);
    }
    addressee.exists =
        ask(connection, STATEMENT_STATE_BY_ID, message->instance_id, &state, &status, err);
    addressee.state = (enum run_state)state;
    addressee.waits = status == PD_OK && ask(connection, STATEMENT_MAILBOX_HAS_START,
                                             message->instance_id, &one, &status, err);
    return status != PD_OK ? status : judge_message(message, &addressee, where, err);
}

pd_status sqlite_mailbox_put(struct connection *connection, const struct message *message,
                             const char *why, pd_error *err)
{
    sqlite3_stmt *number = connection_statement(connection, STATEMENT_MAILBOX_NUMBER, why, err);
    sqlite3_stmt *insert = connection_statement(connection, STATEMENT_MAILBOX_PUT, why, err);
    if (number == NULL || insert == NULL) {
        return err->status;
    }
    connection_bind_number(number, 1, message->partition);
    int code = sqlite3_step(number);
    int64_t high = code == SQLITE_ROW ? sqlite3_column_int64(number, 0) : 0;
    if (code == SQLITE_ROW) {
        code = sqlite3_step(number);
    }
    pd_status status = code == SQLITE_DONE ? PD_OK : connection_error(connection, why, err);
    (void)sqlite3_reset(number);
    if (status != PD_OK) {
        return status;
    }
    connection_bind_number(insert, 1, message->partition);
    (void)sqlite3_bind_int64(insert, 2, high);
    (void)sqlite3_bind_int(insert, 3, (int)message->kind);
    (void)sqlite3_bind_int64(insert, 4, message->flags);
    connection_bind_text(insert, 5, message->instance_id);
    connection_bind_text(insert, 6, message->execution_id);
    connection_bind_bytes(insert, 7, message->bytes);
    return connection_run(connection, insert, why, err);
}

static pd_status accept_all(struct connection *connection, const struct message *messages,
                            size_t count, pd_error *err)
{
    pd_status status = connection_do(connection, STATEMENT_BEGIN_WRITE, where, err);
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        status = judge(connection, &messages[i], err);
        if (status == PD_OK) {
            status = sqlite_mailbox_put(connection, &messages[i], where, err);
        }
    }
    return status != PD_OK ? status : connection_do(connection, STATEMENT_COMMIT, where, err);
}

pd_status sqlite_accept(struct store *base, const struct message *messages, size_t count,
                        pd_error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    for (size_t i = 0; i < count; i++) {
        assert_that(messages[i].partition < base->partition_count);
    }
    pthread_mutex_lock(&store->sender_lock);
    if (store->sender == NULL) {
        store->sender = connection_open(store->path, store->name, store->vfs, false, err);
    }
    struct connection *connection = store->sender;
    pd_status status =
        connection != NULL ? accept_all(connection, messages, count, err) : err->status;
    if (status == PD_OK) {
        connection_checkpoint(connection);
    } else if (connection != NULL) {
        connection_rollback(connection);
        if (status != PD_E_EXISTS && status != PD_E_STATE && status != PD_E_NOT_FOUND) {
            connection_close(connection);
            store->sender = NULL;
        }
    }
    pthread_mutex_unlock(&store->sender_lock);
    if (status == PD_OK) {
        sqlite_owner_note_mail(store);
        sqlite_owner_note_commit(store);
    }
    return status;
}
