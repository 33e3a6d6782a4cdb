#!/bin/sh
# SPDX-License-Identifier: MIT
#
# perdure entity, from a process beside the one that runs the engine: what is said to entities, what
# is seen of them, what is refused. Then the samples of entities and critical sections.
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
state_of() { "$perdure" entity state "$1" 2>/dev/null; }
until_state() { # ENTITY STATE
    for _ in $(seq 200); do
        [ "$(state_of "$1")" = "$2" ] && return 0
        sleep 0.05
    done
    echo "$1 is '$(state_of "$1")', not '$2'"
    return 1
}
until_locked() { # ENTITY ID, or "" for nobody
    for _ in $(seq 200); do
        "$perdure" entity show "$1" -o json >shown 2>/dev/null
        [ "$(json shown '$.lockedBy')" = "$2" ] && return 0
        sleep 0.05
    done
    cat shown
    return 1
}
no_calls_are_left() {
    for _ in $(seq 100); do
        [ -z "$("$perdure" list --name perdure.call -o id)" ] && return 0
        sleep 0.05
    done
    "$perdure" list --name perdure.call
    return 1
}

# ---- call ----
check "a call makes the entity" run 0 entity call @counter@a add --input 5
check "and prints the answer" equal 5 "$(cat out)"
check "the name's case does not count, nor the operation's" run 0 entity call @COUNTER@a ADD -i 2
check "it is the same entity" equal 7 "$(cat out)"
check "the '@' in front may be left out" run 0 entity call counter@a get
check "the key's case counts" run 0 entity call @counter@A get
check "it is another entity" equal 0 "$(cat out)"
check "the key may be empty" run 0 entity call @counter@ add -i 1
check "and hold a '@'" run 0 entity call @counter@x@y add -i 1
check "an operation that fails ends with 8" refused 8 "UnknownOperation: a counter cannot 'fly'" \
    entity call @counter@a fly
check "an entity that nobody has written, too" refused 8 EntityNotFound entity call @nothing@a x
check "calls leave nothing behind" no_calls_are_left
check "what is no entity is refused" refused 2 "write @name@key" entity call a get
check "and what has no name" refused 2 "write @name@key" entity call @@a get
check "and a bad key" refused 2 . entity call "@counter@$(printf 'a\tb')" get
check "bad input, too; it says how a text is written" refused 2 "quotes of its own" \
    entity call @counter@a add --input '{'

# ---- signal ----
check "a signal" run 0 entity signal @counter@s add --input 3
guid='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
check "prints its id" grep -Eq "signal.$guid" out
check "takes effect" until_state @counter@s 3
check "a signal for later" run 0 entity signal @counter@s add --input 4 --at 2s -o id
later=$(cat out)
check "a second one, for much later" run 0 entity signal @counter@s add --input 50 --at 1h -o id
check "waits" equal 3 "$(state_of @counter@s)"
"$perdure" entity show @counter@s -o json >shown
check "both are counted as waiting" equal 2 "$(json shown '$.backlog')"
check "the first comes when it is due" until_state @counter@s 7
check "the other is cancelled" run 0 entity cancel @counter@s "$(cat out)"
check "a signal has an id of its own" test -n "$later"

# ---- list, show ----
check "list" run 0 entity list counter
check "shows all of the name" equal 5 "$(wc -l <out)"
check "in order of their ids" sh -c 'cut -f 1 out | LC_ALL=C sort -c'
check "by prefix of the key" equal @counter@a "$("$perdure" entity list counter --prefix a -o id)"
check "of another name none" equal "" "$("$perdure" entity list nothing -o id)"
check "as JSON" sh -c '"$1" entity list --state -o json >list.json' sh "$perdure"
check "which is JSON" is_json list.json
check "with states" equal 0 "$(json list.json '$[1].state')"
check "at most two" equal 2 "$("$perdure" entity list --limit 2 -o id | wc -l)"
check "changed since" equal 5 "$("$perdure" entity list --since 1h -o id | wc -l)"
check "not changed before" equal 0 "$("$perdure" entity list --until 1h -o id | wc -l)"
check "show" run 0 entity show @counter@a -o json
known() {
    for key in id name key backlog state lockedBy; do json out "\$.$key"; done | tr '\n' '|'
}
check "has what is known" equal '@counter@a|counter|a|0|7||' "$(known)"
check "one that is missing is not found" refused 3 "not found" entity show @counter@nobody
check "show of an entity says where to look" refused 3 "perdure entity show" show @counter@a
check "nor its state" refused 3 "not found" entity state @counter@nobody
check "the view for people has them" equal '7' \
    "$(sqlite3 hub.db "SELECT state FROM perdure_entities WHERE entity_id='@counter@a'")"

# ---- locks ----
check "an orchestration that holds a lock" run 0 start Hold --id holder --input '"l"'
check "is seen as who has it" until_locked @counter@l holder
check "its own call was done" until_state @counter@l 100
check "a signal of another waits" run 0 entity signal @counter@l add --input 1
check "so does a call" refused 7 "." entity call @counter@l get --timeout 300ms
check "nothing has changed" equal 100 "$(state_of @counter@l)"
check "clean takes no lock that is held" run 0 entity clean -o json
check "and says so" equal '0|0' "$(json out '$.removed')|$(json out '$.unlocked')"
check "it lets go" run 0 raise holder LetGo
check "then the signal is done" until_state @counter@l 101
check "and nobody has it locked" until_locked @counter@l ""
check "a lock that is held again" run 0 start Hold --id holder2 --input '"l"'
check "by the next" until_locked @counter@l holder2
check "is given back when its owner is terminated" run 0 terminate holder2
check "at once" until_locked @counter@l ""

# ---- delete ----
check "an operation of the function can delete the state" run 0 entity signal @counter@s delete
gone() {
    for _ in $(seq 100); do
        timeout 30 "$perdure" entity show @counter@s >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    return 1
}
check "then it is gone" gone
check "with its row" equal 0 \
    "$(sqlite3 hub.db "SELECT count(*) FROM perdure_entity WHERE id='@counter@s'")"
check "delete" run 0 entity delete @counter@a @counter@A
none_left() { # WORDS...: of entity list
    for _ in $(seq 100); do
        [ -z "$("$perdure" entity list "$@" -o id)" ] && return 0
        sleep 0.05
    done
    "$perdure" entity list "$@"
    return 1
}
check "forgets them" none_left counter --prefix a
check "one that is missing is not found" refused 3 "not found" entity delete @counter@a
check "ids from stdin" sh -c '"$1" entity list counter -o id | "$1" entity delete -' sh "$perdure"
check "nothing is left" none_left
check "with or without a state" none_left --empty
check "in the file neither" equal '0|0' \
    "$(sqlite3 hub.db 'SELECT (SELECT count(*) FROM perdure_entity),(SELECT count(*) FROM inbox)')"
exec 3>&-
wait

# ---- the samples ----
for name in counter bank aggregator synchronize; do
    check "$name compiles" "$CC" -std=gnu17 -Wall -Wextra -Werror -I"$root/include" -o "$name" \
        "$root/samples/$name/main.c" "$BUILD/lib/libperdure.a" -lsqlite3 -ljansson -lpthread -lm
done
check "counter adds" equal 5 "$(timeout 30 ./counter add 5)"
check "and remembers" equal 10 "$(timeout 30 ./counter add 5)"
check "each key by itself" equal 1 "$(timeout 30 ./counter add 1 other)"
check "reset" equal 0 "$(timeout 30 ./counter reset)"
check "what it cannot do it says" sh -c './counter fly >fly.out; [ $? -eq 1 ] &&
    grep -q "cannot .fly." fly.out' sh
check "aggregator sums up, and warns once" sh -c 'timeout 60 ./aggregator 50 200 |
    grep -q "\"highest\":100}, warned once"'
check "again, from what is there" sh -c 'timeout 60 ./aggregator 50 20 | grep -q highest'
check "synchronize loses no change" equal "20 orchestrations have changed shared.txt" \
    "$(timeout 60 ./synchronize 20)"
check "of the file" equal 20 "$(cat shared.txt)"
check "every wait replayed, too" equal "5 orchestrations have changed shared.txt" \
    "$(PD_REPLAY=always timeout 60 ./synchronize 5 shared.txt sqlite:replay.db)"
check "and none is lost" equal 25 "$(cat shared.txt)"

# The bank: killed again and again, wherever it happens to be, with more to do each time.
kills=0
count=0
for pause in 0.05 0.1 0.03 0.2 0.07 0.15 0.02 0.12; do
    count=$((count + 600))
    ./bank "$count" >bank.out 2>&1 &
    victim=$!
    children=$victim
    sleep "$pause"
    kill -9 "$victim" 2>/dev/null && kills=$((kills + 1))
    wait "$victim" 2>/dev/null
done
check "the bank was killed in the middle" test "$kills" -ge 4
check "and holds what it held" sh -c 'timeout 120 ./bank "$1" >bank.out && cat bank.out &&
    grep -q "^$1 transfers, .* hold 10000$" bank.out' sh "$count"
check "no account is locked" equal 0 \
    "$(sqlite3 bank.db 'SELECT count(*) FROM perdure_lock')"
check "nobody stands in line" equal 0 "$(sqlite3 bank.db 'SELECT count(*) FROM inbox')"
finish
