#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The guide shows the code that is compiled: every fenced C block is found, letter for letter, in
# one of the samples. Its shell blocks name only commands that exist. Links of every page lead
# somewhere.
set -u
. "$(dirname "$0")/lib.sh"

is_in_a_sample() { # FILE: its lines are in some sample, one after the other
    for source in "$root"/samples/*/*.c; do
        awk 'NR == FNR { want[++n] = $0; next } { have[++m] = $0 }
            END {
                for (i = 1; i + n - 1 <= m; i++) {
                    for (k = 1; k <= n && have[i + k - 1] == want[k]; k++) { }
                    if (k > n) exit 0
                }
                exit 1
            }' "$1" "$source" && return 0
    done
    cat "$1"
    return 1
}

blocks=0
for page in docs/guide/*.md; do
    rm -f "$work"/block.*
    awk -v to="$work/block." '/^```c$/ { on = 1; n++; next } /^```/ { on = 0 }
        on { print > (to n) }' "$page"
    for block in "$work"/block.*; do
        [ -e "$block" ] || continue
        blocks=$((blocks + 1))
        check "$(basename "$page"), block ${block##*.} is code of a sample" is_in_a_sample "$block"
    done
    for command in $(awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$page" |
        sed -n 's/^perdure \(--hub [^ ]* \)\{0,1\}\([a-z]*\).*/\2/p' | sort -u); do
        check "$(basename "$page"): perdure $command exists" "$bin/perdure" help "$command"
    done
    for link in $(grep -o '](\([^)#:]*\))' "$page" | sed 's/^](\(.*\))$/\1/'); do
        check "$(basename "$page") links to $link" test -e "docs/guide/$link"
    done
done
for page in README.md CHANGELOG.md SECURITY.md docs/*.md docs/format/*.md docs/decisions/*.md \
    samples/*/README.md; do
    for link in $(grep -o '](\([^)#:]*\))' "$page" | sed 's/^](\(.*\))$/\1/'); do
        check "$page links to $link" test -e "$(dirname "$page")/$link"
    done
done
check "there is code in the guide" test "$blocks" -ge 6
finish
