#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The samples: they compile as a user would compile them, print what they promise and nothing else,
# and hello_cities goes on after a kill, without asking again for what it has.
set -u
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
greetings='["Hello Tokyo!","Hello Seattle!","Hello London!"]'

for sample in "$root"/samples/*/; do
    name=$(basename "$sample")
    check "$name has a README" test -s "$sample/README.md"
    [ -e "$sample/main.c" ] || { # a function app
        check "$name compiles against the headers alone" \
            "$CC" -std=gnu17 -Wall -Wextra -Wpedantic -Wconversion -Werror -shared -fPIC \
            -I"$root/include" -o "$name.so" "$sample/app.c"
        continue
    }
    check "$name compiles against the header and the library alone" \
        "$CC" -std=gnu17 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$root/include" \
        -o "$name" "$sample/main.c" "$BUILD/lib/libperdure.a" -lsqlite3 -ljansson -lpthread -lm
done

check "hello_cities prints the greetings" equal "$greetings" "$(timeout 30 ./hello_cities 2>err)"
check "and nothing on stderr" equal "" "$(cat err)"
check "and again, started anew" equal "$greetings" "$(timeout 30 ./hello_cities)"
check "with its state in hello.db" test -s hello.db
check "every wait replayed, it prints the same" equal "$greetings" \
    "$(PD_REPLAY=always timeout 30 ./hello_cities sqlite:replay.db)"
check "in memory too" equal "$greetings" "$(timeout 30 ./hello_cities memory:)"
courses='["Introduction to C","Introduction to Linux","Databases"]'
check "course_recommendations" equal \
    '{"major":"ComputerScience","universityYear":4,"courses":'"$courses}" \
    "$(timeout 30 ./course_recommendations 4)"

mkdir -p folder/below
printf 12345 >folder/five
printf 1234567 >folder/below/seven
: >folder/none
check "fan_out adds up the sizes" equal 12 "$(timeout 30 ./fan_out folder)"
i=0
while [ $i -lt 300 ]; do
    printf 12 >folder/below/$i
    i=$((i + 1))
done
check "of many files" equal 612 "$(timeout 30 ./fan_out folder)"
check "and says why it cannot" sh -c './fan_out nowhere 2>err; [ $? -eq 1 ] &&
    grep -q "nowhere: No such file" err'

# HTTP, with a module that speaks to nobody (tests/http/fake_module.c).
PERDURE_MODULES=$BUILD/tests/http/modules
FAKE_HTTP_LOG=$work/asked
export PERDURE_MODULES FAKE_HTTP_LOG
check "check_site_available tries again what is busy" equal "http://h/503-200 is available" \
    "$(timeout 30 ./check_site_available http://h/503-200 memory:)"
check "and answers what the site does" equal "http://h/404 answers 404" \
    "$(timeout 30 ./check_site_available http://h/404 memory:)"
check "and says why there was none" sh -c './check_site_available http://h/HttpTimeout memory: 2>err
    [ $? -eq 1 ] && grep -q "HttpTimeout" err'
./monitor_202 60 'http://h/202-202-200?after=1' 'http://h/y/202?after=2' >monitor.out &
victim=$!
children=$victim
for _ in $(seq 100); do
    [ "$(grep -c '^POST' asked)" -eq 2 ] && break
    sleep 0.05
done
sleep 0.3
kill -9 "$victim"
wait "$victim" 2>/dev/null
./monitor_202 4 'http://h/202-202-200?after=1' >monitor.out 2>monitor.err &
victim=$!
children=$victim
for _ in $(seq 100); do
    [ "$(grep -c '^GET http://h/202' asked)" -eq 2 ] && break
    sleep 0.1
done
kill -9 "$victim"
wait "$victim" 2>/dev/null
check "monitor_202 goes on after a kill, and orders nothing twice" equal "2 2" \
    "$(grep -c '^POST' asked) $(grep -c '^GET http://h/202' asked)"
check "and gives up what takes too long" equal \
    '[{"url":"http://h/z/202?after=9","failure":"TooLate"}]' \
    "$(PERDURE_HUB=memory: timeout 30 ./monitor_202 1 'http://h/z/202?after=9')"
unset PERDURE_MODULES FAKE_HTTP_LOG

# The service: answers, reminders, a clean end, and a kill in the middle of waiting.
serve() {
    PD_REPLAY=${1:-} ./approval sqlite:approval.db 2>approval.err &
    service=$!
    children=$service
    for _ in $(seq 100); do
        grep -q "^approval: runs" approval.err && return 0
        sleep 0.05
    done
}
approval() { "$bin/perdure" --hub sqlite:approval.db "$@"; }
serve always
approval start Expense --id trip -i '{"who":"Ada","amount":120}' -o none
approval start Expense --id car -i '{"who":"Bob","amount":9000,"patience":0}' -o none
approval raise trip answer --data true
check "approval takes an answer" equal 0 "$(approval wait trip --timeout 20s -o none; echo $?)"
check "and says so" equal '{"approved":true,"asked":1}' "$(approval show trip --output)"
check "it gives up after three questions" equal 8 \
    "$(approval wait car --timeout 20s --exit-status -o none; echo $?)"
check "and says why" sh -c 'echo "$1" | grep -q "NoAnswer.*Bob still waits for 9000"' \
    sh "$(approval show car --failure)"
check "it has asked three times" equal 3 "$(grep -c '^.car Tell. Bob asks for 9000' approval.err)"
kill -TERM "$service"
check "it ends well" wait "$service"
approval start Expense --id later -i '{"who":"Eve","amount":1}' -o none
check "what is started meanwhile is pending" equal Pending \
    "$(approval list --prefix later | cut -f 3)"
serve
for _ in $(seq 100); do
    approval history later | grep -q TimerCreated && break
    sleep 0.05
done
kill -9 "$service"
wait "$service" 2>/dev/null
serve
approval raise later Answer --data '"no"'
approval wait later --timeout 20s -o none
check "and goes on after a kill" equal '{"approved":"no","asked":1}' \
    "$(approval show later --output)"
kill -TERM "$service"
wait "$service"

# Killed after the first city was recorded.
./hello_cities --slow sqlite:killed.db >killed.out &
victim=$!
children=$victim
for _ in $(seq 100); do
    "$bin/perdure" --hub sqlite:killed.db history hello 2>/dev/null | grep -q TaskCompleted && break
    sleep 0.05
done
kill -9 "$victim"
wait "$victim" 2>/dev/null
check "killed in the middle it has printed nothing" equal "" "$(cat killed.out)"
before=$("$bin/perdure" --hub sqlite:killed.db show hello -o json)
echo "$before" >before
check "the instance is running" equal Running "$(json before '$.status')"
check "run again it goes on" equal "$greetings" "$(timeout 30 ./hello_cities sqlite:killed.db)"
"$bin/perdure" --hub sqlite:killed.db show hello -o json >after
check "as the same execution" equal "$(json before '$.executionId')" "$(json after '$.executionId')"
check "each city was asked for once" equal 3 \
    "$("$bin/perdure" --hub sqlite:killed.db history hello | grep -c TaskScheduled)"
check "and answered once" equal 3 \
    "$("$bin/perdure" --hub sqlite:killed.db history hello | grep -c TaskCompleted)"

# ./run, with the programs that are there instead of a build.
mkdir -p fresh/tools fresh/build/release
cp "$root/run" fresh/run
echo 'need() { :; }; build() { :; }' >fresh/tools/deps.sh
ln -s "$bin" fresh/build/release/bin
fresh/run --slow >run.out 2>&1 &
victim=$!
children=$victim
for _ in $(seq 100); do
    "$bin/perdure" --hub sqlite:fresh/.perdure/hello.db history hello 2>/dev/null |
        grep -q TaskCompleted && break
    sleep 0.05
done
check "./run --slow takes its time" sh -c '! grep -q London run.out'
kill -9 "$(cut -d ' ' -f 2 fresh/.perdure/hello.db-lock)" "$victim"
wait "$victim" 2>/dev/null
execution_of() { cat >shown && json shown '$.executionId'; }
execution=$("$bin/perdure" --hub sqlite:fresh/.perdure/hello.db show hello -o json | execution_of)
check "./run goes on where it was killed" sh -c 'timeout 30 fresh/run >run.out 2>&1 &&
    grep -qF "$1" run.out' sh "$greetings"
check "as the same execution" equal "$execution" \
    "$("$bin/perdure" --hub sqlite:fresh/.perdure/hello.db show hello -o json | execution_of)"
check "./run with another option says what there is" sh -c 'fresh/run --fast >run.out
    [ $? -eq 2 ] && grep -q -- --slow run.out' sh
finish
