#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every header compiles alone, by gcc and by clang; the public ones also as plain C17 without
# _GNU_SOURCE and as C++17.
set -eu
cd "$(dirname "$0")/../.."
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wwrite-strings -Werror"
c_only="-Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Wcast-qual"
libraries=$(pkg-config --cflags sqlite3 jansson)
status=0

# alone HEADER-LINE COMPILER...
alone() {
    line=$1
    shift
    # A header of nothing but macros is no translation unit: so there is a declaration behind it.
    if ! printf '#include %s\nextern int nothing;\n' "$line" | "$@" -fsyntax-only -; then
        echo "alone it does not compile: $line"
        echo "again: echo '#include $line' | $* -fsyntax-only -"
        status=1
    fi
}

for cc in gcc clang; do
    command -v $cc >/dev/null || { echo "no $cc here"; status=1; continue; }
    for header in $(cd include && find . -name '*.h' | sed 's,^\./,,' | sort); do
        alone "<$header>" $cc -x c -std=c17 $warnings $c_only -Iinclude
    done
    for header in $(cd src 2>/dev/null && find . -name '*.h' | sed 's,^\./,,' | sort); do
        alone "\"$header\"" $cc -x c -std=c17 -D_GNU_SOURCE -DXXH_INLINE_ALL $warnings $c_only \
            -Iinclude -Isrc $libraries
    done
done
for cxx in g++ clang++; do
    command -v $cxx >/dev/null || { echo "no $cxx here"; status=1; continue; }
    for header in $(cd include && find . -name '*.h' | sed 's,^\./,,' | sort); do
        alone "<$header>" $cxx -x c++ -std=c++17 $warnings -Iinclude
    done
done
exit $status
