#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The tests of the management API again, over TLS, and over TLS with certificates of clients
# (SERVED_TLS: served.h).
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build/debug}
case $BUILD in
/*) ;;
*) BUILD=$PWD/$BUILD ;;
esac
tests=$BUILD/tests/server
[ -x "$tests/test_web" ] || { echo "skipped: there is no $tests/test_web" && exit 77; }
log=$(mktemp "${TMPDIR:-/tmp}/perdure-web-tls-XXXXXX")
trap 'rm -f "$log"' EXIT
for kind in server mutual; do
    for test in test_web test_web_waits test_web_lists test_web_history test_web_door \
        test_web_schedules; do
        SERVED_TLS=$kind "$tests/$test" >"$log" 2>&1 || { cat "$log" && exit 1; }
        grep -q 'PASSED' "$log" || { cat "$log" && exit 1; }
    done
done
