#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Chapter 17 of the guide, done: each curl line of it, in its order, against a perdured with the
# worker that the chapter names. Placeholders and lines of other chapters are not run.
set -u
. "$(dirname "$0")/lib.sh"
[ -x "$bin/perdured" ] && command -v curl >/dev/null || {
    echo "0 passed, 0 failed"
    exit 0
}
page=$root/docs/guide/17-http-api.md

await() { # COMMAND, for ten seconds
    for _ in $(seq 200); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

"$bin/perdured" --store memory: --listen 127.0.0.1:0 --http 127.0.0.1:0 \
    >"$work/ready" 2>"$work/log" &
children=$!
await grep -qs '^ready ' "$work/ready"
grpc=$(sed -n 's/^ready grpc=\([^ ]*\).*/\1/p' "$work/ready")
http=$(sed -n 's/.*http=\([^ ]*\).*/\1/p' "$work/ready")
PERDURE_MODULES=$BUILD/lib "$bin/approval" "grpc://$grpc" 2>"$work/approval" &
children="$children $!"
check "the worker connects" await grep -qs 'worker connected' "$work/log"

base=http://$http/runtime/webhooks/durabletask
export base
answers() { code=$(sh -c "curl -sS -m 30 -o '$work/body' -w '%{http_code}' ${line#curl}"); }
is_settled() { answers && [ "$code" != 409 ]; } # what the line before did takes its milliseconds
runs() { # LINE WANTED...: one of these statuses
    line=$1
    shift
    await is_settled || { echo "$code"; cat "$work/body"; return 1; }
    for wanted in "$@"; do
        [ "$code" != "$wanted" ] || return 0
    done
    echo "$code"
    cat "$work/body"
    return 1
}

awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on && /^curl /' "$page" >"$work/lines"
while IFS= read -r line; do
    case $line in
    *createdTimeTo=2026-06-30*) wanted=404 ;;          # nothing is so
    *'$base/entities/counter/cats'*op=* | *DELETE*entities*) wanted=202 ;;
    *'$base/entities/counter/cats') wanted='200 404' ;; # nobody here has such entities
    *) wanted='200 202' ;;
    esac
    # shellcheck disable=SC2086
    check "$line" runs "$line" $wanted
done <"$work/lines"
check "there are lines" test "$(wc -l <"$work/lines")" -ge 18
finish
