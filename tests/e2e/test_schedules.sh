#!/bin/sh
# SPDX-License-Identifier: MIT
#
# perdure schedule, beside the process that runs the engine, and the sample of a report at fixed
# times, killed and started anew.
set -u
. "$(dirname "$0")/lib.sh"
perdure=$bin/perdure
hub=sqlite:$work/cron_report.db
cd "$work" || exit 1

$CC -std=gnu17 -Wall -Wextra -Werror -I"$root/include" -o cron_report \
    "$root/samples/cron_report/main.c" "$BUILD/lib/libperdure.a" -lsqlite3 -ljansson -lpthread \
    -lm || {
    echo "FAIL the sample does not build"
    echo "0 passed, 1 failed"
    exit 1
}
schedule() {
    command=$1
    shift
    "$perdure" --hub "$hub" schedule "$command" "$@"
}
serve() {
    ./cron_report report.txt '* * * * * *' UTC "$hub" 2>err &
    children=$!
}
await() { # lines of the report
    for _ in $(seq 200); do
        [ "$(cat report.txt 2>/dev/null | wc -l)" -ge "$1" ] && return 0
        sleep 0.05
    done
    return 1
}
shows() { schedule show disk -o json 2>/dev/null | grep -q "$1"; }
await_shows() {
    for _ in $(seq 100); do
        shows "$1" && return 0
        sleep 0.05
    done
    return 1
}

serve
check "a report is made each second" await 3
check "of its time" grep -qE '^disk:20[0-9-]+T[0-9:]+Z: [0-9]+% full$' report.txt
check "list shows it" sh -c '"$0" --hub "$1" schedule list -o csv | grep -q "^disk,active"' \
    "$perdure" "$hub"
check "show has when it is due next" shows '"next":"20'
kill -9 "$children"
wait "$children" 2>/dev/null
lines=$(cat report.txt | wc -l)
sleep 2
serve
check "killed and started anew, it goes on" await $((lines + 2))
check "no time was reported twice" equal "" "$(sort report.txt | uniq -d)"
check "pause" equal 0 "$(schedule pause disk; echo $?)"
check "is seen" await_shows '"status":"paused"'
schedule trigger disk
sleep 0.3
lines=$(cat report.txt | wc -l)
check "trigger starts one all the same, of its millisecond" \
    sh -c 'tail -1 report.txt | grep -qE "T[0-9:]+[.][0-9]{3}Z:"'
sleep 1.5
check "and nothing else is due" equal "$lines" "$(cat report.txt | wc -l)"
check "resume" equal 0 "$(schedule resume disk; echo $?)"
check "goes on" await $((lines + 1))
check "delete takes ids from stdin" \
    sh -c '"$0" --hub "$1" schedule list -o id | "$0" --hub "$1" schedule delete -' \
    "$perdure" "$hub"
sleep 0.3
check "it is gone" equal 3 "$(schedule show disk 2>/dev/null; echo $?)"
check "and cannot be paused" equal 3 "$(schedule pause disk 2>/dev/null; echo $?)"
check "put with a bad rule says why" sh -c '! "$0" --hub "$1" schedule put a "0 25 * * *" B 2>err &&
    grep -q "hour" err' "$perdure" "$hub"
check "with a bad word too" equal 2 \
    "$(schedule put a @daily B --overlap sometimes 2>/dev/null; echo $?)"
check "put with everything" schedule put all '0 8 * * MON' Report --zone Asia/Tokyo -i '"x"' \
    --tag team=a --version 2 --overlap buffer --missed all --missed-max 1h --begins 1h --ends 30d \
    --paused
for _ in $(seq 100); do
    schedule show all -o json >all.json 2>/dev/null && break
    sleep 0.05
done
for part in '"zone":"Asia/Tokyo"' '"status":"paused"' '"overlap":"buffer"' '"missed":"all"' \
    '"missedMax":3600000' '"team":"a"' '"version":"2"' '"begins":' '"ends":'; do
    check "show has $part" grep -q "$part" all.json
done
kill "$children"
check "the sample ends in good order" wait "$children"
finish
