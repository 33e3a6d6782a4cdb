#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How soon perdured is ready, and how much memory it has then: the line "ready" after exec, of a new
# file and of one that is there, so many times. For numbers in docs/PERFORMANCE.md; nothing is
# checked, as other programs may be running.
#
#   BUILD=build/release tests/bench/ready.sh [TIMES]
set -eu
cd "$(dirname "$0")/../.."
perdured=${BUILD:-build/release}/bin/perdured
times=${1:-50}
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-ready-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkfifo "$work/out"

once() { # its milliseconds and KiB
    began=$(date +%s%N)
    "$perdured" --store="sqlite:$work/hub.db" --listen=127.0.0.1:0 --http=127.0.0.1:0 \
        >"$work/out" 2>/dev/null &
    pid=$!
    read -r line <"$work/out"
    ended=$(date +%s%N)
    case $line in ready*) ;; *) echo "it did not begin" >&2 && exit 1 ;; esac
    kb=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
    kill "$pid"
    wait "$pid"
    echo "$(((ended - began) / 10000)) $kb" # in hundredths of a millisecond
}
report() { # WORDS
    sort -n "$work/all" | awk -v words="$1" '
        { ms[NR] = $1 / 100; if ($2 > kb) kb = $2 }
        END { printf "%s: ready after %.1f ms (median), %.1f at most; %d KiB at most; %d times\n",
              words, ms[int((NR + 1) / 2)], ms[NR], kb, NR }'
}
for kind in "a new file" "a file that is there"; do
    : >"$work/all"
    for _ in $(seq "$times"); do
        [ "$kind" != "a new file" ] || rm -f "$work"/hub.db*
        once >>"$work/all"
    done
    report "$kind"
done
