#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The command: every command in every output format, exit codes, what goes to stdout and what does
# not, tables that fit. A row of a table here is a command line and what it must do.
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

# ---- exit codes: code, then the words ----
run() { # CODE WORDS...: also says no more on stdout than data, when it fails
    want=$1
    shift
    timeout 30 "$perdure" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$want" ] || {
        echo "perdure $*: ended with $got instead of $want"
        cat err
        return 1
    }
    if [ "$want" -ne 0 ] && [ ! -s err ] && [ "$want" -ne 8 ] && [ "$want" -ne 9 ]; then
        echo "perdure $*: ended with $want and said nothing"
        return 1
    fi
}
fails_cleanly() { # the same, and nothing on stdout
    run "$@" && equal "" "$(cat out)"
}
check "start prints the id" run 0 start Echo --id one --input '{"a":[1,2.5,"x"],"b":null}'
check "and nothing else" equal one "$(cat out)"
check "start --wait gives 0 when it completed" run 0 start Greet --id greet --input-text Ada --wait
check "and the output" grep -q '"Hello Ada!"' out
check "start --wait gives 8 when it failed" \
    run 8 start Fail --id fail --input-text 'no, "funds"' --wait
check "wait without --exit-status gives 0 all the same" run 0 wait fail
check "wait --exit-status gives 8" run 8 wait fail --exit-status
check "an id that is taken gives 4" sh -c '"$1" start Ask --id ask >/dev/null &&
    { "$1" start Ask --id ask 2>/dev/null; [ $? -eq 4 ]; }' sh "$perdure"
check "an id that is empty is no wish for one that is made" sh -c '"$1" start Ask --id "" >out 2>&1
    [ $? -eq 2 ] && grep -q "the id is empty" out' sh "$perdure"
check "a time-out gives 7" fails_cleanly 7 wait ask --timeout 50ms
check "and a thought for those without a worker" grep -q "what stays Pending has no worker" err
check "raise gives 0" run 0 raise ask approval --data '{"yes":true}'
check "and is delivered" run 0 wait ask --timeout 20s
check "with its data" grep -q '{"yes":true}' out
check "raise for one that has ended gives 4" fails_cleanly 4 raise ask Approval
check "raise for none gives 3" fails_cleanly 3 raise nobody Approval
check "show of none gives 3" fails_cleanly 3 show nobody
check "history of none gives 3" fails_cleanly 3 history nobody
check "wait for none gives 3" fails_cleanly 3 wait nobody
check "a hub that is not there gives 3" fails_cleanly 3 --hub sqlite:nowhere.db list
check "and is not made" test ! -e nowhere.db
echo "not a database, but long enough to be mistaken for one ....................." >text.db
check "a file that is no hub gives 12" fails_cleanly 12 --hub sqlite:text.db list
mkdir folder.db
check "a hub that may not be written gives 5" fails_cleanly 5 --hub sqlite:folder.db list
small() { (trap '' XFSZ && ulimit -f 40 && run "$@"); }
check "a disk that is full gives 6" small 6 --hub sqlite:small.db start Echo --count 1000 -o none
head -c 17000000 /dev/zero | tr '\0' 1 >large.json
sed -i 's/.*/"&"/' large.json
check "a payload above the limit gives 13" fails_cleanly 13 start Echo --input @large.json
(
    "$perdure" --hub sqlite:other.db start Echo --id other -o none
    sqlite3 other.db "PRAGMA user_version=99"
)
check "a file of a newer version gives 14" fails_cleanly 14 --hub sqlite:other.db list
check "a hub in memory gives 2" fails_cleanly 2 --hub memory: list
check "and says what to name" grep -q -- "--hub sqlite:FILE" err
check "a URL that is none gives 2" fails_cleanly 2 --hub ftp:x list
check "no command gives 2" fails_cleanly 2
check "an unknown command gives 2" fails_cleanly 2 lst
check "and a suggestion" grep -q "did you mean 'list'" err
check "an unknown second word gives a suggestion" sh -c '"$1" bench helo5 2>&1 |
    grep -q "did you mean .bench hello5."' sh "$perdure"
check "an unknown option gives 2" fails_cleanly 2 list --lmit 3
check "and a suggestion" grep -q -- "did you mean '--limit'" err
check "an abbreviated option is refused" fails_cleanly 2 list --lim 3
check "a missing argument gives 2" fails_cleanly 2 show
check "an argument too many gives 2" fails_cleanly 2 list x
check "a missing value gives 2" fails_cleanly 2 list --limit
check "a bad number gives 2" fails_cleanly 2 list --limit 0
check "a bad format gives 2" fails_cleanly 2 list -o xml
check "an empty status gives 2" fails_cleanly 2 list --status ''
check "a bad status gives 2" fails_cleanly 2 list --status asleep
check "a bad time gives 2" fails_cleanly 2 list --since yesterday
check "bad JSON gives 2" fails_cleanly 2 start Echo --input '{a:1}'
check "a file that is missing gives 2" fails_cleanly 2 start Echo --input @nothing.json
check "an id that is not acceptable gives 2" fails_cleanly 2 start Echo --id '@a'
check "ids and a count exclude each other" fails_cleanly 2 start Echo --id x --count 3
check "an error is one line that begins with the name" sh -c '"$1" show nobody 2>&1 >/dev/null |
    grep -qx "perdure: instance .nobody. not found in hub .*"' sh "$perdure"
check "with -o json it is one object" sh -c '"$1" show nobody -o json 2>err >/dev/null; cat err' \
    sh "$perdure"
check "which is JSON" is_json err
check "and has the code" equal 3 "$(json err '$.code')"
check "a token in a URL is not shown" sh -c '"$1" --hub "grpc:x?token=sesame-of-mine&taskhub=a" \
    list 2>err; [ $? -eq 2 ] && grep -qF "grpc:x" err && ! grep -q sesame err' sh "$perdure"
check "nor where it is all that is wrong" sh -c '"$1" list --hub "http://x?token=sesame-of-mine" \
    2>err
    grep -qF "token=***" err && ! grep -q sesame err' sh "$perdure"
check "nor in JSON" sh -c '"$1" --hub "http://x?token=sesame-of-mine" list -o json 2>err
    grep -qF "token=***" err && ! grep -q sesame err' sh "$perdure"
check "a full disk is told" sh -c '"$1" list >/dev/full 2>err; [ $? -eq 1 ] &&
    grep -q "cannot be written" err' sh "$perdure"

# ---- inputs ----
echo '[1,2]' >input.json
check "--input @FILE" run 0 start Echo --id from-file --input @input.json --wait
check "arrives" equal '[1,2]' "$("$perdure" show from-file --output)"
check "--input - reads stdin" sh -c 'echo "{\"k\":\"ü\"}" | "$1" start Echo --id from-stdin \
    --input - --wait -o none' sh "$perdure"
check "arrives" equal '{"k":"ü"}' "$("$perdure" show from-stdin --output)"
check "show --input" equal '"Ada"' "$("$perdure" show greet --input)"
check "show --failure" sh -c '"$1" show fail --failure >out && grep -q CardDeclined out' \
    sh "$perdure"
check "is JSON" is_json out
check "--count starts many" run 0 start Echo --count 1200 --id-template 'many-{n}' -o id
check "and prints each id" equal "1200 many-1 many-1200" \
    "$(grep -c . out) $(head -n 1 out) $(tail -n 1 out)"
check "and they all end" sh -c '"$1" list --prefix many- -o id | xargs "$1" wait -o none' \
    sh "$perdure"
check "a version is recorded" sh -c '"$1" start Echo --id v --version 2.1 --wait -o none &&
    "$1" show v -o json >out' sh "$perdure"
check "and shown" equal 2.1 "$(json out '$.version')"

# ---- filters ----
count() { "$perdure" list -o id "$@" | grep -c .; }
check "list --prefix" equal 1200 "$(count --prefix many-)"
check "list --limit" equal 7 "$(count --limit 7)"
check "list --limit across pages" equal 750 "$(count --limit 750)"
check "list --name" equal 1 "$(count --name Greet)"
check "list --status" equal fail "$("$perdure" list --status failed -o id)"
check "list --status with two" equal 3 "$(count --status Failed,completed --limit 3)"
check "list --since a while ago has all" equal "$(count)" "$(count --since 1h)"
check "list --until a while ago has none" equal 0 "$(count --until 1h)"
check "list --since a day to come has none" equal 0 "$(count --since 2999-01-01)"

# ---- without an engine ----
"$perdure" --hub sqlite:idle.db start Echo --id idle -o none
check "what no engine has taken is listed" sh -c '"$1" --hub sqlite:idle.db list |
    grep -q "^idle.Echo.Pending"' sh "$perdure"
on_terminal() { # WORDS...: as a person sees it
    script -qec "'$perdure' --hub sqlite:idle.db $*" /dev/null </dev/null >out
}
tells_what_it_waits_for() {
    on_terminal show idle &&
        grep -q "waits for a worker on this hub that has the orchestrator 'Echo'" out
}
check "and who looks at it is told what it waits for" tells_what_it_waits_for
is_quiet() {
    on_terminal show -q idle && grep -q Pending out && ! grep -q "waits for" out
}
check "but for one who wants it quiet" is_quiet
# No command of ours terminates; other writers of the format may.
sqlite3 hub.db "VACUUM INTO 'copy.db'"
sqlite3 copy.db "UPDATE instance SET state=5 WHERE id='greet'"
check "wait --exit-status gives 9 for a terminated one" \
    run 9 --hub sqlite:copy.db wait greet --exit-status

# ---- every command in every format ----
formats() { # NAME WORDS...
    name=$1
    shift
    for format in table plain json jsonl csv id none; do
        "$perdure" "$@" -o $format >"$name.$format" 2>"$name.err" </dev/null
        check "$name -o $format says nothing on stderr" equal "" "$(cat "$name.err")"
        check "$name -o $format has no colour" sh -c '! grep -q "$(printf "\033")" "$1"' sh \
            "$name.$format"
    done
    check "$name -o json is JSON" is_json "$name.json"
    check "$name -o jsonl is JSON in each line" is_jsonl "$name.jsonl"
    check "$name -o none prints nothing" equal "" "$(cat "$name.none")"
    check "$name -o csv has a first line of names" sh -c 'head -n 1 "$1" |
        grep -qE "^[A-Za-z]+(,[A-Za-z]+)*.$"' sh "$name.csv"
    COLUMNS=80 "$perdure" "$@" -o table >"$name.table80" </dev/null
    check "$name -o table fits 80 columns" sh -c '[ "$(sed "s/ *$//" "$1" | wc -L)" -le 80 ]' \
        sh "$name.table80"
}
formats list list --limit 20
formats show show greet
formats show-failed show fail
formats history history ask
"$perdure" start Nap --id nap --input 20 --wait -o none
formats history-nap history nap
formats wait wait greet fail one
formats version version
formats start start Echo --count 3
n=0
for format in table plain json jsonl csv id none; do
    n=$((n + 1))
    check "raise -o $format" sh -c '"$1" start Ask --id "$2" -o none &&
        "$1" raise "$2" Approval -o "$3" >out && "$1" wait "$2" -o none' \
        sh "$perdure" "raise-$n" $format
done
legible_on_narrow_screens() {
    "$perdure" start Echo --id an-id-of-some-length --wait -o none
    COLUMNS=44 "$perdure" list --prefix an-id -o table >narrow
    COLUMNS=44 "$perdure" tree an-id-of-some-length -o table >>narrow
    COLUMNS=120 "$perdure" list --prefix an-id -o table >wide
    grep -q '^an-id-of-some-length  Echo  Completed' narrow && grep -q ENDED wide &&
        ! grep -q ENDED narrow && [ "$(sed 's/ *$//' narrow | wc -L)" -le 44 ]
}
check "on a narrow screen times go before ids do" legible_on_narrow_screens
check "nothing is an empty array" equal "[]" "$("$perdure" list --name Nobody -o json)"
check "an empty table is empty" equal "" "$("$perdure" list --name Nobody -o table)"
check "json of list has the status" equal Completed "$(json list.json '$[0].status')"
check "json of history has payloads as JSON" equal 1 "$(json history.json \
    '$[1].eventType' | grep -c ExecutionStarted)"
check "json of show has the output as JSON" equal 'Hello Ada!' "$(json show.json '$.output')"
check "json of show has the failure's type" equal CardDeclined \
    "$(json show-failed.json '$.failure.type')"
check "json of history says when a timer is due" sh -c 'echo "$1" | grep -q "^2.*Z$"' \
    sh "$(json history-nap.json '$[2].fireAt')"
check "and plain too" sh -c 'grep TimerCreated "$1" | grep -q "T[0-9:.]*Z$"' sh history-nap.plain
check "and a table the time" sh -c 'grep TimerCreated "$1" | grep -q " ..:..:.. *$"' \
    sh history-nap.table80
"$perdure" start Nap --id month --input 2678400000 -o none
check "or, when it is far, the day" sh -c 'sleep 0.2; "$1" history month -o table |
    grep TimerCreated | grep -q " 2...-..-.. *$"' sh "$perdure"
check "csv quotes quotes" grep -q '"""Hello Ada!"""' show.csv
check "plain is the default in a pipe" sh -c '"$1" list --limit 20 | cmp - list.plain' \
    sh "$perdure"
check "--headers" sh -c '"$1" list --headers | head -n 1 | grep -q "^id.name.status"' \
    sh "$perdure"
check "--no-headers" sh -c '! "$1" list -o csv --no-headers | grep -q "^id,"' sh "$perdure"
check "--color always colours" sh -c '"$1" list -o table --color always |
    grep -q "$(printf "\033")"' sh "$perdure"
check "head -1 is silent" sh -c '"$1" list 2>err | head -n 1 >/dev/null; [ ! -s err ]' \
    sh "$perdure"
check "and the command ends with 0" sh -c '{ "$1" list; echo $? >code; } | head -n 1 >/dev/null
    [ "$(cat code)" -eq 0 ]' sh "$perdure"
"$perdure" start Echo --id 東京 -o none
"$perdure" wait 東京 greet -o table >out
check "wide characters align" equal "7 7" \
    "$(grep -o '^東京 *' out | wc -L) $(grep -o '^greet *' out | wc -L)"

# ---- help ----
for words in start list show history wait raise export import replay "bench hello5" \
    "bench latency" "bench sleepers" "bench help" version help; do
    # shellcheck disable=SC2086
    check "help $words has an example" sh -c '"$@" | grep -A1 "^example" |
        grep -q "^  perdure"' sh "$perdure" help $words
    # shellcheck disable=SC2086
    check "$words --help is the same" sh -c 'p=$1; shift; [ "$("$p" help "$@")" = \
        "$("$p" "$@" --help)" ]' sh "$perdure" $words
    check "the overview has $words" sh -c '"$1" help | grep -q "^  $2 "' sh "$perdure" "$words"
done
check "no line of help is over 100 columns" sh -c 'for c in start list show history wait raise \
    export import replay; do "$1" help $c; done |
    awk "length(\$0) > 100 { print; bad = 1 } END { exit bad }"' sh "$perdure"
version=$(sed -n 's/.*PD_VERSION_\(MAJOR\|MINOR\|PATCH\) *\([0-9]*\).*/\2/p' \
    "$root/include/perdure.h" | paste -sd.)
check "--version" equal "perdure $version" "$("$perdure" --version)"

# ---- benchmarks, as small as they get ----
check "bench hello5" run 0 bench hello5 --count 600 --concurrent 200 --chunk 50 -o json
check "is JSON" is_json out
check "with a ratio above 0" sh -c 'echo "$1" | grep -q "^[0-9]*\.[0-9]"' \
    sh "$(json out '$.ratio')"
check "and all of them done" equal 600 "$(json out '$.orchestrations')"
check "bench latency" run 0 bench latency --count 5 -o json
check "has four turns" equal 4 "$(json out '$.turns')"
check "bench sleepers" run 0 bench sleepers --count 500 -o json
check "has them all" equal 500 "$(json out '$.sleepers')"
check "bench entity" run 0 bench entity --count 2000 --entities 50 -o json
no_key_is_there_twice() { # FILE: of one flat object
    equal "" "$(grep -o '"[A-Za-z]*":' "$1" | sort | uniq -d)"
}
check "has no key twice" no_key_is_there_twice out
check "and all of them" equal 50 "$(json out '$.entities')"
check "bench lock" run 0 bench lock --count 20 -o json
check "has no key twice either" no_key_is_there_twice out
check "bench --repeat" run 0 bench latency --count 3 --repeat 2 -o json
check "prints last over first" equal real "$(json out '$[1].lastOverFirst' |
    grep -q '^[0-9.]*$' && echo real)"
check "bench leaves nothing behind" sh -c '! ls -d perdure-bench-* 2>/dev/null'
check "bench --store keeps its store" run 0 bench hello5 --count 50 --store kept.db -q
check "which is a hub" sh -c '"$1" --hub sqlite:kept.db list --name HelloCities --limit 1 -o id |
    grep -q .' sh "$perdure"
check "and is not overwritten" fails_cleanly 4 bench hello5 --count 50 --store kept.db

exec 3>&-
finish
