# SPDX-License-Identifier: MIT
#
# Sourced by the end-to-end tests: BUILD, a folder of their own, and how they count.
#   check "a sentence" COMMAND...     passes when the command ends with 0
#   finish                            the last line, and the exit code

cd "$(dirname "$0")/../.." || exit 1
root=$PWD
BUILD=${BUILD:-build/debug}
case $BUILD in
/*) ;;
*) BUILD=$root/$BUILD ;;
esac
bin=$BUILD/bin
CC=${CC:-gcc}
export LC_ALL=C.UTF-8 TZ=UTC
unset PERDURE_HUB COLUMNS NO_COLOR PD_REPLAY
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-e2e-XXXXXX")
children=
cleanup() {
    for child in $children; do kill "$child" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

check() {
    sentence=$1
    shift
    if "$@" >"$work/check.out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $sentence"
        echo "     $*"
        sed 's/^/     | /' "$work/check.out" | head -n 20
    fi
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# equal WANTED GOT
equal() {
    [ "$1" = "$2" ] && return 0
    printf 'wanted: %s\ngot:    %s\n' "$1" "$2"
    return 1
}

# is_json FILE, is_jsonl FILE
is_json() { equal 1 "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$1') AS TEXT))")"; }
is_jsonl() {
    while IFS= read -r line; do
        printf '%s' "$line" >"$work/line"
        is_json "$work/line" || return 1
    done <"$1"
}
# json FILE PATH: what is there, as SQLite sees it
json() { sqlite3 :memory: "SELECT json_extract(CAST(readfile('$1') AS TEXT), '$2')"; }
