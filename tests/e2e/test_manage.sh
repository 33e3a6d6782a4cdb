#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The verbs that manage instances, from a process beside the one that runs the engine: what they do,
# what they print, and that what is refused says why and changes nothing.
set -u
. "$(dirname "$0")/lib.sh"
perdure=$bin/perdure
hub=sqlite:$work/hub.db
cd "$work" || exit 1

$CC -std=c17 -Wall -Wextra -Werror -I"$root/include" -o worker "$root/tests/e2e/worker.c" \
    "$BUILD/lib/libperdure.a" -lsqlite3 -ljansson -lpthread -lm || {
    echo "FAIL the worker does not build"
    echo "0 passed, 1 failed"
    exit 1
}
mkfifo hold
./worker "$hub" <hold >worker.out &
children=$!
exec 3>hold
for _ in $(seq 100); do
    grep -q ready worker.out && break
    sleep 0.05
done
export PERDURE_HUB=$hub

run() { # CODE WORDS...
    want=$1
    shift
    timeout 30 "$perdure" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$want" ] && return 0
    echo "perdure $*: ended with $got instead of $want"
    cat err
    return 1
}
refused() { # CODE PATTERN WORDS...: says it on stderr, nothing on stdout
    want=$1
    pattern=$2
    shift 2
    run "$want" "$@" && equal "" "$(cat out)" && grep -q "$pattern" err && return 0
    cat err
    return 1
}
status_of() { "$perdure" show "$1" -o json >shown && json shown '$.status'; }
until_status() { # ID STATUS
    for _ in $(seq 200); do
        [ "$(status_of "$1")" = "$2" ] && return 0
        sleep 0.05
    done
    echo "$1 is $(status_of "$1"), not $2"
    return 1
}

# ---- terminate ----
check "an instance that waits" run 0 start Ask --id ask
check "is running" until_status ask Running
check "terminate" run 0 terminate ask --reason 'no longer needed'
check "prints nothing unless asked" equal "" "$(cat out)"
check "ends it at once" until_status ask Terminated
check "with the reason as its output" equal '"no longer needed"' "$("$perdure" show ask --output)"
check "wait tells so" run 9 wait ask --exit-status
check "terminate twice is refused" refused 4 "is Terminated" terminate ask
check "so is one that is missing" refused 3 "not found" terminate nobody
check "and a bad id" refused 2 "." terminate '@1'
check "history has it" sh -c '"$1" history ask | grep -q ExecutionTerminated' sh "$perdure"

# ---- suspend, resume ----
"$perdure" start Ask --id pause -o none
check "an instance to suspend" until_status pause Running
check "suspend" run 0 suspend pause --reason lunch
check "shows at once" until_status pause Suspended
check "suspend again is no harm" run 0 suspend pause
check "an event comes meanwhile" run 0 raise pause approval --data '"yes"'
check "and waits" sh -c 'sleep 0.3; [ "$("$1" list --prefix pause | cut -f 3)" = Suspended ]' \
    sh "$perdure"
check "resume" run 0 resume pause
check "lets it go on" run 0 wait pause --timeout 20s
check "with the event" grep -q '"yes"' out
check "resume of one that has ended is refused" refused 4 "is Completed" resume pause

# ---- children: tree, recursion ----
"$perdure" start Family --id folk -i '"Ask"' --tag town=Ulm --tag kind=large -o none
for _ in $(seq 100); do
    [ "$("$perdure" list --parent folk -s running -o id | wc -l)" -eq 2 ] && break
    sleep 0.05
done
check "tree draws children below" sh -c '"$1" tree folk -o plain --no-headers | cut -f 1 >tree
    printf "folk\n├─ folk:a\n└─ folk:b\n" | cmp - tree' sh "$perdure"
check "tree in JSON knows parents" sh -c '"$1" tree folk -o json >tree.json' sh "$perdure"
check "and depth" equal "folk 1" "$(json tree.json '$[2].parentId') $(json tree.json '$[2].depth')"
check "and the custom status" equal "waits for both" "$(json tree.json '$[0].customStatus')"
check "tags are inherited" equal 3 "$("$perdure" list --tag town=Ulm -o id | wc -l)"
check "a tag has its value" equal 0 "$("$perdure" list --tag town=Ul -o id | wc -l)"
check "roots leaves children out" equal 1 "$("$perdure" list --tag town=Ulm --roots -o id | wc -l)"
check "show has tags" sh -c '"$1" show folk -o json >shown' sh "$perdure"
check "as an object" equal Ulm "$(json shown '$.tags.town')"
check "watch --once shows each once" equal 3 "$("$perdure" watch folk --once | wc -l)"
check "a child ends" run 0 terminate folk:a
"$perdure" start Family --id clan -i '"Ask"' -o none
for _ in $(seq 100); do
    [ "$("$perdure" list --parent clan -s running -o id | wc -l)" -eq 2 ] && break
    sleep 0.05
done
check "terminate recursively" run 0 terminate clan --recursive
check "ends children" until_status clan:a Terminated
check "and all of them" until_status clan:b Terminated
check "folk still waits for its other child" until_status folk Running
check "which ends" run 0 raise folk:b Approval
check "a terminated child fails its parent" run 8 wait folk --exit-status --timeout 20s
check "with the child in the failure" sh -c '"$1" show folk --failure |
    grep -q "OrchestrationTerminated.*folk:a"' sh "$perdure"

# ---- rewind, restart, fork ----
"$perdure" start Needy --id needy --input-text "$work/wanted" -o none
check "one that fails" run 8 wait needy --exit-status --timeout 20s
check "rewind of one that completed is refused" refused 4 "is Completed" rewind pause
touch wanted
check "rewind" run 0 rewind needy --reason 'it is there now'
check "goes on to the end" until_status needy Completed
check "and did not repeat what had succeeded" equal 2 \
    "$("$perdure" history needy | grep -c TaskScheduled)"
check "restart in its place" run 0 restart needy
check "prints the id" equal needy "$(cat out)"
check "and runs again" until_status needy Completed
"$perdure" start Ask --id runs -o none
check "restart of one that runs is refused" refused 4 "." restart runs
check "but not under another id" run 0 restart runs --new-id runs-too
check "which runs beside it" until_status runs-too Running
event=$("$perdure" history needy | awk -F '\t' '$3 == "TaskCompleted" { print $1 }' | tail -n 1)
check "fork" run 0 fork needy --event "$event" --new-id forked
check "prints the id" equal forked "$(cat out)"
check "and goes on from there" run 0 wait forked --exit-status --timeout 20s
check "fork onto an id that is taken is refused" refused 4 "." fork needy --new-id forked
check "fork from no event is refused" refused 2 "." fork needy --event 9999

# ---- start: at, tags, if-exists ----
check "a start for later" run 0 start Echo --id later --at 1h
check "is pending" equal Pending "$(status_of later)"
check "and can be terminated" run 0 terminate later
check "a start in a moment" run 0 start Echo --id soon --at 500ms -i 7 -o none
check "begins then" run 0 wait soon --timeout 20s
check "if-exists skip leaves what is there" run 0 start Echo --id soon -i 8 --if-exists skip
check "as it was" equal 7 "$("$perdure" show soon --output)"
check "if-exists fail refuses also what has ended" \
    refused 4 "exists, and is Completed" start Echo --id soon --if-exists fail
"$perdure" start Ask --id stuck -o none
check "if-exists replace ends what runs" run 0 start Echo --id stuck -i 9 --if-exists replace --wait
check "and takes its place" equal 9 "$("$perdure" show stuck --output)"
check "a tag given twice" refused 2 "'a' is given twice" start Echo --tag a=1 --tag a=2
check "the second of three" run 0 start Echo --id three-2 --if-exists fail
check "is in the way of three" run 4 start Echo --count 3 --id-template 'three-{n}' \
    --if-exists fail --wait
check "and the one that was started is told" equal three-1 "$(cat out)"
check "tags may begin alike" run 0 start Echo --id alike --tag a=1 --tag ab=2
check "a tag that is none" refused 2 "KEY=VALUE" start Echo --tag nonsense

# ---- count, purge ----
check "count" run 0 count -o json
check "adds up" equal "$(json out '$[6].count')" \
    "$(sqlite3 :memory: "SELECT sum(json_extract(value,'\$.count')) FROM
        json_each(CAST(readfile('out') AS TEXT)) WHERE json_extract(value,'\$.status')<>'all'")"
gone() { # ID: an order to the engine of another process is carried out within milliseconds
    for _ in $(seq 200); do
        run 3 show "$1" && return 0
        sleep 0.05
    done
    return 1
}
left() { # NUMBER FILTERS...: so many are left
    want_left=$1
    shift
    for _ in $(seq 200); do
        [ "$("$perdure" list -o id "$@" | wc -l)" -eq "$want_left" ] && return 0
        sleep 0.05
    done
    echo "$("$perdure" list -o id "$@" | wc -l) are left instead of $want_left"
    return 1
}
check "a watch may be longer than its clock counts nanoseconds" sh -c \
    'timeout 1 "$1" watch runs --timeout 200000d >watched; [ $? -eq 124 ]' sh "$perdure"
check "a dry run of one" run 0 purge needy --dry-run
check "counts it" equal 1 "$(cat out)"
check "and leaves it there" run 0 show needy
check "of one that runs it is refused" run 4 purge runs --dry-run
check "and says why" grep -q "has not ended" err
check "a prefix that is empty is not everything" refused 2 "prefix: it is empty" purge --prefix ""
check "two tags are not the last of them" refused 2 "one at most" purge --tag a=1 --tag b=2
check "a day that is none" refused 2 "'2026-02-30' is not acceptable" purge --until 2026-02-30
check "the first moment of 1970 is a bound" run 0 purge --all --until 1970-01-01T00:00:00Z --dry-run
check "before which nothing was" equal 0 "$(cat out)"
check "purge one" run 0 purge needy
check "it is gone" gone needy
check "purge of one that runs is refused" sh -c '"$1" purge runs 2>err; [ $? -eq 4 ]' sh "$perdure"
check "and it runs on" equal Running "$(status_of runs)"
check "purge of what, is asked" refused 2 "purge what" purge
check "dry run counts" run 0 purge --status terminated --dry-run
many=$(cat out)
check "and leaves all there" left "$many" -s terminated
check "purge by status" run 0 purge --status terminated
check "says how many" equal "$many" "$(cat out)"
check "none is left" left 0 -s terminated
check "purge of an id with its descendants" run 0 purge folk --recursive
check "leaves no child" left 0 --parent folk
"$perdure" start Echo --count 700 --id-template 'e-{n}' -o none
check "many to purge" run 0 wait e-700 --timeout 20s
for _ in $(seq 100); do
    [ "$("$perdure" list --prefix e- -s completed -o id | wc -l)" -eq 700 ] && break
    sleep 0.05
done
check "are purged in batches" run 0 purge --prefix e-
check "all of them" equal 700 "$(cat out)"
check "ids come from stdin" sh -c '"$1" list -s running -o id | "$1" terminate -' sh "$perdure"
check "all" left 0 -s running

# ---- with no engine: it is done when one runs ----
exec 3>&-
wait "$children"
children=
"$perdure" start Ask --id mailed -o none
check "terminate waits in the mailbox" run 0 terminate mailed
check "suspend of none is refused all the same" refused 3 "not found" suspend nobody
check "rewind of one that completed too" refused 4 "restart" rewind soon
mkfifo again
./worker "$hub" <again >worker.out &
children=$!
exec 3>again
check "and is done when an engine runs" until_status mailed Terminated
exec 3>&-
finish
