#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The process perdured under attack (hostile.py): honest calls go on, its memory stays bounded, and
# it is alive in the end. Frames in detail are tests/unit/grpc/test_hostile.c's.
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
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-hostile-XXXXXX")
pid=
cleanup() {
    code=$?
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    rm -rf "$work"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"

"$perdured" --store "sqlite:$work/hub.db" --listen 127.0.0.1:0 --http 127.0.0.1:0 \
    >"$work/ready" 2>"$work/log" &
pid=$!
for _ in $(seq 500); do
    grep -q '^ready' "$work/ready" && break
    sleep 0.02
done
port=$(sed -n 's/^ready grpc=[^ ,]*:\([0-9]*\).*/\1/p' "$work/ready")
[ -n "$port" ] || { cat "$work/log" && exit 1; }

/usr/bin/python3 tests/server/hostile.py "$port" "$pid"
result=$?
if ! kill -0 "$pid" 2>/dev/null; then
    echo "FAIL the server has ended"
    tail -n 20 "$work/log"
    exit 1
fi
exit "$result"
