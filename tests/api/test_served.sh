#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The tests of the API, with a perdured for each instead of a file or memory: the same program in
# two processes. All of them are run but those that are named below, with the reason. What of one
# is so only without a server skips itself, and says why (served_skip).
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build/debug}
[ -x "$BUILD/bin/perdured" ] || { echo "no perdured in $BUILD: nothing to test"; exit 0; }
BUILD=$(cd "$BUILD" && pwd)
export PERDURE_TEST_SERVER="$BUILD/bin/perdured" PERDURE_MODULES="$BUILD/lib"

why_not() {
    case $1 in
    values) echo "it has no hub" ;;
    esac
}

status=0 count=0
all=$(cd tests/api && ls test_*.c | sed 's/^test_//; s/\.c$//')
for test in ${SERVED_TESTS:-$all}; do
    if [ -n "$(why_not "$test")" ]; then
        echo "served: $test: not run: $(why_not "$test")"
        continue
    fi
    count=$((count + 1))
    if timeout 600 "$BUILD/tests/api/test_$test" >"/tmp/pd-served-$$" 2>&1; then
        echo "served: $test: ok"
    else
        cat "/tmp/pd-served-$$"
        echo "served: $test: failed"
        status=1
    fi
done
rm -f "/tmp/pd-served-$$"
[ "$count" -gt 0 ] || { echo "served: no test was found"; status=1; }
exit $status
