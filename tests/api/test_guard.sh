#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The determinism guard in programs as users link them: with the shared and the static library,
# each compiler, optimised and checked, with and without a procedure linkage table, at a fixed
# address, bound late or protected; calls of its own, by pointer, of a shared library, of the C++
# library. Where calls cannot be watched, it says so.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build/debug}
here=tests/api/guard
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
unset PD_REPLAY PD_GUARD
LD_LIBRARY_PATH=$work:$BUILD/lib
export LD_LIBRARY_PATH

check() { # WHAT COMMAND...
    what=$1
    shift
    if "$@" >"$work/check" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $what"
        sed 's/^/     | /' "$work/check" | head -n 30
    fi
}

same() { # FILE, wanted on stdin
    diff - "$1"
}

warnings="-Wall -Wextra -Werror"
g++ -std=c++17 -O2 $warnings -fPIC -shared -o "$work/libhelper.so" $here/helper.cpp || exit 1
libraries="-lsqlite3 -ljansson -lpthread -lm"
bad="calls opens points"
cat >"$work/forbidden" <<'END'
calls: Forbidden
opens: Forbidden
points: Forbidden
asks a library: Forbidden
asks chrono: Forbidden
behaves: 1
END

# linked NAME COMPILER-AND-FLAGS...
linked() {
    name=$1
    shift
    program="$work/program"
    # shellcheck disable=SC2086
    check "$name: is built" "$@" $warnings -Iinclude -o "$program" $here/program.c \
        -L"$work" -lhelper $library
    PD_GUARD=fail "$program" calls opens points "asks a library" "asks chrono" behaves \
        >"$work/out" 2>"$work/err" </dev/null
    check "$name: each is forbidden, and nothing else" same "$work/out" <"$work/forbidden"
    check "$name: and reported with its name" sh -c '
        grep -q "orchestrator .calls. (instance .*) calls time: use pd_now" "$1" &&
        grep -q "calls [_a-z0-9]*open[_a-z0-9]*: do it in an activity" "$1" &&
        grep -q "calls getenv: pass it in the input" "$1" &&
        grep -q "calls gettimeofday: use pd_now" "$1" &&
        grep -q "calls clock_gettime: use pd_now" "$1" &&
        [ "$(grep -c "^perdure:" "$1")" -eq 5 ] || { cat "$1"; exit 1; }' sh "$work/err"
    check "$name: and where it was called, first the caller" sh -c '
        grep -A 1 "calls gettimeofday" "$1" | grep -q "^[^ ]*libhelper.so(helper_now+" &&
        grep -A 2 "calls clock_gettime" "$1" | grep -q "libhelper.so(helper_chrono+" ||
        { cat "$1"; exit 1; }' sh "$work/err"
    PD_GUARD=report "$program" calls calls behaves >"$work/out" 2>"$work/err" </dev/null
    check "$name: a report lets it go on" same "$work/out" <<END
calls: 1
calls: 1
behaves: 1
END
    check "$name: and comes once" sh -c '[ "$(grep -c "^perdure:" "$1")" -eq 1 ] ||
        { cat "$1"; exit 1; }' sh "$work/err"
    "$program" $bad >"$work/out" 2>"$work/err" </dev/null
    check "$name: without a guard nothing is said" test ! -s "$work/err"
}

for library in "$BUILD/lib/libperdure.a $libraries" "-L$BUILD/lib -lperdure"; do
    case $library in *.a*) kind=static ;; *) kind=shared ;; esac
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        linked "$kind, $cc" $cc -std=c17 -O0
        linked "$kind, $cc -O2, checked, protected" $cc -std=gnu17 -O2 -D_FORTIFY_SOURCE=2 \
            -Wl,-z,relro -Wl,-z,now
        linked "$kind, $cc bound late" $cc -std=c17 -O1 -Wl,-z,lazy -Wl,-z,norelro
        linked "$kind, $cc -fno-plt" $cc -std=c17 -O2 -fno-plt
        linked "$kind, $cc at a fixed address" $cc -std=c17 -O1 -fno-pie -no-pie
    done
done

# A sanitizer that stands before the C library: gcc's is a library and is seen through, clang's is
# part of the program, so that its calls are not seen: which is told.
library="-L$BUILD/lib -lperdure"
linked "gcc's address sanitizer" gcc -std=c17 -O1 -g -fsanitize=address
if command -v clang >/dev/null &&
    clang -fsanitize=address -std=c17 -Iinclude -o "$work/program" $here/program.c -L"$work" \
        -lhelper $library 2>/dev/null; then
    PD_GUARD=fail "$work/program" calls >"$work/out" 2>"$work/err"
    check "clang's address sanitizer: what is not seen is told" \
        grep -q "^perdure: determinism guard: .* may not be noticed: time," "$work/err"
fi

# No slots at all.
g++ -std=c++17 -O2 -c -o "$work/helper.o" $here/helper.cpp
if gcc -std=c17 -O1 -Iinclude -static -o "$work/program" $here/program.c "$work/helper.o" \
    "$BUILD/lib/libperdure.a" $libraries -lstdc++ 2>"$work/err"; then
    PD_GUARD=fail "$work/program" calls >"$work/out" 2>"$work/err"
    check "a program linked with -static: the worker refuses to start" \
        grep -q "linked without a dynamic linker (-static)" "$work/err"
    check "and nothing was run" test ! -s "$work/out"
    "$work/program" calls >"$work/out" 2>"$work/err"
    check "without a guard it runs" grep -qx "calls: 1" "$work/out"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
