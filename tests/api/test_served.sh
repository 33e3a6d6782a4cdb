#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The tests of the API, with a perdured for each instead of a file or memory: the same program in
# two processes. What is so only without a server skips itself, and says why (served_skip).
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build/debug}
[ -x "$BUILD/bin/perdured" ] || { echo "no perdured in $BUILD: nothing to test"; exit 0; }
BUILD=$(cd "$BUILD" && pwd)
export PERDURE_TEST_SERVER="$BUILD/bin/perdured" PERDURE_MODULES="$BUILD/lib"
status=0
for test in ${SERVED_TESTS:-hub_run hub_wait hub_events hub_manage hub_query hub_read hub_rewind \
    hub_signals hub_entities hub_entity_calls hub_locks pattern_activities pattern_children \
    pattern_entities pattern_events pattern_timers}; do
    if timeout 600 "$BUILD/tests/api/test_$test" >"/tmp/pd-served-$$" 2>&1; then
        echo "served: $test: ok"
    else
        cat "/tmp/pd-served-$$"
        status=1
    fi
done
rm -f "/tmp/pd-served-$$"
exit $status
