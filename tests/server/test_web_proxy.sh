#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The management API as it is used: every line of the guide's chapter by curl, and behind an nginx
# with a prefix, which takes it away or leaves it. Links lead back through the proxy.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
BUILD=${BUILD:-build/debug}
case $BUILD in
/*) ;;
*) BUILD=$root/$BUILD ;;
esac
perdured=$BUILD/bin/perdured
[ -x "$perdured" ] || { echo "skipped: there is no $perdured" && exit 77; }
command -v curl >/dev/null || { echo "skipped: there is no curl" && exit 77; }
PATH=$PATH:/usr/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-proxy-XXXXXX")
pid=
nginx=
failed=0
passed=0
cleanup() {
    code=$?
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    [ -z "$nginx" ] || { kill "$nginx" 2>/dev/null && wait "$nginx"; } # its worker, too
    rm -rf "$work"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

check() { # WHAT WANTED GOT
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: $3 and not $2"
    fi
}
up() {
    : >"$work/ready"
    "$perdured" --store memory: --listen 127.0.0.1:0 --http 127.0.0.1:0 "$@" >"$work/ready" \
        2>"$work/log" &
    pid=$!
    for _ in $(seq 500); do
        grep -q '^ready' "$work/ready" && break
        sleep 0.02
    done
    http=$(sed -n 's/^ready.* http=//p' "$work/ready")
    [ -n "$http" ] || { cat "$work/log" && exit 1; }
}
down() {
    kill "$pid"
    wait "$pid" || { echo "FAIL perdured ended with $?" && failed=$((failed + 1)); }
    pid=
}
code() { curl -s -o "$work/body" -w '%{http_code}' --max-time 20 "$@"; }
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/body"; }
path=/runtime/webhooks/durabletask

# ---- the chapter ---------------------------------------------------------------------------------

up
base=http://$http$path
export base
awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on && /^curl / && !/timeout=/' \
    docs/guide/17-http-api.md >"$work/lines"
check "the chapter has lines" 1 "$([ "$(wc -l <"$work/lines")" -ge 17 ] && echo 1)"
while read -r line; do
    got=$(printf '%s\n' "$line" | sed "s|^curl |curl -s -m 20 -o /dev/null -w %{http_code} |" | sh)
    case $got in
    200 | 202 | 404 | 409 | 410 | 412) passed=$((passed + 1)) ;;
    *) failed=$((failed + 1)) && echo "FAIL $line: $got" ;;
    esac
done <"$work/lines"
check "what the chapter started was found" 202 "$(code "$base/orchestrators/Hello" -X POST)"
down

# ---- nginx ---------------------------------------------------------------------------------------

command -v nginx >/dev/null || {
    echo "$passed passed, $failed failed; there is no nginx: nothing behind one was tried"
    exit "$((failed > 0))"
}
proxy_up() { # LOCATION
    [ -z "$nginx" ] || { kill "$nginx" && wait "$nginx"; }
    cat >"$work/nginx.conf" <<END
daemon off; pid $work/nginx.pid; error_log $work/nginx.log; worker_processes 1;
events {}
http {
    access_log off; client_body_buffer_size 1m;
    client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
    uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
    server { listen 127.0.0.1:$front; location /engine/ { $1 } }
}
END
    nginx -c "$work/nginx.conf" -p "$work" >>"$work/nginx.log" 2>&1 &
    nginx=$!
    for _ in $(seq 200); do
        [ "$(code "http://127.0.0.1:$front/")" != 000 ] && break
        sleep 0.02
    done
}
# Started, looked at, raised, ended and forgotten, all by links.
walk() { # WHAT
    check "$1: start" 202 "$(code -X POST "$outside$path/orchestrators/Hello/a%20b" -d '{"n":1}')"
    status=$(member statusQueryGetUri)
    event=$(member sendEventPostUri | sed 's/{eventName}/go/')
    end=$(member terminatePostUri | sed 's/{text}/why/')
    gone=$(member purgeHistoryDeleteUri)
    check "$1: the link is of the outside" "$outside$path/instances/a%20b" "${status%%\?*}"
    check "$1: look" 202 "$(code "$status")"
    check "$1: it is that one" "a b" "$(member instanceId)"
    check "$1: Location" "$status" \
        "$(curl -s -D - -o /dev/null "$status" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')"
    check "$1: raise" 202 "$(code -g -X POST "$event" -H 'Content-Type: application/json' -d 1)"
    check "$1: terminate" 202 "$(code -g -X POST "$end")"
    check "$1: look again" 200 "$(code "$status")"
    check "$1: purge" 200 "$(code -X DELETE "$gone")"
    check "$1: gone" 404 "$(code "$status")"
}

front=$((20000 + $$ % 20000))
outside=http://127.0.0.1:$front/engine
up --public-url "$outside"
# shellcheck disable=SC2016 # nginx has variables of its own
forwards='proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Prefix /engine;'
proxy_up "proxy_pass http://$http/;"
walk "prefix taken away"
proxy_up "proxy_pass http://$http;"
walk "prefix left"
big=$(head -c 300000 /dev/zero | tr '\0' 1)
check "a large body" 202 "$(printf '"%s"' "$big" |
    code -X POST "$outside$path/orchestrators/Hello" -d @-)"
down
up --trust-forwarded=yes
proxy_up "proxy_pass http://$http/; $forwards"
walk "told by headers"
down
echo "$passed passed, $failed failed"
exit "$((failed > 0))"
