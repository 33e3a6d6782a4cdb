#!/bin/sh
# SPDX-License-Identifier: MIT
#
# docs/openapi.json says what the management API does: every answer that its tests got is looked up
# there, and every operation that it names was asked.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
BUILD=${BUILD:-build/debug}
case $BUILD in
/*) ;;
*) BUILD=$root/$BUILD ;;
esac
tests=$BUILD/tests/server
[ -x "$tests/test_web" ] || { echo "skipped: there is no $tests/test_web" && exit 77; }
/usr/bin/python3 -c 'import jsonschema; jsonschema.Draft202012Validator' 2>/dev/null ||
    { echo "skipped: python3-jsonschema is not installed" && exit 77; }
WEB_TRANSCRIPT=$(mktemp "${TMPDIR:-/tmp}/perdure-web-XXXXXX")
export WEB_TRANSCRIPT
trap 'rm -f "$WEB_TRANSCRIPT"' EXIT
for test in test_web test_web_lists test_web_door test_web_schedules; do
    "$tests/$test" >"$WEB_TRANSCRIPT.log" 2>&1 || { cat "$WEB_TRANSCRIPT.log" && exit 1; }
    rm -f "$WEB_TRANSCRIPT.log"
done
/usr/bin/python3 tests/server/web_openapi.py docs/openapi.json "$WEB_TRANSCRIPT"
