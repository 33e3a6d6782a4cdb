#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The names that leave the library are those of the list, in the shared and in the static one; and
# the list is what perdure.h declares. With --update the list is made anew from the shared library.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build/debug}
list=tests/api/exports.txt
so=$BUILD/lib/libperdure.so
a=$BUILD/lib/libperdure.a
export LC_ALL=C

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

same() {
    if ! diff "$1" "$2" >"$work/diff"; then
        echo "$3"
        sed -n -e 's/^</  -/p' -e 's/^>/  +/p' "$work/diff"
        status=1
    fi
}

nm -D --defined-only "$so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort -u >"$work/shared"
nm -g --defined-only "$a" | awk 'NF == 3 { print $3 }' | sort -u >"$work/static"
sed -n '/^PD_API/s/PD_[A-Z_]*([^)]*)//gp; /^PD_API/p' include/perdure.h |
    sed -n 's/^PD_API [^(]*[ *]\(pd_[a-z0-9_]*\)(.*/\1/p' | sort -u >"$work/declared"

if [ "${1:-}" = --update ]; then
    cp "$work/shared" $list
    echo "$list: $(grep -c . $list) names"
fi

# Coverage and sanitizers add names of their own to a static library; ours begin with pd_.
if grep -v '^pd_' "$work/static" | grep -v '^__\(asan\|odr_asan\|ubsan\|tsan\|gcov\)'; then
    echo "The names above leave libperdure.a and do not begin with pd_"
    status=1
fi
grep '^pd_' "$work/static" >"$work/static_pd" || true
same $list "$work/shared" "libperdure.so: not exported (-), or not in $list (+):"
same $list "$work/static_pd" "libperdure.a: not exported (-), or not in $list (+):"
same $list "$work/declared" "perdure.h: not declared (-), or not in $list (+):"
if ! readelf -d "$so" | grep -q 'SONAME.*\[libperdure\.so\.[0-9]*\]'; then
    echo "libperdure.so: the SONAME is not libperdure.so.N"
    status=1
fi
exit $status
