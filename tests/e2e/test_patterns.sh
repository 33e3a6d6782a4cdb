#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The samples of the patterns do what their READMEs promise: monitor, eternal loop, saga, children,
# singleton, heartbeat, transactions; also with every wait replayed, and killed in the middle.
set -u
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
PATH=$bin:$PATH

# ---- saga ----
check "saga books all three" equal '["flight-Lisbon","room-Lisbon","car-Lisbon"]' \
    "$(timeout 30 saga Lisbon 2>err)"
check "and fails when there is no room" sh -c 'timeout 30 saga Atlantis 2>err
    [ $? -eq 1 ] && grep -q "NoRoom: there is no room in Atlantis" err'
check "after it gave back the flight" grep -q "gives back flight-Atlantis" err
check "and nothing else" equal 1 "$(grep -c "gives back" err)"
check "with every wait replayed too" equal '["flight-Oslo","room-Oslo","car-Oslo"]' \
    "$(PD_REPLAY=always PD_GUARD=fail timeout 30 saga Oslo sqlite:r.db 2>err)"

# ---- children ----
parcels='["parcel for Tokyo handed over","nobody delivers there: parcel for Atlantis",'
parcels="$parcels\"parcel for London handed over\"]"
check "children deliver" equal "$parcels" "$(timeout 30 sub_orchestrations 2>err)"
check "and replayed" equal "$parcels" \
    "$(PD_REPLAY=always timeout 30 sub_orchestrations sqlite:r.db)"
check "the tree has four" equal 4 \
    "$(perdure --hub sqlite:sub_orchestrations.db tree parcels | wc -l)"

# ---- monitor ----
monitor flag 20 >monitor.out 2>&1 &
children=$!
sleep 0.4
check "monitor is looking" equal "" "$(cat monitor.out)"
check "and says how often it looked" sh -c 'perdure --hub sqlite:monitor.db list -s running -o id |
    xargs perdure --hub sqlite:monitor.db show | grep -q "looks"'
kill -9 "$children"
wait "$children" 2>/dev/null
touch flag
check "killed and run again, it finds the file" \
    sh -c 'timeout 30 monitor flag 20 | grep -q "is there"'
check "and so does the first one" sh -c 'for i in $(seq 100); do
    [ "$(perdure --hub sqlite:monitor.db list -s completed -o id | wc -l)" -eq 2 ] && exit 0
    timeout 10 monitor flag 5 >/dev/null; [ "$i" -gt 3 ] && exit 0; done; exit 1'
check "it gives up in time" sh -c 'timeout 30 monitor nowhere 1 sqlite:m.db 2>err; [ $? -eq 1 ] &&
    grep -q "not there after 1 seconds" err'

# ---- singleton ----
for i in 1 2 3; do
    singleton >single.$i 2>&1 &
    children="$children $!"
done
wait
check "one of three started the backup" equal 1 "$(cat single.* | grep -c "^started a backup")"
check "and all saw it end" equal 3 "$(cat single.* | grep -c "all copied")"

# ---- heartbeat ----
check "heartbeat goes on where the lost attempt was" equal "pages of the last attempt: 51" \
    "$(timeout 60 heartbeat 100 2>err)"
check "from page 50" grep -q "goes on from page 50" err

# ---- eternal loop ----
eternal_loop sqlite:e.db 2>loop.err &
loop=$!
children=$loop
for _ in $(seq 100); do
    grep -q runs loop.err && break
    sleep 0.05
done
e() { perdure --hub sqlite:e.db "$@"; }
for i in $(seq 1 50); do e raise the-sum Number --data "$i" -o none; done
sum_is() {
    for _ in $(seq 200); do
        e show the-sum -o json >sum.json
        [ "$(json sum.json '$.customStatus.sum')" = "$1" ] && return 0
        sleep 0.05
    done
    cat sum.json
    return 1
}
check "the loop adds up" sum_is 1275
check "in fifty rounds" equal 50 "$(json sum.json '$.customStatus.round')"
check "with the history of one" \
    sh -c '[ "$(perdure --hub sqlite:e.db history the-sum | wc -l)" -lt 8 ]'
kill -9 "$loop"
wait "$loop" 2>/dev/null
e raise the-sum number --data 25 -o none
PD_REPLAY=always eternal_loop sqlite:e.db 2>loop.err &
loop=$!
children=$loop
check "killed, it goes on" sum_is 1300
check "terminate ends it" e terminate the-sum
check "for good" sh -c 'for i in $(seq 200); do
    perdure --hub sqlite:e.db show the-sum | grep -q Terminated && exit 0; sleep 0.05; done; exit 1'
kill -TERM "$loop"
check "the service ends well" wait "$loop"

# ---- transaction: killed again and again, the money stays ----
kills=0
for _ in $(seq 8); do
    transaction 400 t.db >t.out 2>&1 &
    victim=$!
    children=$victim
    sleep 0.15
    kill -9 "$victim" 2>/dev/null && kills=$((kills + 1))
    wait "$victim" 2>/dev/null
    sum=$(sqlite3 t.db "SELECT sum(balance) FROM account" 2>/dev/null)
    check "after kill $kills the sum is what it was" test "${sum:-10000}" = 10000
done
check "and at the end" sh -c 'timeout 120 transaction 400 t.db >t.out &&
    grep -q "\"sum\":10000" t.out'
check "each transfer is recorded once" equal 402 \
    "$(perdure --hub sqlite:t.db history transfers | grep -c TaskScheduled)"
finish
