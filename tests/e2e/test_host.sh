#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Function apps, with real processes and curl: routes, links, timers; crashes of every kind, while
# the engine's process stays; loading anew under load; draining; keys; two hosts on one hub.
set -u
. "$(dirname "$0")/lib.sh"
. "$root/tests/e2e/host_lib.sh"

hub=sqlite:$work/app.db
check "an app is loaded and ready" serve --hub "$hub"

# ---- routes ----
ask "$web/things/a%2Fb%20c?q=1+2%26&x=y" -H 'X-Agent: me' >body
check "a parameter is decoded within its segment" equal "a/b c" "$(json body '$.id')"
check "a query parameter, with a plus for a space" equal "1 2&" "$(json body '$.query')"
check "a header, in any case" equal me "$(json body '$.agent')"
check "the path as it came" equal "/things/a%2Fb%20c" "$(json body '$.path')"
check "no body is empty" equal 0 "$(json body '$.size')"
ask -X PUT "$web/things/7" -d 'some text' >body
check "another method, another route; a body" equal "PUT some text 9" \
    "$(json body '$.method') $(json body '$.body') $(json body '$.size')"
check "a word goes before a parameter" equal "generation 1" "$(ask "$web/things/new")"
check "a slash at the end does not count" equal 200 "$(code "$web/things/7/")"
check "an answer has the header it was given" sh -c \
    'curl -s -D - -o /dev/null "$0/things/7" | grep -qi "^X-Own: yes"' "$web"
check "a route without a method takes all" equal "200200200" \
    "$(code "$web/any/1/end")$(code -X DELETE "$web/any/1/end")$(code -X PATCH "$web/any/1/end")"
check "no route: 404" equal 404 "$(code "$web/nothing")"
check "a path that is longer: 404" equal 404 "$(code "$web/things/7/more")"
check "an empty parameter: 404" equal 404 "$(code "$web/things/")"
check "another method: 405" equal 405 "$(code -X DELETE "$web/things/7")"
check "with Allow" sh -c \
    'curl -s -D - -o /dev/null -X DELETE "$0/things/7" | grep -qi "^Allow: GET, HEAD, PUT"' "$web"
check "HEAD is GET without its body" equal "200 0" \
    "$(curl -s -I -o /dev/null -w '%{http_code} %{size_download}' "$web/things/7")"
check "a path that cannot be decoded: 400" equal 400 "$(code "$web/things/%zz")"
check "a route that does not answer: 500" equal 500 "$(code "$web/silent")"
check "bad JSON: 400" equal 400 "$(code "$web/jobs" -d '{"a":')"
check "with what is wrong" grep -q '"Message":"line 1' body
check "no body where one is needed: 400" equal 400 "$(code -X POST "$web/jobs")"
head -c 4194304 /dev/zero | tr '\0' x >at-limit
check "a body at the limit" equal 4194304 \
    "$(ask -X PUT "$web/things/7" --data-binary @at-limit -H 'Expect:' >body; json body '$.size')"
printf x >>at-limit
check "one past it: 413" equal 413 \
    "$(code -X PUT "$web/things/7" --data-binary @at-limit -H 'Expect:')"
head -c 4194304 at-limit >chunks
check "a body in chunks at the limit, waited for" equal "200 4194304" \
    "$(code -X PUT "$web/things/7" -T chunks -H 'Expect: 100-continue' \
        -H 'Transfer-Encoding: chunked') $(json body '$.size')"
check "one past it: 413" equal 413 \
    "$(code -X PUT "$web/things/7" -T at-limit -H 'Transfer-Encoding: chunked')"
check "announced, and not sent: 413" equal 413 \
    "$(code -X PUT "$web/things/7" --data-binary @at-limit -H 'Expect: 100-continue')"
check "another expectation: 417" equal 417 "$(code -X PUT "$web/things/7" -d x -H 'Expect: a cake')"
printf 'a\0b' >binary
check "a body may have NULs" equal 3 \
    "$(ask -X PUT "$web/things/7" --data-binary @binary >body; json body '$.size')"
check "an empty segment: 404" equal 404 "$(code "$web/things//7")"
path=$(head -c 8000 /dev/zero | tr '\0' a)
check "a long path" equal "$path" "$(ask "$web/things/$path" >body; json body '$.id')"
check "a head of more than 16 KiB: 400" equal 400 "$(code "$web/things/$path$path$path")"
fields() { # COUNT: beside the three that curl has
    seq "$1" | sed 's/.*/X-&: &/' >fields
    code -H @fields "$web/things/7"
}
check "a hundred fields" equal 200 "$(fields 97)"
check "one more: 400" equal 400 "$(fields 98)"
check "OPTIONS is a method as any: 405" equal 405 "$(code -X OPTIONS "$web/things/7")"
check "to who takes all" equal 200 "$(code -X OPTIONS "$web/any/1/end")"
check "a method that is none of HTTP's: 501" equal 501 "$(code -X BREW "$web/any/1/end")"
check "an answer that is no UTF-8: 500" equal 500 "$(code "$web/things/%ff")"
check "who leaves before the answer" equal 000 "$(code -m 0.2 "$web/slow")"
sleep 1.2
check "leaves nothing behind" equal "200 $(pid_of)" "$(code "$web/things/7") $(pid_of)"
check "a page of another origin: 403" equal 403 \
    "$(code -H 'Origin: http://evil.example' "$web/things/7")"
check "a name that was rebound: 403" equal 403 "$(code -H 'Host: evil.example' "$web/things/7")"

# ---- instances ----
check "waited for: the output" equal '"a done"' "$(ask "$web/jobs?wait=10000" -d '"a"')"
check "failed while waited for: 500" equal 500 "$(code "$web/jobs?wait=10000" -d '"fail"')"
check "with its state" equal "Failed Wanted: as was asked for" \
    "$(json body '$.runtimeStatus') $(json body '$.output')"
check "not ended in time: 202" equal 202 "$(code "$web/jobs?wait=100" -d '"wait"')"
mv body links
status=$(json links '$.statusQueryGetUri')
event=$(json links '$.sendEventPostUri' | sed 's/{eventName}/Go/')
check "its state: 202" equal 202 "$(code "$status")"
check "and running" equal Running "$(json body '$.runtimeStatus')"
suspend=$(json links '$.suspendPostUri' | sed 's/{text}/why/')
check "suspended" equal 202 "$(code -X POST "$suspend")"
is() { code "$status" >/dev/null; [ "$(json body '$.runtimeStatus')" = "$1" ]; }
check "so it says" await 100 is Suspended
check "resumed" equal 202 "$(code -X POST "$(json links '$.resumePostUri' | sed 's/{text}/x/')")"
check "an event that is no JSON by name: 400" equal 400 "$(code "$event" -d 5)"
check "an event" equal 202 "$(code -H 'Content-Type: application/json' "$event" -d '{"n":5}')"
check "completes it" await 100 is Completed
check "with its payload as output" equal 5 "$(json body '$.output.n')"
check "and the state is 200 now" equal 200 "$(code "$status")"
check "an event for what has ended: 410" equal 410 \
    "$(code -H 'Content-Type: application/json' "$event" -d 5)"
check "started again: 202" equal 202 "$(code -X POST "$(json links '$.restartPostUri')")"
check "ended by its link: 202" equal 202 \
    "$(code -X POST "$(json body '$.terminatePostUri' | sed 's/{text}/enough/')")"
check "purged" equal 200 "$(code -X DELETE "$(json links '$.purgeHistoryDeleteUri')")"
check "and gone: 404" equal 404 "$(code "$status")"

# ---- timers ----
ticks() { "$perdure" --hub "$hub" list --name perdure.activity -o id | wc -l; }
ticked() { [ "$(ticks)" -ge "$1" ]; }
check "a timer of a second runs its activity" await 100 ticked 2
"$perdure" --hub "$hub" schedule show app:tested:second -o json >body
check "it is a schedule, with what the table says of missed times" grep -q '"missed":"none"' body

"$perdure" --hub "$hub" schedule pause app:tested:second
paused() { "$perdure" --hub "$hub" schedule show app:tested:second -o json | grep -q '"paused"'; }
await 100 paused
child=$(pid_of)
kill -HUP "$supervisor"
check "SIGHUP loads the app anew" await 200 is_new "$child"
check "a timer that has not changed stays paused" paused
"$perdure" --hub "$hub" schedule resume app:tested:second

# ---- crashes: the engine stays, other work goes on ----
engine=$(engine_of)
child=$(pid_of)
shows() { # ID WORD
    "$perdure" --hub "$hub" show "$1" -o json | grep -q "$2"
}
"$perdure" --hub "$hub" start Job --id bad-activity --input '"crash in an activity"' >/dev/null
check "an activity that crashes: its step fails in the end" await 400 shows bad-activity Quarantined
check "the report names the row" said "in the activity 'Work'"
check "and the function, though it is static" said 'crash_here+0x'
check "and the signal" said 'the app crashed: SIGSEGV'
check "it was started again" await 200 is_new "$child"
check "other work goes on" equal '"b done"' \
    "$(ask --retry 20 --retry-all-errors --retry-delay 1 "$web/jobs?wait=20000" -d '"b"')"
check "the engine is the same process" equal "$engine" "$(engine_of)"
child=$(pid_of)
check "a route that aborts: no answer" equal 000 "$(code -X POST "$web/crash")"
check "the report names the route" await 20 said "in the route 'POST /crash'"
check "a route without end overruns its stack: no answer" equal 000 "$(code "$web/deep")"
check "and is named" await 20 said "in the route 'GET /deep'"
check "requests wait for the next child" equal 200 "$(code "$web/things/7")"
check "which is another" is_new "$child"
"$perdure" --hub "$hub" start Job --id bad-job --input '"crash in an orchestrator"' >/dev/null
check "an orchestrator that crashes is suspended in the end" await 600 shows bad-job Suspended
check "the report names it" said "in the orchestrator 'Job'"
check "the engine is still the same process" equal "$engine" "$(engine_of)"
is_alive() { code "$web/things/7" >/dev/null && kill -0 "$(pid_of)"; }
await 200 is_alive
child=$(pid_of)
check "one serves again" kill -9 "$child"
check "killed from outside: started again" await 200 is_new "$child"
check "and answers" equal 200 "$(code "$web/things/7")"
kill -9 "$engine"
is_another_engine() { [ -n "$(engine_of)" ] && [ "$(engine_of)" != "$engine" ]; }
check "the engine killed: it is started again" await 200 is_another_engine
check "and the same child works on" equal '"c done"' \
    "$(ask --retry 20 --retry-all-errors --retry-delay 1 "$web/jobs?wait=20000" -d '"c"')"
engine=$(engine_of)

# ---- loading anew ----
load() { # until there is a file called stop
    while [ ! -e stop ]; do
        curl -s -m 30 -o /dev/null -w '%{http_code} %{exitcode}\n' "$web/things/new"
    done >codes
}
load &
loader=$!
i=0
: >ids
while [ $i -lt 40 ]; do
    ask "$web/jobs" -d "\"job $i\"" >one && json one '$.id' >>ids
    i=$((i + 1))
    [ $i -ne 20 ] || build 2
done
check "a new file answers" await 200 sh -c \
    '[ "$(curl -s "$0/things/new")" = "generation 2" ]' "$web"
ask "$web/slow" >slow &
asker=$!
sleep 0.1
build 3
check "and the next" await 200 sh -c \
    '[ "$(curl -s "$0/things/new")" = "generation 3" ]' "$web"
: >stop
wait "$loader"
wait "$asker"
check "what the old one had under way, it answered" equal "slow, but there" "$(cat slow)"
check "no request was refused meanwhile" equal "200 0" "$(sort -u codes)"
check "of many" test "$(wc -l <codes)" -gt 30
all_done() {
    for id in $(cat ids); do
        "$perdure" --hub "$hub" show "$id" --output | grep -q "done" || return 1
    done
}
check "and no job was lost" await 200 all_done
check "of forty" equal 40 "$(wc -l <ids)"
check "the engine is the same process after all of it" equal "$engine" "$(engine_of)"
child=$(pid_of)
printf 'no object' >new.so && mv new.so app.so
check "a file that is no object is reported" await 100 said 'app.so is not loaded: file too short'
check "what was there goes on" equal "generation 3" "$(ask "$web/things/new")"
build 4 -DWRONG_ABI
check "one of another ABI is reported" await 100 said 'ABI 77'
build 4 -DSAME_ROUTES
check "one whose routes cannot be told apart is reported" await 100 said 'same requests'
build 4 -DCRASH_AT_LOADING
check "one that crashes at once is not used" await 100 said 'app.so is not used'
check "and what was there still goes on, the same process" equal "$child generation 3" \
    "$(pid_of) $(ask "$web/things/new")"
build 4 -DSTRAY_TIMER
check "a timer of what the app does not have is spoken of" await 100 said \
    "timer 'stray' runs 'Tock', which this app does not have"
build 5 -DNO_TIMER
check "one that is right is used again" await 200 sh -c \
    '[ "$(curl -s "$0/things/new")" = "generation 5" ]' "$web"
check "a timer that is in no table any more is gone" await 100 sh -c \
    '! "$0" --hub "$1" schedule show app:tested:second' "$perdure" "$hub"

# ---- the end ----
ask "$web/slow" >slow &
asker=$!
ask "$web/jobs" -d '"sleep"' >one
sleep 0.2
kill "$supervisor"
wait "$supervisor"
check "SIGTERM: it ends with 0" equal 0 $?
wait "$asker"
check "what was under way was answered" equal "slow, but there" "$(cat slow)"
check "nobody is left" sh -c '! kill -0 "$0" 2>/dev/null && ! kill -0 "$1" 2>/dev/null' \
    "$engine" "$(pid_of)"
check "and nothing of its folder" equal "" "$(ls -d own/* 2>/dev/null)"
id=$(json one '$.id')
serve --hub "$hub"
check "started anew, what slept goes on" await 100 sh -c \
    '"$0" --hub "$1" show "$2" --output | grep -q slept' "$perdure" "$hub" "$id"
engine=$(engine_of)
child=$(pid_of)
kill -9 "$supervisor"
wait "$supervisor" 2>/dev/null
check "the supervisor killed: the others end, too" await 100 sh -c \
    '! kill -0 "$0" 2>/dev/null && ! kill -0 "$1" 2>/dev/null' "$engine" "$child"

# ---- what cannot begin ----
build 6 -DWRONG_ABI
check "an app that cannot be used ends the host with 1" sh -c \
    '"$0" --http 127.0.0.1:0 --hub memory: ./app.so; [ $? -eq 1 ]' "$host"
check "none at all, too" sh -c '"$0" --http 127.0.0.1:0 --hub memory: ./no.so; [ $? -eq 1 ]' "$host"
check "an address of others without keys, too" sh -c \
    '"$0" --http 0.0.0.0:0 --hub memory: ./app.so; [ $? -eq 1 ]' "$host"
says() { # CODE TEXT OPTION...
    heard=$("$host" "$3" ./app.so 2>&1)
    [ $? -eq "$1" ] && case $heard in *"$2"*) ;; *) echo "$heard" && false ;; esac
}
check "an option that is none: 2" says 2 "'--nothing' is not an option; --help" --nothing
check "a number out of bounds says them" says 2 "1 to 1000 are possible" --threads=0
check "perdure host is the same" sh -c '"$0" host --help | grep -q "perdure host"' "$perdure"

# ---- keys ----
build 7
printf '# keys\n0123456789abcdef ann\nfedcba9876543210\n' >keys
serve --hub memory: --key keys
check "without a key: 401" equal 401 "$(code "$web/jobs" -d '"a"')"
check "with a wrong one: 401" equal 401 "$(code -H 'x-functions-key: 0123456789abcdeX' "$web/slow")"
check "as a header" equal 200 "$(code "$web/jobs?wait=9000" -d '"a"' \
    -H 'x-functions-key: 0123456789abcdef')"
check "in the query" equal 200 "$(code "$web/jobs?wait=9000&code=fedcba9876543210" -d '"a"')"
check "as a bearer's" equal 200 "$(code "$web/jobs?wait=9000" -d '"a"' \
    -H 'Authorization: Bearer 0123456789abcdef')"
check "an anonymous route needs none" equal 200 "$(code "$web/things/7")"
ask -X PUT "$web/things/7" -H 'x-functions-key: 0123456789abcdef' >body
check "a route knows who called" equal ann "$(json body '$.caller')"
ask "$web/jobs?code=0123456789abcdef" -d '"wait"' >links
check "links carry the key" equal 202 "$(code "$(json links '$.statusQueryGetUri')")"
check "and do not work without" equal 401 \
    "$(code "$(json links '$.statusQueryGetUri' | sed 's/[?]code.*//')")"
stop
check "it ends with 0" equal 0 $?

# ---- a server's hub, and two hosts on it ----
"$bin/perdured" --store "sqlite:$work/served.db" --listen 127.0.0.1:0 --http "" >served 2>&1 &
server=$!
children="$children $server"
await 200 grep -q ^ready served
grpc=grpc://$(sed -n 's/^ready grpc=//p' served)
serve --hub "$grpc"
one=$supervisor one_web=$web
check "of a server's hub there is no engine here" equal "" "$(engine_of)"
check "it works there" equal '"a done"' "$(ask "$web/jobs?wait=9000" -d '"a"')"
serve --hub "$grpc"
check "a second host on the hub works as well" equal '"b done"' \
    "$(ask "$web/jobs?wait=9000" -d '"b"')"
check "each sees what the other started" equal 202 "$(
    ask "$web/jobs" -d '"wait"' >links
    code "$(json links '$.statusQueryGetUri' | sed "s|$web|$one_web|")"
)"
stop
check "the second ends" equal 0 $?
supervisor=$one
check "the first goes on" equal '"c done"' "$(ask "$one_web/jobs?wait=9000" -d '"c"')"
stop
check "and ends" equal 0 $?
check "the server does not" kill -0 "$server"
serve --hub "$hub"
check "a second host on a file is told who has it" sh -c \
    '"$0" --http 127.0.0.1:0 --hub "$1" ./app.so 2>second; [ $? -eq 1 ] && test -s second' \
    "$host" "$hub"
stop

# ---- the sample ----
$CC -std=gnu17 -Wall -Wextra -Werror -shared -fPIC -I"$root/include" -o app.so \
    "$root/samples/approval_http/app.c"
serve --hub memory:
check "the sample pays what is small" equal '{"paid":20}' \
    "$(ask "$web/expenses" -d '{"who":"Ada","amount":20}')"
check "what is large waits" equal 202 "$(code "$web/expenses" -d '{"who":"Ada","amount":1200}')"
check "for a yes" equal '{"paid":1200}' \
    "$(ask "$web/expenses/$(json body '$.id')/answer" -d true)"
stop
finish
