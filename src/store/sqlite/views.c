/* SPDX-License-Identifier: MIT
 *
 * The views for people: what is stored, as plain sqlite3 shows it. Nothing in the library reads
 * them; docs/format/sqlite.md explains their columns.
 *
 * perdure_history decodes protobuf in SQL. A message is walked byte by byte by a recursive query:
 * first the bytes of a tag, then those of a number or a length, then on behind what the length
 * says. Walk c finds the events of a chunk, f the fields of an event, p what is in those, and q
 * what is in failures and points in time in there. All that happens in an expression over one row
 * of history, so that asking for one instance decodes that instance alone.
 *
 *   - `byte` maps two hexadecimal digits to a number: SQLite has hex() and, in 3.40, no way back.
 *   - A row of a walk with found=1 is a field: tag, value (a number, or a length), at (its bytes).
 *   - A text in a wrapper message stands behind one tag and a length: WRAPPED. */
#include "store/sqlite/schema.h"

/* clang-format off */

/* So far read, with byte v: of a tag or number whose earlier bytes gave acc. */
#define SO_FAR "(acc|((v&127)<<shift))"
#define WALK(name, source)                                                                       \
    name "(e,kind,pos,stop,phase,acc,shift,tag,found,value,at) AS MATERIALIZED ("                \
    " SELECT e,kind,at,stop,0,0,0,0,0,0,0 FROM (" source ")"                                     \
    " UNION ALL"                                                                                 \
    " SELECT e,kind,"                                                                            \
    "  pos+1+CASE WHEN v>127 THEN 0 WHEN phase=1 AND tag&7=2 THEN " SO_FAR                       \
    "   WHEN phase=0 AND " SO_FAR "&7=1 THEN 8 WHEN phase=0 AND " SO_FAR "&7=5 THEN 4 ELSE 0 END," \
    "  stop,"                                                                                    \
    "  CASE WHEN v>127 THEN phase WHEN phase=1 OR " SO_FAR "&7 IN(1,5) THEN 0 ELSE 1 END,"       \
    "  CASE WHEN v>127 THEN " SO_FAR " ELSE 0 END,"                                              \
    "  CASE WHEN v>127 THEN shift+7 ELSE 0 END,"                                                 \
    "  CASE WHEN v<128 AND phase=0 THEN " SO_FAR " ELSE tag END,"                                \
    "  v<128 AND phase=1,"                                                                       \
    "  " SO_FAR ","                                                                              \
    "  pos+1"                                                                                    \
    " FROM " name " JOIN byte ON x=hex(substr(h.events,pos+1,1)) WHERE pos<stop)"

#define TEXT_HERE "CAST(substr(h.events,at+1,value) AS TEXT)"
#define SKIPPED                                                                                  \
    "(CASE WHEN value<130 THEN 2 WHEN value<16387 THEN 3 WHEN value<2097156 THEN 4"              \
    " WHEN value<268435461 THEN 5 ELSE 6 END)"
#define WRAPPED                                                                                  \
    "CASE WHEN value=0 THEN '' ELSE"                                                             \
    " CAST(substr(h.events,at+1+" SKIPPED ",value-" SKIPPED ") AS TEXT) END"

/* Of the fields of an event, the one that fits; a field of what is in field k of an event has
 * kind k, and one of what is in there 1000+k. Field f of kind k is called k*1000+f. */
#define PICK(where, what) "max(CASE WHEN " where " THEN " what " END)"
#define FIELD_IN(numbers) "kind*1000+field IN(" numbers ")"
#define KIND PICK("kind=0 AND field>2", "field")

#define LOCKS "json_group_array(" TEXT_HERE ") FILTER (WHERE " FIELD_IN("27002") ")"

#define TIME(seconds, micros)                                                                    \
    "strftime('%Y-%m-%dT%H:%M:%S'," seconds ",'unixepoch')||printf('.%06dZ'," micros ")"
#define MICROS(column) "((" column "%1000000)+1000000)%1000000"
#define TIME_OF(column) TIME("(" column "-" MICROS(column) ")/1000000", MICROS(column))

#define WALKS                                                                                    \
    WALK("c", "SELECT 0 AS e,0 AS kind,0 AS at,length(h.events) AS stop") ","                    \
    WALK("f", "SELECT at AS e,0 AS kind,at,at+value AS stop FROM c WHERE found AND tag=10") ","  \
    WALK("p", "SELECT e,tag>>3 AS kind,at,at+value AS stop FROM f WHERE found AND tag&7=2") ","  \
    WALK("q", "SELECT e,1000+kind AS kind,at,at+value AS stop FROM p WHERE found"                \
              " AND kind*1000+(tag>>3) IN(3006,4003,8002,11002,26002,12001,13001,23003)")

/* Order: kind, id, seconds, nanos, name, version, input, result, type and message of a failure,
 * status, task, seconds and nanos of the time to fire, target. */
#define EVENT_AS_JSON                                                                            \
    "json_array(" KIND ","                                                                       \
    "ifnull(" PICK("kind=0 AND field=1", "value") ",0),"                                         \
    "ifnull(" PICK("kind=2 AND field=1", "value") ",0),"                                         \
    "ifnull(" PICK("kind=2 AND field=2", "value") ",0),"                                         \
    PICK(FIELD_IN("3001,6001,9002,16002,17001,23002,24002,101001"), TEXT_HERE) ","                \
    PICK(FIELD_IN("3002,6002,9003"), WRAPPED) ","                                                \
    "CASE WHEN " KIND "=27 THEN " LOCKS " ELSE "                                                 \
    PICK(FIELD_IN("3003,5001,6003,9004,16003,17002,20001,21001,22001,23004,24004,30001"),        \
         WRAPPED) " END,"                                                                        \
    PICK(FIELD_IN("4002,7002,10002,25002"), WRAPPED) ","                                         \
    PICK("kind IN(1004,1008,1011,1026) AND field=1", TEXT_HERE) ","                              \
    PICK("kind IN(1004,1008,1011,1026) AND field=2", TEXT_HERE) ","                              \
    "CASE WHEN " KIND "=4 THEN ifnull(" PICK("kind=4 AND field=1", "value") ",0) END,"           \
    "CASE WHEN " KIND " IN(7,8,10,11,13,100) THEN ifnull("                                       \
    PICK(FIELD_IN("7001,8001,10001,11001,13002,100001"), "value") ",0) ELSE "                    \
    PICK(FIELD_IN("25100,26100,28100"), "value") " END,"                                         \
    PICK("kind IN(1003,1012,1013,1023) AND field=1", "value") ","                                \
    PICK("kind IN(1003,1012,1013,1023) AND field=2", "value") ","                                \
    "ifnull(" PICK(FIELD_IN("9001,16001"), TEXT_HERE) ","                                        \
    PICK(FIELD_IN("23005,24007,29003,102002"), WRAPPED) "))"

#define LEAVES                                                                                   \
    ",leaf(e,kind,field,value,at) AS ("                                                          \
    " SELECT e,kind,tag>>3,value,at FROM f WHERE found"                                          \
    " UNION ALL SELECT e,kind,tag>>3,value,at FROM p WHERE found"                                \
    " UNION ALL SELECT e,kind,tag>>3,value,at FROM q WHERE found),"

/* The end of a turn is not stored, it is where the row of history ends: hence the last of these. */
#define EVENTS_AS_JSON                                                                           \
    " SELECT json_group_array(json(line)) FROM (SELECT line FROM event"                          \
    " UNION ALL SELECT json_array(15,-1,NULL) WHERE NOT EXISTS"                                  \
    " (SELECT 1 FROM f WHERE found AND tag>>3=15))"

#define AT(n) "json_extract(j.value,'$[" #n "]')"
#define BEFORE(n) "json_extract(j.json,'$[#-2][" #n "]')" /* of the last event that is stored */

#define STATE_NAME                                                                               \
    "CASE state WHEN 0 THEN 'Pending' WHEN 1 THEN 'Running' WHEN 2 THEN 'Suspended'"             \
    " WHEN 3 THEN 'Completed' WHEN 4 THEN 'Failed' WHEN 5 THEN 'Terminated' END"
#define STATUS_NAME                                                                              \
    "CASE " AT(10) " WHEN 0 THEN 'Running' WHEN 1 THEN 'Completed' WHEN 2 THEN 'ContinuedAsNew'" \
    " WHEN 3 THEN 'Failed' WHEN 4 THEN 'Canceled' WHEN 5 THEN 'Terminated' END"
#define KIND_NAME                                                                                \
    "CASE " AT(0) " WHEN 3 THEN 'ExecutionStarted' WHEN 4 THEN 'ExecutionCompleted'"             \
    " WHEN 5 THEN 'ExecutionTerminated' WHEN 6 THEN 'TaskScheduled' WHEN 7 THEN 'TaskCompleted'" \
    " WHEN 8 THEN 'TaskFailed' WHEN 9 THEN 'SubOrchestrationInstanceCreated'"                    \
    " WHEN 10 THEN 'SubOrchestrationInstanceCompleted'"                                          \
    " WHEN 11 THEN 'SubOrchestrationInstanceFailed' WHEN 12 THEN 'TimerCreated'"                 \
    " WHEN 13 THEN 'TimerFired' WHEN 14 THEN 'OrchestratorStarted'"                              \
    " WHEN 15 THEN 'OrchestratorCompleted' WHEN 16 THEN 'EventSent' WHEN 17 THEN 'EventRaised'"  \
    " WHEN 20 THEN 'ContinueAsNew' WHEN 21 THEN 'ExecutionSuspended'"                            \
    " WHEN 22 THEN 'ExecutionResumed' WHEN 23 THEN 'EntityOperationSignaled'"                    \
    " WHEN 24 THEN 'EntityOperationCalled' WHEN 25 THEN 'EntityOperationCompleted'"              \
    " WHEN 26 THEN 'EntityOperationFailed' WHEN 27 THEN 'EntityLockRequested'"                   \
    " WHEN 28 THEN 'EntityLockGranted' WHEN 29 THEN 'EntityUnlockSent'"                          \
    " WHEN 30 THEN 'ExecutionRewound' WHEN 100 THEN 'StepCancelled'"                             \
    " WHEN 101 THEN 'ChangeMarked' WHEN 102 THEN 'EntitySignalCancelled'"                        \
    " ELSE 'Event'||" AT(0) " END"

/* Packed tags (base/tags.h) as an object: they hold no control characters but their own, which
 * become what JSON has between keys and values. */
#define TAGS_AS_JSON                                                                             \
    "'{\"'||replace(replace(trim(replace(replace(tags,'\\','\\\\'),'\"','\\\"'),char(30)),"       \
    "char(31),'\":\"'),char(30),'\",\"')||'\"}'"

/* "@name@key" */
#define NAME_END "instr(substr(id,2),'@')"

const char schema_views_gone[] = "DROP VIEW IF EXISTS perdure_entities;"
                                 "DROP VIEW IF EXISTS perdure_history;"
                                 "DROP VIEW IF EXISTS perdure_instances;"
                                 "DROP TABLE IF EXISTS byte;";

const char *const schema_views[] = {
    "CREATE TABLE byte(x TEXT PRIMARY KEY,v INTEGER NOT NULL) WITHOUT ROWID;"
    "WITH RECURSIVE n(v) AS (SELECT 0 UNION ALL SELECT v+1 FROM n WHERE v<255)"
    " INSERT INTO byte SELECT printf('%02X',v),v FROM n;",

    "CREATE VIEW perdure_instances AS SELECT id AS instance_id,name,version,"
    STATE_NAME " AS state,"
    "EXISTS(SELECT 1 FROM busy WHERE busy.row=instance.row) AS is_busy,"
    "CASE WHEN starts_at<>0 THEN " TIME_OF("starts_at") " END AS starts_at,"
    TIME_OF("created_at") " AS created_at,"
    TIME_OF("updated_at") " AS updated_at,"
    "CASE WHEN ended_at<>0 THEN " TIME_OF("ended_at") " END AS ended_at,"
    "input,output,custom_status," TAGS_AS_JSON " AS tags,parent_id,"
    "execution_id,instance.row AS row"
    " FROM instance LEFT JOIN instance_extra AS extra ON extra.row=instance.row;",

    "CREATE VIEW perdure_entities AS SELECT id AS entity_id,"
    "substr(id,2," NAME_END "-1) AS name,substr(id," NAME_END "+2) AS key,"
    TIME_OF("updated_at") " AS changed_at,"
    "EXISTS(SELECT 1 FROM busy WHERE busy.row=e.row) AS is_busy,"
    "(SELECT count(*) FROM inbox WHERE inbox.instance=e.row) AS backlog,"
    "owner AS locked_by,state,e.row AS row"
    " FROM perdure_entity AS e LEFT JOIN perdure_lock AS l ON l.row=e.row;",

    "CREATE VIEW perdure_history AS SELECT i.id AS instance_id,"
    "row_number() OVER (PARTITION BY i.id ORDER BY h.turn,j.key) AS number,"
    "h.turn AS turn,"
    KIND_NAME " AS event_type,"
    TIME("ifnull(" AT(2) "," BEFORE(2) ")", "ifnull(" AT(3) "," BEFORE(3) ")/1000")
    " AS timestamp,"
    AT(1) " AS event_id," AT(4) " AS name," AT(5) " AS version," AT(6) " AS input,"
    "ifnull(" AT(7) "," AT(8) "||': '||ifnull(" AT(9) ",'')) AS result,"
    STATUS_NAME " AS status,"
    AT(11) " AS task_id,"
    TIME(AT(12), "ifnull(" AT(13) ",0)/1000") " AS fire_at,"
    AT(14) " AS target_id"
    " FROM instance AS i JOIN history AS h ON h.instance=i.row",
    " JOIN json_each((WITH RECURSIVE " WALKS,
    LEAVES "event(line) AS (SELECT " EVENT_AS_JSON " FROM leaf GROUP BY e ORDER BY e)",
    EVENTS_AS_JSON ")) AS j;",
    NULL };
