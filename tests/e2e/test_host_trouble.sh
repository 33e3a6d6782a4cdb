#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Function apps that do what none should: hang, end their process, ruin its memory; files that
# change in every way a file can; signals at any moment. And each option of perdure-host.
set -u
. "$(dirname "$0")/lib.sh"
. "$root/tests/e2e/host_lib.sh"

forget() { : >err; }
job() { # INPUT ID
    "$perdure" --hub "$hub" start Job --id "$2" --input "\"$1\"" >/dev/null
}
shows() { # ID WORD
    "$perdure" --hub "$hub" show "$1" -o json | grep -q "$2"
}
answers() { # WHAT: as what is there now
    [ "$(curl -s "$web/things/new")" = "generation $1" ]
}
kin() { # pids of what the supervisor has started
    for file in $(grep -lsx "PPid:.$supervisor" /proc/[0-9]*/status); do
        basename "$(dirname "$file")"
    done
}

# ---- apps that hang ----
hub=sqlite:$work/hang.db
serve --hub "$hub" --hang 1 --threads 2 --activities 4 --drain 2
engine=$(engine_of)
child=$(pid_of)
job "activity: spin 4" busy
curl -s -m 30 "$web/jobs?wait=3000" -d '"wait"' >one &
curl -s -m 30 "$web/jobs?wait=3000" -d '"wait"' >two &
sleep 0.2
check "requests that wait for a thread behind those that wait for an instance are served" \
    equal "generation 1" "$(ask "$web/things/new")"
curl -s -m 30 "$web/jobs?hold=3000" -d '"wait"' >one &
curl -s -m 30 "$web/jobs?hold=3000" -d '"wait"' >two &
sleep 0.2
check "and so are those behind routes that all wait in calls of the library" \
    equal "generation 1" "$(ask "$web/things/new")"
check "a busy activity is let alone" await 150 shows busy Completed
check "and so is the process of both" equal "$child" "$(pid_of)"
check "of which nothing was said" equal "" "$(cat err)"

kill -QUIT "$child"
check "SIGQUIT: it is told where the threads are" await 40 said "thread '"
check "and the app goes on" equal "200 $child" "$(code "$web/things/7") $(pid_of)"
forget

curl -s -m 20 "$web/do/spin%200" &
curl -s -m 20 "$web/do/spin%200" &
sleep 0.3
check "a request behind two routes that hang waits in vain" equal 000 "$(code "$web/things/7")"
check "so the app is killed, and why" await 100 said "all threads for routes are busy"
check "both routes are named" equal 2 "$(grep -c "in the route 'GET /do/{what}'" err)"
check "with where they are, though it is static" said 'spin_here+0x'
check "threads that wait for work are left out" equal 2 "$(grep -c "thread '" err)"
check "another app serves" await 100 is_new "$child"
check "and answers" equal 200 "$(code "$web/things/7")"
forget

child=$(pid_of)
check "one that a debugger holds for longer than --hang answers when it is let go" \
    equal 204 "$(code "$web/do/held%203")"
check "which was told" said "but a debugger (process [0-9]*) has it"
sleep 1
check "and is not killed" equal "$child" "$(pid_of)"
forget

kill -STOP "$child"
check "a process that says nothing is killed" await 200 said "it does not answer"
check "and another serves" await 100 is_new "$child"
check "and answers" equal 200 "$(code "$web/things/7")"
forget

child=$(pid_of)
job "orchestrator: spin 0" spins
check "an orchestrator that does not come back: killed, and why" await 200 said \
    "a turn has not come back"
check "it is named" await 20 said "in the orchestrator 'Job'"
check "with where it is" said 'spin_here+0x'
check "another serves" await 100 is_new "$child"
check "what hangs each time is suspended in the end" await 600 shows spins Suspended
check "other work goes on" equal '"b done"' \
    "$(ask --retry 20 --retry-all-errors --retry-delay 1 "$web/jobs?wait=20000" -d '"b"')"
check "the engine is the same process" equal "$engine" "$(engine_of)"
child=$(pid_of)
forget
build 2 -DSPIN_AT_LOADING
check "loading that does not end is ended" await 200 said "loading it does not come to an end"
check "with where it is" await 20 said "/[0-9]*-app.so("
check "and not used" await 100 said "app.so is not used"
check "what was there goes on, the same process" equal "$child 200" \
    "$(pid_of) $(code "$web/things/7")"
stop
check "it ends with 0" equal 0 $?
forget
check "loading that never ends ends the host with 1" sh -c \
    '"$0" --http 127.0.0.1:0 --hub memory: --hang 1 ./app.so; [ $? -eq 1 ]' "$host"
forget

# ---- apps that end ----
build 3
hub=sqlite:$work/end.db
serve --hub "$hub"
for code in 0 3; do
    child=$(pid_of)
    check "exit($code) in a route: no answer" equal 000 "$(code "$web/do/exit%20$code")"
    check "it is told" await 40 said "ended by itself, with code $code"
    check "and another serves" await 100 is_new "$child"
done
forget
child=$(pid_of)
check "memory that is freed twice: no answer" equal 000 "$(code "$web/do/free%20twice")"
if ! nm -D "$host" | grep -q __asan_init; then # it ends the process in a way of its own
    check "the signal is told" await 40 said "the app crashed: SIGABRT"
    check "and the route" await 40 said "in the route 'GET /do/{what}'"
fi
check "and another serves" await 100 is_new "$child"
forget
child=$(pid_of)
job "activity: overrun" deep
check "an activity that overruns its stack is named" await 200 said "in the activity 'Work'"
check "and so is another's" await 200 is_new "$child"
check "in the end its step fails" await 400 shows deep Quarantined
forget
await 100 answers 3
check "a program that the app starts" equal 204 "$(code "$web/do/helper")"
signals() { # WHICH: of what the helper inherited
    sed -n "s/^$1:[[:space:]]*//p" helper.txt
}
before() { sed -n "s/^$1:[[:space:]]*//p" /proc/$$/status; }
check "inherits no blocked signals" equal "$(before SigBlk)" "$(signals SigBlk)"
low() { sed 's/.*\(.\{7\}\)$/\1/'; } # above them are those of libc
check "ignores none but ours" equal "$(before SigIgn | low)" "$(signals SigIgn | low)"
check "and has none of our sockets, nor the pipe to the host" sh -c \
    '! grep -E "socket:|eventfd|eventpoll" helper.txt && [ "$(grep -c pipe: helper.txt)" -le 1 ]'
check "there are no zombies" sh -c '! grep -l "^State:.Z" $(for p in "$@"; do
    echo /proc/$p/status; done)' - $(kin)

# ---- answers ----
curl -s -D heads -o body "$web/thrice"
check "of three answers the last counts" equal "201 the last" \
    "$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' heads) $(cat body)"
check "headers of those before are gone" sh -c '! grep -qiE "^(location|retry-after)" heads'
check "its own stay, in their order" equal "1 2" \
    "$(sed -n 's/^X-Item: \([0-9]\).*/\1/p' heads | paste -sd ' ')"
check "how it is framed is not an app's to say" sh -c \
    '! grep -qiE "chunked|content-length: 2.$|evil|x y" heads'
check "64 MiB are an answer" equal "200 67108864" \
    "$(curl -s -o body -w '%{http_code} %{size_download}' "$web/large/64")"
check "a byte more is 500" equal 500 "$(code "$web/large/64?more=1")"
check "so it is with JSON" equal "200 500" \
    "$(code "$web/large/64?json=1") $(code "$web/large/64?json=1&more=1")"
stop
forget

# ---- C++ ----
cp app.so c.so
check "an app in C++17 compiles without a warning" ${CXX:-g++} -std=c++17 -Wall -Wextra -Wpedantic \
    -Werror -g -shared -fPIC -I"$root/include" -o app.so "$root/tests/e2e/host_app.cpp"
serve --hub memory:
check "and answers" equal '"Hello you"' "$(ask "$web/hello/you")"
check "an exception that leaves a route: no answer" equal 000 "$(code "$web/hello/you?throw")"
check "it is told as a crash" await 40 said "in the route 'GET /hello/{name}'"
stop
mv c.so app.so
forget

# ---- files that change ----
mkdir -p first second
build 4 && cp app.so first/app.so
build 5 && cp app.so second/app.so
ln -sfn first now
hub=memory:
serve_link() {
    : >out
    "$host" --http 127.0.0.1:0 --hub memory: now/app.so >out 2>>err &
    supervisor=$!
    children="$children $supervisor"
    await 200 grep -q '^ready' out
    web=http://$(sed -n 's/^ready.* http=//p' out | head -n 1)
}
serve_link
check "an app behind a link" answers 4
ask "$web/jobs" -d '"wait"' >links
ln -sfn second next && mv -T next now
check "a link that leads elsewhere is noticed" await 100 answers 5
rm -rf second
sleep 0.5
check "a folder that is removed does not matter" answers 5
mkdir second
build 6 && cp app.so second/app.so
check "one that is made anew is noticed" await 100 answers 6
cp first/app.so second/app.so
check "a file that is written in its place, too" await 100 answers 4
build 7
head -c 3000 app.so >second/app.so
sleep 0.5
cat app.so >second/app.so
check "half a file does not matter" await 100 answers 7
build 8 && cp app.so 8.so
build 9 && cp app.so 9.so
for file in 8 9 8 9 8 9; do
    cp $file.so next.so && mv next.so second/app.so
    sleep 0.24
done
check "of many changes the last counts" await 100 answers 9
child=$(pid_of)
touch second/app.so
check "one that was only touched is loaded as any other" await 100 is_new "$child"
for file in 8 9 8 9 8 9 8 9 8 9; do
    cp $file.so second/app.so
    sleep 0.1
done
check "ten changes in a second, in place: the last counts" await 100 answers 9
mv second/app.so away.so
sleep 0.5
check "a file that is away does not matter" answers 9
mv away.so second/app.so
child=$(pid_of)
mkfifo pipe
mv pipe second/app.so
check "a pipe in its place is not waited for" await 100 said \
    'now/app.so is not loaded: it is no file'
check "and what was there goes on, the same process" equal "$child generation 9" \
    "$(pid_of) $(ask "$web/things/new")"
cp 8.so next.so && mv next.so second/app.so
check "a file there again is loaded" await 100 answers 8
cp 9.so next.so && mv next.so second/app.so
await 100 answers 9
check "an event" equal 202 "$(code -H 'Content-Type: application/json' \
    "$(json links '$.sendEventPostUri' | sed 's/{eventName}/Go/')" -d '{"n":5}')"
ended() { [ "$(code "$(json links '$.statusQueryGetUri')")" = 200 ]; }
check "what waited through all of it goes on" await 100 ended
check "to its end" equal "Completed 5" \
    "$(json body '$.runtimeStatus') $(json body '$.output.n')"
alone() { [ "$(kin | wc -l)" -eq 2 ]; }
check "and only one app is left beside the engine" await 200 alone
check "with one copy" await 100 sh -c '[ "$(ls own/*/*.so | wc -l)" -eq 1 ]'
forget
old=$(pid_of)
code "$web/slow" >/dev/null &
sleep 0.3
cp 8.so next.so && mv next.so second/app.so
check "a new one serves while the old one drains" await 100 is_new "$old"
kill -9 "$old"
new=$(pid_of)
check "an old one that dies while it drains is told" await 40 said "process $old) ended by signal 9"
sleep 0.5
check "and not started again" equal "$new" "$(pid_of)"
stop
check "it ends with 0" equal 0 $?
forget

# ---- timers ----
cp 9.so app.so
hub=sqlite:$work/timers.db
serve --hub "$hub"
has_timer() { "$perdure" --hub "$hub" schedule show "app:tested:$1"; }
check "a timer is there" await 100 has_timer second
build 10 -DBAD_TIMER
check "one with a bad rule: the app is not used, and says which" await 100 said "timer 'third': "
check "the timers of what goes on are left" has_timer second
check "and there is none of the other's" sh -c '! "$0" --hub "$1" schedule show app:tested:third' \
    "$perdure" "$hub"
stop
forget
cp 9.so app.so

# ---- signals at any moment ----
ended=
for delay in 0 0.01 0.02 0.05 0.1 0.15 0.2 0.3 0.4; do
    "$host" --http 127.0.0.1:0 --hub memory: ./app.so >out 2>>err &
    supervisor=$!
    sleep "$delay"
    kill -TERM "$supervisor"
    wait "$supervisor"
    ended="$ended $?"
done
check "SIGTERM at any moment ends it, with 0 unless it came before all" sh -c \
    'for code in "$@"; do [ "$code" = 0 ] || [ "$code" = 143 ] || exit 1; done' - $ended
check "and leaves nothing" equal "" "$(ls -d own/* 2>/dev/null)"
serve --hub memory: --drain 30
code "$web/do/spin%200" >/dev/null &
sleep 0.3
kill "$supervisor"
sleep 0.2
kill "$supervisor"
check "the second SIGTERM ends it at once" sh -c 'i=0; while kill -0 "$0" 2>/dev/null; do
    i=$((i + 1)); [ $i -lt 60 ] || exit 1; sleep 0.05; done' "$supervisor"
wait "$supervisor" 2>/dev/null
forget

# ---- options ----
serve --hub memory: --public-url https://apps.example/one/ --management http://hub.example:8080/
ask "$web/jobs" -d '"wait"' -D heads >links
check "--management: links lead to that server" equal http://hub.example:8080/runtime/webhooks \
    "$(json links '$.statusQueryGetUri' | sed 's|/durabletask.*||')"
check "so does Location" grep -q '^Location: http://hub.example:8080/runtime/' heads
id=$(json links '$.id')
curl -s -o /dev/null -D heads "$web/runtime/webhooks/durabletask/instances/$id"
check "--public-url: Location begins with it" grep -q \
    '^Location: https://apps.example/one/runtime/webhooks' heads
check "and the Host may be any" equal 200 "$(code -H 'Host: apps.example' "$web/things/7")"
stop
serve --hub memory: --public-url https://apps.example/one/
ask "$web/jobs" -d '"wait"' >links
check "links begin with it" equal https://apps.example/one/runtime/webhooks \
    "$(json links '$.statusQueryGetUri' | sed 's|/durabletask.*||')"
stop
serve --hub memory: --body-max 10
check "--body-max: as large" equal 200 "$(code -X PUT "$web/things/7" -d 1234567890)"
check "a byte more: 413" equal 413 "$(code -X PUT "$web/things/7" -d 12345678901)"
stop
serve --hub memory: --threads 1 --activities 1 --drain 1
begun=$(date +%s%N)
code "$web/slow" >/dev/null &
first=$!
code "$web/slow" >/dev/null
wait $first
check "--threads 1: one after the other" test $((($(date +%s%N) - begun) / 1000000)) -ge 1990
for one in a b c; do ask "$web/jobs" -d '"activity: spin 1"' >$one.json; done
sleep 1.5
still=0
for one in a b c; do
    [ "$(code "$(json $one.json '$.statusQueryGetUri')")" = 200 ] || still=$((still + 1))
done
check "--activities 1: not all at once" test "$still" -ge 1
code "$web/do/spin%204" >/dev/null &
sleep 0.3
begun=$(date +%s)
stop
check "--drain 1: it does not wait for four" test $(($(date +%s) - begun)) -le 3
check "and says so" said "1 requests are left unanswered"
forget
serve --hub memory: --stay
cp 8.so next.so && mv next.so app.so
sleep 0.7
check "--stay: a change is not noticed" answers 9
kill -HUP "$supervisor"
check "SIGHUP: it is loaded" await 100 answers 8
stop
: >out
"$host" --http "unix:$work/host.sock" --hub memory: ./app.so >out 2>>err &
supervisor=$!
children="$children $supervisor"
check "--http unix: it is ready" await 200 grep -q "^ready.* http=unix:$work/host.sock" out
check "and answers there" equal "generation 8" \
    "$(curl -s --unix-socket "$work/host.sock" http://localhost/things/new)"
stop
check "and takes the socket away" test ! -e "$work/host.sock"
: >out
PERDURE_HUB=sqlite:$work/env.db "$host" --http "" ./app.so >out 2>>err &
supervisor=$!
children="$children $supervisor"
check "--http '': ready without" await 200 grep -qx "ready app=tested pid=[0-9]*" out
check "PERDURE_HUB is the hub" test -s "$work/env.db"
timer_ran() {
    "$perdure" --hub "sqlite:$work/env.db" list --name perdure.activity -o id | grep -q .
}
check "and timers run" await 100 timer_ran
stop
printf '#!/bin/sh\necho started >>"%s"\nexec "%s" "$@"\n' "$work/wrapped" "$bin/perdured" >wrap
chmod +x wrap
serve --hub memory: --perdured ./wrap
check "--perdured: that program is started" equal started "$(cat wrapped)"
check "and used" equal '"a done"' "$(ask "$web/jobs?wait=9000" -d '"a"')"
stop
refuses() { # OPTION VALUE
    "$host" "--$1" "$2" ./app.so 2>refused
    [ $? -eq 2 ] && grep -q -- "--$1" refused
}
check "--body-max 0 is none" refuses body-max 0
check "--hang -1 is none" refuses hang -1
check "--drain x is none" refuses drain x
check "--public-url wants a URL" refuses public-url apps.example
check "so does --management" refuses management ftp://apps.example
check "of a host" refuses public-url http://
check "in one line" refuses public-url 'http://a
b'
finish
