/* SPDX-License-Identifier: MIT
 *
 * A connection: one SQLite handle with the statements and feeds this room uses.
 *
 * Statements are prepared when first used and kept. A connection belongs to one thread at a time
 * (SQLITE_OPEN_NOMUTEX); who shares one holds a lock of his own.
 *
 *   N1  Between calls no statement is in the middle of its rows: whoever steps one resets it, so
 *       that no read transaction stays open and holds back a checkpoint.
 *   N2  Text and blobs are bound without a copy: what is bound outlives the step.
 *   N3  No connection checkpoints by itself; connection_checkpoint does. */
#ifndef STORE_SQLITE_CONNECTION_H
#define STORE_SQLITE_CONNECTION_H

#include <perdure.h>
#include <sqlite3.h>

#include "base/text.h"
#include "store/sqlite/feed.h"
#include "store/sqlite/schema.h"

/* Columns of an instance, in the order read.c takes them. */
#define INSTANCE_COLUMNS                                                              \
    "instance.row,id,execution_id,name,version,state,created_at,updated_at,ended_at," \
    "EXISTS(SELECT 1 FROM busy WHERE busy.row=instance.row),"                         \
    "starts_at,parent_step,parent_id,parent_execution_id,tags"
#define INSTANCE_PAYLOADS ",input,output,failure,custom_status"
#define INSTANCE_ALL "instance LEFT JOIN instance_extra AS extra ON extra.row=instance.row"

/* Columns of an entity, likewise; its state, or whether it has one, comes behind them. */
#define ENTITY_COLUMNS                                                     \
    "e.row,id,updated_at,EXISTS(SELECT 1 FROM busy WHERE busy.row=e.row)," \
    "owner,execution_id,section"
#define ENTITY_ALL "perdure_entity AS e LEFT JOIN perdure_lock AS l ON l.row=e.row"
#define ENTITY_LOCKED "perdure_lock AS l CROSS JOIN perdure_entity AS e ON e.row=l.row"
/* The plus keeps SQLite from the index of ids. */
#define ENTITY_LIST(source, id, order)                                                          \
    "SELECT " ENTITY_COLUMNS ",CASE WHEN ?8 THEN state WHEN typeof(state)<>'null' THEN '' END," \
    "(SELECT count(*) FROM inbox WHERE inbox.instance=e.row) FROM " source                      \
    " WHERE e.row>?3 AND " id ">=?1 AND (?2 OR id<>?1) AND " id "<?4"                           \
    " AND updated_at>=?5 AND updated_at<=?6 AND (?7 OR typeof(state)<>'null')"                  \
    " ORDER BY " order " LIMIT ?9"

#define STATEMENT_MAP(X)                                                                           \
    X(BEGIN_READ, "BEGIN")                                                                         \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(VERSION_GET, "PRAGMA user_version")                                                          \
    X(PARTITION_GET, "SELECT epoch,row_high,timer_high FROM partition WHERE number=?1")            \
    X(PARTITION_SET, "UPDATE partition SET row_high=?2,timer_high=?3 WHERE number=?1")             \
    X(PARTITION_OWN, "UPDATE partition SET epoch=epoch+1,owned_at=?2 WHERE number=?1")             \
    X(INSTANCE_INSERT,                                                                             \
      "INSERT OR FAIL INTO instance(row,id,execution_id,name,version,state,created_at,"            \
      "updated_at,ended_at,input,output,failure,custom_status)"                                    \
      " SELECT row,id,execution_id,name,version,state,created_at,updated_at,ended_at,input,"       \
      "output,failure,custom_status FROM feed_instance")                                           \
    X(EXTRA_FEED, "INSERT OR FAIL INTO instance_extra(row,starts_at,parent_step,parent_id,"        \
                  "parent_execution_id,tags)"                                                      \
                  " SELECT row,starts_at,parent_step,parent_id,parent_execution_id,tags"           \
                  " FROM feed_instance WHERE has_extra")                                           \
    X(BUSY_FEED, "INSERT OR IGNORE INTO busy(row) SELECT row FROM feed_instance WHERE is_busy")    \
    X(HISTORY_FEED, "INSERT OR FAIL INTO history(instance,turn,events)"                            \
                    " SELECT row,number,bytes FROM feed_history")                                  \
    X(TIMER_FEED, "INSERT OR REPLACE INTO timer(instance,id,due,partition,number)"                 \
                  " SELECT row,timer_id,due,partition,sequence FROM feed_timer")                   \
    X(ENTITY_FEED, "INSERT INTO perdure_entity(row,id,updated_at,state)"                           \
                   " SELECT row,entity_id,entity_updated_at,entity_state FROM feed_entity"         \
                   " WHERE NOT keeps_state ON CONFLICT(row) DO UPDATE"                             \
                   " SET updated_at=excluded.updated_at,state=excluded.state")                     \
    X(ENTITY_KEEP_FEED,                                                                            \
      "INSERT INTO perdure_entity(row,id,updated_at)"                                              \
      " SELECT row,entity_id,entity_updated_at FROM feed_entity"                                   \
      " WHERE keeps_state ON CONFLICT(row) DO UPDATE SET updated_at=excluded.updated_at")          \
    X(ENTITY_LOCK_FEED, "INSERT OR REPLACE INTO perdure_lock(row,owner,execution_id,section)"      \
                        " SELECT row,lock_owner,lock_execution,lock_section FROM feed_entity"      \
                        " WHERE lock_owner IS NOT NULL")                                           \
    X(ENTITY_UNLOCK_FEED, "DELETE FROM perdure_lock WHERE row IN("                                 \
                          "SELECT row FROM feed_entity WHERE lock_owner IS NULL)")                 \
    X(ENTITY_BUSY_FEED,                                                                            \
      "INSERT OR IGNORE INTO busy(row) SELECT row FROM feed_entity WHERE entity_is_busy")          \
    X(ENTITY_IDLE_FEED,                                                                            \
      "DELETE FROM busy WHERE row IN(SELECT row FROM feed_entity WHERE NOT entity_is_busy)")       \
    X(INSTANCE_UPDATE,                                                                             \
      "UPDATE instance SET state=?2,updated_at=?3,ended_at=?4,output=?5,failure=?6 WHERE row=?1")  \
    X(INSTANCE_RENEW,                                                                              \
      "UPDATE instance SET state=?2,updated_at=?3,ended_at=?4,output=?5,failure=?6,"               \
      "execution_id=?7,version=?8,input=?9 WHERE row=?1")                                          \
    X(STATUS_SET, "UPDATE instance SET custom_status=?2,updated_at=max(updated_at,?3) "            \
                  "WHERE row=?1")                                                                  \
    X(BUSY_PUT, "INSERT OR IGNORE INTO busy(row) VALUES(?1)")                                      \
    X(BUSY_REMOVE, "DELETE FROM busy WHERE row=?1")                                                \
    X(INSTANCE_DELETE, "DELETE FROM instance WHERE row=?1")                                        \
    X(EXTRA_DELETE, "DELETE FROM instance_extra WHERE row=?1")                                     \
    X(PROGRESS_DELETE, "DELETE FROM progress WHERE instance=?1")                                   \
    X(HISTORY_DELETE, "DELETE FROM history WHERE instance=?1")                                     \
    X(INBOX_DELETE, "DELETE FROM inbox WHERE instance=?1")                                         \
    X(TIMER_DELETE, "DELETE FROM timer WHERE instance=?1")                                         \
    X(INBOX_PUT, "INSERT OR FAIL INTO inbox(instance,arrival,event) VALUES(?1,?2,?3)")             \
    X(INBOX_REMOVE, "DELETE FROM inbox WHERE instance=?1 AND arrival BETWEEN ?2 AND ?3")           \
    X(LOCK_DELETE, "DELETE FROM perdure_lock WHERE row=?1")                                        \
    X(ENTITY_DELETE, "DELETE FROM perdure_entity WHERE row=?1")                                    \
    X(TIMER_REMOVE, "DELETE FROM timer WHERE instance=?1 AND id=?2 AND due=?3")                    \
    X(PROGRESS_PUT, "INSERT OR REPLACE INTO progress(instance,id,data) VALUES(?1,?2,?3)")          \
    X(PROGRESS_REMOVE, "DELETE FROM progress WHERE instance=?1 AND id=?2")                         \
    X(MAILBOX_REMOVE, "DELETE FROM mailbox WHERE partition=?1 AND number<=?2")                     \
    X(MAILBOX_NUMBER,                                                                              \
      "UPDATE partition SET mailbox_high=mailbox_high+1 WHERE number=?1 RETURNING mailbox_high")   \
    X(MAILBOX_PUT,                                                                                 \
      "INSERT OR FAIL INTO mailbox(partition,number,kind,flags,instance_id,execution_id,event)"    \
      " VALUES(?1,?2,?3,?4,?5,?6,?7)")                                                             \
    X(MAILBOX_HAS_START,                                                                           \
      "SELECT 1 FROM mailbox WHERE instance_id=?1 AND " SCHEMA_IS_START " LIMIT 1")                \
    X(MAILBOX_HAS_OPERATION,                                                                       \
      "SELECT 1 FROM mailbox WHERE instance_id=?1 AND " SCHEMA_IS_OPERATION " LIMIT 1")            \
    X(MAILBOX_LIST, "SELECT number,kind,flags,instance_id,execution_id,event FROM mailbox"         \
                    " WHERE partition=?1 AND number>?2 ORDER BY number LIMIT ?3")                  \
    X(STATE_BY_ID, "SELECT state FROM instance WHERE id=?1")                                       \
    X(ENTITY_HAS, "SELECT 1 FROM perdure_entity WHERE id=?1")                                      \
    X(ENTITY_BY_ID, "SELECT " ENTITY_COLUMNS ",state FROM " ENTITY_ALL " WHERE id=?1")             \
    X(ENTITY_BY_ROW, "SELECT " ENTITY_COLUMNS ",state FROM " ENTITY_ALL " WHERE e.row=?1")         \
    X(ENTITY_LIST_BY_ID, ENTITY_LIST(ENTITY_ALL, "id", "id"))                                      \
    X(ENTITY_LIST_BY_ROW, ENTITY_LIST(ENTITY_ALL, "+id", "e.row"))                                 \
    X(LOCKED_LIST_BY_ID, ENTITY_LIST(ENTITY_LOCKED, "+id", "id"))                                  \
    X(LOCKED_LIST_BY_ROW, ENTITY_LIST(ENTITY_LOCKED, "+id", "l.row"))                              \
    X(INSTANCE_BY_ID,                                                                              \
      "SELECT " INSTANCE_COLUMNS INSTANCE_PAYLOADS " FROM " INSTANCE_ALL " WHERE id=?1")           \
    X(INSTANCE_BY_ROW,                                                                             \
      "SELECT " INSTANCE_COLUMNS INSTANCE_PAYLOADS " FROM " INSTANCE_ALL " WHERE instance.row=?1") \
    X(PROGRESS_LIST, "SELECT id,data FROM progress WHERE instance=?1 ORDER BY id")                 \
    X(HISTORY_LIST, "SELECT turn,events FROM history WHERE instance=?1 AND turn>=?2 ORDER BY id")  \
    X(INBOX_LIST, "SELECT arrival,event FROM inbox WHERE instance=?1 ORDER BY arrival")            \
    X(BUSY_LIST, "SELECT row FROM busy WHERE row>?1 AND row%?2=?3 ORDER BY row LIMIT ?4")          \
    X(TIMER_LIST, "SELECT due,instance,id FROM timer WHERE partition=?1 AND due>?2 AND due<=?3"    \
                  " ORDER BY due,number")

enum statement {
#define X(name, sql) STATEMENT_##name,
    STATEMENT_MAP(X)
#undef X
        STATEMENT_COUNT
};

struct connection {
    uint32_t magic;
    sqlite3 *db;
    const char *name;        /* of the file, as the user gave it; borrowed */
    struct connection *next; /* in a pool */
    int wal_pages;           /* in the log after the last commit made here */
    int patience_ms;         /* how long it waits for another's lock */
    int restart_at;          /* so many make a checkpoint wait for readers */
    struct feed instances, entities, histories, timers;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    sqlite3_stmt *query; /* the last one asked: query.c */
    unsigned query_shape;
};

/* Opens the file and sets the connection up; nothing is read or made yet. */
struct connection *connection_open(const char *path, const char *name, const char *vfs,
                                   bool only_reads, pd_error *err);
/* Could the file be opened to be written, or made? What is wrong with it, or its folder. */
pd_status connection_may_write(const char *path, const char *name, const char *where,
                               pd_error *err);
void connection_close(struct connection *connection); /* NULL is fine */

/* Says what went wrong last on this connection, as a status. */
pd_status connection_error(struct connection *connection, const char *where, pd_error *err);

/* The prepared statement, reset and ready to bind; NULL with err. */
sqlite3_stmt *connection_prepare_slow(struct connection *connection, enum statement which,
                                      const char *where, pd_error *err);
static inline sqlite3_stmt *connection_statement(struct connection *connection,
                                                 enum statement which, const char *where,
                                                 pd_error *err)
{
    sqlite3_stmt *statement = connection->statements[which];
    return __builtin_expect(statement != NULL, 1)
               ? statement
               : connection_prepare_slow(connection, which, where, err);
}

/* Runs a statement that gives no rows and resets it. */
pd_status connection_run(struct connection *connection, sqlite3_stmt *statement, const char *where,
                         pd_error *err);
pd_status connection_do(struct connection *connection, enum statement which, const char *where,
                        pd_error *err);
void connection_rollback(struct connection *connection); /* fine when there is no transaction */

/* Runs SQL text, for pragmas and migrations. */
pd_status connection_execute(struct connection *connection, const char *sql, const char *where,
                             pd_error *err);

/* The one integer a statement answers; 0 when it answers none. */
pd_status connection_integer(struct connection *connection, const char *sql, int64_t *ret,
                             const char *where, pd_error *err);

/* Moves the log into the file when it has grown long enough. A failure is not one of the commit
 * that came before: the log stays, and the next call tries again. */
void connection_checkpoint(struct connection *connection);

/* Gives back its page cache. */
void connection_trim(struct connection *connection);

void connection_bind_text(sqlite3_stmt *statement, int index, struct text text);
void connection_bind_bytes(sqlite3_stmt *statement, int index, struct text bytes);

static inline void connection_bind_number(sqlite3_stmt *statement, int index, uint64_t number)
{
    (void)sqlite3_bind_int64(statement, index, (int64_t)number);
}

#endif
