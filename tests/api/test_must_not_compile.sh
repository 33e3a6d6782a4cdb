#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Mistakes that the compiler must catch. Each must_not_compile/*.c compiles as it is, so that the
# file is known to be right otherwise, and does not with -DMISTAKE, by gcc and by clang; what they
# say then matches the regular expression after "expect:", so that it is this mistake they found.
set -eu
cd "$(dirname "$0")/../.."
flags="-std=c17 -O1 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Werror
    -Iinclude -c -o /dev/null"
passed=0
failed=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

result() {
    if [ "$1" = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

for case in tests/api/must_not_compile/*.c; do
    if [ ! -f "$case" ]; then
        echo "no cases in tests/api/must_not_compile"
        exit 77
    fi
    expected=$(sed -n 's/.*expect: \(.*\) \*\/$/\1/p' "$case")
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        ok=yes
        if [ -z "$expected" ]; then
            echo "$case: no 'expect: ... */' in it"
            ok=no
        fi
        if ! grep -q MISTAKE "$case"; then
            echo "$case: nothing in it depends on MISTAKE"
            ok=no
        fi
        if ! $cc $flags "$case"; then
            echo "$case: $cc rejects it without the mistake; again: $cc" $flags "$case"
            ok=no
        fi
        if $cc $flags -DMISTAKE "$case" 2>"$said"; then
            echo "$case: $cc accepts the mistake; again: $cc" $flags "-DMISTAKE $case"
            ok=no
        elif ! grep 'error:' "$said" | grep -Eq -e "$expected"; then
            echo "$case: $cc finds another mistake than '$expected':"
            cat "$said"
            ok=no
        fi
        result $ok
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
