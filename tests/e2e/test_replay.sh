#!/bin/sh
# SPDX-License-Identifier: MIT
#
# replay, export, import: a program that did not change does the same over all it ever did, one that
# did change is found out, in each place that histories can be in, with the exit codes that are
# promised; what was exported goes on elsewhere; and each sample replays what it has done.
set -u
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
perdure=$bin/perdure
for edition in orders changed; do
    flag=
    [ $edition = orders ] || flag=-DCHANGED
    # shellcheck disable=SC2086
    $CC -std=c17 -Wall -Wextra -Werror $flag -I"$root/include" -o $edition \
        "$root/tests/e2e/orders.c" "$BUILD/lib/libperdure.a" -lsqlite3 -ljansson -lpthread -lm || {
        echo "FAIL the program does not build"
        echo "0 passed, 1 failed"
        exit 1
    }
done
hub=sqlite:$work/orders.db
mkfifo hold
./orders "$hub" <hold >orders.out &
children=$!
exec 3>hold
for _ in $(seq 100); do
    grep -q ready orders.out && break
    sleep 0.05
done
PERDURE_HUB=$hub
export PERDURE_HUB
"$perdure" start Order --id tea --input-text tea -o none
"$perdure" start Order --id milk --input-text milk -o none
"$perdure" start Other --id other --wait -o none
"$perdure" raise tea Collected -o none
"$perdure" wait tea -o none
for _ in $(seq 100); do
    "$perdure" history milk | grep -q TaskCompleted && break
    sleep 0.05
done

run() { # CODE WORDS...
    want=$1
    shift
    timeout 60 "$perdure" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$want" ] && return 0
    echo "perdure $*: ended with $got instead of $want"
    cat out err
    return 1
}
fails_cleanly() { # the same, and nothing on stdout, and something on stderr
    run "$@" && equal "" "$(cat out)" && test -s err
}

# ---- the same, beside the engine that owns the hub ----
check "a program that did not change gives 0" run 0 replay --from "$hub" -- ./orders
check "and no data, though the program talks" equal "" "$(cat out)"
check "and says how many on stderr" grep -qx "3 the same, 0 different" err
check "-q says nothing, of its own" sh -c '"$1" replay -q --from "$2" -- ./orders 2>&1 >/dev/null |
    { ! grep -q "the same"; }' sh "$perdure" "$hub"
check "the engine beside it goes on" sh -c '"$1" raise milk Collected -o none &&
    "$1" wait milk --timeout 20s -o none' sh "$perdure"
check "the hub of its own that it would open was not made" sh -c '"$1" replay --from "$2" -- \
    ./orders sqlite:own.db 2>err && [ ! -e own.db ]' sh "$perdure" "$hub"

# ---- not the same ----
check "one that changed gives 11" run 11 replay --from "$hub" -- ./changed
check "a line for each instance that differs" equal 2 "$(grep -c . out)"
check "with event and both actions" grep -q "tea.*Order.*3.*step 0: history has TaskScheduled \
'Pack' (event 3), the code asked for activity 'Pay'" out
check "and how many on stderr" grep -qx "1 the same, 2 different" err
check "--id chooses" run 0 replay --from "$hub" --id oth -- ./changed
check "and finds" run 11 replay --from "$hub" --id milk -- ./changed
for format in table plain json jsonl csv id none; do
    check "replay -o $format" run 11 replay --from "$hub" -o $format -- ./changed
    cp out "replay.$format"
done
check "json is JSON" is_json replay.json
check "jsonl is, line by line" is_jsonl replay.jsonl
check "json has the event as a number" equal 3 "$(json replay.json '$[0].event')"
check "id has the ids" equal "tea milk" "$(tr '\n' ' ' <replay.id | sed 's/ $//')"
check "none has nothing" equal "" "$(cat replay.none)"
check "json of none that differ is []" sh -c '[ "$("$1" replay --from "$2" -o json -- ./orders \
    2>/dev/null)" = "[]" ]' sh "$perdure" "$hub"

# ---- archives ----
"$perdure" start Order --id cake --input-text cake -o none
for _ in $(seq 100); do
    "$perdure" history cake | grep -q TaskCompleted && break
    sleep 0.05
done
check "export" run 0 export all.pda
check "says nothing in a pipe" equal "" "$(cat out)"
check "replay of an archive" run 0 replay --from all.pda -- ./orders
check "finds what differs" run 11 replay --from all.pda -- ./changed
mkdir archives
check "export of some" run 0 export --prefix milk archives/milk.pda -o json
check "says how many" equal 1 "$(json out '$.instances')"
check "export of others" run 0 export --status completed --name Order archives/orders.pda -o json
check "by filter" equal 2 "$(json out '$.instances')"
check "replay of a folder" run 11 replay --from archives -- ./changed
check "has all of them" grep -qx "0 the same, 3 different" err
check "import into a new hub" run 0 import --hub sqlite:second.db all.pda -o json
check "says how many, too" equal 4 "$(json out '$.instances')"
second() { "$perdure" --hub sqlite:second.db "$@"; }
mkfifo more
./orders sqlite:second.db <more >second.out &
exec 4>more
check "where those that had ended have" second wait tea milk other --timeout 20s -o none
check "and the other goes on" sh -c '"$1" --hub sqlite:second.db raise cake Collected -o none &&
    "$1" --hub sqlite:second.db wait cake --timeout 20s | grep -q "packed cake"' sh "$perdure"
check "having been packed once" equal 1 "$(second history cake | grep -c TaskScheduled)"
exec 4>&-
check "and are as they were" equal '"packed tea"' \
    "$(second show tea --output)"
check "history and all" sh -c '"$1" history tea >a && "$1" --hub sqlite:second.db history tea >b &&
    cmp a b' sh "$perdure"
check "imported again they are there already" fails_cleanly 4 import --hub sqlite:second.db all.pda

# ---- what goes wrong ----
check "without --from it gives 2" fails_cleanly 2 replay -- ./orders
check "without a program it gives 2" fails_cleanly 2 replay --from "$hub"
check "a hub that is not there gives 3" fails_cleanly 3 replay --from sqlite:no.db -- ./orders
check "and is not made" test ! -e no.db
check "in any format" fails_cleanly 3 replay --from sqlite:no.db -o json -- ./orders
check "a file that is not there gives 5" fails_cleanly 5 replay --from no.pda -- ./orders
check "one that is no archive gives 12" fails_cleanly 12 replay --from orders -- ./orders
check "no such instance gives 3" fails_cleanly 3 replay --from "$hub" --id nobody -- ./orders
check "a program that is not there gives 3" fails_cleanly 3 replay --from "$hub" -- ./nothing
check "one that starts no worker gives 1" fails_cleanly 1 replay --from "$hub" -- ./orders x --lazy
check "and is told so" grep -q "has started no worker" err
check "one that dies gives 1" fails_cleanly 1 replay --from "$hub" -- sh -c 'kill -9 $$'
check "export into no folder gives 5" fails_cleanly 5 export nowhere/file.pda
check "export of a hub that is not there gives 3" fails_cleanly 3 export --hub sqlite:no.db x.pda
check "import of nothing gives 5" fails_cleanly 5 import nothing.pda
check "import of no archive gives 12" fails_cleanly 12 import orders

# ---- the environment alone ----
check "without the command it works as well" sh -c 'PD_REPLAY_FROM=all.pda ./changed >out 2>err
    [ $? -eq 1 ] && grep -q "^tea (Order) event 3: step 0: history has" out &&
    grep -q "1 is the same, 3 differ" err'

# ---- a debugger ----
check "--break-at without gdb says what to do" sh -c 'PATH=/nowhere "$1" replay --from "$2" \
    --break-at 6 -- ./orders 2>err; [ $? -eq 3 ] && grep -q PD_REPLAY_BREAK_AT err' \
    sh "$perdure" "$hub"
if command -v gdb >/dev/null && gdb -q -batch -ex run --args true >gdb.out 2>&1 &&
    grep -q "exited normally" gdb.out; then
    check "--break-at stops in gdb before the event" sh -c 'timeout 60 "$1" replay --from "$2" \
        --id tea --break-at 6 -- ./orders </dev/null >gdb.out 2>&1
        grep -q "stops before event 6, TaskCompleted" gdb.out && grep -q SIGTRAP gdb.out' \
        sh "$perdure" "$hub"
fi

# ---- every sample replays what it has done ----
exec 3>&-
unset PERDURE_HUB
mkdir samples
cd samples || exit 1
PATH=$bin:$PATH
mkdir some
echo 12345 >some/file
timeout 30 hello_cities >out
timeout 30 course_recommendations 3 sqlite:course_recommendations.db >out
timeout 30 fan_out some >out
timeout 30 saga Lisbon >out 2>&1
timeout 30 saga Atlantis >out 2>&1
timeout 30 sub_orchestrations >out 2>&1
timeout 30 monitor some/file 5 >out
timeout 30 monitor some/nothing 1 >out 2>&1
timeout 30 singleton >out
timeout 60 heartbeat 60 >out 2>&1
timeout 30 transaction 20 >out
timeout 2 eternal_loop >out 2>&1
timeout 4 cron_report report.txt '* * * * * *' UTC >out 2>&1
timeout 30 bank 20 >out
timeout 30 aggregator 10 20 >out 2>&1
timeout 30 synchronize 5 >out
FAKE_HTTP_LOG=$PWD/asked # tests/http/fake_module.c: nobody is spoken to
export FAKE_HTTP_LOG
PERDURE_MODULES=$BUILD/tests/http/modules timeout 30 check_site_available http://h/503-200 \
    sqlite:check_site_available.db >out
PERDURE_MODULES=$BUILD/tests/http/modules PERDURE_HUB=sqlite:monitor_202.db \
    timeout 30 monitor_202 1 'http://h/202-200?after=0' 'http://h/202?after=9' >out
approval 2>out &
service=$!
for _ in $(seq 100); do
    grep -q "^approval: runs" out && break
    sleep 0.05
done
perdure --hub sqlite:approval.db start Expense --id a -i '{"who":"Ada","amount":1,"patience":0}' \
    -o none
perdure --hub sqlite:approval.db start Expense --id b -i '{"who":"Bob","amount":2}' -o none
perdure --hub sqlite:approval.db raise b Answer --data true -o none
perdure --hub sqlite:approval.db wait a b --timeout 20s -o none
kill -9 "$service"
wait "$service" 2>/dev/null
replays_all() { # HUB PROGRAM ARGUMENTS...
    url=$1
    shift
    timeout 30 perdure replay --from "$url" -- "$@" >replay.out 2>replay.err &&
        grep -q "^[1-9][0-9]* the same, 0 different$" replay.err ||
        { cat replay.out replay.err; return 1; }
}
for sample in "$root"/samples/*/; do
    name=$(basename "$sample")
    [ "$name" != counter ] || continue # it has no orchestrator
    [ -f "$sample/main.c" ] || continue # it is an app, and no program
    db=$name.db
    [ "$name" != hello_cities ] || db=hello.db
    argument=
    [ "$name" != monitor ] || argument=some/file
    [ "$name" != cron_report ] || argument=report.txt
    [ "$name" != check_site_available ] || argument=http://h/200
    [ "$name" != monitor_202 ] || argument="1 http://h/200"
    # shellcheck disable=SC2086
    check "$name does the same again" replays_all "sqlite:$db" "$name" $argument
done
finish
