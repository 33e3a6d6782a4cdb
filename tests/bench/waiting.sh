#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How much memory perdured takes while many orchestrations wait for an activity that no worker has:
# with them, and after a restart. For numbers in docs; nothing is checked.
#
#   BUILD=build/release tests/bench/waiting.sh [COUNT] [BYTES]     1,000,000; of input each: 5
#
# SERVER=PATH: another perdured than that of BUILD, to compare.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/release}
perdured=${SERVER:-$build/bin/perdured}
count=${1:-1000000}
bytes=${2:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-waiting-XXXXXX")
server=
bench=
trap 'kill $server $bench 2>/dev/null || true; rm -rf "$work"' EXIT
mkfifo "$work/out"

begin() {
    "$perdured" --store="sqlite:$work/hub.db" --listen=127.0.0.1:0 --http=127.0.0.1:0 \
        >"$work/out" 2>"$work/log" &
    server=$!
    read -r line <"$work/out"
    case $line in ready*) ;; *) cat "$work/log" >&2 && exit 1 ;; esac
    grpc=${line#*grpc=} && grpc=${grpc%% *} && grpc=${grpc%%,*}
    http=${line#*http=} && http=${http%% *}
}
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status"; }
most() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status"; }
waiting() {
    curl -s "http://$http/metrics" |
        sed -n 's/^perdure_work_items_pending{.*kind="activity"} //p' | head -1
}
until_all_wait() {
    for _ in $(seq 1200); do
        [ "$(waiting)" != "$count" ] || return 0
        sleep 0.5
    done
    echo "only $(waiting) wait" >&2
    exit 1
}
say() { echo "$1: $(($(memory) / 1024)) MiB; at most $(($(most) / 1024)) MiB"; }

begin
say "empty"
"$build/bin/bench_waiting" "grpc://$grpc" "$count" "$bytes" &
bench=$!
until_all_wait
sleep 3
say "$count wait"
kill -9 "$bench"
sleep 3
say "their worker is gone"
kill "$server"
wait "$server" || true
began=$(date +%s%N)
begin
until_all_wait
echo "all offered again after $((($(date +%s%N) - began) / 1000000)) ms"
sleep 3
say "after a restart"
