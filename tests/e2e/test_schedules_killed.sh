#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Exactly one start for each time that is due, with real processes: perdured is killed with -9 at
# random moments under schedules of every second, and each second has its one instance afterwards.
# What is started waits for a worker that never comes, so nothing else writes.
set -u
. "$(dirname "$0")/lib.sh"
[ -x "$bin/perdured" ] && command -v curl >/dev/null || {
    echo "0 passed, 0 failed"
    exit 0
}
kills=${KILLS:-12}

await() { # COMMAND, for ten seconds
    for _ in $(seq 200); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}
serve() {
    : >"$work/ready"
    "$bin/perdured" --store "sqlite:$work/hub.db" --listen 127.0.0.1:0 --http 127.0.0.1:0 \
        >"$work/ready" 2>>"$work/log" &
    children=$!
    await grep -qs '^ready ' "$work/ready"
    base=http://$(sed -n 's/.*http=\([^ ]*\).*/\1/p' "$work/ready")/runtime/webhooks/durabletask
}
get() { curl -sS -m 30 "$base/$1"; }
post() { curl -sS -m 30 -o /dev/null -w '%{http_code}' "$base/$1" -d "${2:-}"; }
number() { get "schedules/$1" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"; }
is_active() { get "schedules/$1" | grep -q '"status":"active"'; }
is_paused() { get "schedules/$1" | grep -q '"status":"paused"'; }
has_started() { [ "$(number "$1" started)" -ge "$2" ]; }
ids() {
    get "instances?instanceIdPrefix=$1:&top=1000" | grep -o "\"instanceId\":\"$1:[^\"]*\"" |
        sed "s/\"instanceId\":\"$1:\(.*\)\"/\1/" | sort
}
row_of_seconds() { # ids on stdin: without a gap and a double
    awk -F '[-:TZ]' '{ at = ($3 * 24 + $4) * 3600 + $5 * 60 + $6
        if (NR > 1 && at != last + 1 && $4 $5 $6 != "000000") {
            print "after " last ": " $0
            bad = 1
        }
        last = at }
        END { exit bad || NR == 0 }'
}

check "perdured starts" serve
check "a schedule is put" equal 202 "$(post schedules/all '{"rule": "* * * * * *",
    "orchestrator": "Nobody", "overlap": "allow", "missed": "all"}')"
check "and one that skips" equal 202 "$(post schedules/skip '{"rule": "* * * * * *",
    "orchestrator": "Nobody", "missed": "all"}')"
check "they are taken" await is_active all
check "both" await is_active skip
check "it starts something" await has_started all 1
for i in $(seq "$kills"); do
    sleep "$(awk -v seed="$$$i" 'BEGIN { srand(seed); printf "%.3f", rand() * 1.5 }')"
    kill -9 "$children"
    wait "$children" 2>/dev/null
    serve || break
done
check "after the last of $kills deaths it is there" is_active all
before=$(number all started)
check "goes on" await has_started all $((before + 2))
check "is paused" equal 202 "$(post schedules/all/pause)"
check "as is the other" equal 202 "$(post schedules/skip/pause)"
check "soon" await is_paused all
check "both are" await is_paused skip
ids all >"$work/all"
check "each second has one instance" row_of_seconds <"$work/all"
check "and as many are counted" equal "$(number all started)" "$(wc -l <"$work/all" | tr -d ' ')"
check "over at least $kills deaths" test "$(wc -l <"$work/all")" -ge $((kills / 3 + 2))
check "where one waits for the other, one was started" equal 1 "$(ids skip | wc -l | tr -d ' ')"
check "which is counted" equal 1 "$(number skip started)"
late=$(($(number all late) + $(number skip late)))
check "none is late, but for what came just before the pause" test "$late" -le 2
met=$((1 + $(number skip skipped) + $(number skip late) - $(wc -l <"$work/all")))
check "and of the others none is lost or skipped twice" test "$met" -ge -3 -a "$met" -le 3
one=$(ids skip)
check "what tells of that one's end is not terminated" equal 400 \
    "$(post "instances/perdure.run:skip:$one/terminate")"
check "it is resumed" equal 202 "$(post schedules/skip/resume)"
check "that one is terminated" equal 202 "$(post "instances/skip:$one/terminate")"
kill -9 "$children"
wait "$children" 2>/dev/null
check "perdured is killed at that moment, and starts" serve
check "and the next one is started" await has_started skip 2
finish
